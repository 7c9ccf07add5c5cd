/** The figures of a run, held against the targets. Pure. */
import { formatCount } from '../report/format.ts';
import type { EndToEnd } from './end-to-end.ts';
import { describeShape } from './worker-shapes.ts';
import type { Results } from './results.ts';

export interface Target {
  readonly target: string;
  readonly measured: string;
  readonly reached: boolean;
}

const MAX_MIB = 1_536;
const MAX_EVENTS = 4_096;
const MAX_HISTORY_BYTES = 4 * 1024 * 1024;

/** Those that this run has figures for. */
export function targetsOf(results: Results): Target[] {
  const targets: Target[] = [];
  const add = (target: string, measured: string, reached: boolean): void =>
    void targets.push({ target, measured, reached });
  const size = (sensors: number): EndToEnd | undefined => results.sizes.find((s) => s.sensors === sensors);
  const [large, huge] = [size(100_000), size(1_000_000)];
  if (large)
    add('overhead over the bare loop at 100,000 sensors at most 1.5', `${large.overhead}`, large.overhead <= 1.5);
  if (large && huge) {
    const factor = huge.seconds / large.seconds;
    add('1,000,000 sensors in at most 12 times the time of 100,000', `${factor.toFixed(1)} times`, factor <= 12);
  }
  const peaks = [
    ...results.sizes.flatMap((s) =>
      Object.entries(s.peakMiB).map(([part, mib]) => ({ part, mib, sensors: s.sensors })),
    ),
    ...(results.shapes?.shapes.flatMap((s) =>
      s.peakMiB.map((mib) => ({
        part: `scoring worker of ${describeShape(s)}`,
        mib,
        sensors: results.shapes!.sensors,
      })),
    ) ?? []),
  ];
  const peak = peaks.toSorted((a, b) => b.mib - a.mib)[0];
  if (peak)
    add(
      'no process over 1.5 GiB',
      `${formatCount(peak.mib)} MiB (${peak.part}, ${formatCount(peak.sensors)} sensors)`,
      peak.mib <= MAX_MIB,
    );
  const histories = [
    ...results.sizes.map((s) => s.history),
    ...(results.children ? [results.children.batch.history] : []),
  ];
  if (histories.length > 0) {
    const events = Math.max(...histories.map((h) => h.events));
    const bytes = Math.max(...histories.map((h) => h.bytes));
    add(
      'no history over 4,096 events or 4 MB',
      `${formatCount(events)} events, ${formatCount(bytes)} bytes`,
      events <= MAX_EVENTS && bytes <= MAX_HISTORY_BYTES,
    );
  }
  const best = (way: 'perSensor' | 'chunked'): { title: string; rate: number } | undefined =>
    results.peers
      .flatMap((p) => (p[way] ? [{ title: p.title, rate: p[way].sensorsPerSecond }] : []))
      .toSorted((a, b) => b.rate - a.rate)[0];
  const ours = results.sizes.toSorted((a, b) => b.sensorsPerSecond - a.sensorsPerSecond)[0];
  for (const [way, times, words] of [
    ['perSensor', 20, 'per-sensor'],
    ['chunked', 5, 'chunked'],
  ] as const) {
    const peer = best(way);
    if (!peer || !ours) continue;
    const factor = ours.sensorsPerSecond / peer.rate;
    add(
      `at least ${times} times the best peer's ${words} mode`,
      `${factor.toFixed(1)} times (${formatCount(ours.sensorsPerSecond)}/s at ${formatCount(ours.sensors)} ` +
        `sensors; ${peer.title} ${formatCount(peer.rate)}/s)`,
      factor >= times,
    );
  }
  if (results.children) {
    const { batch, empty, emptyAtOnce } = results.children;
    // Children that do nothing are compared both ways: how they are started matters as much as what they do.
    for (const [title, other] of [
      ['empty children asked for at once', emptyAtOnce],
      ['empty children started as the batch starts its own', empty],
    ] as const) {
      const share = batch.perSecond / other.perSecond;
      add(`a child per sensor at least 70 % of the rate of ${title}`, `${Math.round(share * 100)} %`, share >= 0.7);
    }
  }
  return targets;
}
