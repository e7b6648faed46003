# SPDX-License-Identifier: PostgreSQL
"""suite_report - writes how each test of a driver's own suite ended as a line of JSON, for pytest and for unittest.
A suite that hangs or dies has then told what it knew."""

import json
import os
import signal
import unittest

PATIENCE = 90


class Late(Exception):
    """A test took longer than PATIENCE seconds."""


def note(name, outcome, reason=""):
    with open(os.environ["SUITE_REPORT"], "a", encoding="utf-8") as out:
        out.write(json.dumps({"name": name, "outcome": outcome, "reason": str(reason)[-3000:]}) + "\n")


def _late(*_):
    raise Late(f"the test was not over in {PATIENCE} s")


def pytest_runtest_logstart(nodeid, location):
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(PATIENCE)


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        note(report.nodeid, report.outcome, report.longreprtext)


def pytest_runtest_logfinish(nodeid, location):
    signal.alarm(0)


class Result(unittest.TextTestResult):
    """unittest's result, told to the file as well."""

    def startTest(self, test):
        super().startTest(test)
        signal.signal(signal.SIGALRM, _late)
        signal.alarm(PATIENCE)

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)

    def addSuccess(self, test):
        super().addSuccess(test)
        note(test.id(), "passed")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        note(test.id(), "failed", self._exc_info_to_string(err, test))

    def addError(self, test, err):
        super().addError(test, err)
        note(test.id(), "failed", self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            note(test.id(), "failed", self._exc_info_to_string(err, test))
