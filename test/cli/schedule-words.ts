/** What commands say of schedules, and what they refuse. A schedule `stock` is there, and it is paused. */
import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findTemporal } from '../../local/temporal-binary.ts';
import { TOOLS } from '../support/cli.ts';
import type { TestStack } from '../support/local-stack.ts';
import { until } from '../support/until.ts';

/** Drives schedules by the stock command. */
export async function stockCommand(stack: TestStack, ...args: readonly string[]): Promise<void> {
  const temporal = await findTemporal(TOOLS, () => {});
  await promisify(execFile)(temporal, ['schedule', ...args, '--address', String(stack.stack.env.TEMPORAL_ADDRESS)]);
}

/** A schedule as somebody makes it with the stock command: paused, so that nothing runs by itself. */
export async function stockSchedule(
  stack: TestStack,
  name: string,
  input: string,
  ...spec: readonly string[]
): Promise<void> {
  const what = ['--type', 'scoreBatch', '--task-queue', 'control', '--workflow-id', name, '--input', input];
  await stockCommand(stack, 'create', '-s', name, ...what, ...spec, '--paused');
}

export function scheduleWords(stack: TestStack): void {
  test.each<[readonly string[], number, RegExp]>([
    [['schedule', 'create', 'x'], 2, /give either --every .* or --cron/],
    [['schedule', 'create', 'x', '--every', '1.5s'], 2, /--every 1.5s is not a whole number of seconds/],
    [['schedule', 'create', 'x', '--every', '500ms'], 2, /--every 500ms is not a whole number of seconds/],
    [
      ['schedule', 'create', 'x', '--cron', '61 * * * *'],
      2,
      /"61 \* \* \* \*".*refused by Temporal: Minute is not in range/,
    ],
    [['schedule', 'create', 'x', '--cron', '0 2 * *'], 2, /"0 2 \* \*".*refused by Temporal: CronString does not have/],
    [
      ['schedule', 'create', 'x', '--cron', '0 * * * * *', '--period', '1m'],
      2,
      /has 6 fields.*such as "\* \* \* \* \*"/,
    ],
    [['schedule', 'create', 'x', '--cron', '0 2 31 2 *'], 2, /"0 2 31 2 \*" never comes.*Nothing was created/],
    [
      ['schedule', 'create', 'x', '--cron', '0 2 * * *', '--timezone', 'Europe/Nowhere'],
      2,
      /there is no time zone "Europe\/Nowhere"/,
    ],
    [['schedule', 'create', 'x'.repeat(1100), '--every', '15m'], 2, /1100 characters\) cannot name a schedule/],
    [['schedule', 'create', 'x', '--every', '15m', '--release', 'nope'], 1, /there is no release "nope": every batch/],
    [['schedule', 'describe', 'stok'], 1, /there is no schedule "stok"\. Did you mean stock\?/],
    [['schedule', 'describe', 'x'], 1, /there is no schedule "x"/],
    [['gaps', '--schedule', 'x'], 1, /there is no schedule "x"/],
    [['gaps', '--since', 'yesterday'], 2, /--since "yesterday" is not a time/],
    [['schedule', 'create', 'x', '--every', 'often'], 2, /duration "often" is not a duration/],
    [['schedule', 'create', 'x', '--every', '15m', '--timezone', 'Europe/Berlin'], 2, /--timezone goes with --cron/],
    [['schedule', 'create', 'stock', '--every', '15m'], 1, /there is a schedule "stock" already/],
    [
      ['schedule', 'backfill', 'stock', '--from', '2026-03-02', '--to', '2026-03-01'],
      2,
      /--to .* must be later than --from/,
    ],
    [['batch', 'run', '--from', 'yesterday', '--to', '2026-03-01'], 2, /time "yesterday" is not a time/],
    [['batch', 'show', 'nope'], 1, /there is no batch "nope"/],
    [['predictions', 'nope', 'nope'], 1, /there is no sensor "nope" of a device "nope"/],
    [['predictions', 'nope/nope'], 1, /there is no sensor "nope" of a device "nope"/],
    [['predictions', 'nope'], 1, /"nope" is not the name of a sensor: a sensor is named device\/sensor/],
    [['models', 'publish', '/', '--release', 'a/b'], 2, /the release name "a\/b" cannot be taken\. Use 1 to 64/],
    [['schedule', 'update', 'stock'], 2, /nothing is named that is to change of schedule "stock"/],
    [
      ['schedule', 'backfill', 'stock', '--from', '2126-03-01', '--to', '2126-03-02'],
      2,
      /--to .* lies in the future.*let the schedule score/,
    ],
    [['models', 'publish', '/nowhere'], 1, /\/nowhere cannot be read: there is no such folder\. Give/],
    [['predictions', 'a', 'b', '--from', '2026-03-02', '--to', '2026-03-01'], 2, /--to .* must be later than --from/],
    [['send', '/'], 1, /\/ is a folder\. Name the files in it, for example \/\*\.csv/],
    [['send', '/nowhere.csv'], 1, /\/nowhere.csv cannot be read: there is no such file/],
    [['scores'], 2, /unknown command/],
  ])('fleetscore %j ends with %d and says why', async (args, code, message) => {
    const result = await stack.cli(...args);
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(code);
  });

  test('a cron schedule keeps its time zone', async () => {
    const created = await stack.cli(
      'schedule',
      'create',
      'nightly',
      '--cron',
      '0 2 * * *',
      '--timezone',
      'Europe/Berlin',
      '--period',
      '1d',
      '--json',
    );
    expect(created.json()).toMatchObject({
      request: { period: '1d' },
      spec: expect.arrayContaining(['Europe/Berlin']),
    });
    const { next } = created.json() as { next: string[] };
    const berlin = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', hour: '2-digit', minute: '2-digit' });
    expect(next.slice(0, 3).map((time) => berlin.format(new Date(time)))).toEqual(['02:00', '02:00', '02:00']);
  });

  test('describe says when a schedule starts, what it scores, and what that leaves out', async () => {
    await stockSchedule(stack, 'odd', '{"period":"10m"}', '--interval', '15m/2m', '--jitter', '20s');
    const text = (await stack.cli('schedule', 'describe', 'odd')).stdout;
    expect(text).toMatch(/Starts: +every 15m, offset 2m; up to 20s later \(jitter\)/);
    expect(text).toMatch(/Warning: Periods of 10m leave time out/);
    const twice = await stack.cli('schedule', 'create', 'twice', '--every', '5m', '--period', '15m', '--paused');
    expect(twice.stdout).toMatch(/Warning: Periods of 15m overlap.*scored twice/);
    const nightly = await stack.cli('schedule', 'create', 'weekdays', '--cron', '30 6 * * 1-5', '--paused', '--json');
    expect(nightly.json()).toMatchObject({
      spec: ['cron 30 6 * * 1-5'],
      request: { period: 'schedule' },
      warnings: [],
    });
  });

  test('resume says what the pause left out', async () => {
    await stack.cli('schedule', 'create', 'halted', '--every', '5s', '--wait-for-readings', '0s', '--paused');
    const missed = async (): Promise<unknown[]> =>
      (await stack.cli('gaps', '--schedule', 'halted', '--json')).json() as unknown[];
    await until(async () => (await missed()).length > 0);
    const resumed = await stack.cli('schedule', 'resume', 'halted');
    expect(resumed.stdout).toMatch(/^Schedule halted resumed\.\nNot scored: \d+ periods? of the last days, .* UTC: /);
    expect(resumed.stdout).toContain(' UTC: fleetscore schedule backfill halted --from');
    expect((await stack.cli('schedule', 'delete', 'halted')).code).toBe(0);
  });

  test('an update changes what is named and keeps the rest', async () => {
    await stack.cli('schedule', 'create', 'kept', '--every', '15m', '--delay', '5m', '--catchup', '6h', '--paused');
    const faster = await stack.cli('schedule', 'update', 'kept', '--every', '10m', '--note', 'faster', '--json');
    expect(faster.json()).toMatchObject({
      paused: true,
      note: 'faster',
      spec: ['every 10m'],
      request: { period: '10m', delay: '5m' },
      overlap: 'buffer_all',
      catchup: '6h',
    });
    const nightly = await stack.cli(
      'schedule',
      'update',
      'kept',
      '--cron',
      '0 2 * * *',
      '--timezone',
      'Asia/Kolkata',
      '--json',
    );
    expect(nightly.json()).toMatchObject({
      spec: ['cron 0 2 * * *', 'Asia/Kolkata'],
      request: { period: 'schedule', delay: '5m' },
      catchup: '6h',
    });
    const never = await stack.cli('schedule', 'update', 'kept', '--cron', '0 2 31 2 *');
    expect(never.stderr).toMatch(/would never start a batch. Nothing was changed/);
    expect(never.code).toBe(2);
    expect((await stack.cli('schedule', 'describe', 'kept', '--json')).json()).toMatchObject({
      spec: ['cron 0 2 * * *', 'Asia/Kolkata'],
      paused: true,
    });
    expect((await stack.cli('schedule', 'update', 'kept', '--timezone', 'UTC')).code).toBe(2);
  });
}
