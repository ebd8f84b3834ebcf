"""`switchlog append`: events from a shell or another language.

Law: one line in, one durable event, one line out; what can't be written is told with its line, and the rest goes on.
"""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, OneSession

if TYPE_CHECKING:
    from replay import Event

Transcript = Annotated[str, typer.Argument(metavar="FILE", help="The transcript; it is made if it is not there.")]
Text = Annotated[str, typer.Argument(metavar="EVENT", help="The event as JSON, or `-` for one a line from a pipe.")]


def append(log: Transcript, event: Text, session: OneSession = None, json: AsJson = False) -> int:
    """Append events to a transcript: sealed, chained, on the disk when its position is printed.

    An event names its type and fields as docs/format.md has them; id and timestamp are added. A success that changes
    nothing is not written (`-` is printed instead).

    \b
    Examples:
      switchlog append s.jsonl '{"type":"attempt_failed","model":"kimi/kimi2.5","reason":"rate_limit"}'
      gateway | switchlog append s.jsonl -
    """
    from cli.output import USAGE, tell, write_json, written
    from cli.pin import say_where
    from eventlog import MisuseError

    refused, written_any = 0, False
    with written(log, session, create=True) as opened:
        for number, text in enumerate(_texts(event), 1):
            before = opened.state.position
            try:
                one = _event(text)
                opened.append(one)
            except (ValueError, MisuseError) as error:
                refused += 1
                tell(f"line {number}: {error}" if event == "-" else str(error))
                continue
            if opened.degraded is not None:
                break
            state = opened.state
            grown = state.position > before
            written_any = written_any or grown
            if json:
                write_json({"line": number, "written": grown, "position": state.position, "model": state.current})
            else:
                print(state.position if grown else "-")
            sys.stdout.flush()
        if written_any:
            say_where(opened)
    return USAGE if refused else 0


def _texts(event: str) -> Iterable[str | bytes]:
    return (line for line in sys.stdin.buffer if line.strip()) if event == "-" else (event,)


def _event(text: str | bytes) -> "Event":
    """The event that the text tells; ValueError says what is wrong with it."""
    from eventlog import codec
    from replay import event_from_fields
    from replay.events import EVENT_TYPES, KNOWN_FIELDS

    fields = codec.decode(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    if fields is None:
        raise ValueError('no event: one JSON object, as {"type":"attempt_failed","model":"…","reason":"…"}')
    framed = sorted(fields.keys() & (codec.FRAME | {"session"}))
    if framed:
        raise ValueError(f"{', '.join(framed)}: made by the log itself, leave it out")
    event = event_from_fields(fields)
    if event is None:
        kind = fields.get("type")
        lacks = isinstance(kind, str) and kind in EVENT_TYPES
        what = "it lacks model, or to" if lacks else f"type {kind if isinstance(kind, str) else type(kind).__name__!r}"
        raise ValueError(f"no event: {what} (types: {', '.join(sorted(EVENT_TYPES))})")
    unused = sorted(event.extra.keys() & KNOWN_FIELDS[str(fields["type"])])
    if unused:
        raise ValueError(f"no event: {', '.join(unused)}: not a value of its kind")
    return event
