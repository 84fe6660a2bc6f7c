"""Whatever a file is made of: the output parses, and what no rule names stays byte for byte."""

from __future__ import annotations

import ast
import unittest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asynctesting.migrate._engine import migrate_text
from asynctesting.migrate._model import Sort
from tests.migrate import RULES

HEAD = """\
import asyncio, functools
import unittest
from unittest import mock
import asynctest
import aiounittest
from aiounittest import futurized
import pytest, pytest_asyncio
from tornado import gen
from tornado.testing import AsyncTestCase as TornadoCase, gen_test
from aiohttp.test_utils import AioHTTPTestCase, unittest_run_loop

"""

#: Classes and functions of every style; {n} tells them apart.
TOUCHED = (
    "class A{n}(asynctest.TestCase):\n    async def setUp(self):\n{filler}\n    def test_x(self):\n"
    "        yield from f()\n",
    "class B{n}(asynctest.TestCase):\n    use_default_loop = True\n{filler}\n",
    "class C{n}(aiounittest.AsyncTestCase):\n    async def test_x(self):\n{filler}\n",
    "class D{n}(TornadoCase):\n    @gen_test\n    def test_x(self):\n        a = yield [f(), g()]\n"
    "{filler}\n",
    "class E{n}(AioHTTPTestCase):\n    @unittest_run_loop\n    async def test_x(self):\n{filler}\n",
    "class F{n}(unittest.TestCase):\n    def setUp(self):\n"
    "        self.loop = asyncio.new_event_loop()\n    def test_x(self):\n{filler}\n"
    "        self.loop.run_until_complete(f())\n",
    "class G{n}(unittest.IsolatedAsyncioTestCase):\n    async def test_x(self):\n{filler}\n",
    "@pytest.mark.asyncio\nasync def test_{n}():\n{filler}\n",
    "@pytest_asyncio.fixture\nasync def fix{n}():\n{filler}\n    yield 1\n\n\n"
    "@pytest.mark.asyncio\nasync def test_with_{n}(fix{n}):\n    pass\n",
    "class H{n}:\n    @pytest.mark.asyncio\n    async def test_x(self):\n{filler}\n",
)

#: Statements and declarations that no rule has any business with.
UNTOUCHED = (
    "X{n}  =  [ 1,2 ,3 ]   # odd  spacing\n",
    'TEXT{n} = """\n  lines\n\twith tabs  \n"""\n',
    "def helper{n}( a,b = 2 ):\n\treturn a  if b else {{ 'k' : b }}\n",
    "class Plain{n}( object ):\n  # two spaces\n  x = 1 ;  y = 2\n\n\n\n"
    "  def m(self): return 'é'\n",
    "if  True :\n        pass\nelse:\n  pass\n",
    "async def coro{n}():\n    async with f() as ( x ):\n        return (await x)\n",
    "# only a comment {n}\n\n\n",
    "with open('x') as f{n}, \\\n     open('y'):\n    pass\n",
    "@functools.wraps(f)\n# between\ndef wrapped{n}(): ...\n",
)

FILLERS = (
    "        pass",
    "        x = 1  # why",
    "        # first\n        await f()",
    "        async def go():\n            return 1\n        await go()",
    "        text = '''\n  a\n'''",
)

pieces = st.lists(
    st.tuples(st.sampled_from([*TOUCHED, *UNTOUCHED]), st.sampled_from(FILLERS)), max_size=7
)


def assemble(parts: list[tuple[str, str]]) -> tuple[str, list[str]]:
    """Return a file made of *parts*, and those that no rule should touch."""
    text, untouched = HEAD, []
    for number, (part, filler) in enumerate(parts):
        if part in UNTOUCHED:
            piece = part.format(n=number)
            untouched.append(piece)
        else:
            if part.startswith("@pytest"):
                filler = "\n".join(line[4:] if line[:4] == "    " else line
                                   for line in filler.splitlines())  # fmt: skip
            if "def test_x(self):\n{filler}" in part and "async def" not in part:
                filler = "        pass"
            if "TornadoCase" in part or "use_default_loop" in part:
                filler = "        pass" if "TornadoCase" in part else "    pass"
            piece = part.format(n=number, filler=filler)
        text += f"\n\n{piece}"
    return text, untouched


class PropertyTests(unittest.TestCase):
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(parts=pieces, bridge=st.booleans())
    def test_any_file(self, parts: list[tuple[str, str]], bridge: bool) -> None:
        """The output parses, keeps what is not a rule's, and stays as it is in a second run."""
        text, untouched = assemble(parts)
        ast.parse(text)

        after, findings = migrate_text(text, RULES, bridge=bridge)

        ast.parse(after)
        for piece in untouched:
            self.assertIn(piece, after)
        again, said = migrate_text(after, RULES, bridge=bridge)
        self.assertEqual(again, after)
        self.assertEqual(said, tuple(item for item in findings if item.sort is Sort.LEFT))
        for finding in findings:
            self.assertLessEqual(1, finding.line)
            self.assertLessEqual(finding.line, after.count("\n") + 1)

    @settings(max_examples=30, deadline=None)
    @given(parts=st.lists(st.sampled_from(UNTOUCHED), max_size=8), crlf=st.booleans())
    def test_a_file_without_work(self, parts: list[str], crlf: bool) -> None:
        """Nothing of it changes, and nothing is said."""
        text = "".join(part.format(n=number) for number, part in enumerate(parts))
        text = text.replace("\n", "\r\n") if crlf else text

        self.assertEqual(migrate_text(text, RULES), (text, ()))


if __name__ == "__main__":
    unittest.main()
