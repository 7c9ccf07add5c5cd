/**
 * One window explained: what the model saw, what would have been normal, what else moved, when it last happened, raw
 * readings.
 */
import type { FastifyRequest } from 'fastify';
import { ask } from '../../domain/answer.ts';
import { defined } from '../../domain/defined.ts';
import { isoTime, parseTime } from '../../domain/time.ts';
import { rawReader } from '../../connect/raw-reader.ts';
import { formatCount, formatMs, formatNumberOf, formatValue } from '../../report/format.ts';
import { html, type Markup, type MarkupValue } from '../../report/page/markup.ts';
import { chip, code, nameOf, section } from '../../report/page/parts.ts';
import { explain, type Lineage, type NotPredicted } from '../../verify/explain.ts';
import type { Sensor } from '../../domain/sensor.ts';
import type { App } from '../app.ts';
import { renderApp } from '../layout.ts';
import { featuresAt, lastTime, whatMoved, type FeatureSeen, type Moved } from '../look/explain.ts';
import { noBand, type Normal } from '../look/normal.ts';
import { batchHref, beyondText, deviceHref, rangesText, sensorAt, sensorHref, sortTable } from '../parts.ts';
import { span, time } from '../time.ts';
import type { Alarm } from '../../domain/alarm.ts';
import { alarmHref, kindWord, severityChip } from './alarm-rows.ts';
import { explainHref } from './plot.ts';
import { asOf } from './device.ts';
import { sensorOf } from './sensor.ts';

const MOST_READINGS = 200;
const MOST_MOVED = 8;

export async function explainPage(app: App, request: FastifyRequest): Promise<string> {
  const sensor = await sensorOf(app, request);
  const { at } = request.query as { readonly at?: string };
  const fleetShape = await app.look.shape();
  const store = await app.deps.store();
  const found = await explain(
    { store, blobs: await app.deps.blobs(), ...rawReader(app.deps.config) },
    sensor,
    parseTime(at ?? isoTime((await asOf(app)) - 1), 'at'),
    fleetShape,
  );
  const { fromMs: startMs, toMs: endMs } = found.span;
  // Windows of the sensor's own follow each other; the fleet's may overlap.
  const hopMs = endMs - startMs === fleetShape.windowMs ? fleetShape.hopMs : endMs - startMs;
  const fleet = await app.look.fleet();
  const others = fleet.ofDevice(sensor.device).filter(({ id }) => id !== sensor.id);
  const moved = await ask(() => whatMoved(store, others, startMs));
  const link = (ms: number, text: string, rel: string): Markup =>
    html`<a href="${explainHref(sensor)}?at=${isoTime(ms)}" rel="${rel}">${text}</a>`;
  return renderApp({
    title: `${sensor.device} / ${sensor.sensor} explained`,
    tab: 'devices',
    crumbs: [
      { name: 'Devices', href: '/devices' },
      { name: sensor.device, href: deviceHref(sensor.device) },
      { name: sensor.sensor, href: sensorHref(sensor.device, sensor.sensor) },
      { name: 'Explained' },
    ],
    heading: html`${nameOf(sensor.device)} / ${nameOf(sensor.sensor)} <small>${time(startMs, 'second')}</small>`,
    fresh: await app.look.freshness(),
    nowMs: app.deps.now(),
    head: html`
      <nav class="walk" aria-label="Windows before and after">
        ${link(startMs - hopMs, '← Window before', 'prev')}
        <a href="${sensorAt(sensor.device, sensor.sensor, startMs, endMs)}">Chart around it</a>
        <span class="gap"></span>
        ${link(startMs + hopMs, 'Window after →', 'next')}
      </nav>`,
    body:
      'prediction' in found
        ? await explained(app, sensor, startMs, found, moved.value ?? [])
        : html`${alarmLines(found.alarms)}${notPredicted(found)}${movedSection(moved.value ?? [], startMs)}`,
  });
}

async function explained(
  app: App,
  sensor: Sensor,
  startMs: number,
  lineage: Lineage,
  moved: readonly Moved[],
): Promise<Markup> {
  const store = await app.deps.store();
  const { prediction, batch } = lineage;
  const shape = await app.look.shape();
  const normal = await app.look.normal(sensor.id, batch.release);
  const features = await featuresAt(
    store,
    { id: sensor.id, ...defined({ windowMs: prediction.windowMs }) },
    startMs,
    shape,
    normal,
  );
  const before = await lastTime(store, sensor.id, batch.fromMs);
  const anomalous = prediction.prediction === 1;
  return html`
    <p class="verdict">
      ${anomalous ? chip('failed', 'Anomaly') : chip('good', 'Normal')}${' '}
      ${formatValue(prediction.value)} ${sensor.unit}, score ${formatValue(prediction.score)}.${' '}
      ${lineage.changedSince && html`<b class="warn">Readings came after it was scored:</b> what is shown below is what is there now.`}
    </p>
    ${alarmLines(lineage.alarms)}
    ${featureSection(features, normal, sensor.unit)}
    ${movedSection(moved, startMs)}
    ${section('before', 'When it last happened', '', lastSection(sensor, before, startMs))}
    ${readingSection(lineage, sensor.unit)}
    ${lineageSection(lineage)}`;
}

/** The alarms that it belongs to: what, how bad, since when, who acknowledged it. */
const alarmLines = (alarms: readonly Alarm[]): Markup[] =>
  alarms.map(
    (alarm) => html`
      <p class="alarm-line">
        ${severityChip(alarm.facts.severity)}
        <span>
          Part of an alarm:${' '}
          <a class="under" href="${alarmHref(alarm.id)}">${kindWord(alarm.kind).toLowerCase()} since</a>${' '}
          ${time(alarm.facts.sinceMs, 'second')},${' '}
          ${alarm.active ? 'still going on' : 'over'},${' '}
          ${ackText(alarm)}.
        </span>
      </p>`,
  );

const ackText = ({ marks: { ackedBy } }: Alarm): MarkupValue =>
  ackedBy === undefined ? html`<b>not acknowledged</b>` : `acknowledged by ${ackedBy}`;

function featureSection(features: readonly FeatureSeen[] | undefined, normal: Normal, unit: string): Markup {
  if (!features)
    return section(
      'why',
      'Why',
      '',
      html`<div class="panel none">What the model saw cannot be shown: ${normal.kind === 'none' ? normal.why : 'a window that it looked at is not kept any more'}.</div>`,
    );
  const rows = features.map(
    (one) => html`
      <tr>
        <td>${code(one.name)}</td>
        <td class="num">${formatValue(one.value)}${unit !== '' && one.name !== 'count' && ` ${unit}`}</td>
        <td>${one.normal === undefined ? 'not known' : rangesText(one.normal, '')}</td>
        <td>${one.normal === undefined || one.normal.length === 0 ? '–' : html`<b>${beyondText(one.value, one.normal, unit)}</b>`}</td>
      </tr>`,
  );
  const columns = [{ title: 'Feature' }, { title: 'Value', number: true }, { title: 'Normal' }, { title: 'How far' }];
  return section('why', 'Why', whyLead(normal, features.length), sortTable('why', columns, rows, {}));
}

function whyLead(normal: Normal, features: number): string {
  if (normal.kind === 'unknown') return `Which value would have been normal is not known: ${noBand(normal)}.`;
  if (features === 1) return 'Told from the parameters of the model.';
  return (
    'Normal values of each feature while the others stay as they were. ' +
    'With no normal value in a row, that feature alone cannot mend it.'
  );
}

function changeText(spreads: number | undefined): MarkupValue {
  if (spreads === undefined) return 'it did not vary before';
  if (Math.abs(spreads) < 2) return 'about as ever';
  return html`<b>${Math.abs(spreads).toFixed(1)} times its usual spread ${spreads > 0 ? 'up' : 'down'}</b>`;
}

function movedSection(moved: readonly Moved[], startMs: number): Markup {
  const rows = moved.slice(0, MOST_MOVED).map(
    ({ sensor, before, near, spreads }) => html`
      <tr>
        <td class="name"><a class="row-link" href="${sensorAt(sensor.device, sensor.sensor, startMs, startMs)}">${nameOf(sensor.sensor)}</a></td>
        <td class="num">${formatValue(before)} ${sensor.unit}</td>
        <td class="num">${formatValue(near)} ${sensor.unit}</td>
        <td>${changeText(spreads)}</td>
      </tr>`,
  );
  const columns = [
    { title: 'Sensor' },
    { title: 'In the hour before', number: true },
    { title: 'Around that time', number: true },
    { title: 'Change' },
  ];
  return section(
    'moved',
    'What else moved on the device',
    'Means of a minute to either side, against the hour before.',
    rows.length === 0
      ? html`<div class="panel none">No other sensor of the device has readings of that hour.</div>`
      : sortTable('moved', columns, rows, {}),
  );
}

function lastSection(sensor: Sensor, before: Awaited<ReturnType<typeof lastTime>>, startMs: number): Markup {
  if (!before)
    return html`<div class="panel none">Not in the month before: no batch found an anomaly of this sensor.</div>`;
  return html`
    <div class="panel none">
      <b>${formatMs(startMs - before.toMs)} before</b>, in <a class="under" href="${sensorAt(sensor.device, sensor.sensor, before.fromMs, before.toMs)}">${span(before.fromMs, before.toMs)}</a>:
      ${formatNumberOf(before.anomalies, 'anomalous window')} of ${formatCount(before.windows)}.
    </div>`;
}

function readingSection({ readings, found }: Lineage, unit: string): Markup {
  const origin = new Map(found.readings.map((reading) => [reading.tsMs, reading]));
  const rows = (readings?.tsMs ?? []).slice(0, MOST_READINGS).map((ts, i) => {
    const event = origin.get(ts);
    return html`
      <tr>
        <td class="nw">${time(ts, 'second')}</td>
        <td class="num">${formatValue(readings!.values[i]!)} ${unit}</td>
        <td class="nw">${event ? time(event.arrivedMs, 'second') : 'not found'}</td>
        <td>${event ? `${event.partition} / ${formatCount(event.seq)}` : '–'}</td>
        <td class="name mono">${event ? `raw/${event.file}` : '–'}</td>
      </tr>`;
  });
  const columns = [
    { title: 'Reading' },
    { title: 'Value', number: true },
    { title: 'Arrived' },
    { title: 'Partition / event' },
    { title: 'Raw file' },
  ];
  return section(
    'readings',
    'Raw readings of the window',
    '',
    rows.length === 0
      ? html`<div class="panel none">The readings of this window are not kept: only what they came to.</div>`
      : sortTable('readings', columns, rows, {}),
  );
}

function lineageSection({ batch, model, modelBlob, packBlob, file, outcome, superseded }: Lineage): Markup {
  return section(
    'lineage',
    'Where it comes from',
    '',
    html`
      <dl class="facts2">
        <dt>Batch</dt><dd><a class="under" href="${batchHref(batch.id)}">${batch.id}</a> (${batch.kind}, ${batch.status})</dd>
        <dt>Release</dt><dd>${batch.release}</dd>
        <dt>Model</dt><dd>${model.kind}, ${model.features.join(', ')}<br>${code(`models/${modelBlob}`)}</dd>
        ${packBlob !== undefined && html`<dt>Pack</dt><dd>${code(`models/${packBlob}`)}, row ${model.packRow}</dd>`}
        <dt>File</dt><dd>${code(`predictions/${file.blob}`)}, SHA-256 checked, attempt ${outcome.attempt}</dd>
        ${superseded.length > 0 && html`<dt>Before</dt><dd>${superseded.map((one, i) => html`${i > 0 && ', '}<a class="under" href="${batchHref(one.batch.id)}">${one.batch.id}</a> said ${one.prediction.prediction === 1 ? 'anomaly' : 'normal'}`)}</dd>`}
      </dl>`,
  );
}

function whyNot(outcome: NotPredicted['outcomes'][number]['outcome']): MarkupValue {
  if (outcome?.class !== undefined) return html`${code(outcome.class)}: ${outcome.message ?? ''}`;
  return outcome?.status === 'scored' ? 'There was no window then.' : '';
}

function notPredicted({ outcomes }: NotPredicted): Markup {
  const rows = outcomes.map(
    ({ batch, outcome }) => html`
      <tr>
        <td><a class="row-link" href="${batchHref(batch.id)}">${span(batch.fromMs, batch.toMs)}</a></td>
        <td>${chip(outcome?.status ?? 'skipped', outcome?.status ?? 'not planned')}</td>
        <td class="msg">${whyNot(outcome)}</td>
      </tr>`,
  );
  return section(
    'why',
    'No prediction',
    'What batches that cover this time say of the sensor.',
    rows.length === 0
      ? html`<div class="panel none">No batch covers this time.</div>`
      : sortTable('why', [{ title: 'Batch' }, { title: 'Outcome' }, { title: 'Why' }], rows, {}),
  );
}
