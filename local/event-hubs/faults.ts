/** Faults on demand, for tests of what runs against the emulator; without a call nothing here has an effect. */
import type { Connection, Receiver } from 'rhea';
import { forRhea, socketOf, type AmqpError } from './amqp.ts';
import type { ReaderRegistry } from './owner-levels.ts';

export interface EventHubsFaults {
  /** Cuts every connection without a word, as a network failure does; returns how many there were. */
  dropConnections(): number;
  /**
   * Ends every connection in an orderly way, as the service does at maintenance (close frame with
   * `amqp:connection:forced`); returns how many there were.
   */
  closeConnections(): number;
  /** Closes the links of all readers with an error; returns how many there were. */
  endReaders(error: AmqpError): number;
  /** Closes the links of all senders, as the service does when they were idle for long; returns how many there were. */
  endSenders(): number;
  /** Refuses every reader from now on, as a throttled namespace does; without an error readers are let in again. */
  refuseReaders(error?: AmqpError): void;
  /** Refuses the next transfers; by default with `com.microsoft:server-busy`, which clients retry. */
  failNextSends(count: number, error?: AmqpError): void;
}

export interface FaultState extends EventHubsFaults {
  /** The error for the transfer at hand, if it is one of those to fail. */
  takeSendError(): AmqpError | undefined;
  /** The error for a reader that comes now. */
  readerError(): AmqpError | undefined;
}

/** What the service says when it moves or renews a node. */
const FORCED: AmqpError = {
  condition: 'amqp:connection:forced',
  description: 'The connection was closed by the service (injected fault).',
};
/** What it says to a link that had no traffic for a while. */
const IDLE: AmqpError = {
  condition: 'amqp:link:detach-forced',
  description: 'The link was closed, since it was idle (injected fault).',
};
const BUSY: AmqpError = { condition: 'com.microsoft:server-busy', description: 'The server is busy (injected fault).' };

export function createFaults(connections: ReadonlySet<Connection>, readers: ReaderRegistry): FaultState {
  let left = 0;
  let sendError = BUSY;
  let readerError: AmqpError | undefined;
  return {
    dropConnections: () => {
      const open = [...connections];
      for (const connection of open) socketOf(connection).destroy(new Error('connection dropped (injected fault)'));
      return open.length;
    },
    closeConnections: () => {
      const open = [...connections];
      for (const connection of open) connection.close(forRhea(FORCED));
      return open.length;
    },
    endReaders: (error) => readers.disconnectAll(error),
    endSenders: () => {
      const links: Receiver[] = [];
      for (const connection of connections)
        connection.each_receiver((link: Receiver) => {
          // `$cbs` and `$management` take questions.
          if (!/\$(cbs|management)$/.test(link.target?.address ?? '')) links.push(link);
        });
      for (const link of links) link.close(forRhea(IDLE));
      return links.length;
    },
    refuseReaders: (error) => {
      readerError = error;
      if (error) readers.disconnectAll(error);
    },
    readerError: () => readerError,
    failNextSends: (count, error = BUSY) => {
      left = count;
      sendError = error;
    },
    takeSendError: () => {
      if (left === 0) return undefined;
      left -= 1;
      return sendError;
    },
  };
}
