"""The benchmarks measure the right thing: their data is what it claims to be, and damage in it is never folded over.

Small instances of the very data that `make bench` reads; no peer has to be installed, and nothing here is timed.
"""

import io
import json
import random
import re
from pathlib import Path

import pytest

from benchmarks import data, page, reads, worker
from benchmarks.growth import Step
from benchmarks.harness import Row, SkippedError, Spread, alternate, at_most, faster, measure, need, ratios, skipped
from eventlog import Events, Report
from replay import ModelState, fold

COUNT = 200
FLIPS = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> data.Data:
    return data.Data(tmp_path_factory.mktemp("data"))


def judged(path: Path) -> tuple[ModelState, Report]:
    events = Events(path)
    state = fold(events)
    return state, events.report


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_in_the_benchmarked_events_is_refused(seed: int, tmp_path: Path) -> None:
    out = io.BytesIO()
    data.events(out, COUNT, seed)
    whole = out.getvalue()
    path = tmp_path / f"{data.SESSION}.jsonl"
    path.write_bytes(whole)
    state, report = judged(path)
    assert (state.position, report.damaged, report.findings) == (COUNT, False, [])

    dice = random.Random(seed)
    header = whole.index(b"\n") + 1
    for _ in range(FLIPS):
        at, bit = dice.randrange(header, len(whole)), dice.randrange(8)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :])
        found, report = judged(path)
        if whole[at : at + 1] == b"\n":  # both records are whole, and told apart by their seals
            assert report.findings, (at, bit)
            continue
        assert report.damaged, (at, bit)
        assert found.position == COUNT - 1, (at, bit)


def test_the_last_record_too_is_refused_without_its_last_bit(tmp_path: Path) -> None:
    out = io.BytesIO()
    data.events(out, 3)
    path = tmp_path / f"{data.SESSION}.jsonl"
    whole = bytearray(out.getvalue())
    whole[-4] ^= 1  # the last digit of its seal
    path.write_bytes(whole)
    state, report = judged(path)
    assert (state.position, report.damaged) == (2, True)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    data.events(first, 30)
    data.events(second, 30)
    assert first.getvalue() == second.getvalue()
    path = data.Data(tmp_path).log("mixed", 200_000, data.mixed_lines)
    again = io.BytesIO()
    data.transcript(again, data.Story(data.SESSION, f"{data.SEED} mixed"), 200_000, data.mixed_lines)
    assert path.read_bytes() == again.getvalue()


@pytest.mark.parametrize(
    ("length", "least", "most"),
    [(data.long_lines, 10_000, 51_000), (data.short_lines, 250, 700), (data.mixed_lines, 400, 51_000)],
)
def test_a_transcript_has_the_lines_that_it_claims(made: data.Data, length: object, least: int, most: int) -> None:
    assert callable(length)
    path = made.log(length.__name__, 1_000_000, length)  # type: ignore[attr-defined]
    lines = path.read_bytes().splitlines()
    hosts = [line for line in lines if json.loads(line)["type"] == "message"]
    ours = [line for line in lines[1:] if json.loads(line)["type"] != "message"]
    assert least <= min(map(len, hosts)) <= max(map(len, hosts)) <= most
    assert len(hosts) + len(ours) + 1 == len(lines)
    assert 0.95e6 < path.stat().st_size < 1.1e6
    # What ripgrep counts is what we fold.
    assert sum(bool(re.search(data.PATTERN.encode(), line)) for line in lines) == len(ours)
    state, report = judged(path)
    assert (state.position, report.damaged, report.findings) == (len(ours), False, [])


def test_three_per_cent_are_ours(made: data.Data) -> None:
    path = made.log("short_lines", 3_000_000, data.short_lines)
    lines = path.read_bytes().splitlines()
    assert 0.02 < sum(b'"seal":"' in line for line in lines) / len(lines) < 0.04


def test_the_readers_agree(made: data.Data) -> None:
    path = made.log("mixed_lines", 300_000, data.mixed_lines)

    def answer(name: str) -> object:
        do, tell = worker.WORK[name]()
        return tell(do(str(path)))

    exact = answer("exact")
    assert answer("folded") == exact
    assert [answer("parsed")] == exact[:1]  # type: ignore[index]
    assert answer("bare") == len(path.read_bytes().splitlines())
    for package, name in reads.COUNTS.items():
        try:
            need(package)
        except SkippedError:
            continue
        assert [answer(name)] == exact[:1]  # type: ignore[index]


def test_the_plainest_reader_of_a_folder_agrees_with_ours(made: data.Data) -> None:
    folder = made.sessions(5, 60_000)
    for path in folder.iterdir():
        state, report = judged(path)
        assert not report.damaged
        assert reads.plainly(path) == f"{path.stem} {state.current} {state.position}"
    assert len(list(made.some_sessions(folder, 2).iterdir())) == 2


def test_every_round_has_each_contestant_once_and_the_first_is_not_counted() -> None:
    asked: list[str] = []

    def contestant(name: str, seconds: float) -> float:
        asked.append(name)
        return seconds

    times = measure({"ours": lambda: contestant("ours", 2.0), "peer": lambda: contestant("peer", 4.0)}, rounds=5)
    assert times == {"ours": [2.0] * 5, "peer": [4.0] * 5}
    assert all({*asked[at : at + 2]} == {"ours", "peer"} for at in range(0, 12, 2))
    assert len({tuple(asked[at : at + 2]) for at in range(0, 12, 2)}) == 2  # in both orders
    slow = measure({"ours": lambda: 1.0}, rounds=50, seconds=0.0)
    assert slow == {"ours": [1.0] * 3}
    done = {name: len(taken) for name, taken in alternate({"a": list, "b": dict}, rounds=4, each=3).items()}
    assert done == {"a": 4, "b": 4}


def test_a_ratio_is_made_round_by_round() -> None:
    times = {"ours": [1.0, 10.0, 3.0], "peer": [2.0, 5.0, 3.0]}
    assert ratios(times, "ours", "peer").figures == [0.5, 2.0, 1.0]
    row = at_most("work", "peer", ratios(times, "ours", "peer"), 1.0)
    assert (row.figure, row.spread, row.goal, row.met) == ("1.00 ×", "0.50 – 2.00", "≤ 1 ×", True)
    row = faster("work", "peer", ratios(times, "peer", "ours"), 1.5)
    assert (row.figure, row.goal, row.met) == ("1.00 × faster", "≥ 1.5 × faster", False)
    assert at_most("work", "peer", Spread([1.0]), None).met is None


def test_a_peer_that_is_not_here_is_skipped_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SkippedError, match="no-such-peer is not installed"):
        need("no-such-peer")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SkippedError, match="ripgrep"):
        need("rg")


def test_the_page_says_what_is_met_and_keeps_what_a_person_wrote() -> None:
    rows = [
        Row("a", "`rg -c 'x|y'`", "2 ×", "1 – 3", "≤ 1 ×", False),
        Row("b", "", "1 MB", goal="≤ 2 MB", met=True),
        Row("c", "d", "3 ×"),
        skipped("e", "rg", "ripgrep (rg) is not installed", "≤ 2 ×"),
    ]
    steps = [Step("fold", "1 MB", "1 ms", "1 ms a MB", "1 ×", "1 – 1", "rg -c")]
    old = f"before\n{page.BEGIN}\nWhere the rest goes.\n{page.END}\nafter"
    text = page.page(rows, steps, ["2026-04-02"], old)
    assert "Of 3 goals 1 are met." in text
    assert "| e, against rg | ≤ 2 × | skipped |  | ripgrep (rg) is not installed |" in text
    assert r"| a, against `rg -c 'x\|y'` | ≤ 1 × | 2 × | 1 – 3 | **not met** |" in text
    assert "| b | ≤ 2 MB | 1 MB |  | met |" in text
    assert "Where the rest goes." in text
    assert "after" not in text
    assert page.page(rows, steps, ["2026-04-02"], text) == text
