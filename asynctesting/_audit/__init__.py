"""What the audit of a test looks at, one file for each family of kinds.

``hooks`` hears what the interpreter reports by itself. ``window`` separates what the test has made
from all that was there before. ``survivors`` looks through what is left of it, ``process`` at what
belongs to the whole process, ``loop`` at the test's event loop.
"""
