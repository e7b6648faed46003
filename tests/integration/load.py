# SPDX-License-Identifier: PostgreSQL
"""load - clients in the background that keep taking servers and notice anything odd."""

import random
import threading
import time

import messages as m
from rawpg import Closed, errors_of, rows_of


class Neighbours:
    """`count` raw clients that run short work in a loop until stopped, with a pause of up to `pause` seconds;
    `troubles` holds what went wrong."""

    def __init__(self, gateway, count=4, work=None, listener="pooled", user="app", database="app", pause=0.004):
        self.troubles = []
        self.pause = pause
        self.done = 0
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(gateway, listener, user, database, number, work
                                                                  or ordinary_work), daemon=True)
                         for number in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        deadline = time.monotonic() + 20
        while self.done < len(self._threads) and not self.troubles and time.monotonic() < deadline:
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._end.set()
        for thread in self._threads:
            thread.join(30)
            if thread.is_alive():
                self.troubles.append("a neighbour hangs")

    def _run(self, gateway, listener, user, database, number, work):
        dice = random.Random(number)
        try:
            client = gateway.login(listener, user, database)
            while not self._end.is_set():
                work(client, number, dice)
                self.done += 1
                time.sleep(dice.random() * self.pause)
            client.leave()
        except (Exception, Closed) as trouble:
            self.troubles.append(f"neighbour {number}: {trouble!r}")

    def check(self):
        assert not self.troubles, self.troubles[:5]
        assert self.done > 0, "the neighbours did nothing"


def ordinary_work(client, number, dice):
    """Unqualified queries, in and out of transactions, simple and extended, with the answers checked."""
    tag = dice.randrange(1 << 30)
    choice = dice.randrange(4)
    if choice == 0:
        assert client.value(f"select {tag} from items limit 1") == str(tag)
    elif choice == 1:
        found = client.ask(m.query("begin"), m.query(f"select {tag} from items limit 1"), m.query("commit"), count=3)
        assert rows_of(found) == [[str(tag)]] and client.status == "I"
    elif choice == 2:
        assert client.extended("select $1::int + 0 from items limit 1", [tag]) == [[str(tag)]]
    else:
        found = client.query(f"select {tag} from no_such_table")
        assert [error["C"] for error in errors_of(found)] == ["42P01"]
        assert client.value("select count(*) from items") == "1000"


def in_threads(*works):
    """Runs the functions at the same time; returns their results, raises the first exception."""
    results, troubles = [None] * len(works), []

    def call(number, work):
        try:
            results[number] = work()
        except BaseException as trouble:
            troubles.append(trouble)

    threads = [threading.Thread(target=call, args=pair, daemon=True) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "a thread of the test hangs"
    if troubles:
        raise troubles[0]
    return results
