/** `fleetscore pool ...`: what the pool of workers does and why, and its limits. */
import { WorkflowNotFoundError, WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import pc from 'picocolors';
import { FleetscoreError } from '../../domain/errors.ts';
import { SCORING_QUEUE } from '../../domain/queues.ts';
import { formatDuration, isoTime, parseDuration } from '../../domain/time.ts';
import { parseKeepWarm } from '../../pool/parse-keep-warm.ts';
import { poolQueues } from '../../pool/queues.ts';
import { isGone } from '../../pool/pool.ts';
import { poolWorkflowId, type KeepWarm, type PoolLimits } from '../../pool/settings.ts';
import { bars } from '../../report/charts/bars.ts';
import { formatCount as count } from '../../report/format.ts';
import type { PoolState } from '../../workflows/pool-messages.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { poolReport, type ReportOptions } from './report.ts';
import { facts, table, when } from '../frame/text.ts';
import { clearScreen, say } from '../frame/terminal.ts';
import { defined } from '../../domain/defined.ts';

interface PoolOptions {
  readonly pool?: string;
}

interface SetOptions extends PoolOptions {
  readonly min?: number;
  readonly max?: number;
  readonly idle?: string;
  readonly keepWarm?: string;
  readonly finishWithin?: string;
  readonly margin?: string;
}

const ms = (text: string): number => (/^0\w*$/.test(text) ? 0 : parseDuration(text));

export const pause = (context: Context, options: PoolOptions): Promise<Output> =>
  tellLoop(context, options, 'pause', 'paused: nodes stay as they are');

export const drain = (context: Context, options: PoolOptions): Promise<Output> =>
  tellLoop(context, options, 'drain', 'draining: `fleetscore pool resume` takes work again');

export const resume = (context: Context, options: PoolOptions): Promise<Output> =>
  tellLoop(context, options, 'resume', 'active again');

async function tellLoop(context: Context, options: PoolOptions, verb: string, done: string): Promise<Output> {
  const handle = await handleOf(context, options);
  await inOurWords(handle, () => handle.executeUpdate(verb));
  const of = await nameOf(context, options);
  return { data: { pool: of, [verb]: true }, text: `Pool ${of} is ${done}.` };
}

/** The pool asked for; else the configured one, and of several the one for sensors that name none. */
async function nameOf(context: Context, options: PoolOptions): Promise<string> {
  if (options.pool !== undefined) return options.pool;
  const queues = await poolQueues(context.config);
  if (queues.has(context.config.pool.name)) return context.config.pool.name;
  return [...queues].find(([, queue]) => queue === SCORING_QUEUE)?.[0] ?? context.config.pool.name;
}

async function handleOf(context: Context, options: PoolOptions): Promise<WorkflowHandle> {
  return (await context.client()).workflow.getHandle(poolWorkflowId(await nameOf(context, options)));
}

/** Errors of the workflow's answer in our words. */
async function inOurWords<T>(handle: WorkflowHandle, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      throw new FleetscoreError(
        'POOL_UNKNOWN',
        `no pool runs under the workflow ${handle.workflowId}. It starts with the control worker; ` +
          `\`fleetscore up\` starts one on a laptop.`,
      );
    if (error instanceof WorkflowUpdateFailedError)
      throw new FleetscoreError('INVALID_LIMITS', error.cause?.message ?? error.message);
    throw error;
  }
}

async function read(context: Context, options: PoolOptions): Promise<PoolState> {
  const handle = await handleOf(context, options);
  return inOurWords(handle, () => handle.query<PoolState>('pool'));
}

const keepWarmText = (keep: KeepWarm): string =>
  typeof keep === 'number' ? `while the next batch is due within ${formatDuration(keep)}` : keep;

export async function status(context: Context, options: PoolOptions): Promise<Output> {
  const names = [...(await poolQueues(context.config)).keys()];
  if (options.pool === undefined && names.length > 1) return statusOfAll(context, names);
  const state = await read(context, options);
  return { data: stateData(state), text: statusText(state, context) };
}

/** A line a pool; one that does not answer says why. */
async function statusOfAll(context: Context, names: readonly string[]): Promise<Output> {
  const states = await Promise.all(
    names.map(async (pool) => {
      try {
        return await read(context, { pool });
      } catch (error) {
        if (error instanceof FleetscoreError && error.code === 'POOL_UNKNOWN') return { missing: error.message };
        throw error;
      }
    }),
  );
  const rows = states.map((state, i) => {
    if ('missing' in state) return [names[i]!, '-', 'not running', '-', '-', '-', '-', state.missing];
    const { settings, seen, decision } = state;
    const living = state.nodes.filter((node) => !isGone(node.state)).length;
    return [
      settings.name,
      settings.taskQueue,
      state.mode,
      `${living} of ${decision?.target ?? 0}`,
      `${settings.minNodes} to ${settings.maxNodes}`,
      seen ? `${seen.ready} (${seen.busy} busy)` : '-',
      seen ? count(seen.sensorsToGo) : '-',
      decision?.reason ?? 'not seen yet',
    ];
  });
  const notes = states.flatMap((state, i) =>
    'missing' in state ? [] : state.notes.map((note) => `${pc.yellow('note')} ${names[i]}: ${note}`),
  );
  return {
    data: {
      pools: states.map((state, i) =>
        'missing' in state ? { pool: names[i], missing: state.missing } : stateData(state),
      ),
    },
    text: [
      table(
        [
          { title: 'Pool' },
          { title: 'Queue' },
          { title: 'Mode' },
          { title: 'Nodes', align: 'right' },
          { title: 'Allowed' },
          { title: 'Workers' },
          { title: 'To go', align: 'right' },
          { title: 'Decision' },
        ],
        rows,
      ),
      ...(notes.length === 0 ? [] : [notes.join('\n')]),
      `More of one: fleetscore pool status --pool ${names[0]}`,
    ].join('\n\n'),
  };
}

function stateData(state: PoolState) {
  const { seen, decision, nodes, ...rest } = state;
  return {
    ...rest,
    ...(seen ? { seen: { ...seen, at: isoTime(seen.atMs) } } : {}),
    ...(decision
      ? {
          decision: {
            ...decision,
            ...(decision.nextDueMs === undefined ? {} : { nextDue: isoTime(decision.nextDueMs) }),
          },
        }
      : {}),
    nodes: nodes.map((node) => ({
      ...node,
      requestedAt: isoTime(node.requestedAtMs),
      ...(node.readyAtMs === undefined ? {} : { readyAt: isoTime(node.readyAtMs) }),
    })),
  };
}

function statusText(state: PoolState, context: Context): string {
  const { settings, seen, decision, measured } = state;
  const living = state.nodes.filter((node) => !isGone(node.state));
  const link = context.uiLink(poolWorkflowId(settings.name));
  const sections = [
    facts([
      ['Pool', `${settings.name} (${settings.kind}), task queue ${settings.taskQueue}`],
      ['Mode', state.mode],
      [
        'Nodes',
        `${living.length} of ${decision?.target ?? 0} wanted; ${settings.minNodes} to ${settings.maxNodes} allowed`,
      ],
      ['Workers', seen ? `${seen.ready}, ${seen.busy} busy, ${seen.coming} coming` : 'not seen yet'],
      [
        'Work',
        seen
          ? `${count(seen.sensorsToGo)} sensors to go in ${seen.batches} ` +
            `${seen.batches === 1 ? 'batch' : 'batches'}, ${count(seen.backlog)} tasks wait`
          : undefined,
      ],
      ['Next batch', decision?.nextDueMs === undefined ? 'none scheduled' : `${when(decision.nextDueMs)} UTC`],
      ['Decision', decision?.reason],
      ['Seen', seen ? `${when(Math.floor(seen.atMs / 1000) * 1000)} UTC` : undefined],
      ['Spin-up', `${(measured.spinUpMs / 1000).toFixed(1)} s${measured.spinUps === 0 ? ' (first guess)' : ''}`],
      [
        'Speed',
        `${count(Math.round(measured.sensorsPerSecond))} sensors/s a ` +
          `worker${measured.speeds === 0 ? ' (first guess)' : ''}`,
      ],
      ['Idle', `let go after ${formatDuration(settings.idleMs)}; keep warm: ${keepWarmText(settings.keepWarm)}`],
      [
        'Price',
        settings.pricePerNodeHour > 0
          ? `${settings.pricePerNodeHour} a node hour (${settings.vmSize}, ${settings.priority})`
          : `not known: set FLEETSCORE_PRICES_FILE (${settings.vmSize}, ${settings.priority})`,
      ],
      ['Web UI', link],
    ]),
  ];
  if (living.length > 0)
    sections.push(
      table(
        [
          { title: 'Node' },
          { title: 'State' },
          { title: 'Tasks', align: 'right' },
          { title: 'Asked for (UTC)', whole: true, leave: 2 },
          { title: 'Ready (UTC)', whole: true, leave: 1 },
        ],
        living.map((node) => [
          node.id,
          node.state,
          node.busyTasks === undefined ? '-' : String(node.busyTasks),
          when(second(node.requestedAtMs)),
          when(second(node.readyAtMs)),
        ]),
      ),
    );
  if (state.notes.length > 0) sections.push(state.notes.map((note) => `${pc.yellow('note')} ${note}`).join('\n'));
  return sections.join('\n\n');
}

const second = (at: number | undefined): number | undefined =>
  at === undefined ? undefined : Math.floor(at / 1000) * 1000;

export async function set(context: Context, options: SetOptions): Promise<Output> {
  const limits: Partial<PoolLimits> = {
    ...defined({ minNodes: options.min, maxNodes: options.max }),
    ...(options.idle === undefined ? {} : { idleMs: ms(options.idle) }),
    ...(options.keepWarm === undefined ? {} : { keepWarm: parseKeepWarm(options.keepWarm) }),
    ...(options.finishWithin === undefined ? {} : { finishWithinMs: ms(options.finishWithin) }),
    ...(options.margin === undefined ? {} : { marginMs: ms(options.margin) }),
  };
  if (Object.keys(limits).length === 0)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      'nothing to set. Give at least one of --min, --max, --idle, --keep-warm, --finish-within, --margin.',
    );
  const handle = await handleOf(context, options);
  const now = await inOurWords(handle, () =>
    handle.executeUpdate<PoolLimits, [Partial<PoolLimits>]>('setLimits', { args: [limits] }),
  );
  return {
    data: now,
    text: facts([
      ['Pool', await nameOf(context, options)],
      ['Nodes', `${now.minNodes} to ${now.maxNodes}`],
      ['Idle', formatDuration(now.idleMs)],
      ['Keep warm', keepWarmText(now.keepWarm)],
      ['Finish within', formatDuration(now.finishWithinMs)],
      ['Margin', now.marginMs === 0 ? '0s' : formatDuration(now.marginMs)],
    ]),
  };
}

export async function watch(
  context: Context,
  options: PoolOptions & { every: string; for?: string },
): Promise<undefined> {
  const until = options.for === undefined ? Number.POSITIVE_INFINITY : Date.now() + parseDuration(options.for);
  let stop = false;
  const onSignal = (): void => void (stop = true);
  process.once('SIGINT', onSignal);
  const show = viewerOf(context);
  try {
    while (!stop) {
      show(await read(context, options));
      if (Date.now() >= until) break;
      await new Promise((resolve) => setTimeout(resolve, parseDuration(options.every)));
    }
  } finally {
    process.removeListener('SIGINT', onSignal);
  }
  return undefined;
}

/** How what is seen is shown: redrawn in place on a terminal, else only what is new. */
function viewerOf(context: Context): (state: PoolState) => void {
  if (process.stdout.isTTY && !context.json) return redrawn(context);
  return context.json ? whenNew((state) => JSON.stringify(stateData(state))) : whenNew(lineOf, withoutCountdown);
}

/** Looks that the bars of a terminal show. */
const HISTORY = 60;

function redrawn(context: Context): (state: PoolState) => void {
  const workers: number[] = [];
  const toGo: number[] = [];
  return (state) => {
    workers.push(state.seen?.ready ?? 0);
    toGo.push(state.seen?.sensorsToGo ?? 0);
    for (const list of [workers, toGo]) if (list.length > HISTORY) list.shift();
    const history = facts([
      ['Workers', `${bars(workers)} ${workers.at(-1)}`],
      ['To go', `${bars(toGo)} ${count(toGo.at(-1)!)}`],
    ]);
    clearScreen();
    say(`${statusText(state, context)}\n\n${history}\n\nCtrl-C ends watching.`);
  };
}

/** Prints a text when its essence is another than before. */
function whenNew(
  text: (state: PoolState) => string,
  essence = (line: string): string => line,
): (state: PoolState) => void {
  let last = '';
  return (state) => {
    const line = text(state);
    if (essence(line) !== last) say(line);
    last = essence(line);
  };
}

function lineOf({ seen, decision }: PoolState): string {
  const at = seen ? `${isoTime(second(seen.atMs)!)} ` : '';
  const workers = `${seen?.ready ?? 0} workers (${seen?.busy ?? 0} busy, ${seen?.coming ?? 0} coming)`;
  const work = `${seen?.sensorsToGo ?? 0} sensors to go, ${seen?.backlog ?? 0} tasks wait`;
  return `${at}${workers}, ${work}: ${decision?.reason ?? 'not seen yet'}`;
}

/** Seconds count down in the reason, and time passes: a change of these alone is no news. */
const withoutCountdown = (line: string): string => line.replace(/^\d{4}-\S+ /, '').replace(/\d+ (s|min|h)\b/g, '');

export const report = async (context: Context, options: ReportOptions & PoolOptions): Promise<Output> =>
  poolReport(context, await nameOf(context, options), options);
