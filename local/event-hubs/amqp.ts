/**
 * The words of the protocol in one place: error conditions with the service's own wording (Event Hubs
 * documentation, "AMQP errors in Azure Event Hubs" and "Messaging exceptions"), and the few fields of rhea that
 * its type declarations leave out.
 */
import { Buffer } from 'node:buffer';
import type { Connection, EventContext, Receiver, Sender, Session } from 'rhea';
import type { Socket } from 'node:net';

/** The message format of a batch envelope: data sections that each hold an encoded event. */
export const BATCH_FORMAT = 0x80013700;

export interface AmqpError {
  readonly condition: string;
  readonly description: string;
}

export const notFound = (entity: string): AmqpError => ({
  condition: 'amqp:not-found',
  description: `The messaging entity '${entity}' could not be found.`,
});

export const invalidPartition = (partition: string): AmqpError => ({
  condition: 'com.microsoft:argument-out-of-range',
  description: `The specified partition '${partition}' is invalid for an EventHub partition sender or receiver.`,
});

export const stolen = (description: string): AmqpError => ({ condition: 'amqp:link:stolen', description });

export const unauthorized = (description: string): AmqpError => ({
  condition: 'amqp:unauthorized-access',
  description,
});

export const notImplemented = (description: string): AmqpError => ({ condition: 'amqp:not-implemented', description });

export const tooLarge = (bytes: number, limit: number): AmqpError => ({
  condition: 'amqp:link:message-size-exceeded',
  description:
    `The received message (size: ${bytes} bytes) exceeds the limit (${limit} bytes) currently ` +
    'allowed on the link.',
});

/** The copy of an error that rhea may keep and change. */
export const forRhea = (error: AmqpError): { condition: string; description: string } => ({ ...error });

/** The message of a transfer as it came (see dialect.ts): nothing at all is a message without sections. */
export function bytesOf(context: EventContext): Buffer {
  return (context.message as Buffer | undefined) ?? Buffer.alloc(0);
}

/** The socket under a connection. */
export function socketOf(connection: Connection): Socket {
  return (connection as unknown as { readonly socket: Socket }).socket;
}

/**
 * Makes a connection write once per turn of the event loop, in one system call. rhea writes frame by frame and
 * sets its heartbeat timer anew for each, which costs more than all else when thousands of events go out.
 */
export function coalesceWrites(connection: Connection): void {
  const rheaConnection = connection as unknown as { output: () => void };
  const write = rheaConnection.output.bind(connection);
  let scheduled = false;
  const flush = (): void => {
    scheduled = false;
    const socket = socketOf(connection);
    socket.cork();
    write();
    socket.uncork();
  };
  rheaConnection.output = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(flush);
  };
}

/** How many deliveries may be handed to a link now: its credit, less what still waits in the session. */
export function sendBudget(sender: Sender): number {
  const { credit } = sender as unknown as { readonly credit: number };
  const { outgoing } = sender.session as Session & {
    readonly outgoing: { next_delivery_id: number; next_pending_delivery: number; available(): number };
  };
  const waiting = outgoing.next_delivery_id - outgoing.next_pending_delivery;
  return Math.min(credit - waiting, outgoing.available());
}

/** The capabilities that the other side of a link asks for. */
export function desiredCapabilities(link: Sender | Receiver): readonly string[] {
  return [link.desired_capabilities ?? []].flat().map(String);
}
