# SPDX-License-Identifier: PostgreSQL
"""sandbox - a temporary directory with servers in it that disturb nobody and leave nothing behind.

Standard library only. Programs run as an unprivileged user when the caller is root, because PostgreSQL insists on it,
on ports that the kernel picks, and are ended by their process number. Copies of the programs under test are run, so
that the unprivileged user need not be able to read the checkout.
"""

import contextlib
import glob
import json
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build"))


class Trouble(Exception):
    """Something that the person in front of the terminal should read, without a stack trace."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def postgres_bin():
    for directory in sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]), reverse=True):
        if os.path.exists(directory + "/postgres"):
            return directory
    raise Trouble("PostgreSQL's programs were expected in /usr/lib/postgresql/*/bin and not found: run `make deps`.")


def started_at(pid):
    """When process `pid` began, in the kernel's ticks: with it a number that was reused is told apart. None: ended."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(words[19]) if words[0] != "Z" else None
    return None


class Process:
    """A program in the sandbox; its output goes to NAME.log there."""

    def __init__(self, name, pid, started, stop_signal, popen=None):
        self.name, self.pid, self.started, self.stop_signal, self.popen = name, pid, started, stop_signal, popen

    def alive(self):
        if self.popen:
            return self.popen.poll() is None
        return self.started is not None and started_at(self.pid) == self.started

    def wait(self, seconds):
        deadline = time.monotonic() + seconds
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self.alive()

    def stop(self):
        for number, patience in ((self.stop_signal, 10), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            if not self.alive():
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            self.wait(patience)


class Sandbox:
    def __init__(self, purpose):
        account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        self.directory = Path(tempfile.mkdtemp(prefix=f"pgsluice-{purpose}-"))
        self.processes = []
        (self.directory / "bin").mkdir()
        self.give(self.directory, self.directory / "bin")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
        path = f"{self.directory}/bin:{postgres_bin()}:{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin"
        self.environment = kept | {"PATH": path, "HOME": str(self.directory), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20000)), hard))

    def give(self, *paths):
        for path in paths:
            if self.identity:
                os.chown(path, self.identity["user"], self.identity["group"])

    def write(self, name, text):
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text(text)
        self.give(path)
        return path

    def program(self, name):
        """Copies one of this project's programs into the sandbox."""
        source = BUILD / name
        if not source.exists():
            raise Trouble(f"{source} was expected and is not there: run `make`.")
        shutil.copy2(source, self.directory / "bin" / name)
        return name

    def log(self, name):
        with contextlib.suppress(FileNotFoundError):
            return (self.directory / f"{name}.log").read_text(errors="replace")
        return ""

    def start(self, name, argv, stop_signal=signal.SIGTERM, environment=None):
        with open(self.directory / f"{name}.log", "ab") as log:
            popen = subprocess.Popen(
                [str(word) for word in argv], cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment | (environment or {}), start_new_session=True, **self.identity)
        process = Process(name, popen.pid, started_at(popen.pid), stop_signal, popen)
        self.processes.append(process)
        return process

    def run(self, *argv, environment=None, check=True, timeout=300):
        """Runs a program to its end and returns the finished process, with its output as text."""
        done = subprocess.run(
            [str(word) for word in argv], cwd=self.directory, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", env=self.environment | (environment or {}), timeout=timeout, **self.identity)
        if check and done.returncode != 0:
            raise Trouble(f"`{' '.join(map(str, argv))}` ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done

    def close(self, logs=None):
        """Ends everything; the logs go to the directory `logs` when there is one."""
        for process in reversed(self.processes):
            process.stop()
        if logs:
            shutil.rmtree(logs, ignore_errors=True)
            shutil.copytree(self.directory, logs, ignore=lambda _, names: {n for n in names if not n.endswith(".log")})
        shutil.rmtree(self.directory, ignore_errors=True)

    def remember(self, path, **extra):
        """Leaves everything running; `recall` ends it later, from another process."""
        kept = [{"name": p.name, "pid": p.pid, "started": p.started, "signal": int(p.stop_signal)}
                for p in self.processes if p.alive()]
        path.write_text(json.dumps({"directory": str(self.directory), "processes": kept} | extra, indent=1) + "\n")


def recall(path):
    """What `remember` wrote: the extra values, and a function that ends it all."""
    state = json.loads(path.read_text())
    processes = [Process(p["name"], p["pid"], p["started"], p["signal"]) for p in state["processes"]]

    def end():
        for process in reversed(processes):
            process.stop()
        shutil.rmtree(state["directory"], ignore_errors=True)
        path.unlink()

    return state, processes, end


class Postgres:
    """A private PostgreSQL: TCP on 127.0.0.1 with passwords, and a Unix socket in the sandbox for its superuser."""

    def __init__(self, sandbox, settings, host_auth="scram-sha-256"):
        self.sandbox, self.data = sandbox, sandbox.directory / "data"
        sandbox.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        hba = sandbox.write("pg_hba.conf", f"local all all trust\nhost all all 127.0.0.1/32 {host_auth}\n"
                            f"host replication all 127.0.0.1/32 {host_auth}\n")
        given = {"listen_addresses": "127.0.0.1", "unix_socket_directories": sandbox.directory, "hba_file": hba,
                 "log_line_prefix": "%m [%p] %q%u@%d %a ", **settings}
        self.options = [word for key, value in given.items() for word in ("-c", f"{key}={value}")]
        for _ in range(3):  # another program may take the port between our look and PostgreSQL's bind
            self.port = free_port()
            self.process = sandbox.start("postgresql", ["postgres", "-D", self.data, "-p", self.port, *self.options],
                                         stop_signal=signal.SIGINT)
            if self.answers(30):
                return
        raise Trouble("The private PostgreSQL did not start:\n" + sandbox.log("postgresql")[-2000:])

    def answers(self, seconds):
        deadline = time.monotonic() + seconds
        while self.process.alive() and time.monotonic() < deadline:
            if self.sandbox.run("psql", "-XAtqc", "select 1", self.superuser(), check=False).returncode == 0:
                return True
            time.sleep(0.05)
        return False

    def superuser(self, database="postgres"):
        return f"host={self.sandbox.directory} port={self.port} user=postgres dbname={database}"

    def execute(self, sql, database="postgres"):
        self.sandbox.run("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-c", sql, self.superuser(database))


class Console:
    """One psql kept open for questions asked often."""

    def __init__(self, sandbox, conninfo):
        self.psql = subprocess.Popen(
            ["psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", conninfo], cwd=sandbox.directory, text=True,
            env=sandbox.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, **sandbox.identity)

    def rows(self, sql):
        self.psql.stdin.write(f"{sql};\n\\echo :END:\n")
        self.psql.stdin.flush()
        found = []
        while (line := self.psql.stdout.readline()) != ":END:\n":
            if not line:
                raise Trouble(f"PostgreSQL did not answer a question of the demo:\n{self.psql.stderr.read()}")
            found.append(line.rstrip("\n").split("\t"))
        return found

    def close(self):
        self.psql.stdin.close()
        self.psql.wait(10)


class Gateway:
    """pgsluice with a configuration text; `ports` maps a listener's name to its port on 127.0.0.1."""

    LISTENING = re.compile(r"listener=(\S+) address=127\.0\.0\.1:(\d+)")

    def __init__(self, sandbox, configuration):
        self.sandbox, self.ports = sandbox, {}
        listeners = set(re.findall(r'name = "(\w+)"; listen', configuration))
        file = sandbox.write("pgsluice.conf", configuration)
        self.process = sandbox.start("pgsluice", [sandbox.program("pgsluice"), "serve", "-c", file])
        deadline = time.monotonic() + 10
        while set(self.ports) != listeners:
            if not self.process.alive() or time.monotonic() > deadline:
                raise Trouble("pgsluice did not open its ports:\n" + sandbox.log("pgsluice")[-2000:])
            time.sleep(0.02)
            self.ports = {name: int(port) for name, port in self.LISTENING.findall(sandbox.log("pgsluice"))}
