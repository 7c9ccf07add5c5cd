/**
 * The proof that a pack scores as its models do: every row is run on the probes of its model, and must give
 * what the single model gave in its check: the same labels, and scores within 1e-12.
 */
import { type CheckedModel, newMarks } from '../thread-protocol.ts';
import type { Threads } from '../threads.ts';
import type { Pack } from './pack-builder.ts';

const TOLERANCE = 1e-12;

export interface Verdict {
  /** Rows whose models agree, ascending. */
  readonly agree: readonly number[];
  /** Why the pack did not run at all. */
  readonly problem?: string;
}

export async function verifyPack(
  pack: Pack,
  checked: ReadonlyMap<string, CheckedModel>,
  threads: Threads,
): Promise<Verdict> {
  const expected = pack.models.map((sha256) => checked.get(sha256)!.probed!);
  const rows = expected.reduce((sum, probed) => sum + probed.anomaly.length, 0);
  const values = new Float64Array(
    new SharedArrayBuffer(expected.reduce((sum, probed) => sum + probed.values.length, 0) * 8),
  );
  const index = new Int32Array(new SharedArrayBuffer(rows * 4));
  const anomaly = new Uint8Array(new SharedArrayBuffer(rows));
  const score = new Float64Array(new SharedArrayBuffer(rows * 8));
  let value = 0;
  let row = 0;
  for (const [i, probed] of expected.entries()) {
    values.set(probed.values, value);
    index.fill(i, row, row + probed.anomaly.length);
    value += probed.values.length;
    row += probed.anomaly.length;
  }
  const end = await threads.run({
    type: 'pack',
    file: { sha256: pack.sha256, bytes: pack.bytes },
    index,
    values,
    anomaly,
    score,
    marks: newMarks(),
  });
  if (end.type !== 'reply') return { agree: [], problem: end.message };
  if (end.reply.problem) return { agree: [], problem: end.reply.problem.message };
  row = 0;
  const agree: number[] = [];
  for (const [i, probed] of expected.entries()) {
    const first = row;
    row += probed.anomaly.length;
    if (probed.anomaly.every((label, j) => label === anomaly[first + j] && close(probed.score[j]!, score[first + j]!)))
      agree.push(i);
  }
  return { agree };
}

const close = (a: number, b: number): boolean => Object.is(a, b) || a === b || Math.abs(a - b) <= TOLERANCE;
