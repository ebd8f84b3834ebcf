"""The three rooms keep their laws: read from the syntax of every module, and each check is shown to be able to fail."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
ROOMS: Final = ("replay", "eventlog", "cli")

PURE: Final = frozenset(
    {
        "collections",
        "collections.abc",
        "contextlib",
        "dataclasses",
        "datetime",
        "email.utils",
        "enum",
        "functools",
        "hashlib",
        "itertools",
        "math",
        "msgspec",
        "msgspec.structs",
        "re",
        "types",
        "typing",
    }
)
"""What ``replay`` may import: of the standard library nothing that has a file, clock, environment or randomness."""

IMPURE_NAMES: Final = frozenset({"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"})
IMPURE_METHODS: Final = frozenset({"now", "utcnow", "today", "fromtimestamp", "decode", "localtime", "formatdate"})
"""A clock, the local time zone, bytes: by the name of the method, whatever it is called on."""

FACES: Final = frozenset({"typer", "rich"})
HEAVY: Final = frozenset({"typer", "rich", "watchfiles"})
SYSTEM_CALLS: Final = frozenset({"open", "write", "fsync", "fdatasync", "pwrite", "writev", "ftruncate", "truncate"})
STREAMS: Final = frozenset({"stdout", "stderr", "__stdout__", "__stderr__"})

Check = Callable[[ast.Module], Iterator[str]]


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(tree: ast.AST) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """Each imported module, the names that are taken from it, and the line; wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((one.name, (), node.lineno) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), tuple(one.name for one in node.names), node.lineno
        elif isinstance(node, ast.Call) and called(node)[1] in {"import_module", "__import__"} and node.args:
            what = node.args[0]
            yield (str(what.value) if isinstance(what, ast.Constant) else "?"), (), node.lineno


def called(node: ast.Call) -> tuple[str | None, str | None]:
    """What is called: (``os``, ``open``) for ``os.open(…)``, (None, ``open``) for ``open(…)``."""
    match node.func:
        case ast.Name(name):
            return None, name
        case ast.Attribute(ast.Name(holder), name):
            return holder, name
        case ast.Attribute(_, name):
            return "", name
    return None, None


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


# The laws.


def replay_imports_only_what_is_pure(tree: ast.Module) -> Iterator[str]:
    for module, names, line in imported(tree):
        whole = {module, *(f"{module}.{name}" for name in names)} & PURE
        if not whole and not within(module, "replay"):
            yield f"line {line} imports {module}"


def replay_touches_nothing(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        holder, name = called(node)
        bare = holder is None and name in IMPURE_NAMES
        local = name == "astimezone" and not node.args and not node.keywords
        if bare or (holder is not None and name in IMPURE_METHODS) or local:
            yield f"line {node.lineno} calls {name}"


def eventlog_never_prints(tree: ast.Module) -> Iterator[str]:
    for module, names, line in imported(tree):
        if within(module, *FACES):
            yield f"line {line} imports {module}"
        if module == "sys" and STREAMS & set(names):
            yield f"line {line} takes a stream"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in {(None, "print"), (None, "input")}:
            yield f"line {node.lineno} prints"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "sys" and node.attr in STREAMS:
            yield f"line {node.lineno} uses sys.{node.attr}"


def nothing_imports_cli(tree: ast.Module) -> Iterator[str]:
    for module, names, line in imported(tree):
        if within(module.lstrip("."), "cli") or (module.startswith(".") and "cli" in names):
            yield f"line {line} imports {module}"


def only_file_calls_the_system(tree: ast.Module) -> Iterator[str]:
    for module, names, line in imported(tree):
        if within(module, "fcntl", "posix") or (module == "os" and SYSTEM_CALLS & set(names)):
            yield f"line {line} imports {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            holder, name = node.value.id, node.attr
            if holder == "fcntl" or (holder == "os" and name in SYSTEM_CALLS):
                yield f"line {node.lineno} uses {holder}.{name}"


def its_head_tells_its_law(tree: ast.Module) -> Iterator[str]:
    head = ast.get_docstring(tree)
    if head is None:
        yield "has no docstring"
    elif "Law:" not in head:
        yield "its docstring states no law"


def it_says_what_it_offers(tree: ast.Module) -> Iterator[str]:
    offered = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(one) for one in node.targets] == ["__all__"]
    ]
    typed = [node.body for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    taken = [node for node in chain(tree.body, *typed) if isinstance(node, ast.ImportFrom) and node.module != "typing"]
    names = {name.asname or name.name for node in taken for name in node.names}
    if len(offered) != 1 or not isinstance(offered[0], ast.List):
        yield "has no explicit __all__"
        return
    said = [one.value for one in offered[0].elts if isinstance(one, ast.Constant)]
    if not said or len(said) != len(offered[0].elts) or set(said) - names:
        yield "its __all__ names what it does not have"
    elif names - set(said):
        yield f"imports what its __all__ leaves out: {sorted(names - set(said))}"


LAWS: Final[dict[Check, list[Path]]] = {
    replay_imports_only_what_is_pure: modules("replay"),
    replay_touches_nothing: modules("replay"),
    eventlog_never_prints: modules("eventlog"),
    nothing_imports_cli: [*modules("replay"), *modules("eventlog")],
    only_file_calls_the_system: [path for path in modules("eventlog") if path.name != "file.py"],
    its_head_tells_its_law: [path for room in ROOMS for path in modules(room)],
    it_says_what_it_offers: [ROOT / "replay" / "__init__.py", ROOT / "eventlog" / "__init__.py"],
}


@pytest.mark.parametrize(
    ("law", "path"),
    [(law, path) for law, paths in LAWS.items() for path in paths],
    ids=lambda value: name_of(value) if isinstance(value, Path) else value.__name__,
)
def test_a_module_keeps_the_law(law: Check, path: Path) -> None:
    assert list(law(ast.parse(path.read_text(encoding="utf-8"), str(path)))) == []


@pytest.mark.parametrize(
    ("law", "source"),
    [
        *(
            (replay_imports_only_what_is_pure, source)
            for source in (
                "import os",
                "import re, time",
                "from pathlib import Path",
                "import logging",
                "import random",
                "import eventlog",
                "from cli import app",
                "from . import classify",
                "from email import message_from_string",
                "import replays",
                "def later():\n    import socket",
                "def later():\n    return __import__('os')",
            )
        ),
        *(
            (replay_touches_nothing, source)
            for source in (
                "open('x')",
                "print()",
                "input()",
                "exec('x')",
                "eval('x')",
                "datetime.now()",
                "datetime.datetime.now(UTC)",
                "clock().now()",
                "datetime.utcnow()",
                "date.today()",
                "datetime.fromtimestamp(0)",
                "x.astimezone()",
                "b'x'.decode()",
                "utils.localtime()",
                "def f():\n    return [print(x) for x in y]",
            )
        ),
        *(
            (eventlog_never_prints, source)
            for source in (
                "print('x')",
                "import rich",
                "from rich.console import Console",
                "import typer",
                "sys.stdout.write('x')",
                "sys.stderr.flush()",
                "from sys import stderr",
                "out = sys.__stdout__",
                "def later():\n    from typer import echo",
            )
        ),
        *(
            (nothing_imports_cli, source)
            for source in (
                "import cli",
                "import cli.app",
                "from cli import render",
                "from cli.app import main",
                "from .. import cli",
                "from ..cli import app",
                "if TYPE_CHECKING:\n    import cli.app",
                "importlib.import_module('cli.app')",
            )
        ),
        *(
            (only_file_calls_the_system, source)
            for source in (
                "os.open('x', 0)",
                "os.write(1, b'')",
                "os.fsync(1)",
                "os.fdatasync(1)",
                "fcntl.flock(1, 2)",
                "import fcntl",
                "from fcntl import flock",
                "from os import fsync",
                "write = os.write",
                "os.ftruncate(1, 0)",
            )
        ),
        *(
            (its_head_tells_its_law, source)
            for source in ("", "x = 1", '"""A module."""', "# Law: none", 'x = 1\n"""Law: too late."""')
        ),
        *(
            (it_says_what_it_offers, source)
            for source in (
                "",
                "from a import b",
                "__all__ = []",
                "__all__ = names()",
                "__all__ = ['b']",
                "from a import b, c\n__all__ = ['b']",
                "from a import b\n__all__ = ['b', 'c']",
                "from a import b\n__all__ = ['b', *more]",
            )
        ),
    ],
    ids=lambda value: repr(value) if isinstance(value, str) else value.__name__,
)
def test_the_check_finds_a_breach(law: Check, source: str) -> None:
    assert list(law(ast.parse(source))) != []


@pytest.mark.parametrize(
    ("law", "source"),
    [
        (replay_imports_only_what_is_pure, "import re\nfrom email.utils import parsedate_to_datetime"),
        (
            replay_imports_only_what_is_pure,
            "from collections import abc\nfrom replay.events import Event\nimport replay",
        ),
        (replay_touches_nothing, "re.compile('x'), x.astimezone(UTC), decide(now), state.open, opened()"),
        (eventlog_never_prints, "sys.stdin.buffer.read(1), file.write(fd, data), pprint(x)"),
        (nothing_imports_cli, "import click\nfrom client import cli_name\nimport replay"),
        (only_file_calls_the_system, "os.lstat(p), file.write(fd, b''), os.path.exists(p), os.getpid()"),
        (its_head_tells_its_law, '"""A module.\n\nLaw: pure.\n"""'),
        (it_says_what_it_offers, "from a import b, c as d\n__all__ = ['b', 'd']"),
        (
            it_says_what_it_offers,
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a import b\n__all__ = ['b']",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else value.__name__,
)
def test_the_check_lets_what_is_right_pass(law: Check, source: str) -> None:
    assert list(law(ast.parse(source))) == []


# The laws that only files and a running interpreter show.


def test_every_room_was_looked_at() -> None:
    """A law over no modules would always hold."""
    for law, paths in LAWS.items():
        assert paths, law.__name__
        assert all(path.is_file() for path in paths)
    assert {"decide.py", "state.py", "classify.py"} <= {path.name for path in modules("replay")}
    assert {"session.py", "append.py", "file.py"} <= {path.name for path in modules("eventlog")}
    assert any(only_file_calls_the_system(ast.parse((ROOT / "eventlog" / "file.py").read_text(encoding="utf-8"))))


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_typed(room: str) -> None:
    assert (ROOT / room / "py.typed").is_file()


@pytest.mark.parametrize(
    ("source", "heavy"),
    [("import eventlog", False), ("import replay", False), ("import replay, eventlog, rich", True)],
)
def test_importing_a_room_is_light(source: str, heavy: bool) -> None:
    """A gateway pays for what it uses. The last source shows that the test can see it."""
    told = f"{source}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-c", told]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert bool(HEAVY & set(loaded)) is heavy
    assert "cli" not in loaded
    assert ("eventlog" in loaded) is ("eventlog" in source)
