#!/usr/bin/env bash
# The SQL Server driver for Node, tedious, drops the number of every error that answers a login.
#
# Surprising: the same server error has its number when it answers a query (`error.number`), and none when it answers a login:
# `connect` gives an error with the code ELOGIN and the message alone, whatever the server said. The number passes by once, as
# an event of the connection (`errorMessage`), which its documentation gives for other purposes. The driver reads the number
# itself, to try some logins again, and then forgets it.
#
# Why it matters to batch scoring: Azure SQL says "the database wakes up" (40613), "busy" (40501) and "too many operations"
# (49918) just there, at new connections, with numbers that its documentation says to try again after. Code that decides by
# number takes a database that sleeps for a wrong password, and a night's batches fail for good. Take it from the event.
#
# tedious 20.3.9, against a server of 30 lines that answers PRELOGIN and LOGIN7 ([MS-TDS] 2.2). Node 22 or newer.
# Exit code 1 when the behaviour has changed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund tedious@20.3.9 node@24.21.0
cat >try.js <<'JS'
const { createServer } = require('node:net');
const { Connection } = require('tedious');

const u16 = (n) => Buffer.from([n & 255, n >> 8]);
const u32 = (n) => Buffer.from([n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24]);
const wide = (text) => Buffer.from(text, 'utf16le');
function packet(body) {
  const header = Buffer.from([4, 1, 0, 0, 0, 0, 1, 0]);
  header.writeUInt16BE(body.length + 8, 2);
  return Buffer.concat([header, body]);
}
const PRELOGIN = Buffer.from([0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 255, 16, 0, 0, 0, 0, 0, 2]);
function refusal(number, message) {
  const body = Buffer.concat([u32(number), Buffer.from([1, 14]), u16(message.length), wide(message), Buffer.from([0, 0]), u32(1)]);
  const done = Buffer.concat([Buffer.from([0xfd]), u16(2), u16(0), u32(0), u32(0)]);
  return Buffer.concat([Buffer.from([0xaa]), u16(body.length), body, done]);
}

async function login(number) {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      if (bytes[0] === 0x12) socket.write(packet(PRELOGIN));
      if (bytes[0] === 0x10) socket.write(packet(refusal(number, `said the server with ${number}`)));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const connection = new Connection({
    server: '127.0.0.1',
    authentication: { type: 'default', options: { userName: 'u', password: 'p' } },
    options: { port: server.address().port, encrypt: false, maxRetriesOnTransientErrors: 0 },
  });
  let event;
  connection.on('errorMessage', (token) => (event = token.number));
  const error = await new Promise((resolve) => connection.connect(resolve));
  server.close();
  return { error, event };
}

(async () => {
  console.log(`tedious ${require('tedious/package.json').version}, Node ${process.version}`);
  let same = true;
  for (const number of [40613, 40501, 49918, 18456]) {
    const { error, event } = await login(number);
    console.log(`server: ${number}  error: code ${error.code}, number ${error.number}, "${error.message}"  event: number ${event}`);
    same &&= error.code === 'ELOGIN' && error.number === undefined && event === number;
  }
  console.log(same ? 'as described' : 'the behaviour has changed');
  process.exit(same ? 0 : 1);
})();
JS
node_modules/.bin/node try.js
