"""switchlog.toml and openclaw.json: what counts, where it is found, and what is refused."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
from commands import ROOT

from eventlog import Chain, ConfigError, MisuseError, Policy, Session, Sessions, relaxed
from eventlog.config import Config, find, load

CHAIN = 'chain = ["kimi/kimi2.5", "zhipu/glm-5.1"]\n'


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "switchlog.toml"


def test_each_setting_is_read(toml: Path) -> None:
    toml.write_text(
        CHAIN + 'sessions = "logs"\nreturn_to_primary = false\nforce = false\nprobe_timeout = 5\n'
        '[cooldown.rate_limit]\nbase = 60\ncap = 120.5\n[aliases]\n"kimi-coding/kimi2.5" = "kimi/kimi2.5"\n'
    )
    config = load(toml)
    assert config.chain == Chain("kimi/kimi2.5", "zhipu/glm-5.1")
    assert config.sessions == toml.parent / "logs"
    assert config.aliases == {"kimi-coding/kimi2.5": "kimi/kimi2.5"}
    policy = config.policy
    assert (policy.return_to_primary, policy.force, policy.probe_timeout) == (False, False, timedelta(seconds=5))
    assert policy.cooldown("rate_limit").base == timedelta(seconds=60)
    assert policy.cooldown("rate_limit").cap == timedelta(seconds=120.5)
    assert policy.cooldown("auth") == Policy().cooldown("auth")


def test_the_example_in_the_module_is_one(toml: Path) -> None:
    from eventlog import config

    toml.write_text("\n".join(line[4:] for line in (config.__doc__ or "").splitlines() if line.startswith("    ")))
    assert load(toml).chain == Chain("kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b")


def test_the_issues_own_configuration_names_its_chain() -> None:
    chain = load(ROOT / "fixtures" / "seed" / "openclaw.json").chain
    assert chain == Chain(
        "kimi-coding/kimi2.5", "zhipu/glm-5.1", "siliconflow/deepseek-ai/DeepSeek-V3.2", "local/qwen2.5:14b"
    )


def test_openclaw_may_name_one_model_alone(tmp_path: Path) -> None:
    (tmp_path / "o.json").write_text('{"agents":{"defaults":{"model":"a/b"}}}')
    assert load(tmp_path / "o.json").chain == Chain("a/b")


def test_the_nearest_one_above_counts_unless_one_is_named(
    toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text(CHAIN)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find(below).path == toml
    (tmp_path / "a" / "switchlog.toml").write_text('chain = ["a/b"]')
    assert find(below).chain == Chain("a/b")
    other = tmp_path / "other.toml"
    other.write_text('chain = ["o/p"]')
    monkeypatch.setenv("SWITCHLOG_CONFIG", str(other))
    assert find(below).chain == Chain("o/p")
    assert find(below, toml).path == toml


def test_sessions_of_a_folder_use_its_configuration_and_an_argument_overrules_it(toml: Path, tmp_path: Path) -> None:
    toml.write_text(CHAIN + "return_to_primary = false\n")
    session = Sessions(tmp_path / "sessions").open("s-1")
    assert (session.chain, session.policy.return_to_primary) == (Chain("kimi/kimi2.5", "zhipu/glm-5.1"), False)
    assert Session.open(tmp_path / "s.jsonl", chain=Chain("x/y")).chain == Chain("x/y")
    assert Session.open(tmp_path / "s.jsonl", policy=Policy()).policy.return_to_primary


def test_without_one_the_defaults_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("eventlog.config.NAME", "no-such-file.toml")
    assert find(tmp_path) == Config()
    with pytest.raises(MisuseError, match="no chain"):
        Session.open(tmp_path / "s.jsonl").attempts()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("chain = [", "Invalid value"),
        ("chains = []", "no such key: chains"),
        ('chain = "a/b"', "a list of models"),
        ("chain = []", "the chain is empty"),
        ('chain = ["a/b", "a/b"]', "twice"),
        ("chain = [1]", "has no name"),
        ("[cooldown.rate_limit]\nbase = 5", "needs base and cap"),
        ("[cooldown.rate_limit]\nbase = 5\ncap = 1", "base <= cap"),
        ("[cooldown.rate_limit]\nbase = -5\ncap = 1", "from 0 to 86400"),
        ("[cooldown.sloth]\nbase = 5\ncap = 10", "no such reason"),
        ('[cooldown.sloth]\nbase = "5"\ncap = 10', "seconds, from 0"),
        ("[aliases]\na = 1", "aliases"),
        ('force = "yes"', "force: bool expected"),
        ("probe_timeout = true", "seconds, from 0"),
    ],
)
def test_a_wrong_value_names_the_file_and_the_key(toml: Path, text: str, why: str) -> None:
    toml.write_text(text)
    with pytest.raises(ConfigError, match=r"switchlog\.toml: ") as caught:
        load(toml)
    assert why in str(caught.value)
    assert caught.value.path == toml


@pytest.mark.parametrize(
    "text", ["[]", "{", "{}", '{"agents":{"defaults":{"model":{}}}}', '{"agents":{"defaults":{"model":{"primary":1}}}}']
)
def test_a_json_file_that_is_no_openclaw_configuration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "o.json").write_text(text)
    with pytest.raises(ConfigError, match=r"o\.json"):
        load(tmp_path / "o.json")


def test_a_file_that_cant_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.toml"):
        with pytest.raises(ConfigError):
            load(path)
    (tmp_path / "x.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError):
        load(tmp_path / "x.toml")


# openclaw.json beyond plain JSON


def openclaw(tmp_path: Path, text: str) -> Config:
    (tmp_path / "o.json").write_text(text)
    return load(tmp_path / "o.json")


def test_openclaws_aliases_are_other_names_of_a_model(tmp_path: Path) -> None:
    config = openclaw(
        tmp_path,
        '{"agents":{"defaults":{"model":{"primary":"kimi","fallbacks":["z/glm"," GLM ","other"]},"models":'
        '{"kimi/kimi2.5":{"alias":" Kimi "},"zhipu/glm-5.1":{"alias":"glm"},"a/b":{},"c/d":{"alias":7},"e/f":null,'
        '"g/h":{"alias":" "},"i/j":{"alias":"i/j"}}}}}',
    )
    assert config.aliases == {"Kimi": "kimi/kimi2.5", "glm": "zhipu/glm-5.1"}
    assert config.chain == Chain("kimi/kimi2.5", "z/glm", "zhipu/glm-5.1", "other")


@pytest.mark.parametrize("models", ["[]", "7", '"x"', "null", "{}"])
def test_aliases_that_make_no_sense_are_none(tmp_path: Path, models: str) -> None:
    assert openclaw(tmp_path, f'{{"agents":{{"defaults":{{"model":"a/b","models":{models}}}}}}}').aliases == {}


def test_the_recorded_configurations_name_their_chain() -> None:
    for version in ("2026.3.28", "2026.9.6"):
        chain = load(ROOT / "fixtures" / f"openclaw-{version}" / "openclaw.json").chain
        assert chain is not None
        assert chain.models[:2] == ("kimi/kimi2.5", "zhipu/glm-5.1")


def test_a_configuration_may_be_written_as_people_write_it(tmp_path: Path) -> None:
    text = """\ufeff// mine
    {
      agents: { "defaults": /* for all, */ {
        model: { primary: "kimi/kimi2.5", fallbacks: ["a//b/*c*/", "d/\\"e,]", /* none */ ], }, // the chain,
      } },
      "http://x": [1.5e3, true, null,
      // end
      ],
    }
    /* not closed"""
    assert openclaw(tmp_path, text).chain == Chain("kimi/kimi2.5", "a//b/*c*/", 'd/"e,]')


@pytest.mark.parametrize(
    "text", ["{'a': 1}", "{a: 1,,}", "{a b: 1}", '{"a": "', "// nothing", "/*", "{a: undefined}", "{" * 9999]
)
def test_what_goes_beyond_that_says_what_would_do(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"o\.json: .*comments, a last comma and keys without quotes would do"):
        openclaw(tmp_path, text)


@pytest.mark.parametrize("piece", ['"\\', "/*", "//", "a", ",", ", ", "$", '"', "'", "{a:", "*/", "/"])
def test_a_hostile_configuration_takes_no_longer_than_its_length(piece: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ValueError, match="would do"):
        relaxed.loads(piece.encode() * 100_000)
    assert time.perf_counter() - started < 1
