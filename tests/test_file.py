"""The log's system calls.

Law: what is no log file is refused at once and never hung on; everything else raises as the system says it.
"""

import fcntl
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from eventlog import UnreadableError, file


def make_socket(path: Path) -> None:
    os.chdir(path.parent)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


def make_link(path: Path) -> None:
    path.symlink_to(path.with_name("target"))
    path.with_name("target").write_bytes(b"kept")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "log.jsonl"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (make_link, "symbolic link"),
        (os.mkfifo, "named pipe"),
        (Path.mkdir, "no regular file"),
        (make_socket, "no regular file"),
    ],
    ids=["link", "pipe", "folder", "socket"],
)
@pytest.mark.parametrize("create", [True, False])
def test_only_a_regular_file_is_opened_to_append(
    place: Path, make: Callable[[Path], object], why: str, create: bool
) -> None:
    make(place)
    before = os.lstat(place)
    with pytest.raises(UnreadableError, match=why):
        file.open_append(place, create=create)
    assert os.lstat(place) == before


@pytest.mark.parametrize(
    ("make", "why"), [(os.mkfifo, "named pipe, not a file; pipe it into `-`"), (Path.mkdir, "a folder, not a file")]
)
def test_only_a_regular_file_is_opened_to_read(place: Path, make: Callable[[Path], object], why: str) -> None:
    make(place)
    with pytest.raises(UnreadableError, match=why):
        file.open_read(place)


def test_a_device_is_no_log() -> None:
    for opened in (lambda path: file.open_append(path, create=False), file.open_read):
        with pytest.raises(UnreadableError, match="a device"):
            opened(Path("/dev/null"))


def test_a_link_is_followed_to_read(place: Path) -> None:
    make_link(place)
    fd = file.open_read(place)
    assert file.read_at(fd, 0, 100) == b"kept"
    file.close(fd)


def test_other_errors_pass_as_they_come(place: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file.open_append(place, create=False)
    place.touch()
    with pytest.raises(FileExistsError):
        file.open_append(place / "below", create=True)
    with pytest.raises(NotADirectoryError):
        file.open_append(place / "below", create=False)


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_no_failed_opening_leaks_a_descriptor(place: Path) -> None:
    os.mkfifo(place)
    before = open_descriptors()
    for _ in range(5):
        with pytest.raises(UnreadableError):
            file.open_append(place, create=False)
        with pytest.raises(UnreadableError):
            file.open_read(place)
    assert open_descriptors() == before


def test_a_descriptor_appends_wherever_others_have_written(place: Path) -> None:
    fd = file.open_append(place, create=True)
    assert file.write(fd, b"one") == 3
    with place.open("ab") as other:
        other.write(b"two")
    assert file.write(fd, b"three") == 5
    assert file.read_at(fd, 0, 100) == b"onetwothree"
    assert file.read_at(fd, 3, 3) == b"two"
    assert file.read_at(fd, 100, 3) == b""
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    file.sync(fd)
    file.close(fd)


def test_more_than_a_block_is_read_in_one_go(place: Path) -> None:
    place.write_bytes(bytes(range(256)) * (file.BLOCK // 128))
    fd = file.open_read(place)
    assert file.read_at(fd, 0, 10**9) == place.read_bytes()
    assert len(file.read_at(fd, 1, file.BLOCK + 1)) == file.BLOCK + 1
    file.close(fd)


def test_a_bad_descriptor_is_closed_and_unlocked_without_a_word(place: Path) -> None:
    fd = file.open_append(place, create=True)
    file.close(fd)
    file.close(fd)
    file.unlock(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.lock(fd)


def test_identity_tells_one_file_from_another(place: Path) -> None:
    assert file.identify_path(place) is None
    fd = file.open_append(place, create=True)
    file.write(fd, b"12345")
    named = file.identify_path(place)
    assert named == file.identify(fd)
    assert named is not None
    assert named.size == 5
    place.rename(place.with_name("old"))
    place.write_bytes(b"12345")
    other = file.identify_path(place)
    assert other is not None
    assert not named.same_file(other)
    assert not named.same_file(None)
    assert file.identify_path(place / "below a file") is None
    file.close(fd)


def test_a_new_file_is_never_made_through_a_link(place: Path) -> None:
    place.symlink_to(place.with_name("target"))
    with pytest.raises(UnreadableError, match="symbolic link"):
        file.open_append(place, create=True)
    assert not place.with_name("target").exists()


def test_macos_is_asked_for_the_disk_itself(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(file.sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda fd, command: calls.append((fd, command)))
    fd = file.open_append(place, create=True)
    file.sync(fd)
    assert calls == [(fd, 51)]
    file.close(fd)


MOUNTS = """\
22 1 0:21 / / rw,relatime - overlay overlay rw
30 22 0:30 / /srv rw shared:1 - ext4 /dev/sda rw
31 22 0:31 / /srv/nfs rw shared:2 master:3 - nfs4 server:/export rw
32 31 0:32 / /srv/nfs/local rw - xfs /dev/sdb rw
33 22 0:33 / /mnt/my\\040share rw - cifs //server/share rw
34 22 0:34 / /home/op/remote rw - fuse.sshfs op@host: rw
a line that is no mount
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/nfs/a.jsonl", "nfs4"),
        ("/srv/nfs/deep/er/a.jsonl", "nfs4"),
        ("/srv/nfs/local/a.jsonl", None),
        ("/srv/nfsx/a.jsonl", None),
        ("/mnt/my share/a.jsonl", "cifs"),
        ("/home/op/remote/a.jsonl", "fuse.sshfs"),
        ("/a.jsonl", None),
    ],
)
def test_a_network_file_system_is_named(path: str, kind: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _, **__: MOUNTS)
    assert file.network_file_system(Path(path)) == kind


def test_without_a_table_of_mounts_nothing_is_known(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, **how: str) -> str:
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "read_text", refuse)
    assert file.network_file_system(place) is None
