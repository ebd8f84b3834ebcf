"""Reading a whole log at once: its events in order, then its report.

Law: ties sources to the reader, to a gateway's log, or to what a host's own lines tell, and nothing more.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal, Self

from eventlog import file, raw, sources
from eventlog.config import find
from eventlog.errors import UnreadableError
from eventlog.lines import Kind
from eventlog.protection import Protection
from eventlog.reader import Reader
from eventlog.report import Report
from replay import Recorded

if TYPE_CHECKING:
    from eventlog import logs

_SPOOLED: Final = 32 << 20
"""Bytes of a pipe that are kept in memory, as they may have to be read twice; what is more goes to a file."""


_OURS: Final = (Kind.NEWER.value, Kind.ALTERED.value, Kind.MISPLACED.value)
"""Pieces that are ours though they don't count. (What can't be read may be anybody's.)"""


class Events(Iterator[Recorded]):
    """The events of one log, in order. ``report`` tells the log's condition; it is complete after the last event.

    ``wanted``: seals whose places the report is to tell. ``watch`` is told how many bytes were read so far.
    """

    def __init__(
        self,
        where: str | Path | sources.Source,
        session: str | None = None,
        *,
        alone: bool = False,
        infer: bool = True,
        protection: Protection | None = None,
        wanted: Collection[str] = (),
        watch: Callable[[int], None] | None = None,
    ) -> None:
        self.source = where if isinstance(where, sources.Source) else sources.locate(where, session)
        near = None if self.source.path is None else self.source.path.parent
        self.protection = find(near).protection if protection is None else protection
        self.report = Report(session=self.source.name)
        self.form: Literal["transcript"] | raw.LogForm = "transcript"
        """What kind of log it turned out to be, once the first event is asked for."""
        self.inferred = False
        """Whether the events are what a host's own lines tell, as nothing of ours stands in it (known at the end)."""
        self._session = session
        self.beside = None if alone else self.source.beside
        """The companion file that is read behind it, if there is one."""
        self._infer = infer
        self._wanted = wanted
        self._watch = watch
        self._size = 0
        self._events = self._read()

    @property
    def path(self) -> Path | None:
        """The log's file; None for standard input."""
        return self.source.path

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Recorded:
        return next(self._events)

    def _read(self) -> Iterator[Recorded]:
        blocks = self._watched(self.source.blocks())
        first = next(blocks, b"")
        form = None if self.source.stored else raw.log_form(first)
        if form is not None:
            from eventlog import logs  # here and below: what most logs have no need of

            self.form = form
            yield from self._gateways(logs.read(form, chain([first], blocks)))
            return
        whole = chain([first], blocks)
        if self._infer and self.source.path is None:  # a pipe, which may have to be read twice
            import tempfile

            with tempfile.SpooledTemporaryFile(_SPOOLED) as spool:
                yield from self._transcript(_kept(whole, spool), lambda: _played(spool))
        else:
            yield from self._transcript(whole, self.source.blocks)

    def _transcript(self, blocks: Iterator[bytes], again: Callable[[], Iterator[bytes]]) -> Iterator[Recorded]:
        reader = self._reader()
        self.report = reader.report
        yield from _told(reader, blocks)
        ours = reader.position > 0
        if self.beside is not None:
            companion = self._reader(reader.position)
            yield from _told(companion, self._watched(raw.blocks(self.beside)))
            self.report.add(companion.report)
            ours = True
        if self._infer and not ours and not any(self.report.pieces[kind] for kind in _OURS):
            from eventlog.inference import inferred

            for recorded in inferred(self._watched(again()), self.report.size):
                self.inferred = True
                yield recorded

    def _watched(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        return blocks if self._watch is None else self._counted(blocks, self._watch)

    def _counted(self, blocks: Iterator[bytes], watch: Callable[[int], None]) -> Iterator[bytes]:
        for block in blocks:
            self._size += len(block)
            watch(self._size)
            yield block

    def _reader(self, position: int = 0) -> Reader:
        return Reader(self.source.name, position, self.protection, self._wanted)

    def _gateways(self, log: "logs.GatewayLog") -> Iterator[Recorded]:
        """One session of a gateway's log."""
        from eventlog import logs

        report = self.report
        report.size, report.restarts, report.skipped = log.size, log.kinds["restart"], log.kinds["skip"]
        report.pieces.update({kind.value: count for kind, count in log.pieces.items()})
        try:
            report.session, told = log.of(self._session)
        except logs.SessionError as error:
            names = ", ".join(error.sessions)
            raise UnreadableError(self.path or "-", str(error), f"name one with --session: {names}") from None
        report.unsealed = len(told)
        for position, one in enumerate(told, 1):
            yield Recorded(one.event, position, one.offset)


def _told(reader: Reader, blocks: Iterable[bytes]) -> Iterator[Recorded]:
    for block in blocks:
        yield from reader.feed(block)
    yield from reader.finish()


def _kept(blocks: Iterable[bytes], spool: IO[bytes]) -> Iterator[bytes]:
    for block in blocks:
        spool.write(block)
        yield block


def _played(spool: IO[bytes]) -> Iterator[bytes]:
    spool.seek(0)
    return iter(partial(spool.read, file.BLOCK), b"")


def read_events(
    where: str | Path,
    session: str | None = None,
    *,
    alone: bool = False,
    infer: bool = True,
    protection: Protection | None = None,
    watch: Callable[[int], None] | None = None,
) -> Events:
    """The events of the log that ``where`` names: a transcript, a folder (its newest), ``-``, an id prefix.

    OpenClaw's database and its home are read too, ``session`` (key, id or its beginning) naming which; so is a
    gateway's log (console or JSON), where one of several sessions needs ``session``. Raises UnreadableError (at once,
    or at the first event) where there is nothing to read; damage is told by ``.report`` and never raises. A companion
    file is read behind its transcript, unless ``alone``. ``protection`` (keys, and if events count that carry no proof)
    is the configuration's, if left out.

    A host's transcript that holds nothing of ours is read for what its own lines tell of attempts and switches, unless
    ``infer`` is False; ``.inferred`` says that this was done. A session that is opened to be written to never does.
    ``watch`` is told now and then how many bytes were read so far.
    """
    return Events(where, session, alone=alone, infer=infer, protection=protection, watch=watch)
