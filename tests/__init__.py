"""The suite of asynctesting: `test_x.py` tests `asynctesting/_x.py`, from outside where it can."""

import signal

# A shell has what it starts in the background ignore Ctrl-C, and children inherit that; the tests
# that interrupt a process would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
