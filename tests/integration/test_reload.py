# SPDX-License-Identifier: PostgreSQL
"""test_reload - SIGHUP takes a good file whole and a bad one not at all, and no session notices."""

import signal
import time

import pytest

import programs
from gate import configuration
from load import Neighbours
from rawpg import Refused


def value(gateway, key):
    return {row["key"]: row["value"] for row in gateway.console("SHOW CONFIG")}[key]


def test_a_good_file_is_taken_under_load(gateway, postgres):
    pool = gateway(pool=2)
    with Neighbours(pool, 6) as neighbours:
        for size in (3, 4, 2, 5):
            pool.reload(configuration(postgres.port, pool=size))
            programs.eventually(lambda: value(pool, "default_pool_size") == str(size), 3)
            time.sleep(0.2)
    neighbours.check()


def test_a_bad_file_changes_nothing_and_says_why(gateway, postgres):
    pool = gateway(pool=2)
    with Neighbours(pool, 4) as neighbours:
        said = pool.reload(configuration(postgres.port, pool=9, defaults={"no_such_key": 1}))
        assert "no_such_key" in said and "pgsluice.conf:" in said
        assert value(pool, "default_pool_size") == "2"
        for text in ("", "{", "listeners = 5;", "\0\1\2"):
            pool.write(text)
            pool.signal(signal.SIGHUP)
            time.sleep(0.2)
        assert value(pool, "default_pool_size") == "2"
        pool.config_path.unlink()
        pool.signal(signal.SIGHUP)
        time.sleep(0.2)
        assert value(pool, "default_pool_size") == "2"
    neighbours.check()


def test_new_routes_count_for_new_sessions_only(gateway, postgres):
    pool = gateway(pool=2)
    with pool.login(user="bob") as old:
        pool.reload(configuration(postgres.port, pool=2,
                                  routes=[{"name": "closed", "match": {"user": "bob"}, "mode": "reject"}]))
        with pool.raw() as new, pytest.raises(Refused):
            new.login("bob", "app")
        assert old.value("select 'unharmed'") == "unharmed"
        old.leave()


def test_a_larger_pool_serves_those_who_wait(gateway, postgres):
    pool = gateway(pool=1)
    with pool.login() as holder, pool.login() as waiter:
        holder.query("begin")
        waiter.send(b"Q\0\0\0\x0dselect 1\0")
        time.sleep(0.2)
        pool.reload(configuration(postgres.port, pool=2))
        assert waiter.until("Z")
        holder.query("commit")
        holder.leave()
        waiter.leave()


def test_changed_users_count_from_the_reload_on(gateway, postgres):
    options = {"pool": 2, "auth": {"auth_type": "scram-sha-256", "auth_file": "users.txt"}}
    pool = gateway(**options, files={"users.txt": '"app" "first"\n'})
    with pool.raw() as old:
        old.login("app", "app", "first").query("select 1")
        programs.write(pool.directory / "users.txt", '"app" "second"\n')
        pool.reload(configuration(postgres.port, **options))
        with pool.raw() as client, pytest.raises(Refused):
            client.login("app", "app", "first")
        with pool.raw() as client:
            assert client.login("app", "app", "second").value("select 1") == "1"
            client.leave()
        assert old.value("select 'unharmed'") == "unharmed"
        old.leave()


@pytest.mark.slow
def test_fifty_reloads_under_load_harm_nobody(gateway, postgres):
    pool = gateway(pool=3, workers=4)
    with Neighbours(pool, 8) as neighbours:
        for n in range(50):
            pool.write(configuration(postgres.port, pool=2 + n % 4, routes=[
                {"name": f"r{n % 3}", "match": {"application_name": f"a{n}"}, "mode": "session"}]))
            pool.signal(signal.SIGHUP)
            time.sleep(0.05)
    neighbours.check()
