# SPDX-License-Identifier: PostgreSQL
"""with_psycopg2 - what users of psycopg2 do, with its defaults."""

import io
import select
import threading

import psycopg2
import psycopg2.pool

from session import ADDRESS


def arguments(startup):
    settings = {key: value for key, value in startup.items() if key != "application_name"}
    given = {"options": " ".join(f"-c {key}={value}" for key, value in settings.items()),
             "application_name": startup.get("application_name")}
    return ADDRESS | {key: value for key, value in given.items() if value}


def connect(startup=None):
    connection = psycopg2.connect(**arguments(startup or {}))
    connection.autocommit = True
    return connection


def ask(connection, sql, values=()):
    with connection.cursor() as cursor:
        cursor.execute(sql.replace("$1", "%s").replace("$2", "%s"), list(values) or None)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def close(connection):
    connection.close()


def sqlstate(trouble):
    return getattr(trouble, "pgcode", None)


def notify():
    hearer, teller = connect(), connect()
    ask(hearer, "listen news")
    ask(teller, "notify news, 'first'")
    with teller.cursor() as cursor:
        for sql in ("begin", "notify news, 'second'", "commit", "begin", "notify news, 'never'", "rollback"):
            cursor.execute(sql)
    ask(hearer, "notify news, 'own'")
    while len(hearer.notifies) < 3:
        assert select.select([hearer], [], [], 10)[0], "no notification came in 10 s"
        hearer.poll()
    found = [notice.payload for notice in hearer.notifies]
    ask(hearer, "unlisten news")
    close(hearer)
    close(teller)
    return found


def copy():
    connection = connect()
    ask(connection, "create temp table copied (n int, t text)")
    with connection.cursor() as cursor:
        cursor.copy_from(io.StringIO("".join(f"{n}\tline {n}\n" for n in range(1000))), "copied")
        out = io.StringIO()
        cursor.copy_to(out, "copied")
    found = [len(out.getvalue().splitlines()), ask(connection, "select sum(n)::text from copied")]
    close(connection)
    return found


def cancel():
    connection = connect()
    timer = threading.Timer(0.3, connection.cancel)
    timer.start()
    try:
        ask(connection, "select pg_sleep(30)")
        found = ["it slept"]
    except psycopg2.Error as trouble:
        found = [trouble.pgcode]
    timer.join()
    found.append(ask(connection, "select 'awake'"))
    close(connection)
    return found


def cursor():
    """A named cursor in a transaction, and one that outlives it."""
    connection = psycopg2.connect(**ADDRESS)
    with connection.cursor("ours") as named:
        named.itersize = 7
        named.execute("select n from generate_series(1, 100) n")
        found = [sum(row[0] for row in named)]
    connection.commit()
    held = connection.cursor("held", withhold=True, scrollable=True)
    held.execute("select n from generate_series(1, 10) n")
    connection.commit()
    found.append(sum(row[0] for row in held.fetchmany(4)))
    connection.commit()
    held.scroll(0, "absolute")
    found.append(sum(row[0] for row in held))
    held.close()
    connection.commit()
    connection.close()
    return found


def pool():
    """ThreadedConnectionPool rolls back what is open and keeps everything else."""
    connections = psycopg2.pool.ThreadedConnectionPool(1, 1, **ADDRESS)
    first = connections.getconn()
    with first, first.cursor() as cursor:
        cursor.execute("set my.mine = 'kept'")
    with first.cursor() as cursor:
        cursor.execute("set my.mine = 'rolled back'")
    connections.putconn(first)
    second = connections.getconn()
    with second, second.cursor() as cursor:
        cursor.execute("show my.mine")
        found = [cursor.fetchone()[0]]
    connections.putconn(second)
    connections.closeall()
    return found


def prepared():
    """psycopg2 prepares nothing by itself; its users write PREPARE."""
    connection = connect()
    with connection.cursor() as cursor:
        cursor.execute("prepare more (int) as select $1 + 1")
    found = [ask(connection, f"execute more ({turn})") for turn in range(5)]
    ask(connection, "deallocate more")
    close(connection)
    return found
