/**
 * Mappings for the forms in which services and standards deliver measurements, by name. Each names the document that it
 * follows. They are JSON as a file is, so a file can extend one (`"extends": "iot-hub"`) and says only what differs.
 */
import type { FormJson, MappingJson } from './schema.ts';

/** Names that devices choose for a time and for themselves, in any case; an event without a time is of its arrival. */
const TIMES = ['ts', 'timestamp', 'time', 'eventTime'];
const DEVICES = ['device', 'deviceId', 'device_id'];
const SENSORS = ['sensor', 'sensorId', 'sensor_id', 'tag', 'name'];
const around = (names: readonly string[]): string[] => names.map((name) => `^${name}`);

/** What Stream Analytics adds to each row of its output, and counters that are no measurements. */
const NO_SENSORS = ['PartitionId', 'EventProcessedUtcTime', 'EventEnqueuedUtcTime', 'IoTHub.*', 'messageId', 'seq'];

/** One reading in fields of its own, or every number of an object; `inside`: where in the body. */
function longOrWide(
  inside: string,
  from: { readonly time: readonly string[]; readonly device: readonly string[]; readonly when?: FormJson['when'] },
): FormJson[] {
  const when = [from.when ?? []].flat();
  const reading = inside.replace('|json', '');
  const path = (name: string): string => (reading === '' ? name : `${reading}.${name}`);
  const time = [...from.time, '$enqueued'];
  return [
    {
      when: [...when, path('value'), path('sensor')],
      items: inside,
      time: [...TIMES, ...time],
      device: [...DEVICES, ...from.device],
      sensor: SENSORS,
      value: 'value',
      quality: 'quality',
      anyCase: true,
    },
    {
      ...(when.length > 0 ? { when } : {}),
      items: `${inside}{**}`,
      time: [...around(TIMES), ...time],
      device: [...around(DEVICES), ...from.device],
      except: NO_SENSORS,
      anyCase: true,
    },
  ];
}

/**
 * Create and read IoT Hub messages, "System properties of device-to-cloud messages" (learn.microsoft.com, 2025): the
 * device is in an annotation, and the body is what the device sent. Messages that IoT Hub writes to storage, Azure
 * Functions and Event Grid (its schema of DeviceTelemetry) hold body and properties as members, the body as JSON or in
 * base64. Message sources other than Telemetry (Message routing, "Non-telemetry events") hold no measurements.
 */
const IOT_HUB: MappingJson = {
  forms: [
    ...['data.', ''].flatMap((at) =>
      longOrWide(`${at}body|json`, {
        when: [`${at}body`, `${at}systemProperties`],
        time: [
          "^properties['iothub-creation-time-utc']",
          "^systemProperties['iothub-enqueuedtime']",
          '^systemProperties.enqueuedTime',
          '^EnqueuedTimeUtc',
        ],
        device: ["^systemProperties['iothub-connection-device-id']", '^systemProperties.connectionDeviceId'],
      }),
    ),
    ...longOrWide('', {
      time: ['#iothub-creation-time-utc', '@iothub-creation-time-utc', '@iothub-enqueuedtime'],
      device: ['@iothub-connection-device-id', '/IoTHub.ConnectionDeviceId'],
    }),
  ].map((form) => ({
    ...form,
    ignore: [
      {
        of: '@iothub-message-source',
        is: [
          'twinChangeEvents',
          'deviceLifecycleEvents',
          'deviceConnectionStateEvents',
          'deviceJobLifecycleEvents',
          'digitalTwinChangeEvents',
        ],
      },
    ],
  })),
};

/**
 * Export IoT data, "Telemetry format" (IoT Central, learn.microsoft.com, 2025). Properties, connectivity and lifecycle
 * come through the same export, and are told by `messageSource`.
 */
const IOT_CENTRAL: MappingJson = {
  forms: (
    [
      {
        when: ['messageSource', 'telemetry[0].name'],
        items: 'telemetry[]',
        sensor: 'name',
        value: 'value',
        others: 'skip',
      },
      { when: 'messageSource', items: 'telemetry{**}' },
    ] satisfies FormJson[]
  ).map((form): FormJson => ({
    ...form,
    time: ["^messageProperties['iothub-creation-time-utc']", '^enqueuedTime'],
    device: ['^deviceId', '^device.id', '#iotcentral-device-id'],
    ignore: { of: 'messageSource', isNot: 'telemetry' },
    empty: 'skip',
  })),
};

const attribute = (name: string): string[] =>
  ['cloudEvents:', 'cloudEvents_', 'ce_', 'ce-'].map((prefix) => `#${prefix}${name}`);

/**
 * CloudEvents 1.0.2 (February 2022): JSON format, section 3 (structured mode, `data` or `data_base64`), AMQP binding,
 * section 3.1.3 (binary mode: attributes are application properties with the prefix `cloudEvents:` or `cloudEvents_`),
 * Kafka binding, section 3.2.3 (`ce_`), which is how events sent through the Kafka endpoint arrive.
 */
const CLOUD_EVENTS: MappingJson = {
  forms: [
    ...['data', 'data_base64'].flatMap((data) =>
      longOrWide(`${data}|json`, { when: ['specversion', data], time: ['/time'], device: ['/subject', '/source'] }),
    ),
    ...attribute('specversion').flatMap((when) =>
      longOrWide('', {
        when,
        time: attribute('time'),
        device: [...attribute('subject'), ...attribute('source')],
      }),
    ),
  ],
};

/** A number, a Variant ({Type, Body} to 1.04; {UaType, Value} from 1.05.03) or a DataValue that holds either. */
const OPC_VALUE = ['Value.Body', 'Value.Value', 'Value', 'Body', '.'];
const OPC_QUALITY = ['StatusCode.Symbol', 'Status.Symbol', 'StatusCode.Code', 'Status.Code', 'StatusCode', 'Status'];

/**
 * OPC 10000-14 (PubSub), 1.05.04 of 2024-11-29, sections 7.2.5.3 (NetworkMessage) and 7.2.5.4 (DataSetMessage, with
 * keep-alives that have no Payload), fields as in OPC 10000-6, sections 5.4.2.17 and 5.4.2.18. Messages may be an array
 * or one object, and the header of the NetworkMessage may be left out.
 */
const OPC_UA_PUBSUB: MappingJson = {
  forms: (
    [
      { when: 'Messages', items: 'Messages[].Payload{}' },
      { when: 'Payload', items: 'Payload{}' },
      // A keep-alive without the header, and announcements: metadata, status, connections.
      { when: 'DataSetWriterId', items: 'Payload{}' },
      { when: 'MessageType', items: 'Payload{}', ignore: { of: 'MessageType', isNot: 'ua-data' } },
    ] satisfies FormJson[]
  ).map((form): FormJson => ({
    time: ['SourceTimestamp', 'ServerTimestamp', '^Timestamp', '$enqueued'],
    device: ['^DataSetWriterName', '{^PublisherId}/{^DataSetWriterId}', '^DataSetWriterId', '^PublisherId'],
    value: OPC_VALUE,
    quality: OPC_QUALITY,
    booleans: true,
    empty: 'skip',
    ...form,
  })),
};

/**
 * OPC Publisher 2.9, "Telemetry message formats", samples mode (azure.github.io/Industrial-IoT, 2025): one monitored
 * item a message, in arrays where they are batched.
 */
const OPC_PUBLISHER: MappingJson = {
  forms: [
    {
      when: ['NodeId', 'Value'],
      time: ['Value.SourceTimestamp', 'SourceTimestamp', 'Timestamp', '$enqueued'],
      device: ['DataSetWriterName', 'ApplicationUri', 'MonitoredItem.ApplicationUri', 'EndpointUrl'],
      sensor: ['DisplayName', 'NodeId'],
      value: ['Value.Value.Body', 'Value.Value', 'Value.Body', 'Value'],
      quality: ['Value.StatusCode.Symbol', 'Value.Status', 'Status', 'Value.StatusCode'],
      booleans: true,
      others: 'skip',
      empty: 'skip',
    },
    ...OPC_UA_PUBSUB.forms!,
  ],
};

/**
 * Azure IoT Operations, "Connector for OPC UA message format" (learn.microsoft.com, 2025): a member for each tag with
 * SourceTimestamp and Value; a message of the former data processor has it in `Payload`. Which asset it is stands in a
 * header of the data flow: the CloudEvents subject `ASSET/DATASET`, or the topic.
 */
const IOT_OPERATIONS: MappingJson = {
  forms: (
    [
      { when: 'Payload', items: 'Payload{}' },
      { when: 'payload', items: 'payload{}' },
      { items: '{}' },
    ] satisfies FormJson[]
  ).map((form): FormJson => ({
    time: [
      'SourceTimestamp',
      '^SourceTimestamp',
      '^Timestamp',
      '^timestamp',
      ...attribute('time'),
      '#time',
      '$enqueued',
    ],
    device: [
      '^DataSetWriterName',
      ...attribute('subject').map((ref) => `${ref}|part / 1`),
      '#subject|part / 1',
      '#topic|part / -1',
      '@iothub-connection-device-id',
    ],
    value: OPC_VALUE,
    quality: OPC_QUALITY,
    except: ['SequenceNumber', 'MetaDataVersion', 'DataSetWriterId'],
    booleans: true,
    ...form,
  })),
};

/**
 * Sparkplug 3.0.0 (November 2022), section 6.4 (payload and metric), as gateways write it in JSON: the numbers of 64
 * bits as texts, as Protobuf's JSON mapping has it. Topics are spBv1.0/GROUP/TYPE/EDGE/DEVICE (section 4.1).
 */
const SPARKPLUG_JSON: MappingJson = {
  when: 'metrics',
  items: 'metrics[]',
  time: ['timestamp|ms', '^timestamp|ms'],
  device: [
    '^device',
    '^deviceId',
    '^device_id',
    '#device',
    '^topic|part / 5',
    '#topic|part / 5',
    '^topic|part / 4',
    '#topic|part / 4',
    '@iothub-connection-device-id',
  ],
  sensor: ['name', 'alias'],
  value: ['value', 'doubleValue', 'floatValue', 'intValue', 'longValue', 'booleanValue'],
  quality: ['properties.Quality.value', 'properties.quality.value'],
  except: ['bdSeq', 'Node Control/*', 'Device Control/*', 'Node Info/*', 'Properties/*'],
  texts: true,
  booleans: true,
  others: 'skip',
  empty: 'skip',
};

/** RFC 8428 (August 2018); see senml.ts for what is resolved, and how a name becomes a device and a sensor. */
const SENML: MappingJson = {
  wholeArray: true,
  items: '|senml[]',
  time: 'time|ms',
  device: ['base', '#device', '@iothub-connection-device-id', 'name'],
  sensor: ['n', 'unit', '=value'],
  value: ['value', 'sum'],
  booleans: true,
  others: 'skip',
  empty: 'skip',
};

/** Every number is a sensor, wherever the event comes from. */
const WIDE: MappingJson = {
  forms: longOrWide('', {
    time: [],
    device: ['@iothub-connection-device-id', '#device', '#deviceId', '$partitionKey'],
  }),
};

export const READY_MADE: Readonly<Record<string, MappingJson>> = {
  'iot-hub': IOT_HUB,
  'iot-central': IOT_CENTRAL,
  cloudevents: CLOUD_EVENTS,
  'opc-ua-pubsub': OPC_UA_PUBSUB,
  'opc-publisher': OPC_PUBLISHER,
  'iot-operations': IOT_OPERATIONS,
  'sparkplug-json': SPARKPLUG_JSON,
  senml: SENML,
  wide: WIDE,
};
