/** The whole way with the models and readings of the reference implementation, against scikit-learn's own answers. */
import { expect } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseTime } from '../../domain/time.ts';
import { useStack } from '../support/local-stack.ts';
import { REFERENCE, referenceTest } from '../support/reference.ts';

const stack = useStack('reference');

interface Row {
  readonly ts: string;
  readonly value: number;
  readonly prediction: number;
  readonly score: number;
}

referenceTest(
  '11,837 predictions equal scikit-learn in every label, scores within 1e-9',
  async () => {
    const onnx = join(stack.home, 'onnx');
    const converted = await stack.cli('models', 'convert', join(REFERENCE, 'models'), onnx);
    expect(converted.stdout + converted.stderr).toContain('10 models converted');
    expect((await stack.cli('models', 'publish', onnx)).code).toBe(0);
    const sent = await stack.cli('send', join(REFERENCE, 'sensor_data.csv'), '--wait', '--json');
    expect(sent.json()).toMatchObject({ sent: 11_837, bad: 0, ingested: true });

    const period = ['--from', '2018-08-28', '--to', '2018-09-30'];
    const batch = await stack.cli('batch', 'run', ...period, '--wait', '--json');
    expect(batch.json()).toMatchObject({
      status: 'completed',
      planned: 10,
      counts: { scored: 10, failed: 0, windows: 11_837 },
    });

    let compared = 0;
    for (const device of ['1', '2'])
      for (const sensor of ['1', '2', '3', '4', '5']) {
        const rows = (await stack.cli('predictions', device, sensor, '--json')).json() as Row[];
        const expected = readFileSync(join(REFERENCE, 'predictions', `preds_${device}_${sensor}.csv`), 'utf8')
          .trim()
          .split('\n')
          .slice(1)
          .map((line) => line.split(','));
        expect(rows.map((row) => [Date.parse(row.ts), row.prediction])).toEqual(
          expected.map(([ts, , , , label]) => [parseTime(ts!), Number(label)]),
        );
        const apart = rows.map((row, i) =>
          Math.max(
            Math.abs(row.score - Number(expected[i]![5])),
            Math.abs(row.value - Number(expected[i]![3])), // pandas read some values an ulp off
          ),
        );
        expect(Math.max(...apart)).toBeLessThan(1e-9);
        compared += rows.length;
      }
    expect(compared).toBe(11_837);

    // The same data once more: other events, the same readings, the same predictions.
    const before = (await stack.cli('predictions', '1', '1', '--json')).stdout;
    expect((await stack.cli('send', join(REFERENCE, 'sensor_data.csv'), '--wait')).code).toBe(0);
    const again = (await stack.cli('batch', 'run', ...period, '--wait', '--json')).json();
    expect(again).toMatchObject({ counts: { windows: 11_837 } });
    expect((await stack.cli('predictions', '1', '1', '--json')).stdout).toBe(before);
  },
  300_000,
);
