"""A warm process that does one kind of work again and again, and tells what came out and how long it took.

Law: one contestant a process, so that nobody's heap and nobody's imports weigh on another's times. What is timed is the
call alone; the answer is told behind it. `python -m benchmarks.worker NAME` asks for each run with a line on stdin.
"""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Self

from benchmarks.data import PATTERN


class Worker:
    """The other side: starts the process and asks it."""

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603  (our own module)
            [sys.executable, "-m", "benchmarks.worker", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._answer() == ["ready"]

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, path: Path) -> tuple[float, object]:
        """Do it once: the seconds, and the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        seconds, answer = self._answer()
        return seconds, answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def _answer(self) -> list:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended: {self._process.wait()}")
        return json.loads(line)


def folded() -> Iterator[Callable[[str], object]]:
    """Ours: the state, from a file's bytes."""
    from eventlog import read_events
    from replay import fold

    yield lambda path: fold(read_events(path))
    yield standing


def exact() -> Iterator[Callable[[str], object]]:
    """The slow reader whose answer counts: parses every line, and knows no seals. Only for logs without damage."""
    import orjson

    from eventlog.codec import FRAME
    from replay import event_from_fields, fold
    from replay.events import EVENT_TYPES

    def read(path: str) -> object:
        with Path(path).open("rb") as file:
            fields = (orjson.loads(line) for line in file)
            ours = (one for one in fields if one["type"] in EVENT_TYPES)
            return fold(event for one in ours if (event := event_from_fields(one, FRAME)) is not None)

    yield read
    yield standing


def standing(state: object) -> list[object]:
    """How many events it has seen, and a digest of all that it says."""
    return [state.position, hashlib.sha256(repr(state).encode()).hexdigest()[:16]]  # type: ignore[attr-defined]


def parsed() -> Iterator[Callable[[str], object]]:
    """orjson: every line parsed, our two types counted."""
    import orjson

    def read(path: str) -> int:
        found = 0
        with Path(path).open("rb") as file:
            for line in file:
                found += orjson.loads(line)["type"] in ("model_switch", "attempt_failed")
        return found

    yield read
    yield lambda found: found


def bare() -> Iterator[Callable[[str], object]]:
    """orjson: every line parsed, nothing done with it."""
    from orjson import loads

    def read(path: str) -> int:
        count = 0
        with Path(path).open("rb") as file:
            for line in file:
                loads(line)
                count += 1
        return count

    yield read
    yield lambda count: count


def duck() -> Iterator[Callable[[str], object]]:
    """duckdb, with its defaults: all cores."""
    import duckdb

    query = (
        "select count(*) from read_json(?, format='newline_delimited', columns={type: 'VARCHAR'}, "
        "maximum_object_size=2000000) where regexp_matches(type, ?)"
    )
    connection = duckdb.connect()
    yield lambda path: connection.execute(query, [path, PATTERN]).fetchone()[0]  # type: ignore[index]
    yield lambda found: found


def frames() -> Iterator[Callable[[str], object]]:
    """polars, with its defaults: all cores, and only the column that is asked for."""
    import polars

    def read(path: str) -> object:
        lines = polars.scan_ndjson(path, schema={"type": polars.String})
        return lines.filter(polars.col("type").str.contains(PATTERN)).select(polars.len()).collect().item()

    yield read
    yield lambda found: found


WORK: Final = {one.__name__: one for one in (folded, exact, parsed, bare, duck, frames)}


def main() -> None:
    do, tell = WORK[sys.argv[1]]()
    print('["ready"]', flush=True)
    for line in sys.stdin:
        path = line.rstrip("\n")
        began = time.perf_counter()
        answer = do(path)
        seconds = time.perf_counter() - began
        print(json.dumps([seconds, tell(answer)]), flush=True)


if __name__ == "__main__":
    main()
