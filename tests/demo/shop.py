# SPDX-License-Identifier: PostgreSQL
"""shop - what the demo runs against: a small PostgreSQL with a shop's data, pgsluice in front, a backup job."""

import secrets

from sandbox import Gateway, Postgres

MAX_CONNECTIONS = 50
POOL_SIZE = 20
SCALE = 5

GATEWAY = """
workers = 2;
log_level = "info";
listeners = (
  {{ name = "pooled"; listen = [ "127.0.0.1:0" ]; mode = "transaction"; }},
  {{ name = "direct"; listen = [ "127.0.0.1:0" ]; mode = "direct"; }}
);
upstreams = ( {{ name = "main"; hosts = [ "127.0.0.1:{port}" ]; }} );
defaults = {{ default_pool_size = {pool_size}; }};
auth = {{ auth_type = "scram-sha-256"; auth_file = "users.txt"; }};
limits = {{ max_client_conn = 1000; }};
admin = {{ admin_users = [ "postgres" ]; }};
"""

BACKUP = """
gateway = "host=127.0.0.1 port={port} user=backup password={password} dbname=shop";
repositories = ( {{ name = "local"; path = "{directory}/backups"; }} );
scratch_directory = "{directory}";
jobs = (
  {{ name = "demo"; kind = "logical"; databases = [ "shop" ]; format = "custom"; repository = "local";
    verify = "content"; }}
);
"""


class Shop:
    """All of it, started and filled. `target(port, user)` is a conninfo for a gateway port."""

    def __init__(self, sandbox, say):
        self.sandbox, self.password = sandbox, secrets.token_hex(8)
        say("starting a private PostgreSQL")
        self.postgres = Postgres(sandbox, {"max_connections": MAX_CONNECTIONS, "max_wal_size": "2GB"})
        for sql in self.roles():
            self.postgres.execute(sql)
        sandbox.write("users.txt", "".join(f'"{user}" "{self.password}"\n' for user in ("app", "backup", "postgres")))
        say(f"starting pgsluice in front of it (max_connections = {MAX_CONNECTIONS}, pool of {POOL_SIZE})")
        self.gateway = Gateway(sandbox, GATEWAY.format(port=self.postgres.port, pool_size=POOL_SIZE))
        self.pooled, self.direct = self.gateway.ports["pooled"], self.gateway.ports["direct"]
        (sandbox.directory / "backups").mkdir(mode=0o700)
        sandbox.give(sandbox.directory / "backups")
        self.backup_conf = sandbox.write("pgsluice-backup.conf", BACKUP.format(
            port=self.direct, password=self.password, directory=sandbox.directory))
        say(f"loading pgbench's data, scale {SCALE}, through the pooled port")
        sandbox.run("pgbench", "-i", "-q", "-s", SCALE, self.target(self.pooled, "app"))
        self.postgres.execute(  # a table that nobody writes, so that two dumps of it must be equal
            "set role app; create table documents as select n as id, repeat(md5(n::text), 3) as body "
            "from generate_series(1, 20000) n; alter table documents add primary key (id)", "shop")

    def roles(self):
        return (f"alter role postgres password '{self.password}'",
                f"create role app login password '{self.password}'",
                f"create role backup login bypassrls in role pg_read_all_data password '{self.password}'",
                "create database shop owner app")

    def target(self, port, user, database="shop"):
        return f"host=127.0.0.1 port={port} user={user} password={self.password} dbname={database}"
