"""Runs every test of this folder and writes a JUnit report beside that of the Swift tests.

usage: run.py [unittest name …]
"""
import pathlib
import sys
import time
import unittest
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from server_under_test import RESULTS  # noqa: E402


class ReportingResult(unittest.TextTestResult):
    """Keeps the outcome of every test for the report."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.cases = []
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

    def addSuccess(self, test):
        self.keep(test)
        super().addSuccess(test)

    def addFailure(self, test, err):
        self.keep(test, err[1])
        super().addFailure(test, err)

    def addError(self, test, err):
        self.keep(test, err[1], "error")
        super().addError(test, err)

    def addSkip(self, test, reason):
        self.keep(test, reason, "skipped")
        super().addSkip(test, reason)


def main():
    loader = unittest.TestLoader()
    folder = str(pathlib.Path(__file__).parent)
    suite = loader.loadTestsFromNames(sys.argv[1:]) if sys.argv[1:] else loader.discover(folder, "test_*.py", folder)
    result = unittest.TextTestRunner(verbosity=2, resultclass=ReportingResult).run(suite)
    report = ElementTree.Element("testsuite", name="Outside", tests=str(result.testsRun))
    report.extend(result.cases)
    RESULTS.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(report).write(RESULTS / "outside.xml")
    return 0 if result.wasSuccessful() and result.testsRun else 1


sys.exit(main())
