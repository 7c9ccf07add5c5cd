/**
 * The life of an alarm, step by step: delays, deadband, severity, re-alarm, latch, quality, second excursions, people.
 */
import { actOn } from '../../alarms/act.ts';
import { flagsOf } from '../../alarms/flags.ts';
import { movedAlarms } from '../../alarms/incidents.ts';
import { DEFAULT_RULE, parseRules, ruleFor, type AlarmRule } from '../../alarms/rules.ts';
import { globMatches } from '../../domain/glob.ts';
import { alarmSentence, spanText } from '../../alarms/sentence.ts';
import type { Alarm, AlarmAction, AlarmOutline, AlarmRecord } from '../../domain/alarm.ts';
import { HOP, Keeper, type TruthWindow } from './truth.ts';

const { silentMs: _, ...base } = DEFAULT_RULE;
const RULE: AlarmRule = { ...base, onDelay: { windows: 1 }, offDelay: { windows: 1 } };

/** `a` anomalous, `w` worse, `h` within the deadband, `.` normal, ` ` no window. */
function alarmsOf(windows: string, change: Partial<AlarmRule> = {}): Keeper {
  const scores: Readonly<Record<string, number>> = { a: -1, w: -9, h: 0.1, '.': 1 };
  const truth: TruthWindow[] = [...windows].flatMap((what, at) =>
    what === ' ' ? [] : [{ at, value: at, score: scores[what]! }],
  );
  const keeper = new Keeper({ ...RULE, ...change });
  keeper.look(truth, { from: 0, to: windows.length });
  return keeper;
}

test.each<[string, string, Partial<AlarmRule>, string[]]>([
  ['active at the first abnormal window', '..aa..', {}, ['activated 3', 'cleared 5']],
  ['an on-delay in windows', '..a.aa..', { onDelay: { windows: 2 } }, ['activated 6', 'cleared 7']],
  ['an on-delay in time', '..aaa..', { onDelay: { ms: 3 * HOP } }, ['activated 5', 'cleared 6']],
  ['an off-delay in windows', '.aa.a..', { offDelay: { windows: 2 } }, ['activated 2', 'cleared 7']],
  ['an off-delay in time', '.aa.a...', { offDelay: { ms: 2 * HOP } }, ['activated 2', 'cleared 7']],
  ['a deadband holds what is active', '.ah.', { deadband: 0.5 }, ['activated 2', 'cleared 4']],
  ['and makes nothing active', '.h.h.', { deadband: 0.5 }, []],
  ['a re-alarm', '.aaaaa.', { reAlarmMs: 2 * HOP }, ['activated 2', 'realarmed 4', 'realarmed 6', 'cleared 7']],
  [
    'a worse score',
    '.awa.',
    {
      severity: [
        { severity: 500, afterMs: 0 },
        { severity: 800, afterMs: 0, score: -5 },
      ],
    },
    ['activated 2', 'escalated 3', 'cleared 5'],
  ],
  [
    'a long duration',
    '.aaaa.',
    {
      severity: [
        { severity: 500, afterMs: 0 },
        { severity: 800, afterMs: 3 * HOP },
      ],
    },
    ['activated 2', 'escalated 4', 'cleared 6'],
  ],
  [
    'windows that are missing change quality and end nothing',
    `.a${' '.repeat(15)}a.`,
    {},
    ['activated 2', 'quality 14', 'quality 18', 'cleared 19'],
  ],
  ['a disabled rule', '.aaa.', { enabled: false }, []],
])('%s', (_name, windows, change, events) => {
  expect(alarmsOf(windows, change).events).toEqual(events.map((event) => `anomaly ${event}`));
});

test('a silent sensor, from its last window on, until the next', () => {
  const { events, records } = alarmsOf(`..${' '.repeat(6)}.`, { silentMs: 4 * HOP });
  expect(events).toEqual(['silent activated 6', 'silent cleared 9']);
  expect(records[0]!.facts).toMatchObject({ sinceMs: 2 * HOP, lastMs: 8 * HOP, windows: 6 });
});

test('a model that fails and works again', () => {
  const keeper = new Keeper(RULE);
  keeper.look([], { from: 0, to: 10, verdict: 'model_failed' });
  keeper.look([], { from: 10, to: 20, verdict: 'model_failed' });
  keeper.look([{ at: 20, value: 1, score: 1 }], { from: 20, to: 21 });
  expect(keeper.events).toEqual(['model activated 0', 'model cleared 21']);
  expect(keeper.records[0]!.facts).toMatchObject({ cause: 'model_failed', lastMs: 20 * HOP });
});

describe('people', () => {
  const action = { user: 'ann', atMs: 1_000_000 };
  const done = (record: AlarmRecord, what: Partial<AlarmAction> & Pick<AlarmAction, 'do'>): AlarmRecord => {
    const result = actOn(record, undefined, { id: record.id, ...action, ...what } as AlarmAction);
    if (!result.ok) throw new Error(result.refusal);
    return result.record;
  };
  const refused = (record: AlarmRecord, what: Partial<AlarmAction> & Pick<AlarmAction, 'do'>): unknown => {
    const result = actOn(record, undefined, { id: record.id, ...action, ...what } as AlarmAction);
    return !result.ok && result.refusal;
  };
  const flags = (record: AlarmRecord) => flagsOf(record, undefined, action.atMs);

  test('two excursions that nobody acknowledged are two alarms, and each waits', () => {
    const [first, second] = alarmsOf('.a..a.').records as [AlarmRecord, AlarmRecord];
    expect([flags(first), flags(second)]).toMatchObject([
      { active: false, acked: false, retain: true },
      { active: false, acked: false, retain: true },
    ]);
    expect(flags(done(first, { do: 'ack' }))).toMatchObject({ acked: true, retain: false });
  });

  test('any event of an alarm names it, and no other number', () => {
    const [alarm] = alarmsOf('.a.').records as [AlarmRecord];
    expect(flags(done(alarm, { do: 'ack', id: `${alarm.id}.1` })).acked).toBe(true);
    expect(refused(alarm, { do: 'ack', id: `${alarm.id}.3` })).toBe('EventIdUnknown');
    expect(refused(done(alarm, { do: 'ack' }), { do: 'ack' })).toBe('ConditionBranchAlreadyAcked');
  });

  test('a confirmation is wanted after the acknowledgement, and not before', () => {
    const [alarm] = alarmsOf('.a.', { confirm: true }).records as [AlarmRecord];
    expect(flags(alarm).confirmed).toBe(true);
    expect(refused(alarm, { do: 'confirm' })).toBe('ConditionBranchAlreadyConfirmed');
    const acked = done(alarm, { do: 'ack' });
    expect(flags(acked)).toMatchObject({ acked: true, confirmed: false, retain: true });
    expect(flags(done(acked, { do: 'confirm' }))).toMatchObject({ confirmed: true, retain: false });
  });

  test('a latched alarm stays until it is reset, once it is over and acknowledged', () => {
    const [alarm] = alarmsOf('.a.', { latch: true }).records as [AlarmRecord];
    expect(refused(alarm, { do: 'reset' })).toBe('InvalidState');
    const acked = done(alarm, { do: 'ack' });
    expect(flags(acked)).toMatchObject({ latched: true, retain: true });
    expect(flags(done(acked, { do: 'reset' }))).toMatchObject({ latched: false, retain: false });
  });

  test('one-shot shelving ends with the alarm, and an empty comment keeps the one before', () => {
    const [alarm] = alarmsOf('.aa').records as [AlarmRecord];
    const said = done(done(alarm, { do: 'comment', comment: 'pump 3' }), { do: 'ack', comment: ' ' });
    expect(said.marks.comment).toMatchObject({ text: 'pump 3', by: 'ann' });
    const shelved = actOn(alarm, undefined, { do: 'shelveOnce', id: alarm.id, ...action });
    if (!shelved.ok) throw new Error(shelved.refusal);
    expect(flagsOf(shelved.record, shelved.shelf, action.atMs).shelving).toBe('oneShotShelved');
    const over = { ...shelved.record, facts: { ...alarm.facts, clearedMs: 5 } };
    expect(flagsOf(over, shelved.shelf, action.atMs).shelving).toBe('unshelved');
    expect(refused(alarm, { do: 'shelve', untilMs: action.atMs })).toBe('ShelvingTimeOutOfRange');
  });
});

describe('rules', () => {
  test('the later rule that matches sets what it names over the earlier', () => {
    const rules = parseRules(
      JSON.stringify({
        rules: [
          { onDelay: '3 windows', silentAfter: 'never' },
          { device: 'pump-*', sensor: '*temp*', onDelay: '30s', severity: 700, latch: true, reAlarm: '1h' },
        ],
      }),
      'rules.json',
    );
    expect(ruleFor(rules, { device: 'fan-1', sensor: 'oil-temp' }, 'v1').onDelay).toEqual({ windows: 3 });
    expect(ruleFor(rules, { device: 'pump-1', sensor: 'oil-temp' }, 'v1')).toMatchObject({
      onDelay: { ms: 30_000 },
      latch: true,
      reAlarmMs: 3_600_000,
      severity: [{ severity: 700, afterMs: 0 }],
    });
    expect(ruleFor(rules, { device: 'pump-1', sensor: 'oil-temp' }, 'v1').silentMs).toBeUndefined();
  });

  test('all that is wrong with a file is said at once', () => {
    const text = JSON.stringify({
      rules: [
        { onDelay: '3 apples', colour: 'red' },
        { severity: 12 },
        { severity: [{ severity: 500, after: '1m' }] },
        4,
      ],
      more: 1,
    });
    const problem = (): unknown => parseRules(text, 'rules.json');
    for (const part of ['3 apples', 'colour', '401 to 1000', 'from the beginning', 'rule 4 is no object', '"more"'])
      expect(problem).toThrow(part);
    expect(() => parseRules('{', 'rules.json')).toThrow('no JSON');
    expect(() => parseRules('[]', 'rules.json')).toThrow('a list "rules"');
  });

  test.each([
    ['*', '', true],
    ['pump-*', 'pump-1', true],
    ['pump-?', 'pump-12', false],
    ['*a*a*a*b', 'a'.repeat(128), false],
    ['*temp', 'oil-temp', true],
    ['a.c', 'abc', false],
  ])('%s and %s', (pattern, name, fits) => {
    expect(globMatches(pattern, name)).toBe(fits);
  });
});

describe('words and incidents', () => {
  const alarm = (
    id: string,
    device: string,
    sinceMs: number,
    clearedMs?: number,
    kind: Alarm['kind'] = 'anomaly',
  ): Alarm => ({
    ...(alarmsOf('.a.').records[0] as Alarm),
    id,
    device,
    sensor: 's',
    kind,
    active: clearedMs === undefined,
    acked: false,
    facts: {
      ...alarmsOf('.a.').records[0]!.facts,
      sinceMs,
      lastMs: clearedMs ?? sinceMs,
      ...(clearedMs ? { clearedMs } : {}),
    },
  });

  test('an alarm in words', () => {
    const sinceMs = Date.UTC(2026, 10, 23, 11, 24, 45);
    const over = { ...alarm('x', 'conveyor-1', sinceMs, sinceMs + 160_000), sensor: 'gearbox-vibration' };
    const nowMs = Date.UTC(2026, 10, 23, 13);
    expect(alarmSentence(over, nowMs)).toBe(
      'conveyor-1 gearbox-vibration: anomalous since 11:24:45, 2 min 40 s, cleared',
    );
    expect(alarmSentence({ ...over, active: true, acked: true }, nowMs + 86_400_000)).toBe(
      'conveyor-1 gearbox-vibration: anomalous since 2026-11-23 11:24:45, 2 min 40 s, goes on, acknowledged',
    );
    expect([0, 59_000, 3_600_000, 90_061_000].map(spanText)).toEqual(['0 s', '59 s', '1 h', '1 d 1 h']);
  });

  const outline = (id: string, device: string, sinceMs: number, untilMs = Infinity, more = {}): AlarmOutline => ({
    id,
    device,
    sinceMs,
    untilMs,
    kind: 'anomaly',
    incident: id,
    ...more,
  });

  test('alarms of one device that overlap are one incident, those of others are not, in any order', () => {
    const all = [
      outline('a', 'd1', 0, 50),
      outline('b', 'd1', 40, 60),
      outline('c', 'd1', 60, 70),
      outline('d', 'd2', 10, 20),
      // The longest decides, also behind a short one; who began at the same time is in front by its id.
      outline('g', 'd3', 30, 40),
      outline('f', 'd3', 5, 6),
      outline('e', 'd3', 5, 90),
    ];
    const moved = (list: readonly AlarmOutline[]): string[] =>
      movedAlarms(list)
        .map(({ id, incident }) => `${id}:${incident}`)
        .sort();
    expect(moved(all)).toEqual(['b:a', 'f:e', 'g:e']);
    expect(moved(all.toReversed())).toEqual(moved(all));
  });

  test('an incident that reaches back has its id from there, and who belongs to it already does not move', () => {
    const all = [outline('b', 'd1', 0, 50, { incident: 'a' }), outline('c', 'd1', 40), outline('d', 'd1', 45, 60)];
    expect(movedAlarms(all)).toEqual([
      { id: 'c', incident: 'a' },
      { id: 'd', incident: 'a' },
    ]);
    expect(movedAlarms(all.map((alarm) => ({ ...alarm, incident: 'a' })))).toEqual([]);
  });

  test('sensors of many devices that fall silent together are one incident, by way of their devices too', () => {
    const kind = { kind: 'silent' };
    const silent = Array.from({ length: 1_000 }, (_unused, i) => outline(`s${i}`, `d${i % 40}`, i, Infinity, kind));
    const other = outline('x', 'd7', 2_000_000);
    expect(new Set(movedAlarms([...silent, other]).map(({ incident }) => incident))).toEqual(new Set(['s0']));
    expect(movedAlarms([...silent, other])).toHaveLength(1_000);
    expect(movedAlarms([outline('a', 'd1', 0, Infinity, kind), outline('b', 'd2', 0, Infinity, kind)])).toEqual([]);
    // A minute and more between two of them: no gateway.
    const slow = [0, 61_000, 122_000].map((ms) => outline(`t${ms}`, `d${ms}`, ms, Infinity, kind));
    expect(movedAlarms(slow)).toEqual([]);
  });

  test('very many alarms of one device are grouped in one go', () => {
    const all = Array.from({ length: 200_000 }, (_unused, i) => outline(`m${i}`, 'd', i * 10, i * 10 + 5));
    expect(movedAlarms(all)).toEqual([]);
    expect(movedAlarms(all.map((alarm) => ({ ...alarm, untilMs: Infinity })))).toHaveLength(199_999);
  });
});
