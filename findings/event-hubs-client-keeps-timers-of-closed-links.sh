#!/usr/bin/env bash
# Each time that the service closes a link of the Event Hubs client, a timer of it is left for as long as the process runs.
#
# Surprising: the client shows the token of every link again before it expires, by a timer of 45 minutes with a shared access key.
# It stops that timer when it closes a link itself. When the service closes one (one that was idle for a while, or whose partition
# moves), the client opens it again with the next send and sets a timer for the new one; the timer of the old one stays, and sets
# itself again every time. close() of the client stops only the newest.
#
# Why it matters to batch scoring: a process that tells of alarms by an event hub sends now and then, with a link that was idle before
# each send: it gathers a timer with each, and shows the same token as many times every 45 minutes. And a program that has closed its
# client does not come to its end by itself.
#
# @azure/event-hubs 6.0.4 sends to a hub made of rhea 3.0.5 here, which closes its link after each send. Exit code 1 when the behaviour
# has changed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @azure/event-hubs@6.0.4 rhea@3.0.5
cat >hub.mjs <<'JS'
import { EventHubProducerClient } from '@azure/event-hubs';
import rhea from 'rhea';

const SENDS = 5;

// A hub, as far as a sender needs it.
const hub = rhea.create_container();
let answer;
let link;
hub.on('receiver_open', ({ receiver }) => {
  receiver.set_target(receiver.remote.attach.target);
  if (receiver.target.address !== '$cbs') link = receiver;
});
hub.on('sender_open', ({ sender }) => {
  sender.set_source(sender.remote.attach.source);
  answer = sender;
});
hub.on('message', ({ message, receiver }) => {
  if (receiver.target.address === '$cbs')
    answer.send({
      to: message.reply_to,
      correlation_id: message.message_id,
      application_properties: { 'status-code': 202, 'status-description': 'Accepted' },
    });
});

// Timers of 45 minutes, by what starts and stops them.
const renewals = new Set();
const own = { setTimeout, clearTimeout };
globalThis.setTimeout = (work, ms, ...rest) => {
  const timer = own.setTimeout(work, ms, ...rest);
  if (ms === 45 * 60_000) renewals.add(timer);
  return timer;
};
globalThis.clearTimeout = (timer) => {
  renewals.delete(timer);
  own.clearTimeout(timer);
};

const listener = hub.listen({ port: 0, host: '127.0.0.1' });
await new Promise((done) => listener.once('listening', done));
const key = Buffer.from('key').toString('base64');
const client = new EventHubProducerClient(
  `Endpoint=sb://127.0.0.1:${listener.address().port};SharedAccessKeyName=k;SharedAccessKey=${key};UseDevelopmentEmulator=true`,
  'hub',
);
const counts = [];
for (let sent = 0; sent < SENDS; sent++) {
  await client.sendBatch([{ body: sent }]);
  counts.push(renewals.size);
  const closed = new Promise((done) => link.once('receiver_close', done));
  link.close({ condition: 'amqp:link:detach-forced', description: 'The link was idle.' });
  await closed;
}
await client.close();
console.log(`one link at a time; timers to renew its token after each of ${SENDS} sends: ${counts.join(', ')}`);
console.log(`after close() of the client: ${renewals.size}`);
process.exit(counts.at(-1) === SENDS && renewals.size === SENDS - 1 ? 0 : 1);
JS
echo "@azure/event-hubs $(node -p "require('@azure/event-hubs/package.json').version"), node $(node --version)"
node hub.mjs
