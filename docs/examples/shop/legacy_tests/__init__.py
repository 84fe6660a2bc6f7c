"""The shop's older suite: plain ``unittest.TestCase`` classes, on the bridge."""
