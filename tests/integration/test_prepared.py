# SPDX-License-Identifier: PostgreSQL
"""test_prepared - protocol-level prepared statements live as on a connection of one's own, whatever server serves."""

import contextlib
import time

import psycopg
import pytest

import messages as m
from rawpg import errors_of, kinds, rows_of
from load import Neighbours


@pytest.fixture(scope="module")
def pool(gateway_of_module):
    """Two servers; room for two statements on each."""
    gateway = gateway_of_module(pool=2, defaults={"max_prepared_statements": 2})
    gateway.wait_until_known()
    return gateway


@pytest.fixture(scope="module")
def single(gateway_of_module):
    return gateway_of_module(pool=1, workers=1, defaults={"max_prepared_statements": 2})


def run(name, *parameters):
    return m.bind("", name, parameters) + m.execute() + m.sync()


def pid_of(client):
    return client.value("select pg_backend_pid() + 0")


@contextlib.contextmanager
def occupied(gateway, pid):
    """Holds the server with this backend pid, so that the next query of anybody else needs another one."""
    others = []
    with contextlib.ExitStack() as opened:
        while True:
            blocker = opened.enter_context(gateway.login())
            blocker.query("begin")
            if pid_of(blocker) == pid:
                break
            others.append(blocker)
            assert len(others) < 5, f"no client was given backend {pid}"
        for other in others:
            other.query("commit")
        yield
        blocker.query("commit")


def test_a_named_statement_works_on_a_server_that_never_saw_it(pool):
    with pool.login() as client:
        client.ask(m.parse("mine", "select $1::int * 10, pg_backend_pid()"), m.sync())
        first = rows_of(client.ask(run("mine", 4)))[0]
        with occupied(pool, first[1]):
            second = rows_of(client.ask(run("mine", 5)))[0]
        assert (first[0], second[0]) == ("40", "50")
        assert first[1] != second[1], "the test did not manage to move the client to another server"
        client.leave()


def test_two_clients_may_use_one_name_for_different_statements(single):
    with single.login() as one, single.login() as other:
        one.ask(m.parse("s", "select 'one'"), m.sync())
        other.ask(m.parse("s", "select 'other'"), m.sync())
        for _ in range(3):
            assert rows_of(one.ask(run("s"))) == [["one"]]
            assert rows_of(other.ask(run("s"))) == [["other"]]
        one.leave()
        other.leave()


def test_one_text_with_different_parameter_types_is_two_statements(single):
    with single.login() as one, single.login() as other:
        one.ask(m.parse("s", "select pg_typeof($1)::text", [23]), m.sync())
        other.ask(m.parse("s", "select pg_typeof($1)::text", [25]), m.sync())
        for _ in range(2):
            assert rows_of(one.ask(run("s", 1))) == [["integer"]]
            assert rows_of(other.ask(run("s", 1))) == [["text"]]
        one.leave()
        other.leave()


def test_more_statements_than_a_server_keeps_all_work(single):
    with single.login() as client:
        for n in range(20):
            client.ask(m.parse(f"s{n}", f"select {n} + $1::int"), m.sync())
        for n in list(range(20)) + list(range(19, -1, -1)):
            assert rows_of(client.ask(run(f"s{n}", 1))) == [[str(n + 1)]]
        client.leave()


def test_a_server_keeps_no_more_statements_than_max_prepared_statements(single):
    with single.login() as client:
        for n in range(10):
            client.ask(m.parse(f"s{n}", f"select {n} as kept"), m.sync(), run(f"s{n}"), count=2)
        assert [int(row["prepared"]) for row in single.console("SHOW SERVERS")] == [2]
        client.leave()


def test_statements_evicted_within_one_batch_still_work(single):
    batch = b"".join(m.parse(f"b{n}", f"select {n}") for n in range(5))
    batch += b"".join(m.bind("", f"b{n}") + m.execute() for n in (0, 4, 1, 3, 2, 0))
    with single.login() as client:
        found = client.ask(batch, m.sync())
        assert rows_of(found) == [["0"], ["4"], ["1"], ["3"], ["2"], ["0"]]
        assert kinds(found) == "11111" + "2DC" * 6 + "Z"
        client.leave()


def test_parse_bind_parse_parse_with_a_full_cache_answers_in_order(single):
    batch = m.parse("A", "select 'a'") + m.bind("", "A") + m.parse("B", "select 'b'") + m.parse("C", "select 'c'")
    with single.login() as client:
        assert kinds(client.ask(batch, m.execute(), m.sync())) == "1211DCZ"
        assert rows_of(client.ask(run("A"), run("B"), run("C"), count=3)) == [["a"], ["b"], ["c"]]
        client.leave()


def test_a_name_used_twice_is_42P05_at_its_place_and_the_session_lives(pool):
    with pool.login() as client:
        found = client.ask(m.parse("twice", "select 1"), m.once("select 'before'"), m.parse("twice", "select 2"),
                           m.once("select 'skipped'"), m.sync())
        assert kinds(found) == "112TDCEZ"
        error = errors_of(found)[0]
        assert error["C"] == "42P05" and error["M"] == 'prepared statement "twice" already exists'
        assert rows_of(client.ask(run("twice"))) == [["1"]]
        client.leave()


def test_an_unknown_name_is_26000_at_its_place_and_the_session_lives(pool):
    with pool.login() as client:
        found = client.ask(m.once("select 'before'"), m.bind("", "nowhere"), m.execute(), m.sync(),
                           m.query("select 5"),
                           count=2)
        assert kinds(found) == "12TDCEZTDCZ"
        error = errors_of(found)[0]
        assert error["C"] == "26000" and error["M"] == 'prepared statement "nowhere" does not exist'
        assert errors_of(client.ask(m.describe("S", "nowhere"), m.sync()))[0]["C"] == "26000"
        client.leave()


def test_an_unknown_name_aborts_the_transaction_that_it_is_used_in(pool):
    with pool.login() as client:
        client.query("begin")
        found = client.ask(run("nowhere"))
        assert errors_of(found)[0]["C"] == "26000" and client.status == "E"
        assert errors_of(client.query("select 1"))[0]["C"] == "25P02"
        client.query("rollback")
        assert client.status == "I"
        client.leave()


def test_an_error_in_parse_forgets_the_name(pool):
    with pool.login() as client:
        assert errors_of(client.ask(m.parse("retry", "selec 1"), m.sync()))[0]["C"] == "42601"
        found = client.ask(m.parse("retry", "select 'good'"), m.sync(), run("retry"), count=2)
        assert rows_of(found) == [["good"]]
        client.leave()


def test_a_parse_that_was_skipped_after_an_error_does_not_exist(pool):
    with pool.login() as client:
        client.ask(m.once("select 1/0"), m.parse("skipped", "select 1"), m.sync())
        assert errors_of(client.ask(run("skipped")))[0]["C"] == "26000"
        assert kinds(client.ask(m.parse("skipped", "select 2"), m.sync())) == "1Z"
        client.leave()


def test_a_parse_in_a_transaction_that_failed_later_still_exists(pool):
    with pool.login() as client:
        client.ask(m.query("begin"), m.parse("kept", "select 'kept'"), m.sync(), m.query("boom"), count=3)
        client.query("rollback")
        assert rows_of(client.ask(run("kept"))) == [["kept"]]
        client.leave()


def test_close_takes_effect_at_its_place_in_the_pipeline(pool):
    with pool.login() as client:
        found = client.ask(m.parse("c", "select 'first'"), m.bind("", "c"), m.execute(), m.close("S", "c"),
                           m.parse("c", "select 'second'"), m.bind("", "c"), m.execute(), m.close("S", "c"),
                           m.bind("", "c"), m.execute(), m.sync())
        assert kinds(found) == "12DC312DC3EZ"
        assert errors_of(found)[0]["C"] == "26000"
        client.leave()


def test_a_close_that_was_skipped_after_an_error_did_not_happen(pool):
    with pool.login() as client:
        client.ask(m.parse("stays", "select 'stays'"), m.sync())
        client.ask(m.once("select 1/0"), m.close("S", "stays"), m.sync())
        assert rows_of(client.ask(run("stays"))) == [["stays"]]
        client.leave()


@pytest.mark.parametrize("statement", ["deallocate held", "deallocate prepare \"held\"", "DEALLOCATE ALL",
                                       "discard all", "/* x */ Deallocate All -- y"])
def test_sql_can_forget_statements_of_the_protocol(pool, statement):
    with pool.login() as client:
        client.ask(m.parse("held", "select 'held'"), m.sync(), run("held"), count=2)
        assert not errors_of(client.query(statement))
        assert errors_of(client.ask(run("held")))[0]["C"] == "26000"
        assert kinds(client.ask(m.parse("held", "select 'new'"), m.sync())) == "1Z"
        assert rows_of(client.ask(run("held"))) == [["new"]]
        client.leave()


def test_deallocate_of_an_unknown_name_is_the_error_of_postgresql(pool):
    with pool.login() as client:
        error = errors_of(client.query("deallocate never_made"))[0]
        assert (error["C"], error["M"]) == ("26000", 'prepared statement "never_made" does not exist')
        client.leave()


def test_deallocate_all_of_one_client_leaves_the_statements_of_others(single):
    with single.login() as one, single.login() as other:
        one.ask(m.parse("mine", "select 'mine'"), m.sync())
        other.query("deallocate all")
        assert rows_of(one.ask(run("mine"))) == [["mine"]]
        other.query("discard all")
        assert rows_of(one.ask(run("mine"))) == [["mine"]]
        one.leave()
        other.leave()


def test_the_unnamed_statement_and_portal_survive_between_round_trips(pool):
    with pool.login() as client:
        pid = pid_of(client)
        client.ask(m.parse("", "select $1::text || '!', pg_backend_pid()"), m.sync())
        with occupied(pool, pid):
            found = rows_of(client.ask(run("", "x")))[0]
        assert found[0] == "x!" and found[1] != pid
        client.ask(m.once("begin"), m.parse("", "select $1::text || '?'"), m.sync())
        client.ask(m.bind("", "", ["y"]), m.sync())
        assert rows_of(client.ask(m.execute(), m.sync())) == [["y?"]]
        client.query("commit")
        client.leave()


def test_the_unnamed_statement_is_the_clients_own_among_neighbours(single):
    with single.login() as one, single.login() as other:
        for n in range(10):
            one.ask(m.parse("", f"select 'one {n}'"), m.sync())
            other.ask(m.parse("", f"select 'other {n}'"), m.sync())
            assert rows_of(one.ask(run(""))) == [[f"one {n}"]]
            assert rows_of(other.ask(run(""))) == [[f"other {n}"]]
        one.leave()
        other.leave()


def test_a_simple_query_forgets_the_unnamed_statement_as_postgresql_does(pool):
    with pool.login() as client:
        client.ask(m.parse("", "select 1"), m.sync())
        client.query("select 2")
        assert errors_of(client.ask(run("")))[0]["C"] == "26000"
        client.leave()


def test_a_changed_table_costs_its_user_at_most_postgresqls_own_error(postgres, pool):
    postgres.sql("drop table if exists shape;\ncreate table shape (a int);\ngrant all on shape to app;\n"
                 "insert into shape values (1)")
    clients = [pool.login() for _ in range(4)]
    for client in clients:
        client.ask(m.parse("shaped", "select * from shape"), m.sync(), run("shaped"), count=2)
    postgres.sql("alter table shape add column b int default 2")
    for client in clients:
        failures = errors_of(client.ask(run("shaped")))
        assert [error["M"] for error in failures] in ([], ["cached plan must not change result type"])
        if failures:
            client.ask(m.close("S", "shaped"), m.parse("shaped", "select * from shape"), m.sync())
        assert rows_of(client.ask(run("shaped"))) == [["1", "2"]]
        client.leave()


def test_a_client_that_prepares_after_the_change_never_sees_a_stale_plan(postgres, single):
    postgres.sql("drop table if exists shape2;\ncreate table shape2 (a int);\ngrant all on shape2 to app")
    with single.login() as old:
        old.ask(m.parse("o", "select * from shape2"), m.sync(), run("o"), count=2)
        postgres.sql("alter table shape2 add column b text")
        with single.login() as new:
            found = new.ask(m.parse("n", "select * from shape2"), m.describe("S", "n"), m.bind("", "n"), m.execute(),
                            m.sync())
            assert not errors_of(found), errors_of(found)
            new.leave()
        old.leave()


def test_search_path_is_part_of_what_a_statement_means(postgres, single):
    postgres.sql("create schema if not exists other_place;\ngrant usage on schema other_place to app;\n"
                 "create or replace view other_place.where_am_i as select 'other'::text as here;\n"
                 "create or replace view public.where_am_i as select 'public'::text as here;\n"
                 "grant select on other_place.where_am_i, public.where_am_i to app")
    statement = m.parse("w", "select here from where_am_i") + m.sync()
    with single.login() as one, single.login(options="-c search_path=other_place") as other:
        one.ask(statement)
        other.ask(statement)
        for _ in range(3):
            assert rows_of(one.ask(run("w"))) == [["public"]]
            assert rows_of(other.ask(run("w"))) == [["other"]]
        one.leave()
        other.leave()


def test_a_client_that_leaves_after_parse_without_sync_harms_nobody(single):
    for n in range(5):
        with single.login() as rude:
            rude.send(m.parse("x", f"select 'rude {n}'"))
        with single.login() as polite:
            polite.ask(m.parse("x", "select 'polite'"), m.sync())
            assert rows_of(polite.ask(run("x"))) == [["polite"]]
            polite.leave()


@pytest.mark.slow
def test_names_stay_apart_among_many_hostile_neighbours(gateway):
    pool = gateway(pool=2, defaults={"max_prepared_statements": 3})

    def work(client, number, dice):
        known = client.__dict__.setdefault("known", {})
        name = f"n{dice.randrange(6)}"
        if name not in known:
            known[name] = dice.randrange(1 << 20)
            client.ask(m.parse(name, f"select {known[name]} + $1::int"), m.sync())
        elif dice.randrange(4) == 0:
            client.ask(m.close("S", name), m.sync())
            del known[name]
        else:
            assert rows_of(client.ask(run(name, number))) == [[str(known[name] + number)]]

    with Neighbours(pool, 8, work) as neighbours:
        time.sleep(4)
    neighbours.check()


def test_psycopg_prepares_and_runs_through_a_pool_of_one(single):
    with single.connect(prepare_threshold=0) as one, single.connect(prepare_threshold=0) as other:
        for n in range(30):
            assert one.execute("select %s::int + %s::int", (n, 1)).fetchone() == (n + 1,)
            assert other.execute(f"select %s::text || '{n}'", ("x",)).fetchone() == (f"x{n}",)
            with pytest.raises(psycopg.errors.DivisionByZero):
                one.execute("select 1 / %s::int", (0,))
        with one.transaction():
            one.execute("select %s", ("in a transaction",))


def shaped(client):
    found = client.ask(run("shaped"))
    widths = [len(m.row(item.body)) for item in found if item.type == "D"]
    return [error["M"] for error in errors_of(found)] or [kinds(found), widths]


@pytest.mark.parametrize("size", [1, 2])
def test_a_client_that_was_told_the_columns_gets_them_or_postgresqls_own_error(postgres, gateway, size):
    """On whichever server it lands, after others have prepared the same text again."""
    postgres.sql("drop table if exists shape3;\ncreate table shape3 (a int);\ngrant all on shape3 to app;\n"
                 "insert into shape3 values (1)")
    pool = gateway(pool=size, workers=1)
    pool.wait_until_known()
    prepare = m.parse("shaped", "select * from shape3") + m.describe("S", "shaped") + m.sync()
    told, other = pool.login(), pool.login()
    told.ask(prepare)
    assert shaped(told) == ["2DCZ", [1]]
    pid = pid_of(told)
    postgres.sql("alter table shape3 add column b int")
    with occupied(pool, pid) if size == 2 else contextlib.nullcontext():
        other.ask(prepare)
        assert shaped(other) == ["2DCZ", [2]]
        assert shaped(told) == ["cached plan must not change result type"]
    assert shaped(told) == shaped(told) == ["cached plan must not change result type"]
    told.query("begin")
    assert shaped(told) == ["cached plan must not change result type"] and told.status == "E"
    told.query("rollback")
    found = told.ask(m.close("S", "shaped"), prepare)
    assert kinds(found) == "31tTZ"
    assert shaped(told) == shaped(other) == ["2DCZ", [2]]
    postgres.sql("drop table shape3;\ncreate table shape3 (a int, b int);\ngrant all on shape3 to app;\n"
                 "insert into shape3 values (2, 3)")
    assert shaped(told) == shaped(other) == ["2DCZ", [2]]
    for client in (told, other):
        client.leave()


def test_a_setting_named_by_a_parameter_stays_with_its_client(gateway):
    """The statement is parsed once and run in later transactions, where its effect lies."""
    pool = gateway(pool=4, workers=1)
    clients = {tag: pool.login() for tag in ("one", "two", "three")}
    for client in clients.values():
        client.ask(m.parse("s", "select set_config($1, $2, false)"), m.sync())
    for tag, client in clients.items():
        assert rows_of(client.ask(run("s", "My.Mine", tag))) == [[tag]]
        assert rows_of(client.ask(m.parse("", "select set_config($1, $2, false)"), m.sync(), run("", "my.other", tag),
                                  count=2)) == [[tag]]
    for _ in range(3):
        for tag, client in clients.items():
            assert [client.value("show my.mine"), client.value("show my.other")] == [tag, tag]
    for client in clients.values():
        client.leave()


def test_an_unnamed_statement_too_large_to_be_held_is_the_one_that_runs(gateway):
    pool = gateway(pool=1, workers=1)
    with pool.login() as client:
        client.ask(m.parse("", "select 'small'"), m.sync())
        client.ask(m.parse("", "select length('" + "x" * 3_000_000 + "')"), m.sync())
        assert rows_of(client.ask(run(""))) == [["3000000"]]
        client.leave()
    with pool.login() as client:
        client.ask(m.parse("large", "select length('" + "x" * 3_000_000 + "')"), m.sync())
        assert rows_of(client.ask(run("large"))) == [["3000000"]]
        client.leave()
    with pool.login() as client:
        assert errors_of(client.ask(run("large")))[0]["C"] == "26000"
        client.leave()


def test_an_unnamed_statement_that_was_skipped_is_never_anothers(single):
    with single.login() as one, single.login() as other:
        one.ask(m.parse("", "select 'secret'"), m.bind("", "nowhere"), m.parse("", "select 1"), m.sync())
        assert errors_of(other.ask(run("")))[0]["C"] == "26000"
        one.leave()
        other.leave()


def test_what_a_client_was_told_beside_prepare_holds_after_it(postgres, gateway):
    """While a session may have names of PREPARE its own are parsed as they are, and described so."""
    postgres.sql("drop table if exists shape4;\ncreate table shape4 (a int);\ngrant all on shape4 to app")
    pool = gateway(pool=1, workers=1)
    pool.wait_until_known()
    told = pool.login()
    told.query("prepare of_sql as select 1")
    told.ask(m.parse("shaped", "select * from shape4"), m.describe("S", "shaped"), m.sync())
    told.query("deallocate of_sql")
    postgres.sql("alter table shape4 add column b int")
    assert shaped(told) == ["cached plan must not change result type"]
    told.leave()
