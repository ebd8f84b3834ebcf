"""An answer that comes in chunks, read wherever the author likes.

Law: the chunks pass through unchanged and none twice. How the stream ended is said once: at its end, when it breaks, or
when it is closed; then the error goes on to who reads.
"""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Stream(Generic[T]):
    """The chunks of a model, whose first is already here. Iterate over it once; ``close()`` it if not to the end.

    One that is neither read to its end nor closed says nothing of the model.
    """

    def __init__(self, chunks: Iterable[T], ended: Callable[[BaseException | None], None]) -> None:
        self._source = chunks
        self._chunks = iter(chunks)
        self._ended = ended
        self._first: list[T] = []
        self._over = False
        for chunk in self._chunks:
            self._first.append(chunk)
            break

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if self._first:
            return self._first.pop()
        try:
            return next(self._chunks)
        except StopIteration:
            self._end(None)
            raise
        except BaseException as error:
            self._end(error)
            raise

    def close(self) -> None:
        """Stop reading. Before the end that is an interruption, which says nothing against the model."""
        self._end(GeneratorExit())
        close = getattr(self._source, "close", None)
        if callable(close):
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self, error: BaseException | None) -> None:
        if not self._over:
            self._over = True
            self._ended(error)


class AsyncStream(Generic[T]):
    """:class:`Stream` for asyncio: ``async for``, ``await aclose()``."""

    def __init__(self, chunks: AsyncIterable[T], ended: Callable[[BaseException | None], Awaitable[None]]) -> None:
        self._source = chunks
        self._chunks = aiter(chunks)
        self._ended = ended
        self._first: list[T] = []
        self._over = False

    @classmethod
    async def begun(
        cls, chunks: AsyncIterable[T], ended: Callable[[BaseException | None], Awaitable[None]]
    ) -> "AsyncStream[T]":
        """The stream, once its first chunk is here."""
        stream = cls(chunks, ended)
        async for chunk in stream._chunks:
            stream._first.append(chunk)
            break
        return stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._first:
            return self._first.pop()
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            await self._end(None)
            raise
        except BaseException as error:
            await self._end(error)
            raise

    async def aclose(self) -> None:
        """Stop reading. Before the end that is an interruption, which says nothing against the model."""
        await self._end(GeneratorExit())
        for name in ("aclose", "close"):  # a client's own stream has the one or the other
            close = getattr(self._source, name, None)
            if callable(close):
                await close()
                return

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _end(self, error: BaseException | None) -> None:
        if not self._over:
            self._over = True
            await self._ended(error)
