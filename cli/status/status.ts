/** `fleetscore status`: one page about everything that runs, once or again and again. Works when parts are down. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseDuration } from '../../domain/time.ts';
import { readStack } from '../../local/state.ts';
import { namesServer, temporalTarget } from '../../connect/temporal.ts';
import { storeName } from '../../storage/store-name.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import { openContext, type Context } from '../frame/context.ts';
import { openLooker, type Looker } from './look.ts';
import type { Look } from './seen.ts';
import { statusData } from './data.ts';
import { statusPage } from './page.ts';
import { allAnswer } from './parts.ts';
import { clearScreen, draw, say, sayJsonLine, setCursor } from '../frame/terminal.ts';

interface StatusOptions {
  readonly watch?: boolean;
  readonly every: string;
  readonly for?: string;
}

async function once(context: Context): Promise<Output> {
  const looker = openLooker(context);
  try {
    const look = await looker.look();
    return {
      data: statusData(look, []),
      text: statusPage(look, [], where(context)),
      ...(allAnswer(look) ? {} : { exitCode: EXIT_FAILED }),
    };
  } finally {
    await looker.close();
  }
}

function where({ env, config }: Context): readonly string[] {
  return [`of ${config.home}`, temporalName(env), `Store ${storeName(config.sqlUrl)}`];
}

/** Without a name nothing is asked (NO_STACK): the SDK's own default would be somebody else's server. */
function temporalName(env: Context['env']): string {
  if (!namesServer(env)) return 'Temporal none: no laptop stack runs here, and TEMPORAL_ADDRESS is not set';
  const { address, namespace } = temporalTarget(env);
  return `Temporal ${address}, namespace ${namespace}`;
}

/** Earlier looks that are kept for rates. */
const KEPT = 20;

async function watch(outer: Context, options: StatusOptions): Promise<undefined> {
  const { home } = outer.config;
  const everyMs = parseDuration(options.every);
  const end = options.for === undefined ? Number.POSITIVE_INFINITY : Date.now() + parseDuration(options.for);
  const live = process.stdout.isTTY && !outer.json;
  const stopped = new AbortController();
  const onSignal = (): void => stopped.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal);
  const before: Look[] = [];
  let context = outer;
  let looker: Looker = openLooker(context);
  let stack = readStack(home)?.startedAt;
  try {
    if (live) hideCursor();
    while (!stopped.signal.aborted) {
      const now = readStack(home)?.startedAt;
      if (now !== stack) {
        // A stack that was started (again) since has other addresses.
        stack = now;
        await looker.close();
        if (context !== outer) await context.close();
        context = openContext({ home, json: outer.json });
        looker = openLooker(context);
      }
      const look = await looker.look();
      if (stopped.signal.aborted) break;
      if (outer.json) sayJsonLine(statusData(look, before));
      else {
        const page = statusPage(look, before, where(context));
        if (live) drawPage(`${page}\n\nevery ${options.every}; Ctrl-C ends watching`);
        else say(`${page}\n${'-'.repeat(20)}`);
      }
      before.push(look);
      if (before.length > KEPT) before.shift();
      if (Date.now() + everyMs > end) break;
      await sleep(everyMs, undefined, { signal: stopped.signal }).catch(() => {});
    }
  } finally {
    if (live) setCursor('show');
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, onSignal);
    await looker.close();
    if (context !== outer) await context.close();
  }
  return undefined;
}

function hideCursor(): void {
  setCursor('hide');
  clearScreen();
}

/** Over what stands there, line by line, so that nothing flickers; what does not fit is left out. */
function drawPage(page: string): void {
  const lines = page.split('\n');
  const rows = Math.max(5, process.stdout.rows ?? lines.length + 1);
  const shown = lines.length < rows ? lines : [...lines.slice(0, rows - 2), '... (a taller terminal shows the rest)'];
  draw(shown);
}

export const status = (context: Context, options: StatusOptions): Promise<Output | undefined> =>
  options.watch ? watch(context, options) : once(context);
