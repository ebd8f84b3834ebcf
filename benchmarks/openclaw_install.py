"""OpenClaw, and a Node that is new enough for it, as npm packages in a folder of their own.

Law: a folder that holds the right versions is used as it is; one that could not be filled is left empty.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

VERSION: Final = "2026.3.28"
NODE: Final = "22"


class Programs(NamedTuple):
    """What has to be there: a Node that is new enough, and OpenClaw's command."""

    node: Path
    openclaw: Path


def install(cache: Path) -> Programs:
    """Node and OpenClaw as npm packages in ``cache``, which is used again as it is if they are there."""
    modules = cache / "node_modules"
    programs = Programs(modules / "node" / "bin" / "node", modules / "openclaw" / "openclaw.mjs")
    if _version(modules / "openclaw") == VERSION and _version(modules / "node").startswith(f"{NODE}."):
        return programs
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is needed: it comes with Node.js (apt install npm, brew install node, or nodejs.org)")
    cache.mkdir(parents=True, exist_ok=True)
    wanted = (f"node@{NODE}", f"openclaw@{VERSION}")
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(cache), *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (npm, found above)
    if done.returncode != 0 or not all(one.exists() for one in programs):
        shutil.rmtree(modules, ignore_errors=True)
        raise SystemExit(f"npm could not install {' and '.join(wanted)}:\n{done.stderr[-2000:]}")
    return programs


def _version(package: Path) -> str:
    try:
        return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])
    except OSError:
        return ""
