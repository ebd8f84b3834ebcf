"""What tampering each kind of evidence shows: a cell of the table is a test.

Law: whoever can write the file but has no key can forge what the table says he can, and nothing more. The table of
docs/guarantees.md is this one.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from commands import ROOT
from logs import SEAL_BYTES, Draft, seal_of, sealed
from typer.testing import CliRunner

from cli.app import app
from eventlog import Session
from eventlog.keys import Keys
from eventlog.protection import Protection
from eventlog.reader import Reader

NAME: Final = "17a309d8"
SECRET: Final = "k1 " + "5f" * 32
COLUMNS: Final = ("seals and chain", "with a key", "with an anchor", "with both")

Lines = list[bytes]


def reseal(lines: Lines, start: int = 1) -> Lines:
    """What somebody without a key can do: the chain made anew from ``start`` on, proofs left out."""
    done = lines[:start]
    prev = seal_of(done[-1]) if start > 1 else None
    for line in lines[start:]:
        fields = json.loads(line)
        for key in ("mac", "seal"):
            fields.pop(key, None)
        fields["prev"] = prev
        done.append(sealed(fields))
        prev = seal_of(done[-1])
    return done


def edited(line: bytes) -> bytes:
    assert b"kimi/2" in line or b"kimi/5" in line
    return re.sub(rb"kimi/[25]", b"evil/1", line)


def forged(lines: Lines, at: int) -> bytes:
    """A record of the attacker's own, chained behind ``lines[at - 1]``."""
    fields = json.loads(lines[at - 1])
    fields.pop("mac", None)
    fields.pop("seal")
    return sealed(fields | {"id": "f" * 16, "model": "evil/1", "prev": seal_of(lines[at - 1])})


def bare(line: bytes) -> bytes:
    fields = json.loads(line)
    kept = {
        key: value for key, value in fields.items() if key not in ("v", "prev", "session", "mac", "seal", "parentId")
    }
    return json.dumps(kept).encode()


def repaired(lines: Lines) -> bytes:
    """A record that calls one altered line and the gap behind it known."""
    fields: dict[str, object] = {"type": "log_repaired", "id": "e" * 16, "session": NAME, "altered": 1, "gaps": 1}
    return sealed(fields | {"v": 1, "prev": seal_of(lines[-1])})


TAMPERING: Final[dict[str, Callable[[Lines, Lines], Lines]]] = {
    "a line edited": lambda own, _: [*own[:3], edited(own[3]), *own[4:]],
    "a line edited and sealed anew": lambda own, _: [*own[:3], *reseal([*own[:3], edited(own[3])], 3)[3:], *own[4:]],
    "the last line edited and sealed anew": lambda own, _: reseal([*own[:-1], edited(own[-1])], len(own) - 1),
    "a line deleted": lambda own, _: [*own[:3], *own[4:]],
    "a line inserted": lambda own, _: [*own[:3], forged(own, 3), *own[3:]],
    "a line added at the end": lambda own, _: [*own, forged(own, len(own))],
    "two lines swapped": lambda own, _: [*own[:2], own[3], own[2], *own[4:]],
    "a line copied from another session": lambda own, other: [*own, other[2]],
    "the end cut off": lambda own, _: own[:-2],
    "all seals stripped": lambda own, _: [own[0], *map(bare, own[1:])],
    "a line without a seal inserted": lambda own, _: [*own[:3], bare(forged(own, 3)), *own[3:]],
    "all of it edited and sealed anew": lambda own, _: reseal([*own[:3], edited(own[3]), *own[4:]]),
    "an older copy put back": lambda own, _: own[:4],
    "a line edited and called known by a forged repair": lambda own, _: [
        *own[:3],
        edited(own[3]),
        *own[4:],
        repaired(own),
    ],
}

SEEN: Final = {
    "a line edited": (True, True, True, True),
    "a line edited and sealed anew": (True, True, True, True),
    "the last line edited and sealed anew": (False, True, True, True),
    "a line deleted": (True, True, True, True),
    "a line inserted": (True, True, True, True),
    "a line added at the end": (False, True, False, True),
    "two lines swapped": (True, True, True, True),
    "a line copied from another session": (True, True, True, True),
    "the end cut off": (False, False, True, True),
    "all seals stripped": (False, True, True, True),
    "a line without a seal inserted": (False, True, True, True),
    "all of it edited and sealed anew": (False, True, True, True),
    "an older copy put back": (False, False, True, True),
    "a line edited and called known by a forged repair": (False, True, True, True),
}


def history(folder: Path, name: str, *, keyed: bool) -> Lines:
    """A log of seven records, as a gateway writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    protection = Protection(keys=Keys({"k1": bytes.fromhex("5f" * 32)})) if keyed else Protection()
    path = folder / f"{name}.jsonl"
    with Session.open(path, protection=protection) as session:
        session.switch("kimi/0", "initial")
        for number in range(1, 7):
            session.failed(f"kimi/{number if number != 6 else 5}", reason="timeout")
    return path.read_bytes().splitlines()


def verdict(folder: Path, lines: Lines, *, keyed: bool, anchors: Path | None) -> tuple[int, str]:
    path = folder / f"{NAME}.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    if keyed:
        (folder / "keys").write_text(SECRET)
        (folder / "keys").chmod(0o600)
        (folder / "switchlog.toml").write_text('key_file = "keys"\n')
    done = CliRunner().invoke(app, ["verify", str(path), *([] if anchors is None else ["--anchors", str(anchors)])])
    return done.exit_code, done.stdout


@pytest.mark.parametrize("column", range(4), ids=COLUMNS)
@pytest.mark.parametrize("tampering", TAMPERING)
def test_a_cell_of_the_table(tmp_path: Path, tampering: str, column: int) -> None:
    keyed, anchored = column in (1, 3), column in (2, 3)
    own, other = history(tmp_path / "s", NAME, keyed=keyed), history(tmp_path / "o", "another", keyed=keyed)
    anchors = tmp_path / "anchors.jsonl" if anchored else None
    code, told = verdict(tmp_path / "s", own, keyed=keyed, anchors=anchors)
    assert (code, "intact" in told) == (0, True), told
    code, told = verdict(tmp_path / "s", TAMPERING[tampering](own, other), keyed=keyed, anchors=anchors)
    assert bool(code) is SEEN[tampering][column], told
    assert code in (0, 1)


def test_the_documented_table_is_this_one() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (seen|–) \| (seen|–) \| (seen|–) \| (seen|–) \|$", text, re.MULTILINE)
    assert {row[0]: tuple(cell == "seen" for cell in row[1:]) for row in rows} == SEEN
    assert f"| {' | '.join(COLUMNS)} |" in text


def test_every_tampering_changes_the_file(tmp_path: Path) -> None:
    own, other = history(tmp_path, NAME, keyed=True), history(tmp_path, "another", keyed=True)
    assert all(len(line) > SEAL_BYTES for line in own)
    changed = [tuple(tamper(own, other)) for tamper in TAMPERING.values()]
    assert tuple(own) not in changed
    assert len(set(changed)) == len(TAMPERING) == len(SEEN)


def test_an_unsigned_repair_makes_nothing_known_where_a_key_is_set() -> None:
    """Also where events count that carry no proof."""
    draft = Draft()
    draft.failed("kimi/1")
    draft.lines[-1] = draft.lines[-1].replace(b"rate_limit", b"RATE_LIMIT")
    draft.prev = None
    draft.record("log_repaired", altered=1, gaps=0)
    for keys, damaged in ((None, False), (Keys({"k1": bytes(32)}), True)):
        reader = Reader(NAME, protection=Protection(keys=keys, accept_unsealed=True))
        reader.feed(draft.data)
        assert reader.report.pieces["event"] == 1
        assert reader.report.damaged is damaged
