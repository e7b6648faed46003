# SPDX-License-Identifier: PostgreSQL
"""gate - pgsluice under test: writes its configuration, starts it, watches it and notices when it misbehaves."""

import contextlib
import os
import re
import resource
import shutil
import signal
import time
from pathlib import Path

import psycopg

import programs
from cluster import PASSWORDS
from rawpg import Raw

PROGRAM = Path(os.environ.get("PGSLUICE", programs.ROOT / "build/pgsluice"))
SANITIZED = PROGRAM.exists() and any(sign in PROGRAM.read_bytes() for sign in (b"__asan_init", b"__tsan_init"))
LISTENING = re.compile(r"listener=(\S+) address=(\S+):(\d+)")
BAD_SIGNS = ("CHECK failed", "ERROR: AddressSanitizer", "runtime error:", "WARNING: ThreadSanitizer",
             "ERROR: LeakSanitizer", "stack smashing", "double free", "corrupted size")
SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_stack_use_after_return=1:handle_abort=1",
    "LSAN_OPTIONS": f"print_suppressions=0:suppressions={programs.ROOT}/tests/lsan.supp",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": f"second_deadlock_stack=1:suppressions={programs.ROOT}/tests/tsan.supp",
}


def as_text(value, level=0):
    """A value as libconfig writes it: dicts are groups, lists of dicts are lists, other lists are arrays."""
    pad = "  " * level
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        inner = "".join(f"{pad}  {key} = {as_text(item, level + 1)};\n" for key, item in value.items())
        return "{\n" + inner + pad + "}"
    if value and isinstance(value[0], dict):
        return "( " + ", ".join(as_text(item, level) for item in value) + " )"
    return "[ " + ", ".join(as_text(item) for item in value) + " ]"


def configuration(upstream, pool=5, workers=2, auth_type="trust", mode="transaction", hosts=None, **groups):
    """The usual configuration as a dict. Keyword groups are merged into the groups of the same name."""
    result = {
        "workers": workers,
        "log_level": "info",
        "listeners": [{"name": "pooled", "listen": ["127.0.0.1:0"], "mode": mode},
                      {"name": "direct", "listen": ["127.0.0.1:0"], "mode": "direct"}],
        "upstreams": [{"name": "main", "hosts": hosts or [f"127.0.0.1:{upstream}"]}],
        "defaults": {"default_pool_size": pool, "query_wait_timeout": "30s", "query_wait_notify": "0s"},
        "auth": {"auth_type": auth_type},
        "limits": {"shutdown_timeout": "3s"},
        "admin": {"admin_users": ["postgres"], "stats_users": ["stats"]},
    }
    for name, value in groups.items():
        if isinstance(value, dict) and name in result:
            value = result[name] | value
        result[name] = value
    return {name: value for name, value in result.items() if value is not None}


def render(config):
    return config if isinstance(config, str) else "".join(f"{k} = {as_text(v)};\n" for k, v in config.items())


class Gateway:
    """A running pgsluice. `ports` maps listener names to ports."""

    running = []

    def __init__(self, config, files=None, arguments=(), nofile=8192, environment=None):
        self.directory = programs.private_directory("gate")
        self.config = config
        self.config_path = self.directory / "pgsluice.conf"
        self.log_path = self.directory / "pgsluice.log"
        for name, text in (files or {}).items():
            programs.write(self.directory / name, text)
        self.program = install(self.directory)
        self.write(config)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, nofile), hard), hard))
        self.process = programs.spawn(self.program, "serve", "-c", self.config_path, *arguments, log=self.log_path,
                                      cwd=self.directory, **SANITIZERS | (environment or {}))
        self.ended = False
        self.ports = {}
        self._wait_for_ports()
        Gateway.running.append(self)

    def write(self, config):
        programs.write(self.config_path, render(config))

    def _wait_for_ports(self):
        wanted = set(re.findall(r'name = "(\w+)";\s*listen', render(self.config)))

        def listening():
            assert self.process.poll() is None, f"pgsluice ended at start ({self.process.returncode}):\n{self.log()}"
            self.ports = {name: int(port) for name, _, port in LISTENING.findall(self.log())}
            return wanted <= set(self.ports)

        try:
            programs.eventually(listening, 20, what="a line listener=NAME address=IP:PORT for each listener")
        except AssertionError:
            self.kill()
            raise

    @property
    def pid(self):
        return self.process.pid

    @property
    def pooled(self):
        return self.ports["pooled"]

    @property
    def direct(self):
        return self.ports["direct"]

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def raw(self, listener="pooled", **keywords):
        """A raw connection that has not said anything yet."""
        return Raw(self.ports[listener], **keywords)

    def login(self, listener="pooled", user="app", database="app", **parameters):
        return self.raw(listener).login(user, database, PASSWORDS.get(user), **parameters)

    def connect(self, listener="pooled", user="app", dbname="app", **keywords):
        keywords = {"password": PASSWORDS.get(user), "autocommit": True, "connect_timeout": 20} | keywords
        return psycopg.connect(host="127.0.0.1", port=self.ports[listener], user=user, dbname=dbname, **keywords)

    def console(self, command, user="postgres"):
        """The rows of an admin command as dicts."""
        with self.connect(user=user, dbname="pgsluice", row_factory=psycopg.rows.dict_row) as connection:
            cursor = connection.execute(command)
            return cursor.fetchall() if cursor.description else None

    def wait_until_known(self, database="app", **keywords):
        """Until the functions of the database were read: before that any statement may do anything."""
        with self.login(database=database, **keywords) as client:
            def known():
                client.query("select 1")
                rows = self.console("SHOW CATALOGS")
                return any(row["database"] == database and row["known"] == "yes" for row in rows)

            programs.eventually(known, 30, what=f"the functions of {database} being known")
            client.leave()

    def signal(self, number):
        os.kill(self.pid, number)

    def reload(self, config):
        """Writes a new file and sends SIGHUP; returns what the process then logged about it."""
        before = len(self.log())
        self.write(config)
        self.signal(signal.SIGHUP)
        programs.eventually(lambda: re.search("reload|configuration", self.log()[before:], re.I), 5,
                            what="a log line about the reload")
        time.sleep(0.1)
        return self.log()[before:]

    def check_alive(self):
        """Fails when the process died by itself or printed what a healthy one never prints."""
        log = self.log()
        for sign in BAD_SIGNS:
            assert sign not in log, f"pgsluice printed {sign!r}:\n{log[log.index(sign):][:4000]}"
        if not self.ended:
            assert self.process.poll() is None, f"pgsluice died with {self.process.returncode}:\n{log[-4000:]}"

    def stop(self, patience=20):
        """Ends it by SIGTERM and checks how it ended."""
        if self.ended:
            return
        self._forget()
        self.check_alive()
        self.ended = True
        status = programs.stop(self.process, signal.SIGTERM, patience)
        self.check_alive()
        assert status is not None, f"pgsluice was still there {patience} s after SIGTERM:\n{self.log()[-3000:]}"
        assert status == 0, f"pgsluice ended with {status} after SIGTERM, 0 was expected:\n{self.log()[-3000:]}"

    def _forget(self):
        if self in Gateway.running:
            Gateway.running.remove(self)

    def kill(self):
        self._forget()
        self.ended = True
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(5)
        programs.remove(self.directory)

    def close(self):
        try:
            self.stop()
        finally:
            self.kill()


def install(directory):
    """A copy of the program that the unprivileged user can run wherever the checkout lies."""
    assert PROGRAM.exists(), f"{PROGRAM} was expected and is not there: run make, or set PGSLUICE"
    target = directory / "pgsluice"
    shutil.copy2(PROGRAM, target)
    target.chmod(0o755)
    return target


def command(*arguments, files=None, check=False, timeout=30):
    """Runs `pgsluice ARGUMENTS` in a directory that holds `files`; returns the finished process."""
    directory = programs.private_directory("command")
    try:
        for name, text in (files or {}).items():
            programs.write(directory / name, render(text))
        program = install(directory)
        return programs.run(program, *arguments, cwd=directory, check=check, timeout=timeout, **SANITIZERS)
    finally:
        programs.remove(directory)
