# SPDX-License-Identifier: PostgreSQL
"""thieves - clients of the same user and database with other session state, who keep taking servers of the pool.

Each has settings that would ruin a test that got them, does what leaves state behind, and checks after every step that
its own is still there: an answer that is not its own is a lie, counted and kept with the statement.
"""

import contextlib
import fcntl
import threading
import time

import psycopg

# Name, settings in the startup packet, SET statements, what must then be shown in every transaction. Only sessions
# with the same startup packet share servers: None is that of the suite itself, so that its tests get what these used.
PERSONAS = (
    ("paths", "-c work_mem=77kB", ["set search_path to pg_catalog, pg_temp", "set datestyle to 'German, YMD'",
                                   "set timezone to 'Asia/Tokyo'", "set app.tenant_id to 'paths'"],
     {"work_mem": "77kB", "search_path": "pg_catalog, pg_temp", "DateStyle": "German, YMD", "TimeZone": "Asia/Tokyo",
      "app.tenant_id": "paths"}),
    ("plans", "-c enable_seqscan=off -c app.tenant_id=plans",
     ["set enable_hashjoin to off", "set enable_sort = off", "set extra_float_digits to -3",
      "set intervalstyle to sql_standard", "set row_security to off",
      "set session characteristics as transaction isolation level repeatable read"],
     {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_sort": "off", "extra_float_digits": "-3",
      "IntervalStyle": "sql_standard", "row_security": "off", "app.tenant_id": "plans",
      "transaction_isolation": "repeatable read"}),
    ("roles", None, ["set role pg_monitor", "set bytea_output to 'escape'", "set client_min_messages to error",
                   "select set_config('standard_conforming_strings', 'off', false)", "set search_path to pg_temp"],
     {"role": "pg_monitor", "bytea_output": "escape", "client_min_messages": "error", "search_path": "pg_temp",
      "standard_conforming_strings": "off"}),
    ("reader", None,
     ["set default_transaction_read_only to on", "set statement_timeout to '99s'",
      "set session_replication_role to replica", "set check_function_bodies to off",
      "set default_toast_compression = 'pglz'", "set client_encoding to 'LATIN1'"],
     {"default_transaction_read_only": "on", "statement_timeout": "99s", "session_replication_role": "replica",
      "check_function_bodies": "off", "client_encoding": "LATIN1"}),
)

# Name, and statements with what the first column of their last row must be; None: no rows are expected.
# The names are those that the suites use.
STINTS = (
    ("temporary", [("create temp table int4_tbl (f1 int)", None), ("insert into pg_temp.int4_tbl values (4711)", None),
                   ("select f1 from pg_temp.int4_tbl", 4711), ("discard temp", None)]),
    ("advisory", [("select pg_advisory_lock({number}, 4711)", ""),
                  ("select pg_try_advisory_lock({number}, 4711)", True),
                  ("select pg_advisory_unlock({number}, 4711)", True),
                  ("select pg_advisory_unlock({number}, 4711)", True)]),
    ("prepared", [("prepare q1 as select '{name}'::text", None), ("execute q1", "{name}"), ("deallocate q1", None)]),
    ("held", [("begin", None), ("declare foo25 cursor with hold for select '{name}'::text", None), ("commit", None),
              ("fetch foo25", "{name}"), ("close foo25", None)]),
    ("listening", [("listen notify_async2", None), ("select pg_catalog.pg_listening_channels()", "notify_async2"),
                   ("unlisten *", None)]),
    ("undone", [("begin", None), ("set work_mem to '99MB'", None), ("rollback", None),
                ("begin", None), ("set local work_mem to '98MB'", None), ("commit", None)]),
    ("seeded", [("select setseed(0.25)", ""), ("select random() is not null", True)]),
)

# Seconds before each statement: enough for the tests to have most of the processor.
PAUSE = 0.005

# SQLSTATE classes of errors that end a connection or were never the client's fault; PostgreSQL gives thieves none.
LOST = ("08", "53", "57", "58", "XX")


class Thief(threading.Thread):
    """One client that comes, steals, checks and goes, until it is stopped."""

    def __init__(self, number, where, floor):
        super().__init__(daemon=True)
        self.number, self.where, self.floor = number, where, floor
        self.persona = PERSONAS[number % len(PERSONAS)]
        self.ending = threading.Event()
        self.connection = None
        self.statements, self.lies, self.troubles, self.breaks = 0, [], {}, 0

    def run(self):
        with open(self.floor / "door", "rb") as door, open(self.floor / "room", "rb") as room:
            turn = 0
            while not self.ending.is_set():
                with self.on_floor(door, room):
                    self.steal(turn)
                turn += 1
                self.ending.wait(0.02)
            self.leave()

    @contextlib.contextmanager
    def on_floor(self, door, room):
        """Inside no quiet test runs. Whoever has to wait for one leaves first: it may need this thief's server."""
        try:
            fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.leave()
            fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(room, fcntl.LOCK_UN)

    def steal(self, turn):
        try:
            if self.connection is None:
                self.come()
            self.stint(*STINTS[turn % len(STINTS)])
            self.check()
            if turn % 5 == 4:
                self.leave()
        except psycopg.Error as error:
            self.trouble(error)

    def trouble(self, error):
        """A test's event trigger may refuse what a thief does, and the database comes and goes: both are no lies."""
        what = f"{error.sqlstate or '08000'}: {(str(error) or type(error).__name__).splitlines()[0]}"
        self.troubles[what] = self.troubles.get(what, 0) + 1
        self.leave()
        self.ending.wait(0.1)

    def come(self):
        _, options, settings, _ = self.persona
        where = self.where if options is None else self.where | {"options": options}
        self.connection = psycopg.connect(**where, autocommit=True, connect_timeout=60, prepare_threshold=None,
                                          application_name=f"thief {self.number}")
        for statement in settings:
            self.say(statement)

    def leave(self):
        if self.connection is not None:
            with contextlib.suppress(psycopg.Error):
                self.connection.close()
            self.connection = None
            self.breaks += 1

    def say(self, statement):
        time.sleep(PAUSE)
        self.statements += 1
        cursor = self.connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None

    def stint(self, name, steps):
        names = {"number": self.number, "name": self.persona[0]}
        if name == "temporary" and self.persona[0] == "reader":
            return
        for statement, expected in steps:
            statement = statement.format(**names)
            expected = expected.format(**names) if isinstance(expected, str) else expected
            self.judge(statement, expected, self.say(statement))

    def check(self):
        for name, expected in self.persona[3].items():
            self.judge("show " + name, expected, self.say(f"show {name}"))

    def judge(self, statement, expected, answer):
        if answer != expected and len(self.lies) < 100:
            self.lies.append(f"thief {self.number} ({self.persona[0]}): {statement}: {answer!r}, not {expected!r}")


class Thieves:
    """`count` thieves at work on the database that `where` (keywords of psycopg.connect) names."""

    def __init__(self, count, floor, **where):
        self.all = [Thief(number, where, floor) for number in range(count)]
        for thief in self.all:
            thief.start()

    def stop(self):
        """Ends them; returns what they saw."""
        for thief in self.all:
            thief.ending.set()
        for thief in self.all:
            thief.join(30)
        troubles = {}
        for thief in self.all:
            for what, count in thief.troubles.items():
                troubles[what] = troubles.get(what, 0) + count
        return {"statements": sum(thief.statements for thief in self.all),
                "sessions": sum(thief.breaks for thief in self.all),
                "lies": [lie for thief in self.all for lie in thief.lies], "troubles": troubles,
                "lost": [what for what in troubles if what[:2] in LOST and "does not exist" not in what],
                "stuck": sum(thief.is_alive() for thief in self.all)}
