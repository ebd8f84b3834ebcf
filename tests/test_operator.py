"""A person's decisions and events from elsewhere: pin, unpin, clear, append, verify, and the configuration they use."""

import json
from pathlib import Path

import pytest
from commands import INCIDENT, switchlog
from gateway import CHAIN, GLM, KIMI

from eventlog import Session, read_events
from replay import fold


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    path = tmp_path / "s-1.jsonl"
    with Session.open(path, chain=CHAIN) as session:
        session.failed(KIMI, reason="billing")
        session.switch(GLM, cause="fallback")
    return path


def fields(path: Path) -> dict[str, object]:
    last: dict[str, object] = json.loads(path.read_text().splitlines()[-1])
    return last


# Pin, unpin, clear


def test_a_pin_counts_at_once_in_an_open_gateway_and_says_who_and_why(transcript: Path) -> None:
    session = Session.open(transcript, chain=CHAIN)
    assert session.decide().model == GLM
    done = switchlog("pin", transcript, KIMI, "--by", "ada", "--note", "topped up")
    assert (done.returncode, done.stdout, done.stderr) == (0, "s-1: pinned kimi/kimi2.5\n", "")
    assert session.decide().model == KIMI
    assert (fields(transcript)["by"], fields(transcript)["note"]) == ("ada", "topped up")
    assert fields(transcript)["cause"] == "user"


def test_unpin_lets_the_chain_decide_again_and_without_a_pin_writes_nothing(transcript: Path) -> None:
    before = transcript.read_bytes()
    assert "nothing was written" in switchlog("unpin", transcript).stdout
    assert transcript.read_bytes() == before
    switchlog("pin", transcript, "local/qwen2.5:14b")
    done = switchlog("unpin", transcript, "--json")
    assert json.loads(done.stdout)["pinnedModel"] is None
    assert fold(read_events(transcript)).pinned is None


@pytest.mark.parametrize("what", [(KIMI,), ("--provider", "kimi")])
def test_clear_forgets_the_failures_of_a_model_or_a_provider(transcript: Path, what: tuple[str, ...]) -> None:
    assert fold(read_events(transcript)).tried
    done = switchlog("clear", transcript, *what, "--note", "topped up")
    assert done.returncode == 0
    assert not fold(read_events(transcript)).tried
    assert fields(transcript)["note"] == "topped up"


def test_a_decision_on_nothing_is_refused(transcript: Path, tmp_path: Path) -> None:
    assert switchlog("clear", transcript).returncode == 2
    assert switchlog("clear", transcript, KIMI, "--provider", "kimi").returncode == 2
    assert switchlog("pin", tmp_path / "missing.jsonl", KIMI).returncode == 3
    assert not (tmp_path / "missing.jsonl").exists()
    assert switchlog("pin", "-", KIMI).returncode == 3


def test_a_gateways_log_is_never_written_to(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    log.write_bytes(INCIDENT.read_bytes())
    for arguments in (("pin", log, KIMI), ("clear", log, KIMI), ("append", log, "{}")):
        done = switchlog(*arguments)
        assert (done.returncode, done.stdout) == (3, "")
        assert "is a gateway's log" in done.stderr
    assert log.read_bytes() == INCIDENT.read_bytes()


def test_what_the_disk_refuses_is_said_and_not_done(transcript: Path) -> None:
    (transcript.parent / "link.jsonl").symlink_to(transcript)
    before = transcript.read_bytes()
    done = switchlog("pin", transcript.parent / "link.jsonl", KIMI)
    assert (done.returncode, transcript.read_bytes()) == (3, before)
    assert "symbolic link" in done.stderr


# Append


def test_append_makes_the_file_and_prints_each_position_once_it_is_durable(tmp_path: Path) -> None:
    path = tmp_path / "new.jsonl"
    events = b"".join(
        json.dumps(event).encode() + b"\n"
        for event in (
            {"type": "model_switch", "from": None, "to": KIMI, "cause": "initial"},
            {"type": "attempt_failed", "model": KIMI, "reason": "rate_limit", "retryAfterMs": 7000, "trace": "x1"},
            {"type": "attempt_succeeded", "model": GLM},
            {"type": "attempt_succeeded", "model": GLM},
        )
    )
    done = switchlog("append", path, "-", stdin=events)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["1", "2", "3", "-"], "")
    read = read_events(path)
    assert list(fold(read).tried) == [KIMI]
    assert (read.report.damaged, read.report.unsealed) == (False, 0)
    assert '"trace":"x1"' in path.read_text()


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"nonsense", "one JSON object"),
        (b'{"type":"message"}', "'message'"),
        (b'{"type":"attempt_failed"}', "lacks model"),
        (b'{"type":"attempt_failed","model":"a/b","status":"429"}', "status"),
        (b'{"type":"attempt_failed","model":"a/b","seal":"00"}', "made by the log itself"),
        (b'{"type":"attempt_failed","model":"a/b","more":{"x":1}}', "more"),
        (b'{"type":"attempt_failed","model":"a/b","7":1}', "'7'"),
        (b"\xff\xfe", "one JSON object"),
    ],
)
def test_append_says_which_line_it_refused_and_goes_on(tmp_path: Path, line: bytes, word: str) -> None:
    path = tmp_path / "new.jsonl"
    good = b'{"type":"attempt_failed","model":"a/b","reason":"timeout"}'
    done = switchlog("append", path, "-", stdin=good + b"\n" + line + b"\n" + good + b"\n")
    assert (done.returncode, done.stdout.split()) == (2, ["1", "2"])
    assert done.stderr.startswith("switchlog: line 2: ")
    assert word in done.stderr
    assert fold(read_events(path)).position == 2


# Next, as a gateway uses it


def test_next_of_a_session_that_is_not_there_yet_begins_with_the_primary(tmp_path: Path) -> None:
    path = tmp_path / "new.jsonl"
    told = json.loads(switchlog("next", path, "--chain", f"{KIMI},{GLM}", "--json").stdout)
    assert (told["model"], told["cause"]) == (KIMI, "initial")
    assert not path.exists()


def test_next_records_the_switch_that_a_gateway_is_about_to_make(transcript: Path) -> None:
    chain = f"{KIMI},local/qwen2.5:14b"
    told = json.loads(switchlog("next", transcript, "--chain", chain, "--record", "--json").stdout)
    assert (told["model"], told["cause"]) == ("local/qwen2.5:14b", "config")
    assert (fields(transcript)["to"], fields(transcript)["cause"]) == ("local/qwen2.5:14b", "config")
    before = transcript.read_bytes()
    told = json.loads(switchlog("next", transcript, "--chain", chain, "--record", "--json").stdout)
    assert (told["cause"], transcript.read_bytes()) == ("keep", before)
    assert switchlog("next", transcript, "--chain", chain, "--record", "--now", "2026-01-01T00:00:00Z").returncode == 2


# Verify


def test_verify_of_a_whole_log_ends_with_zero_and_says_what_it_can_prove(transcript: Path) -> None:
    done = switchlog("verify", transcript)
    assert done.returncode == 0
    assert "intact" in done.stdout
    assert "who wrote it (no key is set)" in done.stdout
    assert fields(transcript)["seal"] in done.stdout


def test_verify_of_a_changed_log_ends_with_one_and_says_where(transcript: Path) -> None:
    whole = transcript.with_name("s-2.jsonl")
    Session.open(whole, chain=CHAIN).switch(KIMI)
    transcript.write_bytes(transcript.read_bytes().replace(b'"billing"', b'"timeout"'))
    done = switchlog("verify", transcript.parent, "--json")
    damaged, intact = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, damaged["intact"], intact["intact"]) == (1, False, True)
    assert [(one["what"], one["line"]) for one in damaged["findings"]] == [("altered", 2), ("gap", 3)]
    assert "DAMAGED" in switchlog("verify", transcript).stdout


def test_verify_tells_of_a_clock_that_went_back_as_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    for stamp in ("2026-04-02T05:00:00.000Z", "2026-04-02T04:00:00.000Z"):
        switchlog("append", path, json.dumps({"type": "attempt_failed", "model": KIMI, "timestamp": stamp}))
    done = switchlog("verify", path, "--json")
    assert (done.returncode, json.loads(done.stdout)["clockBackwards"]) == (0, 1)


def test_verify_of_what_is_not_there_is_unreadable(tmp_path: Path) -> None:
    assert switchlog("verify", tmp_path / "missing.jsonl").returncode == 3
    assert switchlog("verify", tmp_path).returncode == 3


# The configuration


def test_every_command_and_the_session_use_the_nearest_configuration(transcript: Path) -> None:
    config = transcript.parent / "switchlog.toml"
    config.write_text(f'chain = ["{KIMI}", "{GLM}"]\n[cooldown.billing]\nbase = 3600\ncap = 7200\n')
    shown = json.loads(switchlog("show", transcript, "--json").stdout)
    tried = shown["triedModels"][KIMI]
    assert shown["config"] == str(config)
    assert tried["failedAt"][14:] == tried["coolingUntil"][14:]  # an hour later to the millisecond
    assert str(config) in switchlog("show", transcript).stdout
    told = json.loads(switchlog("next", transcript, "--json").stdout)
    assert told["order"] == [GLM]
    assert Session.open(transcript).decide().order == (GLM,)
    warned = switchlog("pin", transcript, "acme/other")
    assert (warned.returncode, "not in the configured chain" in warned.stderr) == (0, True)


def test_openclaws_configuration_names_the_chain_too(transcript: Path, tmp_path: Path) -> None:
    config = tmp_path / "openclaw.json"
    config.write_text(json.dumps({"agents": {"defaults": {"model": {"primary": KIMI, "fallbacks": ["a/b", GLM]}}}}))
    told = json.loads(switchlog("next", transcript, "--config", config, "--json").stdout)
    assert told["order"] == ["a/b", GLM]


def test_a_configuration_that_cant_be_used_is_a_clear_error(transcript: Path) -> None:
    (transcript.parent / "switchlog.toml").write_text("chian = []")
    done = switchlog("show", transcript)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such key: chian" in done.stderr
    assert "switchlog.toml" in done.stderr
