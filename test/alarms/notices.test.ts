/** What is told of incidents, in which form, and when; no store, no clock. */
import fc from 'fast-check';
import { cloudEvent, digest, mailOf, single, webhookBody, type Message } from '../../alarms/message.ts';
import { noticesOf, type AlarmWithEvents, type Notice, type OpenNotice } from '../../alarms/notice.ts';
import { dueMs, quietUntil } from '../../alarms/quiet.ts';
import { parseRules } from '../../alarms/rules.ts';
import { messagesOf } from '../../batches/tell-alarms.ts';
import type { Alarm, AlarmChange, AlarmEvent } from '../../domain/alarm.ts';
import type { StoredNotice } from '../../storage/store.ts';

const EVERY = { severity: 401 };
const SINCE = Date.UTC(2026, 10, 23, 14, 30);

/** An alarm with what batches found, one event each. */
function alarmOf(
  id: string,
  changes: readonly (readonly [AlarmChange, batchId: string])[],
  { active = true, severity = 500, incident = id, ...rest }: Partial<Alarm> & { readonly severity?: number } = {},
  firstSeq = 1,
): AlarmWithEvents {
  const alarm = {
    id,
    sensorId: 1,
    device: 'pump-1',
    sensor: id,
    unit: 'bar',
    kind: 'anomaly',
    facts: {
      sinceMs: SINCE + firstSeq,
      activeMs: SINCE + 10_000,
      lastMs: SINCE + 20_000,
      ...(active ? {} : { clearedMs: SINCE + 60_000 }),
      windows: 4,
      severity,
      raises: 1,
      quality: 'good',
      activations: 1,
      steps: [],
      firstBatch: 'b1',
      lastBatch: 'b1',
    },
    incident,
    active,
    acked: false,
    suppressedOrShelved: false,
    ...rest,
  } as unknown as Alarm;
  const events = changes.map(
    ([change, batchId], i) =>
      ({ id: `${id}.${i + 1}`, alarmId: id, change, batchId, seq: firstSeq + i, timeMs: SINCE + i }) as AlarmEvent,
  );
  return { alarm, events };
}

const told = (notices: readonly Notice[]): string[] => notices.map(({ what, id }) => `${what} ${id}`);
const of = (group: readonly AlarmWithEvents[], open: readonly OpenNotice[], batch: string): string[] =>
  told(noticesOf(group, open, new Set([batch]), EVERY, SINCE));

describe('what is told', () => {
  const begins = [['activated', 'b1']] as const;
  const ends = [...begins, ['cleared', 'b2']] as const;
  const open = [{ incident: 'a', severity: 500 }];

  test.each<[string, AlarmWithEvents[], OpenNotice[], string, string[]]>([
    ['an incident that begins', [alarmOf('a', begins)], [], 'b1', ['opened a.1']],
    ['nothing where it just goes on', [alarmOf('a', begins)], open, 'b2', []],
    ['its end', [alarmOf('a', ends, { active: false })], open, 'b2', ['closed a.2']],
    ['no end of what was not told', [alarmOf('a', ends, { active: false })], [], 'b2', []],
    [
      'both, where it lies within one batch',
      [
        alarmOf(
          'a',
          [
            ['activated', 'b1'],
            ['cleared', 'b1'],
          ],
          { active: false },
        ),
      ],
      [],
      'b1',
      ['opened a.1', 'closed a.2'],
    ],
    [
      'a worse severity, once',
      [alarmOf('a', [...begins, ['escalated', 'b2']], { severity: 700 })],
      open,
      'b2',
      ['escalated a.2'],
    ],
    [
      'the same severity not again',
      [alarmOf('a', [...begins, ['escalated', 'b2']], { severity: 700 })],
      [{ incident: 'a', severity: 700 }],
      'b2',
      [],
    ],
    ['a re-alarm', [alarmOf('a', [...begins, ['realarmed', 'b2']])], open, 'b2', ['realarmed a.2']],
    ['nothing of what was found late', [alarmOf('a', begins, { late: true })], [], 'b1', []],
    ['nothing of what is shelved', [alarmOf('a', begins, { suppressedOrShelved: true })], [], 'b1', []],
    ['nothing below the severity', [alarmOf('a', begins, { severity: 400 })], [], 'b1', []],
    [
      'two that were told and turn out to be one, both as over',
      [alarmOf('a', ends, { active: false }), alarmOf('c', ends, { active: false, incident: 'a' }, 10)],
      [...open, { incident: 'c', severity: 500 }],
      'b2',
      ['closed c.2/a', 'closed c.2'],
    ],
    [
      'one that comes back after its end, as a new one',
      [alarmOf('a', [...ends, ['reopened', 'b3']])],
      [],
      'b3',
      ['opened a.3'],
    ],
  ])('%s', (_what, group, before, batch, expected) => {
    expect(of(group, before, batch)).toEqual(expected);
  });

  test('whatever happens in whatever order, each incident opens and closes by turns, and none is left open', () => {
    const life = fc.array(fc.constantFrom('on', 'off', 'worse', 'again', 'retry'), { maxLength: 30 });
    fc.assert(
      fc.property(life, (steps) => {
        const changes: [AlarmChange, string][] = [];
        const seen = new Map<string, Notice>();
        let active = false;
        let severity = 500;
        const openNow = (): OpenNotice[] => {
          const lines = [...seen.values()];
          const opened = lines.filter(({ what }) => what === 'opened').length;
          const closed = lines.filter(({ what }) => what === 'closed').length;
          return opened > closed ? [{ incident: 'a', severity: Math.max(...lines.map((line) => line.severity)) }] : [];
        };
        const tell = (batch: string): void => {
          const group = [alarmOf('a', changes, { active, severity })];
          for (const notice of noticesOf(group, openNow(), new Set([batch]), EVERY, SINCE))
            if (!seen.has(notice.id)) seen.set(notice.id, notice);
        };
        for (const [i, step] of [...steps, 'off' as const].entries()) {
          const batch = `b${i}`;
          if (step === 'on' && !active) changes.push([changes.length === 0 ? 'activated' : 'reopened', batch]);
          if (step === 'off' && active) changes.push(['cleared', batch]);
          if (step === 'worse' && active) {
            severity += 50;
            changes.push(['escalated', batch]);
          }
          if (step === 'again' && active) changes.push(['realarmed', batch]);
          if (step === 'on') active = true;
          if (step === 'off') active = false;
          tell(batch);
          // A second try of this batch, or of the one before.
          if (step === 'retry') tell(`b${i - 1}`);
          tell(batch);
        }
        const turns = [...seen.values()].filter(({ what }) => what === 'opened' || what === 'closed');
        expect(turns.map(({ what }) => what)).toEqual(turns.map((_, i) => (i % 2 === 0 ? 'opened' : 'closed')));
        expect(openNow()).toEqual([]);
        expect(turns.length / 2).toBe(
          changes.filter(([change]) => change === 'activated' || change === 'reopened').length,
        );
      }),
    );
  });
});

describe('when it is told', () => {
  const night = { fromMs: 22 * 3_600_000, toMs: 6 * 3_600_000, zone: 'Europe/Berlin' };
  const at = (text: string): number => Date.parse(text);

  test.each([
    ['in the evening before', '2026-11-23T20:59:59Z', undefined],
    ['from ten on', '2026-11-23T21:00:00Z', '2026-11-24T05:00:00Z'],
    ['after midnight', '2026-11-24T02:00:00Z', '2026-11-24T05:00:00Z'],
    ['at six', '2026-11-24T05:00:00Z', undefined],
    ['in the night in which clocks are put forward', '2026-03-28T22:00:00Z', '2026-03-29T04:00:00Z'],
    ['in the night in which clocks are put back', '2026-10-24T22:00:00Z', '2026-10-25T05:00:00Z'],
  ])('quiet hours of the plant, %s', (_when, now, end) => {
    expect(quietUntil(night, at(now))).toBe(end === undefined ? undefined : at(end));
  });

  test('a severity breaks through; digests wait for their time, and for the end of quiet hours', () => {
    const settings = { quiet: { ...night, severity: 800 }, digestMs: 3_600_000 };
    const day = at('2026-11-23T12:20:00Z');
    expect(dueMs(settings, 500, day)).toBe(at('2026-11-23T13:00:00Z'));
    expect(dueMs(settings, 500, at('2026-11-23T22:20:00Z'))).toBe(at('2026-11-24T05:00:00Z'));
    expect(dueMs(settings, 800, at('2026-11-23T22:20:00Z'))).toBe(at('2026-11-23T22:20:00Z'));
    expect(dueMs({}, 500, day)).toBe(day);
  });

  test('what was held back goes out as one; more than the rate allows too; nothing is left out or doubled', () => {
    const due = fc.array(fc.boolean(), { maxLength: 40 });
    fc.assert(
      fc.property(due, fc.integer({ min: 1, max: 10 }), fc.integer({ min: -1, max: 12 }), (heldBack, atMost, room) => {
        const notices = heldBack.map(
          (isHeld, i) => ({ notice: { id: String(i) }, madeMs: 0, dueMs: isHeld ? 1 : 0 }) as StoredNotice,
        );
        const parts = messagesOf(notices, { atMost }, room);
        if (room <= 0) return expect(parts).toEqual([]);
        expect(parts.length).toBeLessThanOrEqual(Math.min(room, atMost + 1));
        const ids = parts.flat().map(({ notice }) => Number(notice.id));
        return expect(ids.toSorted((a, b) => a - b)).toEqual(notices.map((_, i) => i));
      }),
    );
  });
});

describe('in which form', () => {
  const [opened] = noticesOf([alarmOf('vibration', [['activated', 'b1']])], [], new Set(['b1']), EVERY, SINCE);
  const [closed] = noticesOf(
    [
      alarmOf(
        'vibration',
        [
          ['activated', 'b1'],
          ['cleared', 'b2'],
        ],
        { active: false },
      ),
    ],
    [{ incident: 'vibration', severity: 500 }],
    new Set(['b2']),
    EVERY,
    SINCE,
  );
  const message: Message = single(opened!);

  test('as a CloudEvent, with a link where the application has an address', () => {
    expect(JSON.parse(cloudEvent(message, 'https://plant.example/'))).toMatchObject({
      specversion: '1.0',
      id: 'vibration.1',
      source: '/fleetscore',
      type: 'fleetscore.alarm.opened',
      subject: 'pump-1/vibration',
      data: { severity: 500, device: 'pump-1', active: true, url: 'https://plant.example/alarms/vibration' },
    });
    expect(JSON.parse(cloudEvent(message))['data']).not.toHaveProperty('url');
  });

  test('for Slack, and as an Adaptive Card for Teams', () => {
    expect(JSON.parse(webhookBody(message, 'slack'))).toEqual({
      text: expect.stringMatching(/^fleetscore: pump-1 vibr/),
    });
    expect(JSON.parse(webhookBody(message, 'teams'))).toMatchObject({
      type: 'message',
      attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content: { type: 'AdaptiveCard' } }],
    });
  });

  test('a digest says of each incident what became of it, once', () => {
    const whole = digest([opened!, closed!]);
    expect(whole).toMatchObject({ what: 'digest', text: '1 incident: 0 go on, 1 is over' });
    expect(whole.incidents).toHaveLength(1);
    expect(JSON.parse(cloudEvent(whole))).toMatchObject({
      type: 'fleetscore.alarm.digest',
      data: { incidents: [{ incident: 'vibration', active: false, text: expect.stringContaining('cleared') }] },
    });
    // Who opens a chat at night is one press from the alarm.
    const page = 'https://plant.example/alarms/';
    expect(webhookBody(message, 'slack', 'https://plant.example')).toContain(`<${page}`);
    expect(JSON.parse(webhookBody(message, 'teams', 'https://plant.example'))).toMatchObject({
      attachments: [{ content: { actions: [{ type: 'Action.OpenUrl', url: expect.stringContaining(page) }] } }],
    });
    expect(webhookBody(whole, 'slack')).toContain('- pump-1 vibration');
  });

  test('a mail: a name from outside is no header, and an incident is one thread', () => {
    const evil = { ...message, text: 'pump\r\nBcc: all@plant.example' };
    expect(mailOf(evil).subject).not.toMatch(/[\r\n]/);
    const [first, last] = [mailOf(message, 'https://plant.example'), mailOf(single(closed!))];
    expect(first.subject).toMatch(/^fleetscore: Low: pump-1 vibration: anomalous since 14:30:00/);
    expect(first.text).toMatch(
      /Acknowledge it: fleetscore alarms ack vibration\nhttps:\/\/plant\.example\/alarms\/vibration\n$/,
    );
    expect(last.subject).toMatch(/^fleetscore: Over: /);
    expect(first.inReplyTo).toBe(last.inReplyTo);
    expect(first.messageId).not.toBe(last.messageId);
  });

  test.each([
    ['{"by":"fax"}', 'by takes webhook, email, events'],
    ['{"format":"fax"}', 'format takes'],
    ['{"severity":0}', 'severity takes'],
    ['{"atMost":0}', 'atMost takes'],
    ['{"to":"me@plant.example"}', '"to" is for mail'],
    ['{"by":"email","to":"nobody"}', '"to" takes an address'],
    ['{"by":"email"}', '"to" takes an address'],
    ['{"digest":"5s"}', 'digest takes a duration from 1m to 1d'],
    ['{"quiet":{"from":"25:00","to":"06:00"}}', 'from takes a time of day'],
    ['{"quiet":{"from":"22:00","to":"06:00","zone":"Mars/Base"}}', 'there is no time zone "Mars/Base"'],
    ['[{},{}]', 'each way ("by") may be there once'],
    ['{"tone":"loud"}', '"tone" is unknown'],
  ])('what is wrong with how to notify is said: %s', (notify, problem) => {
    expect(() => parseRules(`{"rules":[],"notify":${notify}}`, 'rules.json')).toThrow(problem);
  });

  test('what is left out has a value that serves', () => {
    expect(parseRules('{"rules":[],"notify":{}}', 'x').notify).toEqual([
      { by: 'webhook', format: 'cloudevents', to: [], severity: 401, atMost: 20, perHour: 60 },
    ]);
  });
});
