/**
 * The rules by which events become readings: the payload mapping, or the fields and their units. They may change, so
 * a store does not refuse other ones; but what it holds was made by some, and two workers, or a rebuild, with different
 * ones make different sensors of the same events without a word. So each worker that starts with other rules than the
 * last one is written down, and told. Settings of a store are claimed once: each change is a setting of its own.
 */
import { createHash } from 'node:crypto';
import { FleetscoreError } from '../domain/errors.ts';
import { isoTime } from '../domain/time.ts';
import type { Store } from '../storage/store.ts';
import type { IngestLog } from './log.ts';
import { MAPPING_NAMES } from './mapping/named.ts';
import { PARSE_DEFAULTS, type ParseSettings } from './parse-event.ts';

export interface EventRules {
  /** Equal where the rules are. */
  readonly digest: string;
  /** For people: `the mapping iot-hub, times in s`. */
  readonly text: string;
}

export interface KeptRules extends EventRules {
  /** 1 for the first that the store knows of. */
  readonly number: number;
  /** When a worker first started with them. */
  readonly since: string;
}

type RuleSettings = Pick<ParseSettings, 'mapping' | 'fields' | 'timeUnit' | 'defaultDevice'>;
type SettingsStore = Pick<Store, 'claimSetting' | 'findSetting'>;

const KEY = 'eventRules';
/** A setting of a store holds 1,000 characters. */
const MOST_TEXT = 300;

export function rulesOf({ mapping, fields, timeUnit, defaultDevice }: RuleSettings): EventRules {
  const digest = createHash('sha256')
    .update(JSON.stringify([mapping?.forms ?? fields, mapping?.wholeArray, timeUnit, defaultDevice], plain))
    .digest('hex')
    .slice(0, 16);
  const others = Object.entries(fields).flatMap(([field, names]) =>
    String(names) === String(PARSE_DEFAULTS.fields[field as keyof typeof fields]) ? [] : [`${field}=${names.join()}`],
  );
  const parts = [
    mapping ? `the mapping ${named(mapping.name, digest)}` : 'no mapping',
    ...(mapping || others.length === 0 ? [] : [`the fields ${others.join(' ')}`]),
    ...(timeUnit === undefined ? [] : [`times in ${timeUnit}`]),
    ...(defaultDevice === undefined ? [] : [`the default device ${JSON.stringify(defaultDevice)}`]),
  ];
  return { digest, text: parts.join(', ').slice(0, MOST_TEXT) };
}

/** One of somebody's own may change under its name. */
const named = (name: string, digest: string): string =>
  MAPPING_NAMES.includes(name) ? name : `${name} (${digest.slice(0, 8)})`;

const plain = (_: string, value: unknown): unknown =>
  value instanceof Set ? [...(value as ReadonlySet<unknown>)] : value;

/** The rules that a worker started with last; undefined for a store that no worker has written so. */
export async function lastRules(store: Pick<Store, 'findSetting'>): Promise<KeptRules | undefined> {
  const has = async (number: number): Promise<boolean> => (await store.findSetting(`${KEY}.${number}`)) !== undefined;
  // There may be as many as starts of workers: looked for in steps that double, then halve.
  let low = 0;
  let step = 1;
  while (await has(low + step)) {
    low += step;
    step *= 2;
  }
  for (step = Math.floor(step / 2); step > 0; step = Math.floor(step / 2)) if (await has(low + step)) low += step;
  return low === 0 ? undefined : kept(low, (await store.findSetting(`${KEY}.${low}`))!);
}

function kept(number: number, text: string): KeptRules {
  return { number, ...(JSON.parse(text) as Omit<KeptRules, 'number'>) };
}

/** For a worker that starts. @returns the rules before, where they were others */
export async function claimRules(
  store: SettingsStore,
  rules: EventRules,
  nowMs: number,
): Promise<KeptRules | undefined> {
  for (;;) {
    const last = await lastRules(store);
    if (last?.digest === rules.digest) return undefined;
    const number = (last?.number ?? 0) + 1;
    const claimed = await store.claimSetting(
      `${KEY}.${number}`,
      JSON.stringify({ digest: rules.digest, text: rules.text, since: isoTime(nowMs) }),
    );
    // Another worker may have been faster, with rules of its own.
    if (kept(number, claimed).digest === rules.digest) return last;
  }
}

/** How often a worker looks whether another one has started with other rules. */
const LOOK_MS = 60_000;

/** Claims the rules of a worker, and tells when they are not those of the others. Ends with the signal. */
export async function keepToRules(
  store: SettingsStore,
  rules: EventRules,
  log: IngestLog,
  { signal, lookMs = LOOK_MS }: { readonly signal: AbortSignal; readonly lookMs?: number },
): Promise<void> {
  const before = await claimRules(store, rules, Date.now());
  if (before)
    log.warn(
      { now: rules.text, before: before.text, since: before.since },
      'events are read by other rules than before: what is in the windows was made by the old ones',
    );
  let told = rules.digest;
  const looking = setInterval(() => {
    lastRules(store).then(
      (last) => {
        if (!last || last.digest === told) return;
        told = last.digest;
        if (told !== rules.digest)
          log.warn(
            { here: rules.text, there: last.text, since: last.since },
            'another ingest worker reads events by other rules: set the same FLEETSCORE_MAPPING for all of them',
          );
      },
      // The store is away: others say so.
      () => {},
    );
  }, lookMs);
  looking.unref();
  signal.addEventListener('abort', () => clearInterval(looking), { once: true });
}

/** For a rebuild. @throws FleetscoreError `RULES_CHANGED` when the workers read events by other rules */
export async function refuseOtherRules(store: Pick<Store, 'findSetting'>, rules: EventRules): Promise<void> {
  const last = await lastRules(store);
  if (!last || last.digest === rules.digest) return;
  throw new FleetscoreError(
    'RULES_CHANGED',
    `ingest reads events with ${last.text} (since ${last.since}), and this command with ${rules.text}: it would ` +
      'make other sensors of the same events. Give it the same FLEETSCORE_MAPPING and FLEETSCORE_FIELD_... as the ' +
      'ingest workers, or --other-rules where that is what you want.',
  );
}
