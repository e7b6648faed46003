# SPDX-License-Identifier: PostgreSQL
"""takeovers - several pgsluice processes one after the other behind one Gateway object."""

import ctypes
import os
import re
import signal

import programs
from gate import SANITIZERS

SERVES = re.compile(r"takeover: this process serves in place of (\d+)")
STARTED = re.compile(r"takeover: the process (\d+) was started to take over")
PR_SET_CHILD_SUBREAPER = 36


class Orphan:
    """What subprocess.Popen is for a child, for one whose parent may end: it becomes ours then."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # its parent lives
                return None if os.path.exists(f"/proc/{self.pid}") else 0
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def wait(self, patience=None):
        programs.eventually(lambda: self.poll() is not None, patience or 20, what=f"the end of process {self.pid}")
        return self.returncode


def start_successor(gateway, *arguments):
    """A new process with --takeover; it may have taken over or not when this returns."""
    return programs.spawn(gateway.program, "serve", "--takeover", "-c", gateway.config_path, *arguments,
                          log=gateway.log_path, cwd=gateway.directory, **SANITIZERS)


def served(gateway, old):
    """Whether somebody serves in place of this process."""
    return str(old.pid) in SERVES.findall(gateway.log())


def take_over(gateway, by_signal=False):
    """The gateway is another process from here on; returns the old one, which serves what did not move."""
    old = gateway.process
    if by_signal:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        before = len(gateway.log())
        gateway.signal(signal.SIGUSR2)
        found = programs.eventually(lambda: STARTED.search(gateway.log()[before:]), 20, what="a successor's start")
        new = Orphan(int(found[1]))
    else:
        new = start_successor(gateway)
    try:
        programs.eventually(lambda: served(gateway, old) or new.poll() is not None, 60, what="a takeover")
        assert new.poll() is None, f"the new process ended with {new.poll()}:\n{gateway.log()[-3000:]}"
    except AssertionError:
        if new.poll() is None:
            new.kill()
        raise
    gateway.process = new
    return old


def ended(old, patience=30):
    """The old process comes to its end by itself."""
    programs.eventually(lambda: old.poll() is not None, patience, what=f"the end of the old process {old.pid}")
    assert old.poll() == 0, f"the old process ended with {old.poll()}"
