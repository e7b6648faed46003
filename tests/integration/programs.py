# SPDX-License-Identifier: PostgreSQL
"""programs - runs other programs: as an unprivileged user when the tests run as root, with a clean environment."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from glob import glob
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "postgres"


def postgres_bin():
    found = sorted(glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
    found = [path for path in found if os.path.exists(path + "/postgres")]
    assert found, "expected PostgreSQL's programs in /usr/lib/postgresql/*/bin; install postgresql-15"
    return found[-1]


BIN = postgres_bin()


def identity():
    """Keyword arguments for subprocess that drop root, which PostgreSQL refuses to run as."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(ACCOUNT)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def environment(**extra):
    """Ours without anything that changes what a PostgreSQL client does."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
    for name in ("PGSLUICE", "PGSLUICE_BACKUP"):
        kept.pop(name, None)
    kept.update(LC_ALL="C.UTF-8", PATH=BIN + ":" + os.environ.get("PATH", "/usr/bin:/bin"), HOME="/nonexistent")
    return kept | {key: str(value) for key, value in extra.items()}


def private_directory(purpose):
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix=f"pgsluice-{purpose}-", dir=base))
    give(path)
    return path


def give(path):
    """Hands a file or directory to the unprivileged user."""
    who = identity()
    if who:
        os.chown(path, who["user"], who["group"])
    return path


def write(path, text, mode=0o600):
    path = Path(path)
    path.write_text(text)
    path.chmod(mode)
    return give(path)


def remove(path):
    shutil.rmtree(path, ignore_errors=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*argv, check=True, timeout=120, text=True, stdin=None, cwd="/", **env):
    """A program to its end; with check its failure is an assertion that shows what it said."""
    done = subprocess.run([str(word) for word in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=text,
                          input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, timeout=timeout,
                          env=environment(**env), cwd=cwd, **identity())
    if check:
        said = done.stderr if text else done.stderr.decode(errors="replace")
        assert done.returncode == 0, f"{' '.join(map(str, argv))} ended with {done.returncode}: {said[-3000:]}"
    return done


def spawn(*argv, log, cwd="/", **env):
    """A program in the background, both its outputs in the file `log`."""
    with open(log, "ab") as out:
        return subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                env=environment(**env), cwd=cwd, start_new_session=True, **identity())


def stop(process, number=signal.SIGTERM, patience=15):
    """Ends a background program; returns its exit status, or None when it had to be killed."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
        return None


def eventually(condition, seconds=5, pause=0.02, what=""):
    """Waits until condition() is true and returns its value; fails with what it said last."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        late = f"{what or 'the expected state'} did not come in {seconds} s; last: {value!r}"
        assert time.monotonic() < deadline, late
        time.sleep(pause)
