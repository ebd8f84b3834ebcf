"""`make bench-openclaw`: does a live OpenClaw keep its conversation with our lines in its transcript?

Law: counted at the provider, which is sent the whole history with every request. The same twenty turns, with the same
kills, compaction and torn lines, are played with nobody who writes, with us, and with lines that are not chained, which
shows that the count can fail. It holds if the provider is sent as much with our lines as without them, turn by turn,
everything that was said is in it, and no event, no line of the host and no seal is lost.
"""

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

from benchmarks.gateways import write
from benchmarks.openclaw_install import VERSION, Programs, install
from benchmarks.openclaw_story import AFTER, BETWEEN, HOLD, TOLD, TURNS, Run, play
from benchmarks.openclaw_writers import Nobody, Ours, Unchained

DURING: Final = 8
"""Turns of the run that is written into while the model answers."""

CONTROL, WITH, UNCHAINED, WITHIN = "nobody writes", "our lines", "unchained lines", "ours, within turns"
RUNS: Final = {CONTROL: Nobody, WITH: Ours, UNCHAINED: Unchained, WITHIN: Ours}


def measure(programs: Programs) -> dict[str, Run]:
    """All runs, one after the other; what is going on is told on stderr."""
    found = {}
    for name, writer in RUNS.items():
        began, turns = time.monotonic(), DURING if name == WITHIN else TURNS
        run = Run()
        with tempfile.TemporaryDirectory(prefix="switchlog-bench-", ignore_cleanup_errors=True) as folder:
            for run in play(programs, Path(folder), writer(), turns, during=name == WITHIN):
                _progress(f"{name}: turn {len(run.messages)} of {turns}, {time.monotonic() - began:.0f} s")
        _progress(f"{name}: {turns} turns, {time.monotonic() - began:.0f} s\n")
        found[name] = run
    return found


def _progress(text: str) -> None:
    if sys.stderr.isatty() or text.endswith("\n"):
        print(f"\r\033[K{text}" if sys.stderr.isatty() else text, end="", file=sys.stderr, flush=True)


def table(runs: dict[str, Run]) -> Iterator[str]:
    """What was counted."""
    yield "messages that the model is sent"
    yield f"{'at turn':<24}" + _row(range(1, TURNS + 1))
    yield from (f"{name:<24}" + _row(run.messages) for name, run in runs.items())
    yield ""
    yield from (f"after turn {turn:>2}: {TOLD[what]}" for turn, what in AFTER.items())
    yield f"within turns: the first {BETWEEN} as above; then answers take {HOLD:.0f} s, and lines are written meanwhile"
    yield ""
    yield _line("", "said, and", "our", "in the", "beside", "", "seals", "OpenClaw's", "")
    yield _line("", "not sent", "events", "transcript", "it", "lost", "verify", "lines", "lost")
    for name, run in runs.items():
        ours = (run.attempted, run.inside, run.beside, run.lost, "yes" if run.verified else "NO")
        yield _line(name, len(_missed(run)), *(ours if run.attempted else "–––––"), run.host_lines, run.host_lost)
    if runs[CONTROL].missing[-1]:
        told = " and ".join(runs[CONTROL].missing[-1])
        yield ""
        yield f"Alone, OpenClaw forgets {told}, whose answer was cut; with a line of ours behind it, it does not."
    yield f"Requests that /compact makes: {runs[CONTROL].summaries} alone, {runs[WITH].summaries} with our lines."


def _line(name: str, *cells: object) -> str:
    widths = (11, 8, 12, 8, 6, 8, 12, 6)
    return (f"{name:<24}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))).rstrip()


def _row(figures: "range | list[int]") -> str:
    return "".join(f"{one:>4}" for one in figures)


def _missed(run: Run) -> set[str]:
    return {one for missing in run.missing for one in missing}


def faults(runs: dict[str, Run]) -> Iterator[str]:
    """Where the claim does not hold, or the measurement shows nothing."""
    control = runs[CONTROL]
    if runs[WITH].messages != control.messages:
        yield f"{WITH}: the provider is not sent as many messages as without them"
    if not _missed(runs[UNCHAINED]):
        yield f"{UNCHAINED}: the model lost nothing, so this measurement shows nothing"
    for name in (WITH, WITHIN):
        run = runs[name]
        for turn, missing in enumerate(run.missing, 1):
            if missing:
                yield f"{name}: the model is not sent {', '.join(missing)} at turn {turn}"
        if not run.inside:
            yield f"{name}: none of our events is in the host's transcript"
        if run.lost:
            yield f"{name}: {run.lost} of {run.attempted} events are lost"
        if not run.verified:
            yield f"{name}: switchlog verify finds something"
    if runs[WITH].acknowledged != runs[WITH].attempted:
        yield f"{WITH}: only {runs[WITH].acknowledged} of {runs[WITH].attempted} events were acknowledged at once"
    for name in (CONTROL, WITH, WITHIN):
        if runs[name].host_lost:
            yield f"{name}: {runs[name].host_lost} of {runs[name].host_lines} lines of the host are lost"
        yield from (f"{name}: {one}" for one in runs[name].strange)


def main() -> None:
    """Print the table; exit code 1 where the claim fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--cache", type=Path, default=_cache(), metavar="DIR", help="for Node and OpenClaw: %(default)s"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the marks of a page")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what we have started goes with us
    _progress(f"OpenClaw {VERSION} in {options.cache}; the first time it is installed there, some 850 MB\n")
    programs = install(options.cache)
    runs = measure(programs)
    told = [*table(runs), "", f"OpenClaw {VERSION}, {date.today():%Y-%m-%d}, {_machine()}"]  # noqa: DTZ011
    print("\n".join(told))
    wrong = list(faults(runs))
    if wrong:
        print("\n".join(["", "It does not hold:", *wrong]))
        raise SystemExit(1)
    if options.write is not None:
        write(options.write, "bench-openclaw", told)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "switchlog-bench"


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
