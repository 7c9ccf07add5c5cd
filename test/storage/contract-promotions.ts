/** The contract: which release is current, and the way back. */
import { failing, T0, type ContractTools } from './contract-tools.ts';

export function promotionsContract(tools: ContractTools): void {
  const { unique, release } = tools;
  const switched = (name: string, before: string, wasChallenger = false) => ({ release: name, before, wasChallenger });

  describe('promotions', () => {
    afterAll(() => tools.store.setChallenger(undefined));

    test('a rollback goes back to what was current before, never to a release that nobody promoted', async () => {
      const [first, third] = [unique('release'), unique('release')];
      const { store } = tools;
      // Created in an order that says nothing of who was current: a slow publish begins early and ends late.
      await store.createRelease(third, T0, [], []);
      await store.createRelease(first, T0 + 1, [], []);
      await store.createRelease(unique('never'), T0 + 2, [], []);
      await store.setCurrentRelease(first, { how: 'publish', by: 'ann@desk' });
      const atLeast = Date.now();
      expect(await store.setCurrentRelease(third, { how: 'promote', by: 'bob@desk' })).toEqual(switched(third, first));
      expect(await store.rollBackRelease('eve@desk')).toEqual(switched(first, third));
      expect(await store.currentRelease()).toBe(first);
      const [back, there, before] = await store.listPromotions(3);
      expect([back, there, before]).toEqual([
        { release: first, how: 'rollback', by: 'eve@desk', atMs: expect.any(Number) },
        { release: third, how: 'promote', by: 'bob@desk', atMs: expect.any(Number) },
        { release: first, how: 'publish', by: 'ann@desk', atMs: expect.any(Number) },
      ]);
      expect(there!.atMs).toBeGreaterThanOrEqual(atLeast);
    });

    test('each further rollback goes one promotion further back, and a promotion begins anew', async () => {
      const { store } = tools;
      const names = [await release(), await release(), await release(), await release()];
      const [a, b, c, d] = names as [string, string, string, string];
      for (const name of [a, b, c]) await store.setCurrentRelease(name);
      expect((await store.rollBackRelease('')).release).toBe(b);
      expect((await store.rollBackRelease('')).release).toBe(a);
      await store.setCurrentRelease(d);
      expect((await store.rollBackRelease('')).release).toBe(a);
      // The same release again is no promotion.
      const entries = (await store.listPromotions()).length;
      expect(await store.setCurrentRelease(a)).toEqual(switched(a, a));
      expect(await store.listPromotions()).toHaveLength(entries);
    });

    test('a release is never current and challenger: not by promotion, not by rollback, not by challenge', async () => {
      const { store } = tools;
      const [a, b] = [await release(), await release()];
      await store.setCurrentRelease(a);
      await store.setCurrentRelease(b);
      await store.setChallenger({ release: a, share: 1, sinceMs: T0 });
      expect(await store.rollBackRelease('')).toEqual(switched(a, b, true));
      expect(await store.findChallenger()).toBeUndefined();
      expect(await failing(store.setChallenger({ release: a, share: 1, sinceMs: T0 }))).toBe('CHALLENGER_IS_CURRENT');
      // Whoever comes first of two at once: never both.
      for (let round = 0; round < 10; round++) {
        await store.setChallenger(undefined);
        const [now, next] = round % 2 === 0 ? [a, b] : [b, a];
        await store.setCurrentRelease(now);
        await Promise.allSettled([
          store.setChallenger({ release: next, share: 1, sinceMs: T0 }),
          store.setCurrentRelease(next),
        ]);
        expect((await store.findChallenger())?.release).not.toBe(await store.currentRelease());
      }
    });
  });
}
