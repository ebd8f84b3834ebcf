r"""Seeded, structure-aware fuzzing of all that reads bytes or words of others: ``python tests/fuzz.py --seconds 60``.

Law: the same target, salt and bytes give the same verdict, on any machine; nothing is written but into the folder that
the caller gives. A fault is made smaller and told as the line that shows it again, and as bytes for `fixtures/corpus`.

An input is a seed (a recording, a draft of ours, a configuration) with a few things done to it: to its bytes, its
lines, its JSON, its numbers; sealed lines are sealed anew, or nothing would get past the seal. A target is a law: it
takes any bytes, and raises Lost, Accepted, Silent, AssertionError, or whatever came out where nothing may.
"""

import argparse
import contextlib
import errno
import hashlib
import hmac
import io
import json
import logging
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from random import Random
from typing import Final, cast

import typer
from backports import zstd
from logs import OTHER, SESSION, STAMP, Draft, compact, header, hosted, put, seal_of, sealed, ten_events
from typer.main import get_command

from cli import output
from cli.app import app
from eventlog import Session, UnreadableError, anchors, codec, logs, outcomes, raw, redact, sources
from eventlog.config import Config, ConfigError, load
from eventlog.importer import BehindError, Importer, is_name
from eventlog.inference import inferred
from eventlog.keys import KeyFileError, Keys, Proof
from eventlog.lines import Kind, Piece
from eventlog.openclaw import database
from eventlog.protection import OPEN, Protection
from eventlog.reader import Reader
from eventlog.reading import Events
from eventlog.repair import UnsafeRepairError, plan, repair
from eventlog.report import Report
from eventlog.scan import pieces
from eventlog.split import Splitter
from eventlog.verify import Anchor, End, verify
from replay import (
    INITIAL,
    AllModelsFailed,
    AttemptFailed,
    Chain,
    Cooldown,
    LogRepaired,
    ModelState,
    Policy,
    Recorded,
    decide,
    fold,
    scan,
)
from replay.classify import classify
from replay.events import MAX_INTEGER

ROOT: Final = Path(__file__).parent.parent
FIXTURES: Final = ROOT / "fixtures"
CORPUS: Final = FIXTURES / "corpus"
SCRATCH: Final = next((where for where in ("/dev/shm",) if os.access(where, os.W_OK)), None)  # noqa: S108
"""A folder in memory where there is one: thousands of files are synced here. None: the system's own."""


class Lost(AssertionError):
    """Something that was whole is not there any more."""


class Accepted(AssertionError):
    """Something counted that must not."""


class Silent(AssertionError):
    """Something was wrong and nobody said so."""


def expect(holds: bool, told: object, kind: type[AssertionError] = AssertionError) -> None:
    if not holds:
        raise kind(told)


# Seeds

KEY: Final = bytes(range(32))
KEYED: Final = Protection(keys=Keys({"k1": KEY}))
LENIENT: Final = Protection(keys=Keys({"k1": KEY, "old": KEY[::-1]}), accept_unsealed=True)
PROTECTIONS: Final = (OPEN, OPEN, KEYED, LENIENT)
MODELS: Final = ("kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b")
CHAIN: Final = Chain(*MODELS)
NAME: Final = f"{SESSION}.jsonl"

TOML: Final = """chain = ["kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b"]
sessions = "sessions"
return_to_primary = true
force = true
probe_timeout = 60
redact = ["corp-[0-9a-f]{16}"]
key_file = "switchlog.keys"
accept_unsealed = true
[cooldown.rate_limit]
base = 300
cap = 3600
[aliases]
"kimi-coding/kimi2.5" = "kimi/kimi2.5"
"""
OPENCLAW: Final = (FIXTURES / "seed" / "openclaw.json").read_bytes()
KEY_FILE: Final = b"# the ring\nk1 " + KEY.hex().encode() + b"\nold " + KEY[::-1].hex().encode() + b"\n"
ANSWERS: Final = (
    b"429\nRetry-After: 7\nContent-Type: application/json\n\nRate limit reached",
    b"503\nretry-after: Fri, 31 Dec 2027 23:59:59 GMT\n\noverloaded",
    b"429\nretry-after-ms: 1500.5\n\n" + b'{"error":{"code":"insufficient_quota"}}',
    b"400\nx: y\n\nThis model's maximum context length is 8192 tokens",
    b"403\n\ncontent_filter",
    b"200\n\nfine",
)
EVENT: Final = compact({"type": "attempt_failed", "model": MODELS[0], "reason": "rate_limit"})
EVENTS: Final = (
    EVENT,
    compact({"type": "model_switch", "from": MODELS[0], "to": MODELS[1], "cause": "user"}),
    compact({"type": "attempt_succeeded", "model": MODELS[0], "seen": 1, "durationMs": 81}),
    compact({"type": "failure_cleared", "provider": "kimi", "note": "topped up", "mood": "calm"}),
)


def rich_draft() -> Draft:
    """Every kind of line that a log of ours can hold."""
    draft = ten_events()
    draft.record("log_repaired", copy="x.before-repair", zeros=12, altered=0, gaps=0)
    draft.record("budget_spent", cents=7)
    draft.failed(v=2, model="a/1")
    draft.add(compact({"type": "model_switch", "from": MODELS[0], "to": MODELS[1], "timestamp": STAMP}) + b"\n")
    draft.failed("kimi/kimi2.5", "auth", timestamp="2026-04-02T05:55:40.889Z", retryAfterMs=86_400_000)
    draft.record("failure_cleared", provider="kimi", by="operator")
    draft.switch("zhipu/glm-5.1", "user")
    draft.switch("zhipu/glm-5.1", "unpin")
    return draft


def keyed_draft() -> bytes:
    return rechained(rich_draft().data, mac=True)


@cache
def seeds() -> Mapping[str, Sequence[bytes]]:
    """Seeds by what they are."""
    files = sorted(path for path in FIXTURES.rglob("*") if path.is_file() and path.suffix not in (".md", ".tsv"))
    gateway = [path.read_bytes() for path in files if "gateway" in path.name]
    foreign = [path.read_bytes() for path in files if path.parent.name in ("foreign", "seed") and path.suffix != ".log"]
    kept = [path.read_bytes() for path in files if path.parent == CORPUS]
    taken = [
        {"taken": STAMP, "file": NAME, "session": SESSION, "seal": seal_of(line[:-1]), "before": number}
        for number, line in enumerate(ten_events().lines[1:], 1)
    ]
    drafts = [ten_events().data, hosted().data, rich_draft().data, keyed_draft(), Draft(OTHER).failed(), b""]
    return {
        "log": [*drafts, *drafts, *drafts, *foreign, (ROOT / "docs" / "vector.jsonl").read_bytes()],
        "gateway": [
            *gateway,
            *(b"".join(line for line in data.splitlines(keepends=True) if _TELLING.search(line)) for data in gateway),
            (ROOT / "cli" / "incident.log").read_bytes(),
        ],
        "toml": [TOML.encode(), TOML.replace("key_file", "# key_file").encode(), b'chain = ["a/b"]\n'],
        "openclaw": [OPENCLAW, b'{"agents":{"defaults":{"model":"kimi/kimi2.5"}}}'],
        "keys": [KEY_FILE],
        "anchors": [b"".join(compact(one) + b"\n" for one in taken[-3:])],
        "answer": [*ANSWERS, *_answers()],
        "words": [b"\n".join(words) for words in WORDS],
        "corpus": kept or [b""],
        "hosted": [path.read_bytes() for path in files if path.parent.name == "transcripts"],
        "store": [store()],
    }


def store() -> bytes:
    """A small database of OpenClaw's: two sessions, one of them packed."""
    rows = [compact({"type": "session", "version": 4, "id": SESSION})]
    rows += [compact({"type": "model_change", "id": f"e{one}", "provider": "kimi", "modelId": one}) for one in "ab"]
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("pragma page_size = 512")
        connection.execute(
            "create table transcript_events"
            " (session_id text, seq integer, event_json text, created_at integer, event_zstd blob,"
            " primary key (session_id, seq))"
        )
        connection.execute("create table session_nodes (session_key text, current_session_id text, updated_at integer)")
        for number, row in enumerate(rows):
            plain = (SESSION, number, row.decode(), number, None)
            packed = (OTHER, number, None, number, zstd.compress(row))
            connection.executemany("insert into transcript_events values (?, ?, ?, ?, ?)", [plain, packed])
        connection.execute("insert into session_nodes values ('agent:main:one', ?, 1795358000000)", (SESSION,))
        connection.commit()
        return connection.serialize()


def _answers() -> Iterator[bytes]:
    """Every way to ask for peace that a provider or a bad day may come up with."""
    dates = (b"Fri, 31 Dec 9999 23:59:59 GMT", b"Mon, 01 Jan 0001 00:00:00 +1400", b"Wed, 21 Oct 2015 07:28:00 +9999")
    words = (
        b"",
        b" 7 ",
        "\u0663".encode(),
        b"1.5e3",
        b"1_000",
        b"nan",
        b"inf",
        b"7s",
        b"1m30s",
        b"0x10",
        b"7, 8",
        b"Mon",
    )
    for name in (b"Retry-After", b"retry-after-ms", b"x-ratelimit-reset-requests", b"RateLimit-Reset"):
        for number, wish in enumerate((*NUMBERS, *TIMES, *dates, *words)):
            status = (b"429", b"503", b"529", b"400")[number % 4]
            yield status + b"\n" + name + b": " + wish + b"\n\nRate limit reached, try again in " + wish + b"s"


_TELLING: Final = re.compile(rb"switch|fallback|embedded run|embedded_run|lane task|gateway")


# Mutations

TIMES: Final = (
    b"0001-01-01T00:00:00Z",
    b"0001-01-01T00:00:00+14:00",
    b"9999-12-31T23:59:59.999Z",
    b"9999-12-31T23:59:59.999-14:00",
    b"9999-12-30T12:00:00Z",
    b"1969-12-31T23:59:59Z",
    b"2026-02-30T00:00:00Z",
    b"2026-04-02T24:00:00Z",
    b"2026-04-02T04:55:40",
    b"2026-04-02",
    b"20260402T045540Z",
    b"2026-W14-4T04:55:40+00:00:00.5",
    b"2262-04-11T23:47:17Z",
)
NUMBERS: Final = (
    *(b"0", b"-1", b"1", b"59", b"400", b"429", b"599", b"600", b"86400000", b"86400001", b"4294967296"),
    *(b"9007199254740991", b"9007199254740992", b"9223372036854775808", b"18446744073709551616"),
    *(b"1e999", b"-0.0", b"1.5", b"1e-400", b"9" * 400, b"1" * 5000),
)
TEXTS: Final = (
    *(b'""', b'" "', b'"\\u0000"', b'"\\ud800"', b'"\\udfff\\ud83d"', b'"\\u001b[2J\\u009b\\u202e\\u200b\\u2028"'),
    *(
        b'"[bold]x[/bold][/foo]"',
        b'"../../etc"',
        b'"a/b/c:d"',
        b'"/"',
        b'"kimi/"',
        b'"=1+1"',
        b'"\xc3\xa9\xf0\x9f\x92\xa9"',
    ),
    *(b'"' + b"x" * length + b'"' for length in (129, 300, 5000, 16_300, 17_000)),
    *(b'"\xff\xfe"', b'"' + "模".encode() * 900 + b'"'),
)
OTHERS: Final = (
    *(b"null", b"true", b"false", b"[]", b"{}", b"NaN", b"", b'["model_switch"]', b'{"type":"attempt_failed"}'),
    *(b"[" * depth + b"]" * depth for depth in (60, 900, 1020, 3000)),
    b'{"a":' * 900 + b"1" + b"}" * 900,
)
ACTS: Final = b'"\\u001b[31mred\\u202e/\\u200bx\\u2028\\u009b"'
"""What would move or colour a terminal's text."""
MODEL_TEXTS: Final = (ACTS, ACTS, *map(compact, (*MODELS, "kimi/other", "solo", "a" * 255 + "/" + "b" * 255)))
REASONS: Final = (ACTS, *map(compact, ("auth", "billing", "rate_limit", "overloaded", "redirected", "timeout", "moon")))
CAUSES: Final = (ACTS, *map(compact, ("initial", "probe", "pin", "config", "user", "unpin", "reverted", "?")))
FITTING: Final[Mapping[str, Sequence[bytes]]] = {
    "timestamp": [b'"' + time + b'"' for time in TIMES],
    "time": [b'"' + time + b'"' for time in TIMES],
    "model": MODEL_TEXTS,
    "from": MODEL_TEXTS,
    "to": MODEL_TEXTS,
    "reason": REASONS,
    "cause": CAUSES,
    "type": [
        *map(
            compact,
            ("attempt_failed", "model_switch", "log_repaired", "attempt_started", "session", "message", "custom"),
        ),
        b'"model\\u005fswitch"',
    ],
    "v": NUMBERS,
    "seen": NUMBERS,
    "retryAfterMs": NUMBERS,
    "status": NUMBERS,
    "session": [compact(SESSION), compact(OTHER)],
    "id": [
        b'"0000000000000001"',
        b'"0000000000000003"',
        compact(SESSION),
        compact("x" * 16_300),
        compact("x" * 20_000),
        ACTS,
    ],
    "by": [ACTS],
    "note": [ACTS],
    "taken": [ACTS],
    "file": [ACTS, compact("x" * 300)],
    "gaps": [b"0", b"1"],
    "altered": [b"0", b"1"],
}
KEYS_OF_LINES: Final = (
    *FITTING,
    *(
        "parentId",
        "prev",
        "seal",
        "mac",
        "error",
        "turn",
        "durationMs",
        "phase",
        "deployment",
        "provider",
        "by",
        "note",
    ),
    *("copy", "zeros", "__proto__", "0", "1", "", "source", "message", "file", "taken", "before", "runId", "event"),
)
PALETTE: Final = (
    *(
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\0" * 9,
        b"\0\n\0",
        b"\n\n",
        b"{",
        b"}",
        b'"',
        b",",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
    ),
    *(b'{"type":"', b'{"type":"attempt_failed",', b',"seal":"0123456789abcdef0123456789abcdef"}', b',"seal":"'),
    *(
        "\u2028".encode(),
        "\x85".encode(),
        b"\\u00",
        b"\x1b[31m",
        b".jsonl",
        "\u202e".encode(),
        b" -> ",
        b"=",
        b": ",
        b"/",
        b"J",
    ),
    *(compact({"type": "session", "version": 3, "id": OTHER}) + b"\n", b'{"type":"session"}\n', b"\xed\xa0\x80"),
)

_FIELD: Final = re.compile(rb'"(' + "|".join(FITTING).encode() + rb')":("[^"\\]*"|\d+|null)')

Step = Callable[[Random, bytes], bytes]


def flip(choice: Random, data: bytes) -> bytes:
    at = choice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << choice.randrange(8))]) + data[at + 1 :]


def set_byte(choice: Random, data: bytes) -> bytes:
    at = choice.randrange(len(data))
    return data[:at] + bytes([choice.randrange(256)]) + data[at + 1 :]


def cut(choice: Random, data: bytes) -> bytes:
    return data[: choice.randrange(len(data))]


def remove(choice: Random, data: bytes) -> bytes:
    at = choice.randrange(len(data))
    return data[:at] + data[at + choice.choice((1, 2, 9, 40, 300)) :]


def insert(choice: Random, data: bytes) -> bytes:
    at = choice.randrange(len(data))
    return data[:at] + choice.choice(PALETTE) + data[at:]


def hole(choice: Random, data: bytes) -> bytes:
    at, length = choice.randrange(len(data)), choice.choice((1, 7, 100, 700))
    return data[:at] + b"\0" * len(data[at : at + length]) + data[at + length :]


def copy_part(choice: Random, data: bytes) -> bytes:
    at, to = choice.randrange(len(data)), choice.randrange(len(data))
    return data[:to] + data[at : at + choice.choice((3, 40, 300))] + data[to:]


def number(choice: Random, data: bytes) -> bytes:
    """A number, or a time, at an extreme."""
    if choice.random() < 0.4:
        found = list(re.finditer(rb"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)?", data))
        values: Sequence[bytes] = TIMES
    else:
        found, values = list(re.finditer(rb"\d+", data)), NUMBERS
    if not found:
        return data
    at = choice.choice(found)
    data = data[: at.start()] + choice.choice(values) + data[at.end() :]
    return rechained(data, mac=False) if choice.random() < 0.6 else data


def fitting(choice: Random, data: bytes) -> bytes:
    """Values that their fields may have, and seldom do; sealed as if the log's writer had meant them."""
    found = list(_FIELD.finditer(data))
    for one in sorted(choice.sample(found, min(len(found), choice.choice((1, 1, 2, 5)))), key=_start, reverse=True):
        data = data[: one.start(2)] + choice.choice(FITTING[one[1].decode()]) + data[one.end(2) :]
    return rechained(data, mac=choice.random() < 0.2) if choice.random() < 0.9 else data


def _start(found: re.Match[bytes]) -> int:
    return found.start()


def lines(choice: Random, data: bytes) -> bytes:
    """Something done to the lines as lines."""
    several = data.split(b"\n")
    one, two = choice.randrange(len(several)), choice.randrange(len(several))
    match choice.randrange(12):
        case 10 | 11:  # a fragment before a line that nobody ended
            several[one] = several[two][: choice.randrange(len(several[two]) + 1)] + several[one]
        case 0:
            several[one], several[two] = several[two], several[one]
        case 1:
            several.insert(two, several[one])
        case 2:
            del several[one]
        case 3:  # glued: the newline between two is lost
            several[one : one + 2] = [b"".join(several[one : one + 2])]
        case 4:
            several[one] += b"\r"
        case 5:
            several[one] = choice.choice((b"", b" ", b"\t\r", several[one] + choice.choice(PALETTE)))
        case 6:
            several[one] = several[one][: choice.randrange(len(several[one]) + 1)]
        case 7:
            choice.shuffle(several)
        case 8:
            several = several[: one + 1] * 2 + several[one + 1 :]
        case _:
            return data.replace(b"\n", choice.choice((b"\r\n", "\u2028".encode(), b"\0\n", b"\n\n", b"")))
    return b"\n".join(several)


def fields(choice: Random, data: bytes) -> bytes:
    """Something done to one line's JSON; its seal is right again, mostly."""
    several = data.split(b"\n")
    objects = [number for number, line in enumerate(several) if line.startswith(b"{")]
    if not objects:
        return data
    at = choice.choice(objects)
    try:
        found = json.loads(several[at])
    except (ValueError, RecursionError):
        return data
    texts = {key: json.dumps(value, ensure_ascii=False, separators=(",", ":")) for key, value in found.items()}
    pairs = [(key, text.encode("utf-8", "replace")) for key, text in texts.items()]
    for _ in range(choice.choice((1, 1, 1, 2, 4))):
        pairs = changed(choice, pairs)
    several[at] = b"{" + b",".join(json.dumps(key).encode() + b":" + value for key, value in pairs) + b"}"
    if choice.random() < 0.8:
        several[at] = resealed(several[at], mac=choice.random() < 0.3)
    return b"\n".join(several)


def changed(choice: Random, pairs: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    telling = [number for number, (key, _) in enumerate(pairs) if key in FITTING]
    place = choice.choice(telling if telling and choice.random() < 0.6 else range(len(pairs) or 1))
    match choice.randrange(8):
        case 0:
            return pairs[:place] + pairs[place + 1 :]
        case 1:
            return [*pairs[:place], *pairs[place : place + 1], *pairs[place:]]
        case 2:
            return choice.sample(pairs, len(pairs))
        case 3 if pairs:
            key = choice.choice(KEYS_OF_LINES)
            return [*pairs[:place], (key, pairs[place][1]), *pairs[place + 1 :]]
        case 4:
            key = choice.choice(KEYS_OF_LINES)
            return [*pairs[:place], (key, value(choice, key)), *pairs[place:]]
    if not pairs:
        return pairs
    key = pairs[place][0]
    return [*pairs[:place], (key, value(choice, key)), *pairs[place + 1 :]]


def value(choice: Random, key: str) -> bytes:
    if key in FITTING and choice.random() < 0.6:
        return choice.choice(FITTING[key])
    return choice.choice(choice.choice((NUMBERS, TEXTS, OTHERS)))


def chain(choice: Random, data: bytes) -> bytes:
    return rechained(data, mac=choice.random() < 0.3)


def long_line(choice: Random, data: bytes) -> bytes:
    """A line of more than 1 MiB: not kept whole by any reader. Seldom, for it costs."""
    at = choice.randrange(len(data))
    return data[:at] + b"x" * ((1 << 20) + choice.choice((-9000, -5, 0, 5, 9000))) + data[at:]


STEPS: Final[Sequence[Step]] = (
    *(flip, set_byte, cut, remove, insert, insert, hole, copy_part, number, number, number, number),
    *(lines, lines, lines, fields, fields, fields, fields, fields, fitting, fitting, fitting, chain),
)
_SEAL: Final = re.compile(rb',"seal":"[^"]{0,40}"\}$')
_MAC: Final = re.compile(rb',"mac":"[^"]*"$')
_PREV: Final = re.compile(rb'"prev":(?:null|"[^"]*")')


def resealed(line: bytes, *, mac: bool) -> bytes:
    """The line with a right seal, if it had one, and with a right proof if it is to have one."""
    found = _SEAL.search(line)
    if found is None:
        return line
    body = _MAC.sub(b"", line[: found.start()])
    if mac:
        body += b',"mac":"k1.' + hmac.digest(KEY, body, hashlib.sha256).hex()[:32].encode() + b'"'
    return body + b',"seal":"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"}'


def rechained(data: bytes, *, mac: bool) -> bytes:
    """All sealed lines in one chain again, as if all of it had been meant so."""
    several, last = data.split(b"\n"), b"null"
    for place, line in enumerate(several):
        if _SEAL.search(line):
            several[place] = resealed(_PREV.sub(b'"prev":' + last, line, count=1), mac=mac)
            last = b'"' + several[place][-34:-2] + b'"'
    return b"\n".join(several)


def made(choice: Random, kinds: Sequence[str]) -> bytes:
    """One input: a seed of one of these kinds (now and then of any), changed."""
    kind = choice.choice(kinds) if choice.random() < 0.92 else choice.choice(sorted(seeds()))
    data = window(choice, choice.choice(seeds()[kind]), kind)
    if choice.random() < 0.15:
        other = window(choice, choice.choice(seeds()[choice.choice((kind, *sorted(seeds())))]), kind)
        data = data[: choice.randrange(len(data) + 1)] + other[choice.randrange(len(other) + 1) :]
    for _ in range(choice.choice((1, 1, 1, 2, 2, 3, 5, 9))):
        data = choice.choice(STEPS)(choice, data or b"\n")
    if choice.random() < 0.002:
        data = long_line(choice, data or b"\n")
    return data


def window(choice: Random, data: bytes, kind: str) -> bytes:
    """Some lines of a recording that is too long for one input."""
    if len(data) < 12_000 or kind not in ("gateway", "hosted"):
        return data[:40_000]
    several = data.splitlines(keepends=True)
    first = choice.randrange(len(several))
    return b"".join(several[first : first + choice.choice((3, 10, 25))])[:24_000]


# Targets: each takes any bytes, what else there is to choose, and an empty folder.


def blocks_of(choice: Random, data: bytes) -> list[bytes]:
    """The data in blocks: very small ones, or a few cuts."""
    if choice.random() < 0.3 and len(data) < 20_000:
        size = choice.choice((1, 2, 3, 7, 64))
        return [data[at : at + size] for at in range(0, len(data), size)]
    cuts = sorted(choice.randrange(len(data) + 1) for _ in range(choice.randint(1, 6)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def read(blocks: Sequence[bytes], rules: Protection, name: str | None = SESSION) -> tuple[list[Recorded], Report]:
    reader = Reader(name, protection=rules)
    found = [one for block in blocks for one in reader.feed(block)]
    return found + reader.finish(), reader.report


def split(blocks: Sequence[bytes]) -> list[Piece]:
    splitter = Splitter()
    found = [piece for block in blocks for text in splitter.feed(block) for piece in pieces(text)]
    rest = splitter.rest()
    return found + ([] if rest is None else list(pieces(rest)))


def at_reader(data: bytes, choice: Random, folder: Path) -> None:
    """The reader on any bytes, in any blocks."""
    rules, blocks = choice.choice(PROTECTIONS), blocks_of(choice, data)
    name = choice.choice((SESSION, SESSION, None))
    found, report = read([data], rules, name)
    again, same = read(blocks, rules, name)
    expect(again == found, f"other blocks, other events: {len(again)} and {len(found)}")
    expect(same == report, f"other blocks, another report: {same.figures} and {report.figures}")
    _tiled(data, blocks, report)
    _sound(data, found, rules)
    _complete(data)
    events = report.pieces[Kind.EVENT] + report.pieces[Kind.UNTERMINATED]
    expect(report.pieces[Kind.EVENT] <= len(found) <= events, f"{len(found)} events, told {report.figures}", Silent)
    expect(report.damaged == any(count != report.known[kind] for kind, count in report.damage.items()), "damaged")
    _peeked(data, blocks, rules, name)
    _folded(found, choice)


def _tiled(data: bytes, blocks: Sequence[bytes], report: Report) -> None:
    whole = split([data])
    expect(split(blocks) == whole, "other blocks, other pieces")
    end = 0
    for piece in whole:
        expect(piece.offset == end and piece.length > 0, f"pieces don't tile: {piece} behind {end}", Silent)
        end += piece.length
    expect(end == len(data), f"pieces cover {end} of {len(data)} bytes", Silent)
    expect(report.size == len(data), f"{report.size} of {len(data)} bytes read", Silent)
    expect(sum(report.pieces.values()) == len(whole), f"{len(whole)} pieces, told {report.figures}", Silent)


def _sound(data: bytes, found: Sequence[Recorded], rules: Protection) -> None:
    """What counts as an event is bare, or ends in the right seal (computed by hand), and with keys in a right proof."""
    expect([one.position for one in found] == sorted({one.position for one in found}), "positions")
    starts = {piece.offset: piece for piece in split([data])}
    for one in found:
        piece = starts[one.offset]
        line = data[piece.offset : piece.offset + piece.length].rstrip(b"\n")
        if piece.seal is None:
            framed = (piece.fields or {}).keys() & {"v", "prev", "session", "seal"}
            expect(not framed, f"a record without its seal counts: {line[:300]!r}", Accepted)
            expect(rules.keys is None or rules.accept_unsealed, f"a bare event counts beside keys: {line!r}", Accepted)
        else:
            body = line[: line.rindex(b',"seal":"')]
            right = hashlib.sha256(body).hexdigest()[:32] == piece.seal == seal_of(line)
            expect(right, f"a record with a wrong seal counts: {line[:300]!r}", Accepted)


@cache
def _good_lines() -> Mapping[bytes, str]:
    """Lines of ours as they were written, and the id in each."""
    drafts = [*ten_events().lines, *hosted().lines, *rich_draft().lines]
    sealed_ones = [line[:-1] for line in drafts if _SEAL.search(line[:-1])]
    told = [(line, json.loads(line)) for line in sealed_ones]
    return {line: one["id"] for line, one in told if one["type"] in codec.KNOWN_FIELDS and one["v"] == 1}


def _complete(data: bytes) -> None:
    """A whole line of ours is told, whatever stands around it: lines, NULs, a fragment before it, bytes behind it."""
    found, report = read([data], OPEN)
    ids = {one.event.id for one in found}
    if report.pieces[Kind.NEWER]:  # a record of a later version may have taken the id
        ids |= {(piece.fields or {}).get("id") for piece in split([data]) if piece.seal is not None}
    for line in re.split(rb"[\n\0]", data):
        glued = line[line.rfind(b'{"type":"') :]
        expected = _good_lines().get(glued) or _good_lines().get(line[: line.find(b'"}') + 2])
        blank = not line.removesuffix(glued).strip()  # the seal covers a line's first blank too
        if expected is not None and (line.startswith(b"{") or not blank):
            expect(expected in ids, f"a whole record is not told: {line!r}, {report.figures}", Lost)


def _peeked(data: bytes, blocks: Sequence[bytes], rules: Protection, name: str | None) -> None:
    """A look ahead tells what the log would, if it ended here, and leaves the reader as it was."""
    reader, fed, found = Reader(name, protection=rules), b"", list[Recorded]()
    for place, block in enumerate(blocks):
        found += reader.feed(block)
        fed += block
        if place in (0, len(blocks) // 2):
            clone, more = reader.ahead()
            expect((found + more, clone.report) == read([fed], rules, name), "a look ahead tells something else")
    expect((found + reader.finish(), reader.report) == read([data], rules, name), "a look ahead leaves traces")


def _folded(found: Sequence[Recorded], choice: Random) -> None:
    state, at = fold(found), choice.randrange(len(found) + 1)
    expect(fold(found[at:], fold(found[:at])) == state, "fold of a prefix continued")
    expect(fold(found, state) == state, "fold again")
    expect(([INITIAL, *scan(found)])[-1] == state, "fold is the last of scan")
    decided(state, choice)


def moments(state: ModelState, choice: Random) -> Iterator[datetime]:
    """Times at which a decision may be asked for: now, at either end of time, and right behind each failure."""
    yield datetime(2026, 4, 2, 5, tzinfo=UTC)
    yield choice.choice((datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)))
    yield datetime.max.replace(tzinfo=timezone(timedelta(hours=choice.choice((-14, 14)))))
    stamps = [one.at for tried in state.tried.values() for one in tried.values() if one.at is not None]
    yield from choice.sample(stamps, min(3, len(stamps)))


def decided(state: ModelState, choice: Random, policy: Policy | None = None) -> None:
    """A decision is total, names only candidates, and never both takes and skips a model."""
    names = [*CHAIN, *list(state.tried)[:3], "solo"]
    candidates = Chain(
        *dict.fromkeys(name for name in choice.sample(names, choice.randint(1, len(names))) if name.strip())
    )
    for now in moments(state, choice):
        one = decide(state, candidates, now, policy or Policy(force=choice.random() < 0.5))
        skipped = {each.model for each in one.skipped}
        known = {*candidates, state.pinned}
        expect(known >= {*one.order, *skipped} and not skipped & {*one.order}, one)
        expect((one.model is None) == (not one.order), one)


def at_import(data: bytes, choice: Random, folder: Path) -> None:
    """A gateway's log, or anything, into transcripts: in any blocks, dry, real, and once more."""
    _read_in_blocks(data, choice)
    path, into = folder / "gateway.log", folder / "into"
    put(path, data)
    session = choice.choice((None, None, SESSION, "17a309d8-bee5-4752-8775-5791d41df367"))
    aliases = choice.choice(({}, {"kimi/kimi2.5": "alias/x", "zhipu/glm-5.1": "y" * 300}))
    try:
        importer = Importer(path, session, aliases)
    except UnreadableError:
        return
    expect(importer.log.size == len(data), f"{importer.log.size} of {len(data)} bytes read", Silent)
    if choice.random() < 0.3 and importer.sessions:  # a transcript is there already
        into.mkdir()
        put(into / f"{choice.choice(sorted(importer.sessions))}.jsonl", made(choice, ("log",)))
    before = {path.name: path.read_bytes() for path in into.glob("*")}
    try:
        dry = importer.run(into, dry_run=True)
    except BehindError:
        return
    expect({path.name: path.read_bytes() for path in into.glob("*")} == before, "a dry run wrote")
    done = importer.run(into)
    expect([(one.session, one.imported) for one in dry] == [(one.session, one.imported) for one in done], "dry run")
    expect([one.state.current for one in dry] == [one.state.current for one in done], "the dry run's state")
    for one in done:
        expect(is_name(one.session) and one.path.parent == into, f"imported into {one.path}", Accepted)
        after, old = (one.path.read_bytes() if one.path.exists() else b""), before.get(one.path.name, b"")
        expect(after.startswith(old), "the transcript before is no prefix", Lost)
        found, report = read([after], OPEN, one.session)
        told = {recorded.event.id for recorded in found}
        if not old:
            expect(told == {event.id for event in importer.sessions[one.session]}, "imported events are not told", Lost)
            expect(set(report.pieces) <= {"event", "foreign"} and not report.findings, report.figures)
            expect(one.state == fold(found), "the import's state is not the transcript's")
    whole = {path.name: path.read_bytes() for path in into.glob("*")}
    expect(not sum(one.imported for one in Importer(path, session, aliases).run(into)), "imported twice", Accepted)
    expect({path.name: path.read_bytes() for path in into.glob("*")} == whole, "the second import wrote")


def _read_in_blocks(data: bytes, choice: Random) -> None:
    form = raw.log_form(data) or choice.choice(("console", "file"))
    whole = logs.read(form, iter([data]))
    expect(whole.size == len(data), "size")
    expect(sum(whole.kinds.values()) == sum(whole.pieces.values()), "kinds and pieces")
    expect(sum(whole.kinds.values()) == data.count(b"\n") + (not data.endswith(b"\n") and bool(data)), "lines", Silent)
    if max(map(len, data.split(b"\n"))) < logs.LONGEST:
        expect(logs.read(form, iter(blocks_of(choice, data))) == whole, "other blocks, another log")
    for wanted in (None, "", SESSION, *whole.sessions[:2]):
        with contextlib.suppress(logs.SessionError):
            whole.of(wanted)


def at_repair(data: bytes, choice: Random, folder: Path) -> None:
    """A repair loses no byte but NULs, and the same events are told; or it refuses, and nothing has changed."""
    rules, path = choice.choice(PROTECTIONS), folder / NAME
    put(path, data)
    before, report = read([data], rules)
    found = plan(path, rules)
    expect(path.read_bytes() == data, "planning changed the file", Lost)
    try:
        done = repair(path, by="fuzz", protection=rules)
    except UnsafeRepairError:
        expect(path.read_bytes() == data, "a refused repair changed the file", Lost)
        expect([one.name for one in folder.iterdir()] == [NAME], "a refused repair left files")
        return
    expect(done.needed is found.needed, "planned and done differ")
    if not done.needed:
        expect(path.read_bytes() == data, "an unneeded repair changed the file", Lost)
        expect(not report.damaged, "damage, and no repair needed", Silent)
        return
    expect(done.copy is not None and done.copy.read_bytes() == data, "the copy is not the file before", Lost)
    mended = path.read_bytes()
    after, now = read([mended], rules)
    expect(bool(after) and isinstance(after[-1].event, LogRepaired), "the repair is not recorded", Silent)
    last = after.pop()
    told = [(one.event, one.position) for one in after]
    expect(told == [(one.event, one.position) for one in before], "the repaired log tells other events", Lost)
    kept = mended[: last.offset].replace(b"\n", b"")
    expect(kept == data.replace(b"\0", b"").replace(b"\n", b""), "bytes went", Lost)
    expect(b"\0" not in mended and not now.damaged, f"still damaged: {now.damage}, known {now.known}")
    expect(not plan(path, rules).needed, "a second repair is needed")


def at_verify(data: bytes, choice: Random, folder: Path) -> None:
    """A verdict on any bytes, the deep look too; a log from which a known seal is gone is never intact."""
    rules, path = choice.choice(PROTECTIONS), folder / NAME
    put(path, data)
    seals = [line[-34:-2].decode() for line in _good_lines()]
    anchor = choice.choice((None, Anchor(choice.choice(seals), choice.choice((None, 0, 5)), STAMP)))
    try:
        verdict = verify(path, anchor=anchor, thorough=choice.random() < 0.7, protection=rules)
    except UnreadableError:
        expect(raw.log_form(data) is not None, "a transcript can't be read")
        return
    expect(path.read_bytes() == data, "verifying changed the file", Lost)
    for one in (*verdict.report.findings, *(verdict.deep or ())):
        inside = one.offset >= 0 and one.offset + one.length <= len(data) and one.length > 0
        expect(inside and 1 <= one.line <= data.count(b"\n") + 1, f"a finding outside of the file: {one}")
        # A run of NULs, or a record that a torn one stands before, begins in the midst of a line.
        expect(one.line == data.count(b"\n", 0, one.offset) + 1, f"a finding's line is not where its byte is: {one}")
    if anchor is not None and anchor.seal.encode() not in data:
        expect(not verdict.intact and verdict.anchor_lost is not None, "the anchor is gone", Silent)
    expect((verdict.end is None) >= (not verdict.intact), "an end of a log in which something was found")


def at_anchors(data: bytes, choice: Random, folder: Path) -> None:
    """An anchor file: read, or refused by its line; what is added is read back, and nothing before it goes."""
    path = folder / "anchors.txt"
    put(path, data)
    try:
        known = anchors.load(path)
    except UnreadableError:
        return
    for name, one in known.items():
        expect(isinstance(name, str) and anchors.SEAL.fullmatch(one.seal) is not None, f"no anchor: {one}", Accepted)
    ends = [End(NAME, SESSION, choice.choice("0f") * 32, 3), End("other.jsonl", OTHER, "a" * 32, 0)]
    anchors.add(path, ends, known)
    expect(path.read_bytes().startswith(data), "anchors went", Lost)
    after = anchors.load(path)
    expect({**known, **{one.file: after[one.file] for one in ends}} == after, "other anchors than were there", Lost)
    expect(all(after[one.file].seal == one.seal for one in ends), "an anchor that was added is not there", Lost)


def at_keys(data: bytes, choice: Random, folder: Path) -> None:
    """A key file: a ring whose proofs hold, or KeyFileError."""
    path = folder / "switchlog.keys"
    put(path, data)
    path.chmod(0o600)
    try:
        ring = Keys.load(path)
    except KeyFileError as error:
        expect(bool(str(error)), "refused without a word")
        return
    body = sealed({"type": "attempt_failed", "v": 1})[:-43]
    record = ring.sign(body)
    record += b',"seal":"' + hashlib.sha256(record).hexdigest()[:32].encode() + b'"}'
    expect(ring.prove(record) is Proof.RIGHT, "its own proof does not hold", Lost)
    expect(ring.prove(record.replace(b"failed", b"fxiled")) is Proof.WRONG, "a changed record is proven", Accepted)


def at_config(data: bytes, choice: Random, folder: Path) -> None:
    """A configuration, TOML or OpenClaw's: values that can be used, or ConfigError."""
    put(folder / "switchlog.keys", KEY_FILE)
    (folder / "switchlog.keys").chmod(0o600)
    for name in ("switchlog.toml", "openclaw.json"):
        path = folder / name
        put(path, data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a pattern that Python will read otherwise one day: the author's business
            try:
                found = load(path)
            except ConfigError as error:
                expect(str(path) in str(error), "an error that does not name the file")
                continue
        _usable(found, choice)


def _usable(found: Config, choice: Random) -> None:
    expect(found.chain is None or all(isinstance(model, str) and model.strip() for model in found.chain), found)
    expect(all(isinstance(cooldown, Cooldown) for cooldown in found.policy.cooldowns.values()), found)
    expect(all(isinstance(model, str) and model for model in found.aliases.values()), found)
    now = datetime(2026, 4, 2, tzinfo=UTC)
    failures = [AttemptFailed(model=model, reason="rate_limit", timestamp=now) for model in MODELS]
    decided(fold(failures), choice, found.policy)
    told = redact.clean("Bearer corp-0123456789abcdef " * 3, "a/b", found.protection.secrets)
    expect(len(told) <= redact.LONGEST, "a longer text")


def at_session(data: bytes, choice: Random, folder: Path) -> None:
    """A gateway's handle on any bytes: what it records is acknowledged, told, and behind all that was there."""
    rules, path = choice.choice(PROTECTIONS), folder / NAME
    put(path, data)
    companion = choice.random() < 0.1
    session = Session.open(path, CHAIN, Policy(), "process", companion=companion, protection=rules)
    with session:
        decided(session.state, choice)
        expect(session.failed(MODELS[0], reason="timeout", error="x", turn="fuzz"), session.degraded, Lost)
        expect(session.degraded is None, session.degraded)
        try:
            expect(session.call(_ask(choice)) == "reply", "another reply")
        except AllModelsFailed as error:
            expect(bool(error.skipped), "no model is left, and nothing is said of why")
        session.switch(MODELS[2], note="by hand")
        session.clear(provider="kimi")
        state = session.state
    whole = path.read_bytes()
    expect(whole.startswith(data), "what was there is no prefix", Lost)
    expect(not companion or whole == data, "a companion's transcript was written to", Accepted)
    if not companion:
        found, report = read([whole], rules)
        expect(
            sum(one.event.turn == "fuzz" for one in found) == 1, f"acknowledged and not told: {report.figures}", Lost
        )
        expect(state == fold(found), "the handle's state is not the file's")
        _, before = read([data], rules)
        new = {kind: count - before.damage[kind] for kind, count in report.damage.items()}
        expect(not any(new[kind] > 0 for kind in ("altered", "misplaced", "conflict")), f"an append damaged: {new}")


def _ask(choice: Random) -> Callable[[str], str]:
    def ask(model: str) -> str:
        if choice.random() < 0.5:
            raise TimeoutError(model)
        return "reply"

    return ask


def at_answer(data: bytes, choice: Random, folder: Path) -> None:
    """An HTTP answer of any status, headers and body: a verdict that a record can hold, or none below 400."""
    head, _, body = data.decode("utf-8", "surrogateescape").partition("\n\n")
    first, *rest = head.split("\n")
    status = int(first) if re.fullmatch(r"-?[0-9]{1,18}", first) else choice.choice((400, 403, 413, 422, 429, 503, 599))
    headers = {name: text for name, _, text in (line.partition(":") for line in rest)}
    now = choice.choice((datetime(2026, 4, 2, tzinfo=UTC), *moments(INITIAL, choice)))
    verdict = classify(status, headers, body, now)
    expect((verdict is None) == (status < 400), verdict)
    if verdict is not None:
        wish = verdict.retry_after_ms
        expect(wish is None or (type(wish) is int and 0 <= wish <= MAX_INTEGER), f"retry after {wish}")
    given = type("Answer", (), {"status_code": status, "headers": headers, "text": body})()
    outcome = outcomes.of_response(given, now)
    if outcome is not None:
        recorded(outcome, now)


def recorded(outcome: outcomes.Outcome, now: datetime) -> None:
    """An outcome has its place in a record."""
    event = AttemptFailed(
        model=MODELS[0],
        reason=outcome.reason,
        status=outcome.status,
        retry_after_ms=outcome.retry_after_ms,
        error=outcome.error,
        id="f" * 16,
        timestamp=datetime(2026, 4, 2, tzinfo=UTC),
    )
    record = codec.encode(event, session=SESSION, parent_id="p" * 16, prev="0" * 32).data
    found, _ = read([header(), record + b"\n"], OPEN)
    expect([one.event.id for one in found] == ["f" * 16], f"can't be read back: {outcome}", Lost)


def at_outcome(data: bytes, choice: Random, folder: Path) -> None:
    """An exception of any kind: an outcome that a record can hold, or None; never another exception."""
    now = choice.choice((datetime(2026, 4, 2, tzinfo=UTC), *moments(INITIAL, choice)))
    error = _kept_exception(data)
    error = error or odd_exception(data.decode("utf-8", choice.choice(("replace", "surrogateescape"))), choice)
    hook = choice.choice((None, None, _failing_hook, lambda _: "moon"))
    outcome = outcomes.of_exception(error, now, hook)
    if outcome is not None:
        recorded(outcome, now)


def _kept_exception(data: bytes) -> BaseException | None:
    """The one that a file of the corpus describes."""
    told = codec.decode(data) or {}
    base, attributes, groups = told.get("raise"), told.get("attributes"), told.get("groups")
    if isinstance(groups, int) and 0 < groups <= 5_000:
        return grouped(ValueError("odd"), groups)
    if base not in ("OSError", "ValueError") or not isinstance(attributes, dict):
        return None
    return type("Odd", (OSError if base == "OSError" else ValueError,), attributes)("odd")


def grouped(error: BaseException, depth: int) -> BaseException:
    """The error in a group, in a group, and so on."""
    for _ in range(depth):
        error = BaseExceptionGroup("of groups", [error])
    return error


def _failing_hook(error: BaseException) -> str | None:
    raise RuntimeError(error)


def _raises(*_: object) -> str:
    raise RuntimeError("no text")


def odd_exception(text: str, choice: Random, depth: int = 0) -> BaseException:
    """An exception as a client, an author or a bad day may raise it."""
    attributes: dict[str, object] = {"__module__": choice.choice(("httpx", "openai", "mine", "urllib.error", ""))}
    given: Sequence[object] = (429, 500, "429", None, 10**30, True, -1, 4.5, _raises, property(_raises), [429], 599)
    for name in choice.sample(("status_code", "status", "code", "response", "headers", "text", "reason", "errno"), 3):
        attributes[name] = choice.choice(given if name != "errno" else (28, [28], "28", None, {}, 10**30))
    if choice.random() < 0.3:
        attributes["headers"] = choice.choice(
            ({"Retry-After": text}, {1: 2}, [("a", "b")], text, {"retry-after-ms": "1" * 12})
        )
    if choice.random() < 0.2:
        attributes[choice.choice(("__str__", "__repr__", "__eq__", "__hash__"))] = _raises
    name = choice.choice(("APITimeoutError", "ConnectionError", "HTTPException", "E", "InvalidURL", "Timeout"))
    base = choice.choice((Exception, OSError, ValueError, KeyError, TimeoutError, BaseException, UnicodeError))
    match choice.randrange(8):
        case 0 if depth < 3:
            inner = [odd_exception(text, choice, depth + 1) for _ in range(choice.randint(1, 3))]
            return grouped(BaseExceptionGroup(text, inner), choice.choice((0, 0, 0, 0, 3, 40, 600)))
        case 1:
            return OSError(choice.choice((errno.ENOSPC, errno.EHOSTUNREACH, -1, 10**9)), text)
        case 2:
            return base(text * choice.choice((1, 50)), *([text] * choice.choice((0, 1, 30))))
    error = type(name, (base,), attributes)(text)
    if choice.random() < 0.3:
        error.__cause__ = error.__context__ = error
    if choice.random() < 0.3:
        with contextlib.suppress(AttributeError):
            error.response = choice.choice((error, type("R", (), {**attributes, "__module__": "x"})()))
    return error


# Commands

_NOW: Final = "2026-04-02T05:00:00Z"
_LATE: Final = "9999-12-31T23:59:59Z"
_EARLY: Final = "0001-01-01T00:00:00Z"
_THREE: Final = ",".join(MODELS)
LINES: Final[Sequence[tuple[str, ...]]] = (
    ("show", NAME),
    ("show", NAME, "--json"),
    ("show", NAME, "--utc", "--now", _LATE),
    ("show", NAME, "--json", "--now", _EARLY),
    ("show", "--json"),
    ("show", "-", "--json"),
    ("next", NAME, "--chain", _THREE, "--json"),
    ("next", NAME, "--chain", _THREE, "--now", _LATE),
    ("next", NAME, "--chain", _THREE, "--now", _EARLY, "--json"),
    ("next", NAME, "--json"),
    ("next", NAME, "--chain", _THREE, "--record"),
    ("next", NAME, "--config", "openclaw.json"),
    ("replay", NAME),
    ("replay", NAME, "--json"),
    ("replay", NAME, "--utc", "--at", "3"),
    ("replay", NAME, "--at", _NOW, "--json"),
    ("replay", "-", "--json"),
    ("replay", NAME, "--since", "-3h", "--model", MODELS[0], "-n", "2"),
    ("replay", NAME, "--provider", "kimi", "--reason", "rate_limit", "--turn", "t-1", "--until", _LATE, "--json"),
    ("replay", NAME, "--step"),
    ("diff", NAME, NAME),
    ("diff", NAME, "--from", "2", "--to", _LATE, "--json"),
    ("diff", NAME, "--from", _EARLY, "--utc"),
    ("diff", NAME, ".", "--now", _EARLY, "--json"),
    ("diff", NAME, "-", "--now", _LATE),
    ("pin", NAME, MODELS[1], "--json"),
    ("unpin", NAME, "--note", "n"),
    ("clear", NAME, "--provider", "kimi", "--json"),
    ("append", NAME, EVENT.decode()),
    ("append", NAME, "-", "--json"),
    ("append", "new.jsonl", "-"),
    ("import", NAME, "--into", "into", "--json"),
    ("import", NAME, "--into", "into", "--session", SESSION),
    ("import", NAME, "--into", ".", "--dry-run", "--force", "--json"),
    ("import", "-", "--into", "into", "--follow"),
    ("import", "-", "--into", "into", "--follow", "--json"),
    ("verify", NAME),
    ("verify", NAME, "--json", "--deep"),
    ("verify", NAME, "--anchor", "0" * 32),
    ("verify", ".", "--anchors", "anchors.txt"),
    ("verify", ".", "--anchors", "anchors.txt", "--json"),
    ("audit", NAME),
    ("audit", NAME, "--json", "--config", "openclaw.json"),
    ("audit", ".", "--utc", "--now", _LATE, "--since", "-3h"),
    ("audit", "-", "--json", "--fail-on", "info"),
    ("sessions", "."),
    ("sessions", ".", "--json", "--now", _LATE),
    ("follow", NAME, "--once"),
    ("follow", NAME, "--once", "--text", "--utc"),
    ("follow", "-", "--once"),
    ("follow", ".", "--once", "--json"),
    ("follow", ".", "--once", "--text"),
    ("repair", NAME, "--dry-run", "--json"),
    ("repair", NAME),
    ("repair", NAME, "--json"),
)
"""What is run in a folder that holds the mutated file, under the name that suits it."""

WORDS: Final[Sequence[tuple[bytes, ...]]] = (
    *(tuple(word.encode() for word in words) for words in LINES),
    *((b"append", NAME.encode(), event) for event in EVENTS),
    (b"replay", NAME.encode(), b"--at", b"11"),
    (b"clear", NAME.encode(), MODELS[0].encode(), b"--by", b"me", b"--note", b"topped up"),
    (b"import", b"incident.log", b"--into", b"sessions", b"--alias", b"a/b=c/d", b"--session", b"17a309d8"),
    (b"show", b"17a3", b"--config", b"switchlog.toml"),
    (b"verify", NAME.encode(), b"nothing.jsonl", b"--anchor", b"f" * 32),
    (b"demo", b"--turns", b"1"),
    (b"--version",),
)
"""Command lines whose words are mutated, for a folder in which all is well."""

_ROLES: Final = (
    (re.compile(rb"\s*\{\s*\"agents\""), "openclaw.json"),
    (re.compile(rb'\{"taken"'), "anchors.txt"),
    (re.compile(rb"(?:# the ring\s+)?k1 "), "switchlog.keys"),
    (re.compile(rb"\s*(?:chain|sessions|force|redact|probe|return|\[)"), "switchlog.toml"),
)
_COMMAND: Final = get_command(app)
_ACTS: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_ZONES: Final = ("UTC", "Asia/Shanghai", "America/Los_Angeles", "Pacific/Kiritimati")


def at_commands(data: bytes, choice: Random, folder: Path) -> None:
    """Every command on a mutated file."""
    role = next((name for pattern, name in _ROLES if pattern.match(data)), NAME)
    if role == NAME and choice.random() < 0.1:
        role = NAME + sources.COMPANION
    for words in choice.sample(_fitting(role), 2):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder / "in")
        _furnished(folder / "in")
        put(folder / "in" / role, data)
        said(folder / "in", words, data, choice.choice(_ZONES))


def all_commands(data: bytes, folder: Path) -> None:
    """Each of LINES on one file: for what is kept in the corpus."""
    role = next((name for pattern, name in _ROLES if pattern.match(data)), NAME)
    for place, words in enumerate(dict.fromkeys(_fitting(role))):
        told = "--json" not in words and words[0] in ("show", "replay", "audit")  # in local times
        for zone in _ZONES if told else (_ZONES[place % len(_ZONES)],):
            inside = folder / f"{place}-{zone.replace('/', '-')}"
            _furnished(inside)
            put(inside / role, data)
            said(inside, words, data, zone)


def _fitting(role: str) -> list[tuple[str, ...]]:
    match role:
        case "openclaw.json":
            return [words for words in LINES if "openclaw.json" in words] * 2
        case "anchors.txt":
            return [words for words in LINES if "anchors.txt" in words]
    return list(LINES)


def at_words(data: bytes, choice: Random, folder: Path) -> None:
    """A mutated command line, in a folder in which all is well."""
    words = [word.decode("utf-8", "surrogateescape") for word in data.replace(b"\0", b"").split(b"\n")]
    words = [_inside(word) for word in words]
    if "demo" in words:  # a demo that is played takes fifteen seconds
        words.append("--turns=0")
    if "follow" in words:
        words.append("--once")
    if tuple(words) not in LINES:  # what follows a file goes on for ever
        words = ["--dry-run" if re.match(r"-\w*f|--follow", word) else word for word in words]
    _furnished(folder / "in")
    said(folder / "in", words, choice.choice((EVENT, EVENT + b"\n" + EVENT, ten_events().data)), choice.choice(_ZONES))


def _inside(word: str) -> str:
    """A word that names nothing outside of the folder: the commands write."""
    return re.sub(r"(^|=)[/~]+", r"\1", word.replace("..", "."))


def _furnished(folder: Path) -> None:
    folder.mkdir()
    put(folder / NAME, ten_events().data)
    put(folder / "incident.log", seeds()["gateway"][-1])
    put(folder / "openclaw.json", OPENCLAW)
    put(folder / "anchors.txt", seeds()["anchors"][0])
    put(folder / "switchlog.keys", KEY_FILE)
    (folder / "switchlog.keys").chmod(0o600)
    put(folder / "switchlog.toml", TOML.encode())


def said(folder: Path, words: Sequence[str], stdin: bytes, zone: str) -> None:
    """Run the command in the folder: one of its exit codes, data that parses, nothing that acts on a terminal."""
    code, out, err = ran(folder, words, stdin, zone)
    line = " ".join(words)[:200]
    expect(code in (0, 1, 2, 3, 4), f"{line}: exit code {code}: {err[:500]!r}")
    expect(b"Traceback" not in out + err, f"{line}: {err[-500:]!r}")
    acting = {
        f"U+{ord(char):04X}" for char in (out + err).decode() if char != "\n" and unicodedata.category(char) in _ACTS
    }
    expect(not acting, f"{line}: {sorted(acting)} in what it says")
    if out.startswith(b"{") or ("--json" in words and words in LINES):  # else --json may be some option's value
        for each in out.split(b"\n")[:-1]:
            _parsed(each, line)


def ran(folder: Path, words: Sequence[str], stdin: bytes, zone: str) -> tuple[object, bytes, bytes]:
    """The exit code, stdout and stderr. Its errors come out as they are, instead of as exit code 70."""
    code: object = 0
    given = io.TextIOWrapper(io.BytesIO(stdin))
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr
    with contextlib.chdir(folder), in_zone(zone), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        sys.argv, sys.stdin, sys.stdout, sys.stderr = ["switchlog", *words], given, out, err
        try:
            # As cli.app.main does; but building all commands anew takes longer than what they do.
            output.run(cast(typer.Typer, _COMMAND))
        except SystemExit as error:
            code = error.code or 0
        finally:
            sys.argv, sys.stdin, sys.stdout, sys.stderr = before
    out.flush()
    return code, *(cast(io.BytesIO, one.buffer).getvalue() for one in (out, err))


def _parsed(line: bytes, words: str) -> None:
    if line[:1] != b"{":
        raise AssertionError(f"{words}: no JSON: {line[:200]!r}")
    found = json.loads(line, parse_constant=lambda name: expect(False, f"{words}: {name} in JSON"))
    expect(isinstance(found, dict) and found.get("schemaVersion") == 1, f"{words}: {line[:200]!r}")


@contextlib.contextmanager
def in_zone(zone: str) -> Iterator[None]:
    """Another time zone, and errors that come out as they are instead of as exit code 70."""
    before = {name: os.environ.get(name) for name in ("TZ", "SWITCHLOG_DEBUG", "SWITCHLOG_CONFIG")}
    os.environ |= {"TZ": zone, "SWITCHLOG_DEBUG": "1"}
    os.environ.pop("SWITCHLOG_CONFIG", None)
    time.tzset()
    try:
        yield
    finally:
        for name, text in before.items():
            os.environ.pop(name, None) if text is None else os.environ.update({name: text})
        time.tzset()


def at_hosted(data: bytes, choice: Random, folder: Path) -> None:
    """A host's transcript: its lines tell the same however they come, each event stands where its line does."""
    path = folder / NAME
    put(path, data)
    events = Events(path)
    if raw.log_form(data) is not None:  # a gateway's log: another law's
        return
    found = list(events)
    if not events.inferred:
        return
    expect(list(inferred(iter(blocks_of(choice, data)), len(data))) == found, "other blocks, other events")
    expect([one.position for one in found] == list(range(1, len(found) + 1)), "positions")
    expect(len({one.event.id for one in found}) == len(found), "one id for two events")
    starts = {0, *(place.end() for place in re.finditer(rb"\n", data))}
    expect({one.offset for one in found} <= starts, "an event that begins in the midst of a line")
    whole = fold(found)
    cut = choice.randrange(len(found) + 1)
    expect(fold(found[cut:], fold(found[:cut])) == whole, "the fold of a part and the rest")
    for one in found:
        codec.encode(one.event, session=SESSION, parent_id=None, prev=None, protection=OPEN)


def at_store(data: bytes, choice: Random, folder: Path) -> None:
    """A database: read, or refused in one word; the file and its folder stay as they were."""
    path = folder / "openclaw-agent.sqlite"
    put(path, data)
    try:
        for one in database.sessions(path):
            lines = list(database.lines(path, one.id))
            expect(all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines), "an event is not one line")
            events = Events(sources.Source(path, one.id))
            fold(events)
            expect(events.report.size == sum(map(len, lines)), "bytes that nobody read", Silent)
    except UnreadableError:
        pass
    expect([one.name for one in folder.iterdir()] == [path.name], "reading left files", Lost)
    expect(path.read_bytes() == data, "reading changed the file", Lost)


# Running


@dataclass(frozen=True, slots=True)
class Target:
    """A law, and what kinds of seeds its inputs are made of."""

    name: str
    law: Callable[[bytes, Random, Path], None]
    kinds: Sequence[str]


TARGETS: Final[Mapping[str, Target]] = {
    target.name: target
    for target in (
        Target("reader", at_reader, ("log", "log", "log", "corpus")),
        Target("import", at_import, ("gateway", "gateway", "gateway", "log")),
        Target("repair", at_repair, ("log", "log", "corpus")),
        Target("verify", at_verify, ("log", "log", "corpus")),
        Target("session", at_session, ("log", "log", "corpus")),
        Target("anchors", at_anchors, ("anchors",)),
        Target("keys", at_keys, ("keys",)),
        Target("config", at_config, ("toml", "toml", "openclaw")),
        Target("answer", at_answer, ("answer",)),
        Target("outcome", at_outcome, ("answer", "log")),
        Target(
            "commands", at_commands, ("log", "log", "log", "gateway", "toml", "openclaw", "anchors", "keys", "corpus")
        ),
        Target("words", at_words, ("words",)),
        Target("hosted", at_hosted, ("hosted", "hosted", "log")),
        Target("store", at_store, ("store",)),
    )
}

KNOWN: Final[Mapping[str, str]] = {}
"""Faults that are reported and not mended yet: a file of the corpus that shows each, and what the fault says. Mended
ones are taken out here, and their files stay."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What broke, and how to see it again."""

    target: str
    salt: str
    data: bytes
    error: BaseException

    @property
    def told(self) -> str:
        where = traceback.extract_tb(self.error.__traceback__)[-1]
        said = f"{type(self.error).__name__}: {self.error}"[:600]
        told = f"{self.target}: {said} ({Path(where.filename).name}:{where.lineno})"
        return told.encode("ascii", "backslashreplace").decode()

    @property
    def again(self) -> str:
        shown = repr(self.data) if len(self.data) <= 2_000 else f"<{len(self.data)} bytes> {self.data[:400]!r}"
        return f"fuzz.once({self.target!r}, {self.salt!r}, {shown})"


@dataclass(slots=True)
class Tally:
    """What a run tried and what broke."""

    tried: int = 0
    faults: list[Fault] = field(default_factory=list)
    known: int = 0
    seconds: float = 0.0


MOST_FAULTS: Final = 200
"""Where so much is broken, more of it helps nobody."""


def once(target: str, salt: str, data: bytes) -> BaseException | None:
    """One input: what it raised, or None. Nothing of it stays behind."""
    with scratch() as folder:
        try:
            TARGETS[target].law(data, Random(salt), folder)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is what is looked for)
            return error
    return None


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that goes again; what the library logs of odd inputs meanwhile helps nobody."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=SCRATCH))
    logging.disable()
    try:
        yield folder
    finally:
        logging.disable(logging.NOTSET)
        shutil.rmtree(folder)


def run(target: str, seed: int, count: int, first: int = 0, seconds: float = 3600.0, smaller: bool = True) -> Tally:
    """So many inputs from the ``first`` on, or as many as fit into the time."""
    tally, began, met = Tally(), time.monotonic(), set[str]()
    for place in range(first, first + count):
        if time.monotonic() - began > seconds or len(tally.faults) >= MOST_FAULTS:
            break
        salt = f"{seed}/{target}/{place}"
        data = made(Random("made " + salt), TARGETS[target].kinds)
        error = once(target, salt, data)
        tally.tried += 1
        if error is None:
            continue
        fault = Fault(target, salt, data, error)
        if any(re.search(pattern, fault.told) for pattern in KNOWN.values()):
            tally.known += 1
            continue
        if smaller and _kind(error) not in met:  # each sort of fault is made smaller once
            fault = smallest(fault)
        met.add(_kind(error))
        tally.faults.append(fault)
    tally.seconds = time.monotonic() - began
    return tally


def _kind(error: BaseException) -> str:
    """Where it came from: two faults of one place are one, for a person who looks at them."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} {where.filename}:{where.lineno} {re.sub(r'[0-9]+', '', str(error))[:30]}"


def smallest(fault: Fault, tries: int = 400) -> Fault:
    """The same fault of less: lines go, then halves, quarters and so on, while it fails in the same place."""
    kind = _kind(fault.error)
    for separator in (b"\n", b""):
        parts = fault.data.split(separator) if separator else [bytes([byte]) for byte in fault.data]
        size = max(1, len(parts) // 2)
        while tries > 0:
            start = 0
            while start < len(parts) and tries > 0:
                tries -= 1
                fewer = parts[:start] + parts[start + size :]
                error = once(fault.target, fault.salt, separator.join(fewer))
                if error is not None and _kind(error) == kind:
                    parts, fault = fewer, Fault(fault.target, fault.salt, separator.join(fewer), error)
                else:
                    start += size
            if size == 1:
                break
            size //= 2
    return fault


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description="Fuzz all that reads what others wrote.")
    parser.add_argument("--target", choices=TARGETS, action="append", help="this one only (repeatable)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the first input's number")
    parser.add_argument("--count", type=int, default=1_000_000, help="inputs for each target")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each target")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write what fails there, made smaller")
    options = parser.parse_args()
    broken = False
    for name in options.target or TARGETS:
        tally = run(name, options.seed, options.count, options.first, options.seconds)
        each = tally.seconds / max(tally.tried, 1) * 1000
        told = f"{tally.tried:,} inputs, {len(tally.faults)} faults, {tally.known} known"
        print(f"{name}: {told}, {tally.seconds:.1f} s, {each:.2f} ms each", flush=True)
        for kind, fault in {_kind(fault.error): fault for fault in reversed(tally.faults)}.items():
            broken = True
            print(f"  {kind}\n  {fault.told}\n  {fault.again}", flush=True)
            if options.keep is not None:
                options.keep.mkdir(exist_ok=True)
                (options.keep / f"{name}-{hashlib.sha256(kind.encode()).hexdigest()[:8]}").write_bytes(fault.data)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
