/**
 * The program of a process that runs foreign models: one scoring thread, and beside it a main thread that stays free,
 * watches the memory of both, and ends the process when it is told to, when its worker is gone, or when the memory
 * passes the limit. Asks the kernel to be the first to go when the machine itself runs out.
 */
import { rmdirSync, writeFileSync, writeSync } from 'node:fs';
import {
  OUT_OF_MEMORY,
  PROGRESS_FD,
  RECORD_BYTES,
  type ProcessSettings,
  type SentJob,
  type SentReply,
} from './process-handle.ts';
import { startThread, type Thread } from './thread-handle.ts';
import { newMarks, type ThreadJob } from './thread-protocol.ts';

const LOOK_EVERY_MS = 20;

let thread: Thread | undefined;
let limit = Number.POSITIVE_INFINITY;
let settings: ProcessSettings | undefined;
/** Resident memory before the first job. */
let atStart = 0;

const die = (): void => {
  try {
    rmdirSync(process.cwd());
  } catch {
    // Not empty, or gone: it is the last thing that this process does, and it must end in any case.
  }
  process.kill(process.pid, 'SIGKILL');
};

try {
  writeFileSync('/proc/self/oom_score_adj', '1000');
} catch {
  // not Linux
}

process.on('disconnect', die);
// Ctrl-C reaches the whole group: our worker decides when this ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
setInterval(() => {
  if (process.memoryUsage.rss() <= limit) return;
  const record = Buffer.alloc(RECORD_BYTES);
  record.writeInt32LE(OUT_OF_MEMORY);
  writeSync(PROGRESS_FD, record);
  die();
}, LOOK_EVERY_MS).unref();

process.on('message', (message: { readonly settings?: ProcessSettings; readonly job?: SentJob }) => {
  if (message.settings) {
    settings = message.settings;
    thread = startThread({ ...message.settings, progressFd: PROGRESS_FD });
  }
  if (message.job) void run(message.job);
});

async function run(sent: SentJob): Promise<void> {
  const job = sharedJob(sent);
  atStart ||= process.memoryUsage.rss();
  // What is loaded may stay loaded, and a job's own numbers are not its models' memory.
  limit = atStart + settings!.maxModelMemoryBytes + settings!.maxCacheBytes + bytesOf(sent);
  const reply = await thread!.run(job);
  limit = Number.POSITIVE_INFINITY;
  const answer: SentReply =
    job.type === 'models'
      ? {
          reply,
          anomaly: Uint8Array.from(job.anomaly),
          score: Float64Array.from(job.score),
          states: Int32Array.from(job.states),
        }
      : { reply };
  process.send!(answer);
}

/** Threads share memory with each other, as in the worker itself. */
function sharedJob(sent: SentJob): ThreadJob {
  const marks = newMarks();
  if (sent.type === 'check') return { ...sent, marks };
  const values = new Float64Array(new SharedArrayBuffer(sent.values.byteLength));
  values.set(sent.values);
  const states = new Int32Array(new SharedArrayBuffer(sent.states.byteLength));
  states.set(sent.states);
  return {
    type: 'models',
    models: sent.models,
    marks,
    values,
    states,
    anomaly: new Uint8Array(new SharedArrayBuffer(sent.rows)),
    score: new Float64Array(new SharedArrayBuffer(sent.rows * Float64Array.BYTES_PER_ELEMENT)),
  };
}

/** The values twice over, and the results. */
const bytesOf = (sent: SentJob): number => (sent.type === 'check' ? 0 : 2 * sent.values.byteLength + 3 * 9 * sent.rows);
