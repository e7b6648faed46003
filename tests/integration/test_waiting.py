# SPDX-License-Identifier: PostgreSQL
"""test_waiting - who waits for long is told so, and gets a server of the pool's reserve."""

import time

import messages as m
import programs
from rawpg import errors_of, rows_of


def pool_of(gate):
    return next(row for row in gate.console("SHOW POOLS") if row["user"] == "app")


def counter(gate, name):
    return next(int(row["value"]) for row in gate.console("SHOW COUNTERS") if row["name"] == name)


def test_a_client_that_waits_is_told_so_once_and_served_in_the_end(gateway):
    gate = gateway(pool=1, workers=2, defaults={"query_wait_notify": "500ms"})
    with gate.login() as holder, gate.login() as waiter, gate.login() as other:
        holder.query("begin")
        waiter.send(m.query("select 'served'"))
        notice = waiter.read()
        fields = m.fields(notice.body)
        assert notice.type == "N" and fields["S"] == "NOTICE" and fields["C"] == "00000"
        assert fields["M"].startswith("query_wait_notify: ")
        assert waiter.silent(1.2), "one notice for each wait"
        holder.query("commit")
        assert rows_of(waiter.until("Z")) == [["served"]]
        assert not [item for item in other.query("select 1") if item.type == "N"]
        assert counter(gate, "waits_notified") == 1
        for client in (holder, waiter, other):
            client.leave()


def test_nobody_is_told_when_the_notice_is_off(gateway):
    gate = gateway(pool=1, defaults={"query_wait_notify": "0s"})
    with gate.login() as holder, gate.login() as waiter:
        holder.query("begin")
        waiter.send(m.once("select 'served'"), m.sync())
        assert waiter.silent(1)
        holder.query("commit")
        assert rows_of(waiter.until("Z")) == [["served"]]
        holder.leave()
        waiter.leave()


def test_the_reserve_serves_who_has_waited_for_long_and_is_given_up_again(gateway):
    gate = gateway(pool=1, workers=2, defaults={"reserve_pool_size": 1, "reserve_pool_timeout": "1s"})
    with gate.login() as holder, gate.login() as second, gate.login() as third:
        holder.query("begin")
        began = time.monotonic()
        assert not errors_of(second.query("begin"))
        assert time.monotonic() - began >= 1
        row = pool_of(gate)
        assert (row["sv_open"], row["pool_size"], row["reserve_size"], row["reserves_opened"]) == (2, 1, 1, 1)
        third.send(m.query("select 'served'"))
        assert third.silent(2), "the reserve is used up"
        second.query("commit")
        assert rows_of(third.until("Z")) == [["served"]]
        holder.query("commit")
        programs.eventually(lambda: pool_of(gate)["sv_open"] == 1, 15, what="the reserve being given up")
        for client in (holder, second, third):
            client.leave()


def test_without_a_reserve_everybody_waits(gateway):
    gate = gateway(pool=1, defaults={"reserve_pool_timeout": "100ms"})
    with gate.login() as holder, gate.login() as waiter:
        holder.query("begin")
        waiter.send(m.query("select 'served'"))
        assert waiter.silent(1)
        holder.query("commit")
        assert rows_of(waiter.until("Z")) == [["served"]]
        holder.leave()
        waiter.leave()


def test_the_notice_comes_after_five_seconds_unless_a_reload_says_otherwise(gateway):
    gate = gateway(pool=1, defaults={"query_wait_notify": "5s"})
    rows = {row["key"]: row for row in gate.console("SHOW CONFIG")}
    assert rows["query_wait_notify"]["default"] == "5s" and rows["query_wait_notify"]["changeable"] == "yes"
