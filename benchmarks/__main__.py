"""`make bench`: what switchlog costs beside the real peers, and how that grows.

Law: says what was measured, met or not. A wrong answer is no figure: its row says so, the page stays as it was, and the
command ends with 1. A goal that is missed is a figure like any other.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from benchmarks import appends, processes, reads
from benchmarks.chart import chart
from benchmarks.data import Data
from benchmarks.growth import Step, growth
from benchmarks.harness import Row, wipe
from benchmarks.page import facts, file_system, load, page, printed, printed_step

PAGE: Final = Path(__file__).parents[1] / "docs" / "benchmarks.md"
NEEDED: Final = 8 << 30
GROUPS: Final[dict[str, Callable[[Data], Iterator[Row]]]] = {
    "scan": reads.scans,
    "sessions": reads.folders,
    "events": reads.million,
    "append": lambda data: chain(appends.durable(data), appends.relaxed(data)),
    "threads": appends.threaded,
    "healthy": appends.healthy,
    "follow": processes.follows,
    "start": processes.starts,
    "memory": processes.memories,
}


def main() -> int:
    arguments = parsed()
    if sys.platform != "linux":
        print("benchmarks: they need Linux, for /proc and fdatasync", file=sys.stderr)
        return 2
    groups = [*GROUPS, "growth"] if arguments.only is None else arguments.only.split(",")
    unknown = [name for name in groups if name not in {*GROUPS, "growth"}]
    if unknown:
        print(f"benchmarks: no group {', '.join(unknown)}; there are {', '.join([*GROUPS, 'growth'])}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="switchlog-bench-") as name:
        folder = arguments.data or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if not arguments.quick and shutil.disk_usage(folder).free < NEEDED:
            print(f"benchmarks: {folder} has less than 8 GB free; --data names another place", file=sys.stderr)
            return 2
        if file_system(folder) in ("tmpfs", "ramfs"):
            print(f"{folder} is no disk: the rows of durable appends say nothing; --data names another place")
        try:
            return run(groups, Data(folder, quick=arguments.quick), whole=arguments.only is None, write=arguments.write)
        finally:
            shutil.rmtree(folder / "appends", ignore_errors=True)


def run(groups: list[str], data: Data, *, whole: bool, write: Path) -> int:
    """Measure and tell."""
    rows, steps = list[Row](), list[Step]()
    wrong, began, before = False, time.monotonic(), load()
    for group in groups:
        wipe()
        print(f"\n— {group}")
        try:
            for found in growth(data) if group == "growth" else GROUPS[group](data):
                wipe()
                if isinstance(found, Step):
                    steps.append(found)
                    print(printed_step(found), flush=True)
                else:
                    rows.append(found)
                    print(printed(found), flush=True)
        except (AssertionError, RuntimeError, OSError) as error:
            wipe()
            wrong = True
            print(f"    WRONG: {error!r}", flush=True)
    met = [row.met for row in rows if row.met is not None]
    print(f"\n{sum(met)} of {len(met)} goals are met, in {(time.monotonic() - began) / 60:.1f} minutes")
    if whole and not data.quick and not wrong:
        old = write.read_text(encoding="utf-8") if write.exists() else ""
        write.write_text(page(rows, steps, facts(data.folder, before), old), encoding="utf-8")
        write.with_suffix(".svg").write_text(chart(rows), encoding="utf-8")
        print(f"written: {write}")
    return int(wrong)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What switchlog costs beside its peers.")
    parser.add_argument("--only", metavar="GROUPS", help=f"some of {','.join([*GROUPS, 'growth'])}; writes no page")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the data, for a look; writes no page")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the data there, and use it again (6 GB)")
    parser.add_argument("--write", type=Path, default=PAGE, metavar="FILE", help="the page (docs/benchmarks.md)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
