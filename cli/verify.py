"""`switchlog verify`: is this log intact?

Law: reads whole logs, changes nothing; says what it found, where, and in words what it can and can't prove. Exit code 1
if anything was found.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.options import AsJson, ConfigFile, OneSession, config_for, offer_logs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from eventlog import Protection
    from eventlog.sources import Source
    from eventlog.verify import Anchor, End

_NAMED: Final = 20


def verify(
    logs: Annotated[
        list[str],
        typer.Argument(
            autocompletion=offer_logs,
            metavar="FILE…",
            help="Transcripts; all of a folder, or of a database or home of OpenClaw's.",
        ),
    ],
    session: OneSession = None,
    anchor: Annotated[
        str | None, typer.Option("--anchor", metavar="SEAL", help="A lastSeal of this log that was kept elsewhere.")
    ] = None,
    anchors: Annotated[
        Path | None,
        typer.Option(
            "--anchors", metavar="FILE", help="Check a folder's logs against FILE, then note their ends in it."
        ),
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Parse every line, also the host's. Slower.")] = False,
    config: ConfigFile = None,
    json: AsJson = False,
) -> int:
    """Check logs: every line's class, every seal, the chain, the session, proofs and anchors.

    An anchor shows what seals alone can't: an end that was cut off, a log that was written anew. Let a daily job keep
    them where the gateway can't write: verify sessions/ --anchors FILE.

    \b
    Examples:
      switchlog verify sessions/17a309d8.jsonl
      switchlog verify sessions/17a309d8.jsonl --anchor 5f0c9a52d1e87b364f0c9a52d1e87b36
      switchlog verify sessions/ --anchors /mnt/audit/anchors.jsonl --json
    """
    from cli.output import FINDING, FINE, write_json
    from cli.progress import progress
    from cli.render import printer
    from cli.verify_text import fields, gone, lines, summary
    from eventlog.verify import verify as judge

    files = [found for log in logs for found in _found(log, session)]
    known = _anchors(anchors, files)
    out = None if json else printer()
    ends: list[End] = []
    rules: dict[Path, Protection] = {}
    faulty = bare = 0
    for log in progress(files, "logs"):
        used = known.get(_path(log).name) if anchor is None else _given(anchor, files)
        folder = _path(log).parent
        if folder not in rules:  # looked up once, not for each of 100,000 logs
            rules[folder] = config_for(str(_path(log)), config).protection
        verdict = judge(log, anchor=used, thorough=deep, protection=rules[folder])
        faulty += not verdict.intact
        bare += verdict.intact and verdict.report.last_seal is None
        if anchors is not None and (end := verdict.end) is not None:
            ends.append(end)
        if out is None:
            write_json(fields(str(log), verdict))
        elif not verdict.intact or len(files) <= _NAMED:
            for line in lines(str(log), verdict, _NAMED, brief=verdict.intact and len(files) > 1):
                out(line)
    lost = sorted(known.keys() - {_path(log).name for log in files})
    for name in lost:
        if out is None:
            write_json({"file": name, "intact": False, "anchor": {"seal": known[name].seal, "found": False}})
        else:
            out(gone(name, known[name]))
    noted = None if anchors is None else _note(anchors, ends, known)
    if out is not None and (len(files) > 1 or anchors is not None):
        out(summary(len(files), faulty, bare, len(lost), noted))
    return FINDING if faulty or lost else FINE


def _found(log: str, session: str | None) -> "Iterator[str | Path | Source]":
    """All logs that the name stands for, or the one session of it."""
    from eventlog import sources

    if session is not None:
        yield sources.locate(log, session)
    else:
        several = None if log == sources.STDIN else sources.several(Path(log))
        yield from [log] if several is None else several


def _path(log: "str | Path | Source") -> Path:
    return log if isinstance(log, Path) else Path(log if isinstance(log, str) else str(log.path or "-"))


def _given(seal: str, files: "list[str | Path | Source]") -> "Anchor":
    from eventlog.anchors import SEAL
    from eventlog.verify import Anchor

    if len(files) != 1:
        raise typer.BadParameter(f"a seal is that of one log, and {len(files)} are named", param_hint="--anchor")
    if not SEAL.fullmatch(seal):
        raise typer.BadParameter(f"{seal!r} is no seal: 32 hex digits, as show --json has them", param_hint="--anchor")
    return Anchor(seal)


def _anchors(path: Path | None, files: "list[str | Path | Source]") -> "Mapping[str, Anchor]":
    from eventlog import anchors

    if path is None:
        return {}
    folders = {_path(log).parent for log in files}
    if len(folders) != 1 or not all(isinstance(log, Path) or (isinstance(log, str) and log != "-") for log in files):
        raise typer.BadParameter("one anchor file is for the logs of one folder", param_hint="--anchors")
    return anchors.load(path)


def _note(path: Path, ends: "list[End]", known: "Mapping[str, Anchor]") -> int:
    from eventlog import UnreadableError, anchors

    try:
        return anchors.add(path, ends, known)
    except OSError as error:
        why = f"can't be written: {(error.strerror or str(error)).lower()}"
        raise UnreadableError(path, why, "no new anchor was noted") from error
