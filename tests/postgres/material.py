# SPDX-License-Identifier: PostgreSQL
"""material - PostgreSQL's test suites, laid out where the unprivileged user can read them and write results."""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
sys.dont_write_bytecode = True

import programs  # noqa: E402

KEPT = programs.ROOT / "build/postgres-suite"
SOURCE = KEPT / "source/src/test"
INSTALLED = Path(programs.BIN).parent / "lib"
DRIVERS = INSTALLED / "pgxs/src/test"

# A test in `quiet` has the server for itself: it looks at what others do there, and so it would see the thieves.
# `timeout` ends what hangs, so that the suite goes on.
LAUNCHER = """#!/bin/sh
case " {quiet} " in
*" ${{PGAPPNAME#*/}} "*) exec flock {floor}/door flock {floor}/room timeout -k 5 {seconds} "$@" ;;
esac
exec timeout -k 5 {seconds} "$@"
"""


class Material:
    """A directory with the suites' files, their programs and the libraries that their functions are in."""

    def __init__(self):
        assert (KEPT / "installed").exists(), "expected the suites in build/postgres-suite: run tests/postgres/install"
        self.directory = programs.private_directory("suite")
        self.version = (KEPT / "version").read_text().strip()
        self.installed = (KEPT / "installed").read_text().strip()
        for name in ("regress", "isolation"):
            shutil.copytree(SOURCE / name, self.directory / name, ignore=shutil.ignore_patterns("*.c", "*.o"))
        shutil.copytree(SOURCE / "modules/libpq_pipeline", self.directory / "pipeline")
        self.libraries = self.directory / "regress"
        for name in ("autoinc.so", "refint.so"):
            shutil.copy2(INSTALLED / name, self.libraries)
        for entry in self.directory.rglob("*"):
            entry.chmod(entry.stat().st_mode | 0o444 | (0o111 if entry.is_dir() else 0))

    def output(self, name):
        """A fresh directory for the results of one run, with the locks that thieves and quiet tests share."""
        path = self.directory / name
        path.mkdir()
        for lock in ("door", "room"):
            programs.write(path / lock, "", mode=0o666)
        return programs.give(path)

    def launcher(self, output, quiet, seconds=180):
        """The program that starts each test's psql or isolationtester."""
        text = LAUNCHER.format(quiet=" ".join(quiet), floor=output, seconds=seconds)
        return programs.write(output / "launcher", text, mode=0o755)

    def close(self):
        programs.remove(self.directory)
