"""The suite of asynctesting: `test_x.py` tests `asynctesting/_x.py`, from outside where it can."""
