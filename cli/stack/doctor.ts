/** `fleetscore doctor`: asks every part whether it is well, and says how to mend what is not. */
import { execFileSync } from 'node:child_process';
import type { Client } from '@temporalio/client';
import pc from 'picocolors';
import { keptTooShort, tooShortText } from '../../batches/kept-too-short.ts';
import { inTime, patience } from '../../domain/busy.ts';
import { messageOf } from '../../domain/errors.ts';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { CONTROL_QUEUE } from '../../domain/queues.ts';
import { readStack } from '../../local/state.ts';
import { isOwnBlob, ownRoom } from '../../local/own-disk.ts';
import { locateTemporal } from '../../local/temporal-binary.ts';
import { poolQueues } from '../../pool/queues.ts';
import { poolWorkflowId } from '../../pool/settings.ts';
import { formatBytes } from '../../domain/bytes.ts';
import { formatNumberOf } from '../../report/format.ts';
import { readingsWait } from '../../storage/store.ts';
import { provesWrite } from '../../storage/blob-proof.ts';
import { checkDeployment } from '../../storage/deployment-id.ts';
import { openProducer } from '../../connect/event-hubs.ts';
import { ingestSettings } from '../../connect/ingest-settings.ts';
import { lastRules, rulesOf } from '../../ingest/event-rules.ts';
import { INGEST_DEFAULTS } from '../../ingest/settings.ts';
import { describeDeployment, hasDeployments } from '../../connect/deployment/server.ts';
import { countPollers } from '../../connect/task-queues.ts';
import { attributesCommand, missingSearchAttributes } from '../../connect/search-attributes.ts';
import { temporalTarget } from '../../connect/temporal.ts';
import { dropSummary } from '../drop/summary.ts';
import { lookAtBatches } from './doctor-batches.ts';
import { clientTrouble } from '../../connect/temporal-trouble.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { lastEnd } from './last-end.ts';

interface Finding {
  readonly part: string;
  readonly state: 'ok' | 'note' | 'problem';
  readonly text: string;
}

/** Longest wait for one part on an idle machine. */
const ANSWER_MS = 10_000;

export async function examine(context: Context): Promise<Output> {
  const findings = await Promise.all([
    check('Node', async () => process.versions.node),
    check(
      'Temporal CLI',
      async () => (await locateTemporal(context.config.toolsDir)) ?? note('not here yet; `fleetscore up` installs it'),
    ),
    check(
      'Python',
      async () =>
        python() ?? note('python3 is missing: needed for `models convert`, and by `up` to install the Temporal CLI'),
    ),
    check('Laptop stack', async () => laptopStack(context.config.home)),
    check('Temporal', () => temporal(context)),
    check('SQL store', () => sql(context)),
    check('Blob storage', () => blob(context)),
    check('Event Hubs', () => eventHubs(context)),
    check('Mapping', () => mapping(context)),
    check('File drop', () => drop(context)),
    check('Batches', () => lookAtBatches(context)),
  ]);
  const problems = findings.filter((finding) => finding.state === 'problem').length;
  const mark = { ok: pc.green('ok'), note: pc.yellow('--'), problem: pc.red('!!') };
  const lines = findings.map(
    (finding) =>
      `${mark[finding.state]}  ${finding.part.padEnd(13)} ${finding.text.replaceAll('\n', '\n                  ')}`,
  );
  return {
    data: { healthy: problems === 0, findings },
    text:
      `${lines.join('\n')}\n\n` +
      (problems === 0 ? 'No problems found.' : `${formatNumberOf(problems, 'problem')} found.`),
    ...(problems === 0 ? {} : { exitCode: EXIT_FAILED }),
  };
}

async function mapping(context: Context): Promise<string | Note> {
  const here = { ...INGEST_DEFAULTS, ...ingestSettings(context.config) };
  const name = here.mapping?.name ?? 'default, the fields of docs/readings.md';
  // A store that cannot be looked at is told above.
  const last = await context.store().then(lastRules, () => undefined);
  const rules = rulesOf(here);
  if (!last || last.digest === rules.digest) return name;
  return note(
    `${name}; but ingest reads events with ${last.text} since ${last.since}, this command with ${rules.text}`,
  );
}

interface Note {
  readonly note: string;
}
const note = (text: string): Note => ({ note: text });

async function check(part: string, look: () => Promise<string | Note>): Promise<Finding> {
  try {
    const found = await inTime(look, patience(ANSWER_MS));
    return typeof found === 'string' ? { part, state: 'ok', text: found } : { part, state: 'note', text: found.note };
  } catch (error) {
    return { part, state: 'problem', text: messageOf(clientTrouble(error) ?? error) };
  }
}

function python(): string | undefined {
  try {
    return execFileSync('python3', ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

async function temporal(context: Context): Promise<string> {
  const { address, namespace } = temporalTarget(context.env);
  const client = await context.client();
  await client.workflowService.describeNamespace({ namespace });
  const lacks = await missingSearchAttributes(client, namespace).catch((error: unknown) => {
    // Who may not look at them may still work with them.
    if (clientTrouble(error)?.code === 'TEMPORAL_REFUSED') return [];
    throw error;
  });
  if (lacks.length > 0)
    throw new Error(
      `${address} answers, but namespace ${namespace} lacks the search attributes ${lacks.join(', ')}: every ` +
        `batch waits. Restart a control worker, which registers them, or run: ${attributesCommand(namespace)}`,
    );
  const pools = await poolQueues(context.config);
  const [control, scoring] = await Promise.all([
    countPollers(client, [CONTROL_QUEUE], 'workflow'),
    countPollers(client, pools.values(), 'activity'),
  ]);
  // A pool has no workers while nothing is due.
  const pooled =
    scoring === 0 && (await Promise.all([...pools.keys()].map((pool) => poolRuns(client, pool)))).includes(true);
  const missing = [...(control === 0 ? ['control'] : []), ...(scoring === 0 && !pooled ? ['scoring'] : [])];
  if (missing.length > 0)
    throw new Error(
      `${address} answers, but no ${missing.join(' and no ')} worker polls its task queue: batches wait. ` +
        `Start workers, or the stack with \`fleetscore up\`.`,
    );
  const version = await currentVersion(client);
  return (
    `${address}, namespace ${namespace}, ` +
    formatNumberOf(control, 'control worker') +
    `${version === undefined ? '' : ` of current version ${version}`}, ` +
    `${formatNumberOf(scoring, 'scoring worker')}${pooled ? ' (the pool starts them when work is due)' : ''}`
  );
}

/** New batches start on one version only. Undefined where workers have no versions. */
async function currentVersion(client: Client): Promise<string | undefined> {
  if (!(await hasDeployments(client))) return undefined;
  const deployment = await describeDeployment(client, Date.now());
  if (!deployment) return undefined;
  const { current, versions } = deployment;
  const running = versions.filter((version) => version.workers > 0).map((version) => version.buildId);
  // Without any, unversioned workers poll.
  if (running.length === 0 || (current !== undefined && running.includes(current))) return current;
  const why =
    current === undefined
      ? 'no version of the control worker is current'
      : `no control worker of the current version ${current} runs`;
  throw new Error(
    `${why}: new batches wait. Let them start on one that runs: fleetscore workers promote ${running[0]}`,
  );
}

async function poolRuns(client: Client, name: string): Promise<boolean> {
  const loop = await client.workflow
    .getHandle(poolWorkflowId(name))
    .describe()
    .catch(() => undefined);
  return loop?.status.name === 'RUNNING';
}

async function sql(context: Context): Promise<string | Note> {
  const store = await context.store();
  const [sensors, release] = [await store.countSensors(), await store.currentRelease()];
  const retired = await store.countRetired();
  const room = await store.room();
  if (room && readingsWait(room))
    throw new Error(
      `readings wait: the disk has ${formatBytes(room.freeBytes)} free, and ingest leaves ` +
        `${formatBytes(room.reserveBytes)} alone. Free room elsewhere on it, then \`fleetscore db prune ` +
        `--windows AGE\`.`,
    );
  const disk = room ? `, file of ${formatBytes(room.fileBytes)}, ${formatBytes(room.freeBytes)} free on its disk` : '';
  const said =
    `${store.engine}, ${formatNumberOf(sensors, 'sensor')}` +
    (retired === 0 ? '' : `, ${formatNumberOf(retired, 'sensor')} out of service (sensors list --retired)`) +
    `${disk}, ` +
    (release === undefined ? 'no release yet (fleetscore models publish DIR)' : `release ${release}`);
  const { ingest, keep } = context.config;
  const short = await keptTooShort(store, ingest, release, keep.windowsMs);
  const advice = [...(await store.advice()), ...(short ? [`${tooShortText(short, 'FLEETSCORE_KEEP_WINDOWS')}.`] : [])];
  return advice.length === 0 ? said : note([said, ...advice].join('\n'));
}

/** @throws FleetscoreError `DISK_FULL`: its servers answer, and save nothing */
function laptopStack(home: string): string | Note {
  const stack = readStack(home);
  if (!stack) {
    const why = lastEnd(home);
    return note(
      `not running here; \`fleetscore up\` starts it${why === undefined ? '' : `\nthe last one ended: ${why}`}`,
    );
  }
  const room = ownRoom(home);
  const free = room === undefined ? '' : `, ${formatBytes(room)} free on its disk`;
  return `up since ${stack.startedAt}, Web UI ${stack.ui ?? 'not known (TEMPORAL_UI_URL)'}${free}`;
}

async function blob(context: Context): Promise<string | Note> {
  const { config } = context;
  const blobs = context.blobs();
  // First, and without a call: on a full disk the server tries long.
  const room = isOwnBlob(config.home, config.blob) ? ownRoom(config.home) : undefined;
  await blobs.prepare();
  const store = await context.store();
  const [id, isWritten] = await Promise.all([checkDeployment(store, blobs), provesWrite(blobs)]);
  const of = `all containers there${id === undefined ? '' : `, of deployment ${id}`}`;
  if (!isWritten)
    return note(`answers, ${of}; this identity may not write models, so whether there is room was not tried`);
  const free = room === undefined ? '' : `, ${formatBytes(room)} free on its disk`;
  return `answers and takes what is written, ${of}${free}`;
}

/** Whether files that lie there can be seen, and what became of those that were read. */
async function drop(context: Context): Promise<string | Note> {
  const { dropBox } = await import('../../connect/blob-storage.ts');
  for await (const _ of dropBox(context.config).list()) break;
  const counts = await (await context.store()).countDropped();
  const said = `container ${CONTAINERS.drop}, ${dropSummary(counts) ?? 'no file read yet'}`;
  if (counts.failed > 0) return note(said);
  return context.config.ingest.drop.on ? said : note(`${said}\nnobody reads it: FLEETSCORE_DROP is off`);
}

async function eventHubs(context: Context): Promise<string> {
  const producer = openProducer(context.config);
  try {
    const { partitionIds } = await producer.getEventHubProperties();
    return `hub ${producer.eventHubName}, ${formatNumberOf(partitionIds.length, 'partition')}`;
  } finally {
    await producer.close();
  }
}
