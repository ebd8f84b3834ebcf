"""The types as somebody else's type checker sees them: the README's Python against the built wheel, in strict mode."""

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT

pytestmark = pytest.mark.slow

STUBS = '''
"""A client and an HTTP library that have types of their own."""

from typing import Protocol

class Response(Protocol):
    status_code: int
    def json(self) -> dict[str, str]: ...

class Client(Protocol):
    def chat(self, model: str, messages: list[str]) -> str: ...
    async def achat(self, model: str, messages: list[str]) -> str: ...

class Http(Protocol):
    def post(self, url: str, *, json: object) -> Response: ...

client: Client
http: Http
messages: list[str] = []
url = "https://provider.example/v1/chat"

async def ask_async(model: str) -> str:
    return await client.achat(model, messages)
'''
"""What the README takes for granted."""

FORMS = """
from datetime import datetime, timedelta
from typing import assert_type

from eventlog import (
    AllModelsFailed, Attempt, Attempts, Chain, Cooldown, Events, MisuseError, Policy, Report, Session, Sessions,
    read_events,
)
from first import ask, session
from gateway import ask_async, client, http, messages, url
from replay import Decision, ModelState, Recorded, fold

async def turn() -> str:
    return await session.acall(ask_async, turn="t-42")

async def turn_by_hand() -> str | None:
    areply: str | None = None
    async for attempt in session.attempts(turn="t-42"):
        async with attempt:
            attempt.first_byte()
            areply = await client.achat(attempt.model, messages)
    return areply

assert_type(session, Session)
assert_type(session.call(ask), str)
assert_type(session.call(lambda model: client.chat(model, messages), turn="t-42"), str)
assert_type(session.call(lambda model: http.post(url, json={"model": model})).status_code, int)
assert_type(session.attempts(), Attempts)
assert_type(session.state, ModelState)
assert_type(session.state.current, str | None)
assert_type(session.decide(), Decision)
assert_type(session.degraded, str | None)
assert_type(session.switch("zhipu/glm-5.1"), bool)
assert_type(session.failed("kimi/kimi2.5", reason="rate_limit", status=429, retry_after_ms=7000), bool)
assert_type(session.succeeded("kimi/kimi2.5", turn="t-42"), bool)
assert_type(session.clear("kimi/kimi2.5"), bool)
assert_type(session.unpin(), bool)
assert_type(read_events("a.jsonl"), Events)
assert_type(fold(read_events("a.jsonl")), ModelState)
assert_type(read_events("a.jsonl").report, Report)

async def answers() -> None:
    assert_type(await session.acall(ask_async), str)

def the_loop() -> str:
    for attempt in session.attempts(chain=Chain("local/qwen2.5:14b")):
        assert_type(attempt, Attempt)
        with attempt as same:
            assert_type(same, Attempt)
            return client.chat(attempt.model, messages)
    raise AssertionError("what the attempts end with is an answer or an error")  # reached: `with attempt:` swallows

def positions(recorded: Recorded) -> int:
    return recorded.position

def when_free() -> datetime | None:
    try:
        session.call(ask)
    except AllModelsFailed as error:
        return error.retry_at
    except MisuseError:
        raise
    return None

policy = Policy(cooldowns={"timeout": Cooldown(timedelta(minutes=1), timedelta(hours=1))}, force=False)
with Sessions("sessions", chain=Chain("kimi/kimi2.5"), policy=policy).open("17a309d8") as other:
    assert_type(other, Session)
"""

WRONG = """
from eventlog import Session
from first import ask, session

session.call(ask, trun="t-42")
session.failed("kimi/kimi2.5", status="429")
number: int = session.call(ask)
Session.open("a.jsonl", durability="disc")
"""
MISTAKES = {5, 6, 7, 8}
"""Their lines. A checker that is silent about them has not seen our types."""


def run(*command: str | Path, cwd: Path, ok: bool = True) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE", "MYPY"))}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not ok, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of somebody else's: an environment with the wheel and mypy, and the module."""
    folder = tmp_path_factory.mktemp("consumer")
    pip = ["-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=True)
    run(folder / "env" / "bin" / "python", *pip, "install", wheel, "mypy", "pyright", cwd=folder)
    first, *others = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert others
    given = "from gateway import ask_async, client, http, messages, url\n"
    modules = {"gateway": STUBS, "first": given + first, "forms": FORMS}
    modules |= {f"other{number}": f"{given}from first import ask, session\n{it}" for number, it in enumerate(others)}
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "wrong").mkdir()
    (folder / "wrong" / "wrong.py").write_text(WRONG)
    return folder


def test_mypy_in_strict_mode_has_nothing_to_say(place: Path) -> None:
    mypy = [place / "env" / "bin" / "python", "-m", "mypy", "--strict", "--enable-error-code", "possibly-undefined"]
    assert "Success" in run(*mypy, *place.glob("*.py"), cwd=place)
    told = run(*mypy, "wrong/wrong.py", cwd=place, ok=False)
    assert {int(line.split(":")[1]) for line in told.splitlines() if ": error:" in line} == MISTAKES


def pyright(place: Path, *modules: Path) -> list[dict[str, Any]]:
    """What pyright in strict mode says of the modules: errors and warnings."""
    include = [str(module.relative_to(place)) for module in modules]
    # What a module does not use of the names that all of them are given is no matter of types.
    settings = {"typeCheckingMode": "strict", "reportUnusedImport": False, "venvPath": ".", "venv": "env"}
    (place / "pyrightconfig.json").write_text(json.dumps(settings | {"include": include}))
    told = json.loads(run(*checker(place), "--outputjson", cwd=place, ok=False))
    assert told["summary"]["filesAnalyzed"] == len(modules)
    found: list[dict[str, Any]] = told["generalDiagnostics"]
    return found


def checker(place: Path) -> list[str | Path]:
    """PyPI's pyright fetches itself by npm when it first runs; where it can't, we fetch it so; else the test is off."""
    packaged: list[str | Path] = [place / "env" / "bin" / "python", "-m", "pyright"]
    if "pyright" in run(*packaged, "--version", cwd=place, ok=False):
        return packaged
    local = place / "node_modules" / ".bin" / "pyright"
    if not local.exists():
        try:
            run("npm", "install", "--silent", "--no-audit", "--no-fund", "pyright", cwd=place)
        except (AssertionError, FileNotFoundError) as error:
            pytest.skip(f"pyright can be fetched neither by its package nor by npm: {error}"[:300])
    return [local]


def test_pyright_in_strict_mode_has_nothing_to_say(place: Path) -> None:
    assert [(one["file"], one["range"]["start"], one["message"]) for one in pyright(place, *place.glob("*.py"))] == []
    found = pyright(place, place / "wrong" / "wrong.py")
    assert {one["range"]["start"]["line"] + 1 for one in found if one["severity"] == "error"} == MISTAKES
