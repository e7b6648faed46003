# SPDX-License-Identifier: PostgreSQL
"""test_lookup - runs tests/unit/test_lookup_live*.c against a real PostgreSQL that `pgsluice setup` has set up."""

import shutil

import pytest

import programs
from cluster import Cluster
from gate import PROGRAM, SANITIZERS, command

SUBJECTS = """
create role company;
create role staff in role company;
create role good login noinherit password 'good-secret' in role staff;
create role sleeper nologin password 'x';
create role expired login password 'x' valid until '2001-01-01';
create role bare login;
create role "o'hara ""x"" " login password 'x';
create role näme login password 'x';
create role chief login superuser password 'x'
"""


def certificate(directory, name):
    """A self-signed certificate for 127.0.0.1 and its key, as name.crt and name.key."""
    programs.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                 "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                 directory / f"{name}.key", "-out", directory / f"{name}.crt")


@pytest.fixture(scope="module")
def pg():
    cluster = Cluster("lookup", settings={"ssl": "on"})
    try:
        certificate(cluster.data, "server")
        certificate(cluster.directory, "other")
        cluster.start().prepare().sql(SUBJECTS, dbname="postgres")
        command("setup", "--yes", "--password-file", "password", f"host=127.0.0.1 port={cluster.port} user=postgres",
                files={"password": "lookup-secret\n"}, check=True)
        yield cluster
    finally:
        cluster.destroy()


@pytest.mark.parametrize("name", ["test_lookup_live", "test_lookup_live_troubles"])
def test_users_are_looked_up_in_a_real_postgresql(pg, name):
    program = PROGRAM.parent / "unit" / name
    assert program.exists(), f"{program} was expected and is not there: run make unit-programs"
    copy = pg.directory / name
    shutil.copy2(program, copy)
    copy.chmod(0o755)
    done = programs.run(copy, check=False, PGSLUICE_TEST_PG=f"{pg.directory}:{pg.port}",
                        PGSLUICE_TEST_PG_CA=pg.data / "server.crt",
                        PGSLUICE_TEST_PG_OTHER_CA=pg.directory / "other.crt", **SANITIZERS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[  PASSED  ]" in done.stdout + done.stderr
    assert "lookup-secret" not in done.stderr and "SCRAM-SHA-256$" not in done.stderr
    assert pg.value("select count(*) from pg_class where relname = 'pwned'", dbname="postgres") == 0
