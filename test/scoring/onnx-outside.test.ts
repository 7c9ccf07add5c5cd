/**
 * A model's weights lie in its file: every place where ONNX can hold a tensor, as bytes that no encoder of ours makes.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ONNX_MESSAGES, outsideOf } from '../../scoring/onnx-outside.ts';
import { inspectModel } from '../../scoring/model-contract.ts';
import { createThreads } from '../../scoring/threads.ts';
import { newMarks } from '../../scoring/thread-protocol.ts';
import { tempDir } from '../support/temp.ts';
import { plainBytes, svmBytes } from './models.ts';

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
/** A field with a length. */
const field = (id: number, ...content: (Uint8Array | readonly number[])[]): Uint8Array => {
  const bytes = Buffer.concat(content.map((part) => Uint8Array.from(part)));
  return Buffer.concat([Uint8Array.from([...varint(id * 8 + 2), ...varint(bytes.length)]), bytes]);
};
const text = (id: number, value: string): Uint8Array => field(id, Buffer.from(value));
const entry = (id: number, key: string, value: string): Uint8Array => field(id, text(1, key), text(2, value));

/** Tensor `limit` whose one double lies in the file `secret.bin` of the working folder. */
const OUTSIDE = [
  Uint8Array.from([1 * 8, 1, 2 * 8, 11]),
  text(8, 'limit'),
  entry(13, 'location', 'secret.bin'),
  Uint8Array.from([14 * 8, 1]),
];
type Name = keyof typeof ONNX_MESSAGES;

/** Ways from a message down to a tensor, each message entered twice at the most. */
function ways(name: Name, seen: readonly Name[] = []): number[][] {
  if (name === 'Tensor') return [[]];
  if (seen.filter((one) => one === name).length > 1) return [];
  return Object.entries(ONNX_MESSAGES[name].inner).flatMap(([id, inner]) =>
    ways(inner, [...seen, name]).map((rest) => [Number(id), ...rest]),
  );
}
const inside = (way: readonly number[], content: Uint8Array): Uint8Array =>
  way.reduceRight((bytes, id) => field(id, bytes), content);

const FUNCTION_DEFAULT = [25, 11, 5];

test('weights in another file are found in every place where ONNX can hold a tensor', () => {
  const all = ways('Model');
  expect(all.length).toBeGreaterThan(100);
  expect(all).toContainEqual(FUNCTION_DEFAULT);
  for (const way of all) {
    expect([way, outsideOf(inside(way, Buffer.concat(OUTSIDE)))]).toEqual([
      way,
      'the weights of a tensor lie in another file',
    ]);
    // Either sign of it alone, and one that fits into no 32 bits.
    for (const sign of [
      entry(13, 'location', 'x'),
      Uint8Array.from([14 * 8, 1]),
      Uint8Array.from([112, 129, 128, 128, 128, 16]),
    ])
      expect(outsideOf(inside(way, sign))).toBeDefined();
    expect(outsideOf(inside(way, Uint8Array.from([14 * 8, 0])))).toBeUndefined();
  }
});

test('a field that is not known is refused where it could hold weights, and a number is not', () => {
  for (const name of Object.keys(ONNX_MESSAGES) as Name[]) {
    const way =
      name === 'Model'
        ? []
        : ways('Model')
            .map((ids) => prefixTo(name, ids))
            .find((ids) => ids !== undefined)!;
    expect(outsideOf(inside(way, field(77, [1, 2])))).toMatch(`field 77 of ${name}Proto`);
    expect(outsideOf(inside(way, Uint8Array.from([...varint(77 * 8), 5])))).toBeUndefined();
    expect(outsideOf(inside(way, Uint8Array.from([...varint(77 * 8 + 3), ...varint(77 * 8 + 4)])))).toMatch('group');
  }
});

/** The part of a way that ends at a message of this name. */
function prefixTo(name: Name, ids: readonly number[]): number[] | undefined {
  let at: Name = 'Model';
  for (const [i, id] of ids.entries()) {
    at = ONNX_MESSAGES[at].inner[id]!;
    if (at === name) return ids.slice(0, i + 1);
  }
  return undefined;
}

test('bytes that are no message, or one without end, end in an error of one line', () => {
  const deep = Array.from({ length: 150 }).reduce<Uint8Array>(
    (bytes) => field(1, field(5, field(6, bytes))),
    Buffer.of(),
  );
  for (const bytes of [field(7, deep), Buffer.of(58, 200, 1), Buffer.of(0, 0), Buffer.alloc(12, 255), Buffer.of(57)])
    expect(() => outsideOf(bytes)).toThrow(/^[^\n]{5,100}$/);
  expect(() => inspectModel(field(7, deep), 1e6)).toThrow('not an ONNX file, or a damaged one');
});

test('models without anything outside pass', () => {
  for (const bytes of [plainBytes(50), svmBytes(1)]) expect(outsideOf(bytes)).toBeUndefined();
});

/** Model whose node `limit()` calls a function of the model, whose attribute has a default. */
function withFunctionDefault(): Uint8Array {
  const opset = field(8, text(1, ''), [16, 17]);
  const own = field(8, text(1, 'own'), [16, 1]);
  const call = field(1, text(2, 'limit'), text(4, 'Limit'), text(7, 'own'));
  const constant = field(
    7,
    text(2, 'y'),
    text(4, 'Constant'),
    field(5, text(1, 'value'), text(21, 'value'), [160, 1, 4]),
  );
  const fallback = field(11, text(1, 'value'), field(5, ...OUTSIDE), [160, 1, 4]);
  const fn = field(
    25,
    text(1, 'Limit'),
    text(5, 'y'),
    constant,
    fallback,
    field(9, text(1, ''), [16, 17]),
    text(10, 'own'),
  );
  const base = Buffer.from(plainBytes(50));
  return Buffer.concat([base, field(7, call), opset, own, fn]);
}

test('a default of a function of the model is such a place', () => {
  expect(() => inspectModel(withFunctionDefault(), 1e6)).toThrow('the weights of a tensor lie in another file');
});

test('the process of a foreign model has a working folder of its own, empty', async () => {
  const temp = tempDir('outside-process');
  const dir = join(temp, 'models');
  mkdirSync(dir);
  writeFileSync(join(dir, 'm.onnx'), plainBytes(50));
  let folders: string[] = [];
  const threads = createThreads({
    threads: 1,
    timeoutMs: 60_000,
    maxCacheBytes: 1e6,
    maxModelBytes: 1e6,
    executionProvider: 'cpu',
  });
  try {
    const end = await threads.run({
      type: 'check',
      files: [{ path: join(dir, 'm.onnx'), declared: {} }],
      marks: newMarks(),
    });
    expect(end).toMatchObject({ type: 'reply' });
    const children = spawnSync('ps', ['-o', 'pid=', '--ppid', String(process.pid)], { encoding: 'utf8' }).stdout;
    folders = children
      .trim()
      .split(/\s+/)
      .map((pid) => spawnSync('readlink', [`/proc/${pid}/cwd`], { encoding: 'utf8' }).stdout.trim())
      .filter((path) => path.startsWith(join(tmpdir(), 'fleetscore-model-')));
    expect(folders).toHaveLength(1);
    expect(spawnSync('ls', ['-A', folders[0]!], { encoding: 'utf8' })).toMatchObject({ status: 0, stdout: '' });
  } finally {
    await threads.close();
  }
  expect(existsSync(folders[0]!)).toBe(false);
});
