/**
 * The two nodes that answer requests: `$cbs`, which takes tokens (OASIS "AMQP Claims-based Security", put-token),
 * and `$management`, which describes hubs and partitions. A response goes to the link that the client opened
 * from the same node for its reply-to address.
 */
import type { Buffer } from 'node:buffer';
import rhea from 'rhea';
import type { Connection, EventContext, Message, Receiver, Sender } from 'rhea';
import { messageOf } from '../../domain/errors.ts';
import { bytesOf, invalidPartition, notFound, notImplemented, unauthorized, type AmqpError } from './amqp.ts';
import type { Broker } from './broker.ts';
import { pathOf, type Hub } from './namespace.ts';
import { tokenProblem } from './sas.ts';
import { offsetText } from './sections.ts';

const { types } = rhea;
const STATUS: Readonly<Record<string, number>> = {
  'amqp:not-found': 404,
  'amqp:unauthorized-access': 401,
  'amqp:not-implemented': 501,
};
const STRING_8 = 0xa1;

type Answer = { readonly status: number; readonly description: string; readonly body?: unknown } | AmqpError;

export function isRequestNode(address: string): boolean {
  return address === '$cbs' || address === '$management' || address.endsWith('/$management');
}

/** Accepts the link from which responses will be sent. */
export function openResponseLink(link: Sender): void {
  link.set_source({ address: link.source?.address ?? '' });
  link.set_target({ address: link.target?.address ?? '' });
}

/** Accepts the link on which requests come and answers them. */
export function openRequestLink(broker: Broker, link: Receiver): void {
  const address = link.target?.address ?? '';
  link.set_source({ address: link.source?.address ?? '' });
  link.set_target({ address });
  const answer = address === '$cbs' ? putToken : describe;
  link.on('message', (context: EventContext) => {
    const request = decoded(bytesOf(context));
    if (typeof request === 'string') {
      context.delivery?.reject({ condition: 'amqp:decode-error', description: request });
      return;
    }
    context.delivery?.accept();
    reply(link, request, answer(broker, request, link.connection));
  });
}

/** A request, or why it cannot be read. */
function decoded(bytes: Buffer): Message | string {
  try {
    return rhea.message.decode(bytes) as unknown as Message;
  } catch (error) {
    return `The request cannot be read: ${messageOf(error)}`;
  }
}

function reply(link: Receiver, request: Message, answer: Answer): void {
  const node = link.target?.address;
  const replyTo: unknown = request.reply_to;
  const isResponseLink = (candidate: Sender): boolean =>
    candidate.source?.address === node && (candidate.target?.address === replyTo || candidate.name === replyTo);
  const response =
    link.connection.find_sender(isResponseLink) ??
    link.session.find_sender((candidate: Sender) => candidate.source?.address === node);
  const failed = 'condition' in answer;
  response?.send({
    correlation_id: request.message_id,
    to: request.reply_to,
    body: failed ? undefined : answer.body,
    application_properties: {
      'status-code': types.wrap_int(failed ? (STATUS[answer.condition] ?? 400) : answer.status),
      'status-description': answer.description,
      ...(failed ? { 'error-condition': types.wrap_symbol(answer.condition) } : {}),
    },
  } as unknown as Message);
}

function putToken(broker: Broker, request: Message, connection: Connection): Answer {
  const { operation, name, type } = propertiesOf(request);
  if (operation !== 'put-token') return notImplemented(`The operation '${operation}' is not supported.`);
  if (type !== 'servicebus.windows.net:sastoken') {
    return notImplemented(
      `The token type '${type}' is not supported: the emulator takes shared access signatures only.`,
    );
  }
  const entity = pathOf(name ?? '');
  const hub = broker.namespace.hub(entity.split('/')[0] ?? '');
  if (hub === undefined) return notFound(entity);
  const problem = problemOf(() => tokenProblem(String(request.body), entity, broker.keys, Date.now()));
  if (problem !== undefined) return unauthorized(problem);
  broker.peer(connection).authorized.add(hub.name.toLowerCase());
  return { status: 202, description: 'Accepted' };
}

function problemOf(check: () => string | undefined): string | undefined {
  try {
    return check();
  } catch (error) {
    return `InvalidToken: ${messageOf(error)}`;
  }
}

function describe(broker: Broker, request: Message, connection: Connection): Answer {
  const { operation, name = '', type, partition, security_token: token } = propertiesOf(request);
  if (operation !== 'READ') return notImplemented(`The operation '${operation}' is not supported.`);
  const hub = broker.namespace.hub(name);
  if (hub === undefined) return notFound(name);
  const refusal = broker.peer(connection).authorized.has(hub.name.toLowerCase())
    ? undefined
    : accessProblem(broker, hub, token);
  if (refusal !== undefined) return unauthorized(`Unauthorized access to '${name}'. ${refusal}`.trim());
  if (type === 'com.microsoft:eventhub') return { status: 200, description: 'OK', body: describeHub(hub) };
  if (type !== 'com.microsoft:partition') return notImplemented(`The type '${type}' is not supported.`);
  return describePartition(hub, partition ?? '');
}

/** Why the token in a request gives no access: the client for Java sends it there, and none to `$cbs`. */
function accessProblem(broker: Broker, hub: Hub, token: string | undefined): string | undefined {
  if (token === undefined) return '';
  return problemOf(() => tokenProblem(String(token), hub.name, broker.keys, Date.now()));
}

function describeHub(hub: Hub): unknown {
  return {
    name: hub.name,
    type: 'com.microsoft:eventhub',
    created_at: types.wrap_timestamp(hub.createdAtMs),
    partition_count: types.wrap_int(hub.partitions.length),
    partition_ids: types.wrap_array(
      hub.partitions.map((partition) => partition.id),
      STRING_8,
      undefined,
    ),
    georeplication_factor: types.wrap_int(1),
  };
}

function describePartition(hub: Hub, id: string): Answer {
  const partition = hub.partitions.find((candidate) => candidate.id === id);
  if (partition === undefined) return invalidPartition(id);
  partition.trim(Date.now());
  const { last } = partition;
  return {
    status: 200,
    description: 'OK',
    body: {
      name: hub.name,
      type: 'com.microsoft:partition',
      partition: id,
      // Of geo-replicated namespaces; the client for Rust insists on them.
      begin_sequence_number_epoch: types.wrap_int(-1),
      last_enqueued_sequence_number_epoch: types.wrap_int(-1),
      begin_sequence_number: types.wrap_long(partition.first),
      last_enqueued_sequence_number: types.wrap_long(last.sequence),
      last_enqueued_offset: offsetText(last),
      last_enqueued_time_utc: types.wrap_timestamp(last.timeMs),
      is_partition_empty: partition.isEmpty,
    },
  };
}

function propertiesOf(
  request: Message,
): Readonly<Partial<Record<'operation' | 'name' | 'type' | 'partition' | 'security_token', string>>> {
  return request.application_properties ?? {};
}
