# SPDX-License-Identifier: PostgreSQL
"""targets - the three ways to the same PostgreSQL: through pgsluice, through PgBouncer, and straight.

All three ask for no password and use one user, so that what differs is the proxy. Both proxies have a pool of the same
size. PGBOUNCER=/path/to/pgbouncer measures against another version than Debian's.
"""

import os
import re
import time
from pathlib import Path

from sandbox import Gateway, Postgres, free_port

POOL_SIZE = 20
SCALE = 10
NAMES = ("pgsluice", "pgbouncer", "none")

GATEWAY = """
{workers}
log_level = "info";
listeners = (
  {{ name = "pooled"; listen = [ "127.0.0.1:0" ]; mode = "transaction"; }},
  {{ name = "direct"; listen = [ "127.0.0.1:0" ]; mode = "direct"; }}
);
upstreams = ( {{ name = "main"; hosts = [ "127.0.0.1:{port}" ]; }} );
defaults = {{ default_pool_size = {pool_size}; }};
auth = {{ auth_type = "trust"; }};
limits = {{ max_client_conn = 3000; max_login_conn = 2000; }};
"""

PGBOUNCER = """
[databases]
bench = host=127.0.0.1 port={port} dbname=bench
bulk = host=127.0.0.1 port={port} dbname=bench pool_mode=session
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {pooled}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 3000
{prepared}
"""


class Target:
    """One way: a port for transactions, a port and database name for bulk, and the proxy's process if there is one."""

    def __init__(self, name, port, bulk_port, bulk_database="bench", process=None, prepared=True):
        self.name, self.process, self.prepared = name, process, prepared
        self.port, self.bulk_port, self.bulk_database = port, bulk_port, bulk_database

    def conninfo(self):
        return f"host=127.0.0.1 port={self.port} user=bench dbname=bench"

    def bulk(self):
        return f"host=127.0.0.1 port={self.bulk_port} user=bench dbname={self.bulk_database}"

    def cpu_seconds(self):
        """Processor time of all threads of the proxy so far, in seconds; 0 when there is no proxy."""
        if not self.process:
            return 0.0
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def pss_bytes(self):
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M)[1]) * 1024


def start_postgres(sandbox):
    postgres = Postgres(sandbox, {"max_connections": 200, "shared_buffers": "512MB", "max_wal_size": "4GB",
                                  "fsync": "off", "autovacuum": "off"}, host_auth="trust")
    postgres.execute("create role bench superuser login")
    postgres.execute("create database bench owner bench")
    sandbox.run("pgbench", "-i", "-q", "-s", SCALE, f"host=127.0.0.1 port={postgres.port} user=bench dbname=bench")
    return postgres


def start_pgsluice(sandbox, postgres, workers):
    gateway = Gateway(sandbox, GATEWAY.format(port=postgres.port, pool_size=POOL_SIZE,
                                              workers=f"workers = {workers};" if workers else ""))
    return Target("pgsluice", gateway.ports["pooled"], gateway.ports["direct"], process=gateway.process)


def start_pgbouncer(sandbox, postgres):
    program = os.environ.get("PGBOUNCER", "pgbouncer")
    banner = sandbox.run(program, "--version").stdout
    major, minor = map(int, re.search(r"(\d+)\.(\d+)", banner).groups())
    prepared, pooled = (major, minor) >= (1, 21), free_port()
    file = sandbox.write("pgbouncer.ini", PGBOUNCER.format(
        port=postgres.port, pooled=pooled, pool_size=POOL_SIZE, users=sandbox.write("users", '"bench" ""\n'),
        prepared="max_prepared_statements = 200" if prepared else ""))
    process = sandbox.start("pgbouncer", [program, file])
    target = Target("pgbouncer", pooled, pooled, "bulk", process, prepared)
    deadline = time.monotonic() + 10
    while sandbox.run("psql", "-XAtqc", "select 1", target.conninfo(), check=False).returncode:
        if not process.alive() or time.monotonic() > deadline:
            raise RuntimeError("PgBouncer did not start:\n" + sandbox.log("pgbouncer"))
        time.sleep(0.05)
    return target, banner.splitlines()[0]


def start_targets(sandbox, workers):
    """All targets by name, and PgBouncer's version."""
    postgres = start_postgres(sandbox)
    bouncer, version = start_pgbouncer(sandbox, postgres)
    straight = Target("none", postgres.port, postgres.port)
    return {"pgsluice": start_pgsluice(sandbox, postgres, workers), "pgbouncer": bouncer, "none": straight}, version
