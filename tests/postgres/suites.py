# SPDX-License-Identifier: PostgreSQL
"""suites - PostgreSQL's four test suites: how each is started and how its verdicts are read."""

import contextlib
import os
import re
import signal
import subprocess
import time

import material
import programs

VERDICT = re.compile(r"^(?:test)?\s+(\S+)\s+\.\.\. (ok|FAILED|failed \(ignored\))(?: \((.*)\))?\s+(\d+) ms", re.M)
SCHEDULED = re.compile(r"^test:(.*)$", re.M)
# A step of an isolation test that waits for nothing is done in far less.
STEP_SECONDS = 15
NOT_REACHED = "not reached"

# What most regression tests expect to find when they are run on their own with --tests.
FOUNDATION = ("test_setup", "copy", "create_function_c", "create_misc", "create_operator", "create_procedure",
              "create_table", "create_type", "create_index", "create_view", "create_aggregate")

# These look at what others do on the server: locks, or, in test_setup, whether VACUUM finds transactions that do not
# see all rows yet, which decides about index-only scans ever after.
QUIET = {
    "regress": ("advisory_lock", "test_setup"),
    "isolation": (),
}


def names_in(schedule):
    return [name for line in SCHEDULED.findall(schedule.read_text()) for name in line.split()]


class Driven:
    """A suite whose driver is pg_regress or pg_isolation_regress; a run is ended after `patience` seconds."""

    # What these drivers give their tests, for others who want to share servers with them.
    environment = {"PGTZ": "America/Los_Angeles", "PGDATESTYLE": "Postgres, MDY"}
    startup = "-c intervalstyle=postgres_verbose"

    def __init__(self, name, driver, pool, patience, *options, routes=()):
        self.name, self.driver, self.pool, self.patience, self.options = name, driver, pool, patience, options
        self.routes = list(routes)
        self.folder = driver.split("/")[0]
        self.database = "regression" if self.folder == "regress" else "isolation_regression"

    def schedule(self, place):
        return place.directory / self.folder / f"{'parallel' if self.folder == 'regress' else 'isolation'}_schedule"

    def tests(self, place):
        return names_in(self.schedule(place))

    def chosen(self, output, tests):
        first = FOUNDATION if self.folder == "regress" else ()
        names = [*first, *(test for test in tests if test not in first)]
        return programs.write(output / "schedule", "".join(f"test: {name}\n" for name in names))

    def command(self, place, port, output, schedule):
        folder = place.directory / self.folder
        return [material.DRIVERS / self.driver, f"--inputdir={folder}", f"--outputdir={output}",
                f"--bindir={programs.BIN}", f"--dlpath={place.libraries}", f"--schedule={schedule}",
                f"--launcher={place.launcher(output, QUIET[self.folder])}", "--host=127.0.0.1", f"--port={port}",
                "--user=postgres", f"--dbname={self.database}", *self.options]

    def run(self, place, port, output, tests, tell):
        """{test: what is wrong with it, or ""}, in the order in which the verdicts came."""
        schedule = self.chosen(output, tests) if tests else self.schedule(place)
        log = output / "verdicts"
        process = programs.spawn(*self.command(place, port, output, schedule), log=log, cwd=output,
                                 PGISOLATIONTIMEOUT=STEP_SECONDS)
        started = time.monotonic()
        try:
            while process.poll() is None and time.monotonic() < started + self.patience:
                tell(len(VERDICT.findall(log.read_text(errors="replace"))))
                time.sleep(0.5)
        finally:
            end_group(process)
        verdicts = dict.fromkeys(names_in(schedule), NOT_REACHED)
        for name, word, remark, _ in VERDICT.findall(log.read_text(errors="replace")):
            verdicts[name] = "" if word == "ok" else remark or "another output than expected"
        if NOT_REACHED in verdicts.values():
            print(f"  {self.name} did not come to its end: {log.read_text(errors='replace').strip()[-600:]}")
        return verdicts


def end_group(process):
    """Ends the suite's driver and every test that it started, all of them in the session that spawn() began."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)


class Pipeline:
    """libpq_pipeline: one program, its tests as words, and for some of them the expected trace of the protocol."""

    name, pool, database, rounds = "pipeline", 3, "postgres", 5
    environment, startup, routes = {}, "", []
    # A trace shows that the table was not there before.
    clean = "set client_min_messages to error; drop table if exists pq_pipeline_demo, pq_pipeline_tst"

    def tests(self, place):
        return programs.run(place.directory / "pipeline/libpq_pipeline", "tests").stdout.split()

    def run(self, place, port, output, tests, tell):
        folder = place.directory / "pipeline"
        verdicts = {}
        for test in tests or self.tests(place):
            said = [self.once(folder, output, test, port) for _ in range(self.rounds)]
            verdicts[test] = next((trouble for trouble in said if trouble), "")
            tell(len(verdicts))
        return verdicts

    @staticmethod
    def once(folder, output, test, port):
        expected, trace = folder / "traces" / f"{test}.trace", output / f"{test}.trace"
        programs.run("psql", "-qX", "-c", Pipeline.clean, "-h", "127.0.0.1", "-p", port, "-U", "postgres")
        options = ["-t", trace] if expected.exists() else []
        where = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
        done = programs.run("timeout", "60", folder / "libpq_pipeline", "-r", "700", *options, test, where, check=False)
        if done.returncode != 0:
            return f"ended with {done.returncode}: {done.stderr[-300:].strip()}"
        if options and trace.read_bytes() != expected.read_bytes():
            return "another trace than expected"
        return ""


# isolationtester asks which of its sessions is blocked, by the process IDs that libpq was told at login: these have to
# be those of servers, which only a session with a server of its own can be told.
OWN_SERVERS = {"name": "isolation", "match": {"application_name": "isolation*"}, "mode": "session"}
LOCALE = ("--no-locale", "--encoding=UTF8")
SUITES = (
    Driven("parallel", "regress/pg_regress", 6, 1800, *LOCALE, "--max-concurrent-tests=20"),
    Driven("serial", "regress/pg_regress", 4, 1800, *LOCALE, "--max-connections=1"),
    Driven("isolation", "isolation/pg_isolation_regress", 16, 1800, routes=[OWN_SERVERS]),
    Pipeline(),
)
