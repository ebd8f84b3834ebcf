"""`switchlog audit` on the issue's logs, on the recordings and on folders: what it counts is what stands in them.

Law: the numbers come from elsewhere than the code that is tested: counted by hand in the log's lines, by the provider,
or by this file's own reading of the host's entries.
"""

import csv
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commands import INCIDENT, within
from logs import Draft
from openclaw_homes import FIXTURES, NEW, OLD, new_home, old_home

from cli import audit as command

SEED = FIXTURES / "seed"
CONFIG = OLD / "openclaw.json"
DEEPSEEK = "siliconflow/deepseek-ai/DeepSeek-V3.2"


def audited(*arguments: str | Path, code: int | None = None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The sessions and the summary."""
    done = within("audit", "--json", *arguments)
    assert code is None or done.returncode == code, done
    *sessions, last = map(json.loads, done.stdout.splitlines())
    assert all(one["schemaVersion"] == 1 for one in (*sessions, last))
    return sessions, last["summary"]


def one(*arguments: str | Path, code: int | None = None) -> dict[str, Any]:
    (session,), _ = audited(*arguments, code=code)
    return session


def of_kind(session: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [found for found in session["findings"] if found["kind"] == kind]


# The issue's logs


def test_the_three_restarts_of_the_issue() -> None:
    """By hand in the log: 2 lines "restart mode", 12 lines "live session model switch detected", 4 in each burst.

    Behind the first restart nothing is known: the log begins with it. Behind the second, at 12:57:31, the log has shown
    zhipu/glm-5.1, kimi/kimi-for-coding and local/qwen2.5:14b put back before (at 12:55:40); DeepSeek-V3-0324 is new.
    Before the burst of 12:59:32 no restart stands in the log, so none is claimed. No line tells of a request.
    """
    session = one(SEED / "17a309d8.three-restarts.gateway.log", code=1)
    assert (session["restarts"], session["events"], session["reverted"], session["fallbacks"]) == (2, 12, 12, 0)
    reverted = of_kind(session, "reverted_fallback")
    assert [found["count"] for found in reverted] == [4, 4, 4]
    assert [found["positions"] for found in reverted] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    assert {found["severity"] for found in reverted} == {"critical"}
    for found in reverted:
        assert "the chain burned down without one request" in found["told"]
        assert "live session model switch detected before attempt" in found["remedy"]
    (amnesia,) = of_kind(session, "amnesia")
    assert (amnesia["count"], amnesia["positions"]) == (3, [5, 7, 8])
    assert amnesia["models"] == ["zhipu/glm-5.1", "kimi/kimi-for-coding", "local/qwen2.5:14b"]
    assert (session["total"]["attempts"], session["total"]["failures"], session["total"]["wastedAttempts"]) == (0, 0, 0)


@pytest.mark.parametrize("log", [INCIDENT, SEED / "17a309d8.gateway.log"])
def test_the_incident_of_the_issue(log: Path) -> None:
    """By hand: 1 restart in the first line, then 4 "switch detected" and 3 "candidate_failed"; nobody was asked."""
    session = one(log, code=1)
    assert (session["restarts"], session["reverted"], session["fallbacks"]) == (1, 4, 3)
    (reverted,) = of_kind(session, "reverted_fallback")
    assert (reverted["count"], len(reverted["models"])) == (4, 4)
    assert not of_kind(session, "amnesia")  # the only restart stands before all that is known
    assert session["total"]["attempts"] == 0
    assert sum(one["redirected"] for one in session["models"].values()) == 3


def test_the_cycle_of_every_half_hour() -> None:
    """By hand in the issue's second log: bursts of 4, 4 and 2 at 10:19, 10:49 and 11:19, and no restart."""
    session = one(SEED / "674cdb94.gateway.log", code=1)
    assert [found["count"] for found in of_kind(session, "reverted_fallback")] == [4, 4, 2]
    assert not of_kind(session, "amnesia")


def test_people_read_it_in_eighty_columns() -> None:
    done = within("audit", "--utc", SEED / "17a309d8.three-restarts.gateway.log", "--now", "2026-04-02T06:00:00Z")
    assert done.returncode == 1
    assert "amnesia ×3  04:57:31 UTC" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stdout.count("restart does not help") == 1  # what to do is said once


# The recordings


def expected() -> dict[str, list[dict[str, str]]]:
    with (FIXTURES / "expected.tsv").open(encoding="utf-8", newline="") as file:
        rows: dict[str, list[dict[str, str]]] = {}
        for row in csv.DictReader(file, delimiter="\t"):
            rows.setdefault(row["file"], []).append(row)
        return rows


EXPECTED = expected()


@pytest.mark.parametrize("name", EXPECTED, ids=lambda name: name.rpartition("/")[2][:20])
def test_failures_and_waste_are_those_of_the_recording(name: str) -> None:
    session = one(FIXTURES / name, "--config", CONFIG)
    told = {model: account["failures"] for model, account in session["models"].items() if account["failures"]}
    wanted = {row["model"]: int(row["failed_entries"]) for row in EXPECTED[name]}
    assert told == {model: count for model, count in wanted.items() if count}
    if EXPECTED[name][0]["trace"] != "own":
        wasted = {model: one["wastedAttempts"] for model, one in session["models"].items() if one["wastedAttempts"]}
        assert Counter(wasted) + forced_in(name) == wasted_by_the_entries(FIXTURES / name)


def forced_in(session: str) -> Counter[str]:
    """Failed attempts that were nobody's mistake: at 14:32:29 all five models cooled, glm-5.1 the shortest of them.

    (By 14:32:04 each had had its 401, kimi's last; kimi-for-coding cools with kimi. glm-5.1 was free first, at
    15:02:04.073.)
    """
    return Counter({"zhipu/glm-5.1": 1} if "33333333" in session else {})


COOLS = {"401": timedelta(minutes=30), "429": timedelta(minutes=5), "500": timedelta(minutes=1)}


def wasted_by_the_entries(path: Path) -> dict[str, int]:
    """Failed entries whose model had failed in an earlier run of the host's, no longer ago than that cools.

    The host's own tries of one run (errors of a model in a row, without a user's line or another model between) are one
    incident: the first run of a model wastes nothing. A 401 is the provider's. All waits are first ones (the recording
    is shorter than any), and an answer ends them.
    """
    failed: dict[str, dict[str, datetime]] = {}
    wasted: Counter[str] = Counter()
    incident: dict[str, dict[str, datetime]] = {}
    run = ""
    for entry in entries(path):
        message = entry.get("message", {})
        if entry["type"] == "custom" or message.get("role") == "user":
            run = ""
        if message.get("role") != "assistant" or message.get("provider") == "openclaw":
            continue
        model, now = f"{message['provider']}/{message['model']}", datetime.fromisoformat(entry["timestamp"])
        if message["stopReason"] != "error":
            for other, failures in failed.items():
                for status in list(failures):
                    if other == model or (status == "401" and same_provider(other, model)):
                        del failures[status]
            continue
        if model != run:
            incident, run = {other: dict(failures) for other, failures in failed.items()}, model
        status = message["errorMessage"].split()[0]
        wasted[model] += any(
            now - at < COOLS[why]
            for other, failures in incident.items()
            for why, at in failures.items()
            if other == model or (why == "401" and same_provider(other, model))
        )
        failed.setdefault(model, {})[status] = now
    return {model: count for model, count in wasted.items() if count}


def entries(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        yield json.loads(line)


def same_provider(one: str, other: str) -> bool:
    return one.split("/")[0] == other.split("/")[0]


@pytest.mark.parametrize(
    ("session", "wanted"),
    [
        # Counted in truth.tsv: the provider's failed requests of all scenarios after the model's first failing one
        # (kimi-for-coding: after its provider's), without the forced one. An entry 401 is one request, an entry 429 or
        # 500 stands for three.
        ("33333333", {"kimi/kimi2.5": 16, "zhipu/glm-5.1": 2, "kimi/kimi-for-coding": 1}),
        ("fd3d29ff", {"kimi/kimi2.5": 2}),
        ("8cd3c05d", {}),  # twelve requests, all of the first incident
        ("95a7356e", {}),
        ("0df6141c", {}),
    ],
)
def test_waste_in_requests_is_what_the_provider_received(session: str, wanted: dict[str, int]) -> None:
    (path,) = (OLD / "transcripts").glob(f"{session}*")
    requests: Counter[str] = Counter()
    for reason, each in (("auth", 1), ("rate_limit", 3), ("server_error", 3)):
        for model, account in one(path, "--config", CONFIG, "--reason", reason)["models"].items():
            requests[model] += each * account["wastedAttempts"]
    assert {model: count for model, count in requests.items() if count} == wanted
    assert Counter(wanted) + forced_in(session) == received(path.name[:36])


def received(session: str) -> dict[str, int]:
    """The provider's failed requests that were not a model's first incident, from the table."""
    with (FIXTURES / "truth.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["session_id"] == session]
    log = next(row["corpus_file"] for row in rows if ".log" in row["corpus_file"])
    counted: Counter[str] = Counter()
    seen: set[str] = set()
    for row in rows:
        if row["corpus_file"] != log or row["outcome"] in ("ok", "none", "hang"):
            continue
        provider = row["model"].split("/")[0]
        if row["model"] in seen or f"{provider} 401" in seen:
            counted[row["model"]] += int(row["requests"])
        seen |= {row["model"], f"{provider} {row['outcome']}"}
    return dict(counted)


def test_one_message_that_became_120_requests() -> None:
    """The README of the recordings: 120 error entries from one message. The first was no waste."""
    (path,) = (OLD / "transcripts").glob("6c1f58df*")
    session = one(path, "--config", CONFIG, code=1)
    assert session["models"]["kimi/kimi2.5"]["wastedAttempts"] == 119
    assert session["models"]["kimi/kimi2.5"]["withMemory"] == {"savedFailures": 119, "missedAnswers": 0}
    (hammering,) = of_kind(session, "hammering")
    assert (hammering["count"], hammering["severity"]) == (120, "critical")


def test_a_gateways_log_of_two_sessions_with_its_restarts() -> None:
    """By hand in the console log: 3 restarts, killed and stopped; behind each of two, 33333333 asks again what cools.

    Behind the first of them all five models cooled: there zhipu/glm-5.1 was the one to force.
    """
    log = OLD / "gateway-console.1431-fallback-kill-term.log"
    sessions, summary = audited(log, "--config", CONFIG, code=1)
    assert [one["sessionId"][:8] for one in sessions] == ["33333333", "fd3d29ff"]
    assert (summary["sessions"], {one["restarts"] for one in sessions}) == (2, {3})
    assert [found["models"] for found in of_kind(sessions[0], "amnesia")] == [
        ["kimi/kimi2.5"],
        ["kimi/kimi2.5", "zhipu/glm-5.1"],
    ]
    assert len(of_kind(sessions[1], "amnesia")) == 1
    assert one(log, "--session", "fd3d")["sessionId"] == sessions[1]["sessionId"]
    assert within("audit", log, "--session", "nobody").returncode == 3


# Homes, databases, folders


def test_a_home_and_its_database(tmp_path: Path) -> None:
    sessions, summary = audited(old_home(tmp_path / "old"), code=1)
    assert (len(sessions), summary["sessions"], summary["unreadable"]) == (11, 11, 0)
    assert summary["models"]["kimi/kimi2.5"]["failures"] == sum(
        int(row["failed_entries"])
        for name, rows in EXPECTED.items()
        for row in rows
        if row["model"] == "kimi/kimi2.5" and name.startswith(OLD.name) and ".reset." not in name
    )
    stored, _ = audited(new_home(tmp_path / "new"))
    again, _ = audited(NEW / "openclaw-agent.sqlite", "--config", NEW / "openclaw.json")
    keys = ("sessionId", "models", "findings", "events")
    assert [[one[key] for key in keys] for one in stored] == [[one[key] for key in keys] for one in again]
    assert one(NEW / "openclaw-agent.sqlite", "--session", "agent:main:n6")["sessionId"].startswith("a5dc14f4")


def folder_of(tmp_path: Path, sessions: int) -> Path:
    """So many sessions that failed twice in a second; every tenth is damaged."""
    folder = tmp_path / "sessions"
    folder.mkdir()
    for number in range(sessions):
        draft = Draft(f"s{number:03}")
        draft.failed("kimi/kimi2.5", timestamp="2026-04-02T04:55:40.000Z")
        draft.switch("zhipu/glm-5.1", "fallback", timestamp="2026-04-02T04:55:40.001Z")
        draft.failed("kimi/kimi2.5", timestamp="2026-04-02T04:55:41.000Z")
        data = draft.data
        if number % 10 == 0:
            data = data.replace(b"rate_limit", b"rate_Limit", 1)
        (folder / f"s{number:03}.jsonl").write_bytes(data)
    return folder


def test_a_tenth_is_damaged_all_are_counted_and_none_is_fatal(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, 40)
    (folder / "s999.jsonl").write_bytes(b"\0" * 100 + b"\xff\xfe not a transcript\n")
    (folder / "s998.jsonl").symlink_to("nowhere")
    (folder / "s997.jsonl").mkdir()
    sessions, summary = audited(folder, code=1)
    assert (summary["sessions"], summary["damaged"], summary["unreadable"]) == (41, 4, 0)
    assert summary["sessionsByKind"] == {"damaged_log": 4, "attempted_while_cooling": 36}
    assert summary["models"]["kimi/kimi2.5"]["failures"] == 36 * 2 + 4
    assert summary["total"]["wastedAttempts"] == summary["total"]["withMemory"]["savedFailures"] == 36
    assert [one["worst"] for one in sessions[:2]] == ["critical", "warning"]


def test_several_processes_tell_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path, 40)
    shutil.copy(NEW / "openclaw-agent.sqlite", tmp_path)
    arguments = (folder, tmp_path / "openclaw-agent.sqlite", INCIDENT)
    stop = ProcessPoolExecutor.shutdown
    alone = within("audit", "--json", *arguments)
    monkeypatch.setattr(command, "ALONE", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    pools: list[None] = []
    monkeypatch.setattr(ProcessPoolExecutor, "shutdown", lambda self, **how: pools.append(stop(self, **how)))
    together = within("audit", "--json", *arguments)
    assert len(pools) == 1
    assert (together.returncode, together.stdout) == (alone.returncode, alone.stdout)
    assert len(together.stdout.splitlines()) == 40 + 6 + 1 + 1


def test_a_log_that_can_not_be_read_is_counted_and_ends_nothing(tmp_path: Path) -> None:
    folder, gone = folder_of(tmp_path, 3), tmp_path / "several.log"
    gone.write_bytes((OLD / "gateway-console.1431-fallback-kill-term.log").read_bytes())
    sessions, summary = audited(gone, folder, "--session", "s001", code=1)
    assert [one.get("unreadable") is not None for one in sessions] == [True, False]
    assert (summary["sessions"], summary["unreadable"], summary["affected"]) == (2, 1, 1)
    assert "tells of no session" in within("audit", gone, folder, "--session", "s001").stdout
    done = within("audit", folder, tmp_path / "nothing.jsonl")
    assert (done.returncode, "there is no such file" in done.stderr) == (3, True)
    assert within("audit", NEW / "openclaw-agent.sqlite", "--session", "nobody").returncode == 3


# How a command is asked


@pytest.fixture
def wasteful(tmp_path: Path) -> Path:
    return folder_of(tmp_path, 2) / "s001.jsonl"


def test_the_exit_code_is_what_it_is_to_fail_on(wasteful: Path, tmp_path: Path) -> None:
    assert within("audit", wasteful).returncode == 1
    assert within("audit", wasteful, "--fail-on", "info").returncode == 1
    assert within("audit", wasteful, "--fail-on", "critical").returncode == 0
    assert within("audit", wasteful, "--fail-on", "never").returncode == 2
    healthy = Draft("healthy")
    healthy.record("attempt_succeeded", model="a/b")
    path = tmp_path / "healthy.jsonl"
    path.write_bytes(healthy.data)
    done = within("audit", path)
    assert (done.returncode, "nothing" in done.stdout) == (0, True)


def test_filters_choose_what_is_told(wasteful: Path) -> None:
    for options, count in (
        (("--model", "kimi/kimi2.5"), 1),
        (("--model", "zhipu/glm-5.1"), 0),
        (("--provider", "kimi"), 1),
        (("--reason", "auth"), 0),
        (("--since", "2026-04-02T04:55:41Z"), 1),
        (("--until", "2026-04-02T04:55:41Z"), 0),
        (("--since", "-1h", "--now", "2026-04-02T05:00:00Z"), 1),
        (("--since", "-1h", "--now", "2026-04-02T09:00:00Z"), 0),
    ):
        assert len(one(wasteful, *options, code=count)["findings"]) == count, options


def test_a_pipe_tells_what_the_file_tells(wasteful: Path) -> None:
    for log in (wasteful, INCIDENT, SEED / "17a309d8.three-restarts.gateway.log"):
        piped = json.loads(within("audit", "--json", "-", stdin=log.read_bytes()).stdout.splitlines()[0])
        named = one(log)
        for fields in (piped, named):
            del fields["log"], fields["sessionId"]
        assert piped == named


def test_a_log_named_twice_is_audited_once(wasteful: Path) -> None:
    assert audited(wasteful, wasteful)[1]["sessions"] == 1


def test_many_sessions_are_told_in_sums_and_the_worst(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, 12)
    done = within("audit", folder)
    assert "12 sessions" in done.stdout
    assert "2 damaged" in done.stdout
    assert "attempted_while_cooling" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if str(folder) not in line) <= 80  # a name is whole
