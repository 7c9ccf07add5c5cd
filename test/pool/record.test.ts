/** The record of nodes and what it says about cost: everything is counted once, whatever restarts. */
import fc from 'fast-check';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeFileSync } from 'node:fs';
import { alternatives, expectCost, money, peakNodes, shareNodes, type BatchSpan } from '../../pool/cost.ts';
import { billedFrom, readNodes, recordedPools, recordNodes, type NodeRecord } from '../../pool/ledger.ts';
import type { PoolNode } from '../../pool/pool.ts';
import { loadPrices, priceOf } from '../../pool/prices.ts';
import { DEFAULT_AZURE_POOL } from '../../pool/settings.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { tempDir } from '../support/temp.ts';

const HOUR = 3_600_000;
const T = Date.parse('2026-11-23T10:00:00Z');

describe('the record in Blob', () => {
  const server = useBlobServer(tempDir('pool-record'));
  const settings = { name: 'scoring', vmSize: 'Standard_D2s_v5', priority: 'dedicated' } as const;

  test('a life of nodes: asked for, ready, ended, vanished; looks that repeat or are late add nothing twice', async () => {
    const { blobs } = server;
    const look = (nodes: PoolNode[], nowMs: number): Promise<void> => recordNodes(blobs, settings, nodes, nowMs);
    const a: PoolNode = { id: 'a', state: 'starting', requestedAtMs: T };
    const b: PoolNode = { id: 'b', state: 'starting', requestedAtMs: T + 1_000 };
    await look([{ ...a, state: 'queued' }], T);
    expect(await readNodes(blobs, 'scoring', T - HOUR, T + HOUR)).toEqual([]); // nothing is billed yet
    await look([a, b], T + 2_000);
    const ready = { ...a, state: 'ready' as const, readyAtMs: T + 5_000 };
    await look([ready, b], T + 6_000);
    await look([ready, b], T + 7_000);
    const gone: PoolNode = { ...ready, state: 'ended', endedAtMs: T + 60_000, detail: 'exit code 0' };
    await look([gone, b], T + 61_000);
    await look([gone, b], T + 62_000); // still listed
    await look([], T + 90_000); // b is not there any more: the supervisor was restarted
    await look([], T + 91_000);
    const nodes = await readNodes(blobs, 'scoring', T, T + HOUR);
    expect(nodes).toEqual([
      expect.objectContaining({
        id: 'a',
        requestedAtMs: T,
        readyAtMs: T + 5_000,
        endedAtMs: T + 60_000,
        end: 'ended: exit code 0',
      }),
      expect.objectContaining({ id: 'b', end: 'vanished' }),
    ]);
    // It ends where it was last seen, which is at most the renewal time before it vanished.
    expect(nodes[1]!.endedAtMs!).toBeGreaterThanOrEqual(T + 2_000);
    expect(nodes[1]!.endedAtMs!).toBeLessThanOrEqual(T + 62_000);
    expect(await recordedPools(blobs)).toEqual(['scoring']);
    expect(await readNodes(blobs, 'scoring', T + 2 * HOUR, T + 3 * HOUR)).toEqual([]);
  });

  test('a node that waited hours for its machine is paid for from when it had one', async () => {
    const { blobs } = server;
    const from = T + 20 * HOUR;
    const asked = { id: 'late', requestedAtMs: from };
    await recordNodes(blobs, settings, [{ ...asked, state: 'queued' }], from + 1_000);
    const running = { ...asked, state: 'ready' as const, billedFromMs: from + 6 * HOUR + 9_000 };
    await recordNodes(blobs, settings, [{ ...running, readyAtMs: from + 6 * HOUR }], from + 6 * HOUR + 10_000);
    // After a restart the pool sees it for the first time again.
    const ended = { ...running, billedFromMs: from + 7 * HOUR, state: 'ended' as const, endedAtMs: from + 7 * HOUR };
    await recordNodes(blobs, settings, [ended], from + 7 * HOUR);
    const nodes = await readNodes(blobs, 'scoring', from, from + 8 * HOUR);
    expect(nodes.map(billedFrom)).toEqual([from + 6 * HOUR]);
    expect(shareNodes(nodes, [], from, from + 8 * HOUR).totalMs).toBe(HOUR);
    expect(peakNodes(nodes, from, from + 8 * HOUR)).toBe(1);
  });

  test('a node that came and went between two looks is recorded, a cancelled one is not', async () => {
    const { blobs } = server;
    const later = T + 5 * HOUR;
    await recordNodes(
      blobs,
      settings,
      [
        { id: 'short', state: 'failed', requestedAtMs: later, endedAtMs: later + 900, detail: 'killed by SIGKILL' },
        { id: 'cancelled', state: 'ended', requestedAtMs: later, endedAtMs: later + 900 },
      ],
      later + 1_000,
    );
    expect((await readNodes(blobs, 'scoring', later, later + HOUR)).map((node) => [node.id, node.end])).toEqual([
      ['short', 'failed: killed by SIGKILL'],
    ]);
  });
});

const node = (id: string, requestedAtMs: number, endedAtMs: number, readyAtMs = requestedAtMs): NodeRecord => ({
  pool: 'p',
  id,
  vmSize: 's',
  priority: 'dedicated',
  requestedAtMs,
  readyAtMs,
  endedAtMs,
  lastSeenMs: endedAtMs,
});

describe('cost', () => {
  test('spin-up goes to the batch it was for, idle time to the one before, shared time is split', () => {
    const nodes = [node('n', 0, 100)];
    const batches: BatchSpan[] = [
      { id: 'x', startedAtMs: 20, finishedAtMs: 50, sensors: 1 },
      { id: 'y', startedAtMs: 40, finishedAtMs: 60, sensors: 1 },
    ];
    const { batches: shares, unusedMs, totalMs } = shareNodes(nodes, batches, 0, 1_000);
    expect(shares.get('x')).toEqual({ runMs: 20 + 5, aroundMs: 20 });
    expect(shares.get('y')).toEqual({ runMs: 10 + 5, aroundMs: 40 });
    expect({ unusedMs, totalMs }).toEqual({ unusedMs: 0, totalMs: 100 });
    expect(shareNodes([node('m', 200, 300)], batches, 0, 1_000)).toMatchObject({ unusedMs: 100, totalMs: 100 });
  });

  test('every second is charged once: the shares add up to the bill', () => {
    const span = fc
      .tuple(fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 0, max: 400 }))
      .map(([from, length]) => [from, from + length] as const);
    fc.assert(
      fc.property(
        fc.array(span, { maxLength: 8 }),
        fc.array(span, { maxLength: 8 }),
        span,
        (lives, runs, [from, to]) => {
          const nodes = lives.map(([a, b], i) => node(`n${i}`, a, b));
          const batches = runs.map(([a, b], i) => ({ id: `b${i}`, startedAtMs: a, finishedAtMs: b, sensors: 1 }));
          const shares = shareNodes(nodes, batches, from, to);
          const sum = [...shares.batches.values()].reduce(
            (total, share) => total + share.runMs + share.aroundMs,
            shares.unusedMs,
          );
          const bill = lives.reduce((total, [a, b]) => total + Math.max(0, Math.min(b, to) - Math.max(a, from)), 0);
          expect(sum).toBeCloseTo(bill, 6);
          expect(shares.totalMs).toBeCloseTo(bill, 6);
          expect(bill).toBeLessThanOrEqual(
            alternatives(
              nodes.filter((n) => n.requestedAtMs < to && n.endedAtMs! > from),
              batches,
              from,
              to,
              0,
            ).alwaysOnMs + 1e-6,
          );
        },
      ),
    );
  });

  test('the most nodes at once, and the two other ways', () => {
    const nodes = [node('a', 0, 100, 10), node('b', 50, 150, 70), node('c', 100, 200, 110)];
    expect(peakNodes(nodes, 0, 1_000)).toBe(2);
    const other = alternatives(nodes, [{ id: 'x', startedAtMs: 60, finishedAtMs: 90, sensors: 1 }], 0, 1_000, 5);
    expect(other).toEqual({ alwaysOnMs: 2_000, coldMs: 2 * (10 + 30 + 5), spinUpMs: 10 });
  });

  test('what a batch will cost: work, and waking or keeping warm', () => {
    const settings = { ...DEFAULT_AZURE_POOL, pricePerNodeHour: 0.1, maxNodes: 4 };
    const measured = { spinUpMs: 360_000, sensorsPerSecond: 1_000 };
    const cold = expectCost(600_000, settings, measured);
    expect(cold).toMatchObject({ nodes: 2, nodeMs: 600_000 + 2 * (360_000 + 30_000 + 120_000 + 120_000), warm: false });
    expect(cold.money).toBeCloseTo(money(cold.nodeMs, 0.1), 12);
    expect(expectCost(600_000, settings, measured, 300_000)).toMatchObject({
      nodes: 2,
      nodeMs: 600_000 + 2 * 300_000,
      warm: true,
    });
    expect(expectCost(0, settings, measured)).toMatchObject({ nodes: 0, nodeMs: 0, money: 0 });
  });
});

describe('prices', () => {
  const sample = fileURLToPath(new URL('../../deploy/prices.sample.json', import.meta.url));
  const dir = tempDir('pool-prices');

  test('the sample is read; licences of Windows do not count; size, priority and region choose', async () => {
    const prices = await loadPrices(sample);
    expect(priceOf(prices, 'standard_d2s_v5', 'dedicated')).toMatchObject({
      perHour: 0.1,
      currency: 'USD',
      region: 'westeurope',
    });
    expect(priceOf(prices, 'Standard_D2s_v5', 'low-priority', 'westeurope').perHour).toBe(0.02);
    expect(() => priceOf(prices, 'Standard_D2s_v5', 'dedicated', 'eastus')).toThrow(
      /no dedicated price of Standard_D2s_v5 in eastus/,
    );
    expect(() => priceOf(prices, 'Standard_X', 'dedicated')).toThrow(/It has: Standard_D2s_v5/);
  });

  test('of all rows of a size only those of its plain machine count, at the price that holds now', async () => {
    const row = {
      currencyCode: 'USD',
      retailPrice: 0.096,
      unitOfMeasure: '1 Hour',
      armRegionName: 'eastus',
      armSkuName: 'Standard_D2s_v3',
      meterName: 'D2 v3/D2s v3',
      productName: 'Virtual Machines DSv3 Series',
      skuName: 'D2s v3',
      type: 'Consumption',
      effectiveStartDate: '2020-01-01T00:00:00Z',
    };
    const rows = [
      { ...row, retailPrice: 0.188, productName: 'Virtual Machines DSv3 Series CloudServices' },
      { ...row, retailPrice: 0.187, productName: 'DSv3 Series Cloud Services' },
      { ...row, retailPrice: 0.189, productName: 'Virtual Machines DSv3 Series Windows' },
      { ...row, retailPrice: 501, type: 'Reservation' },
      { ...row, retailPrice: 0.01, skuName: 'D2s v3 Spot' },
      {
        ...row,
        retailPrice: 0.08,
        effectiveStartDate: '2018-01-01T00:00:00Z',
        effectiveEndDate: '2020-01-01T00:00:00Z',
      },
      { ...row, retailPrice: 0.09, effectiveStartDate: '2019-01-01T00:00:00Z' },
      { ...row, retailPrice: 0.2, effectiveStartDate: '2027-01-01T00:00:00Z' },
      { ...row, retailPrice: 9.6, unitOfMeasure: '100 Hours' },
      row,
      { ...row, retailPrice: 0.0192, meterName: 'D2 v3/D2s v3 Low Priority', unitOfMeasure: '1 Hours' },
    ];
    const file = join(dir, 'all-rows.json');
    writeFileSync(file, JSON.stringify({ Items: rows }));
    const prices = await loadPrices(file, Date.parse('2026-11-29T00:00:00Z'));
    expect(prices.map((p) => [p.perHour, p.priority])).toEqual([
      [0.096, 'dedicated'],
      [0.0192, 'low-priority'],
      [0.09, 'dedicated'],
    ]);
    expect(priceOf(prices, 'Standard_D2s_v3', 'dedicated', 'eastus').perHour).toBe(0.096);
    const later = await loadPrices(file, Date.parse('2027-02-01T00:00:00Z'));
    expect(priceOf(later, 'Standard_D2s_v3', 'dedicated').perHour).toBe(0.2);
  });

  test('a file of another shape is refused by name and field', async () => {
    const file = join(dir, 'prices.json');
    writeFileSync(file, '{"Items":[{"retailPrice":"free"}]}');
    await expect(loadPrices(file)).rejects.toMatchObject({
      code: 'PRICES_UNREADABLE',
      message: expect.stringMatching(/prices\.json.*Items\.0/s),
    });
    await expect(loadPrices(join(dir, 'none.json'))).rejects.toMatchObject({ code: 'PRICES_UNREADABLE' });
  });
});
