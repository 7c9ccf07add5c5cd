/** A service is not called silent because the machine is busy: waits are as long as its load makes them. */
import { stat } from 'node:fs/promises';
import { ask } from '../../domain/answer.ts';
import { noAnswer, patience, slowness } from '../../domain/busy.ts';

const of = (load: number) => ({ load, processors: 2 });

test.each([
  [0, 1],
  [2, 1],
  [5, 2.5],
  [15, 4],
  [400, 4],
])('load %p on two processors: %p times as long', (load, times) => {
  expect(slowness(of(load))).toBe(times);
  expect(patience(6_000, of(load))).toBe(6_000 * times);
});

test('who gives up says that the machine is busy, where it is', () => {
  expect(noAnswer(6_000, of(1))).toBe('no answer within 6 s');
  expect(noAnswer(24_000, of(15.2))).toBe('no answer within 24 s (this machine is busy: load 15.2 on 2 processors)');
});

test('an answer that came while this process stood still counts', async () => {
  const answer = ask(() => stat('/'), 20);
  // As a process that gets no processor: the time is over, and the answer lies unread.
  for (const end = performance.now() + 400; performance.now() < end;);
  expect(await answer).toEqual({ value: expect.anything() });
});

test('no answer is none, and what is thrown is the problem', async () => {
  expect(await ask(() => new Promise(() => {}), 1_000)).toEqual({
    problem: expect.stringMatching(/^no answer within 1 s/),
  });
  expect(await ask(() => Promise.reject(new Error('gone\nfar away')))).toEqual({ problem: 'gone' });
});
