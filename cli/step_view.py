"""One screen of a history: the events on one side, the state after one of them on the other, the whole as a strip.

Law: a walk and a size in, exactly so many lines out, none wider than asked; text of a log is made visible, and every
mark is a character, so that nothing is told by colour alone.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cli import render
from cli.render import clock
from cli.replay import event_fields, event_line, stamped
from cli.safe_text import visible
from cli.states import worst
from cli.step_walk import HELP, Walk
from replay import INITIAL

if TYPE_CHECKING:
    from rich.text import Text

    from replay import ModelState, Policy

BESIDE: Final = 78
"""Columns from which on the state stands beside the events, and not beneath them."""
_STATE: Final = 38
_TOLD_ELSEWHERE: Final = frozenset({"type", "id", "timestamp", "session", "model", "reason", "from", "to", "cause"})


def screen(walk: Walk, width: int, height: int, policy: "Policy", *, utc: bool, name: str = "") -> "list[Text]":
    """The lines of one screen."""
    foot = [*_strip(walk, width)] if height >= 10 else []
    room = max(height - len(foot) - 2, 0)
    if walk.help:
        body = [line(f" {text}") for text in HELP]
    elif not len(walk.history):
        body = [line(" this log holds no failover event")]
    elif width >= BESIDE:
        body = _beside(walk, width, room, policy, utc=utc)
    else:
        body = _beneath(walk, width, room, policy, utc=utc)
    body = [*body[:room], *(line() for _ in range(room - len(body)))]
    lines = [_head(walk, name, utc=utc), *body, *foot, _bottom(walk)]
    return [_fitted(one, width) for one in lines[: max(height, 0)]]


def line(*parts: tuple[str, str] | str) -> "Text":
    """A line as rich has it, for here lines are cut and put side by side."""
    return render.line(*parts).styled()


def _head(walk: Walk, name: str, *, utc: bool) -> "Text":
    count = len(walk.history)
    if not count:
        return line((f" {visible(name, 60)}", "bold"))
    recorded = walk.history.events[walk.cursor]
    stamp, date = stamped(recorded.event.timestamp, utc=utc)
    when = f"{date} {stamp}{' UTC' if utc and date else ''}".strip()
    return line((f" event {recorded.position:,} of {count:,}", "bold"), f"  {when}  ", (visible(name, 60), "dim"))


def _bottom(walk: Walk) -> "Text":
    if walk.prompt is not None:
        return line(f" {visible(walk.prompt)}", ("_", "bold"))
    return line(
        f" {walk.message}" if walk.message else (" j k move   e failure   / search   t time   ? help   q quit", "dim")
    )


def _beside(walk: Walk, width: int, room: int, policy: "Policy", *, utc: bool) -> "list[Text]":
    left_width = width - _STATE - 3
    details = [*_details(walk, left_width)][: max(room // 3, 0)]
    left = [*_events(walk, room - len(details), utc=utc), *details]
    right = [*_state(walk, policy, utc=utc)]
    rows = []
    for row in range(room):
        one = left[row].copy() if row < len(left) else line()
        other = right[row] if row < len(right) else line()
        rows.append(_fitted(one, left_width, pad=True).append(" │ ", "dim").append_text(other))
    return rows


def _beneath(walk: Walk, width: int, room: int, policy: "Policy", *, utc: bool) -> "list[Text]":
    right = [*_state(walk, policy, utc=utc)]
    details = [*_details(walk, width)][: room // 5]
    share = max(room - len(right) - len(details) - 1, room // 3, 1)
    return [*_events(walk, share, utc=utc), *details, line(("─" * width, "dim")), *right]


def _events(walk: Walk, rows: int, *, utc: bool) -> "Iterator[Text]":
    """The events around the cursor."""
    rows = max(rows, 1)
    walk.page = max(rows - 1, 1)
    first = max(0, min(walk.cursor - rows // 2, len(walk.history) - rows))
    for index in range(first, min(first + rows, len(walk.history))):
        here = index == walk.cursor
        told = event_line(walk.history.events[index], utc=utc).styled()
        if here:
            told.stylize("bold")
        yield line((">" if here else " ", "bold")).append_text(told)


def _details(walk: Walk, width: int) -> "Iterator[Text]":
    """What else the event says: one line a field, the error first."""
    shown = event_fields(walk.history.events[walk.cursor])
    shown = {key: value for key, value in shown.items() if key not in _TOLD_ELSEWHERE and value is not None}
    for key in sorted(shown, key=lambda key: key != "error"):
        yield line((f"   {visible(key, 20)}: ", "dim"), visible(str(shown[key]), max(width, 20)))


def _state(walk: Walk, policy: "Policy", *, utc: bool) -> "Iterator[Text]":
    """The state after the event, what the event changed in it marked."""
    recorded = walk.history.events[walk.cursor]
    before = walk.history.state(walk.cursor - 1) if walk.cursor else INITIAL
    after = walk.history.state(walk.cursor)
    now = recorded.event.timestamp
    yield line((f"  state after event {recorded.position:,}", "dim"))
    yield from _plain("model", before.current, after.current, "bold green")
    if after.switched_at is not None:  # no event takes it away
        mark = " " if after.switched_at == before.switched_at else "~" if before.switched_at else "+"
        yield _marked(mark, "since", clock(after.switched_at, now or after.switched_at, utc=utc), "")
    yield from _plain("pinned", before.pinned, after.pinned)
    yield from _plain("answered", before.last_good, after.last_good)
    yield from _tried(before, after, now, policy, utc=utc)
    for model in dict.fromkeys((*after.probing, *before.probing)):
        yield from _plain(
            "asked", model if model in before.probing else None, model if model in after.probing else None
        )


def _plain(label: str, before: str | None, after: str | None, style: str = "") -> "Iterator[Text]":
    if before or after:
        told = visible(after, 100) if after else f"{visible(before or '', 100)} no more"
        yield _marked(_mark(before, after), label, told, style)


def _tried(
    before: "ModelState", after: "ModelState", now: datetime | None, policy: "Policy", *, utc: bool
) -> "Iterator[Text]":
    """What the event changed comes first: not all may fit."""
    models = dict.fromkeys((*after.tried, *before.tried))
    for model in sorted(models, key=lambda model: before.tried.get(model) == after.tried.get(model)):
        was, failures = before.tried.get(model), after.tried.get(model)
        if failures is None:
            yield _marked("-", "tried", f"{visible(model, 100)} no more", "yellow")
            continue
        yield _marked(_mark(was, failures), "tried", visible(model, 100), "yellow")
        _, until = worst(after, model, now, policy)
        reasons = ", ".join(f"{visible(reason, 30)} ×{one.count}" for reason, one in failures.items())
        cools = "" if until is None or now is None else f" until {clock(until, now, utc=utc)}"
        yield line(f"    {reasons}{cools}")


def _mark(before: object, after: object) -> str:
    """How something changed, as a sign."""
    return " " if before == after else "+" if not before else "~" if after else "-"


def _marked(mark: str, label: str, told: str, style: str) -> "Text":
    bold = "" if mark == " " else "bold"
    return line((f"{mark} ", bold), (f"{label:<9}", bold or "dim"), (told, f"{bold} {style}".strip()))


def _strip(walk: Walk, width: int) -> "Iterator[Text]":
    """The whole history: a letter a model, the failures, the cursor, and what the letters stand for."""
    room = max(width - 2, 1)
    models, failures = walk.history.strip(room)
    place = walk.cursor * len(models) // max(len(walk.history), 1)
    place = next(
        (at for at, (start, end) in enumerate(walk.history.buckets(room)) if start <= walk.cursor < end), place
    )
    yield line(("─" * width, "dim"))
    yield line(" ", (models, "cyan"))
    yield line(" ", (failures, "red"))
    yield line(f" {' ' * place}^" if models else "")
    here = models[place : place + 1]
    told = [f"{letter} {visible(model, 60)}" for model, letter in walk.history.letters.items()]
    told.sort(key=lambda one: one[0] != here)  # the one under the cursor comes first, for not all may fit
    yield line((f" {'  '.join(told)}", "dim"))


def _fitted(text: "Text", width: int, *, pad: bool = False) -> "Text":
    """Within so many columns; what is cut ends in an ellipsis."""
    if width < 1:
        return line()
    text = text.copy()
    text.truncate(width, overflow="ellipsis", pad=pad)
    return text
