/** Who is told of the alarms of batches, in both stores: once of an opening and once of an end, whatever goes wrong. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { signature } from '../../batches/alerts.ts';
import { raiseAlarms, tellWaiting, type RaiseDeps } from '../../batches/raise-alarms.ts';
import type { Send } from '../../batches/tell-alarms.ts';
import type { Message } from '../../alarms/message.ts';
import { webhookSender } from '../../notify/webhook.ts';
import { HOP } from '../alarms/truth.ts';
import { badFrom, ENGINES, LENGTH, plant, SECRET, T0 } from './alarm-plant.ts';

describe.each(Object.entries(ENGINES))('%s', (_, open) => {
  test('the webhook hears once of an opening and once of its end, signed, also after trouble', async () => {
    const own = await open();
    const heard: { readonly id: string; readonly type: string; readonly signed: boolean }[] = [];
    let failures = 0;
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (piece: Buffer) => (body += piece.toString()));
      request.on('end', () => {
        const { id, type } = JSON.parse(body) as { id: string; type: string };
        const expected = signature(SECRET, id, body, Number(request.headers['webhook-timestamp']) * 1_000);
        response.statusCode = failures-- > 0 ? 400 : 204;
        if (response.statusCode === 204)
          heard.push({ id, type, signed: request.headers['webhook-signature'] === expected['webhook-signature'] });
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const types = (): (string | undefined)[] => heard.map(({ type }) => type.split('.').at(-1));
    try {
      await own.migrate();
      await own.setAlarmRules({ text: JSON.stringify({ rules: [], notify: { severity: 450 } }), by: 'test', atMs: 2 });
      const { deps, look } = await plant(own, 2);
      let nowMs = deps.now();
      const webhook = webhookSender({ url, secret: SECRET }, () => undefined);
      const told = { ...deps, now: () => nowMs, senders: { webhook } };
      const bad = badFrom(90, 110);
      const first = await look([bad, bad], { from: 0, to: 100 });
      // The two sensors are of one device: one incident once they are put together.
      await Promise.all([raiseAlarms(told, first), raiseAlarms(told, first)]);
      await raiseAlarms(told, first);
      expect(types()).toEqual(['opened']);
      failures = 1;
      await raiseAlarms(told, await look([bad, bad], { from: 100, to: 200 }));
      await raiseAlarms(told, await look([bad, bad], { from: 200, to: LENGTH }));
      expect(types()).toEqual(['opened']);
      nowMs += 300_000;
      await tellWaiting(told);
      await tellWaiting(told);
      expect(types()).toEqual(['opened', 'closed']);
      expect(heard.every(({ signed }) => signed)).toBe(true);
      const [alarm] = await own.listAlarms();
      expect(await own.noticesOfIncident(alarm!.incident)).toMatchObject([
        { by: 'webhook', notice: { what: 'opened' }, message: heard[0]!.id },
        { by: 'webhook', notice: { what: 'closed' }, message: heard[1]!.id },
      ]);
      expect(await own.openNotices('webhook')).toEqual([]);
    } finally {
      await own.close();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test('a way that never takes its message ends by itself, and holds no other back', async () => {
    const own = await open();
    try {
      await own.migrate();
      const notify = [{ by: 'webhook' }, { by: 'email', to: 'ann@plant.example' }];
      await own.setAlarmRules({ text: JSON.stringify({ rules: [], notify }), by: 'test', atMs: 2 });
      const { deps, look } = await plant(own, 1);
      const mailed = Promise.withResolvers<void>();
      const ended = Promise.withResolvers<string>();
      const webhook: Send = () => new Promise(() => {});
      const email: Send = async () => [mailed.resolve()].length > 0;
      const told = { ...deps, senders: { webhook, email }, warn: ended.resolve };
      const batch = await look([badFrom(90, LENGTH)], { from: 0, to: LENGTH });
      const raised = raiseAlarms({ ...told, sendMs: 500 }, batch);
      await mailed.promise;
      expect(await ended.promise).toMatch(/was not taken \(webhook\): no answer/);
      await raised;
      expect(await own.openNotices('email')).toHaveLength(1);
    } finally {
      await own.close();
    }
  });

  test('quiet hours hold notices back until their end, as one, but not a severe one', async () => {
    const own = await open();
    try {
      await own.migrate();
      // The test's clock stands at 14:25 UTC: 15:25 in Berlin.
      const quiet = { from: '15:00', to: '17:00', zone: 'Europe/Berlin', severity: 800 };
      const rules = [{ sensor: 's3', severity: 900 }];
      const notify = { by: 'email', to: 'ann@plant.example', quiet, perHour: 2 };
      await own.setAlarmRules({ text: JSON.stringify({ rules, notify }), by: 'test', atMs: 2 });
      const sent: Message[] = [];
      const email: Send = async (message) => sent.push(message) > 0;
      let nowMs = T0 + LENGTH * HOP;
      // A device each: no two belong together.
      const plants = [];
      for (let i = 0; i < 4; i++) plants.push(await plant(own, i === 3 ? 4 : 1));
      const told = (deps: RaiseDeps): RaiseDeps => ({ ...deps, now: () => nowMs, senders: { email } });
      const calm = badFrom(LENGTH, LENGTH);
      for (const [i, { deps, look }] of plants.entries()) {
        const bad = badFrom(20, i === 0 ? 40 : LENGTH);
        await raiseAlarms(told(deps), await look(i === 3 ? [calm, calm, calm, bad] : [bad], { from: 0, to: LENGTH }));
      }
      expect(sent.map(({ what, severity }) => [what, severity])).toEqual([['opened', 900]]);
      nowMs = Date.UTC(2026, 10, 23, 15, 59, 59);
      await tellWaiting(told(plants[0]!.deps));
      expect(sent).toHaveLength(1);
      nowMs += 1_000;
      await tellWaiting(told(plants[0]!.deps));
      expect(sent).toHaveLength(2);
      expect(sent[1]).toMatchObject({ what: 'digest', text: '3 incidents: 2 go on, 1 is over' });
      await tellWaiting(told(plants[0]!.deps));
      expect(sent).toHaveLength(2);
    } finally {
      await own.close();
    }
  });
});
