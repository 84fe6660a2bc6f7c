"""``python -m asynctesting``: see :mod:`asynctesting._program`."""

from ._program import main

if __name__ == "__main__":
    main()
