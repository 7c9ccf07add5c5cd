/** What makes a worker end by itself: idleness, its pool, the machine's scheduled events, memory. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { watchIdle } from '../../pool/worker/idle.ts';
import { watchMemory } from '../../pool/worker/memory.ts';
import { watchScheduledEvents } from '../../pool/worker/scheduled-events.ts';
import type { Watch } from '../../pool/worker/watch.ts';

const PATIENT = 30_000;

/** 'nothing' when no reason came in that time: short where none should come, long where one must. */
async function reasonOf(watch: Watch, ms = PATIENT): Promise<string> {
  const found = await Promise.race([watch.reason, sleep(ms, undefined, { ref: false })]);
  watch.stop();
  return found?.kind ?? 'nothing';
}

describe('an idle worker', () => {
  const idle = (options: Partial<Parameters<typeof watchIdle>[0]> & { idleForMs: number }): Watch =>
    watchIdle({ activities: { idleForMs: () => options.idleForMs }, everyMs: 1, now: () => 1_000_000, ...options });

  test('ends when idle for long and its pool is silent, unknown, or cannot be asked', async () => {
    expect(await reasonOf(idle({ idleForMs: 60_000, idleExitMs: 60_000 }))).toBe('idle');
    expect(
      await reasonOf(idle({ idleForMs: 60_000, idleExitMs: 60_000, poolAlive: async () => 1_000_000 - 60_000 })),
    ).toBe('idle');
    expect(
      await reasonOf(
        idle({ idleForMs: 60_000, idleExitMs: 60_000, poolAlive: () => Promise.reject(new Error('no Blob')) }),
      ),
    ).toBe('idle');
  });

  test('stays while it works, while its pool gives signs of life, and without a limit', async () => {
    expect(await reasonOf(idle({ idleForMs: 59_999, idleExitMs: 60_000 }), 300)).toBe('nothing');
    expect(
      await reasonOf(idle({ idleForMs: 60_000, idleExitMs: 60_000, poolAlive: async () => 1_000_000 - 59_999 }), 300),
    ).toBe('nothing');
    expect(await reasonOf(idle({ idleForMs: 60_000 }), 300)).toBe('nothing');
  });

  test('goes when its pool lets it go, also after looks that failed', async () => {
    let looks = 0;
    const released = async (): Promise<boolean> => {
      looks += 1;
      if (looks < 3) throw new Error('Blob is away');
      return true;
    };
    const seen: unknown[] = [];
    expect(await reasonOf(idle({ idleForMs: 0, released, trouble: (error) => seen.push(error) }))).toBe('released');
    expect(seen).toHaveLength(2);
  });
});

test('a worker above its memory mark ends, one below stays', async () => {
  expect(await reasonOf(watchMemory({ limitBytes: 100, everyMs: 1, usage: () => 101 }))).toBe('memory');
  expect(await reasonOf(watchMemory({ limitBytes: 100, everyMs: 1, usage: () => 100 }), 300)).toBe('nothing');
  expect(await reasonOf(watchMemory({ limitBytes: 1, everyMs: 1 }))).toBe('memory'); // of this process
});

describe('scheduled events', () => {
  interface Imds {
    readonly endpoint: string;
    events: unknown[];
    status: number;
    /** Answers given, good or bad. */
    answers: number;
    readonly server: Server;
  }
  const start = async (): Promise<Imds> => {
    const server = createServer((request, response) => {
      if (request.headers.metadata !== 'true') return void response.writeHead(400).end();
      if (request.url!.startsWith('/metadata/instance/compute/name')) return void response.end('node_0');
      imds.answers += 1;
      response.writeHead(imds.status, { 'content-type': 'application/json' });
      return void response.end(JSON.stringify({ DocumentIncarnation: 1, Events: imds.events }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const imds: Imds = {
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      events: [],
      status: 200,
      answers: 0,
      server,
    };
    return imds;
  };
  const event = (EventType: string, ...Resources: string[]): unknown => ({
    EventId: '1',
    EventType,
    ResourceType: 'VirtualMachine',
    Resources,
    EventStatus: 'Scheduled',
    NotBefore: 'Mon, 19 Sep 2026 18:29:47 GMT',
  });
  const close = (imds: Imds): Promise<void> =>
    new Promise((resolve) => {
      imds.server.closeAllConnections();
      imds.server.close(() => resolve());
    });

  test('an eviction of this machine ends the worker; those of others and pauses do not', async () => {
    const imds = await start();
    try {
      const watch = watchScheduledEvents({ endpoint: imds.endpoint, everyMs: 5 });
      imds.events = [event('Preempt', 'node_1'), event('Freeze', 'node_0')];
      expect(await Promise.race([watch.reason, sleep(300).then(() => 'nothing')])).toBe('nothing');
      imds.events = [event('Preempt', 'node_0')];
      await expect(watch.reason).resolves.toMatchObject({
        kind: 'evicted',
        text: expect.stringContaining('Preempt not before Mon'),
      });
      watch.stop();
    } finally {
      await close(imds);
    }
  });

  test('trouble of the service is waited out once it has answered', async () => {
    const imds = await start();
    try {
      const watch = watchScheduledEvents({ endpoint: imds.endpoint, everyMs: 5, tries: 2 });
      const answered = async (more: number): Promise<void> => {
        for (const enough = imds.answers + more; imds.answers < enough;) await sleep(5);
      };
      await answered(2);
      imds.status = 500;
      await answered(4);
      imds.status = 200;
      imds.events = [event('Terminate', 'node_0')];
      await expect(watch.reason).resolves.toMatchObject({ kind: 'evicted' });
      watch.stop();
    } finally {
      await close(imds);
    }
  });

  test('where nobody answers the watch gives up and leaves the worker alone', async () => {
    const imds = await start();
    await close(imds);
    expect(await reasonOf(watchScheduledEvents({ endpoint: imds.endpoint, everyMs: 1, tries: 2 }), 300)).toBe(
      'nothing',
    );
  });
});
