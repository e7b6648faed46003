# SPDX-License-Identifier: PostgreSQL
"""neighbours - clients with settings of their own, who take servers in turn with whoever is under test."""

import contextlib

from load import Neighbours
from rawpg import Raw

SETTINGS = {
    "search_path": "nowhere_{}", "timezone": "Etc/GMT+{}", "datestyle": "SQL, DMY", "intervalstyle": "iso_8601",
    "statement_timeout": "{}min", "bytea_output": "escape", "extra_float_digits": "0", "my.neighbour": "{}",
    "default_transaction_isolation": "serializable", "default_transaction_read_only": "on",
}


class Straight:
    """What Neighbours needs of a gateway, with PostgreSQL itself behind it."""

    def __init__(self, port):
        self.port = port

    def login(self, _listener, user, database):
        return Raw(self.port).login(user, database)


def foreign_work(client, number, dice):
    """Sets something and looks whether it stayed, or keeps a server for a moment. Odd ones never set anything, so
    that they go on changing servers even where a setting keeps its client on one."""
    if number % 2 or not dice.randrange(3):
        client.query("begin")
        client.query("set local my.neighbour = 'local'")
        client.query("select pg_sleep(0.002)")
        client.query("rollback")
        return
    name, value = dice.choice(list(SETTINGS.items()))
    value = value.format(number + 1)
    client.query(f"set {name} to {value if name == 'search_path' else repr(value)}")
    for _ in range(3):
        found = client.value(f"show {name}")
        assert found == value, f"{name} was set to {value} and is {found}"


@contextlib.contextmanager
def surrounded(place, count=4, user="app", database="app"):
    """Runs the body among `count` neighbours at `place`, a Gateway or Straight; what they noticed is raised."""
    with Neighbours(place, count, foreign_work, user=user, database=database, pause=0.02) as neighbours:
        yield neighbours
    neighbours.check()
