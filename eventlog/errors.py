"""The errors of this room: one root, and subclasses that carry what a program wants to know.

Law: values only. A message says what, where and what to do; the attributes say it to a program.
"""

from pathlib import Path


class SwitchlogError(Exception):
    """The root of every error that eventlog raises on its own account."""


class UnreadableError(SwitchlogError):
    """A log that can't be read at all. A *damaged* one never raises: it is read, and its report tells of the damage."""

    def __init__(self, path: Path | str, why: str, remedy: str = "") -> None:
        super().__init__(f"{path}: {why}" + (f"; {remedy}" if remedy else ""))
        self.path = path
        self.why = why
        self.remedy = remedy


class MisuseError(SwitchlogError):
    """The caller's code is wrong: an attempt that was never settled, a field that the format has no place for."""
