"""The timeline of a failure: rows, bars and ticks, and how they look in a terminal."""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import Callable, Coroutine
from typing import Any
from unittest import mock

from asynctesting import (
    AsyncTestCase,
    DeadlockError,
    TimeLimitError,
    VirtualClockMixin,
)
from asynctesting._explain import graph_of, timeline_of
from asynctesting._loop import LazyEventLoop
from asynctesting._timeline import COLUMNS, KINDS, Timeline, width_of
from asynctesting._virtual_loop import VirtualLoopOfTest
from asynctesting._waits import WaitGraph
from tests.support import (
    OutcomeAssertions,
    alone_in_process,
    limits_by_hand,
    pass_time,
    run_case,
    spin,
)


def watch(
    main: Callable[[], Coroutine[Any, Any, Any]], loop: type[Any] = VirtualLoopOfTest
) -> Timeline:
    """Run *main* until it returns, and draw what is there then; its tasks are cancelled."""
    found: list[Timeline] = []

    async def body() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("main")
        await main()
        running = asyncio.get_running_loop()
        found.append(timeline_of(running, WaitGraph(asyncio.all_tasks() - {task}), main="main"))

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(body())
    return found[0]


class TimelineCase(unittest.TestCase):
    def row(self, timeline: Timeline, name: str) -> Any:
        (row,) = [row for row in timeline.rows if row.name == name]
        return row


class RowTests(TimelineCase):
    def test_bars_are_waits(self) -> None:
        """Each with its kind, what ended it, and its length on the clock."""

        async def main() -> None:
            box: asyncio.Queue[int] = asyncio.Queue()
            gate = asyncio.Event()

            async def taker() -> None:
                await box.get()
                await gate.wait()
                await asyncio.sleep(5)

            task = asyncio.create_task(taker(), name="taker")
            await asyncio.sleep(2)
            box.put_nowait(1)
            await asyncio.sleep(1)
            gate.set()
            await task

        timeline = watch(main)
        row = self.row(timeline, "taker")
        self.assertEqual([bar.kind for bar in row.bars], ["queue", "lock", "timer"])
        self.assertEqual(
            [bar.label for bar in row.bars], ["Queue.get()", "Event.wait()", "sleep()"]
        )
        lengths = [bar.end.virtual - bar.begin.virtual for bar in row.bars]
        self.assertEqual(lengths, [2, 1, 5])
        self.assertEqual([timeline.rows[b.waker].name for b in row.bars[:2]], ["main", "main"])
        self.assertIsNone(row.bars[2].waker)
        self.assertEqual(timeline.rows[row.maker].name, "main")
        self.assertIn("create_task(taker()", row.made)
        self.assertFalse(row.is_pending)

    def test_what_still_waits_has_an_open_bar(self) -> None:
        """Up to the failure, with what the wait graph knows of it."""

        async def main() -> None:
            reply = asyncio.get_running_loop().create_future()

            async def waiter() -> None:
                await reply

            main.task = asyncio.create_task(waiter(), name="waiter")  # type: ignore[attr-defined]
            await asyncio.sleep(3)

        timeline = watch(main)
        row = self.row(timeline, "waiter")
        (bar,) = row.bars
        self.assertEqual((bar.label, bar.kind, bar.is_open), ("a future 'reply'", "future", True))
        self.assertEqual(bar.end, timeline.now)
        self.assertTrue(row.is_pending)

    def test_every_kind_of_wait_has_a_name(self) -> None:
        """And a legend knows each of them."""

        async def server() -> None:
            made = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
            made.close()

        async def grouped() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(1))

        async def future() -> None:
            made = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(made.set_result, None)
            await made

        async def main() -> None:
            done = asyncio.create_task(spin(1))
            cases: dict[str, Coroutine[Any, Any, Any]] = {
                "timer": asyncio.sleep(1),
                "task": asyncio.wait([done]),
                "thread": asyncio.to_thread(int),
                "turn": spin(1),
                "input": server(),
                "future": future(),
            }
            for name, case in cases.items():
                await asyncio.create_task(case, name=name)
            await asyncio.create_task(grouped(), name="group")

        timeline = watch(main)
        for kind in ("timer", "task", "thread", "turn", "input", "future"):
            row = self.row(timeline, kind)
            self.assertIn(kind, {bar.kind for bar in row.bars}, row)
        self.assertEqual(self.row(timeline, "group").bars[-1].kind, "task")
        self.assertLessEqual({b.kind for r in timeline.rows for b in r.bars}, KINDS.keys())

    def test_two_tasks_at_one_address_are_two_rows(self) -> None:
        """The first is gone and its memory is used again; each beginning is a row."""

        async def main() -> None:
            for _ in range(20):
                await asyncio.create_task(asyncio.sleep(0))

        timeline = watch(main)
        self.assertEqual(len(timeline.rows), 21)
        self.assertEqual({len(row.bars) for row in timeline.rows[1:]}, {1})

    def test_equal_tasks_are_drawn_once(self) -> None:
        """With how many more there are."""

        async def main() -> None:
            await asyncio.gather(*(asyncio.sleep(1) for _ in range(1000)))

        timeline = watch(main)
        folded = timeline.folded()
        self.assertEqual([row.alike for _, row in folded], [0, 999])

    def test_another_loop_says_that_it_records_nothing(self) -> None:
        """By its name; what waits now is known all the same."""

        async def main() -> None:
            main.task = asyncio.create_task(asyncio.sleep(60), name="nap")  # type: ignore[attr-defined]
            await spin(1)

        timeline = watch(main, asyncio.SelectorEventLoop)
        self.assertRegex(timeline.not_recorded, r"not recorded on this loop, a asyncio\..*Loop$")
        self.assertEqual([row.name for row in timeline.rows], ["nap"])


class TerminalTests(TimelineCase):
    def assertDrawn(self, timeline: Timeline, *lines: str) -> None:
        self.assertEqual("\n".join(timeline.draw()), "\n".join(lines))

    def test_on_virtual_time(self) -> None:
        """Where it has passed, it is the axis."""

        async def main() -> None:
            gate = asyncio.Event()

            async def late() -> None:
                await asyncio.sleep(6)
                await gate.wait()

            main.task = asyncio.create_task(late(), name="late")  # type: ignore[attr-defined]
            await asyncio.sleep(10)

        self.assertDrawn(
            watch(main),
            "virtual time  0 s      2 s       4 s       6 s       8 s       10 s",
            "main          |sleep().........................................|",
            "late          |sleep().....................|Event 'gate'.....................!",
        )

    def test_on_real_time_it_is_the_order_of_the_steps(self) -> None:
        """Everything happens in the first millisecond; a ruler of seconds would show nothing."""

        async def main() -> None:
            gate = asyncio.Event()
            main.task = asyncio.create_task(gate.wait(), name="waiter")  # type: ignore[attr-defined]
            await spin(1)

        self.assertDrawn(
            watch(main, LazyEventLoop),
            "step          0                    1                    2                    3",
            "main          |its turn.................................|",
            "waiter                             |Event....................................!",
        )

    def test_eighty_columns_whatever_the_names(self) -> None:
        """Names, labels and many rows are cut, in every width of time."""
        for pause in (0.0, 1e-9, 0.001, 1.0, 59.0, 3600.0, 1e6, 3e8):
            for count in (1, 3, 30):
                with self.subTest(pause=pause, count=count):

                    async def main(count: int = count, pause: float = pause) -> None:
                        tasks = [
                            asyncio.create_task(asyncio.sleep(n * pause), name=f"{n} " + "ж" * 99)
                            for n in range(count)
                        ]
                        await asyncio.wait(tasks)

                    lines = watch(main).draw()
                    self.assertLessEqual(max(map(len, lines)), COLUMNS - 2)
                    self.assertLessEqual(len(lines), 10)

    def test_wide_characters_and_control_characters(self) -> None:
        """A terminal gives ideographs two columns, marks none, and a newline a line."""

        async def main() -> None:
            gates = {"漢字" * 9: asyncio.Event()}
            names = ("漢字の名前" * 9, "🦊 fox", "e\u0301" * 40, "new\nline\x00null", "")
            for number, name in enumerate(names, 10):
                kept.append(asyncio.create_task(asyncio.sleep(number), name=name))
            kept.append(asyncio.create_task(wait_by_name(gates), name="plain"))
            await asyncio.sleep(1)

        async def wait_by_name(gates: dict[str, asyncio.Event]) -> None:
            await gates["漢字" * 9].wait()

        kept: list[asyncio.Task[Any]] = []
        timeline = watch(main)
        lines = timeline.draw(most=20)
        self.assertEqual(len(lines), 1 + len(timeline.folded()))
        ends = {width_of(line) for line in lines[1:] if line.endswith("!")}
        self.assertEqual(ends, {COLUMNS - 2})
        self.assertIn("new\\nline\\x00null", "\n".join(lines))
        self.assertIn("漢字の名前漢字の名前漢… ", "\n".join(lines))
        self.assertIn("Event 'gates['漢", "\n".join(lines))

    def test_an_empty_one(self) -> None:
        """A loop that has no task and has never had one."""
        loop = LazyEventLoop()
        timeline = timeline_of(loop, graph_of(loop, None))
        loop.close()
        self.assertEqual((timeline.rows, timeline.last_steps()), ([], []))
        self.assertEqual(len(timeline.draw()), 1)


class TreeTests(OutcomeAssertions):
    def test_a_task_without_a_line_of_its_own_has_that_which_made_it(self) -> None:
        """All of its frames are the library's."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                await asyncio.shield(asyncio.Event().wait())

        with alone_in_process():
            error = self.assertFailsWith(run_case(Case), DeadlockError)
        self.assertRegex(
            str(error),
            r"└─ 'Task-\d+' waits for Event\n"
            r" +made at  tests/test_timeline\.py:\d+   await asyncio\.shield\(",
        )


class ShapeTests(OutcomeAssertions):
    """The whole text of a failure, in its order."""

    maxDiff = None

    def test_a_deadlock(self) -> None:
        """Verdict, line, tree, clock, picture, steps, command, advice."""

        class Case(VirtualClockMixin, AsyncTestCase):
            clock_start = 0

            async def test_it(self) -> None:
                a, b = asyncio.Lock(), asyncio.Lock()
                async with asyncio.TaskGroup() as group:
                    group.create_task(move(a, b), name="a to b")
                    group.create_task(move(b, a), name="b to a")

        async def move(source: asyncio.Lock, target: asyncio.Lock) -> None:
            async with source:
                await asyncio.sleep(1)
                async with target:
                    pass

        with (
            alone_in_process(),
            mock.patch("asynctesting._case.repeat_command", lambda test: f"run {test}"),
        ):
            error = self.assertFailsWith(run_case(Case), DeadlockError)
        file = r"tests/test_timeline\.py:\d+"
        self.assertRegex(
            str(error),
            rf"""(?x)^nothing\ can\ wake\ this\ test\ any\ more:\ .+\.\n
            They\ wait\ for\ each\ other:\ '.\ to\ .'\ ->\ '.\ to\ .'\ ->\ '.\ to\ .'\n
            \n
            \ \ {file}\ \ \ async\ with\ asyncio\.TaskGroup\(\)\ as\ group:\n
            \n
            \ \ 'test_it'\ waits\ for\ TaskGroup\ with\ 2\ tasks\n
            (\ \ .*\n)+
            \n
            Clock:\ auto,\ now=1\.000s,\ elapsed=1\.000s,\ timers=0\n
            \n
            \ \ virtual\ time\ \ 0\ s.*\ 1\ s\n
            \ \ test_it\ .*\n
            (\ \ \*.\ to\ .\ .*\n){{2}}
            \n
            Last\ steps:\n
            (\ +\d\.\d\d\d\ s\ \ '.*\n)+
            \n
            Repeat\ it:\ run\ tests\..*Case\.test_it\n
            \n
            Take\ locks\ in\ the\ same\ order\ everywhere\.$""",
        )

    def test_a_limit(self) -> None:
        """The same, without what there is not."""

        class Case(AsyncTestCase):
            timeout = 20

            async def test_it(self) -> None:
                nap = asyncio.create_task(asyncio.sleep(0.001), name="nap")
                await asyncio.wait([nap])
                while True:
                    pass_time(5)
                    await asyncio.sleep(0.01)

        with limits_by_hand():
            error = self.assertFailsWith(run_case(Case), TimeLimitError)
        parts = [part.split("\n")[0] for part in str(error).split("\n\n")]
        self.assertRegex(
            "\n".join(parts),
            r"""(?x)^test_it\ took\ longer\ than\ its\ limit\ of\ 20\ s;\ it\ was\ waiting
            \ in\ the\ test\ phase\ for\ (sleep\(0\.01\)|its\ next\ turn)\.\n
            \ \ tests/.*\ await\ asyncio\.sleep\(0\.01\)\n
            \ \ 'test_it'\ waits\ for\ .*\n
            \ \ step\ .*\n
            Last\ steps:\n
            It\ was\ interrupted\ there;""",
        )
        self.assertRegex(str(error), r"s  'test_it' goes on after sleep\(\)   .*   \(\d+ times\)")
