# SPDX-License-Identifier: PostgreSQL
"""with_sqlalchemy - what users of SQLAlchemy do: an engine with its pool, sessions, streams, two-phase commits."""

import sqlalchemy as sa
from sqlalchemy import orm

from session import ADDRESS
from with_psycopg2 import arguments

URL = sa.engine.URL.create("postgresql+psycopg2", username=ADDRESS["user"], host=ADDRESS["host"],
                           port=ADDRESS["port"], database=ADDRESS["database"])
Base = orm.declarative_base()


class Thing(Base):
    __tablename__ = "things_of_sqlalchemy"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.Text, unique=True)


def engine_for(startup=None, **options):
    given = {key: value for key, value in arguments(startup or {}).items() if key not in ADDRESS}
    return sa.create_engine(URL, connect_args=given, **options)


def connect(startup=None):
    return engine_for(startup, isolation_level="AUTOCOMMIT").connect()


def ask(connection, sql, values=()):
    result = connection.execute(sa.text(sql.replace("$1", ":one").replace("$2", ":two")),
                                dict(zip(("one", "two"), values)))
    row = result.fetchone() if result.returns_rows else None
    return row[0] if row else None


def close(connection):
    connection.close()
    connection.engine.dispose()


def sqlstate(trouble):
    return getattr(getattr(trouble, "orig", None), "pgcode", None)


def mapped():
    """Objects, a nested transaction that fails, a stream from a cursor on the server."""
    engine = engine_for(future=True)
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add_all(Thing(name=f"thing {n}") for n in range(50))
        session.commit()
        try:
            with session.begin_nested():
                session.add(Thing(name="thing 1"))
        except sa.exc.IntegrityError as trouble:
            found = [sqlstate(trouble)]
        session.add(Thing(name="another"))
        session.commit()
        stream = session.execute(sa.select(Thing.name).execution_options(stream_results=True, yield_per=7))
        found.append(sum(1 for _ in stream))
        session.commit()
    found += [len(sa.inspect(engine).get_columns("things_of_sqlalchemy"))]
    Base.metadata.drop_all(engine)
    engine.dispose()
    return found


def pool():
    """QueuePool rolls back when a connection is returned."""
    engine = engine_for(pool_size=1, max_overflow=0)
    with engine.connect() as connection:
        with connection.begin():
            connection.execute(sa.text("set my.mine = 'kept'"))
            connection.execute(sa.text("create temp table stays ()"))
        transaction = connection.begin()
        connection.execute(sa.text("set my.mine = 'rolled back'"))
        transaction.close()
    with engine.connect() as connection:
        found = [connection.scalar(sa.text("show my.mine")),
                 connection.scalar(sa.text("select to_regclass('stays')::text"))]
    engine.dispose()
    return found


def levels():
    """An isolation level of the engine is set by SET SESSION CHARACTERISTICS, read only by the same."""
    engine = engine_for(isolation_level="REPEATABLE READ")
    found = []
    for options in ({}, {"isolation_level": "SERIALIZABLE"}, {"postgresql_readonly": True}, {}):
        with engine.connect().execution_options(**options) as connection:
            found += [connection.scalar(sa.text("show transaction_isolation")),
                      connection.scalar(sa.text("show transaction_read_only"))]
    engine.dispose()
    return found


def two_phases():
    engine = engine_for()
    with engine.connect() as connection:
        connection.execute(sa.text("drop table if exists phased"))
        connection.execute(sa.text("create table phased (n int)"))
        for end in ("commit", "rollback"):
            transaction = connection.begin_twophase()
            connection.execute(sa.text("insert into phased values (1)"))
            transaction.prepare()
            getattr(transaction, end)()
        found = [connection.scalar(sa.text("select count(*)::text from phased"))]
        connection.execute(sa.text("drop table phased"))
    engine.dispose()
    return found
