"""A thread pool that can be left behind: its threads are daemons and its jobs have names.

The pool of ``concurrent.futures`` joins its threads at the end of the process, so one job that
never ends would hang a run that has long been judged. Here the last resort is to walk away.
Invariant: a thread is started only by :meth:`DaemonExecutor.submit`, so an unused pool costs a
few attributes and nothing else.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from ._report import Place, thread_place

__unittest = True

_T = TypeVar("_T")


#: Threads of pools that were left behind, whose loops are closed: they have nobody to call.
LEFT_BEHIND: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


class _Job:
    __slots__ = ("args", "function", "future", "kwargs")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.function = function
        self.args = args
        self.kwargs = kwargs

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.function(*self.args, **self.kwargs)
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class DaemonExecutor(concurrent.futures.ThreadPoolExecutor):
    """Run jobs in daemon threads, and tell at any time which of them are running.

    It is a ``ThreadPoolExecutor`` in name, because event loops accept no other default executor;
    everything it does is its own. Threads are numbered ``asyncio_0`` onwards, as the stock ones.
    """

    def __init__(self) -> None:
        # Not super().__init__(): a queue, a lock and a semaphore that most tests never need.
        self._max_workers = min(32, (os.cpu_count() or 1) + 4)
        self._gate = threading.Lock()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._workers: list[threading.Thread] = []
        self._running: dict[int, _Job] = {}
        self._unfinished = 0
        self._closed = False
        self._when_idle: Callable[[], None] | None = None

    def submit(
        self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[_T]:
        """Have *fn* called in a thread.

        Raises:
            RuntimeError: If the pool was shut down.
        """
        job = _Job(fn, args, kwargs)
        with self._gate:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if self._unfinished >= len(self._workers) < self._max_workers:
                self._start_worker()
            self._unfinished += 1
        self._queue.put(job)
        return job.future

    def _start_worker(self) -> None:
        worker = threading.Thread(
            target=self._work, name=f"asyncio_{len(self._workers)}", daemon=True
        )
        worker.start()
        self._workers.append(worker)

    def _work(self) -> None:
        me = threading.get_ident()
        while (job := self._queue.get()) is not None:
            self._running[me] = job
            try:
                job.run()
            finally:
                del self._running[me]
                # A job that this frame still held would keep its result alive.
                del job
                self._job_done()

    def _job_done(self) -> None:
        with self._gate:
            self._unfinished -= 1
            tell = self._when_idle if self._unfinished == 0 else None
        if tell is not None:
            tell()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more jobs; wait for those under way unless *wait* is false."""
        with self._gate:
            first = not self._closed
            self._closed = True
            workers = list(self._workers)
        if cancel_futures:
            self._drop_queued_jobs()
        if first:
            for _ in workers:
                self._queue.put(None)
        if wait:
            for worker in workers:
                worker.join()

    def _drop_queued_jobs(self) -> None:
        stops: list[None] = []
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._queue.get_nowait()
                if job is None:
                    stops.append(job)
                else:
                    job.future.cancel()
                    self._job_done()
        for stop in stops:  # from an earlier shutdown: each ends a thread
            self._queue.put(stop)

    def when_idle(self, tell: Callable[[], None]) -> None:
        """Call *tell* once no job is left, from the thread that ended the last one.

        It is called at once where there is nothing to wait for.
        """
        with self._gate:
            idle = self._unfinished == 0
            self._when_idle = None if idle else tell
        if idle:
            tell()

    def leave_behind(self) -> None:
        """Give up what is running: its threads have nobody to call any more."""
        LEFT_BEHIND.update(self._workers)

    def is_idle(self) -> bool:
        """Tell whether no job is queued or running."""
        return self._unfinished == 0

    def describe(self, future: concurrent.futures.Future[Any]) -> str | None:
        """Describe the job that *future* is of, if it has not ended and is one of ours."""
        for thread_id, job in list(self._running.items()):
            if job.future is future:
                place = thread_place(thread_id)
                text = f"executor job {_name(job.function, job.args)}, which has not ended"
                return f"{text}: {place}" if place else text
        return None if future.done() else "an executor job"

    def count_waiting(self) -> int:
        """Return how many jobs have not begun yet."""
        return max(0, self._unfinished - len(self._running))

    def running_jobs(self) -> list[tuple[str, Place | None]]:
        """Return the name of each running job and the line at which it is."""
        return [
            (_name(job.function, job.args), thread_place(thread_id))
            for thread_id, job in list(self._running.items())
        ]


def _name(function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    # asyncio.to_thread() submits functools.partial(context.run, function, ...).
    inner = getattr(function, "func", None)
    if inner is not None:
        args = (*function.args, *args)  # type: ignore[attr-defined]
        function = inner
    if getattr(function, "__name__", "") == "run" and args and callable(args[0]):
        function = args[0]
    module = getattr(function, "__module__", None)
    name = str(getattr(function, "__qualname__", function))
    return f"{module}.{name}" if module else name
