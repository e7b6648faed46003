# SPDX-License-Identifier: PostgreSQL
"""test_seen_through - session state that functions, triggers, views and defaults change is seen where they are named."""

import time

import pytest

from cluster import Cluster
from load import Neighbours
from programs import eventually
from rawpg import rows_of

CALL = "set_config('app.tenant', 'seen', false)"
ASK = "select current_setting('app.tenant', true)"

# Name: what makes it, and what is known of it ("" for nothing at all).
OBJECTS = {
    "by_sql": (f"create function by_sql() returns text language sql as $$ select {CALL} $$", "setting"),
    "by_plpgsql": ("create function by_plpgsql() returns void language plpgsql as $$ begin set app.tenant = 'seen'; "
                   "end $$", "setting"),
    "by_another": ("create function by_another() returns text language plpgsql as $$ begin return by_sql(); end $$",
                   "setting"),
    "by_standard": (f"create function by_standard() returns text language sql return {CALL}", "setting"),
    "by_standard_another": ("create function by_standard_another() returns text language sql return by_standard()",
                            "setting"),
    "by_default": (f"create function by_default(t text default {CALL}) returns text language sql as $$ select t $$",
                   "setting"),
    'by ""name""': ('create function "By ""Name"""() returns text language sql as $$ select by_sql() $$', "setting"),
    "by_dynamic": ("create function by_dynamic(t text) returns void language plpgsql as $$ begin execute t; end $$",
                   "anything"),
    "by_procedure": ("create procedure by_procedure() language plpgsql as $$ begin perform by_sql(); end $$",
                     "setting"),
    "by_lock": ("create function by_lock() returns void language sql as $$ select pg_advisory_lock(77) $$",
                "advisory lock"),
    "by_alias": ("create function by_alias(bigint) returns void language internal as 'pg_advisory_lock_int8'",
                 "advisory lock"),
    "by_temporary": ("create function by_temporary() returns void language plpgsql as $$ begin "
                     "create temp table mine (t text); end $$", "temporary objects"),
    "by_notify": ("create function by_notify() returns void language sql as $$ select pg_notify('c', 'p') $$", "notify"),
    "by_aggregate": ("create function step(text, text) returns text language sql as $$ select by_sql() $$;\n"
                     "create aggregate by_aggregate(text) (sfunc = step, stype = text)", "setting"),
    "on_insert": ("create function touch() returns trigger language plpgsql as $$ begin perform by_sql(); return new; "
                  "end $$;\ncreate table on_insert (id int);\ncreate trigger t before insert on on_insert for each row "
                  "execute function touch()", "setting"),
    "on_partitions": ("create table on_partitions (id int) partition by range (id);\n"
                      "create table part_one partition of on_partitions for values from (0) to (10);\n"
                      "create trigger t before insert on part_one for each row execute function touch()", "setting"),
    "on_cascade": ("create table on_cascade (id int primary key);\ncreate table refers (id int references on_cascade on "
                   "delete cascade);\ncreate trigger t before delete on refers for each row execute function touch()",
                   "setting"),
    "has_default": ("create table has_default (id int, t text default by_sql())", "setting"),
    "has_built_in": (f"create table has_built_in (id int, t text default {CALL})", "setting"),
    "has_check": ("create table has_check (id int, check (by_sql() is not null))", "setting"),
    "has_domain": ("create domain strange as text check (by_sql() is not null);\n"
                   "create table has_domain (id int, t strange)", "setting"),
    "has_policy": ("create table has_policy (id int);\nalter table has_policy enable row level security;\n"
                   "create policy p on has_policy using (by_sql() is not null)", "setting"),
    "has_index": ("create function by_index(int) returns text immutable language plpgsql as $$ begin return by_sql(); "
                  "end $$;\ncreate table has_index (id int);\ncreate index on has_index (by_index(id))", "setting"),
    "has_rule": ("create table has_rule (id int);\ncreate rule r as on insert to has_rule do also select by_sql()",
                 "setting"),
    "is_view": (f"create view is_view as select {CALL} as t", "setting"),
    "is_view_of_view": ("create view is_view_of_view as select * from is_view", "setting"),
    "is_view_of_settings": ("create view is_view_of_settings as select * from pg_settings", "setting"),
    "is_local": ("create function is_local() returns text language sql as $$ select "
                 "set_config('app.tenant', 'x', true) $$", ""),
    "is_harmless": ("create function is_harmless(a int) returns int language plpgsql as $$ begin return a + 1; end $$", ""),
    "many_items": ("select 1", ""),
}

# Statement that uses one of them, by the way in which state is changed.
USES = ["select by_sql()", "select by_plpgsql()", "select by_another()", "select by_standard_another()",
        "select by_default()", 'select "By ""Name"""()', f"select by_dynamic($$select {CALL}$$)", "call by_procedure()",
        "select by_aggregate('x')", "insert into on_insert values (1)", "insert into on_partitions values (1)",
        "insert into has_default values (1)", "insert into has_built_in (id) values (1)",
        "insert into has_check values (1)", "insert into has_domain values (1, 'x')",
        "insert into has_index values (1)", "insert into has_rule values (1)", "select t from is_view_of_view"]


@pytest.fixture(scope="module")
def database():
    cluster = Cluster("through")
    try:
        cluster.start().prepare()
        for text, _ in OBJECTS.values():
            cluster.sql(text)
        cluster.sql("grant all on all tables in schema public to app")
        yield cluster
    finally:
        cluster.destroy()


def visit(gateway, sql="select 1", **where):
    with gateway.login(**where) as client:
        client.query(sql)
        client.leave()


def catalog_of(gateway, database="app"):
    return next((row for row in gateway.console("show catalogs") if row["database"] == database), None)


def wait_until_known(gateway, database="app", **where):
    """What SHOW CATALOGS says once everything was read; a client that asks now and then keeps the pool alive."""
    with gateway.login(database=database, **where) as client:
        def known():
            client.query("select 1")
            row = catalog_of(gateway, database)
            return row if row and row["known"] == "yes" else None
        row = eventually(known, 60, what=f"the functions of {database} being known")
        client.leave()
    return row


def routines_of(gateway, database="app"):
    return {row["name"]: row["may"] for row in gateway.console("show routines") if row["database"] == database}


def ends_up_known(gateway, name):
    def is_there():
        visit(gateway)
        return name in routines_of(gateway)
    eventually(is_there, 30, what=f"{name} among the suspicious names")


@pytest.fixture(scope="module")
def pool(gateway_of_module, database):
    """A gateway that has read everything above, whose servers wander from client to client."""
    gateway = gateway_of_module(upstream=database.port, pool=5, workers=2)
    wait_until_known(gateway)
    with Neighbours(gateway, 2) as neighbours:
        yield gateway
    neighbours.check()


@pytest.mark.parametrize("name", OBJECTS)
def test_a_name_is_known_for_what_its_use_may_do(pool, name):
    wait_until_known(pool)
    known = routines_of(pool)
    expected = OBJECTS[name][1]
    assert (expected in known.get(name, "nothing")) if expected else name not in known


@pytest.mark.parametrize("use", USES)
def test_a_setting_made_out_of_sight_stays_with_its_client_and_reaches_nobody_else(pool, use):
    wait_until_known(pool)
    with pool.login() as one, pool.login() as other:
        rows_of(one.query(use))
        for _ in range(5):
            assert one.value(ASK) == "seen"
            assert other.value(ASK) in (None, "")
        one.leave()
        other.leave()


def test_a_lock_taken_out_of_sight_stays_with_its_client_and_ends_with_it(pool):
    count = "select count(*) from pg_locks where locktype = 'advisory' and objid = 77 and pid = pg_backend_pid()"
    wait_until_known(pool)
    for call in ("select by_lock()", "select by_alias(77)"):
        with pool.login() as one, pool.login() as other:
            one.query(call)
            for _ in range(5):
                assert one.value(count) == "1"
                assert other.value(count) == "0"
            one.leave()
            eventually(lambda: other.value("select count(*) from pg_locks where locktype = 'advisory' and objid = 77")
                       == "0", 10, what="the lock's end")
            other.leave()


def test_a_temporary_table_made_out_of_sight_stays_with_its_client(pool):
    wait_until_known(pool)
    with pool.login() as one, pool.login() as other:
        one.query("select by_temporary()")
        for _ in range(5):
            assert one.value("select count(*) from mine") == "0"
            assert other.value("select to_regclass('mine')") is None
        one.leave()
        other.leave()


def test_an_ordinary_database_has_no_suspicious_names_and_nobody_is_pinned(gateway, postgres):
    postgres.sql("create database ordinary owner app")
    with gateway(pool=1).login("direct", database="ordinary") as owner:
        for sql in ("create table items (id serial primary key)", "create view many_items as select * from items",
                    "create function grumble(text) returns text language sql as 'select $1'"):
            owner.query(sql)
        owner.leave()
    plain = gateway(pool=2, workers=2)
    assert wait_until_known(plain, "ordinary")["names"] == 0
    with plain.login(database="ordinary") as client:
        for sql in ("select 1", "select count(*) from many_items", "select grumble('x')", "begin", "select 2", "commit"):
            client.query(sql)
        row = next(row for row in plain.console("show clients") if row["user"] == "app")
        assert row["pin"] == "none" and row["server"] is None
        client.leave()


def test_what_one_client_makes_is_known_to_the_next_statement_of_another(gateway, database):
    gate = gateway(upstream=database.port, pool=5, workers=2)
    wait_until_known(gate)
    with Neighbours(gate, 2) as neighbours, gate.login() as maker, gate.login() as other:
        for turn in range(10):
            maker.query(f"create or replace function made_{turn}() returns text language sql as $$ select {CALL} $$")
            with gate.login() as user:
                user.query(f"select made_{turn}()")
                for _ in range(3):
                    assert user.value(ASK) == "seen"
                    assert other.value(ASK) in (None, "")
                user.leave()
            maker.query(f"drop function made_{turn}()")
        maker.leave()
        other.leave()
    neighbours.check()


def test_many_changes_in_a_row_are_read_together(gateway, database):
    gate = gateway(upstream=database.port, pool=5, workers=2)
    with gate.login() as maker:
        before = wait_until_known(gate)["reads"]
        for turn in range(100):
            maker.query(f"create function row_{turn}() returns text language sql as $$ select {CALL} $$")
        wait_until_known(gate)
        assert 0 < catalog_of(gate)["reads"] - before < 100
        maker.leave()
    assert {f"row_{turn}" for turn in range(100)} <= set(routines_of(gate))
    database.sql(";\n".join(f"drop function row_{turn}()" for turn in range(100)))


def test_what_is_made_elsewhere_is_noticed_while_clients_are_busy(gateway, database):
    gate = gateway(upstream=database.port, pool=5, workers=2, limits={"catalog_refresh": "1s"})
    with gate.login() as client:
        wait_until_known(gate)
        for change, there in ((f"create function elsewhere() returns text language sql as $$ select {CALL} $$", True),
                              ("alter function elsewhere() rename to elsewhere_too", False)):
            database.sql(change)
            eventually(lambda there=there: client.query("select 1") and ("elsewhere" in routines_of(gate)) == there, 20,
                       what="the change being seen")
        assert "elsewhere_too" in routines_of(gate)
        client.leave()
    database.sql("drop function elsewhere_too()")


def test_after_a_silence_nothing_is_believed_before_it_was_asked_again(gateway, database):
    gate = gateway(upstream=database.port, pool=5, workers=2, limits={"catalog_refresh": "300ms"})
    with gate.login() as one, gate.login() as other:
        wait_until_known(gate)
        database.sql(f"create function in_silence() returns text language sql as $$ select {CALL} $$")
        time.sleep(0.4)
        one.query("select in_silence()")
        for _ in range(5):
            assert one.value(ASK) == "seen"
            assert other.value(ASK) in (None, "")
        one.leave()
        other.leave()
    database.sql("drop function in_silence()")


def test_an_unchanged_database_is_not_read_again(gateway, database):
    gate = gateway(upstream=database.port, pool=3, workers=2, limits={"catalog_refresh": "200ms"})
    with gate.login() as client:
        reads = wait_until_known(gate)["reads"]
        eventually(lambda: client.query("select 1") and catalog_of(gate)["checks"] >= 3, 20, what="three checks")
        assert catalog_of(gate)["reads"] == reads
        client.leave()


def test_a_lost_reading_is_repeated_and_until_then_everything_is_suspicious(gateway, database):
    gate = gateway(upstream=database.port, pool=5, workers=2)
    waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like 'SET LOCAL%'"
    with database.connect() as holder, gate.login() as one, gate.login() as other:
        holder.execute("begin")
        holder.execute("lock table pg_catalog.pg_event_trigger in access exclusive mode")
        one.query("select by_sql()")
        pid = eventually(lambda: holder.execute(waiting).fetchone(), 10, what="the waiting reader")
        assert catalog_of(gate)["known"] == "no"
        holder.execute(f"select pg_terminate_backend({pid[0]})")
        eventually(lambda: "its functions could not be read" in gate.log(), 10, what="a line in the log")
        assert one.value(ASK) == "seen" and other.value(ASK) in (None, "")
        holder.execute("rollback")
        assert wait_until_known(gate)["failures"] >= 1
        one.leave()
        other.leave()


def test_a_short_statement_timeout_of_the_client_does_not_keep_it_from_being_read(gateway, database):
    gate = gateway(upstream=database.port, pool=5, workers=2)
    assert wait_until_known(gate, options="-c statement_timeout=60 -c search_path=nowhere")["names"] > 10


def test_a_pool_of_one_server_lends_it(gateway, database):
    gate = gateway(upstream=database.port, pool=1, workers=2)
    assert wait_until_known(gate)["names"] > 10


def test_operators_casts_and_event_triggers_concern_every_statement(gateway, database):
    database.sql("create database general", dbname="postgres")
    database.sql("create function strange(int, int) returns bool language plpgsql as $$ begin set app.tenant = 'seen'; "
                 "return true; end $$;\ncreate operator === (leftarg = int, rightarg = int, function = strange);\n"
                 "create function on_ddl() returns event_trigger language plpgsql as $$ begin perform "
                 "pg_advisory_lock(78); end $$;\ncreate event trigger e on ddl_command_end execute function on_ddl()",
                 dbname="general")
    gate = gateway(upstream=database.port, pool=5, workers=2)
    wait_until_known(gate, database="general")
    known = routines_of(gate, "general")
    assert "setting" in known["(any statement)"] and "advisory lock" in known["(any DDL)"]
    with gate.login(database="general") as one, gate.login(database="general") as other:
        rows_of(one.query("select 1 === 2"))
        for _ in range(3):
            assert one.value(ASK) == "seen" and other.value(ASK) in (None, "")
        one.leave()
        other.leave()


@pytest.mark.slow
def test_two_thousand_functions_are_read_in_moderate_time_and_memory(gateway, database):
    body = "select count(*) into r from items where id = a and name = b; " * 40
    database.sql("create database many owner app", dbname="postgres")
    with database.connect(dbname="many") as connection, connection.transaction():
        connection.execute("create function base_of_it() returns text language sql as "
                           f"$$ select {CALL} $$")
        for i in range(2000):
            call = "perform base_of_it();" if i == 0 else f"perform g{i - 1}(1, 'x');" if i < 200 else ""
            connection.execute(f"create function g{i}(a int, b text) returns int language plpgsql as $f$ "
                               f"declare r int; begin {body}{call} return r; end $f$")
    gate = gateway(upstream=database.port, pool=5, workers=2)
    visit(gate)

    def memory():
        return int(next(line for line in open(f"/proc/{gate.pid}/status") if line.startswith("VmRSS")).split()[1])

    before = memory()
    known = wait_until_known(gate, database="many")
    print(f"2,001 functions: {known['read_us']} us, {known['read_bytes']} bytes, {memory() - before} kB more")
    assert known["names"] == 201, list(routines_of(gate, "many").items())[:5]
    assert memory() - before < 30000
