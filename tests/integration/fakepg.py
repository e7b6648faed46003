# SPDX-License-Identifier: PostgreSQL
"""fakepg - a scripted PostgreSQL server that can lie, stall and hang up. One thread a connection."""

import contextlib
import socket
import struct
import threading

import messages as m


class Gone(Exception):
    """The gateway closed the connection."""


class Peer:
    """One accepted connection, as the script sees it."""

    def __init__(self, connection, number):
        self.socket, self.number, self.buffer = connection, number, b""
        self.startup = {}

    def _take(self, size):
        while len(self.buffer) < size:
            part = self.socket.recv(1 << 16)
            if not part:
                raise Gone
            self.buffer += part
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    def read(self):
        head = self._take(5)
        return m.Message(head[:1].decode(errors="replace"), self._take(struct.unpack("!I", head[1:])[0] - 4))

    def until(self, kinds):
        while True:
            item = self.read()
            if item.type in kinds:
                return item

    def read_startup(self):
        """The StartupMessage's parameters; None when it was a CancelRequest."""
        while True:
            length, code = struct.unpack("!II", self._take(8))
            body = self._take(length - 8)
            if code in (80877103, 80877104):
                self.send(b"N")
                continue
            if code == 80877102:
                return None
            parts = m.strings(body)
            self.startup = dict(zip(parts[::2], parts[1::2]))
            return self.startup

    def accept(self, **parameters):
        """An ordinary login without a password."""
        if self.read_startup() is None:
            raise Gone
        self.send(m.authentication(0), self.settings(**parameters), m.backend_key(1000 + self.number), m.ready())

    @staticmethod
    def settings(**parameters):
        given = {"server_version": "15.18", "server_encoding": "UTF8", "client_encoding": "UTF8",
                 "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "TimeZone": "Etc/UTC",
                 "integer_datetimes": "on", "is_superuser": "off", "session_authorization": "app",
                 "standard_conforming_strings": "on", "application_name": "",
                 "default_transaction_read_only": "off", "in_hot_standby": "off"} | parameters
        return b"".join(m.parameter_status(name, value) for name, value in given.items())

    def answer(self, *values, tag=None):
        """A whole answer to a simple query with one row."""
        self.send(m.row_description(*[f"c{n}" for n in range(len(values))]), m.data_row(*values),
                  m.complete(tag or "SELECT 1"), m.ready())

    def serve(self, handler=None):
        """Answers simple and extended queries for ever; handler(peer, sql) returns True when it did it itself."""
        sql = ""
        while True:
            item = self.read()
            if item.type == "X":
                return
            if item.type == "Q":
                sql = m.strings(item.body)[0]
                if not (handler and handler(self, sql)):
                    self.answer(sql)
            else:
                sql = self._extended(item, sql, handler)

    def _extended(self, item, sql, handler):
        replies = {"P": m.message("1"), "B": m.message("2"), "C": m.message("3"), "S": m.ready(),
                   "D": m.message("n") if item.body[:1] == b"P" else m.message("t", b"\0\0") + m.message("n")}
        if item.type == "P":
            sql = m.strings(item.body)[1]
        if item.type == "E":
            if not (handler and handler(self, sql)):
                self.send(m.complete("SELECT 0"))
        elif item.type in replies:
            self.send(replies[item.type])
        return sql

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class FakePg:
    """Listens on a port of its own and runs script(peer) for every connection."""

    def __init__(self, script):
        self.script = script
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        self.peers = []
        self.failures = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(connection, len(self.peers))
            self.peers.append(peer)
            threading.Thread(target=self._play, args=(peer,), daemon=True).start()

    def _play(self, peer):
        try:
            self.script(peer)
        except (Gone, OSError):
            pass
        except Exception as trouble:  # a bug in the script: the test looks at `failures`
            self.failures.append(trouble)
        finally:
            with contextlib.suppress(OSError):
                peer.close()

    def open_peers(self):
        return [peer for peer in self.peers if peer.socket.fileno() >= 0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.close()
        assert not self.failures, f"the scripted server itself failed: {self.failures}"
