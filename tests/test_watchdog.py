"""Limits in real time, part by part: a watch, the patrol that looks at it, the interruption."""

from __future__ import annotations

import contextlib
import io
import math
import signal
import sys
import threading
import time
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

from asynctesting import _internals, _watchdog
from asynctesting._report import Place
from asynctesting._watchdog import ANSWER_TIME, PATIENCE, Interruption, State, Watch
from tests.support import OutcomeAssertions, run_python

#: Real seconds after which something that should have happened is missed.
DEADLINE = 10.0


class Subject:
    """What a watch asks: a loop that answers, or one that does not."""

    def __init__(self, *, answers: bool = True, task: str | None = "task 1") -> None:
        self.answers = answers
        self.task = task
        self.asked = threading.Event()

    def ask_for_report(self) -> bool:
        self.asked.set()
        return self.answers

    def running_task(self) -> str | None:
        return self.task


class StillTimeTestCase(unittest.TestCase):
    """Time stands still here, and no thread looks; a test does both itself."""

    def setUp(self) -> None:
        self.now = 1000.0
        for target, name, value in (
            (Watch, "_now", staticmethod(lambda: self.now)),
            (_watchdog, "_patrol", mock.Mock(next_look=-math.inf)),
            (_watchdog, "_watches", {}),
            (_watchdog, "_uses_signal", lambda thread_id: False),
            (_internals, "raise_in_thread", mock.Mock()),
            (_internals, "catch_raised", mock.Mock()),
            (_internals, "active_debugger", lambda thread_id: None),
        ):
            patch = mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def armed(self, limit: float | None = 60.0, **subject: Any) -> tuple[Watch, Subject]:
        asked = Subject(**subject)
        watch = Watch("test_it", limit, asked)
        watch.arm()
        return watch, asked


class WatchTests(StillTimeTestCase):
    def test_it_is_due_at_its_limit(self) -> None:
        """Counted from when it was armed: what precedes a test is not the test's time."""
        watch = Watch("test_it", 60.0, Subject())
        self.now += 7
        watch.arm()

        self.assertEqual(watch.due, 1067.0)
        self.assertEqual(list(_watchdog._watches), [watch])

    def test_it_can_pause(self) -> None:
        """Between two phases of something longer nobody looks; then it has what was left."""
        watch, _ = self.armed(60.0)
        watch.pause()
        paused = list(_watchdog._watches)
        self.now += 100.0
        watch.resume(10.0)

        self.assertEqual(paused, [])
        self.assertEqual(list(_watchdog._watches), [watch])
        self.assertEqual((watch.limit, watch.due), (60.0, 1110.0))

    def test_without_a_limit_nobody_looks(self) -> None:
        """It is never due, and not on the list."""
        watch, _ = self.armed(None)

        self.assertEqual(watch.due, math.inf)
        self.assertEqual(list(_watchdog._watches), [])

    def test_its_repr_says_what_it_is_doing(self) -> None:
        """For whoever meets it in a debugger."""
        watch, _ = self.armed(60.0)
        self.now += 1.5

        self.assertEqual(repr(watch), "<Watch 'test_it' watching due in 58.500s expired=0>")
        self.assertEqual(repr(self.armed(None)[0]), "<Watch 'test_it' watching no limit expired=0>")

    def test_the_patrol_is_woken_for_a_short_limit_only(self) -> None:
        """A limit after its next look costs a comparison."""
        _watchdog._patrol.next_look = 1050.0
        self.armed(60.0)
        self.assertEqual(_watchdog._patrol.look_earlier.mock_calls, [])
        self.armed(5.0)
        self.assertEqual(_watchdog._patrol.look_earlier.mock_calls, [mock.call()])

    def test_disarmed_it_is_over(self) -> None:
        """It is off the list, wants nothing, and keeps nobody alive."""
        watch, subject = self.armed()
        watch.disarm()
        watch.look()

        self.assertIs(watch.state, State.OFF)
        self.assertIsNot(watch.subject, subject)
        self.assertFalse(subject.asked.is_set())
        self.assertEqual(list(_watchdog._watches), [])


class EscalationTests(StillTimeTestCase):
    def test_first_the_loop_is_asked(self) -> None:
        """It has a moment to answer, and nothing is interrupted yet."""
        watch, subject = self.armed(60.0)
        self.now += 60.0
        watch.look()

        self.assertTrue(subject.asked.is_set())
        self.assertIs(watch.state, State.ASKED)
        self.assertTrue(watch.overdue)
        self.assertEqual(watch.due, 1060.0 + ANSWER_TIME)
        self.assertFalse(watch.wanted)

    def test_a_loop_that_answers_gets_a_grace_period(self) -> None:
        """What is left of the test has time for its teardown, and the watch goes on."""
        watch, _ = self.armed(60.0)
        self.now += 60.0
        watch.look()

        self.assertTrue(watch.answered())

        self.assertIs(watch.state, State.WATCHING)
        self.assertEqual((watch.expired, watch.granted), (1, 5.0))
        self.assertEqual(watch.due, 1060.0 + 5.0)
        self.assertFalse(watch.answered(), "the same expiry is no news twice")

    def test_the_grace_period_fits_the_limit(self) -> None:
        """A tenth of it, between half a second and five; from the second time on, a moment."""
        grace = [Watch("t", limit, Subject()).grace for limit in (1.0, 20.0, 60.0, 600.0, None)]
        self.assertEqual(grace, [0.5, 2.0, 5.0, 5.0, 0.5])

        watch, _ = self.armed(60.0)
        for _ in range(2):
            watch.look()
            watch.answered()
        self.assertEqual((watch.grace, watch.granted), (0.1, 5.0))

    def test_a_loop_that_is_not_running_is_interrupted_at_once(self) -> None:
        """Synchronous code outside of it has nobody to ask."""
        watch, _ = self.armed(60.0, answers=False, task=None)
        watch.interruptible = True
        watch.look()

        self.assertIs(watch.state, State.INTERRUPTED)
        self.assertTrue(watch.wanted)
        _internals.raise_in_thread.assert_called_once_with(  # type: ignore[attr-defined]
            threading.get_ident(), Interruption
        )

    def test_silence_means_that_the_loop_is_blocked(self) -> None:
        """The task and the line are noted before anything is interrupted."""
        watch, _ = self.armed(60.0, task="handler")
        stack = [Place("test_x.py", 3, "handler")]
        watch.look()
        with mock.patch.object(_watchdog, "user_stack", lambda thread_id: stack):
            watch.look()

        self.assertIs(watch.state, State.INTERRUPTED)
        self.assertEqual(watch.blocked, ("handler", stack))

    def test_the_machinery_is_never_interrupted(self) -> None:
        """Only while the user's code is running is anything raised."""
        watch, _ = self.armed(60.0)
        for _ in range(3):
            watch.look()

        self.assertTrue(watch.wanted)
        self.assertEqual(_internals.raise_in_thread.mock_calls, [])  # type: ignore[attr-defined]

    def test_an_answer_calls_the_interruption_off(self) -> None:
        """The code came back by itself in the meantime."""
        watch, _ = self.armed(60.0)
        watch.look()
        watch.look()
        watch.answered()

        self.assertFalse(watch.wanted)
        self.assertIs(watch.state, State.WATCHING)

    def test_disarming_takes_back_what_was_not_yet_raised(self) -> None:
        """Or it would be raised in the next test of that thread."""
        watch, _ = self.armed(60.0, answers=False)
        watch.look()
        watch.disarm()

        _internals.catch_raised.assert_called_once_with(  # type: ignore[attr-defined]
            Interruption
        )

    def test_disarming_a_test_in_time_takes_nothing_back(self) -> None:
        """There was nothing."""
        watch, _ = self.armed(60.0)
        watch.disarm()

        self.assertEqual(_internals.catch_raised.mock_calls, [])  # type: ignore[attr-defined]

    def test_after_long_patience_the_process_ends(self) -> None:
        """Code that reacts to nothing would hang the run for ever; what is known is printed."""
        watch, _ = self.armed(60.0, answers=False)
        with mock.patch.object(
            _watchdog, "user_stack", lambda thread_id: [Place("<made up>", 3, "parse")]
        ):
            watch.look()
        self.now += PATIENCE
        watch.look()

        self.now += ANSWER_TIME
        with (
            contextlib.redirect_stderr(io.StringIO()) as said,
            mock.patch("os._exit") as end,
            mock.patch("faulthandler.dump_traceback") as dump,
        ):
            watch.look()

        end.assert_called_once_with(_watchdog.EXIT_STATUS)
        dump.assert_called_once()
        self.assertEqual(
            said.getvalue(),
            "\nTimeLimitError: test_it is stuck and can't be interrupted; its limit was 60 s.\n\n"
            "  <made up>:3 in parse\n\n"
            "The code there waits inside C and reacts to no signal. So that the run does not hang "
            "for ever,\nthe process ends here. The stacks of all threads:\n\n",
        )

    def test_with_a_debugger_the_limit_is_off(self) -> None:
        """And it says so: a test that then hangs is no surprise."""
        watch, subject = self.armed(60.0)
        with (
            contextlib.redirect_stderr(io.StringIO()) as said,
            mock.patch.object(_internals, "active_debugger", lambda thread_id: "pdb"),
        ):
            watch.look()

        self.assertEqual(watch.due, math.inf)
        self.assertFalse(subject.asked.is_set())
        self.assertEqual(
            said.getvalue(),
            "\nasynctesting: the limit of test_it is off, because a debugger (pdb) is active\n",
        )


class BudgetTests(StillTimeTestCase):
    def test_a_part_can_get_less(self) -> None:
        """Tasks that are cancelled at the end have seconds, not the rest of a minute."""
        watch, _ = self.armed(60.0)

        watch.shorten(5.0)
        shortened = watch.due
        watch.lengthen()

        self.assertEqual((shortened, watch.due), (1005.0, 1060.0))

    def test_but_never_more(self) -> None:
        """The limit of the test stands."""
        watch, _ = self.armed(2.0)

        watch.shorten(5.0)

        self.assertEqual(watch.due, 1002.0)

    def test_without_a_limit_there_is_no_budget(self) -> None:
        """Who switched the limit off waits as long as it takes."""
        watch, _ = self.armed(None)

        watch.shorten(5.0)

        self.assertEqual(watch.due, math.inf)


@contextlib.contextmanager
def watching(limit: float, subject: Subject) -> Iterator[Watch]:
    """Have the real patrol look at this thread."""
    watch = Watch("test_it", limit, subject)
    watch.arm()
    try:
        yield watch
    finally:
        watch.interruptible = False
        watch.disarm()


def block(watch: Watch) -> str:
    """Be code that blocks until it is interrupted, or until the test gives up."""
    end = time.monotonic() + DEADLINE
    try:
        watch.interruptible = True
        while time.monotonic() < end:
            time.sleep(0.001)
        return "not interrupted"
    except Interruption:
        return "interrupted"
    finally:
        watch.interruptible = False


class PatrolTests(unittest.TestCase):
    """With the real thread, which the first short limit of a run starts."""

    def test_it_asks_when_the_limit_runs_out(self) -> None:
        """Within milliseconds, though its own next look may have been a minute away."""
        subject = Subject()
        with watching(0.01, subject):
            self.assertTrue(subject.asked.wait(DEADLINE))

    def test_it_leaves_a_test_in_time_alone(self) -> None:
        """A watch that was taken off is not looked at."""
        slow, quick = Subject(), Subject()
        with watching(0.02, slow):
            with watching(0.01, quick):
                pass
            slow.asked.wait(DEADLINE)

        self.assertFalse(quick.asked.is_set())

    def test_blocked_code_in_the_main_thread_is_interrupted(self) -> None:
        """By a signal, which reaches waits in C as well."""
        if threading.current_thread() is not threading.main_thread():
            self.skipTest("the suite runs in another thread")
        with watching(0.01, Subject(answers=False)) as watch:
            self.assertEqual(block(watch), "interrupted")
            self.assertIsNotNone(watch.blocked)

    def test_blocked_code_in_another_thread_is_interrupted(self) -> None:
        """At its next step of Python code."""
        ends: list[str] = []

        def work() -> None:
            with watching(0.01, Subject(answers=False)) as watch:
                ends.append(block(watch))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(DEADLINE)

        self.assertEqual(ends, ["interrupted"])

    def test_one_thread_is_enough(self) -> None:
        """However many tests there are, and it never keeps the process alive."""
        for _ in range(3):
            subject = Subject()
            with watching(0.01, subject):
                subject.asked.wait(DEADLINE)

        threads = [t for t in threading.enumerate() if t.name == "asynctesting-watchdog"]
        self.assertEqual(len(threads), 1)
        self.assertTrue(threads[0].daemon)


@unittest.skipUnless(hasattr(signal, "SIGURG"), "there is no such signal here")
class SignalTests(OutcomeAssertions):
    def setUp(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            self.skipTest("handlers are set in the main thread only")
        self.addCleanup(signal.signal, signal.SIGURG, signal.getsignal(signal.SIGURG))

    def test_a_handler_of_the_users_is_left_alone(self) -> None:
        """Then blocked code is reached in the other way."""

        def mine(signum: int, frame: object) -> None: ...

        signal.signal(signal.SIGURG, mine)
        _watchdog._install_signal_handler()

        self.assertIs(signal.getsignal(signal.SIGURG), mine)
        self.assertFalse(_watchdog._uses_signal(threading.get_ident()))

    def test_a_signal_that_nobody_uses_is_taken(self) -> None:
        """It is ignored by default, so nothing is lost."""
        signal.signal(signal.SIGURG, signal.SIG_DFL)
        _watchdog._install_signal_handler()

        self.assertIs(signal.getsignal(signal.SIGURG), _watchdog._on_signal)
        self.assertTrue(_watchdog._uses_signal(threading.get_ident()))

    def test_a_stray_signal_does_nothing(self) -> None:
        """Urgent data on a socket is not our interruption."""
        _watchdog._on_signal(signal.SIGURG, None)

    def test_an_interruption_is_raised_once(self) -> None:
        """And only where it is wanted and the user's code is running."""
        watch = Watch("test_it", 60.0, Subject())
        with mock.patch.object(_watchdog, "_watches", {watch: None}):
            watch.wanted = True
            _watchdog._on_signal(signal.SIGURG, None)
            watch.interruptible = True
            with self.assertRaises(Interruption):
                _watchdog._on_signal(signal.SIGURG, None)
            _watchdog._on_signal(signal.SIGURG, None)

        self.assertFalse(watch.wanted)


class ProcessTests(OutcomeAssertions):
    @unittest.skipUnless(hasattr(signal, "pthread_sigmask"), "needs a signal that is held back")
    def test_a_wait_that_nothing_ends(self) -> None:
        """The run ends with what is known about it, and a status of its own."""
        process = run_python(
            """
            import signal, time, unittest
            from asynctesting import AsyncTestCase, _watchdog

            _watchdog.ANSWER_TIME, _watchdog.PATIENCE = 0.01, 0.05
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])

            class Tests(AsyncTestCase):
                timeout = 0.05

                async def test_it(self):
                    time.sleep(60)  # stuck here

            unittest.main()
            """
        )

        self.assertEqual(process.returncode, _watchdog.EXIT_STATUS, process.stderr)
        self.assertIn(
            "TimeLimitError: test_it is stuck and can't be interrupted; its limit was 0.05 s.",
            process.stderr,
        )
        self.assertIn("time.sleep(60)  # stuck here", process.stderr)
        self.assertIn("most recent call first", process.stderr)

    @unittest.skipUnless(hasattr(sys.modules["os"], "fork"), "there is no fork here")
    def test_a_forked_child_has_a_patrol_of_its_own(self) -> None:
        """Threads do not survive a fork; limits in the child work all the same."""
        process = run_python(
            """
            import os, sys, threading, time, warnings
            from asynctesting._watchdog import Interruption, Watch

            class Subject:
                def ask_for_report(self):
                    asked.set()
                    return True

                def running_task(self):
                    return None

            def run_out():
                asked.clear()
                watch = Watch("test_it", 0.01, Subject())
                watch.arm()
                found = asked.wait(10)
                watch.disarm()
                return found

            asked = threading.Event()
            print("parent:", run_out(), flush=True)
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 on threads and fork()
            child = os.fork()
            if not child:
                print("child:", run_out(), flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            """
        )

        self.assertRunsClean(process, "parent: True", "child: True")


if __name__ == "__main__":
    unittest.main()
