# SPDX-License-Identifier: PostgreSQL
"""crowd - thousands of clients in one process: each asks, waits for the answer, checks it and asks again.

usage: crowd.py PORT CLIENTS SECONDS PAUSE   (prints one JSON object: answers, waits in ms, troubles)
"""

import json
import random
import resource
import selectors
import socket
import struct
import sys
import time

import messages as m

QUESTION = "select {0} + 0"


class One:
    """One client: a socket and what of its answer has come."""

    def __init__(self, port, number):
        self.number, self.serial, self.got, self.since = number, 0, b"", 0.0
        self.ready, self.failed = False, None
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.socket.sendall(m.startup("app", "app", application_name="crowd"))
        self.socket.setblocking(False)

    def ask(self):
        self.serial += 1
        self.since = time.monotonic()
        self.socket.send(m.query(QUESTION.format(self.number * 1000000 + self.serial)))

    def read(self):
        """True when an answer is complete; raises when it is not this client's."""
        part = self.socket.recv(65536)
        if not part:
            raise OSError(self.failed or "closed")
        self.got += part
        done = False
        while len(self.got) >= 5:
            size = struct.unpack_from("!I", self.got, 1)[0] + 1
            if len(self.got) < size:
                break
            kind, body, self.got = self.got[:1], self.got[5:size], self.got[size:]
            done = self._take(kind, body) or done
        return done

    def _take(self, kind, body):
        if kind == b"E":
            self.failed = body.replace(b"\0", b" ").decode(errors="replace")
            if not self.ready:
                raise OSError(self.failed)
        if kind == b"D" and body[6:] != str(self.number * 1000000 + self.serial).encode():
            raise AssertionError(f"client {self.number} was given {body[6:]}")
        return kind == b"Z"


def main(port, count, seconds, pause):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, count + 200), hard), hard))
    selector, clients, troubles, waits, answers = selectors.DefaultSelector(), [], [], [], 0
    asleep, dice = [], random.Random(port + count)
    for number in range(count):
        try:
            client = One(port, number)
            clients.append(client)
            selector.register(client.socket, selectors.EVENT_READ, client)
        except OSError as trouble:
            troubles.append(f"connect: {trouble}")
    end = time.monotonic() + seconds
    while time.monotonic() < end or any(client.since for client in clients):
        if time.monotonic() > end + 60:
            troubles.append("an answer is missing")
            break
        for key, _ in selector.select(0.01):
            client = key.data
            try:
                done = client.read()
            except (OSError, AssertionError) as trouble:
                troubles.append(f"client {client.number}: {trouble}")
                selector.unregister(client.socket)
                client.since = 0
                continue
            if not done:
                continue
            if client.ready:
                waits.append(time.monotonic() - client.since)
                answers += 1
                if client.failed:
                    troubles.append(client.failed)
                    client.failed = None
            client.ready, client.since = True, 0
            asleep.append((time.monotonic() + dice.random() * 2 * pause, client))
        now = time.monotonic()
        due = [client for when, client in asleep if when <= now]
        asleep = [(when, client) for when, client in asleep if when > now]
        for client in due if now < end else []:
            client.ask()
    waits.sort()

    def at(part):
        return round(waits[min(int(len(waits) * part), len(waits) - 1)] * 1000, 1) if waits else None

    print(json.dumps({"clients": len(clients), "answers": answers, "median": at(0.5), "p99": at(0.99), "max": at(1),
                      "troubles": sorted(set(troubles))[:10], "trouble_count": len(troubles)}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
