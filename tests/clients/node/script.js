// SPDX-License-Identifier: PostgreSQL
// script - runs the scripts on its standard input with the driver that it is handed; session.py says how they look.
'use strict';

const fs = require('fs');

const ADDRESS = {
  host: process.env.CLIENT_HOST, port: Number(process.env.CLIENT_PORT), user: process.env.CLIENT_USER,
  database: process.env.CLIENT_DATABASE,
};

const text = (value) => (value === null || value === undefined ? '\\N' : String(value).replace(/[\t\n]/g, ' '));

// What the work returned, or the SQLSTATE of its error.
async function attempt(name, work) {
  try {
    return await work();
  } catch (trouble) {
    console.error(`${name}: ${trouble.stack}`);
    return `!${trouble.code || trouble.name}`;
  }
}

async function line(driver, script, kind, words) {
  const connection = async (name) => (script.connections[name] ??= await driver.connect(script.startup));
  if (kind === 'startup') {
    script.startup[words[0]] = words[1];
  } else if (kind === 'close') {
    await driver.close(script.connections[words[0]]);
    delete script.connections[words[0]];
  } else if (kind === 'native') {
    const found = await attempt(script.name, driver[words[0]]);
    script.found.push(...(Array.isArray(found) ? found : [found]));
  } else {
    script.found.push(await attempt(script.name, async () =>
      driver.ask(await connection(words[0]), words[1], words.slice(2))));
  }
}

async function end(driver, script) {
  for (const connection of Object.values(script.connections)) await driver.close(connection);
  console.log([script.name, ...script.found.map(text)].join('\t'));
}

async function run(driver) {
  let script;
  for (const words of fs.readFileSync(0, 'utf8').trim().split('\n').map((one) => one.split('\t'))) {
    const kind = words.shift();
    if (kind === 'script') {
      if (script) await end(driver, script);
      script = { name: words[0], startup: {}, connections: {}, found: [] };
    } else {
      await line(driver, script, kind, words);
    }
  }
  await end(driver, script);
}

module.exports = { ADDRESS, run };
