/**
 * The web application's server. It answers on loopback to whoever uses this machine; anywhere else it asks for a token
 * first. No page may be framed, run foreign script, or be called by a foreign name; what changes something needs a
 * form of this process. A page that fails says why in words.
 */
import { randomBytes } from 'node:crypto';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import type { App } from './app.ts';
import { registerAssets } from './assets.ts';
import type { UiDeps } from './deps.ts';
import { hostAllowed, sameOrigin, sameSecret } from './guard.ts';
import { openLook } from './look/look.ts';
import { errorPage } from './pages/error.ts';
import { registerPages } from './routes.ts';
import { registerSignIn } from './sign-in.ts';

export interface UiOptions {
  readonly deps: UiDeps;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Asked for before anything is shown; undefined only on loopback. */
  readonly token?: string;
  /** PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Names that people open it by, besides loopback and `host`. */
  readonly names?: readonly string[];
  /** Origin that people open it by through a proxy: `https://plant.example`. */
  readonly publicOrigin?: string;
  /** Who acts where no token says so: `login@machine`. */
  readonly user: string;
  /** Told of every request that failed on our side. */
  readonly onError?: (problem: string) => void;
}

export interface UiServer {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/** Forms are small. */
const MAX_BODY_BYTES = 64 * 1024;
const REQUEST_MS = 60_000;

/** @throws FleetscoreError `UI_PORT` */
export async function startUi(options: UiOptions): Promise<UiServer> {
  const scheme = options.tls ? 'https' : 'http';
  const server = createServer(options);
  const app: App = {
    deps: options.deps,
    look: openLook(options.deps),
    formToken: randomBytes(32).toString('hex'),
    who: (request) => (options.token === undefined ? options.user : `token from ${request.ip}`),
  };
  protect(server, options, scheme, app.formToken);
  const secure = scheme === 'https' || options.publicOrigin?.startsWith('https:') === true;
  if (options.token !== undefined) registerSignIn(server, options.token, secure, app);
  registerAssets(server);
  registerPages(server, app);
  try {
    await server.listen({ host: options.host, port: options.port });
  } catch (error) {
    await server.close();
    throw new FleetscoreError(
      'UI_PORT',
      `the web application cannot listen on ${options.host}:${options.port}: ${messageOf(error)}. ` +
        'Choose another with --port (0: any free one), or FLEETSCORE_APP_PORT.',
      { cause: error },
    );
  }
  const { port } = server.server.address() as { port: number };
  const name = options.host.includes(':') ? `[${options.host}]` : options.host;
  return { url: `${scheme}://${name}:${port}`, port, close: () => server.close() };
}

function createServer({ tls, onError }: UiOptions): FastifyInstance {
  const shared = { bodyLimit: MAX_BODY_BYTES, requestTimeout: REQUEST_MS, forceCloseConnections: true } as const;
  const router = { maxParamLength: 1_000 } as const;
  const server = (
    tls
      ? Fastify({ ...shared, routerOptions: router, https: { ...tls, minVersion: 'TLSv1.2' } })
      : Fastify({ ...shared, routerOptions: router })
  ) as FastifyInstance;
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    done(null, new URLSearchParams(String(body))),
  );
  server.setErrorHandler((error, request, reply) => fail(error, request, reply, onError));
  server.setNotFoundHandler((request, reply) =>
    reply.code(404).send(errorPage('There is no such page', `Nothing lies at ${request.url.slice(0, 200)}.`)),
  );
  return server;
}

function protect(
  server: FastifyInstance,
  { names = [], host, publicOrigin }: UiOptions,
  scheme: 'http' | 'https',
  formToken: string,
): void {
  const publicName = publicOrigin === undefined ? [] : [new URL(publicOrigin).hostname];
  const allowed = new Set([host, ...names, ...publicName].map((name) => name.toLowerCase()));
  server.addHook('onRequest', async (request, reply) => {
    void reply
      .header('content-security-policy', POLICY)
      .header('x-content-type-options', 'nosniff')
      .header('x-frame-options', 'DENY')
      .header('cross-origin-opener-policy', 'same-origin')
      .header('cross-origin-resource-policy', 'same-origin')
      // With no referrer at all a form's origin would be sent as "null".
      .header('referrer-policy', 'same-origin')
      .header('cache-control', 'no-store')
      .type('text/html; charset=utf-8');
    if (!hostAllowed(request.headers.host, allowed))
      return refuse(
        reply,
        421,
        'This server does not go by the name that the request gives it. Whoever runs it can let it: --name NAME.',
      );
    return undefined;
  });
  server.addHook('preHandler', async (request, reply) => {
    if (request.method === 'GET' || request.method === 'HEAD') return undefined;
    const asked = {
      host: request.headers.host,
      origin: request.headers.origin,
      site: request.headers['sec-fetch-site'],
    };
    const form = request.body instanceof URLSearchParams ? request.body : undefined;
    if (!sameOrigin(asked, scheme, publicOrigin) || !sameSecret(form?.get('token') ?? undefined, formToken))
      return refuse(
        reply,
        403,
        'This form is not one of this server, or the server was started again since. ' +
          'Load the page again, and repeat what you did.',
      );
    return undefined;
  });
}

function refuse(reply: FastifyReply, status: number, why: string): FastifyReply {
  return reply.code(status).send(errorPage('Refused', why));
}

/** Codes that are the asker's fault; everything else is trouble of ours or of a service. */
function statusOf(error: unknown): number {
  if (!(error instanceof FleetscoreError)) {
    const status = (error as { statusCode?: number }).statusCode;
    return status !== undefined && status >= 400 && status < 500 ? status : 500;
  }
  if (/_UNKNOWN$|_MISSING$/.test(error.code)) return 404;
  if (/^INVALID_|_ENDED$|_EXISTS$/.test(error.code)) return 400;
  return 503;
}

function fail(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  onError: UiOptions['onError'],
): FastifyReply {
  const status = statusOf(error);
  if (status >= 500) onError?.(`${request.method} ${request.url}: ${messageOf(error)}`);
  // What is not an error of ours may be a bug: its place is for the log, not for the page.
  const known = error instanceof FleetscoreError || status < 500;
  const why = known ? messageOf(error) : `Something went wrong here: ${messageOf(error)}`;
  return reply.code(status).type('text/html; charset=utf-8').send(errorPage('This page cannot be shown', why));
}
