/** `fleetscore drop`: files put there, read by a worker beside it, listed, and read again. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRound } from '../../ingest/drop/drop-worker.ts';
import { openDropBox } from '../../storage/drop-box.ts';
import { openStore } from '../../storage/open-store.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { tempDir } from '../support/temp.ts';
import { useWarmCli } from '../support/warm-cli.ts';
import type { Store } from '../../storage/store.ts';

const dir = tempDir('cli-drop');
const home = join(dir, 'home');
const command = useWarmCli();
let server: BlobServer;
let store: Store;
let round: () => Promise<void>;

beforeAll(async () => {
  mkdirSync(join(home, 'data'), { recursive: true });
  server = await startBlobServer(dir);
  store = await openStore(`sqlite:${join(home, 'data', 'fleet.db')}`);
  await store.migrate();
  const ignored = (): void => undefined;
  const counts = { answers: true, waiting: 0, done: 0, failed: 0, readings: 0, dead: 0 };
  const never = new AbortController().signal;
  round = createRound(
    {
      box: openDropBox({ connectionString: server.connectionString }),
      store,
      blobs: server.blobs,
      log: { debug: ignored, info: ignored, warn: ignored, error: ignored },
      everyMs: 1_000,
      settleMs: 0,
      maxBytes: 1e9,
      codeVersion: '1.0.0',
      tempDir: dir,
    },
    { counts, ending: never, giveUp: never },
  );
}, 60_000);
afterAll(async () => {
  await store?.close();
  await server?.stop();
});

const drop = (...words: readonly string[]) =>
  command(home, ['drop', ...words], { FLEETSCORE_BLOB_CONNECTION_STRING: server.connectionString });

function file(name: string, ...rows: readonly string[]): string {
  const path = join(dir, name);
  writeFileSync(path, ['TS,Device,Sensor,Value', ...rows, ''].join('\n'));
  return path;
}

/** A command, with a worker that looks at the drop until the command ends. */
async function withWorker<T>(running: Promise<T>): Promise<T> {
  let ended = false;
  const result = running.finally(() => (ended = true));
  while (!ended) {
    await round();
    await Promise.race([sleep(100), result.catch(() => undefined)]);
  }
  return result;
}

test('what was put there is read, and --wait tells what became of it', async () => {
  expect(await drop('list')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^No file was read yet; /) });

  const good = file('good.csv', '2026-03-02T10:00:00Z,pump-1,flow,3', '2026-03-02T10:00:01Z,pump-1,flow,4');
  const whole = await withWorker(drop('put', good, '--folder', 'plant', '--wait'));
  expect(whole).toMatchObject({
    code: 0,
    stdout: '1 file put into the drop.\nplant/good.csv: 2 readings, all ingested.\n',
  });

  // A row that is no reading, and a file that is no CSV with readings: each is told, and the command fails.
  const torn = file('torn.csv', '2026-03-02T10:00:00Z,pump-2,flow,3', 'yesterday,pump-2,flow,4');
  const other = join(dir, 'other.csv');
  writeFileSync(other, 'a,b\n1,2\n');
  const { code, stdout } = await withWorker(drop('put', torn, other, '--wait'));
  expect(code).toBe(1);
  expect(stdout).toMatch(/^2 files put into the drop\.\n/);
  expect(stdout).toMatch(/torn\.csv: 1 reading\.\nIn windows: 1\.\nNot taken: 1 \(1 bad_row\)\./);
  expect(stdout).toMatch(/other\.csv: the first line must name the columns TS, /);
});

test('the list has each file with what became of it, and a file can be read again', async () => {
  const { json } = await drop('list', '--json');
  const files = json() as readonly { readonly name: string }[];
  expect(files.map(({ name }) => name)).toEqual([
    expect.stringMatching(/^(torn|other)/),
    expect.stringMatching(/^(torn|other)/),
    'plant/good.csv',
  ]);
  expect(files.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toMatchObject([
    { name: 'other.csv', state: 'failed', read: 0, reason: expect.stringContaining('the first line must name') },
    { name: 'plant/good.csv', state: 'done', read: 2, became: { readings: 2 }, reason: null },
    { name: 'torn.csv', state: 'done', read: 1, became: { readings: 1, dead: { bad_row: 1 } } },
  ]);
  const failed = (await drop('list', '--failed')).stdout;
  expect(failed).toMatch(/^other\.csv \(.* UTC\)\n/);
  expect(failed).toMatch(/fleetscore drop retry NAME\n$/);

  // Those that are known are read again beside one that is not.
  const some = await drop('retry', 'plant/good.csv', 'nope.csv');
  expect([some.code, some.stderr]).toEqual([
    1,
    expect.stringMatching(/no file "nope\.csv" of the drop.*The others that were named are to be read again\./),
  ]);
  await round();
  const again = (await drop('list', '--json')).json() as readonly { name: string; became: object }[];
  expect(again[0]).toMatchObject({ name: 'plant/good.csv', became: { readings: 2, duplicates: 2 } });
});

test('who waits in vain is told that nothing reads the drop, and that the file stays there', async () => {
  const late = file('late.csv', '2026-03-02T11:00:00Z,pump-1,flow,3');
  const { code, stderr } = await drop('put', late, '--wait', '--wait-timeout', '600ms');
  expect([code, stderr]).toEqual([1, expect.stringMatching(/1 file in the drop not read yet: .*The files stay there/)]);
  await round();
  expect((await drop('list', '--json', '--limit', '1')).json()).toMatchObject([{ name: 'late.csv', state: 'done' }]);
});
