#!/usr/bin/env bash
# The Event Hubs client accepts every event that it reads, although nothing depends on it.
#
# Surprising: where a reader of a partition goes on is a matter of its checkpoint, and a hub keeps its events whatever a reader
# answers. Yet the client for JavaScript asks for events that are not settled, and accepts each of them when it comes, long before
# processEvents has seen it, without any call of updateCheckpoint. The client for .NET asks for settled ones, which need no answer.
# No option of the client turns this off.
#
# Why it matters to batch scoring: with one reading an event the answers, with a frame and a write to the socket for every few of
# them, were a tenth of the CPU of an ingest worker. And "accepted" in a trace of the wire says nothing of what was processed.
#
# @azure/event-hubs 6.0.4 reads from a hub of one partition, made of rhea 3.0.5 here. Exit code 1 when the behaviour has changed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @azure/event-hubs@6.0.4 rhea@3.0.5
cat >hub.mjs <<'JS'
import { earliestEventPosition, EventHubConsumerClient } from '@azure/event-hubs';
import rhea from 'rhea';

const EVENTS = 40;
const isPartition = ({ source }) => /\/Partitions\/0$/.test(source.address);

// A hub, as far as the reader of one partition needs it.
const hub = rhea.create_container();
let answer;
let mode;
let sent = 0;
let accepted = 0;
hub.on('receiver_open', ({ receiver }) => receiver.set_target(receiver.remote.attach.target));
hub.on('sender_open', ({ sender }) => {
  sender.set_source(sender.remote.attach.source);
  if (isPartition(sender)) mode = sender.remote.attach.snd_settle_mode;
  else answer = sender;
});
hub.on('message', ({ message, receiver }) => {
  if (receiver.target.address === '$cbs')
    answer.send({
      to: message.reply_to,
      correlation_id: message.message_id,
      application_properties: { 'status-code': 202, 'status-description': 'Accepted' },
    });
});
hub.on('sendable', ({ sender }) => {
  if (!isPartition(sender)) return;
  for (; sent < EVENTS; sent++)
    sender.send({
      message_annotations: {
        'x-opt-sequence-number': sent,
        'x-opt-offset': String(sent),
        'x-opt-enqueued-time': Date.now(),
      },
      body: rhea.message.data_section(Buffer.from(`{"n":${sent}}`)),
    });
});
hub.on('accepted', ({ sender }) => {
  if (isPartition(sender)) accepted += 1;
});
const until = async (holds) => {
  while (!holds()) await new Promise((done) => setTimeout(done, 20));
};

const listener = hub.listen({ port: 0, host: '127.0.0.1' });
await new Promise((done) => listener.once('listening', done));
const key = Buffer.from('key').toString('base64');
const client = new EventHubConsumerClient(
  '$Default',
  `Endpoint=sb://127.0.0.1:${listener.address().port};SharedAccessKeyName=k;SharedAccessKey=${key};UseDevelopmentEmulator=true`,
  'hub',
);
let processed = 0;
let beforeProcessed;
client.subscribe(
  '0',
  {
    // The first call ends only when its events are accepted: none has been processed by then.
    async processEvents(events) {
      await until(() => accepted >= processed + events.length);
      beforeProcessed ??= accepted;
      processed += events.length;
    },
    async processError(error) {
      console.log(String(error));
    },
  },
  { startPosition: earliestEventPosition, maxBatchSize: 10 },
);
const limit = setTimeout(() => end(), 60_000);
await until(() => processed === EVENTS);
end();

function end() {
  clearTimeout(limit);
  console.log(`asked for events of sender-settle-mode: ${mode ?? 'none named (mixed)'}; 1 would be settled`);
  console.log(`accepted ${accepted} of ${EVENTS} events, ${beforeProcessed} of them before one was processed; no checkpoint`);
  process.exit(accepted === EVENTS && beforeProcessed >= 10 && mode !== 1 ? 0 : 1);
}
JS
echo "@azure/event-hubs $(node -p "require('@azure/event-hubs/package.json').version"), node $(node --version)"
node hub.mjs
