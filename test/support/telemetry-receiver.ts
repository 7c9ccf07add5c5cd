/**
 * A stand-in for what takes telemetry, on loopback: an OpenTelemetry collector (OTLP over HTTP, JSON) and the
 * ingestion endpoint of Application Insights (HTTPS only, as its exporter takes no other). Keeps what comes.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

interface OtlpValue {
  readonly stringValue?: string;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
}
interface OtlpAttributes {
  readonly attributes: readonly { readonly key: string; readonly value: OtlpValue }[];
}

export interface ReceivedSpan {
  readonly service: string;
  /** `service.instance.id` */
  readonly instance: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly kind: number;
  readonly failed: boolean;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, string | number | undefined>>;
}

export interface ReceivedMetric {
  readonly service: string;
  readonly name: string;
  readonly unit: string;
  readonly points: readonly {
    readonly value: number;
    readonly labels: Readonly<Record<string, string | number | undefined>>;
  }[];
}

/** An envelope of Application Insights. */
export interface Envelope {
  readonly name: string;
  readonly iKey: string;
  readonly sampleRate?: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly data: {
    readonly baseType: string;
    readonly baseData: {
      readonly name?: string;
      readonly id?: string;
      readonly metrics?: readonly { readonly name: string; readonly value: number }[];
      readonly properties?: Readonly<Record<string, string>>;
      readonly exceptions?: readonly { readonly message: string; readonly stack: string }[];
    };
  };
}

/**
 * `mute` takes requests and never answers; `partial` refuses every other item (206); `redirect` sends on to the same
 * address without the folder (307); `reset` breaks the connection.
 */
export type EndpointTrouble =
  | 'mute'
  | 'partial'
  | 'redirect'
  | 'reset'
  | { readonly status: number; readonly retryAfterSeconds?: number };

export interface TelemetryReceiver {
  readonly url: string;
  /**
   * Of the stand-in for Application Insights, and the certificate to trust there; undefined where there is no openssl.
   */
  readonly secure: { readonly url: string; readonly certificate: string } | undefined;
  readonly spans: ReceivedSpan[];
  readonly metrics: ReceivedMetric[];
  readonly envelopes: Envelope[];
  /** All that was sent as traces and metrics, word for word. */
  readonly raw: string[];
  /** Paths that were asked for and are not known. */
  readonly strange: string[];
  /** Under `{url}/{folder}/` it answers so from now on, as the service does. */
  trouble(folder: string, kind: EndpointTrouble): void;
  /** Requests that came there, and the most that had no answer at once. */
  asked(folder: string): { readonly count: number; readonly mostOpen: number };
  stop(): Promise<void>;
}

const plain = ({ attributes }: OtlpAttributes) =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.doubleValue ?? (value.intValue === undefined ? undefined : Number(value.intValue)),
    ]),
  );

/** @param dir for a certificate of its own */
export async function startTelemetryReceiver(dir: string): Promise<TelemetryReceiver> {
  const spans: ReceivedSpan[] = [];
  const metrics: ReceivedMetric[] = [];
  const envelopes: Envelope[] = [];
  const raw: string[] = [];
  const strange: string[] = [];
  const troubles = new Map<string, EndpointTrouble>();
  const asked = new Map<string, { count: number; open: number; mostOpen: number }>();

  const listener: RequestListener = (request, response) => {
    const [, folder = '', path] = /^\/([\w-]+)(\/v2.*)$/.exec(request.url ?? '') ?? [];
    const trouble = troubles.get(folder);
    if (trouble !== undefined) {
      const counted = asked.get(folder) ?? { count: 0, open: 0, mostOpen: 0 };
      asked.set(folder, counted);
      counted.count++;
      counted.mostOpen = Math.max(counted.mostOpen, ++counted.open);
      response.once('close', () => counted.open--);
      request.on('error', () => {});
      if (trouble === 'reset') return void request.socket.destroy();
      if (trouble === 'partial') return void refuseSome(request, response);
      request.resume();
      if (trouble === 'mute') return;
      const { status, retryAfterSeconds } = trouble === 'redirect' ? { status: 307 } : trouble;
      const headers = {
        ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
        ...(trouble === 'redirect' ? { location: `https://${request.headers.host}${path}` } : {}),
      };
      return void response.writeHead(status, headers).end('{}');
    }
    void bodyOf(request).then((text) => {
      const answer = (status: number, body: object): void =>
        void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      if (request.method !== 'POST') return answer(405, {});
      if (request.url?.startsWith('/v1/')) raw.push(text);
      if (request.url === '/v1/traces') {
        takeSpans(JSON.parse(text), spans);
        answer(200, { partialSuccess: {} });
      } else if (request.url === '/v1/metrics') {
        takeMetrics(JSON.parse(text), metrics);
        answer(200, { partialSuccess: {} });
      } else if (request.url === '/v2.1/track') {
        // One JSON array, or JSON by line.
        const items = (
          text.startsWith('[')
            ? JSON.parse(text)
            : text
                .split('\n')
                .filter(Boolean)
                .map((line) => JSON.parse(line) as unknown)
        ) as Envelope[];
        envelopes.push(...items);
        answer(200, { itemsReceived: items.length, itemsAccepted: items.length, errors: [] });
      } else {
        strange.push(request.url ?? '');
        answer(404, {});
      }
    });
  };
  const listen = async (server: Server, scheme: string): Promise<string> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const server = createServer(listener);
  const certificate = makeCertificate(dir);
  const secure =
    certificate &&
    createSecureServer({ cert: readFileSync(certificate.cert), key: readFileSync(certificate.key) }, listener);
  return {
    url: await listen(server, 'http'),
    spans,
    metrics,
    envelopes,
    raw,
    strange,
    trouble: (folder, kind) => void troubles.set(folder, kind),
    asked: (folder) => asked.get(folder) ?? { count: 0, mostOpen: 0 },
    secure: secure && { url: await listen(secure, 'https'), certificate: certificate.cert },
    async stop() {
      await Promise.all(
        [server, ...(secure ? [secure] : [])].map(
          (one) =>
            new Promise((resolve) => {
              one.close(resolve);
              one.closeAllConnections();
            }),
        ),
      );
    },
  };
}

/** Every other item, from the first. */
async function refuseSome(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const text = await bodyOf(request);
  const count = text.startsWith('[') ? (JSON.parse(text) as unknown[]).length : text.split('\n').filter(Boolean).length;
  const errors = Array.from({ length: Math.ceil(count / 2) }, (_, i) => ({
    index: i * 2,
    statusCode: 400,
    message: '109: Field is wrong',
  }));
  response
    .writeHead(206, { 'content-type': 'application/json' })
    .end(JSON.stringify({ itemsReceived: count, itemsAccepted: count - errors.length, errors }));
}

function makeCertificate(dir: string): { readonly cert: string; readonly key: string } | undefined {
  const files = { cert: join(dir, 'receiver.pem'), key: join(dir, 'receiver.key') };
  const made = spawnSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=127.0.0.1',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      files.key,
      '-out',
      files.cert,
    ],
    { stdio: 'ignore' },
  );
  return made.status === 0 ? files : undefined;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const body = Buffer.concat(parts);
  return (request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString('utf8');
}

interface OtlpSpan extends OtlpAttributes {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status?: { readonly code?: number };
}

function takeSpans(body: unknown, to: ReceivedSpan[]): void {
  const { resourceSpans } = body as {
    resourceSpans: readonly { resource: OtlpAttributes; scopeSpans: readonly { spans: readonly OtlpSpan[] }[] }[];
  };
  for (const { resource, scopeSpans } of resourceSpans)
    for (const { spans } of scopeSpans)
      for (const span of spans)
        to.push({
          service: String(plain(resource)['service.name']),
          instance: String(plain(resource)['service.instance.id']),
          name: span.name,
          traceId: span.traceId,
          spanId: span.spanId,
          parentSpanId: span.parentSpanId ?? '',
          kind: span.kind,
          failed: span.status?.code === 2,
          startNs: BigInt(span.startTimeUnixNano),
          endNs: BigInt(span.endTimeUnixNano),
          attributes: plain(span),
        });
}

interface OtlpPoints {
  readonly dataPoints: readonly (OtlpAttributes & { readonly asDouble?: number; readonly asInt?: number | string })[];
}

function takeMetrics(body: unknown, to: ReceivedMetric[]): void {
  const { resourceMetrics } = body as {
    resourceMetrics: readonly {
      resource: OtlpAttributes;
      scopeMetrics: readonly {
        metrics: readonly { name: string; unit?: string; sum?: OtlpPoints; gauge?: OtlpPoints }[];
      }[];
    }[];
  };
  for (const { resource, scopeMetrics } of resourceMetrics)
    for (const { metrics } of scopeMetrics)
      for (const { name, unit = '', sum, gauge } of metrics)
        to.push({
          service: String(plain(resource)['service.name']),
          name,
          unit,
          points:
            (sum ?? gauge)?.dataPoints.map((point) => ({
              value: point.asDouble ?? Number(point.asInt),
              labels: plain(point),
            })) ?? [],
        });
}
