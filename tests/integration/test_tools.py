# SPDX-License-Identifier: PostgreSQL
"""test_tools - PostgreSQL's own programs work by both ports, beside applications, with the results of no gateway."""

import re

import psycopg2
import psycopg2.extras
import pytest

import programs
from cluster import Cluster
from load import Neighbours

PORTS = ["direct", "pooled"]


@pytest.fixture(scope="module")
def pool(gateway_of_module):
    """The pool is one server that a neighbour keeps busy: no tool may need it."""
    gateway = gateway_of_module(pool=1, workers=2, auth_type="relay")
    with Neighbours(gateway, 2) as neighbours:
        yield gateway
    neighbours.check()


@pytest.fixture
def place():
    directory = programs.private_directory("tools")
    yield directory
    programs.remove(directory)


def tool(program, port, *arguments, **more):
    return programs.run(program, "-h", "127.0.0.1", "-p", port, "-U", "postgres", *arguments, **more)


def plain(text):
    """A plain dump without what differs each time."""
    return re.sub(r"^(\\(un)?restrict .*|-- (Started|Completed) on .*)$", "", text, flags=re.M)


def contents(postgres, database):
    return plain(tool("pg_dump", postgres.port, "--inserts", database).stdout)


@pytest.fixture
def target(postgres):
    postgres.sql("drop database if exists restored with (force);\ncreate database restored owner app",
                 dbname="postgres")
    yield "restored"
    postgres.sql("drop database if exists restored with (force)", dbname="postgres")


@pytest.mark.slow
@pytest.mark.parametrize("listener", PORTS)
def test_a_parallel_dump_and_restore_give_the_same_database(postgres, pool, place, target, listener):
    port = pool.ports[listener]
    tool("pg_dump", port, "-Fd", "-j", "4", "-f", place / "dump", "app")
    tool("pg_restore", port, "-j", "4", "-d", target, place / "dump")
    assert contents(postgres, target) == contents(postgres, "app")
    assert len(contents(postgres, target)) > 100_000


@pytest.mark.parametrize("listener", PORTS)
def test_a_custom_dump_and_restore_give_the_same_database(postgres, pool, place, target, listener):
    tool("pg_dump", pool.ports[listener], "-Fc", "-f", place / "dump", "app", PGAPPNAME="nightly")
    tool("pg_restore", pool.ports[listener], "-1", "-d", target, place / "dump", PGAPPNAME="nightly")
    assert contents(postgres, target) == contents(postgres, "app")


@pytest.mark.parametrize("listener", PORTS)
@pytest.mark.parametrize("jobs", [1, 4])
def test_a_parallel_dump_that_hides_its_name_is_whole(postgres, pool, place, listener, jobs):
    tool("pg_dump", pool.ports[listener], "-Fd", "-j", jobs, "-f", place / "dump", "app", PGAPPNAME="nightly")
    listed = programs.run("pg_restore", "-l", place / "dump").stdout
    assert len(re.findall("TABLE DATA", listed)) == len(re.findall("TABLE DATA", programs.run(
        "pg_restore", "-l", stdin=tool("pg_dump", postgres.port, "-Fc", "app", text=False).stdout,
        text=False).stdout.decode()))


@pytest.mark.slow
@pytest.mark.parametrize("listener", PORTS)
def test_pg_dumpall_gives_the_same_text(postgres, pool, listener):
    assert plain(tool("pg_dumpall", pool.ports[listener]).stdout) == plain(tool("pg_dumpall", postgres.port).stdout)


@pytest.mark.slow
@pytest.mark.parametrize("listener", PORTS)
def test_a_base_backup_verifies(postgres, pool, place, listener):
    tool("pg_basebackup", pool.ports[listener], "-D", place / "base", "-X", "stream", "-c", "fast")
    programs.run("pg_verifybackup", place / "base")


@pytest.mark.slow
@pytest.mark.parametrize("listener", PORTS)
def test_a_base_backup_as_tar_is_whole(pool, place, listener):
    tool("pg_basebackup", pool.ports[listener], "-D", place / "tar", "-Ft", "-z", "-X", "fetch", "-c", "fast")
    names = programs.run("tar", "-tzf", place / "tar" / "base.tar.gz").stdout
    assert "global/pg_control" in names and "backup_label" in names


@pytest.mark.slow
@pytest.mark.parametrize("listener", PORTS)
def test_pg_receivewal_writes_the_very_bytes(postgres, pool, place, listener):
    port, slot = pool.ports[listener], f"wal_{listener}"
    tool("pg_receivewal", port, "--create-slot", "-S", slot + "_unused")
    tool("pg_receivewal", port, "--drop-slot", "-S", slot + "_unused")
    postgres.sql(f"select pg_create_physical_replication_slot('{slot}', true)")
    try:
        postgres.sql("select pg_switch_wal()")
        postgres.sql("insert into marks select -100, n, 'wal' from generate_series(1, 20000) n;\n"
                     "delete from marks where client = -100")
        segment = postgres.value("select pg_walfile_name(pg_current_wal_lsn())")
        postgres.sql("select pg_switch_wal()")
        postgres.sql("select pg_logical_emit_message(false, 'x', 'y')")
        end = postgres.value("select pg_current_wal_flush_lsn()")
        programs.give(place)
        tool("pg_receivewal", port, "-D", place, "-S", slot, "-E", end, "--no-loop", timeout=60)
        assert (place / segment).read_bytes() == (postgres.data / "pg_wal" / segment).read_bytes()
    finally:
        tool("pg_receivewal", port, "--drop-slot", "-S", slot)


@pytest.mark.parametrize("listener", PORTS)
def test_pg_recvlogical_writes_the_same_changes(postgres, pool, listener):
    port, slot = pool.ports[listener], f"logical_{listener}"
    tool("pg_recvlogical", port, "-d", "app", "-S", slot, "--create-slot", "-P", "test_decoding")
    try:
        postgres.sql("insert into marks values (-101, 1, 'logical');\ndelete from marks where client = -101")
        end = postgres.value("select pg_current_wal_lsn()")
        options = "'include-xids', '0', 'skip-empty-xacts', '1'"
        direct = [row[0] for row in postgres.sql(
            f"select data from pg_logical_slot_peek_changes('{slot}', null, null, {options})")]
        done = tool("pg_recvlogical", port, "-d", "app", "-S", slot, "--start", "-E", end, "-o", "include-xids=0",
                    "-o",
                    "skip-empty-xacts=1", "--no-loop", "-f", "-", timeout=60)
        lines = done.stdout.splitlines()
        assert direct and lines[:len(direct)] == direct and "table" not in str(lines[len(direct):])
    finally:
        tool("pg_recvlogical", port, "-d", "app", "-S", slot, "--drop-slot")


@pytest.mark.slow
@pytest.mark.parametrize("listener", PORTS)
def test_a_streaming_standby_follows(postgres, pool, listener):
    def data(directory):
        tool("pg_basebackup", pool.ports[listener], "-D", directory, "-X", "stream", "-c", "fast", "-R")

    standby = Cluster("standby", data_from=data)
    try:
        standby.start()
        postgres.sql("insert into marks values (-102, 1, 'standby')")
        programs.eventually(lambda: standby.value("select count(*) from marks where client = -102") == 1, 15)
        assert postgres.value("select count(*) from pg_stat_replication where state = 'streaming'") == 1
        clients = pool.console("SHOW CLIENTS")
        assert any("replication" in str(row.values()) for row in clients)
    finally:
        standby.destroy()
        postgres.sql("delete from marks where client = -102")


@pytest.mark.slow
@pytest.mark.parametrize("listener", PORTS)
def test_a_logical_subscription_follows(postgres, pool, listener):
    postgres.sql("drop table if exists published;\ncreate table published (a int primary key);\n"
                 "insert into published select generate_series(1, 1000);\ngrant select on published to app;\n"
                 "drop publication if exists pub;\ncreate publication pub for table published")
    other = Cluster("subscriber")
    try:
        other.start()
        other.sql("create table published (a int primary key)", dbname="postgres")
        way = f"host=127.0.0.1 port={pool.ports[listener]} dbname=app user=app"
        other.sql(f"create subscription sub_{listener} connection '{way}' publication pub", dbname="postgres")

        def rows():
            return other.value("select count(*) from published", dbname="postgres")

        programs.eventually(lambda: rows() == 1000, 20, what="the first copy")
        postgres.sql("insert into published select generate_series(1001, 1500)")
        programs.eventually(lambda: rows() == 1500, 20, what="the changes")
        other.sql(f"drop subscription sub_{listener}", dbname="postgres")
    finally:
        other.destroy()
        postgres.sql("drop publication pub;\ndrop table published;\nselect pg_drop_replication_slot(slot_name)"
                     f" from pg_replication_slots where slot_name like 'sub_{listener}%'")


@pytest.mark.parametrize("listener", PORTS)
def test_maintenance_programs_work(postgres, pool, listener):
    port = pool.ports[listener]
    tool("vacuumdb", port, "-z", "-j", "2", "app")
    tool("reindexdb", port, "-t", "items", "app")
    tool("createdb", port, "made_here")
    tool("dropdb", port, "made_here")
    tool("createuser", port, "made_here")
    tool("dropuser", port, "made_here")
    assert postgres.value("select count(*) from pg_database where datname = 'made_here'", dbname="postgres") == 0


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
def test_pgbench_runs_without_an_error(postgres, gateway, target, protocol):
    pool = gateway(pool=4, workers=2)
    tool("pgbench", pool.pooled, "-i", "-q", "-s", "1", target)
    # One thread a client: pgbench prepares with blocking calls, and a thread with several clients would wait for a
    # server while another of its clients holds it in a transaction.
    done = tool("pgbench", pool.pooled, "-n", "-M", protocol, "-c", "16", "-j", "16", "-t", "50", target)
    assert "number of transactions actually processed: 800/800" in done.stdout
    assert "number of failed transactions: 0" in done.stdout
    assert postgres.value("select sum(abalance) = (select sum(delta) from pgbench_history) from pgbench_accounts",
                          dbname=target)


@pytest.mark.parametrize("listener", PORTS)
@pytest.mark.parametrize("kind", ["LogicalReplicationConnection", "PhysicalReplicationConnection"])
def test_psycopg2_speaks_replication(pool, listener, kind):
    connection = psycopg2.connect(host="127.0.0.1", port=pool.ports[listener], user="app", dbname="app",
                                  connection_factory=getattr(psycopg2.extras, kind))
    with connection.cursor() as cursor:
        cursor.execute("IDENTIFY_SYSTEM")
        assert len(cursor.fetchone()) == 4
    connection.close()


@pytest.mark.parametrize("listener", PORTS)
def test_many_large_copies_by_the_direct_way_keep_every_byte(pool, listener):
    size = 20000
    done = programs.run("psql", "-XAtqc",
                        f"copy (select n, repeat(md5(n::text), 30) from generate_series(1, {size}) n) to stdout",
                        "-h", "127.0.0.1", "-p", pool.ports[listener], "-U", "postgres", "-d", "app")
    lines = done.stdout.splitlines()
    assert len(lines) == size and all(len(line.split("\t")[1]) == 960 for line in lines)
    assert [line.split("\t")[0] for line in lines] == [str(n) for n in range(1, size + 1)]
