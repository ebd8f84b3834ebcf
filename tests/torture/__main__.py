"""``python -m torture``, in the folder ``tests``: all sections, on all cores, and a table of what came of it.

Law: exit code 1 for any fault, and for too few different states of a crash; 130 when it is stopped. ``TORTURE=long`` is
the run of about an hour.
"""

import argparse
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Final

from torture import crashes
from torture.rows import Job, Plan, Row
from torture.table import figures, merged, table

SECTIONS: Final = ("crashes", "cuts", "flips", "kills", "fuzz", "sizes", "writers")
LONG: Final = 15.0
_EVERY: Final = 10.0


def main() -> int:
    options = _options()
    plan = Plan(options.seed, options.scale)
    began = time.monotonic()
    try:
        found = sorted(run(_jobs(plan, options.section), sys.stderr.isatty()), key=itemgetter(0))
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    rows, seconds = merged(row for _, row in found), time.monotonic() - began
    few = too_few(rows) if plan.scale >= 1 else []
    when = f"{datetime.now(UTC):%Y-%m-%d}"
    told = [
        table(rows),
        "",
        f"{when}: seed {plan.seed}, scale {plan.scale:g}, {seconds:.0f} s on {os.cpu_count()} cores",
    ]
    told += [f"too few: {one}" for one in few]
    print("\n".join(told))
    if options.write is not None:
        write(options.write, "\n".join(told))
    if options.json is not None:
        options.json.write_text(json.dumps(figures(rows, plan.seed, plan.scale, seconds), indent=1) + "\n")
    return 1 if few or any(row.faults for row in rows) else 0


def write(page: Path, told: str) -> None:
    """Put the table between the marks of a page."""
    before, mark, rest = page.read_text(encoding="utf-8").partition("<!-- torture -->\n")
    _, end, after = rest.partition("<!-- /torture -->")
    if not mark or not end:
        raise SystemExit(f"{page}: no <!-- torture --> … <!-- /torture --> to write between")
    page.write_text(f"{before}{mark}\n```text\n{told}\n```\n\n{end}{after}", encoding="utf-8")


def run(jobs: list[Job], live: bool) -> Iterator[tuple[int, Row]]:
    """The rows of all jobs, with the job's number: those that may share the machine first, then one at a time."""
    told = Progress(len(jobs), live)
    shared = [number for number, job in enumerate(jobs) if not job.alone]
    alone = [number for number, job in enumerate(jobs) if job.alone]
    pool = ProcessPoolExecutor(os.cpu_count(), initializer=_quiet)
    try:
        for several in ([shared] if shared else []) + [[number] for number in alone]:
            waiting = {pool.submit(jobs[number].work, *jobs[number].arguments): number for number in several}
            while waiting:
                done, _ = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
                for future in done:
                    number = waiting.pop(future)
                    told.done += 1
                    try:
                        rows = future.result()
                    except Exception as error:  # noqa: BLE001  (a job that dies is a fault, and the others go on)
                        rows = [_died(jobs[number], error)]
                    told.faults += sum(row.faults for row in rows)
                    yield from ((number, row) for row in rows)
                told.show()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        told.end()
    pool.shutdown()


class Progress:
    """How far the run is: one line that changes on a terminal, else a line every ten seconds."""

    def __init__(self, jobs: int, live: bool) -> None:
        self.jobs, self.live, self.done, self.faults = jobs, live, 0, 0
        self._began = self._last = time.monotonic()

    def show(self) -> None:
        now = time.monotonic()
        if now - self._last < (0.2 if self.live else _EVERY):
            return
        self._last = now
        text = f"torture: {self.done} of {self.jobs} jobs, {self.faults} faults, {now - self._began:.0f} s"
        print(f"\r\033[K{text}" if self.live else text, end="" if self.live else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def too_few(rows: list[Row]) -> list[str]:
    """Where fewer different states were tried than the run stands for."""
    crashed = [row for row in rows if row.section == crashes.SECTION]
    if not crashed:
        return []
    in_all = sum(len(row.images) for row in crashed)
    few = [
        f"{row.name}: {len(row.images):,} of {crashes.LEAST:,}" for row in crashed if len(row.images) < crashes.LEAST
    ]
    return few + ([f"all: {in_all:,} of {crashes.LEAST_IN_ALL:,}"] if in_all < crashes.LEAST_IN_ALL else [])


def _jobs(plan: Plan, section: str | None) -> list[Job]:
    jobs: list[Job] = []
    for name in SECTIONS if section is None else (section,):
        try:
            module = importlib.import_module(f"torture.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"torture.{name}":
                raise
            print(f"torture: no section {name} yet", file=sys.stderr)
            continue
        jobs += module.jobs(plan)
    return jobs


def _died(job: Job, error: Exception) -> Row:
    row = Row(job.section, "jobs that died", tried=1, raised=1)
    row.note(f"{job.work.__module__}.{job.work.__name__}{job.arguments}  # {type(error).__name__}: {error}")
    return row


def _quiet() -> None:
    """Ctrl-C is for the parent, which ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="torture", description="Every way we know to make a log lose or lie.")
    parser.add_argument("--section", choices=SECTIONS, help="this one only")
    parser.add_argument("--scale", type=float, default=LONG if os.environ.get("TORTURE") == "long" else 1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the marks of a page")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
