/** What reads bytes of others: how each is called, good inputs, and what must hold for whatever comes of a bad one. */
import {
  AccountSASPermissions,
  BlobServiceClient,
  generateAccountSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { createReadStream, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { FleetscoreError } from '../../domain/errors.ts';
import { encodeName, nameProblem, parseSensorName } from '../../domain/sensor.ts';
import { endOfValue } from '../../ingest/amqp/check.ts';
import { readCapture, writeCapture } from '../../ingest/capture-file.ts';
import { MAPPING_NAMES, namedMapping, parseMapping } from '../../ingest/mapping/named.ts';
import { readFile, type FileRules, type NamedInput } from '../../ingest/open-file.ts';
import { createEventParser, PARSE_DEFAULTS } from '../../ingest/parse-event.ts';
import { ServiceError } from '../../local/blob-server/errors.ts';
import { EMULATOR_ACCOUNT, startBlobServer } from '../../local/blob-server/server.ts';
import { readBlockList } from '../../local/blob-server/xml.ts';
import { startEventHubsEmulator } from '../../local/event-hubs/emulator.ts';
import { MalformedMessage, readBatch } from '../../local/event-hubs/sections.ts';
import { inspectModel } from '../../scoring/model-contract.ts';
import { MANIFEST, readModelList } from '../../scoring/model-list.ts';
import { plainBytes, slowBytes, svmBytes } from '../scoring/models.ts';
import { pickles } from './pickles.ts';
import type { Target } from './target.ts';

const text = (...lines: readonly string[]): Uint8Array => Buffer.from(lines.join('\n'));
const READING = '{"ts":"2026-11-23T14:00:00Z","device":"pump-1","sensor":"temp","value":21.5,"quality":"good"}';

/** Refused in one of the ways that callers know. */
function refusing(work: () => unknown, also?: new (...args: never[]) => Error): void {
  try {
    work();
  } catch (error) {
    check(error instanceof FleetscoreError || (also !== undefined && error instanceof also), String(error));
    check((error as Error).message.length <= 4_000, `a message of ${(error as Error).message.length} characters`);
  }
}
function check(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

const parse = createEventParser();
const parser: Target = {
  seeds: [
    text(READING),
    text(`[${READING},${READING}]`),
    text('{"ts":1764000000000,"device":"d","sensor":"s","value":1e3}'),
    text(READING, READING),
    gzipSync(`[${`${READING},`.repeat(50)}${READING}]`),
  ],
  run(body) {
    const parsed = parse({ body, enqueuedMs: Date.UTC(2026, 10, 23) });
    check(parsed.readings.length <= 50_000, `${parsed.readings.length} readings`);
    const size = JSON.stringify(parsed.problems).length;
    check(size <= 64 * 1024, `problems of ${size} characters`);
  },
};

const mapped = MAPPING_NAMES.map((name) => createEventParser({ ...PARSE_DEFAULTS, mapping: namedMapping(name)! }));
/** Events in other forms by every ready-made mapping, and the file of a mapping. */
const mappings: Target = {
  seeds: [
    text('{"timestamp":"2026-11-23T14:00:00Z","deviceId":"p","motor":{"temp":21.5,"rpm":{"now":900}},"x":[1]}'),
    text(
      '{"Messages":[{"DataSetWriterId":1,"Timestamp":"2026-11-23T14:00:00Z","Payload":{"a":{"Value":{"Body":1}}}}]}',
    ),
    text('[{"bn":"urn:dev:x:","bt":1763906398.5,"bv":1,"n":"v","v":1},{"n":"w","t":-5,"vb":true},{"bver":10,"s":2}]'),
    text('{"specversion":"1.0","source":"/x","time":"2026-11-23T14:00:00Z","data_base64":"eyJhIjoxfQ=="}'),
    text('{"timestamp":1763906398000,"metrics":[{"name":"t","value":"50"}]}'),
    text(
      '{"extends":"wide","except":["a*"],"time":"^at|s","sensor":"{^x}.{$key}","ignore":{"of":"/k","isNot":[1,true]}}',
    ),
    text('{"forms":[{"when":"a","items":"a[].b|json{**}","time":"^t","device":["#d|part / 2","=x"]}]}'),
  ],
  run(body) {
    const facts = { properties: { topic: 'a/b/c' }, systemProperties: { 'iothub-connection-device-id': 'd' } };
    for (const parseMapped of mapped) {
      const { readings, problems } = parseMapped({ body, enqueuedMs: Date.UTC(2026, 10, 23), ...facts });
      check(readings.length <= 50_000, `${readings.length} readings`);
      check(JSON.stringify(problems).length <= 64 * 1024, 'problems without bound');
      check(!problems.some(({ reason }) => reason === 'unreadable'), JSON.stringify(problems).slice(0, 500));
    }
    refusing(() => parseMapping(Buffer.from(body).toString(), 'plant.json'));
  },
};

const names: Target = {
  seeds: [text('device/sensor'), text('a,b'), text('pump north/Öl 1'), text('"a""b",c')],
  run(input) {
    const name = Buffer.from(input).toString();
    for (const what of ['device', 'sensor'] as const) {
      const problem = nameProblem(what, name);
      check((problem ?? '').length <= 1_000, 'a problem without a bound');
      if (problem === undefined) check(encodeName(name).length <= 1_024, 'an encoded name without a bound');
    }
    refusing(() => parseSensorName(name));
  },
};

const csv: Target = {
  seeds: [
    text('TS,Device,Sensor,Value', '2026-11-23T14:00:00Z,pump,temp,1.5', '"2026-11-23 14:00:00","a ""b""",t,2'),
    text('TS;Device;Sensor;Value;Quality', '2026-11-23T14:00:00Z;pump;temp;1,5;good'),
    Buffer.from('\ufeffts\tdevice\tsensor\tvalue\r\n1764000000000\td\ts\t1\r\n'),
  ],
  async run(input) {
    for (const format of [{}, { wide: true, separator: ';', decimal: ',', device: 'd' }] as const)
      for (const guess of [false, true])
        await sending({ name: 'file.csv', stream: Readable.from([input]) }, { format, guess });
  },
};

/** Reads a file as `send` does; what comes of it are readings, or a refusal. */
async function sending(file: NamedInput, rules: FileRules): Promise<void> {
  try {
    for await (const { tsMs, value, device, sensor } of readFile(file, { onBad() {} }, rules)) {
      check(tsMs >= 0 && Number.isInteger(tsMs) && Number.isFinite(value), `a reading of ${tsMs}, ${value}`);
      check(nameProblem('device', device) === undefined && nameProblem('sensor', sensor) === undefined, device);
    }
  } catch (error) {
    refusing(() => {
      throw error;
    });
  }
}

const avro: Target = {
  seeds: ['plant-deflate.avro', 'plant-snappy.avro'].map((name) =>
    readFileSync(new URL(`../fixtures/files/${name}`, import.meta.url)),
  ),
  run: (input) => sending({ name: 'file.avro', stream: Readable.from([input]) }, { guess: true }),
};

/** Pages of both versions, with every encoding that writers use. */
function parquet(dir: string): Target {
  const path = join(dir, 'file.parquet');
  const names = ['plant', 'pages-v2', 'pages-dictionary', 'pages-plain'];
  return {
    seeds: names.map((name) => readFileSync(new URL(`../fixtures/files/${name}.parquet`, import.meta.url))),
    async run(input) {
      writeFileSync(path, input);
      for (const format of [{}, { wide: true, device: 'd', columns: { ts: 'TS' } }])
        await sending({ name: 'file.parquet', path, stream: createReadStream(path) }, { format, guess: true });
    },
  };
}

const models: Target = {
  seeds: [plainBytes(50), svmBytes(1), slowBytes(2)],
  run: (input) => refusing(() => inspectModel(input, 1e6)),
};

const amqp: Target = {
  seeds: [
    Buffer.from('005375a005616263646500537745', 'hex'),
    Buffer.from('00537ac1110aa1016153ffa10162c1050454015402005375b00000000568656c6c6f', 'hex'),
    Buffer.from('005372c12702a31378', 'hex'),
  ],
  run(input) {
    const bytes = Buffer.from(input);
    try {
      check(endOfValue(bytes, 0) <= bytes.length, 'an end beyond the bytes');
    } catch (error) {
      check(error instanceof Error && !(error instanceof RangeError && /stack/.test(error.message)), String(error));
    }
    refusing(() => readBatch(bytes), MalformedMessage);
  },
};

const blockLists: Target = {
  seeds: [
    text(
      '<?xml version="1.0" encoding="utf-8"?><BlockList><Latest>YQ==</Latest><Committed>Yg==</Committed></BlockList>',
    ),
  ],
  run: (input) => refusing(() => readBlockList(Buffer.from(input).toString()), ServiceError),
};

async function capture(): Promise<Target> {
  const events = [1, 2, 3].map((seq) => ({
    seq,
    offset: String(seq),
    enqueuedMs: Date.UTC(2026, 10, 23) + seq,
    body: Buffer.from(READING),
    properties: {},
  }));
  return {
    seeds: [await writeCapture(events)],
    run: (input) => refusing(() => readCapture(input)),
  };
}

function manifests(dir: string): Target {
  writeFileSync(join(dir, 'a.onnx'), plainBytes(50));
  return {
    seeds: [
      text('Device,Sensor,Model,Pool', 'pump,temp,a.onnx,', '"pump, north",t,a.onnx,big'),
      text('Device,Sensor,Model', 'a,b,a.onnx'),
    ],
    async run(input) {
      writeFileSync(join(dir, MANIFEST), input);
      const error = await readModelList(dir, new Set(['big'])).then(
        () => undefined,
        (reason: Error) => reason,
      );
      if (error !== undefined)
        refusing(() => {
          throw error;
        });
    },
  };
}

/** Sends bytes to a server and waits until it has answered or hung up, or for so long, milliseconds. */
function knock(port: number, input: Uint8Array, patienceMs = 30_000): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (data) => {
      answer = (answer + data.toString('latin1')).slice(0, 4_096);
      if (!socket.writableEnded) socket.end();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
    socket.setTimeout(patienceMs, () => socket.destroy());
    socket.end(input);
  });
}

async function frames(dir: string): Promise<Target> {
  const emulator = await startEventHubsEmulator({
    hubs: [{ name: 'readings', partitions: 1, consumerGroups: ['fleetscore'] }],
    dataDir: dir,
  });
  const header = Buffer.from('414d515003010000', 'hex');
  const plain = Buffer.from('414d515000010000', 'hex');
  const sasl = Buffer.from('0000001f02010000005341c00f03a309414e4f4e594d4f5553a00161a00161', 'hex');
  // The policy and a key, with a NUL before each.
  const saslPlain = Buffer.from('0000001e02010000005341c01102a305504c41494ea00700616200636465', 'hex');
  const open = Buffer.from('0000001c02000000005310c00f03a1017ea1096c6f63616c686f7374', 'hex');
  return {
    seeds: [
      Buffer.concat([header, sasl, plain, open]),
      Buffer.concat([header, saslPlain, plain, open]),
      Buffer.concat([plain, open]),
      header,
    ],
    async run(input) {
      await knock(emulator.port, input, 100);
      check((await knock(emulator.port, header)).startsWith('AMQP'), 'the emulator does not answer any more');
    },
    close: () => emulator.stop(),
  };
}

const BLOCKS = '<?xml version="1.0"?><BlockList><Latest>YQ==</Latest></BlockList>';

async function requests(dir: string): Promise<Target> {
  const server = await startBlobServer({ dir, port: 0, log: () => undefined });
  const head = 'Host: 127.0.0.1\r\nx-ms-version: 2025-05-05\r\n';
  const key = new StorageSharedKeyCredential(EMULATOR_ACCOUNT.name, EMULATOR_ACCOUNT.key);
  const signed = generateAccountSASQueryParameters(
    {
      services: 'b',
      resourceTypes: 'sco',
      permissions: AccountSASPermissions.parse('rwdlac'),
      expiresOn: new Date(Date.now() + 86_400_000),
    },
    key,
  ).toString();
  const account = new BlobServiceClient(`http://127.0.0.1:${server.port}/devstoreaccount1`, key);
  await account.getContainerClient('models').create();
  const list = `GET /devstoreaccount1/models?restype=container&comp=list HTTP/1.1\r\n${head}\r\n`;
  const put =
    `PUT /devstoreaccount1/models/a%20b?${signed} HTTP/1.1\r\n${head}x-ms-blob-type: BlockBlob\r\n` +
    `Content-Length: 3\r\n\r\nabc`;
  return {
    seeds: [
      text(list),
      text(list.replace('comp=list', `comp=list&${signed}`)),
      text(`GET /devstoreaccount1/models/a%20b?${signed} HTTP/1.1\r\n${head}x-ms-range: bytes=0-1\r\n\r\n`),
      text(put),
      text(put.replace(`?${signed}`, `?comp=metadata&${signed}`).replace('x-ms-blob-type', 'x-ms-meta-a')),
      text(
        put
          .replace(`?${signed}`, `?comp=blocklist&${signed}`)
          .replace('Content-Length: 3\r\n\r\nabc', `Content-Length: ${BLOCKS.length}\r\n\r\n${BLOCKS}`),
      ),
      text(put.replace('Content-Length: 3', 'Transfer-Encoding: chunked').replace('abc', '3\r\nabc\r\n0\r\n\r\n')),
    ],
    async run(input) {
      await knock(server.port, input, 100);
      check(
        /^HTTP\/1\.1 40[0-9]/.test(await knock(server.port, text(list))),
        'the Blob server does not answer any more',
      );
    },
    close: () => server.stop(),
  };
}

/** @param folder makes a new empty folder */
export async function openTargets(folder: () => string): Promise<Readonly<Record<string, Target>>> {
  return {
    parser,
    mappings,
    names,
    csv,
    avro,
    parquet: parquet(folder()),
    models,
    amqp,
    blockLists,
    capture: await capture(),
    manifests: manifests(folder()),
    frames: await frames(folder()),
    requests: await requests(folder()),
    pickles: pickles(folder()),
  };
}

/** Inputs that once broke something, by target: `TARGET-what.bin`. They are tried first, for ever. */
export function keptSeeds(): readonly { readonly target: string; readonly name: string; readonly bytes: Uint8Array }[] {
  const dir = new URL('./seeds/', import.meta.url);
  return readdirSync(dir)
    .filter((name) => name.endsWith('.bin'))
    .map((name) => ({ target: name.split('-')[0]!, name, bytes: readFileSync(new URL(name, dir)) }));
}
