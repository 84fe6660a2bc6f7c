"""Ten ways to hang: each ends in time, with the right verdict and line, and the next one passes."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import unittest
from typing import Any, ClassVar
from unittest import mock

import asynctesting
from asynctesting import AsyncTestCase, DeadlockError, TimeLimitError, _reach
from tests.support import (
    Outcome,
    OutcomeAssertions,
    alone_in_process,
    limits_by_hand,
    pass_time,
    settings,
)

LIMIT = 0.5
#: What the promise allows beyond the limit, in seconds, and what a busy machine may take beside it.
GRACE = 1.0


class Hanging(AsyncTestCase):
    """The next test of each case: it passes, so nothing of the hang is left."""

    timeout = LIMIT

    @asynctesting.timeout(30)
    async def test_next(self) -> None:
        await asyncio.sleep(0)


class Deadlocked(Hanging):
    """Here the verdict has to come long before the limit, however slow the machine is."""

    timeout = 30


class HangCase(OutcomeAssertions):
    def hang(self, case: type[AsyncTestCase], kind: type[Any], verdict: str, line: str) -> Any:
        """Run ``test_it`` of *case*, then ``test_next``; return the error of the first.

        Args:
            case: What hangs.
            kind: The error it shall fail with.
            verdict: A part of the first paragraph of the message.
            line: The source of the one line of the user's code below that.
        """
        outcome, following = Outcome(), Outcome()
        # The process of the whole suite holds far more to search through than a user's.
        more = mock.patch.object(_reach, "BUDGET", 60.0)
        with settings({}), alone_in_process(), more:
            used = time.process_time()
            began = time.monotonic()
            case("test_it").run(outcome)
            took = time.monotonic() - began
            # Seconds in which somebody else had the processor are not ours.
            waited = took - (time.process_time() - used)
            case("test_next").run(following)
        error = self.assertFailsWith(outcome, kind)
        paragraphs = str(error).split("\n\n")
        self.assertIn(verdict, paragraphs[0])
        self.assertTrue(paragraphs[1].endswith(f"   {line}"), paragraphs[1])
        self.assertIn("tests/test_hangs.py:", paragraphs[1])
        self.assertPassed(following)
        self.assertLess(waited, LIMIT + GRACE + self.slack, "it took too long to end")
        return error

    # Seconds that a machine under load may add to any wait. Without a verdict it were a minute.
    slack: ClassVar[float] = 5.0


class HangTests(HangCase):
    def test_1_two_locks_in_opposite_order(self) -> None:
        """The classic: each holds what the other one needs."""

        async def move(source: asyncio.Lock, target: asyncio.Lock) -> None:
            async with source:
                await asyncio.sleep(0)
                async with target:
                    pass

        class Case(Deadlocked):
            async def test_it(self) -> None:
                a, b = asyncio.Lock(), asyncio.Lock()
                await asyncio.gather(move(a, b), move(b, a))

        error = self.hang(
            Case,
            DeadlockError,
            "They wait for each other",
            "await asyncio.gather(move(a, b), move(b, a))",
        )
        self.assertEqual(len(error.cycle), 2)
        self.assertIn("gather() of 2 tasks", error.waiting[0])
        for line in error.waiting[1:]:
            self.assertRegex(line, r"^'Task-\d+' waits for Lock 'target', held by 'Task-\d+'$")

    def test_tasks_that_await_each_other(self) -> None:
        """asyncio hands their cancellation on without end; that does not hide the verdict."""

        class Case(Hanging):
            async def test_it(self) -> None:
                task = asyncio.current_task()
                assert task is not None
                await asyncio.create_task(self.wait_for(task), name="other")

            async def wait_for(self, task: asyncio.Task[Any]) -> None:
                await task

        error = self.hang(
            Case,
            DeadlockError,
            "They wait for each other: 'test_it' -> 'other' -> 'test_it'",
            'await asyncio.create_task(self.wait_for(task), name="other")',
        )
        self.assertTrue(str(error).endswith("let one end by itself."), str(error))

    def test_one_lock_taken_twice(self) -> None:
        """A method that takes the lock calls another one that does."""

        class Case(Hanging):
            async def test_it(self) -> None:
                self.lock = asyncio.Lock()
                async with self.lock:
                    await self.again()

            async def again(self) -> None:
                async with self.lock:
                    self.fail("both")

        error = self.hang(
            Case,
            DeadlockError,
            "'test_it' waits for what it holds itself.",
            "async with self.lock:",
        )
        self.assertEqual(error.waiting, ("'test_it' waits for Lock 'self.lock', held by itself",))
        self.assertIn("A lock of asyncio can't be taken twice", str(error))

    def test_2_a_notify_that_nobody_heard(self) -> None:
        """It came before the wait did."""

        class Case(Deadlocked):
            async def test_it(self) -> None:
                ready = asyncio.Condition()
                async with ready:
                    ready.notify_all()
                async with ready:
                    await ready.wait()

        error = self.hang(Case, DeadlockError, "nothing can wake this test", "await ready.wait()")
        self.assertEqual(error.waiting, ("'test_it' waits for Condition 'ready'",))

    def test_3_a_future_that_nobody_holds(self) -> None:
        """Whoever was to complete it has thrown it away; something else goes on for ever."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(0.02)

        class Case(Hanging):
            async def test_it(self) -> None:
                heart = asyncio.create_task(beat(), name="heart")
                reply = asyncio.get_running_loop().create_future()
                try:
                    await reply
                finally:
                    heart.cancel()

        error = self.hang(
            Case,
            TimeLimitError,
            "it was waiting in the test phase for a future 'reply'",
            "await reply",
        )
        self.assertIn("\nNobody can end that any more: no thread, timer, ", str(error))

    def test_4_a_queue_whose_count_is_wrong(self) -> None:
        """A worker that forgets task_done()."""

        class Case(Deadlocked):
            async def test_it(self) -> None:
                jobs: asyncio.Queue[int] = asyncio.Queue()
                for number in range(3):
                    jobs.put_nowait(number)
                worker = asyncio.create_task(self.work(jobs), name="worker")
                self.addCleanup(worker.cancel)
                await jobs.join()

            async def work(self, jobs: asyncio.Queue[int]) -> None:
                while True:
                    if await jobs.get():
                        jobs.task_done()

        error = self.hang(Case, DeadlockError, "nothing can wake this test", "await jobs.join()")
        self.assertEqual(
            error.waiting,
            (
                "'test_it' waits for join() of Queue 'jobs', which lacks task_done() for 1 item",
                "'worker' waits for Queue 'jobs'",
            ),
        )

    def test_5_a_cancellation_that_is_swallowed(self) -> None:
        """By an except clause that means well."""

        class Case(Hanging):
            async def test_it(self) -> None:
                while True:
                    try:
                        await asyncio.sleep(0.02)
                    except asyncio.CancelledError:
                        pass

        self.hang(
            Case,
            TimeLimitError,
            "took longer than its limit of 0.5 s and swallows its cancellation",
            "await asyncio.sleep(0.02)",
        )

    def test_a_verdict_before_the_limit_whose_cancellation_is_swallowed(self) -> None:
        """What holds it up is told, and that cancelling it was of no use."""

        class InVain(Deadlocked):
            async def test_it(self) -> None:
                while True:
                    try:
                        await asyncio.Event().wait()
                    except asyncio.CancelledError:
                        pass

        class TooLong(Hanging):
            async def test_it(self) -> None:
                while True:
                    try:
                        await asyncio.sleep(60)
                    except asyncio.CancelledError:
                        pass

        rows = [
            (InVain, DeadlockError, "nothing can wake this test", "await asyncio.Event().wait()"),
            (TooLong, TimeLimitError, "can't finish in time", "await asyncio.sleep(60)"),
        ]
        for case, kind, verdict, line in rows:
            with self.subTest(case.__name__):
                error = self.hang(case, kind, verdict, line)
                self.assertEqual(
                    error.__notes__,
                    [
                        "test_it was cancelled for it in the test phase and goes on waiting: it, "
                        "or what it awaits, swallows the cancellation. It was left behind."
                    ],
                )

    def test_6_a_sleep_that_blocks_the_loop(self) -> None:
        """Synchronous code in a coroutine."""

        class Case(Hanging):
            async def test_it(self) -> None:
                await asyncio.sleep(0)
                self.parse()

            def parse(self) -> None:
                time.sleep(60)

        error = self.hang(
            Case,
            TimeLimitError,
            "synchronous code in task 'test_it' blocked the loop in the test phase.",
            "time.sleep(60)",
        )
        self.assertEqual(len(error.waiting), 2)

    def test_7_a_process_that_never_ends(self) -> None:
        """Its number and its command are named."""

        class Case(Hanging):
            timeout = 30  # to start a process may take long

            async def test_it(self) -> None:
                program = "import time; time.sleep(600)"
                process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
                pass_time(30)
                try:
                    await process.wait()
                finally:
                    process.kill()
                    await process.wait()

        with limits_by_hand():
            error = self.hang(
                Case,
                TimeLimitError,
                "it was waiting in the test phase for process ",
                "await process.wait()",
            )
        self.assertRegex(str(error), r"process \d+ \(.*time\.sleep\(600\)'\), which has not ended")

    def test_8_a_job_that_never_ends(self) -> None:
        """Its function and the line at which it is are named; its thread is left behind."""
        gate = threading.Event()
        self.addCleanup(gate.set)

        class Case(Hanging):
            async def test_it(self) -> None:
                await asyncio.to_thread(self.crunch)

            def crunch(self) -> None:
                gate.wait()

        outcome = Outcome()
        with settings({}), alone_in_process():
            Case("test_it").run(outcome)
            following = Outcome()
            Case("test_next").run(following)
        first, second = outcome.raised
        self.assertIsInstance(first, TimeLimitError)
        self.assertRegex(
            str(first),
            r"it was waiting in the test phase for executor job \S+\.crunch, which has not ended: "
            r"tests/test_hangs\.py:\d+   gate\.wait\(\)\.\n\n"
            r"  tests/test_hangs\.py:\d+   await asyncio\.to_thread\(self\.crunch\)\n",
        )
        self.assertIn("left executor jobs behind that do not end", str(second))
        self.assertPassed(following)

    def test_9_a_server_that_nobody_closes(self) -> None:
        """Its address is named."""

        class Case(Hanging):
            async def test_it(self) -> None:
                server = await asyncio.start_server(self.answer, "127.0.0.1", 0)
                try:
                    await server.serve_forever()
                finally:
                    server.close()

            async def answer(self, reader: Any, writer: Any) -> None: ...

        error = self.hang(
            Case,
            TimeLimitError,
            "it was waiting in the test phase for the server on 127.0.0.1:",
            "await server.serve_forever()",
        )
        self.assertIn(", which serves for ever", str(error))

    def test_10_a_teardown_that_waits_for_the_test(self) -> None:
        """The test has ended; what it was to do beforehand, nobody does."""

        class Case(Deadlocked):
            async def asyncSetUp(self) -> None:
                self.done = asyncio.Event()

            async def test_it(self) -> None: ...

            async def test_next(self) -> None:
                self.done.set()

            async def asyncTearDown(self) -> None:
                await self.done.wait()

        error = self.hang(
            Case, DeadlockError, "nothing can wake this test", "await self.done.wait()"
        )
        self.assertEqual(error.waiting, ("'test_it' waits for Event 'self.done'",))


if __name__ == "__main__":
    unittest.main()
