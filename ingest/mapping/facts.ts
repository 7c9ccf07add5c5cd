/**
 * What a mapping may know of an event besides its body: its properties, its annotations, when it was enqueued. An event
 * that was sent again from a dead letter carries those it had the first time (`REPLAYED`): a sender cannot set
 * annotations of the service, and "now" was when it first came.
 */
import type { EventBody } from '../parse/body.ts';
import { propertyValue } from '../property.ts';

export interface EventFacts {
  /** When it came, the first time; epoch ms. */
  readonly enqueuedMs: number;
  readonly partitionKey: string | undefined;
  /** Annotation or property of AMQP, `iothub-connection-device-id`, `contentType`; undefined when absent or null. */
  system(name: string): unknown;
  /** Application property, which the sender set. */
  property(name: string): unknown;
}

/**
 * Application property of an event that was sent again: what it had, as JSON. It is not believed in an event that IoT
 * Hub hands on, where the annotations say which device it is and the application properties are the device's own.
 */
export const REPLAYED = 'fleetscore-replayed';

export interface Replayed {
  /** Epoch ms. */
  readonly enqueuedMs: number;
  readonly system?: Readonly<Record<string, unknown>>;
}

/** AMQP's properties have one name in the SDK and another in the protocol; files of Azure may hold either. */
const OTHER_NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ['contentType', 'content-type'],
    ['contentEncoding', 'content-encoding'],
    ['messageId', 'message-id'],
    ['correlationId', 'correlation-id'],
    ['userId', 'user-id'],
    ['replyTo', 'reply-to'],
    ['groupId', 'group-id'],
    ['creationTime', 'creation-time'],
    ['absoluteExpiryTime', 'absolute-expiry-time'],
  ].flatMap(([a, b]) => [
    [a!, b!],
    [b!, a!],
  ]),
);

const EMPTY: Readonly<Record<string, unknown>> = {};

export function factsOf(event: EventBody): EventFacts {
  const { properties = EMPTY, systemProperties = EMPTY } = event;
  const replayed = properties[REPLAYED] === undefined ? undefined : replayedOf(event);
  const system = replayed?.system ? { ...systemProperties, ...replayed.system } : systemProperties;
  return {
    enqueuedMs: replayed?.enqueuedMs ?? event.enqueuedMs,
    partitionKey: event.partitionKey,
    system: (name) => own(system, name) ?? (OTHER_NAMES[name] ? own(system, OTHER_NAMES[name]) : undefined),
    property: (name) => own(properties, name),
  };
}

const own = (values: Readonly<Record<string, unknown>>, name: string): unknown =>
  Object.hasOwn(values, name) ? propertyValue(values[name]) : undefined;

/** IoT Hub hands it on: its application properties are the device's own. */
function fromIotHub({ systemProperties = EMPTY }: EventBody): boolean {
  for (const name in systemProperties) if (name.startsWith('iothub-')) return true;
  return false;
}

/**
 * Application property of an event whose body is in the form of docs/readings.md, whatever the mapping: of `send`,
 * which would else be refused where devices send another form. Not believed of IoT Hub either.
 */
export const FORM = { name: 'fleetscore-form', readings: 'readings' } as const;

export const saysReadings = (event: EventBody): boolean =>
  event.properties !== undefined && event.properties[FORM.name] === FORM.readings && !fromIotHub(event);

function replayedOf(event: EventBody): Replayed | undefined {
  const { properties = EMPTY, enqueuedMs } = event;
  const text = properties[REPLAYED];
  if (typeof text !== 'string' || fromIotHub(event)) return undefined;
  try {
    const said = JSON.parse(text) as Partial<Replayed> | null;
    const at = said?.enqueuedMs;
    if (typeof at !== 'number' || !(at >= 0 && at <= enqueuedMs)) return undefined;
    return typeof said?.system === 'object' && said.system !== null
      ? { enqueuedMs: at, system: said.system }
      : { enqueuedMs: at };
  } catch {
    return undefined;
  }
}
