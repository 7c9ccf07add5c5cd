/** Files as Azure Event Hubs Capture writes them, made by the Avro library with the schema that Azure documents. */
import avro from 'avsc';
import { zstdCompressSync } from 'node:zlib';

// learn.microsoft.com/azure/event-hubs/explore-captured-avro-files
export const AZURE_SCHEMA = {
  type: 'record',
  name: 'EventData',
  namespace: 'Microsoft.ServiceBus.Messaging',
  fields: [
    { name: 'SequenceNumber', type: 'long' },
    { name: 'Offset', type: 'string' },
    { name: 'EnqueuedTimeUtc', type: 'string' },
    { name: 'SystemProperties', type: { type: 'map', values: ['long', 'double', 'string', 'bytes'] } },
    { name: 'Properties', type: { type: 'map', values: ['long', 'double', 'string', 'bytes', 'null'] } },
    { name: 'Body', type: ['null', 'bytes'] },
  ],
};

/** 64 bits as a bigint, so that a file can hold any. */
// oxlint-disable-next-line no-underscore-dangle -- the name that the library gives it
export const exactLong = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer(value: bigint | number) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint' || typeof value === 'number',
  compare: () => 0,
});

interface AzureEvent {
  readonly seq: number;
  readonly enqueued: string;
  readonly body: unknown;
  readonly system?: object;
  readonly properties?: object;
}

type Codec = 'null' | 'deflate' | 'zstandard';
/** For the encoder, which knows the other two. */
const CODECS = {
  zstandard: (block: Buffer, done: (error: Error | null, bytes: Buffer) => void) => done(null, zstdCompressSync(block)),
};

export async function azureFile(events: readonly AzureEvent[], codec: Codec): Promise<Buffer> {
  const type = avro.Type.forSchema(AZURE_SCHEMA as Parameters<typeof avro.Type.forSchema>[0], { wrapUnions: true });
  const encoder = new avro.streams.BlockEncoder(type, {
    codec,
    ...(codec === 'zstandard' ? { codecs: CODECS } : {}),
    writeHeader: true,
  });
  const chunks: Buffer[] = [];
  encoder.on('data', (chunk: Buffer) => chunks.push(chunk));
  const done = new Promise((resolve) => encoder.on('end', resolve));
  for (const { seq, enqueued, body, system, properties } of events)
    encoder.write({
      SequenceNumber: seq,
      Offset: String(seq * 96),
      EnqueuedTimeUtc: enqueued,
      SystemProperties: system ?? {},
      Properties: properties ?? {},
      Body: { bytes: Buffer.from(JSON.stringify(body)) },
    });
  encoder.end();
  await done;
  return Buffer.concat(chunks);
}
