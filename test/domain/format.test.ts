/** Every format says its version: a newer one is called newer, never damaged; one from before they did is read. */
import { expect, test } from '@jest/globals';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetMetadata } from 'hyparquet';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { checkFormat, FORMATS } from '../../domain/format.ts';
import { listDeadLetters } from '../../ingest/dead-letters.ts';
import { readCapture, writeCapture } from '../../ingest/capture-file.ts';
import { claimWindows } from '../../ingest/settings.ts';
import { refOf } from '../../connect/processes.ts';
import { readStack, writeStack } from '../../local/state.ts';
import { readPoolsFile } from '../../pool/pools-file.ts';
import { packMetadata, readPackHeader } from '../../scoring/packs/pack-format.ts';
import { decodePredictions, encodePredictions } from '../../scoring/predictions-file.ts';
import { openStore } from '../../storage/open-store.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('formats');
const server = useBlobServer(join(dir, 'blobs'));
const tooNew = {
  code: 'FORMAT_TOO_NEW',
  message: expect.stringMatching(/was made by a newer fleetscore \(.*\): upgrade/),
};
const thrown = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};
/** The same bytes with the number after a key raised: what a later version would write. */
function newer(bytes: Uint8Array, from: string, to: string): Buffer {
  const text = Buffer.from(bytes).toString('latin1');
  expect(text.split(from)).toHaveLength(2);
  return Buffer.from(text.replace(from, to), 'latin1');
}

test('what says nothing, or a known version, is read; other versions are told apart', () => {
  for (const found of [undefined, 1, '1']) checkFormat('manifest', found, 'x');
  expect(thrown(() => checkFormat('manifest', 3, 'the manifest x'))).toMatchObject({
    code: 'FORMAT_TOO_NEW',
    message:
      `the manifest x was made by a newer fleetscore (format 3; this one reads up to ${FORMATS.manifest}): ` +
      'upgrade this one. Nothing is wrong with it.',
  });
  for (const found of [0, -1, 1.5, 'one', null])
    expect(thrown(() => checkFormat('manifest', found, 'x'))).toMatchObject({ code: 'FORMAT_UNKNOWN' });
});

const sensors = [{ id: 1, device: 'd', sensor: 's' }];
const series = { length: 1, sensorId: Float64Array.of(1), startMs: Float64Array.of(0), mean: Float64Array.of(1) };
const result = { scored: Uint8Array.of(1), anomaly: Uint8Array.of(0), score: Float64Array.of(1) };

test('predictions: Parquet by its metadata, CSV by columns that were added', async () => {
  const { bytes } = encodePredictions('parquet', sensors, series, result);
  expect(parquetMetadata(Uint8Array.from(bytes).buffer).key_value_metadata).toEqual([
    { key: 'fleetscore.format', value: '1' },
  ]);
  expect(await decodePredictions(bytes)).toHaveLength(1);
  await expect(
    decodePredictions(newer(bytes, 'fleetscore.format\x18\x011', 'fleetscore.format\x18\x019')),
  ).rejects.toMatchObject(tooNew);
  const csv = Buffer.from(encodePredictions('csv', sensors, series, result).bytes).toString();
  const more = Buffer.from(csv.replace('Score\n', 'Score,Confidence\n'));
  await expect(decodePredictions(more)).rejects.toMatchObject(tooNew);
  await expect(decodePredictions(Buffer.from('a,b\n'))).rejects.toMatchObject({ code: 'PREDICTIONS_CORRUPT' });
});

test('raw capture, by the metadata of its Avro files', async () => {
  const bytes = await writeCapture([{ seq: 1, offset: '1', enqueuedMs: 0, body: Buffer.from('{}') }]);
  expect(readCapture(bytes)).toHaveLength(1);
  expect(
    thrown(() => readCapture(newer(bytes, 'fleetscore.format\x021', 'fleetscore.format\x027'), 'raw/x.avro')),
  ).toMatchObject(tooNew);
});

test('packs, by their metadata', () => {
  const shape = { trees: 1, width: 1, scaling: [], isSingle: false, codeBytes: 1 } as const;
  const trees = { forests: 1, splits: 1, shape: 1, leaves: 1, ...shape };
  const formatOf = (entries: ReturnType<typeof packMetadata>): string | undefined =>
    entries.find(({ key }) => key === 'fleetscore.pack.format')?.value;
  const models = ['00'.repeat(32)];
  expect(formatOf(packMetadata('k', ['mean'], 1, models, { ...trees }))).toBe(String(FORMATS.pack));
  // Packs without trees are what they were.
  expect(formatOf(packMetadata('k', ['mean'], 1, models))).toBe('2');
  // A model of which only the metadata counts: field 14 of ModelProto holds key and value.
  const key = Buffer.from('fleetscore.pack.format');
  const entry = Buffer.concat([Buffer.from([10, key.length]), key, Buffer.from([18, 1]), Buffer.from('5')]);
  const model = Buffer.concat([Buffer.from([0x72, entry.length]), entry]);
  expect(thrown(() => readPackHeader(model))).toMatchObject({
    code: 'MODEL_FAILED',
    message: expect.stringContaining('was made by a newer fleetscore (format 5'),
  });
});

test('dead letters, stack.json, the file of pools and the setting of windows', async () => {
  const letter = {
    format: 4,
    partition: '0',
    sequenceNumber: 1,
    offset: '1',
    enqueuedTime: '2026-01-01T00:00:00.000Z',
    problems: [],
    body: '',
  };
  const put = (name: string, json: object): Promise<unknown> =>
    server.blobs.put(CONTAINERS.deadletters, name, Buffer.from(JSON.stringify(json)), 'application/json');
  const { format: _, ...old } = letter;
  await put('n/old/0/1.json', old);
  await put('n/new/0/1.json', letter);
  for await (const { name } of listDeadLetters(server.blobs, 'n/old')) expect(name).toBe('n/old/0/1.json');
  await expect(listDeadLetters(server.blobs, 'n/new').next()).rejects.toMatchObject(tooNew);

  const home = join(dir, 'home');
  mkdirSync(home);
  const state = { supervisor: refOf(process.pid)!, startedAt: '', ui: '', env: {} };
  writeStack(home, state);
  expect(readStack(home)).toEqual({ format: FORMATS.stack, ...state });
  writeFileSync(join(home, 'stack.json'), JSON.stringify(state));
  expect(readStack(home)).toEqual(state);
  writeFileSync(join(home, 'stack.json'), JSON.stringify({ ...state, format: 2 }));
  expect(thrown(() => readStack(home))).toMatchObject(tooNew);

  const pools = join(dir, 'pools.json');
  const list = [{ name: 'main', taskQueue: 'scoring' }];
  for (const json of [list, { format: 1, pools: list }]) {
    writeFileSync(pools, JSON.stringify(json));
    expect(await readPoolsFile(pools)).toEqual(list);
  }
  writeFileSync(pools, JSON.stringify({ format: 2, groups: [] }));
  await expect(readPoolsFile(pools)).rejects.toMatchObject(tooNew);

  const store = await openStore('sqlite::memory:');
  await store.migrate();
  await store.claimSetting('aggregationIntervalMs', '5000/session');
  await expect(claimWindows(store, { windowMs: 5_000, hopMs: 5_000 })).rejects.toMatchObject(tooNew);
  await store.close();
});
