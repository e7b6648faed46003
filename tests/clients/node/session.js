// SPDX-License-Identifier: PostgreSQL
// session - one session by way of node-postgres: login, queries, prepared statements, transactions; prints JSON.
'use strict';

const fs = require('fs');
const { Client } = require('pg');

const TURNS = 20;
const given = (name) => process.env['CLIENT_' + name] || '';
const file = (name) => (given(name) ? fs.readFileSync(given(name)) : undefined);

// node-postgres has no sslmode of its own outside of URLs: these are libpq's.
function tls() {
  const mode = given('SSLMODE') || 'disable';
  if (mode === 'disable') return false;
  const verified = mode.startsWith('verify');
  const options = { rejectUnauthorized: verified, ca: file('CA'), cert: file('CERT'), key: file('KEY') };
  if (mode === 'verify-ca') options.checkServerIdentity = () => undefined;
  return options;
}

async function sum(client) {
  let total = 0;
  for (let turn = 0; turn < TURNS; turn++) {
    const result = await client.query({ name: 'one-more', text: 'select $1::int + 1 as n', values: [turn] });
    total += result.rows[0].n;
  }
  return total;
}

async function rollsBack(client) {
  await client.query('begin');
  await client.query('create temp table kept (n int)');
  await client.query('insert into kept values (1), (2)');
  const seen = await client.query('select count(*)::int as n from kept');
  await client.query('rollback');
  const gone = await client.query("select to_regclass('pg_temp.kept') is null as gone");
  return seen.rows[0].n === 2 && gone.rows[0].gone;
}

async function session() {
  const client = new Client({
    host: given('HOST'), port: Number(given('PORT')), user: given('USER'), password: given('PASSWORD'),
    database: given('DATABASE'), ssl: tls(), enableChannelBinding: given('BINDING') !== 'disable',
    connectionTimeoutMillis: 20000,
  });
  await client.connect();
  try {
    const user = (await client.query('select session_user as name')).rows[0].name;
    const encrypted = await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
    return { user, sum: await sum(client), rolled_back: await rollsBack(client), server_tls: encrypted.rows[0].ssl };
  } finally {
    await client.end();
  }
}

session().catch((trouble) => ({ sqlstate: trouble.code || '', error: String(trouble.message) }))
  .then((found) => console.log(JSON.stringify(found)));
