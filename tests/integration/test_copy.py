# SPDX-License-Identifier: PostgreSQL
"""test_copy - COPY in both directions, by both protocols, ending well and badly; the next client never notices."""

import time

import psycopg
import pytest

import messages as m
from load import Neighbours
from rawpg import Raw, errors_of, kinds, rows_of


@pytest.fixture(scope="module")
def pool(gateway_of_module, postgres):
    postgres.sql("create table if not exists copied (a int, b text);\ngrant all on copied to app, bob")
    return gateway_of_module(pool=1, workers=1)


@pytest.fixture
def client(pool):
    with pool.login() as one:
        one.query("truncate copied")
        yield one
        one.leave()


def healthy(pool, client, rows):
    """The session and the pool's only server are as good as new."""
    assert client.value("select count(*) from copied") == str(rows)
    assert client.status == "I"
    with pool.login() as next_one:
        assert next_one.value("select 'fine'") == "fine"
        next_one.leave()


def start(client, sql="copy copied from stdin"):
    client.send(m.query(sql))
    assert client.read().type == "G"


def test_copy_in_and_out_carry_every_byte(pool, client):
    lines = [f"{n}\t{'t' * (n % 200)}\n".encode() for n in range(5000)]
    start(client)
    assert kinds(client.ask(b"".join(map(m.copy_data, lines)), m.copy_done())) == "CZ"
    found = client.query("copy (select * from copied order by a) to stdout")
    assert kinds(found) == "H" + "d" * 5000 + "cCZ"
    assert b"".join(item.body for item in found if item.type == "d") == b"".join(lines)
    healthy(pool, client, 5000)


def test_copy_in_may_be_cut_anywhere(pool, client):
    start(client)
    data = b"".join(m.copy_data(f"{n}\tx\n".encode()) for n in range(20)) + m.copy_done()
    client.send_at(data, range(1, len(data), 3), pause=0.0005)
    assert kinds(client.until("Z")) == "CZ"
    healthy(pool, client, 20)


def test_copy_data_may_be_cut_without_regard_to_lines(pool, client):
    whole = b"".join(f"{n}\tyyy\n".encode() for n in range(100))
    start(client)
    client.ask(b"".join(m.copy_data(whole[at:at + 7]) for at in range(0, len(whole), 7)), m.copy_done())
    healthy(pool, client, 100)


def test_copy_fail_is_an_error_and_the_session_lives(pool, client):
    start(client)
    found = client.ask(m.copy_data(b"1\ta\n"), m.copy_fail("changed my mind"))
    assert errors_of(found)[0]["C"] == "57014" and "changed my mind" in errors_of(found)[0]["M"]
    healthy(pool, client, 0)


def test_an_error_while_the_client_goes_on_sending_is_told_once(pool, client):
    start(client)
    found = client.ask(m.copy_data(b"1\tfine\n"), m.copy_data(b"not a number\tx\n"),
                       *[m.copy_data(f"{n}\tmore\n".encode()) for n in range(500)], m.copy_done())
    assert kinds(found) == "EZ" and errors_of(found)[0]["C"] == "22P02"
    assert client.silent()
    healthy(pool, client, 0)


def test_an_error_before_the_rest_is_sent_leaves_strays_that_nobody_answers(pool, client):
    start(client)
    client.send(m.copy_data(b"not a number\tx\n"), m.copy_data(b"1\ty\n" * 20000))
    assert errors_of(client.until("Z"))[0]["C"] == "22P02"
    client.send(*[m.copy_data(b"7\tstray\n") for _ in range(100)], m.copy_done())
    assert rows_of(client.query("select 'after the strays'")) == [["after the strays"]]
    assert client.silent()
    healthy(pool, client, 0)


def test_strays_of_one_client_do_not_hold_or_harm_the_server(pool, client):
    start(client)
    client.send(m.copy_data(b"not a number\tx\n"), m.copy_data(b"1\ty\n" * 20000))
    assert errors_of(client.until("Z"))[0]["C"] == "22P02"
    with pool.login() as other:
        client.send(m.copy_data(b"8\tstray\n"))
        assert other.value("select 'mine'") == "mine"
        client.send(m.copy_data(b"9\tstray\n"), m.copy_fail("enough"))
        assert other.value("select count(*) from copied") == "0"
        other.leave()
    healthy(pool, client, 0)


def test_copy_in_by_the_extended_protocol_ignores_its_sync(pool, client):
    client.send(m.once("copy copied from stdin"), m.flush())
    assert kinds(client.until("G")) == "12nG"
    client.send(m.sync())
    assert client.silent(0.3), "a Sync inside COPY was answered"
    found = client.ask(m.copy_data(b"1\tone\n"), m.flush(), m.copy_done(), m.sync())
    assert kinds(found) == "CZ"
    healthy(pool, client, 1)


def test_copy_in_by_the_extended_protocol_in_one_burst(postgres, pool, client):
    burst = m.once("copy copied from stdin") + m.sync() + m.copy_data(b"1\tone\n2\ttwo\n") + m.copy_done() + m.sync()
    pooled = m.digest(client.ask(burst))
    with Raw(postgres.port).login("app", "app") as direct:
        assert pooled == m.digest(direct.ask(burst))
    assert client.silent()
    healthy(pool, client, 4)


def test_an_error_in_copy_by_the_extended_protocol_skips_to_the_sync(pool, client):
    client.send(m.once("copy copied from stdin"), m.flush())
    client.until("G")
    client.send(m.copy_data(b"not a number\tx\n"), m.copy_done())
    assert errors_of(client.until("E"))[0]["C"] == "22P02"
    assert client.silent(0.2)
    assert kinds(client.ask(m.once("select 'skipped'"), m.sync())) == "Z"
    healthy(pool, client, 0)


def test_copy_out_by_the_extended_protocol(pool, client):
    found = client.ask(m.once("copy (select generate_series(1, 3)) to stdout"), m.sync())
    assert kinds(found) == "12nHdddcCZ"
    healthy(pool, client, 0)


def test_copy_between_other_statements_of_one_query(pool, client):
    client.send(m.query("select 1; copy copied from stdin; select 2"))
    assert kinds(client.until("G")) == "TDCG"
    assert kinds(client.ask(m.copy_data(b"5\tfive\n"), m.copy_done())) == "CTDCZ"
    healthy(pool, client, 1)


def test_two_copies_in_one_query(pool, client):
    client.send(m.query("copy copied from stdin; copy copied from stdin"))
    assert client.read().type == "G"
    client.send(m.copy_data(b"1\ta\n"), m.copy_done())
    assert kinds(client.until("G")) == "CG"
    assert kinds(client.ask(m.copy_data(b"2\tb\n"), m.copy_done())) == "CZ"
    healthy(pool, client, 2)


def test_copy_in_a_transaction_obeys_it(pool, client):
    client.query("begin")
    start(client)
    client.ask(m.copy_data(b"1\ta\n"), m.copy_done())
    assert client.status == "T"
    client.query("rollback")
    healthy(pool, client, 0)


def test_a_query_instead_of_data_ends_the_copy_as_in_postgresql(postgres, pool, client):
    with Raw(postgres.port).login("app", "app") as direct:
        start(direct)
        expected = m.digest(direct.send(m.query("select 1")).rest())
    start(client)
    assert m.digest(client.send(m.query("select 1")).rest()) == expected
    with pool.login() as other:
        assert other.value("select 1") == "1"
        other.leave()


@pytest.mark.slow
def test_large_copies_both_ways_at_once(gateway, postgres):
    pool = gateway(pool=3)
    data = b"1\t" + b"z" * 990 + b"\n"

    def work(client, number, dice):
        if number % 2:
            start(client)
            client.send(*[m.copy_data(data * 64) for _ in range(50)])
            assert kinds(client.ask(m.copy_fail("not kept"))) == "EZ"
        else:
            found = client.query("copy (select repeat('o', 1000) from generate_series(1, 5000)) to stdout")
            assert sum(len(item.body) for item in found if item.type == "d") == 5000 * 1001

    with Neighbours(pool, 5, work) as neighbours:
        time.sleep(4)
    neighbours.check()


def test_psycopg_copies_both_ways(pool, client):
    with pool.connect() as connection:
        with connection.cursor() as cursor:
            with cursor.copy("copy copied from stdin") as copy:
                for n in range(1000):
                    copy.write_row((n, f"row {n}"))
            with cursor.copy("copy (select a from copied order by a) to stdout") as copy:
                assert [int(row[0]) for row in copy.rows()] == list(range(1000))
            with pytest.raises(psycopg.errors.InvalidTextRepresentation):
                with cursor.copy("copy copied from stdin") as copy:
                    copy.write("x\ty\n")
            assert cursor.execute("select count(*) from copied").fetchone() == (1000,)


def test_a_server_that_fed_a_client_which_does_not_read_serves_the_next_one(gateway, postgres):
    """Reading from it was stopped by the last part of an answer; it must not stay so when it is given back."""
    pool = gateway(pool=1, workers=1)
    with pool.login() as slow, pool.login() as next_one:
        for _ in range(1500):
            slow.send(m.query("select repeat('x', 6000)"))  # arrives in one piece
            time.sleep(0.001)
        next_one.send(m.query("select 'served'"))
        time.sleep(0.5)
        for _ in range(1500):
            slow.until("Z")
        assert "".join(item.type for item in next_one.until("Z")) == "TDCZ"
        slow.leave()
        next_one.leave()
