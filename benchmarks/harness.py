"""Measuring: contestants in turn, ratios by round, a verdict.

Law: a time alone says nothing on a shared machine, so what is kept is the ratio of two things done side by side, round
by round, and told is the median of these with the least and the most. Who goes first changes from round to round, from
a seed. A contestant checks its own answer, in every round.
"""

import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

SEED: Final = 8
FEWEST: Final = 3
"""Rounds, however long one takes."""

Contestant = Callable[[], float]
"""Does its work once, checks the answer, returns the seconds that count."""

Times = dict[str, list[float]]


@dataclass(frozen=True)
class Row:
    """One line of the page."""

    work: str
    against: str
    figure: str = ""
    spread: str = ""
    goal: str = ""
    met: bool | None = None
    told: str = ""
    peer: float | None = None
    """So many times as long as ours the peer takes."""

    @property
    def verdict(self) -> str:
        if self.met is None:
            return self.told if self.goal else ""
        return "met" if self.met else "**not met**"


@dataclass(frozen=True)
class Spread:
    """The figures of several rounds."""

    figures: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.figures)

    def told(self, unit: str = "×") -> str:
        return f"{number(self.median)} {unit}"

    def ends(self) -> str:
        return f"{number(min(self.figures))} – {number(max(self.figures))}"


class SkippedError(Exception):
    """A peer that isn't here; its rows say so."""


def measure(contestants: Mapping[str, Contestant], rounds: int = 9, seconds: float = 25.0) -> Times:
    """The times of each, round by round. A round to warm up comes first and isn't counted.

    Ends early where ``seconds`` are over, but not before the third round.
    """
    dice = random.Random(SEED)  # noqa: S311  (an order, no secret)
    names = list(contestants)
    times: Times = {name: [] for name in names}
    began = time.monotonic()
    for done in range(rounds + 1):
        if done > FEWEST and time.monotonic() - began > seconds:
            break
        progress("round", done, rounds)
        dice.shuffle(names)
        for name in names:
            taken = contestants[name]()
            if done:
                times[name].append(taken)
    return times


def alternate(contestants: Mapping[str, Callable[[], object]], rounds: int, each: int) -> Times:
    """The same for single operations: in a round each contestant does ``each``, one after the other's one.

    What the disk is busy with so hits all alike. A round's time is the median of its operations.
    """
    dice = random.Random(SEED)  # noqa: S311
    names = list(contestants)
    times: Times = {name: [] for name in names}
    for done in range(rounds + 1):
        progress("round", done, rounds)
        taken: dict[str, list[int]] = {name: [] for name in names}
        for _ in range(each):
            dice.shuffle(names)
            for name in names:
                work = contestants[name]
                began = time.perf_counter_ns()
                work()
                taken[name].append(time.perf_counter_ns() - began)
        if done:
            for name in names:
                times[name].append(statistics.median(taken[name]) / 1e9)
    return times


def ratios(times: Times, over: str, under: str) -> Spread:
    """Of each round, the time of one over that of the other."""
    return Spread([a / b for a, b in zip(times[over], times[under], strict=True)])


def at_most(work: str, against: str, ratio: Spread, limit: float | None, told: str = "") -> Row:
    """A row that is met where ours takes at most so many times what the peer takes."""
    goal = "" if limit is None else f"≤ {limit:g} ×"
    met = None if limit is None else ratio.median <= limit
    return Row(work, against, ratio.told(), ratio.ends(), goal, met, told, 1 / ratio.median)


def faster(work: str, against: str, ratio: Spread, limit: float | None, told: str = "") -> Row:
    """A row that is met where the peer takes at least so many times what ours takes."""
    goal = "" if limit is None else f"≥ {limit:g} × faster"
    met = None if limit is None else ratio.median >= limit
    return Row(work, against, f"{ratio.told()} faster", ratio.ends(), goal, met, told, ratio.median)


def skipped(work: str, against: str, why: object, goal: str = "") -> Row:
    return Row(work, against, "skipped", goal=goal, told=str(why))


def need(*names: str) -> None:
    """Raise SkippedError unless these packages or programs are here."""
    for name in names:
        if name == "rg":
            if shutil.which(name) is None:
                raise SkippedError("ripgrep (rg) is not installed")
            continue
        try:
            version(name)
        except PackageNotFoundError:
            raise SkippedError(f"{name} is not installed") from None


def present(names: Sequence[str]) -> Iterator[tuple[str, SkippedError | None]]:
    """Each with the reason for which it is left out, if it is."""
    for name in names:
        try:
            need(name)
        except SkippedError as why:
            yield name, why
        else:
            yield name, None


def timed(body: Callable[[], object]) -> float:
    began = time.perf_counter()
    body()
    return time.perf_counter() - began


def span(seconds: float) -> str:
    """A time as people say it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{number(seconds / size)} {unit}"
    return f"{number(seconds / 1e-9)} ns"


def middle(times: Times, name: str) -> str:
    """A contestant's median time, to give an idea of the size."""
    return span(statistics.median(times[name]))


def number(figure: float) -> str:
    """Three digits that count."""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"


_shown = [0.0]


def progress(what: str, done: int = 0, of: int = 0) -> None:
    """A line on stderr that is written over, where a person looks on."""
    now = time.monotonic()
    if sys.stderr.isatty() and (not of or done == of or now - _shown[0] > 0.2):
        _shown[0] = now
        print(f"\r\033[K{what} {f'{done:,} of {of:,}' if of else ''}", end="", file=sys.stderr, flush=True)


def wipe() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
