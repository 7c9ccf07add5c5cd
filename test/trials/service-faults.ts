/** What services do in bad hours, as things to do to the proxies in front of them. */
import type { BlobFault } from '../support/blob-proxy.ts';
import type { OutageStack } from '../support/outage-stack.ts';
import type { TcpFault, TcpProxy } from '../support/tcp-proxy.ts';
import type { Fault, Moment } from '../support/tds/server.ts';

export interface ServiceFault {
  readonly service: 'blob' | 'event hubs' | 'temporal' | 'sql';
  readonly name: string;
  begin(stack: OutageStack): Promise<void>;
  end(stack: OutageStack): Promise<void>;
}

type When = (request: { readonly method: string; readonly path: string }, nth: number) => boolean;

const reads: When = ({ method, path }) => method === 'GET' && !path.includes('comp=');
const someReads: When = (request, nth) => reads(request, nth) && nth % 2 === 0;

/** Every request, or of those that match every `nth`. */
const blob = (name: string, fault: BlobFault, when: When = () => true): ServiceFault => ({
  service: 'blob',
  name,
  begin: async (stack) => {
    let nth = 0;
    stack.blob.plan((request) => (when(request, nth++) ? fault : undefined));
    // Otherwise nothing would be read: a worker has its models.
    if (when === reads || when === someReads) await stack.forgetModels();
  },
  end: async (stack) => stack.blob.plan(),
});

const PROXIES = {
  'event hubs': (stack: OutageStack): TcpProxy => stack.eventHubs,
  temporal: (stack: OutageStack): TcpProxy => stack.temporal,
  sql: (stack: OutageStack): TcpProxy => stack.sql,
} as const;

const tcp = (service: keyof typeof PROXIES, name: string, kind: TcpFault): ServiceFault => ({
  service,
  name,
  begin: (stack) => PROXIES[service](stack).fault(kind),
  end: (stack) => PROXIES[service](stack).fault(),
});

/** Every `nth` answer at a moment goes wrong. */
const sql = (name: string, moment: Moment, fault: Fault, nth = 1): ServiceFault => ({
  service: 'sql',
  name,
  begin: async ({ sqlServer }) => {
    sqlServer.fail(moment, fault, Infinity, nth);
    // Otherwise nobody would log in.
    if (moment === 'login') sqlServer.cut();
  },
  end: async ({ sqlServer }) => sqlServer.heal(),
});

export const FAULTS: readonly ServiceFault[] = [
  blob('503 for every request', { kind: 'status', status: 503 }),
  blob('429, asks for 5 s', { kind: 'status', status: 429, retryAfterSeconds: 5 }),
  blob('500 for every other request', { kind: 'status', status: 500 }, (_, nth) => nth % 2 === 0),
  blob('a role that is not there yet (403)', { kind: 'status', status: 403, code: 'AuthorizationPermissionMismatch' }),
  blob('containers are away (404)', { kind: 'status', status: 404, code: 'ContainerNotFound' }),
  blob('connections break', { kind: 'reset' }),
  blob('every third answer is lost', { kind: 'answer lost' }, (_, nth) => nth % 3 === 0),
  blob('black hole', { kind: 'black hole' }),
  blob('bodies break off', { kind: 'cut', after: 200 }, someReads),
  blob('bodies stop coming', { kind: 'hang', after: 200 }, reads),
  blob('bodies drip, a byte a second', { kind: 'drip', ms: 1_000 }, reads),
  tcp('event hubs', 'connections break, new ones too', 'reset'),
  tcp('event hubs', 'nothing listens', 'refused'),
  tcp('event hubs', 'black hole', 'black hole'),
  tcp('temporal', 'connections break, new ones too', 'reset'),
  tcp('temporal', 'nothing listens', 'refused'),
  tcp('temporal', 'black hole', 'black hole'),
  tcp('sql', 'connections break, new ones too', 'reset'),
  tcp('sql', 'nothing listens', 'refused'),
  tcp('sql', 'black hole', 'black hole'),
  sql('fails over: connections break, 40613 at login', 'login', { kind: 'error', number: 40613 }),
  sql('10928 at login, connections break', 'login', { kind: 'error', number: 10_928 }),
  sql('40501 (busy) for every other statement', 'query', { kind: 'error', number: 40_501 }, 2),
  sql('1205 (deadlock victim) at every third commit', 'commit', { kind: 'error', number: 1205 }, 3),
  sql('every third answer to a commit is lost', 'commit', { kind: 'lost' }, 3),
  sql('every fifth connection ends between statements', 'query', { kind: 'afterwards' }, 5),
  sql('every ninth answer stops half-way', 'query', { kind: 'stall' }, 9),
];
