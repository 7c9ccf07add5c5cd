/**
 * Wrong input, kind by kind, without a server: each is one clear error that names the thing, the value and the remedy,
 * with exit code 2 where it was called the wrong way and 1 where what was asked for is not there. Nobody sees a stack
 * trace, and who only looks makes nothing. With Temporal: schedule.test.ts.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../../storage/open-store.ts';
import { tempDir } from '../support/temp.ts';
import { useWarmCli } from '../support/warm-cli.ts';
import type { Env } from '../../config.ts';

const dir = tempDir('wrong-input');
const cli = useWarmCli();
const home = join(dir, 'home');
const at = (name: string): string => join(dir, name);

beforeAll(async () => {
  mkdirSync(join(home, 'data'), { recursive: true });
  mkdirSync(at('folder'));
  writeFileSync(at('file'), 'x');
  writeFileSync(at('empty.csv'), '');
  writeFileSync(at('comma.csv'), 'TS,Device,Sensor,Value\n2026-11-29T10:30:00Z,press-7,oil-temp,3,5\n');
  writeFileSync(at('list.json'), '{"rules": [{"device": 3, "onDelay": "soon"}]}');
  writeFileSync(at('no.json'), '{rules');
  const store = await openStore(`sqlite:${join(home, 'data', 'fleet.db')}`);
  await store.migrate();
  const [id] = await store.registerSensors([{ device: 'pump-1', sensor: 'vibration' }]);
  await store.createRelease('r1', 1, [], []);
  await store.setCurrentRelease('r1');
  await store.createBatch({
    id: 'b1',
    workflowId: 'w',
    runId: 'r',
    kind: 'score',
    fromMs: 0,
    toMs: 5_000,
    release: 'r1',
    codeVersion: 'test',
    startedAtMs: 1,
    schedule: 'plant',
    sensorIds: [id!],
  });
  await store.close();
});

/** Words, exit code, what is said. `@name` is a file of the test. */
type Case = readonly [words: string, code: number, said: RegExp, env?: Env];

const PERIOD = '--from 2026-03-02T10:00 --to 2026-03-02T11:00';
const CASES: readonly Case[] = [
  ['nope', 2, /unknown command 'nope'/],
  ['batch lst', 2, /unknown command 'lst'\s+\(Did you mean list\?\)/],
  ['batch list --satus failed', 2, /unknown option '--satus'\s+\(Did you mean --status\?\)/],
  ['batch list --status broken', 2, /'broken' is invalid. Allowed choices are waiting, running/],
  ['batch list --limit 0', 2, /'0' is invalid. It takes a whole number from 1 to 10000/],
  ['batch list --limit many', 2, /'many' is invalid/],
  ['batch show nope', 1, /there is no batch "nope"\..*fleetscore batch list/],
  ['batch show b2', 1, /there is no batch "b2"\. Did you mean b1\?/],
  ['batch run --from 2026-13-01 --to 2026-14-02', 2, /"2026-13-01" is not a time\. Use ISO 8601/],
  ['batch run --from 0001-01-01 --to 0001-01-02', 2, /"0001-01-01" is before 1970/],
  ['batch run --from 2026-03-02', 2, /required option '--to <time>' not specified/],
  ['batch run --from 2026-03-02 --to 2026-03-01', 2, /--to \(2026-03-01.*must be later than --from/],
  ['batch run --from 2126-01-01 --to 2126-01-02', 2, /--to \(2126.*lies in the future.*--wait-until-then/],
  [`batch run ${PERIOD} --release nope`, 1, /there is no release "nope"/],
  [`batch run ${PERIOD} --sensors-per-child 0`, 2, /'0' is invalid\. It takes a whole number from 1/],
  [`batch run ${PERIOD} --tolerated-failure-percentage 200`, 2, /'200' is invalid\. It takes a number from 0 to 100/],
  ['batch rescore --from 2126-01-01 --to 2126-01-02', 2, /lies in the future/],
  ['schedule backfill plant --from 2126-01-01 --to 2126-01-02', 2, /--to \(2126.*lies in the future/],
  ['schedule update plant', 2, /nothing is named that is to change of schedule "plant"\. Give an option/],
  ['gaps --since 2126-01-01', 2, /--since \(2126.*lies in the future/],
  ['verify --since 2126-01-01', 2, /--since \(2126.*lies in the future/],
  ['logs --since 2126-01-01', 2, /--since \(2126.*lies in the future/],
  ['verify', 2, /give one of these: a batch, --since TIME/],
  ['predictions pump-1', 1, /"pump-1" is a device: a sensor is named device\/sensor\. Did you mean pump-1\/vibration/],
  ['predictions pump-1 vibraton', 1, /no sensor "vibraton".*Did you mean pump-1\/vibration\?/],
  ['predictions pump-1/vibration --from 2026-03-02 --to 2026-03-01', 2, /must be later than --from/],
  ['explain pump-1/vibration yesterday', 2, /"yesterday" is not a time/],
  ['readings pump-1/vibration 2026-13-45', 2, /"2026-13-45" is not a time/],
  ['readings nope', 1, /"nope" is not the name of a sensor/],
  ['sensors list --device pump-2', 1, /no sensor of a device "pump-2"\. Did you mean pump-1\?/],
  ['report', 2, /no batch is named/],
  ['send @nowhere.csv', 1, /nowhere\.csv cannot be read: there is no such file/],
  ['send @folder', 1, /folder is a folder\. Name the files in it/],
  ['drop put @folder', 1, /folder is a folder\. Name the files in it/],
  ['drop put @nowhere.csv', 1, /nowhere\.csv cannot be read: there is no such file\./],
  ['drop put @file/x.csv', 1, /x\.csv cannot be read: what lies above it is a file/],
  ['drop put @empty.csv', 1, /empty\.csv cannot be put there: it is empty\./],
  ['drop retry a.csv b.csv', 1, /no file "a\.csv", "b\.csv" of the drop was read to its end/],
  ['sensors retire pump-2/*', 1, /no sensor matches "pump-2\/\*"\. A pattern is of DEVICE\/SENSOR/],
  ['sensors retire pump-1', 1, /"pump-1" is a device: a sensor is named device\/sensor/],
  ['sensors restore pump-1/vibraton', 1, /no sensor "vibraton".*Did you mean pump-1\/vibration\?/],
  ['sensors retire', 2, /missing required argument/],
  ['models list --release r2', 1, /there is no release "r2"\. Did you mean r1\?/],
  ['models tune pump-1/vibration --from 2026-03-02 --to 2026-03-01', 2, /--to .* must be later than --from/],
  [
    `models health ${PERIOD} --baseline-from 2026-03-02 --baseline-to 2026-03-01`,
    2,
    /--baseline-to \(2026-03-01.* must be later than --baseline-from/,
  ],
  ['models threshold pump-1/vibration 1', 2, /"1" is not a threshold: write >0\.5/],
  ['alarms list --device pump-2', 1, /no sensor of a device "pump-2"\. Did you mean pump-1\?/],
  ['alarms list --kind flood', 2, /'flood' is invalid. Allowed choices are anomaly/],
  ['alarms ack nope', 1, /There is no alarm nope\. List them/],
  [
    'alarms check @nowhere.json',
    1,
    /nowhere\.json cannot be read: there is no such file\. Name a JSON file with rules/,
  ],
  ['alarms check @folder', 1, /folder cannot be read: it is a folder, and a file is wanted/],
  ['alarms use @folder', 1, /folder cannot be read: it is a folder/],
  ['alarms check @no.json', 1, /no\.json holds no rules that can be used: it is no JSON/],
  ['alarms check @list.json', 1, /rule 1: device 3: it takes a text; rule 1: onDelay "soon": it takes a number of/],
  ['alarms test email', 2, /the rules name no address for mail: give one, for example --to/],
  ['alarms shelve x --for 100y', 2, /"100y" is not a duration\. Use a number and a unit/],
  ['ingest try @folder', 1, /folder cannot be read: it is a folder/],
  ['ui --port 99999', 2, /'99999' is invalid\. It takes a whole number from 0 to 65535/],
  ['status --every soon', 2, /"soon" is not a duration/],
  ['completion csh', 2, /'csh' is invalid.*Allowed choices are bash, zsh, fish/],
  ['init @file', 1, /file is no folder/],
  [
    'batch plan --from 2026-03-02 --to 2026-03-03',
    2,
    /pools .*nowhere\.json.*there is no such file\./,
    pools('nowhere'),
  ],
  ['batch plan --from 2026-03-02 --to 2026-03-03', 2, /cannot be used: Invalid input: expected array/, pools('list')],
  ['batch list', 2, /FLEETSCORE_WINDW is not a variable/, { FLEETSCORE_WINDW: '5s' }],
  ['batch list', 2, /FLEETSCORE_WINDOW is "x": it takes a duration/, { FLEETSCORE_WINDOW: 'x' }],
  ['batch list', 2, /starts with mysql:, which is no known kind\. Use sqlite:/, { FLEETSCORE_SQL_URL: 'mysql://x' }],
  ['batch list', 2, /connection string names no server/, { FLEETSCORE_SQL_URL: 'mssql://' }],
  ['batch list', 1, /There is no SQLite store at/, { FLEETSCORE_SQL_URL: 'sqlite:/nowhere/x.db' }],
  ['schedule list', 1, /no Temporal server answers at 127\.0\.0\.1:1 \(connection refused\)/, noTemporal()],
  ['schedule list', 2, /TEMPORAL_CONFIG_FILE names \/nowhere/, { TEMPORAL_CONFIG_FILE: '/nowhere' }],
  ['--json batch show nope', 1, /^\{"error":\{"code":"BATCH_UNKNOWN","message":"there is no batch /],
  ['--json batch lst', 2, /^\{"error":\{"code":"INVALID_ARGUMENT","message":"unknown command 'lst'/],
];

function pools(name: string): Env {
  return { FLEETSCORE_POOLS_FILE: at(`${name}.json`) };
}

function noTemporal(): Env {
  return { TEMPORAL_ADDRESS: '127.0.0.1:1' };
}

test.each(CASES.map(([words, ...rest]) => [words, ...rest] as const))(
  'fleetscore %s ends with %d and says why',
  async (words, code, said, env = {}) => {
    const args = words.split(' ').map((word) => (word.startsWith('@') ? at(word.slice(1)) : word));
    const result = await cli(home, args, env);
    expect(result.stderr).toMatch(said);
    expect(result.stderr).not.toMatch(/^\s+at .*[/:]\d+/m);
    expect(result).toMatchObject({ code, stdout: '' });
  },
);

test('a list that is empty because of what was asked for says so, and what is near', async () => {
  const said = async (...args: string[]): Promise<string> => (await cli(home, ['batch', 'list', ...args])).stdout;
  expect(await said('--schedule', 'plnt')).toMatch(/^There is no batch of schedule "plnt"\. Did you mean plant\?/);
  expect(await said('--schedule', 'plant', '--status', 'failed')).toMatch(
    /^There is no failed batch of schedule "plant"\.\n/,
  );
});

test('in a folder where nothing is, who looks or lacks Blob gets one error, and makes nothing', async () => {
  const nowhere = join(dir, 'nowhere');
  for (const words of [
    'batch list',
    'alarms list',
    'schedule list',
    'predictions a/b',
    'explain a/b 2026-03-02',
    'readings a/b 2026-03-02',
    'sensors list',
    'models list',
    'ingest status',
    'ingest deadletters',
    'pool status',
    'cost',
    'gaps',
    'logs',
    'verify --since 7d',
    'db status',
    'workers status',
    'alarms show x',
    'alarms ack x',
    `batch run ${PERIOD}`,
    'schedule create x --every 5m',
    'report x',
    'simulate --sensors 3 --windows 10',
    `models publish ${dir}`,
  ]) {
    const { code, stderr } = await cli(nowhere, words.split(' '));
    expect([words, code, stderr.trimEnd().split('\n')]).toEqual([words, 1, [expect.stringMatching(/^error: .*\./)]]);
    expect([words, existsSync(nowhere)]).toEqual([words, false]);
  }
});
