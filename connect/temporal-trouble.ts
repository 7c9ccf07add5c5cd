/**
 * Trouble with Temporal in words of ours: the cause, and the remedy for that cause. Before there is a connection the
 * address is asked once more (temporal-probe.ts); after it the server's own words are what counts, which the client
 * keeps below an error of its own.
 */
import type { ErrorCode } from '../domain/error-codes.ts';
import type { Env } from '../config.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { GRPC } from '../domain/temporal-service.ts';
import { temporalSettings } from './temporal-settings.ts';
import { probe, type ProbeTarget, type Trouble } from './temporal-probe.ts';

interface GrpcError {
  readonly code: number;
  /** The server's words. */
  readonly details: string;
}

/** The gRPC error below what a client threw. */
export function grpcErrorOf(error: unknown): GrpcError | undefined {
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    const { code, details } = inner as Partial<GrpcError>;
    if (typeof code === 'number' && typeof details === 'string') return { code, details };
  }
  return undefined;
}

const isRefusal = ({ code }: GrpcError): boolean => code === GRPC.PERMISSION_DENIED || code === GRPC.UNAUTHENTICATED;

/** Why no connection came about, after `error`. */
export async function notConnected(target: ProbeTarget, env: Env, error: unknown): Promise<FleetscoreError> {
  const { address } = target;
  const grpc = grpcErrorOf(error);
  const refused =
    (grpc && isRefusal(grpc)) || /request unauthorized|unauthenticated|permission ?denied/i.test(messageOf(error));
  if (refused)
    return new FleetscoreError(
      'TEMPORAL_REFUSED',
      `the Temporal server at ${address} refuses this client (${grpc?.details || 'request unauthorized'}). ` +
        `${keyRemedy(env)}${from(env)}`,
      { cause: error },
    );
  const trouble = await probe(target).catch((): Trouble => ({ kind: 'unknown', cause: messageOf(error) }));
  const { kind, cause } = trouble ?? { kind: 'unknown' as const, cause: firstLine(error) };
  const away = kind === 'refused' || kind === 'unknown-host' || kind === 'silent' || kind === 'unknown';
  const what = away ? 'no Temporal server answers at' : 'no connection to the Temporal server at';
  return new FleetscoreError(
    away ? 'TEMPORAL_UNAVAILABLE' : 'TEMPORAL_TLS',
    `${what} ${address} (${cause}). ${REMEDY[kind]}${from(env)}`,
    { retryable: away, cause: error },
  );
}

const firstLine = (error: unknown): string => messageOf(error).split('\n')[0]!.replace(/\.$/, '');

const REMEDY: Readonly<Record<Trouble['kind'], string>> = {
  refused: 'Start the laptop stack with `fleetscore up`, or set TEMPORAL_ADDRESS to a server that runs.',
  'unknown-host': 'Check the host in TEMPORAL_ADDRESS.',
  silent: 'Check TEMPORAL_ADDRESS, and whether a firewall lets this machine through to it.',
  unknown: 'Start the laptop stack with `fleetscore up`, or check TEMPORAL_ADDRESS and the log of the server.',
  'wants-tls':
    'Set TEMPORAL_TLS=true; for certificates TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH.',
  'no-tls': 'Set TEMPORAL_TLS=false and leave out TEMPORAL_API_KEY and TEMPORAL_TLS_*, or ask a port that has TLS.',
  'server-certificate': 'Whoever runs the server renews its certificate; check the clock of this machine, too.',
  'unknown-authority':
    'Set TEMPORAL_TLS_SERVER_CA_CERT_PATH to the certificate of the authority that signed the one of the server.',
  'server-name': 'Set TEMPORAL_TLS_SERVER_NAME to a name in the certificate, or ask the server under such a name.',
  'client-certificate-missing': 'Set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH.',
  'client-certificate':
    'Set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH to a certificate that is valid and ' +
    'of an authority the server knows.',
  'not-temporal':
    'Check the port in TEMPORAL_ADDRESS: it must be that of the gRPC frontend (7233 by default), not of the Web UI.',
};

const keyRemedy = (env: Env): string =>
  temporalSettings(env).length > 0
    ? 'The key or certificate in use is not known there, has expired, or has no right to this namespace: set ' +
      'TEMPORAL_API_KEY (or the certificate) to one that has.'
    : 'It wants a key: set TEMPORAL_API_KEY, or name a profile with TEMPORAL_PROFILE.';

/** Where the settings in use come from: nobody sees a profile that is read by itself. */
function from(env: Env): string {
  const settings = temporalSettings(env);
  return settings.length === 0 ? '' : ` In use: ${settings.join(', ')}.`;
}

/** What the server said no to, or that it does not answer; undefined for all that is no trouble with the server. */
export function clientTrouble(error: unknown): FleetscoreError | undefined {
  if (error instanceof FleetscoreError) return undefined;
  const grpc = grpcErrorOf(error);
  const say = (code: ErrorCode, message: string, retryable = false): FleetscoreError =>
    new FleetscoreError(code, message, { cause: error, retryable });
  const name = (error as Error | undefined)?.name;
  if (name === 'NamespaceNotFoundError')
    return namespaceMissing((error as { namespace?: string }).namespace ?? '', error);
  // The client makes another error of it, with the server's words and nothing else, where it looked for something.
  const missing = /^namespace (\S+) is not found/i.exec(grpc?.details ?? messageOf(error))?.[1];
  if (missing) return namespaceMissing(missing, error);
  if (!grpc) return undefined;
  const details = grpc.details.replace(/\.$/, '');
  const asked =
    error instanceof Error && error.message !== '' && !error.message.includes(grpc.details) ? `${error.message}: ` : '';
  if (isRefusal(grpc))
    return say(
      'TEMPORAL_REFUSED',
      `${asked}the Temporal server refuses (${details}). The key or certificate in use lacks the right to ` +
        'it: this needs the right to write in the namespace. Ask whoever runs the server.',
    );
  if (grpc.code === GRPC.DEADLINE_EXCEEDED || grpc.code === GRPC.CANCELLED)
    return say(
      'TEMPORAL_UNAVAILABLE',
      `${asked}the Temporal server did not answer in time. A part of it may be down, or it is overloaded; ` +
        'try again, or look into its log.',
      true,
    );
  if (grpc.code === GRPC.UNAVAILABLE)
    return say(
      'TEMPORAL_UNAVAILABLE',
      `${asked}the Temporal server is not there any more (${details}). Try again when it is back.`,
      true,
    );
  if (grpc.code === GRPC.RESOURCE_EXHAUSTED)
    return say(
      'TEMPORAL_BUSY',
      `${asked}the Temporal server takes no more requests for now (${details}). Try again later.`,
      true,
    );
  if (grpc.code === GRPC.INVALID_ARGUMENT)
    return say('INVALID_REQUEST', `${asked}the Temporal server does not take this: ${details}.`);
  return say('TEMPORAL', `${asked}${details}.`);
}

function namespaceMissing(namespace: string, cause?: unknown): FleetscoreError {
  return new FleetscoreError(
    'NAMESPACE_MISSING',
    `the Temporal server has no namespace ${namespace}. Check TEMPORAL_NAMESPACE, or make it: temporal ` +
      `operator namespace create --namespace ${namespace} --retention 7d`,
    { cause },
  );
}
