# SPDX-License-Identifier: PostgreSQL
"""trial - one suite, one way (directly or through the pooled port), with its own server, gateway and thieves."""

import os
import shutil
import time
from unittest import mock

import material
import psycopg
from cluster import Cluster
from gate import Gateway, configuration
from sampler import Sampler
from thieves import Thieves

# As PostgreSQL comes, where cluster.py differs; bytea_output is what pg_regress undoes with ALTER DATABASE, so that
# a server opened before it is noticed.
SETTINGS = {"max_connections": 200, "shared_buffers": "128MB", "wal_level": "replica", "max_wal_size": "1GB",
            "log_min_messages": "fatal", "bytea_output": "escape"}
HBA = "local all all trust\nhost all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"
KEPT_FILES = ("regression.diffs", "regression.out", "verdicts")

# What a fresh client must not find; the rows say what it found.
LEFT_BEHIND = """
select 'setting ' || name || ' = ' || setting from pg_settings
  where source = 'session' and (name <> 'application_name' or setting <> '')
union all select 'temporary ' || relname from pg_class where relnamespace = pg_my_temp_schema()
union all select 'cursor ' || name from pg_cursors
union all select 'prepared ' || name from pg_prepared_statements
union all select 'listening to ' || pg_listening_channels()
union all select 'advisory lock ' || objid from pg_locks where locktype = 'advisory'
union all select 'user ' || current_user where current_user <> 'postgres' or session_user <> 'postgres'
"""


class Trial:
    """With `tests`, only these of the suite; tell(count) is called as its verdicts come."""

    def __init__(self, suite, way, place, options, tests, tell):
        self.suite, self.way, self.place, self.options = suite, way, place, options
        self.tests, self.tell = tests, tell
        self.pool = options.pool or suite.pool
        self.gateway = None

    def run(self):
        """The result as it goes into results.json."""
        output = self.place.output(f"{self.suite.name}-{self.way}")
        cluster = Cluster("suite", settings=SETTINGS, hba=HBA)
        try:
            cluster.start()
            with mock.patch.dict(os.environ, self.suite.environment):
                return self.with_gateway(cluster, output)
        finally:
            self.keep(output, cluster)
            cluster.destroy()

    def with_gateway(self, cluster, output):
        if self.way == "direct":
            return self.with_thieves(cluster.port, output)
        defaults = {"default_pool_size": self.pool, "query_wait_timeout": "120s", "query_wait_notify": "0s"}
        self.gateway = Gateway(configuration(cluster.port, defaults=defaults, routes=self.suite.routes or None))
        try:
            sampler = Sampler(self.gateway)
            result = self.with_thieves(self.gateway.pooled, output)
            result["sessions"] = sampler.stop()
            return result | {"gateway": self.gateway_trouble()}
        finally:
            shutil.copy2(self.gateway.log_path, output / "pgsluice.log")
            self.gateway.kill()

    def with_thieves(self, port, output):
        where = {"host": "127.0.0.1", "port": port, "user": "postgres", "dbname": self.suite.database,
                 "options": self.suite.startup}
        thieves = Thieves(self.options.thieves, output, **where)
        started = time.monotonic()
        try:
            verdicts = self.suite.run(self.place, port, output, self.tests, self.tell)
        finally:
            seen = thieves.stop()
        result = {"passed": sum(not trouble for trouble in verdicts.values()), "total": len(verdicts),
                  "failed": {name: trouble for name, trouble in verdicts.items() if trouble},
                  "seconds": round(time.monotonic() - started), "pool": self.pool, "thieves": seen}
        return result | {"left": self.left_behind(where), "drop": self.drop(where)}

    def left_behind(self, where):
        """What many fresh clients at once find of those before them; each has a server of its own."""
        found, connections = set(), []
        try:
            for _ in range(self.pool):
                connections.append(psycopg.connect(**where, connect_timeout=60))
                found |= {row[0] for row in connections[-1].execute(LEFT_BEHIND)}
        except psycopg.Error as error:
            found.add(str(error).strip())
        for connection in connections:
            connection.close()
        return sorted(found)

    def drop(self, where):
        """Dropping the suite's database, whose clients have all left; "" when that works."""
        if where["dbname"] == "postgres":
            return ""
        try:
            with psycopg.connect(**where | {"dbname": "postgres"}, autocommit=True, connect_timeout=60) as connection:
                connection.execute(f"drop database {where['dbname']}")
        except psycopg.Error as error:
            return str(error).strip()
        return ""

    def gateway_trouble(self):
        try:
            self.gateway.stop()
        except AssertionError as failure:
            return str(failure)
        return ""

    def keep(self, output, cluster):
        """What explains the verdicts stays in build/postgres-suite."""
        kept = material.KEPT / output.name
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for name in (*KEPT_FILES, "pgsluice.log"):
            if (output / name).exists():
                shutil.copy2(output / name, kept)
        if self.options.keep and (output / "results").exists():
            shutil.copytree(output / "results", kept / "results")
        shutil.copy2(cluster.log_path, kept / "postgresql.log")
