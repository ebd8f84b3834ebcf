"""A gateway to be killed: it records failures, and names each one on its standard output once it is acknowledged.

    writer.py LOG NAME COUNT [THREADS] [--die PLACE NTH BYTES]

Its failures are labelled ``NAME.0``, ``NAME.1`` and so on (in ``turn``). ``--die`` kills it with SIGKILL at a given
point of its NTH append: PLACE is ``write`` (only its first BYTES reach the file; -1: all but the newline),
``before-sync`` or ``after-sync``. With THREADS, it waits for a line of input, then each thread (``NAME-0.0``, …)
writes COUNT failures.
"""

import argparse
import os
import signal
import sys
import threading

from eventlog import Session, file


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_within_an_append(place: str, nth: int, most: int) -> None:
    """Put a death behind the log's own system calls."""
    write, sync, calls = file.write, file.sync, 0

    def counted_write(fd: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if place == "write" and calls == nth:
            write(fd, data[:most])
            die()
        return write(fd, data)

    def deadly_sync(fd: int) -> None:
        if place == "before-sync" and calls == nth:
            die()
        sync(fd)
        if place == "after-sync" and calls == nth:
            die()

    file.write, file.sync = counted_write, deadly_sync


def record(session: Session, name: str, count: int) -> None:
    for number in range(count):
        turn = f"{name}.{number}"
        if session.failed(f"kimi/{name}", reason="rate_limit", error="Rate limit reached } " * (number % 5), turn=turn):
            os.write(sys.stdout.fileno(), f"{turn}\n".encode())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("log")
    parser.add_argument("name")
    parser.add_argument("count", type=int)
    parser.add_argument("threads", type=int, nargs="?", default=0)
    parser.add_argument("--die", nargs=3, metavar=("PLACE", "NTH", "BYTES"))
    options = parser.parse_args()
    if options.die:
        place, nth, most = options.die
        die_within_an_append(place, int(nth), int(most))
    with Session.open(options.log) as session:
        if not options.threads:
            record(session, options.name, options.count)
            return
        os.write(sys.stdout.fileno(), b"ready\n")
        sys.stdin.readline()
        names = [f"{options.name}-{number}" for number in range(options.threads)]
        threads = [threading.Thread(target=record, args=(session, name, options.count)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
