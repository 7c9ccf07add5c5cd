/**
 * Events of raw capture merged into the windows that are there, a commit's worth at a time. Progress stays where it
 * is: these events are applied already, or will be by ingest itself. What the store refuses is found and told, as in
 * live ingest, and the rest is merged.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { windowStart, type Period } from '../domain/time.ts';
import { firstWindowStart, windowsPerReading } from '../domain/windowing.ts';
import type { IngestCommit, Store } from '../storage/store.ts';
import { admit, type Taken } from './admit.ts';
import { applyEach } from './apply-each.ts';
import { sourceName, type HubName, type IngestEvent } from './event.ts';
import { createFilter } from './filter.ts';
import type { IngestLog } from './log.ts';
import type { ParsedReading } from './parse-event.ts';
import { oneProblem, type Findings } from './parse/problems.ts';
import { untilDone } from './retry.ts';
import { createSensorIds } from './sensor-ids.ts';
import type { IngestSettings } from './settings.ts';
import { buildWindows } from './windows.ts';

export interface MergeOptions {
  readonly store: Store;
  readonly hub: HubName;
  readonly consumerGroup: string;
  readonly period: Period;
  readonly settings: IngestSettings;
  readonly log: IngestLog;
  readonly signal: AbortSignal;
  readonly onDead: (partition: string, event: IngestEvent, found: Findings) => void;
}

export interface Merger {
  /** What follows is of this partition. */
  from(partition: string): Promise<void>;
  add(taken: Taken): Promise<void>;
  flush(): Promise<void>;
  /** Merged so far. */
  readonly readings: number;
}

const TRIES = 3;

export function createMerger(options: MergeOptions): Merger {
  const { store, period, settings, log, signal, onDead } = options;
  const source = sourceName(options.hub, options.consumerGroup);
  const filter = createFilter(settings.filter);
  const sensors = createSensorIds(store, settings.quota);
  const copies = windowsPerReading(settings);
  const { windowMs, hopMs, outOfOrderMs } = settings;
  let partition = '';
  let watermarkMs = -1;
  let merged = 0;
  let held: Taken[] = [];
  let heldReadings = 0;

  const retry = <T>(what: string, work: () => Promise<T>, more: { refusedAfter?: number } = {}): Promise<T> =>
    untilDone(work, { what, log, signal, answers: ['PROGRESS_CONFLICT'], ...more });

  const commit = async (part: Pick<IngestCommit, 'updates' | 'watermarkMs'>, more = {}): Promise<void> => {
    for (;;) {
      const progress = (await retry('progress', () => store.listProgress(source))).find(
        (p) => p.partition === partition,
      );
      const seq = progress?.appliedSeq ?? -1;
      const whole = { source, partition, expectedSeq: seq, throughSeq: seq, readings: 0, late: 0, dead: 0, ...part };
      try {
        await retry('commit', () => store.commitReadings(whole), more);
        return;
      } catch (error) {
        // Live ingest went on in between.
        if (!(error instanceof FleetscoreError) || error.code !== 'PROGRESS_CONFLICT') throw error;
      }
    }
  };

  const apply = async (batch: readonly Taken[]): Promise<void> => {
    const admitted = await admit(batch, filter, sensors, (unknown) =>
      retry('registration of sensors', () => sensors.register(unknown), { refusedAfter: TRIES }),
    );
    const windows = buildWindows({ windowMs, hopMs, outOfOrderMs, starts: period }, watermarkMs);
    for (const { event, readings } of admitted)
      for (const { device, sensor, tsMs, value } of readings)
        windows.add({ sensorId: sensors.find(device, sensor)!, tsMs, value, arrivedMs: event.enqueuedMs });
    const { updates, readings, watermarkMs: reached } = windows.result;
    await commit({ updates, watermarkMs: reached }, { refusedAfter: TRIES });
    for (const { event, found } of admitted) if (found) onDead(partition, event, found);
    watermarkMs = reached;
    merged += readings;
  };

  const flush = async (): Promise<void> => {
    const batch = held;
    held = [];
    heldReadings = 0;
    if (batch.length === 0) return;
    await applyEach(batch, {
      apply,
      storeAnswers: () => commit({ updates: [], watermarkMs }),
      pause: async () => {},
      async setAside({ event, parsed }, error) {
        const message = `the store refuses it: ${messageOf(error).slice(0, 500)}`;
        onDead(partition, event, oneProblem({ reason: 'store_refused', message }, parsed.readings.length));
      },
    });
    // SQLite commits without a pause: let timers and signals in.
    await sleep(0);
  };

  return {
    async from(next) {
      if (next === partition) return;
      await flush();
      partition = next;
      watermarkMs = -1;
    },
    async add({ event, parsed }) {
      const readings = parsed.readings.filter((reading) => isWanted(reading, period, settings));
      if (readings.length === 0) return;
      // Problems of the event itself are told already, and its body is not needed any more.
      held.push({ event: { ...event, body: null }, parsed: { readings, problems: [] } });
      heldReadings += readings.length;
      if (heldReadings * copies >= settings.maxCommitReadings) await flush();
    },
    flush,
    get readings() {
      return merged;
    },
  };
}

/** One of its windows may start in the period, another one outside of it. */
const isWanted = ({ tsMs }: ParsedReading, period: Period, settings: IngestSettings): boolean =>
  windowStart(tsMs, settings.hopMs) >= period.fromMs && firstWindowStart(tsMs, settings) < period.toMs;
