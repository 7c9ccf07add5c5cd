/** What one batch cost. */
import type { BatchSpan } from '../../pool/cost.ts';
import { formatCount as count } from '../../report/format.ts';
import type { Output } from '../frame/command.ts';
import { facts } from '../frame/text.ts';
import { aroundMs, both, NO_PRICES, perThousand, priced, runMs, sumOf, type Part } from './cost-amount.ts';

export function batchCost(batch: BatchSpan, parts: readonly Part[], hasPrices: boolean): Output {
  const running = sumOf(parts, runMs(batch.id));
  const around = sumOf(parts, aroundMs(batch.id));
  const total = sumOf(parts, (part) => runMs(batch.id)(part) + aroundMs(batch.id)(part));
  return {
    data: {
      batch: batch.id,
      sensors: batch.sensors,
      running: priced(running),
      around: priced(around),
      total: priced(total, batch.sensors),
    },
    text: [
      facts([
        ['Batch', batch.id],
        ['Sensors', count(batch.sensors)],
        ['Scoring', both(running)],
        ['Spin-up and idle', both(around)],
        ['Together', both(total)],
        ['Per 1,000 sensors', perThousand(total, batch.sensors)],
      ]),
      ...(total.ms === 0
        ? ['The pool has no record of nodes at that time: workers that were started by hand are not counted.']
        : []),
      ...(hasPrices || total.ms === 0 ? [] : [NO_PRICES]),
    ].join('\n\n'),
  };
}
