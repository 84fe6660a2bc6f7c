"""What Linux tells about threads and processes; elsewhere nothing is known, and said so."""

from __future__ import annotations

import queue
import selectors
import socket
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Callable
from unittest import mock

from asynctesting import _syscalls
from asynctesting._syscalls import Rest, listened_files, parse_call, rest_of_thread

#: How long a thread may take to come to rest, in real seconds.
DEADLINE = 5.0


def eventually(look: Callable[[], object], wanted: object) -> object:
    """Look until the answer is the wanted one, or the deadline is over; return the last."""
    limit = time.monotonic() + DEADLINE
    while (found := look()) != wanted and time.monotonic() < limit:
        time.sleep(0.001)
    return found


@unittest.skipUnless(_syscalls._KNOWN, "needs Linux on a machine whose calls are known")
class LinuxTests(unittest.TestCase):
    def test_a_thread_that_waits_for_a_lock_is_parked(self) -> None:
        """Only another thread can wake it."""
        event = threading.Event()
        thread = threading.Thread(target=event.wait, daemon=True)
        thread.start()
        found = eventually(lambda: rest_of_thread(thread.native_id)[0], Rest.PARKED)
        self.assertIs(found, Rest.PARKED)
        event.set()
        thread.join()

    def test_a_thread_that_waits_with_a_limit_is_busy(self) -> None:
        """It goes on by itself."""
        event = threading.Event()
        thread = threading.Thread(target=event.wait, args=[60], daemon=True)
        thread.start()
        time.sleep(0.01)
        self.assertIs(rest_of_thread(thread.native_id)[0], Rest.BUSY)
        event.set()
        thread.join()

    def test_a_thread_that_reads_says_from_what(self) -> None:
        """From which file descriptor."""
        left, right = socket.socketpair()
        with left, right:
            thread = threading.Thread(target=left.recv, args=[1], daemon=True)
            thread.start()
            wanted = (Rest.READING, left.fileno())
            self.assertEqual(eventually(lambda: rest_of_thread(thread.native_id), wanted), wanted)
            right.send(b"x")
            thread.join()

    def test_a_thread_that_accepts_is_listening(self) -> None:
        """For whoever may come."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=lambda: server.accept()[0].close(), daemon=True)
            thread.start()
            found = eventually(lambda: rest_of_thread(thread.native_id)[0], Rest.LISTENING)
            self.assertIs(found, Rest.LISTENING)
            socket.create_connection(server.getsockname()).close()
            thread.join()

    def test_a_thread_that_listens_says_to_what(self) -> None:
        """Whichever of the two calls it waits with; one that accepts listens to no file."""
        for kind in (selectors.PollSelector, selectors.EpollSelector):
            left, right = socket.socketpair()
            with self.subTest(kind.__name__), left, right, kind() as selector:
                for sock in (left, right):
                    selector.register(sock, selectors.EVENT_READ)
                thread = threading.Thread(target=selector.select, daemon=True)
                thread.start()
                wanted = sorted([left.fileno(), right.fileno()])
                files = eventually(lambda t=thread: sorted(listened_files(t.native_id)), wanted)
                self.assertEqual(files, wanted)
                right.send(b"x")
                thread.join()
                self.assertEqual(listened_files(thread.native_id), [])
        self.assertEqual(listened_files(threading.get_native_id()), [])

    def test_a_process_that_reads_its_input(self) -> None:
        """Does nothing else; one that sleeps does not read."""
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as reader:
            found = eventually(lambda: _syscalls.waits_for_its_input(reader.pid), True)
            self.assertIs(found, True)
        with subprocess.Popen(["sleep", "20"]) as sleeper:
            self.assertFalse(_syscalls.waits_for_its_input(sleeper.pid))
            sleeper.kill()
        self.assertFalse(_syscalls.waits_for_its_input(sleeper.pid))

    def test_a_thread_that_was_woken_is_not_at_rest(self) -> None:
        """Not even before its processor has taken it up."""
        work: queue.SimpleQueue[bool] = queue.SimpleQueue()
        done: list[bool] = []
        thread = threading.Thread(target=lambda: done.extend(iter(work.get, False)))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(work.put, False)
        for turn in range(1, 301):
            eventually(lambda: rest_of_thread(thread.native_id)[0], Rest.PARKED)
            work.put(True)
            rest = rest_of_thread(thread.native_id)[0]
            self.assertTrue(rest is not Rest.PARKED or len(done) == turn, f"in turn {turn}")

    def test_children_are_found_by_their_age(self) -> None:
        """Those that were there before are somebody else's."""
        with subprocess.Popen(["sleep", "20"]) as elder:
            time.sleep(0.03)  # the kernel counts in hundredths of a second
            since = _syscalls.boot_time()
            with subprocess.Popen(["sleep", "20"]) as younger:
                found = _syscalls.children_since(since)
                self.assertIn(younger.pid, found)
                self.assertNotIn(elder.pid, found)
                younger.kill()
            elder.kill()

    def test_bytes_sent_are_counted(self) -> None:
        """On a TCP connection, and on nothing else."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname())
            with client, server.accept()[0]:
                self.assertEqual(_syscalls.tcp_bytes_sent(client), 0)
                client.send(b"hello")
                self.assertEqual(_syscalls.tcp_bytes_sent(client), 5)
        left, right = socket.socketpair()
        with left, right:
            self.assertIsNone(_syscalls.tcp_bytes_sent(left))


class ElsewhereTests(unittest.TestCase):
    def test_nothing_is_known_there(self) -> None:
        """And nothing is guessed."""
        with mock.patch.object(_syscalls, "_KNOWN", False):
            self.assertEqual(rest_of_thread(1), (Rest.UNKNOWN, -1))
            self.assertFalse(_syscalls.waits_for_its_input(1))
            self.assertEqual(_syscalls.children_since(0.0), [])
            self.assertEqual(_syscalls.boot_time(), 0.0)
        with mock.patch.object(sys, "platform", "darwin"), socket.socket() as sock:
            self.assertIsNone(_syscalls.tcp_bytes_sent(sock))

    def test_odd_lines_are_busy_or_unknown(self) -> None:
        """A thread that has just ended, one that runs, one whose call has no name."""
        self.assertEqual(parse_call(None), (Rest.UNKNOWN, -1))
        for line in ("", "running", "-1 0x7ffc 0x7f00", "9999 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0"):
            with self.subTest(line=line):
                self.assertEqual(parse_call(line), (Rest.BUSY, -1))


if __name__ == "__main__":
    unittest.main()
