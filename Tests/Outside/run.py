"""Runs every test of this folder and writes a JUnit report beside that of the Swift tests.

usage: run.py [unittest name …]
"""
import pathlib
import sys
import time
import traceback
import unittest
import xml.etree.ElementTree as ElementTree

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))
from server_under_test import RESULTS  # noqa: E402


class ReportingResult(unittest.TextTestResult):
    """Keeps the outcome of every test for the report."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.cases = []
        self.problems = []
        self.started = 0.0

    def startTest(self, test):
        self.started = time.monotonic()
        super().startTest(test)

    def keep(self, test, problem=None, kind="failure"):
        name = getattr(test, "_testMethodName", str(test))
        case = ElementTree.Element(
            "testcase", name=name, classname=type(test).__name__, time=f"{time.monotonic() - self.started:.3f}")
        if problem is not None:
            ElementTree.SubElement(case, kind).text = str(problem)
        self.cases.append(case)

    def note(self, test, err):
        """What went wrong in three lines, for the end of the log: what is shown of a long one is its end."""
        frames = [f"{pathlib.Path(frame.filename).name}:{frame.lineno} {frame.line}"
                  for frame in traceback.extract_tb(err[2]) if pathlib.Path(frame.filename).parent == FOLDER]
        said = str(err[1]).strip().splitlines() or [""]
        self.problems.append(
            f"{test.id()}\n    {' < '.join(reversed(frames[-3:]))}\n    {err[0].__name__}: {said[0][:300]}")

    def addSuccess(self, test):
        self.keep(test)
        super().addSuccess(test)

    def addFailure(self, test, err):
        self.keep(test, err[1])
        self.note(test, err)
        super().addFailure(test, err)

    def addError(self, test, err):
        self.keep(test, err[1], "error")
        self.note(test, err)
        super().addError(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.keep(test, err[1], "failure" if issubclass(err[0], test.failureException) else "error")
            self.note(subtest, err)
        super().addSubTest(test, subtest, err)

    def addSkip(self, test, reason):
        self.keep(test, reason, "skipped")
        super().addSkip(test, reason)


def main():
    loader = unittest.TestLoader()
    folder = str(FOLDER)
    suite = loader.loadTestsFromNames(sys.argv[1:]) if sys.argv[1:] else loader.discover(folder, "test_*.py", folder)
    result = unittest.TextTestRunner(verbosity=2, resultclass=ReportingResult).run(suite)
    report = ElementTree.Element("testsuite", name="Outside", tests=str(result.testsRun))
    report.extend(result.cases)
    RESULTS.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(report).write(RESULTS / "outside.xml")
    if result.problems:
        print("\nWhat failed:\n" + "\n".join(result.problems), file=sys.stderr)
    return 0 if result.wasSuccessful() and result.testsRun else 1


sys.exit(main())
