/** `fleetscore pool watch`: redrawn in place on a terminal, else a line for each change. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isoTime, parseDuration } from '../../domain/time.ts';
import { bars } from '../../report/charts/bars.ts';
import { formatCount as count } from '../../report/format.ts';
import type { PoolState } from '../../workflows/pool-messages.ts';
import type { Context } from '../frame/context.ts';
import { interruption } from '../frame/interrupt.ts';
import { clearScreen, say } from '../frame/terminal.ts';
import { facts } from '../frame/text.ts';
import { readLoop, type PoolOptions } from './loop.ts';
import { second, stateData, statusText } from './status.ts';

export async function watch(
  context: Context,
  options: PoolOptions & { every: string; for?: string },
): Promise<undefined> {
  const until = options.for === undefined ? Number.POSITIVE_INFINITY : Date.now() + parseDuration(options.for);
  const everyMs = parseDuration(options.every);
  const signal = interruption();
  const show = viewerOf(context);
  while (!signal.aborted) {
    show(await readLoop(context, options));
    if (Date.now() >= until) break;
    await sleep(everyMs, undefined, { signal }).catch(() => {});
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
