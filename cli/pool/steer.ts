/** `fleetscore pool set`, `pause`, `drain`, `resume`: what people tell the loop of a pool. */
import type { UpdateDefinition } from '@temporalio/common';
import { defined } from '../../domain/defined.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { formatDuration, parseDuration, parseDurationOrZero } from '../../domain/time.ts';
import { parseKeepWarm } from '../../pool/parse-keep-warm.ts';
import type { PoolLimits } from '../../pool/settings.ts';
import { drainPoolUpdate, pausePoolUpdate, resumePoolUpdate, setLimitsUpdate } from '../../workflows/pool-messages.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { facts } from '../frame/text.ts';
import { inOurWords, loopOf, poolNameOf, type PoolOptions } from './loop.ts';
import { keepWarmText } from './status.ts';

interface SetOptions extends PoolOptions {
  readonly min?: number;
  readonly max?: number;
  readonly idle?: string;
  readonly keepWarm?: string;
  readonly finishWithin?: string;
  readonly margin?: string;
}

export const pause = (context: Context, options: PoolOptions): Promise<Output> =>
  tellLoop(context, options, pausePoolUpdate, 'paused: nodes stay as they are');

export const drain = (context: Context, options: PoolOptions): Promise<Output> =>
  tellLoop(context, options, drainPoolUpdate, 'draining: `fleetscore pool resume` takes work again');

export const resume = (context: Context, options: PoolOptions): Promise<Output> =>
  tellLoop(context, options, resumePoolUpdate, 'active again');

async function tellLoop(
  context: Context,
  options: PoolOptions,
  verb: UpdateDefinition<void>,
  done: string,
): Promise<Output> {
  const handle = await loopOf(context, options);
  await inOurWords(handle, () => handle.executeUpdate(verb));
  const of = await poolNameOf(context, options);
  return { data: { pool: of, [verb.name]: true }, text: `Pool ${of} is ${done}.` };
}

export async function set(context: Context, options: SetOptions): Promise<Output> {
  const limits: Partial<PoolLimits> = {
    ...defined({ minNodes: options.min, maxNodes: options.max }),
    ...(options.idle === undefined ? {} : { idleMs: parseDurationOrZero(options.idle) }),
    ...(options.keepWarm === undefined ? {} : { keepWarm: parseKeepWarm(options.keepWarm) }),
    ...(options.finishWithin === undefined ? {} : { finishWithinMs: parseDuration(options.finishWithin) }),
    ...(options.margin === undefined ? {} : { marginMs: parseDurationOrZero(options.margin) }),
  };
  if (Object.keys(limits).length === 0)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      'nothing to set. Give at least one of --min, --max, --idle, --keep-warm, --finish-within, --margin.',
    );
  const handle = await loopOf(context, options);
  const now = await inOurWords(handle, () => handle.executeUpdate(setLimitsUpdate, { args: [limits] }));
  return {
    data: now,
    text: facts([
      ['Pool', await poolNameOf(context, options)],
      ['Nodes', `${now.minNodes} to ${now.maxNodes}`],
      ['Idle', formatDuration(now.idleMs)],
      ['Keep warm', keepWarmText(now.keepWarm)],
      ['Finish within', formatDuration(now.finishWithinMs)],
      ['Margin', now.marginMs === 0 ? '0s' : formatDuration(now.marginMs)],
    ]),
  };
}
