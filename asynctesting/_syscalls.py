"""In which system call a thread or a process sleeps, as Linux tells it.

Whether a thread is at work can't be asked in Python. The kernel knows: a thread that waits for a
lock without a limit can only be woken by another thread, one that sleeps or reads goes on by
itself. Elsewhere than on Linux the answer is :attr:`Rest.UNKNOWN`, and the caller has to fall back
on patience.
"""

from __future__ import annotations

import enum
import os
import re
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

__unittest = True


class Rest(enum.Enum):
    """What a thread is doing, as seen by somebody who waits for it."""

    #: It runs, sleeps for a time, or waits for something outside of this process.
    BUSY = "busy"
    #: It waits for a lock without a limit: only another thread can wake it.
    PARKED = "parked"
    #: It waits without a limit until one of several files is ready, or for a connection.
    LISTENING = "listening"
    #: It reads from one file, without a limit.
    READING = "reading"
    #: It can't be known here.
    UNKNOWN = "unknown"


_ARM = {"futex": 98, "epoll_pwait": 22, "ppoll": 73, "pselect6": 72, "accept": 202, "accept4": 242}
_INTEL = {"futex": 202, "epoll_wait": 232, "epoll_pwait": 281, "poll": 7, "ppoll": 271}
_INTEL |= {"select": 23, "pselect6": 270, "accept": 43, "accept4": 288, "read": 0, "recvfrom": 45}
_ARM |= {"read": 63, "recvfrom": 207, "write": 64, "writev": 66}
_INTEL |= {"write": 1, "writev": 20}
# platform.machine() says the same, but it takes a module to be loaded.
_MACHINE = os.uname().machine if hasattr(os, "uname") else ""
_NAMES = {
    number: name for name, number in {"x86_64": _INTEL, "aarch64": _ARM}.get(_MACHINE, {}).items()
}
_KNOWN = sys.platform == "linux" and bool(_NAMES)

# Where the time limit stands among the arguments. A number below zero, as the kernel prints it in
# 32 or 64 bits, means "for ever"; so does a null pointer.
_LIMIT_NUMBER = {"epoll_wait": 3, "epoll_pwait": 3, "poll": 2}
_LIMIT_POINTER = {"ppoll": 2, "select": 4, "pselect6": 4}
_FUTEX_PRIVATE = 0x80
_RUNNING = "running\n"
# S: until something happens; D: until a disk or the like has answered.
_ASLEEP = re.compile(r"^State:\t[SD] ", re.M)
_SLEEPS = re.compile(r"^voluntary_ctxt_switches:\t(\d+)$", re.M)
_POLL_ENTRY = struct.Struct("ihh")  # the file, what is awaited of it, what has come
_FUTEX_WAITS = (0, 9)  # FUTEX_WAIT, FUTEX_WAIT_BITSET


def rest_of_thread(native_id: int | None) -> tuple[Rest, int]:
    """Return what a thread of this process is doing.

    Returns:
        The state, and the file descriptor it reads from, or -1.
    """
    if not _KNOWN or native_id is None:
        return Rest.UNKNOWN, -1
    return parse_call(_call_of(f"/proc/self/task/{native_id}"))


def sleeps_of_thread(native_id: int | None) -> int | None:
    """Return how often a thread of this process has gone to sleep, or ``None`` if it is awake.

    Two equal answers that are no ``None`` say that it has not run in between.
    """
    return _sleeps(_read(f"/proc/self/task/{native_id}/status"))


def is_writing(call: str) -> bool:
    """Tell whether a thread of which the kernel says *call* waits until it can write to a file."""
    words = call.split()
    name = _NAMES.get(int(words[0])) if words and words[0].isdigit() else None
    return name in ("write", "writev")


def listened_files(native_id: int | None) -> list[int]:
    """Return the files for one of which a thread of this process waits, if the kernel says so.

    It says so of ``epoll``; of ``poll`` it says where in the memory the list of files is, and that
    is read by a road on which a list that is gone is an error and no crash.
    """
    words = (_read(f"/proc/self/task/{native_id}/syscall") or "").split()
    name = _NAMES.get(int(words[0])) if words and words[0].isdigit() else None
    if name in ("epoll_wait", "epoll_pwait"):
        lines = (_read(f"/proc/self/fdinfo/{int(words[1], 16)}") or "").splitlines()
        return [int(line.split()[1]) for line in lines if line.startswith("tfd:")]
    if name not in ("poll", "ppoll"):
        return []
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            memory.seek(int(words[1], 16))
            entries = memory.read(_POLL_ENTRY.size * int(words[2], 16))
        return [file for file, _, _ in _POLL_ENTRY.iter_unpack(entries)]
    except (OSError, ValueError, OverflowError, struct.error):
        return []


def native_threads() -> set[int]:
    """Return the kernel's numbers of this process's threads; none where it does not say."""
    try:
        return {int(name) for name in os.listdir("/proc/self/task")} if _KNOWN else set()
    except OSError:
        return set()


def waits_for_its_input(pid: int) -> bool:
    """Tell whether a process does nothing but read its standard input."""
    if not _KNOWN:
        return False
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        calls = [parse_call(_call_of(f"/proc/{pid}/task/{thread}")) for thread in threads]
    except OSError:
        return False
    return (Rest.READING, 0) in calls and all(
        call == (Rest.READING, 0) or call[0] is Rest.PARKED for call in calls
    )


def has_children() -> bool:
    """Tell, at the price of one call of the system, whether there may be child processes."""
    if not _KNOWN:
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except OSError:
        return False
    return True


def kind_of_file(fd: int) -> str:
    """Return what a file of this process is, as the kernel calls it: ``"pipe:[4711]"``."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}") if _KNOWN else ""
    except OSError:
        return ""


def writers_at_work(kind: str | tuple[str, ...], is_known: Callable[[int], bool]) -> list[int]:
    """Return the child processes that may write to a file of ours, and are at work.

    A child counts together with the processes below it: a shell has the pipe, and what it runs
    does the work.

    Args:
        kind: What the kernel calls the file, or the beginning of it; one of several does.
        is_known: Tells of a process, by its number, whether it is to be left out.
    """
    return [
        pid
        for pid in _children_of("self")
        if not is_known(pid)
        and any(_is_at_work(member) for member in _family(pid))
        and any(_has_file(member, kind) for member in _family(pid))
    ]


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in _children_of(str(pid)):
        yield from _family(child)


def _children_of(pid: str) -> list[int]:
    folder = f"/proc/{pid}/task"
    try:
        threads = os.listdir(folder) if _KNOWN else []
    except OSError:  # it has ended
        return []
    listings = [_read(f"{folder}/{thread}/children") or "" for thread in threads]
    return [int(word) for listing in listings for word in listing.split()]


def _has_file(pid: int, kind: str | tuple[str, ...]) -> bool:
    try:
        files = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    for file in files:
        try:
            if os.readlink(f"/proc/{pid}/fd/{file}").startswith(kind):
                return True
        except OSError:
            continue
    return False


def _is_at_work(pid: int) -> bool:
    """Tell whether a process goes on by itself; it does not if it reads or waits for a lock."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    lines = [_call_of(f"/proc/{pid}/task/{thread}") for thread in threads]
    return any(line and not _waits_for_others(line) for line in lines)


def _waits_for_others(line: str) -> bool:
    # A lock that processes share can be released by another one only, which then is at work.
    words = line.split()
    if words and words[0].isdigit() and _NAMES.get(int(words[0])) == "futex" and len(words) > 4:
        return int(words[4], 16) == 0
    return parse_call(line)[0] in (Rest.PARKED, Rest.READING, Rest.LISTENING)


def children_since(boot_time: float) -> list[int]:
    """Return the living child processes that were started after a point in time.

    Args:
        boot_time: Seconds on the clock of :func:`boot_time`.
    """
    found: list[int] = []
    for pid in _children_of("self"):
        # After the command, which may contain blanks: the state first, the start as the 20th.
        fields = (_read(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
        if len(fields) > 19 and fields[0] != "Z":
            started = (int(fields[19]) + 1) / os.sysconf("SC_CLK_TCK")
            if started >= boot_time:
                found.append(pid)
    return found


def boot_time() -> float:
    """Return the seconds since the machine was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if _KNOWN else 0.0


def parse_call(line: str | None) -> tuple[Rest, int]:
    """Read a line of the kernel's: a call's number, its six arguments, two pointers.

    Example:
        >>> parse_call("running")
        (<Rest.BUSY: 'busy'>, -1)
    """
    if line is None:
        return Rest.UNKNOWN, -1
    words = line.split()
    name = _NAMES.get(int(words[0])) if words and words[0].isdigit() else None
    if name is None or len(words) < 7:
        return Rest.BUSY, -1
    arguments = [int(word, 16) for word in words[1:7]]
    if name == "futex":
        # Without the private flag another process may end the wait, as with the locks of
        # multiprocessing.
        waits = arguments[1] & 0x7F in _FUTEX_WAITS and arguments[1] & _FUTEX_PRIVATE
        return (Rest.PARKED if waits and arguments[3] == 0 else Rest.BUSY), -1
    if name in ("accept", "accept4"):
        return Rest.LISTENING, -1
    if name in ("read", "recvfrom"):
        return Rest.READING, arguments[0]
    if name in _LIMIT_NUMBER:
        endless = arguments[_LIMIT_NUMBER[name]] & 0xFFFFFFFF == 0xFFFFFFFF
    else:
        endless = arguments[_LIMIT_POINTER[name]] == 0
    return (Rest.LISTENING if endless else Rest.BUSY), -1


def _call_of(folder: str) -> str | None:
    """Return in which call a thread sleeps, and that it runs if it has been woken.

    A thread that is woken on another processor is shown in its old call until that processor has
    taken it up, which on a virtual machine takes long enough to be seen. Its state is right at
    once; and it is asked first, for by the second question the thread may have gone on.
    """
    status = _read(f"{folder}/status")
    if status and _sleeps(status) is None:
        return _RUNNING
    return _read(f"{folder}/syscall")


def _sleeps(status: str | None) -> int | None:
    if not status or _ASLEEP.search(status) is None:
        return None
    found = _SLEEPS.search(status)
    return int(found[1]) if found else 0


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:  # the thread has just ended, or the kernel does not say
        return "" if not os.path.exists(os.path.dirname(path)) else None


# TCP -------------------------------------------------------------------------------------------

# struct tcp_info has the count of payload bytes sent since Linux 4.19, at this place.
_BYTES_SENT = slice(200, 208)


def tcp_bytes_sent(sock: socket.socket) -> int | None:
    """Return how many bytes a TCP connection has sent so far, or ``None`` if it can't be known."""
    if sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_SENT.stop)
    except OSError:
        return None
    if len(info) < _BYTES_SENT.stop:
        return None
    return int.from_bytes(info[_BYTES_SENT], sys.byteorder)
