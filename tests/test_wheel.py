"""The built wheel, and not this tree: what it holds, and that it runs where nothing else is installed."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from commands import INCIDENT, ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", wheel], check=True, capture_output=True)
    return folder / "bin"


def run(*command: str | Path, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_holds_three_packages_their_types_and_the_incident_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"cli", "eventlog", "replay"}
    assert {f"{package}/py.typed" for package in ("cli", "eventlog", "replay")} <= set(names)
    assert zipfile.ZipFile(wheel).read("cli/incident.log") == INCIDENT.read_bytes()
    assert any(name.endswith("LICENSE") for name in names)
    tree = {
        str(path.relative_to(ROOT)) for room in ("cli", "eventlog", "replay") for path in (ROOT / room).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == tree


def test_it_runs_in_an_empty_environment(scripts: Path, tmp_path: Path) -> None:
    assert run(scripts / "switchlog", "--version", cwd=tmp_path).startswith("switchlog 0.")
    code = "import cli, eventlog, replay; print(cli.__file__, eventlog.__file__, replay.__file__)"
    assert str(ROOT) not in run(scripts / "python", "-c", code, cwd=tmp_path)
    shown = json.loads(run(scripts / "switchlog", "show", INCIDENT, "--json", cwd=tmp_path))
    assert shown["currentModel"] == "kimi/kimi2.5"


def test_its_demo_wastes_nothing_with_the_log(scripts: Path, tmp_path: Path) -> None:
    told = json.loads(run(scripts / "switchlog", "demo", "--json", "--into", tmp_path / "demo", cwd=tmp_path))
    wasted = {one["memory"]: one["wastedAttempts"] for one in told["runs"]}
    assert wasted["switchlog"] == 0
    assert wasted["ram"] >= told["kills"]
