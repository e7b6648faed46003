# SPDX-License-Identifier: PostgreSQL
"""replicas - a primary with streaming standbys, and clients that measure what a fail-over does to them."""

import os
import signal
import threading
import time

import psycopg

import programs
from cluster import PASSWORDS, Cluster

REPLICATION = {"wal_level": "replica", "hot_standby": "on", "wal_keep_size": "256MB", "wal_receiver_timeout": "5s",
               "wal_retrieve_retry_interval": "100ms", "max_connections": 40, "shared_buffers": "16MB"}


class Replicas:
    """hosts[0] begins as the primary; a standby is made of a copy of it."""

    def __init__(self, standbys=1):
        self.hosts = [Cluster("primary", settings=REPLICATION)]
        try:
            self.hosts[0].start().prepare()
            for _ in range(standbys):
                self.add_standby()
        except BaseException:
            self.destroy()
            raise

    def add_standby(self):
        standby = Cluster("standby", settings=REPLICATION, data_from=self._copy)
        self.hosts.append(standby)
        follow(standby, self.hosts[0])
        standby.start()
        programs.eventually(lambda: standby.value("select count(*) from pg_stat_wal_receiver where status = 'streaming'"),
                            20, what="the standby streaming")

    def _copy(self, target):
        programs.run(programs.BIN + "/pg_basebackup", "-h", "127.0.0.1", "-p", self.hosts[0].port, "-U", "postgres",
                     "-D", target, "-X", "stream", "-c", "fast", "--no-sync")

    def addresses(self):
        return [f"127.0.0.1:{host.port}" for host in self.hosts]

    def destroy(self):
        for host in self.hosts:
            host.destroy()


def follow(standby, primary):
    """The data directory is that of a standby of `primary` at its next start."""
    conninfo = f"host=127.0.0.1 port={primary.port} user=postgres"
    programs.write(standby.data / "postgresql.auto.conf", f"primary_conninfo = '{conninfo}'\n")
    programs.write(standby.data / "standby.signal", "")


def caught_up(primary, standby):
    lsn = primary.value("select pg_current_wal_lsn()")
    programs.eventually(lambda: standby.value(f"select pg_last_wal_replay_lsn() >= '{lsn}'"), 20,
                        what="the standby catching up")


def crash(cluster):
    """kill -9 of the postmaster; its children end by themselves."""
    cluster.process.send_signal(signal.SIGKILL)
    cluster.process.wait(10)
    cluster.process = None


def settings(replicas, **more):
    """Options of the `gateway` fixture for these hosts."""
    return {"hosts": replicas.addresses(),
            "auth": {"auth_user": "postgres", "auth_dbname": "postgres"}} | more


def role_is(gateway, cluster, *roles):
    return any(row["port"] == cluster.port and row["role"] in roles for row in gateway.console("SHOW HOSTS"))


def known(gateway, cluster, *roles, seconds=20):
    programs.eventually(lambda: role_is(gateway, cluster, *roles), seconds, 0.05,
                        what=f"port {cluster.port} being {' or '.join(roles)}")


class Writers:
    """`count` clients that each commit one numbered row after another; acknowledged and doubtful ones, errors, and the
    longest time without any commit. A client whose session ends connects again."""

    def __init__(self, gateway, count=8, listener="pooled", database="app", user="app", pause=0.002):
        self.port, self.database, self.user, self.pause = gateway.ports[listener], database, user, pause
        self.acknowledged, self.doubtful, self.errors = [], [], []
        self.last_commit, self.longest_pause = time.monotonic(), 0.0
        self.note = f"written {os.urandom(6).hex()}"
        self._lock, self._end = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.after(3 * len(self._threads))
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads), "a writer hangs"

    def after(self, commits, seconds=60):
        """Waits for so many more commits."""
        goal = len(self.acknowledged) + commits
        programs.eventually(lambda: len(self.acknowledged) >= goal, seconds, what=f"{commits} more commits")

    def _committed(self, row):
        with self._lock:
            now = time.monotonic()
            self.longest_pause = max(self.longest_pause, now - self.last_commit)
            self.last_commit = now
            self.acknowledged.append(row)

    def _session(self, number, serial):
        with psycopg.connect(host="127.0.0.1", port=self.port, user=self.user, dbname=self.database, autocommit=True,
                             password=PASSWORDS.get(self.user), connect_timeout=60) as connection:
            while not self._end.is_set():
                serial[0] += 1
                row = (number, serial[0])
                self.doubtful.append(row)
                self._write(connection, row)
                self._committed(row)
                time.sleep(self.pause)

    def _write(self, connection, row):
        if row[1] % 3:  # the driver prepares what comes often
            connection.execute("insert into marks values (%s, %s, %s)", (*row, self.note))
        else:
            connection.execute(f"insert into marks values ({row[0]}, {row[1]}, '{self.note}')")

    def _run(self, number):
        serial = [0]
        while not self._end.is_set():
            try:
                self._session(number, serial)
            except psycopg.Error as error:
                self.errors.append((time.monotonic(), error.sqlstate, str(error).strip()))
                self._end.wait(0.02)

    def verify(self, cluster):
        """Every acknowledged row is there exactly once, every other one at most once."""
        rows = cluster.sql(f"select client, serial, count(*) from marks where note = '{self.note}' group by 1, 2")
        found = {(client, serial): count for client, serial, count in rows}
        lost = [row for row in self.acknowledged if row not in found]
        doubled = [row for row, count in found.items() if count > 1]
        foreign = set(found) - set(self.doubtful)
        assert not lost, f"{len(lost)} acknowledged rows are lost: {lost[:10]}"
        assert not doubled, f"{len(doubled)} rows are there more than once: {doubled[:10]}"
        assert not foreign, f"{len(foreign)} rows that nobody wrote: {list(foreign)[:10]}"
        return len(self.acknowledged)
