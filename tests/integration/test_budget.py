# SPDX-License-Identifier: PostgreSQL
"""test_budget - a PostgreSQL of twenty connections, and everybody who wants one."""

import asyncio
import contextlib
import signal
import threading
import time

import psycopg
import pytest

import messages as m
import programs
from cluster import Cluster
from gate import Gateway, configuration
from programs import eventually

DATABASES = ("app", "second", "third")
USERS = ("app", "bob", "dumper")


@pytest.fixture(scope="module")
def small():
    """max_connections = 20, three of them for superusers."""
    cluster = Cluster("small", settings={"max_connections": 20, "max_wal_senders": 2})
    try:
        cluster.start().prepare()
        cluster.sql("create database second;\ncreate database third;\ngrant pg_monitor to stats")
        yield cluster
    finally:
        cluster.destroy()


@pytest.fixture
def gate(small):
    """gate(pool=..., GROUP={...}): a gateway in front of it that counts ten times a second."""
    started = []

    def start(pool=20, auth=None, budget=None, **options):
        small.quiet("application_name like 'pgsluice control %'") if not started else None
        auth = {"auth_type": "trust", "auth_user": "stats"} if auth is None else auth
        budget = {"control_interval": "100ms", "headroom": 0} | (budget or {})
        started.append(Gateway(configuration(small.port, pool=pool, auth=auth, budget=budget, **options)))
        return started[-1]

    yield start
    for one in reversed(started):
        one.close()


def budget(gateway):
    return gateway.console("SHOW BUDGET")[0]


def counted(gateway):
    eventually(lambda: budget(gateway)["source"] == "control connection", 20, what="a first count")
    return gateway


def counters(gateway):
    return {row["name"]: row["value"] for row in gateway.console("SHOW COUNTERS")}


class Crowd:
    """Clients that come, work and go, each in its own database and user, until told to stop."""

    def __init__(self, port, clients, pause=0.0):
        self.port, self.clients, self.pause = port, clients, pause
        self.done = [0] * clients
        self.errors = []
        self.stopping = False
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *trouble):
        self.stopping = True
        self.thread.join(120)

    async def _one(self, number):
        where = {"host": "127.0.0.1", "port": self.port, "user": USERS[number // 3 % 3],
                 "dbname": DATABASES[number % 3], "connect_timeout": 60}
        try:
            async with await psycopg.AsyncConnection.connect(**where, autocommit=True) as connection:
                while not self.stopping:
                    async with connection.transaction():
                        await connection.execute("select 1")
                        await asyncio.sleep(self.pause)
                    self.done[number] += 1
        except (psycopg.Error, OSError) as trouble:
            self.errors.append(f"{number}: {trouble!r}")

    async def _run(self):
        await asyncio.gather(*(self._one(number) for number in range(self.clients)))

    def served(self, times=1):
        return all(done >= times for done in self.done)


def dump(gateway, listener="direct", database="app"):
    return programs.run(programs.BIN + "/pg_dump", "-h", "127.0.0.1", "-p", gateway.ports[listener], "-U", "app",
                        "-d", database, check=False, timeout=60)


@contextlib.contextmanager
def foreigners(cluster, count, user="app"):
    """So many connections of another program; as many of them as PostgreSQL has room for."""
    with contextlib.ExitStack() as stack:
        got = []
        for _ in range(count):
            try:
                got.append(stack.enter_context(cluster.connect(user=user)))
            except psycopg.OperationalError:
                break
        yield got


def test_superusers_keep_their_connections_and_show_budget_adds_up(gate, small):
    one = counted(gate())
    row = budget(one)
    assert (row["max_connections"], row["reserved"], row["gateways"]) == (20, 3, 1)
    assert row["capacity"] == 17 - row["foreign"]
    with Crowd(one.pooled, 40) as crowd:
        eventually(crowd.served, 60, what="a transaction for everybody")
        assert small.value("select count(*) from pg_stat_activity where backend_type = 'client backend' "
                           "and usename <> 'postgres'") <= 17
        with small.connect(user="keeper") as keeper:
            assert keeper.execute("select 1").fetchone() == (1,)
    assert crowd.errors == []


def test_three_hundred_clients_and_a_greedy_stranger_never_meet_an_error(gate, small):
    one = counted(gate())
    quiet = small.log_since()
    with Crowd(one.pooled, 300) as crowd:
        eventually(crowd.served, 120, what="a transaction for everybody")
        for count in (6, 10, 3):
            with foreigners(small, count):
                before = list(crowd.done)
                eventually(lambda: all(now > then for now, then in zip(crowd.done, before)) or crowd.errors, 120,
                           what="another transaction for everybody")
    assert crowd.errors == []
    assert "too many" not in one.log() or budget(one)["refusals"] > 0
    assert quiet().count("sorry, too many clients") <= budget(one)["refusals"] + 20


def test_pools_that_take_turns_on_every_last_connection_are_not_refused(gate, small):
    one = counted(gate(budget={"direct_reserved": 0, "pooled_reserved": 0, "admin_reserved": 0}))
    quiet = small.log_since()
    with Crowd(one.pooled, 200) as crowd:
        eventually(lambda: crowd.served(20), 120, what="twenty transactions for everybody")
        eventually(lambda: budget(one)["pooled_used"] == 16, 20, what="all but the control connection in use")
    assert crowd.errors == []
    assert (budget(one)["refusals"], quiet().count("53300")) == (0, 0)


def test_a_dump_starts_at_once_through_a_full_house(gate):
    one = counted(gate())
    with Crowd(one.pooled, 120) as crowd:
        eventually(crowd.served, 60, what="a transaction for everybody")
        for listener in ("direct", "pooled"):
            result = dump(one, listener)
            assert result.returncode == 0, result.stderr
            assert "CREATE TABLE public.items" in result.stdout
    assert crowd.errors == []
    assert counters(one)["direct_waits"] == 0


def test_direct_sessions_beyond_their_share_wait_and_are_told_so(gate):
    one = counted(gate(budget={"pooled_reserved": 10}))
    with contextlib.ExitStack() as stack:
        room = budget(one)["capacity"] - 10 - 2
        for _ in range(room):
            stack.enter_context(one.connect("direct"))
        told = []

        def come():
            with psycopg.connect(host="127.0.0.1", port=one.direct, user="app", dbname="app") as late:
                told.append(late.execute("select 1").fetchone())

        late = one.raw("direct", timeout=60)
        late.send(m.startup("app", "app"))
        eventually(lambda: budget(one)["direct_waiting"] == 1, 20, what="one in the queue")
        with one.connect() as pooled:
            assert pooled.execute("select 1").fetchone() == (1,)
        thread = threading.Thread(target=come)
        thread.start()
        eventually(lambda: budget(one)["direct_waiting"] == 2, 20, what="two in the queue")
    messages = late.until("Z")
    notices = [message for message in messages if message.type == "N"]
    assert len(notices) == 1 and "waited" in m.fields(notices[0].body)["M"]
    late.leave()
    thread.join(30)
    assert told == [(1,)]
    assert counters(one)["direct_waits"] == 2


def test_direct_wait_timeout_ends_the_waiting_with_its_name(gate):
    one = counted(gate(budget={"direct_reserved": 0, "pooled_reserved": 10},
                       defaults={"direct_wait_timeout": "300ms"}))
    with contextlib.ExitStack() as stack, pytest.raises(psycopg.OperationalError, match="direct_wait_timeout"):
        for _ in range(20):
            stack.enter_context(one.connect("direct"))


def test_a_reload_changes_the_shares(gate):
    one = counted(gate())
    assert budget(one)["direct_reserved"] == 5
    config = one.config | {"budget": one.config["budget"] | {"direct_reserved": 3, "headroom": 2}}
    assert "was reloaded" in one.reload(config)
    row = budget(one)
    assert (row["direct_reserved"], row["headroom"]) == (3, 2)
    eventually(lambda: budget(one)["capacity"] == 15 - budget(one)["foreign"], 20, what="less with more headroom")


def test_a_shutdown_ends_direct_sessions_that_still_wait(gate):
    one = counted(gate(budget={"pooled_reserved": 14, "direct_reserved": 1, "admin_reserved": 2},
                       limits={"shutdown_timeout": "60s"}))
    with one.connect("direct"):
        late = one.raw("direct", timeout=60)
        late.send(m.startup("app", "app"))
        eventually(lambda: budget(one)["direct_waiting"] == 1, 20, what="one in the queue")
        one.signal(signal.SIGTERM)
        assert m.fields(late.until("E")[-1].body)["C"] == "57P01"
    one.stop()


def test_replication_waits_for_a_wal_sender(gate, small):
    one = counted(gate())
    where = {"host": "127.0.0.1", "port": one.direct, "user": "app", "dbname": "app", "replication": "database"}
    with psycopg.connect(**where, autocommit=True) as first, psycopg.connect(**where, autocommit=True) as second:
        assert first.execute("IDENTIFY_SYSTEM") and second.execute("IDENTIFY_SYSTEM")
        third = one.raw("direct", timeout=60)
        third.send(m.startup("app", "app", replication="database"))
        eventually(lambda: budget(one)["replication_waiting"] == 1, 20, what="one that waits")
    assert third.until("Z")
    third.leave()


@pytest.mark.parametrize("option, users, databases", [("max_db_connections", USERS, ("app",)),
                                                      ("max_user_connections", ("bob",), DATABASES),
                                                      ("max_route_connections", USERS, DATABASES)])
def test_a_limit_holds_across_pools(gate, small, option, users, databases):
    one = counted(gate(defaults={option: 2}))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(one.connect(user=user, dbname=database))
                   for user in users for database in databases]
        for client in clients:
            assert client.execute("select 1").fetchone() == (1,)
        mine = "usename in ('app', 'bob', 'dumper')"
        assert len(small.backends(mine)) <= 2


@pytest.mark.parametrize("limit", ["role bob", "database third"])
def test_postgresqls_own_connection_limits_are_kept(gate, small, limit):
    small.sql(f"alter {limit} connection limit 1")
    try:
        one = counted(gate())
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(one.connect(user="bob", dbname="third")) for _ in range(5)]
            threads = [threading.Thread(target=client.execute, args=("select pg_sleep(0.1)",)) for client in clients]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            assert all(client.execute("select 1").fetchone() == (1,) for client in clients)
    finally:
        small.sql(f"alter {limit} connection limit -1")


def test_without_credentials_refusals_tell_and_nobody_sees_them(gate, small):
    one = gate(auth={"auth_type": "trust"})
    assert budget(one)["source"] == "PostgreSQL's refusals only: no auth_user is configured"
    with Crowd(one.pooled, 60, pause=0.002) as crowd:
        eventually(crowd.served, 120, what="a transaction for everybody")
        with foreigners(small, 8):
            before = list(crowd.done)
            eventually(lambda: all(now > then for now, then in zip(crowd.done, before)) or crowd.errors, 120,
                       what="another transaction for everybody")
    assert crowd.errors == []
    assert budget(one)["source"] == "pooled servers' answers, and refusals: no auth_user is configured"
    assert budget(one)["capacity"] <= 17


def test_gateways_find_each_other_and_split_and_a_killed_one_leaves_its_part(gate, small):
    one, two = counted(gate()), counted(gate())
    with Crowd(one.pooled, 60) as first:
        eventually(first.served, 60, what="a transaction for everybody")
        with Crowd(two.pooled, 60) as second:
            eventually(second.served, 60, what="a transaction for everybody of the second")
            eventually(lambda: budget(one)["gateways"] == budget(two)["gateways"] == 2, 20, what="two gateways")
            eventually(lambda: abs(budget(one)["capacity"] - budget(two)["capacity"]) <= 2, 30, what="equal parts")
            three = counted(gate())
            with Crowd(three.pooled, 60) as third:
                eventually(third.served, 60, what="a transaction for everybody of the third")
                eventually(lambda: budget(one)["gateways"] == 3, 20, what="three gateways")
            started = time.monotonic()
            three.kill()
            eventually(lambda: budget(one)["gateways"] == 2, 20, what="the end of the third")
            eventually(lambda: budget(one)["capacity"] + budget(two)["capacity"] >= 15, 20, what="its part shared")
            assert time.monotonic() - started < 15
    assert first.errors == second.errors == third.errors == []


def test_an_idle_gateway_leaves_its_connections_to_a_busy_one(gate, small):
    one, two = counted(gate()), counted(gate())
    with Crowd(one.pooled, 60) as first:
        eventually(first.served, 60, what="a transaction for everybody")
    with Crowd(two.pooled, 60) as second:
        eventually(second.served, 60, what="a transaction for everybody")
        eventually(lambda: budget(two)["pooled_used"] > budget(one)["pooled_used"], 30, what="most for the busy one")
    assert first.errors == second.errors == []
