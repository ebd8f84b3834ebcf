"""Keys: who wrote a record.

Law: what was signed with a key of the ring counts; what names such a key and was not made with it doesn't, nor what
carries no proof once a proof has been seen. A key that isn't here counts and is told. Any language can compute a proof.
"""

import hashlib
import hmac
import logging
from pathlib import Path

import pytest
from logs import SEAL_BYTES, SESSION, Draft, compact, header, sealed

from eventlog import ConfigError, Session
from eventlog.config import load
from eventlog.keys import KeyFileError, Keys, Proof
from eventlog.protection import Protection
from eventlog.reader import Reader
from eventlog.report import Report
from replay import Recorded

SECRET = bytes(range(32))
OTHER = bytes(32)
KEYS = Keys({"k1": SECRET})
KEYED = Protection(keys=KEYS)


def signed(fields: dict[str, object], key_id: str = "k1", secret: bytes = SECRET) -> bytes:
    """A record with its proof, computed here by the words of the design."""
    body = compact(fields)[:-1]
    mac = hmac.new(secret, body, hashlib.sha256).hexdigest()[:32]
    return sealed_body(body + f',"mac":"{key_id}.{mac}"'.encode())


def sealed_body(body: bytes) -> bytes:
    return body + b',"seal":"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"}'


def read(data: bytes, protection: Protection = KEYED, name: str = SESSION) -> tuple[list[Recorded], Report]:
    reader = Reader(name, protection=protection)
    found = reader.feed(data) + reader.finish()
    return found, reader.report


def written(path: Path, protection: Protection, count: int = 3) -> bytes:
    with Session.open(path, protection=protection) as session:
        for number in range(count):
            assert session.failed(f"kimi/{number}", reason="timeout")
    return path.read_bytes()


def test_a_proof_is_an_hmac_of_the_bytes_before_it_and_stands_under_the_seal(tmp_path: Path) -> None:
    for line in written(tmp_path / f"{SESSION}.jsonl", KEYED).splitlines()[1:]:
        body, _, proof = line[:-SEAL_BYTES].rpartition(b',"mac":"')
        assert proof == b"k1." + hmac.new(SECRET, body, hashlib.sha256).hexdigest()[:32].encode() + b'"'
        assert line == sealed_body(line[:-SEAL_BYTES])


def test_what_another_program_signs_counts() -> None:
    draft = Draft()
    fields = {
        "type": "attempt_failed",
        "id": "a1",
        "session": SESSION,
        "model": "a/b",
        "reason": "auth",
        "v": 1,
        "prev": None,
    }
    draft.add(signed(fields) + b"\n")
    found, report = read(draft.data)
    assert len(found) == 1
    assert (report.proven, report.unproven, report.damaged) == (1, 0, False)


def test_with_the_same_keys_all_is_proven_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / f"{SESSION}.jsonl"
    written(path, KEYED)
    found, report = read(written(path, KEYED))
    assert len(found) == 6
    assert (report.proven, report.unproven, report.damaged) == (6, 0, False)


def test_without_keys_proofs_are_anybodys_word_and_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / f"{SESSION}.jsonl"
    found, report = read(written(path, KEYED), Protection())
    assert len(found) == 3
    assert (report.proven, report.unproven, report.damaged) == (0, 3, False)
    with caplog.at_level(logging.WARNING, "switchlog"):
        Session.open(path, protection=Protection()).close()
    assert "is written with keys and none is set" in caplog.text


def test_an_older_key_of_the_ring_still_proves_and_an_unknown_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / f"{SESSION}.jsonl"
    written(path, KEYED)
    data = written(path, Protection(keys=Keys({"k2": OTHER, "k1": SECRET})))
    found, report = read(data, Protection(keys=Keys({"k2": OTHER, "k1": SECRET})))
    assert (len(found), report.proven, report.unproven) == (6, 6, 0)
    found, report = read(data)
    assert (len(found), report.proven, report.unproven, report.damaged) == (6, 3, 3, False)
    assert [one.what for one in report.findings] == ["unproven"] * 3


def test_a_proof_of_another_key_under_this_ones_name_is_altered() -> None:
    draft = Draft()
    fields = {
        "type": "attempt_failed",
        "id": "a1",
        "session": SESSION,
        "model": "a/b",
        "reason": "auth",
        "v": 1,
        "prev": None,
    }
    draft.add(signed(fields, secret=OTHER) + b"\n")
    found, report = read(draft.data)
    assert found == []
    assert report.pieces["altered"] == 1
    assert "prove" in report.findings[0].told


def test_what_is_older_than_the_keys_counts_and_what_comes_unsigned_behind_them_does_not(tmp_path: Path) -> None:
    path = tmp_path / f"{SESSION}.jsonl"
    written(path, Protection())
    data = written(path, KEYED)
    found, report = read(data)
    assert (len(found), report.proven, report.unproven, report.damaged) == (6, 3, 3, False)
    data = written(path, Protection())
    found, report = read(data)
    assert (len(found), report.pieces["altered"], report.damaged) == (6, 3, True)
    found, report = read(data, Protection(keys=KEYS, accept_unsealed=True))
    assert (len(found), report.unproven, report.damaged) == (9, 6, False)


def test_a_bare_event_counts_only_where_that_is_accepted() -> None:
    data = header() + b'{"type":"model_switch","from":"a/1","to":"a/2"}\n'
    found, report = read(data)
    assert (found, report.pieces["altered"], report.damaged) == ([], 1, True)
    found, report = read(data, Protection(keys=KEYS, accept_unsealed=True))
    assert (len(found), report.unsealed, report.damaged) == (1, 1, False)


def test_a_line_of_the_hosts_that_shares_a_type_name_is_the_hosts() -> None:
    _, report = read(header() + b'{"type":"model_switch","message":"hello"}\n')
    assert (report.pieces["foreign"], report.damaged) == (2, False)


def test_a_proven_record_of_another_session_vouches_for_nothing() -> None:
    """It must not make the file's own unsigned past look forged."""
    draft = Draft()
    stranger = {
        "type": "attempt_failed",
        "id": "a1",
        "session": "other",
        "model": "a/b",
        "reason": "auth",
        "v": 1,
        "prev": None,
    }
    draft.failed()
    draft.add(signed(stranger) + b"\n")
    draft.failed()
    found, report = read(draft.data)
    assert (len(found), report.proven, report.pieces["misplaced"]) == (2, 0, 1)


def test_a_cut_within_a_proof_is_torn_and_any_bit_of_it_counts(tmp_path: Path) -> None:
    data = written(tmp_path / f"{SESSION}.jsonl", KEYED, 2)
    start = data.rindex(b',"mac":"')
    for cut in range(start, len(data) - 1):
        found, report = read(data[:cut])
        assert (len(found), report.pieces["torn"], report.damaged) == (1, 1, False), cut
    for at in range(start, len(data) - 1):
        for bit in range(8):
            flipped = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            assert len(read(flipped)[0]) == 1, (at, bit)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no key in it"),
        ("# only words\n", "no key in it"),
        ("k1\n", "line 1"),
        ("k1 " + "0" * 30, "line 1"),
        ("k1 " + "0" * 33, "line 1"),
        ("k.1 " + "0" * 32, "line 1"),
        ("k1 " + "0" * 32 + "\n\nk1 " + "1" * 32, "line 3: there are two keys"),
        ("ké " + "0" * 32, "line 1"),
    ],
)
def test_a_key_file_that_can_not_be_used_says_where(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(KeyFileError, match=why):
        Keys.load(path)


def test_a_configuration_names_the_key_file_and_a_key_that_is_missing_stops_everything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "switchlog.keys").write_text(f"# ours\nnew {'1' * 64}\nold {'0' * 64}\n")
    (tmp_path / "switchlog.keys").chmod(0o644)
    toml = tmp_path / "switchlog.toml"
    toml.write_text('key_file = "switchlog.keys"\naccept_unsealed = true\n')
    with caplog.at_level(logging.WARNING, "switchlog"):
        protection = load(toml).protection
    assert "can be read by everybody" in caplog.text
    assert protection.keys is not None
    assert protection.keys.signing == "new"
    assert protection.accept_unsealed
    with Session.open(tmp_path / "sessions" / "s.jsonl") as session:
        session.failed("a/b", reason="timeout")
        assert b'"mac":"new.' in session.path.read_bytes()
    (tmp_path / "switchlog.keys").unlink()
    with pytest.raises(ConfigError, match=r"key_file: .*no such file"):
        Session.open(tmp_path / "sessions" / "s.jsonl")


def test_a_proof_elsewhere_in_the_line_is_none() -> None:
    ring = Keys({"k1": SECRET})
    for record in (
        sealed({"type": "attempt_failed", "mac": "k1." + "0" * 32, "model": "a/b"}),
        sealed({"type": "attempt_failed", "error": ',"mac":"k1.' + "0" * 32 + '"'}),
        sealed({"type": "attempt_failed", "mac": "k1.xyz"}),
        b"",
    ):
        assert ring.prove(record) is Proof.NONE
