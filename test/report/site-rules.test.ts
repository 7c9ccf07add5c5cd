/** What the site decides without a store: names of files, the time that models are judged by, folders, colours. */
import { join } from 'node:path';
import fc from 'fast-check';
import { folderTarget } from '../../report/index.ts';
import { PAGE_STYLE } from '../../report/page/style.ts';
import { healthSpan } from '../../report/site/health-data.ts';
import { deviceFile } from '../../report/site/paths.ts';
import { FROM_MS, QUARTER_MS } from './fixture.ts';
import { hostileText } from './names.ts';

const NOW_MS = FROM_MS + 10 * QUARTER_MS;

test('names of files are plain, short, and never the same for two devices, also where case does not count', () => {
  expect(deviceFile('pump-1')).toBe('pump-1.html');
  for (const name of ['con', 'COM1', '..', 'a/b', ''])
    expect(deviceFile(name)).toMatch(/^[a-z0-9-]*_[0-9a-f]{20}\.html$/);
  fc.assert(
    fc.property(hostileText, hostileText, (a, b) => {
      expect(deviceFile(a)).toMatch(/^[a-z0-9_-]{1,61}\.html$/);
      return a === b || deviceFile(a) !== deviceFile(b);
    }),
  );
});

test('short batches are judged by a day of labels; readings are compared when a batch is hours long', () => {
  const HOUR = 3_600_000;
  const at = NOW_MS;
  const every = (span: number, from: number, to: number) =>
    Array.from({ length: (to - from) / span }, (_, i) => ({
      fromMs: from + i * span,
      toMs: from + (i + 1) * span,
      manifest: 'm',
    }));
  const batch = (span: number, planned = 60) => ({
    fromMs: at - span,
    toMs: at,
    planned,
    counts: { scored: 0, skipped: 0, failed: 0, cancelled: 0, windows: 1, anomalies: 0 },
  });
  const days = every(QUARTER_MS, at - 48 * HOUR, at);
  expect(healthSpan(batch(QUARTER_MS), days, 300_000)).toEqual({
    period: { fromMs: at - 24 * HOUR, toMs: at },
    baseline: { fromMs: at - 48 * HOUR, toMs: at - 24 * HOUR },
    readings: false,
  });
  expect(healthSpan(batch(QUARTER_MS), days.slice(-90), 300_000)).toEqual({
    period: { fromMs: at - 24 * HOUR, toMs: at },
    readings: false,
  });
  expect(healthSpan(batch(8 * HOUR), every(8 * HOUR, at - 48 * HOUR, at), 300_000)).toEqual({
    period: { fromMs: at - 8 * HOUR, toMs: at },
    baseline: { fromMs: at - 32 * HOUR, toMs: at - 24 * HOUR },
    readings: true,
  });
  // What is read stays bounded, and never less than the batch itself.
  const { period } = healthSpan(batch(QUARTER_MS, 10_000), days, 300_000);
  expect(days.filter((one) => one.fromMs >= period.fromMs).length * 2 * 10_000).toBeLessThanOrEqual(300_000);
  expect(healthSpan(batch(QUARTER_MS, 1_000_000), days, 300_000).period.fromMs).toBeLessThanOrEqual(at - QUARTER_MS);
});

test.each([
  ['where nothing can be made', '/proc/nope/site', 'nothing can be made at'],
  ['below a file', join(import.meta.filename, 'site'), 'is a file'],
])('a folder %s is refused at once', (_, place, why) => {
  expect(() => folderTarget(place)).toThrow(why);
});

test('neighbouring steps of a heat map can be told apart without their colour', () => {
  const palettes = [...PAGE_STYLE.matchAll(/--h0:(?:#[0-9a-f]{6};--h\d:){5}#[0-9a-f]{6}/g)].map(([text]) =>
    [...text.matchAll(/#([0-9a-f]{6})/g)].map(([, hex]) => luminance(hex!)),
  );
  expect(palettes).toHaveLength(3);
  for (const steps of palettes)
    steps.slice(1).forEach((step, i) => {
      // An anomaly beside none as WCAG wants signs to stand out; the steps above it say how much by their height, too.
      expect((Math.max(step, steps[i]!) + 0.05) / (Math.min(step, steps[i]!) + 0.05)).toBeGreaterThan(
        i === 0 ? 3 : 1.35,
      );
    });
});

/** Relative luminance of WCAG 2.2. */
function luminance(hex: string): number {
  const [r, g, b] = [0, 2, 4]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}
