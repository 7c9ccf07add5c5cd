/** Logs of the client's libraries that are off do nothing at all; one that somebody wants writes as before. */
import { expect, test } from '@jest/globals';
import { logsOfClient, silenceLogs } from '../../ingest/amqp/silent-logs.ts';

type Log = ((...words: unknown[]) => void) & { enabled: boolean; log?: (...words: unknown[]) => void };

test('logs that are off are silent, those that are on stay, in both libraries', () => {
  const before = logsOfClient().map((logs) => ({ ...logs }));
  expect(before.map((logs) => Object.keys(logs).length)).toEqual([8, 8]);
  const wanted = before[1]!['frames'] as Log;
  const written: unknown[] = [];
  wanted.enabled = true;
  wanted.log = (...words) => void written.push(...words);
  expect(silenceLogs()).toBe(true);
  const [promises, rhea] = logsOfClient() as readonly Record<string, Log>[];
  expect(rhea!['frames']).toBe(wanted);
  rhea!['frames']!('a frame');
  expect(written).toEqual([expect.stringContaining('a frame')]);
  for (const [name, write] of Object.entries({ ...promises, ...rhea })) {
    if (name === 'frames') continue;
    // What has no words does not gather them either.
    expect(write).not.toBe(before[0]![name] ?? before[1]![name]);
    expect(String(write)).not.toContain('args');
    expect(write.enabled).toBeFalsy();
  }
});

test('another client is told', () => {
  expect(silenceLogs([{ write: () => {} }])).toBe(false);
});
