/** What is said of a batch that nobody takes up, and of one by hand that failed. */
import { expect, test } from '@jest/globals';
import { whyNobody } from '../../cli/pool/takers.ts';
import { failedByHand } from '../../cli/stack/doctor-batches.ts';
import { NO_OUTCOMES } from '../../domain/outcome.ts';
import { DEFAULT_POOL } from '../../pool/settings.ts';
import type { Batch, BatchStatus } from '../../storage/store.ts';

test('nobody takes the work of a pool that drains, rests without workers, or may have none', () => {
  const state = (mode: 'active' | 'paused' | 'draining', maxNodes = 2) => ({
    mode,
    settings: { ...DEFAULT_POOL, maxNodes },
  });
  expect(whyNobody('big', state('draining'), true)).toMatch(/Pool big drains.*fleetscore pool resume --pool big/);
  expect(whyNobody('big', state('paused'), false)).toMatch(/is paused and has no worker/);
  expect(whyNobody('big', state('paused'), true)).toBeUndefined();
  expect(whyNobody('big', state('active', 0), false)).toMatch(/limit is 0.*pool set --pool big --max 1/);
  expect(whyNobody('big', undefined, false)).toMatch(/No scoring worker of pool big runs/);
  expect(whyNobody('big', undefined, true)).toBeUndefined();
  expect(whyNobody('big', state('active'), false)).toBeUndefined();
});

test('batches by hand that failed today are told until their period is made good', () => {
  const hour = 3_600_000;
  const now = 100 * hour;
  const batch = (id: string, status: BatchStatus, fromMs: number, startedAtMs: number, schedule?: string): Batch => ({
    id,
    workflowId: id,
    runId: id,
    kind: 'score',
    release: 'r',
    codeVersion: 'v',
    planned: 1,
    status,
    counts: NO_OUTCOMES,
    fromMs,
    toMs: fromMs + hour,
    startedAtMs,
    finishedAtMs: startedAtMs + 1,
    ...(schedule === undefined ? {} : { schedule }),
  });
  const ended = [
    batch('again', 'completed', 2 * hour, now - 2),
    batch('open', 'failed', 5 * hour, now - 3),
    batch('mended', 'failed', 2 * hour, now - 4),
    batch('scheduled', 'failed', 7 * hour, now - 5, 'plant'),
    batch('good before', 'completed', 5 * hour, now - 6),
    batch('long ago', 'failed', 9 * hour, now - 30 * hour),
  ];
  expect(failedByHand(ended, now).map(({ id }) => id)).toEqual(['open']);
});
