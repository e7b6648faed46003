# SPDX-License-Identifier: PostgreSQL
"""test_listen - LISTEN on a pooled port is what it is on a direct connection, and holds no server."""

import asyncio
import contextlib

import asyncpg
import psycopg
import pytest

import messages as m
from programs import eventually
from rawpg import Closed, Refused, errors_of, kinds, rows_of

CHANNELS = "select string_agg(c, ',' order by c) from pg_listening_channels() c"


def notifications(found):
    """(channel, payload) of the NotificationResponses among these messages."""
    return [tuple(m.strings(item.body[4:])) for item in found if item.type == "A"]


def told(client, count=1):
    """The next `count` notifications of an idle client."""
    found = []
    while len(found) < count:
        item = client.read()
        assert item.type == "A", f"a notification was expected, {item} came"
        found += notifications([item])
    return found


def pools(gate, column):
    return sum(row[column] for row in gate.console("SHOW POOLS"))


def counter(gate, name):
    return next(row["value"] for row in gate.console("SHOW COUNTERS") if row["name"] == name)


def hub_pids(gate):
    return [row["remote_pid"] for row in gate.console("SHOW SERVERS") if row["state"] == "listen"]


def free(gate):
    """Waits until nobody has a server."""
    eventually(lambda: pools(gate, "sv_active") == 0, 10, what="an end of linked servers")


def hears_nothing_else(client, postgres, channels):
    """True when the client, who listens to "end" too, gets nothing before what is sent there now."""
    postgres.sql("; ".join(f"notify {channel}, 'late'" for channel in channels) + "; notify \"end\"")
    return told(client) == [("end", "")]


def test_an_idle_listener_holds_no_server_and_hears(gateway, postgres):
    gate = gateway(pool=1, workers=2)
    listeners = [gate.login() for _ in range(4)]
    for client in listeners:
        assert kinds(client.query("listen news")) == "CZ"
    eventually(lambda: pools(gate, "sv_active") == 0, 10, what="an end of linked servers")
    postgres.sql("select pg_notify('news', 'one'), pg_notify('other', 'no')")
    for client in listeners:
        assert told(client) == [("news", "one")]
    postgres.sql("notify news, 'two'")
    for client in listeners:
        assert told(client) == [("news", "two")]
        client.leave()
    eventually(lambda: not hub_pids(gate), what="an end of the connection that listens for nobody")


def test_listeners_hear_while_every_server_is_in_a_transaction(gateway, postgres):
    gate = gateway(pool=1, workers=1)
    client, busy = gate.login(), gate.login()
    busy.query("begin")
    assert kinds(client.query("listen news")) == "CZ"
    postgres.sql("notify news, 'now'")
    assert told(client) == [("news", "now")]
    busy.query("commit")


def test_unlisten_ends_it(gateway, postgres):
    gate = gateway(pool=1, workers=1)
    client = gate.login()
    for sql in ('listen "end"', "listen one", "listen two", "LISTEN Three", "unlisten one"):
        client.query(sql)
    assert hears_nothing_else(client, postgres, ["one"])
    postgres.sql("notify three; notify two")
    assert sorted(told(client, 2)) == [("three", ""), ("two", "")]
    client.query("unlisten *")
    client.query('listen "end"')
    assert hears_nothing_else(client, postgres, ["one", "two", "three"])


@pytest.mark.parametrize("name, channel", [
    ("plain", "plain"), ("MiXed", "mixed"), ('"MiXed"', "MiXed"), ('"a ""b"" c;-- d"', 'a "b" c;-- d'), ("t1$x", "t1$x"),
    ('"' + "n" * 63 + '"', "n" * 63), ("n" * 70, "n" * 63), ('"n€ws"', "n€ws"), ("N€WS", "n€ws"), ('U&"\\0041b"', "Ab"),
    ("/* c */ commented -- x", "commented"), ('"select"', "select")])
def test_names_are_quoted_as_postgresql_does(gateway, postgres, name, channel):
    gate = gateway(pool=2, workers=1)
    client = gate.login()
    assert not errors_of(client.query(f"listen {name}"))
    with postgres.connect() as other:
        other.execute("select pg_notify(%s, 'x')", [channel])
    assert told(client) == [(channel, "x")]
    assert client.value(CHANNELS) == channel
    assert not errors_of(client.query(f"unlisten {name}"))
    assert client.value(CHANNELS) is None
    client.leave()
    free(gate)


@pytest.mark.parametrize("sql", ["listen select", "listen", "listen 'x'", "listen a b", 'listen ""', "unlisten select",
                                 "listen a, b", "unlisten"])
def test_errors_are_postgresqls_own(gateway, postgres, sql):
    gate = gateway(pool=1, workers=1)
    transcripts = []
    for client in (gate.login(), gate.login()):
        client.query("listen something")
    for port in (gate.pooled, postgres.port):
        from rawpg import Raw
        with Raw(port).login("app", "app") as client:
            transcripts.append(m.digest(client.query(sql)))
    assert transcripts[0] == transcripts[1]
    assert transcripts[0][0][0] == "E"


def test_payloads_up_to_8000_bytes_arrive_whole(gateway, postgres):
    gate = gateway(pool=1, workers=2)
    client = gate.login()
    client.query("listen big")
    with postgres.connect() as other:
        for size in (0, 1, 7999):
            other.execute("select pg_notify('big', repeat('p', %s))", [size])
            assert told(client) == [("big", "p" * size)]


# In transactions, functions and texts of several statements PostgreSQL decides.

COMMITTED = {
    "a block": ["begin", "listen a", "listen b", "commit"],
    "several statements": ["listen a; listen b"],
    "a savepoint": ["begin", "listen a", "savepoint s", "listen c", "rollback to s", "listen b", "commit"],
    "a second thought": ["begin", "listen a", "listen c", "unlisten c", "listen b", "commit"],
    "one by one": ["listen a", "begin", "listen b", "commit"],
    "less than before": ["listen a", "listen b", "listen c", "begin", "unlisten c", "commit"],
    "everything anew": ["listen c", "begin", "unlisten *", "listen a", "listen b", "commit"],
    "a block that failed": ["listen a", "listen b", "begin", "unlisten a", "listen c", "select 1/0", "commit"],
    "a rollback": ["listen a", "listen b", "begin", "unlisten *", "listen c", "rollback"],
    "a savepoint that takes back": ["listen a", "listen b", "begin", "savepoint s", "unlisten *", "rollback to s", "commit"],
    "several statements of which one fails": ["listen a; listen b", "listen c; select 1/0"],
    "a DO block": ["do $$ begin listen a; execute 'listen b'; end $$"],
    "less by a DO block": ["listen a", "listen b", "listen c", "do $$ begin unlisten c; end $$"],
    "DISCARD ALL": ["listen c", "begin", "listen d", "commit", "discard all", "listen a", "listen b"],
}


@pytest.mark.parametrize("name", COMMITTED)
def test_a_transaction_listens_when_it_commits(gateway, postgres, name):
    gate = gateway(pool=2, workers=2)
    client, other = gate.login(), gate.login()
    for sql in COMMITTED[name]:
        client.query(sql)
        other.query("select 1")
    postgres.sql("notify a, '1'; notify c, '2'; notify b, '3'")
    assert told(client, 2) == [("a", "1"), ("b", "3")]
    assert client.value(CHANNELS) == "a,b"
    assert other.value(CHANNELS) is None
    client.query('listen "end"')
    assert hears_nothing_else(client, postgres, ["c", "d"])
    assert client.value("select 1") == "1"


def test_the_server_of_a_transaction_that_listened_is_free_and_clean(gateway, postgres):
    gate = gateway(pool=1, workers=1)
    client, other = gate.login(), gate.login()
    for sql in ("begin", "listen a", "listen b", "commit"):
        client.query(sql)
    for _ in range(3):
        assert other.value(CHANNELS) is None
    free(gate)
    assert not [row for row in postgres.backends("usename = 'app'") if "nothing" in row["query"]]
    postgres.sql("notify a")
    assert told(client) == [("a", "")]


@pytest.mark.parametrize("how", ["at once", "in two round trips", "named and run later"])
def test_the_extended_protocol_listens_too(gateway, postgres, how):
    gate = gateway(pool=1, workers=1)
    client, other = gate.login(), gate.login()

    def run(sql):
        if how == "at once":
            return rows_of(client.ask(m.once(sql), m.sync()))
        name = "" if how == "in two round trips" else sql
        client.ask(m.parse(name, sql), m.describe("S", name), m.sync())
        if name:
            other.query("select 1")
        return rows_of(client.ask(m.bind("", name), m.execute(), m.sync()))

    run("listen a")
    run("listen b")
    run("listen c")
    run("unlisten b")
    postgres.sql("notify a, '1'; notify b, '2'; notify c, '3'")
    assert told(client, 2) == [("a", "1"), ("c", "3")]
    assert client.value(CHANNELS) == "a,c"
    assert other.value(CHANNELS) is None
    run("unlisten *")
    assert client.value(CHANNELS) is None
    free(gate)


def test_nothing_is_lost_or_doubled_while_a_session_moves(gateway, postgres):
    gate = gateway(pool=3, workers=2)
    clients = [gate.login() for _ in range(3)]
    serial = 0
    with postgres.connect() as sender:
        for turn in range(15):
            for client in clients:
                client.query("begin")
                client.query(f"listen turn{turn}")
                client.send(m.query("commit"))
                for _ in range(10):
                    serial += 1
                    sender.execute(f"notify turn{turn}, '{serial}'")
            heard = {client: notifications(client.until("Z")) for client in clients}
            serial += 1
            sender.execute(f"notify turn{turn}, '{serial}'")
            for client in clients:
                while not heard[client] or heard[client][-1][1] != str(serial):
                    heard[client] += told(client)
                found = [int(payload) for _, payload in heard[client]]
                assert found == list(range(found[0], serial + 1)), "a gap, a double or a wrong order"
                if turn % 2:
                    client.query("unlisten *")


def test_a_session_that_moves_hears_all_that_comes_after_its_commit(gateway, postgres):
    gate = gateway(pool=2, workers=2)
    with postgres.connect() as sender:
        for turn in range(30):
            client = gate.login()
            for sql in ("begin", "listen a", "commit"):
                client.query(sql)
            for serial in range(20):
                sender.execute(f"notify a, '{serial}'")
            assert told(client, 20) == [("a", str(serial)) for serial in range(20)]
            client.leave()


# A session's own notifications.

SELF = {
    "alone": ["listen a", "notify a, '1'"],
    "by function": ["listen a", "select pg_notify('a', '1'), 2"],
    "in a block": ["listen a", "begin", "notify a, '1'", "notify a, '2'", "commit"],
    "in one text": ["listen a", "notify a, '1'; select 1; notify a, '2'"],
    "in the transaction that listens": ["begin", "listen a", "notify a, '1'", "commit", "select 1"],
    "rolled back": ["listen a", "begin", "notify a, '1'", "rollback"],
    "no more": ["listen a", "begin", "unlisten a", "notify a", "commit"],
    "to another": ["listen a", "notify b"],
    "in a DO block": ["listen a", "do $$ begin perform pg_notify('a', '1'); end $$"],
}


@pytest.mark.parametrize("name", SELF)
def test_own_notifications_come_where_postgresql_sends_them(gateway, postgres, name):
    from rawpg import Raw
    gate = gateway(pool=2, workers=2)
    heard = []
    for port in (postgres.port, gate.pooled):
        with Raw(port).login("app", "app") as client:
            transcript = []
            for sql in SELF[name]:
                for item in client.query(sql):
                    if item.type == "A":
                        own = int.from_bytes(item.body[:4], "big") == client.pid
                        transcript.append((own, notifications([item])))
                    else:
                        transcript.append(m.digest([item])[0])
            heard.append(transcript)
    assert heard[0] == heard[1]


def test_own_notifications_of_a_pipeline_come_between_its_answers(gateway, postgres):
    from rawpg import Raw
    gate = gateway(pool=2, workers=1)
    heard = []
    for port in (postgres.port, gate.pooled):
        with Raw(port).login("app", "app") as client:
            client.query("listen a")
            parts = [m.query("notify a, '1'"), m.query("select 1"), m.once("notify a, '2'"), m.sync(),
                     m.query("begin"), m.query("notify a, '3'"), m.query("commit"), m.query("select 2")]
            heard.append(kinds(client.ask(*parts, count=7)))
    assert heard[0] == heard[1]


def test_no_notification_comes_inside_a_transaction(gateway, postgres):
    gate = gateway(pool=1, workers=1)
    client, witness = gate.login(), gate.login()
    for one in (client, witness):
        one.query("listen a")
    client.query("begin")
    postgres.sql("notify a, '1'")
    assert told(witness) == [("a", "1")]
    assert kinds(client.query("select 1")) == "TDCZ"
    postgres.sql("notify a, '2'")
    assert told(witness) == [("a", "2")]
    assert kinds(client.query("commit")) == "CAAZ"


# Limits and losses.

def test_two_hundred_channels(gateway, postgres):
    gate = gateway(pool=1, workers=2)
    client = gate.login()
    for number in range(200):
        client.query(f"listen channel{number}")
    with postgres.connect() as sender:
        for number in range(200):
            sender.execute(f"notify channel{number}, '{number}'")
    assert told(client, 200) == [(f"channel{number}", str(number)) for number in range(200)]
    assert client.value("select count(*) from pg_listening_channels()") == "200"
    client.query("begin")
    client.query("unlisten channel7")
    client.query("commit")
    assert client.value("select count(*) from pg_listening_channels()") == "199"


def test_channels_of_one_session_are_limited(gateway):
    gate = gateway(pool=1, workers=1, limits={"max_listen_channels": 3})
    client = gate.login()
    for name in "abca":
        assert not errors_of(client.query(f"listen {name}"))
    refused = errors_of(client.query("listen d"))[0]
    assert refused["C"] == "54000" and "max_listen_channels" in refused["M"]
    client.query("unlisten a")
    assert not errors_of(client.query("listen d"))


def test_more_channels_than_the_limit_in_a_block_keep_the_server(gateway, postgres):
    gate = gateway(pool=2, workers=1, limits={"max_listen_channels": 2})
    client, other = gate.login(), gate.login()
    for sql in ("begin", "listen a", "listen b", "listen c", "commit"):
        assert not errors_of(client.query(sql))
    assert other.value(CHANNELS) is None
    postgres.sql("notify c")
    assert told(client) == [("c", "")]
    assert client.value(CHANNELS) == "a,b,c"


def test_a_thousand_listeners(gateway, postgres):
    gate = gateway(pool=1, workers=2, limits={"max_client_conn": 1500, "max_login_conn": 1500})
    listeners = [gate.login() for _ in range(1000)]
    for client in listeners:
        client.send(m.query("listen news"))
    for client in listeners:
        client.until("Z")
    with postgres.connect() as sender:
        for serial in range(20):
            sender.execute(f"notify news, '{serial}'")
    for client in listeners:
        assert told(client, 20) == [("news", str(serial)) for serial in range(20)]
    assert len(hub_pids(gate)) == 1
    for client in listeners:
        client.close()
    eventually(lambda: not hub_pids(gate), 20, what="an end of the connection that listens for nobody")


def test_a_flood_reaches_everybody_in_order(gateway, postgres):
    gate = gateway(pool=2, workers=2)
    listeners = [gate.login() for _ in range(4)]
    for client in listeners:
        client.query("listen flood")
    postgres.sql("select pg_notify('flood', n || ' ' || repeat('x', 500)) from generate_series(1, 20000) n")
    for client in listeners:
        for number in range(1, 20001):
            payload = told(client)[0][1]
            assert payload.startswith(f"{number} ")


def test_a_session_that_does_not_read_is_closed_and_others_hear_on(gateway, postgres):
    gate = gateway(pool=2, workers=1, limits={"max_notify_hold": "64kB"})
    deaf, stuck, client = gate.login(), gate.login(), gate.login()
    for one in (deaf, stuck, client):
        one.query("listen flood")
    stuck.query("begin")
    text = "select pg_notify('flood', n || ' ' || repeat('x', 7000)) from generate_series({}, {}) n"
    for start in range(0, 4000, 5):
        postgres.sql(text.format(start, start + 4))
        told(client, 5)
        if counter(gate, "notifications") < 0:
            break
        if start % 500 == 0 and "client=" in gate.log() and gate.log().count("reason=notify_hold") == 2:
            break
    eventually(lambda: gate.log().count("reason=notify_hold") == 2, what="an end of both sessions that do not keep up")
    assert client.value("select 1") == "1"
    with contextlib.suppress(Closed):
        found = stuck.rest()
        assert errors_of(found)[-1]["C"] == "54000"


def test_listeners_outlive_the_loss_of_the_shared_connection(gateway, postgres):
    gate = gateway(pool=1, workers=2)
    listeners = [gate.login() for _ in range(3)]
    for number, client in enumerate(listeners):
        client.query("listen news")
        client.query(f"listen own{number}")
    (pid,) = hub_pids(gate)
    assert postgres.value(f"select pg_terminate_backend({pid})")
    eventually(lambda: "listens again" in gate.log(), 15, what="a second connection that listens")
    with postgres.connect() as sender:
        for number in range(3):
            sender.execute(f"notify own{number}")
        sender.execute("notify news, 'after'")
    for number, client in enumerate(listeners):
        assert told(client, 2) == [(f"own{number}", ""), ("news", "after")]
        assert client.value("select 1") == "1"
    assert counter(gate, "listeners_reconnected") == 1


def test_listeners_outlive_a_restart_of_postgresql(gateway):
    from cluster import Cluster
    from gate import configuration
    cluster = Cluster()
    try:
        cluster.start().prepare()
        gate = gateway(config=configuration(cluster.port, pool=2, workers=2))
        listeners = [gate.login() for _ in range(3)]
        for client in listeners:
            client.query("listen news")
        cluster.stop()
        eventually(lambda: "lost the connection that listens" in gate.log(), 10, what="a line about the loss")
        listeners[0].send(m.query("listen more"))
        cluster.start()
        listeners[0].until("Z")
        eventually(lambda: "listens again" in gate.log(), 15, what="a second connection that listens")
        cluster.sql("notify news, 'back'; notify more")
        assert told(listeners[0], 2) == [("news", "back"), ("more", "")]
        for client in listeners[1:]:
            assert told(client) == [("news", "back")]
        for client in listeners:
            assert client.value("select 1") == "1"
            client.leave()
        gate.stop()
    finally:
        cluster.destroy()


def test_without_a_password_here_the_client_keeps_its_server(gateway, postgres):
    gate = gateway(pool=3, workers=1, auth_type="relay")
    client, other = gate.login(user="alice"), gate.login(user="alice")
    assert not errors_of(client.query("listen a"))
    postgres.sql("notify a, '1'")
    assert told(client) == [("a", "1")]
    assert other.value(CHANNELS) is None
    assert client.value(CHANNELS) == "a"
    row = next(row for row in gate.console("SHOW CLIENTS") if row["pin"] and "listen" in row["pin"])
    assert row["user"] == "alice"
    client.query("unlisten *")
    free(gate)


def test_a_session_with_a_temporary_table_hears_as_well(gateway, postgres):
    gate = gateway(pool=2, workers=1)
    client = gate.login()
    client.query("create temp table mine (a int)")
    client.query("listen a")
    client.query("begin; listen b; commit")
    client.query("insert into mine values (1); notify a, 'own'")
    postgres.sql("notify a, '1'; notify b, '2'")
    assert told(client, 2) == [("a", "1"), ("b", "2")]
    assert client.value(CHANNELS) == "a,b"


def test_databases_and_encodings_do_not_mix(gateway, postgres):
    gate = gateway(pool=2, workers=2)
    here, there = gate.login(), gate.login(database="postgres")
    latin = gate.login(client_encoding="LATIN1")
    for client in (here, there, latin):
        client.query("listen news")
    postgres.sql("notify news, 'é'", dbname="app")
    postgres.sql("notify news, 'there'", dbname="postgres")
    assert told(here) == [("news", "é")]
    assert told(there) == [("news", "there")]
    assert latin.read().body.endswith(b"news\0\xe9\0")


def test_a_client_that_leaves_in_any_state_leaves_no_listener(gateway, postgres):
    gate = gateway(pool=2, workers=2)
    for ending in (["listen a"], ["begin", "listen a"], ["listen a", "begin"], ["begin; listen a; commit"]):
        for rude in (False, True):
            client = gate.login()
            for sql in ending[:-1]:
                client.query(sql)
            client.send(m.query(ending[-1]))
            client.reset() if rude else client.leave()
    eventually(lambda: not hub_pids(gate), 10, what="an end of the connection that listens for nobody")
    clients = [gate.login() for _ in range(2)]
    for client in clients:
        assert client.value("begin; " + CHANNELS) is None


# Drivers with their own loops.

def test_psycopg_loops_over_notifications(gateway, postgres):
    gate = gateway(pool=1, workers=2)
    with gate.connect() as connection, gate.connect() as sender:
        connection.execute("listen news")
        for serial in range(5):
            sender.execute("select pg_notify('news', %s)", [str(serial)])
        heard = []
        for found in connection.notifies():
            heard.append((found.channel, found.payload))
            if len(heard) == 5:
                break
        assert heard == [("news", str(serial)) for serial in range(5)]
        handled = []
        connection.add_notify_handler(handled.append)
        connection.execute("notify news, 'own'")
        assert [(own.payload, own.pid) for own in handled] == [("own", connection.info.backend_pid)]
    with gate.connect(autocommit=False) as connection:
        connection.execute("listen later")
        connection.commit()
        postgres.sql("notify later, 'x'")
        assert next(connection.notifies()).payload == "x"


def test_asyncpg_calls_its_listeners(gateway, postgres):
    gate = gateway(pool=2, workers=2)

    async def run():
        connection = await asyncpg.connect(host="127.0.0.1", port=gate.pooled, user="app", database="app")
        heard = asyncio.Queue()

        def listener(_, pid, channel, payload):
            heard.put_nowait((channel, payload))

        await connection.add_listener("news", listener)
        await connection.add_listener("More News", listener)
        postgres.sql("notify news, '1'; notify \"More News\", '2'")
        assert await asyncio.wait_for(heard.get(), 20) == ("news", "1")
        assert await asyncio.wait_for(heard.get(), 20) == ("More News", "2")
        await connection.remove_listener("news", listener)
        postgres.sql("notify news, '3'; notify \"More News\", '4'")
        assert await asyncio.wait_for(heard.get(), 20) == ("More News", "4")
        async with connection.transaction():
            await connection.execute("select pg_notify('More News', 'own')")
        assert await asyncio.wait_for(heard.get(), 20) == ("More News", "own")
        await connection.close()

    asyncio.run(run())


def test_execute_after_a_failed_drop_finds_its_server_where_the_session_listens(gateway):
    """While what a DROP changed is not known, statements go to servers that were made to listen first: the
    EXECUTE that waits for that must find the server as it was made."""
    gate = gateway(pool=1)
    client = gate.login()
    for _ in range(3):
        assert errors_of(client.query("drop table nowhere"))[0]["C"] == "42P01"
        assert kinds(client.query("listen news")) == "CZ"
        assert errors_of(client.query("execute nothing"))[0]["C"] == "26000"
        assert kinds(client.query("unlisten news")) == "CZ"


def test_a_session_back_in_its_logins_encoding_listens_without_a_server(gateway, postgres):
    gate = gateway(pool=1)
    client = gate.login(client_encoding="UTF8")
    client.query("set client_encoding = 'LATIN1'")
    client.query("listen news")
    eventually(lambda: [row["reasons"] for row in gate.console("SHOW PINS")] == ["listen"], 10, what="a pin")
    client.query("unlisten news")
    client.query("set client_encoding = 'UTF8'")
    client.query("listen news")
    eventually(lambda: pools(gate, "sv_active") == 0, 10, what="the server of a session that listens")
    postgres.sql("notify news, 'é'")
    assert told(client) == [("news", "é")]
