# SPDX-License-Identifier: PostgreSQL
"""tlsraw - raw clients and scripted servers that speak TLS, and SCRAM with any channel binding."""

import contextlib
import hashlib
import select
import socket
import ssl
import struct
import time
import warnings

import messages as m
import scram
from fakepg import FakePg
from rawpg import Raw, Refused

BINDING = "tls-server-end-point"


def client_context(pair=None, ca=None, alpn=(), versions=None):
    """Checks nothing without `ca`; versions is (lowest, highest) as ssl.TLSVersion names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    if ca:
        context.load_verify_locations(ca)
    if pair:
        context.load_cert_chain(*pair)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if versions:
        # Old versions need old ciphers, which are what the refusal is about.
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = (ssl.TLSVersion[name] for name in versions)
    return context


def server_context(pair, ca=None, names=None):
    """For a scripted server; the server names that clients send are appended to `names`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    if ca:
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
    if names is not None:
        context.sni_callback = lambda connection, name, _: names.append(name)
    return context


class Channel:
    """An encrypted socket whose end, by whatever alert, reads as an end; `trouble` says by which."""

    def __init__(self, encrypted):
        self.inner, self.trouble = encrypted, None

    def recv(self, size):
        try:
            return self.inner.recv(size)
        except ssl.SSLError as trouble:
            self.trouble = trouble
            return b""

    def sendall(self, data):
        try:
            self.inner.sendall(data)
        except ssl.SSLError as trouble:
            self.trouble = trouble
            raise ConnectionResetError(str(trouble)) from trouble

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Tls(Raw):
    """A raw client behind a TLS handshake, asked for by SSLRequest or, with direct, begun at once."""

    def __init__(self, port, context=None, direct=False, host="127.0.0.1", timeout=20):
        super().__init__(port, host, timeout)
        try:
            if not direct:
                self.ask_for_tls()
            self.encrypt(context)
        except BaseException:
            self.close()
            raise

    def ask_for_tls(self):
        self.send(m.SSL_REQUEST)
        answer = self.byte()
        assert answer == b"S", f"'S' was expected as the answer to an SSLRequest, found {answer!r}"
        assert not self.buffer, f"bytes in clear behind the 'S': {self.buffer!r}"

    def encrypt(self, context=None):
        encrypt(self, context)

    @property
    def certificate(self):
        return self.socket.getpeercert(binary_form=True)

    def closed(self, seconds=5):
        """As Raw.closed; readable bytes may be TLS's own, so this reads with a time limit instead of selecting."""
        deadline = time.monotonic() + seconds
        usual = self.socket.gettimeout()
        try:
            while (left := deadline - time.monotonic()) > 0:
                self.socket.settimeout(left)
                with contextlib.suppress(TimeoutError, ConnectionResetError):
                    part = self.socket.recv(1 << 16)
                    if part:
                        self.buffer += part
                        continue
                    return True
            return False
        finally:
            self.socket.settimeout(usual)

    def silent(self, seconds=0.3):
        assert not self.socket.pending()
        return not self.buffer and not select.select([self.socket.inner], [], [], seconds)[0]

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def cancel(self, pid=None, secret=None):
        with Tls(self.address[1], host=self.address[0]) as other:
            other.send(m.cancel_request(self.pid if pid is None else pid, self.secret if secret is None else secret))
            assert other.closed(10), "the connection of a CancelRequest was left open"


def encrypt(raw, context=None):
    """The handshake on a raw client's connection, which it then uses; a failure is an ssl.SSLError or OSError."""
    raw.socket = Channel((context or client_context()).wrap_socket(raw.socket, server_hostname="localhost"))
    return raw


def binding_of(certificate, hash_name="sha256"):
    """The data of tls-server-end-point (RFC 5929) for a certificate in DER."""
    return hashlib.new(hash_name, certificate).digest()


class Exchange(scram.Client):
    """SCRAM with any header and any binding: `flag` is n, y or p=..., `data` what the client says it is bound to."""

    def __init__(self, password, flag="n", data=b""):
        super().__init__(password)
        self.header = f"{flag},,".encode()
        self.bound = self.header + data

    def first(self):
        return self.header + self.first_bare.encode()

    def final(self, server_first):
        return self.final_with(server_first, scram.b64(self.bound))

    def final_with(self, server_first, binding):
        """The proof over exactly the binding that is sent."""
        given = scram.attributes(server_first.decode())
        text = server_first.decode()
        key = scram.salted(self.password, scram.base64.b64decode(given["s"]), int(given["i"]))
        without_proof = f"c={binding},r={given['r']}"
        exchange = ",".join([self.first_bare, text, without_proof])
        client_key = scram.mac(key, "Client Key")
        proof = scram.xor(client_key, scram.mac(scram.digest(client_key), exchange))
        self.expected = scram.mac(scram.mac(key, "Server Key"), exchange)
        return f"{without_proof},p={scram.b64(proof)}".encode()


def expect(item, code):
    """The data of an authentication request of this kind; an ErrorResponse is raised as Refused."""
    if item.type == "E":
        raise Refused(m.fields(item.body))
    assert item.type == "R" and item.body[:4] == struct.pack("!I", code), f"request {code} was expected, found {item}"
    return item.body[4:]


def mechanisms(raw, user, database="app"):
    """Sends the startup packet and returns the offered SASL mechanisms."""
    raw.send(m.startup(user, database))
    return [name for name in m.strings(expect(raw.read(), 10)) if name]


def log_in(raw, mechanism, exchange):
    """Goes through an exchange begun by `mechanisms`."""
    raw.send(m.sasl_initial(mechanism, exchange.first()))
    raw.send(m.sasl_response(exchange.final(expect(raw.read(), 11))))
    assert exchange.server_is_right(expect(raw.read(), 12)), "the server's SCRAM signature is wrong"
    return raw.finish_login()


class SecureServer(FakePg):
    """A scripted PostgreSQL behind TLS. `handshakes` tells of each whether it resumed a session; `failed` what the
    others died of."""

    def __init__(self, context, script=None):
        self.context, self.handshakes, self.failed = context, [], []
        super().__init__(lambda peer: self._play_encrypted(peer, script or serve))

    def _play_encrypted(self, peer, script):
        if self._accept_tls(peer):
            self.handshakes.append(peer.socket.session_reused)
            script(peer)

    def _accept_tls(self, peer):
        request = peer._take(8)
        if request != m.SSL_REQUEST:
            self.failed.append(f"{request!r} instead of an SSLRequest")
            return False
        peer.send(b"S")
        try:
            peer.socket = self.context.wrap_socket(peer.socket, server_side=True)
        except OSError as trouble:
            self.failed.append(str(trouble))
            return False
        return True


def serve(peer):
    peer.accept()
    peer.serve()
