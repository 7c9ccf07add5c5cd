/**
 * Predictions that are served of a sensor, as alarms see them. A batch over months has millions of windows of a sensor:
 * others have their turn in between.
 */
import { addItems, fillRows, rowsFor, type EvidenceItem, type PredictedWindow } from '../alarms/evidence.ts';
import type { Sense } from '../alarms/rules.ts';
import { marginOf, type Threshold } from '../domain/threshold.ts';
import { inTurns } from '../domain/turns.ts';
import type { WindowShape } from '../domain/windowing.ts';

/** @param threshold that decides: its side and value are taken out of the score, so that below 0 is beyond it */
export async function servedItems(
  predictions: readonly PredictedWindow[],
  threshold: Threshold | undefined,
  sense: Sense,
  shape: WindowShape,
): Promise<EvidenceItem[]> {
  const rows = rowsFor(predictions.length);
  const scoreOf = threshold ? (score: number): number => marginOf(threshold, score) : undefined;
  for await (const turn of inTurns(predictions.length)) fillRows(rows, predictions, turn, scoreOf);
  const items: EvidenceItem[] = [];
  for await (const turn of inTurns(predictions.length)) addItems(items, rows, turn, sense, shape);
  return items;
}
