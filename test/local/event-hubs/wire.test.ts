/**
 * What clients see on the wire: links as .NET and Go open them (settled requests with the empty delivery tag, 32 at
 * once), refusals without a terminus, lists with all their fields as Python reads them, and events of every AMQP type
 * that come back as the bytes that were sent. .NET itself is not here: these are the frames that it exchanges.
 */
import { Buffer } from 'node:buffer';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import fc from 'fast-check';
import rhea from 'rhea';
import type { Connection, ConnectionOptions, EventContext, Message, Receiver, Sender } from 'rhea';
import { bytesOf } from '../../../local/event-hubs/amqp.ts';
import { keepBytes } from '../../../local/event-hubs/dialect.ts';
import { anySections, withSection } from './amqp-values.ts';
import { cleanUp, emulator } from './support.ts';

const connections: Connection[] = [];

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close();
  await cleanUp();
});

const KEY = { username: 'RootManageSharedAccessKey', password: 'SAS_KEY_VALUE' };
const SETTLED = 1;

async function connect(port: number, options: Partial<ConnectionOptions> = {}): Promise<Connection> {
  const connection = rhea.create_container().connect({ host: '127.0.0.1', port, reconnect: false, ...options });
  connections.push(connection);
  await once(connection, 'connection_open');
  return connection;
}

/** A shared access signature for the whole namespace. */
function token(): string {
  const expiry = Math.floor(Date.now() / 1000) + 600;
  const resource = encodeURIComponent('sb://localhost/');
  const signature = createHmac('sha256', KEY.password).update(`${resource}\n${expiry}`).digest('base64');
  return `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=${KEY.username}`;
}

interface Attached {
  readonly remote: { readonly attach: { readonly value: unknown[]; readonly [field: string]: unknown } };
}

/** The fields that the emulator answered an attach with. */
const answered = (link: Sender | Receiver): Attached['remote']['attach'] => (link as unknown as Attached).remote.attach;

/** A pair of links to a node that answers requests, each in a session of its own, settled as .NET asks for it. */
async function requestLinks(connection: Connection, node: string, name: string): Promise<[Sender, Receiver]> {
  const open = (
    create: (session: ReturnType<Connection['create_session']>) => Sender | Receiver,
  ): Sender | Receiver => {
    const session = connection.create_session();
    session.begin();
    return create(session);
  };
  const mode = { snd_settle_mode: SETTLED } as const;
  const receiver = open((session) =>
    session.open_receiver({ name: `${name}:receiver`, source: node, target: name, ...mode }),
  ) as Receiver;
  const sender = open((session) => session.open_sender({ name, target: node, source: name, ...mode })) as Sender;
  await Promise.all([once(receiver, 'receiver_open'), once(sender, 'sendable')]);
  return [sender, receiver];
}

const EMPTY_TAG = Buffer.alloc(0);

function partitionRequest(partition: number, replyTo: string): Message {
  return {
    message_id: `request${partition}`,
    reply_to: replyTo,
    application_properties: {
      operation: 'READ',
      name: 'readings',
      type: 'com.microsoft:partition',
      partition: String(partition),
      security_token: token(),
    },
    body: null,
  };
}

test('settled links stay settled: 32 requests at once, all with the empty delivery tag, are answered', async () => {
  const emu = await emulator({ hubs: [{ name: 'readings', partitions: 32 }] });
  const connection = await connect(emu.port);
  const dispositions: unknown[] = [];
  const peek = connection as unknown as { on_disposition: (frame: unknown) => void };
  const take = peek.on_disposition.bind(connection);
  peek.on_disposition = (frame) => {
    dispositions.push(frame);
    take(frame);
  };
  // Two pairs, opened at once, as two callers of one client open them.
  const pairs = await Promise.all(['a', 'b'].map((name) => requestLinks(connection, '$management', name)));
  for (const [i, [sender, receiver]] of pairs.entries()) {
    expect(answered(sender)['snd_settle_mode']).toBe(SETTLED);
    expect(answered(receiver)['snd_settle_mode']).toBe(SETTLED);
    const answers = new Map<unknown, unknown>();
    const whole = new Promise<void>((resolve) => {
      receiver.on('message', ({ message, delivery }: EventContext) => {
        expect(delivery?.remote_settled).toBe(true);
        answers.set(message?.correlation_id, message?.body);
        if (answers.size === 32) resolve();
      });
    });
    for (let partition = 0; partition < 32; partition += 1) {
      sender.send(partitionRequest(partition, i === 0 ? 'a' : 'b'), EMPTY_TAG);
    }
    await whole;
    for (let partition = 0; partition < 32; partition += 1) {
      expect(answers.get(`request${partition}`)).toMatchObject({
        partition: String(partition),
        last_enqueued_sequence_number: -1,
        last_enqueued_sequence_number_epoch: -1,
        begin_sequence_number_epoch: -1,
      });
    }
  }
  expect(dispositions).toEqual([]);
});

test('a request is answered for the token that it carries, as Java sends it, and for no other', async () => {
  const emu = await emulator();
  const connection = await connect(emu.port);
  const [sender, receiver] = await requestLinks(connection, '$management', 'java');
  const ask = async (securityToken: string | undefined): Promise<unknown> => {
    const request = partitionRequest(0, 'java');
    request.application_properties = { ...request.application_properties, security_token: securityToken };
    sender.send(request, EMPTY_TAG);
    const [{ message }] = (await once(receiver, 'message')) as [EventContext];
    return message?.application_properties;
  };
  expect(await ask(token())).toMatchObject({ 'status-code': 200 });
  expect(await ask(token().replace(/sig=[^&]*/, 'sig=AAAA'))).toMatchObject({
    'status-code': 401,
    'status-description': expect.stringContaining('InvalidSignature'),
  });
  expect(await ask(undefined)).toMatchObject({ 'status-code': 401 });
  // Bytes that are no message are refused, and the connection lives on.
  sender.send(Buffer.from('hello'), EMPTY_TAG, 0);
  expect(await ask(token())).toMatchObject({ 'status-code': 200 });
});

test('a refused link has neither source nor target', async () => {
  const emu = await emulator();
  const connection = await connect(emu.port, KEY);
  const refused = async (link: Sender | Receiver): Promise<unknown> => {
    const [context] = (await once(link, link.is_receiver() ? 'receiver_error' : 'sender_error')) as [EventContext];
    const [source, target] = [answered(link)['source'], answered(link)['target']] as { value: unknown }[];
    expect([source?.value, target?.value]).toEqual([null, null]);
    return (context.receiver ?? context.sender)?.error;
  };
  const consumer = (path: string, filter?: string): Receiver =>
    connection.open_receiver({
      source: {
        address: `readings/ConsumerGroups/${path}`,
        ...(filter === undefined ? {} : { filter: rhea.filter.selector(filter) }),
      },
    });
  expect(await refused(consumer('nogroup/Partitions/0'))).toMatchObject({ condition: 'amqp:not-found' });
  expect(await refused(consumer('$Default/Partitions/77'))).toMatchObject({
    condition: 'com.microsoft:argument-out-of-range',
  });
  expect(await refused(connection.open_sender({ target: { address: 'readings/Partitions/77' } }))).toMatchObject({
    condition: 'com.microsoft:argument-out-of-range',
  });
});

test('SASL PLAIN: the key of a policy opens the links, a wrong one does not open the connection', async () => {
  const emu = await emulator();
  const connection = await connect(emu.port, KEY);
  const sender = connection.open_sender({ target: { address: 'readings' } });
  await once(sender, 'sendable');
  sender.send({ body: 'x' });
  await once(sender, 'accepted');
  expect(emu.stats.events).toBe(1);
  for (const wrong of [{ username: 'Other' }, { username: '__proto__' }, { password: 'guess' }]) {
    const stranger = rhea.create_container().connect({
      host: '127.0.0.1',
      port: emu.port,
      reconnect: false,
      ...KEY,
      ...wrong,
    });
    connections.push(stranger);
    const [{ error }] = (await once(stranger, 'connection_error')) as [EventContext];
    expect(String(error?.message)).toMatch(/Failed to authenticate/);
  }
});

test('lists carry all the fields of their type, which Python reads by position', async () => {
  const emu = await emulator();
  const connection = await connect(emu.port, KEY);
  const { remote } = connection as unknown as { remote: { open: { value: unknown[] } } };
  expect(remote.open.value).toHaveLength(10);
  const session = connection.create_session();
  session.begin();
  await once(session, 'session_open');
  const { begin } = (session as unknown as { remote: { begin: { value: unknown[]; handle_max: number } } }).remote;
  expect(begin.value).toHaveLength(8);
  expect(begin.handle_max).toBe(0xffff_ffff);
  const frames: { name: string; fields: number }[] = [];
  for (const name of ['on_disposition', 'on_transfer', 'on_flow', 'on_detach'] as const) {
    const peek = connection as unknown as Record<string, (frame: { performative: { value: unknown[] } }) => void>;
    const take = peek[name]!.bind(connection);
    peek[name] = (frame) => {
      frames.push({ name, fields: frame.performative.value.length });
      take(frame);
    };
  }
  const sender = session.open_sender({ target: { address: 'readings' } });
  await once(sender, 'sendable');
  expect(answered(sender).value).toHaveLength(14);
  // Without a start position it gets what comes from now on.
  const receiver = connection.open_receiver({ source: { address: 'readings/ConsumerGroups/$Default/Partitions/0' } });
  await once(receiver, 'receiver_open');
  const message = once(receiver, 'message');
  sender.send({ body: 'x' });
  await once(sender, 'accepted');
  await message;
  const refused = connection.open_sender({ target: { address: 'other' } });
  await once(refused, 'sender_error');
  expect(new Set(frames.map(({ name, fields }) => `${name} ${fields}`))).toEqual(
    new Set(['on_flow 11', 'on_disposition 6', 'on_transfer 11', 'on_detach 3']),
  );
});

test('an event that is sent alone comes back byte for byte, whatever AMQP types it holds', async () => {
  const emu = await emulator({ hubs: [{ name: 'readings', partitions: 1 }] });
  const connection = await connect(emu.port, KEY);
  keepBytes(connection);
  const sender = connection.open_sender({ target: { address: 'readings/Partitions/0' } });
  const receiver = connection.open_receiver({ source: { address: 'readings/ConsumerGroups/$Default/Partitions/0' } });
  await Promise.all([once(sender, 'sendable'), once(receiver, 'receiver_open')]);
  await fc.assert(
    fc.asyncProperty(anySections, fc.option(anySections), async ({ annotations, bare }, header) => {
      const got = once(receiver, 'message') as Promise<[EventContext]>;
      const accepted = once(sender, 'accepted');
      // The header and the delivery annotations are between a client and the broker, and do not travel on.
      const hop = header === null ? Buffer.alloc(0) : withSection(0x71, header.annotations);
      sender.send(Buffer.concat([hop, withSection(0x72, annotations), bare]), EMPTY_TAG, 0);
      await accepted;
      const [context] = await got;
      const bytes = bytesOf(context);
      expect(bytes.subarray(-bare.length).toString('hex')).toBe(bare.toString('hex'));
      // In front of it: the annotations of the broker, with those of the sender as they were.
      for (const pair of annotations) {
        expect(bytes.subarray(0, -bare.length).includes(Buffer.concat(pair))).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});
