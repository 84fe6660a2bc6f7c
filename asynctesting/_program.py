"""``python -m asynctesting``: what ``python -m unittest`` takes, and a little more.

Our own options are taken out of the command line first; everything else is unittest's business and
is handed on. What the tests must know goes into the environment, so that worker processes of any
kind inherit it.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import sys
import time
import unittest
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, NoReturn

from . import _kinds, _repeat, _settings, _strict
from ._audit import hooks
from ._leaks import folded
from .errors import SettingError

__unittest = True

PROGRAM = "python -m asynctesting"
# Which module in migrate/ answers a first word that is no test.
_SUB_COMMANDS = {"migrate": "cli", "record": "record", "verify": "verify"}
_OWN_DURATIONS = sys.version_info < (3, 12)
_EPILOG = """\
Everything else is as in 'python -m unittest': names of modules, classes and tests, 'discover' and
its options, -v, -q, -f, -k, -b, --locals. A package without tests of its own is searched for them.

Instead of tests, the first word may be one of these, each with a --help of its own:
  migrate PATH ...     rewrite the tests of another framework for AsyncTestCase
  record FILE ...      run tests under their own framework, and record what really ran
  verify BEFORE AFTER  compare two such records
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tests that the command line names, and exit with the status of the run.

    Exit status: 0 where all passed, 1 where not, 2 for wrong arguments, 5 (Python 3.12 and later)
    where no test ran, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] and arguments[0] in _SUB_COMMANDS:
        sys.exit(_sub_command(*arguments))
    parser = _make_parser()
    if any(argument in ("-h", "--help") for argument in arguments):
        parser.print_help()
        sys.exit(0)
    options, rest = parser.parse_known_args(_with_seed(arguments))
    _apply(parser, options)
    _Program(options, [PROGRAM, *rest])


def _sub_command(name: str, *arguments: str) -> int:
    # Imported when it is asked for: a run of tests has no use for it, nor for what it needs.
    module = importlib.import_module(f"{__package__}.migrate.{_SUB_COMMANDS[name]}")
    status: int = module.main(arguments)
    return status


def _make_parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog=PROGRAM, add_help=False, allow_abbrev=False, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=f"{PROGRAM} [options] [tests ...]",
    )  # fmt: skip
    parser.add_argument("-h", "--help", action="help", help="show this message and exit")
    parser.add_argument(
        "--adopt",
        action="store_true",
        help="run unittest.IsolatedAsyncioTestCase suites on our case, no line changed",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        help="limit of each test in real seconds, or 'none' (default: 60)",
    )
    parser.add_argument(
        "--leaks",
        metavar="LEVELS",
        help="what a leak is: 'default', 'error', 'warn' or 'off', or for some kinds of leaks "
        "which of these, as in 'tasks=warn,timers=off'",
    )
    parser.add_argument(
        "--ledger",
        metavar="FILE",
        help=f"the known leaks of this suite (default: {_settings.LEDGER}, if it is there)",
    )
    parser.add_argument(
        "--write-leaks",
        action="store_true",
        help="write what the tests leave behind into that file; nothing fails for it this time",
    )
    parser.add_argument(
        "--report",
        metavar="DIR",
        help="write a page with a timeline, and a trace, for each failure into this folder",
    )
    parser.add_argument(
        "--shuffle",
        metavar="[SEED]",
        help="random order of modules, classes and tests; the seed is printed",
    )
    parser.add_argument(
        "--durations", metavar="N", help="show the N slowest tests; 0 shows all of them"
    )
    return parser


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and exit with status 2."""
        _refuse(message)


def _refuse(message: str) -> NoReturn:
    first, *_ = str(message).splitlines()
    print(f"{PROGRAM}: {first} (see --help)", file=sys.stderr)
    sys.exit(2)


def _with_seed(arguments: list[str]) -> list[str]:
    """Give ``--shuffle`` a seed where none follows, so that a test's name is not taken for one."""
    found: list[str] = []
    for index, argument in enumerate(arguments):
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        if argument == "--shuffle" and not following.lstrip("-").isdigit():
            argument = f"--shuffle={random.SystemRandom().randrange(10**6)}"
        found.append(argument)
    return found


def _apply(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    try:
        if options.timeout is not None:
            _settings.parse_timeout(options.timeout, "--timeout")
            os.environ["ASYNCTESTING_TIMEOUT"] = options.timeout
        if options.leaks is not None:
            _kinds.parse_levels(options.leaks, "--leaks")
            os.environ["ASYNCTESTING_LEAKS"] = options.leaks
        if options.ledger is not None:
            os.environ["ASYNCTESTING_LEDGER"] = options.ledger
        if options.report is not None:
            # Absolute, for a test or a worker may have another working folder.
            os.environ["ASYNCTESTING_REPORT"] = _settings.check_report(options.report, "--report")
        _settings.forget()
        _settings.current()
        if options.write_leaks:
            _settings.write_ledger()
        _settings.ledger()
    except SettingError as error:
        _refuse(str(error))
    for name in ("shuffle", "durations"):
        text = getattr(options, name)
        if text is not None:
            setattr(options, name, _whole_number(name, text))
    _repeat.launcher = PROGRAM
    if options.adopt:
        _repeat.launcher += " --adopt"
        from . import _adopt  # makes a test class, which reads the settings

        _adopt.adopt()
    _strict.make_strict()


def _whole_number(name: str, text: str) -> int:
    if not text.isdigit():
        _refuse(f"--{name} must be a whole number of at least 0; got {text!r}")
    return int(text)


class _Program(unittest.TestProgram):
    def __init__(self, options: argparse.Namespace, argv: list[str]) -> None:
        self._options = options
        self.interrupted = False
        if options.durations is not None and not _OWN_DURATIONS:
            argv += ["--durations", str(options.durations)]
        super().__init__(module=None, argv=argv, testLoader=_Loader(), exit=True)

    def _initArgParsers(self) -> None:
        super()._initArgParsers()  # type: ignore[misc]
        for name in ("_main_parser", "_discovery_parser"):
            parser = getattr(self, name, None)
            if parser is not None:
                parser.error = _refuse

    def createTests(self, from_discovery: bool = False, Loader: Any = None) -> None:
        try:
            super().createTests(from_discovery, Loader)
        except (ImportError, TypeError) as error:
            if not (from_discovery and _raised_by_loader(error)):
                raise
            _refuse(str(error))

    def runTests(self) -> None:
        seed = self._options.shuffle
        self.test: Any = _Interruptible(self, _shuffled(self.test, seed))
        self.testRunner = _Runner
        _Runner.durations_to_show = self._options.durations if _OWN_DURATIONS else None
        if seed is not None:
            print(f"shuffled; repeat this order with --shuffle={seed}", file=sys.stderr)
        try:
            super().runTests()
        except SystemExit as end:
            self._tell_run_level()
            if not self.interrupted and not self._settle_ledger() and not end.code:
                end.code = 1
            if seed is not None:
                print(f"this order: --shuffle={seed}", file=sys.stderr)
            if self.interrupted:
                print("interrupted: not all tests have run", file=sys.stderr)
                sys.exit(130)
            raise

    def _tell_run_level(self) -> None:
        """Say what has come up that belongs to no test."""
        if hooks.run_level:
            print("outside of any test:", file=sys.stderr)
            for text in folded(hooks.run_level):
                print(f"  {text}", file=sys.stderr)

    def _settle_ledger(self) -> bool:
        """Write the ledger, or say what is to be struck from it; tell whether it is as it was."""
        ledger = _settings.ledger()
        if ledger is None:
            return True
        if ledger.writing:
            count = ledger.write()
            leaks = "leak" if count == 1 else "leaks"
            print(f"{ledger.path}: {count} known {leaks}", file=sys.stderr)
            return True
        text = ledger.complaint()
        if text:
            print(text, file=sys.stderr)
        return not text


def _raised_by_loader(error: BaseException) -> bool:
    """Tell whether the loader itself has refused its arguments, and not a module that it loads."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_globals is vars(unittest.loader)


class _Interruptible(unittest.TestSuite):
    """Ends the run at Ctrl-C, so that what has run is still reported."""

    def __init__(self, program: _Program, test: unittest.TestSuite) -> None:
        super().__init__([test])
        self._program = program

    def run(self, result: unittest.TestResult, debug: bool = False) -> unittest.TestResult:
        try:
            return super().run(result, debug)
        except KeyboardInterrupt:
            self._program.interrupted = True
            # An interrupt inside of an exec() of text, as dataclasses run, has the interpreter end
            # by the signal whatever the exit status; the next exec() of text takes that back.
            exec("")
            result.stop()
            return result


class _Loader(unittest.TestLoader):
    """Finds the tests below a package, and lets those fail that would never run."""

    def loadTestsFromModule(
        self, module: ModuleType, *args: Any, **kwargs: Any
    ) -> unittest.TestSuite:
        suite = super().loadTestsFromModule(module, *args, **kwargs)
        path = getattr(module, "__path__", None)
        if path and not kwargs.get("pattern") and suite.countTestCases() == 0:
            top = os.path.abspath(next(iter(path)))
            for _ in module.__name__.split("."):
                top = os.path.dirname(top)
            return self.discover(os.path.abspath(next(iter(path))), top_level_dir=top)
        return suite

    def loadTestsFromTestCase(self, testCaseClass: type[unittest.TestCase]) -> unittest.TestSuite:
        stand_ins = _strict.stand_ins(testCaseClass)
        if not stand_ins:
            return super().loadTestsFromTestCase(testCaseClass)
        if "" in stand_ins:
            return self.suiteClass([stand_ins[""]])
        return self.suiteClass(
            [
                stand_ins.get(name) or testCaseClass(name)
                for name in self.getTestCaseNames(testCaseClass)
            ]
        )


# Order -----------------------------------------------------------------------------------------


def _shuffled(suite: Any, seed: int | None) -> Any:
    """Return the tests of *suite* in a random order that keeps modules and classes together.

    So class and module fixtures run once, as in the ordinary order. The order depends on the seed
    and on the names of the tests only.
    """
    if seed is None:
        return suite
    tests = sorted(_leaves(suite), key=lambda test: (_module(test), _class(test), _id(test)))
    order = random.Random(seed)
    modules: dict[str, dict[str, list[Any]]] = {}
    for test in tests:
        modules.setdefault(_module(test), {}).setdefault(_class(test), []).append(test)
    found = []
    for module in _in_random_order(list(modules), order):
        for name in _in_random_order(list(modules[module]), order):
            found += _in_random_order(modules[module][name], order)
    return unittest.TestSuite(found)


def _in_random_order(items: list[Any], order: random.Random) -> list[Any]:
    return order.sample(items, len(items))


def _leaves(suite: Any) -> Iterator[Any]:
    # A suite class of somebody's own may do more than hold tests; it stays in one piece.
    if type(suite) is unittest.TestSuite:
        for test in suite:
            yield from _leaves(test)
    else:
        yield suite


def _module(test: Any) -> str:
    return type(test).__module__


def _class(test: Any) -> str:
    return type(test).__qualname__


def _id(test: Any) -> str:
    return str(test.id()) if hasattr(test, "id") else repr(test)


# Durations on 3.11, which has no option for them -----------------------------------------------


class _TimingResult(unittest.TextTestResult):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timings: list[tuple[float, str]] = []
        self._started = 0.0

    def startTest(self, test: unittest.TestCase) -> None:
        self._started = time.perf_counter()
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:
        self.timings.append((time.perf_counter() - self._started, str(test)))
        super().stopTest(test)

    def printErrors(self) -> None:
        super().printErrors()
        count = _Runner.durations_to_show
        if count is not None:
            slowest = sorted(self.timings, reverse=True)[: count or None]
            self.stream.writeln("Slowest test durations")
            self.stream.writeln(self.separator2)
            for duration, test in slowest:
                self.stream.writeln(f"{duration:.3f}s     {test}")
            self.stream.writeln()


class _Runner(unittest.TextTestRunner):
    durations_to_show: int | None = None
    resultclass = _TimingResult if _OWN_DURATIONS else unittest.TextTestResult
