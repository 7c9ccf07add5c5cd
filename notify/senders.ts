/** The ways by which this process can tell of alarms, from its configuration. */
import type { Config } from '../config.ts';
import type { Senders } from '../batches/tell-alarms.ts';
import { webhookSender } from './webhook.ts';
import { defined } from '../domain/defined.ts';
import type { HubSender } from './alarms-hub.ts';
import { mailSender } from './mail.ts';

export interface OpenSenders {
  readonly senders: Senders;
  close(): Promise<void>;
}

export function openSenders(config: Config, warn: (message: string) => void): OpenSenders {
  const { alerts, mail, appUrl, eventHubs } = config;
  const hub = eventHubs.connection ? lateHub(config) : undefined;
  return {
    senders: defined({
      webhook: alerts && webhookSender(alerts, warn, appUrl),
      email: mail && mailSender(mail, appUrl),
      events: hub?.send,
    }),
    close: async () => hub?.close(),
  };
}

/** With the first alarm: the client of Event Hubs takes a tenth of a second to load, and few workers use it. */
function lateHub(config: Config): HubSender {
  let opened: Promise<HubSender> | undefined;
  return {
    send: async (...message) => (await (opened ??= openHub(config))).send(...message),
    close: async () => (await opened?.catch(() => undefined))?.close(),
  };
}

/** @throws FleetscoreError `INVALID_CONFIG` for a connection string that is none */
async function openHub(config: Config): Promise<HubSender> {
  const [{ hubSender }, { eventHubTarget }] = await Promise.all([
    import('./alarms-hub.ts'),
    import('../connect/event-hubs.ts'),
  ]);
  return hubSender({ ...eventHubTarget(config), hub: config.alarmsHub }, config.appUrl);
}
