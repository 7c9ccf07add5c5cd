/** The text format of Prometheus, and the server of it. */
import fc from 'fast-check';
import { get } from 'node:http';
import { loadConfig } from '../../config.ts';
import { CONTENT_TYPE, formatMetrics, processMetrics, serveMetrics, startMetrics } from '../../telemetry/metrics.ts';
import type { Metric } from '../../telemetry/metric.ts';
import { createLog } from '../../logging/log.ts';

const gauge = (samples: Metric['samples']): Metric => ({ name: 'x_seconds', type: 'gauge', help: 'Help.', samples });

test('a page as Prometheus documents it', () => {
  expect(
    formatMetrics([
      { name: 'a_total', type: 'counter', help: 'Line one\nand a \\.', samples: [{ value: 3 }] },
      gauge([
        { labels: { partition: '0', name: 'say "hi"\\\n' }, value: -0.5 },
        { labels: {}, value: Number.POSITIVE_INFINITY },
        { value: Number.NaN },
      ]),
      { name: 'empty', type: 'gauge', help: 'No sample, no line.', samples: [] },
    ]),
  ).toBe(
    [
      '# HELP a_total Line one\\nand a \\\\.',
      '# TYPE a_total counter',
      'a_total 3',
      '# HELP x_seconds Help.',
      '# TYPE x_seconds gauge',
      'x_seconds{partition="0",name="say \\"hi\\"\\\\\\n"} -0.5',
      'x_seconds +Inf',
      'x_seconds NaN',
      '',
    ].join('\n'),
  );
});

/** Reads one label value back, as a scraper does. */
function labelOf(page: string): string | undefined {
  const quoted = /^x_seconds\{l="((?:[^"\\\n]|\\.)*)"\} \S+$/m.exec(page)?.[1];
  return quoted?.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
}

test('whatever a label holds, it is one line and reads back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.double(), (text, value) => {
      const page = formatMetrics([gauge([{ labels: { l: text }, value }])]);
      expect(page.split('\n')).toHaveLength(4);
      expect(labelOf(page)).toBe(text);
    }),
  );
});

test('names hold the unit, and counters end in _total', () => {
  for (const { name, type } of processMetrics('test')) {
    expect(name).toMatch(/^[a-z_]+$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
  }
});

test('it serves /metrics on loopback, and scrapes at once share a collection', async () => {
  let collections = 0;
  let fail = false;
  const server = await serveMetrics(0, async () => {
    collections++;
    await new Promise((resolve) => setTimeout(resolve, 100));
    if (fail) throw new Error('no luck');
    return [gauge([{ value: 1 }])];
  });
  const url = `http://127.0.0.1:${server.port}/metrics`;
  try {
    const both = await Promise.all([fetch(url), fetch(`${url}?name[]=x`)]);
    expect(both.map((response) => [response.status, response.headers.get('content-type')])).toEqual([
      [200, CONTENT_TYPE],
      [200, CONTENT_TYPE],
    ]);
    expect(await both[0].text()).toContain('x_seconds 1\n');
    expect(collections).toBe(1);
    expect((await fetch(url.replace('/metrics', '/'))).status).toBe(404);
    expect((await fetch(url, { method: 'POST' })).status).toBe(405);
    fail = true;
    expect((await fetch(url)).status).toBe(500);
    fail = false;
    expect((await fetch(url)).status).toBe(200);
  } finally {
    await server.close();
  }
  await expect(fetch(url)).rejects.toThrow('fetch failed');
});

test('a port that is taken costs the metrics, not the worker; without a port there are none', async () => {
  const first = await serveMetrics(0, async () => []);
  try {
    await expect(serveMetrics(first.port, async () => [])).rejects.toMatchObject({
      code: 'METRICS_PORT_BUSY',
      message: expect.stringContaining('FLEETSCORE_METRICS_PORT'),
    });
    const life = (env: Record<string, string>) => {
      const config = loadConfig({ ...env, FLEETSCORE_LOG_LEVEL: 'silent' });
      return { config, log: createLog(config, 'test') };
    };
    expect(await startMetrics(life({ FLEETSCORE_METRICS_PORT: String(first.port) }), async () => [])).toBeUndefined();
    expect(await startMetrics(life({}), async () => [])).toBeUndefined();
    const free = await startMetrics(life({ FLEETSCORE_METRICS_PORT: 'auto' }), async () => []);
    expect(free!.port).toBeGreaterThan(0);
    await free!.close();
  } finally {
    await first.close();
  }
});

test('a name that a page made resolve to this machine is not answered', async () => {
  const server = await serveMetrics(0, async () => [gauge([{ value: 1 }])]);
  const statusUnder = (host: string): Promise<number | undefined> =>
    new Promise((resolve) => {
      get({ host: '127.0.0.1', port: server.port, path: '/metrics', headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
    });
  try {
    expect(await statusUnder('evil.example')).toBe(421);
    expect(await statusUnder('127.0.0.1.evil.example:9464')).toBe(421);
    expect(await statusUnder('localhost:9464')).toBe(200);
    expect(await statusUnder(`127.0.0.1:${server.port}`)).toBe(200);
  } finally {
    await server.close();
  }
});
