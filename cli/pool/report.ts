/** `fleetscore pool report`: a pool over a span of time as a page, from its record. */
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FleetscoreError } from '../../domain/errors.ts';
import { compactTime, HOUR_MS, isoTime } from '../../domain/time.ts';
import { readDecisions, readNodes, recordedPools } from '../../pool/ledger.ts';
import { formatNumberOf as plural } from '../../report/format.ts';
import type { PoolPageData } from '../../report/pool/data.ts';
import { lifeOf } from '../../report/pool/life.ts';
import { renderPoolPage } from '../../report/pool/page.ts';
import type { Output } from '../frame/command.ts';
import { periodOf } from '../frame/period.ts';
import type { Context } from '../frame/context.ts';
import { makeFolder } from '../../storage/folders.ts';
import { writeWholeSync } from '../../storage/whole-file.ts';
import { defined } from '../../domain/defined.ts';
import { poolNameOf, type PoolOptions } from './loop.ts';

interface ReportOptions extends PoolOptions {
  readonly from?: number;
  readonly to?: number;
  readonly html?: string;
}

/** Drawn when no times are given. */
const DEFAULT_SPAN_MS = HOUR_MS;

export async function report(context: Context, options: ReportOptions): Promise<Output> {
  const pool = await poolNameOf(context, options);
  const toMs = Math.min(options.to ?? Date.now(), Date.now());
  const fromMs = options.from ?? toMs - DEFAULT_SPAN_MS;
  periodOf({ from: fromMs, to: toMs });
  const blobs = context.blobs();
  const [decisions, nodes] = await Promise.all([
    readDecisions(blobs, pool, fromMs, toMs),
    readNodes(blobs, pool, fromMs, toMs),
  ]);
  if (decisions.length === 0 && nodes.length === 0)
    throw new FleetscoreError(
      'NO_RECORD',
      `pool ${JSON.stringify(pool)} has no record from ${isoTime(fromMs)} to ${isoTime(toMs)}. ` +
        `Recorded pools: ${(await recordedPools(blobs)).join(', ') || 'none'}.`,
    );
  const store = await context.store();
  const batches = (await store.listBatches({ limit: 100_000 }))
    .reverse()
    .filter((batch) => batch.startedAtMs < toMs && (batch.finishedAtMs ?? toMs) > fromMs);
  const begin = Math.max(fromMs, Math.min(decisions[0]?.atMs ?? toMs, nodes[0]?.requestedAtMs ?? toMs));
  const data: PoolPageData = {
    pool,
    fromMs: options.from ?? begin,
    toMs,
    marks: [],
    statements: [],
    nodes: nodes.map(lifeOf),
    looks: decisions.map(({ atMs, target, busy, backlog, sensorsToGo }) => ({
      atMs,
      target,
      busy,
      tasks: backlog,
      sensorsToGo,
    })),
    batches: batches.map(({ id, startedAtMs, finishedAtMs, planned, status }) => ({
      id,
      startedAtMs,
      sensors: planned,
      status,
      ...defined({ finishedAtMs }),
    })),
    facts: [...new Set(nodes.map((node) => `${node.vmSize}, ${node.priority}`))].map(
      (machine) => ['Machine', machine] as const,
    ),
  };
  const file = resolve(
    options.html ??
      join(context.config.home, 'reports', `pool-${pool}-${compactTime(Math.floor(toMs / 1_000) * 1_000)}.html`),
  );
  makeFolder(dirname(file));
  writeWholeSync(file, renderPoolPage(data));
  const lost = data.nodes.filter((node) => node.lost).length;
  return {
    data: {
      pool,
      from: isoTime(data.fromMs),
      to: isoTime(toMs),
      batches: batches.length,
      nodes: nodes.length,
      lost,
      report: file,
    },
    text:
      `Pool ${pool}: ${plural(batches.length, 'batch', 'batches')}, ` +
      `${plural(nodes.length, 'node')}${lost > 0 ? ` (${lost} lost)` : ''} in this time.\n` +
      `Report: ${pathToFileURL(file).href}`,
  };
}
