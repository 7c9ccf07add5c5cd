/**
 * Files for spreadsheets: what the models said of a sensor, and its readings. Of a span that is not longer than two
 * months.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { cellOfName, encodeName } from '../../domain/sensor.ts';
import { isoTime } from '../../domain/time.ts';
import { firstWindowStart } from '../../domain/windowing.ts';
import { PREDICTION_COLUMNS, WINDOW_COLUMN, windowKey } from '../../domain/prediction.ts';
import { sourcesOf } from '../../scoring/read-predictions.ts';
import type { App } from '../app.ts';
import { asOf } from './device.ts';
import { rangeOf, type RangeQuery } from './range.ts';
import { sensorOf } from './sensor.ts';

/** A name as a field of a CSV file: quoted where it needs to be, and never a formula. */
export function field(name: string): string {
  const text = cellOfName(name);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export async function predictionsCsv(app: App, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const sensor = await sensorOf(app, request);
  const range = rangeOf(request.query as RangeQuery, await asOf(app));
  const store = await app.deps.store();
  const sources = await sourcesOf(store, sensor.id, range);
  const byWindow = new Map((await app.look.series.rows(sensor, sources, range)).map((row) => [windowKey(row), row]));
  const rows = [...byWindow.values()].sort((a, b) => a.tsMs - b.tsMs);
  const own = rows.some(({ windowMs }) => windowMs !== undefined);
  const lines = rows.map((row) =>
    [
      isoTime(row.tsMs),
      field(row.device),
      field(row.sensor),
      row.value,
      row.prediction,
      row.score,
      ...(own ? [row.windowMs === undefined ? '' : row.windowMs / 1_000] : []),
    ].join(','),
  );
  return send(reply, `${encodeName(sensor.device)}-${encodeName(sensor.sensor)}-predictions.csv`, [
    [...PREDICTION_COLUMNS, ...(own ? [WINDOW_COLUMN] : [])].join(','),
    ...lines,
  ]);
}

/** Readings that windows are made of, each time once; of windows whose readings are not kept there are none. */
export async function readingsCsv(app: App, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const sensor = await sensorOf(app, request);
  const range = rangeOf(request.query as RangeQuery, await asOf(app));
  const store = await app.deps.store();
  const shape = await app.look.shape();
  const windows = await store.readWindowReadings(sensor.id, {
    fromMs: firstWindowStart(range.fromMs, shape),
    toMs: range.toMs,
  });
  const byTime = new Map<number, number>();
  for (const { tsMs, values } of windows)
    tsMs.forEach((ts, i) => ts >= range.fromMs && ts < range.toMs && byTime.set(ts, values[i]!));
  const lines = [...byTime]
    .sort(([a], [b]) => a - b)
    .map(([ts, value]) => [isoTime(ts), field(sensor.device), field(sensor.sensor), value].join(','));
  return send(reply, `${encodeName(sensor.device)}-${encodeName(sensor.sensor)}-readings.csv`, [
    'TS,Device,Sensor,Value',
    ...lines,
  ]);
}

function send(reply: FastifyReply, name: string, lines: readonly string[]): FastifyReply {
  return reply
    .type('text/csv; charset=utf-8')
    .header('content-disposition', `attachment; filename="${name.replaceAll('%', '_')}"`)
    .send(`${lines.join('\r\n')}\r\n`);
}
