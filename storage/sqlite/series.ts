/**
 * The windows of a range of sensors as columns. Rows come out of SQLite as arrays: those of a few sensors at a time are
 * moved into the columns, so that none is older than the next collection of garbage.
 */
import type { Period } from '../../domain/time.ts';
import { plannedRange } from '../batch-rows.ts';
import { SERIES_COLUMNS } from '../rows.ts';
import { seriesColumns } from '../series-columns.ts';
import type { IdRange, SeriesBlock, SeriesOptions } from '../store.ts';
import { BATCH_SQL } from './batch-sql.ts';
import { batchRow, kindOf } from './batches.ts';
import type { Connection } from './connection.ts';
import { currentChangeId } from './ingest.ts';

const series = (columns: string): string => `
    SELECT w.sensor_id, w.start_ms, ${columns}
    FROM sensors s CROSS JOIN windows w ON w.sensor_id = s.id
    WHERE s.id >= ? AND s.id < ? AND w.start_ms >= ? AND w.start_ms < ?
    ORDER BY s.id, w.start_ms`;

export const SERIES_SQL = { series: series(SERIES_COLUMNS.series), means: series(SERIES_COLUMNS.means) } as const;

/** Ids of one query: 15 windows a sensor make 2,000 rows. */
const IDS_AT_ONCE = 128;
/** Above this a range is read at once: most of it are ids that nobody has. */
const MOST_IDS = 1_000_000;

type Row = readonly number[];
/** Rows of a part of the sensors, in the order of ids. */
type Read = (range: IdRange) => readonly Row[];

/** Inside of a transaction: all parts are of one moment. */
export function readSeries(
  db: Connection,
  range: IdRange,
  period: Period,
  { batchId, columns = 'all' }: SeriesOptions,
): SeriesBlock {
  const changeId = currentChangeId(db);
  const name = columns === 'all' ? 'series' : 'means';
  const fleet: Read = ({ from, to }) =>
    db.arrays(SERIES_SQL[name]).all(from, to, period.fromMs, period.toMs) as unknown as readonly Row[];
  const found = seriesColumns(columns === 'all' ? 7 : 3);
  const inParts = (ids: IdRange): SeriesBlock => {
    for (const part of partsOf(ids)) found.addAll(fleet(part), (ids.to - part.from) / (part.to - part.from));
    return found.block(changeId);
  };
  if (batchId === undefined) return inParts(range);
  const batch = batchRow(db, batchId);
  const { from, to, pool } = plannedRange(batch, range);
  const kind = kindOf(batch, pool);
  if (kind === 'All' && batch.planned === batch.maxSensorId) return inParts({ from, to });
  const ofPool = pool === undefined ? [] : [batch.releaseKey, pool];
  const statement = db.arrays(BATCH_SQL[`${name}${kind}`]);
  found.addAll(
    statement.all(batch.batchKey, from, to, period.fromMs, period.toMs, ...ofPool) as unknown as readonly Row[],
    1,
  );
  return found.block(changeId);
}

/** Of a range that names no sensors one by one: ids are dense. Outside of a batch it may end past all of them. */
function* partsOf({ from, to }: IdRange): Generator<IdRange> {
  if (to - from > MOST_IDS) yield { from, to };
  else for (let at = from; at < to; at += IDS_AT_ONCE) yield { from: at, to: Math.min(to, at + IDS_AT_ONCE) };
}
