"""Events to record bytes and back.

Law: a record is one flat line of at most 16 KiB that proves itself by SHA-256, is read back as the event it was made
of, and comes back from JavaScript byte for byte. What has no place in it is refused, not bent.
"""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logs import SESSION, Draft, compact, seal_of
from msgspec.structs import replace

from eventlog import MisuseError, codec, redact
from eventlog.seal import is_sealed
from eventlog.seal import seal_of as checked_seal
from replay import AttemptFailed, AttemptSucceeded, Event, FailureCleared, ModelSwitch, event_from_fields
from replay.events import KNOWN_FIELDS, MAX_INTEGER

NODE = shutil.which("node")
MIRROR = """
let rest = "";
process.stdin.setEncoding("utf8").on("data", (data) => {
  const lines = (rest + data).split("\\n");
  rest = lines.pop();
  for (const line of lines) process.stdout.write(JSON.stringify(JSON.parse(line)) + "\\n");
});
"""

texts = st.text(st.characters(exclude_categories=()), min_size=1, max_size=12) | st.sampled_from(
    ["a\ud800", "\udc00b", "\ud83d\ude00", "\u2028\u2029\x85", "\x00\x1b\x7f\b\f\r\n\t", "\ufeff", "__proto__", '"}\\']
)
numbers = st.integers(0, MAX_INTEGER)
stamps = st.datetimes(timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)
extras = st.dictionaries(
    texts.filter(lambda key: key not in codec.FRAME and not re.fullmatch(r"\d+", key)),
    texts | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.none(),
    max_size=3,
)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


common: dict[str, st.SearchStrategy[Any]] = {
    "id": texts,
    "turn": optional(texts),
    "timestamp": optional(stamps),
    "extra": extras.map(
        lambda extra: {key: extra[key] for key in extra if not any(key in names for names in KNOWN_FIELDS.values())}
    ),
}
any_event: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        AttemptFailed,
        model=texts,
        reason=texts,
        status=optional(numbers),
        retry_after_ms=optional(numbers),
        error=optional(texts),
        duration_ms=optional(numbers),
        phase=optional(texts),
        deployment=optional(texts),
        seen=optional(numbers),
        **common,
    ),
    st.builds(AttemptSucceeded, model=texts, duration_ms=optional(numbers), seen=optional(numbers), **common),
    st.builds(ModelSwitch, to=texts, from_=optional(texts), cause=optional(texts), **common),
    st.builds(
        FailureCleared, model=texts, provider=optional(texts), by=optional(texts), note=optional(texts), **common
    ),
)

LONE = re.compile("[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]")


def whole(value: object) -> object:
    """The text as UTF-8 can hold it: pairs of surrogates joined, lone ones replaced."""
    if not isinstance(value, str):
        return value
    pairs = re.compile("[\ud800-\udbff][\udc00-\udfff]")
    joined = pairs.sub(lambda pair: chr(0x10000 + (ord(pair[0][0]) - 0xD800) * 0x400 + ord(pair[0][1]) - 0xDC00), value)
    return LONE.sub("\ufffd", joined)


def expected(event: Event) -> dict[str, object]:
    """What must be read back, field for field."""
    if isinstance(event, AttemptFailed) and event.error is not None:
        event = replace(event, error=redact.clean(event.error, event.model))
    values = {name: whole(getattr(event, name)) for name in event.__struct_fields__ if name != "extra"}
    return values | {"session": SESSION, "extra": {whole(key): whole(value) for key, value in event.extra.items()}}


def encode(event: Event, parent: str | None = "p", prev: str | None = "0" * 32) -> bytes:
    return codec.encode(event, session=SESSION, parent_id=parent, prev=prev).data


@given(any_event)
def test_an_event_is_read_back_as_it_was_written(event: Event) -> None:
    fields = codec.decode(encode(event))
    assert fields is not None
    back = event_from_fields(fields, codec.FRAME)
    assert back is not None
    assert {**{name: getattr(back, name) for name in back.__struct_fields__}, "extra": dict(back.extra)} == expected(
        event
    )


@given(any_event, st.none() | texts, st.none() | st.just("f" * 32))
def test_a_record_is_one_flat_line_sealed_over_its_bytes(event: Event, parent: str | None, prev: str | None) -> None:
    record = encode(event, parent, prev)
    assert b"\n" not in record
    assert len(record) < codec.LONGEST
    body, digits = record[:-43], record[-34:-2]
    assert record == body + b',"seal":"' + digits + b'"}'
    assert hashlib.sha256(body).hexdigest()[:32].encode() == digits
    pairs: list[tuple[str, object]] = json.loads(record, object_pairs_hook=list)
    names = [name for name, _ in pairs]
    assert names[:3] == ["type", "id", "parentId"]
    assert names[-3:] == ["v", "prev", "seal"]
    assert len(set(names)) == len(names)
    assert all(value is None or type(value) in (str, int) for _, value in pairs)
    assert dict(pairs)["prev"] == prev
    assert dict(pairs)["parentId"] == whole(parent)


@pytest.fixture(scope="module")
def mirror() -> Iterator[Callable[[bytes], bytes]]:
    """Parses and writes a line again, in JavaScript."""
    if NODE is None:
        pytest.skip("node is not installed")
    with subprocess.Popen([NODE, "-e", MIRROR], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        pipe_in, pipe_out = process.stdin, process.stdout

        def reflect(line: bytes) -> bytes:
            pipe_in.write(line + b"\n")
            pipe_in.flush()
            return pipe_out.readline().removesuffix(b"\n")

        yield reflect
        pipe_in.close()


@given(event=any_event)
def test_a_record_comes_back_from_javascript_byte_for_byte(mirror: Callable[[bytes], bytes], event: Event) -> None:
    record = encode(event)
    assert mirror(record) == record


def test_the_mirror_shows_what_would_not_come_back(mirror: Callable[[bytes], bytes]) -> None:
    for line in (b'{"a":1.0}', b'{"b":1,"7":2}', b'{"a":9007199254740993}', b'{"a":"\\u0061"}', b'{"a": 1}'):
        assert mirror(line) != line


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\ud800", "a�"),
        ("\udfffb", "�b"),
        ("\ud800a", "�a"),
        ("\ud83d\ude00", "😀"),
        ("\ud800\ud83d\ude00\udc00", "�😀�"),
        ("\ufeffx", "\ufeffx"),
    ],
)
def test_lone_surrogates_become_replacement_characters(text: str, written: str) -> None:
    fields = codec.decode(encode(AttemptFailed(model="m", reason=text, extra={text: text})))
    assert fields is not None
    assert (fields["reason"], fields[written]) == (written, written)


def test_a_record_has_at_most_16_kib_with_its_newline() -> None:
    room = codec.LONGEST - len(encode(ModelSwitch(to="m", turn="")))
    longest = encode(ModelSwitch(to="m", turn="x" * (room - 1)))
    assert len(longest) + 1 == 16 * 1024
    with pytest.raises(MisuseError, match=r"longer than 16384: shorten its 'turn'"):
        encode(ModelSwitch(to="m", turn="x" * room))


def test_an_error_text_never_makes_a_record_too_long() -> None:
    for text in ("x" * 100_000, "\x00" * 100_000, "模" * 100_000, "\ud800" * 100_000):
        assert len(encode(AttemptFailed(model="m", reason="unknown", error=text))) < codec.LONGEST


@pytest.mark.parametrize(
    "name", ["parentId", "v", "prev", "mac", "seal", "type", "id", "model", "reason", "seen", "0", "42"]
)
def test_an_extra_field_can_not_take_a_name_that_means_something(name: str) -> None:
    with pytest.raises(MisuseError, match=f"'{name}'"):
        encode(AttemptFailed(model="m", reason="unknown", extra={name: "x"}))


@pytest.mark.parametrize("value", [1.5, True, 2**53, -(2**53), float("nan"), [], {}, b"x", datetime.now(UTC)])
def test_a_value_that_is_no_string_integer_or_null_is_refused(value: object) -> None:
    with pytest.raises(MisuseError, match="'mood'"):
        encode(AttemptFailed(model="m", reason="unknown", extra={"mood": value}))


@pytest.mark.parametrize(
    "event",
    [
        AttemptFailed(model="", reason="timeout"),
        AttemptSucceeded(model=""),
        ModelSwitch(to=""),
        FailureCleared(),
        FailureCleared(model="", provider=""),
    ],
)
def test_an_event_that_names_no_model_is_refused(event: Event) -> None:
    """Written, it would be read back as damage."""
    with pytest.raises(MisuseError, match="names no model"):
        encode(event)


@pytest.mark.parametrize(
    "line", [b"", b"null", b"[]", b'"x"', b"7", b"{", b"\xff", b'{"a":NaN}', b"\xef\xbb\xbf{}", b"{}{}"]
)
def test_what_is_no_object_decodes_to_nothing(line: bytes) -> None:
    assert codec.decode(line) is None


def test_a_key_that_python_can_not_look_into_counts_as_named_twice() -> None:
    deep = b'{"type":1,"x":' + b"[" * 100_000 + b'"type"' + b"]" * 100_000 + b"}"
    assert codec.names_type_twice(deep)
    assert not codec.names_type_twice(b'{"type":1,"x":{"type":2}}')
    assert codec.names_type_twice(rb'{"type":1,"\u0074ype":2}')


def test_the_seal_of_a_changed_line_is_none() -> None:
    record = Draft().failed().rstrip(b"\n")
    assert checked_seal(record) == seal_of(record)
    assert checked_seal(record.replace(b"kimi", b"kim1")) is None
    assert checked_seal(compact({"type": "message"})) is None
    assert not is_sealed(record[-43:])
