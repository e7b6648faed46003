// SPDX-License-Identifier: PostgreSQL
// postgres - what users of postgres.js do, with its defaults: statements are prepared, a pool of connections.
'use strict';

const postgres = require('postgres');
const { ADDRESS, run } = require('./script.js');

const quiet = { onnotice: () => {} };
const one = (startup = {}) => postgres({ ...ADDRESS, ...quiet, max: 1, connection: startup });

const connect = async (startup) => {
  const sql = one(startup);
  await sql`select 1`;
  // One connection is kept: begin and commit are said as statements here.
  return { sql, reserved: await sql.reserve() };
};

async function ask({ reserved }, text, values = []) {
  const rows = await reserved.unsafe(text, values, { prepare: values.length > 0 });
  return rows.length ? Object.values(rows[0])[0] : null;
}

async function close({ sql, reserved }) {
  reserved.release();
  await sql.end();
}

async function notify() {
  const hearer = one();
  const teller = one();
  const heard = [];
  let last;
  const all = new Promise((resolve) => { last = resolve; });
  await hearer.listen('news', (payload) => { if (heard.push(payload) === 3) last(); });
  await teller.notify('news', 'first');
  await teller.begin((sql) => sql`select pg_notify('news', 'second')`);
  await teller.begin(async (sql) => {
    await sql`select pg_notify('news', 'never')`;
    throw new Error('rolled back');
  }).catch(() => {});
  await hearer.notify('news', 'own');
  await all;
  await hearer.end({ timeout: 5 });
  await teller.end({ timeout: 5 });
  return heard;
}

async function copy() {
  const { pipeline } = require('stream/promises');
  const { Readable } = require('stream');
  const sql = one();
  const found = [];
  await sql`create temp table copied (n int, t text)`;
  await pipeline(Readable.from([...Array(1000).keys()].map((n) => `${n}\tline ${n}\n`)),
    await sql`copy copied from stdin`.writable());
  let lines = 0;
  for await (const part of await sql`copy copied to stdout`.readable()) lines += part.toString().split('\n').length - 1;
  found.push(lines, (await sql`select sum(n)::text as s from copied`)[0].s);
  await sql.end();
  return found;
}

async function cancel() {
  const sql = one();
  const other = one();
  const query = sql`select pg_sleep(30)`.execute();
  const sleeping = async () => (await other`select count(*)::int as n from pg_stat_activity
    where query = 'select pg_sleep(30)' and wait_event = 'PgSleep'`)[0].n;
  while (!(await sleeping())) await new Promise((resolve) => setTimeout(resolve, 20));
  query.cancel();
  const found = [await query.catch((trouble) => trouble.code), (await sql`select 'awake' as t`)[0].t];
  await sql.end();
  await other.end();
  return found;
}

async function cursor() {
  const sql = one();
  let sum = 0;
  await sql`select n from generate_series(1, 100) n`.cursor(7, (rows) => rows.forEach((row) => { sum += row.n; }));
  await sql.end();
  return [sum];
}

async function pool() {
  const sql = postgres({ ...ADDRESS, ...quiet, max: 4 });
  const many = await Promise.all([...Array(40).keys()].map((n) => sql`select ${n}::int + 1 as n`));
  const found = [many.reduce((total, rows) => total + rows[0].n, 0)];
  const reserved = await sql.reserve();
  await reserved`create temp table mine (n int)`;
  await reserved`insert into mine values (1), (2)`;
  found.push((await reserved`select count(*)::int as n from mine`)[0].n);
  reserved.release();
  found.push(await sql.begin(async (inner) => {
    await inner.savepoint((deeper) => deeper`select 1 / 0`).catch(() => {});
    return (await inner`select 'after' as t`)[0].t;
  }));
  await sql.end();
  return found;
}

async function prepared() {
  const sql = one();
  const found = [];
  await sql`drop table if exists shaped`;
  await sql`create table shaped as select 1 as a`;
  for (let turn = 0; turn < 3; turn++) found.push((await sql`select * from shaped`).columns.length);
  await sql`alter table shaped add column b int`;
  for (let turn = 0; turn < 2; turn++)
    found.push(await sql`select * from shaped`.then((rows) => rows.columns.length, (trouble) => trouble.code));
  await sql`drop table shaped`;
  found.push(await sql`select * from shaped`.then((rows) => rows.columns.length, (trouble) => trouble.code));
  found.push((await sql`select ${5}::int as n`)[0].n);
  await sql.end();
  return found;
}

run({ connect, ask, close, notify, copy, cancel, cursor, pool, prepared });
