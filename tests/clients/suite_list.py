# SPDX-License-Identifier: PostgreSQL
"""suite_list - the drivers' and frameworks' own test suites: where they lie, how they are run, what they report."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILT = HERE.parents[1] / "build/clients"
SOURCES = BUILT / "suites"


# A pooled session has many servers in turn, and what a notification tells is the server of whoever sent it.
PID = "takes the process ID of BackendKeyData for a server's: it ends that server, or waits for its notification"


class Suite:
    """A suite of one driver. `databases` are made for it, the first one is given SQL before the first run. `known`:
    patterns of tests that cannot pass pooled, and the true reason of each."""

    name = ""
    patience = 900
    sql = ()
    known = {}

    @property
    def databases(self):
        return [f"suite_{self.name}"]

    def source(self):
        """Where the suite lies; None where it could not be fetched."""
        found = sorted(SOURCES.glob(f"{self.name}-[0-9]*"))
        return found[-1] if found else None

    def command(self, place, only):
        """The words to run, for all tests or only those named."""
        raise AssertionError(f"{self.name} has no command")

    def directory(self):
        return self.source()

    def environment(self, place):
        return {}

    def read(self, output, report):
        """{test: (outcome, reason)}; the program's output, and the file that suite_report wrote."""
        found = {}
        for line in report.read_text(errors="replace").splitlines() if report.exists() else ():
            item = json.loads(line)
            if found.get(item["name"], ("passed",))[0] != "failed":
                found[item["name"]] = (item["outcome"], item["reason"])
        return found


class Pytest(Suite):
    tests = ("tests",)
    options = ()

    def command(self, place, only):
        return [sys.executable, "-B", "-m", "pytest", "-q", "-o", f"cache_dir={BUILT}/reports/cache", "-p",
                "suite_report", "-W", "ignore", *self.options, *(only or self.tests)]


class Psycopg2(Pytest):
    name = "psycopg2"
    sql = ("create extension hstore",)
    options = ("-k", "not test_suite")
    known = {r"test_async.py.*::test_notify$|test_backend_pid$|test_notify.py.*::test_(many_notifies|notif\w+)$": PID}

    def environment(self, place):
        return {"PSYCOPG2_TESTDB": self.databases[0], "PSYCOPG2_TESTDB_PORT": place.port}


class Psycopg3(Pytest):
    name = "psycopg3"
    known = {r"::test_(broken|context_inerror_rollback_no_clobber)(\[|$)": PID}
    options = ("-m", "not slow and not timing and not mypy")

    def environment(self, place):
        return {"PSYCOPG_TEST_DSN": f"host={place.host} port={place.port} user={place.user} dbname={self.databases[0]}",
                "PSYCOPG_IMPL": "python"}


class Asyncpg(Pytest):
    name = "asyncpg"
    known = {r"::test_listen_(02|notletters)$": PID}


class SqlAlchemy(Pytest):
    name = "SQLAlchemy"
    sql = ("create schema test_schema", "create schema test_schema_2", "create extension hstore",
           "create extension citext")
    tests = ("test/dialect/postgresql", "test/dialect/test_suite.py", "test/engine/test_transaction.py",
             "test/engine/test_reflection.py", "test/engine/test_execute.py", "test/engine/test_reconnect.py",
             "test/sql/test_query.py", "test/sql/test_sequences.py", "test/orm/test_transaction.py",
             "test/orm/test_session.py")
    driver = "psycopg2"

    @property
    def databases(self):
        return [f"suite_{self.name}".lower()]

    def command(self, place, only):
        return [*super().command(place, only), "-p", "no:logging", "--dburi",
                f"postgresql+{self.driver}://{place.user}@{place.host}:{place.port}/{self.databases[0]}"]


class Django(Suite):
    name = "Django"
    # The parts that talk with PostgreSQL most: cursors on the server, transactions, locks, schemata, types.
    applications = """aggregation aggregation_regress annotations backends basic bulk_create cache constraints
        custom_pk datatypes datetimes db_functions defer delete expressions expressions_case expressions_window
        fixtures get_or_create indexes inspectdb introspection lookup m2m_through migrations multiple_database
        postgres_tests prefetch_related queries raw_query schema select_for_update select_related servers
        sessions_tests timezones transaction_hooks transactions update""".split()

    @property
    def databases(self):
        return ["suite_django", "suite_django_other"]

    def directory(self):
        return self.source() / "tests"

    def command(self, place, only):
        return [sys.executable, "-B", "-W", "ignore", "runtests.py", "--settings=django_settings", "--parallel", "1",
                "--keepdb", "-v", "0", *(only or self.applications)]


# Roles outlive databases, so it is made anew for each run.
AWKWARD = """ " tricky, ' } "" \\ test user " """


class Pgx(Suite):
    name = "pgx"
    known = {r" Test(FatalRxError|FatalTxError|ConnPing|ConnCheckConn|PoolAcquireChecksIdleConns|CheckIdleConn)$": PID}
    packages = (".", "./pgconn", "./pgxpool", "./pgtype", "./stdlib", "./tracelog")
    sql = ("create extension hstore", "create extension ltree", "create domain uint64 as numeric(20,0)",
           f"drop role if exists {AWKWARD}", f"create role {AWKWARD} login superuser")

    def source(self):
        version = re.search(r"jackc/pgx/v5 (v\S+)", (HERE / "pgx/go.mod").read_text())[1]
        path = BUILT / f"go/github.com/jackc/pgx/v5@{version}"
        return path if path.exists() else None

    def environment(self, place):
        url = f"host={place.host} port={place.port} user={place.user} dbname={self.databases[0]}"
        return {"PGX_TEST_DATABASE": url, "PGX_TEST_TCP_CONN_STRING": url, "GOMODCACHE": BUILT / "go",
                "GOCACHE": BUILT / "go-cache", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}

    def command(self, place, only):
        chosen = ["-run", "^(" + "|".join(sorted({re.escape(name.split(" ")[1].split("/")[0]) for name in only})) + ")$"
                  ] if only else []
        return ["go", "test", "-json", "-p", "1", "-count", "1", "-timeout", "300s", *chosen, *self.packages]

    def read(self, output, report):
        said, found = {}, {}
        for line in output.splitlines():
            if not line.startswith("{"):
                continue
            item = json.loads(line)
            if "Test" in item:
                name = item["Package"].rpartition("pgx/v5")[2] + "/ " + item["Test"]
                said[name] = said.get(name, "") + item.get("Output", "")
                if item["Action"] in ("pass", "fail", "skip"):
                    outcome = {"pass": "passed", "fail": "failed", "skip": "skipped"}[item["Action"]]
                    found[name] = (outcome, said[name][-3000:])
        return found


class TokioPostgres(Suite):
    """Without its tests of passwords, which are those of the server's own rules."""

    name = "tokio-postgres"
    @property
    def databases(self):
        return ["suite_tokio"]

    def command(self, place, only):
        return ["cargo", "test", "--offline", "--test", "test", "--", "--test-threads", "4", "--skip",
                "_password", *(only or ())]

    def directory(self):
        return BUILT / "suites/tokio"

    def environment(self, place):
        """The suite knows one port only, so a copy of it learns ours."""
        source, target = self.source(), self.directory()
        shutil.rmtree(target / "tests", ignore_errors=True)
        shutil.copytree(source, target, dirs_exist_ok=True)
        for path in target.glob("tests/**/*.rs"):
            text = path.read_text().replace("5433", str(place.port))
            path.write_text(text.replace("user=postgres\"", f"user={place.user} dbname={self.databases[0]}\""))
        return {"CARGO_HOME": BUILT / "cargo", "CARGO_TARGET_DIR": BUILT / "cargo-target", "RUST_BACKTRACE": "0"}

    def read(self, output, report):
        outcomes = {"ok": "passed", "FAILED": "failed", "ignored": "skipped"}
        reasons = dict(re.findall(r"---- (\S+) stdout ----\n(.*?)(?=\n---- |\nfailures:)", output, re.S))
        return {name: (outcomes[end], reasons.get(name, ""))
                for name, end in re.findall(r"^test (\S+) .*?\.\.\. (ok|FAILED|ignored)", output, re.M)}


SUITES = {suite.name: suite for suite in (Psycopg2(), Psycopg3(), Asyncpg(), SqlAlchemy(), Django(), Pgx(),
                                          TokioPostgres())}


def run(suite, place, report, only=None):
    """All the suite's tests, or only those named, at a place; {test: (outcome, reason)}."""
    report.unlink(missing_ok=True)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    env = kept | {"PGHOST": place.host, "PGPORT": place.port, "PGUSER": place.user, "PGDATABASE": suite.databases[0],
                  "PYTHONPATH": HERE, "SUITE_REPORT": report} | suite.environment(place)
    words = [str(word) for word in suite.command(place, only)]
    with subprocess.Popen(words, cwd=suite.directory(), env={key: str(value) for key, value in env.items()},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True, text=True, errors="replace") as process:
        try:
            output, _ = process.communicate(timeout=suite.patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            output += f"\nended after {suite.patience} s"
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    Path(f"{report}.log").write_text(output)
    return suite.read(output, report)
