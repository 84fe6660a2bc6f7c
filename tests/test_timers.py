"""The queue of timers: by deadline, and among equals by age."""

from __future__ import annotations

import random
import unittest

from asynctesting._timers import TimerQueue, _all


class Item:
    """The least that the queue takes for a timer."""

    def __init__(self, name: object = None) -> None:
        self.name = name
        self._cancelled = self._scheduled = False
        self._callback: object = print


def cancel(queue: TimerQueue, item: Item) -> None:
    item._cancelled = True
    queue.note_cancelled(item)


class QueueTests(unittest.TestCase):
    def setUp(self) -> None:
        self.queue = TimerQueue()

    def push(self, deadline_ns: int, name: object = None) -> Item:
        item = Item(name)
        self.queue.push(deadline_ns, item)
        return item

    def test_an_empty_queue(self) -> None:
        """Has no first timer."""
        self.assertIsNone(self.queue.peek())
        self.assertIsNone(self.queue.take_first())
        self.assertEqual((len(self.queue), list(self.queue.items())), (0, []))
        with self.assertRaises(IndexError):
            self.queue.pop()

    def test_the_earliest_deadline_comes_first(self) -> None:
        """With all its timers, in the order in which they were set."""
        for number in range(9):
            self.push(30 - number % 3 * 10, number)

        taken = []
        while (first := self.queue.take_first()) is not None:
            taken.append((first[0], [item.name for item in first[1]]))  # type: ignore[attr-defined]

        self.assertEqual(taken, [(10, [2, 5, 8]), (20, [1, 4, 7]), (30, [0, 3, 6])])

    def test_what_is_due_is_taken_together(self) -> None:
        """Up to a reading, that reading included."""
        for deadline in (3, 1, 2, 4):
            self.push(deadline, deadline)

        due = self.queue.pop_until(3)

        self.assertEqual([item.name for item in due], [1, 2, 3])  # type: ignore[attr-defined]
        self.assertEqual([item._scheduled for item in due], [False] * 3)
        self.assertEqual(self.queue.peek(), 4)

    def test_a_deadline_of_cancelled_timers_is_passed_over(self) -> None:
        """By each way of looking."""
        dead, half = self.push(1), self.push(2)
        self.push(2, "alive")
        self.push(3, "last")
        cancel(self.queue, dead)
        cancel(self.queue, half)

        self.assertEqual(self.queue.peek(), 2)
        self.assertEqual(len(self.queue), 2)
        self.assertEqual([ns for ns, _ in self.queue.items()], [2, 3])
        cancel(self.queue, self.push(1))
        first = self.queue.take_first()
        assert first is not None
        self.assertEqual(first[0], 2)

    def test_a_timer_that_has_fired_is_not_counted_as_cancelled(self) -> None:
        """asyncio.sleep() cancels each of its timers in the end."""
        for _ in range(1000):
            item = self.push(1)
            self.queue.pop()
            cancel(self.queue, item)

        self.assertEqual(self.queue._cancelled, 0)

    def test_it_says_whether_callbacks_are_alike(self) -> None:
        """Those of cancelled timers do not count."""
        self.push(1)
        self.push(2)
        self.push(2)
        other = self.push(2)
        other._callback = repr
        cancel(self.queue, other)
        self.push(3)
        self.push(3)._callback = repr

        alike = []
        while (first := self.queue.take_first()) is not None:
            alike.append(first[2])

        self.assertEqual(alike, [True, True, False])

    def test_random_use_agrees_with_a_sorted_list(self) -> None:
        """Pushes, cancellations and takings, with sweeps in between."""
        luck = random.Random(5)
        alive: list[tuple[int, int, Item]] = []
        for number in range(5000):
            chance = luck.random()
            if chance < 0.55 or not alive:
                deadline = luck.randrange(50)
                alive.append((deadline, number, self.push(deadline, number)))
            elif chance < 0.9:
                cancel(self.queue, alive.pop(luck.randrange(len(alive)))[2])
            else:
                first = self.queue.take_first()
                assert first is not None
                taken = [item for item in first[1] if not item._cancelled]
                alive.sort(key=lambda entry: entry[:2])
                self.assertEqual(taken, [entry[2] for entry in alive[: len(taken)]])
                del alive[: len(taken)]
            self.assertEqual(len(self.queue), len(alive))

    def test_sweeps_leave_the_order(self) -> None:
        """And free what was cancelled."""
        items = [self.push(number % 7, number) for number in range(500)]
        for item in items[::2]:
            cancel(self.queue, item)

        stored = sum(map(len, map(_all, self.queue._timers.values())))

        self.assertLess(stored, 500)
        names = [item.name for _, item in self.queue.items()]  # type: ignore[attr-defined]
        self.assertEqual(names, sorted(range(1, 500, 2), key=lambda n: (n % 7, n)))


if __name__ == "__main__":
    unittest.main()
