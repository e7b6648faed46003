# SPDX-License-Identifier: PostgreSQL
"""cluster - a private PostgreSQL server with the roles and data that the tests expect."""

import signal

import psycopg

import programs

# Role: how PostgreSQL authenticates it, attributes. Passwords are only secrets of this throw-away server.
PASSWORDS = {"alice": "alice-secret", "carol": "pa ss'w\"ord\\ €", "keeper": "keeper-secret"}

HBA = """
local all all trust
host all postgres,app,bob,dumper,stats,nobody_special 127.0.0.1/32 trust
host replication postgres,app 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
"""

SETTINGS = {
    "listen_addresses": "127.0.0.1", "max_connections": 50, "superuser_reserved_connections": 3,
    "wal_level": "logical", "max_wal_senders": 10, "max_replication_slots": 10, "max_prepared_transactions": 5,
    "fsync": "off", "full_page_writes": "off", "autovacuum": "off",
    "log_connections": "on", "log_min_messages": "warning", "log_error_verbosity": "verbose",
    "log_line_prefix": "%m [%p] user=%u db=%d app=%a ", "shared_buffers": "64MB", "max_wal_size": "512MB",
}

ROLES = """
create role app login;
create role bob login;
create role dumper login;
create role stats login;
create role nobody_special login;
create role alice login password 'alice-secret';
create role carol login password $$pa ss'w"ord\\ €$$;
create role keeper login superuser replication password 'keeper-secret';
alter role app replication;
create database app owner app;
"""

SCHEMA = """
create table items (id int primary key, name text not null, note text);
insert into items select n, 'item ' || n, repeat('x', n % 50) from generate_series(1, 1000) n;
create table secrets (id int primary key, owner text not null, body text);
insert into secrets select n, case when n <= 1000 then 'dumper' else 'other' end, md5(n::text)
  from generate_series(1, 10000) n;
alter table secrets enable row level security;
create policy own_rows on secrets for select using (owner = current_user);
grant select on secrets to dumper;
create table marks (client int, serial int, note text);
create sequence tickets;
create function grumble(what text) returns text language plpgsql as
  $$ begin raise notice 'notice for %', what; return what; end $$;
create view many_items as select a.id, a.name from items a;
"""


class Cluster:
    """One PostgreSQL server on 127.0.0.1; `settings` override the defaults above, `hba` replaces the rules."""

    def __init__(self, purpose="pg", settings=None, data_from=None, hba=HBA):
        self.host = "127.0.0.1"
        self.directory = programs.private_directory(purpose)
        self.data = self.directory / "data"
        self.log_path = self.directory / "postgresql.log"
        self.process = None
        self.settings = SETTINGS | (settings or {})
        if data_from is None:
            programs.run(programs.BIN + "/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                         "--no-locale", "--no-sync")
        else:
            data_from(self.data)
        programs.write(self.data / "pg_hba.conf", hba)
        self.port = programs.free_port()

    def start(self):
        options = [word for key, value in self.settings.items() for word in ("-c", f"{key}={value}")]
        self.process = programs.spawn(programs.BIN + "/postgres", "-D", self.data, "-p", self.port, "-k",
                                      self.directory, *options, log=self.log_path)
        programs.eventually(self._answers, 30, what="PostgreSQL's first answer")
        return self

    def _answers(self):
        assert self.process.poll() is None, "PostgreSQL ended at start: " + self.log()[-2000:]
        return programs.run("pg_isready", "-q", "-h", self.host, "-p", self.port, check=False).returncode == 0

    def prepare(self):
        """Creates roles, the database `app` and its data."""
        self.sql(ROLES, dbname="postgres")
        with self.connect(user="app") as connection:
            connection.execute(SCHEMA)
        return self

    def stop(self, number=signal.SIGINT):
        if self.process:
            programs.stop(self.process, number)
            self.process = None

    def destroy(self):
        self.stop(signal.SIGQUIT)
        programs.remove(self.directory)

    def connect(self, user="postgres", dbname="app", **keywords):
        keywords = {"password": PASSWORDS.get(user), "autocommit": True} | keywords
        return psycopg.connect(host=self.host, port=self.port, user=user, dbname=dbname, **keywords)

    def sql(self, text, dbname="app", user="postgres"):
        """Each statement on its own, as psql does; the rows of the last one."""
        with self.connect(user=user, dbname=dbname) as connection:
            for statement in [part for part in text.split(";\n") if part.strip()]:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else None

    def value(self, text, **where):
        return self.sql(text, **where)[0][0]

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_since(self):
        """A function that returns what was logged after this call."""
        start = len(self.log())
        return lambda: self.log()[start:]

    def backends(self, where="true"):
        """pid, state, query and so on of client backends other than the asking one."""
        with self.connect(row_factory=psycopg.rows.dict_row) as connection:
            return connection.execute("select * from pg_stat_activity where backend_type in ('client backend',"
                                      f" 'walsender') and pid <> pg_backend_pid() and ({where})").fetchall()

    def terminate(self, where):
        """Ends the client backends that match and waits until these are gone (others may come); how many."""
        ended = self.sql("select pid, pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
                         f" and backend_type = 'client backend' and ({where})")
        if ended:
            self.quiet("pid in (" + ", ".join(str(pid) for pid, _ in ended) + ")", 20)
        return len(ended)

    def quiet(self, where="usename <> 'postgres'", seconds=5):
        """Waits until no backend matches: what an earlier test left is gone."""
        programs.eventually(lambda: not self.backends(where), seconds, what=f"an end of backends where {where}")
