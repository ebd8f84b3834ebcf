"""What the pages show is what happens, in 80 columns."""

import re
from pathlib import Path

import pytest
from commands import ROOT, switchlog
from openclaw_homes import old_home
from pages import PAGES, Block, blocks, commands
from test_openclaw_shown import WITHOUT_TRACE

OPENCLAW = (ROOT / "docs" / "openclaw.md").read_text(encoding="utf-8")
ON_CALL = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8").partition("## A restart")[0]
EVERY = [(page, block) for page in PAGES for block in blocks(page)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    old_home(folder / ".openclaw")
    return folder


@pytest.mark.parametrize(("page", "block"), EVERY, ids=[f"{page}: {block.command[:50]}" for page, block in EVERY])
def test_a_command_prints_what_stands_beneath_it(
    page: str, block: Block, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    assert block.run(home) == (block.ends, block.output)


def test_on_call_nobody_has_to_scroll_for_an_answer() -> None:
    on_call = [block for block in blocks("docs/cookbook.md") if block.command in ON_CALL]
    assert len(on_call) >= 7
    for block in on_call:
        assert block.output.count("\n") < 24, block.command
        assert max(map(len, block.output.splitlines())) <= 80, block.command


@pytest.mark.parametrize("page", PAGES)
def test_each_page_shows_something(page: str) -> None:
    assert list(blocks(page))


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_option_that_a_page_names_is_there(page: str) -> None:
    usages: dict[str, str] = {}
    for name, *words in commands(page):
        usage = usages.setdefault(name, switchlog(name, "--help").stdout)
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        lacking = [one for one in options if not re.search(rf"^  (-\w, )?{one}\b", usage, re.MULTILINE)]
        assert not lacking, f"{name} has no {lacking}"


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|replay|fixtures|docs|benchmarks)/[\w./-]+)`", text)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    there = [(ROOT / page).parent / link for link in links if link] + [ROOT / name for name in named]
    assert all(path.exists() for path in there), [path for path in there if not path.exists()]


def test_the_failures_without_a_trace_are_counted_as_the_tests_do() -> None:
    new = sum(not session.startswith("64ce51d2") for session, _ in WITHOUT_TRACE)
    assert re.search(r"(\w+) pairs of session and model\s+failed without a trace", OPENCLAW)[1] == {6: "six"}[new]  # type: ignore[index]
