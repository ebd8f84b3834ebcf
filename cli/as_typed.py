"""The words of a command line, taken as they were typed.

Law: gives what typer would give, sooner, and leaves to typer all else. A typer that makes values with pydantic asks it
also about a text that is to stay one, and about an option that nobody named; to import pydantic takes longer than a log
takes to be shown. With a typer that doesn't, nothing is changed.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Final

_ANOTHER: Final = object()


class _Words:
    """What typer asks for a parameter's value."""

    def __init__(self, parameter: Any, otherwise: Callable[[], Any]) -> None:
        self._kind = parameter.type_descriptor.annotation
        self._several = parameter.multiple or parameter.nargs != 1
        self._otherwise = otherwise

    def coerce(self, value: Any, *about: Any, **named: Any) -> Any:
        found = self._words(value) if self._several else self._word(value)
        return self._otherwise().coerce(value, *about, **named) if found is _ANOTHER else found

    def _word(self, value: Any) -> Any:
        if value is None or (self._kind is str and isinstance(value, str)):
            return value
        if isinstance(self._kind, type) and issubclass(self._kind, Enum):
            return next((one for one in self._kind if value in (one, one.value)), _ANOTHER)
        return _ANOTHER

    def _words(self, value: Any) -> Any:
        words = () if value is None else value
        texts = isinstance(words, list | tuple) and all(isinstance(one, str) for one in words)
        return list(words) if texts and (not words or self._kind == list[str]) else _ANOTHER


def take_as_typed(parameters: Iterable[Any]) -> None:
    """Let a command's parameters, as typer made them, take their words so."""
    for parameter in parameters:
        otherwise = getattr(parameter, "get_runtime_param", None)  # typer's own name: this one or none
        if otherwise is None or not hasattr(parameter, "type_descriptor"):
            continue
        if "get_runtime_param" not in vars(parameter):
            words = _Words(parameter, otherwise)
            parameter.get_runtime_param = lambda words=words: words
