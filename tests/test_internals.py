"""Private names of CPython: each still works here, and its loss costs one check, never a run.

When a new interpreter has renamed something, this file says so first.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import inspect
import io
import multiprocessing
import pdb
import re
import signal
import ssl
import sys
import threading
import types
import unittest
import warnings
from asyncio import events
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest import mock

from asynctesting import NotCheckedWarning, _internals, _leaks, _loop
from asynctesting._audit import hooks
from asynctesting._audit.loop import find_open
from asynctesting._internals import CurrentLoop
from asynctesting._loop import LazyEventLoop
from tests.support import OutcomeAssertions, run_python


@contextlib.contextmanager
def fresh_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.SelectorEventLoop()
    try:
        yield loop
    finally:
        loop.close()


class CurrentLoopTests(OutcomeAssertions):
    def setUp(self) -> None:
        # Whatever this process's runner has left as the current loop is put back.
        with fresh_loop() as loop:
            before = CurrentLoop(loop, keep_policy=True)
        self.addCleanup(before.restore)
        self.policy = before._policy
        self.policy.set_event_loop(None)

    def test_the_default_policy_has_its_slot(self) -> None:
        """The private name itself: a thread-local slot with the loop and a flag."""
        with fresh_loop() as loop:
            self.policy.set_event_loop(loop)
            self.assertIs(self.policy._local._loop, loop)
            self.policy.set_event_loop(None)

        self.assertTrue(hasattr(events, "_event_loop_policy"))

    def test_a_loop_is_made_current(self) -> None:
        """``asyncio.get_event_loop()`` answers it until it is put back."""
        with fresh_loop() as loop:
            current = CurrentLoop(loop, keep_policy=True)
            during = asyncio.get_event_loop()
            current.restore()

        self.assertIs(during, loop)
        self.assertIsNone(self.policy._local._loop)

    def test_the_loop_before_is_current_again(self) -> None:
        """A legacy test that set its own loop finds it where it was."""
        with fresh_loop() as mine, fresh_loop() as loop:
            self.policy.set_event_loop(mine)
            CurrentLoop(loop, keep_policy=True).restore()

            self.assertIs(asyncio.get_event_loop(), mine)
            self.policy.set_event_loop(None)

    def test_a_thread_that_never_had_one_is_left_untouched(self) -> None:
        """The flag that says whether a loop was ever set is put back, too."""
        slots: list[dict[str, Any]] = []

        def work() -> None:
            slots.append(dict(self.policy._local.__dict__))
            with fresh_loop() as loop:
                CurrentLoop(loop, keep_policy=True).restore()
            slots.append(dict(self.policy._local.__dict__))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

        self.assertEqual(slots[0], slots[1])

    def test_a_policy_that_came_into_being_goes_again(self) -> None:
        """A process that had no policy has none afterwards, unless it is to stay."""
        process = run_python(
            """
            import asyncio
            from asyncio import events
            from asynctesting._internals import CurrentLoop

            loop = asyncio.SelectorEventLoop()
            assert events._event_loop_policy is None
            CurrentLoop(loop, keep_policy=False).restore()
            print("gone:", events._event_loop_policy is None)
            CurrentLoop(loop, keep_policy=True).restore()
            print("kept:", events._event_loop_policy is not None)
            loop.close()
            """
        )

        self.assertRunsClean(process, "gone: True", "kept: True")

    def test_a_policy_without_that_slot(self) -> None:
        """The fallback: putting back means that none is set."""
        policy = mock.Mock(spec=["set_event_loop"])
        with mock.patch.object(_internals, "_get_policy", lambda: policy), fresh_loop() as loop:
            CurrentLoop(loop, keep_policy=True).restore()

        self.assertEqual(
            policy.mock_calls, [mock.call.set_event_loop(loop), mock.call.set_event_loop(None)]
        )


class TasksTests(unittest.TestCase):
    @unittest.skipIf(sys.version_info >= (3, 14), "there only the pending ones can be asked for")
    def test_finished_tasks_are_found(self) -> None:
        """The private registry knows them as long as somebody holds them."""

        async def quick() -> None:
            pass

        with fresh_loop() as loop:
            done = loop.create_task(quick())
            gate = loop.create_future()
            pending = loop.create_task(_wait_for(gate))
            loop.run_until_complete(done)
            found = _internals.tasks_of(loop)
            gate.set_result(None)
            loop.run_until_complete(pending)

        self.assertEqual(set(found), {done, pending})

    def test_tasks_of_other_loops_are_not(self) -> None:
        """Each test sees its own."""
        with fresh_loop() as mine, fresh_loop() as other:
            theirs = other.create_task(asyncio.sleep(0))

            self.assertEqual(_internals.tasks_of(mine), [])

            other.run_until_complete(theirs)

    @unittest.skipIf(sys.version_info < (3, 12), "eager tasks came with 3.12")
    def test_eager_tasks_are_found(self) -> None:
        """They stand in a registry of their own while they run for the first time."""
        found: list[Any] = []

        async def look() -> None:
            found.extend(_internals.tasks_of(asyncio.get_running_loop()))

        async def main() -> asyncio.Task[None]:
            loop = asyncio.get_running_loop()
            loop.set_task_factory(asyncio.eager_task_factory)
            return loop.create_task(look())

        with fresh_loop() as loop:
            task = loop.run_until_complete(main())

        self.assertIn(task, found)

    def test_without_the_registry_pending_tasks_are_all_we_get(self) -> None:
        """The fallback: the public call, which leaves finished tasks out."""

        async def quick() -> None:
            pass

        with mock.patch.object(_internals, "_task_registries", []), fresh_loop() as loop:
            done = loop.create_task(quick())
            gate = loop.create_future()
            pending = loop.create_task(_wait_for(gate))
            loop.run_until_complete(done)
            found = _internals.tasks_of(loop)
            gate.set_result(None)
            loop.run_until_complete(pending)

        self.assertEqual(found, [pending])

    def test_a_registry_that_changes_meanwhile(self) -> None:
        """Other threads start tasks of their own loops; the copy is tried again."""

        class Changing:
            attempts = 0

            def __iter__(self) -> Iterator[Any]:
                self.attempts += 1
                if self.attempts < 3:
                    raise RuntimeError("Set changed size during iteration")
                return iter([task])

        with fresh_loop() as loop:
            task = loop.create_task(asyncio.sleep(0))
            with mock.patch.object(_internals, "_task_registries", [Changing()]):
                found = _internals.tasks_of(loop)
            loop.run_until_complete(task)

        self.assertEqual(found, [task])

    def test_a_lost_exception_is_seen_until_somebody_looks(self) -> None:
        """``_log_traceback`` is what asyncio itself goes by."""

        async def fail() -> None:
            raise LookupError("lost")

        with fresh_loop() as loop:
            task = loop.create_task(fail())
            loop.run_until_complete(asyncio.wait([task]))
            before = _internals.is_unretrieved(task)
            error = _internals.mark_retrieved(task)
            after = _internals.is_unretrieved(task)

        self.assertEqual((before, repr(error), after), (True, "LookupError('lost')", False))

    def test_what_is_no_failure_has_no_lost_exception(self) -> None:
        """Pending, successful and cancelled tasks have nothing to retrieve."""
        with fresh_loop() as loop:
            task = loop.create_task(asyncio.sleep(0))
            pending = _internals.is_unretrieved(task)
            loop.run_until_complete(task)
            cancelled = loop.create_task(asyncio.sleep(60))
            cancelled.cancel()
            loop.run_until_complete(asyncio.wait([cancelled]))

            self.assertFalse(pending)
            self.assertFalse(_internals.is_unretrieved(task))
            self.assertFalse(_internals.is_unretrieved(cancelled))
            self.assertIsNone(_internals.mark_retrieved(cancelled))

    def test_a_task_without_that_flag_counts_as_retrieved(self) -> None:
        """The fallback: not checked, and no error."""
        task: Any = mock.Mock(spec=["done", "cancelled"])
        task.done.return_value, task.cancelled.return_value = True, False

        self.assertFalse(_internals.is_unretrieved(task))

    def test_a_task_whose_coroutine_was_closed_is_not_alive(self) -> None:
        """Such as one that the collector has got to first."""

        async def wait() -> None:
            await asyncio.sleep(0)

        with fresh_loop() as loop:
            coroutine = wait()
            task = loop.create_task(coroutine)
            self.assertTrue(_internals.is_alive(task))
            coroutine.close()
            self.assertFalse(_internals.is_alive(task))
            _internals.silence_pending(task)

    def test_a_pending_task_can_be_silenced(self) -> None:
        """asyncio does not log "destroyed but it is pending" for what we have reported."""
        for silence in (True, False):
            with self.subTest(silence=silence), fresh_loop() as loop:
                told: list[str] = []
                loop.set_exception_handler(lambda _, context: told.append(context["message"]))  # noqa: B023
                # A future that nobody else holds, so that task and future go together.
                task = loop.create_task(_wait_for(loop.create_future()))
                loop.run_until_complete(asyncio.sleep(0))
                if silence:
                    _internals.silence_pending(task)
                del task
                gc.collect()

                self.assertEqual(told, [] if silence else ["Task was destroyed but it is pending!"])

    def test_the_current_task_of_a_loop(self) -> None:
        """Also asked for between two steps, and where the index has another name."""
        found: list[object] = []

        async def body() -> None:
            loop = asyncio.get_running_loop()
            task = asyncio.current_task()
            loop.call_soon(lambda: found.append(_internals.current_task_of(loop)))
            found.append(_internals.current_task_of(loop) is task)
            with mock.patch.object(asyncio.tasks, "_current_tasks", None, create=True):
                found.append(_internals._find_current_task() is asyncio.current_task)
            await asyncio.sleep(0)

        asyncio.run(body())
        self.assertEqual(found, [True, True, None])

    def test_the_first_step_of_a_task_has_a_type_of_its_own(self) -> None:
        """By which it is told from the task's other methods as a callback."""
        seen: list[object] = []

        class Loop(asyncio.SelectorEventLoop):
            def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
                if isinstance(getattr(callback, "__self__", None), asyncio.Task):
                    seen.append(callback)
                return super().call_soon(callback, *args, context=context)

        async def body() -> None:
            await asyncio.sleep(0)
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(future.set_result, None)
            await future

        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(body())
            task = asyncio.Task(body(), loop=runner.get_loop())
            cancel = task.cancel
            cancel()
            with contextlib.suppress(asyncio.CancelledError):
                runner.get_loop().run_until_complete(task)
        first = _internals.first_step_type()
        self.assertEqual([type(step) is first for step in seen[:3]], [True, True, False])
        self.assertIsNot(type(cancel), first)


class OriginTests(unittest.TestCase):
    """What tells, on a shared loop, whose a task or a timer is."""

    def test_tasks_and_timers_show_their_contexts_and_callbacks(self) -> None:
        """A variable that was set where they were made is found in them."""
        where = contextvars.ContextVar("where", default="outside")

        with fresh_loop() as loop:
            context = contextvars.copy_context()
            context.run(where.set, "inside")
            never = loop.create_future()

            async def wait() -> None:
                await never

            task = context.run(loop.create_task, wait())
            # A callback has a context, too, which is not the one that is asked for.
            task.add_done_callback(print, context=contextvars.Context())
            timer = context.run(loop.call_later, 60, print)
            loop.run_until_complete(asyncio.sleep(0))

            of_task = _internals.context_of_task(task)
            of_timer = _internals.context_of_handle(timer)
            assert of_task is not None and of_timer is not None
            self.assertEqual((of_task[where], of_timer[where]), ("inside", "inside"))
            self.assertEqual(_internals.timers_of(loop), [timer])
            self.assertIs(_internals.callback_of(timer), print)

            task.remove_done_callback(print)
            task.cancel()
            timer.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            self.assertEqual(_internals.timers_of(loop), [])

    @unittest.skipUnless(hasattr(signal, "SIGUSR1"), "signals of POSIX")
    def test_the_signal_handlers_of_a_loop_are_known(self) -> None:
        """With the context in which each of them was added."""
        where = contextvars.ContextVar[str]("where")
        context = contextvars.copy_context()
        context.run(where.set, "inside")
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            self.assertEqual(_internals.signal_handlers_of(loop), {})
            context.run(loop.add_signal_handler, signal.SIGUSR1, print)

            handlers = _internals.signal_handlers_of(loop)

            found = _internals.context_of_handle(handlers[signal.SIGUSR1])
            loop.remove_signal_handler(signal.SIGUSR1)
        self.assertEqual([*handlers], [signal.SIGUSR1])
        self.assertIsNotNone(found)
        self.assertEqual((found or {})[where], "inside")

    def test_a_failed_class_fixture_has_unittests_own_stand_in(self) -> None:
        """It reads like the errors that unittest itself reports for classes."""
        holder = _internals.error_holder("tearDownSession (asynctesting)")

        self.assertEqual(holder.id(), "tearDownSession (asynctesting)")
        self.assertEqual(type(holder).__module__, "unittest.suite")


class MultiprocessingNamesTests(unittest.TestCase):
    @unittest.skipIf(sys.platform == "win32", "processes have handles there")
    def test_what_it_keeps_open_is_known(self) -> None:
        """The way to its resource tracker, once that was needed."""
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()

        self.assertIn(resource_tracker._resource_tracker._fd, _internals.fds_of_multiprocessing())

    @unittest.skipIf(sys.platform == "win32", "processes have handles there")
    def test_the_pipes_of_a_process_are_known(self) -> None:
        """Among them the one that tells of its end; a process that was not started has none."""
        process = multiprocessing.get_context("spawn").Process(target=print)
        before = _internals.fds_of_child(process)
        process.start()
        try:
            self.assertIn(process.sentinel, _internals.fds_of_child(process))
        finally:
            process.join()
            process.close()
        self.assertEqual(before, [])


class EnteredTaskTests(unittest.TestCase):
    def test_code_runs_inside_a_task_without_a_turn_of_the_loop(self) -> None:
        """``asyncio.current_task()`` and ``get_running_loop()`` answer as in that task."""
        hooks = sys.get_asyncgen_hooks()
        with fresh_loop() as loop:
            gate = loop.create_future()
            task = loop.create_task(_wait_for(gate))

            entered = _internals.enter_task(loop, task)
            inside = (asyncio.get_running_loop(), asyncio.current_task(), loop.is_running())
            _internals.leave_task(loop, task, entered)

            outside = (asyncio._get_running_loop(), loop.is_running(), sys.get_asyncgen_hooks())
            gate.set_result(None)
            loop.run_until_complete(task)

        self.assertEqual(inside, (loop, task, True))
        self.assertEqual(outside, (None, False, hooks))

    def test_async_generators_belong_to_that_loop(self) -> None:
        """One that is iterated there is closed with the loop."""

        async def numbers() -> AsyncIterator[int]:
            yield 1

        with fresh_loop() as loop:
            task = loop.create_task(asyncio.sleep(0))
            generator = numbers()
            entered = _internals.enter_task(loop, task)
            with self.assertRaises(StopIteration):
                generator.__anext__().send(None)
            _internals.leave_task(loop, task, entered)
            known = list(loop._asyncgens)  # type: ignore[attr-defined]
            loop.run_until_complete(task)
            loop.run_until_complete(loop.shutdown_asyncgens())

        self.assertEqual(known, [generator])


async def _wait_for(future: asyncio.Future[None]) -> None:
    await future


class UnawaitedTests(unittest.TestCase):
    def setUp(self) -> None:
        original = warnings._warn_unawaited_coroutine
        self.addCleanup(setattr, warnings, "_warn_unawaited_coroutine", original)

    def test_the_interpreter_calls_the_hook(self) -> None:
        """Whatever the filters say: the function of ``warnings`` is called with the coroutine."""
        seen: list[str] = []
        self.assertTrue(
            _internals.watch_unawaited(lambda coroutine: not seen.append(coroutine.__name__))
        )

        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("ignore")
            asyncio.sleep(0)
            gc.collect()

        self.assertEqual((seen, given), (["sleep"], []))

    def test_what_nobody_takes_is_warned_of_as_before(self) -> None:
        """A report that answers "no" leaves the matter to the interpreter."""
        _internals.watch_unawaited(lambda coroutine: False)

        with self.assertWarnsRegex(RuntimeWarning, "coroutine 'sleep' was never awaited"):
            asyncio.sleep(0)
            gc.collect()

    def test_an_interpreter_without_it(self) -> None:
        """The fallback: the answer is "not checked", and one warning says so."""
        with mock.patch.object(warnings, "_warn_unawaited_coroutine", None):
            self.assertFalse(_internals.watch_unawaited(lambda coroutine: True))
            with mock.patch.multiple(hooks, _set=False, _not_checked=set()):
                collector = _leaks.Collector()
                with self.assertWarnsRegex(NotCheckedWarning, "coroutines are not checked"):
                    collector.begin()
                collector.end()


class WarningsTests(unittest.TestCase):
    def test_filters_are_read_in_order(self) -> None:
        """The first one that applies decides, by text and by category."""
        text = "coroutine 'f' was never awaited"
        with warnings.catch_warnings():
            warnings.resetwarnings()
            self.assertFalse(_internals.ignored_by_filters(text, RuntimeWarning))
            warnings.filterwarnings("ignore", "coroutine '.' was")
            self.assertTrue(_internals.ignored_by_filters(text, RuntimeWarning))
            self.assertFalse(_internals.ignored_by_filters("another text", RuntimeWarning))
            warnings.simplefilter("error", DeprecationWarning)
            self.assertTrue(_internals.ignored_by_filters(text, RuntimeWarning))
            warnings.simplefilter("error", RuntimeWarning)
            self.assertFalse(_internals.ignored_by_filters(text, RuntimeWarning))

    def test_filters_for_one_place_do_not_count(self) -> None:
        """A filter for a module or a line says nothing about the whole test."""
        with warnings.catch_warnings():
            warnings.resetwarnings()
            warnings.filterwarnings("ignore", module="some_module")

            self.assertFalse(_internals.ignored_by_filters("text", RuntimeWarning))

    def test_filters_from_the_command_line(self) -> None:
        """There texts and modules are plain strings or patterns; both are understood."""
        with mock.patch.object(
            warnings,
            "filters",
            [
                ("ignore", "exact", RuntimeWarning, None, 0),
                ("ignore", re.compile("pattern"), RuntimeWarning, None, 0),
            ],
        ):
            self.assertTrue(_internals.ignored_by_filters("exact", RuntimeWarning))
            self.assertFalse(_internals.ignored_by_filters("exactly", RuntimeWarning))
            self.assertTrue(_internals.ignored_by_filters("pattern of text", RuntimeWarning))

    def test_a_recorder_is_noticed(self) -> None:
        """``assertWarns`` and ``catch_warnings(record=True)`` put their own function in place."""
        outside = _internals.warning_recorder()
        with self.assertWarns(UserWarning):
            inside = _internals.warning_recorder()
            warnings.warn("text", UserWarning, stacklevel=1)
        with warnings.catch_warnings(record=True):
            recording = _internals.warning_recorder()

        self.assertIsNotNone(outside)
        self.assertIsNot(inside, outside)
        self.assertIsNot(recording, outside)
        self.assertIs(_internals.warning_recorder(), outside)

    def test_a_filter_of_the_tests_own_is_not_taken_for_ours(self) -> None:
        """``assertWarns(ResourceWarning)`` sets one that is equal to ours, and means it."""
        script = """
            import unittest, warnings
            from asynctesting import AsyncTestCase

            class First(AsyncTestCase):
                async def test_it(self):
                    pass

            class Second(unittest.TestCase):
                def test_it(self):
                    with self.assertWarns(ResourceWarning):
                        warnings.warn("unclosed", ResourceWarning)
                    with self.assertRaises(ResourceWarning):  # by -W error
                        warnings.warn("unclosed", ResourceWarning)

            unittest.main()
            """

        process = run_python(script)

        self.assertEqual(process.returncode, 0, process.stderr)

    def test_an_interpreter_without_it(self) -> None:
        """The fallback: nobody records, as far as we know."""
        with mock.patch.object(_internals, "warnings", types.SimpleNamespace()):
            self.assertIsNone(_internals.warning_recorder())


class Stop(BaseException):
    """What is raised in another thread here."""


class ThreadTests(unittest.TestCase):
    def spinning(self) -> tuple[threading.Thread, threading.Event, list[str]]:
        """Start a thread that runs Python code until it is told to end or is interrupted."""
        end, started = threading.Event(), threading.Event()
        ends: list[str] = []

        def work() -> None:
            try:
                started.set()
                while not end.is_set():
                    end.wait(0.001)
                ends.append("told")
            except Stop:
                ends.append("interrupted")

        thread = threading.Thread(target=work)
        thread.start()
        started.wait(10)
        self.addCleanup(end.set)
        return thread, end, ends

    def test_an_exception_reaches_another_thread(self) -> None:
        """It is raised at the thread's next step of Python code."""
        thread, _, ends = self.spinning()

        _internals.raise_in_thread(thread.ident or 0, Stop)
        thread.join(10)

        self.assertEqual(ends, ["interrupted"])

    def test_one_that_was_not_yet_raised_is_caught(self) -> None:
        """The thread itself takes it at a place of its choice, whether it has come or not."""
        ends: list[str] = []

        def work() -> None:
            try:
                for _ in range(2):
                    _internals.catch_raised(Stop)
                ends.append("told")
            except Stop:
                ends.append("interrupted")

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(10)

        self.assertEqual(ends, ["told"])

    def test_nothing_is_left_that_would_hang_a_traced_call(self) -> None:
        """On 3.11, an exception taken back by the C call hangs the first call under a tracer."""
        _internals.catch_raised(Stop)

        before = sys.gettrace()
        sys.settrace(lambda *arguments: None)
        try:
            traced = (lambda: "returned")()
        finally:
            sys.settrace(before)

        self.assertEqual(traced, "returned")

    def test_a_thread_that_is_gone_is_no_error(self) -> None:
        """The watchdog may come too late."""
        _internals.raise_in_thread(2**31 - 1, Stop)


class DebuggerTests(unittest.TestCase):
    def setUp(self) -> None:
        self.me = threading.get_ident()
        # A debugger that watches this very run would be found, and rightly so.
        found = _internals.active_debugger(self.me)
        if found is not None:
            self.skipTest(f"{found} is active")

    def test_there_is_none_in_an_ordinary_run(self) -> None:
        """Coverage traces as well, and is no debugger."""
        self.assertIsNone(_internals.active_debugger(self.me))

    def test_a_stopped_pdb_is_found_and_forgotten(self) -> None:
        """While it waits at its prompt, its own frames are on the stack; afterwards nothing is."""
        seen: list[str | None] = []

        class Prompt(pdb.Pdb):
            def interaction(prompt, *args: Any) -> None:
                seen.append(_internals.active_debugger(self.me))
                prompt.set_continue()

        def debugged() -> None:
            Prompt(stdin=io.StringIO(), stdout=io.StringIO(), nosigint=True).set_trace()
            seen.append(_internals.active_debugger(self.me))  # where it stops

        before = sys.gettrace()
        try:
            debugged()
        finally:
            sys.settrace(before)

        self.assertEqual(seen, ["pdb", None])
        self.assertIsNone(_internals.active_debugger(self.me))

    def test_a_pdb_that_will_stop_again(self) -> None:
        """With a breakpoint left, it goes on tracing."""
        debugger = pdb.Pdb(stdin=io.StringIO(), stdout=io.StringIO(), nosigint=True)
        debugger.reset()
        self.addCleanup(debugger.clear_all_breaks)
        debugger.set_break(__file__, 1)
        with mock.patch.object(sys, "settrace"):
            debugger.set_continue()

        self.assertEqual(self.traced_by(_Tracer(debugger)), "pdb")
        debugger.clear_all_breaks()
        self.assertIsNone(self.traced_by(_Tracer(debugger)))

    def traced_by(self, tracer: Any) -> str | None:
        """Say which debugger is found while *tracer* traces this frame."""
        frame: Any = sys._getframe()
        before = sys.gettrace()
        try:
            sys.settrace(lambda *args: None)  # without any, a frame's own tracer is not kept
            frame.f_trace = tracer
            return _internals.active_debugger(self.me)
        finally:
            frame.f_trace = None
            sys.settrace(before)

    def test_a_frame_that_a_debugger_traces(self) -> None:
        """Between two stops of stepping no frame of the debugger is on the stack."""
        debugger = pdb.Pdb(stdin=io.StringIO(), stdout=io.StringIO(), nosigint=True)

        self.assertEqual(self.traced_by(_Tracer(debugger)), "pdb")

    def test_another_tracer_is_no_debugger(self) -> None:
        """A plain function that traces, such as a coverage tool's, means nothing."""
        self.assertIsNone(self.traced_by(lambda *args: None))

    @unittest.skipIf(sys.version_info < (3, 12), "sys.monitoring came with 3.12")
    def test_a_tool_in_the_debuggers_slot(self) -> None:
        """IDE debuggers register there, and trace nothing."""
        monitoring = sys.monitoring
        monitoring.use_tool_id(monitoring.DEBUGGER_ID, "an IDE")
        try:
            found = _internals.active_debugger(self.me)
        finally:
            monitoring.free_tool_id(monitoring.DEBUGGER_ID)

        self.assertEqual(found, "an IDE")


class _Tracer:
    """Looks like a bound method of a debugger, and does nothing."""

    def __init__(self, debugger: pdb.Pdb) -> None:
        self.__self__ = debugger

    def __call__(self, *args: Any) -> None:
        pass


class LoopNamesTests(unittest.TestCase):
    """The private names that ``_loop.py`` and ``_leaks.py`` take from asyncio's loops."""

    def test_the_stock_loop_has_them(self) -> None:
        """They have been the same since 3.11."""
        with fresh_loop() as loop:
            for name in (
                "_make_self_pipe",
                "_close_self_pipe",
                "_check_default_executor",
                "_stop_serving",
                "_selector",
                "_ready",
                "_csock",
                "_ssock",
                "_default_executor",
                "_asyncgens",
                "_closed",
            ):
                with self.subTest(name=name):
                    self.assertTrue(hasattr(loop, name))

    def test_our_loop_works_here(self) -> None:
        """The self-test that decides whether tests get it; it gives no warning here."""
        with mock.patch.object(_loop, "_lazy_works", None):
            self.assertIs(_loop.lazy_loop_works(), sys.platform != "win32")

    @unittest.skipIf(sys.platform == "win32", "the stock loop is used there")
    def test_a_loop_that_no_longer_fits_is_replaced_by_the_stock_one(self) -> None:
        """The fallback: said once, and tests run on."""

        def renamed(self: LazyEventLoop) -> None:
            raise AttributeError("_make_self_pipe")

        with (
            mock.patch.object(_loop, "_lazy_works", None),
            mock.patch.object(LazyEventLoop, "open_selector", renamed),
        ):
            with self.assertWarnsRegex(
                NotCheckedWarning,
                r"fast event loop does not work on this interpreter \(AttributeError.*slower",
            ):
                loop = _loop.new_event_loop()
            again = _loop.new_event_loop()
            for made in (loop, again):
                made.close()

        self.assertNotIsInstance(loop, LazyEventLoop)
        self.assertNotIsInstance(again, LazyEventLoop)

    def test_a_callback_of_the_loop_says_what_it_is(self) -> None:
        """Handles keep callback and arguments, and servers accept in ``_accept_connection``."""
        if sys.platform == "win32":
            self.skipTest("there sockets are not watched by a selector")
        loop = LazyEventLoop()
        try:
            server = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
            [found] = find_open(loop)
            text = found.finding.text
            found.end()
            left = find_open(loop)
            del server
        finally:
            loop.close()

        self.assertRegex(text, r"^server still listens on  127\.0\.0\.1:\d+$")
        self.assertEqual(left, [])


class ThreadTableTests(unittest.TestCase):
    """The tables of threads that ``threading`` keeps."""

    def test_the_tables_are_those_of_the_interpreter(self) -> None:
        """A thread appears in them when it runs, and goes when it ends."""
        running, starting = _internals.thread_tables()
        end = threading.Event()
        thread = threading.Thread(target=end.wait, args=(10,))
        thread.start()
        during = [*running.values()]
        end.set()
        thread.join()

        self.assertIn(thread, during)
        self.assertNotIn(thread, running.values())
        self.assertEqual([*running.values()], threading.enumerate())
        self.assertNotIn(thread, starting.values())
        self.assertIs(running, threading._active)  # type: ignore[attr-defined]

    def test_without_them_threads_are_enumerated(self) -> None:
        """The fallback, which is slower and no less true."""
        with mock.patch.object(threading, "_limbo", None), mock.patch.object(threading, "_active"):
            running, starting = _internals.thread_tables()

        self.assertEqual([*running.values()], threading.enumerate())
        self.assertFalse(starting)


class MockTests(unittest.TestCase):
    """The private names of unittest.mock, and the methods of it that our mocks override."""

    def test_a_mock_knows_its_parents(self) -> None:
        """Under the names that stand in ``mock_calls``."""
        top = mock.MagicMock()
        child = top.a().b
        child(1)

        path = _internals.mock_path(child)

        self.assertEqual([name for _, name in path], ["", "b", "().b", "a().b"])
        self.assertEqual(top.mock_calls[-1], (path[-1][1], (1,), {}))
        self.assertIs(path[-1][0], top)
        self.assertEqual(_internals.mock_own_name(child), "b")
        self.assertEqual(_internals.mock_own_name(top), "")

    def test_a_signature_that_assertions_go_by(self) -> None:
        """Keywords and positions are then the same."""
        double = mock.Mock()
        _internals.set_mock_signature(double, inspect.signature(lambda a, b: None))
        double(1, b=2)

        double.assert_called_once_with(b=2, a=1)

    def test_what_a_mock_allows(self) -> None:
        """The names of its spec, or all of them."""
        self.assertTrue(_internals.mock_allows(mock.Mock(spec=["here"]), "here"))
        self.assertFalse(_internals.mock_allows(mock.Mock(spec=["here"]), "there"))
        self.assertFalse(_internals.mock_allows(mock.Mock(), "there"))
        self.assertTrue(_internals.mock_allows(mock.Mock(unsafe=True), "there"))

    def test_a_child_is_adopted_once(self) -> None:
        """And is then what the attribute gives."""
        double, child = mock.Mock(), mock.Mock()

        self.assertIs(_internals.adopt_mock(double, "child", lambda: child), child)
        self.assertIs(_internals.adopt_mock(double, "child", mock.Mock), child)
        self.assertIs(double.child, child)

    def test_the_call_of_an_async_mock_can_be_overridden(self) -> None:
        """``_execute_mock_call`` is what runs when the call is awaited."""

        class Overridden(mock.AsyncMock):
            async def _execute_mock_call(self, /, *args: Any, **kwargs: Any) -> Any:
                return ("ours", await super()._execute_mock_call(*args, **kwargs))

        self.assertEqual(asyncio.run(Overridden(return_value=1)(2)), ("ours", 1))


class UnittestNamesTests(unittest.TestCase):
    """The private names that the case overrides or calls."""

    def test_the_stock_cases_have_them(self) -> None:
        """unittest calls each of these hooks for one phase of a test."""
        for name in ("_callSetUp", "_callTestMethod", "_callTearDown", "_callCleanup"):
            with self.subTest(name=name):
                self.assertTrue(callable(getattr(unittest.TestCase, name)))
                self.assertTrue(callable(getattr(unittest.IsolatedAsyncioTestCase, name)))
        for name in (
            "_callAsync",
            "_callMaybeAsync",
            "_setupAsyncioRunner",
            "_tearDownAsyncioRunner",
        ):
            with self.subTest(name=name):
                self.assertTrue(callable(getattr(unittest.IsolatedAsyncioTestCase, name)))

    def test_an_outcome_has_what_we_read(self) -> None:
        """``testPartExecutor``, ``success`` and ``expecting_failure`` are how parts are counted."""
        seen: list[Any] = []

        class Tests(unittest.TestCase):
            def test_it(self) -> None:
                outcome: Any = self._outcome  # type: ignore[attr-defined]
                seen.extend([outcome.success, outcome.expecting_failure, outcome.testPartExecutor])
                seen.append(self._testMethodName)  # type: ignore[attr-defined]
                seen.append(self._cleanups)  # type: ignore[attr-defined]

        Tests("test_it").run(unittest.TestResult())

        self.assertEqual(seen[:2], [True, False])
        self.assertTrue(callable(seen[2]))
        self.assertEqual(seen[3:], ["test_it", []])


class TLSTests(unittest.TestCase):
    def test_tls_needs_these_names_of_asyncio(self) -> None:
        """The protocol between transport and application, and the transport that it gives."""
        with fresh_loop() as loop:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls = _internals.tls_protocol(
                loop,
                asyncio.Protocol(),
                context,
                None,
                server_side=True,
                ssl_handshake_timeout=1,
                ssl_shutdown_timeout=1,
            )

            self.assertIsInstance(tls, asyncio.BufferedProtocol)
            transport = tls._get_app_transport()
            self.assertIs(_internals.tls_transport(tls), transport)
            self.assertIs(transport.get_extra_info("sslcontext"), context)
            transport._closed = True  # or its end would warn that it was never closed


if __name__ == "__main__":
    unittest.main()
