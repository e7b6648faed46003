# SPDX-License-Identifier: PostgreSQL
"""test_disconnect - a client leaves at every stage, in every way; the next client never notices, nothing commits."""

import time

import pytest

import messages as m
import programs
from rawpg import kinds

INSERT = "insert into marks values (%d, 1, 'left behind')"


@pytest.fixture(scope="module")
def pool(gateway_of_module):
    return gateway_of_module(pool=1, workers=1)


def in_half_a_header(client):
    client.send(b"Q\0\0")


def in_half_a_query(client):
    client.send(m.query(INSERT % 1)[:-10])


def behind_a_query_with_half_of_the_next(client):
    client.send(m.query("select 1"), m.query(INSERT % 2)[:-4])
    client.until("Z")


def in_a_transaction(client):
    client.query("begin")
    client.query(INSERT % 3)


def in_a_failed_transaction(client):
    client.query("begin")
    client.query(INSERT % 4)
    client.query("boom")


def in_a_transaction_with_half_a_commit(client):
    client.query("begin")
    client.query(INSERT % 5)
    client.send(m.query("commit")[:-3])


def while_its_query_runs(client):
    client.query("begin")
    client.query(INSERT % 6)
    client.send(m.query("select pg_sleep(30)"))
    time.sleep(0.1)


def with_answers_unread(client):
    client.send(m.query("select repeat('u', 1000) from generate_series(1, 20000)"))
    time.sleep(0.05)


def with_a_pipeline_unread(client):
    client.send(*[m.once("select repeat('p', 5000)") + m.sync() for _ in range(300)])


def in_a_transaction_with_answers_unread(client):
    client.query("begin")
    client.query(INSERT % 7)
    client.send(m.query("select repeat('u', 1000) from generate_series(1, 20000)"))


def in_copy_in(client):
    client.send(m.query("copy marks from stdin"))
    client.until("G")
    client.send(m.copy_data(b"8\t1\tcopied\n" * 100))


def in_half_a_copy_data(client):
    client.send(m.query("copy marks from stdin"))
    client.until("G")
    client.send(m.copy_data(b"9\t1\tcopied\n"), m.copy_data(b"9\t1\tcopied\n")[:-5])


def in_copy_out(client):
    client.send(m.query("copy (select repeat('o', 1000) from generate_series(1, 20000)) to stdout"))
    client.until("H")


def after_parse_without_sync(client):
    client.send(m.parse("", INSERT % 10), m.parse("named", "select 1"))


def after_execute_without_sync(client):
    client.send(m.once(INSERT % 11))
    time.sleep(0.05)


def after_execute_and_flush_without_sync(client):
    client.send(m.once(INSERT % 12), m.flush())
    client.until("C")


def after_an_error_without_sync(client):
    client.send(m.once("select 1/0"), m.flush())
    client.until("E")


def in_half_a_function_call(client):
    client.send(m.function_call(177, [b"\0\0\0\1", b"\0\0\0\2"])[:-5])


def in_half_a_bind_inside_a_transaction(client):
    client.query("begin")
    client.send(m.once(INSERT % 13), m.bind("", "", ["x" * 100])[:-50])
    time.sleep(0.05)


def with_session_state(client):
    for statement in ("create temp table left_over (a int)", "set search_path = pg_catalog", "set role none",
                      "prepare left_over as select 1", "select pg_advisory_lock(4711)", "listen left_over",
                      "set session characteristics as transaction read only"):
        client.query(statement)


def with_a_named_statement_being_made(client):
    client.send(m.parse("half", "select 1"), m.describe("S", "half"), m.flush())


def in_the_middle_of_sync(client):
    client.send(m.once(INSERT % 14), m.sync()[:3])
    time.sleep(0.05)


STAGES = [value for name, value in list(globals().items()) if name.split("_")[0] in
          ("in", "behind", "while", "with", "after") and callable(value)]
WAYS = {"by FIN": lambda client: client.close(), "by RST": lambda client: client.reset(),
        "by Terminate": lambda client: client.leave()}


def next_client_notices_nothing(pool, postgres):
    start = time.monotonic()
    with pool.login() as client:
        assert kinds(client.query("select 'mine'")) == "TDCZ" and client.status == "I"
        assert time.monotonic() - start < 5, "the next client waited for the one that left"
        assert client.value("show search_path") == '"$user", public'
        assert client.value("show transaction_read_only") == "off"
        assert client.value("select count(*) from pg_class where relname = 'left_over'") == "0"
        assert client.value("select count(*) from pg_prepared_statements where name = 'left_over'") == "0"
        assert client.value("select count(*) from pg_locks where locktype = 'advisory'") == "0"
        assert client.value("select count(*) from pg_listening_channels()") == "0"
        assert kinds(client.query("begin")) == "CZ" and client.status == "T"
        client.query("commit")
        client.leave()
    assert postgres.value("select count(*) from marks where client between 1 and 99") == 0
    postgres.quiet("state like 'idle in transaction%'", 3)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_a_client_that_leaves(postgres, pool, stage, way):
    client = pool.login()
    stage(client)
    WAYS[way](client)
    next_client_notices_nothing(pool, postgres)


@pytest.mark.parametrize("way", WAYS)
def test_the_query_of_a_client_that_left_is_cancelled(postgres, pool, way):
    client = pool.login()
    client.send(m.query("select pg_sleep(30), 'abandoned'"))
    programs.eventually(lambda: postgres.backends("state = 'active' and query like '%abandoned%'"), 3)
    WAYS[way](client)
    programs.eventually(lambda: not postgres.backends("state = 'active' and query like '%abandoned%'"), 3,
                        what="an end of the abandoned query")
    next_client_notices_nothing(pool, postgres)


@pytest.mark.parametrize("listener", ["pooled", "direct"])
def test_a_client_that_leaves_during_login_harms_nobody(postgres, pool, listener):
    packet = m.startup("app", "app")
    for part in (b"", packet[:3], packet[:8], packet[:-1], packet, m.SSL_REQUEST, m.SSL_REQUEST + packet):
        for end in ("close", "reset"):
            client = pool.raw(listener)
            client.send(part)
            getattr(client, end)()
    next_client_notices_nothing(pool, postgres)


def test_a_waiting_client_that_leaves_is_forgotten(postgres, pool):
    with pool.login() as holder:
        holder.query("begin")
        for n in range(10):
            waiter = pool.login()
            waiter.send(m.query(INSERT % (20 + n)))
            waiter.reset() if n % 2 else waiter.close()
        time.sleep(0.2)
        holder.query("commit")
        assert holder.value("select 'mine'") == "mine"
        holder.leave()
    time.sleep(0.1)
    next_client_notices_nothing(pool, postgres)


def test_a_direct_client_that_leaves_takes_its_server_with_it(postgres, pool):
    for way in WAYS.values():
        client = pool.login("direct")
        pid = client.value("select pg_backend_pid() + 0")
        client.query("begin")
        client.query(INSERT % 30)
        way(client)
        programs.eventually(lambda: not postgres.backends("pid = " + pid), 5, what="an end of the direct backend")
    assert postgres.value("select count(*) from marks where client = 30") == 0


def test_a_server_that_ends_a_session_ends_it_for_the_client_too(postgres, pool):
    with pool.login() as client:
        client.query("begin")
        pid = client.value("select pg_backend_pid() + 0")
        postgres.sql(f"select pg_terminate_backend({pid})")
        found = m.digest(client.rest())
        assert [item[3] for item in found] == ["57P01"], "nothing is added to PostgreSQL's own FATAL"
    next_client_notices_nothing(pool, postgres)


def test_an_idle_server_that_dies_is_replaced_silently(postgres, pool):
    with pool.login() as client:
        for _ in range(20):
            client.query("select 1")
            postgres.terminate("usename = 'app'")
            assert client.value("select 'alive'") == "alive"
        client.leave()


def test_a_client_that_never_reads_is_held_back_and_let_go(gateway, postgres):
    pool = gateway(pool=2, workers=1)
    client = pool.login()
    client.send(m.query("select repeat('n', 1000) from generate_series(1, 300000)"))
    time.sleep(1)
    with open(f"/proc/{pool.pid}/status") as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    assert resident < 200_000, f"the gateway holds {resident} kB for a client that does not read"
    with pool.login() as other:
        assert other.value("select 'served'") == "served"
        other.leave()
    client.close()
    programs.eventually(lambda: not postgres.backends("usename = 'app' and state = 'active'"), 5)
