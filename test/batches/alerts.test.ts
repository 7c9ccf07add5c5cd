/** Alerts: what is told of a batch, and what a webhook in trouble does to it: nothing. */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { alertsOf, postAlert, signature, type Alert } from '../../batches/alerts.ts';
import { loadConfig } from '../../config.ts';
import type { Batch } from '../../storage/store.ts';

const batch = (change: Partial<Batch> = {}): Batch => ({
  id: 'b1',
  workflowId: 'w',
  runId: 'r',
  kind: 'score',
  release: 'first',
  codeVersion: '1',
  fromMs: 0,
  toMs: 60_000,
  startedAtMs: 1,
  finishedAtMs: 2,
  planned: 10,
  status: 'completed',
  counts: { scored: 8, skipped: 1, failed: 1, cancelled: 0, windows: 100, anomalies: 20 },
  ...change,
});
const settings = { url: 'http://127.0.0.1:1', anomalyRate: 0.25 };
const events = (alerts: readonly Alert[]): string[] => alerts.map((alert) => alert.event);

test('a failed batch is told, and one with more anomalies than the limit; rate by what was predicted', () => {
  expect(alertsOf(batch(), 80, [], settings)).toEqual([]); // exactly the limit
  expect(events(alertsOf(batch(), 79, [], settings))).toEqual(['anomaly_rate']);
  expect(events(alertsOf(batch({ status: 'failed' }), 0, [], settings))).toEqual(['batch_failed']);
  expect(events(alertsOf(batch({ status: 'failed', message: 'm' }), 40, [], { url: settings.url }))).toEqual([
    'batch_failed',
  ]);
  expect(alertsOf(batch({ status: 'cancelled' }), 80, [], { url: settings.url })).toEqual([]);
  const [alert] = alertsOf(batch(), 40, [], settings);
  expect(alert).toMatchObject({
    id: 'b1/anomaly_rate',
    anomalyRate: 0.5,
    anomalyRateLimit: 0.25,
    from: '1970-01-01T00:00:00.000Z',
    text: 'fleetscore: batch b1 has 50 % anomalous windows (20 of 40), more than 25 %.',
  });
});

let webhook: Server;
let url: string;
let answers: (number | 'hang up')[] = [];
const taken: { readonly headers: IncomingHttpHeaders; readonly body: Alert }[] = [];
beforeAll(async () => {
  webhook = createServer((request, response) => {
    let body = '';
    request
      .on('data', (data: Buffer) => (body += data.toString()))
      .on('end', () => {
        taken.push({ headers: request.headers, body: JSON.parse(body) as Alert });
        const answer = answers.shift() ?? 200;
        if (answer === 'hang up') request.socket.destroy();
        else response.writeHead(answer, answer === 302 ? { location: 'http://127.0.0.1:1/' } : {}).end();
      });
  });
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/secret-path`;
});
afterAll(() => {
  webhook.closeAllConnections();
  webhook.close();
});
beforeEach(() => void (taken.length = 0));

async function post(...given: typeof answers): Promise<{ ok: boolean; warnings: string[] }> {
  answers = given;
  const warnings: string[] = [];
  const [alert] = alertsOf(batch({ status: 'failed' }), 80, [], { url });
  return { ok: await postAlert(alert!, { url }, (message) => warnings.push(message)), warnings };
}

test('an alert is posted as JSON, again after trouble, with the same id', async () => {
  expect(await post(503, 'hang up', 200)).toEqual({ ok: true, warnings: [] });
  expect(taken.map(({ headers, body }) => [headers['idempotency-key'], headers['content-type'], body.event])).toEqual(
    Array.from({ length: 3 }, () => ['b1/batch_failed', 'application/json', 'batch_failed']),
  );
});

test('after three tries it is a warning, without the address', async () => {
  const { ok, warnings } = await post(500, 429, 503, 200);
  expect(ok).toBe(false);
  expect(taken).toHaveLength(3);
  expect(warnings).toEqual(['the alert b1/batch_failed was not taken by FLEETSCORE_ALERT_URL: it answered 503']);
});

test('what cannot get better is not tried again, and redirects are not followed', async () => {
  expect((await post(404)).warnings).toEqual([expect.stringMatching(/it answered 404$/)]);
  expect(taken).toHaveLength(1);
  const { ok, warnings } = await post(302, 302, 302);
  expect(ok).toBe(false);
  expect(warnings.join()).not.toContain('secret-path');
});

test('the configuration takes an address and a rate, and never shows the address', () => {
  expect(loadConfig({}).alerts).toBeUndefined();
  expect(
    loadConfig({ FLEETSCORE_ALERT_URL: 'https://hooks.example/T0/B1', FLEETSCORE_ALERT_ANOMALY_RATE: '0.2' }).alerts,
  ).toEqual({ url: 'https://hooks.example/T0/B1', anomalyRate: 0.2 });
  expect(() => loadConfig({ FLEETSCORE_ALERT_URL: 'hooks.example/secret' })).toThrow(
    /FLEETSCORE_ALERT_URL is set: it takes an http or https URL/,
  );
  expect(() => loadConfig({ FLEETSCORE_ALERT_ANOMALY_RATE: '20' })).toThrow(
    /FLEETSCORE_ALERT_ANOMALY_RATE is "20": it takes a number from 0 to 1/,
  );
});

test('skipped sensors past their share are told', () => {
  const counts = { scored: 3, skipped: 7, failed: 0, cancelled: 0, windows: 100, anomalies: 0 };
  expect(alertsOf(batch({ counts }), 80, [], settings)).toEqual([]);
  expect(alertsOf(batch({ counts }), 80, [], { ...settings, skippedRate: 0.7 })).toEqual([]);
  expect(alertsOf(batch({ counts }), 80, [], { ...settings, skippedRate: 0.5 })).toEqual([
    expect.objectContaining({
      id: 'b1/sensors_skipped',
      event: 'sensors_skipped',
      skippedRateLimit: 0.5,
      text: 'fleetscore: batch b1 skipped 7 of 10 sensors, more than 50 %: they have no readings or no model.',
    }),
  ]);
});

test('what comes from outside is no mention, link or markup in the sentence that a chat shows', () => {
  const message =
    '1 x model_failed (<!channel> / [a](http://evil.example): \u202e<http://evil.example|x> @here\n**b**)';
  const [alert] = alertsOf(batch({ status: 'failed', message }), 0, [], settings);
  expect(alert!.text).not.toMatch(/[<>\n\u202e]|\]\(|:\/\/|@here|\*\*/);
  expect(alert!.text).toContain('evil.example');
  expect(alert!.message).toBe(message);
});

test('a signature can be checked by the rule of Standard Webhooks, and by its own example', async () => {
  // The example of the specification: its secret, id, time, body and signature.
  expect(
    signature(
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      '{"test": 2432232314}',
      1_614_265_330_000,
    ),
  ).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
  answers = [500, 200];
  const secret = randomBytes(32).toString('base64');
  const [alert] = alertsOf(batch({ status: 'failed' }), 80, [], { url });
  expect(await postAlert(alert!, { url, secret }, () => undefined)).toBe(true);
  expect(taken).toHaveLength(2);
  for (const { headers, body } of taken) {
    const id = String(headers['webhook-id']);
    const seconds = Number(headers['webhook-timestamp']);
    expect(id).toBe('b1/batch_failed');
    expect(Math.abs(Date.now() / 1_000 - seconds)).toBeLessThan(300);
    const hmac = createHmac('sha256', Buffer.from(secret, 'base64'));
    expect(headers['webhook-signature']).toBe(
      `v1,${hmac.update(`${id}.${seconds}.${JSON.stringify(body)}`).digest('base64')}`,
    );
  }
});

test('without a secret nothing is signed, and one that is no key is refused', async () => {
  await post(200);
  expect(Object.keys(taken[0]!.headers).filter((name) => name.startsWith('webhook'))).toEqual([]);
  expect(() => loadConfig({ FLEETSCORE_ALERT_SECRET: 'too short' })).toThrow(
    /FLEETSCORE_ALERT_SECRET .*24 to 64 random bytes/,
  );
});
