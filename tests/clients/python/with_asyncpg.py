# SPDX-License-Identifier: PostgreSQL
"""with_asyncpg - what users of asyncpg do, with its defaults: every statement is prepared, its pool resets all."""

import asyncio

import asyncpg

from session import ADDRESS


async def connect(startup=None):
    return await asyncpg.connect(**ADDRESS, server_settings=startup or None)


async def ask(connection, sql, values=()):
    return await connection.fetchval(sql, *values)


async def close(connection):
    await connection.close()


def sqlstate(trouble):
    return getattr(trouble, "sqlstate", None)


async def notify():
    hearer, teller = await connect(), await connect()
    heard = asyncio.Queue()
    await hearer.add_listener("news", lambda _connection, _pid, _channel, payload: heard.put_nowait(payload))
    await teller.execute("notify news, 'first'")
    async with teller.transaction():
        await teller.execute("notify news, 'second'")
    transaction = teller.transaction()
    await transaction.start()
    await teller.execute("notify news, 'never'")
    await transaction.rollback()
    found = [await asyncio.wait_for(heard.get(), 10) for _ in range(2)]
    await hearer.execute("notify news, 'own'")
    found.append(await asyncio.wait_for(heard.get(), 10))
    await close(hearer)
    await close(teller)
    return found


async def copy():
    connection = await connect()
    await connection.execute("create temp table copied (n int, t text)")
    await connection.copy_records_to_table("copied", records=[(n, f"line {n}") for n in range(1000)])
    lines = []

    async def take(data):
        lines.append(data.count(b"\n"))

    await connection.copy_from_table("copied", output=take)
    found = [sum(lines), await ask(connection, "select sum(n)::text from copied")]
    await close(connection)
    return found


async def cancel():
    """asyncpg cancels what its caller no longer waits for."""
    connection = await connect()
    try:
        await connection.fetchval("select pg_sleep(30)", timeout=0.3)
        found = ["it slept"]
    except asyncio.TimeoutError:
        found = ["57014"]
    found.append(await ask(connection, "select 'awake'"))
    await close(connection)
    return found


async def cursor():
    connection = await connect()
    async with connection.transaction():
        found = [sum([row[0] async for row in connection.cursor("select n from generate_series(1, 100) n",
                                                                prefetch=7)])]
        handle = await connection.cursor("select n from generate_series(1, 10) n")
        found.append(sum(row[0] for row in await handle.fetch(4)))
        await handle.forward(1)
        found.append(sum(row[0] for row in await handle.fetch(10)))
    await close(connection)
    return found


async def pool():
    """A connection that is returned runs pg_advisory_unlock_all, CLOSE ALL, UNLISTEN * and RESET ALL."""
    async with asyncpg.create_pool(**ADDRESS, min_size=1, max_size=1,
                                   server_settings={"search_path": "tenant"}) as connections:
        async with connections.acquire() as connection:
            await connection.execute("set my.mine = 'reset'")
            await connection.execute("set search_path = 'other'")
            await connection.execute("select pg_advisory_lock(9001)")
            await connection.execute("create temp table stays ()")
        async with connections.acquire() as connection:
            found = [await connection.fetchval("select current_setting('my.mine', true)"),
                     await connection.fetchval("show search_path"),
                     await connection.fetchval("select count(*)::text from pg_locks where locktype = 'advisory'"
                                               " and objid = 9001"),
                     await connection.fetchval("select to_regclass('stays') is null")]
        connection = await connect()
        found.append(await connection.fetchval("select pg_try_advisory_lock(9001)"))
        await close(connection)
    return found


async def prepared():
    connection = await connect()
    await connection.execute("drop table if exists shaped")
    await connection.execute("create table shaped as select 1 as a")
    statement = await connection.prepare("select $1::int + 1")
    found = [sum([await statement.fetchval(turn) for turn in range(20)])]
    found += [len(await connection.fetchrow("select * from shaped")) for _ in range(3)]
    await connection.execute("alter table shaped add column b int")
    found += [len(await connection.fetchrow("select * from shaped")) for _ in range(2)]
    async with connection.transaction():
        await connection.execute("alter table shaped add column c int")
        try:
            found.append(len(await connection.fetchrow("select * from shaped")))
        except asyncpg.PostgresError as trouble:
            found.append(trouble.sqlstate)
    await connection.execute("drop table shaped")
    named = await connection.prepare("select 'named'", name="of_ours")
    found += [await named.fetchval(), await connection.fetchval("execute of_ours")]
    await close(connection)
    return found
