/**
 * Mail and the hub of alarms against real servers: an SMTP server that wants TLS and a password, and the Event Hubs
 * emulator. Nothing goes out in the clear, and no secret is in what an error says.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventHubConsumerClient, type ReceivedEventData } from '@azure/event-hubs';
import { SMTPServer } from 'smtp-server';
import { single, type Message } from '../../alarms/message.ts';
import type { NotifySettings } from '../../alarms/notify-settings.ts';
import { messageOf } from '../../domain/errors.ts';
import { startEventHubsEmulator } from '../../local/event-hubs/emulator.ts';
import { hubSender } from '../../notify/alarms-hub.ts';
import { mailSender } from '../../notify/mail.ts';
import { makeAuthority, makePair, type Pair } from '../connect/certificates.ts';

const PASSWORD = 'p@ss:word/1';
const EMAIL: NotifySettings = {
  by: 'email',
  format: 'cloudevents',
  to: ['ann@plant.example', 'bob@plant.example'],
  severity: 401,
  atMost: 20,
  perHour: 30,
};
const MESSAGE: Message = single({
  id: '3f9c2ab41d70e85.1',
  what: 'opened',
  timeMs: Date.UTC(2026, 10, 23, 11, 24, 55),
  severity: 850,
  text: 'Kühler 7 Förderstrom: anomalous since 11:24:45, 10 s, goes on',
  alarms: 1,
  about: {
    incident: '3f9c2ab41d70e85',
    alarm: '3f9c2ab41d70e85',
    device: 'Kühler 7',
    sensor: 'Förderstrom',
    kind: 'anomaly',
    severity: 850,
    active: true,
    acked: false,
    since: '2026-11-23T11:24:45.000Z',
    windows: 2,
  },
});

const folder = mkdtempSync(join(tmpdir(), 'fleetscore-notify-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('mail', () => {
  let authority: Pair;
  let pair: Pair;
  beforeAll(() => {
    authority = makeAuthority(folder, 'plant authority');
    pair = makePair(folder, 'smtp', authority, 2);
  });

  interface Taken {
    readonly text: string;
    readonly to: readonly string[];
    readonly secure: boolean;
    readonly user: string | undefined;
  }

  /** Runs a server, and returns what it took and what sending came to. */
  async function withServer(
    options: { readonly secure?: boolean; readonly noStartTls?: boolean },
    send: (port: number) => Promise<unknown>,
  ): Promise<{ readonly taken: readonly Taken[]; readonly problem: string | undefined }> {
    const taken: Taken[] = [];
    const server = new SMTPServer({
      secure: options.secure ?? false,
      key: pair.key,
      cert: pair.cert,
      disabledCommands: options.noStartTls ? ['STARTTLS'] : [],
      allowInsecureAuth: options.noStartTls ?? false,
      onAuth: ({ username, password }, _session, done) =>
        password === PASSWORD ? done(null, { user: username }) : done(new Error('Invalid username or password')),
      onData(stream, session, done) {
        let text = '';
        stream.on('data', (piece: Buffer) => (text += piece.toString()));
        stream.on('end', () => {
          const to = session.envelope.rcptTo.map(({ address }) => address);
          taken.push({ text, to, secure: session.secure, user: session.user as string | undefined });
          done();
        });
      },
    });
    server.on('error', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.server.address() as { port: number };
    try {
      const problem = await send(port).then(
        () => undefined,
        (error: unknown) => `${messageOf(error)} ${(error as Error).stack}`,
      );
      return { taken, problem };
    } finally {
      await new Promise<void>((resolve) => server.close(resolve));
    }
  }

  const url = (scheme: string, port: number, password = PASSWORD): string =>
    `${scheme}://fleet%40plant:${encodeURIComponent(password)}@127.0.0.1:${port}`;
  const from = 'fleetscore <fleetscore@plant.example>';

  test.each([
    ['smtps', { secure: true }],
    ['smtp', {}],
  ])('%s goes over TLS, with the password, to everybody, as one thread', async (scheme, options) => {
    const { taken, problem } = await withServer(options, (port) =>
      mailSender({ url: url(scheme, port), from }, 'https://plant.example', authority.cert)(MESSAGE, EMAIL),
    );
    expect(problem).toBeUndefined();
    expect(taken).toMatchObject([{ secure: true, user: 'fleet@plant', to: EMAIL.to }]);
    const [{ text }] = taken as [Taken];
    expect(text).toMatch(/^From: fleetscore <fleetscore@plant\.example>\r$/m);
    expect(text).toMatch(/^Message-ID: <3f9c2ab41d70e85\.1@fleetscore\.invalid>\r$/m);
    expect(text).toMatch(/^References: <3f9c2ab41d70e85@fleetscore\.invalid>\r$/m);
    expect(text).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(text).toMatch(/^Subject: =\?UTF-8\?/m);
    expect(text).toContain('https://plant.example/alarms/3f9c2ab41d70e85');
  });

  test('a server whose certificate nobody vouches for gets nothing', async () => {
    const { taken, problem } = await withServer({}, (port) =>
      mailSender({ url: url('smtp', port), from })(MESSAGE, EMAIL),
    );
    expect(taken).toEqual([]);
    expect(problem).toMatch(/certificate|self.signed/i);
    expect(problem).not.toContain(PASSWORD);
  });

  test('a server without STARTTLS gets neither password nor mail, unless it is named as this machine', async () => {
    const refused = await withServer({ noStartTls: true }, (port) =>
      mailSender({ url: url('smtp', port).replace('127.0.0.1', '[::ffff:127.0.0.1]'), from })(MESSAGE, EMAIL),
    );
    expect(refused.taken).toEqual([]);
    expect(refused.problem).toMatch(/STARTTLS/i);
    const own = await withServer({ noStartTls: true }, (port) =>
      mailSender({ url: url('smtp', port), from })(MESSAGE, EMAIL),
    );
    expect(own.taken).toMatchObject([{ secure: false }]);
  });

  test('a wrong password is said without it', async () => {
    const { taken, problem } = await withServer({}, (port) =>
      mailSender({ url: url('smtp', port, 'wrong-pass'), from }, undefined, authority.cert)(MESSAGE, EMAIL),
    );
    expect(taken).toEqual([]);
    expect(problem).toMatch(/Invalid username or password/);
    expect(problem).not.toContain('wrong-pass');
  });
});

test('the hub of alarms gets CloudEvents, those of a device in one partition', async () => {
  const emulator = await startEventHubsEmulator({ hubs: [{ name: 'alarms', partitions: 4 }] });
  const connection = { connectionString: emulator.connectionString() };
  const sender = hubSender({ connection, hub: 'alarms' }, 'https://plant.example');
  const consumer = new EventHubConsumerClient('$Default', emulator.connectionString(), 'alarms');
  try {
    const settings = { ...EMAIL, by: 'events', to: [] } as const;
    expect(await sender.send(MESSAGE, settings)).toBe(true);
    expect(await sender.send({ ...MESSAGE, id: '3f9c2ab41d70e85.2', what: 'closed' }, settings)).toBe(true);
    const events: (ReceivedEventData & { readonly partition: string })[] = [];
    await new Promise<void>((resolve, reject) => {
      consumer.subscribe(
        {
          async processEvents(received, { partitionId }) {
            events.push(...received.map((event) => ({ ...event, partition: partitionId })));
            if (events.length >= 2) resolve();
          },
          processError: async (error) => reject(error),
        },
        { startPosition: { offset: '-1' }, maxWaitTimeInSeconds: 1 },
      );
    });
    expect(events.map(({ body }) => body as object)).toMatchObject([
      { specversion: '1.0', id: '3f9c2ab41d70e85.1', type: 'fleetscore.alarm.opened', data: { device: 'Kühler 7' } },
      { id: '3f9c2ab41d70e85.2', type: 'fleetscore.alarm.closed' },
    ]);
    expect(events[0]).toMatchObject({ contentType: 'application/cloudevents+json', partitionKey: 'Kühler 7' });
    expect(new Set(events.map(({ partition }) => partition)).size).toBe(1);
  } finally {
    await consumer.close();
    await sender.close();
    await emulator.stop();
  }
});
