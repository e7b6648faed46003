# SPDX-License-Identifier: PostgreSQL
"""test_queue - clients that find no server wait in order, for a bounded time, and PostgreSQL is never overrun."""

import threading
import time

import pytest

import messages as m
import programs
from rawpg import errors_of, kinds, rows_of


def queue_up(gateway, count, pause=0.03):
    """count clients that ask for a ticket one after another while nothing is free."""
    clients = []
    for _ in range(count):
        client = gateway.login()
        client.send(m.query("select nextval('tickets')"))
        clients.append(client)
        time.sleep(pause)
    return clients


@pytest.mark.parametrize("workers", [1, 4])
def test_waiting_clients_are_served_in_the_order_they_came(gateway, workers):
    pool = gateway(pool=1, workers=workers)
    with pool.login() as holder:
        holder.query("begin")
        clients = queue_up(pool, 12)
        holder.query("commit")
        tickets = [int(rows_of(client.until("Z"))[0][0]) for client in clients]
        assert tickets == sorted(tickets)
        holder.leave()
    for client in clients:
        client.leave()


def test_a_client_with_many_transactions_cannot_starve_a_waiting_one(gateway):
    pool = gateway(pool=1, workers=2)
    stop = threading.Event()

    def greedy():
        with pool.login() as client:
            while not stop.is_set():
                client.query("select 1")
            client.leave()

    threads = [threading.Thread(target=greedy, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        with pool.login() as modest:
            for _ in range(50):
                start = time.monotonic()
                modest.query("select 1")
                assert time.monotonic() - start < 1
            modest.leave()
    finally:
        stop.set()
        for thread in threads:
            thread.join(5)


@pytest.mark.parametrize("ask, expected", [
    (m.query("select 'never'"), "EZ"),
    (m.once("select 'never'") + m.once("select 'skipped'") + m.sync(), "EZ"),
], ids=["simple", "extended"])
def test_query_wait_timeout_is_an_error_with_a_hint_and_the_session_lives(gateway, ask, expected):
    pool = gateway(pool=1, defaults={"query_wait_timeout": "700ms"})
    with pool.login() as holder, pool.login() as waiter:
        holder.query("begin")
        start = time.monotonic()
        found = waiter.ask(ask)
        waited = time.monotonic() - start
        error = errors_of(found)[0]
        assert kinds(found) == expected and waiter.status == "I"
        assert error["C"] == "53300" and error["S"] == "ERROR" and error.get("H")
        assert "query_wait_timeout" in error["M"] + error.get("D", "") + error["H"]
        assert 0.6 < waited < 2.5, waited
        holder.query("commit")
        assert waiter.value("select 'alive'") == "alive"
        holder.leave()
        waiter.leave()


def test_what_follows_a_timed_out_batch_is_answered_as_its_own(gateway):
    pool = gateway(pool=1, defaults={"query_wait_timeout": "500ms"})
    with pool.login() as holder, pool.login() as waiter:
        holder.query("begin")
        waiter.send(m.once("select 'first'"), m.sync())
        errors = errors_of(waiter.until("Z"))
        assert [error["C"] for error in errors] == ["53300"]
        waiter.send(m.once("select 'second'"), m.sync(), m.query("select 'third'"))
        holder.query("commit")
        assert rows_of(waiter.until("Z", 2)) == [["second"], ["third"]]
        holder.leave()
        waiter.leave()


def test_a_pipeline_stays_in_step_while_the_pool_is_exhausted(gateway):
    pool = gateway(pool=1, defaults={"query_wait_timeout": "700ms"})
    with pool.login() as holder, pool.login() as waiter:
        holder.query("begin")
        waiter.send(*[m.once(f"select {n}") + m.sync() for n in range(5)])
        time.sleep(1)
        holder.query("commit")
        found = waiter.until("Z", 5)
        seen, answers = 0, []
        for item in found:
            if item.type == "D":
                answers.append((seen, int(m.row(item.body)[0])))
            seen += item.type == "Z"
        assert answers and all(place == value for place, value in answers)
        assert all(error["C"] == "53300" for error in errors_of(found))
        holder.leave()
        waiter.leave()


def test_a_pool_never_has_more_servers_than_its_size(gateway, postgres):
    postgres.quiet("usename = 'app'")
    pool = gateway(pool=3, workers=4)
    pool.wait_until_known()  # before that servers are replaced, and PostgreSQL shows the old ones for a moment
    peak, stop = [0], threading.Event()

    def sample():
        with postgres.connect() as watcher:
            while not stop.is_set():
                count = watcher.execute("select count(*) from pg_stat_activity where usename = 'app'").fetchone()[0]
                peak[0] = max(peak[0], count)

    watcher = threading.Thread(target=sample, daemon=True)
    watcher.start()
    clients = [pool.login() for _ in range(40)]
    for _ in range(10):
        for client in clients:
            client.send(m.query("select pg_sleep(0.002)"))
        for client in clients:
            assert not errors_of(client.until("Z"))
    stop.set()
    watcher.join(5)
    assert 1 <= peak[0] <= 3
    for client in clients:
        client.leave()


# pgbench prepares with blocking calls, so that a thread must not hold a server for one client while it prepares for
# another: no transaction blocks there.
SCRIPTS = {
    "simple": "begin;\nselect pg_sleep(0.002);\nselect count(*) from items where id = 7;\ncommit;\n",
    "prepared": "select count(*) from items where id = 7;\nselect pg_sleep(0.002);\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("protocol", SCRIPTS)
def test_five_hundred_clients_never_see_too_many_clients(gateway, postgres, protocol):
    pool = gateway(pool=20, workers=2, defaults={"query_wait_timeout": "60s"})
    said = postgres.log_since()
    script = programs.write(pool.directory / "script.sql", SCRIPTS[protocol])
    done = programs.run("pgbench", "-n", "-h", "127.0.0.1", "-p", pool.pooled, "-U", "app", "-M", protocol, "-c",
                        "500",
                        "-j", "2", "-t", "8", "-f", script, "app", check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "number of transactions actually processed: 4000/4000" in done.stdout
    for words in ("too many clients", "remaining connection slots", "53300"):
        assert words not in said() and words not in done.stderr


@pytest.mark.slow
def test_a_thousand_idle_clients_need_no_server(gateway, postgres):
    pool = gateway(pool=5, workers=2)
    clients = [pool.login() for _ in range(1000)]
    assert len(postgres.backends("usename = 'app'")) <= 5
    for client in clients[::100]:
        assert client.value("select 'served'") == "served"
    for client in clients:
        client.leave()
