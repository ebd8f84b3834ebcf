"""No command lets hostile text act: not on a terminal, not as markup, and JSON gives every string back as it was.

Each string of :mod:`hostile` stands wherever a person, a host or a gateway can put one, and every command meets all of
them, plain and as JSON. A command or an option that is added without a run here fails the first two tests.
"""

import csv
import fcntl
import io
import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
import termios
import tty
import unicodedata
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
import typer
from commands import INCIDENT, ROOT
from hostile import BROKEN, EVERY, HOSTILE, TERMINAL, TEXT, UNICODE
from hypothesis import given
from hypothesis import strategies as st
from logs import STAMP, Draft, compact, sealed

from cli import app as switchlog
from cli.output import OUR_BUG
from cli.safe_text import for_csv, for_html, for_json, visible

pytestmark = pytest.mark.once

SGR: Final = re.compile(r"\x1b\[(?:0|1|2|[0-9]?;?3[1-6]|1;3[1-6])m")
"""What rich writes for our colours; none of the hostile sequences looks so."""
UNSEEN: Final = frozenset(
    [*"\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0", *map(chr, range(0xFE00, 0xFE10))]
) | frozenset(map(chr, range(0xE0000, 0xE1000)))
MANY_MARKS: Final = re.compile("[\u0300-\u036f\u0489\u20d0-\u20f0]{5}")
PLAIN: Final = {
    name: text for name, text in HOSTILE.items() if text.isascii() and text.isprintable() and len(text) < 99
}
"""Strings that are shown as they are: nothing in them acts, unless somebody takes it for markup."""


def acting(text: str) -> list[str]:
    """The characters that do something, or hide: none may come out."""
    return [
        char
        for char in set(text)
        if char in UNSEEN or unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    ] + MANY_MARKS.findall(text)


def check(output: bytes, *, colour: bool = False) -> str:
    """What was printed, once it is sure that nothing in it acts."""
    text = output.decode()  # strict: what is no UTF-8 has no place on a terminal
    if colour:
        text = SGR.sub("", text)
    assert acting(text.replace("\n", "")) == []
    return text


# Running the command within this process: it is the real entry point, with streams of bytes


@dataclass
class Done:
    arguments: tuple[str, ...]
    code: object
    out: bytes
    err: bytes

    def objects(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture(scope="module", autouse=True)
def _apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """In a folder of its own, for what hostile arguments create; and quick.

    typer makes its commands anew for every call, and a log is synced for every event: nobody looks at that here.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("apart"))
        patch.setattr("eventlog.file.sync", lambda _: None)
        patch.setattr("eventlog.file.sync_folder", lambda _: None)
        patch.setattr("typer.main.get_command", cache(typer.main.get_command))
        patch.setenv("COLUMNS", "80")
        patch.delenv("NO_COLOR", raising=False)
        yield


def call(*arguments: str | Path, stdin: bytes = b"", colour: bool = False) -> Done:
    """Run it, and check all that it printed."""
    given, out, err = tuple(map(str, arguments)), io.BytesIO(), io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["switchlog", *given])
        patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        patch.setattr("sys.stdout", io.TextIOWrapper(out, "utf-8", write_through=True))
        patch.setattr("sys.stderr", io.TextIOWrapper(err, "utf-8", write_through=True))
        if colour:
            patch.setenv("FORCE_COLOR", "1")
            patch.setenv("COLORTERM", "truecolor")
        with pytest.raises(SystemExit) as ending:
            switchlog.main()
        done = Done(given, ending.value.code, out.getvalue(), err.getvalue())
    assert done.code in (0, 1, 2, 3, 4), (given, done)
    assert b"Traceback" not in done.err
    check(done.out, colour=colour)
    check(done.err, colour=colour)
    return done


# Where the strings stand


def name_for(name: str, text: str, folder: Path) -> Path:
    """A transcript whose name is the text, where the file system and the text allow it; else of the string's name."""
    path = folder / f"{text}.jsonl"
    if path.parent == folder and not text.startswith("."):
        with suppress(OSError, ValueError):  # too long, a NUL, or half a character
            path.touch()
            return path
    return folder / f"{name}.jsonl"


def escaped(text: str) -> bytes:
    """As JSON that also holds what UTF-8 can't write."""
    return json.dumps(text).encode()


@dataclass
class Place:
    """A folder full of them."""

    folder: Path
    fields: Path
    """A transcript with each string in every field of our events."""
    tried: Path
    """One in which a model of each name has failed."""
    named: dict[str, Path] = field(default_factory=dict)
    """For each string a transcript of that name, with a header and records that say so, and it as a line."""
    console: Path = Path()
    json_log: Path = Path()
    config: Path = Path()
    home: Path = Path()
    """A home of OpenClaw's in which every text is one of these, and one of its sessions."""
    hosted: Path = Path()
    store: Path = Path()

    @property
    def anchors(self) -> Path:
        """An anchor file in which they are names of logs that are gone, and when it was noted that one was there."""
        path = self.folder / "anchors.jsonl"
        seal = json.loads(self.fields.read_bytes().splitlines()[-1])["seal"]
        told: list[dict[str, object]] = [{"file": text, "session": text, "taken": text} for text in HOSTILE.values()]
        told.append({"file": self.fields.name, "session": "fields", "taken": TERMINAL["title with BEL"]})
        path.write_bytes(b"".join(compact(one | {"seal": seal, "before": None}) + b"\n" for one in told))
        return path

    @property
    def torn(self) -> str:
        """One that has to be repaired."""
        path = Path(self.copy)
        path.write_bytes(path.read_bytes().replace(b"}\n", b"}\n\0\0\0\n", 1))
        return str(path)

    @property
    def copy(self) -> str:
        """A transcript to write to."""
        path = self.folder / "copy.jsonl"
        draft = Draft("copy")
        draft.failed(f"p/{UNICODE['bidi override']}")
        draft.switch(f"p/{TERMINAL['clipboard']}", "user")
        path.write_bytes(draft.data)
        return str(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("hostile")
    made = Place(folder, folder / "fields.jsonl", folder / "tried.jsonl")
    made.fields.write_bytes(all_fields())
    made.tried.write_bytes(all_failing())
    (folder / "named").mkdir()
    for name, text in EVERY.items():
        path = name_for(name, text, folder / "named")
        path.write_bytes(all_frame(text))
        made.named[name] = path
    made.console, made.json_log, made.config = (
        folder / "console.log",
        folder / "file.log",
        folder / "config" / "switchlog.toml",
    )
    made.config.parent.mkdir()  # not beside the logs, where every command would find and read it
    made.console.write_bytes(console_log())
    made.json_log.write_bytes(json_log())
    made.config.write_bytes(config())
    made.home = folder / f"home {TERMINAL['colour']}"
    made.hosted, made.store = openclaw_home(made.home)
    return made


def openclaw_home(home: Path) -> tuple[Path, Path]:
    """Its transcript and its database."""
    agent = home / "agents" / "main"
    other = home / "agents" / UNICODE["bidi override"]
    for part in (agent / "sessions", agent / "agent", other / "sessions"):
        part.mkdir(parents=True)
    (home / "openclaw.json").write_bytes(openclaw_config())
    hosted = agent / "sessions" / f"{TERMINAL['8-bit CSI']}.jsonl"
    lines = transcript_lines()
    hosted.write_bytes(b"".join(line + b"\n" for line in lines))
    (other / "sessions" / "s.jsonl").write_bytes(b"\n".join(lines[:40]))
    keys = {text: {"sessionId": hosted.name.removesuffix(".jsonl"), "model": text} for text in HOSTILE.values()}
    (agent / "sessions" / "sessions.json").write_bytes(compact(keys))
    store = agent / "agent" / "openclaw-agent.sqlite"
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("create table transcript_events (session_id, seq, event_json, created_at, event_zstd)")
        connection.execute("create table session_nodes (session_key, current_session_id, updated_at)")
        for text in [*HOSTILE.values()][::8]:
            name = text.encode("utf-8", "replace").decode()
            rows = [(name, number, line.decode(), 0, None) for number, line in enumerate(lines[:7])]
            rows.append((name, 8, None, 0, name.encode()))
            connection.executemany("insert into transcript_events values (?, ?, ?, ?, ?)", rows)
            connection.execute("insert into session_nodes values (?, ?, ?)", (f"key {name}", name, 1))
    return hosted, store


def openclaw_config() -> bytes:
    models: list[object] = [f"p/{text}" for text in HOSTILE.values()]
    aliases = {f"p/{text}": {"alias": text} for text in HOSTILE.values()}
    model = {"primary": "p/first", "fallbacks": models}
    meta = {"lastTouchedVersion": f"2026.3.28{TERMINAL['colour']}"}
    return compact({"meta": meta, "agents": {"defaults": {"model": model, "models": aliases}}})


def transcript_lines() -> list[bytes]:
    """A host's transcript: every text as provider, model, error, id and time, and as what the host says itself."""
    lines = [compact({"type": "session", "version": 3, "id": TERMINAL["title with BEL"], "cwd": "x"})]
    for text in HOSTILE.values():
        frame = {"id": text, "parentId": text, "timestamp": STAMP}
        named = {"provider": "p", "model": text, "modelId": text}
        said = [{"type": "text", "text": f"Model set to p/{text}."}]
        failed = {"role": "assistant", **named, "stopReason": "error", "errorMessage": text}
        spoken = {"role": "assistant", "provider": "openclaw", "content": said, "stopReason": "stop"}
        lines += [
            compact({"type": "model_change", **frame, **named}),
            compact({"type": "custom", "customType": "model-snapshot", **frame, "data": {**named, "provider": text}}),
            compact({"type": "message", **frame, "id": f"{text}1", "message": failed}),
            compact({"type": "message", **frame, "id": f"{text}2", "message": {**failed, "stopReason": text}}),
            compact({"type": "message", **frame, "id": f"{text}3", "message": spoken}),
            compact({"type": "custom", "customType": "openclaw:prompt-error", "data": {**named, "error": text}}),
        ]
    return lines


def all_fields() -> bytes:
    draft = Draft("fields")
    for text in HOSTILE.values():
        model = f"p/{text}"
        whole = {"turn": text, "deployment": text, "phase": text, "id": text, text or "x": text}
        draft.failed(model, "rate_limit", error=text, **whole)
        draft.record("attempt_failed", model="p/same", reason=text, error=text)
        draft.switch(model, text, **{"from": f"p/before {text}", "note": text, "by": text})
        draft.record("attempt_succeeded", model="p/same", turn=text)
        draft.record("failure_cleared", model=model, by=text, note=text, timestamp=text)
        draft.record("failure_cleared", provider=text or "x", by=text)
        draft.record("log_repaired", copy=text, by=text)
    draft.switch("p/\x1b[31mlast\u202e", "user", by="\x9b2J")
    return draft.data


def all_failing() -> bytes:
    draft = Draft("tried")
    for text in HOSTILE.values():
        draft.failed(f"p/{text}")
    draft.switch(f"p/{TERMINAL['colour']}", "user")
    return draft.data


def all_frame(text: str) -> bytes:
    """A short log in which the text is the session, a line of its own, and what records are told by."""
    lines = [b'{"type":"session","version":3,"id":%b,"timestamp":%b,"cwd":%b}' % ((escaped(text),) * 3)]
    if text in HOSTILE.values():
        draft = Draft(text, headed=False)
        draft.failed(f"p/{text}", session=text)
        draft.switch(f"p/{text}", "pin", session=text)
        draft.failed("p/elsewhere", session=f"{text}x")
        draft.record("unheard_of", session=text, **{text or "x": text})
        lines += [line[:-1] for line in draft.lines]
        lines.append(sealed({"type": "attempt_failed", "model": text, "v": 1})[:-40])
    lines.append(b'{"type":"message","id":%b}' % escaped(text))
    lines.append(b'{"type":"attempt_failed","model":%b,"reason":%b}' % (escaped(text), escaped(text)))
    bytes_of_names = all(char < "\ud800" or "\udc80" <= char <= "\udcff" or char > "\udfff" for char in text)
    lines.append(text.encode("utf-8", "surrogateescape" if bytes_of_names else "replace"))
    return b"\n".join(lines) + b"\n"


def console_log() -> bytes:
    told = INCIDENT.read_text().splitlines()
    stamp = told[-1].partition(" ")[0]
    lines = list(told)
    for text in EVERY.values():
        lines += [line.replace("zhipu/glm-5.1", f"p/{text}").replace("=unknown", f"={text}") for line in told[9:11]]
        lines += [text, f"{stamp} [{text}] {text}"]
        lines.append(f'{stamp} [diagnostic] lane task error: lane=session:x durationMs=1 error="{text}"')
    return "\n".join(lines).encode("utf-8", "replace")


def json_log() -> bytes:
    log = (ROOT / "fixtures" / "openclaw-2026.9.6" / "gateway-file.1432-fallback.jsonl").read_text()
    told = [line for line in log.splitlines() if "glm-5.1" in line][:6]
    quoted = [json.dumps(text)[1:-1] for text in EVERY.values()]
    # Some of these models stand in JSON within JSON: there the line is broken, which is a hostile line too.
    lines = [line.replace("kimi2.5", text).replace("glm-5.1", text) for text in quoted for line in told]
    return "\n".join([*told, *lines]).encode()


def config() -> bytes:
    """TOML's strings are JSON's, but for DEL."""
    quoted = [json.dumps(f"p/{text}", ensure_ascii=False).replace("\x7f", "\\u007f") for text in HOSTILE.values()]
    aliases = "\n".join(f"{one} = {one}" for one in quoted)
    return f"chain = [{', '.join(quoted)}]\n[aliases]\n{aliases}\n".encode()


def in_toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


# Which command is run how: `once` for logs that hold all strings, `each` for every string

Run = tuple[str | Path, ...]

SOME: Final = {"colour", *[*EVERY][::8]}
"""As session ids in a home and a database: to look one up takes long, and each is shown in the same way."""


def once(name: str, place: Place) -> Iterator[Run]:
    """Runs over everything at once."""
    named = str(place.folder / "named")
    match name:
        case "demo":
            hidden = place.folder / TERMINAL["8-bit CSI"]
            yield "--turns", "1", "--kills", "0", "--speed", "20", "--seed", "1", "--into", hidden
        case "show":
            yield (place.fields,)
            yield place.tried, "--utc", "--config", place.config, "--now", STAMP
            yield place.console, "--session", "17a309d8"
            yield (place.console,)
            yield (place.json_log,)
            yield (place.home,)
            yield (place.hosted,)
            yield (place.store,)
        case "replay":
            yield (place.hosted,)
            yield (place.fields,)
            yield place.fields, "--at", STAMP, "--utc", "--config", place.config
            yield place.console, "--session", "17a309d8", "--at", "99999"
            yield place.json_log, "--at", "99999"
            yield place.fields, "-n", "40", "--since", STAMP, "--until", "now", "--no-pager"
            yield place.fields, "--step"
            yield "-", "-f"
        case "diff":
            yield place.fields, place.tried, "--no-pager", "--config", place.config, "--utc", "--now", STAMP
            yield place.tried, place.fields
            yield place.fields, "--from", "20", "--to", STAMP
            yield place.console, place.console, "--session", "17a309d8"
            yield place.hosted, place.json_log
        case "next":
            yield place.tried, "--config", place.config, "--utc", "--now", STAMP
            yield place.console, "--session", "17a309d8", "--chain", "a/b"
            yield place.copy, "--config", place.config, "--record"
            yield (place.hosted,)
        case "pin":
            yield place.copy, "a/b", "--config", place.config
        case "import":
            into = place.folder / "into \x1b[31m\u202e"
            yield place.console, "--into", into, "--dry-run", "--config", place.config
            yield place.json_log, "--into", into, "--force"
            yield place.json_log, "--into", into
            yield "-", "--into", into, "--follow"  # see also the pipe of hostile lines
        case "verify":
            yield place.home, "--deep"
            yield (place.store,)
            yield named, place.fields
            yield place.fields, "--deep", "--config", place.config
            yield named, "--anchors", place.folder / "anchors \x1b[2J.jsonl"
            yield named, "--anchors", place.folder / "anchors \x1b[2J.jsonl"
            yield place.fields, "--anchors", place.anchors
            yield named, "--anchors", place.fields
        case "audit":
            yield named, place.fields, place.console, place.json_log
            yield place.tried, "--config", place.config, "--utc", "--now", STAMP, "--no-pager"
            yield place.console, "--session", "17a309d8", "--fail-on", "critical"
            yield (place.home,)
            yield (place.hosted,)
            yield (place.store,)
        case "repair":
            yield place.fields, "--dry-run"
            yield (place.copy,)
        case "sessions":
            yield (place.home,)
            yield (place.store,)
            yield named, "--now", STAMP, "--sort", "failures", "--config", place.config
            yield place.folder, "-n", "3", "--since", STAMP, "--until", "now", "--utc", "--no-pager"
            yield place.folder, "--stuck"
        case "follow":  # lines here; a pipe's objects are what --json asks for
            yield place.fields, "--once", "--text", "-n", "99999", "--utc", "--config", place.config
            yield place.hosted, "--once", "--text", "--since", STAMP
            yield place.home, "--once", "--text"
            yield place.store, "--once", "--text"
            yield named, "--once"
            yield place.console, "--once"


def each(name: str, place: Place, string: str) -> Iterator[Run]:
    """Runs for one string: it is the file, its content, and every argument that takes a text."""
    text, path = EVERY[string], place.named[string]
    argument = text.replace("\0", "")  # no argument can hold one
    if string in SOME:
        yield from sessions(name, place, argument)
    match name:
        case "show" | "replay":
            yield (path,)
            yield argument, "--session", argument
            yield INCIDENT, "--session", argument
            yield place.copy, "--config", argument
            yield ("--now", argument) if name == "show" else (place.copy, "--at", argument)
            if name == "replay":
                yield path, "--model", f"p/{argument}"
                yield path, "--reason", argument, "--turn", argument
                yield path, "--provider", argument, "--since", argument
        case "diff":
            yield path, place.copy
            yield place.copy, argument
            yield INCIDENT, "--session", argument, "--from", argument
            yield place.copy, "--to", argument
        case "next":
            yield path, "--chain", f"p/{argument}" if argument else "x"
            yield place.folder / "new.jsonl", "--chain", argument
            yield path, "--now", argument
        case "pin":
            yield place.copy, argument, "--by", argument, "--note", argument
        case "unpin":
            yield path, "--by", argument, "--note", argument
            yield (argument,)
        case "clear":
            yield place.copy, argument, "--by", argument, "--note", argument
            yield place.copy, "--provider", argument
        case "append":
            yield place.copy, argument
            yield argument, '{"type":"attempt_succeeded","model":"a/b"}x'
        case "import":
            yield argument, "--session", argument
            yield INCIDENT, "--alias", argument
            yield INCIDENT, "--alias", f"kimi/kimi2.5={argument}", "--dry-run"
            yield INCIDENT, "--session", argument, "--dry-run"
        case "verify":
            yield (argument,)
            yield place.copy, "--anchor", argument
            yield place.copy, "--anchors", argument
        case "audit":
            yield path, "--model", argument, "--provider", argument, "--reason", argument
            yield argument, "--session", argument
            yield INCIDENT, "--session", argument, "--fail-on", argument
            yield place.copy, "--config", argument
            yield place.copy, "--since", argument, "--until", argument, "--now", argument
        case "repair":
            yield (argument,)
            yield place.torn, "--by", argument, "--note", argument
        case "sessions":
            yield (argument,)
            yield path, "--model", argument, "--provider", argument, "--reason", argument
            yield path, "--now", argument, "--sort", argument
        case "follow":
            yield argument, "--once", "--session", argument
            yield path, "--once", "--text"
            yield place.copy, "--once", "--model", f"p/{argument}", "--text"
            yield place.copy, "--once", "--provider", argument, "--reason", argument, "--turn", argument


def sessions(name: str, place: Place, argument: str) -> Iterator[Run]:
    """Runs on the session of that name."""
    match name:
        case "show" | "replay":
            yield place.home, "--session", argument
            yield place.store, "--session", argument
        case "verify" | "unpin" | "audit":
            yield place.store, "--session", argument
        case "pin" | "append":
            yield place.store, argument, "--session", argument
        case "clear":
            yield place.home, argument, "--session", argument
        case "follow":
            yield place.home, "--session", argument, "--once", "--text"


COMMANDS: Final = list(switchlog.COMMANDS)
HAPPENS_ALONE: Final = {"--json", "--help"}
"""Options that every run has, or that end it."""


def runs(name: str, place: Place) -> Iterator[Run]:
    yield from once(name, place)
    for string in EVERY:
        yield from each(name, place, string)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_every_command_has_a_hostile_run(name: str, place: Place) -> None:
    tried = {str(argument) for run in (*once(name, place), *each(name, place, "colour")) for argument in run}
    assert tried, f"{name} has no hostile run: give it one in `once` or `each`"
    offered = {option for group in options(name) for option in group}
    lacking = [group for group in options(name) if not tried & set(group)]
    assert lacking == [], f"no hostile run of {name} uses {lacking}"
    assert {one for one in tried if one.startswith("--")} <= offered | {"--", *EVERY.values()}


def options(name: str) -> list[list[str]]:
    groups = [one.opts for one in switchlog.built(name).params if one.param_type_name == "option"]
    return [group for group in groups if not HAPPENS_ALONE & set(group)]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_over_all_of_them_at_once(name: str, place: Place) -> None:
    for run in once(name, place):
        if "--into" not in run or name != "demo":
            call(name, *run)
            call(name, *run, colour=True)
        for one in call(name, *run, "--json").objects():
            assert one["schemaVersion"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_with_each_of_them_as_file_and_argument(name: str, place: Place) -> None:
    for string in EVERY:
        for run in each(name, place, string):
            if call(name, *run).out:  # else it was refused, before anybody asked for JSON
                done = call(name, *run, "--json")
                if "-h" not in run:
                    assert all(one["schemaVersion"] == 1 for one in done.objects())


# What comes out is the text, and not what it would do


def test_markup_and_the_like_stand_there_literally(place: Place) -> None:
    for colour in (False, True):
        told = check(call("replay", place.fields, colour=colour).out, colour=colour)
        for name, text in PLAIN.items():
            assert f"p/{text}" in told, name


def test_what_would_act_stands_there_as_an_escape(place: Place) -> None:
    told = call("replay", place.fields).out.decode()
    assert "p/\\x1b]8;;https://evil.example\\x07click\\x1b]8;;\\x07" in told
    assert "p/kimi\\u202e5.2imik\\u202c" in told
    for name, text in (TERMINAL | UNICODE).items():
        assert visible(f"p/{text}") in told, name


def test_json_gives_every_string_back(place: Place) -> None:
    events = [one["event"] for one in call("replay", place.fields, "--json").objects()]
    assert all(isinstance(event, dict) for event in events)
    for key in ("model", "error", "turn", "deployment", "reason", "cause", "from", "to", "by", "note", "id"):
        held = {event.get(key) for event in events}  # type: ignore[attr-defined]
        for name, text in HOSTILE.items():
            if not text and key != "model":  # an empty field is as good as none
                continue
            expected = {"model": f"p/{text}", "to": f"p/{text}", "from": f"p/before {text}"}.get(key, text)
            assert expected in held, (key, name)
    for name, text in HOSTILE.items():
        (shown,) = call("show", place.named[name], "--json").objects()
        named = 0 < len(text) <= 256  # an id that is longer is no session's: it would not fit into a record
        assert (shown["sessionId"] == text) is named, name


def test_every_name_a_file_system_takes_comes_back_from_verify(place: Place) -> None:
    files = {one["file"] for one in call("verify", place.folder / "named", "--json").objects()}
    assert files == {str(path) for path in place.named.values()}
    assert sum(path.name == f"{EVERY[name]}.jsonl" for name, path in place.named.items()) > len(EVERY) // 2


def test_many_events_appended_from_a_pipe(place: Place) -> None:
    told = b"".join(
        compact({"type": "attempt_failed", "model": f"p/{text}", "reason": text, "error": text, "turn": text}) + b"\n"
        for text in HOSTILE.values()
    )
    told += b"".join(
        compact({"type": text, "model": text})
        + b"\n"
        + compact({"type": "attempt_failed", "model": "x", text: []})
        + b"\n"
        for text in HOSTILE.values()
    )
    told += b"".join(text.replace("\n", "").encode("utf-8", "replace") + b"\n" for text in EVERY.values())
    path = place.folder / "appended.jsonl"
    for extra in ((), ("--json",)):
        done = call("append", path, "-", *extra, stdin=told)
        assert done.code == 2  # the raw lines are no events
    models = {one["event"]["model"] for one in call("replay", path, "--json").objects()}  # type: ignore[index]
    assert models >= {f"p/{text}" for text in HOSTILE.values() if 0 < len(text) < 2_000}


def test_a_pipe_of_hostile_lines(place: Place) -> None:
    for log in (place.console, place.json_log, place.fields):
        for name in ("show", "replay", "verify"):
            for extra in ((), ("--json",)):
                last = ("--at", "99999") if name == "replay" else ()
                call(name, "-", *last, *extra, stdin=log.read_bytes())
    for log, code in ((place.console, 0), (place.json_log, 0), (place.fields, 3)):
        for extra in (("--into", place.folder / "people"), ("--into", place.folder / "json", "--json")):
            done = call("import", "-", "--follow", *extra, stdin=log.read_bytes())
            assert (done.code, bool(done.out)) == (code, code == 0)


def test_a_misspelled_configuration_is_told_safely(tmp_path: Path, place: Place) -> None:
    folder = tmp_path / TERMINAL["colour"].replace("/", "")
    folder.mkdir()
    transcript = place.copy
    for text in HOSTILE.values():
        for line in (f"{in_toml(text)} = 1", f"chain = [{in_toml(text)}, {in_toml(text)}]", f"force = {in_toml(text)}"):
            (folder / "switchlog.toml").write_bytes(line.encode())
            call("next", transcript, "--config", folder / "switchlog.toml")
    for text in EVERY.values():
        (folder / "openclaw.json").write_bytes(b'{"agents":{"defaults":{"model":%b}}}' % escaped(text))
        call("next", transcript, "--config", folder / "openclaw.json")


# Misuse repeats what was typed


def test_misuse_is_told_safely() -> None:
    for string, text in EVERY.items():
        argument = text.replace("\0", "")
        for arguments in ((argument,), (f"--{argument}x",), ("show", f"--{argument}x"), ("show", "a", argument)):
            done = call(*arguments)
            assert done.code == 2 or {"-h", "--json"} & set(arguments), string
    done = call("show", "--now", "\x1b[31mnow")
    assert (done.code, done.out) == (2, b"")
    assert b"x1b[31mnow" in done.err
    done = call("\x9b2J\u202e")
    assert done.code == 2
    assert b"No such command" in done.err
    assert b"\\x9b2J\\u202e" in done.err


def test_nothing_asked_for_is_the_whole_help() -> None:
    done = call()
    assert done.code in (0, 2)
    assert len((done.out + done.err).splitlines()) > 10


# On a real terminal


def test_on_a_terminal_only_our_own_colours_get_out(place: Place) -> None:
    """All commands that read, in a process whose three streams are a terminal."""
    asked = [
        ["show", place.tried, "--config", place.config],
        ["replay", place.fields, "--no-pager"],
        ["diff", place.fields, place.tried],
        ["next", place.tried, "--config", place.config],
        ["verify", place.fields],
        ["show", place.console],
        ["show", TERMINAL["clipboard"]],
        ["import", place.console, "--dry-run"],
        ["replay", place.fields, "--json"],
        *(["show", path] for path in list(place.named.values())[::8]),
        ["show", "--now", TERMINAL["colour"]],
        [TERMINAL["title with BEL"]],
    ]
    output = on_a_terminal([[str(one) for one in arguments] for arguments in asked])
    assert b"Traceback" not in output
    assert len(SGR.findall(output.decode())) > 1_000
    told = check(output, colour=True)
    for name, text in PLAIN.items():
        assert f"p/{text}" in told, name


def on_a_terminal(asked: list[list[str]]) -> bytes:
    body = """
import json, os, sys
from contextlib import closing, suppress
from cli.app import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["switchlog", *arguments]
    with suppress(SystemExit):
        main()
"""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)  # else the terminal itself adds returns
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, b"\x18\0\x50\0\0\0\0\0")
    env = {**os.environ, "TERM": "xterm-256color", "FORCE_COLOR": "1", "COLORTERM": "truecolor", "PYTHONUTF8": "1"}
    env["PAGER"] = "cat"  # nobody is there to turn the pages
    env.pop("NO_COLOR", None)
    output = bytearray()
    with subprocess.Popen(
        [sys.executable, "-c", body, json.dumps(asked)], stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=env
    ):
        os.close(theirs)
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # Linux says EIO when the last one has let go of the terminal
                break
            if not part:
                break
            output += part
    os.close(ours)
    return bytes(output)


def test_a_terminal_that_is_not_utf8_gets_escapes() -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for arguments in (["replay", INCIDENT], ["show", "kimi-\u6a21"]):
        command = [sys.executable, "-m", "cli.app", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=False)
        assert done.returncode in (0, 3), done
        assert (done.stdout + done.stderr).isascii()
    assert OUR_BUG not in (0, 3)


# The functions themselves


any_text = st.text(st.characters(), max_size=60) | st.sampled_from(sorted(EVERY.values()))


@given(any_text, st.integers(2, 80))
def test_nothing_visible_acts_or_is_longer_than_asked(text: str, longest: int) -> None:
    shown = visible(text, longest)
    assert acting(shown) == []
    assert len(shown) <= longest
    shown.encode()


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), max_size=60))
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_scripts_that_people_write_stay_as_they_are() -> None:
    for text in ("模型限流", "שלום עולם", "مرحبا", "नमस्ते दुनिया", "Tiếng Việt", "e\u0302\u0301", "🙂", "ß → ✓", "กำลัง"):
        assert visible(text) == text


def test_a_long_text_keeps_its_own_two_ends() -> None:
    shown = visible("begin" + "\u200b" * 100_000 + "end", 60)
    assert shown.startswith("begin\\u200b")
    assert shown.endswith("\\u200bend")
    assert len(shown) <= 60


@given(any_text)
def test_json_on_a_terminal_parses_to_the_same(text: str) -> None:
    told = for_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert json.loads(told) == {text: [text]}
    assert acting(told) == []


class Page(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.append(f"comment {data}")


@given(any_text)
def test_html_is_text_and_nothing_else(text: str) -> None:
    safe = for_html(text)
    assert not set("<>\"'") & set(safe)
    assert acting(safe) == []
    page = Page()
    page.feed(f"<p title=\"{safe}\" class='{safe}'>{safe}</p>")
    page.close()
    shown = page.text
    assert page.tags == ["p"]
    assert page.attributes == [("title", shown), ("class", shown)]
    if text.isascii() and text.isprintable():
        assert shown == text


@given(st.lists(any_text, min_size=1, max_size=4))
def test_csv_comes_back_and_no_cell_is_a_formula(texts: list[str]) -> None:
    cells = [for_csv(text) for text in texts]
    file = io.StringIO(newline="")
    csv.writer(file).writerow(cells)
    assert acting(file.getvalue().replace("\r\n", "")) == []
    (row,) = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert row == cells
    for cell in row:
        assert unicodedata.normalize("NFKC", cell.lstrip(' "\u00a0\u3000'))[:1] not in ("=", "+", "-", "@", "\t", "\r")


def test_every_formula_is_taken_its_sign() -> None:
    for name, text in TEXT.items():
        if name.startswith("formula"):
            assert for_csv(text).startswith("'"), name
    assert for_csv("\ufe62 1").startswith("'")
    assert for_csv("kimi/kimi2.5-pro@x=1") == "kimi/kimi2.5-pro@x=1"
    assert for_csv("") == ""
    assert set(BROKEN) & set(EVERY)
