# SPDX-License-Identifier: PostgreSQL
"""test_pipeline - many messages in flight: answers in order, errors in place, no deadlock, no early release."""

import threading

import psycopg
import pytest

import messages as m
from load import in_threads
from rawpg import Raw, errors_of, kinds, rows_of


@pytest.fixture(scope="module")
def pool(gateway_of_module):
    return gateway_of_module(pool=2)


def test_several_syncs_in_flight_are_answered_in_order(pool):
    with pool.login() as client:
        found = client.ask(*[m.once("select $1::int", [n]) + m.sync() for n in range(200)], count=200)
        assert rows_of(found) == [[str(n)] for n in range(200)]
        client.leave()


def test_simple_queries_and_batches_mix_in_one_pipeline(pool):
    with pool.login() as client:
        found = client.ask(m.query("select 1"), m.once("select 2"), m.sync(), m.query("select 3; select 4"),
                           m.function_call(177, [b"\0\0\0\2", b"\0\0\0\3"]), m.once("select 5"), m.sync(), count=5)
        assert kinds(found) == "TDCZ12TDCZTDCTDCZVZ12TDCZ"
        client.leave()


def test_an_error_in_the_middle_skips_to_its_sync_and_no_further(pool):
    with pool.login() as client:
        found = client.ask(m.once("select 'a'"), m.sync(),
                           m.once("select 1/0"), m.once("select 'never'"), m.sync(),
                           m.once("select 'b'"), m.sync(), m.query("boom"), m.query("select 'c'"), count=5)
        assert [(e["C"]) for e in errors_of(found)] == ["22012", "42601"]
        assert [m.row(item.body)[0] for item in found if item.type == "D"] == [b"a", b"b", b"c"]
        client.leave()


def test_a_simple_query_behind_an_error_is_skipped_to_the_sync(postgres, pool):
    script = m.once("select 1/0") + m.query("select 'skipped'") + m.sync() + m.query("select 'ok'")
    transcripts = []
    for port_owner in (pool.login(), _direct(postgres)):
        found = port_owner.send(script).until("Z", 2)
        transcripts.append(m.digest(found))
        assert port_owner.silent()
        port_owner.leave()
    assert transcripts[0] == transcripts[1]


def _direct(postgres):
    return Raw(postgres.port).login("app", "app")


def test_a_transaction_spread_over_a_pipeline_stays_on_one_server(pool):
    pid = m.once("select pg_backend_pid() + 0") + m.sync()
    other = pool.login()
    with pool.login() as client:
        for _ in range(20):
            other.send(m.query("select pg_sleep(0.001)"))
            found = client.ask(m.query("begin"), pid, pid, m.query("commit"), count=4)
            pids = {row[0] for row in rows_of(found)}
            assert len(pids) == 1
            other.until("Z")
        client.leave()
    other.leave()


def test_flush_brings_the_answers_without_a_sync(pool):
    with pool.login() as client:
        client.send(m.parse("", "select 'flushed'") + m.flush())
        assert client.read().type == "1"
        client.send(m.bind() + m.describe("P") + m.flush())
        assert kinds([client.read(), client.read()]) == "2T"
        client.send(m.execute() + m.flush())
        assert kinds([client.read(), client.read()]) == "DC"
        assert client.silent(0.2)
        assert kinds(client.ask(m.sync())) == "Z"
        client.leave()


def test_nothing_is_released_while_only_a_flush_was_sent(gateway):
    pool = gateway(pool=1)
    with pool.login() as holder, pool.login() as waiter:
        holder.send(m.once("select 'held'") + m.flush())
        holder.until("C")
        waiter.send(m.query("select 'next'"))
        assert waiter.silent(0.4), "the server was given away before the Sync of its client"
        assert kinds(holder.ask(m.sync())) == "Z"
        assert rows_of(waiter.until("Z")) == [["next"]]
        holder.leave()
        waiter.leave()


def test_an_error_without_sync_keeps_its_place_until_the_sync(gateway):
    pool = gateway(pool=1)
    with pool.login() as holder, pool.login() as waiter:
        holder.send(m.once("select 1/0") + m.flush())
        assert errors_of(holder.until("E"))[0]["C"] == "22012"
        waiter.send(m.query("select 'next'"))
        holder.send(m.once("select 'skipped'"))
        assert holder.silent(0.3)
        assert kinds(holder.ask(m.sync())) == "Z"
        assert rows_of(waiter.until("Z")) == [["next"]]
        holder.leave()
        waiter.leave()


@pytest.mark.slow
def test_a_pipeline_of_five_thousand_batches_is_answered(pool):
    batch = b"".join(m.parse("", "select $1::int, repeat('x', 100)") + m.bind("", "", [n]) + m.execute() + m.sync()
                     for n in range(5000))
    with pool.login() as client:
        sender = threading.Thread(target=client.send, args=(batch,), daemon=True)
        sender.start()
        found = client.until("Z", 5000)
        sender.join(10)
        assert [row[0] for row in rows_of(found)] == [str(n) for n in range(5000)]
        client.leave()


def test_a_pipeline_of_thousands_without_reading_first_is_answered(pool):
    batch = b"".join(m.query(f"select {n}") for n in range(3000))
    with pool.login() as client:
        assert rows_of(client.ask(batch, count=3000)) == [[str(n)] for n in range(3000)]
        client.leave()


@pytest.mark.slow
def test_large_values_both_ways_at_once_do_not_deadlock(pool):
    size, count = 400_000, 40
    part = m.parse("", "select $1::text") + m.bind("", "", ["d" * size]) + m.execute() + m.sync()

    def one():
        with pool.login() as client:
            sender = threading.Thread(target=lambda: [client.send(part) for _ in range(count)], daemon=True)
            sender.start()
            for _ in range(count):
                found = client.until("Z")
                assert [len(row[0]) for row in rows_of(found)] == [size]
            sender.join(10)
            client.leave()

    in_threads(one, one, one)


def test_a_client_that_sends_all_before_it_reads_does_not_block_others(pool):
    """It is stopped by its full socket; once it reads, everything is there."""
    part = m.query("select repeat('q', 200000)")
    with pool.login() as greedy, pool.login() as other:
        sender = threading.Thread(target=lambda: [greedy.send(part) for _ in range(300)], daemon=True)
        sender.start()
        for n in range(50):
            assert other.value(f"select {n}") == str(n)
        for _ in range(300):
            assert len(rows_of(greedy.until("Z"))[0][0]) == 200000
        sender.join(10)
        greedy.leave()
        other.leave()


def test_messages_larger_than_any_buffer_pass_in_a_deep_pipeline(pool):
    parts = [m.query("select length('" + "v" * (4096 * (1 + n % 40)) + "')") for n in range(300)]
    with pool.login() as client:
        sender = threading.Thread(target=client.send, args=parts, daemon=True)
        sender.start()
        assert rows_of(client.until("Z", 300)) == [[str(4096 * (1 + n % 40))] for n in range(300)]
        sender.join(10)
        client.leave()


def test_one_statement_of_sixty_four_megabytes_passes(pool):
    size = 64 << 20
    with pool.login() as client:
        assert client.extended("select length($1::text)", ["h" * size]) == [[str(size)]]
        assert client.value("select 1") == "1"
        client.leave()


def test_psycopg_pipelines_work_with_errors_inside(pool):
    with pool.connect(autocommit=False) as connection:
        with connection.pipeline():
            cursors = [connection.execute("select %s::int", (n,)) for n in range(100)]
            assert [cursor.fetchone()[0] for cursor in cursors] == list(range(100))
        connection.rollback()
        with pytest.raises(psycopg.errors.UndefinedTable):
            with connection.pipeline():
                connection.execute("select 1")
                connection.execute("select * from no_such_table")
        connection.rollback()
        assert connection.execute("select 2").fetchone() == (2,)
