/**
 * Tells of incidents that batches opened, worsened or closed, where the rules of alarms ask for it. What is to be told
 * is put on record first, once; it goes out by each way on its own, after quiet hours and within its rate, again with
 * the same id where nobody took it. Trouble with a way is a warning and never touches a batch.
 */
import { digest, single, type Message } from '../alarms/message.ts';
import { goesOn, noticesOf, type AlarmWithEvents, type Notice, type OpenNotice } from '../alarms/notice.ts';
import type { NotifySettings, NotifyWay } from '../alarms/notify-settings.ts';
import { dueMs } from '../alarms/quiet.ts';
import type { Alarm } from '../domain/alarm.ts';
import { messageOf } from '../domain/errors.ts';
import { DAY_MS, HOUR_MS, type Period } from '../domain/time.ts';
import { withinLimit } from '../storage/deadline.ts';
import type { StoredNotice, Store } from '../storage/store.ts';

/** Sends one message; false, or an error, when nobody took it. */
export type Send = (message: Message, settings: NotifySettings) => Promise<boolean>;
/** The ways that are set up here. */
export type Senders = Partial<Readonly<Record<NotifyWay, Send>>>;

export interface TellDeps {
  readonly store: Store;
  readonly senders: Senders;
  readonly warn: (message: string) => void;
  readonly now: () => number;
  /** Longest wait for a way to take a message, ms; a minute when absent. */
  readonly sendMs?: number;
}

/** What was decided on just now. */
export interface DecidedOn extends Period {
  /** Ids of batches. */
  readonly batches: readonly string[];
}

/** Alarms of one period, and of one incident, that are looked at. */
const MOST_ALARMS = 5_000;
/** How often it is decided anew because somebody else changed alarms meanwhile. */
const TRIES = 20;
/** Whoever sends has so long; then the notices are due again. */
const LEASE_MS = 300_000;
const AT_ONCE = 1_000;
/** A server of mail or a hub may take a connection and answer nothing, or byte by byte. */
const SEND_MS = 60_000;
/** A notice that nobody took for so long is of no use any more; quiet hours and a digest hold one back for less. */
const GIVE_UP_MS = 2 * DAY_MS;

/** Puts on record what is to be told, by every way that the rules name, and sends it: no way waits for another. */
export async function tellAlarms(deps: TellDeps, decided: DecidedOn, ways: readonly NotifySettings[]): Promise<void> {
  const setUp = ways.filter((settings) => {
    if (deps.senders[settings.by]) return true;
    deps.warn(`nobody is told of alarms by ${settings.by}: it is not set up (docs/alarms.md)`);
    return false;
  });
  for (const settings of setUp) await record(deps, decided, settings);
  await Promise.all(setUp.map((settings) => sendDue(deps, settings)));
}

async function record({ store, now }: TellDeps, decided: DecidedOn, settings: NotifySettings): Promise<void> {
  const batches = new Set(decided.batches);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const [epoch, nowMs] = [await store.alarmEpoch(), now()];
    const open = new Map((await store.openNotices(settings.by)).map((notice) => [notice.incident, notice]));
    const alarms = await store.listAlarms({ within: decided, limit: MOST_ALARMS }, nowMs);
    const notices: Notice[] = [];
    for (const incident of new Set(alarms.map((alarm) => alarm.incident))) {
      const group = await store.listAlarms({ incident, limit: MOST_ALARMS }, nowMs);
      const told = group.flatMap(({ id }) => open.get(id) ?? []);
      if (!hasNews(group, told, decided, settings)) continue;
      notices.push(...noticesOf(await withEvents(store, group), told, batches, settings, nowMs));
    }
    if (notices.length === 0) return;
    const due = notices.map((notice) => ({ notice, dueMs: dueMs(settings, notice.severity, nowMs) }));
    if (await store.addNotices({ by: settings.by, epoch, notices: due, madeMs: nowMs })) return;
  }
}

/** Most incidents just go on: their events are not read. */
function hasNews(
  group: readonly Alarm[],
  told: readonly OpenNotice[],
  { fromMs }: Period,
  { severity }: NotifySettings,
): boolean {
  const active = group.some(goesOn);
  if (told.length > 0 && !active) return true;
  if (told.length === 0 && group.every(({ facts }) => facts.severity < severity)) return false;
  return told.length === 0 || group.some(({ facts }) => facts.steps.some(({ timeMs }) => timeMs >= fromMs));
}

const withEvents = async (store: Store, group: readonly Alarm[]): Promise<AlarmWithEvents[]> =>
  Promise.all(group.map(async (alarm) => ({ alarm, events: await store.alarmEvents({ alarmId: alarm.id }) })));

/** Sends what is due by one way; returns how many messages went out. */
export async function sendDue(deps: TellDeps, settings: NotifySettings): Promise<number> {
  const { store, senders, warn, now, sendMs = SEND_MS } = deps;
  const { by } = settings;
  const send = senders[by];
  if (!send) return 0;
  const nowMs = now();
  const claimed = await store.claimNotices({ by, nowMs, untilMs: nowMs + LEASE_MS, limit: AT_ONCE });
  const old = claimed.filter(({ madeMs }) => madeMs < nowMs - GIVE_UP_MS);
  if (old.length > 0) {
    warn(`${old.length} notices of alarms were taken by nobody for two days (${by}): they are given up`);
    await store.noticesSent(by, idsOf(old), 'given up', nowMs);
  }
  const fresh = claimed.filter((one) => !old.includes(one));
  if (fresh.length === 0) return 0;
  const room = settings.perHour - (await store.countMessages(by, nowMs - HOUR_MS));
  let sent = 0;
  for (const part of messagesOf(fresh, settings, room)) {
    const message = part.length === 1 ? single(part[0]!.notice) : digest(part.map(({ notice }) => notice));
    const taken = await withinLimit(sendMs, () => send(message, settings)).catch((error: unknown) => {
      warn(`the notice ${message.id} was not taken (${by}): ${messageOf(error)}`);
      return false;
    });
    if (!taken) break;
    await store.noticesSent(by, idsOf(part), message.id, nowMs);
    sent += 1;
  }
  return sent;
}

const idsOf = (notices: readonly StoredNotice[]): string[] => notices.map(({ notice }) => notice.id);

/**
 * Which notices go out together: what was held back as one, the others one by one as far as there is room. Pure.
 * @param room messages that may still go out in this hour; 0 or less: none
 */
export function messagesOf(
  due: readonly StoredNotice[],
  { atMost }: Pick<NotifySettings, 'atMost'>,
  room: number,
): (readonly StoredNotice[])[] {
  if (room <= 0 || due.length === 0) return [];
  const held = due.filter((one) => one.dueMs > one.madeMs);
  const others = due.filter((one) => one.dueMs <= one.madeMs);
  const singles = Math.min(atMost, held.length > 0 ? room - 1 : room);
  if (others.length <= singles) return [...(held.length > 0 ? [held] : []), ...others.map((one) => [one])];
  const alone = Math.max(0, Math.min(atMost, room - 1));
  const together = [...held, ...others.slice(alone)];
  return [...others.slice(0, alone).map((one) => [one]), together];
}
