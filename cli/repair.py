"""`switchlog repair`: a damaged log, written anew without losing a byte that might mean something.

Law: says what it does and what it leaves; with ``--dry-run`` it only says so.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, By, Note, who

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli.render import Line
    from eventlog.repair import Repair


def repair(
    log: Annotated[str, typer.Argument(metavar="FILE", help="A transcript, or the beginning of a session id.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
    by: By = None,
    note: Note = None,
    json: AsJson = False,
) -> int:
    """Mend a log: take out NULs, give glued lines a line each, record the damage that stays as known.

    Nothing else is left out or changed: an altered line stays, is told as known damage, and still does not count. The
    file before is kept beside it, and the log records who repaired it. A companion file is repaired too.

    \b
    Examples:
      switchlog repair sessions/17a309d8.jsonl --dry-run
      switchlog repair sessions/17a309d8.jsonl --note "power cut on Tuesday"
    """
    from cli.output import DAMAGED, tell, write_json
    from cli.render import printer
    from eventlog.repair import BusyError, UnsafeRepairError

    for path in _files(log):
        try:
            done = _repaired(path, by, note, dry_run=dry_run)
        except (BusyError, UnsafeRepairError) as error:
            tell(str(error))
            return DAMAGED
        if json:
            write_json(fields(done))
            continue
        out = printer()
        for line in lines(done):
            out(line)
    return 0


def _files(log: str) -> "Iterator[Path]":
    from eventlog import sources

    path = sources.transcript(log)
    beside = sources.companion(path)
    if path.exists():
        yield path
    if beside.exists():
        yield beside


def _repaired(path: "Path", by: str | None, note: str | None, *, dry_run: bool) -> "Repair":
    from eventlog import UnreadableError
    from eventlog.repair import plan, repair

    try:
        return plan(path) if dry_run else repair(path, by=who(by), note=note)
    except OSError as error:
        why = f"can't be repaired: {(error.strerror or str(error)).lower()}"
        raise UnreadableError(path, why, "nothing is lost; mend the cause and repair it again") from error


def fields(done: "Repair") -> dict[str, object]:
    """What `--json` prints."""
    return {
        "file": str(done.path),
        "needed": done.needed,
        "repaired": done.copy is not None,
        "zeroBytes": done.zeros,
        "separatedLines": done.separated,
        "knownDamage": done.damage,
        "copy": None if done.copy is None else str(done.copy),
    }


def lines(done: "Repair") -> "Iterator[Line]":
    """What people see."""
    from cli.render import labelled, line, many
    from cli.safe_text import visible

    name = visible(str(done.path))
    if not done.needed:
        yield line(f"{name}: ", ("nothing to repair", "bold green"))
        return
    verdict = (
        ("repaired", "bold green") if done.copy is not None else ("would be repaired; nothing was changed", "yellow")
    )
    yield line(f"{name}: ", verdict)
    if done.zeros:
        yield labelled("out", f"{done.zeros:,} bytes of NULs, in {done.runs:,} {'run' if done.runs == 1 else 'runs'}")
    if done.separated:
        yield labelled(
            "ended",
            f"{done.separated:,} {'line that lacks its' if done.separated == 1 else 'lines that lack their'} newline",
        )
    damage = ((kind, count) for kind, count in done.damage.items() if count)
    stays = ", ".join(many(count, "gap") if kind == "gaps" else f"{count:,} {kind}" for kind, count in damage)
    if stays:
        yield labelled("stays", f"{stays}: told as known damage from now on; it still does not count")
    if done.copy is not None:
        yield labelled("kept", f"the file before: {visible(str(done.copy))}")
