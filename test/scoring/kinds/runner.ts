/** One scoring thread that runs models alone and in packs, as scoring runs them. */
import { decodeModel } from '../../../scoring/onnx-proto.ts';
import { fusable } from '../../../scoring/packs/kinds.ts';
import { createPackBuilder, type Pack, PACK_LIMITS } from '../../../scoring/packs/pack-builder.ts';
import { newMarks, STATE } from '../../../scoring/thread-protocol.ts';
import { createThreads, type JobEnd } from '../../../scoring/threads.ts';
import { sha256Of } from '../../../domain/sha256.ts';

export interface Verdicts {
  readonly anomaly: Uint8Array;
  readonly score: Float64Array;
}

export interface Runner {
  /** A pack with this model in so many rows; undefined where it is of no kind that packs are made of. */
  packOf(model: Uint8Array, features: number, copies: number): Promise<Pack | undefined>;
  alone(model: Uint8Array, values: Float64Array, features: number): Promise<Verdicts>;
  /** So many sensors after one another, each with these rows. */
  fleetAlone(model: Uint8Array, sensors: number, values: Float64Array, features: number): Promise<Verdicts>;
  packed(pack: Pack, index: Int32Array, values: Float64Array): Promise<Verdicts>;
  close(): Promise<void>;
}

const shared = <T extends Float64Array | Int32Array>(from: T, into: T): T => {
  into.set(from);
  return into;
};
const doubles = (values: Float64Array): Float64Array =>
  shared(values, new Float64Array(new SharedArrayBuffer(values.byteLength)));
const verdicts = (rows: number): Verdicts => ({
  anomaly: new Uint8Array(new SharedArrayBuffer(rows)),
  score: new Float64Array(new SharedArrayBuffer(rows * 8)),
});

export function openRunner(): Runner {
  const threads = createThreads({
    threads: 1,
    timeoutMs: 600_000,
    maxCacheBytes: 512 * 1024 * 1024,
    maxModelBytes: 64 * 1024 * 1024,
    executionProvider: 'cpu',
  });

  async function fleetAlone(
    bytes: Uint8Array,
    sensors: number,
    values: Float64Array,
    features: number,
  ): Promise<Verdicts> {
    const rows = values.length / features;
    const result = verdicts(sensors * rows);
    const states = new Int32Array(new SharedArrayBuffer(sensors * 4));
    const file = { sha256: sha256Of(bytes), bytes };
    const models = Array.from({ length: sensors }, (_, i) => ({ file, features, row: i * rows, rows, value: 0 }));
    const job = { type: 'models', models, states, values: doubles(values), ...result } as const;
    const run = (): Promise<JobEnd> => threads.run({ ...job, marks: newMarks() });
    let end = await run();
    // What models before it left may take the room of a process: scoring gives it a fresh one, too.
    if (end.type === 'memory') end = await run();
    if (!states.every((state) => state === STATE.done)) throw new Error(JSON.stringify(end));
    return result;
  }

  return {
    async packOf(bytes, features, copies) {
      const found = fusable(decodeModel(bytes));
      if (!found) return undefined;
      const packs: Pack[] = [];
      const builder = createPackBuilder(async (pack) => void packs.push(pack), { ...PACK_LIMITS, minRows: 1 });
      const names = Array.from({ length: features }, (_, lag) => (lag === 0 ? 'mean' : `mean[-${lag}]`));
      for (let i = 0; i < copies; i++) await builder.add(sha256Of(String(i)), found, names);
      await builder.finish();
      if (packs.length !== 1) throw new Error(`${packs.length} packs instead of one`);
      return packs[0];
    },
    alone: (bytes, values, features) => fleetAlone(bytes, 1, values, features),
    fleetAlone,
    async packed(pack, index, values) {
      const result = verdicts(index.length);
      const end = await threads.run({
        type: 'pack',
        file: { sha256: pack.sha256, bytes: pack.bytes },
        index: shared(index, new Int32Array(new SharedArrayBuffer(index.byteLength))),
        values: doubles(values),
        marks: newMarks(),
        ...result,
      });
      if (end.type !== 'reply' || end.reply.problem) throw new Error(JSON.stringify(end));
      return result;
    },
    close: () => threads.close(),
  };
}
