# SPDX-License-Identifier: PostgreSQL
"""test_tls - TLS towards clients: what is accepted, what is refused, and that nothing in clear gets in between.
Where PostgreSQL promises the same, the same test runs against PostgreSQL itself."""

import hashlib
import os
import re
import signal
import socket
import ssl
import subprocess
import threading

import psycopg
import pytest

import messages as m
import programs
from certs import openssl
from fakepg import FakePg
from gate import command, configuration, install, render
from rawpg import Closed, Raw, Refused, errors_of, kinds
from secure import SECRETS, connect, shown, tls_options
from tlsraw import Tls, client_context, encrypt

pytest_plugins = ("secure_fixtures",)

LISTENERS = {"pooled": "transaction", "direct": "direct"}


def listeners(**modes):
    """The two usual listeners and one for each keyword: its name and client_tls_sslmode."""
    usual = [{"name": name, "listen": ["127.0.0.1:0"], "mode": mode} for name, mode in LISTENERS.items()]
    return usual + [{"name": name, "listen": ["127.0.0.1:0"], "mode": "transaction",
                     "client_tls_sslmode": mode.replace("_", "-")} for name, mode in modes.items()]


class Target:
    """Something that speaks PostgreSQL's protocol on `port`."""

    def __init__(self, name, port, cluster):
        self.name, self.port, self.cluster = name, port, cluster

    def raw(self, **keywords):
        return Raw(self.port, **keywords)

    def tls(self, context=None, **keywords):
        return Tls(self.port, context, **keywords)


@pytest.fixture(scope="module")
def front(gateway_of_module, secure, certificates):
    """Trusts clients; a listener of its own for every client_tls_sslmode that a test needs."""
    return gateway_of_module(upstream=secure.port, auth_type="trust", tls=tls_options(certificates),
                             listeners=listeners(required="require", none="disable", verified="verify_ca",
                                                 full="verify_full"))


@pytest.fixture(params=["postgresql", "pooled", "direct"])
def either(request, secure):
    """PostgreSQL itself and both kinds of listeners in front of it."""
    if request.param == "postgresql":
        return Target(request.param, secure.port, secure)
    return Target(request.param, request.getfixturevalue("front").ports[request.param], secure)


def not_let_in(found):
    """Nothing of a login is among these messages."""
    assert not [item for item in found if item.type == "R" and item.body == b"\0\0\0\0"], "it was let in"
    assert "Z" not in kinds(found) and "K" not in kinds(found)


def refused_tls(make, user="app"):
    """A handshake, or the first read behind it (TLS 1.3 tells of certificates there), ends the connection."""
    try:
        with make() as client:
            client.send(m.startup(user, "app"))
            found = client.rest()
            not_let_in(found)
            return client.socket.trouble or errors_of(found)
    except (OSError, Closed) as trouble:
        return trouble


# Bytes in clear around the handshake (CVE-2021-23214, CVE-2021-23222 and their kin).

STUFFING = m.startup("app", "app") + m.query("create table stuffed (mark int)")


def no_mark(cluster):
    assert cluster.value("select to_regclass('stuffed') is null", dbname="app")


def test_plaintext_in_the_segment_of_the_ssl_request_ends_the_connection(either):
    with either.raw() as client:
        client.send(m.SSL_REQUEST + STUFFING)
        try:
            assert client.byte() in b"SE"
            encrypt(client)
            not_let_in(client.rest())
        except (OSError, Closed):
            pass
    no_mark(either.cluster)


def test_plaintext_in_the_segment_of_the_ssl_request_is_not_used_when_the_handshake_goes_on(either):
    with either.raw() as client:
        client.send(m.SSL_REQUEST + STUFFING)
        try:
            client.byte()
            encrypt(client)
            client.send(m.startup("app", "app"), m.query("select 1"))
            found = client.rest()
        except (OSError, Closed):
            found = []
        not_let_in(found)
    no_mark(either.cluster)


def test_plaintext_behind_the_answer_to_the_ssl_request_ends_the_connection(either):
    with either.raw() as client:
        client.send(m.SSL_REQUEST)
        assert client.byte() == b"S"
        client.send(STUFFING)
        try:
            assert client.closed(10)
        except OSError:
            pass
        assert b"\0\0\0\x08\0\0\0\0" not in client.buffer, "it was let in"
    no_mark(either.cluster)


# PostgreSQL may grant GSS where the gateway always declines: these are about the gateway alone.

@pytest.mark.parametrize("listener", LISTENERS)
def test_plaintext_in_the_segment_of_the_gss_request_ends_the_connection(front, secure, listener):
    with front.raw(listener) as client:
        client.send(m.GSS_REQUEST + STUFFING)
        try:
            assert client.byte() in b"NE"
            not_let_in(client.rest())
        except (OSError, Closed):
            pass
    no_mark(secure)


def test_a_second_ssl_request_inside_tls_is_refused(either):
    with either.tls() as client:
        client.send(m.SSL_REQUEST)
        found = client.rest()
        not_let_in(found)
        assert not client.buffer.startswith((b"S", b"N")), "the second request was answered like the first"


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_gss_request_inside_tls_is_not_answered_twice(front, listener):
    with Tls(front.ports[listener]) as client:
        client.send(m.GSS_REQUEST, m.GSS_REQUEST)
        assert client.closed(10)
        assert client.buffer.count(b"N") <= 1 or client.buffer[:1] == b"E"


@pytest.mark.parametrize("listener", LISTENERS)
def test_ssl_is_granted_after_a_declined_gss_request(front, listener):
    with front.raw(listener) as client:
        client.send(m.GSS_REQUEST)
        assert client.byte() == b"N"
        client.send(m.SSL_REQUEST)
        assert client.byte() == b"S"
        encrypt(client)
        assert client.login("app", "app").value("select 'in'") == "in"
        client.leave()


@pytest.mark.parametrize("listener", LISTENERS)
def test_ssl_and_gss_requests_in_turn_end_soon(front, listener):
    """On the listener without TLS both are declined, so that the next one may come in clear (CVE-2026-6479)."""
    for port in (front.ports[listener], front.ports["none"]):
        with Raw(port) as client:
            try:
                for count in range(3000):
                    client.send(m.GSS_REQUEST if count % 2 == 0 else m.SSL_REQUEST)
                    if client.byte() != b"N":
                        break
            except (OSError, Closed):
                pass
            assert count <= 2, f"{count} requests were answered with N"


# Direct TLS.

@pytest.mark.parametrize("listener", LISTENERS)
def test_direct_tls_with_postgresqls_alpn_is_accepted(front, listener):
    context = client_context(alpn=["postgresql"])
    with Tls(front.ports[listener], context, direct=True) as client:
        assert client.socket.selected_alpn_protocol() == "postgresql"
        assert client.login("app", "app").value("select 'in'") == "in"
        client.leave()


@pytest.mark.parametrize("alpn", [(), ("http/1.1",), ("h2", "http/1.1"), ("postgresq",), ("postgresql2",)])
def test_direct_tls_with_another_alpn_or_none_is_refused(front, alpn):
    assert refused_tls(lambda: Tls(front.pooled, client_context(alpn=alpn), direct=True))


def test_alpn_is_agreed_on_behind_an_ssl_request_too_and_another_is_refused(front):
    with Tls(front.pooled, client_context(alpn=["h2", "postgresql"])) as client:
        assert client.socket.selected_alpn_protocol() == "postgresql"
        client.login("app", "app").leave()
    assert refused_tls(lambda: Tls(front.pooled, client_context(alpn=["h2"])))


def test_direct_tls_where_tls_is_disabled_is_refused(front):
    assert refused_tls(lambda: Tls(front.ports["none"], client_context(alpn=["postgresql"]), direct=True))


def test_an_ssl_request_inside_direct_tls_is_refused(front):
    with Tls(front.pooled, client_context(alpn=["postgresql"]), direct=True) as client:
        client.send(m.SSL_REQUEST)
        not_let_in(client.rest())
        assert not client.buffer.startswith((b"S", b"N"))


def test_half_a_client_hello_is_dropped_by_the_login_timeout(gateway, secure, certificates):
    pool = gateway(upstream=secure.port, auth_type="trust", tls=tls_options(certificates),
                   limits={"client_login_timeout": "1s"})
    for opening in (b"", m.SSL_REQUEST):
        with pool.raw() as client:
            client.send(opening)
            if opening:
                assert client.byte() == b"S"
            client.send(b"\x16\x03\x01\x02\x00\x01\x00")
            assert client.closed(10), "a handshake that never ends was left waiting"


# Versions and renegotiation.

@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_versions_of_tls_are_refused(either, version):
    trouble = refused_tls(lambda: either.tls(client_context(versions=(version, version))))
    assert "ALERT" in str(trouble) or "EOF" in str(trouble), f"not refused by the other side: {trouble}"


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tls_1_2_and_1_3_are_accepted(either, version):
    with either.tls(client_context(versions=(version, version))) as client:
        assert client.socket.version() == version.replace("_", ".")
        assert client.login("app", "app").value("select 'in'") == "in"
        client.leave()


def test_client_tls_protocols_narrows_the_versions(gateway, secure, certificates):
    pool = gateway(upstream=secure.port, auth_type="trust",
                   tls=tls_options(certificates, client_tls_protocols="tlsv1.3"))
    assert refused_tls(lambda: Tls(pool.pooled, client_context(versions=("TLSv1_2", "TLSv1_2"))))
    with Tls(pool.pooled) as client:
        client.login("app", "app").leave()


def test_ciphers_without_forward_secrecy_are_refused(either):
    context = client_context(versions=("TLSv1_2", "TLSv1_2"))
    context.set_ciphers("AES128-SHA256:AES256-SHA:AES128-SHA:@SECLEVEL=0")
    assert refused_tls(lambda: either.tls(context))


def test_a_client_cannot_renegotiate(either):
    """`R` on a line of its own makes s_client renegotiate."""
    argv = ["openssl", "s_client", "-starttls", "postgres", "-tls1_2", "-connect", f"127.0.0.1:{either.port}"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        said = b""
        while b"Verify return code" not in said:
            part = client.stdout.readline()
            assert part, f"the handshake failed: {said[-2000:]}"
            said += part
        client.stdin.write(b"R\n")
        client.stdin.flush()
        said, _ = client.communicate(timeout=20)
    assert b"RENEGOTIATING" in said
    assert b"no renegotiation" in said or b"unexpected eof" in said or b"errno" in said, said[-2000:]


# Certificates of clients.

WRONG = ["none", "foreign-alice", "expired-alice", "revoked"]


def pair_of(certificates, name):
    return None if name == "none" else certificates[name]


@pytest.mark.parametrize("listener", ["verified", "full"])
@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_wrong_client_certificates_are_refused_where_they_are_verified(front, certificates, listener, name, version):
    context = client_context(pair_of(certificates, name), versions=(version, version))
    assert refused_tls(lambda: Tls(front.ports[listener], context))


@pytest.mark.parametrize("name", WRONG)
def test_postgresql_refuses_the_same_certificates(secure, certificates, name):
    given = shown(certificates[name]) if name != "none" else {}
    with pytest.raises(psycopg.OperationalError):
        connect(secure.port, "alice", "strict", password=SECRETS["alice"], sslmode="require", **given)


@pytest.mark.parametrize("listener", ["verified", "full"])
def test_the_right_client_certificate_is_accepted_where_it_is_verified(front, certificates, listener):
    with Tls(front.ports[listener], client_context(certificates["app"])) as client:
        assert client.login("app", "app").value("select 'in'") == "in"
        client.leave()
    with connect(front.ports[listener], sslmode="verify-full", sslrootcert=str(certificates.ca),
                 **shown(certificates["app"])) as connection:
        assert connection.pgconn.ssl_in_use


@pytest.mark.parametrize("name", WRONG[1:])
def test_a_bad_certificate_is_refused_even_where_none_is_needed(either, certificates, name):
    """PostgreSQL does so too: who shows a certificate must show a good one."""
    assert refused_tls(lambda: either.tls(client_context(certificates[name])))


def test_without_tls_nobody_gets_past_verification(front):
    for listener in ("verified", "full"):
        with front.raw(listener) as client, pytest.raises(Refused) as refused:
            client.login("app", "app")
        assert refused.value.sqlstate == "28000" and refused.value.fields.get("H")


@pytest.fixture(scope="module")
def by_certificate(gateway_of_module, secure, certificates):
    return gateway_of_module(upstream=secure.port, auth_type="cert", tls=tls_options(certificates))


def test_the_name_in_the_certificate_is_who_comes_in(by_certificate, certificates):
    with Tls(by_certificate.pooled, client_context(certificates["app"])) as client:
        assert client.login("app", "app").value("select current_user") == "app"
        client.leave()
    for pair, user in (("alice", "app"), ("app", "postgres"), ("mallory", "app")):
        with Tls(by_certificate.pooled, client_context(certificates[pair])) as client:
            with pytest.raises(Refused) as refused:
                client.login(user, "app")
            assert refused.value.sqlstate[:2] == "28"


@pytest.mark.parametrize("user", ["good", "good\\0.evil", "good.evil"])
def test_a_common_name_with_a_nul_byte_is_nobodys(by_certificate, certificates, user):
    assert refused_tls(lambda: Tls(by_certificate.pooled, client_context(certificates["nul"])), user)


def test_postgresql_refuses_a_common_name_with_a_nul_byte(secure, certificates):
    start = secure.log_since()
    with pytest.raises(psycopg.OperationalError):
        connect(secure.port, "good", sslmode="require", **shown(certificates["nul"]))
    programs.eventually(lambda: "embedded null" in start(), 5)


# Modes.

def test_a_listener_that_requires_tls_refuses_clear_text_with_a_hint(front):
    with front.raw("required") as client, pytest.raises(Refused) as refused:
        client.login("app", "app")
    assert refused.value.sqlstate == "28000"
    assert "TLS" in refused.value.fields["M"] + refused.value.fields["H"]
    assert "sslmode" in refused.value.fields["H"]


def test_each_listener_has_its_own_mode(front, certificates):
    with front.raw("none") as client:
        client.send(m.SSL_REQUEST)
        assert client.byte() == b"N"
        assert client.login("app", "app").value("select 1") == "1"
        client.leave()
    with Tls(front.ports["required"]) as client:
        client.login("app", "app").leave()
    with front.raw("pooled") as client:
        client.login("app", "app").leave()


@pytest.mark.parametrize("listener", ["required", "verified", "full", "none"])
def test_a_cancel_request_is_taken_in_clear_and_over_tls_alike(front, certificates, listener):
    """libpq before 17 cancels in clear whatever the session does, and has no certificate to show."""
    with front.raw(listener) as client:
        client.send(m.cancel_request(1, b"\1\2\3\4"))
        assert client.closed(5) and not client.buffer


# Sessions.

def test_a_session_in_records_of_one_byte(either):
    with either.tls() as client:
        for byte in m.startup("app", "app"):
            client.send(bytes([byte]))
        client.finish_login()
        request = m.once("select $1 || 'x'", ["records"]) + m.sync()
        for byte in request:
            client.send(bytes([byte]))
        assert "recordsx" in str(client.until("Z"))
        client.leave()


def test_a_session_in_records_of_16_kb(either):
    text = "r" * 1_000_000
    with either.tls() as client:
        client.login("app", "app")
        request = m.query(f"select length('{text}'), '{text}'")
        for start in range(0, len(request), 16384):
            client.send(request[start:start + 16384])
        row = next(item for item in client.until("Z") if item.type == "D")
        assert m.row(row.body) == [b"1000000", text.encode()]
        client.leave()


ROWS = 50_000


def line(number):
    return hashlib.md5(str(number).encode()).hexdigest() * 32 + "\n"


def test_copy_of_50_mb_arrives_whole_in_both_directions(either):
    expected = hashlib.sha256()
    with connect(either.port, sslmode="require") as connection, connection.transaction():
        assert connection.pgconn.ssl_in_use
        connection.execute("create temp table bulk (line text)")
        with connection.cursor().copy("copy bulk from stdin") as copy:
            for start in range(1, ROWS, 100):
                block = "".join(map(line, range(start, start + 100))).encode()
                expected.update(block)
                copy.write(block)
        same = connection.execute("select count(*), bool_and(length(line) = 1024) from bulk").fetchone()
        assert same == (ROWS, True)
        found = hashlib.sha256()
        with connection.cursor().copy("copy bulk to stdout") as copy:
            for block in copy:
                found.update(block)
        assert found.hexdigest() == expected.hexdigest()
        connection.execute("drop table bulk")


def test_a_client_that_stops_reading_over_tls_gets_everything_later(either):
    with either.tls() as client:
        client.login("app", "app").send(m.query("select repeat('y', 1000) from generate_series(1, 20000)"))
        programs.eventually(lambda: not client.silent(0.05), 10)
        found = client.until("Z")
        assert kinds(found).count("D") == 20000
        client.leave()


def test_a_running_query_is_cancelled_over_tls_and_in_clear(either):
    for secretly in (True, False):
        with either.tls() as client:
            client.login("app", "app").send(m.query("select pg_sleep(60)"))
            programs.eventually(lambda: either.cluster.backends("query like 'select pg_sleep(60)%'"
                                                                " and state = 'active'"), 10)
            canceller = Tls.cancel if secretly else Raw.cancel
            canceller(client)
            assert [fields["C"] for fields in errors_of(client.until("Z"))] == ["57014"]
            client.leave()
        either.cluster.quiet("query like 'select pg_sleep(60)%' and state = 'active'")


def test_nobody_is_asked_for_the_passphrase_of_a_key():
    """On a terminal, where OpenSSL would ask by itself and wait."""
    directory = programs.private_directory("passphrase")
    try:
        openssl("req", "-x509", "-newkey", "rsa:2048", "-passout", "pass:unknown", "-subj", "/CN=locked",
                "-keyout", directory / "key", "-out", directory / "cert")
        programs.write(directory / "key", (directory / "key").read_text())
        programs.write(directory / "cert", (directory / "cert").read_text())
        locked = configuration(1, tls={"client_tls_sslmode": "require", "client_tls_cert_file": "cert",
                                       "client_tls_key_file": "key"})
        programs.write(directory / "locked.conf", render(locked))
        done = programs.run("script", "-qec", f"{install(directory)} check -c locked.conf", "/dev/null",
                            cwd=directory, check=False, timeout=30)
        assert "without a passphrase" in done.stdout
        assert "Enter" not in done.stdout
    finally:
        programs.remove(directory)


@pytest.mark.parametrize("mode", ["transaction", "direct"])
def test_who_cancels_over_tls_hears_of_the_end_when_postgresql_has_the_request(gateway, certificates, mode):
    """Who heard of it before, might have its next query cancelled."""
    asked, heard, waiting = threading.Event(), threading.Event(), threading.Event()

    def slow_to_cancel(peer):
        if peer.read_startup() is None:
            asked.set()
            heard.wait(20)
            return
        peer.send(m.authentication(0), peer.settings(), m.backend_key(1000 + peer.number), m.ready())
        peer.until("Q")
        waiting.set()
        heard.wait(20)

    with FakePg(slow_to_cancel) as fake:
        front = gateway(upstream=fake.port, mode=mode, tls=tls_options(certificates, server="disable"))
        with Tls(front.pooled) as client, Tls(front.pooled) as canceller:
            canceller.socket.inner.suppress_ragged_eofs = False
            client.login("app", "app").send(m.query("wait"))
            assert waiting.wait(10)
            canceller.send(m.cancel_request(client.pid, client.secret))
            assert asked.wait(10), "PostgreSQL was not asked to cancel"
            assert not canceller.closed(0.2), "it heard of the end before PostgreSQL had the request"
            heard.set()
            assert canceller.closed(10)
            assert canceller.socket.trouble is None, "the connection ended without TLS's goodbye"


def test_a_connection_cut_without_close_notify_is_an_ordinary_loss(either):
    with either.tls() as client:
        client.login("app", "app").value("select 1")
        client.reset()
    with either.tls() as client:
        assert client.login("app", "app").value("select 2") == "2"
        client.leave()


def test_broken_records_end_the_connection_and_nothing_else(either):
    for rubbish in (b"\x17\x03\x03\x00\x20" + b"x" * 32, b"\x17\x03\x03\xff\xff" + b"x" * 100, b"Q\0\0\0\5\0",
                    b"\x15\x03\x03\x00\x02\x02\x28"):
        with either.tls() as client:
            client.login("app", "app")
            clear = socket.socket(fileno=os.dup(client.socket.fileno()))
            clear.sendall(rubbish)
            clear.close()
            assert client.closed(10)
    with either.tls() as client:
        client.login("app", "app").leave()


# Rotation.

def copied(gateway, certificates, name):
    """The gateway's own copies of a pair, which tests overwrite."""
    for kind, path in zip(("crt", "key"), certificates[name]):
        programs.write(gateway.directory / f"own.{kind}", path.read_text())


@pytest.fixture
def rotating(gateway, secure, certificates):
    files = {"own.crt": certificates["server"].cert.read_text(), "own.key": certificates["server"].key.read_text()}
    options = tls_options(certificates, client_tls_cert_file="own.crt", client_tls_key_file="own.key")
    return gateway(upstream=secure.port, auth_type="trust", tls=options, files=files)


def presented(gateway):
    with Tls(gateway.pooled) as client:
        return client.certificate


def der(certificates, name):
    return ssl.PEM_cert_to_DER_cert(certificates[name].cert.read_text())


def test_a_new_certificate_serves_new_connections_and_old_sessions_go_on(rotating, certificates):
    with Tls(rotating.pooled) as old:
        old.login("app", "app").query("begin")
        assert old.certificate == der(certificates, "server")
        copied(rotating, certificates, "rotated")
        rotating.signal(signal.SIGHUP)
        programs.eventually(lambda: presented(rotating) == der(certificates, "rotated"), 10)
        assert old.value("select 'still here'") == "still here"
        old.query("commit")
        old.leave()


BROKEN = {"nothing in the certificate": ("own.crt", ""), "rubbish in the certificate": ("own.crt", "rubbish\n"),
          "another one's key": ("own.key", None), "rubbish in the key": ("own.key", "rubbish\n")}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_new_certificate_is_refused_and_the_old_one_stays(rotating, certificates, name):
    file, text = BROKEN[name]
    before = len(rotating.log())
    programs.write(rotating.directory / file, certificates["rotated"].key.read_text() if text is None else text)
    rotating.signal(signal.SIGHUP)
    programs.eventually(lambda: re.search(r"own\.(crt|key)", rotating.log()[before:]), 10, what="a complaint about it")
    assert presented(rotating) == der(certificates, "server")
    copied(rotating, certificates, "rotated")
    rotating.signal(signal.SIGHUP)
    programs.eventually(lambda: presented(rotating) == der(certificates, "rotated"), 10)


@pytest.mark.slow
def test_rotation_under_load_loses_no_session(rotating, certificates):
    clients = [Tls(rotating.pooled).login("app", "app") for _ in range(10)]
    seen = set()
    for turn in range(20):
        copied(rotating, certificates, ("rotated", "server")[turn % 2])
        rotating.signal(signal.SIGHUP)
        for number, client in enumerate(clients):
            assert client.value(f"select {turn * 100 + number}") == str(turn * 100 + number)
        with Tls(rotating.pooled) as fresh:
            seen.add(fresh.certificate)
            assert fresh.login("app", "app").value("select 1") == "1"
            fresh.leave()
    for client in clients:
        client.leave()
    assert seen <= {der(certificates, "server"), der(certificates, "rotated")}


def test_a_chain_with_an_intermediate_is_verified_by_clients(gateway, secure, certificates):
    pool = gateway(upstream=secure.port, auth_type="trust", tls=tls_options(certificates, pair="chained"))
    with connect(pool.pooled, host="localhost", hostaddr="127.0.0.1", sslmode="verify-full",
                 sslrootcert=str(certificates.ca)) as connection:
        assert connection.pgconn.ssl_in_use


def test_sessions_are_resumed_only_into_a_whole_login(either):
    """A resumed handshake saves a signature, never a password; PostgreSQL resumes none, which is as good."""
    context = client_context(versions=("TLSv1_2", "TLSv1_2"))
    with either.tls(context) as first:
        first.login("app", "app").leave()
        kept = first.socket.session
    with either.raw() as second:
        Tls.ask_for_tls(second)
        wrapped = context.wrap_socket(second.socket, server_hostname="localhost", session=kept)
        second.socket = wrapped
        second.send(m.query("select 1"))
        not_let_in(second.rest())


# Passthrough.

@pytest.fixture(scope="module")
def through(gateway_of_module, secure, certificates):
    """No certificate of its own: a client that reaches TLS at all reaches PostgreSQL's."""
    places = [{"name": "through", "listen": ["127.0.0.1:0"], "mode": "direct", "tls": "passthrough"}]
    return gateway_of_module(configuration(secure.port, auth_type="relay", listeners=listeners() + places))


def test_passthrough_binds_the_channel_to_postgresql_end_to_end(through, secure, certificates):
    with connect(through.ports["through"], "alice", password=SECRETS["alice"], sslmode="verify-full", host="localhost",
                 hostaddr="127.0.0.1", sslrootcert=str(certificates.ca), channel_binding="require") as connection:
        row = connection.execute("select current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()").fetchone()
        assert row == ("alice", True)
    with Tls(through.ports["through"]) as client:
        assert client.certificate == der(certificates, "database")


def test_passthrough_brings_the_clients_certificate_to_postgresql(through, certificates):
    with connect(through.ports["through"], "cora", sslmode="require", **shown(certificates["cora"])) as connection:
        row = connection.execute("select current_user, client_dn from pg_stat_ssl where pid = pg_backend_pid()")
        assert row.fetchone() == ("cora", "/CN=cora")
    with pytest.raises(psycopg.OperationalError, match="certificate"):
        connect(through.ports["through"], "cora", sslmode="require", **shown(certificates["app"]))


def test_passthrough_refuses_wrong_passwords_in_postgresqls_words(through):
    with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "alice"'):
        connect(through.ports["through"], "alice", password="wrong", sslmode="require")


@pytest.mark.parametrize("secretly", [True, False])
def test_passthrough_delivers_cancels(through, secure, secretly):
    with Tls(through.ports["through"]) as client:
        client.login("app", "app").send(m.query("select pg_sleep(61)"))
        programs.eventually(lambda: secure.backends("query like 'select pg_sleep(61)%' and state = 'active'"), 10)
        (Tls.cancel if secretly else Raw.cancel)(client)
        assert [fields["C"] for fields in errors_of(client.until("Z"))] == ["57014"]
        client.leave()


def test_passthrough_is_for_direct_listeners_only(secure):
    places = [{"name": "through", "listen": ["127.0.0.1:0"], "mode": "transaction", "tls": "passthrough"}]
    done = command("check", "-c", "pgsluice.conf",
                   files={"pgsluice.conf": configuration(secure.port, listeners=places, auth_type="relay")})
    assert done.returncode != 0 and "passthrough" in done.stderr
