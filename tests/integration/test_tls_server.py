# SPDX-License-Identifier: PostgreSQL
"""test_tls_server - TLS towards PostgreSQL, with servers that lie: nothing unproven is believed, nothing in clear used.
Where libpq does the same, libpq is asked first, directly; that shows that the scripted servers are right."""

import re
import ssl
import warnings

import psycopg
import pytest

import messages as m
import programs
import scram
from fakepg import FakePg, Gone
from rawpg import Closed, Refused, rows_of
from secure import SECRETS, connect, passfile, shown, tls_options, users_file
from tlsraw import SecureServer, binding_of, serve, server_context

pytest_plugins = ("secure_fixtures",)

CLIENTS = ["libpq", "pooled", "direct"]
GATEWAY = ["pooled", "direct"]
PATIENCE = {"server_connect_timeout": "3s", "query_wait_timeout": "3s", "server_login_retry": "100ms"}


class Heard(Exception):
    """The connection failed: what the client was told in `said`; as text, with the gateway's log."""

    def __init__(self, said, log=""):
        super().__init__(f"{said} {log}")
        self.said = str(said)


class Asker:
    """ask() connects to a scripted server as somebody would and returns the row of a query, or raises Heard."""

    def __init__(self, kind, gateway, certificates):
        self.kind, self.gateway, self.certificates, self.one = kind, gateway, certificates, None

    def ask(self, port, mode, host="127.0.0.1", **options):
        if self.kind == "libpq":
            return self._directly(port, mode, host, **options)
        self.one = self.start(port, mode, host, **options)
        return self.again()

    def _directly(self, port, mode, host, ca="ca", pair=None, crl=None):
        given = {"sslrootcert": str(self.certificates[ca].cert)} | (shown(self.certificates[pair]) if pair else {})
        if crl:
            given["sslcrl"] = str(crl)
        try:
            with connect(port, host=host, hostaddr="127.0.0.1", sslmode=mode, connect_timeout=3, **given) as connection:
                return connection.execute("select 'asked'").fetchone()[0]
        except psycopg.Error as trouble:
            raise Heard(str(trouble)) from None

    def start(self, port, mode, host="127.0.0.1", ca="ca", pair=None, crl=None, **more):
        options = {"server_tls_ca_file": self.certificates[ca].cert, "server_tls_crl_file": crl}
        if pair:
            own = self.certificates[pair]
            options |= {"server_tls_cert_file": own.cert, "server_tls_key_file": own.key}
        return self.gateway(hosts=[f"{host}:{port}"], workers=1, defaults=PATIENCE, auth_type="trust",
                            tls=tls_options(self.certificates, server=mode, **(options | more)))

    def again(self):
        try:
            with self.one.raw(self.kind) as client:
                return rows_of(client.login("app", "app").query("select 'asked'"))[0][0]
        except Refused as refused:
            raise Heard(refused.fields, self.one.log()) from None
        except Closed as closed:
            raise Heard(closed, self.one.log()) from None


@pytest.fixture(params=CLIENTS)
def asker(request, gateway, certificates):
    return Asker(request.param, gateway, certificates)


@pytest.fixture(params=GATEWAY)
def through(request, gateway, certificates):
    return Asker(request.param, gateway, certificates)


@pytest.fixture
def server(certificates):
    """server(pair, ...): a scripted PostgreSQL behind TLS with this certificate."""
    opened = []

    def start(pair="database", script=None, ca=None, names=None):
        opened.append(SecureServer(server_context(certificates[pair], ca, names), script))
        return opened[-1]

    yield start
    for one in opened:
        one.__exit__(None, None, None)


@pytest.fixture
def liar():
    """liar(script): a scripted server without TLS of its own."""
    opened = []

    def start(script):
        opened.append(FakePg(script))
        return opened[-1]

    yield start
    for one in opened:
        one.__exit__(None, None, None)


# Whom to believe.

@pytest.mark.parametrize("mode, pair", [("require", "foreign-server"), ("verify-ca", "database"),
                                        ("verify-ca", "elsewhere"), ("verify-full", "database"),
                                        ("verify-full", "chained")])
def test_a_good_enough_server_is_believed(asker, server, mode, pair):
    fake = server(pair)
    # libpq verifies with `require` too when it is given an authority.
    ca = "foreign-ca" if pair == "foreign-server" else "ca"
    host = "localhost" if mode == "verify-full" else "127.0.0.1"
    assert "asked" in asker.ask(fake.port, mode, host, ca=ca)
    assert fake.handshakes


def test_an_address_is_a_name_too(asker, server):
    assert "asked" in asker.ask(server("database").port, "verify-full")


@pytest.mark.parametrize("mode, pair", [("verify-ca", "foreign-server"), ("verify-ca", "expired-server"),
                                        ("verify-full", "foreign-server"), ("verify-full", "expired-server"),
                                        ("verify-full", "elsewhere")])
def test_a_server_that_proves_too_little_gets_nothing(asker, server, mode, pair):
    startups = []
    fake = server(pair, lambda peer: startups.append(peer.read_startup()))
    with pytest.raises(Heard, match="certificate|verify"):
        asker.ask(fake.port, mode, "localhost")
    assert not startups, "it was sent a startup packet"


def test_a_wrong_name_is_refused_in_words_that_have_both_names(asker, server):
    fake = server("elsewhere")
    with pytest.raises(Heard) as heard:
        asker.ask(fake.port, "verify-full", "localhost")
    assert "elsewhere.example" in str(heard.value) and "localhost" in str(heard.value)


def test_a_revoked_server_is_refused(asker, server, certificates):
    with pytest.raises(Heard, match="revoked|verify"):
        asker.ask(server("revoked").port, "verify-ca", crl=certificates.crl)


def test_the_gateways_own_certificate_is_shown_to_servers_that_ask_for_one(asker, server, certificates):
    fake = server("database", ca=certificates.ca)
    assert "asked" in asker.ask(fake.port, "require", pair="app")


def test_a_server_that_wants_a_certificate_refuses_without_one(asker, server, certificates):
    fake = server("database", ca=certificates.ca)
    with pytest.raises(Heard):
        asker.ask(fake.port, "require")


def test_a_role_that_postgresql_knows_by_certificate_is_reached_with_the_gateways(through, secure, certificates):
    through.one = through.start(secure.port, "verify-full", pair="cora")
    with through.one.raw(through.kind) as client:
        assert client.login("cora", "app").value("select current_user") == "cora"
        client.leave()


def test_a_server_with_old_tls_only_is_refused(asker, server, certificates):
    fake = server("database")
    fake.context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        fake.context.minimum_version, fake.context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(Heard):
        asker.ask(fake.port, "require")


# What the server is told.

def test_the_hosts_name_is_sent_as_server_name(asker, server):
    names = []
    asker.ask(server("database", names=names).port, "require", "localhost")
    assert set(names) == {"localhost"}


def test_an_address_is_never_sent_as_server_name(asker, server):
    names = []
    asker.ask(server("database", names=names).port, "require", "127.0.0.1")
    assert set(names) == {None}


def test_server_tls_sni_false_sends_no_name(through, server):
    names = []
    fake = server("database", names=names)
    one = through.start(fake.port, "require", "localhost")
    text = one.config | {"tls": one.config["tls"] | {"server_tls_sni": False}}
    through.one = through.gateway(text)
    through.again()
    assert set(names) == {None}


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_session_is_resumed_where_the_server_gave_a_ticket(through, server, version):
    fake = server("database")
    fake.context.minimum_version = fake.context.maximum_version = ssl.TLSVersion[version]
    through.one = through.start(fake.port, "verify-full")
    held = []
    for _ in range(4):
        client = through.one.raw(through.kind)
        held.append(client.login("app", "app"))
        client.send(m.query("begin"))
        client.until("Z")
    for client in held:
        client.leave()
    if through.kind == "direct":
        assert fake.handshakes[0] is False and True in fake.handshakes[1:], fake.handshakes


def test_direct_negotiation_begins_tls_at_once_with_the_protocols_name(through, certificates, liar):
    agreed = []
    context = server_context(certificates["database"])
    context.set_alpn_protocols(["postgresql"])

    def script(peer):
        peer.socket = context.wrap_socket(peer.socket, server_side=True)
        agreed.append(peer.socket.selected_alpn_protocol())
        serve(peer)

    through.one = through.start(liar(script).port, "require", server_tls_negotiation="direct")
    assert "asked" in through.again()
    assert set(agreed) == {"postgresql"}


# Modes.

def answering(answer, asked):
    """Answers SSLRequest with N, or goes on in clear without one; keeps what it was asked first."""
    def script(peer):
        first = peer._take(8)
        asked.append(first == m.SSL_REQUEST)
        if first == m.SSL_REQUEST:
            peer.send(answer)
        else:
            peer.buffer = first + peer.buffer
        serve(peer)
    return script


@pytest.mark.parametrize("mode", ["prefer", "allow"])
def test_a_server_without_tls_is_used_in_clear_where_that_is_allowed(asker, liar, mode):
    asked = []
    assert "asked" in asker.ask(liar(answering(b"N", asked)).port, mode)
    assert asked[-1] is (mode == "prefer")


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_server_without_tls_is_refused_where_tls_is_required(asker, liar, mode):
    asked, startups = [], []

    def script(peer):
        asked.append(peer._take(8) == m.SSL_REQUEST)
        peer.send(b"N")
        startups.append(peer._take(8))

    with pytest.raises(Heard, match="SSL|TLS"):
        asker.ask(liar(script).port, mode, "localhost")
    assert asked and all(asked) and not startups


def test_disable_asks_for_no_tls(asker, liar):
    asked = []
    assert "asked" in asker.ask(liar(answering(b"N", asked)).port, "disable")
    assert not any(asked)


def test_allow_uses_tls_when_postgresql_insists(through, secure):
    """PostgreSQL's rule for `strict` is hostssl: without TLS there is no entry for it."""
    files = {"passfile": passfile()}
    through.one = through.gateway(upstream=secure.port, auth={"auth_type": "trust", "passfile": "passfile"},
                                  tls={"server_tls_sslmode": "allow",
                                       "server_tls_cert_file": str(through.certificates["app"].cert),
                                       "server_tls_key_file": str(through.certificates["app"].key)}, files=files)
    with through.one.raw(through.kind) as client:
        client.login("alice", "strict", SECRETS["alice"])
        assert client.value("select ssl from pg_stat_ssl where pid = pg_backend_pid()") == "t"
        client.leave()


# A man in the middle.

INJECTED = "injected-by-a-man-in-the-middle"
LOGIN = m.authentication(0) + m.parameter_status("server_version", "15.18") + m.backend_key(7) + m.ready()
ROW = m.row_description("c") + m.data_row(INJECTED) + m.complete("SELECT 1") + m.ready()


def before_tls(*parts, then=None):
    def script(peer):
        assert peer._take(8) in (m.SSL_REQUEST, m.startup("app", "app")[:8])
        peer.send(*parts)
        if then:
            then(peer)
        try:
            peer.until("X")
        except Gone:
            pass
    return script


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-full"])
def test_an_error_before_tls_never_reaches_a_client(through, liar, mode):
    """CVE-2024-10977: a message from before the handshake is nobody's word."""
    fake = liar(before_tls(m.error("28000", INJECTED, "FATAL")))
    with pytest.raises(Heard) as heard:
        through.ask(fake.port, mode)
    assert INJECTED not in heard.value.said


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-full"])
def test_bytes_in_clear_behind_the_s_end_the_connection(asker, server, certificates, liar, mode):
    """CVE-2021-23222: they would be read as if they had come through TLS."""
    context = server_context(certificates["database"])

    def handshake(peer):
        try:
            peer.socket = context.wrap_socket(peer.socket, server_side=True)
        except OSError:
            raise Gone from None

    fake = liar(before_tls(b"S" + LOGIN + ROW, then=handshake))
    with pytest.raises(Heard) as heard:
        asker.ask(fake.port, mode)
    assert INJECTED not in str(heard.value)


ANSWERS = {"a letter that is no answer": b"X", "the letter of GSS": b"G", "an E alone": b"E", "a zero": b"\0",
           "both letters": b"NS", "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n", "an S and rubbish": b"S" + b"\xff" * 200}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_other_than_s_or_n_is_an_error_not_a_hang(asker, liar, name):
    with pytest.raises(Heard):
        asker.ask(liar(before_tls(ANSWERS[name])).port, "require")


@pytest.mark.parametrize("opening", [b"", b"S"])
def test_a_server_that_stalls_within_the_handshake_is_given_up(through, liar, opening):
    with pytest.raises(Heard):
        through.ask(liar(before_tls(opening)).port, "require")


def test_a_server_that_hangs_up_after_the_ssl_request_is_an_error(asker, liar):
    with pytest.raises(Heard):
        asker.ask(liar(lambda peer: peer._take(8)).port, "require")


# Channel binding towards PostgreSQL.

HASHES = {"database": "sha256", "rsa-sha512": "sha512", "rsa-pss": "sha384"}


def scram_server(offered, seen, certificate, hash_name):
    """A SCRAM server that checks nothing but the header and the binding, and keeps both."""
    def script(peer):
        if peer.read_startup() is None:
            return
        peer.send(m.authentication(10, b"".join(m.text(name) for name in offered) + b"\0"))
        mechanism, _, rest = peer.until("p").body.partition(b"\0")
        client_first = rest[4:].decode()
        header = ",".join(client_first.split(",", 2)[:2]) + ","
        exchange = scram.Server(SECRETS["alice"])
        peer.send(m.authentication(11, exchange.first(rest[4:])))
        final = peer.until("p").body
        binding = scram.base64.b64decode(scram.attributes(final.decode())["c"])
        expected = header.encode() + (binding_of(certificate, hash_name) if header[0] == "p" else b"")
        seen.append((mechanism.decode(), header, binding == expected))
        peer.send(m.authentication(12, exchange.final(final)), m.authentication(0), peer.settings(),
                  m.backend_key(9), m.ready())
        peer.serve()
    return script


def ask_as_alice(asker, port, mode):
    if asker.kind == "libpq":
        with connect(port, "alice", password=SECRETS["alice"], sslmode=mode) as connection:
            return connection.execute("select 'asked'").fetchone()
    one = asker.gateway(hosts=[f"127.0.0.1:{port}"], workers=1, defaults=PATIENCE,
                        auth={"auth_type": "plain", "auth_file": "users.txt"}, tls={"server_tls_sslmode": mode},
                        files={"users.txt": users_file()})
    with one.raw(asker.kind) as client:
        return client.login("alice", "app", SECRETS["alice"]).rows("select 'asked'")


@pytest.mark.parametrize("asker", ["libpq", "pooled"], indirect=True)  # direct sessions log in by themselves
@pytest.mark.parametrize("pair", HASHES)
def test_the_login_to_postgresql_is_bound_to_its_certificate(asker, server, certificates, pair):
    seen = []
    certificate = ssl.PEM_cert_to_DER_cert(certificates[pair].cert.read_text())
    fake = server(pair, scram_server(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"], seen, certificate, HASHES[pair]))
    assert ask_as_alice(asker, fake.port, "require")
    assert seen[0] == ("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", True)


@pytest.mark.parametrize("asker", ["libpq", "pooled"], indirect=True)  # direct sessions log in by themselves
def test_where_plus_is_not_offered_over_tls_the_server_is_told_so(asker, server, certificates):
    """The y of RFC 5802 lets PostgreSQL notice that somebody struck PLUS from its list."""
    seen = []
    fake = server("database", scram_server(["SCRAM-SHA-256"], seen, b"", "sha256"))
    assert ask_as_alice(asker, fake.port, "require")
    assert seen[0] == ("SCRAM-SHA-256", "y,,", True)


def test_without_tls_there_is_no_binding(asker, liar):
    seen = []
    fake = liar(scram_server(["SCRAM-SHA-256"], seen, b"", "sha256"))
    assert ask_as_alice(asker, fake.port, "prefer")
    assert seen[0] == ("SCRAM-SHA-256", "n,,", True)


def test_a_certificate_without_a_hash_binds_nothing_and_harms_nobody(gateway, secure, certificates):
    """Ed25519 signatures name no hash (RFC 5929): PLUS cannot be offered, SCRAM over TLS works all the same."""
    pool = gateway(upstream=secure.port, auth={"auth_type": "scram-sha-256", "auth_file": "users.txt"},
                   tls=tls_options(certificates, pair="ed25519"), files={"users.txt": users_file()})
    for binding in ("prefer", "disable"):
        with connect(pool.pooled, "alice", password=SECRETS["alice"], sslmode="require",
                     channel_binding=binding) as connection:
            assert connection.pgconn.ssl_in_use


@pytest.mark.parametrize("pair", HASHES)
@pytest.mark.parametrize("binding", ["require", "prefer", "disable"])
def test_clients_bind_their_login_to_the_gateways_certificate(gateway, secure, certificates, pair, binding):
    name = "server" if pair == "database" else pair
    pool = gateway(upstream=secure.port, auth={"auth_type": "scram-sha-256", "auth_file": "users.txt"},
                   tls=tls_options(certificates, pair=name), files={"users.txt": users_file()})
    with connect(pool.pooled, "alice", password=SECRETS["alice"], sslmode="require",
                 channel_binding=binding) as connection:
        assert connection.execute("select current_user").fetchone() == ("alice",)


@pytest.mark.parametrize("mode", ["disable", "require", "verify-full"])
def test_the_server_side_mode_is_what_postgresql_sees(through, secure, mode):
    through.one = through.start(secure.port, mode)
    with through.one.raw(through.kind) as client:
        client.login("app", "app")
        seen = client.value("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
        assert seen == ("f" if mode == "disable" else "t")
        client.leave()


def test_each_upstream_has_its_own_mode(gateway, secure, certificates):
    upstreams = [{"name": "main", "hosts": [f"127.0.0.1:{secure.port}"]},
                 {"name": "plain", "hosts": [f"127.0.0.1:{secure.port}"], "server_tls_sslmode": "disable"}]
    routes = [{"name": "plain", "match": {"application_name": "plain"}, "mode": "transaction", "upstream": "plain"}]
    pool = gateway(upstream=secure.port, upstreams=upstreams, routes=routes,
                   tls=tls_options(certificates, server="verify-full"))
    for name, expected in (("plain", "f"), ("other", "t")):
        with pool.login(application_name=name) as client:
            assert client.value("select ssl from pg_stat_ssl where pid = pg_backend_pid()") == expected
            client.leave()


def test_the_gateway_says_why_a_server_was_not_believed(through, server):
    fake = server("foreign-server")
    with pytest.raises(Heard):
        through.ask(fake.port, "verify-ca")
    programs.eventually(lambda: re.search(r"certificate|server_tls_ca_file", through.one.log()), 5)
