"""The quick way of reading and the exact one tell the same.

Law: whatever the bytes and however they are divided into blocks, a reader that takes whole lines at once finds the
same events and says the same of the log as one that goes line by line. Each law counts how often the quick way was
really taken, for a law about a way that nobody takes says nothing.

The records are written as text by hand, field by field: sealed and in the chain, and odd in everything else. What two
JSON decoders may see differently stands in such records; a broken seal alone would keep them from being looked at.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice, pairwise, product
from typing import Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import OTHER, SESSION, STAMP, any_bytes, header, message, sealed, ten_events

from eventlog import codec
from eventlog.look import Look
from eventlog.reader import Reader
from eventlog.split import LONGEST
from replay import Recorded, event_from_fields, events
from replay.events import parse_time

PREV: Final = "<prev>"
"""Where a record's text has the seal before it."""
DIGITS: Final = "<" + 30 * "0" + ">"
"""Where it has its own."""

Pairs = tuple[tuple[str, str], ...]


class Odd(NamedTuple):
    """A record as text: its pairs of keys and values, what stands between them, and its end.

    ``end`` is what follows on the last pair, with DIGITS where the seal is to be: that of all before ``end``, or, if
    ``short``, of all but the last 43 bytes, which is what a hasty reader compares. ``known``: the quick way takes it.
    """

    name: str
    pairs: Pairs
    colon: str = ":"
    comma: str = ","
    lead: str = ""
    end: str = f',"seal":"{DIGITS}"}}'
    short: bool = False
    known: bool = False

    def line(self, number: int, prev: str | None) -> bytes:
        """With ``number`` in its id, where it has a usual one, and behind the seal ``prev``."""
        told = "null" if prev is None else f'"{prev}"'
        pairs = (
            f"{key}{self.colon}{value}".replace("<n>", str(number)).replace(f'"{PREV}"', told).replace(PREV, prev or "")
            for key, value in self.pairs
        )
        body = f"{self.lead}{{{self.comma.join(pairs)}".encode("utf-8", "surrogateescape")
        whole = body + self.end.encode()
        digest = sha256(whole[:-43] if self.short else body).hexdigest()[:32]
        return whole.replace(DIGITS.encode(), digest.encode())


_PLACE: Final[Pairs] = (
    ('"id"', '"id-<n>"'),
    ('"parentId"', '"id-0"'),
    ('"timestamp"', f'"{STAMP}"'),
    ('"session"', f'"{SESSION}"'),
)
_FRAME: Final[Pairs] = (('"v"', "1"), ('"prev"', f'"{PREV}"'))
_OWN: Final[dict[str, Pairs]] = {
    "attempt_failed": (
        ('"turn"', '"t-1"'),
        ('"model"', '"kimi/kimi2.5"'),
        ('"reason"', '"rate_limit"'),
        ('"status"', "429"),
        ('"retryAfterMs"', "7000"),
        ('"error"', '"Rate limit reached"'),
        ('"durationMs"', "12"),
        ('"phase"', '"connect"'),
        ('"deployment"', '"d-1"'),
        ('"seen"', "0"),
    ),
    "attempt_succeeded": (('"model"', '"kimi/kimi2.5"'), ('"durationMs"', "81"), ('"seen"', "1")),
    "model_switch": (('"from"', '"kimi/kimi2.5"'), ('"to"', '"zhipu/glm-5.1"'), ('"cause"', '"fallback"')),
    "failure_cleared": (
        ('"model"', '"kimi/kimi2.5"'),
        ('"provider"', '"kimi"'),
        ('"by"', '"op"'),
        ('"note"', '"topped up"'),
    ),
}


def _pairs(kind: str, own: Pairs) -> Pairs:
    return (('"type"', f'"{kind}"'), *_PLACE, *own, *_FRAME)


USUAL: Final = [Odd(f"a usual {kind}", _pairs(kind, own), known=True) for kind, own in _OWN.items()]
FAILED: Final = USUAL[0]


def _with(odd: Odd, key: str, value: str) -> Pairs:
    return tuple((name, value if name == f'"{key}"' else old) for name, old in odd.pairs)


def _without(odd: Odd, *keys: str) -> Pairs:
    return tuple(pair for pair in odd.pairs if pair[0].strip('"') not in keys)


def _more(odd: Odd, key: str, value: str, at: int) -> Pairs:
    return (*odd.pairs[:at], (key, value), *odd.pairs[at:])


NUMBERS: Final = (
    *(
        "0",
        "-0",
        "1",
        "-1",
        "1.0",
        "1.5",
        "-0.0",
        "0e0",
        "1e0",
        "1e2",
        "1E2",
        "100e-2",
        "01",
        "1e999",
        "+1",
        "1.",
        ".5",
    ),
    *("9007199254740991", "9007199254740992", "9223372036854775808", "18446744073709551616", "9" * 400, "NaN", "0x1"),
)
OTHERS: Final = (
    "null",
    "true",
    "false",
    '""',
    '"1"',
    '"x"',
    "{}",
    "[]",
    '{"type":"x"}',
    '["a"]',
    '{"a":[{}]}',
    "",
    "nul",
)
TEXTS: Final = (
    *(r"\/", r"\\", r"\"", r"\n", r"\b\f\r\t", r"\u0041", r"\u0000", r"\u0100", r"\\u0041", r"\\\u0041", r"\u00e9"),
    *(
        r"\ud83d\ude00",
        r"\uD83D\uDE00",
        r"\ud83d",
        r"\ude00",
        r"\ude00\ud83d",
        r"\ud83d\u0100",
        r"\ud83dx",
        r"\ud83d\n",
    ),
    *(r"\x41", r"\u12", r"\uzzzz", r"\U0041", r"\'", "\\", "\x01", "\x1f", "\t", "\r", "\x0b", "\x7f", "\x85", "\xa0"),
    *("\u2028", "\u2029", "\ufeff", "\ufffe", "\U0001f600", "\U0010ffff", "模", "e\u0301"),
    *("\udcff", "\udcc0\udc80", "\udced\udca0\udc80", "\udcf4\udc90\udc80\udc80", "\udce2\udc80", "\udcc3", "\udcfe"),
    *('{\\"type\\":\\"attempt_failed\\"}', ',\\"seal\\":\\"', "type", "seal", "attempt_failed", "}", "{", "'", " "),
)
TIMES: Final = (
    *("2026-04-02T04:55:40.889Z", "2026-04-02T04:55:40.889z", "2026-04-02t04:55:40.889Z", "2026-04-02 04:55:40.889Z"),
    *(
        "2026-04-02_04:55:40.889Z",
        "2026-04-02T04:55:40Z",
        "2026-04-02T04:55:40z",
        "2026-04-02T04:55Z",
        "2026-04-02T04Z",
    ),
    *(f"2026-04-02T04:55:40.{'987654321'[:digits]}Z" for digits in range(10)),
    *(f"2026-04-02T04:55:40.{'0' * digits}Z" for digits in range(1, 10)),
    *("2026-04-02T04:55:40+0000", "2026-04-02T04:55:40-0000", "2026-04-02T04:55:40+0200", "2026-04-02T04:55:40-0330"),
    *("2026-04-02T04:55:40+00:00", "2026-04-02T04:55:40+02:00", "2026-04-02T04:55:40+02", "2026-04-02T04:55:40.8+02"),
    *(
        "2026-04-02T04:55:40.889+02:00",
        "2026-04-02T04:55:40+2400",
        "2026-04-02T04:55:40+0060",
        "2026-04-02T04:55:40+2359",
    ),
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00+0200", "0001-01-01T00:00:00-0200"),
    *("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59-0200", "9999-12-31T23:59:59+0200"),
    *(
        "0000-01-01T00:00:00Z",
        "-001-01-01T00:00:00Z",
        "+026-04-02T04:55:40Z",
        "10000-01-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
    ),
    *(
        "2024-02-29T00:00:00Z",
        "2026-04-02T23:59:60Z",
        "2026-12-31T23:59:60.0Z",
        "2026-04-02T24:00:00Z",
        "9999-12-31T24:00:00Z",
    ),
    *("2026-04-02T04:60:00Z", "2026-13-02T04:55:40Z", "2026-04-02T04:55:40,889Z", "2026-04-02T04:55:40", "2026-04-02"),
    *(
        "20260402T045540Z",
        "2026-W14-4T04:55:40Z",
        "1775105740",
        "2026-04-02T04:55:40 Z",
        " 2026-04-02T04:55:40Z",
        "now",
    ),
    *(r"2026-04-02T04:55:40\u005a", r"2026-04-02T04:55:40\/", "2026-04-02T04:55:40\u2212", "\uff12026-04-02T04:55:40Z"),
)
TYPES: Final = (
    *("attempt_failed", "attempt_succeeded", "model_switch", "failure_cleared", "log_repaired", "attempt_started"),
    *("session", "message", "attempt_Failed", "attempt_failed ", "att", "", "type", r"attempt\u005ffailed"),
)
KEYS: Final = (
    *(
        '"type"',
        r'"\u0074ype"',
        r'"typ\u0065"',
        '"Type"',
        '"type "',
        '"id"',
        r'"\u0069d"',
        '"session"',
        '"v"',
        '"prev"',
    ),
    *(
        '"parentId"',
        '"parent_id"',
        '"model"',
        r'"mod\u0065l"',
        '"turn"',
        '"status"',
        '"retry_after_ms"',
        '"from"',
        '"from_"',
    ),
    *('"mac"', '"seal"', r'"se\u0061l"', '"extra"', '""', '"0"', '"zeros"', '"new"', r'"\/"', '"模"', "", "id", "'id'"),
)
KEY_VALUES: Final = (
    '"attempt_failed"',
    '"model_switch"',
    f'"{SESSION}"',
    '"x"',
    "1",
    "null",
    '{"type":"message"}',
    '"type"',
)
SPACES: Final = ("", " ", "\t", "\r", "  \t", "\x0b", "\xa0", "\u2028")
NUMBER_KEYS: Final = ("status", "retryAfterMs", "durationMs", "seen")
ENDS: Final = (
    *(
        ',"seal":"#"}\r',
        ',"seal":"#"} ',
        ',"seal":"#"}x',
        ',"seal":"#" }',
        ',"seal": "#"}',
        ',"seal" :"#"}',
        ', "seal":"#"}',
    ),
    *(
        ' ,"seal":"#"}',
        ',"seal":"#","x":1}',
        ',"seal":"#","v":1}',
        ',"seal":"#","seal":"#"}',
        ',"seal":"#","seal":"0"}',
    ),
    *(
        ',"seal":"0","seal":"#"}',
        ',"seal":"#0"}',
        ',"seal":"0#"}',
        ',"seal":null}',
        "}",
        ',"seal":"#"}}',
        '},"seal":"#"}',
    ),
    *(
        ',"seal":"#"',
        ',"seal":"#',
        ',"seal":"#"]',
        ',"seal":["#"]}',
        ',"Seal":"#"}',
        ',"seal":"#"}{}',
        ',"mac":"k.0","seal":"#"}',
    ),
)


def _shuffled(odd: Odd) -> Iterable[Odd]:
    first, *rest = odd.pairs
    yield Odd("keys backwards", (first, *rest[::-1]), known=True)
    yield Odd("type last", (*rest, first), known=True)
    yield Odd("all backwards", odd.pairs[::-1], known=True)


ODDS: Final = [
    *USUAL,
    *_shuffled(FAILED),
    *(Odd(f"{key} {value}"[:60], _with(FAILED, key, value)) for key, value in product(NUMBER_KEYS, NUMBERS + OTHERS)),
    *(Odd(f"v {value}"[:60], _with(FAILED, "v", value)) for value in (*NUMBERS, *OTHERS, "2", "0")),
    *(
        Odd(f"{key} {value}"[:60], _with(odd, key.strip('"'), value))
        for odd in USUAL
        for (key, old), value in product(odd.pairs, (*OTHERS, "1", "1.0"))
        if old.startswith('"')
    ),
    *(Odd(f"no {key}", _without(odd, key.strip('"'))) for odd in USUAL for key, _ in odd.pairs),
    *(
        Odd(f"a cleared {what}", _without(USUAL[3], other))
        for what, other in (("model", "provider"), ("provider", "model"))
    ),
    Odd("nothing cleared", _without(USUAL[3], "model", "provider")),
    Odd("null cleared", (*_without(USUAL[3], "model", "provider"), ('"model"', "null"), ('"provider"', "null"))),
    *(Odd(f"error {text!a}", _with(FAILED, "error", f'"a{text}b"')) for text in TEXTS),
    *(Odd(f"error at its end {text!a}", _with(FAILED, "error", f'"{text}"')) for text in TEXTS),
    *(
        Odd(f"model {text!a}", _with(odd, key, f'"{text}"'))
        for odd, key in ((FAILED, "model"), (USUAL[2], "to"))
        for text in TEXTS
    ),
    *(Odd(f"id {text!a}", _with(FAILED, "id", f'"<n>{text}"')) for text in TEXTS),
    *(Odd(f"time {text!a}", _with(FAILED, "timestamp", f'"{text}"')) for text in TIMES),
    *(Odd(f"type {text}", _with(FAILED, "type", f'"{text}"')) for text in TYPES),
    *(
        Odd(f"{key} {value} at {at}", _more(FAILED, key, value, at))
        for key, value, at in product(KEYS, KEY_VALUES, (1, len(FAILED.pairs)))
    ),
    *(
        Odd(f"id of {length}", _with(FAILED, "id", f'"{"é" * (length - 4)}<n>"'))
        for length in (258, 259, 260, 261, 262)
    ),
    *(Odd(f"parent of {length}", _with(FAILED, "parentId", f'"{"p" * length}"')) for length in (256, 257, 9000)),
    *(
        Odd(f"session {text}", _with(FAILED, "session", f'"{text}"'))
        for text in (OTHER, SESSION.upper(), f"{SESSION} ", "")
    ),
    *(
        Odd(f"prev {text}", _with(FAILED, "prev", text))
        for text in ("null", '"00"', "1", f'"{"0" * 32}"', f'"{PREV}x"', '[""]')
    ),
    *(Odd(f"colon {space!a}", FAILED.pairs, colon=f"{space}:{other}") for space, other in product(SPACES, SPACES)),
    *(Odd(f"comma {space!a}", FAILED.pairs, comma=f"{space},{other}") for space, other in product(SPACES, SPACES)),
    *(
        Odd(f"lead {lead!a}", FAILED.pairs, lead=lead)
        for lead in (*SPACES, "\ufeff", "x", "{", '{"type":"', "[", ",", '"', "{}", "{} ")
    ),
    *(
        Odd(f"end {end} {short}", FAILED.pairs, end=end.replace("#", DIGITS), short=short)
        for end, short in product(ENDS, (False, True))
    ),
    Odd("deep before its type", (('"x"', "[" * 3000 + "]" * 3000), *FAILED.pairs)),
    Odd("deep at its end", (*FAILED.pairs, ('"x"', '{"a":' * 3000 + "1" + "}" * 3000))),
    Odd("as long as a block of many", _with(FAILED, "error", f'"{"x" * 40_000}"'), known=True),
]

FOREIGN: Final = (
    *(
        message(entry, text=text)[:-1]
        for entry, text in (("m1", "hello"), (None, "x" * 700), ("m2", '"}'), ("m3", "模"))
    ),
    *(b'{"type":"message","id":"m4","text":"attempt_failed"}', b'{"type":"custom","type":"model_switch"}'),
    *(b'{"type":"tool","x":{"type":"model_switch","to":"a/1"}}', b'{"type":"thinking","x":"\\u0061"}', b'{"id":"m5"}'),
    *(
        b'{"id":"m6","type":"model_switch","to":"a/1"}',
        b'{"type":"model_switch","from":null,"to":"a/2"}',
        b'{"type":"mes',
    ),
    *(
        b"",
        b" ",
        b"\r",
        b"\t \x0b",
        b"}",
        b'"}',
        b'"}\r',
        b"{",
        b'{"',
        b'{"type":"',
        b'{"type":"m',
        b'{"type":"me"}',
        b"not JSON",
    ),
    *(b'{"type":"message","seal":"0123456789abcdef0123456789abcdef"}', b',"seal":"0123456789abcdef0123456789abcdef"}'),
    *(
        sealed({"type": "message", "id": "m7"}),
        sealed({"type": "message", "id": "m8"}) + b"\r",
        sealed({"type": "custom"}),
    ),
    *(
        b'{"type":"attempt_failed","model":"a/1"',
        b'{"type":"attempt_failed","id":"x","model":"a/1"}',
        b'{"type":"attic"}',
    ),
    *(
        b'{"type":"message","id":"m9"}\r',
        b'{"type":"mod',
        b'{"type":"log_repaired","v":1}',
        b"\xff\xfe",
        b"ab\0\0\0cd",
        b"\0",
    ),
    b'{"id":"entry","type":"model_switch","to":"a/1"}',
    b'{"type":"session","version":3,"id":"99ffee00"}',
)


class Watched(Reader):
    """A reader that counts what the quick way gave."""

    lines = 0
    events = 0

    def _quickly(self, block: bytes, begin: int, end: int) -> list[Recorded] | None:
        found = super()._quickly(block, begin, end)
        if found is not None:
            self.lines += block.count(b"\n", begin, end)
            self.events += len(found)
        return found


class Kept(Look):
    """A look that always copies lines, or never."""

    def __init__(self, *, short: bool) -> None:
        super().__init__()
        self.short = short

    def over(self, block: bytes, begin: int, end: int) -> tuple[int, list[tuple[int, int]]]:
        self._short = self.short
        return super().over(block, begin, end)


class Exact(Reader):
    """A reader that goes line by line, always."""

    def feed(self, block: bytes) -> list[Recorded]:
        return self._exactly(block)


Said = tuple[object, ...]


def said(reader: Reader, found: Sequence[Recorded], data: bytes) -> Said:
    """All that a reader tells; the events as they are spelt, since 1 equals 1.0 and a time the same one elsewhere."""
    report = reader.report
    behind = tuple(islice(reader._backwards(part_of(data)), 16))
    more = (reader.position, reader.last_id, behind, reader.hosted, reader.open_end)
    return (list(map(repr, found)), report, dict(report.pieces), *more)


AFTERWARDS: Final = (
    b'\n{"type":"attempt_failed","id":"cut',
    b"\n" + USUAL[1].line(0, None) + b"\n",
    b"ab\0\0cd\n" + USUAL[1].line(1, None) + b"\n" + message("m1")[:-1],
    b"\n" + USUAL[0].line(10**6, None) + b"\n",
)
"""What the readers are fed in the end, so that they show what they remember: ids, the chain, the number of the line."""


def part_of(data: bytes) -> Callable[[int, int], bytes]:
    """What gives a reader the bytes at an offset, so many."""
    return lambda offset, length: data[offset : offset + length]


def told(reader: Reader, blocks: Sequence[bytes], then: Sequence[bytes]) -> Iterator[Said]:
    """What is said behind the blocks; what would be if they were all; then what is said of what comes afterwards."""
    data = b"".join([*blocks, *then])
    found = [one for block in blocks for one in reader.feed(block)]
    yield said(reader, found, data)
    clone, more = reader.ahead()
    yield said(clone, more, data)
    for block in then:
        found += reader.feed(block)
        yield said(reader, found, data)
    found += reader.finish()
    yield said(reader, found, data)


class Taken(NamedTuple):
    """What went the quick way."""

    lines: int
    events: int


def same(
    data: bytes,
    blocks: Iterable[bytes] | None = None,
    name: str | None = SESSION,
    wanted: Sequence[str] = (),
    then: Sequence[bytes] = AFTERWARDS,
    ways: Sequence[bool] = (False, True),
) -> Taken:
    """The readers agree on the data, which the quick ones get in ``blocks``; how much of it went the quick way.

    ``ways``: whether lines are copied; else they are hopped over.
    """
    readers, parts = [Watched(name, wanted=wanted) for _ in ways], list(blocks or [data])
    for reader, short in zip(readers, ways, strict=True):
        reader._look = Kept(short=short)
    taken: list[Taken] = []
    exact = told(Exact(name, wanted=wanted), [data], then)
    for right, *quick in zip(exact, *(told(one, parts, then) for one in readers), strict=True):
        for one in quick:  # step by step: their reports live on
            assert one == right
        (now,) = {Taken(one.lines, one.events) for one in readers}
        taken.append(now)
    return taken[0]


Line = tuple[Odd, int] | bytes
"""A record with its number, or a line of the host's."""


_DIGITS: Final = re.compile(rb"[0-9a-f]{32}")


def chained(lines: Iterable[Line], prev: str | None = None) -> list[bytes]:
    """The lines, each record behind the one before, whatever comes of it."""
    made: list[bytes] = []
    for line in lines:
        if isinstance(line, tuple):
            made.append(line[0].line(line[1], prev))
            prev = _DIGITS.findall(made[-1])[-1].decode()
        else:
            made.append(line)
    return made


def numbered(*odds: Odd) -> list[Line]:
    return [(odd, number) for number, odd in enumerate(odds)]


def log(lines: Iterable[bytes]) -> bytes:
    return header() + b"".join(line + b"\n" for line in lines)


# one by one


def test_a_log_as_we_write_it_goes_the_quick_way() -> None:
    assert same(ten_events().data) == Taken(10, 10)


def test_a_host_s_transcript_goes_the_quick_way() -> None:
    lines = chained([*FOREIGN[:4], (FAILED, 1), *FOREIGN[:4], (USUAL[2], 2), FOREIGN[0]])
    assert same(log(lines)) == Taken(11, 2)
    assert same(log(FOREIGN[:4] * 40)) == Taken(160, 0)


def test_one_odd_record_among_usual_ones_reads_the_same() -> None:
    known = {}
    for odd in ODDS:
        try:
            data = log(chained(numbered(FAILED, USUAL[2], odd)))
            known[odd.name] = same(data, then=()).events == 3
        except AssertionError as error:
            raise AssertionError(f"the readers disagree on {odd.name}") from error
    assert all(known[odd.name] for odd in ODDS if odd.known)
    assert sum(known.values()) > 150  # most of what is odd is no business of the quick way; some is
    for odd in ODDS[::5]:
        same(log(chained(numbered(FAILED, odd, USUAL[1], USUAL[2]))))


def test_one_odd_record_that_is_the_first_reads_the_same() -> None:
    for odd in ODDS[::11]:
        for name in (None, SESSION, OTHER):
            lines = chained(numbered(odd, FAILED))
            same(log(lines), name=name)
            same(b"no header\n" + log(lines).partition(b"\n")[2], name=name)


def test_one_line_of_a_host_among_usual_ones_reads_the_same() -> None:
    for line in FOREIGN:
        same(log(chained([FOREIGN[0], *numbered(FAILED, USUAL[1]), line, (USUAL[2], 3), line, line])))
        same(log([FOREIGN[0], b'{"id":"entry","x":1}', line, FOREIGN[1], line]))


def test_objects_that_reach_over_the_ends_of_lines_are_no_records() -> None:
    """The decoder takes newlines for blanks: two objects on two lines need not be one on each."""
    whole = FAILED.line(1, None)
    first = whole[: whole.index(b',"v"')] + b',"seal":"0","v"' + b" " * 26 + b":1"
    assert first[-43:-34] == b',"seal":"'
    digest = sha256(first[:-43]).hexdigest()[:32]
    second = f',"prev":null,"seal":"{digest}"}}'.encode() + USUAL[1].line(2, digest)[:-43]
    second += b',"seal":"' + sha256(second).hexdigest()[:32].encode() + b'"}'
    assert same(log([first, second])).events == 0
    assert same(log([whole + USUAL[1].line(2, whole[-34:-2].decode()), b""])).events == 0
    assert same(log([b"", whole, b"", USUAL[1].line(2, whole[-34:-2].decode())])).events == 0


@pytest.mark.parametrize("more", [-2, -1, 0, 1, 2])
def test_a_record_as_long_as_a_line_may_be_reads_the_same(more: int) -> None:
    bare = len(Odd("", _with(FAILED, "error", '""')).line(1, None))
    long = Odd("", _with(FAILED, "error", f'"{"x" * (LONGEST + more - 1 - bare)}"'))
    data = log(chained([(long, 1), (USUAL[1], 2)]))
    assert len(data.splitlines()[1]) + 1 == LONGEST + more
    assert same(data).events == (2 if more <= 0 else 0)


def test_a_host_s_line_longer_than_a_block_reads_the_same() -> None:
    long = message("m1", text="x" * 9000)[:-1]
    data = log(chained([*numbered(FAILED, USUAL[1]), long, (USUAL[2], 3), long, (USUAL[3], 4)]))
    for size in (1000, 4096, len(data)):
        assert same(data, cut(data, range(size, len(data), size))).events >= 1


def test_a_torn_line_before_a_block_is_judged_when_the_block_goes_on() -> None:
    first, second, third = chained(numbered(FAILED, USUAL[1], USUAL[2]))
    head = log([first, second[:99]])
    rest = b"".join(line + b"\n" for line in (message()[:-1], second, third))
    assert same(head + rest, [head, rest]) == Taken(3, 2)


@pytest.mark.parametrize("name", [None, SESSION, OTHER])
@pytest.mark.parametrize("headed", [True, False])
def test_a_record_of_another_session_reads_the_same(name: str | None, *, headed: bool) -> None:
    theirs = Odd("theirs", _with(FAILED, "session", f'"{OTHER}"'))
    for order in ((FAILED, theirs, FAILED), (theirs, FAILED, theirs), (theirs, theirs), (FAILED, FAILED)):
        data = log(chained(numbered(*order)))
        data = data if headed else b"no header\n" + data.partition(b"\n")[2]
        same(data, name=name)
        same(data, data.splitlines(keepends=True), name=name)


def test_a_second_copy_and_another_event_of_the_same_id_read_the_same() -> None:
    for again in (
        FAILED,
        USUAL[1],
        Odd("", _with(FAILED, "status", "500")),
        Odd("", _with(FAILED, "parentId", "null")),
    ):
        near = chained([(FAILED, 1), (again, 1), (USUAL[2], 2)])
        far = chained([(FAILED, 1), *numbered(*USUAL)[2:], (USUAL[1], 9), (again, 1), (USUAL[2], 5)])
        for lines in (near, far):
            data = log(lines)
            same(data)
            same(data, data.splitlines(keepends=True))
            same(data, cut(data, [data.index(lines[-2])]))


def test_a_foreign_line_in_one_block_and_ours_in_the_next_read_the_same() -> None:
    lines = chained([FOREIGN[0], FOREIGN[1], *numbered(*USUAL), FOREIGN[2], FOREIGN[3]])
    data = log(lines)
    assert same(data, data.splitlines(keepends=True)).events == 4
    for line in lines:
        assert same(data, cut(data, [data.index(line)])).events == 4


@pytest.mark.parametrize("without", [0, 1, 14, 15, 16, 40])
def test_the_last_entry_is_looked_for_in_sixteen_lines_however_they_came(without: int) -> None:
    other, entry = message("m0").rstrip(b"\n"), message("m1").rstrip(b"\n")
    more = [b'{"type":"message","n":%d}' % number for number in range(without)]
    data = log([USUAL[1].line(0, None), *[other] * (without < 16), entry, *more])
    third = data.index(entry) + len(entry) + 30 * (without // 3)
    for blocks in ([data], cut(data, range(len(data))), cut(data, [data.index(entry)]), cut(data, [third])):
        for reader in (Reader(SESSION), Exact(SESSION)):
            for block in blocks:
                reader.feed(block)
            assert reader.last_entry(part_of(data)) == ("m1" if without < 16 else "id-0")


@pytest.mark.parametrize("more", [b"", b"x" * 50], ids=["to its end", "and more"])
def test_a_line_that_spans_two_blocks_reads_the_same_wherever_they_part(more: bytes) -> None:
    """Its head says that it is the host's; its tail may say that it is sealed, or that a record is glued to it."""
    record = FAILED.line(1, None)
    for line in (FOREIGN[0], sealed({"type": "message", "id": "m7"}), FOREIGN[0][:20] + record):
        lines = chained([FOREIGN[0], USUAL[1].line(9, None), line + more, *FOREIGN[:2]])
        data = log(lines)
        at = len(header()) + len(lines[0]) + len(lines[1]) + 1
        for place in range(at, at + len(lines[2]) + 4):
            same(data, cut(data, [place]))
        same(data, cut(data, [at + 14, at + 16, at + 60]))


def test_what_stands_behind_a_run_of_zeros_reads_the_same() -> None:
    """A line that a run of NULs began is no line of its own, whatever block it comes in."""
    first, second = chained(numbered(FAILED, USUAL[1]))
    for zeros, rest in product((b"\0", b"\0" * 9), (b"", b"x", second[:50], second[50:], second)):
        data = log([first + zeros + rest, second, zeros + second, zeros, second])
        same(data, cut(data, [data.index(zeros) + len(zeros)]))
        same(data, cut(data, [data.index(zeros) + len(zeros), data.index(zeros) + len(zeros) + len(rest) + 1]))
    # What is remembered of the run ends with its line, and is no news for the next one.
    data = log([FOREIGN[0], first + b"\0\0" + FOREIGN[0], second[50:], second])
    place = data.index(b"\0\0") + 22
    same(data, cut(data, [data.index(first), place]))


def test_a_newline_that_comes_alone_reads_the_same() -> None:
    data = log([b"", FAILED.line(1, None), b"", b"x"])
    same(data, cut(data, range(len(data))))


# any log


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [0, *sorted({place for place in places if 0 < place < len(data)}), len(data)]
    return [data[begin:end] for begin, end in pairwise(ends)]


Drawn = Odd | bytes | tuple[Odd, int | None]
_PLAIN: Final[list[Drawn]] = [*USUAL, *USUAL, *FOREIGN[:4]]
_numbers: Final = st.sampled_from((None, None, None, 0, 1, 2))
_spice: Final = st.tuples(
    st.integers(0, 10), st.one_of(st.tuples(st.sampled_from([*ODDS, *USUAL * 40]), _numbers), st.sampled_from(FOREIGN))
)
_DEEDS: Final = ("lose", "repeat", "move", "cut")
_HEADERS: Final = (
    *[header()] * 6,
    header(OTHER),
    b"\n",
    b"not JSON\n",
    b"",
    message(),
    b'{"type":"session","id":""}\n',
)


def _numbered(drawn: Iterable[Drawn]) -> Iterator[Line]:
    """Each record with the number of its line, unless it has one already."""
    for place, line in enumerate(drawn):
        if isinstance(line, bytes):
            yield line
        else:
            odd, number = (line, None) if isinstance(line, Odd) else line
            yield odd, place if number is None else number


@st.composite
def logs(draw: st.DrawFn) -> bytes:
    """Logs of mostly usual records in the chain; sometimes a line is lost, moved, repeated or cut short."""
    drawn = list(draw(st.lists(st.sampled_from(_PLAIN), min_size=1, max_size=10)))
    for at, line in draw(st.lists(_spice, max_size=draw(st.sampled_from((0, 0, 0, 1, 3))))):
        drawn.insert(at, line)
    lines = chained(_numbered(drawn))
    for what in draw(st.lists(st.sampled_from(_DEEDS), max_size=draw(st.sampled_from((0, 0, 0, 2))))):
        if not lines:
            break
        at, to = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines)))
        line = lines[at] if what == "repeat" else lines.pop(at)
        if what == "cut":
            line, to = line[: draw(st.integers(0, len(line)))], at
        if what != "lose":
            lines.insert(to, line)
    data = draw(st.sampled_from(_HEADERS)) + b"".join(line + b"\n" for line in lines)
    return data[:-1] if draw(st.sampled_from((False, False, False, True))) else data


_names: Final = st.sampled_from((SESSION, SESSION, SESSION, None, OTHER))


@st.composite
def divided(draw: st.DrawFn, logs: st.SearchStrategy[bytes]) -> tuple[bytes, list[bytes]]:
    """A log and blocks of it, many of which begin or end near a newline."""
    data = draw(logs)
    ends = [at for at, byte in enumerate(data) if byte == 10] or [0]
    near = st.builds(lambda end, more: end + more, st.sampled_from(ends), st.sampled_from((-1, 0, 1, 1, 2, 40)))
    return data, cut(data, draw(st.lists(near | st.integers(0, len(data)), max_size=8)))


class Tally:
    """How many of the examples went the quick way, and that they are not too few."""

    def __init__(self) -> None:
        self.examples = 0
        self.quick = 0

    def add(self, taken: Taken) -> None:
        self.examples += 1
        self.quick += taken.events > 0

    def assert_enough(self) -> None:
        assert self.quick * 6 > self.examples > 0


def test_a_log_reads_the_same_as_line_by_line() -> None:
    tally = Tally()

    @given(logs(), _names)
    def law(data: bytes, name: str | None) -> None:
        tally.add(same(data, name=name))

    law()
    tally.assert_enough()


def test_a_log_reads_the_same_however_it_is_divided() -> None:
    tally = Tally()

    @given(divided(logs()), _names)
    def law(parts: tuple[bytes, list[bytes]], name: str | None) -> None:
        tally.add(same(*parts, name=name))

    law()
    tally.assert_enough()


@settings(max_examples=100)
@given(divided(any_bytes), _names)
def test_any_bytes_read_the_same_however_they_are_divided(parts: tuple[bytes, list[bytes]], name: str | None) -> None:
    same(*parts, name=name)


@settings(max_examples=40)
@given(logs() | any_bytes, _names)
def test_byte_by_byte_a_log_is_read_line_by_line(data: bytes, name: str | None) -> None:
    """It is never the quick way, and what a reader that has no other says."""
    assert same(data, cut(data, range(len(data))), name=name) == Taken(0, 0)


def test_the_places_of_wanted_seals_are_the_same() -> None:
    found = Counter[bool]()

    @settings(max_examples=100)
    @given(divided(logs()), st.integers(0, 9))
    def law(parts: tuple[bytes, list[bytes]], number: int) -> None:
        data, blocks = parts
        seals = [line[-34:-2].decode("latin-1") for line in data.split(b"\n") if line[-43:-34] == b',"seal":"']
        wanted = ["0" * 32, *seals[number % max(len(seals), 1) :][:1]]
        same(data, blocks, wanted=wanted)
        reader = Watched(SESSION, wanted=wanted)
        for block in blocks:
            reader.feed(block)
        found[bool(reader.report.seals)] += 1

    law()
    assert found[True] * 8 > found.total()


def test_the_quick_way_does_not_pass_by_a_wanted_seal() -> None:
    lines = chained(numbered(*USUAL))
    data = log(lines)
    for number, line in enumerate(lines):
        reader = Reader(SESSION, wanted=[line[-34:-2].decode()])
        reader.feed(data)
        assert list(reader.report.seals.values()) == [number]


# damage

USUAL_LOG: Final = log(chained([FOREIGN[0], *numbered(*USUAL), FOREIGN[1]]))
_START: Final = len(header())


def _flipped(at: int, bit: int) -> bytes:
    return USUAL_LOG[:at] + bytes([USUAL_LOG[at] ^ 1 << bit]) + USUAL_LOG[at + 1 :]


@given(st.integers(_START, len(USUAL_LOG) - 1), st.integers(0, 7))
def test_a_flipped_bit_reads_the_same(at: int, bit: int) -> None:
    same(_flipped(at, bit))


@pytest.mark.slow
def test_every_flipped_bit_reads_the_same() -> None:
    for at, bit in product(range(_START, len(USUAL_LOG)), range(8)):
        same(_flipped(at, bit), ways=[bool((at + bit) % 2)])


def test_a_lost_or_moved_record_reads_the_same() -> None:
    lines = chained(numbered(*USUAL, *USUAL))
    for at, to in product(range(len(lines)), repeat=2):
        others = lines[:at] + lines[at + 1 :]
        same(log(others))
        same(log([*others[:to], lines[at], *others[to:]]))


# the exact way itself


def test_an_event_converted_at_once_is_the_one_that_field_by_field_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact way has a short cut too, which must not hide that the quick one is wrong."""
    decoded = [fields for odd in ODDS if (fields := codec.decode(odd.line(1, None))) is not None]
    told = [repr(event_from_fields(codec.flat(fields), codec.FRAME)) for fields in decoded]
    monkeypatch.setattr(events, "_is_as_written", lambda _: False)
    assert told == [repr(event_from_fields(codec.flat(fields), codec.FRAME)) for fields in decoded]


# times


@pytest.mark.parametrize("text", ["2026-04-02T04:55:40.889z", "2026-04-02t04:55:40.889z", "2026-04-02T04:55:40.889Z"])
def test_a_time_in_small_letters_is_a_time(text: str) -> None:
    """RFC 3339, 5.6: "T" and "Z" may be lower case."""
    assert parse_time(text) == datetime(2026, 4, 2, 4, 55, 40, 889_000, tzinfo=UTC)
