"""Mutants: copies of ``replay`` or ``eventlog`` with one deliberate break, and the laws tried on them.

A law that no broken code can fail says nothing. So each has at least one mutant that it must catch, and a control, a
copy that is not broken, that it must let pass. A mutant is one exact replacement in a module's source; where the old
text isn't there exactly once, the mutant is stale and says so.

The laws run in a process of their own, forked from a server that has pytest and hypothesis loaded, for loading them
takes longer than most laws. This module never imports what it breaks: the process must find the copy, and so must the
processes that a test starts.
"""

import importlib.util
import multiprocessing
import os
import shutil
import sys
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import pytest

TESTS: Final = Path(__file__).resolve().parent
PATIENCE: Final = 120  # seconds
_processes: Final = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["pytest", "hypothesis.strategies"])


@dataclass(frozen=True)
class Mutant:
    """In ``module`` of ``room``, ``old`` (once there) becomes ``new``."""

    name: str
    module: str
    old: str
    new: str
    room: str = "replay"


@dataclass(frozen=True)
class Verdict:
    """What a run of laws said: pytest's exit code, the types of what was raised, and everything it printed."""

    exit_code: int
    raised: frozenset[str]
    output: str


class StaleMutantError(Exception):
    """The code has changed under a mutant: it has to be cut anew."""


def plant(mutant: Mutant, folder: Path) -> Path:
    """A copy of the mutant's room in ``folder``, broken as it says; its ``__init__.py``."""
    spec = importlib.util.find_spec(mutant.room)
    assert spec is not None
    assert spec.origin is not None
    copy = folder / mutant.room
    shutil.copytree(Path(spec.origin).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    module = copy / f"{mutant.module}.py"
    text = module.read_text(encoding="utf-8")
    if (found := text.count(mutant.old)) != 1:
        raise StaleMutantError(f"{mutant.name}: {module.name} holds {found} times, not once: {mutant.old!r}")
    module.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    return copy / "__init__.py"


def try_laws(mutant: Mutant, folder: Path, *laws: str, profile: str = "mutant") -> Verdict:
    """Run ``laws`` (``file.py::test``) on the mutant."""
    planted = plant(mutant, folder)
    ours, theirs = _processes.Pipe(duplex=False)
    child = _processes.Process(target=_run, args=(folder, mutant.room, laws, profile, theirs))
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("COVERAGE_", "COV_", "PYTEST_")):  # no part of what is measured or set up here
                patch.delenv(name)
        child.start()
    theirs.close()
    child.join(PATIENCE)
    if child.is_alive():
        child.kill()
        child.join()
    output = (folder / "output.txt").read_text(encoding="utf-8")
    if not ours.poll():
        raise AssertionError(f"the laws came to no end (exit code {child.exitcode}):\n{output}")
    exit_code, raised, imported = ours.recv()
    ours.close()
    child.close()
    if imported != str(planted):
        raise AssertionError(f"the laws were tried on {imported}, not on {planted}:\n{output}")
    return Verdict(exit_code, raised, output)


@dataclass
class _Witness:
    """A pytest plugin that notes what the laws failed with."""

    raised: set[str] = field(default_factory=set)

    def pytest_exception_interact(self, call: pytest.CallInfo[Any]) -> None:
        if call.excinfo is not None:
            self.raised.add(call.excinfo.typename)


def _run(folder: Path, room: str, laws: tuple[str, ...], profile: str, channel: Connection) -> None:
    """In the process of its own: run the laws on the copy in ``folder`` and tell how it went."""
    with (folder / "output.txt").open("w", encoding="utf-8") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.chdir(folder)
    os.environ |= {"HYPOTHESIS_PROFILE": profile, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(folder)}
    sys.path[:0] = [str(folder), str(TESTS)]
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "--tb=short", "--assert=plain"]
    arguments += ["-c", str(TESTS.parent / "pyproject.toml"), *(str(TESTS / law) for law in laws)]
    witness = _Witness()
    exit_code = pytest.main(arguments, plugins=[witness])
    channel.send((int(exit_code), frozenset(witness.raised), sys.modules[room].__file__))
