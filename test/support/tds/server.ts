/**
 * A server that speaks enough TDS for the store's driver, and does at any moment what servers do in trouble: an error
 * by number, an end by FIN, RST or TLS, half an answer, none at all. Without an engine it holds no data: every query of
 * `n` answers 1.
 */
import { createServer, type Socket } from 'node:net';
import { TLSSocket, type SecureContext } from 'node:tls';
import { errorOf, type TdsEngine, type TdsSession } from './on-sqlite.ts';
import {
  batchText,
  hostName,
  messageReader,
  names,
  transactionKind,
  wishedPacketSize,
  type Message,
} from './messages.ts';
import { secure, selfSigned } from './tls.ts';
import * as tokens from './tokens.ts';
import { columnsToken, rowToken, type Column } from './values.ts';

export type Moment = 'login' | 'begin' | 'query' | 'bulk' | 'commit' | 'rollback' | 'cancel';

/**
 * `error` answers with its number; `fin`, `rst` and `tls-end` end the connection, `half` in the middle of the answer;
 * `silence` never answers, `stall` stops within the answer; `lost` does what was asked and ends instead of answering;
 * `rollback` rolls back, with an error if it has a number. `afterwards`: the connection ends once the answer is out, so
 * the next statement meets a closed one.
 */
export type Fault =
  | { readonly kind: 'error'; readonly number: number; readonly message?: string }
  | { readonly kind: 'fin' | 'rst' | 'tls-end' | 'half' | 'silence' | 'stall' | 'afterwards' | 'lost' }
  | { readonly kind: 'rollback'; readonly number?: number };

export interface TdsServer {
  readonly port: number;
  /** Connection string; `more` follows. */
  url(more?: string): string;
  /** The next `times` answers at this moment go wrong, or every `nth` of them. */
  fail(moment: Moment, fault: Fault, times?: number, nth?: number): void;
  /** Answers well again. */
  heal(): void;
  /** Breaks all connections. */
  cut(): void;
  count(moment: Moment): number;
  /** Connections that hold a transaction. */
  openTransactions(): number;
  /** Transactions begun on a connection that held one already. */
  readonly nested: number;
  close(): Promise<void>;
}

export interface TdsOptions {
  readonly tls?: boolean;
  /** What runs the statements. */
  readonly engine?: TdsEngine;
  /** Whether users have the right to see other sessions than their own; they have it when absent. */
  readonly showsSessions?: boolean;
}

interface Rule {
  readonly fault: Fault;
  readonly nth: number;
  left: number;
  asked: number;
}

export async function startTdsServer({
  tls = false,
  engine,
  showsSessions = true,
}: TdsOptions = {}): Promise<TdsServer> {
  const context: SecureContext | undefined = tls ? selfSigned() : undefined;
  const rules = new Map<Moment, Rule>();
  const counts = new Map<Moment, number>();
  const open = new Set<Connection>();
  const state = { nested: 0 };
  const take = (moment: Moment): Fault | undefined => {
    counts.set(moment, (counts.get(moment) ?? 0) + 1);
    const rule = rules.get(moment);
    if (!rule || ++rule.asked % rule.nth !== 0 || rule.left-- <= 0) return undefined;
    return rule.fault;
  };
  const server = createServer((socket) => {
    const session = engine?.open();
    const sessions = (): Buffer => sessionRows(showsSessions ? [...open] : []);
    const connection = serve(socket, context, { take, session, sessions, onNested: () => state.nested++ });
    open.add(connection);
    socket.on('close', () => {
      open.delete(connection);
      session?.close();
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    url: (more = '') =>
      `Server=127.0.0.1,${port};Database=fleet;User Id=u;Password=p;TrustServerCertificate=true;Encrypt=${tls};${more}`,
    fail: (moment, fault, times = Infinity, nth = 1) => void rules.set(moment, { fault, left: times, nth, asked: 0 }),
    heal: () => rules.clear(),
    cut: () => open.forEach((connection) => connection.end()),
    count: (moment) => counts.get(moment) ?? 0,
    openTransactions: () => [...open].filter((connection) => connection.inTransaction()).length,
    get nested() {
      return state.nested;
    },
    close: () =>
      new Promise((resolve) => {
        for (const connection of open) connection.end();
        server.close(() => resolve());
      }),
  };
}

interface Connection {
  inTransaction(): boolean;
  /** As in `sys.dm_exec_sessions`. */
  readonly name: string;
  readonly status: 'running' | 'sleeping';
  end(): void;
}

const SESSION_COLUMNS: readonly Column[] = ['name', 'status'].map((name) => ({ name, kind: 'text' }));

const sessionRows = (connections: readonly Connection[]): Buffer =>
  Buffer.concat([
    columnsToken(SESSION_COLUMNS),
    ...connections.map(({ name, status }) => rowToken(SESSION_COLUMNS, [name, status])),
    tokens.doneInProc(connections.length),
    tokens.doneProc(),
  ]);

const DESCRIPTOR = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

interface Serving {
  readonly take: (moment: Moment) => Fault | undefined;
  readonly session: TdsSession | undefined;
  /** The answer to who asks for them. */
  readonly sessions: () => Buffer;
  readonly onNested: () => void;
}

/** Faults with which nothing of what was asked is done. */
const UNDONE: ReadonlySet<Fault['kind']> = new Set(['error', 'rollback', 'fin', 'rst', 'tls-end', 'silence']);

function serve(socket: Socket, context: SecureContext | undefined, serving: Serving): Connection {
  const { take, session, sessions, onNested } = serving;
  let name = '';
  let packetSize = tokens.FIRST_PACKETS;
  let transaction = false;
  /** A request is under way that is not answered. */
  let silent = false;
  let waits = false;
  let clear: NodeJS.ReadWriteStream & { end(): unknown } = socket;
  let secured = false;

  /** @param act does what was asked, and gives the answer */
  const answer = (moment: Moment, act: () => Buffer): Fault | undefined => {
    const fault = take(moment);
    if (fault && UNDONE.has(fault.kind)) wrong(fault, Buffer.alloc(0));
    else {
      const good = attempt(act);
      if (fault) wrong(fault, good);
      else send(good);
    }
    return fault;
  };
  const wrong = (fault: Fault, good: Buffer): void => {
    const half = packets(good).subarray(0, 10);
    switch (fault.kind) {
      case 'error':
        return send(refusal(fault.number, fault.message ?? `error ${fault.number} of the test`));
      case 'rollback': {
        endTransaction(false);
        const rest = fault.number === undefined ? tokens.done() : refusal(fault.number, 'rolled back');
        return send(Buffer.concat([tokens.rolledBack(DESCRIPTOR), rest]));
      }
      case 'fin':
      case 'lost':
        return void socket.end();
      case 'rst':
        return void socket.resetAndDestroy();
      case 'tls-end':
        return void clear.end();
      case 'half':
        return void clear.write(half, () => socket.end());
      case 'stall':
        return void clear.write(unfinished(good, packetSize));
      case 'afterwards':
        return void clear.write(packets(good), () => socket.end());
      case 'silence':
        silent = true;
    }
  };
  const packets = (body: Buffer): Buffer => tokens.packets(tokens.PACKET.answer, body, packetSize);
  const send = (body: Buffer): void => void clear.write(packets(body));
  const endTransaction = (commit: boolean): void => {
    transaction = false;
    session?.end(commit);
  };

  /** Itself in packets of the size that is agreed on in it. */
  const loginAnswer = (wished: number): Buffer => {
    const before = packetSize;
    packetSize = Math.min(wished, tokens.LARGEST_PACKETS);
    if (clear instanceof TLSSocket) clear.setMaxSendFragment(packetSize);
    const changed = packetSize === before ? Buffer.alloc(0) : tokens.packetSize(packetSize, before);
    return Buffer.concat([changed, tokens.collation(), tokens.loginAck(), tokens.done()]);
  };

  const onTransaction = (body: Buffer): void => {
    const kind = transactionKind(body);
    if (kind === 5) {
      if (transaction) onNested();
      transaction = true;
      const begun = (): Buffer => Buffer.concat([tokens.begun(DESCRIPTOR), tokens.done()]);
      if (!session) return void answer('begin', begun);
      waits = true;
      void session.begin().then(() => {
        if (waits) return void ((waits = false), answer('begin', begun));
        // It was called off meanwhile, and answered.
        endTransaction(false);
      });
      return;
    }
    const commits = kind === 7;
    const end = commits ? tokens.committed(DESCRIPTOR) : tokens.rolledBack(DESCRIPTOR);
    const fault = answer(commits ? 'commit' : 'rollback', () => {
      endTransaction(commits);
      return Buffer.concat([end, tokens.done()]);
    });
    // One that is not answered has not happened.
    transaction = fault?.kind === 'silence';
  };

  const onMessage = ({ type, body }: Message): void => {
    switch (type) {
      case tokens.PACKET.prelogin:
        clear.write(tokens.packets(tokens.PACKET.answer, tokens.preloginAnswer(context ? 1 : 2)));
        if (context && !secured) {
          secured = true;
          socket.removeAllListeners('data');
          clear = secure(socket, context);
          clear.on('data', messageReader(onMessage));
        }
        return;
      case tokens.PACKET.login:
        name = hostName(body);
        return void answer('login', () => loginAnswer(wishedPacketSize(body)));
      case tokens.PACKET.transaction:
        return onTransaction(body);
      case tokens.PACKET.bulk:
        return void answer('bulk', () => session?.bulk(body) ?? tokens.done(tokens.DONE.count, 1));
      case tokens.PACKET.attention:
        // Every message has an answer: that of the request ends, too.
        if (silent || waits) send(tokens.done(tokens.DONE.error));
        silent = waits = false;
        return void answer('cancel', () => tokens.done(tokens.DONE.attention));
      case tokens.PACKET.batch: {
        const text = batchText(body);
        const run = (): Buffer => session?.batch(text) ?? tokens.done();
        // The first batch of each connection sets options; `insert bulk` only announces rows.
        return /^\s*(set |insert bulk)/i.test(text) ? send(run()) : void answer('query', run);
      }
      case tokens.PACKET.rpc:
        if (names(body, 'sys.dm_exec_sessions')) return send(sessions());
        return void answer('query', () => session?.call(body) ?? rpcAnswer(body));
    }
  };
  socket.on('data', messageReader(onMessage));
  return {
    inTransaction: () => transaction,
    get name() {
      return name;
    },
    get status() {
      return silent || waits ? 'running' : 'sleeping';
    },
    end: () => void socket.destroy(),
  };
}

/** What cannot be done is an error of the server. */
function attempt(act: () => Buffer): Buffer {
  try {
    return act();
  } catch (error) {
    const { number, message } = errorOf(error);
    return refusal(number, message);
  }
}

const refusal = (number: number, message: string): Buffer =>
  Buffer.concat([tokens.errorToken(number, message), tokens.done(tokens.DONE.error)]);

/** A whole packet that is not the last of its message. */
function unfinished(body: Buffer, size: number): Buffer {
  const packet = tokens.packets(tokens.PACKET.answer, body.subarray(0, -1), size);
  packet[1] = 0;
  return packet;
}

function rpcAnswer(body: Buffer): Buffer {
  if (names(body, 'sp_getapplock')) return Buffer.concat([tokens.returnStatus(0), tokens.doneProc()]);
  if (names(body, 'sys.database_files'))
    return Buffer.concat([tokens.intColumn(), tokens.doneInProc(0), tokens.doneProc()]);
  if (!names(body, ' AS n')) return tokens.doneProc();
  return Buffer.concat([tokens.intColumn(), tokens.intRow(1), tokens.doneInProc(1), tokens.doneProc()]);
}
