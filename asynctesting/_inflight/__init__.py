"""What goes on outside the loop: real work that a virtual clock must not overtake.

One small detector per kind of work (executor jobs and processes, sockets, threads, signals), a file
each. Each yields a :class:`Hold` for what is under way now. :class:`Outside` asks them all when the
loop has nothing to run, and answers how long to wait in real time before asking again.

Three degrees of certainty. Work that is sure to end (a job, a process) holds the clock until it
does. Work that may never end (a server that owes an answer, a thread that computes) holds it for
``clock.patience`` real seconds, and a :exc:`GraceWarning` says when they ran out. Where nothing can
be known (a connection on which a greeting may come) the clock waits ``clock.grace``, in silence.

What only we can wake never holds the clock: a thread that waits for a lock, a socket whose other
end is in this loop, a process that reads what the test writes to it.
"""

from ._outside import Outside
from ._sockets import Sockets
from ._threads import Threads

__all__ = ["Outside", "Sockets", "Threads"]

__unittest = True
