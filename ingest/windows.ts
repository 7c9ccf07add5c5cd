/**
 * Readings -> updates of windows of event time. The watermark is the newest event time of the partition less a
 * tolerance: what ends before it is late. A clock that runs ahead does not move it past the arrival of its event, or
 * one wrong clock would make the readings of all other devices late. Late readings still reach their windows, of
 * whatever age, unless a limit is set; being late is counted, so that people see how disordered their fleet is. Where
 * windows overlap a reading updates each one that holds it, and each of these is a function of its own set of readings.
 */
import { windowStart, type Period } from '../domain/time.ts';
import type { WindowUpdate } from '../domain/window.ts';
import { firstWindowStart, type WindowShape } from '../domain/windowing.ts';

export interface WindowSettings extends WindowShape {
  /** How far the watermark stays behind the newest event time, ms. */
  readonly outOfOrderMs: number;
  /** Readings stay out of windows that ended longer than this before the watermark, ms. No limit when absent. */
  readonly lateLimitMs?: number;
  /** Only windows that start in it; all when absent. */
  readonly starts?: Period;
}

export const WINDOW_DEFAULTS: WindowSettings = { windowMs: 5_000, hopMs: 5_000, outOfOrderMs: 30_000 };

export interface SensorReading {
  readonly sensorId: number;
  readonly tsMs: number;
  readonly value: number;
  /** When its event arrived in Event Hubs, epoch ms. */
  readonly arrivedMs: number;
  /** Send that it came with, from 1, where duplicates are to be counted; 0 or absent for none. */
  readonly send?: number;
}

interface OpenWindow {
  readonly sensorId: number;
  readonly startMs: number;
  readonly tsMs: number[];
  readonly values: number[];
  from?: number[];
}

export interface WindowBuilder {
  /** In order of arrival. */
  add(reading: SensorReading): void;
  readonly result: {
    readonly updates: readonly WindowUpdate[];
    /** Readings in the updates; one that is in several windows counts once. */
    readonly readings: number;
    /** Readings that came after a window of theirs had ended, those beyond the limit included. */
    readonly late: number;
    /** Late readings beyond the limit: in no window. */
    readonly tooLate: number;
    /** Epoch ms; -1 before the first reading. */
    readonly watermarkMs: number;
  };
}

/** Gathers the updates of one commit, going on from the watermark of the one before (-1 for none). */
export function buildWindows(settings: WindowSettings, watermarkMs: number): WindowBuilder {
  const { windowMs, hopMs, outOfOrderMs } = settings;
  const lateLimitMs = settings.lateLimitMs ?? Number.POSITIVE_INFINITY;
  const { fromMs, toMs } = settings.starts ?? { fromMs: 0, toMs: Number.POSITIVE_INFINITY };
  const updates: OpenWindow[] = [];
  const bySensor = new Map<number, Map<number, OpenWindow>>();
  let watermark = watermarkMs;
  let readings = 0;
  let late = 0;
  let tooLate = 0;
  let last: OpenWindow | undefined;

  const open = (sensorId: number, startMs: number): OpenWindow => {
    // Events usually hold a run of readings of one sensor.
    if (last?.startMs === startMs && last.sensorId === sensorId) return last;
    let windows = bySensor.get(sensorId);
    if (!windows) bySensor.set(sensorId, (windows = new Map()));
    last = windows.get(startMs);
    if (!last) {
      last = { sensorId, startMs, tsMs: [], values: [] };
      windows.set(startMs, last);
      updates.push(last);
    }
    return last;
  };

  return {
    add({ sensorId, tsMs, value, arrivedMs, send = 0 }) {
      const newest = windowStart(tsMs, hopMs);
      let isLate = false;
      let taken = false;
      for (let startMs = firstWindowStart(tsMs, settings); startMs <= newest; startMs += hopMs) {
        if (startMs < fromMs || startMs >= toMs) continue;
        const behindMs = watermark - (startMs + windowMs);
        if (behindMs >= 0 && watermark >= 0) {
          isLate = true;
          if (behindMs > lateLimitMs) continue;
        }
        const window = open(sensorId, startMs);
        // Of several windows that hold it, the last one counts duplicates.
        const from = startMs === newest ? send : 0;
        if (from > 0) window.from ??= window.tsMs.map(() => 0);
        window.from?.push(from);
        window.tsMs.push(tsMs);
        window.values.push(value);
        taken = true;
      }
      if (isLate) late++;
      if (!taken) {
        if (isLate) tooLate++;
        return;
      }
      readings++;
      // An event time near the epoch must not give a negative watermark: -1 means none.
      const reached = Math.max(0, Math.min(tsMs, arrivedMs) - outOfOrderMs);
      if (reached > watermark) watermark = reached;
    },
    get result() {
      return { updates, readings, late, tooLate, watermarkMs: watermark };
    },
  };
}
