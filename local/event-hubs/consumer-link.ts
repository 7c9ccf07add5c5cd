/**
 * A link on which a client receives the events of one partition: from its start position on, in order, as far as
 * its credit goes, and again whenever something is appended or more credit arrives.
 */
import { Buffer } from 'node:buffer';
import type { Sender } from 'rhea';
import { messageOf } from '../../domain/errors.ts';
import { desiredCapabilities, forRhea, sendBudget, type AmqpError } from './amqp.ts';
import { claimProblem, type Broker } from './broker.ts';
import { readFrom, seek } from './log-reader.ts';
import type { ConsumerSource } from './namespace.ts';
import type { Reader } from './owner-levels.ts';
import { runtimeMetrics } from './sections.ts';
import { parseSelector, selectorOf } from './start-position.ts';

const RUNTIME_METRICS = 'com.microsoft:enable-receiver-runtime-metric';
const OWNER_LEVEL = 'com.microsoft:epoch';

/** Answers the attach of a consumer link and feeds it. */
export function openConsumerLink(broker: Broker, link: Sender): void {
  const address = link.source?.address ?? '';
  const source = broker.namespace.consumerSource(address);
  const problem =
    'condition' in source ? source : (claimProblem(broker, link.connection, address) ?? feed(broker, link, source));
  if (problem !== undefined) {
    // A refused link has no terminus (OASIS AMQP 1.0, 2.6.3): .NET takes one that has it for open and empty.
    link.close(forRhea(problem));
    return;
  }
  link.set_source({ address, ...(link.source?.filter ? { filter: link.source.filter } : {}) });
  link.set_target({ address: link.target?.address ?? '' });
}

/** Starts delivering; returns the reason when the link must be refused. */
function feed(broker: Broker, link: Sender, { hub, consumerGroup, partition }: ConsumerSource): AmqpError | undefined {
  const selector = selectorOf(link);
  const start = parseSelector(selector);
  if (start === undefined)
    return { condition: 'amqp:invalid-field', description: `The filter '${selector}' is not supported.` };

  const level: unknown = link.properties?.[OWNER_LEVEL];
  const key = `${hub.name}/${consumerGroup}/${partition.id}`;
  let open = true;
  let scheduled = false;
  const stop = (): void => {
    if (!open) return;
    open = false;
    unsubscribe();
    broker.readers.remove(key, self);
    peer.cleanups.delete(stop);
  };
  const self: Reader = {
    ownerLevel: level === undefined || level === null ? undefined : Number(level),
    disconnect: (reason) => {
      stop();
      link.close(forRhea(reason));
    },
  };
  const schedule = (): void => {
    if (scheduled || !open) return;
    scheduled = true;
    setImmediate(pump);
  };
  const reader = readFrom(partition, seek(partition, start));
  const refusal = broker.faults.readerError() ?? broker.readers.admit(key, self);
  if (refusal !== undefined) return refusal;
  const peer = broker.peer(link.connection);
  const unsubscribe = partition.onAppend(schedule);
  peer.cleanups.add(stop);

  const withMetrics = desiredCapabilities(link).includes(RUNTIME_METRICS);
  let tag = 0;
  const pump = (): void => {
    scheduled = false;
    let left = open ? sendBudget(link) : 0;
    if (left <= 0) return;
    const metrics = withMetrics ? runtimeMetrics(partition.last, Date.now()) : undefined;
    try {
      for (; left > 0; left -= 1) {
        const event = reader.next();
        if (event === undefined) break;
        link.send(metrics === undefined ? event : Buffer.concat([metrics, event]), String(tag++), 0);
        broker.stats.delivered += 1;
      }
    } catch (error) {
      self.disconnect({ condition: 'amqp:internal-error', description: `The log cannot be read: ${messageOf(error)}` });
    }
  };
  link.on('sendable', schedule);
  link.on('sender_draining', () => {
    if (open) pump();
    link.set_drained(true);
  });
  // Nothing to do at settlement; listening here keeps each outcome from travelling up to the container.
  link.on('accepted', nothing);
  link.on('settled', nothing);
  link.on('sender_close', stop);
  link.session.on('session_close', stop);
  return undefined;
}

function nothing(): void {}
