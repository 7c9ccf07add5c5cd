import fc from 'fast-check';
import { createBudget } from '../../scoring/concurrency.ts';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what is under way never goes past the budget, comes in order, and all of it is done', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 70 }), fc.boolean()), { maxLength: 30 }),
      async (total, jobs) => {
        const budget = createBudget(total);
        const running = new Map<number, number>();
        const started: number[] = [];
        const done = await Promise.allSettled(
          jobs.map(([amount, fails], i) =>
            budget.use(amount, async () => {
              running.set(i, amount);
              started.push(i);
              const sum = [...running.values()].reduce((all, one) => all + one, 0);
              // Larger than all of it: nothing with a size beside it.
              if (sum > total) expect([...running.values()].filter((one) => one > 0)).toEqual([amount]);
              await tick();
              running.delete(i);
              if (fails) throw new Error('failed');
              return i;
            }),
          ),
        );
        expect(started).toEqual(jobs.map((_, i) => i));
        expect(done.map(({ status }) => status === 'rejected')).toEqual(jobs.map(([, fails]) => fails));
      },
    ),
  );
});

test('work that is called off while it waits makes room for the next', async () => {
  const budget = createBudget(10);
  let finish = (): void => undefined;
  const first = budget.use(10, () => new Promise<void>((resolve) => (finish = resolve)));
  const off = new AbortController();
  const second = budget.use(10, () => Promise.reject(new Error('it must not run')), off.signal);
  const third = budget.use(1, () => Promise.resolve('third'));
  off.abort(new Error('called off'));
  await expect(second).rejects.toThrow('called off');
  finish();
  await first;
  expect(await third).toBe('third');
  await expect(budget.use(1, () => Promise.resolve(), off.signal)).rejects.toThrow('called off');
});
