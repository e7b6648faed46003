# SPDX-License-Identifier: PostgreSQL
"""patroni_cluster - etcd and some Patroni nodes with their PostgreSQL servers, all on 127.0.0.1."""

import json
import os
import signal
import urllib.error
import urllib.request

import psycopg

import programs
from cluster import ROLES, SCHEMA

CONFIG = """
scope: sluice
name: {name}
etcd3:
  host: 127.0.0.1:{etcd}
restapi:
  listen: 127.0.0.1:{api}
  connect_address: 127.0.0.1:{api}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 5
    maximum_lag_on_failover: 1048576
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters:
        max_connections: 50
        wal_keep_size: 256MB
        shared_buffers: 16MB
        fsync: "off"
  initdb: [{{encoding: UTF8}}, {{locale: C}}, {{auth: trust}}, no-sync]
postgresql:
  listen: 127.0.0.1:{port}
  connect_address: 127.0.0.1:{port}
  data_dir: {data}
  bin_dir: {bin}
  pgpass: {directory}/pgpass
  authentication:
    replication: {{username: postgres, password: none}}
    superuser: {{username: postgres, password: none}}
    rewind: {{username: postgres, password: none}}
  parameters:
    unix_socket_directories: {directory}
  pg_hba: [local all all trust, host all all 127.0.0.1/32 trust, host replication all 127.0.0.1/32 trust]
"""


class Node:
    def __init__(self, name, etcd):
        self.name, self.directory = name, programs.private_directory("patroni")
        self.data, self.port, self.api = self.directory / "data", programs.free_port(), programs.free_port()
        self.process = None
        self.config = programs.write(self.directory / "patroni.yml", CONFIG.format(
            name=name, etcd=etcd, api=self.api, port=self.port, data=self.data, bin=programs.BIN,
            directory=self.directory))

    def start(self):
        # Debian's own interpreter: another python3 in the path has no psycopg2.
        self.process = programs.spawn("/usr/bin/python3", "/usr/bin/patroni", self.config,
                                      log=self.directory / "patroni.log")

    def log(self):
        return (self.directory / "patroni.log").read_text(errors="replace")

    def postmaster(self):
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n")[0])
        except (OSError, ValueError):
            return None

    def kill(self):
        """The machine is gone: Patroni and PostgreSQL end at once."""
        pid = self.postmaster()
        self.process.kill()
        self.process.wait(10)
        if pid:
            os.kill(pid, signal.SIGKILL)

    def destroy(self):
        if self.process and self.process.poll() is None:
            programs.stop(self.process, signal.SIGTERM, 30)
        pid = self.postmaster()
        if pid:
            try:
                os.kill(pid, signal.SIGQUIT)
            except ProcessLookupError:
                pass
        programs.remove(self.directory)

    def value(self, text, dbname="app"):
        with psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=dbname, autocommit=True) as found:
            return found.execute(text).fetchone()[0]

    def sql(self, text, dbname="app", user="postgres"):
        with psycopg.connect(host="127.0.0.1", port=self.port, user=user, dbname=dbname, autocommit=True) as found:
            for statement in [part for part in text.split(";\n") if part.strip()]:
                cursor = found.execute(statement)
            return cursor.fetchall() if cursor.description else None


class Patroni:
    def __init__(self, nodes=2):
        self.directory = programs.private_directory("etcd")
        self.etcd_port, peer = programs.free_port(), programs.free_port()
        client = f"http://127.0.0.1:{self.etcd_port}"
        self.etcd = programs.spawn("etcd", "--name", "one", "--data-dir", self.directory / "data",
                                   "--listen-client-urls", client, "--advertise-client-urls", client,
                                   "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                                   "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
                                   "--initial-cluster", f"one=http://127.0.0.1:{peer}", "--unsafe-no-fsync",
                                   log=self.directory / "etcd.log")
        self.nodes = [Node(f"node{number}", self.etcd_port) for number in range(nodes)]

    def start(self):
        self.nodes[0].start()
        programs.eventually(lambda: self.leader() is self.nodes[0], 90, 0.2, what="the first leader")
        for node in self.nodes[1:]:
            node.start()
        self.wait_for_followers()
        leader = self.leader()
        leader.sql(ROLES, dbname="postgres")
        leader.sql(SCHEMA, user="app")
        return self

    def members(self):
        for node in self.nodes:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{node.api}/cluster", timeout=5) as answer:
                    return json.load(answer)["members"]
            except (urllib.error.URLError, OSError, ValueError):
                continue
        return []

    def leader(self):
        names = [member["name"] for member in self.members() if member["role"] == "leader"
                 and member["state"] == "running"]
        return next((node for node in self.nodes if [node.name] == names), None)

    def wait_for_followers(self, count=None):
        wanted = len(self.nodes) - 1 if count is None else count
        programs.eventually(lambda: sum(member["role"] in ("replica", "sync_standby")
                                        and member["state"] in ("running", "streaming")
                                        for member in self.members()) >= wanted, 90, 0.2, what="followers")

    def switch_over(self):
        """POST /switchover at the leader; returns when Patroni says that it is done."""
        leader = self.leader()
        candidate = next(node for node in self.nodes if node is not leader)
        body = json.dumps({"leader": leader.name, "candidate": candidate.name}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{leader.api}/switchover", body,
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            assert answer.status == 200, answer.read()
        return candidate

    def destroy(self):
        for node in reversed(self.nodes):
            node.destroy()
        programs.stop(self.etcd, signal.SIGTERM, 10)
        programs.remove(self.directory)
