/** The benchmark on other servers and beside another build: what it is called with, and its table. */
import { jest } from '@jest/globals';
import { elsewhereTable, flagsOf, medianOf, type Figures } from '../../bench/elsewhere.ts';
import { benchGrowth, flagsOf as growthFlags } from '../../bench/growth.ts';

test('flags that contradict each other are refused with the reason', () => {
  expect(flagsOf(['--against', '../today', '--sizes', '1000,10000', '--children', '50'])).toMatchObject({
    jobs: [
      { sensors: 1_000, childPerSensor: false },
      { sensors: 10_000, childPerSensor: false },
      { sensors: 50, childPerSensor: true },
    ],
    rounds: 3,
  });
  expect(() => flagsOf(['--sql', 'Server=x', '--sizes', '1000,10000'])).toThrow(/one size/);
  expect(() => flagsOf(['--temporal', 'x:7233', '--against', '../today'])).toThrow(/do not go together/);
  expect(() => flagsOf(['--against', 'x', '--sizes', 'many'])).toThrow(/whole numbers from 1, not "many"/);
});

test('figures of this build have their ratio to the other build behind them', () => {
  const figures = (build: string, seconds: number, cpu: number): Figures => ({
    build,
    sensors: 1_000,
    seconds,
    cpu,
    cpuByPart: { 'scoring worker': cpu, 'ingest worker': 0 },
    peakMiB: 100,
    events: 45,
  });
  const table = elsewhereTable([figures('this build', 1, 30), figures('the other', 2, 60)]);
  expect(table).toContain('| 1000 | this build | 1 (0.50) | 30 (0.50) | scoring worker 30 | 100 (1.00) | 45 |');
  expect(table).toContain('| 1000 | the other | 2 | 60 | scoring worker 60 | 100 | 45 |');
  expect(elsewhereTable([figures('this build', 1, 30)])).toContain('| this build | 1 | 30 |');
  expect(medianOf([3, 1, 2])).toBe(2);
});

test('planning is measured over every sensor of a fleet, and flags of it are checked', async () => {
  const written: string[] = [];
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  const say = jest.spyOn(process.stderr, 'write').mockImplementation(() => true);
  try {
    await benchGrowth(['--growth', '--sizes', '6000,1200']);
  } finally {
    write.mockRestore();
    say.mockRestore();
  }
  // Children, chunks, chunks a child.
  expect(written.join('')).toMatch(
    /\| 1,200 \| .* \| 1 \| 1 \| 1 \| \d+ \|\n\| 6,000 \| .* \| 1 \| 3 \| 3 \| \d+ \|\n$/,
  );
  expect(() => growthFlags(['--sizes', '10000001'])).toThrow(/from 1 to 10,000,000, not "10000001"/);
});
