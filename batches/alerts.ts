/**
 * Tells a webhook about batches that need a person: one that failed, one with more anomalies than usual. A
 * webhook in trouble never touches the batch: a few tries, then a warning. Told at least once, so a receiver
 * may see an alert twice after a crash: its `id` is the same then.
 */
import { createHmac } from 'node:crypto';
import type { BatchClass } from '../domain/batch-failure.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { defined } from '../domain/defined.ts';
import { messageOf } from '../domain/errors.ts';
import { isoTime } from '../domain/time.ts';
import type { Batch } from '../storage/store.ts';
import type { Cause } from './failures.ts';
import { withoutControls } from '../domain/plain-text.ts';

export interface AlertSettings {
  /** Taken as a secret: addresses of webhooks often hold a key. */
  readonly url: string;
  /** Key that alerts are signed with, base64, with or without `whsec_`; absent: they are not signed. */
  readonly secret?: string;
  /** Share of anomalous windows, 0 to 1, above which a batch is told; absent: never. */
  readonly anomalyRate?: number;
  /** Share of skipped sensors, 0 to 1, above which a batch is told; absent: never. */
  readonly skippedRate?: number;
}

export interface Alert {
  /** The same for the same alert. */
  readonly id: string;
  readonly event: 'batch_failed' | 'anomaly_rate' | 'sensors_skipped';
  /** One sentence for people; chat systems show this field. */
  readonly text: string;
  readonly batch: string;
  readonly status: string;
  readonly from: string;
  readonly to: string;
  readonly schedule?: string;
  readonly release: string;
  readonly planned: number;
  readonly counts: Batch['counts'];
  /** Anomalous windows of all that have a prediction, 0 to 1. */
  readonly anomalyRate: number;
  readonly anomalyRateLimit?: number;
  readonly skippedRateLimit?: number;
  /** Why the batch failed as a whole: a class of domain/batch-failure.ts. */
  readonly class?: BatchClass;
  readonly message?: string;
  readonly causes: readonly Cause[];
}

/** Periods of a schedule for which no batch was started. */
export interface MissedAlert {
  readonly id: string;
  readonly event: 'periods_missed';
  readonly text: string;
  readonly schedule: string;
  /** Of the first and the last of them. */
  readonly from: string;
  readonly to: string;
  readonly periods: number;
  /** What `schedule backfill` takes to score them. */
  readonly backfill: { readonly from: string; readonly to: string };
}

/** A workflow whose task fails again and again: nothing of it goes on, and it never ends by itself. */
export interface StuckAlert {
  readonly id: string;
  readonly event: 'workflow_stuck';
  readonly text: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly problem: string;
}

export function stuckAlert({ workflowId, runId, problem }: Omit<StuckAlert, 'id' | 'event' | 'text'>): StuckAlert {
  return {
    id: `${runId}/workflow_stuck`,
    event: 'workflow_stuck',
    text:
      `fleetscore: workflow ${chatText(workflowId)} does not go on: ${problem}. ` +
      `\`fleetscore doctor\` says what to do.`,
    workflowId,
    runId,
    problem,
  };
}

const TRIES = 3;
const TRY_MS = 5_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

/**
 * What there is to tell of a closed batch. Pure.
 * @param predictions rows of its files: windows of failed sensors were read, nobody said anything about them
 */
export function alertsOf(
  batch: Batch,
  predictions: number,
  causes: readonly Cause[],
  settings: AlertSettings,
): Alert[] {
  const { anomalies } = batch.counts;
  const rate = predictions === 0 ? 0 : anomalies / predictions;
  const base = {
    batch: batch.id,
    status: batch.status,
    from: isoTime(batch.fromMs),
    to: isoTime(batch.toMs),
    release: batch.release,
    planned: batch.planned,
    counts: batch.counts,
    anomalyRate: rate,
    causes: causes.slice(0, 5),
    ...defined({
      schedule: batch.schedule,
      anomalyRateLimit: settings.anomalyRate,
      skippedRateLimit: settings.skippedRate,
      class: batch.class,
      message: batch.message,
    }),
  };
  const told = batch.message === undefined ? '' : ` ${chatText(batch.message)}`;
  const alerts: Alert[] = [];
  if (batch.status === 'failed')
    alerts.push({
      ...base,
      id: `${batch.id}/batch_failed`,
      event: 'batch_failed',
      text: `fleetscore: batch ${batch.id} failed.${told}`,
    });
  if (settings.anomalyRate !== undefined && rate > settings.anomalyRate)
    alerts.push({
      ...base,
      id: `${batch.id}/anomaly_rate`,
      event: 'anomaly_rate',
      text:
        `fleetscore: batch ${batch.id} has ${percent(rate)} anomalous windows (${anomalies} of ` +
        `${predictions}), more than ${percent(settings.anomalyRate)}.`,
    });
  const { skipped } = batch.counts;
  if (settings.skippedRate !== undefined && skipped > settings.skippedRate * batch.planned)
    alerts.push({
      ...base,
      id: `${batch.id}/sensors_skipped`,
      event: 'sensors_skipped',
      text:
        `fleetscore: batch ${batch.id} skipped ${skipped} of ${batch.planned} sensors, more than ` +
        `${percent(settings.skippedRate)}: they have no readings or no model.`,
    });
  return alerts;
}

/** Names and messages come from outside: in the sentence that a chat shows they are no mention, link or markup. */
export function chatText(text: string): string {
  return withoutControls(text)
    .replaceAll('<', '\u2039')
    .replaceAll('>', '\u203a')
    .replaceAll('](', '] (')
    .replaceAll('://', ':/ /')
    .replace(/[@*_`~|]/g, '$&\u200b');
}

const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`;

/**
 * Headers that say who sent a body, and when: HMAC-SHA256 of `id.seconds.body`, as in Standard Webhooks 1.0.
 * @param atMs epoch ms of this attempt: a receiver refuses what is older than a few minutes
 */
export function signature(secret: string, id: string, body: string, atMs: number): Readonly<Record<string, string>> {
  const seconds = String(Math.floor(atMs / 1_000));
  const hmac = createHmac('sha256', Buffer.from(secret.replace(/^whsec_/, ''), 'base64'));
  return {
    'webhook-id': id,
    'webhook-timestamp': seconds,
    'webhook-signature': `v1,${hmac.update(`${id}.${seconds}.${body}`).digest('base64')}`,
  };
}

/** Posts an alert as JSON. False, with a warning, when the webhook did not take it; never throws. */
export const postAlert = (
  alert: Alert | MissedAlert | StuckAlert,
  settings: AlertSettings,
  warn: (message: string) => void,
): Promise<boolean> => post(settings, alert.id, JSON.stringify(alert), warn);

/**
 * Posts a body under an id, signed where there is a secret. False, with a warning, when it was not taken; never throws.
 */
export async function post(
  settings: AlertSettings & { readonly contentType?: string },
  id: string,
  body: string,
  warn: (message: string) => void,
): Promise<boolean> {
  let problem = '';
  const { secret, contentType = 'application/json' } = settings;
  for (let attempt = 1, waitMs = FIRST_WAIT_MS; attempt <= TRIES; attempt++, waitMs *= 4) {
    try {
      const answer = await fetch(settings.url, {
        method: 'POST',
        body,
        redirect: 'error',
        signal: AbortSignal.timeout(TRY_MS),
        headers: {
          'content-type': contentType,
          'idempotency-key': id,
          'user-agent': 'fleetscore',
          ...(secret === undefined ? {} : signature(secret, id, body, Date.now())),
        },
      });
      await answer.body?.cancel();
      if (answer.ok) return true;
      problem = `it answered ${answer.status}`;
      if (answer.status < 500 && answer.status !== 408 && answer.status !== 429) break;
      const asked = Number(answer.headers.get('retry-after')) * 1_000;
      if (asked > 0) waitMs = Math.min(asked, LONGEST_WAIT_MS);
    } catch (error) {
      // The message of fetch names no address; that of its cause may name the host, which is no secret.
      problem = messageOf((error as Error).cause ?? error);
    }
    if (attempt < TRIES) await sleep(waitMs);
  }
  warn(`the alert ${id} was not taken by FLEETSCORE_ALERT_URL: ${problem}`);
  return false;
}
