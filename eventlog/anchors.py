"""The anchor file: the ends of a folder's logs, noted day by day where whoever writes the logs can't reach.

Law: append only, one JSON object a line; the last one of a log is its anchor. An anchor proves all that stood before
it, for each seal covers the one before: who can rewrite a log can't make it end in a seal that was noted elsewhere.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from eventlog import clock, codec, file, raw
from eventlog.errors import UnreadableError
from eventlog.verify import Anchor, End
from replay.events import format_time

SEAL: Final = re.compile(r"[0-9a-f]{32}")


def load(path: Path) -> Mapping[str, Anchor]:
    """The anchors of a file, by the name of their log; none where there is no file yet. Raises UnreadableError."""
    anchors: dict[str, Anchor] = {}
    rest = b""
    number = 0
    for block in raw.blocks(path) if path.exists() else ():
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            number += 1
            if line.strip():
                _take(anchors, path, number, line)
    if rest.strip():
        _take(anchors, path, number + 1, rest)
    return anchors


def add(path: Path, ends: Iterable[End], known: Mapping[str, Anchor]) -> int:
    """Note the ends that are not noted yet; how many. They are on the disk when this returns. Raises OSError."""
    lines = [_line(end) for end in ends if end.file not in known or known[end.file].seal != end.seal]
    if lines:
        fd = file.open_append(path, create=True)
        try:
            file.lock(fd)
            size = file.identify(fd).size
            torn = size > 0 and file.read_at(fd, size - 1, 1) != b"\n"
            data = (b"\n" if torn else b"") + b"".join(lines)
            while data:
                data = data[file.write(fd, data) :]
            file.sync(fd)
        finally:
            file.close(fd)
        file.sync_folder(path.absolute().parent)
    return len(lines)


def _line(end: End) -> bytes:
    fields = {"taken": format_time(clock.now()), "file": end.file, "session": end.session}
    return codec.dumps({**fields, "seal": end.seal, "before": end.before}) + b"\n"


def _take(anchors: dict[str, Anchor], path: Path, number: int, line: bytes) -> None:
    fields = codec.decode(line) or {}
    name, seal, before, taken = (fields.get(key) for key in ("file", "seal", "before", "taken"))
    if not isinstance(name, str) or not isinstance(seal, str) or not SEAL.fullmatch(seal):
        remedy = "a cut line at its end can be taken out; anything else should be looked at first"
        raise UnreadableError(path, f"line {number} is no anchor", remedy)
    anchors[name] = Anchor(seal, before if isinstance(before, int) else None, taken if isinstance(taken, str) else "")
