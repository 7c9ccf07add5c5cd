/** `fleetscore alarms list`: what is wrong now, the newest first. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isChattering, isStale } from '../../alarms/flags.ts';
import { spanText } from '../../alarms/sentence.ts';
import { ALARM_KINDS, type Alarm, type AlarmKind } from '../../domain/alarm.ts';
import { sensorName } from '../../domain/sensor.ts';
import { parseDuration } from '../../domain/time.ts';
import { formatCount } from '../../report/format.ts';
import type { Colors } from '../../report/table.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { interruption } from '../frame/interrupt.ts';
import { unknownDevice } from '../frame/known.ts';
import { say, sayJsonLine } from '../frame/terminal.ts';
import { emptyIn, table, when } from '../frame/text.ts';
import { alarmData } from './data.ts';
import { defined } from '../../domain/defined.ts';

export interface ListOptions {
  readonly all?: boolean;
  readonly device?: string;
  readonly kind?: (typeof ALARM_KINDS)[number];
  readonly severity?: number;
  readonly limit: number;
  readonly shelved?: boolean;
  readonly watch?: boolean;
  readonly every: string;
}

export const WORDS: Readonly<Record<AlarmKind, string>> = {
  anomaly: 'anomalous',
  silent: 'silent',
  stuck: 'stuck',
  model: 'no model',
  unplanned: 'in no batch',
};

/** `active`, `active, acked`, `over`; shelved alarms say so. */
export function stateText(alarm: Alarm): string {
  const words = [alarm.active ? 'active' : 'over'];
  if (alarm.withdrawn) words[0] = 'withdrawn';
  if (alarm.acked) words.push('acked');
  if (alarm.latched && !alarm.active) words.push('latched');
  if (!alarm.confirmed) words.push('to confirm');
  if (alarm.outOfService) words.push('out of service');
  else if (alarm.suppressedOrShelved) words.push('shelved');
  if (alarm.facts.quality === 'bad') words.push('quality bad');
  return words.join(', ');
}

const paintState = (text: string, _row: number, colors: Colors): string =>
  text.startsWith('active') ? colors.red(text) : text;

export function alarmTable(alarms: readonly Alarm[], nowMs: number, empty = ''): string {
  return table(
    [
      { title: 'Alarm', whole: true },
      { title: 'Sensor', whole: true },
      { title: 'What', leave: 4 },
      { title: 'Since (UTC)', leave: 3 },
      { title: 'Lasts', align: 'right', leave: 1 },
      { title: 'Severity', align: 'right', leave: 2 },
      { title: 'State', whole: true, paint: paintState },
    ],
    alarms.map((alarm) => [
      alarm.id,
      sensorName(alarm),
      WORDS[alarm.kind],
      when(alarm.facts.sinceMs),
      spanText((alarm.active ? Math.max(nowMs, alarm.facts.lastMs) : alarm.facts.lastMs) - alarm.facts.sinceMs),
      String(alarm.facts.severity),
      stateText(alarm),
    ]),
    empty,
  );
}

async function look(context: Context, options: ListOptions): Promise<Output> {
  const store = await context.store();
  const nowMs = Date.now();
  const { device, kind, severity: minSeverity, limit } = options;
  const found = await store.listAlarms(
    {
      ...(options.all ? {} : { retain: true }),
      ...defined({ device, kind, minSeverity }),
      limit,
    },
    nowMs,
  );
  if (found.length === 0 && device !== undefined && (await store.listSensors({ device, limit: 1 })).length === 0)
    throw await unknownDevice(store, device);
  const alarms = options.all || options.shelved ? found : found.filter((alarm) => !alarm.suppressedOrShelved);
  const active = alarms.filter((alarm) => alarm.active).length;
  const unacked = alarms.filter((alarm) => !alarm.acked).length;
  const left = found.length - alarms.length;
  const stale = alarms.filter((alarm) => isStale(alarm, nowMs)).length;
  const chattering = alarms.filter(isChattering).length;
  const empty = options.all
    ? emptyIn(context, 'There was no alarm yet.')
    : 'Nothing is wrong: no alarm is active or waits for somebody.';
  return {
    data: alarms.map(alarmData),
    text: [
      alarmTable(alarms, nowMs, empty),
      ...(alarms.length > 0
        ? [
            `${formatCount(active)} active, ${formatCount(unacked)} not acknowledged. ` +
              'Acknowledge one: fleetscore alarms ack ALARM',
          ]
        : []),
      ...(stale > 0 ? [`${formatCount(stale)} stale: active for a day and more.`] : []),
      ...(chattering > 0
        ? [
            `${formatCount(chattering)} chattering, three times and more within an hour: ` +
              'a longer offDelay or a deadband helps.',
          ]
        : []),
      ...(left > 0 ? [`${formatCount(left)} shelved ${left === 1 ? 'is' : 'are'} not shown: --shelved`] : []),
      ...(found.length === limit ? [`Only the newest ${formatCount(limit)} are shown: --limit shows more.`] : []),
    ].join('\n'),
  };
}

export async function list(context: Context, options: ListOptions): Promise<Output | undefined> {
  if (!options.watch) return look(context, options);
  const signal = interruption();
  const everyMs = parseDuration(options.every);
  while (!signal.aborted) {
    const output = await look(context, options);
    if (context.json) sayJsonLine(output.data);
    else say(`${when(Date.now())} UTC\n${output.text}\n`);
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}
