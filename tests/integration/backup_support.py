# SPDX-License-Identifier: PostgreSQL
"""backup_support - the backup program under test: its configuration, its runs, and a pooler that it must refuse."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import programs
from cluster import Cluster

PROGRAM = Path(os.environ.get("PGSLUICE_BACKUP", programs.ROOT / "build/pgsluice-backup"))

SCHEMA = """
create table plain (id int primary key, "odd "" name" text, f float8, at timestamptz, b bytea, j jsonb, n numeric);
insert into plain select g, repeat('x', g % 50) || E'\\n\\\\,"', g / 3.0::float8, now(), '\\x0001ff', '{"a": 1}', g / 7.0
  from generate_series(1, 2000) g;
create table no_columns ();
insert into no_columns default values;
create table empty (id int);
create sequence used start 10;
select nextval('used');
create sequence unused;
create table parted (id int generated always as identity, k text) partition by range (k);
create table parted_low partition of parted for values from ('a') to ('m');
create table parted_high partition of parted for values from ('m') to ('z');
insert into parted (k) values ('abc'), ('xyz');
create materialized view fresh as select count(*) from plain;
create schema "Weird Schema";
create table "Weird Schema"."Ta'b\\le" (x regclass);
insert into "Weird Schema"."Ta'b\\le" values ('pg_class'), ('plain');
select lo_from_bytea(0, repeat('hello', 5000)::bytea), lo_create(0);
create view seen as select id from plain;
"""


@contextlib.contextmanager
def backup_cluster(purpose, schema="", roles=""):
    """A PostgreSQL with these roles and a database `app` of this schema."""
    cluster = Cluster(purpose)
    try:
        cluster.start()
        cluster.sql("create database app;\n" + roles, dbname="postgres")
        if schema:
            cluster.sql(schema)
        yield cluster
    finally:
        cluster.destroy()


@contextlib.contextmanager
def backup_runner(server):
    """A Runner that reaches the server directly, in a directory that goes with it."""
    directory = programs.private_directory("runner")
    try:
        yield Runner(directory, f"host=127.0.0.1 port={server.port} user=postgres")
    finally:
        programs.remove(directory)


class Runner:
    """One configuration file in a directory of its own, and the program that reads it."""

    def __init__(self, directory, gateway):
        self.directory = Path(directory)
        self.gateway = gateway
        self.config = self.directory / "backup.conf"
        self.scratch = self.directory / "scratch"
        self.scratch.mkdir()
        self.directory.chmod(0o755)  # the scratch server's account must come through
        self.scratch.chmod(0o755)
        self.job()

    def repository(self, name="local"):
        return self.directory / name

    def job(self, repositories=("local",), top="", **options):
        """Writes the configuration: one job called nightly."""
        options = {"databases": '"app"', "verify": '"checksum"'} | options
        lines = "".join(f" {key} = {value};" for key, value in options.items())
        places = ", ".join(f'{{ name = "{name}"; path = "{self.repository(name)}"; }}' for name in repositories)
        names = ", ".join(f'"{name}"' for name in repositories)
        self.write(f'gateway = "{self.gateway}";\nscratch_directory = "{self.scratch}";\n{top}\n'
                   f"repositories = ( {places} );\n"
                   f'jobs = ( {{ name = "nightly"; repository = [ {names} ];{lines} }} );\n')

    def write(self, text):
        self.config.write_text(text)

    def argv(self, command, *words):
        return [str(PROGRAM), command, *map(str, words), "--config", str(self.config)]

    def call(self, command, *words, timeout=120):
        assert PROGRAM.exists(), f"{PROGRAM} was expected and is not there: run make, or set PGSLUICE_BACKUP"
        return subprocess.run(self.argv(command, *words), capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, env=programs.environment())

    def ok(self, command, *words):
        done = self.call(command, *words)
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def fails(self, code, command, *words):
        """The error text of a command that must end with this code."""
        done = self.call(command, *words)
        assert done.returncode == code, f"{command}: {done.returncode} instead of {code}:\n{done.stdout}\n{done.stderr}"
        return done.stderr

    def start(self, command, *words):
        return subprocess.Popen(self.argv(command, *words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=programs.environment(), start_new_session=True)

    def run(self):
        """A run that must succeed; its label."""
        self.ok("run", "nightly")
        return self.backups()[-1]["label"]

    def listing(self):
        return json.loads(self.ok("list", "--json").stdout)

    def backups(self):
        return self.listing()["backups"]

    def path(self, label, repository="local"):
        return self.repository(repository) / "nightly" / label

    def aged(self, label, days, repository="local"):
        """A copy of a backup that claims to be so many days older; its label."""
        started = json.loads((self.path(label, repository) / "manifest.json").read_text())["started"] - days * 86400
        older = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(started)) + "-nightly-L"
        shutil.copytree(self.path(label, repository), self.path(older, repository))
        reseal(self.path(older, repository), label=older, started=started)
        return older

    def archive(self, label):
        return next((self.path(label) / "databases").iterdir())

    def nothing_left(self):
        """No backup, nothing half-made, no scratch server."""
        listing = self.listing()
        jobs = [path for path in self.directory.glob("*/nightly/*") if path.name != "lock"]
        return listing == {"backups": [], "not_backups": []} and not jobs and not list(self.scratch.iterdir())


def reseal(directory, **changes):
    """Changes a manifest and makes its sizes and checksums fit, as somebody would who wants to hide something."""
    manifest = json.loads((directory / "manifest.json").read_text()) | changes
    for entry in manifest["files"]:
        content = (directory / entry["path"]).read_bytes()
        entry.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    manifest.pop("manifest_sha256")
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    manifest["manifest_sha256"] = hashlib.sha256(canonical.encode()).hexdigest()
    (directory / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False))


class Bouncer:
    """Debian's pgbouncer in front of a cluster."""

    def __init__(self, cluster, mode, **settings):
        self.directory = programs.private_directory("bouncer")
        self.port = programs.free_port()
        options = {"listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": "", "auth_type": "any",
                   "pool_mode": mode, "default_pool_size": 5, "ignore_startup_parameters": "extra_float_digits"}
        text = "".join(f"{key} = {value}\n" for key, value in (options | settings).items())
        programs.write(self.directory / "bouncer.ini",
                       f"[databases]\n* = host=127.0.0.1 port={cluster.port} user=postgres\n[pgbouncer]\n{text}")
        self.process = programs.spawn("/usr/sbin/pgbouncer", self.directory / "bouncer.ini",
                                      log=self.directory / "log")
        programs.eventually(self.answers, 10, what="pgbouncer's first answer")

    def answers(self):
        return programs.run("psql", "-Xqc", "select 1", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "postgres",
                            check=False).returncode == 0

    def close(self):
        programs.stop(self.process)
        programs.remove(self.directory)


def processes(word):
    """Process ids whose command line holds the word."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and word in (entry / "cmdline").read_bytes().decode(errors="replace"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def children(pid):
    """Process ids whose parent is this one."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def ended(pid, seconds=10):
    programs.eventually(lambda: not Path(f"/proc/{pid}").exists(), seconds, what=f"the end of process {pid}")


def gone(word, seconds=10):
    programs.eventually(lambda: not processes(word), seconds, what=f"the end of processes with {word}")


def wait_for(path, pattern, seconds=15):
    programs.eventually(lambda: list(Path(path).glob(pattern)), seconds, what=f"{pattern} in {path}")
    time.sleep(0.2)
