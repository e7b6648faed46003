# SPDX-License-Identifier: PostgreSQL
"""test_dump_poisoning - dumps on a loaded pool: each is what PostgreSQL itself gives, and no application notices."""

import contextlib
import re

import pytest

import programs
from load import Neighbours, ordinary_work

pytestmark = pytest.mark.flaky(reruns=0)  # a mixed answer is never forgiven

SETTINGS = ("search_path", "row_security", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
            "datestyle", "intervalstyle", "extra_float_digits", "synchronize_seqscans",
            "default_transaction_read_only",
            "default_transaction_isolation", "client_encoding", "work_mem", "role")
POOL_SIZE, CLIENTS = 5, 8


@pytest.fixture(scope="module")
def pool(gateway_of_module):
    """Half of the neighbours share the dumping role's own pool and its view of the table with row security."""
    gateway = gateway_of_module(pool=POOL_SIZE, workers=2, auth_type="relay")

    def rows_of_mine(client, number, dice):
        assert client.value("select count(*) from secrets") == "1000"
        assert client.value("show row_security") == "on"
        assert client.value("show search_path") == '"$user", public'

    with contextlib.ExitStack() as running:
        groups = [running.enter_context(Neighbours(gateway, CLIENTS, ordinary_work, user="app")),
                  running.enter_context(Neighbours(gateway, CLIENTS // 2, rows_of_mine, user="dumper"))]
        gateway.groups = groups
        yield gateway


def dump(port, user, *options, **env):
    """What a dump gives: exit status, output without its random key, and its complaints without the port."""
    done = programs.run("pg_dump", "-h", "127.0.0.1", "-p", port, "-U", user, *options, "app", check=False, **env)
    output = re.sub(r"^\\(un)?restrict .*$", "", done.stdout, flags=re.M)
    return done.returncode, output, done.stderr.replace(str(port), "PORT")


def settings_of(client):
    return {name: client.value(f"show {name}") for name in SETTINGS}


def every_pooled_backend_is_clean(postgres, gateway, user):
    """Visits all servers of the role's pool at once, each inside a transaction of its own."""
    with postgres.connect(user=user) as fresh:
        expected = {name: fresh.execute(f"show {name}").fetchone()[0] for name in SETTINGS}
    seen = {}
    with contextlib.ExitStack() as opened:
        clients = []
        for _ in range(POOL_SIZE):
            client = opened.enter_context(gateway.login(user=user))
            client.query("begin")
            seen[client.value("select pg_backend_pid() + 0")] = settings_of(client)
            clients.append(client)
        for client in clients:
            client.query("commit")
            client.leave()
    assert len(seen) == POOL_SIZE
    assert all(found == expected for found in seen.values()), seen


DUMPS = [("app", "-s")] * 3 + [("dumper", "-t", "secrets")] * 10 + [("dumper", "-t", "secrets",
                                                                     "--enable-row-security")] * 3


@pytest.fixture(scope="module")
def expected(postgres):
    """The same dumps on PostgreSQL itself."""
    return {what: dump(postgres.port, *what) for what in set(DUMPS)}


@pytest.mark.slow
@pytest.mark.parametrize("listener", ["pooled", "direct"])
def test_dumps_on_a_loaded_pool_are_those_of_postgresql(postgres, pool, expected, listener):
    for what in DUMPS:
        assert dump(pool.ports[listener], *what) == expected[what], what
    for group in pool.groups:
        group.check()
    for user in ("app", "dumper"):
        every_pooled_backend_is_clean(postgres, pool, user)


@pytest.mark.slow
@pytest.mark.parametrize("listener", ["pooled", "direct"])
def test_a_dump_that_hides_its_name_is_recognised_by_its_first_statements(postgres, pool, expected, listener):
    for what in DUMPS:
        status, output, complaint = dump(pool.ports[listener], *what, PGAPPNAME="nightly")
        if "HINT" in complaint and "HINT" not in expected[what][2]:
            assert status != 0 and "CREATE TABLE" not in output and "COPY" not in output, what
        else:
            assert (status, output, complaint) == expected[what], what
    for group in pool.groups:
        group.check()
    for user in ("app", "dumper"):
        every_pooled_backend_is_clean(postgres, pool, user)


def test_what_is_expected_here_is_what_makes_it_hard(expected):
    """The unrestricted dump is refused by PostgreSQL; a poisoned one would hold 1,000 rows and end with 0."""
    status, output, complaint = expected[("dumper", "-t", "secrets")]
    assert status == 1 and "row-level security" in complaint
    status, output, _ = expected[("dumper", "-t", "secrets", "--enable-row-security")]
    assert status == 0 and len(re.findall(r"^\d+\tdumper\t", output, re.M)) == 1000
    assert expected[("app", "-s")][0] == 0 and "CREATE TABLE public.items" in expected[("app", "-s")][1]
    assert "CREATE POLICY own_rows" in expected[("app", "-s")][1]


def test_a_dump_never_uses_a_server_of_the_pool(postgres, gateway):
    pool = gateway(pool=1)
    with pool.login() as client:
        pid = client.value("select pg_backend_pid() + 0")
        client.query("begin")  # the only server is taken: a dump through the pool would have to wait
        for env in ({}, {"PGAPPNAME": "nightly"}):
            assert dump(pool.pooled, "app", "-s", **env)[0] == 0
        assert client.value("select pg_backend_pid() + 0") == pid
        client.query("commit")
        client.leave()


def test_two_dumps_through_a_pool_of_one_both_succeed(gateway, expected):
    pool = gateway(pool=1, workers=1)
    for _ in range(2):
        assert dump(pool.pooled, "app", "-s", PGAPPNAME="cron") == expected[("app", "-s")]
