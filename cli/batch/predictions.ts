/** `fleetscore predictions DEVICE/SENSOR`: what the models said of one sensor. */
import { formatDuration, isoTime, MAX_TIME_MS } from '../../domain/time.ts';
import { formatCount, formatScore, formatValue } from '../../report/format.ts';
import { readPredictions } from '../../scoring/read-predictions.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { periodOf } from '../frame/period.ts';
import { knownSensor } from '../frame/known.ts';
import { table, when } from '../frame/text.ts';

export async function show(
  context: Context,
  options: { from?: number; to?: number; anomalies?: boolean; limit?: number },
  first: string,
  second: string | undefined,
): Promise<Output> {
  if (options.from !== undefined && options.to !== undefined) periodOf({ from: options.from, to: options.to });
  const known = await knownSensor(context, [first, second]);
  const store = await context.store();
  const all = await readPredictions({ store, blobs: context.blobs() }, known, {
    fromMs: options.from ?? 0,
    toMs: options.to ?? MAX_TIME_MS,
  });
  const wanted = options.anomalies ? all.filter((row) => row.prediction === 1) : all;
  const limit = options.limit ?? (context.json ? wanted.length : 50);
  const rows = limit >= wanted.length ? wanted : wanted.slice(-limit);
  const own = rows.some(({ windowMs }) => windowMs !== undefined);
  const anomalies = all.reduce((sum, row) => sum + row.prediction, 0);
  return {
    data: rows.map((r) => ({
      ts: isoTime(r.tsMs),
      device: r.device,
      sensor: r.sensor,
      value: r.value,
      prediction: r.prediction,
      score: r.score,
      ...(r.windowMs === undefined ? {} : { window: formatDuration(r.windowMs) }),
    })),
    text: [
      table(
        [
          { title: 'Time (UTC)', whole: true },
          { title: known.unit === '' ? 'Value' : `Value (${known.unit})`, align: 'right' },
          { title: 'Prediction', paint: (text, _, colors) => (text.startsWith('anomaly') ? colors.red(text) : text) },
          { title: 'Score', align: 'right' },
          ...(own ? [{ title: 'Window' }] : []),
        ],
        rows.map((r) => [
          when(r.tsMs),
          formatValue(r.value),
          r.prediction === 1 ? 'anomaly' : 'normal',
          formatScore(r.score),
          ...(own ? [r.windowMs === undefined ? '-' : formatDuration(r.windowMs)] : []),
        ]),
        all.length > 0
          ? 'No anomalies in this period.'
          : 'No predictions in this period. `fleetscore batch list` shows what was scored.',
      ),
      ...(all.length > 0
        ? [
            `${formatCount(all.length)} windows, ${formatCount(anomalies)} ` +
              `anomalous${rows.length < wanted.length ? `; the newest ${formatCount(rows.length)} are shown, --limit shows more` : ''}` +
              '.',
          ]
        : []),
    ].join('\n'),
  };
}
