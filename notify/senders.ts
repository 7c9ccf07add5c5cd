/** The ways by which this process can tell of alarms, from its configuration. */
import type { Config } from '../config.ts';
import type { Senders } from '../batches/tell-alarms.ts';
import { webhookSender } from './webhook.ts';
import { defined } from '../domain/defined.ts';
import { hubSender } from './alarms-hub.ts';
import { eventHubTarget } from '../connect/event-hubs.ts';
import { mailSender } from './mail.ts';

export interface OpenSenders {
  readonly senders: Senders;
  close(): Promise<void>;
}

export function openSenders(config: Config, warn: (message: string) => void): OpenSenders {
  const { alerts, mail, appUrl, eventHubs } = config;
  const hub = eventHubs.connection
    ? hubSender({ ...eventHubTarget(config), hub: config.alarmsHub }, appUrl)
    : undefined;
  return {
    senders: defined({
      webhook: alerts && webhookSender(alerts, warn, appUrl),
      email: mail && mailSender(mail, appUrl),
      events: hub?.send,
    }),
    close: async () => hub?.close(),
  };
}
