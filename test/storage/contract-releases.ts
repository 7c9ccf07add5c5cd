/** The contract: releases and their models. */
import { failing, MINUTE, T0, type ContractTools } from './contract-tools.ts';

export function releasesContract(tools: ContractTools): void {
  const { unique, sensors, release } = tools;

  describe('releases', () => {
    test('models come back by sensor, with packs where there are any', async () => {
      const ids = await sensors(3);
      const name = unique('release');
      const [a, b] = [unique('model'), unique('model')];
      await tools.store.createRelease(
        name,
        T0,
        [
          { sensorId: ids[2]!, model: b, threshold: { side: 'below', value: -4.25e-7 }, windowMs: 3_600_000 },
          { sensorId: ids[0]!, model: a, pack: 'pack', packRow: 7 },
        ],
        [
          { model: a, bytes: 100, kind: 'scaler+ocsvm-rbf', features: ['mean', 'mean[-1]'] },
          { model: b, bytes: 5, kind: 'onnx', features: ['mean'] },
        ],
      );
      const models = await tools.store.listReleaseModels(name);
      const device = (await tools.store.listSensors({ after: ids[0]! - 1, limit: 1 }))[0]!.device;
      expect(models).toEqual([
        {
          sensorId: ids[0],
          device,
          sensor: 's0',
          model: a,
          pack: 'pack',
          packRow: 7,
          bytes: 100,
          kind: 'scaler+ocsvm-rbf',
          features: ['mean', 'mean[-1]'],
        },
        {
          sensorId: ids[2],
          device,
          sensor: 's2',
          model: b,
          threshold: { side: 'below', value: -4.25e-7 },
          windowMs: 3_600_000,
          bytes: 5,
          kind: 'onnx',
          features: ['mean'],
        },
      ]);
      expect((await tools.store.listReleaseModels(name, { after: ids[0]!, limit: 5 })).map((m) => m.sensorId)).toEqual([
        ids[2],
      ]);
      expect(await failing(tools.store.listReleaseModels('nobody'))).toBe('RELEASE_UNKNOWN');
      const looks = await tools.store.releaseLooks(name);
      expect(looks.sort((x, y) => y.features.length - x.features.length)).toEqual([
        { features: ['mean', 'mean[-1]'] },
        { features: ['mean'], windowMs: 3_600_000 },
      ]);
      expect(await failing(tools.store.releaseLooks('nobody'))).toBe('RELEASE_UNKNOWN');
      expect(await tools.store.releaseWindows(name)).toEqual([3_600_000]);
      expect(await failing(tools.store.releaseWindows('nobody'))).toBe('RELEASE_UNKNOWN');
      expect(await tools.store.longestWindow()).toBe(3_600_000);
      expect(await tools.store.windowsOfSensor(ids[2]!)).toEqual([3_600_000]);
      expect(await tools.store.windowsOfSensor(ids[0]!)).toEqual([]);
    });

    test('a release is made once, whole or not at all', async () => {
      const [id] = await sensors(1);
      const name = await release([{ sensorId: id!, model: unique('model') }]);
      expect(await failing(tools.store.createRelease(name, T0, [], []))).toBe('RELEASE_EXISTS');
      const bad = unique('release');
      const info = { model: 'described', bytes: 1, kind: 'onnx', features: [] };
      expect(
        await failing(tools.store.createRelease(bad, T0, [{ sensorId: id!, model: unique('undescribed') }], [])),
      ).toBe('RELEASE_INVALID');
      expect(
        await failing(tools.store.createRelease(bad, T0, [{ sensorId: 999_999_999, model: 'described' }], [info])),
      ).toBe('RELEASE_INVALID');
      const twice = [
        { sensorId: id!, model: 'described' },
        { sensorId: id!, model: 'described' },
      ];
      expect(await failing(tools.store.createRelease(bad, T0, twice, [info]))).toBe('RELEASE_INVALID');
      expect((await tools.store.listReleases()).map((r) => r.name)).not.toContain(bad);
    });

    test('current points to one release', async () => {
      const [first, second] = [await release(), await release()];
      await tools.store.setCurrentRelease(first);
      await tools.store.setCurrentRelease(second);
      expect(await tools.store.currentRelease()).toBe(second);
      expect((await tools.store.listReleases()).filter((r) => r.current).map((r) => r.name)).toEqual([second]);
      expect(await failing(tools.store.setCurrentRelease('nobody'))).toBe('RELEASE_UNKNOWN');
      expect(await tools.store.currentRelease()).toBe(second);
    });

    test('lists the newest first', async () => {
      const [old, recent] = [unique('release'), unique('release')];
      await tools.store.createRelease(recent, T0 + 2 * MINUTE, [], []);
      await tools.store.createRelease(old, T0 + MINUTE, [], []);
      const listed = (await tools.store.listReleases()).map((r) => r.name);
      expect(listed.indexOf(recent)).toBeLessThan(listed.indexOf(old));
    });
  });
}
