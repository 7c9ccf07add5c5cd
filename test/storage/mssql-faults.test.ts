/**
 * The store's connection against a server in trouble: what passes is done again, what does not ends at once with its
 * remedy, and nothing waits without an end. The server is test/support/tds; the driver is the real one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import sql from 'mssql';
import { FleetscoreError } from '../../domain/errors.ts';
import { endingWith } from '../../storage/deadline.ts';
import { mssqlConfig } from '../../storage/mssql/config.ts';
import { askSessions, connect, type Database, type Patience } from '../../storage/mssql/connection.ts';
import { openMssqlStore, storeOn } from '../../storage/mssql/mssql-store.ts';
import { tsql, type StageTable } from '../../storage/mssql/statement.ts';
import { watchConnections } from '../../storage/mssql/watch-connections.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { startTdsServer, type Fault, type Moment, type TdsOptions, type TdsServer } from '../support/tds/server.ts';

const ONE = tsql({ n: 'INT' }, 'SELECT @n AS n');
const TOUCH = tsql({ n: 'INT' }, 'UPDATE t SET v = @n');
const STAGE: StageTable = { name: '#stage', columns: [{ name: 'n', type: 'INT' }], key: ['n'] };
const SHORT = 'Connection Timeout=2;Request Timeout=700;';
const IMPATIENT: Patience = { forMs: 400, briefMs: 400 };

let server: TdsServer;
let db: Database | undefined;

afterEach(async () => {
  await db?.close().catch(() => {});
  db = undefined;
  await server.close();
});

const transfer = (target: Database): Promise<number> =>
  target.write(async (tx) => {
    await tx.lock('test');
    await tx.stage(STAGE, [[1]]);
    await tx.run(TOUCH, { n: 1 });
    return (await tx.query<{ n: number }>(ONE, { n: 1 }))[0]!.n;
  });

const read = async (target: Database): Promise<number> =>
  target.read(async (session) => (await session.query<{ n: number }>(ONE, { n: 1 }))[0]!.n);

describe('at login', () => {
  beforeEach(async () => {
    server = await startTdsServer();
  });

  test('an error that passes: the login is tried again until it succeeds', async () => {
    const numbers = [4060, 40197, 40501, 40613, 10928, 10929, 49918, 49919, 49920, 233, 18401, 921];
    const met = numbers.map(async (number) => {
      const own = await startTdsServer();
      own.fail('login', { kind: 'error', number }, 2);
      const told: string[] = [];
      const target = await connect(own.url(), { forMs: 20_000, briefMs: 5_000, onWait: (text) => told.push(text) });
      const answer = await read(target);
      await target.close();
      await own.close();
      return [number, answer, told.length, told[0]?.includes(`(error ${number})`)];
    });
    expect(await Promise.all(met)).toEqual(numbers.map((number) => [number, 1, 1, true]));
  });

  test.each([
    [18456, /refused the login.*Check the user/],
    [40615, /does not let this address in.*firewall/],
    [47073, /allows no public access.*private endpoint/],
  ])('error %i is final, and told at once with its own remedy', async (number, remedy) => {
    server.fail('login', { kind: 'error', number, message: 'said the server.' });
    const failed = await connect(server.url()).catch((error: unknown) => error as FleetscoreError);
    expect(failed).toMatchObject({ code: 'STORE_ERROR', retryable: false });
    expect((failed as FleetscoreError).message).toMatch(remedy);
    expect(server.count('login')).toBe(1);
  });

  test('a database that stays away fails as retryable, with its number', async () => {
    server.fail('login', { kind: 'error', number: 40613 });
    const failed = openMssqlStore(server.url(), { waitMs: 400 });
    await expect(failed).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
    await expect(failed).rejects.toThrow(/was not available.*\(error 40613\)/);
    expect(server.count('login')).toBeGreaterThan(1);
  });

  test('a login that ends in any way, or is not answered, passes', async () => {
    const kinds = ['fin', 'rst', 'half', 'silence'] as const;
    const met = kinds.map(async (kind) => {
      const own = await startTdsServer();
      own.fail('login', { kind }, 1);
      const target = await connect(own.url('Connection Timeout=1;'));
      const answer = await read(target);
      await target.close();
      await own.close();
      return [kind, answer, own.count('login') > 1];
    });
    expect(await Promise.all(met)).toEqual(kinds.map((kind) => [kind, 1, true]));
  });

  test('a failover in mid-life: connections cut, then no logins for some time', async () => {
    db = await connect(server.url(SHORT));
    expect(await read(db)).toBe(1);
    server.fail('query', { kind: 'rst' }, 1);
    server.fail('login', { kind: 'error', number: 40613 }, 3);
    expect(await read(db)).toBe(1);
    expect(server.count('login')).toBeGreaterThan(4);
  });
});

const FAULTS: readonly Fault[] = [
  ...(['fin', 'rst', 'half', 'afterwards', 'silence'] as const).map((kind): Fault => ({ kind })),
  ...[40197, 40501, 40613, 10928, 1205, 1204, 8645, 596, 2627].map((number): Fault => ({ kind: 'error', number })),
];
const MOMENTS: readonly Moment[] = ['begin', 'query', 'bulk', 'commit'];
const named = (fault: Fault): string => `${fault.kind} ${'number' in fault ? fault.number : ''}`;

/** Two transfers on a server of their own, of which the first meets the fault. */
async function meet(tls: boolean, moment: Moment, fault: Fault): Promise<object> {
  const own = await startTdsServer({ tls });
  const target = await connect(own.url(SHORT));
  try {
    own.fail(moment, fault, 1);
    const first = await transfer(target).catch(String);
    const met = own.count(moment) > 0;
    const second = await transfer(target).catch(String);
    // A transaction begun on a connection that had one: it was lent again with its own still open.
    return { met, answers: [first, second], nested: own.nested, open: own.openTransactions() };
  } finally {
    await target.close().catch(() => {});
    await own.close();
  }
}

describe.each([false, true])('work with TLS %s', (tls) => {
  beforeEach(async () => {
    server = await startTdsServer({ tls });
    db = await connect(server.url(SHORT));
  });

  // A server and a pool for each fault, all at once: they wait most of the time.
  const faults = [...FAULTS, ...(tls ? [{ kind: 'tls-end' } as const] : [])];
  test.each(MOMENTS)('%s: whatever goes wrong there, the whole work is done again', async (moment) => {
    const met = await Promise.all(faults.map(async (fault) => [named(fault), await meet(tls, moment, fault)] as const));
    const done = { met: true, answers: [1, 1], nested: 0, open: 0 };
    expect(Object.fromEntries(met)).toEqual(Object.fromEntries(faults.map((fault) => [named(fault), done])));
  });

  test('an answer that stops half-way ends by itself', async () => {
    server.fail('query', { kind: 'stall' }, 1);
    expect(await read(db!)).toBe(1);
  });

  test('a roll back that is not answered ends, and its connection is not lent again', async () => {
    server.fail('rollback', { kind: 'silence' }, 1);
    const refusal = new FleetscoreError('PROGRESS_CONFLICT', 'no');
    await expect(db!.write(() => Promise.reject(refusal))).rejects.toBe(refusal);
    expect(server.count('rollback')).toBe(1);
    expect(await transfer(db!)).toBe(1);
    expect(server.nested).toBe(0);
  });

  test.each([undefined, 3930])('a server that rolls back instead of committing (%p) is no success', async (number) => {
    server.fail('commit', { kind: 'rollback', ...(number === undefined ? {} : { number }) }, 1);
    const attempts: number[] = [];
    const work = db!.write((tx) => Promise.resolve(attempts.push(tx.attempt)));
    if (number === undefined) await work;
    else await expect(work).rejects.toMatchObject({ code: 'STORE_ERROR' });
    expect(attempts).toHaveLength(number === undefined ? 2 : 1);
    expect(await transfer(db!)).toBe(1);
  });
});

test('a server where readers wait for writers is told so, with the remedy', async () => {
  server = await startTdsServer();
  db = await connect(server.url(), IMPATIENT);
  expect(await storeOn(db).advice()).toEqual([
    expect.stringMatching(/^READ_COMMITTED_SNAPSHOT is off.*ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON$/),
  ]);
});

test('a certificate that is not trusted is final, and told at once', async () => {
  server = await startTdsServer({ tls: true });
  const told: string[] = [];
  const url = server.url().replace('TrustServerCertificate=true', 'TrustServerCertificate=false');
  const failed = connect(url, { ...IMPATIENT, onWait: (text) => told.push(text) });
  await expect(failed).rejects.toMatchObject({ code: 'STORE_ERROR', retryable: false });
  await expect(failed).rejects.toThrow(/certificate.*NODE_EXTRA_CA_CERTS/);
  expect(told).toEqual([]);
});

test('a name that does not resolve fails as retryable, and says where to look', async () => {
  server = await startTdsServer();
  const failed = connect('Server=nobody.invalid;Database=fleet;User Id=u;Password=p', IMPATIENT);
  await expect(failed).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
  await expect(failed).rejects.toThrow(/DNS/);
});

describe('who is called off', () => {
  beforeEach(async () => {
    server = await startTdsServer();
    db = await connect(server.url());
  });

  test.each(['begin', 'query', 'commit'] as const)(
    'a %s that is not answered ends with whoever it is for, and holds no connection',
    async (moment) => {
      server.fail(moment, { kind: 'silence' }, 1);
      const before = server.count(moment);
      const calledOff = new AbortController();
      const work = endingWith(calledOff.signal, () => transfer(db!));
      const outcome = work.catch((error: unknown) => error);
      while (server.count(moment) === before) await sleep(5);
      const reason = new FleetscoreError('WORKER_ENDS', 'the worker ends');
      calledOff.abort(reason);
      expect(await outcome).toBe(reason);
      // All ten connections of the pool are to be had.
      await Promise.all(Array.from({ length: 10 }, () => read(db!)));
    },
  );

  test('work that is called off is not begun again', async () => {
    server.fail('query', { kind: 'error', number: 40501 });
    const calledOff = new AbortController();
    const outcome = endingWith(calledOff.signal, () => read(db!)).catch((error: unknown) => error);
    while (server.count('query') < 2) await sleep(5);
    calledOff.abort(new FleetscoreError('WORKER_ENDS', 'the worker ends'));
    expect(await outcome).toMatchObject({ code: 'WORKER_ENDS' });
    const asked = server.count('query');
    await sleep(500);
    expect(server.count('query')).toBeLessThanOrEqual(asked + 1);
  });
});

describe('a network that swallows what is sent', () => {
  /** A pool behind a proxy, watched by what the server says; looks often. */
  async function behindProxy(options: TdsOptions = {}, limitMs = 30_000) {
    server = await startTdsServer(options);
    const proxy = await startTcpProxy(server.port);
    const config = mssqlConfig(server.url().replace(`,${server.port};`, `,${proxy.port};`));
    const asked = { answered: 0, unanswered: 0 };
    const watch = watchConnections(
      async (pool) => {
        try {
          const sessions = await askSessions(config, pool, limitMs);
          asked.answered++;
          return sessions;
        } catch (error) {
          asked.unanswered++;
          throw error;
        }
      },
      { everyMs: 20, longMs: 200, restMs: 0 },
    );
    const pool = new sql.ConnectionPool({ ...config, beforeConnect: (connection) => watch.add(connection) });
    pool.on('error', () => {});
    await pool.connect();
    // By its own limit it would end after a minute.
    const ask = (): Promise<unknown> => pool.query('SELECT 1 AS n').catch((error: unknown) => error);
    await ask();
    const close = async (): Promise<void> => {
      watch.stop();
      server.cut();
      await pool.close();
      await proxy.stop();
    };
    return { proxy, asked, ask, close };
  }
  const CUT = { code: expect.stringMatching(/ESOCKET|ECONNRESET/) };
  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) await sleep(5);
  };

  test('requests of an outage are made again as soon as the server answers', async () => {
    const { proxy, asked, ask, close } = await behindProxy({ showsSessions: false }, 300);
    await proxy.fault('black hole');
    const swallowed = ask();
    await until(() => asked.unanswered > 0);
    await proxy.fault();
    expect(await swallowed).toMatchObject(CUT);
    expect(await ask()).toMatchObject({ recordset: [{ n: 1 }] });
    await close();
  });

  test('a statement that got lost is made again though the server was answered all the while', async () => {
    const { proxy, asked, ask, close } = await behindProxy();
    // Only what stands then is dead.
    await proxy.fault('black hole');
    await proxy.fault();
    expect(await ask()).toMatchObject(CUT);
    expect(asked.unanswered).toBe(0);
    expect(await ask()).toMatchObject({ recordset: [{ n: 1 }] });
    await close();
  });

  test.each([true, false])('one that is only slow is left alone (a user who sees sessions: %s)', async (shows) => {
    const { asked, ask, close } = await behindProxy({ showsSessions: shows });
    server.fail('query', { kind: 'silence' }, 1);
    let ended = false;
    const slow = ask().finally(() => (ended = true));
    const before = asked.answered;
    await until(() => asked.answered >= before + 4);
    expect([ended, asked.unanswered]).toEqual([false, 0]);
    await close();
    await slow;
  });
});
