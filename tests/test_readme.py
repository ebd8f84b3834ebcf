"""The README's Python runs, and remembers. (Its commands: test_pages.)"""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import ROOT

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
