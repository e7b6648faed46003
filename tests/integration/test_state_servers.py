# SPDX-License-Identifier: PostgreSQL
"""test_state_servers - what happens to the servers behind a client is not seen by it: databases, ends, replacements."""

import contextlib

import psycopg
import pytest

import messages as m
import programs
from rawpg import errors_of, kinds, rows_of

pytest_plugins = ("state_fixtures",)


@pytest.fixture
def database(postgres):
    """A database that a test may drop or rename; none of its names is left."""
    names = ("state_one", "state_two", "state_copy")

    def drop():
        for name in names:
            postgres.sql(f"drop database if exists {name} with (force)", dbname="postgres")

    drop()
    postgres.sql("create database state_one owner app", dbname="postgres")
    yield "state_one"
    drop()


def used(gateway, database, clients=2):
    """Servers of a database that its clients used and that lie idle now; the clients are still there."""
    found = [gateway.login(database=database) for _ in range(clients)]
    for client in found:
        client.query("begin")
    for client in found:
        client.query("commit")
    return found


@pytest.fixture(scope="module")
def pool(stage):
    return stage(2).gateway


STATEMENTS = {
    "drop": "drop database state_one", "rename": "alter database state_one rename to state_two",
    "copy": "create database state_copy template state_one",
    "move": "alter database state_one set tablespace pg_default",
}


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_idle_servers_are_not_in_the_way_of_a_statement_about_their_database(pool, postgres, database, name, protocol):
    for client in used(pool, database):
        client.leave()
    with pool.login(user="postgres", database="postgres") as owner:
        statement = STATEMENTS[name]
        found = owner.query(statement) if protocol == "simple" else owner.ask(m.once(statement), m.sync())
        assert not errors_of(found), errors_of(found)
        owner.leave()


def test_dropdb_works_while_servers_of_the_database_are_parked(pool, database):
    for client in used(pool, database):
        client.leave()
    programs.run("dropdb", "-h", "127.0.0.1", "-p", pool.pooled, "-U", "postgres", "--maintenance-db=postgres",
                 database)


def test_createdb_after_dropdb_gives_a_database_that_is_new(pool, database):
    with pool.login(database=database) as client:
        client.query("create table old (a int)")
        client.leave()
    for program in ("dropdb", "createdb"):
        programs.run(program, "-h", "127.0.0.1", "-p", pool.pooled, "-U", "postgres", "--maintenance-db=postgres",
                     database)
    with pool.login(user="postgres", database=database) as client:
        assert client.value("select to_regclass('old')") is None
        client.leave()


def test_a_database_in_use_is_still_refused(pool, database):
    with pool.login(database=database) as busy, pool.login(user="postgres", database="postgres") as owner:
        busy.query("begin")
        assert [error["C"] for error in errors_of(owner.query("drop database state_one"))] == ["55006"]
        assert busy.value("select 1") == "1"
        busy.query("commit")
        owner.leave()
        busy.leave()


def test_a_database_that_was_renamed_is_reached_by_its_new_name_only(pool, database):
    for client in used(pool, database):
        client.leave()
    with pool.login(user="postgres", database="postgres") as owner:
        assert not errors_of(owner.query("alter database state_one rename to state_two"))
        owner.leave()
    with pool.login(database="state_two") as client:
        assert client.value("select current_database()") == "state_two"
        client.leave()
    with pytest.raises(psycopg.OperationalError, match='database "state_one" does not exist'):
        pool.connect(dbname="state_one")


IDLE = "usename = 'app' and state = 'idle'"


def test_a_backend_that_was_terminated_while_parked_is_replaced_silently(pool, postgres):
    clients = used(pool, "app")
    for client in clients:
        client.query("set app.tenant_id = '1'")
        client.ask(m.parse("s1", "select current_setting('app.tenant_id')"), m.sync())
    for _ in range(3):
        assert postgres.terminate(IDLE) > 0
        for client in clients:
            assert client.value("select 'alive'") == "alive"
            assert rows_of(client.ask(m.bind("", "s1"), m.execute(), m.sync())) == [["1"]]
    for client in clients:
        client.leave()


def test_a_parked_backend_is_replaced_silently_at_the_begin_of_a_pipeline(pool, postgres):
    with pool.login() as client:
        for _ in range(3):
            client.query("select 1")
            postgres.terminate(IDLE)
            found = client.ask(m.once("begin"), m.once("select 1"), m.once("commit"), m.sync())
            assert kinds(found) == "12nC" + "12TDC" + "12nCZ"
        client.leave()


def test_nothing_is_added_after_the_fatal_error_of_postgresql(pool, postgres):
    for question in ("select pg_terminate_backend(pg_backend_pid())", "select 1, pg_terminate_backend(pg_backend_pid())"
                     " from pg_sleep(0)"):
        with pool.login() as client:
            client.query("begin")
            client.send(m.query(question))
            found = client.rest()
            assert [error["C"] for error in errors_of(found)] == ["57P01"], m.digest(found)
            assert found[-1].type == "E"


def test_a_client_whose_kept_server_ends_hears_it_once(pool, postgres):
    with pool.login() as client:
        client.query("create temp table mine (a int)")
        pid = client.value("select pg_backend_pid()")
        postgres.sql(f"select pg_terminate_backend({pid})")
        postgres.quiet(f"pid = {pid}")
        found = []
        with contextlib.suppress(OSError):
            client.send(m.query("table mine"))
            found = client.rest()
        assert [error["C"] for error in errors_of(found)] == ["57P01"], m.digest(found)
    with pool.login() as other:
        assert other.value("select to_regclass('mine')") is None
        other.leave()


def test_the_pid_a_client_is_told_is_a_positive_int4(pool):
    for _ in range(20):
        with pool.login() as client:
            assert 0 < client.pid < 1 << 31
            client.leave()


def test_the_pid_of_a_direct_session_is_its_backends(pool):
    with pool.login("direct") as client:
        assert client.value("select pg_backend_pid()") == str(client.pid)
        client.leave()


def test_servers_that_carried_what_discard_does_not_undo_are_not_reused(pool, postgres):
    for statement in ("create temp table once (a int)", "select make_temp('once')"):
        with pool.login() as client:
            client.query(statement)
            pid = client.value("select pg_backend_pid()")
            client.leave()
        programs.eventually(lambda: not postgres.backends(f"pid = {pid}"), what="the end of a backend with pg_temp")
