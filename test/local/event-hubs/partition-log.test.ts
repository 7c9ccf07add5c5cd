import { Buffer } from 'node:buffer';
import { appendFileSync, cpSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import rhea from 'rhea';
import { readFrom, seek, type StartPosition } from '../../../local/event-hubs/log-reader.ts';
import { PartitionLog, type LogLimits } from '../../../local/event-hubs/partition-log.ts';
import { cleanUp, temporaryFolder } from './support.ts';

const { message } = rhea;
const FOREVER: LogLimits = { retentionMs: 1e12, maxBytes: 1e12 };

interface Stored {
  readonly sequence: number;
  readonly offset: number;
  readonly timeMs: number;
  readonly body: unknown;
}

const logs: PartitionLog[] = [];
afterEach(async () => {
  for (const log of logs.splice(0)) log.close();
  await cleanUp();
});

function openLog(dir: string, limits = FOREVER, lines: string[] = []): PartitionLog {
  const log = new PartitionLog(dir, '0', limits, (line) => lines.push(line));
  logs.push(log);
  return log;
}

const encode = (body: unknown): Buffer => message.encode({ body });

function append(log: PartitionLog, bodies: readonly unknown[]): void {
  log.append(bodies.map(encode), undefined);
}

function readAll(log: PartitionLog, sequence = log.first): Stored[] {
  const reader = readFrom(log, sequence);
  const found: Stored[] = [];
  for (let bytes = reader.next(); bytes !== undefined; bytes = reader.next()) {
    const { body, message_annotations: annotations } = message.decode(bytes);
    found.push({
      body,
      sequence: annotations['x-opt-sequence-number'],
      offset: Number(annotations['x-opt-offset']),
      timeMs: annotations['x-opt-enqueued-time'].getTime(),
    });
  }
  return found;
}

const segmentFiles = (dir: string): string[] =>
  readdirSync(dir)
    .toSorted()
    .map((name) => join(dir, name));
const diskBytes = (dir: string): number => segmentFiles(dir).reduce((sum, path) => sum + statSync(path).size, 0);

test('events come back in order from every start position, before and after a restart, over many segments', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 900 }),
      fc.array(fc.nat(), { minLength: 3, maxLength: 3 }),
      (batches, padding, picks) => {
        const dir = temporaryFolder();
        const limits = { ...FOREVER, segmentBytes: 20_000 };
        let log = openLog(dir, limits);
        const sent: string[] = [];
        for (const count of batches) {
          const bodies = Array.from({ length: count }, (_, i) => `${sent.length + i}:${'x'.repeat(padding)}`);
          append(log, bodies);
          sent.push(...bodies);
        }
        const check = (): void => {
          const all = readAll(log);
          expect(all.map((event) => event.body)).toEqual(sent);
          expect(all.map((event) => event.sequence)).toEqual(sent.map((_, i) => i));
          expect(log.last).toMatchObject({ sequence: sent.length - 1, offset: all.at(-1)?.offset });
          for (const pick of picks) {
            const event = all[pick % all.length];
            if (event === undefined) throw new Error('no event');
            for (const inclusive of [true, false]) {
              const positions: readonly (readonly [StartPosition, (other: Stored) => number])[] = [
                [{ kind: 'sequence', value: event.sequence, inclusive }, (other) => other.sequence - event.sequence],
                [{ kind: 'offset', value: event.offset, inclusive }, (other) => other.offset - event.offset],
                [{ kind: 'time', value: event.timeMs, inclusive }, (other) => other.timeMs - event.timeMs],
                [{ kind: 'offset', value: -1, inclusive: false }, () => 1],
                [{ kind: 'offset', value: event.offset + 1, inclusive }, (other) => other.offset - event.offset - 0.5],
              ];
              for (const [position, compare] of positions) {
                const expected = all.filter((other) => (inclusive ? compare(other) >= 0 : compare(other) > 0));
                expect(readAll(log, seek(log, position))).toEqual(expected);
              }
            }
          }
          expect(readAll(log, seek(log, { kind: 'latest' }))).toEqual([]);
        };
        check();
        log.close();
        log = openLog(dir, limits);
        check();
        append(log, ['after']);
        sent.push('after');
        check();
        log.close();
      },
    ),
    { numRuns: 8 },
  );
});

test('a start by enqueued time is exact when times differ', async () => {
  const log = openLog(temporaryFolder());
  for (let i = 0; i < 5; i += 1) {
    append(log, [i]);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  const all = readAll(log);
  const third = all[2];
  if (third === undefined) throw new Error('no event');
  expect(readAll(log, seek(log, { kind: 'time', value: third.timeMs, inclusive: true })).map((e) => e.body)).toEqual([
    2, 3, 4,
  ]);
  expect(readAll(log, seek(log, { kind: 'time', value: third.timeMs, inclusive: false })).map((e) => e.body)).toEqual([
    3, 4,
  ]);
  expect(readAll(log, seek(log, { kind: 'time', value: 0, inclusive: false })).map((e) => e.body)).toEqual([
    0, 1, 2, 3, 4,
  ]);
  expect(seek(log, { kind: 'time', value: Date.now() + 1e6, inclusive: false })).toBe(5);
});

test('a write that was cut short anywhere is taken back whole and nothing before it is lost', () => {
  const dir = temporaryFolder();
  const log = openLog(dir);
  append(log, ['a', 'b']);
  append(log, ['c']);
  const [path = ''] = segmentFiles(dir);
  const before = statSync(path).size;
  append(log, ['d', 'e', 'f']);
  log.close();
  const after = statSync(path).size;
  for (let cut = before + 1; cut < after; cut += 7) {
    const copy = temporaryFolder();
    cpSync(dir, copy, { recursive: true });
    truncateSync(segmentFiles(copy)[0] ?? '', cut);
    const lines: string[] = [];
    const recovered = openLog(copy, FOREVER, lines);
    expect(readAll(recovered).map((event) => event.body)).toEqual(['a', 'b', 'c']);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`cut off ${cut - before} bytes of an unfinished write at byte ${before}`);
    expect(statSync(segmentFiles(copy)[0] ?? '').size).toBe(before);
    append(recovered, ['g']);
    recovered.close();
    expect(readAll(openLog(copy)).map((event) => [event.sequence, event.body])).toEqual([
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
      [3, 'g'],
    ]);
  }
});

test('garbage at the end and a flipped bit are found by the checksum', () => {
  const dir = temporaryFolder();
  const log = openLog(dir);
  append(log, ['a', 'b']);
  append(log, ['c', 'd']);
  log.close();
  const [path = ''] = segmentFiles(dir);
  const good = readFileSync(path);
  appendFileSync(path, Buffer.alloc(500, 0xa5));
  let lines: string[] = [];
  expect(readAll(openLog(dir, FOREVER, lines)).map((event) => event.body)).toEqual(['a', 'b', 'c', 'd']);
  expect(lines).toEqual([expect.stringContaining('cut off 500 bytes')]);
  const flipped = Buffer.from(good);
  flipped[good.length - 3] = (flipped[good.length - 3] ?? 0) ^ 1;
  writeFileSync(path, flipped);
  lines = [];
  expect(readAll(openLog(dir, FOREVER, lines)).map((event) => event.body)).toEqual(['a', 'b']);
  expect(lines).toEqual([expect.stringContaining('the checksum does not match')]);
});

test('a segment whose header was not finished is removed and the numbers go on', () => {
  const dir = temporaryFolder();
  const log = openLog(dir);
  append(log, ['a', 'b']);
  log.close();
  writeFileSync(join(dir, `${'2'.padStart(16, '0')}.log`), 'FSEH');
  const lines: string[] = [];
  const again = openLog(dir, FOREVER, lines);
  append(again, ['c']);
  expect(lines).toEqual([expect.stringContaining('no whole segment header')]);
  expect(readAll(again).map((event) => [event.sequence, event.body])).toEqual([
    [0, 'a'],
    [1, 'b'],
    [2, 'c'],
  ]);
});

test('retention by bytes bounds memory and disk, and the numbers survive a restart', () => {
  const dir = temporaryFolder();
  const limits = { retentionMs: 1e12, maxBytes: 256 * 1024 };
  const log = openLog(dir, limits);
  const reader = readFrom(log, 0);
  for (let i = 0; i < 2000; i += 1) append(log, [`${i}:${'x'.repeat(1000)}`]);
  expect(diskBytes(dir)).toBeLessThanOrEqual(limits.maxBytes + 2000);
  expect(diskBytes(dir)).toBeGreaterThan(limits.maxBytes / 2);
  expect(log.first).toBeGreaterThan(1500);
  const kept = readAll(log);
  expect(kept.map((event) => event.sequence)).toEqual(
    Array.from({ length: 2000 - log.first }, (_, i) => log.first + i),
  );
  // A reader that fell behind goes on with the oldest event that is left.
  const late = message.decode(reader.next() ?? Buffer.alloc(0));
  expect(late.message_annotations['x-opt-sequence-number']).toBe(log.first);
  expect(seek(log, { kind: 'sequence', value: 3, inclusive: true })).toBe(log.first);
  const { last, first } = log;
  log.close();
  const again = openLog(dir, limits);
  expect(again.first).toBe(first);
  expect(again.last).toEqual(last);
  expect(readAll(again)).toEqual(kept);
});

test('retention by age empties an idle partition on disk, and numbers, offsets and times go on after a restart', () => {
  const dir = temporaryFolder();
  const limits = { retentionMs: 60_000, maxBytes: 1e9 };
  const log = openLog(dir, limits);
  append(log, ['a', 'b', 'c']);
  const { last } = log;
  log.trim(last.timeMs + 60_000);
  expect(readAll(log)).toHaveLength(3);
  log.trim(last.timeMs + 60_001);
  expect(log.isEmpty).toBe(true);
  expect(log.last).toEqual(last);
  expect(diskBytes(dir)).toBeLessThan(100);
  log.close();
  const again = openLog(dir, limits);
  expect(again.last).toEqual(last);
  expect(again.first).toBe(3);
  append(again, ['d']);
  const [event] = readAll(again);
  expect(event).toMatchObject({ sequence: 3, body: 'd' });
  expect(event?.offset).toBeGreaterThan(last.offset);
  expect(event?.timeMs).toBeGreaterThanOrEqual(last.timeMs);
});

test('an event that is not a message leaves no trace of its batch', () => {
  const log = openLog(temporaryFolder());
  append(log, ['a']);
  expect(() => log.append([encode('b'), Buffer.from('nonsense')], undefined)).toThrow('no AMQP section');
  append(log, ['c']);
  expect(readAll(log).map((event) => [event.sequence, event.body])).toEqual([
    [0, 'a'],
    [1, 'c'],
  ]);
});
