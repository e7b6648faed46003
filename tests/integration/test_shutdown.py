# SPDX-License-Identifier: PostgreSQL
"""test_shutdown - SIGTERM lets what runs end, takes nothing new, and has a limit."""

import signal
import time

import pytest

import messages as m
import programs
from rawpg import Closed, Raw, errors_of, rows_of


def ended(gateway, seconds):
    """Waits for the end of the process and returns its exit status."""
    gateway.ended = True
    gateway._forget()
    return gateway.process.wait(seconds)


def test_an_idle_gateway_ends_at_once(gateway):
    pool = gateway(pool=1, limits={"shutdown_timeout": "30s"})
    start = time.monotonic()
    pool.signal(signal.SIGTERM)
    assert ended(pool, 5) == 0 and time.monotonic() - start < 3


def test_idle_clients_do_not_delay_the_end_and_are_told(gateway):
    pool = gateway(pool=2, limits={"shutdown_timeout": "30s"})
    clients = [pool.login() for _ in range(5)]
    for client in clients:
        client.query("select 1")
    start = time.monotonic()
    pool.signal(signal.SIGTERM)
    assert ended(pool, 10) == 0 and time.monotonic() - start < 5
    for client in clients:
        assert [error["C"] for error in errors_of(client.rest())] == ["57P01"]


@pytest.mark.parametrize("listener", ["pooled", "direct"])
def test_a_running_transaction_may_end(gateway, postgres, listener):
    pool = gateway(pool=1, limits={"shutdown_timeout": "30s"})
    with pool.login(listener) as client:
        client.query("begin")
        client.query("insert into marks values (500, 1, 'shutdown')")
        pool.signal(signal.SIGTERM)
        time.sleep(0.5)
        assert pool.process.poll() is None
        assert client.value("select 'still here'") == "still here"
        client.query("commit")
        client.leave()
    assert ended(pool, 10) == 0
    assert postgres.value("select count(*) from marks where client = 500") == 1
    postgres.sql("delete from marks where client = 500")


def test_a_running_query_may_end(gateway):
    pool = gateway(pool=1, limits={"shutdown_timeout": "30s"})
    with pool.login() as client:
        client.send(m.query("select pg_sleep(1), 'whole'"))
        time.sleep(0.2)
        pool.signal(signal.SIGTERM)
        assert rows_of(client.until("Z"))[0][1] == "whole"
    assert ended(pool, 10) == 0


def test_no_new_session_is_taken(gateway):
    pool = gateway(pool=1, limits={"shutdown_timeout": "30s"})
    with pool.login() as client:
        client.query("begin")
        pool.signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises((OSError, Closed)):
            with Raw(pool.pooled, timeout=3) as late:
                late.send(m.startup("app", "app"))
                late.until("Z")
        client.query("commit")
    assert ended(pool, 10) == 0


def test_shutdown_timeout_ends_what_does_not_end(gateway, postgres):
    pool = gateway(pool=1, limits={"shutdown_timeout": "1s"})
    with pool.login() as client:
        client.query("begin")
        client.query("insert into marks values (501, 1, 'shutdown')")
        start = time.monotonic()
        pool.signal(signal.SIGTERM)
        assert ended(pool, 10) == 0
        assert 0.8 < time.monotonic() - start < 4
        client.rest()
    programs.eventually(lambda: not postgres.backends("usename = 'app'"), 5)
    assert postgres.value("select count(*) from marks where client = 501") == 0


def test_sigint_ends_it_too(gateway):
    pool = gateway(pool=1)
    with pool.login() as client:
        client.query("select 1")
        pool.signal(signal.SIGINT)
        ended(pool, 10)
        assert client.closed(5)


def test_a_second_signal_does_not_wait(gateway):
    pool = gateway(pool=1, limits={"shutdown_timeout": "60s"})
    with pool.login() as client:
        client.query("begin")
        pool.signal(signal.SIGTERM)
        time.sleep(0.3)
        pool.signal(signal.SIGTERM)
        ended(pool, 5)
        assert client.closed(5)


def test_no_server_connection_is_left(gateway, postgres):
    pool = gateway(pool=3, defaults={"min_pool_size": 3})
    with pool.login() as client:
        client.query("select 1")
        client.leave()
    pool.signal(signal.SIGTERM)
    assert ended(pool, 10) == 0
    programs.eventually(lambda: not postgres.backends("usename = 'app'"), 3)
