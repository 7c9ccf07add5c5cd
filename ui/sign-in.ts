/**
 * Asks for the token wherever the application can be reached from other machines. Whoever shows it gets a session: a
 * random number in a cookie that no script reads and no other site sends, good for half a day or until the server ends.
 */
import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { html } from '../report/page/markup.ts';
import type { App } from './app.ts';
import { cookieOf, sameSecret } from './guard.ts';
import { barePage } from './layout.ts';
import { HOUR_MS } from '../domain/time.ts';

const COOKIE = 'fleetscore_session';
const SESSION_MS = 12 * HOUR_MS;
/** More sessions than people: the oldest go. */
const MOST_SESSIONS = 1_000;

export function registerSignIn(
  server: FastifyInstance,
  token: string,
  secure: boolean,
  { formToken, deps }: Pick<App, 'formToken' | 'deps'>,
): void {
  const sessions = new Map<string, number>();
  const knows = (cookies: string | undefined): boolean => {
    const id = cookieOf(cookies, COOKIE);
    const untilMs = id === undefined ? undefined : sessions.get(id);
    return untilMs !== undefined && untilMs > deps.now();
  };
  server.addHook('onRequest', async (request, reply) => {
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const open = request.url === '/sign-in' || request.url.startsWith('/assets/');
    if (reply.sent || open || knows(request.headers.cookie) || sameSecret(bearer, token)) return undefined;
    return reply.code(401).send(signInPage(formToken, false));
  });
  server.get('/sign-in', async () => signInPage(formToken, false));
  server.post('/sign-in', async (request, reply) => {
    const given = (request.body as URLSearchParams).get('secret') ?? undefined;
    if (!sameSecret(given, token)) return reply.code(401).send(signInPage(formToken, true));
    const id = randomBytes(32).toString('hex');
    if (sessions.size >= MOST_SESSIONS) sessions.delete(sessions.keys().next().value!);
    sessions.set(id, deps.now() + SESSION_MS);
    return reply
      .header(
        'set-cookie',
        `${COOKIE}=${id}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${SESSION_MS / 1000}${secure ? '; Secure' : ''}`,
      )
      .redirect('/', 303);
  });
}

function signInPage(formToken: string, wrong: boolean): string {
  return barePage(
    'Sign in',
    html`
      <form method="post" action="/sign-in" class="panel sign-in">
        <input type="hidden" name="token" value="${formToken}">
        <label for="secret">Token</label>
        <input id="secret" name="secret" type="password" autocomplete="current-password" required autofocus
          ${wrong && html` aria-invalid="true" aria-describedby="wrong"`}>
        ${wrong && html`<p id="wrong" class="bad">This is not the token.</p>`}
        <button class="main">Sign in</button>
        <p class="lead">It is the value of FLEETSCORE_APP_TOKEN where this server was started.</p>
      </form>`,
  );
}
