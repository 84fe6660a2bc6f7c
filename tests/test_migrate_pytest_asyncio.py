"""The rule for pytest-asyncio: what it rewrites, what it leaves alone, a second run."""

from __future__ import annotations

import unittest

from tests.migrate import RuleTestCase


class FunctionTests(RuleTestCase):
    rule = "pytest-asyncio"

    def test_marked_functions(self) -> None:
        """They become methods of one case, with their neighbours and comments."""
        after, findings = self.migrated(
            """
            import pytest


            # about one
            @pytest.mark.asyncio
            async def test_one():
                with pytest.raises(OSError):
                    await f('''
            text''')


            def test_two():
                pass


            @pytest.mark.skipif(X, reason="not here")
            @pytest.mark.asyncio
            async def test_three():
                pass
            """
        )
        self.assertEqual(findings, ())
        self.assertEqual(
            after.partition("\n\n\n")[2],
            """\
class ItTests(AsyncTestCase):
    # about one
    async def test_one(self):
        with pytest.raises(OSError):
            await f('''
text''')

    def test_two(self):
        pass

    @unittest.skipIf(X, "not here")
    async def test_three(self):
        pass
""",
        )

    def test_fixtures_of_the_file(self) -> None:
        """Each test makes its own, in order, and closes them at its end."""
        self.assertRewrites(
            """
            import pytest
            import pytest_asyncio

            pytestmark = pytest.mark.asyncio

            @pytest_asyncio.fixture
            async def db(conf):
                d = await connect(conf)
                yield d
                await d.close()

            @pytest.fixture
            def conf():
                return 1

            @pytest.fixture()
            def folder():
                yield 2

            @pytest_asyncio.fixture(scope="function")
            async def user():
                return 3

            async def test_it(folder, db, user):
                '''What it does.'''
                assert await db.q() == 1
            """,
            """
            from contextlib import asynccontextmanager, contextmanager
            from asynctesting import AsyncTestCase

            @asynccontextmanager
            async def db_fixture(conf):
                d = await connect(conf)
                yield d
                await d.close()

            def conf_fixture():
                return 1

            @contextmanager
            def folder_fixture():
                yield 2

            async def user_fixture():
                return 3

            class ItTests(AsyncTestCase):
                async def test_it(self):
                    '''What it does.'''
                    folder = self.enterContext(folder_fixture())
                    conf = conf_fixture()
                    db = await self.enterAsyncContext(db_fixture(conf))
                    user = await user_fixture()
                    assert await db.q() == 1
            """,
        )

    def test_parameters(self) -> None:
        """Each case is a test of its own, with fixtures and a loop of its own."""
        self.assertRewrites(
            """
            import pytest

            @pytest.fixture
            def own(): return 1

            @pytest.mark.skip(reason="later")
            @pytest.mark.asyncio
            @pytest.mark.parametrize("n, m", [(1, 2), (2, 3)])
            @pytest.mark.parametrize(["x", "y"], CASES)
            async def test_it(n, own, m, x, y):
                # why
                assert n < m
                return
            """,
            """
            import unittest
            from asynctesting import AsyncTestCase, parametrize

            def own_fixture(): return 1

            class ItTests(AsyncTestCase):
                @parametrize("n, m", [(1, 2), (2, 3)])
                @parametrize("x, y", list(CASES))
                @unittest.skip("later")
                async def test_it(self, n, m, x, y):
                    own = own_fixture()
                    # why
                    assert n < m
                    return
            """,
        )

    def test_wide_fixtures(self) -> None:
        """They become fixtures of the same scope, and their tests run on their loop."""
        self.assertRewrites(
            """
            import pytest
            import pytest_asyncio

            @pytest_asyncio.fixture(scope="module", loop_scope="module")
            async def db():
                yield 1

            @pytest_asyncio.fixture
            async def user(db):
                return db

            @pytest.mark.asyncio
            async def test_it(user):
                assert user
            """,
            """
            from asynctesting import AsyncTestCase, async_fixture

            @async_fixture(scope="module")
            async def db():
                yield 1

            async def user_fixture(db):
                return db

            class ItTests(AsyncTestCase):
                db = db

                async def test_it(self):
                    db = self.db
                    user = await user_fixture(db)
                    assert user
            """,
            "wide-fixtures",
        )

    def test_loops_that_tests_share(self) -> None:
        """They are shared by a class; tests on different ones stand apart."""
        self.assertRewrites(
            """
            import pytest

            @pytest.mark.asyncio(loop_scope="module")
            async def test_one():
                pass

            @pytest.mark.asyncio
            async def test_two():
                pass

            @pytest.mark.asyncio(loop_scope="class")
            class TestIt:
                async def test_three(self):
                    pass
            """,
            """
            from asynctesting import AsyncTestCase

            class ItTests(AsyncTestCase):
                loop_scope = "module"

                async def test_one(self):
                    pass

            class ItTests2(AsyncTestCase):
                async def test_two(self):
                    pass

            class TestIt(AsyncTestCase):
                loop_scope = "class"
                async def test_three(self):
                    pass
            """,
        )

    def test_the_mark_of_a_module(self) -> None:
        """It may name a loop as well."""
        after, findings = self.migrated(
            "import pytest\n\npytestmark = pytest.mark.asyncio(loop_scope='session')\n\n"
            "async def test_it():\n    pass\n"
        )
        self.assertEqual(findings, ())
        self.assertIn('    loop_scope = "session"\n', after)
        self.assertNotIn("pytestmark", after)

    def test_what_stays(self) -> None:
        """Whatever needs pytest itself; the other tests of the file go."""
        mark = "@pytest.mark.asyncio\n"
        for topic, text in (
            ("fixtures", f"{mark}async def test_it(tmp_path): pass\n"),
            ("fixtures", f"{mark}async def test_it(x=1): pass\n"),
            ("fixtures", f"{mark}async def test_it(run): pass\n"),
            ("fixtures", f"{mark}async def test_it(shared): pass\n"),
            (
                "loop-scope",
                "@pytest.mark.asyncio(loop_scope=SCOPE)\nasync def test_it(): pass\n",
            ),
            ("marks", f"{mark}@pytest.mark.xfail\nasync def test_it(): pass\n"),
            ("marks", "async def test_it(): pass\n"),
            ("names", f"{mark}async def test_it(): pass\n\nAGAIN = test_it\n"),
            ("names", f"{mark}async def test_it(): a.__b\n"),
            (
                "parametrize",
                f"{mark}@pytest.mark.parametrize('n', [1], ids=['a'])\n"
                "async def test_it(n): pass\n",
            ),
            ("pytest-only", f"{mark}async def test_it(): pytest.skip('no')\n"),
        ):
            with self.subTest(text=text):
                before = (
                    "import pytest\n\n"
                    "@pytest.fixture\ndef own(): return 1\n\n"
                    "@pytest.fixture(scope='module')\ndef run(): return 1\n\n"
                    "@pytest.fixture\ndef shared(): return 1\n\n"
                    "def test_sync(shared): pass\n\n"
                    f"{text}\n"
                    "@pytest.mark.asyncio\nasync def test_that(): pass\n"
                )
                after, findings = self.migrated(before)
                self.assertIn(f"\n{text}", after)
                self.assertIn("    async def test_that(self): pass\n", after)
                self.assertEqual([item.topic for item in findings], [topic])

    def test_what_pytest_gives_to_all_keeps_the_file(self) -> None:
        """Loops, set-ups and marks that no method of unittest's would get."""
        for topic, text in (
            ("event-loop", "@pytest.fixture\ndef event_loop(): yield new()\n"),
            ("event-loop", "@pytest.fixture(scope='session')\ndef event_loop_policy(): pass\n"),
            ("set-up", "def setup_function(function): pass\n"),
            ("set-up", "def teardown_module(): pass\n"),
            ("marks", "pytestmark = pytest.mark.usefixtures('db')\n"),
            ("marks", "pytestmark = [pytest.mark.slow]\n"),
        ):
            with self.subTest(text=text):
                after, findings = self.migrated(
                    f"import pytest\n\n{text}\n@pytest.mark.asyncio\nasync def test_it(): pass\n"
                )
                self.assertNotIn("AsyncTestCase", after)
                self.assertEqual([item.topic for item in findings], [topic])

    def test_auto_mode_is_listed(self) -> None:
        """A test without any mark, in a file that imports nothing of pytest's."""
        self.assertLeaves("async def test_it():\n    pass\n", (1, "marks"))

    def test_a_star_import(self) -> None:
        """Its names can't be seen, so they are listed."""
        self.assertLeaves("from pytest_asyncio import *\n", (1, "star-import"))

    def test_autouse_keeps_the_file(self) -> None:
        """A fixture that reaches every test reaches no method of unittest's."""
        self.assertLeaves(
            """
            import pytest

            @pytest.fixture(autouse=True)
            def always(): pass

            @pytest.mark.asyncio
            async def test_it(): pass
            """,
            (1, "autouse"),
        )


class ClassTests(RuleTestCase):
    rule = "pytest-asyncio"

    def test_a_class_of_tests(self) -> None:
        """It becomes a case where it stands."""
        self.assertRewrites(
            """
            import pytest

            @pytest.mark.asyncio
            class TestIt:
                @pytest.mark.parametrize("n", [1])
                async def test_one(self, n):
                    pass

            class TestThat():
                @pytest.mark.asyncio
                async def test_one(self):
                    pass

                def test_two(self):
                    pass
            """,
            """
            from asynctesting import AsyncTestCase, parametrize

            class TestIt(AsyncTestCase):
                @parametrize("n", [1])
                async def test_one(self, n):
                    pass

            class TestThat(AsyncTestCase):
                async def test_one(self):
                    pass

                def test_two(self):
                    pass
            """,
        )

    def test_what_stays(self) -> None:
        """A class with one test that can't go stays as a whole."""
        for topic, body in (
            ("set-up", "    def setup_method(self): pass\n"),
            ("names", "    def debug(self): pass\n"),
            ("names", "    timeout = 3\n"),
            ("fixtures", "    @pytest.fixture\n    def x(self): pass\n"),
            ("fixtures", "    def test_other(self, tmp_path): pass\n"),
            ("inheritance", "    class Inner: pass\n"),
        ):
            with self.subTest(body=body):
                text = (
                    "import pytest\n\nclass TestIt:\n"
                    f"{body}    @pytest.mark.asyncio\n    async def test_it(self): pass\n"
                )
                after, findings = self.migrated(text)
                self.assertEqual(after, text)
                self.assertEqual({item.topic for item in findings}, {topic})


if __name__ == "__main__":
    unittest.main()
