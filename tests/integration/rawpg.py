# SPDX-License-Identifier: PostgreSQL
"""rawpg - a client that says exactly what a test tells it to, byte by byte, and shows exactly what came back."""

import contextlib
import select
import socket
import struct
import time

import messages as m
import scram


class Closed(Exception):
    """The other side closed the connection."""


class Raw:
    def __init__(self, port, host="127.0.0.1", timeout=20):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = (host, port)
        self.buffer = b""
        self.parameters = {}
        self.pid, self.secret = 0, b""
        self.status = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Bytes.

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))
        return self

    def send_at(self, data, points, pause=0.002):
        """Sends data in pieces cut at the given positions, with a pause between them."""
        edges = [0, *sorted(points), len(data)]
        for start, end in zip(edges, edges[1:]):
            if start < end:
                self.socket.sendall(data[start:end])
                time.sleep(pause)
        return self

    def _fill(self, size):
        while len(self.buffer) < size:
            try:
                part = self.socket.recv(1 << 16)
            except ConnectionResetError:
                part = b""
            if not part:
                raise Closed(f"connection closed, {len(self.buffer)} bytes were left: {self.buffer[:80]!r}")
            self.buffer += part

    def byte(self):
        self._fill(1)
        found, self.buffer = self.buffer[:1], self.buffer[1:]
        return found

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()

    def leave(self):
        """The polite way out."""
        with contextlib.suppress(OSError):
            self.send(m.terminate())
        self.close()

    def reset(self):
        """The rude way out: RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # Messages.

    def read(self):
        self._fill(5)
        kind, length = self.buffer[:1].decode(errors="replace"), struct.unpack_from("!I", self.buffer, 1)[0]
        self._fill(1 + length)
        body, self.buffer = self.buffer[5:1 + length], self.buffer[1 + length:]
        found = m.Message(kind, body)
        self._remember(found)
        return found

    def _remember(self, found):
        if found.type == "S":
            name, value = m.strings(found.body)[:2]
            self.parameters[name] = value
        elif found.type == "K":
            self.pid, self.secret = struct.unpack_from("!I", found.body)[0], found.body[4:]
        elif found.type == "Z":
            self.status = found.body.decode()

    def until(self, kinds="Z", count=1):
        """All messages up to and including the count-th of one of these types."""
        found = []
        while count:
            found.append(self.read())
            count -= found[-1].type in kinds
        return found

    def rest(self):
        """Everything up to the end of the connection."""
        found = []
        with contextlib.suppress(Closed):
            while True:
                found.append(self.read())
        return found

    def closed(self, seconds=5):
        """True when the other side closed within that time, whatever it sent before."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            readable, _, _ = select.select([self.socket], [], [], deadline - time.monotonic())
            with contextlib.suppress(ConnectionResetError):
                if not readable:
                    continue
                part = self.socket.recv(1 << 16)
                if part:
                    self.buffer += part
                    continue
            return True
        return False

    def silent(self, seconds=0.3):
        """True when nothing came in that time."""
        if self.buffer:
            return False
        return not select.select([self.socket], [], [], seconds)[0]

    # Login.

    def login(self, user, database=None, secret=None, version=(3, 0), **parameters):
        """Startup and authentication up to the first ReadyForQuery; an ErrorResponse is raised as Refused."""
        self.send(m.startup(user, database, version, **parameters))
        return self.finish_login(secret)

    def finish_login(self, secret=None):
        self.welcome = []
        exchange = None
        while True:
            item = self.read()
            self.welcome.append(item)
            if item.type == "E":
                raise Refused(m.fields(item.body))
            if item.type == "Z":
                return self
            if item.type == "R":
                exchange = self._authenticate(item.body, secret, exchange)

    def _authenticate(self, body, secret, exchange):
        code, data = struct.unpack_from("!I", body)[0], body[4:]
        if code == 3:
            self.send(m.password(secret))
        elif code == 10:
            exchange = scram.Client(secret)
            self.send(m.sasl_initial("SCRAM-SHA-256", exchange.first()))
        elif code == 11:
            self.send(m.sasl_response(exchange.final(data)))
        elif code == 12:
            assert exchange.server_is_right(data), "the server's SCRAM signature is wrong"
        else:
            assert code == 0, f"authentication request {code} was not expected"
        return exchange

    # Short forms.

    def ask(self, *parts, count=1):
        """Sends and reads up to the count-th ReadyForQuery."""
        return self.send(*parts).until("Z", count)

    def query(self, sql):
        return self.ask(m.query(sql))

    def rows(self, sql):
        """The rows of a simple query as text; an error is raised."""
        return rows_of(self.query(sql))

    def value(self, sql):
        return self.rows(sql)[0][0]

    def extended(self, sql, parameters=()):
        return rows_of(self.ask(m.once(sql, parameters), m.sync()))

    def cancel(self, pid=None, secret=None):
        """Sends a CancelRequest for this session from a connection of its own and waits for its end."""
        with Raw(self.address[1], self.address[0]) as other:
            other.send(m.cancel_request(self.pid if pid is None else pid, self.secret if secret is None else secret))
            assert other.closed(10), "the connection of a CancelRequest was left open"


class Refused(Exception):
    """An ErrorResponse; `fields` are its parts by letter."""

    def __init__(self, fields):
        super().__init__(f"{fields.get('C')} {fields.get('M')}")
        self.fields = fields
        self.sqlstate = fields.get("C")


def errors_of(found):
    return [m.fields(item.body) for item in found if item.type == "E"]


def rows_of(found):
    for fields in errors_of(found):
        raise Refused(fields)
    return [[value if value is None else value.decode(errors="replace") for value in m.row(item.body)]
            for item in found if item.type == "D"]


def kinds(found):
    return "".join(item.type for item in found)
