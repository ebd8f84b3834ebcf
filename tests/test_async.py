"""A session on asyncio: the same promise as without, and the loop goes on whatever the disk does.

Nothing in here hopes for luck: a sync stands still until the test lets it go on, and who waits is told by an event.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gateway import CHAIN, GLM, KIMI, LOCAL, Clock, Disk, RefusedError, agrees, events, folded, told

from eventlog import AllModelsFailed, Attempt, Chain, MisuseError, Policy, Session, choosing, file, read_events
from replay import AttemptFailed, Decision

PATIENCE = 10.0
"""Seconds after which a test that waits for something has failed."""
TICKS = 50


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "17a309d8.jsonl"


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with Session.open(path, chain=CHAIN) as session:
        yield session


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine, which must not take for ever."""

    async def patiently() -> None:
        async with asyncio.timeout(PATIENCE):
            await main

    asyncio.run(patiently())


def failures(session: Session) -> list[AttemptFailed]:
    return [event for event in events(session.path) if isinstance(event, AttemptFailed)]


async def answered(model: str) -> str:
    return model


def refusing(*models: str, error: Exception | None = None) -> Callable[[str], Awaitable[str]]:
    """A client whom these models refuse; the others answer with their name."""

    async def ask(model: str) -> str:
        if model in models:
            raise error or RefusedError
        return model

    return ask


async def silent(model: str) -> str:
    """A client that waits for an answer which never comes."""
    await asyncio.Event().wait()
    raise AssertionError


async def tick() -> None:
    """Let everything happen that can happen without the disk: the loop goes round."""
    for _ in range(TICKS):
        await asyncio.sleep(0)


class SlowDisk:
    """A disk whose sync stands still until it is let go. Made on the loop that it tells when a sync has begun."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._loop = asyncio.get_running_loop()
        self._go_on = threading.Event()
        self._sync = file.sync
        self.begun = asyncio.Event()
        self.in_time = True
        monkeypatch.setattr(file, "sync", self._wait)

    def _wait(self, fd: int) -> None:
        self._loop.call_soon_threadsafe(self.begun.set)
        self.in_time &= self._go_on.wait(PATIENCE / 2)  # on the loop's own thread, nobody would ever let it go
        self._sync(fd)

    def let_go(self) -> None:
        self._go_on.set()


class CountingExecutor(ThreadPoolExecutor):
    """Counts what it is given to do, and tells of it."""

    def __init__(self, workers: int = 4) -> None:
        super().__init__(workers)
        self.taken = 0
        self.took = asyncio.Event()

    def submit(self, *arguments: Any, **more: Any) -> "Future[Any]":
        self.taken += 1
        self.took.set()
        return super().submit(*arguments, **more)


# The request.


def test_acall_goes_down_the_chain_and_remembers(session: Session) -> None:
    asked = []

    async def ask(model: str) -> str:
        asked.append(model)
        return await refusing(KIMI)(model)

    async def main() -> None:
        assert await session.acall(ask, turn="t-1") == GLM
        assert await session.acall(ask, turn="t-2") == GLM

    run(main())
    assert asked == [KIMI, GLM, GLM]
    assert [(one.model, one.reason, one.turn) for one in failures(session)] == [(KIMI, "rate_limit", "t-1")]
    assert agrees(session)


def test_the_loop_on_asyncio_is_the_loop(session: Session) -> None:
    async def main() -> None:
        async for attempt in session.attempts(turn="t-1"):
            async with attempt as same:
                assert same is attempt
                await refusing(KIMI, GLM)(attempt.model)

    run(main())
    assert told(session.path) == [
        f"model_switch {KIMI}",
        f"attempt_failed {KIMI}",
        f"model_switch {GLM}",
        f"attempt_failed {GLM}",
        f"model_switch {LOCAL}",
        f"attempt_succeeded {LOCAL}",
    ]
    assert agrees(session)


def test_a_failure_is_on_the_disk_before_the_next_model_is_asked(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk().install(monkeypatch)
    known = []

    async def ask(model: str) -> str:
        assert disk.calls[-1] == "sync"
        known.append((model, set(folded(session.path).tried), folded(session.path).current))
        return await refusing(KIMI, GLM)(model)

    run(expect(session.acall(ask), LOCAL))
    assert known == [(KIMI, set(), KIMI), (GLM, {KIMI}, GLM), (LOCAL, {KIMI, GLM}, LOCAL)]


async def expect(answer: Awaitable[str], wanted: str) -> None:
    assert await answer == wanted


def test_an_error_of_the_authors_own_passes_untouched_and_blames_none(session: Session) -> None:
    error = KeyError("choices")

    async def main() -> None:
        with pytest.raises(KeyError) as raised:
            await session.acall(refusing(KIMI, error=error))
        assert raised.value is error

    run(main())
    assert told(session.path) == [f"model_switch {KIMI}"]


def test_a_response_that_tells_of_a_failure_is_one(session: Session) -> None:
    class Response:
        headers: dict[str, str] = {}  # noqa: RUF012

        def __init__(self, status: int) -> None:
            self.status_code = status

    async def ask(model: str) -> Response:
        return Response(503 if model == KIMI else 200)

    async def main() -> None:
        assert (await session.acall(ask)).status_code == 200

    run(main())
    assert [(one.model, one.reason) for one in failures(session)] == [(KIMI, "overloaded")]


def test_a_timeout_inside_of_the_request_is_the_models(session: Session) -> None:
    async def ask(model: str) -> str:
        if model != KIMI:
            return model
        async with asyncio.timeout(0):
            return await silent(model)

    run(expect(session.acall(ask), GLM))
    assert [(one.model, one.reason) for one in failures(session)] == [(KIMI, "timeout")]


def test_a_timeout_around_the_request_is_the_callers(session: Session) -> None:
    """What the caller gives up blames no model: nobody knows which of them took the time."""

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await session.acall(silent)

    run(main())
    assert {one.reason for one in failures(session)} <= {"aborted"}
    assert session.state.tried == {}


def test_when_all_failed_the_error_names_them_and_its_cause(session: Session) -> None:
    last = TimeoutError("slow")

    async def main() -> None:
        with pytest.raises(AllModelsFailed) as raised:
            await session.acall(refusing(KIMI, GLM, LOCAL, error=last))
        assert raised.value.__cause__ is last
        assert {(one.model, one.why) for one in raised.value.skipped} == {
            (model, "timeout") for model in (KIMI, GLM, LOCAL)
        }
        assert raised.value.retry_at is not None

    run(main())


def test_an_attempt_that_was_not_settled_is_a_mistake(session: Session) -> None:
    async def main() -> None:
        attempts = session.attempts()
        await anext(attempts)
        with pytest.raises(MisuseError, match="never settled"):
            await anext(attempts)
        with pytest.raises(MisuseError, match="never settled"):
            async for _ in session.attempts():
                pass

    run(main())


def test_an_attempt_is_used_once(session: Session) -> None:
    async def main() -> None:
        attempts = session.attempts()
        attempt = await anext(attempts)
        async with attempt:
            pass
        with pytest.raises(MisuseError, match="over"):
            async with attempt:
                raise RefusedError
        assert [one async for one in attempts] == []

    run(main())
    assert failures(session) == []


# Cancellation.


async def cancelled(task: "asyncio.Task[str]") -> None:
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


def test_a_cancelled_request_is_aborted_and_nobody_is_blamed(session: Session) -> None:
    async def main() -> None:
        asked = asyncio.Event()

        async def ask(model: str) -> str:
            asked.set()
            return await silent(model)

        task = asyncio.create_task(session.acall(ask, turn="t-1"))
        await asked.wait()
        task.cancel()
        await cancelled(task)

    run(main())
    assert [(one.model, one.reason, one.turn) for one in failures(session)] == [(KIMI, "aborted", "t-1")]
    assert session.state.tried == {}
    assert session.decide().model == KIMI


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_record_that_is_being_written_is_finished_however_often_its_task_is_cancelled(
    session: Session, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    asked = []

    async def ask(model: str) -> str:
        asked.append(model)
        return await refusing(KIMI)(model)

    async def main() -> None:
        await session.acall(answered)
        disk = SlowDisk(monkeypatch)
        task = asyncio.create_task(session.acall(ask))
        await disk.begun.wait()
        for _ in range(times):
            task.cancel()
            await tick()
            assert not task.done()
        disk.let_go()
        await cancelled(task)
        assert disk.in_time
        assert [(one.model, one.reason) for one in failures(session)] == [(KIMI, "rate_limit")]

    run(main())
    assert asked == [KIMI], "after its cancellation the task asks nobody else"
    assert agrees(session)


def test_a_request_cancelled_before_it_was_made_ends_the_probe_that_was_written_for_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The switch says that an attempt began: without an outcome, every other run would wait for it."""
    clock = Clock(monkeypatch)

    async def main() -> None:
        await session.acall(refusing(KIMI))
        clock.forward(hours=2)
        disk = SlowDisk(monkeypatch)
        task = asyncio.create_task(session.acall(answered))
        await disk.begun.wait()
        task.cancel()
        await tick()
        disk.let_go()
        await cancelled(task)

    run(main())
    assert told(session.path)[-2:] == [f"model_switch {KIMI}", f"attempt_failed {KIMI}"]
    assert failures(session)[-1].reason == "aborted"
    assert session.state.probing == {}
    assert session.decide().model == KIMI
    assert agrees(session)


def test_a_record_that_waits_for_a_thread_is_written_though_the_program_ends(session: Session) -> None:
    """The end of ``asyncio.run`` cancels every task that still runs."""
    free = threading.Event()

    async def request() -> None:
        try:
            await session.acall(refusing(KIMI))
        except asyncio.CancelledError:
            free.set()
            raise

    async def freeing() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            free.set()
            raise

    async def main() -> None:
        await session.acall(answered)
        executor = CountingExecutor(workers=1)
        loop = asyncio.get_running_loop()
        loop.set_default_executor(executor)
        loop.run_in_executor(None, free.wait, PATIENCE)
        executor.took.clear()
        tasks.extend((asyncio.create_task(request()), asyncio.create_task(freeing())))
        await executor.took.wait()

    tasks: list[asyncio.Task[None]] = []
    asyncio.run(main())
    assert [task.cancelled() for task in tasks] == [True, True]
    assert [(one.model, one.reason) for one in failures(session)] == [(KIMI, "rate_limit")]


# Groups of errors.


async def together(*errors: Exception) -> str:
    """Several parts of one request, which fail at once."""

    async def fail(error: Exception) -> None:
        raise error

    async with asyncio.TaskGroup() as group:
        for error in errors:
            group.create_task(fail(error))
    raise AssertionError


def grouped(*errors: Exception) -> Callable[[str], Awaitable[str]]:
    async def ask(model: str) -> str:
        return await together(*errors) if model == KIMI else model

    return ask


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ((RefusedError(429), TimeoutError()), "rate_limit"),
        ((TimeoutError(), RefusedError(429)), "timeout"),
        ((RefusedError(400, "too many tokens"), RefusedError(503)), "overloaded"),
        ((RefusedError(400, "messages: required"), RefusedError(503)), "overloaded"),
        ((ExceptionGroup("inner", [ConnectionResetError()]), RefusedError(503)), "network"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_of_a_group_the_first_that_blames_the_model_counts(
    session: Session, errors: tuple[Exception, ...], reason: str
) -> None:
    run(expect(session.acall(grouped(*errors)), GLM))
    assert [(one.model, one.reason) for one in failures(session)] == [(KIMI, reason)]
    assert session.state.tried.keys() == {KIMI}


def test_a_group_in_which_none_blames_is_what_its_first_says(session: Session) -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup):
            await session.acall(grouped(RefusedError(400, "no messages"), RefusedError(422, "no messages")))

    run(main())
    assert [one.reason for one in failures(session)] == ["invalid_request"]
    assert session.state.tried == {}


@pytest.mark.parametrize(
    "errors",
    [
        (RefusedError(429), KeyError("mine")),
        (KeyError("mine"), RefusedError(429)),
        (RefusedError(429), ExceptionGroup("inner", [TimeoutError(), KeyError("mine")])),
    ],
    ids=["last", "first", "inside"],
)
def test_a_group_with_an_error_of_the_authors_own_is_his_own(session: Session, errors: tuple[Exception, ...]) -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as raised:
            await session.acall(grouped(*errors))
        assert raised.value.exceptions == errors

    run(main())
    assert told(session.path) == [f"model_switch {KIMI}"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_an_interruption_in_a_group_is_never_swallowed(session: Session, interruption: type[BaseException]) -> None:
    """The failure beside it is a fact and recorded; but whoever interrupts doesn't want the next model asked."""
    group = BaseExceptionGroup("both", [RefusedError(429), interruption()])
    attempt = next(session.attempts())
    with pytest.raises(BaseExceptionGroup) as raised, attempt:
        raise group
    assert raised.value is group
    assert [one.reason for one in failures(session)] == ["rate_limit"]


# Many tasks, many threads.


@pytest.mark.parametrize("tasks", [2, 8])
def test_tasks_that_meet_one_incident_on_one_session_are_one_failure(session: Session, tasks: int) -> None:
    asked = []

    async def main() -> None:
        meeting = asyncio.Barrier(tasks)

        async def ask(model: str) -> str:
            asked.append(model)
            if model == KIMI:
                await meeting.wait()
            return await refusing(KIMI)(model)

        requests = (session.acall(ask, turn=f"t-{number}") for number in range(tasks))
        assert await asyncio.gather(*requests) == [GLM] * tasks
        assert asked.count(KIMI) == tasks
        asked.clear()
        assert await asyncio.gather(*(session.acall(ask) for _ in range(tasks))) == [GLM] * tasks

    run(main())
    assert asked == [GLM] * tasks
    assert {one.turn for one in failures(session)} == {f"t-{number}" for number in range(tasks)}
    assert session.state.tried[KIMI]["rate_limit"].count == 1
    log = read_events(session.path)
    assert len({one.event.id for one in log}) == session.state.position
    assert not log.report.damaged, log.report.findings
    assert agrees(session)


def test_eight_threads_call_on_one_session(session: Session) -> None:
    threads, meeting, asked = 8, threading.Barrier(8), []

    def ask(model: str) -> str:
        asked.append(model)
        if model == KIMI:
            meeting.wait(PATIENCE)
            raise RefusedError
        return model

    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(lambda number: session.call(ask, turn=f"t-{number}"), range(threads)))
        assert answers == [GLM] * threads
        assert (asked.count(KIMI), asked.count(GLM)) == (threads, threads)
        assert list(pool.map(lambda _: session.call(ask), range(threads))) == [GLM] * threads
    assert asked.count(KIMI) == threads
    assert {one.turn for one in failures(session)} == {f"t-{number}" for number in range(threads)}
    assert session.state.tried[KIMI]["rate_limit"].count == 1
    log = read_events(session.path)
    assert len({one.event.id for one in log}) == session.state.position
    assert not log.report.damaged, log.report.findings
    assert agrees(session)


# The loop goes on.


def test_the_loop_goes_on_while_the_disk_stands_still(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the switch, the failure and the success alike, and for the other tasks of the same session."""

    async def main() -> None:
        disk = SlowDisk(monkeypatch)
        tasks = [asyncio.create_task(session.acall(refusing(KIMI))) for _ in range(3)]
        await disk.begun.wait()
        await tick()
        assert not any(task.done() for task in tasks)
        disk.let_go()
        assert await asyncio.gather(*tasks) == [GLM] * 3
        assert disk.in_time

    run(main())


def test_the_loop_goes_on_while_a_failure_a_success_and_a_healthy_request_wait(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        await session.acall(answered)
        disk = SlowDisk(monkeypatch)
        failing = asyncio.create_task(session.acall(refusing(KIMI)))
        await disk.begun.wait()
        healthy = asyncio.create_task(session.acall(answered))
        await tick()
        assert not failing.done()
        assert not healthy.done(), "it has to know what is being written"
        disk.let_go()
        assert await asyncio.gather(failing, healthy) == [GLM, GLM]
        assert disk.in_time

    run(main())


def test_the_loop_goes_on_while_the_last_error_is_made(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says until when each model cools: for that the session is asked, which another thread may hold just then."""
    real, held, go_on, in_time = choosing.choose, threading.Event(), threading.Event(), []

    def hold() -> None:
        with session._memory.log.mutex():
            held.set()
            in_time.append(go_on.wait(PATIENCE / 2))

    holder = threading.Thread(target=hold)

    def choose(*asked: Any) -> tuple[Decision, int]:
        chosen = real(*asked)
        if chosen[0].model is None:
            holder.start()
            assert held.wait(PATIENCE)
        return chosen

    monkeypatch.setattr("eventlog.attempts.choose", choose)

    async def main() -> None:
        task = asyncio.create_task(session.acall(refusing(KIMI), chain=Chain(KIMI)))
        while not held.is_set():
            await asyncio.sleep(0.001)
        await tick()
        go_on.set()
        with pytest.raises(AllModelsFailed):
            await task

    run(main())
    holder.join(PATIENCE)
    assert in_time == [True]


def test_a_healthy_request_takes_no_thread_and_writes_nothing(session: Session) -> None:
    async def main() -> None:
        executor = CountingExecutor()
        asyncio.get_running_loop().set_default_executor(executor)
        await session.acall(answered)
        assert executor.taken > 0, "the first request is recorded: so this counts what it should"
        before, taken = session.path.read_bytes(), executor.taken
        for _ in range(20):
            assert await session.acall(answered) == KIMI
        await asyncio.gather(*(session.acall(answered) for _ in range(8)))
        attempts: list[Attempt] = []
        async for attempt in session.attempts():
            async with attempt:
                attempts.append(attempt)
        assert len(attempts) == 1
        assert executor.taken == taken
        assert session.path.read_bytes() == before

    run(main())


def test_a_session_in_one_task_and_a_pin_in_another_agree(session: Session) -> None:
    asked = []

    async def main() -> None:
        pinned = asyncio.Event()

        async def ask(model: str) -> str:
            asked.append(model)
            if model == KIMI:
                await pinned.wait()
                raise RefusedError
            return model

        task = asyncio.create_task(session.acall(ask))
        while not asked:
            await asyncio.sleep(0)
        assert await asyncio.to_thread(session.switch, LOCAL)
        pinned.set()
        assert await task == LOCAL

    run(main())
    assert asked == [KIMI, LOCAL]
    assert session.state.pinned == LOCAL


def test_the_policy_counts_on_asyncio_too(path: Path) -> None:
    session = Session.open(path, chain=CHAIN, policy=Policy(force=False))

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(AllModelsFailed):
                await session.acall(refusing(*CHAIN))

    run(main())
    assert len(failures(session)) == 3
