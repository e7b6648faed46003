# SPDX-License-Identifier: PostgreSQL
"""with_psycopg - what users of psycopg 3 do, with its defaults: statements are prepared from the sixth time on."""

import threading

import psycopg

from session import ADDRESS
from with_psycopg2 import arguments

WHERE = {("dbname" if key == "database" else key): value for key, value in ADDRESS.items()}


def connect(startup=None):
    given = {key: value for key, value in arguments(startup or {}).items() if key != "database"}
    return psycopg.connect(**WHERE | given, autocommit=True)


def ask(connection, sql, values=()):
    cursor = connection.execute(sql.replace("$1", "%s").replace("$2", "%s"), list(values) or None)
    row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def close(connection):
    connection.close()


def sqlstate(trouble):
    return getattr(trouble, "sqlstate", None)


def notify():
    hearer, teller = connect(), connect()
    hearer.execute("listen news")
    teller.execute("notify news, 'first'")
    with teller.transaction():
        teller.execute("select pg_notify('news', 'second')")
    with teller.transaction() as transaction:
        teller.execute("notify news, 'never'")
        raise_rollback(transaction)
    found = []
    hearing = hearer.notifies()
    for notice in hearing:
        found.append(notice.payload)
        if len(found) == 2:
            teller.execute("notify news, 'third'")
        if len(found) == 3:
            hearing.close()
    close(hearer)
    close(teller)
    return found


def raise_rollback(transaction):
    raise psycopg.Rollback(transaction)


def copy():
    with connect() as connection:
        connection.execute("create temp table copied (n int, t text)")
        with connection.cursor().copy("copy copied from stdin") as into:
            for n in range(1000):
                into.write_row((n, f"line {n}"))
        with connection.cursor().copy("copy copied to stdout") as out:
            lines = sum(bytes(part).count(b"\n") for part in out)
        return [lines, ask(connection, "select sum(n)::text from copied")]


def cancel():
    with connect() as connection:
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        try:
            connection.execute("select pg_sleep(30)")
            found = ["it slept"]
        except psycopg.Error as trouble:
            found = [trouble.sqlstate]
        timer.join()
        return found + [ask(connection, "select 'awake'")]


def cursor():
    with psycopg.connect(**WHERE) as connection:
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
        return found


def prepared():
    """Prepared by itself from the sixth time on, then across DDL that changes the result, then in a pipeline."""
    with connect() as connection:
        connection.execute("drop table if exists shaped")
        connection.execute("create table shaped as select 1 as a")
        found = [sum(ask(connection, "select $1::int + 1", [turn]) for turn in range(20))]
        found += [len(connection.execute("select * from shaped").description) for _ in range(8)]
        connection.execute("alter table shaped add column b int")
        for _ in range(3):
            try:
                found.append(len(connection.execute("select * from shaped").description))
            except psycopg.Error as trouble:
                found.append(trouble.sqlstate)
        connection.execute("drop table shaped")
        with connection.pipeline():
            cursors = [connection.execute("select %s::int + 2", [turn], prepare=True) for turn in range(10)]
        return found + [sum(cursor.fetchone()[0] for cursor in cursors)]
