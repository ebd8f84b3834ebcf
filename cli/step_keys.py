"""From the bytes of a terminal to the keys that were pressed.

Law: pure. Bytes in, names of keys out, however the bytes were cut; a sequence that nobody knows is no key. A lone ESC
is a key only once nothing followed it: :meth:`Keys.rest` says so.
"""

import codecs
import re
from typing import Final

_CSI: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO[ -~]")
_BEGUN: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?")
_NAMES: Final = {
    **dict.fromkeys(("\x1b[A", "\x1bOA"), "up"),
    **dict.fromkeys(("\x1b[B", "\x1bOB"), "down"),
    **dict.fromkeys(("\x1b[C", "\x1bOC"), "right"),
    **dict.fromkeys(("\x1b[D", "\x1bOD"), "left"),
    **dict.fromkeys(("\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~"), "home"),
    **dict.fromkeys(("\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~"), "end"),
    "\x1b[5~": "pgup",
    "\x1b[6~": "pgdn",
}
_CONTROLS: Final = {
    **dict.fromkeys("\r\n", "enter"),
    **dict.fromkeys("\x7f\x08", "backspace"),
    "\x02": "pgup",  # as in vi and less
    "\x06": "pgdn",
    "\x15": "clear",
    "\x0c": "redraw",
    "\x03": "quit",  # where the terminal sends it instead of a signal
    "\x04": "quit",
    "\x1b": "esc",
}


class Keys:
    """What has been typed, key by key."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""

    @property
    def waiting(self) -> bool:
        """Whether what has come may be the beginning of a longer sequence."""
        return bool(self._text)

    def feed(self, data: bytes) -> list[str]:
        """The keys that are complete: names like ``up``, or the character itself."""
        self._text += self._decoder.decode(data)
        keys: list[str] = []
        while self._text:
            known = _CSI.match(self._text)
            if known:
                self._text = self._text[known.end() :]
                keys += [_NAMES[known[0]]] if known[0] in _NAMES else []
            elif self._text[0] == "\x1b" and _BEGUN.fullmatch(self._text):
                break
            else:
                keys += self._first()
        return keys

    def rest(self) -> list[str]:
        """The keys in what was waiting, as nothing followed it."""
        keys: list[str] = []
        while self._text:
            keys += self._first()
        return keys

    def _first(self) -> list[str]:
        char, self._text = self._text[0], self._text[1:]
        if char in _CONTROLS:
            return [_CONTROLS[char]]
        return [char] if char.isprintable() else []
