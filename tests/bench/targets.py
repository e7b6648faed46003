# SPDX-License-Identifier: PostgreSQL
"""targets - the three ways to the same PostgreSQL: through pgsluice, through PgBouncer, and straight.

All three use one user and ask for no password, or for the same one by SCRAM, so that what differs is the proxy. Both
proxies have a pool of the same size. PGBOUNCER=/path/to/pgbouncer measures against another version than Debian's.
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
{access}
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
{access}
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 3000
{prepared}
"""


class Target:
    """One way: a port for transactions, a port and database name for bulk, and the proxy's process if there is one."""

    def __init__(self, name, port, bulk_port, bulk_database="bench", process=None, prepared=True):
        self.name, self.process, self.prepared, self.access = name, process, prepared, ""
        self.port, self.bulk_port, self.bulk_database = port, bulk_port, bulk_database

    def conninfo(self):
        return f"host=127.0.0.1 port={self.port} user=bench dbname=bench {self.access}"

    def bulk(self):
        return f"host=127.0.0.1 port={self.bulk_port} user=bench dbname={self.bulk_database} {self.access}"

    def cpu_seconds(self):
        """Processor time of all threads of the proxy so far, in seconds; 0 when there is no proxy."""
        if not self.process:
            return 0.0
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def pss_bytes(self):
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M)[1]) * 1024


class Access:
    """How clients prove who they are: not at all, or with a password, in clear text or over TLS."""

    gateway = 'auth = { auth_type = "trust"; };'
    pgbouncer = "auth_type = trust"
    host_auth, settings, conninfo = "trust", {}, ""

    def __init__(self, sandbox):
        self.users = sandbox.write("users", '"bench" ""\n')

    def learn_users(self, sandbox, postgres):
        """Once PostgreSQL is there."""


class SecureAccess(Access):
    """Both proxies know PostgreSQL's verifier of the password."""

    host_auth = "scram-sha-256"
    conninfo = "password=a-secret-of-the-bench"

    def __init__(self, sandbox):
        super().__init__(sandbox)
        key, certificate = sandbox.directory / "server.key", sandbox.directory / "server.crt"
        sandbox.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate)
        self.settings = {"ssl": "on", "ssl_key_file": key, "ssl_cert_file": certificate}
        files = f'client_tls_key_file = "{key}"; client_tls_cert_file = "{certificate}";'
        self.gateway = (f'auth = {{ auth_type = "scram-sha-256"; auth_file = "{self.users}"; }};\n'
                        f'tls = {{ {files} server_tls_sslmode = "disable"; }};')
        self.pgbouncer = (f"auth_type = scram-sha-256\nclient_tls_sslmode = allow\nserver_tls_sslmode = disable\n"
                          f"client_tls_key_file = {key}\nclient_tls_cert_file = {certificate}")

    def learn_users(self, sandbox, postgres):
        question = "select format('\"%s\" \"%s\"', rolname, rolpassword) from pg_authid where rolname = 'bench'"
        sandbox.write("users", sandbox.run("psql", "-XAtqc", question, postgres.superuser()).stdout)


class PasswordAccess(SecureAccess):
    """Both know the password itself, of which a verifier has to be made."""

    def learn_users(self, sandbox, postgres):
        sandbox.write("users", '"bench" "a-secret-of-the-bench"\n')


def start_postgres(sandbox, access):
    postgres = Postgres(sandbox, {"max_connections": 200, "shared_buffers": "512MB", "max_wal_size": "4GB",
                                  "fsync": "off", "autovacuum": "off"} | access.settings, host_auth=access.host_auth)
    postgres.execute("create role bench superuser login password 'a-secret-of-the-bench'")
    postgres.execute("create database bench owner bench")
    access.learn_users(sandbox, postgres)
    sandbox.run("pgbench", "-i", "-q", "-s", SCALE,
                f"host=127.0.0.1 port={postgres.port} user=bench dbname=bench {access.conninfo}")
    return postgres


def start_pgsluice(sandbox, postgres, workers, access):
    gateway = Gateway(sandbox, GATEWAY.format(port=postgres.port, pool_size=POOL_SIZE, access=access.gateway,
                                              workers=f"workers = {workers};" if workers else ""))
    return Target("pgsluice", gateway.ports["pooled"], gateway.ports["direct"], process=gateway.process)


def start_pgbouncer(sandbox, postgres, access):
    program = os.environ.get("PGBOUNCER", "pgbouncer")
    banner = sandbox.run(program, "--version").stdout
    major, minor = map(int, re.search(r"(\d+)\.(\d+)", banner).groups())
    prepared, pooled = (major, minor) >= (1, 21), free_port()
    file = sandbox.write("pgbouncer.ini", PGBOUNCER.format(
        port=postgres.port, pooled=pooled, pool_size=POOL_SIZE, users=access.users,
        access=access.pgbouncer, prepared="max_prepared_statements = 200" if prepared else ""))
    process = sandbox.start("pgbouncer", [program, file])
    target = Target("pgbouncer", pooled, pooled, "bulk", process, prepared)
    deadline = time.monotonic() + 10
    while sandbox.run("psql", "-XAtqc", "select 1", f"{target.conninfo()} {access.conninfo}", check=False).returncode:
        if not process.alive() or time.monotonic() > deadline:
            raise RuntimeError("PgBouncer did not start:\n" + sandbox.log("pgbouncer"))
        time.sleep(0.05)
    return target, banner.splitlines()[0]


def start_targets(sandbox, workers, kind=Access):
    """All targets by name, and PgBouncer's version."""
    access = kind(sandbox)
    postgres = start_postgres(sandbox, access)
    bouncer, version = start_pgbouncer(sandbox, postgres, access)
    straight = Target("none", postgres.port, postgres.port)
    found = {"pgsluice": start_pgsluice(sandbox, postgres, workers, access), "pgbouncer": bouncer, "none": straight}
    for target in found.values():
        target.access = access.conninfo
    return found, version
