/**
 * The file of pools: each with a task queue of its own, and one of them with `scoring`, for models that name no pool.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { FleetscoreError } from '../domain/errors.ts';
import { whyUnreadable } from '../domain/unreadable.ts';
import { checkFormat } from '../domain/format.ts';
import { SCORING_QUEUE } from '../domain/queues.ts';
import { parseDuration } from '../domain/time.ts';
import { parseKeepWarm } from './parse-keep-warm.ts';

const duration = z.string().transform((text) => parseDuration(text));
const entry = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9-]{1,40}$/, 'takes letters, digits and hyphens, at most 40'),
  taskQueue: z.string().min(1),
  cluster: z.string().optional(),
  vmSize: z.string().optional(),
  priority: z.enum(['dedicated', 'low-priority']).optional(),
  minNodes: z.number().int().optional(),
  maxNodes: z.number().int().optional(),
  idle: duration.optional(),
  keepWarm: z.string().transform(parseKeepWarm).optional(),
  finishWithin: duration.optional(),
  /** Dedicated cluster behind a low-priority one. */
  fallback: z
    .strictObject({
      cluster: z.string().min(1),
      after: duration.optional(),
      maxNodes: z.number().int().min(1).optional(),
      vmSize: z.string().optional(),
    })
    .optional(),
});
const file = z.array(entry).min(1);

export type PoolEntry = z.infer<typeof entry>;

/** What a check says of a field, or of the whole. */
const issueText = ({ path, message }: z.core.$ZodIssue): string =>
  path.length === 0 ? message : `${path.join('.')}: ${message}`;

/** @throws FleetscoreError `INVALID_POOLS` that names the file, the entry and what it takes */
export async function readPoolsFile(path: string): Promise<PoolEntry[]> {
  const wrong = (why: string, cause?: unknown): FleetscoreError =>
    new FleetscoreError('INVALID_POOLS', `the file of pools ${path} (FLEETSCORE_POOLS_FILE) cannot be used: ${why}.`, {
      cause,
    });
  let parsed;
  try {
    // The list alone; or `{ "format": 1, "pools": [...] }`, where somebody says it.
    const json = JSON.parse(await readFile(path, 'utf8')) as {
      readonly format?: unknown;
      readonly pools?: unknown;
    } | null;
    checkFormat('pools', json?.format, `the file of pools ${path}`);
    parsed = file.safeParse(json?.format === undefined ? json : json.pools);
  } catch (error) {
    if (error instanceof FleetscoreError && error.code.startsWith('FORMAT_')) throw error;
    throw wrong(whyUnreadable(error), error);
  }
  if (!parsed.success) throw wrong(parsed.error.issues.map(issueText).join('; '));
  for (const key of ['name', 'taskQueue'] as const)
    if (new Set(parsed.data.map((pool) => pool[key])).size < parsed.data.length)
      throw wrong(`two pools have the same ${key}`);
  if (!parsed.data.some((pool) => pool.taskQueue === SCORING_QUEUE))
    throw wrong(
      `no pool has the task queue ${JSON.stringify(SCORING_QUEUE)}, where sensors are scored whose model names no pool`,
    );
  for (const pool of parsed.data) {
    if (pool.fallback && pool.priority === 'dedicated')
      throw wrong(`pool ${pool.name} is dedicated, and only a low-priority pool has a fallback`);
    if (pool.fallback && pool.fallback.cluster === pool.cluster)
      throw wrong(`the fallback of pool ${pool.name} is its own cluster: name another`);
  }
  return parsed.data;
}
