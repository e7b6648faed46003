# SPDX-License-Identifier: PostgreSQL
"""state_compare - runs a script directly and through a pool, compares what the clients saw and what is left behind."""

import pytest

import programs
from cluster import PASSWORDS
from rawpg import Raw, Refused
from state_known import KNOWN
from state_script import Direct, Pooled, Run

# What a client leaves to others on purpose: nothing. H makes two of these steps after each of an idle client A.
HOSTILE = [
    "set search_path = there, pg_catalog", "set app.tenant_id = '666'", "set datestyle = 'German'",
    "select set_config('app.who', 'hostile', false)", "set work_mem = '17MB'", "set timezone = 'Pacific/Chatham'",
    "set role state_b", "select current_user, current_setting('app.tenant_id')", "set application_name = 'hostile'",
    "\\parse s1 select 'hostile'", "\\run s1", "show search_path", "set bytea_output = 'escape'",
    "set default_transaction_isolation = 'serializable'", "\\q begin; set local statement_timeout = '23s'; commit",
    "set client_encoding = 'latin1'", "set extra_float_digits = -15", "set standard_conforming_strings = off",
    "select '2020-02-03'::date, 1.0::float8 / 3, current_setting('timezone')", "\\close s1", "reset role",
    "set session characteristics as transaction read only", "select 1/0", "show transaction_read_only",
    "set client_min_messages = 'error'", "\\parse s1 select 'other hostile' ;; \\run s1", "set row_security = off",
    "set intervalstyle = 'iso_8601'", "select nextval('numbers') > 0", "reset all", "show search_path", "discard all",
]

# Pool size and protocol of the runs: of scripts that need a server only while they speak, and of those that keep one.
SHARED = [(1, "simple"), (1, "extended"), (2, "pipelined")]
KEPT = [(2, "simple"), (2, "extended"), (2, "pipelined")]

# What a client of PostgreSQL finds when it has done nothing yet.
FRESH = {
    "settings": "select name, setting, reset_val from pg_settings where name !~ '[.]' and name !~ '^transaction_'"
                " order by name",
    "changed settings": "select name, setting from pg_settings where source = 'session' and name !~ '^transaction_'",
    "custom settings": "select n, current_setting(n, true) from unnest(array['app.tenant_id', 'app.who',"
                       " 'app.last', 'my.mine', 'my.other']) n",
    "roles": "select current_user, session_user, current_setting('role'), current_setting('session_authorization'),"
             " current_setting('is_superuser')",
    "temporary schema": "select pg_my_temp_schema()",
    "advisory locks": "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    "cursors": "select count(*) from pg_cursors where name <> ''",
    "statements prepared in SQL": "select count(*) from pg_prepared_statements where from_sql",
    "channels": "select * from pg_listening_channels()",
    "the last sequence": "select lastval()",
    "slots": "select count(*) from pg_replication_slots where active_pid = pg_backend_pid()",
    "transaction": "show transaction_isolation",
}


def fresh_look(client):
    """What a client finds in its session, by topic, in a transaction that it keeps open: with it, its server."""
    client.query("begin; savepoint a")
    found = {}
    for topic, question in FRESH.items():
        try:
            found[topic] = client.rows(question)
        except Refused as refused:
            found[topic] = str(refused)
            client.query("rollback to a")
    return found


class Stage:
    """A PostgreSQL and a gateway whose pool has `size` servers, to compare scripts on."""

    def __init__(self, postgres, gateway, size):
        self.postgres, self.gateway, self.size = postgres, gateway, size
        self.direct, self.pooled = Direct(postgres), Pooled(gateway)
        self.known = {}

    def compare(self, script, protocol, hostile=True):
        """Fails with the difference of both transcripts, or with what a fresh client finds afterwards."""
        script = script.replace("%PORT%", str(self.postgres.port))
        steps = self._hostile() if hostile and "B: " not in script else []
        expected = self._directly(script, protocol, steps)
        found = Run(self.pooled, script, protocol, self.direct).play(steps, expected)
        if found != expected:
            raise AssertionError(difference(expected, found))
        self.look_fresh("postgres" if "\\login postgres" in script else "app")

    def _hostile(self):
        """Who draws keeps a server where others ask for what was drawn: not where there is only one."""
        return [step for step in HOSTILE if self.size > 1 or "nextval" not in step]

    def _directly(self, script, protocol, steps):
        run = Run(self.direct, script, protocol, self.direct)
        found = run.play(steps)
        pids = ",".join(map(str, run.pids))
        programs.eventually(lambda: not self.postgres.backends(f"pid in ({pids})"), 10, what="the end of the backends")
        return found

    def look_fresh(self, user="app"):
        """Fresh clients on all servers of the pool find what a fresh client of PostgreSQL finds."""
        if user not in self.known:
            with Raw(self.postgres.port) as client:
                self.known[user] = fresh_look(client.login(user, "app", PASSWORDS.get(user)))
                client.leave()
        clients = [self.gateway.login(user=user) for _ in range(self.size)]
        looks = [fresh_look(client) for client in clients]
        for client in clients:
            client.query("rollback")
            client.leave()
        for topic, seen in ((topic, seen) for look in looks for topic, seen in look.items()):
            odd = differences(self.known[user][topic], seen)
            assert not odd, f"a fresh client finds other {topic}: {odd}"


def runs(scripts, ways):
    """Parameters of a test of all scripts in all these ways."""
    return [pytest.param(text, size, protocol, id=f"{name}, {protocol}, pool of {size}",
                         marks=[pytest.mark.skip(reason=KNOWN[name])] if name in KNOWN else [])
            for name, text in scripts.items() for size, protocol in ways]


def differences(expected, found):
    if expected == found or isinstance(expected, str) or isinstance(found, str):
        return [] if expected == found else [expected, found]
    return [row for row in expected if row not in found] + [row for row in found if row not in expected]


def difference(expected, found):
    """What was said up to the first lines that differ, and these."""
    shorter = min(len(expected), len(found))
    same = next((n for n in range(shorter) if expected[n] != found[n]), shorter)
    return "\n".join(["the same so far:", *expected[max(0, same - 16):same], "expected:", *expected[same:same + 6],
                      "found:", *found[same:same + 6]])
