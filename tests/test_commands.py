"""The commands as people and scripts meet them: what they print, where, and how they end."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commands import INCIDENT, ROOT, switchlog

from eventlog import Chain, Session, read_events
from replay import fold

CHAIN = Chain("kimi/kimi2.5", "zhipu/glm-5.1")


class RateLimited(Exception):
    status_code = 429
    headers = {"retry-after": "3000"}  # noqa: RUF012  (the shape of a client's exception)


def ask(model: str) -> str:
    if model.startswith("kimi/"):
        raise RateLimited("slow down")
    return f"reply from {model}"


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    path = tmp_path / "s-1.jsonl"
    session = Session.open(path, chain=CHAIN)
    session.call(ask, turn="t-1")
    session.close()
    return path


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


# The incident of the issue


def test_replay_of_the_incident_shows_its_events_in_order_with_utc_times() -> None:
    done = switchlog("replay", INCIDENT, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = [
        (
            line["timestamp"],
            line["event"].get("cause") or line["event"]["reason"],  # type: ignore[attr-defined, index]
            line["event"].get("from") or line["event"]["model"],  # type: ignore[attr-defined, index]
            line["event"].get("to"),  # type: ignore[attr-defined]
        )
        for line in lines(done.stdout)
    ]
    glm, r1 = "zhipu/glm-5.1", "siliconflow/deepseek-ai/DeepSeek-R1"
    coding, qwen, primary = "kimi/kimi-for-coding", "local/qwen2.5:14b", "kimi/kimi2.5"
    assert told == [  # read off the sixteen lines by hand
        ("2026-04-02T04:55:40.884Z", "reverted", glm, primary),
        ("2026-04-02T04:55:40.889Z", "redirected", glm, None),
        ("2026-04-02T04:55:40.889Z", "fallback", glm, r1),
        ("2026-04-02T04:55:40.906Z", "reverted", r1, primary),
        ("2026-04-02T04:55:40.907Z", "redirected", r1, None),
        ("2026-04-02T04:55:40.907Z", "fallback", r1, coding),
        ("2026-04-02T04:55:40.946Z", "reverted", coding, primary),
        ("2026-04-02T04:55:40.947Z", "redirected", coding, None),
        ("2026-04-02T04:55:40.947Z", "fallback", coding, qwen),
        ("2026-04-02T04:55:40.965Z", "reverted", qwen, primary),
    ]
    assert [line["position"] for line in lines(done.stdout)] == list(range(1, 11))


def test_show_of_the_incident_says_the_primary_and_nothing_tried() -> None:
    done = switchlog("show", INCIDENT, "--json")
    (shown,) = lines(done.stdout)
    assert done.returncode == 0
    assert shown["schemaVersion"] == 1
    assert shown["sessionId"] == "17a309d8-bee5-4752-8775-5791d41df367"
    assert shown["currentModel"] == "kimi/kimi2.5"
    assert shown["attemptedModels"] == ["kimi/kimi2.5"]
    assert shown["triedModels"] == {}
    assert shown["modelSwitchedAt"] == "2026-04-02T04:55:40.965Z"


def test_times_are_local_in_tables_and_utc_on_request() -> None:
    assert "12:55:40.884" in switchlog("replay", INCIDENT).stdout
    assert "04:55:40.884" in switchlog("replay", INCIDENT, "--utc").stdout


# A transcript of ours


def test_show_tells_what_a_gateway_remembers(transcript: Path) -> None:
    done = switchlog("show", transcript, "--json")
    (shown,) = lines(done.stdout)
    state = fold(read_events(transcript))
    assert shown["currentModel"] == "zhipu/glm-5.1" == state.current
    assert shown["attemptedModels"] == ["kimi/kimi2.5", "zhipu/glm-5.1"]
    tried = shown["triedModels"]["kimi/kimi2.5"]  # type: ignore[index]
    assert (tried["reason"], tried["failures"]) == ("rate_limit", 1)
    failed, until = (datetime.fromisoformat(tried[key]) for key in ("failedAt", "coolingUntil"))
    assert until - failed == timedelta(seconds=3000)
    assert shown["models"] == {
        "kimi/kimi2.5": {"attempts": 1, "failures": 1},
        "zhipu/glm-5.1": {"attempts": 1, "failures": 0},
    }
    assert shown["events"] == {"model_switch": 2, "attempt_failed": 1, "attempt_succeeded": 1}
    assert shown["log"]["event"] == 4  # type: ignore[index]
    assert shown["lastSeal"] == json.loads(transcript.read_text().splitlines()[-1])["seal"]
    text = switchlog("show", transcript).stdout
    for word in ("zhipu/glm-5.1", "fallback from kimi/kimi2.5", "rate_limit", "seals and chain intact"):
        assert word in text


def test_next_is_the_gateways_own_decision(transcript: Path) -> None:
    done = switchlog("next", transcript, "--chain", "kimi/kimi2.5,zhipu/glm-5.1", "--json")
    (told,) = lines(done.stdout)
    decision = Session.open(transcript, chain=CHAIN).decide()
    assert (told["model"], told["cause"], told["order"]) == (decision.model, decision.cause, list(decision.order))
    assert told["skipped"] == [
        {
            "model": "kimi/kimi2.5",
            "why": "rate_limit",
            "until": (decision.skipped[0].until or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "position": 2,
        }
    ]


def test_next_as_of_another_time_probes_the_primary(transcript: Path) -> None:
    later = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    done = switchlog("next", transcript, "--chain", "kimi/kimi2.5,zhipu/glm-5.1", "--now", later, "--json")
    (told,) = lines(done.stdout)
    assert (told["model"], told["cause"]) == ("kimi/kimi2.5", "probe")


def test_next_says_when_nothing_is_left(transcript: Path) -> None:
    done = switchlog("next", transcript, "--chain", "kimi/kimi2.5")
    assert done.returncode == 0
    assert "no model is left" in done.stdout
    assert "rate_limit until" in done.stdout


def test_replay_at_a_position_and_at_a_time_is_the_fold_of_that_prefix(transcript: Path) -> None:
    every = lines(switchlog("replay", transcript, "--json").stdout)
    assert len(every) == 4
    assert lines(switchlog("replay", transcript, "--at", "2", "--json").stdout) == [every[1]]
    last = str(every[3]["timestamp"])
    assert lines(switchlog("replay", transcript, "--at", last, "--json").stdout) == [every[3]]
    events = list(read_events(transcript))
    state = fold(events[:2])
    assert every[1]["state"]["currentModel"] == state.current  # type: ignore[index]
    assert list(every[1]["state"]["triedModels"]) == list(state.tried)  # type: ignore[index]


def test_replay_prints_the_files_own_field_names_without_the_frame(transcript: Path) -> None:
    event = lines(switchlog("replay", transcript, "--json").stdout)[1]["event"]
    written = json.loads(transcript.read_text().splitlines()[2])
    assert event == {key: value for key, value in written.items() if key not in ("parentId", "v", "prev", "seal")}


# Where the log comes from


def test_a_folder_means_its_newest_session_and_a_prefix_the_one_that_begins_so(transcript: Path) -> None:
    folder = transcript.parent
    shutil.copy(transcript, folder / "other.jsonl")
    os.utime(folder / "other.jsonl", (1, 1))
    assert "s-1" in switchlog("show", folder).stdout
    assert "s-1" in switchlog("show", cwd=folder).stdout
    assert json.loads(switchlog("show", "s-", "--json", cwd=folder).stdout)["sessionId"] == "s-1"


def test_standard_input_is_a_log_too(transcript: Path) -> None:
    piped = json.loads(switchlog("show", "-", "--json", stdin=transcript.read_bytes()).stdout)
    named = json.loads(switchlog("show", transcript, "--json").stdout)
    assert piped == named


def test_a_console_log_of_several_sessions_asks_which(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    text = INCIDENT.read_text()
    log.write_text(text + text.replace("17a309d8-bee5-4752-8775-5791d41df367", "674cdb94-f203-44b1-bb08-49d5ae7e93ee"))
    asked = switchlog("show", log)
    assert (asked.returncode, asked.stdout) == (3, "")
    assert "17a309d8" in asked.stderr
    assert "674cdb94" in asked.stderr
    chosen = json.loads(switchlog("show", log, "--session", "674c", "--json").stdout)
    assert chosen["sessionId"].startswith("674cdb94")


# Bad input: one clear line, the right exit code, within two seconds


def clear(done: "subprocess.CompletedProcess[str]", code: int, *words: str) -> None:
    assert done.returncode == code, done
    told = done.stdout + done.stderr
    assert "Traceback" not in told
    for word in words:
        assert word in told


@pytest.mark.parametrize("name", ["show", "replay"])
@pytest.mark.parametrize(
    ("kind", "code", "word"),
    [
        ("empty", 0, "no failover event"),
        ("missing", 3, "there is no such file"),
        ("folder", 3, "no transcript"),
        ("fifo", 3, "named pipe"),
        ("zeros", 0, "no failover event"),
        ("binary", 0, "no failover event"),
        ("device", 3, "is a device"),
    ],
)
def test_what_is_no_log_is_told_in_one_line(tmp_path: Path, name: str, kind: str, code: int, word: str) -> None:
    path = tmp_path / "x.jsonl"
    match kind:
        case "empty":
            path.touch()
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "zeros":
            with path.open("wb") as file:
                file.truncate(200 * 2**20)  # a hole reads as NULs
        case "binary":
            path.write_bytes(Path(sys.executable).read_bytes()[:400_000])
        case "device":
            path = Path("/dev/null")
    done = switchlog(name, path)
    clear(done, code, word)
    if code == 3:
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1


def test_a_file_without_permission_is_told_in_one_line() -> None:
    """Root may read everything, so as root the command gives its rights away first."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # pytest's own folders are closed to that user
        path = Path(folder, "s.jsonl")
        path.write_text("{}")
        path.chmod(0)
        # The other user may not even read this Python: load all of it first.
        body = """
import os, sys
from contextlib import suppress
from cli.app import app
for known in (sys.argv[1], "/missing"):
    with suppress(SystemExit):
        app(["show", known])
if os.geteuid() == 0:
    os.setuid(65534)
print("now", flush=True)
app(["show", sys.argv[2]])
"""
        done = subprocess.run(
            [sys.executable, "-c", body, INCIDENT, path], capture_output=True, text=True, check=False, timeout=60
        )
    assert done.stdout.endswith("now\n")
    clear(done, 3, "permission denied", "as its owner")


def test_a_damaged_log_is_read_and_said_to_be_damaged(transcript: Path) -> None:
    transcript.write_bytes(transcript.read_bytes().replace(b'"status":429', b'"status":200'))
    done = switchlog("show", transcript, "--json")
    assert done.returncode == 4
    shown = json.loads(done.stdout)
    assert shown["log"]["altered"] == 1
    assert shown["triedModels"] == {}
    assert "line 3, byte" in done.stderr
    assert "altered" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("next", INCIDENT), "--chain"),
        (("next", INCIDENT, "--chain", ","), "no name"),
        (("next", INCIDENT, "--chain", "a/b,a/b"), "twice"),
        (("next", INCIDENT, "--chain", "a/b", "--now", "the day before"), "is no time"),
        (("replay", INCIDENT, "--at", "soon"), "is no time"),
        (("replay", INCIDENT, "--at", "0"), "no event at or before"),
        (("show", "--nonsense"), "No such option"),
        (("nonsense",), "No such command"),
    ],
)
def test_misuse_ends_with_two_and_says_what_can_be_used(arguments: tuple[str, ...], word: str) -> None:
    done = switchlog(*arguments)
    clear(done, 2, word)
    assert done.stdout == ""


# Manners


def test_every_command_has_help_with_an_example() -> None:
    listed = switchlog("--help").stdout.split("Commands:")[1]
    names = [line.split()[0] for line in listed.splitlines() if line[:3].strip()]
    assert {"demo", "show", "next", "replay", "pin", "import", "verify"} <= set(names)
    for name in names:
        done = switchlog(name, "--help")
        assert done.returncode == 0
        assert f"switchlog {name}" in done.stdout
        assert "--json" in done.stdout


def test_a_broken_pipe_is_silent_and_no_error() -> None:
    for name in ("show", "replay"):
        command = f"{sys.executable} -m cli.app {name} {INCIDENT}; echo $? >&2"
        done = subprocess.run(["bash", "-c", f"({command}) | true"], capture_output=True, text=True, check=True)
        assert done.stderr.strip() in ("0", "141")  # 141: the shell itself lost its pipe


def test_nothing_but_text_is_printed_into_a_pipe(transcript: Path) -> None:
    for name in ("show", "replay"):
        assert "\x1b" not in switchlog(name, transcript).stdout


def test_hostile_names_reach_neither_the_terminal_nor_the_markup(tmp_path: Path) -> None:
    evil = "kimi/\x1b[31mred\x07\u202e[link=https://x]\x9b2J[/nope]"
    session = Session.open(tmp_path / "evil.jsonl", chain=Chain(evil))
    session.switch(evil)
    session.failed(evil, reason="\x1b]8;;x\x07", error="\x1b[2J")
    session.close()
    for arguments in (("show",), ("replay",), ("next", "--chain", evil)):
        done = switchlog(arguments[0], tmp_path / "evil.jsonl", *arguments[1:])
        assert done.returncode == 0
        told = done.stdout + done.stderr
        assert not [char for char in told if (ord(char) < 32 and char != "\n") or char in "\x7f\x9b\u202e"]
        assert "[link=https://x]" in told


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    assert switchlog("--version").stdout.startswith("switchlog 0.")


def test_an_event_without_a_readable_time_is_told_in_plain_words() -> None:
    told = switchlog("show", ROOT / "fixtures" / "seed" / "model_switch.jsonl").stdout
    assert "since    an unknown time (its stamp can't be read)" in told
    assert "unknown at an unknown time; free again" in told
