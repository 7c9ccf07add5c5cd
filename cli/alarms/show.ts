/** `fleetscore alarms show` and `history`: one alarm, what belongs to it, and all that happened to it. */
import { alarmSentence } from '../../alarms/sentence.ts';
import type { Alarm } from '../../domain/alarm.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { sensorName } from '../../domain/sensor.ts';
import { shellWord } from '../../domain/shell-word.ts';
import { isoTime } from '../../domain/time.ts';
import { formatScore, formatValue } from '../../report/format.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { facts, table, when } from '../frame/text.ts';
import type { StoredNotice } from '../../storage/store.ts';
import { alarmData, eventData, noticeData } from './data.ts';
import { alarmTable, stateText } from './list.ts';

async function known(context: Context, id: string): Promise<Alarm> {
  const alarm = await (await context.store()).findAlarm(id);
  if (alarm) return alarm;
  throw new FleetscoreError(
    'ALARM_UNKNOWN',
    `There is no alarm ${JSON.stringify(id.slice(0, 80))}. List them: fleetscore alarms list --all`,
  );
}

/** For its worst window, or where it began. */
const explainCommand = ({ facts: of, ...sensor }: Alarm): string =>
  `fleetscore explain ${shellWord(sensorName(sensor))} ${isoTime(of.peakMs ?? of.sinceMs)}`;

/** `opened by email, 2026-11-23 11:25:00 UTC`; what waits says until when. */
const toldText = ({ by, notice, sentMs, dueMs }: StoredNotice): string =>
  `${notice.what} by ${by}, ${sentMs === undefined ? `waits until ${when(dueMs)}` : when(sentMs)} UTC`;

export async function show(context: Context, _options: object, id: string): Promise<Output> {
  const store = await context.store();
  const alarm = await known(context, id);
  const others = (await store.listAlarms({ incident: alarm.incident })).filter((other) => other.id !== alarm.id);
  const told = await store.noticesOfIncident(alarm.incident);
  const { facts: of, marks } = alarm;
  const unit = alarm.unit === '' ? '' : ` ${alarm.unit}`;
  return {
    data: { ...alarmData(alarm), incidentAlarms: others.map(alarmData), notices: told.map(noticeData) },
    text: [
      alarmSentence(alarm, Date.now()),
      facts([
        ['State', stateText(alarm)],
        ['Severity', of.severity],
        ['Active since', `${when(of.activeMs)} UTC, the on-delay over`],
        ['Cleared', of.clearedMs === undefined ? undefined : `${when(of.clearedMs)} UTC, the off-delay over`],
        ['Windows', of.windows],
        [
          'Worst',
          of.peakMs === undefined
            ? undefined
            : `${formatValue(of.peakValue!)}${unit} at ${when(of.peakMs)} UTC, score ${formatScore(of.peakScore!)}`,
        ],
        ['Cause', of.cause],
        ['Batches', of.firstBatch === of.lastBatch ? of.firstBatch : `${of.firstBatch} to ${of.lastBatch}`],
        ['Acknowledged', marks.ackedBy === undefined ? undefined : `by ${marks.ackedBy}, ${when(marks.ackedMs)} UTC`],
        ['Comment', marks.comment && `${marks.comment.text} (${marks.comment.by}, ${when(marks.comment.atMs)} UTC)`],
        ['Told', told.map(toldText).join('; ') || undefined],
        ['Shelved until', alarm.unshelveMs === undefined ? undefined : `${when(alarm.unshelveMs)} UTC`],
      ]),
      ...(others.length > 0 ? [`In the same incident:\n${alarmTable(others.slice(0, 20), Date.now())}`] : []),
      `What came of it then: ${explainCommand(alarm)}`,
    ].join('\n'),
  };
}

export async function history(context: Context, _options: object, id: string): Promise<Output> {
  const alarm = await known(context, id);
  const events = await (await context.store()).alarmEvents({ alarmId: alarm.id });
  return {
    data: events.map(eventData),
    text: table(
      [
        { title: 'Event', whole: true },
        { title: 'What', whole: true },
        { title: 'Time (UTC)', whole: true },
        { title: 'Severity', align: 'right' },
        { title: 'By' },
        { title: 'Comment' },
      ],
      events.map((event) => [
        event.id,
        event.change,
        when(event.timeMs),
        String(event.severity),
        event.user ?? event.batchId ?? '',
        event.comment ?? '',
      ]),
    ),
  };
}
