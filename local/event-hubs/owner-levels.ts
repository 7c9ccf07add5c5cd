/**
 * Who may read a partition of a consumer group ("Features and terminology in Azure Event Hubs", consumer groups
 * and epochs). Readers with an owner level are exclusive: the highest one reads and the others are cut off; at
 * the same level the newest wins. Readers without one share the partition, at most five of them, and never beside
 * one with a level.
 */
import { stolen, type AmqpError } from './amqp.ts';

const MAX_SHARED_READERS = 5;

export interface Reader {
  /** The owner level; absent for a reader that shares. */
  readonly ownerLevel: number | undefined;
  /** Stops the reader and closes its link with the reason. */
  disconnect(reason: AmqpError): void;
}

export interface ReaderRegistry {
  /** Admits a reader to a partition of a consumer group, which may cut off others, or says why not. */
  admit(key: string, reader: Reader): AmqpError | undefined;
  remove(key: string, reader: Reader): void;
  /** Cuts off everyone; returns how many there were. */
  disconnectAll(reason: AmqpError): number;
}

export function createReaderRegistry(): ReaderRegistry {
  const readers = new Map<string, Set<Reader>>();
  return {
    admit: (key, reader) => {
      const present = readers.get(key) ?? new Set<Reader>();
      const refusal = refusalOf(present, reader.ownerLevel);
      if (refusal !== undefined) return refusal;
      if (reader.ownerLevel !== undefined) {
        for (const other of present) {
          present.delete(other);
          other.disconnect(
            stolen(
              `New receiver with higher epoch of '${reader.ownerLevel}' is created hence current receiver with epoch ` +
                `'${other.ownerLevel ?? 0}' is getting disconnected. ` +
                'If you are recreating the receiver, make sure a higher epoch is used.',
            ),
          );
        }
      }
      present.add(reader);
      readers.set(key, present);
      return undefined;
    },
    remove: (key, reader) => {
      const present = readers.get(key);
      present?.delete(reader);
      if (present?.size === 0) readers.delete(key);
    },
    disconnectAll: (reason) => {
      const all = [...readers.values()].flatMap((present) => [...present]);
      for (const reader of all) reader.disconnect(reason);
      return all.length;
    },
  };
}

function refusalOf(present: ReadonlySet<Reader>, ownerLevel: number | undefined): AmqpError | undefined {
  const levels = [...present].flatMap((reader) => reader.ownerLevel ?? []);
  const highest = levels.length === 0 ? undefined : Math.max(...levels);
  if (ownerLevel !== undefined) {
    return highest === undefined || ownerLevel >= highest
      ? undefined
      : stolen(
          `Receiver with higher epoch '${highest}' already exists. ` +
            `Receiver with epoch ${ownerLevel} cannot be created. ` +
            'Make sure you are creating receiver with increasing epoch value to ensure connectivity, or ' +
            'ensure all old epoch receivers are closed or disconnected.',
        );
  }
  if (highest !== undefined) {
    return stolen(
      `At least one receiver for the endpoint is created with epoch of '${highest}', and so non-epoch ` +
        'receiver is not allowed. ' +
        'Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.',
    );
  }
  return present.size < MAX_SHARED_READERS
    ? undefined
    : {
        condition: 'amqp:resource-limit-exceeded',
        description:
          'Exceeded the maximum number of allowed receivers per partition in a consumer group which is ' +
          `${MAX_SHARED_READERS}.`,
      };
}
