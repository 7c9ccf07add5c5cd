/** What routes work with: one for the life of a server. */
import type { FastifyRequest } from 'fastify';
import type { UiDeps } from './deps.ts';
import type { Look } from './look/look.ts';

export interface App {
  readonly deps: UiDeps;
  readonly look: Look;
  /** In every form of this process. */
  readonly formToken: string;
  /** Who acts, for the log: the user of this machine, or the address that the token was shown from. */
  readonly who: (request: FastifyRequest) => string;
}
