/** `fleetscore alarms`: what people read and do, on a store with an alarm in it. */
import { stripVTControlCharacters } from 'node:util';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ack, comment, shelve } from '../../cli/alarms/act.ts';
import { list } from '../../cli/alarms/list.ts';
import { check, rules, use } from '../../cli/alarms/rules.ts';
import { complete } from '../../cli/stack/completion.ts';
import { createProgram } from '../../cli/program.ts';
import { history, show } from '../../cli/alarms/show.ts';
import type { Context } from '../../cli/frame/context.ts';
import { NO_MARKS } from '../../domain/alarm.ts';
import { isoTime } from '../../domain/time.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { FACTS } from '../storage/contract-alarms.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('alarms');
let store: Store;
let context: Context;
beforeAll(async () => {
  store = await openStore('sqlite::memory:');
  await store.migrate();
  context = { store: async () => store, json: false, config: { sqlUrl: 'sqlite::memory:' } } as unknown as Context;
  const [sensorId] = await store.registerSensors([{ device: 'pump-1', sensor: 'vibration' }]);
  const record = {
    id: 'abc',
    sensorId: sensorId!,
    kind: 'anomaly',
    facts: FACTS,
    marks: NO_MARKS,
    incident: 'abc',
    version: 1,
  } as const;
  const changes = [{ change: 'activated', timeMs: FACTS.activeMs }] as const;
  await store.commitAlarms({
    epoch: await store.alarmEpoch(),
    alarms: [{ record, changes }],
    receivedMs: FACTS.activeMs,
  });
});
afterAll(() => store?.close());

const LIST = { limit: 10, every: '5s' };

test('what is wrong, what was done, and what is left out while it is shelved', async () => {
  expect((await list(context, LIST))!.text).toMatch(
    /abc +pump-1\/vibration +anomalous .* active\n1 active, 1 not acknowledged.*1 stale: active for a day/s,
  );
  expect((await ack(context, { comment: 'seen' }, 'abc.1')).text).toMatch(/goes on, acknowledged\nNow active, acked\./);
  expect((await comment(context, {}, 'abc', 'pump 3')).data).toMatchObject({
    acked: true,
    comment: { text: 'pump 3' },
  });
  expect((await shelve(context, { for: '1h' }, 'abc')).text).toMatch(/Now active, acked, shelved/);
  expect((await list(context, LIST))!.text).toMatch(/^Nothing is wrong.*\n1 shelved is not shown: --shelved$/s);
  expect((await list(context, { ...LIST, shelved: true }))!.data).toMatchObject([
    { id: 'abc', shelving: 'timedShelved' },
  ]);
  const shown = stripVTControlCharacters((await show(context, {}, 'abc')).text);
  expect(shown).toMatch(/Comment: +pump 3/);
  // A command as it stands there: sensor and time.
  expect(shown).toContain(`fleetscore explain pump-1/vibration ${isoTime(FACTS.peakMs ?? FACTS.sinceMs)}`);
  expect((await history(context, {}, 'abc')).data).toMatchObject(
    ['activated', 'acked', 'commented', 'shelved'].map((change) => ({ change })),
  );
  await expect(show(context, {}, 'nope')).rejects.toMatchObject({ code: 'ALARM_UNKNOWN' });
  await expect(ack(context, {}, 'abc')).rejects.toMatchObject({ code: 'ALARM_REFUSED' });
});

test('completion offers the alarms that wait for somebody', async () => {
  const program = await createProgram([]);
  const words = (...typed: string[]) => complete(context, program, ['alarms', ...typed]);
  expect((await words('show', '')).data).toEqual({ words: ['abc'] });
  expect((await words('ack', 'ab')).data).toEqual({ words: ['abc'] });
  expect((await words('ack', 'x')).data).toEqual({ words: [] });
});

test('rules are checked, and hold once they are used', async () => {
  const file = join(dir, 'rules.json');
  writeFileSync(
    file,
    JSON.stringify({
      rules: [
        { device: 'pump-*', onDelay: '9 windows' },
        { device: 'fan', latch: true },
      ],
    }),
  );
  expect((await check(context, {}, file)).text).toMatch(
    /2 rules, nothing wrong.*Rule 1 changes .* 1 of 1 sensor.*Nothing matches rule 2/s,
  );
  expect((await rules(context)).data).toMatchObject({ version: 0 });
  expect((await use(context, {}, file)).data).toMatchObject({ version: 1, changed: true });
  expect((await use(context, {}, file)).data).toMatchObject({ version: 1, changed: false });
  writeFileSync(file, '{"rules":[{"onDelay":1}]}');
  await expect(use(context, {}, file)).rejects.toMatchObject({ code: 'ALARM_RULES_INVALID' });
  expect((await rules(context)).data).toMatchObject({ version: 1 });
});
