"""``python -m asynctesting migrate``, ``verify`` and ``record``: a legacy suite moves over.

This package imports nothing of asynctesting but its errors, and nothing of the code it rewrites.
:mod:`.cli` reads the command line, :mod:`._engine` walks the files, and one module per framework
holds the rule for it. libcst is needed for ``migrate`` alone.
"""
