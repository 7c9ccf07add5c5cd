/** The folder that `init` makes: whole, safe, and with the anomaly that its README speaks of. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../../cli/frame/context.ts';
import { init } from '../../cli/stack/init.ts';

const home = mkdtempSync(join(tmpdir(), 'fleetscore-init-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const make = (folder: string) => init({} as Context, {}, folder);

test('all that a newcomer needs is there, and every place is filled in', async () => {
  const folder = join(home, "my plant's");
  const made = await make(folder);
  expect(readdirSync(folder).sort()).toEqual(['README.md', 'readings.csv', 'run.sh', 'train.py']);
  expect(made.text).toContain('Next: sh ');
  for (const name of ['README.md', 'run.sh', 'train.py'])
    expect(readFileSync(join(folder, name), 'utf8')).not.toMatch(/@[A-Z]+@/);
  expect(statSync(join(folder, 'run.sh')).mode & 0o111).not.toBe(0);
  expect(spawnSync('sh', ['-n', join(folder, 'run.sh')]).status).toBe(0);
  // Not only where no stack.json lies: that of a stack that was killed would keep it from starting.
  expect(readFileSync(join(folder, 'run.sh'), 'utf8')).toMatch(/^fleetscore up --detach/m);
});

test('the oil runs hot in the last ten minutes of the hour that run.sh scores', async () => {
  const folder = join(home, 'plant');
  await make(folder);
  const [, from, to] = /--from (\S+) --to (\S+)/.exec(readFileSync(join(folder, 'run.sh'), 'utf8'))!;
  const [header, ...rows] = readFileSync(join(folder, 'readings.csv'), 'utf8').trimEnd().split('\n');
  expect(header).toBe('TS,Device,Sensor,Value');
  const oil = rows
    .map((row) => row.split(','))
    .filter(([, device, sensor]) => `${device}/${sensor}` === 'press-7/oil-temp');
  expect(oil).toHaveLength(720);
  const hotFrom = Date.parse(to!) - 10 * 60_000;
  const valuesOf = (late: boolean) =>
    oil.filter(([ts]) => Date.parse(ts!) >= hotFrom + 120_000 === late).map((row) => Number(row[3]));
  expect(Date.parse(oil[0]![0]!)).toBe(Date.parse(from!));
  expect(Math.min(...valuesOf(true))).toBeGreaterThan(66);
  expect(oil.filter(([ts]) => Date.parse(ts!) < hotFrom).every((row) => Number(row[3]) < 65.5)).toBe(true);
});

test('a folder that has something in it stays as it is', async () => {
  await expect(make(join(home, 'plant'))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});
