/**
 * `fleetscore sensors retire` and `sensors restore`: sensors out of service and back. All words are looked up before
 * anything changes; what was done is in the log of actions, and the way back is said.
 */
import { globMatches } from '../../domain/glob.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { sensorName, type Sensor } from '../../domain/sensor.ts';
import { shellWord } from '../../domain/shell-word.ts';
import { HOUR_MS, isoTime } from '../../domain/time.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';
import type { Store } from '../../storage/store.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { knownSensor, unknownDevice } from '../frame/known.ts';
import { emptyIn, table, when } from '../frame/text.ts';
import { whoami } from '../frame/whoami.ts';
import { statsOf } from './stored-of.ts';

interface ChangeOptions {
  readonly comment?: string;
  readonly dryRun?: boolean;
}

/** Sensors that are named one by one; the rest is counted. */
const NAMED = 5;
const PAGE = 5_000;

/**
 * Sensors by name or by pattern (`*`, `?`), each once, by id.
 * @throws FleetscoreError `SENSOR_UNKNOWN` where one names or matches none; `INVALID_NAME`, `INVALID_ARGUMENT`
 */
async function chosen(context: Context, words: readonly string[]): Promise<Sensor[]> {
  const store = await context.store();
  const found = new Map<number, Sensor>();
  const patterns = new Set(words.filter((word) => /[*?]/.test(word)));
  for (const word of words)
    if (!patterns.has(word)) {
      const sensor = await knownSensor(context, [word]);
      found.set(sensor.id, sensor);
    }
  const without = new Set(patterns);
  for (let after = 0; patterns.size > 0;) {
    const page = await store.listSensors({ after, limit: PAGE });
    for (const sensor of page)
      for (const pattern of patterns)
        if (globMatches(pattern, `${sensor.device}/${sensor.sensor}`)) {
          found.set(sensor.id, sensor);
          without.delete(pattern);
        }
    const last = page.at(-1);
    if (!last || page.length < PAGE) break;
    after = last.id;
  }
  const [none] = without;
  if (none !== undefined)
    throw new FleetscoreError(
      'SENSOR_UNKNOWN',
      `no sensor matches ${JSON.stringify(none)}. A pattern is of DEVICE/SENSOR, such as 'press-7/*'; ` +
        '`fleetscore sensors list` shows the sensors there are.',
    );
  return [...found.values()].sort((a, b) => a.id - b.id);
}

const names = (sensors: readonly Sensor[]): string => {
  const more = sensors.length - NAMED;
  return `${sensors.slice(0, NAMED).map(sensorName).join(', ')}${more > 0 ? ` and ${formatCount(more)} more` : ''}`;
};

/** Those whose ids are named, and the others. */
function parted(sensors: readonly Sensor[], ids: readonly number[]): readonly [Sensor[], Sensor[]] {
  const named = new Set(ids);
  return [sensors.filter(({ id }) => named.has(id)), sensors.filter(({ id }) => !named.has(id))];
}

/** Those that had a reading within the last hour. */
async function stillSending(store: Store, sensors: readonly Sensor[], nowMs: number): Promise<Sensor[]> {
  const stats = await statsOf(store, sensors);
  return sensors.filter(({ id }) => {
    const newest = stats.get(id)?.lastMs;
    return newest !== undefined && newest >= nowMs - HOUR_MS && newest < nowMs + HOUR_MS;
  });
}

interface Change {
  readonly done: 'retired' | 'restored';
  readonly changed: readonly Sensor[];
  readonly already: readonly Sensor[];
  readonly dryRun: boolean;
}

const changeData = ({ done, changed, already, dryRun }: Change) => ({
  [done]: changed.map(sensorName),
  already: already.map(sensorName),
  dryRun,
});

async function logged(
  context: Context,
  action: string,
  words: readonly string[],
  changed: readonly Sensor[],
  comment = '',
): Promise<void> {
  const why = comment === '' ? '' : `; ${comment}`;
  const detail = `${formatNumberOf(changed.length, 'sensor')}: ${names(changed)}${why}`;
  const target = words.join(' ');
  await (await context.store()).addAudit({ atMs: Date.now(), by: whoami(), action, target, detail, result: 'done' });
}

export async function retire(context: Context, options: ChangeOptions, words: readonly string[]): Promise<Output> {
  const { comment = '', dryRun = false } = options;
  const store = await context.store();
  const sensors = await chosen(context, words);
  const nowMs = Date.now();
  const out = new Set((await store.retiredSensors()).map(({ id }) => id));
  const wanted = sensors.filter(({ id }) => !out.has(id));
  const ids = dryRun
    ? wanted.map(({ id }) => id)
    : await store.retireSensors(
        wanted.map(({ id }) => id),
        { atMs: nowMs, by: whoami().slice(0, 400), comment: comment.trim().slice(0, 1_000) },
      );
  const [changed, already] = parted(sensors, ids);
  if (!dryRun && changed.length > 0) await logged(context, 'sensors.retire', words, changed, comment.trim());
  const sending = await stillSending(store, changed, nowMs);
  return {
    data: changeData({ done: 'retired', changed, already, dryRun }),
    text: [
      changed.length === 0
        ? 'Nothing to do: all of them are out of service already.'
        : `${dryRun ? 'Would be taken' : 'Taken'} out of service: ${names(changed)}.`,
      ...(changed.length > 0 && already.length > 0 ? [`Out of service already: ${names(already)}.`] : []),
      ...(changed.length > 0
        ? [
            'Batches that are planned from now on leave them out, and alarms of them are not shown. ' +
              'Their windows, models and predictions stay, and readings that still come are kept.',
          ]
        : []),
      ...(sending.length > 0
        ? [
            `${formatNumberOf(sending.length, 'sensor')} had readings within the last hour, as sensors in service ` +
              `have: ${names(sending)}.`,
          ]
        : []),
      ...(dryRun ? ['Nothing was changed.'] : []),
      ...(dryRun || changed.length === 0
        ? []
        : [`Back into service: fleetscore sensors restore ${words.map(shellWord).join(' ')}`]),
    ].join('\n'),
  };
}

export async function restore(context: Context, options: ChangeOptions, words: readonly string[]): Promise<Output> {
  const { dryRun = false } = options;
  const store = await context.store();
  const sensors = await chosen(context, words);
  const out = new Map((await store.retiredSensors()).map((one) => [one.id, one.atMs]));
  const wanted = sensors.filter(({ id }) => out.has(id));
  const ids = dryRun ? wanted.map(({ id }) => id) : await store.restoreSensors(wanted.map(({ id }) => id));
  const [changed, already] = parted(sensors, ids);
  if (!dryRun && changed.length > 0) await logged(context, 'sensors.restore', words, changed);
  const since = changed.reduce((first, { id }) => Math.min(first, out.get(id)!), Number.POSITIVE_INFINITY);
  return {
    data: changeData({ done: 'restored', changed, already, dryRun }),
    text:
      changed.length === 0
        ? 'Nothing to do: none of them is out of service.'
        : [
            `${dryRun ? 'Would be taken' : 'Taken'} back into service: ${names(changed)}.`,
            ...(dryRun
              ? ['Nothing was changed.']
              : [
                  'Batches that are planned from now on are for them again. Periods that were scored ' +
                    `without them since ${when(since)} UTC stay so: ` +
                    'fleetscore batch run --from TIME --to TIME scores one again.',
                ]),
          ].join('\n'),
  };
}

/** Who is out of service, since when, by whom, and what still comes. */
export async function listRetired(
  context: Context,
  { device, limit }: { readonly device?: string; readonly limit: number },
): Promise<Output> {
  const store = await context.store();
  if (device !== undefined && (await store.listSensors({ device, limit: 1 })).length === 0)
    throw await unknownDevice(store, device);
  const all = await store.retiredSensors(device === undefined ? { limit } : {});
  const listed = device === undefined ? all : all.filter((one) => one.device === device).slice(0, limit);
  const stats = await statsOf(store, listed);
  const rows = listed.map((sensor) => ({ sensor, lastMs: stats.get(sensor.id)?.lastMs }));
  return {
    data: rows.map(({ sensor: { device, sensor, unit, atMs, by, comment }, lastMs }) => ({
      device,
      sensor,
      unit,
      retired: { at: isoTime(atMs), by, comment },
      last: lastMs === undefined ? null : isoTime(lastMs),
    })),
    text: table(
      [
        { title: 'Device' },
        { title: 'Sensor' },
        { title: 'Out of service since (UTC)', whole: true },
        { title: 'By', leave: 2 },
        { title: 'Comment', leave: 1 },
        { title: 'Last window (UTC)', whole: true, leave: 3 },
      ],
      rows.map(({ sensor: { device, sensor, atMs, by, comment }, lastMs }) => [
        device,
        sensor,
        when(atMs),
        by,
        comment,
        when(lastMs),
      ]),
      emptyIn(context, 'No sensor is out of service.'),
    ),
  };
}
