/** `fleetscore codec-server`: lets the Web UI and the `temporal` command read encrypted payloads. */
import { FleetscoreError } from '../../domain/errors.ts';
import { LOOPBACK, isLoopbackHost } from '../../domain/loopback.ts';
import { readStack } from '../../local/state.ts';
import { createPayloadCodec } from '../../payloads/codec.ts';
import { startCodecServer } from '../../payloads/codec-server.ts';
import { parsePayloadKeys, type PayloadKeys } from '../../payloads/keys.ts';
import { createLog } from '../../logging/log.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { untilInterrupted } from '../frame/interrupt.ts';
import { facts } from '../frame/text.ts';
import { readTls } from '../frame/tls.ts';
import { say, sayJsonLine } from '../frame/terminal.ts';

interface CodecServerCommand {
  readonly port: number;
  readonly host: string;
  readonly origin?: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly plainHttp?: boolean;
}

export async function serve(context: Context, options: CodecServerCommand): Promise<Output | undefined> {
  const keys = parsePayloadKeys(context.config.payloadKeys);
  const token = context.config.codecToken;
  if (keys.byId.size === 0)
    throw new FleetscoreError(
      'NOT_CONFIGURED',
      'there are no keys to decrypt with. Set FLEETSCORE_PAYLOAD_KEYS as for the workers.',
    );
  if (token === undefined)
    throw new FleetscoreError(
      'NOT_CONFIGURED',
      'without a token everybody who reaches the codec server could read all payloads. ' +
        'Set one: export FLEETSCORE_CODEC_TOKEN=$(openssl rand -hex 32)',
    );
  const tls = readTls(options);
  if (!tls && !options.plainHttp && !isLoopbackHost(options.host))
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `--host ${options.host} is not loopback: payloads and the token would go over the network in the ` +
        'clear. Give --tls-cert and --tls-key, or --plain-http behind a proxy that speaks https.',
    );
  const origins = originsOf(context, options);
  const interrupted = untilInterrupted();
  const log = createLog(context.config, 'codec-server');
  const server = await startCodecServer({
    codec: createPayloadCodec(keys),
    token,
    origins,
    host: options.host,
    port: options.port,
    ...(tls ? { tls } : {}),
    onRequest: (request) => (request.status < 400 ? log.info(request, 'request') : log.warn(request, 'refused')),
  });
  try {
    const url =
      `${tls ? 'https' : 'http'}://${options.host.includes(':') ? `[${options.host}]` : options.host}:` +
      `${server.port}`;
    if (context.json) sayJsonLine({ url, port: server.port, origins, keys: [...keys.byId.keys()] });
    else say(`${describe(url, origins, keys)}\n\nCtrl-C stops it.`);
    await interrupted;
  } finally {
    await server.close();
  }
  return undefined;
}

function describe(url: string, origins: readonly string[], { byId, encrypting }: PayloadKeys): string {
  return facts([
    ['Codec server', url],
    ['Keys', [...byId.keys()].map((id) => (id === encrypting?.id ? `${id} (encrypts)` : id)).join(', ')],
    [
      'Web UI',
      origins.length === 0
        ? 'no page may ask; --origin names where yours is opened'
        : `pages of ${origins.join(', ')} may ask. There, as the codec endpoint: ${url}/TOKEN with your ` +
          'FLEETSCORE_CODEC_TOKEN',
    ],
    ['Command', `temporal workflow show -w ID --codec-endpoint ${url} --codec-auth "Bearer $FLEETSCORE_CODEC_TOKEN"`],
  ]);
}

/** As browsers write them: scheme, host and port, nothing behind. */
function originsOf(context: Context, { origin }: CodecServerCommand): string[] {
  const ui = context.env.TEMPORAL_UI_URL ?? readStack(context.config.home)?.ui;
  const wanted = origin ?? (ui === undefined ? [] : [ui, ui.replace(LOOPBACK, 'localhost')]);
  return [
    ...new Set(
      wanted.map((text) => {
        const url = URL.canParse(text) ? new URL(text) : undefined;
        if (!url || !/^https?:$/.test(url.protocol))
          throw new FleetscoreError(
            'INVALID_ARGUMENT',
            `--origin takes a web address such as https://temporal.example.com, got ${JSON.stringify(text)}.`,
          );
        return url.origin;
      }),
    ),
  ];
}
