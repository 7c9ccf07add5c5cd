/**
 * `fleetscore schedule update`: changes what is named and keeps the rest, where `temporal schedule update` replaces
 * all.
 */
import { seeSchedule } from '../../connect/schedule-times.ts';
import { timesOf } from '../../connect/schedules.ts';
import { defined } from '../../domain/defined.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { SINCE_LAST } from '../../domain/period-length.ts';
import { formatDuration, parseDuration } from '../../domain/time.ts';
import { DEFAULT_PERIOD } from '../../workflows/policies.ts';
import { parseRequest, type ScoreBatchRequest } from '../../workflows/requests.ts';
import { requestOf } from '../batch/request-options.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { creating, fires, fleetWarnings } from './checks.ts';
import { timesIn, type CreateOptions } from './create.ts';
import { describe, look, policyOf, withSchedule, withWarnings, type Described } from './describe.ts';

export type UpdateOptions = Partial<Omit<CreateOptions, 'paused'>>;

export async function update(context: Context, options: UpdateOptions, name: string): Promise<Output> {
  if (Object.values({ ...options, json: undefined, home: undefined }).every((value) => value === undefined))
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `nothing is named that is to change of schedule ${JSON.stringify(name)}. Give an option, for example ` +
        '--every 10m; `fleetscore schedule update --help` lists them.',
    );
  const before = await look(context, name);
  const times =
    options.every === undefined && options.cron === undefined && options.timezone === undefined
      ? undefined
      : timesIn(withZone(options, before));
  const request = requestAfter(options, before);
  parseRequest(request, Date.now());
  const fleet = options.release === undefined ? [] : await fleetWarnings(() => context.store(), options.release);
  const write = (spec: object | undefined): Promise<void> =>
    withSchedule(context, name, (handle) =>
      handle.update(({ action, policies, state, spec: old, ...rest }) => ({
        ...rest,
        spec: spec ?? old,
        action: { ...action, args: [request] },
        policies: {
          ...policies,
          ...(options.overlap === undefined ? {} : { overlap: policyOf(options.overlap) }),
          ...(options.catchup === undefined ? {} : { catchupWindow: parseDuration(options.catchup) }),
        },
        state: { ...state, ...defined({ note: options.note }) },
      })),
    );
  const { spec: old } = before.description;
  await creating(`the change of schedule ${JSON.stringify(name)}`, () =>
    write(times && { ...kept(old), ...timesOf(times) }),
  );
  const seen = await seeSchedule(await context.client(), name);
  if (seen && !fires(seen.spec, Date.now())) {
    await write(old);
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `schedule ${JSON.stringify(name)} would never start a batch. Nothing was changed.`,
    );
  }
  const shown = await describe(context, name);
  return { data: shown.data, text: withWarnings(`Schedule ${name} changed.\n${shown.text}`, fleet) };
}

/** What of the times is no expression: it stays when another one is named. */
const kept = ({ jitter, startAt, endAt }: Described['description']['spec']): object =>
  defined({ jitter, startAt, endAt });

/** A zone alone goes with the cron expression that is there. */
function withZone(options: UpdateOptions, { seen: { spec } }: Described): UpdateOptions {
  if (options.cron !== undefined || options.every !== undefined) {
    const zone = options.timezone ?? (options.cron !== undefined && spec.zone !== 'UTC' ? spec.zone : undefined);
    return { ...options, ...defined({ timezone: zone }) };
  }
  throw new FleetscoreError('INVALID_ARGUMENT', '--timezone goes with --cron: give the cron expression with it.');
}

/** The request with what is named; a period that was the time between batches goes with them. */
function requestAfter(options: UpdateOptions, { request, seen: { spec } }: Described): ScoreBatchRequest {
  const { period: old = DEFAULT_PERIOD } = request;
  const [only] = spec.intervals;
  const tiled =
    old === SINCE_LAST || (only !== undefined && spec.intervals.length === 1 && formatDuration(only.everyMs) === old);
  const newTimes = options.every ?? (options.cron === undefined ? undefined : SINCE_LAST);
  const period = options.period ?? (tiled && newTimes !== undefined ? newTimes : old);
  return { ...request, ...requestOf(options), period, ...defined({ delay: options.delay }) };
}
