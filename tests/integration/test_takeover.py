# SPDX-License-Identifier: PostgreSQL
"""test_takeover - a new process takes over from the old one, and nobody who is connected notices."""

import contextlib
import os
import random
import re
import signal
import socket
import threading

import psycopg
import pytest

import messages as m
import programs
from gate import SANITIZERS, configuration
from load import Neighbours, ordinary_work
from programs import eventually
from rawpg import errors_of, rows_of
from secure import tls_options
from takeovers import ended, start_successor, take_over
from test_listen import notifications, told

pytest_plugins = ("secure_fixtures",)


def settings_work(client, number, dice):
    tag = str(dice.randrange(1 << 30))
    client.query(f"set my.tag = '{tag}'")
    client.query(f"set work_mem = '{64 + number}kB'")
    assert client.value("show my.tag") == tag
    assert client.value("show work_mem") == f"{64 + number}kB"


def prepared_work(client, number, dice):
    tag = dice.randrange(1 << 30)
    name = f"adds_{number}"
    if not getattr(client, "prepared", False):
        client.ask(m.parse(name, f"select $1::int8 + {number}", [20]), m.sync())
        client.prepared = True
    found = client.ask(m.bind("", name, [str(tag).encode()]), m.execute(""), m.sync())
    assert rows_of(found) == [[str(tag + number)]]


def block_work(client, number, dice):
    tag = dice.randrange(1 << 30)
    client.query("begin")
    client.query(f"create temp table scratch{number} on commit drop as select {tag} as tag")
    assert client.value(f"select tag from scratch{number}") == str(tag)
    client.query("commit")


def pinned_work(client, number, dice):
    if not getattr(client, "locked", False):
        client.query(f"select pg_advisory_lock({7000 + number})")
        client.locked = True
    assert client.value("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()") == "1"
    client.query(f"select pg_advisory_unlock({7000 + number})")
    client.locked = False


def pipeline_work(client, number, dice):
    tags = [dice.randrange(1 << 30) for _ in range(5)]
    found = client.ask(*(m.query(f"select {tag}") for tag in tags), count=5)
    assert rows_of(found) == [[str(tag)] for tag in tags]


WORKS = [ordinary_work, settings_work, prepared_work, block_work, pinned_work, pipeline_work]


def mixed_work(client, number, dice):
    WORKS[number % len(WORKS)](client, number, dice)


class Drivers:
    """psycopg connections that go on with parameters and prepared statements until stopped."""

    def __init__(self, pgsluice, count):
        self.troubles, self.done = [], 0
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(pgsluice, number), daemon=True)
                         for number in range(count)]

    def _run(self, pgsluice, number):
        dice = random.Random(number)
        try:
            with pgsluice.connect(prepare_threshold=2) as connection:
                while not self._end.is_set():
                    tag = dice.randrange(1 << 30)
                    assert connection.execute("select %s::int8", [tag]).fetchone() == (tag,)
                    with connection.transaction():
                        assert connection.execute("select %s::text", [str(tag)]).fetchone() == (str(tag),)
                    self.done += 1
        except Exception as trouble:
            self.troubles.append(repr(trouble))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join(60)

    def check(self):
        assert not self.troubles, self.troubles[:5]
        assert self.done > 0


def test_an_idle_session_goes_on_in_the_new_process(gateway):
    pgsluice = gateway()
    with pgsluice.login() as client:
        assert client.value("select 1") == "1"
        ended(take_over(pgsluice))
        assert client.value("select 2") == "2"
        assert [row["user"] for row in pgsluice.console("SHOW CLIENTS")].count("app") == 1
        client.leave()


def test_a_session_takes_its_state_along(gateway):
    pgsluice = gateway()
    with pgsluice.login(application_name="first", options="-c work_mem=5MB") as client:
        client.query("set application_name = 'second'")
        client.query("set search_path = pg_catalog, public")
        client.query("set my.own = 'thing'")
        client.ask(m.parse("named", "select $1::int + 1", [23]), m.sync())
        client.ask(m.parse("", "select 'unnamed'"), m.sync())
        ended(take_over(pgsluice))
        assert rows_of(client.ask(m.bind("", ""), m.execute(""), m.sync())) == [["unnamed"]]
        assert rows_of(client.ask(m.bind("", "named", [b"41"]), m.execute(""), m.sync())) == [["42"]]
        assert client.value("show application_name") == "second"
        assert client.value("show search_path") == "pg_catalog, public"
        assert client.value("show my.own") == "thing"
        assert client.value("show work_mem") == "5MB"
        client.query("set work_mem = '6MB'")
        client.query("reset all")
        assert client.value("show work_mem") == "5MB"
        assert client.value("show search_path") == '"$user", public'
        client.leave()


def test_half_a_message_is_completed_in_the_new_process(gateway):
    pgsluice = gateway()
    with pgsluice.login() as client:
        assert client.value("select 1") == "1"
        whole = m.query("select 'in two processes'")
        client.send(whole[:9])
        old = take_over(pgsluice)
        client.send(whole[9:])
        assert rows_of(client.until("Z")) == [["in two processes"]]
        ended(old)
        client.leave()


def test_a_transaction_ends_in_the_old_process_and_its_session_moves_then(gateway):
    pgsluice = gateway()
    with pgsluice.login() as client:
        client.query("begin")
        client.query("create temp table here on commit drop as select 5 as five")
        old = take_over(pgsluice)
        assert client.value("select five from here") == "5"
        assert old.poll() is None
        client.query("commit")
        ended(old)
        assert client.value("select 1") == "1"
        client.leave()


def test_passwords_that_logins_brought_open_servers_in_the_new_process(gateway):
    pgsluice = gateway(auth_type="scram-sha-256", auth={"auth_file": "users"}, files={
        "users": '"alice" "alice-secret"\n"postgres" ""\n'}, admin={"admin_users": ["alice"]})
    with pgsluice.login(user="alice") as client:
        assert client.value("select current_user") == "alice"
        ended(take_over(pgsluice))
        assert client.value("select current_user") == "alice"
        client.leave()


def test_sessions_whose_servers_only_their_logins_open_stay(gateway):
    pgsluice = gateway(auth_type="relay", limits={"takeover_timeout": "3s"})
    with pgsluice.login(user="alice") as client:
        assert client.value("select 1") == "1"
        old = take_over(pgsluice)
        assert client.value("select 2") == "2"
        assert old.poll() is None
        with pgsluice.login(user="alice") as another:
            assert another.value("select 3") == "3"
            another.leave()
        assert [error["C"] for error in errors_of(client.rest())] == ["57P01"]
        ended(old)


@pytest.mark.slow
def test_fifty_clients_with_state_go_through_three_takeovers(gateway):
    pgsluice = gateway(pool=8, limits={"shutdown_timeout": "20s"})
    with Neighbours(pgsluice, 40, mixed_work, pause=0.02) as neighbours, Drivers(pgsluice, 10) as drivers:
        olds = []
        for by_signal in (False, True, False):
            before = neighbours.done
            olds.append(take_over(pgsluice, by_signal))
            eventually(lambda: neighbours.done > before + 100 or neighbours.troubles, 60, what="work in between")
        for old in olds:
            ended(old, 60)
    neighbours.check()
    drivers.check()
    rows = pgsluice.console("SHOW COUNTERS")
    assert next(row["value"] for row in rows if row["name"] == "sessions_arrived") >= 40


@pytest.mark.slow
def test_a_dump_runs_through_a_takeover(gateway, postgres):
    postgres.sql("create table if not exists bulk as select i, repeat(md5(i::text), 20) as filler "
                 "from generate_series(1, 60000) i", user="app")
    pgsluice = gateway()
    reader, writer = os.pipe()
    direct = pgsluice.ports["direct"]
    process = programs.subprocess.Popen(
        ["pg_dump", "-h", "127.0.0.1", "-p", str(direct), "-U", "app", "-t", "items", "-t", "bulk", "app"],
        stdout=writer, stderr=programs.subprocess.PIPE, env=programs.environment(), **programs.identity())
    os.close(writer)
    with os.fdopen(reader, "rb") as output:
        begun = output.read(10000)
        old = take_over(pgsluice)
        assert old.poll() is None
        rest = output.read()
    assert process.wait(60) == 0, process.stderr.read()
    process.stderr.close()
    assert b"PostgreSQL database dump complete" in (begun + rest)[-200:]
    ended(old)


def test_a_cancel_finds_its_session_wherever_it_is(gateway):
    pgsluice = gateway()
    with pgsluice.login() as moved, pgsluice.login() as busy, pgsluice.login("direct") as direct:
        busy.query("begin")
        busy.send(m.query("select pg_sleep(60)"))
        direct.send(m.query("select pg_sleep(60)"))
        old = take_over(pgsluice)
        eventually(lambda: len(pgsluice.console("SHOW CLIENTS")) == 2, 20, what="the idle session's move")
        moved.send(m.query("select pg_sleep(60)"))
        for client in (moved, busy, direct):
            eventually(lambda: not client.silent(0) or client.cancel() or not client.silent(0.5), 20, pause=0,
                       what="the end of a cancelled query")
            assert [error["C"] for error in errors_of(client.until("Z"))] == ["57014"]
        busy.query("rollback")
        direct.leave()
        ended(old)
        assert busy.value("select 1") == "1"
        for client in (moved, busy):
            client.leave()


def test_no_notification_is_lost_or_doubled_by_takeovers(gateway):
    pgsluice = gateway()
    listeners = [pgsluice.login() for _ in range(6)]
    for client in listeners:
        client.query("listen news")
        client.query('listen "Other"')
    sent, end = [], threading.Event()

    def notify():
        with pgsluice.connect() as connection:
            while not end.is_set():
                connection.execute(f"notify {('news', chr(34) + 'Other' + chr(34))[len(sent) % 2]}, '{len(sent)}'")
                sent.append(len(sent))

    thread = threading.Thread(target=notify, daemon=True)
    thread.start()
    try:
        for _ in range(3):
            before = len(sent)
            ended(take_over(pgsluice))
            eventually(lambda: len(sent) > before + 20, 20, what="notifications in between")
    finally:
        end.set()
        thread.join(30)
    for client in listeners:
        heard = [int(payload) for _, payload in told(client, len(sent))]
        assert heard == sent, [pair for pair in zip(heard, sent) if pair[0] != pair[1]][:3]
        found = client.query("select 1")
        assert notifications(found) == []
        client.query("unlisten *")
        client.leave()


def test_a_new_process_that_cannot_read_its_configuration_changes_nothing(gateway):
    pgsluice = gateway()
    with pgsluice.login() as client:
        pgsluice.write("workers = nonsense;")
        new = start_successor(pgsluice)
        assert new.wait(20) == 2
        pgsluice.signal(signal.SIGUSR2)
        eventually(lambda: "has ended with 2" in pgsluice.log(), 20, what="the successor's end")
        assert client.value("select 1") == "1"
        with pgsluice.login() as another:
            assert another.value("select 1") == "1"
            another.leave()
        pgsluice.write(configuration(1))
        client.leave()


def test_nobody_to_take_over_from_is_said(gateway):
    pgsluice = gateway(takeover_socket="")
    with pgsluice.login() as client:
        new = start_successor(pgsluice)
        assert new.wait(20) == 1
        assert "takeover_socket is empty" in pgsluice.log()
        client.leave()


def hello(version, size=None):
    body = version.to_bytes(4, "big") + b"test\0"
    return (size or len(body)).to_bytes(4, "big") + b"\0\0\0\0" + body


class Impostor:
    """A process that says what it wants on the takeover socket, as the account that pgsluice runs as."""

    SCRIPT = ("import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
              "s.sendall(bytes.fromhex(sys.argv[2])); s.settimeout(20); data = b''\n"
              "while len(data) < int(sys.argv[3]):\n"
              "    part = s.recv(4096)\n"
              "    if not part: break\n"
              "    data += part\n"
              "print(data.hex(), flush=True)\n"
              "sys.stdin.read()\n")

    def __init__(self, path, data, wanted=1, **who):
        self.process = programs.subprocess.Popen(
            ["/usr/bin/python3", "-c", self.SCRIPT, str(path), data.hex(), str(wanted)], text=True,
            stdin=programs.subprocess.PIPE, stdout=programs.subprocess.PIPE, cwd="/", **(who or programs.identity()))

    def said(self):
        return bytes.fromhex(self.process.stdout.readline().strip())

    def end(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.communicate(timeout=20)


@pytest.fixture
def known_place(gateway):
    """A gateway whose takeover socket is in its own directory."""
    directory = programs.private_directory("takeover")
    path = directory / "socket"

    def start(**options):
        pgsluice = gateway(takeover_socket=str(path), **options)
        eventually(path.exists, 20, what="the takeover socket")
        return pgsluice, path

    yield start
    programs.remove(directory)


def serves_on(pgsluice, *clients):
    for client in clients:
        assert client.value("select 1") == "1"
    with pgsluice.login() as another:
        assert another.value("select 1") == "1"
        another.leave()


def test_another_version_and_nonsense_are_refused(known_place):
    pgsluice, path = known_place()
    assert os.stat(path).st_mode & 0o777 == 0o600
    with pgsluice.login() as client:
        serving = (5).to_bytes(5, "big") + b"\0\0\0"
        for data, said in ((hello(999), "do not understand each other"), (hello(1, 100000), "makes no sense"),
                           (b"\0\0\0\0\xff\0\0\0", "makes no sense"), (serving, "did not take over")):
            before = len(pgsluice.log())
            impostor = Impostor(path, data, 0 if data == serving else 1)
            if data == serving:
                impostor.said()
            else:
                eventually(lambda: said in pgsluice.log()[before:], 20, what=f"a line: {said}")
            impostor.end()
            eventually(lambda: said in pgsluice.log()[before:], 20, what="the end of an attempt")
        serves_on(pgsluice, client)
        old = take_over(pgsluice)
        ended(old)
        serves_on(pgsluice, client)
        assert os.path.exists(path)
        client.leave()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_another_user_is_refused(known_place):
    pgsluice, path = known_place()
    with pgsluice.login() as client:
        impostor = Impostor(path, hello(1), user=0)
        eventually(lambda: "belongs to another user" in pgsluice.log(), 20, what="a refusal")
        assert impostor.said() == b""
        impostor.end()
        serves_on(pgsluice, client)
        client.leave()


def test_a_new_process_killed_before_it_serves_leaves_all_to_the_old_one(known_place):
    pgsluice, path = known_place()
    with pgsluice.login() as client:
        impostor = Impostor(path, hello(1), 60)
        assert b"pooled" in impostor.said()
        serves_on(pgsluice, client)
        impostor.end()
        eventually(lambda: "did not take over" in pgsluice.log(), 20, what="the end of an attempt")
        serves_on(pgsluice, client)
        ended(take_over(pgsluice))
        serves_on(pgsluice, client)
        client.leave()


def test_a_new_process_killed_half_way_leaves_who_did_not_go_to_the_old_one(gateway):
    pgsluice = gateway()
    with pgsluice.login() as client, pgsluice.login() as moved:
        client.query("begin")
        old = take_over(pgsluice)
        eventually(lambda: any(row["user"] == "app" for row in pgsluice.console("SHOW CLIENTS")), 20,
                   what="a move")
        new, pgsluice.process = pgsluice.process, old
        new.kill()
        new.wait(10)
        eventually(lambda: "accepts again" in pgsluice.log(), 20, what="the old process's return")
        assert moved.closed(10)
        client.query("commit")
        serves_on(pgsluice, client)
        ended(take_over(pgsluice))
        serves_on(pgsluice, client)
        client.leave()


def test_sockets_that_are_new_are_opened_and_those_that_vanished_closed(gateway):
    pgsluice = gateway()
    first, second = programs.free_port(), programs.free_port()
    directory = programs.private_directory("sockets")
    config = dict(pgsluice.config)
    extra = {"name": "extra", "listen": [f"127.0.0.1:{first}", f"{directory}/gone"], "mode": "transaction"}
    pgsluice.write(config | {"listeners": config["listeners"] + [extra]})
    ended(take_over(pgsluice))
    socket.create_connection(("127.0.0.1", first)).close()
    with socket.socket(socket.AF_UNIX) as local:
        local.connect(f"{directory}/gone")
    extra = {"name": "extra", "listen": [f"127.0.0.1:{second}", f"{directory}/kept"], "mode": "transaction"}
    pgsluice.write(config | {"listeners": config["listeners"] + [extra]})
    ended(take_over(pgsluice))
    socket.create_connection(("127.0.0.1", second)).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first))
    assert not os.path.exists(f"{directory}/gone")
    ended(take_over(pgsluice))
    with socket.socket(socket.AF_UNIX) as local:
        local.connect(f"{directory}/kept")
    pgsluice.stop()
    assert not os.path.exists(f"{directory}/kept")
    programs.remove(directory)


def test_a_session_that_cannot_move_is_ended_between_transactions_when_its_time_is_over(gateway):
    pgsluice = gateway(limits={"takeover_timeout": "1s", "shutdown_timeout": "20s"})
    with pgsluice.login() as pinned, pgsluice.login() as busy, pgsluice.login("direct") as direct:
        for client in (pinned, busy):
            client.query("create temp table mine as select 1 as one")
        busy.query("begin")
        old = take_over(pgsluice)
        assert pinned.value("select one from mine") == "1"
        assert [error["C"] for error in errors_of(pinned.rest())] == ["57P01"]
        assert busy.value("select one from mine") == "1"
        busy.send(m.query("commit"))
        assert [error["C"] for error in errors_of(busy.rest())] == ["57P01"]
        assert direct.value("select 1") == "1"
        assert old.poll() is None
        direct.leave()
        ended(old)


def test_a_session_with_tls_finishes_in_the_old_process(gateway, certificates):
    pgsluice = gateway(tls=tls_options(certificates, server="disable"))
    with pgsluice.connect(sslmode="require") as secured, pgsluice.connect(sslmode="disable") as plain:
        assert secured.execute("select 1").fetchone() == (1,)
        old = take_over(pgsluice)
        assert plain.execute("select 2").fetchone() == (2,)
        for number in range(3):
            assert secured.execute("select %s::int", [number]).fetchone() == (number,)
        timer = threading.Timer(0.5, secured.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            secured.execute("select pg_sleep(60)")
        assert old.poll() is None
        secured.close()
        ended(old)
        assert plain.execute("select 3").fetchone() == (3,)


def test_stopping_the_new_process_stops_the_old_one_too(gateway):
    pgsluice = gateway()
    with pgsluice.login() as pinned:
        pinned.query("create temp table mine as select 1 as one")
        old = take_over(pgsluice)
        pgsluice.stop()
        ended(old)
        assert [error["C"] for error in errors_of(pinned.rest())] == ["57P01"]


@contextlib.contextmanager
def notify_socket():
    """A fake of systemd's: a function that returns what it was told so far."""
    directory = programs.private_directory("notify")
    path = str(directory / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        os.chmod(path, 0o777)
        server.setblocking(False)
        lines = []

        def told_so_far():
            with contextlib.suppress(BlockingIOError):
                while True:
                    lines.extend(server.recv(4096).decode().split("\n"))
            return lines

        yield path, told_so_far
    programs.remove(directory)


def test_systemd_is_told_what_happens(gateway):
    with notify_socket() as (path, lines):
        pgsluice = gateway(environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"})
        eventually(lambda: "READY=1" in lines(), 20, what="READY=1")
        eventually(lambda: lines().count("WATCHDOG=1") >= 3, 20, what="a fed watchdog")
        pgsluice.signal(signal.SIGHUP)
        eventually(lambda: "RELOADING=1" in lines() and any(re.match(r"MONOTONIC_USEC=\d+$", line)
                                                            for line in lines()), 20, what="RELOADING=1")
        old = take_over(pgsluice, by_signal=True)
        eventually(lambda: f"MAINPID={pgsluice.pid}" in lines(), 20, what="MAINPID=")
        ended(old)
        assert "STOPPING=1" not in lines()
        fed = lines().count("WATCHDOG=1")
        eventually(lambda: lines().count("WATCHDOG=1") >= fed + 3, 20, what="a watchdog fed by the new process")
        pgsluice.stop()
        assert "STOPPING=1" in lines()


def test_sockets_of_systemd_are_taken_by_address(gateway):
    """A shell in between sets LISTEN_PID, as systemd does for the process that it becomes."""
    pgsluice = gateway()
    with socket.create_server(("127.0.0.1", 0)) as given:
        port = given.getsockname()[1]
        listeners = [{"name": "pooled", "listen": [f"127.0.0.1:{port}"], "mode": "transaction"}]
        path = programs.write(pgsluice.directory / "activated.conf", "")
        pgsluice.config_path, kept = path, pgsluice.config_path
        pgsluice.write(dict(pgsluice.config) | {"listeners": listeners})
        log = pgsluice.directory / "activated.log"
        with open(log, "wb") as out:
            process = programs.subprocess.Popen(
                ["/bin/bash", "-c", f"exec 3<&{given.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1 "
                 f"LISTEN_FDNAMES=web; exec {pgsluice.program} serve -c {path}"], pass_fds=[given.fileno()],
                stdin=programs.subprocess.DEVNULL, stdout=out, stderr=out,
                env=programs.environment(**SANITIZERS), cwd=pgsluice.directory, **programs.identity())
        pgsluice.config_path = kept
        given.close()
        try:
            eventually(lambda: b"is ready" in log.read_bytes(), 20, what="a start with a socket of systemd's")
            with psycopg.connect(host="127.0.0.1", port=port, user="app", dbname="app") as connection:
                assert connection.execute("select 1").fetchone() == (1,)
        finally:
            assert programs.stop(process) == 0, log.read_text()
