/** Packs made of models for tests, and what they say beside the models alone. */
import { decodeModel } from '../../scoring/onnx-proto.ts';
import type { PackLimits } from '../../scoring/packs/fuser.ts';
import { fusable } from '../../scoring/packs/kinds.ts';
import { createPackBuilder, type Pack, PACK_LIMITS } from '../../scoring/packs/pack-builder.ts';
import { newMarks } from '../../scoring/thread-protocol.ts';
import type { Threads } from '../../scoring/threads.ts';
import { sha256Of } from './fleet.ts';
import { answer, runSingles, sharedDoubles, type Answer } from './run-singles.ts';

export async function runPack(
  threads: Threads,
  pack: Pack,
  index: readonly number[],
  values: readonly number[],
): Promise<Answer> {
  const result = answer(index.length);
  const shared = new Int32Array(new SharedArrayBuffer(index.length * 4));
  shared.set(index);
  const end = await threads.run({
    type: 'pack',
    file: { sha256: pack.sha256, bytes: pack.bytes },
    index: shared,
    values: sharedDoubles(values),
    marks: newMarks(),
    ...result,
  });
  expect(end).toEqual({ type: 'reply', reply: { type: 'pack' } });
  return result;
}

export async function packsOf(
  models: readonly Uint8Array[],
  features: readonly string[],
  limits: Partial<PackLimits> = {},
): Promise<Pack[]> {
  const packs: Pack[] = [];
  const builder = createPackBuilder(async (pack) => void packs.push(pack), { ...PACK_LIMITS, minRows: 1, ...limits });
  for (const bytes of models) await builder.add(sha256Of(bytes), fusable(decodeModel(bytes))!, features);
  await builder.finish();
  return packs;
}

/** Every pack must say of every row what the single model says, to the last bit. */
export async function expectEqual(
  threads: Threads,
  models: readonly Uint8Array[],
  features: readonly string[],
  values: readonly (readonly number[])[],
  packs?: readonly Pack[],
): Promise<void> {
  const width = features.length;
  const singles = await runSingles(threads, models, values, width);
  const offsets = new Map<string, number>();
  let row = 0;
  for (const [i, bytes] of models.entries()) {
    offsets.set(sha256Of(bytes), row);
    row += values[i]!.length / width;
  }
  const bySha = new Map(models.map((bytes, i) => [sha256Of(bytes), values[i]!]));
  let seen = 0;
  for (const pack of packs ?? (await packsOf(models, features))) {
    const mine = pack.models.map((sha256) => bySha.get(sha256)!);
    const index = mine.flatMap((list, i) => Array.from({ length: list.length / width }, () => i));
    const packed = await runPack(threads, pack, index, mine.flat());
    let at = 0;
    for (const [i, sha256] of pack.models.entries()) {
      const rows = mine[i]!.length / width;
      const from = offsets.get(sha256)!;
      expect([...packed.anomaly.subarray(at, at + rows)]).toEqual([...singles.anomaly.subarray(from, from + rows)]);
      expect([...packed.score.subarray(at, at + rows)]).toEqual([...singles.score.subarray(from, from + rows)]);
      at += rows;
    }
    seen += pack.models.length;
  }
  expect(seen).toBe(models.length);
}
