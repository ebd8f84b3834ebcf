"""The pages' console blocks: each command, and the output that stands beneath it.

Law: what a page shows is what the command prints. ``python tests/pages.py`` runs every block that shows an output and
writes what came; the tests run them and compare. ``~`` is a home made of OpenClaw's recordings.
"""

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commands import ROOT, switchlog
from openclaw_homes import old_home

PAGES: Final = ("README.md", "docs/openclaw.md", "docs/cookbook.md")
BLOCK: Final = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A command with its output; ``ends``: the exit code, where the page says ``(exit code 1)`` behind the command."""

    command: str
    output: str
    ends: int

    @property
    def words(self) -> list[str]:
        return shlex.split(self.command, comments=True)[1:]

    def run(self, home: Path) -> tuple[int, str]:
        """Its exit code and what it prints now."""
        words = [word.replace("~", str(home), 1) if word.startswith("~") else word for word in self.words]
        done = switchlog(*words, cwd=ROOT)
        return done.returncode, done.stdout.replace(str(home), "~")


def blocks(page: str) -> Iterator[Block]:
    """Those of a page that show an output."""
    for text in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        first, _, output = text.partition("\n")
        if first.startswith("$ ") and not output.startswith("$ ") and output:
            code = re.search(r"# .*exit code (\d+)", first)
            yield Block(first.removeprefix("$ "), output, int(code[1]) if code else 0)


def commands(page: str) -> Iterator[list[str]]:
    """The words of every command of ours that a page names in a console block."""
    for text in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        for line in text.splitlines():
            if line.startswith("$ switchlog "):
                yield shlex.split(line.removeprefix("$ switchlog "), comments=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder
        old_home(Path(folder) / ".openclaw")
        for page in sys.argv[1:] or PAGES:
            path = ROOT / page
            text = path.read_text(encoding="utf-8")
            for block in blocks(page):
                code, output = block.run(Path(folder))
                if code != block.ends:
                    print(f"{page}: {block.command}: exit code {code}", file=sys.stderr)
                text = text.replace(f"$ {block.command}\n{block.output}", f"$ {block.command}\n{output}")
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
