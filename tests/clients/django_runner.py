# SPDX-License-Identifier: PostgreSQL
"""django_runner - Django's own test runner, which tells suite_report how each test ended."""

from django.test.runner import DiscoverRunner

from suite_report import Result


class Runner(DiscoverRunner):
    def get_resultclass(self):
        return Result
