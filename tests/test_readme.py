"""What the README shows is what happens: its Python runs, its commands print what stands beneath them."""

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import ROOT, switchlog

TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_its_python_answers_and_remembers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[str] = []

    def chat(model: str, messages: object) -> str:
        asked.append(model)
        if model == "kimi/kimi2.5":
            raise TimeoutError
        return f"reply from {model}"

    def post(url: str, json: dict[str, str]) -> SimpleNamespace:
        asked.append(json["model"])
        return SimpleNamespace(status_code=200, headers={}, text="ok")

    names: dict[str, object] = {
        "client": SimpleNamespace(chat=chat),
        "http": SimpleNamespace(post=post),
        "messages": [],
        "url": "",
    }
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102  (that is the point)
    assert asked == ["kimi/kimi2.5", "zhipu/glm-5.1", "zhipu/glm-5.1"]
    assert (tmp_path / "sessions" / "17a309d8.jsonl").exists()


def test_its_commands_print_what_stands_beneath_them() -> None:
    shown = [block for block in blocks("console") if any(not line.startswith("$") for line in block.splitlines())]
    assert shown
    for block in shown:
        command, _, expected = block.partition("\n")
        _, name, *arguments = shlex.split(command.removeprefix("$ "))
        assert switchlog(name, *arguments, cwd=ROOT).stdout == expected


def test_every_command_it_names_exists() -> None:
    named = set(re.findall(r"\bswitchlog ([a-z]+)\b", "\n".join(blocks("console"))))
    assert named == {"show", "next", "replay", "pin", "clear", "verify", "repair", "import"}
    listed = switchlog("--help").stdout
    assert all(re.search(rf"^  {name} ", listed, re.MULTILINE) for name in named)


def test_every_file_it_links_to_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert links
    assert all((ROOT / link).exists() for link in links)
