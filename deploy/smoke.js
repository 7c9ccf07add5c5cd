/**
 * Proves a deployment from end to end, with the addresses of `node deploy/azd/hook.js env` in the variables: every part
 * answers, a batch over the last quarter of an hour is scored by the pool, and what it wrote is whole.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readFlags } from './flags.js';

const { values: flags } = readFlags(
  'node deploy/smoke.js [--sample] (--sample is for a deployment without models: it publishes the sample plant, and ' +
    'sends it readings first)',
  { options: { sample: { type: 'boolean' } } },
);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MODELS = join(ROOT, 'samples', 'models');
const PERIOD_MS = 15 * 60_000;
const EVERY_MS = 15_000;
const say = (text) => process.stdout.write(`${text}\n`);

/** Runs a command of fleetscore. @returns its JSON @throws Error with what it said */
function fleetscore(...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(ROOT, 'bin', 'fleetscore.js'), ...args, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [out, errors] = [[], []];
    child.stdout.on('data', (part) => out.push(part));
    child.stderr.on('data', (part) => errors.push(part));
    child.on('error', reject);
    child.on('close', (code) => {
      const said = Buffer.concat(out).toString('utf8');
      if (code === 0) resolve(JSON.parse(said));
      else reject(new Error(`fleetscore ${args.join(' ')}: ${said}${Buffer.concat(errors).toString('utf8')}`.trim()));
    });
  });
}

/** A reading of every sensor of the sample plant each 15 s of the period, as CSV. */
function sampleReadings(fromMs, toMs) {
  const sensors = readdirSync(MODELS)
    .map((name) => /^model_([^_]+)_([^_]+)\.onnx$/.exec(name))
    .filter(Boolean);
  const lines = ['TS,Device,Sensor,Value'];
  for (let ms = fromMs; ms < toMs; ms += EVERY_MS)
    for (const [, device, sensor] of sensors) lines.push(`${new Date(ms).toISOString()},${device},${sensor},1`);
  return { sensors: sensors.length, csv: `${lines.join('\n')}\n` };
}

async function sample(fromMs, toMs) {
  if ((await fleetscore('models', 'list')).length > 0)
    throw new Error('this deployment has models already: run it without --sample');
  const folder = mkdtempSync(join(tmpdir(), 'fleetscore-smoke-'));
  try {
    const { sensors, csv } = sampleReadings(fromMs, toMs);
    writeFileSync(join(folder, 'readings.csv'), csv);
    await fleetscore('models', 'publish', MODELS);
    await fleetscore('send', join(folder, 'readings.csv'), '--wait');
    say(`ok  ${sensors} models published, readings of the last quarter of an hour sent and ingested`);
    return sensors;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main() {
  const toMs = Math.floor(Date.now() / 60_000) * 60_000;
  const period = [toMs - PERIOD_MS, toMs];
  await fleetscore('doctor');
  say('ok  every part answers');
  const expected = flags.sample ? await sample(...period) : undefined;
  const [from, to] = period.map((ms) => new Date(ms).toISOString());
  const batch = await fleetscore('batch', 'run', '--from', from, '--to', to, '--wait', '--wait-for-readings', '0s');
  const { scored, failed } = batch.counts;
  if (batch.status !== 'completed' || failed > 0 || (expected !== undefined && scored < expected))
    throw new Error(`batch ${batch.id} is ${batch.status}, with ${scored} sensors scored and ${failed} failed`);
  say(`ok  batch ${batch.id}: ${scored} of ${batch.planned} sensors scored`);
  await fleetscore('verify', batch.id);
  say('ok  its manifest, files and outcomes agree');
}

main().catch((error) => {
  process.stderr.write(`!!  ${error.message}\n`);
  process.exitCode = 1;
});
