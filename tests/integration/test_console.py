# SPDX-License-Identifier: PostgreSQL
"""test_console - the admin console answers psql, psycopg and monitors, and obeys the roles."""

import asyncio
import re

import asyncpg
import psycopg
import psycopg2
import pytest

import messages as m
import programs
from gate import configuration
from rawpg import Refused, errors_of, rows_of

COLUMNS = {
    "SHOW POOLS": {"database", "user", "cl_active", "cl_waiting", "sv_active", "sv_idle"},
    "SHOW CLIENTS": {"user", "database", "state", "application_name"},
    "SHOW SERVERS": {"user", "database", "state"},
    "SHOW CONFIG": {"key", "value", "default", "changeable"},
    "SHOW ROUTES": {"name", "mode"},
    "SHOW STATS": {"database", "user", "total_xact_count", "total_query_count"},
    "SHOW COUNTERS": {"name", "value"},
    "SHOW VERSION": {"version"},
}


@pytest.fixture(scope="module")
def pool(gateway_of_module):
    return gateway_of_module(pool=2, routes=[{"name": "reports", "match": {"user": "bob"}, "mode": "session"}])


def psql(gateway, command, user="postgres", database="pgsluice", listener="pooled"):
    return programs.run("psql", "-XAtqc", command, "-h", "127.0.0.1", "-p", gateway.ports[listener], "-U", user, "-d",
                        database, check=False)


@pytest.mark.parametrize("listener", ["pooled", "direct"])
@pytest.mark.parametrize("database", ["pgsluice", "pgbouncer"])
def test_psql_reaches_the_console(pool, listener, database):
    done = psql(pool, "SHOW VERSION;", database=database, listener=listener)
    assert done.returncode == 0 and re.search("pgsluice", done.stdout, re.I), done


@pytest.mark.parametrize("command", COLUMNS)
def test_show_commands_have_rows_and_the_columns_that_people_look_for(pool, command):
    with pool.login() as client:
        client.query("select 1")
        rows = pool.console(command)
        client.leave()
    assert rows and COLUMNS[command] <= set(rows[0]), rows[:1]


@pytest.mark.parametrize("command", ["show version", "SHOW VERSION;", "  Show  Version ; ", "SHOW HELP"])
def test_commands_are_read_as_psql_users_type_them(pool, command):
    with pool.connect(user="postgres", dbname="pgsluice") as console:
        cursor = console.execute(command)
        assert cursor.description is None or cursor.fetchall()


def test_help_names_every_show_command(pool):
    done = psql(pool, "SHOW HELP")
    text = done.stdout + done.stderr
    for command in COLUMNS:
        assert command.split()[1] in text.upper()


def test_show_clients_says_who_is_where_and_why(pool):
    with pool.login(application_name="web 7") as web, pool.login(user="bob") as bob, pool.login("direct") as direct:
        for client in (web, bob, direct):
            client.query("select 1")
        rows = pool.console("SHOW CLIENTS")
        mine = next(row for row in rows if row["application_name"] == "web 7")
        assert (mine["user"], mine["database"]) == ("app", "app")
        assert any("reports" in str(row.values()) for row in rows if row["user"] == "bob")
        assert len([row for row in rows if row["user"] in ("app", "bob")]) >= 3
        for client in (web, bob, direct):
            client.leave()


def test_show_clients_says_why_a_dump_was_moved(pool):
    with pool.login(application_name="pg_dump") as client:
        client.query("select 1")
        row = next(row for row in pool.console("SHOW CLIENTS") if row["application_name"] == "pg_dump")
        assert "application_name=pg_dump" in str(row.values()) and "direct" in str(row.values())
        client.leave()


def test_show_pools_counts_clients_and_servers(pool):
    def row():
        return next(row for row in pool.console("SHOW POOLS") if (row["database"], row["user"]) == ("app", "app"))

    with pool.login() as one, pool.login() as two, pool.login() as three:
        one.query("begin")
        two.query("begin")
        three.send(m.query("select 'waiting'"))
        programs.eventually(lambda: int(row()["cl_waiting"]) == 1, 3, what="one waiting client")
        assert int(row()["sv_active"]) == 2
        one.query("commit")
        three.until("Z")
        two.query("commit")
        programs.eventually(lambda: (int(row()["cl_waiting"]), int(row()["sv_active"])) == (0, 0), 3,
                            what="a quiet pool")
        assert 1 <= int(row()["sv_idle"]) <= 2
        for client in (one, two, three):
            client.leave()


def test_show_clients_counts_transactions_and_queries(pool):
    def counts():
        row = next(row for row in pool.console("SHOW CLIENTS") if row["application_name"] == "counted")
        return int(row["transactions"]), int(row["queries"])

    with pool.login(application_name="counted") as client:
        client.query("select 1")
        before = counts()
        for _ in range(10):
            client.ask(m.query("begin"), m.query("select 1"), m.query("commit"), count=3)
        after = counts()
        assert (after[0] - before[0], after[1] - before[1]) == (10, 30)
        client.leave()


def settled(read):
    """What read() says once it says the same twice: clients of earlier tests may still be on their way out."""
    seen = []

    def twice():
        seen.append(read())
        return len(seen) > 1 and seen[-1] == seen[-2]

    programs.eventually(twice, 5, pause=0.3)
    return seen[-1]


def test_show_stats_counts_transactions_and_queries(pool):
    def totals():
        row = next(row for row in pool.console("SHOW STATS") if row["database"] == "app")
        return int(row["total_xact_count"]), int(row["total_query_count"])

    with pool.login() as client:
        client.query("select 1")
        before = settled(totals)
        for _ in range(10):
            client.ask(m.query("begin"), m.query("select 1"), m.query("commit"), count=3)
        after = settled(totals)
        client.leave()
    assert (after[0] - before[0], after[1] - before[1]) == (10, 30)


def test_show_stats_goes_on_counting_when_a_pool_was_forgotten(gateway):
    pool = gateway(pool=1, defaults={"server_idle_timeout": "100ms"})

    def rows(command):
        return [row for row in pool.console(command) if row["database"] == "app"]

    for turn in (1, 2, 3):
        with pool.login() as client:
            client.query("create temp table mine (n int)")
            client.query("select 1")
            client.leave()
        programs.eventually(lambda: not rows("SHOW POOLS"), 20, what="no pool")
        (row,) = rows("SHOW STATS")
        assert (row["total_query_count"], row["total_xact_count"]) == (2 * turn, 2 * turn)
        (row,) = rows("SHOW PIN_STATS")
        assert (row["reason"], row["total_pin_count"]) == ("temporary objects", turn)


def test_show_counters_counts_logins(pool):
    def logins():
        return next(int(row["value"]) for row in pool.console("SHOW COUNTERS") if row["name"] == "logins_done")

    before = logins()
    for _ in range(5):
        pool.login().leave()
    assert logins() - before >= 5


def test_show_config_tells_values_and_defaults(pool):
    rows = {row["key"]: row for row in pool.console("SHOW CONFIG")}
    assert rows["default_pool_size"]["value"] == "2" and rows["default_pool_size"]["default"] == "20"
    assert {"max_client_conn", "query_wait_timeout", "workers"} <= set(rows)


def test_show_servers_lists_backends(pool, postgres):
    with pool.login() as client:
        pid = client.value("select pg_backend_pid() + 0")
        assert pid in str([list(row.values()) for row in pool.console("SHOW SERVERS")])
        client.leave()


def test_stats_users_may_look_and_do_nothing_else(pool):
    assert pool.console("SHOW POOLS", user="stats") is not None
    for command in ("RELOAD", "SHUTDOWN", "PAUSE", "KILL app", "RECONNECT"):
        with pytest.raises(psycopg.Error) as refused:
            pool.console(command, user="stats")
        assert refused.value.sqlstate in ("42501", "42601", "0A000"), (command, refused.value)
    pool.check_alive()


@pytest.mark.parametrize("user", ["app", "bob"])
@pytest.mark.parametrize("database", ["pgsluice", "pgbouncer"])
def test_others_may_not_even_look(pool, user, database):
    with pool.raw() as client, pytest.raises(Refused) as refused:
        client.login(user, database).query("SHOW POOLS")
    assert refused.value.fields["S"] == "FATAL" and refused.value.sqlstate in ("28000", "42501")


def test_a_console_under_scram_asks_for_the_password(gateway):
    pool = gateway(pool=1, auth={"auth_type": "scram-sha-256", "auth_file": "users.txt"},
                   files={"users.txt": '"postgres" "right"\n"stats" "stats"\n'})
    with pool.raw() as client:
        assert client.login("postgres", "pgsluice", "right").rows("SHOW VERSION")
        client.leave()
    with pool.raw() as client, pytest.raises(Refused) as refused:
        client.login("postgres", "pgsluice", "wrong")
    assert refused.value.sqlstate == "28P01"


def test_a_console_under_relay_is_as_safe_as_postgresql(gateway):
    """PostgreSQL decides who is who: with its trust for postgres the console opens, with a password it asks."""
    pool = gateway(pool=1, auth_type="relay", admin={"admin_users": ["postgres", "alice"], "stats_users": []})
    with pool.raw() as client:
        assert client.login("alice", "pgsluice", "alice-secret").rows("SHOW VERSION")
        client.leave()
    with pool.raw() as client, pytest.raises(Refused) as refused:
        client.login("alice", "pgsluice", "wrong")
    assert refused.value.sqlstate == "28P01"


@pytest.mark.parametrize("command",
                         ["SELECT 1", "SHOW", "SHOW NOTHING", "DROP TABLE x", "SHOW POOLS; SHOW POOLS; nonsense",
                                     "BEGIN x", "'", "show " + "x" * 5000])
def test_what_is_no_command_is_an_error_and_the_console_lives(pool, command):
    with pool.login(user="postgres", database="pgsluice") as console:
        error = errors_of(console.query(command))[0]
        assert error["C"] and error["M"] and console.status == "I"
        assert console.rows("SHOW VERSION")
        console.leave()


def test_an_empty_command_is_answered_as_by_postgresql(pool):
    with pool.login(user="postgres", database="pgsluice") as console:
        for text in ("", ";", "  "):
            assert m.digest(console.query(text)) in ([("I", b""), ("Z", "I")], [("C", ""), ("Z", "I")])
        console.leave()


def test_the_extended_protocol_works_on_the_console(pool):
    with pool.login(user="postgres", database="pgsluice") as console:
        assert console.extended("SHOW VERSION")
        found = console.ask(m.once("SHOW NONSENSE"), m.once("SHOW VERSION"), m.sync())
        assert len(errors_of(found)) == 1 and not [item for item in found if item.type == "D"]
        assert console.extended("SHOW POOLS") is not None
        console.leave()
    with pool.connect(user="postgres", dbname="pgsluice", prepare_threshold=0) as console:
        for _ in range(3):
            assert console.execute("SHOW VERSION").fetchone()


def test_statements_and_portals_of_the_console_are_told_apart_by_name(pool):
    with pool.login(user="postgres", database="pgsluice") as console:
        assert not errors_of(console.ask(m.parse("v", "SHOW VERSION"), m.parse("h", "SHOW HELP"), m.sync()))
        found = console.ask(m.bind("a", "h"), m.bind("b", "v"), m.execute("b"), m.execute("a", 2), m.execute("a", 1),
                            m.sync())
        assert [item.type for item in found] == list("22DCDDsDsZ")
        assert b"pgsluice" in found[2].body
        for wrong, code in ((m.parse("v", "SHOW POOLS"), "42P05"), (m.bind("", "none"), "26000"),
                            (m.execute("a"), "34000"), (m.describe("S", "none"), "26000"),
                            (m.bind("", "v", ["1"]), "08P01")):
            assert [error["C"] for error in errors_of(console.ask(wrong, m.execute("a"), m.sync()))] == [code]
        console.query("DEALLOCATE v")
        assert not errors_of(console.ask(m.close("S", "h"), m.close("S", "h"), m.parse("h", "SHOW VERSION"), m.sync()))
        assert [error["C"] for error in errors_of(console.ask(m.bind("", "v"), m.sync()))] == ["26000"]
        assert len(rows_of(console.ask(m.bind("", "h"), m.execute(), m.sync()))) == 1
        console.leave()


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("autocommit", [False, True])
def test_psycopg_prepares_what_it_asks_the_console_often(pool, binary, autocommit):
    with pool.connect(user="postgres", dbname="pgsluice", autocommit=autocommit) as console:
        for _ in range(8):
            assert "pgsluice" in console.execute("SHOW VERSION", binary=binary).fetchone()[0]
            counters = {row[0]: row[1] for row in console.execute("SHOW COUNTERS", binary=binary)}
            assert isinstance(counters["logins_done"], int) and 0 < counters["logins_done"] < 1 << 40


def test_a_failed_transaction_block_of_the_console_has_to_be_left(pool):
    with pool.connect(user="postgres", dbname="pgsluice", autocommit=False) as console:
        with pytest.raises(psycopg.errors.SyntaxError):
            console.execute("SHOW NONSENSE")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            console.execute("SHOW VERSION")
        console.rollback()
        assert console.execute("SHOW VERSION").fetchone()


def test_asyncpg_works_on_the_console(pool):
    async def ask():
        console = await asyncpg.connect(host="127.0.0.1", port=pool.pooled, user="postgres", database="pgsluice")
        try:
            first = await console.fetchrow("SHOW COUNTERS")
            return first["value"], await console.fetchval("SHOW VERSION"), await console.fetch("SHOW HELP")
        finally:
            await console.close()

    value, version, help_rows = asyncio.run(ask())
    assert value > 0 and "pgsluice" in version and len(help_rows) > 5


@pytest.mark.parametrize("autocommit", [False, True])
def test_psycopg2_works_on_the_console(pool, autocommit):
    console = psycopg2.connect(host="127.0.0.1", port=pool.pooled, user="postgres", dbname="pgsluice")
    console.autocommit = autocommit
    with console.cursor() as cursor:
        cursor.execute("SHOW POOLS")
        assert cursor.description[0].name == "database"
    console.close()


def test_reload_by_the_console_reads_the_file_again(gateway, postgres):
    pool = gateway(pool=2)
    pool.write(configuration(postgres.port, pool=7))
    pool.console("RELOAD")
    rows = {row["key"]: row["value"] for row in pool.console("SHOW CONFIG")}
    assert rows["default_pool_size"] == "7"
    pool.write("nonsense = 1;\n")
    with pytest.raises(psycopg.Error):
        pool.console("RELOAD")
    rows = {row["key"]: row["value"] for row in pool.console("SHOW CONFIG")}
    assert rows["default_pool_size"] == "7"
