/** What a batch needs to decide on alarms; everything of a slice in one transaction, rows of many sensors at once. */
import type { Link } from '../../alarms/chain.ts';
import type { AlarmRecord } from '../../domain/alarm.ts';
import { defined } from '../../domain/defined.ts';
import { fittingChains, fittingSignals, signalText, type LinkSize, type SizedChain } from '../alarm-chains.ts';
import {
  candidateOf,
  distinct,
  kindOf,
  placeOf,
  placeText,
  recordOf,
  type CandidateRow,
  type PlaceRow,
} from '../alarm-rows.ts';
import type {
  AlarmChain,
  AlarmSense,
  AlarmSignal,
  AlarmSlice,
  AlarmSpan,
  AlarmWorkStore,
  ChainLimits,
  StoredAlarmRules,
} from '../store.ts';
import { ALARM_IDS, ALARM_WORK_SQL, ASKED, LINKS, SIGNALS, SPANS } from './alarm-work-sql.ts';
import { ALARM_SQL, commitChanged, rulesRow } from './alarms.ts';
import { batchRow } from './batches.ts';
import type { Database, Session, Transaction } from './connection.ts';

export function alarmWorkMethods(db: Database): AlarmWorkStore {
  return {
    alarmSense: ({ from, to }) =>
      db.read(async (session) =>
        to - from === 1
          ? senseOne(session, from)
          : {
              ...defined({ rules: await rulesRow(session) }),
              live: (await session.query<{ sensorId: number }>(ALARM_WORK_SQL.live, { fromId: from, toId: to })).map(
                ({ sensorId }) => sensorId,
              ),
            },
      ),

    alarmProgress: (batchId) =>
      db.read(async (session) => {
        const { batchKey, fromMs } = await batchRow(session, batchId);
        type Row = { readonly after: number; readonly done: boolean | number } & PlaceRow;
        const [row] = await session.query<Row>(ALARM_WORK_SQL.progress, { batchKey });
        const at = row && placeOf(row);
        const others = await session.query<{ fromMs: string | number; toMs: string | number }>(ALARM_WORK_SQL.others, {
          batchKey,
          fromMs: Math.max(Number(fromMs), at?.ms ?? 0),
        });
        const [clock] = await session.query<{ epoch: number }>(ALARM_SQL.epoch, {});
        return {
          after: row?.after ?? 0,
          ...defined({ at }),
          done: Boolean(row?.done),
          epoch: Number(clock!.epoch),
          others: others.map((period) => ({ fromMs: Number(period.fromMs), toMs: Number(period.toMs) })),
        };
      }),

    // In a transaction, since the sensors are staged.
    alarmCandidates: (batchId, after, limit, options) =>
      db.write(async (tx) => {
        const batch = await batchRow(tx, batchId);
        const page = { batchKey: batch.batchKey, after, limit };
        const period = { fromMs: Number(batch.fromMs), toMs: Number(batch.toMs) };
        const kind = kindOf(options);
        const asked = kind === 'reordered' ? { ...page, ...period } : page;
        const rows = await tx.query<CandidateRow>(ALARM_WORK_SQL[kind], asked);
        const fitting = fittingSignals(rows);
        const fit = rows.slice(0, fitting);
        const signals = await signalsOf(tx, batch.batchKey, fit);
        return {
          candidates: fit.map((row) => candidateOf(row, signals.get(row.sensorId) ?? null)),
          isLast: rows.length < limit && fitting === rows.length,
        };
      }),

    alarmChains: (asked, limits) => db.write((tx) => chainsOf(tx, asked, limits)),

    alarmRecords: (spans) => db.write((tx) => recordsOf(tx, spans)),

    alarmRecordsOf: (ids) =>
      db.write(async (tx) => {
        if (ids.length === 0) return [];
        await tx.stage(
          ALARM_IDS,
          [...new Set(ids)].map((id) => [id]),
        );
        return (await tx.query<{ record: string }>(ALARM_WORK_SQL.alarmsOf, {})).map(recordOf);
      }),

    alarmPlaces: (batchId) =>
      db.read((session) => session.query<{ batchId: string; sensorId: number }>(ALARM_WORK_SQL.places, { batchId })),

    commitAlarmSlice: (slice) => db.write((tx) => commitSlice(tx, slice)),

    undecidedAlarmBatches: (sinceMs, closedBeforeMs, limit) =>
      db.read(async (session) =>
        (await session.query<{ id: string }>(ALARM_WORK_SQL.undecided, { sinceMs, closedBeforeMs, limit })).map(
          ({ id }) => id,
        ),
      ),

    lastWindowBefore: (sensorId, ms) =>
      db.read(async (session) => {
        const [row] = await session.query<{ startMs: string | number }>(ALARM_WORK_SQL.lastWindow, {
          sensorId,
          beforeMs: ms,
        });
        return row && Number(row.startMs);
      }),
  };
}

async function senseOne(session: Session, id: number): Promise<AlarmSense> {
  type Row = Omit<StoredAlarmRules, 'version'> & Readonly<Record<'version' | 'sensorId', number | null>>;
  const [row] = await session.query<Row>(ALARM_WORK_SQL.senseOne, { sensorId: id });
  const { version, text, by, atMs, sensorId } = row!;
  return {
    ...(version === null ? {} : { rules: { version: Number(version), text, by, atMs: Number(atMs) } }),
    live: sensorId === null ? [] : [id],
  };
}

async function signalsOf(
  tx: Transaction,
  batchKey: number,
  rows: readonly CandidateRow[],
): Promise<ReadonlyMap<number, string>> {
  const ids = rows.flatMap(({ sensorId, bytes }) => (bytes === null ? [] : [sensorId]));
  if (ids.length === 0) return new Map();
  await tx.stage(
    ASKED,
    ids.map((id) => [id, 0]),
  );
  const found = await tx.query<{ sensorId: number; items: string }>(ALARM_WORK_SQL.signals, { batchKey });
  return new Map(found.map(({ sensorId, items }) => [sensorId, items]));
}

type Asked = { readonly sensorId: number; readonly fromMs: number };
type SizeRow = { readonly sensorId: number } & Readonly<Record<'fromMs' | 'toMs' | 'bytes', string | number>>;

const stageAsked = (tx: Transaction, asked: readonly Asked[]): Promise<void> =>
  tx.stage(
    ASKED,
    asked.map(({ sensorId, fromMs }) => [sensorId, fromMs]),
  );

const sizeOf = ({ fromMs, toMs, bytes }: SizeRow): LinkSize => ({
  fromMs: Number(fromMs),
  toMs: Number(toMs),
  bytes: Number(bytes),
});

async function newestBefore(tx: Transaction, asked: readonly Asked[]): Promise<ReadonlyMap<number, LinkSize>> {
  if (asked.length === 0) return new Map();
  await stageAsked(tx, asked);
  const rows = await tx.query<SizeRow>(ALARM_WORK_SQL.sizesBefore, {});
  return new Map(rows.map((row) => [row.sensorId, sizeOf(row)]));
}

async function chainsOf(tx: Transaction, asked: readonly Asked[], limits: ChainLimits): Promise<AlarmChain[]> {
  if (asked.length === 0) return [];
  const last = await newestBefore(tx, asked);
  const limit = limits.links + 1;
  const sizes = await tx.query<SizeRow>(ALARM_WORK_SQL.sizesFrom, { limit });
  const after = Map.groupBy(sizes, ({ sensorId }) => sensorId);
  // Of the sensor of the last row there may be more, and of those behind it nothing is known.
  const cut = sizes.length === limit ? sizes.at(-1)!.sensorId : undefined;
  const known = asked.filter(({ sensorId }) => cut === undefined || sensorId <= cut);
  const reaching = known.flatMap(({ sensorId, fromMs }) => {
    const link = last.get(sensorId);
    return link && link.toMs > fromMs ? [{ sensorId, fromMs: link.fromMs }] : [];
  });
  const previous = await newestBefore(tx, reaching);
  const chains = known.map(({ sensorId, fromMs }): SizedChain & Asked => ({
    sensorId,
    fromMs,
    before: [last.get(sensorId), previous.get(sensorId)].filter((link) => link !== undefined),
    after: (after.get(sensorId) ?? []).map(sizeOf),
    isCut: sensorId === cut,
  }));
  const fitting = fittingChains(chains, limits);
  const wanted = fitting.flatMap(({ entry, links }, i) =>
    [...links, ...(entry === undefined ? [] : [entry])].map((fromMs) => ({ sensorId: chains[i]!.sensorId, fromMs })),
  );
  const nameOf = (sensorId: number, fromMs: number): string => `${sensorId}/${fromMs}`;
  const found = new Map<string, Link>();
  if (wanted.length > 0) {
    await stageAsked(tx, wanted);
    type Row = { readonly sensorId: number; readonly fromMs: string | number; readonly link: string };
    for (const { sensorId, fromMs, link } of await tx.query<Row>(ALARM_WORK_SQL.links, {}))
      found.set(nameOf(sensorId, Number(fromMs)), JSON.parse(link) as Link);
  }
  return fitting.map(({ entry, links, untilMs }, i) => {
    const linkAt = (fromMs: number): Link => found.get(nameOf(chains[i]!.sensorId, fromMs))!;
    return {
      links: links.map(linkAt),
      ...defined({ entry: entry === undefined ? undefined : linkAt(entry), untilMs }),
    };
  });
}

async function recordsOf(tx: Transaction, spans: readonly AlarmSpan[]): Promise<AlarmRecord[][]> {
  if (spans.length === 0) return [];
  const stageSpans = (rows: readonly (readonly [number, number, number])[]): Promise<void> =>
    tx.stage(SPANS, [...new Map(rows.map((row) => [`${row[0]}/${row[1]}`, row])).values()]);
  await stageSpans(
    spans.flatMap(({ sensorId, periods }) => periods.map(({ fromMs, toMs }) => [sensorId, fromMs, toMs] as const)),
  );
  type Row = { readonly sensorId: number; readonly record: string };
  const rows = [
    ...(await tx.query<Row>(ALARM_WORK_SQL.alarms, {})),
    ...(await tx.query<Row>(ALARM_WORK_SQL.alarmsBefore, {})),
  ];
  const starts = spans.flatMap(({ sensorId, starts: of }) => of.map((start) => [sensorId, start, start + 1] as const));
  if (starts.length > 0) {
    await stageSpans(starts);
    rows.push(...(await tx.query<Row>(ALARM_WORK_SQL.alarms, {})));
  }
  const bySensor = Map.groupBy(rows, ({ sensorId }) => sensorId);
  return spans.map(({ sensorId }) => distinct((bySensor.get(sensorId) ?? []).map(recordOf)));
}

async function commitSlice(
  tx: Transaction,
  { batchId, epoch, upTo, at, done, sensors, receivedMs }: AlarmSlice,
): Promise<boolean> {
  if ((await tx.run(ALARM_SQL.tickAt, { epoch })) === 0) return false;
  const { batchKey, fromMs, toMs } = await batchRow(tx, batchId);
  const place = placeText(at);
  for (const { sensorId, drop, live } of sensors) {
    for (const start of drop) await tx.run(ALARM_WORK_SQL.dropLink, { sensorId, fromMs: start });
    if (live !== undefined) await tx.run(live ? ALARM_WORK_SQL.setLive : ALARM_WORK_SQL.setRest, { sensorId });
  }
  const links = sensors.flatMap(({ sensorId, put }) =>
    put.map((link) => [sensorId, link.fromMs, link.toMs, link.state !== undefined, JSON.stringify(link)] as const),
  );
  if (links.length > 0) {
    await tx.stage(LINKS, links);
    await tx.run(ALARM_WORK_SQL.addLinks, {});
  }
  for (const { alarms } of sensors) await commitChanged(tx, alarms, receivedMs);
  if ((await tx.run(ALARM_WORK_SQL.moveProgress, { batchKey, upTo, place, done })) === 0)
    await tx.run(ALARM_WORK_SQL.addProgress, {
      batchKey,
      fromMs: Number(fromMs),
      toMs: Number(toMs),
      upTo,
      place,
      done,
    });
  await tx.run(ALARM_WORK_SQL.dropSignals, { batchKey, upTo });
  return true;
}

/** With the outcomes of their sensors, in one transaction. */
export async function addSignals(tx: Transaction, batchKey: number, signals: readonly AlarmSignal[]): Promise<void> {
  if (signals.length === 0) return;
  if (signals.length === 1) {
    const [signal] = signals as [AlarmSignal];
    await tx.run(ALARM_WORK_SQL.addSignal, { batchKey, sensorId: signal.sensorId, items: signalText(signal) });
    return;
  }
  await tx.stage(
    SIGNALS,
    signals.map((signal) => [signal.sensorId, signalText(signal)]),
  );
  await tx.run(ALARM_WORK_SQL.addSignals, { batchKey });
}
