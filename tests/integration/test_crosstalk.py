# SPDX-License-Identifier: PostgreSQL
"""test_crosstalk - many clients with tagged requests, mixed and rude, on few servers: no answer is another's."""

import os
import random
import threading
import time

import pytest

import messages as m
from rawpg import Closed, Refused, errors_of, rows_of
from secure import tls_options
from tlsraw import Tls, client_context

pytest_plugins = ("secure_fixtures",)
pytestmark = pytest.mark.flaky(reruns=0)  # a mixed answer is never forgiven

SECONDS = float(os.environ.get("CROSSTALK_SECONDS", "12"))


class Player:
    """One client in a loop. Every request carries a tag that no other request has. `enter` makes a raw client."""

    def __init__(self, enter, number, seed):
        self.enter, self.number = enter, number
        self.dice = random.Random(f"{seed}/{number}")
        self.client, self.serial, self.names = None, 0, {}
        self.findings, self.replies = [], 0

    def tag(self):
        self.serial += 1
        return f"c{self.number}s{self.serial}"

    def expect(self, what, found, wanted):
        self.replies += 1
        if found != wanted:
            self.findings.append(f"{what}: found {found!r}, expected {wanted!r}")

    def run(self, deadline):
        while time.monotonic() < deadline and not self.findings:
            try:
                if self.client is None:
                    self.client, self.names = self.enter(), {}
                    self.client.login("app", "app", application_name=f"player {self.number}")
                getattr(self, self.dice.choice(OPERATIONS))()
            except (Closed, Refused, OSError, AssertionError) as trouble:
                self.findings.append(f"client {self.number}: {trouble!r}")
        if self.client:
            self.client.leave()

    # Operations.

    def simple(self):
        tag = self.tag()
        self.expect("simple", self.client.rows(f"select '{tag}'"), [[tag]])

    def extended(self):
        tag = self.tag()
        self.expect("extended", self.client.extended("select $1::text, 'x'", [tag]), [[tag, "x"]])

    def transaction(self):
        tag = self.tag()
        found = self.client.ask(m.query("begin"), m.query(f"select '{tag}'"), m.query("commit"), count=3)
        self.expect("transaction", rows_of(found), [[tag]])
        self.expect("status", self.client.status, "I")

    def named(self):
        name = f"n{self.dice.randrange(5)}"
        if name in self.names and self.dice.random() < 0.2:
            self.client.ask(m.close("S", name), m.sync())
            del self.names[name]
            return
        if name not in self.names:
            self.names[name] = self.tag()
            self.client.ask(m.parse(name, f"select '{self.names[name]}', $1::text"), m.sync())
        tag = self.tag()
        found = self.client.ask(m.bind("", name, [tag]), m.execute(), m.sync())
        self.expect("named", rows_of(found), [[self.names[name], tag]])

    def pipeline(self):
        tags = [self.tag() for _ in range(self.dice.randrange(2, 30))]
        found = self.client.ask(*[m.once("select $1::text", [tag]) + m.sync() for tag in tags], count=len(tags))
        self.expect("pipeline", rows_of(found), [[tag] for tag in tags])

    def pipeline_error(self):
        first, last = self.tag(), self.tag()
        found = self.client.ask(m.once("select $1::text", [first]), m.sync(), m.once("select 1/$1::int", [0]),
                                m.once("select 'skipped'"), m.sync(), m.query(f"select '{last}'"), count=3)
        self.expect("codes", [error["C"] for error in errors_of(found)], ["22012"])
        values = [m.row(item.body)[0].decode() for item in found if item.type == "D"]
        self.expect("pipeline with an error", values, [first, last])

    def notice(self):
        tag = self.tag()
        found = self.client.query(f"select grumble('{tag}')")
        told = [m.fields(item.body)["M"] for item in found if item.type == "N"]
        self.expect("notice", (told, rows_of(found)), ([f"notice for {tag}"], [[tag]]))

    def error(self):
        tag = self.tag()
        found = self.client.query(f"select * from {tag}")
        self.expect("error", [error["M"] for error in errors_of(found)], [f'relation "{tag}" does not exist'])

    def copy_out(self):
        tag = self.tag()
        found = self.client.query(f"copy (select '{tag}' from generate_series(1, 50)) to stdout")
        self.expect("copy out", {item.body for item in found if item.type == "d"}, {tag.encode() + b"\n"})

    def copy_in(self):
        self.client.send(m.query("copy marks from stdin"))
        self.expect("copy in", self.client.read().type, "G")
        found = self.client.ask(m.copy_data(b"-5\t1\tx\n" * 20), m.copy_fail(self.tag()))
        self.expect("copy fail", [error["C"] for error in errors_of(found)], ["57014"])

    def copy_error(self):
        tag = self.tag()
        self.client.send(m.query("copy marks from stdin"))
        self.expect("copy error", self.client.read().type, "G")
        found = self.client.ask(m.copy_data(f"{tag}\t1\tx\n".encode()), *[m.copy_data(b"1\t1\tx\n")] * 50,
                                m.copy_done())
        self.expect("copy error", [tag in error["M"] for error in errors_of(found)], [True])

    def function_call(self):
        left = self.dice.randrange(1 << 20)
        found = self.client.ask(m.function_call(177, [left.to_bytes(4, "big"), self.number.to_bytes(4, "big")]))
        self.expect("function call", int.from_bytes(found[0].body[4:], "big"), left + self.number)

    def large(self):
        tag, size = self.tag(), self.dice.randrange(10_000, 200_000)
        found = self.client.extended("select $1::text, repeat($1::text || ',', $2::int)", [tag, size // len(tag)])
        self.expect("large", found[0][1], f"{tag}," * (size // len(tag)))

    def flush(self):
        tag = self.tag()
        self.client.send(m.once("select $1::text", [tag]), m.flush())
        self.expect("flush", rows_of(self.client.until("C")), [[tag]])
        self.expect("sync", m.digest(self.client.ask(m.sync())), [("Z", "I")])

    def application_name(self):
        found = self.client.ask(m.query("show application_name"))
        self.expect("application_name", rows_of(found), [[f"player {self.number}"]])

    def setting(self):
        tag = self.tag()
        found = self.client.ask(m.query(f"begin; set local my.tag = '{tag}'"), m.query("show my.tag"),
                                m.query("commit"), count=3)
        self.expect("set local", rows_of(found), [[tag]])

    def session_setting(self):
        tag = self.tag()
        self.client.query(f"set my.session_tag = '{tag}'")
        for _ in range(3):
            self.expect("set", self.client.rows("show my.session_tag"), [[tag]])
        self.client.query("reset my.session_tag")

    def cancelled(self):
        self.client.send(m.query("select pg_sleep(5)"))
        time.sleep(self.dice.random() * 0.02)
        self.client.cancel()
        for _ in range(20):
            if self.client.buffer or not self.client.silent(0.2):
                break
            self.client.cancel()
        self.expect("cancel", [error["C"] for error in errors_of(self.client.until("Z"))], ["57014"])

    def idle_cancel(self):
        self.client.cancel()
        self.simple()

    def leave(self):
        way = self.dice.randrange(7)
        stages = [lambda c: None, lambda c: c.send(m.query("select 1")[:7]), lambda c: c.query("begin"),
                  lambda c: c.send(m.query("select pg_sleep(0.5)")), lambda c: c.send(m.parse("", "select 1")),
                  lambda c: c.send(m.query("copy marks from stdin"), m.copy_data(b"-6\t1\tx\n")[:6]),
                  lambda c: c.send(m.query("select repeat('left', 10000) from generate_series(1, 100)"))]
        stages[way](self.client)
        self.dice.choice([self.client.close, self.client.reset, self.client.leave])()
        self.client = None


COMMON = ["simple", "extended", "transaction", "named", "pipeline"] * 4
RARE = ["pipeline_error", "notice", "error", "copy_out", "copy_in", "copy_error", "function_call", "large", "flush",
        "application_name", "setting", "session_setting", "cancelled", "idle_cancel", "leave"]
OPERATIONS = COMMON + RARE


def play(enter, players):
    """Everybody at once for SECONDS; what they found."""
    seed = int(os.environ.get("CROSSTALK_SEED", "20261121"))
    everyone = [Player(enter, number, seed) for number in range(players)]
    deadline = time.monotonic() + SECONDS
    threads = [threading.Thread(target=player.run, args=(deadline,), daemon=True) for player in everyone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + 60)
        assert not thread.is_alive(), "a client hangs"
    findings = [finding for player in everyone for finding in player.findings]
    assert not findings, f"seed {seed}: {findings[:5]}"
    assert sum(player.replies for player in everyone) > 1000


def left_clean(cluster):
    cluster.quiet("state like 'idle in transaction%'")
    assert cluster.value("select count(*) from marks where client < 0") == 0


CROWDED = {"max_prepared_statements": 3, "query_wait_timeout": "60s"}


@pytest.mark.slow
@pytest.mark.parametrize("workers, size, players", [(4, 4, 24)])
def test_no_reply_reaches_another_client(gateway, postgres, workers, size, players):
    pool = gateway(pool=size, workers=workers, defaults=CROWDED)
    play(pool.raw, players)
    left_clean(postgres)


@pytest.mark.slow
@pytest.mark.parametrize("workers, size, players", [(4, 4, 24)])
def test_no_reply_reaches_another_client_over_tls(gateway, secure, certificates, workers, size, players):
    pool = gateway(upstream=secure.port, pool=size, workers=workers, defaults=CROWDED,
                   tls=tls_options(certificates, client="require", server="require"))
    context = client_context()
    play(lambda: Tls(pool.pooled, context), players)
    left_clean(secure)


def test_the_judge_would_notice_a_foreign_reply():
    player = Player(None, 1, 1)
    player.expect("self-test", [["c2s7"]], [["c1s1"]])
    assert player.findings
