/**
 * The record of nodes and decisions in Blob, for cost and pictures: `logs/pool/{pool}/`. Nodes that live are
 * in `open.json`; one that went moves to the file of the hour it ended in. Only the pool's own loop writes, and
 * writing the same twice changes nothing.
 */
import { defined } from '../domain/defined.ts';
import { CONTAINERS } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { compactTime, HOUR_MS } from '../domain/time.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { isGone, type PoolNode } from './pool.ts';
import type { NodePriority, PoolSettings } from './settings.ts';

export interface NodeRecord {
  readonly pool: string;
  readonly id: string;
  readonly vmSize: string;
  readonly priority: NodePriority;
  /** Epoch ms. */
  readonly requestedAtMs: number;
  /** When it was first seen to have a machine, where it may wait for one; absent where it is paid for at once. */
  readonly billedFromMs?: number;
  readonly readyAtMs?: number;
  /** Absent while it lives. */
  readonly endedAtMs?: number;
  readonly lastSeenMs: number;
  readonly end?: string;
}

/** One look of the loop. */
export interface DecisionRecord {
  readonly atMs: number;
  readonly target: number;
  readonly ready: number;
  readonly busy: number;
  readonly coming: number;
  readonly backlog: number;
  readonly sensorsToGo: number;
  readonly batches: number;
  readonly nextDueMs?: number;
  readonly reason: string;
}

/** Longest life of a node that is looked for in later files. */
const LONGEST_LIFE_MS = 8 * 24 * HOUR_MS;
/** `lastSeenMs` is renewed this often: it is the end of a node that vanished without a word. */
const SEEN_EVERY_MS = 30_000;
/** A node that came and went between two looks is noticed within this time. */
const RECENT_MS = 60_000;
const JSON_LINES = 'application/x-ndjson';

const folder = (pool: string): string => `pool/${pool}`;
const openBlob = (pool: string): string => `${folder(pool)}/open.json`;
const hourOf = (ms: number): string => compactTime(Math.floor(ms / HOUR_MS) * HOUR_MS);
const nodesBlob = (pool: string, ms: number): string => `${folder(pool)}/nodes/${hourOf(ms)}.jsonl`;
const decisionsBlob = (pool: string, ms: number): string => `${folder(pool)}/decisions/${hourOf(ms)}.jsonl`;

/** Epoch ms from which a node costs money: not while it waits for a machine, which may take hours. */
export const billedFrom = (node: NodeRecord): number => node.billedFromMs ?? node.requestedAtMs;

type NodeKind = Pick<PoolSettings, 'name' | 'vmSize' | 'priority'>;

/** Brings the record in line with the nodes seen now. */
export async function recordNodes(
  blobs: BlobStore,
  settings: NodeKind,
  nodes: readonly PoolNode[],
  nowMs: number,
): Promise<void> {
  const pool = settings.name;
  const before = await readOpen(blobs, pool);
  const { open, closed } = nodesAfterLook(before, settings, nodes, nowMs);
  // Closed first: after a crash in between it is closed again, with the same id.
  for (const record of closed) await addLines(blobs, nodesBlob(pool, record.endedAtMs!), [record], (line) => line.id);
  if (JSON.stringify(open) !== JSON.stringify(before))
    await put(blobs, openBlob(pool), JSON.stringify(open), 'application/json');
}

/** Records of nodes that live, and of those that have ended since the last look. Pure. */
function nodesAfterLook(
  before: readonly NodeRecord[],
  settings: NodeKind,
  nodes: readonly PoolNode[],
  nowMs: number,
): { readonly open: readonly NodeRecord[]; readonly closed: readonly NodeRecord[] } {
  const byId = new Map(before.map((record) => [record.id, record]));
  const closed: NodeRecord[] = [];
  const close = (record: NodeRecord, endedAtMs: number, end: string): void => {
    closed.push({ ...record, endedAtMs, end });
    byId.delete(record.id);
  };
  for (const node of nodes) {
    const known = byId.get(node.id);
    if (!known && !isNew(node, nowMs)) continue;
    const record = seenNow(known, settings, node, nowMs);
    if (isGone(node.state))
      close(record, node.endedAtMs ?? nowMs, `${node.state}${node.detail ? `: ${node.detail}` : ''}`);
    else byId.set(node.id, record);
  }
  const listed = new Set(nodes.map((node) => node.id));
  for (const record of byId.values()) if (!listed.has(record.id)) close(record, record.lastSeenMs, 'vanished');
  return { open: [...byId.values()], closed };
}

/** Whether a node without a record gets one: not while it waits, when it never ran, or when it was closed before. */
function isNew({ state, readyAtMs, endedAtMs = 0 }: PoolNode, nowMs: number): boolean {
  const neverBilled = state === 'queued' || (state === 'ended' && readyAtMs === undefined);
  return !neverBilled && !(isGone(state) && endedAtMs < nowMs - RECENT_MS);
}

function seenNow(known: NodeRecord | undefined, settings: NodeKind, node: PoolNode, nowMs: number): NodeRecord {
  return {
    pool: settings.name,
    id: node.id,
    vmSize: node.vmSize ?? settings.vmSize,
    priority: node.priority ?? settings.priority,
    requestedAtMs: node.requestedAtMs,
    ...defined({ billedFromMs: billedFromOf(node) }),
    ...known,
    ...defined({ readyAtMs: node.readyAtMs }),
    lastSeenMs: known && nowMs - known.lastSeenMs < SEEN_EVERY_MS ? known.lastSeenMs : nowMs,
  };
}

/** A worker that came up before the node was first seen was paid for at least from then. */
function billedFromOf({
  requestedAtMs,
  billedFromMs,
  readyAtMs = Number.POSITIVE_INFINITY,
}: PoolNode): number | undefined {
  return billedFromMs === undefined ? undefined : Math.max(requestedAtMs, Math.min(billedFromMs, readyAtMs));
}

/** Nodes of a pool that lived at some time in [fromMs, toMs). */
export async function readNodes(blobs: BlobStore, pool: string, fromMs: number, toMs: number): Promise<NodeRecord[]> {
  const closed = await readHours<NodeRecord>(blobs, `${folder(pool)}/nodes/`, fromMs, toMs + LONGEST_LIFE_MS);
  const ids = new Set(closed.map((record) => record.id));
  const open = (await readOpen(blobs, pool)).filter((record) => !ids.has(record.id));
  return [...closed, ...open]
    .filter((record) => record.requestedAtMs < toMs && (record.endedAtMs ?? Number.POSITIVE_INFINITY) > fromMs)
    .sort((a, b) => a.requestedAtMs - b.requestedAtMs);
}

export async function recordDecision(blobs: BlobStore, pool: string, decision: DecisionRecord): Promise<void> {
  await addLines(blobs, decisionsBlob(pool, decision.atMs), [decision], (line) => String(line.atMs));
}

/** Decisions of a pool in [fromMs, toMs), in order of time. */
export async function readDecisions(
  blobs: BlobStore,
  pool: string,
  fromMs: number,
  toMs: number,
): Promise<DecisionRecord[]> {
  const all = await readHours<DecisionRecord>(blobs, `${folder(pool)}/decisions/`, fromMs, toMs);
  return all.filter((decision) => decision.atMs >= fromMs && decision.atMs < toMs).sort((a, b) => a.atMs - b.atMs);
}

/** Pools that have a record. */
export async function recordedPools(blobs: BlobStore): Promise<string[]> {
  const names = new Set<string>();
  for await (const blob of blobs.list(CONTAINERS.logs, 'pool/')) names.add(blob.name.split('/')[1]!);
  return [...names].sort();
}

async function readOpen(blobs: BlobStore, pool: string): Promise<NodeRecord[]> {
  const text = await read(blobs, openBlob(pool));
  return text === undefined ? [] : (JSON.parse(text) as NodeRecord[]);
}

async function readHours<T>(blobs: BlobStore, prefix: string, fromMs: number, toMs: number): Promise<T[]> {
  const found: T[] = [];
  const first = `${prefix}${hourOf(Math.max(0, fromMs))}`;
  const last = `${prefix}${hourOf(toMs)}.jsonl`;
  for await (const blob of blobs.list(CONTAINERS.logs, prefix))
    if (blob.name >= first && blob.name <= last) found.push(...lines<T>(await read(blobs, blob.name)));
  return found;
}

async function addLines<T>(
  blobs: BlobStore,
  name: string,
  added: readonly T[],
  key: (line: T) => string,
): Promise<void> {
  const before = await read(blobs, name);
  const all = new Map(lines<T>(before).map((line) => [key(line), line]));
  for (const line of added) if (!all.has(key(line))) all.set(key(line), line);
  const text = [...all.values()].map((line) => `${JSON.stringify(line)}\n`).join('');
  if (text !== before) await put(blobs, name, text, JSON_LINES);
}

const lines = <T>(text: string | undefined): T[] =>
  (text ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);

async function read(blobs: BlobStore, name: string): Promise<string | undefined> {
  try {
    return Buffer.from(await blobs.get(CONTAINERS.logs, name)).toString('utf8');
  } catch (error) {
    if (error instanceof FleetscoreError && error.code === 'BLOB_MISSING') return undefined;
    throw error;
  }
}

const put = (blobs: BlobStore, name: string, text: string, type: string): Promise<void> =>
  blobs.put(CONTAINERS.logs, name, Buffer.from(text), type);
