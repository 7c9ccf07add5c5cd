import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createGate } from '../../activities/gate.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('one that is alone has nobody beside it, the others share, all end', async () => {
  const jobs = fc.array(fc.record({ alone: fc.boolean(), after: fc.nat(4), turns: fc.nat(4), fails: fc.boolean() }), {
    minLength: 1,
    maxLength: 12,
  });
  let shared = 0;
  await fc.assert(
    fc.asyncProperty(jobs, async (list) => {
      const gate = createGate();
      const running = new Set<(typeof list)[number]>();
      const run = async (job: (typeof list)[number]): Promise<void> => {
        for (let i = 0; i < job.after; i++) await turn();
        await gate.run(job.alone, async () => {
          running.add(job);
          for (let i = 0; i <= job.turns; i++) {
            if ([...running].some(({ alone }) => alone)) expect(running.size).toBe(1);
            shared = Math.max(shared, running.size);
            await turn();
          }
          running.delete(job);
          if (job.fails) throw new Error('as it should');
        });
      };
      const ends = await Promise.allSettled(list.map(run));
      expect(ends.map(({ status }) => status)).toEqual(list.map(({ fails }) => (fails ? 'rejected' : 'fulfilled')));
    }),
    { numRuns: 100 },
  );
  expect(shared).toBeGreaterThan(1);
});
