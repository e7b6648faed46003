# SPDX-License-Identifier: PostgreSQL
"""test_ldap_pam - real directories and PAM modules decide: runs the unit programs that need their surroundings."""

import contextlib
import shutil
import socket
import threading
import time

import pytest

import gate
import programs
from slapd import SUFFIX, Directory, person, unit

PEOPLE = [
    unit("ou=people"), unit("ou=others"), unit("ou=hidden,ou=people"),
    person("cn=alice,ou=people", "alice-secret", uid="alice", mail="alice@example.net"),
    person("cn=twin,ou=people", "twin-secret", uid="twin"),
    person("cn=twin,ou=others", "twin-secret", uid="twin"),
    person("cn=carol,ou=hidden,ou=people", "carol-secret", uid="carol"),
    person(r"cn=Smith\, \22John\22 \3Ca\+b\3E\3B#1\3D\5Cx,ou=people", "smith-secret"),
    person(r"cn=\20zo\C3\AB\20,ou=people", "zoe-secret"),
    f"dn: ou=elsewhere,{SUFFIX}\nobjectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\n"
    f"ref: ldap://127.0.0.2/ou=people,{SUFFIX}\n",
]


START_TLS = b"1.3.6.1.4.1.1466.20037"
TLS_MAY_START = bytes.fromhex("300c02010178070a010004000400")
ENDLESS = bytes.fromhex("30820800") + bytes(2048)


def say_nothing(connection):
    """Until the other side has gone."""
    while connection.recv(1000):
        pass


def drip(connection):
    """Agrees to start TLS and says nothing more; answers anything else with a message that comes a byte at a time."""
    if START_TLS in connection.recv(1000):
        connection.sendall(TLS_MAY_START)
        say_nothing(connection)
    for byte in ENDLESS:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


@contextlib.contextmanager
def impostor(behave, host, *ports):
    """Accepts connections to these ports and leaves each to behave(connection); yields the list of them."""
    met, listeners, threads = [], [socket.create_server((host, port)) for port in ports], []

    def serve(connection):
        with contextlib.suppress(OSError), connection:
            behave(connection)

    def accept(listener):
        with contextlib.suppress(OSError):
            while True:
                met.append(listener.accept()[0])
                start(serve, met[-1])

    def start(work, argument):
        threads.append(threading.Thread(target=work, args=(argument,)))
        threads[-1].start()

    for listener in listeners:
        start(accept, listener)
    try:
        yield met
    finally:
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in threads:
            thread.join()


def run_program(name, timeout=300, **environment):
    """A unit program with all its tests, none of which may be skipped."""
    program = gate.PROGRAM.parent / "unit" / name
    if not program.exists():
        pytest.skip(f"{program} was not built: make unit-programs")
    directory = programs.private_directory("unit")
    try:
        copy = directory / name
        shutil.copy2(program, copy)
        copy.chmod(0o755)
        done = programs.run(copy, cwd=directory, check=False, timeout=timeout, **gate.SANITIZERS, **environment)
    finally:
        programs.remove(directory)
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "SKIPPED" not in said, f"{name} ended with {done.returncode}:\n{said[-6000:]}"
    for sign in gate.BAD_SIGNS:
        assert sign not in said, said[-6000:]
    return said


@pytest.fixture
def directory():
    """A directory that shows nothing to those who did not log in."""
    running = Directory(*PEOPLE, anonymous="auth")
    try:
        yield running
    finally:
        running.destroy()


def ask(directory, **environment):
    run_program("test_ldap", DIRECTORY_PORT=directory.port, DIRECTORY_TLS_PORT=directory.tls_port,
                **directory.environment | environment)


def test_a_directory_decides_who_comes_in(directory):
    ask(directory)


def test_a_directory_that_nobody_vouches_for_gets_no_password(directory):
    ask(directory, DIRECTORY_STRANGER="yes", LDAPTLS_CACERT=programs.write(directory.directory / "none.crt", ""))


@pytest.mark.slow
def test_a_directory_that_never_answers_holds_nobody_for_long(directory):
    ports = directory.port, directory.tls_port
    with impostor(say_nothing, "127.0.0.2", *ports) as mute, impostor(drip, "127.0.0.4", *ports) as slow:
        ask(directory, DIRECTORY_IMPOSTORS="yes")
    assert len(mute) == 5, "each of five checks was expected to try the mute server once"
    assert len(slow) == 2, "each of two checks was expected to try the slow server once"


CHECK = """#!/bin/sh
# The first argument, when there is one, is the address that the client must come from.
password=$(tr -d '\\000')
[ "$PAM_USER" = alice ] && [ "$password" = alice-secret ] && [ "${1:-$PAM_RHOST}" = "$PAM_RHOST" ]
"""

# pam_exec calls a refusal an error of the system, hence the usual two lines after it.
ASKED = "auth [success=1 default=ignore] pam_exec.so quiet expose_authtok {script}"
DECIDED = "\nauth requisite pam_deny.so\nauth required pam_permit.so"
SERVICES = {
    "password": [ASKED + DECIDED, "account required pam_permit.so"],
    "address": [ASKED + " 192.0.2.7" + DECIDED, "account required pam_permit.so"],
    "talkative": ["auth optional pam_echo.so hello", ASKED + DECIDED, "account required pam_permit.so"],
    "anybody": ["auth required pam_permit.so", "account required pam_permit.so"],
    "nobody": ["auth required pam_deny.so", "account required pam_permit.so"],
    "closed": [ASKED + DECIDED, "account required pam_deny.so"],
    "expired": [ASKED + DECIDED, "account required pam_debug.so acct=acct_expired"],
    "once": ["auth required pam_stress.so", "account required pam_permit.so"],
    "twice": ["auth required pam_stress.so", "auth required pam_stress.so", "account required pam_permit.so"],
    "other": ["auth required pam_deny.so", "account required pam_deny.so"],
    "broken": ["auth required pam_no_such_module.so", "account required pam_permit.so"],
}


@pytest.fixture
def services():
    """A directory with service files, all of which an unprivileged program can use."""
    directory = programs.private_directory("pam")
    script = programs.write(directory / "check", CHECK, mode=0o700)
    for name, lines in SERVICES.items():
        programs.write(directory / name, "\n".join(lines).format(script=script) + "\n")
    try:
        yield directory
    finally:
        programs.remove(directory)


def test_pam_modules_decide_who_comes_in(services):
    run_program("test_pam", PGSLUICE_PAM_DIRECTORY=services)
