// SPDX-License-Identifier: PostgreSQL
// pg - what users of node-postgres do, with its defaults.
'use strict';

const { once } = require('events');
const net = require('net');
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
const { ADDRESS, run } = require('./script.js');

async function connect(startup = {}) {
  const { application_name, ...settings } = startup;
  const options = Object.entries(settings).map(([key, value]) => `-c ${key}=${value}`).join(' ');
  const client = new Client({ ...ADDRESS, application_name, options: options || undefined });
  await client.connect();
  return client;
}

async function ask(client, sql, values = []) {
  const result = await client.query(sql, values.length ? values : undefined);
  return result.rows && result.rows.length ? Object.values(result.rows[0])[0] : null;
}

const close = (client) => client.end();

async function notify() {
  const hearer = await connect();
  const teller = await connect();
  const heard = [];
  await hearer.query('listen news');
  const all = new Promise((resolve) => hearer.on('notification', (notice) => {
    if (heard.push(notice.payload) === 3) resolve();
  }));
  await teller.query("notify news, 'first'");
  for (const sql of ['begin', "notify news, 'second'", 'commit', 'begin', "notify news, 'never'", 'rollback'])
    await teller.query(sql);
  await hearer.query("notify news, 'own'");
  await all;
  await close(hearer);
  await close(teller);
  return heard;
}

// node-postgres has no call of its own to cancel: this is what its users write.
async function cancel() {
  const client = await connect();
  const other = await connect();
  const slept = client.query('select pg_sleep(29)').catch((trouble) => trouble);
  const sleeping = "select count(*) = 1 from pg_stat_activity where query = 'select pg_sleep(29)'" +
    " and wait_event = 'PgSleep'";
  while (!(await ask(other, sleeping))) await new Promise((resolve) => setTimeout(resolve, 20));
  const request = Buffer.alloc(16);
  [16, 80877102, client.processID, client.secretKey].forEach((word, at) => request.writeInt32BE(word | 0, at * 4));
  const socket = net.connect(ADDRESS.port, ADDRESS.host, () => socket.end(request));
  socket.resume();
  await once(socket, 'close');
  const found = [(await slept).code, await ask(client, "select 'awake'")];
  await close(client);
  await close(other);
  return found;
}

async function cursor() {
  const client = await connect();
  await client.query('begin');
  const rows = client.query(new Cursor('select n from generate_series(1, $1::int) n', [100]));
  let sum = 0;
  for (let part = await rows.read(7); part.length; part = await rows.read(7))
    sum += part.reduce((total, row) => total + row.n, 0);
  await rows.close();
  await client.query('commit');
  await close(client);
  return [sum];
}

// Nothing is reset when a client is released: what one borrower set, the next one finds.
async function pool() {
  const clients = new Pool({ ...ADDRESS, max: 1 });
  const first = await clients.connect();
  await first.query("set my.mine = 'kept'");
  await first.query('create temp table stays (n int)');
  first.release();
  const found = [await ask(clients, 'show my.mine'), await ask(clients, 'select count(*)::text from stays')];
  const many = await Promise.all([...Array(20).keys()].map((n) => ask(clients, 'select $1::int + 1', [n])));
  found.push(many.reduce((total, n) => total + n, 0));
  await clients.end();
  return found;
}

async function prepared() {
  const client = await connect();
  await client.query('drop table if exists shaped; create table shaped as select 1 as a');
  const found = [];
  let sum = 0;
  for (let turn = 0; turn < 20; turn++)
    sum += (await client.query({ name: 'more', text: 'select $1::int + 1 as n', values: [turn] })).rows[0].n;
  found.push(sum);
  const shape = { name: 'shape', text: 'select * from shaped' };
  found.push((await client.query(shape)).fields.length);
  await client.query('alter table shaped add column b int');
  found.push(await client.query(shape).then((result) => result.fields.length, (trouble) => trouble.code));
  const broken = { name: 'broken', text: 'select * from no_such_table' };
  for (let turn = 0; turn < 2; turn++) found.push(await client.query(broken).catch((trouble) => trouble.code));
  await client.query('deallocate all');
  found.push((await client.query({ name: 'other', text: 'select $1::int as n', values: [7] })).rows[0].n);
  await client.query('drop table shaped');
  await close(client);
  return found;
}

run({ connect, ask, close, notify, cancel, cursor, pool, prepared });
