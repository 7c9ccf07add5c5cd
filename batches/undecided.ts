/** Outcomes for sensors that no scoring worker decided. */
import { chunkName } from '../domain/blob-names.ts';
import type { SensorOutcome } from '../domain/outcome.ts';
import type { PlannedSensor, Store } from '../storage/store.ts';
import type { SensorRange } from '../workflows/activities.ts';
import { defined } from '../domain/defined.ts';

/** Sensors recorded in one transaction. SQL Server takes a lock on the whole table from 5,000 row locks on. */
const PAGE = 4_000;

/** Gives every sensor of a range that has no outcome yet the one that `decide` says. */
export async function decideRest(
  store: Store,
  batchId: string,
  range: SensorRange | undefined,
  decide: (sensor: PlannedSensor) => SensorOutcome,
): Promise<void> {
  for (;;) {
    const sensors = await store.undecidedSensors(batchId, range, PAGE);
    const first = sensors[0];
    if (!first) return;
    const chunk = chunkName(
      { from: first.id, to: sensors[sensors.length - 1]!.id + 1 },
      sensors.length === 1 ? first : undefined,
    );
    await store.commitChunk({
      batchId,
      chunk,
      outcomes: sensors.map(decide),
      changeId: 0,
      ...defined({ pool: range?.pool }),
    });
  }
}
