/**
 * Watches the scheduled events of an Azure machine (instance metadata service): a low-priority machine is told
 * half a minute before it is taken away. Elsewhere nobody answers at that address, and the watch gives up.
 */
import { z } from 'zod';
import { watch, type Watch } from './watch.ts';

/** Reachable only from inside a machine of Azure. */
const IMDS = 'http://169.254.169.254';

export interface EventsOptions {
  readonly endpoint?: string;
  readonly everyMs?: number;
  readonly timeoutMs?: number;
  /** Tries without any answer until the watch gives up. */
  readonly tries?: number;
}

const answer = z.object({
  Events: z.array(
    z.object({
      EventType: z.string(),
      EventId: z.string(),
      Resources: z.array(z.string()).default([]),
      NotBefore: z.string().default(''),
      Description: z.string().default(''),
    }),
  ),
});

/** Events after which the machine is not what it was: Freeze only pauses it. */
const ENDING: ReadonlySet<string> = new Set(['Preempt', 'Terminate', 'Reboot', 'Redeploy']);

export function watchScheduledEvents({
  endpoint = IMDS,
  everyMs = 1_000,
  timeoutMs = 2_000,
  tries = 3,
}: EventsOptions = {}): Watch {
  let seenService = false;
  let failed = 0;
  let machine: string | undefined;
  const get = async (path: string): Promise<Response> =>
    fetch(`${endpoint}${path}`, { headers: { Metadata: 'true' }, signal: AbortSignal.timeout(timeoutMs) });
  return watch(everyMs, async () => {
    try {
      const response = await get('/metadata/scheduledevents?api-version=2020-07-01');
      if (!response.ok) throw new Error(`status ${response.status}`);
      const { Events } = answer.parse(await response.json());
      if (!seenService) machine = await nameOf(get);
      seenService = true;
      const event = Events.find(
        (e) =>
          ENDING.has(e.EventType) &&
          (machine === undefined || e.Resources.length === 0 || e.Resources.includes(machine)),
      );
      if (!event) return undefined;
      return {
        kind: 'evicted',
        text: `Azure announces ${event.EventType}${event.NotBefore === '' ? '' : ` not before ${event.NotBefore}`}`,
      };
    } catch {
      failed += 1;
      return !seenService && failed >= tries ? 'give up' : undefined;
    }
  });
}

/** Events name machines of a whole scale set: without our name each event counts as ours. */
async function nameOf(get: (path: string) => Promise<Response>): Promise<string | undefined> {
  const response = await get('/metadata/instance/compute/name?api-version=2021-02-01&format=text').catch(
    () => undefined,
  );
  return response?.ok ? (await response.text()).trim() || undefined : undefined;
}
