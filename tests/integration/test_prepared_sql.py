# SPDX-License-Identifier: PostgreSQL
"""test_prepared_sql - PREPARE, EXECUTE, DEALLOCATE and the view of prepared statements share one namespace with the
protocol's statements, and every pipeline has the transcript that PostgreSQL itself gives."""

import pytest

import messages as m
from load import Neighbours
from rawpg import errors_of, rows_of
from test_transparent import directly, transcript

Q, P, S = m.query, m.parse, m.sync
VIEW = ("select name, statement, parameter_types::text, from_sql from pg_prepared_statements"
        " order by prepare_time")


def run(name, *parameters):
    return m.bind("", name, parameters) + m.describe("P") + m.execute()


def sql(text):
    return m.once(text)


# Name: parts to send; each is sent on its own and answered up to as many ReadyForQuery as it asks for.
SCRIPTS = {
    "EXECUTE of a protocol statement": [
        P("a", "select $1::int + 1") + S(), Q("execute a(41)"), Q("execute a('x')"), Q("EXECUTE A (1)"),
        Q('execute "A"(1)'), Q("explain (costs off) execute a(1)"), Q("execute a"), run("a", 5) + S(),
        Q("begin"), Q("execute a(2)"), Q("execute a(3)"), run("a", 4) + S(), Q("commit"), Q("execute a(6)"),
        Q("create table t_exec as execute a(7)"), Q("table t_exec"), Q("drop table t_exec"),
        Q("select 'first'; execute a(8); select 'last'"), Q("execute a(9); boom"), Q("execute a(10); select 1/0"),
        m.close("S", "a") + S(), Q("execute a(11)")],
    "EXECUTE in the extended protocol": [
        P("a", "select $1::int + 1 as sum") + S(), sql("execute a(1)") + S(),
        sql("execute a(2)") + sql("execute a(3)") + S(),
        P("e", "execute a(4)") + m.describe("S", "e") + S(), run("e") + S(), Q("select 1"), run("e") + run("e") + S(),
        Q("begin"), run("e") + S(), Q("boom"), run("e") + S(), Q("rollback"), run("e") + S(),
        m.close("S", "a") + run("e") + S(), run("e") + S(), P("a", "select 'text'::text") + S(), run("e") + S()],
    "PREPARE of a name that the protocol took": [
        P("a", "select 1") + S(), Q("prepare a as select 2"), run("a") + S(), Q("execute a"),
        sql("prepare a as select 3") + S(), Q("begin"), Q("prepare a as select 4"), Q("execute a"), Q("rollback"),
        run("a") + S(), Q("prepare b as select 5"), Q("execute b"), Q("execute a"), Q("deallocate b")],
    "Parse of a name that PREPARE took": [
        Q("prepare a as select 1"), P("a", "select 2") + S(), Q("execute a"), run("a") + S(),
        m.describe("S", "a") + S(),
        P("b", "select 3") + S(), run("b") + S(), Q("execute b"), P("b", "select 4") + S(),
        m.close("S", "a") + S(), P("a", "select 5") + S(), run("a") + S(), Q("execute a"),
        P("c", "selec") + S(), P("c", "select 6") + run("c") + S(), Q("deallocate c"), run("c") + S(), Q(VIEW),
        Q("deallocate all"), Q("execute a"), run("b") + S(), P("a", "select 7") + run("a") + S()],
    "DEALLOCATE of a protocol statement": [
        P("a", "select 1") + P("b", "select 2") + P("Cc", "select 3") + S(), Q("deallocate a"), run("a") + S(),
        Q("deallocate a"), Q('deallocate prepare "Cc"'), run("Cc") + S(), run("b") + S(), Q("begin"),
        Q("deallocate b"), Q("rollback"), run("b") + S(), P("b", "select 4") + S(), run("b") + S(),
        Q("deallocate b; select 1/0"), run("b") + S(), P("b", "select 5") + S(), Q("select 1/0; deallocate b"),
        run("b") + S(), Q("begin"), Q("boom"), Q("deallocate b"), Q("rollback"), run("b") + S(),
        Q("deallocate b; prepare b as select 'in sql'; execute b"), run("b") + S(), Q("deallocate b"), run("b") + S(),
        P("b", "select 6") + S(), Q("execute b; deallocate b; execute b"), run("b") + S(), Q("deallocate nothing")],
    "DEALLOCATE in a pipeline": [
        P("a", "select 1") + P("b", "select 2") + S(), sql("deallocate a") + S(), run("a") + S(),
        sql("deallocate b") + run("b") + S(), run("b") + S(), P("b", "select 3") + sql("deallocate b") + S(),
        P("a", "select 4") + sql("deallocate a") + P("a", "select 5") + run("a") + S(), run("a") + S(),
        sql("select 1/0") + sql("deallocate a") + S(), run("a") + S(),
        P("d", "deallocate a") + S(), run("d") + S(), run("a") + S(), run("d") + S(), P("a", "select 6") + S(),
        run("d") + run("a") + S(), Q("select 0"), run("d") + S()],
    "all of them at once": [
        P("a", "select 1") + P("b", "select 2") + S(), Q("select 'x'; deallocate all; select 'y'"), run("a") + S(),
        P("a", "select 3") + P("b", "select 4") + S(), sql("deallocate all") + run("a") + S(), run("b") + S(),
        P("a", "select 5") + run("a") + sql("deallocate all") + P("a", "select 6") + run("a") + S(), run("a") + S(),
        P("b", "select 7") + S(), sql("select 1/0") + sql("deallocate all") + S(), run("a") + S(), run("b") + S(),
        Q("begin"), Q("deallocate all"), Q("rollback"), run("a") + S(), P("a", "select 8") + S(), Q("discard all"),
        run("a") + S(), P("a", "select 9") + S(), sql("discard all") + S(), run("a") + S(), P("a", "select 10") + S(),
        Q("begin"), Q("discard all"), Q("rollback"), run("a") + S(), Q("discard plans"), Q("discard temp"),
        run("a") + S(), Q("select 1; discard all"), run("a") + S(), Q("deallocate prepare all"), run("a") + S()],
    "batches that are sent before the first is answered": [
        P("a", "selec") + S() + run("a") + S(), P("a", "select 1") + S() + run("a") + S() + run("a") + S(),
        sql("select 1/0") + m.close("S", "a") + S() + run("a") + S(),
        sql("select 1/0") + m.close("S", "a") + S() + P("a", "select 2") + S() + run("a") + S(),
        m.close("S", "a") + S() + run("a") + S() + P("a", "select 3") + S() + run("a") + S(),
        sql("select 1/0") + P("b", "select 4") + S() + run("b") + S() + P("b", "select 5") + S() + run("b") + S(),
        P("b", "select 6") + S() + P("c", "select 7") + S() + run("b") + run("c") + S(),
        sql("select 1/0") + m.close("S", "c") + S() + m.close("S", "c") + S() + run("c") + S(),
        P("", "select 8") + S() + m.bind() + m.execute() + S(),
        Q("begin") + Q("boom") + Q("execute b") + Q("rollback") + Q("execute b"),
        Q("deallocate b") + run("b") + S() + P("b", "select 9") + S() + Q("execute b"),
        P("x", "select 10") + S() + m.describe("S", "x") + S() + Q("execute x") + m.close("S", "x") + S()
        + Q("execute x")],
    "a failed transaction": [
        P("a", "select 1") + S(), Q("begin"), Q("boom"), Q("execute a"), run("a") + S(), P("b", "select 2") + S(),
        P("a", "select 3") + S(), Q("deallocate a"), Q("prepare a as select 4"), m.close("S", "a") + S(), Q("rollback"),
        run("a") + S(), run("b") + S(), P("a", "select 5") + S(), Q("begin"), Q("savepoint s"), Q("boom"),
        run("a") + S(), Q("rollback to s"), run("a") + S(), Q("execute a"), P("c", "select 6") + S(), Q("rollback"),
        run("c") + S(), Q("execute c"), Q("begin"), P("d", "selec") + S(), P("d", "select 7") + S(), Q("rollback"),
        run("d") + S(), P("d", "select 8") + S(), run("d") + S()],
    "the view": [
        Q(VIEW), P("a", "select $1::int") + S(), P("b", "select 'b'") + S(), Q(VIEW), sql(VIEW) + S(),
        run("a", 1) + S(), P("v", VIEW) + S(), run("v") + S(), Q("begin"), run("v") + S(),
        P("c", "select 3") + S(), Q(VIEW), Q("rollback"),
        run("v") + S(), m.close("S", "a") + run("v") + S(), Q("deallocate b"), Q(VIEW),
        Q("prepare s (text) as select $1"), Q("select count(*) from pg_prepared_statements where from_sql"),
        Q("select name from pg_prepared_statements order by name"), Q("deallocate all"), Q(VIEW), run("v") + S()],
    "a statement that can no more be prepared": [
        Q("create table t_gone (a int)"), P("g", "select * from t_gone") + S(), Q("drop table t_gone"), Q("execute g"),
        Q("begin"), Q("execute g"), Q("select 1"), Q("rollback"), run("g") + S(), Q("select 2; execute g"),
        Q("create table t_gone (a int)"), Q("execute g"), run("g") + S(), Q("drop table t_gone"), Q("deallocate g"),
        Q("execute g"), run("g") + S()],
    "what names a statement of ours": [
        P("two", "select $1::int, $2::int") + S(), m.bind("", "two", [1]) + m.execute() + S(), run("two", 1, 2) + S(),
        m.bind("", "two", [1, 2, 3]) + S(), P("untold", "select $1") + m.describe("S", "untold") + S()],
    "the unnamed statement": [
        P("", "select 1") + S(), m.bind() + m.execute() + S(), P("", "selec") + S(), m.bind() + S(),
        P("", "select 2") + m.close("S", "") + m.bind() + S(), P("", "select 3") + S(), Q("select 4"), m.bind() + S(),
        P("", "prepare u as select 5") + S(), m.bind() + m.execute() + S(), m.bind() + m.execute() + S(),
        Q("execute u"),
        P("", "select 6") + S(), Q("deallocate u"), m.bind() + S()],
    "names as SQL writes them": [
        P("MiXed", "select 1") + S(), Q("execute mixed"), Q('execute "MiXed"'), Q("execute /* x */ MIXED"),
        P('quo"te', "select 2") + S(), Q('execute "quo""te"'), P("n" * 63, "select 3") + S(), Q("execute " + "n" * 70),
        P("prepare", "select 4") + S(), Q("deallocate prepare"), run("prepare") + S(), P("all", "select 5") + S(),
        Q('deallocate "all"'), run("all") + S(), run("MiXed") + S(), P("é", "select 6") + S(), Q("execute é"),
        Q("-- execute\nexecute é"), Q("select 'execute é'"), Q("prepare transaction 'none'")],
}


def names_work(client, number, dice):
    """The names of the scripts, for other statements; now and then all of them are forgotten."""
    tag, name = dice.randrange(1 << 20), "abcdg"[dice.randrange(5)]
    choice = dice.randrange(6)
    if choice == 0:
        client.ask(Q("deallocate all"))
    elif choice == 1:
        assert client.value("select count(*) from pg_prepared_statements") in ("0", "1")
        client.ask(m.close("S", name) + S())
    else:
        client.ask(m.close("S", name) + P(name, f"select {tag} + $1::int") + S())
        found = client.ask(Q(f"execute {name}(1)") if choice == 2 else run(name, 1) + S())
        assert [m.row(item.body) for item in found if item.type == "D"] == [[str(tag + 1).encode()]]
        client.ask(m.close("S", name) + S())


@pytest.fixture(scope="module", params=[1, 2])
def busy(gateway_of_module, request):
    gateway = gateway_of_module(pool=request.param, workers=2, defaults={"max_prepared_statements": 4})
    with Neighbours(gateway, 3, names_work) as neighbours:
        yield gateway
    neighbours.check()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_the_same_transcript_among_neighbours(postgres, busy, name):
    expected = directly(postgres, SCRIPTS[name])
    for _ in range(2):
        with busy.login() as client:
            assert transcript(client, SCRIPTS[name]) == expected
            client.leave()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_the_same_transcript_in_one_go(postgres, busy, name):
    """Everything is sent before the first answer is read."""
    whole = [b"".join(SCRIPTS[name])]
    expected = directly(postgres, whole)
    with busy.login() as client:
        assert transcript(client, whole) == expected
        client.leave()


def test_what_an_anonymous_block_deallocates_is_not_missing_to_others(busy):
    with busy.login() as client, busy.login() as hostile:
        client.ask(P("mine", "select 'mine'") + S())
        for _ in range(3):
            assert hostile.query("do $$ begin execute 'deallocate all'; end $$")[0].type == "C"
            hostile.query("discard all")
            found = client.ask(run("mine") + S())
            assert [m.row(item.body) for item in found if item.type == "D"] == [[b"mine"]]
        client.leave()
        hostile.leave()


def test_nothing_of_a_client_stays_under_its_own_names(busy):
    """However it leaves: politely, in a transaction, or with its answers unread."""
    for ending in ([Q("execute left")], [Q("begin"), Q("execute left")], [Q(VIEW)], [Q("begin"), Q("boom")]):
        with busy.login() as client:
            client.ask(P("left", "select 'left'") + S())
            for part in ending:
                client.ask(part)
        with busy.login() as client:
            client.ask(P("left", "select 'left'") + S())
            client.send(ending[0])
        for _ in range(3):
            with busy.login() as next_one:
                found = next_one.ask(run("left") + S())
                assert [m.fields(item.body)["C"] for item in found if item.type == "E"] == ["26000"]
                next_one.leave()



@pytest.fixture(scope="module")
def deallocating(postgres):
    postgres.sql("""create or replace function deallocate_all_of_mine() returns int language plpgsql as
                    $$ begin deallocate all; return 1; end $$;
create or replace function deallocate_computed(what text) returns int language plpgsql as
                    $$ begin execute 'deallocate ' || what; return 1; end $$;
""")


@pytest.mark.parametrize("how", ["select deallocate_all_of_mine()", "select deallocate_computed('all')",
                                 "do $$ begin deallocate all; end $$", "do $$ begin execute 'deallocate all'; end $$"])
def test_what_a_function_deallocates_is_gone_for_its_session_and_nobody_else(gateway, deallocating, how):
    """On a connection of its own, too, the function takes what was prepared by messages."""
    pool = gateway(pool=1, workers=1)
    pool.wait_until_known()
    with pool.login() as client, pool.login() as other:
        for one in (client, other):
            one.ask(m.parse("of_mine", "select 'mine'"), m.sync())
        client.ask(m.parse("of_other", "select 'other'"), m.sync())
        assert not errors_of(client.query(how))
        for _ in range(2):
            assert rows_of(other.ask(run("of_mine"), m.sync())) == [["mine"]]
        for name in ("of_mine", "of_other"):
            assert [error["C"] for error in errors_of(client.ask(run(name), m.sync()))] == ["26000"]
            assert not errors_of(client.ask(m.parse(name, "select 'anew'"), m.sync()))
            assert rows_of(client.ask(run(name), m.sync())) == [["anew"]]
        client.leave()
        other.leave()


def test_what_do_deallocates_by_name_is_gone_alone(gateway):
    pool = gateway(pool=1, workers=1)
    pool.wait_until_known()
    with pool.login() as client:
        for name in ("of_mine", "of_other"):
            client.ask(m.parse(name, f"select '{name}'"), m.sync())
        assert not errors_of(client.query("do $$ begin deallocate of_mine; end $$"))
        assert [error["C"] for error in errors_of(client.ask(run("of_mine"), m.sync()))] == ["26000"]
        assert rows_of(client.ask(run("of_other"), m.sync())) == [["of_other"]]
        client.leave()
