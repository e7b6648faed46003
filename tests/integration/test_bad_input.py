# SPDX-License-Identifier: PostgreSQL
"""test_bad_input - whatever comes in by a port, the process says something clear, stays small and serves the others."""

import os
import random
import struct
import time

import pytest

import messages as m
import programs
from rawpg import Closed, Raw, Refused, errors_of, kinds

PORTS = ["pooled", "direct"]


@pytest.fixture(scope="module")
def pool(gateway_of_module):
    return gateway_of_module(pool=2, workers=2, limits={"client_login_timeout": "3s", "max_login_conn": 60})


def serves(gateway, listener="pooled"):
    start = time.monotonic()
    with gateway.login(listener) as client:
        assert client.value("select 'served'") == "served"
        client.leave()
    assert time.monotonic() - start < 3


def packet(length, code=196608, rest=b""):
    return struct.pack("!II", length & 0xffffffff, code) + rest


def whole(body, code=196608):
    return packet(8 + len(body), code, body)


STARTUPS = {
    **{f"a length of {length}": packet(length) for length in
       (0, 1, 2, 3, 4, 7, 8, 10001, 65536, 0x10000000, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff)},
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"t" * 300,
    "zeros": b"\0" * 64, "text": b"hello, is this PostgreSQL?\n" * 10, "ones": b"\xff" * 64,
    "an SSH banner": b"SSH-2.0-OpenSSH_9.2\r\n",
    "no terminator": whole(b"user\0app"), "no parameters": whole(b"\0"), "nothing at all": whole(b""),
    "no user": whole(b"database\0app\0\0"), "an empty user": whole(b"user\0\0database\0app\0\0"),
    "a name without value": whole(b"user\0app\0database\0\0"), "an empty name": whole(b"user\0app\0\0x\0\0"),
    "bytes behind the end": whole(b"user\0app\0\0more\0stuff\0\0"),
    "protocol 2.0": whole(b"user\0app\0\0", 131072), "protocol 1.0": whole(b"user\0app\0\0", 65536),
    "protocol 4.0": whole(b"user\0app\0\0", 4 << 16), "protocol 0": whole(b"user\0app\0\0", 0),
    "protocol 9999": whole(b"user\0app\0\0", 0x7fffffff),
    "a password message": m.password("secret"), "a query": m.query("select 1"), "Terminate": m.terminate(),
    "a user of 5000 bytes": m.startup("u" * 5000, "app"), "a database of 5000 bytes": m.startup("app", "d" * 5000),
    "a packet over 10000 bytes": m.startup("app", "app", application_name="a" * 12000),
    "400 parameters": whole(b"user\0app\0" + b"".join(b"p%d\0v\0" % n for n in range(400)) + b"\0"),
    "replication=rubbish": m.startup("app", "app", replication="rubbish"),
    "user twice": whole(b"user\0app\0user\0postgres\0database\0no_such_db\0\0"),
    "a short cancel": packet(8, 80877102), "a cancel of 300 bytes": packet(300, 80877102, b"c" * 292),
    "a long cancel": packet(100000, 80877102, b"c" * 1000), "an odd request code": packet(8, 80877105),
    "an SSLRequest with a body": packet(12, 80877103, b"more"),
    "a GSSENCRequest with a body": packet(12, 80877104, b"more"),
    **{f"options {text!r}": m.startup("app", "app", options=text) for text in
       ("-c=", "--=", "-c", "--", "-c =x", "--x", "-", "\\", "-c a", "-c " + "b" * 4000, "-c\tx=1 -c", "-c \\",
        "-c ''=1")},
}


@pytest.mark.parametrize("listener", PORTS)
@pytest.mark.parametrize("name", STARTUPS)
def test_a_bad_first_packet_ends_its_connection_only(pool, listener, name):
    with pool.raw(listener, timeout=8) as client:
        client.send(STARTUPS[name])
        try:
            client.socket.shutdown(1)
        except OSError:
            pass
        found = client.rest()
        assert "Z" not in kinds(found), m.digest(found)
        for error in errors_of(found):
            assert error["S"] == "FATAL" and len(error["C"]) == 5 and error["M"]
    serves(pool)


@pytest.mark.parametrize("name, sqlstate", [
    ("a length of 10001", "08P01"), ("no terminator", "08P01"), ("no user", "28000"), ("protocol 2.0", "0A000"),
    ("protocol 4.0", "0A000"), ("replication=rubbish", "22023"), ("bytes behind the end", "08P01")])
def test_a_bad_first_packet_that_can_be_answered_is_answered(pool, name, sqlstate):
    with pool.raw() as client:
        client.send(STARTUPS[name])
        assert [error["C"] for error in errors_of(client.rest())] == [sqlstate]


@pytest.mark.parametrize("listener", PORTS)
def test_encryption_requests_are_answered_with_one_byte(pool, listener):
    for request in (m.SSL_REQUEST, m.GSS_REQUEST):
        with pool.raw(listener) as client:
            assert client.send(request).byte() == b"N"
            assert client.silent(0.1)
            assert client.login("app", "app").value("select 1") == "1"
            client.leave()
    with pool.raw(listener) as client:
        assert client.send(m.GSS_REQUEST).byte() == b"N"
        assert client.send(m.SSL_REQUEST).byte() == b"N"
        assert client.login("app", "app").value("select 1") == "1"
        client.leave()


@pytest.mark.parametrize("request_bytes", [m.SSL_REQUEST, m.GSS_REQUEST], ids=["ssl", "gss"])
@pytest.mark.parametrize("listener", PORTS)
def test_bytes_stuffed_behind_an_encryption_request_end_the_connection(pool, listener, request_bytes):
    for stuffing in (m.startup("app", "app"), b"x", m.SSL_REQUEST):
        with pool.raw(listener) as client:
            client.send(request_bytes + stuffing)
            assert client.closed(5)
            assert b"Z\0\0\0\x05" not in client.buffer
    serves(pool)


def test_endless_encryption_requests_end_the_connection(pool):
    with pool.raw() as client:
        answers = 0
        try:
            for n in range(3000):
                client.send(m.SSL_REQUEST if n % 2 else m.GSS_REQUEST)
                if client.byte() != b"N":
                    break  # the error that ends it
                answers += 1
        except (Closed, OSError):
            pass
        assert answers <= 4
    serves(pool)


LOGGED_IN = {
    **{f"type Q, length {length}": b"Q" + struct.pack("!I", length) for length in
       (0, 1, 2, 3, 0x40000000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff)},
    **{f"type {kind!r}": m.message(kind, b"body\0") for kind in ("!", "\0", "q", "R", "Z", "T", "1", "~", "K", "N")},
    "a byte above 127": b"\xff\0\0\0\4", "Q without terminator": m.message("Q", b"select 1"),
    "an empty Q": m.message("Q"),
    "P without terminators": m.message("P", b"name"), "P without count": m.message("P", b"n\0select 1\0"),
    "P with too many types": m.message("P", b"n\0select 1\0\xff\xff"), "an empty P": m.message("P"),
    "B that ends early": m.message("B", b"\0\0\0\1"), "B with a huge count": m.message("B", b"\0\0\0\0\xff\xff"),
    "B with length -2": m.message("B", b"\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"), "an empty B": m.message("B"),
    "B with a value of 2 GB": m.message("B", b"\0\0\0\0\0\1\x7f\xff\xff\xff\0\0"),
    "D of kind X": m.message("D", b"Xname\0"), "an empty D": m.message("D"),
    "C of kind X": m.message("C", b"Xname\0"),
    "an empty C": m.message("C"), "E that ends early": m.message("E", b"\0\0"), "an empty E": m.message("E"),
    "F that ends early": m.message("F", b"\0\0"), "F with a huge count": m.message("F", b"\0\0\0\1\xff\xff"),
    "S with a body": m.message("S", b"xyz"), "H with a body": m.message("H", b"xyz"),
    "p when logged in": m.password("x"),
    "a name of 70000 bytes": m.parse("n" * 70000, "select 1") + m.sync(),
    "a startup packet again": m.startup("postgres", "postgres"), "an SSLRequest": m.SSL_REQUEST,
    "HTTP": b"GET / HTTP/1.0\r\n\r\n", "zeros": b"\0" * 100,
}


@pytest.mark.parametrize("name", LOGGED_IN)
def test_a_bad_message_of_a_session_is_an_error_and_harms_nobody(pool, name):
    with pool.login() as other, pool.login() as client:
        other.query("begin")
        client.send(LOGGED_IN[name], m.sync())
        client.socket.shutdown(1)
        for error in errors_of(client.rest()):
            assert len(error["C"]) == 5 and error["M"]
        assert other.value("select 'unharmed'") == "unharmed"
        other.query("commit")
        other.leave()
    serves(pool)


@pytest.mark.parametrize("name", ["type Q, length 3", "type Q, length 4294967295", "type '!'", "Q without terminator",
                                  "an empty P"])
def test_a_bad_message_is_answered_with_a_protocol_violation(pool, name):
    with pool.login() as client:
        client.send(LOGGED_IN[name], m.sync())
        assert errors_of(client.until("E"))[0]["C"] in ("08P01", "54000")


def test_nothing_is_allocated_for_an_announced_length(pool):
    def resident():
        with open(f"/proc/{pool.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    before = resident()
    clients = [pool.login() for _ in range(20)]
    for client in clients:
        client.send(b"Q" + struct.pack("!I", 0x3ffffff0) + b"select")
    time.sleep(0.3)
    assert resident() - before < 50_000
    serves(pool)
    for client in clients:
        client.close()


@pytest.mark.parametrize("listener", PORTS)
def test_a_slow_byte_by_byte_login_works(pool, listener):
    packet_bytes = m.startup("app", "app", application_name="slow")
    with pool.raw(listener) as client:
        client.send_at(packet_bytes, range(1, len(packet_bytes)), pause=0.004)
        assert client.finish_login().value("select 'patient'") == "patient"
        client.leave()


@pytest.mark.parametrize("part", [b"", b"\0", m.startup("app", "app")[:-1], m.SSL_REQUEST],
                         ids=["nothing", "a byte", "almost all", "SSL"])
def test_a_half_open_login_is_dropped_at_client_login_timeout(pool, part):
    start = time.monotonic()
    with pool.raw() as client:
        client.send(part)
        assert client.closed(12)
    assert 2.5 < time.monotonic() - start < 9


@pytest.mark.slow
def test_half_open_logins_are_bounded_and_others_get_in(pool):
    held = []
    for _ in range(200):
        client = pool.raw()
        client.send(b"\0\0")
        held.append(client)
    time.sleep(4)
    serves(pool)
    for client in held:
        assert client.closed(5)
        client.close()
    serves(pool)


def spent_in_a_second(pid):
    """CPU seconds: what the sessions left running may take a moment to end, a spin never ends."""
    before = cpu_seconds(pid)
    time.sleep(1)
    return cpu_seconds(pid) - before


def test_random_mutations_of_good_sessions_kill_nothing(pool):
    dice = random.Random(20261121)
    good = [m.startup("app", "app") + m.query("select 1"),
            m.startup("app", "app") + m.once("select $1", ["x"]) + m.sync(),
            m.startup("app", "app", options="-c work_mem=1MB") + m.function_call(177, [b"\0\0\0\1", b"\0\0\0\2"]),
            m.startup("app",
                      "app") + m.query("copy marks from stdin") + m.copy_data(b"-9\t1\tz\n") + m.copy_fail("no")]
    cpu = cpu_seconds(pool.pid)
    for n in range(400):
        data = bytearray(dice.choice(good))
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(len(data))] = dice.choice([0, 1, 4, 0x7f, 0x80, 0xff, dice.randrange(256)])
        with pool.raw(dice.choice(PORTS), timeout=10) as client:
            try:
                client.send(bytes(data))
                client.socket.shutdown(1)
            except OSError:
                pass
            if n % 4 == 0:
                client.rest()
    serves(pool)
    assert any(spent_in_a_second(pool.pid) < 0.5 for _ in range(10)), "something spins"
    assert cpu_seconds(pool.pid) - cpu < 30


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_more_clients_than_max_client_conn_are_refused_with_a_sentence(gateway):
    pool = gateway(pool=2, limits={"max_client_conn": 10})
    clients = [pool.login() for _ in range(10)]
    with pool.raw() as client, pytest.raises((Refused, Closed)) as refused:
        client.login("app", "app")
    assert refused.type is Refused and refused.value.sqlstate == "53300"
    assert "max_client_conn" in refused.value.fields["M"] + refused.value.fields.get("H", "")
    clients.pop().leave()
    programs.eventually(lambda: _gets_in(pool), 3)
    for client in clients:
        client.leave()


def _gets_in(gateway):
    with gateway.raw() as client:
        try:
            client.login("app", "app").leave()
        except Refused:
            return False
        return True


def test_newer_minor_versions_and_unknown_options_are_negotiated_once(pool):
    for version, extra in (((3, 2), {}), ((3, 9), {}), ((3, 0), {"_pq_.unheard_of": "1"})):
        with pool.raw() as client:
            client.login("app", "app", version=version, **extra)
            told = [item for item in client.welcome if item.type == "v"]
            assert len(told) <= 1 and (len(told) == 1 or version == (3, 2))
            if extra:
                assert b"_pq_.unheard_of" in told[0].body
            assert client.value("select 1") == "1"
            client.leave()


def test_a_database_called_replication_is_an_ordinary_one(pool):
    with Raw(pool.pooled) as client, pytest.raises(Refused) as refused:
        client.login("app", "replication").query("select 1")
    assert refused.value.sqlstate == "3D000"
