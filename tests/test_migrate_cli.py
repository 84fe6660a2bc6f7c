"""The command line of the codemod, and what it does with files."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from asynctesting.migrate import _engine, cli

BEFORE = """\
import unittest

class Tests(unittest.IsolatedAsyncioTestCase):
    async def test_it(self):
        pass
"""
AFTER = """\
from asynctesting import AsyncTestCase

class Tests(AsyncTestCase):
    async def test_it(self):
        pass
"""
LEFT = """\
import unittest

class Tests(unittest.IsolatedAsyncioTestCase):
    async def setUp(self):
        pass
"""


class CommandLineTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(contextlib.chdir(self.folder))

    def run_cli(self, *arguments: str) -> tuple[int | str | None, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status: int | str | None = cli.main(arguments)
            except SystemExit as end:
                status = end.code
        return status, out.getvalue(), err.getvalue()

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def test_a_folder_is_rewritten(self) -> None:
        """Files below it, but for hidden ones and environments; a second run changes nothing."""
        path = self.write("tests/test_it.py", BEFORE)
        hidden = self.write("tests/.venv/test_it.py", BEFORE)
        path.chmod(0o640)

        status, out, err = self.run_cli("tests")

        self.assertEqual((status, out), (0, ""))
        self.assertIn("1 file rewritten of 1, 0 places left alone, 0 to look at", err)
        self.assertEqual(path.read_text(encoding="utf-8"), AFTER)
        self.assertEqual(hidden.read_text(encoding="utf-8"), BEFORE)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
        self.assertEqual(os.listdir(path.parent), [".venv", "test_it.py"][::1])
        self.assertIn("0 files rewritten", self.run_cli("tests")[2])

    def test_check_and_diff_write_nothing(self) -> None:
        """--check says by its status that there is work, --diff shows it."""
        path = self.write("test_it.py", BEFORE)

        self.assertEqual(self.run_cli("--check", "test_it.py")[:2], (1, ""))
        status, out, _ = self.run_cli("--diff", ".")
        self.assertEqual(status, 0)
        self.assertIn("+class Tests(AsyncTestCase):", out)
        self.assertEqual(self.run_cli("--check", "--diff", ".")[0], 1)
        self.assertEqual(path.read_text(encoding="utf-8"), BEFORE)
        path.write_text(AFTER, encoding="utf-8")
        self.assertEqual(self.run_cli("--check", "test_it.py")[0], 0)

    def test_lines_are_those_of_the_file_on_disk(self) -> None:
        """Before it is rewritten and after."""
        self.write(
            "test_it.py",
            "import asyncio\nimport unittest\n\n\nclass Good(unittest.TestCase):\n"
            "    def setUp(self):\n        self.loop = asyncio.new_event_loop()\n\n"
            "    def test_it(self):\n        self.loop.run_until_complete(f())\n\n\n"
            "class Bad(unittest.IsolatedAsyncioTestCase):\n    leaks = 3\n",
        )

        for options, line in ((["--check"], 13), (["--diff"], 13), ([], 10), ([], 10)):
            with self.subTest(options=options):
                _, out, _ = self.run_cli(*options, "test_it.py")
                self.assertIn(f"test_it.py:{line}: left alone [loop] its attribute 'leaks'", out)

    def test_what_is_left_is_listed(self) -> None:
        """With file, line, rule, reason and the page that explains it."""
        self.write("test_it.py", LEFT)

        status, out, err = self.run_cli("test_it.py")

        self.assertEqual(status, 0)
        self.assertEqual(
            out,
            "test_it.py:3: left alone [loop] setUp is a coroutine or generator function, which "
            "unittest never ran (docs/migrate/loop.md#never-ran)\n",
        )
        self.assertIn("1 place left alone", err)

    def test_a_file_that_cant_be_read_is_one_line(self) -> None:
        """The others go on, and the status says that not all is done."""
        self.write("test_a.py", "def (:\n")
        self.write("test_b.py", "# -*- coding: nonsense -*-\n")
        self.write("test_c.py", "x = '\0'\n")
        path = self.write("test_d.py", BEFORE)

        status, out, err = self.run_cli(".")

        self.assertEqual(status, 1)
        self.assertEqual(len(out.splitlines()), 3)
        self.assertRegex(out, r"(?m)^\./test_a\.py:1: not read: invalid syntax$")
        self.assertIn("3 files not read", err)
        self.assertEqual(path.read_text(encoding="utf-8"), AFTER)

    def test_wrong_arguments_are_one_line(self) -> None:
        """And status 2."""
        for arguments, what in (
            ((), "the following arguments are required: PATH"),
            (("nowhere",), "there is no file or directory 'nowhere'"),
            ((".",), "there is no Python file in ."),
            (("--from", "nose", "."), "got 'nose'"),
            (("--wrong", "."), "unrecognized arguments: --wrong"),
        ):
            with self.subTest(arguments=arguments):
                status, out, err = self.run_cli(*arguments)
                self.assertEqual((status, out), (2, ""))
                self.assertEqual(len(err.splitlines()), 1)
                self.assertIn(what, err)

    def test_only_some_rules(self) -> None:
        """--from names the frameworks to move away from."""
        path = self.write("test_it.py", BEFORE)

        self.run_cli("--from", "asynctest, tornado", "test_it.py")
        self.assertEqual(path.read_text(encoding="utf-8"), BEFORE)
        self.run_cli("--from", "loop", "test_it.py")
        self.assertEqual(path.read_text(encoding="utf-8"), AFTER)

    def test_bytes_are_kept(self) -> None:
        """Line ends, a byte order mark, an encoding."""
        for name, text, encoding in (
            ("crlf.py", BEFORE.replace("\n", "\r\n"), "utf-8"),
            ("bom.py", BEFORE, "utf-8-sig"),
            ("latin.py", f"# coding: latin-1\n# \xe4\n{BEFORE}", "latin-1"),
            ("no_end.py", BEFORE.rstrip("\n"), "utf-8"),
        ):
            with self.subTest(name=name):
                path = self.folder / name
                path.write_bytes(text.encode(encoding))
                self.run_cli(name)
                expected = text.replace("import unittest", "from asynctesting import AsyncTestCase")
                expected = expected.replace("unittest.IsolatedAsyncioTestCase", "AsyncTestCase")
                self.assertEqual(path.read_bytes(), expected.encode(encoding))

    def test_a_class_stays_where_its_base_in_another_file_does(self) -> None:
        """Decisions go across files, and a base is found through packages and re-exports."""
        self.write("tests/__init__.py", "from .base import Base\n")
        base = self.write("tests/base.py", LEFT.replace("Tests", "Base"))
        text = "from tests import Base\n\nclass Tests(Base):\n    async def test_it(self): pass\n"
        self.write("tests/test_it.py", text)

        out = self.run_cli(".")[1]

        self.assertRegex(
            out, r"tests/test_it.py:3: left alone \[loop\] Tests stays: its relative Base is left"
        )
        base.write_text(BEFORE.replace("Tests", "Base"), encoding="utf-8")
        self.assertEqual(self.run_cli(".")[1], "")
        self.assertIn("class Base(AsyncTestCase)", base.read_text(encoding="utf-8"))

    def test_a_tool_from_another_file(self) -> None:
        """A decorator in one file moves the base in a second, for the tests in a third."""
        self.write("tests/__init__.py", "")
        self.write(
            "tests/tools.py",
            "import asyncio\n\ndef sync(test):\n    def inner(self):\n"
            "        asyncio.run(test(self))\n    return inner\n",
        )
        base = self.write(
            "tests/base.py", "import unittest\n\nclass Base(unittest.TestCase):\n    pass\n"
        )
        path = self.write(
            "tests/test_it.py",
            "from .base import Base\nfrom .tools import sync\n\nclass Tests(Base):\n"
            "    @sync\n    async def test_it(self):\n        pass\n",
        )

        self.assertEqual(self.run_cli("tests")[:2], (0, ""))

        self.assertIn("class Base(AsyncTestCase)", base.read_text(encoding="utf-8"))
        self.assertIn("(Base):\n    async def test_it", path.read_text(encoding="utf-8"))

    def test_a_file_that_cant_be_written_is_one_line(self) -> None:
        """The others are written."""
        for name in ("a.py", "b.py"):
            (self.folder / name).write_text(BEFORE, encoding="utf-8")
        (self.folder / "a.py").chmod(0o444)

        status, out, err = self.run_cli(".")

        self.assertEqual(status, 1)
        self.assertEqual(out.splitlines(), ["./a.py:1: not written: it is read-only"])
        self.assertIn("1 file rewritten of 2", err)
        self.assertIn("1 file not written", err)
        self.assertEqual((self.folder / "a.py").read_text(encoding="utf-8"), BEFORE)
        self.assertNotEqual((self.folder / "b.py").read_text(encoding="utf-8"), BEFORE)
        self.assertEqual(sorted(os.listdir(self.folder)), ["a.py", "b.py"])

    def test_expressions_nested_too_deeply(self) -> None:
        """They are one line, too, and the other files go on."""
        (self.folder / "a.py").write_text(
            "import asynctest\nx = " + "-" * 3000 + "1\n", encoding="utf-8"
        )
        (self.folder / "b.py").write_text(BEFORE, encoding="utf-8")

        status, out, err = self.run_cli(".")

        self.assertEqual(status, 1)
        (line,) = out.splitlines()
        self.assertRegex(line, r"a\.py:\d+: not read: ")
        self.assertIn("1 file rewritten of 2", err)

    @unittest.skipUnless(hasattr(os, "mkfifo"), "needs a named pipe")
    def test_what_is_no_file(self) -> None:
        """A pipe is not waited for; a link that leads nowhere is a line."""
        (self.folder / "a.py").write_text(BEFORE, encoding="utf-8")
        os.mkfifo(self.folder / "b.py")
        (self.folder / "c.py").symlink_to("nowhere")

        status, out, err = self.run_cli(".")

        self.assertEqual(status, 1)
        self.assertEqual(out.splitlines(), ["./c.py:1: not read: No such file or directory"])
        self.assertIn("1 file rewritten of 2", err)

    def test_nobody_reads_the_output(self) -> None:
        """All is written all the same, and nothing is said about the pipe."""
        text = LEFT + "\nclass Good(unittest.IsolatedAsyncioTestCase):\n    pass\n"
        for number in range(200):
            (self.folder / f"t{number}.py").write_text(text, encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "asynctesting", "migrate", str(self.folder)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        said = process.stderr.read().decode()
        process.stderr.close()

        self.assertEqual(process.wait(), 0, said)
        self.assertNotIn("Traceback", said)
        self.assertNotIn("BrokenPipe", said)
        self.assertIn("200 files rewritten of 200, 200 places left alone", said)

    def test_ctrl_c(self) -> None:
        """It is one line, and nothing is written."""
        path = self.write("test_it.py", BEFORE)

        with mock.patch.object(_engine, "migrate", side_effect=KeyboardInterrupt):
            status, out, err = self.run_cli(".")

        self.assertEqual((status, out), (130, ""))
        self.assertEqual(
            err, "python -m asynctesting migrate: interrupted; no file was rewritten\n"
        )
        self.assertEqual(path.read_text(encoding="utf-8"), BEFORE)

    @unittest.skipUnless(hasattr(signal, "pthread_sigmask"), "needs signals of Unix")
    def test_processes_leave_ctrl_c_to_us(self) -> None:
        """They would each print a traceback, some of them before they have begun."""
        code = "import signal; print(signal.SIGINT in signal.pthread_sigmask(0, ()))"
        told = []
        for _ in range(2):
            with _engine._without_ctrl_c():
                told.append(subprocess.check_output([sys.executable, "-c", code], text=True))
        told.append(subprocess.check_output([sys.executable, "-c", code], text=True))

        self.assertEqual([line.strip() for line in told], ["True", "True", "False"])

    def test_without_libcst(self) -> None:
        """One line that names the extra."""
        self.write("test_it.py", BEFORE)
        hidden = {"libcst": None, "asynctesting.migrate._engine": None}
        del hidden["asynctesting.migrate._engine"]
        saved = sys.modules.pop("asynctesting.migrate._engine")
        self.addCleanup(sys.modules.__setitem__, "asynctesting.migrate._engine", saved)
        with mock.patch.dict(sys.modules, hidden):
            sys.modules.pop("asynctesting.migrate._engine", None)
            status, _, err = self.run_cli("test_it.py")

        self.assertEqual(status, 2)
        self.assertIn("libcst is not installed", err)
        self.assertIn("pip install 'asynctesting[migrate]'", err)

    def test_many_files_in_processes(self) -> None:
        """A pool gives what one process gives."""
        for number in range(6):
            self.write(f"tests/test_{number}.py", BEFORE)
        with mock.patch.object(_engine, "_LINES_FOR_A_POOL", 1):
            self.assertEqual(self.run_cli("tests")[0], 0)

        for number in range(6):
            path = self.folder / f"tests/test_{number}.py"
            self.assertEqual(path.read_text(encoding="utf-8"), AFTER)

    def test_as_a_command(self) -> None:
        """``python -m asynctesting migrate`` is the same, and has its own help."""
        self.write("test_it.py", BEFORE)
        for arguments, status in ((["--check", "."], 1), (["--help"], 0), ([], 2)):
            process = subprocess.run(
                [sys.executable, "-m", "asynctesting", "migrate", *arguments],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            self.assertEqual(process.returncode, status, process.stderr)
            self.assertIn("python -m asynctesting migrate" if status != 1 else "1 file",
                          process.stdout + process.stderr)  # fmt: skip


if __name__ == "__main__":
    unittest.main()
