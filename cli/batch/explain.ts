/** `fleetscore explain DEVICE/SENSOR TIME`: the chain from a prediction back to the readings. */
import { rawReader } from '../../connect/raw-reader.ts';
import { sensorName, type SensorKey } from '../../domain/sensor.ts';
import { shellWord } from '../../domain/shell-word.ts';
import { formatThreshold } from '../../domain/threshold.ts';
import { formatDuration, isoTime, parseTime, type Period } from '../../domain/time.ts';
import { storedWindows } from '../../ingest/settings.ts';
import { formatNumberOf, formatScore, formatValue } from '../../report/format.ts';
import type { Batch } from '../../storage/store.ts';
import { explain, type Lineage, type MadeBy, type NotPredicted } from '../../verify/explain.ts';
import type { Alarm } from '../../domain/alarm.ts';
import { alarmData } from '../alarms/data.ts';
import { stateText, WORDS } from '../alarms/list.ts';
import { readingsData, readingsTable } from '../ingest/readings.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { knownSensor, type SensorWords } from '../frame/known.ts';
import { facts, statusColumn, statusWord, table, when } from '../frame/text.ts';
import { defined } from '../../domain/defined.ts';

export async function show(
  context: Context,
  _: object,
  first: string,
  second: string,
  third: string | undefined,
): Promise<Output> {
  const [words, time]: [SensorWords, string] = third === undefined ? [[first], second] : [[first, second], third];
  const timeMs = parseTime(time);
  const sensor = await knownSensor(context, words);
  const store = await context.store();
  const found = await explain(
    { store, blobs: context.blobs(), ...rawReader(context.config) },
    sensor,
    timeMs,
    await storedWindows(store, context.config.ingest),
  );
  if ('prediction' in found) return lineage(found, sensor.unit);
  const { span: period } = found;
  const there = (await store.readWindowReadings(sensor.id, period)).length > 0;
  const marks = (await store.listProgress()).map(({ watermarkMs }) => watermarkMs);
  const hint = found.outcomes.length > 0 ? undefined : nextStep(sensor, period, there, Math.min(...marks));
  return nothing(found, sensorName(sensor), period.fromMs, hint);
}

const verdict = ({ prediction }: MadeBy): string => (prediction.prediction === 1 ? 'anomaly' : 'normal');
const ended = (batch: Batch): string => (batch.finishedAtMs === undefined ? '' : `, ended ${when(batch.finishedAtMs)}`);

function lineage(l: Lineage, unit: string): Output {
  return {
    data: lineageData(l),
    text: [
      facts(lineageFacts(l, unit)),
      ...(l.readings ? [readingsTable(l.readings, l.found, unit, SHOWN)] : []),
      ...(l.superseded.length === 0 ? [] : [supersededTable(l)]),
    ].join('\n\n'),
  };
}

function lineageData(l: Lineage): object {
  const { prediction: p, batch, window: w, model } = l;
  return {
    device: p.device,
    sensor: p.sensor,
    window: { from: isoTime(p.tsMs), to: isoTime(l.span.toMs), ...w },
    changedSince: l.changedSince,
    alarms: l.alarms.map(alarmData),
    prediction: { value: p.value, prediction: p.prediction, score: p.score },
    batch: {
      id: batch.id,
      kind: batch.kind,
      status: batch.status,
      from: isoTime(batch.fromMs),
      to: isoTime(batch.toMs),
      workflowId: batch.workflowId,
      runId: batch.runId,
      schedule: batch.schedule,
      supersedes: batch.supersedes,
    },
    attempt: l.outcome.attempt,
    file: { blob: `predictions/${l.file.blob}`, sha256: l.file.sha256 },
    release: batch.release,
    model: {
      sha256: model.model,
      kind: model.kind,
      features: model.features,
      bytes: model.bytes,
      blob: `models/${l.modelBlob}`,
      ...(model.threshold ? { threshold: formatThreshold(model.threshold) } : {}),
      ...(l.packBlob === undefined
        ? {}
        : { pack: model.pack, packRow: model.packRow, packBlob: `models/${l.packBlob}` }),
    },
    codeVersion: batch.codeVersion,
    readings: readingsData(l.readings, l.found),
    raw: rawFiles(l).map((name) => `raw/${name}`),
    superseded: l.superseded.map((s) => ({
      batch: s.batch.id,
      release: s.batch.release,
      value: s.prediction.value,
      prediction: s.prediction.prediction,
      score: s.prediction.score,
    })),
  };
}

function lineageFacts(l: Lineage, unit: string): Parameters<typeof facts>[0] {
  const { prediction: p, batch, window: w, model } = l;
  const ofUnit = unit === '' ? '' : ` ${unit}`;
  const window = w
    ? `${formatNumberOf(w.count, 'reading')}: mean ${formatValue(w.mean)}, min ${formatValue(w.min)}, ` +
      `max ${formatValue(w.max)}, last ${formatValue(w.last)}${ofUnit}`
    : 'not kept any more (pruned)';
  return [
    [
      'Prediction',
      `${sensorName(p)} at ${when(p.tsMs)} UTC: ${verdict(l)}, score ${formatScore(p.score)}, ` +
        `value ${formatValue(p.value)}${ofUnit}`,
    ],
    ['Batch', `${batch.id} (${batch.kind}, ${statusWord(batch.status)}${ended(batch)})`],
    ['Period', `${when(batch.fromMs)} to ${when(batch.toMs)} UTC`],
    [
      'Started by',
      batch.schedule === undefined
        ? `workflow ${batch.workflowId}`
        : `schedule ${batch.schedule}, workflow ${batch.workflowId}`,
    ],
    ['File', `predictions/${l.file.blob}, SHA-256 ${l.file.sha256} (checked), attempt ${l.outcome.attempt}`],
    ['Release', batch.release],
    ['Model', `${model.model} (${model.kind}, ${model.features.join(' ')})`],
    ['Decides', model.threshold ? `threshold ${formatThreshold(model.threshold)} on the score` : undefined],
    [
      'Pack',
      model.pack === undefined ? 'none: the model runs in a session of its own' : `${model.pack}, row ${model.packRow}`,
    ],
    ['Window', `${when(p.tsMs)} + ${formatDuration(l.span.toMs - l.span.fromMs)}, ${window}`],
    [
      '',
      l.changedSince
        ? `readings came after it was scored: fleetscore batch rescore --from ${isoTime(batch.fromMs)} --to ${isoTime(batch.toMs)}`
        : undefined,
    ],
    ['Raw data', rawText(l)],
    ...alarmFacts(l.alarms),
    ['Code', `fleetscore ${batch.codeVersion}`],
  ];
}

/** Which alarm a window belongs to, when that began, and who acknowledged it. */
const alarmFacts = (alarms: readonly Alarm[]): Parameters<typeof facts>[0] =>
  alarms.map((alarm) => {
    const { id, marks, facts: of } = alarm;
    const acked =
      marks.ackedBy === undefined ? 'not acknowledged' : `acknowledged by ${marks.ackedBy}, ${when(marks.ackedMs)} UTC`;
    const comment = marks.comment === undefined ? '' : `: ${marks.comment.text}`;
    return [
      'Alarm',
      `${id} ${WORDS[alarm.kind]} since ${when(of.sinceMs)} UTC (${stateText(alarm)}), ${acked}${comment}`,
    ];
  });

const supersededTable = ({ superseded }: Lineage): string =>
  table(
    [
      { title: 'Superseded batch' },
      { title: 'Release' },
      { title: 'Value', align: 'right' },
      { title: 'Prediction' },
      { title: 'Score', align: 'right' },
    ],
    superseded.map((s) => [
      s.batch.id,
      s.batch.release,
      formatValue(s.prediction.value),
      verdict(s),
      formatScore(s.prediction.score),
    ]),
  );

/** Readings shown under a prediction; `readings` shows all. */
const SHOWN = 20;

/** The files that hold the readings; where none was found, those that were open then. */
const rawFiles = ({ found, captures }: Lineage): readonly string[] =>
  found.readings.length > 0 ? [...new Set(found.readings.map(({ file }) => file))] : captures;

function rawText(l: Lineage): string {
  const files = rawFiles(l)
    .map((name) => `raw/${name}`)
    .join(', ');
  if (l.found.readings.length > 0) return files;
  const looked = `its readings were not found in the ${formatNumberOf(l.found.files, 'file')} of raw capture looked into${l.found.complete ? '' : ' (there are more)'}`;
  return files === '' ? `${looked}; none was open at that time` : `${looked}; open at that time: ${files}`;
}

/**
 * What to do where no batch covers a window.
 * @param there whether the window has readings
 * @param watermarkMs up to where readings of all partitions were taken; -1 before the first, infinite where nothing is
 *   read
 */
export function nextStep(sensor: SensorKey, { fromMs, toMs }: Period, there: boolean, watermarkMs: number): string {
  const period = `--from ${isoTime(fromMs)} --to ${isoTime(toMs)}`;
  if (there) return `Its readings are there, and were not scored yet: fleetscore batch run ${period} --wait`;
  if (watermarkMs < toMs)
    return (
      `${watermarkMs < 0 ? 'No readings are taken' : `Readings are taken up to ${when(watermarkMs)} UTC`} so far: ` +
      'those of this time may be under way. See: fleetscore ingest status'
    );
  const list = `fleetscore sensors list --device ${shellWord(sensor.device)}`;
  return `It has no reading then, and readings of later times are in. See: ${list}`;
}

function nothing({ outcomes, alarms }: NotPredicted, name: string, fromMs: number, hint: string | undefined): Output {
  return {
    data: {
      prediction: null,
      ...defined({ next: hint }),
      alarms: alarms.map(alarmData),
      batches: outcomes.map(({ batch, outcome }) => ({
        batch: batch.id,
        status: batch.status,
        ...(outcome ? { outcome: outcome.status, class: outcome.class, message: outcome.message } : {}),
      })),
    },
    text: [
      `${name} has no prediction at ${when(fromMs)} UTC.`,
      table(
        [{ title: 'Batch', whole: true, leave: 1 }, statusColumn('Status'), statusColumn('Outcome'), { title: 'Why' }],
        outcomes.map(({ batch, outcome }) => [
          batch.id,
          batch.status,
          outcome?.status ?? 'not planned',
          whyNot(outcome),
        ]),
        'No batch covers this time.',
      ),
      ...(alarms.length === 0 ? [] : [facts(alarmFacts(alarms))]),
      ...(hint === undefined ? [] : [hint]),
    ].join('\n'),
    exitCode: EXIT_FAILED,
  };
}

function whyNot(outcome: NotPredicted['outcomes'][number]['outcome']): string {
  if (outcome?.class !== undefined) return `${outcome.class}: ${outcome.message ?? ''}`;
  return outcome?.status === 'scored' ? 'there was no window then' : '';
}
