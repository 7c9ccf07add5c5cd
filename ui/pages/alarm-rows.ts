/** Rows of alarms: how bad, which sensor, what, since when, still going on or not, and what one can do. Pure. */
import type { Alarm } from '../../domain/alarm.ts';
import { formatCount, formatMs, formatNumberOf, formatValue } from '../../report/format.ts';
import { html, type Markup, type MarkupValue } from '../../report/page/markup.ts';
import { code } from '../../report/page/parts.ts';
import type { Incident } from '../look/alarms.ts';
import { bandOf, type Normal } from '../look/normal.ts';
import { beyondText, button, rangesText, sensorAt, sensorLink, type SortColumn } from '../parts.ts';
import { time } from '../time.ts';

export const ALARM_COLUMNS: readonly SortColumn[] = [
  { title: 'Severity', key: 'severity' },
  { title: 'Sensor', key: 'sensor' },
  { title: 'What' },
  { title: 'Since', key: 'since' },
  { title: 'Lasted', key: 'lasted', number: true },
  { title: 'State' },
  { title: 'Actions' },
];

const LEVELS = [
  [800, 'high', 'High'],
  [600, 'medium', 'Medium'],
  [0, 'low', 'Low'],
] as const;

/** A word, a number and a shape: colour alone tells nothing to many eyes. */
export function severityChip(severity: number): Markup {
  const [, kind, word] = LEVELS.find(([above]) => severity > above)!;
  return html`<span class="sev ${kind}"><b>${word}</b> <span class="n">${severity}</span></span>`;
}

const KIND_WORDS = {
  anomaly: 'Anomalous',
  silent: 'No readings',
  stuck: 'Stuck at one value',
  model: 'Cannot be scored',
  unplanned: 'In no batch',
} as const;

export const kindWord = (kind: Alarm['kind']): string => KIND_WORDS[kind];

/** What is wrong, in words: the worst value beside what is normal. */
export function whatText(alarm: Alarm, normal: Normal | undefined): MarkupValue {
  const { kind, unit, facts } = alarm;
  const ofUnit = unit === '' ? '' : ` ${unit}`;
  if (kind === 'model') return html`${kindWord(kind)}${facts.cause !== undefined && html`: ${code(facts.cause)}`}`;
  if (kind === 'stuck' && facts.peakValue !== undefined)
    return `${kindWord(kind)}: ${formatValue(facts.peakValue)}${ofUnit}`;
  if (kind !== 'anomaly' || facts.peakValue === undefined) return kindWord(kind);
  return valueText(facts.peakValue, unit, normal);
}

/** `6.82 mm/s, 2.1 above normal (3.9 to 4.7)`. */
export function valueText(value: number, unit: string, normal: Normal | undefined): Markup {
  const band = normal && bandOf(normal);
  const shown = html`<b>${formatValue(value)}</b>${unit !== '' && ` ${unit}`}`;
  if (!band || band.length === 0) return html`${shown} at its worst`;
  return html`${shown}, ${beyondText(value, band, '')} <span class="soft">(${rangesText(band, '')})</span>`;
}

export function stateText({ active, acked, marks, withdrawn, facts, shelving, unshelveMs }: Alarm): Markup {
  const running = active
    ? html`<span class="dot bad"></span>Still going on`
    : html`<span class="dot"></span>${withdrawn ? 'Withdrawn' : html`Ended ${time(facts.clearedMs ?? facts.lastMs)}`}`;
  const seen = acked
    ? html`acknowledged${marks.ackedBy !== undefined && html` by ${marks.ackedBy}`}`
    : html`<b class="nw">not acknowledged</b>`;
  return html`
    <span class="nw">${running}</span>
    <br><span class="soft">
      ${seen}${facts.quality === 'bad' && ', cannot be scored now'}
      ${shelving !== 'unshelved' && html`, shelved${unshelveMs !== undefined && html` until ${time(unshelveMs)}`}`}
    </span>`;
}

/** From its first abnormal window to the newest, or to now while it goes on. */
export function lastedText({ facts, active }: Alarm, asOfMs: number): string {
  return formatMs(Math.max(0, (active ? Math.max(facts.lastMs, asOfMs) : facts.lastMs) - facts.sinceMs));
}

export const alarmHref = (id: string): string => `/alarms/${encodeURIComponent(id)}`;

export interface RowContext {
  readonly formToken: string;
  readonly asOfMs: number;
  readonly normalOf: (alarm: Alarm) => Normal | undefined;
  /** Where an action leads back to. */
  readonly back: string;
}

export function incidentRow({ id, worst, first, alarms, sensors, devices }: Incident, context: RowContext): Markup {
  const { facts } = worst;
  const more =
    alarms > 1 &&
    html`
      <br><a class="soft under" href="/alarms?state=all&incident=${encodeURIComponent(id)}">
        ${formatNumberOf(alarms, 'alarm')} of ${formatNumberOf(sensors, 'sensor')}${devices > 1 && ` on ${formatCount(devices)} devices`}
      </a>`;
  return html`
    <tr>
      <td>${severityChip(facts.severity)}</td>
      <td class="name">${sensorLink(worst, sensorAt(worst.device, worst.sensor, facts.sinceMs, facts.lastMs))}${more}</td>
      <td class="msg">${whatText(worst, context.normalOf(worst))}</td>
      <td class="nw">${time(first.facts.sinceMs)}</td>
      <td class="num">${lastedText(worst, context.asOfMs)}</td>
      <td class="state">${stateText(worst)}</td>
      <td class="acts">
        ${!worst.acked && button(context.formToken, `${alarmHref(worst.id)}/ack`, 'Acknowledge', { back: context.back })}
        <a href="${alarmHref(worst.id)}" class="act-link">Details<span class="sr"> of the alarm of ${worst.device} ${worst.sensor}</span></a>
      </td>
    </tr>
`;
}
