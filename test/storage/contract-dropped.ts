/** The contract, part 7: files of the drop. One is read at a time, and numbers of events never go back. */
import { DROP_BLOCK, type DropResult } from '../../domain/drop.ts';
import { EMPTY_TALLY } from '../../domain/send-tally.ts';
import { T0, type ContractTools } from './contract-tools.ts';

export function droppedContract(tools: ContractTools): void {
  const source = 'file_drop/drop/contract';
  const version = (name: string, more: object = {}) => ({ name, etag: '"1"', form: 'v1', bytes: 12, ...more });
  const by = (holder: string, nowMs = T0, more: object = {}) => ({
    source,
    holder,
    nowMs,
    untilMs: nowMs + 60_000,
    sendId: `of-${holder}`,
    ...more,
  });
  const result: DropResult = { read: 3, tally: { ...EMPTY_TALLY, readings: 3, events: 1 }, missing: 0, notGood: 0 };

  test('a file of the drop is read by one, one file at a time, and taken over when its reader is gone', async () => {
    const { store } = tools;
    const mine = (await store.claimDropped(version('one.csv'), by('a')))!;
    expect(mine).toMatchObject({ name: 'one.csv', state: 'reading', begunMs: T0, sendId: 'of-a' });
    expect(mine.firstSeq % DROP_BLOCK).toBe(0);
    expect(await store.claimDropped(version('one.csv'), by('b', T0 + 1))).toBeUndefined();
    expect(await store.claimDropped(version('two.csv'), by('b', T0 + 1))).toBeUndefined();
    expect(await store.holdDropped('one.csv', 'a', T0 + 90_000)).toBe(true);
    expect(await store.holdDropped('one.csv', 'b', T0 + 90_000)).toBe(false);
    expect(await store.claimDropped(version('one.csv'), by('b', T0 + 80_000))).toBeUndefined();
    // The same version goes on under the same numbers, time and tally.
    const taken = await store.claimDropped(version('one.csv'), by('b', T0 + 90_000));
    expect(taken).toMatchObject({ firstSeq: mine.firstSeq, begunMs: T0, sendId: 'of-a', holder: 'b', deaths: 1 });
    expect(mine.deaths).toBe(0);
    // One that ends in order has let it go, and no other has ended.
    await store.holdDropped('one.csv', 'b', 0);
    const again = await store.claimDropped(version('one.csv'), by('b', T0 + 91_000));
    expect(again).toMatchObject({ firstSeq: mine.firstSeq, deaths: 1 });
    expect((await store.listDropped({ state: 'reading' }))[0]).toMatchObject({ name: 'one.csv', deaths: 1 });
    expect(await store.endDropped('one.csv', 'a', { state: 'done', endedMs: T0, result })).toBe(false);
    expect(await store.forgetDropped('one.csv')).toBe(false);
    expect(await store.endDropped('one.csv', 'b', { state: 'done', endedMs: T0 + 95_000, result })).toBe(true);
    expect((await store.listDropped({ state: 'done' })).find(({ name }) => name === 'one.csv')).toMatchObject({
      endedMs: T0 + 95_000,
      result,
    });
    expect(await store.countDropped()).toMatchObject({ reading: 0, done: 1, failed: 0 });
  });

  test('a new version, another form or a file in between has numbers above all that there were', async () => {
    const { store } = tools;
    const first = (await store.claimDropped(version('x'), by('a')))!.firstSeq;
    const second = (await store.claimDropped(version('x', { etag: '"2"' }), by('a')))!.firstSeq;
    expect(second).toBe(first + DROP_BLOCK);
    await store.commitReadings({
      source,
      partition: '0',
      expectedSeq: -1,
      throughSeq: second + DROP_BLOCK + 5,
      watermarkMs: T0,
      updates: [],
      readings: 0,
      late: 0,
      dead: 0,
    });
    const third = (await store.claimDropped(version('x', { etag: '"2"', form: 'v2' }), by('a')))!.firstSeq;
    expect(third).toBe(second + 2 * DROP_BLOCK);
    const other = (await store.claimDropped(version('y'), by('a')))!.firstSeq;
    expect(other).toBe(third + DROP_BLOCK);
    expect((await store.claimDropped(version('x', { etag: '"2"', form: 'v2' }), by('a')))!.firstSeq).toBe(
      other + DROP_BLOCK,
    );
    for (const name of ['x', 'y'])
      await store.endDropped(name, 'a', { state: 'failed', endedMs: T0, result: { ...result, reason: 'why' } });
    expect((await store.listDropped({ limit: 1 }))[0]).toMatchObject({ name: 'x', state: 'failed' });
    expect(await store.forgetDropped('y')).toBe(true);
    expect(await store.forgetDropped('y')).toBe(false);
    expect(await store.forgetDropped('x')).toBe(true);
  });
}
