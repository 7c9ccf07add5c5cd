/** The contract: settings and sensors. */
import type { ContractTools } from './contract-tools.ts';

export function sensorsContract(tools: ContractTools): void {
  const { unique, sensors } = tools;

  describe('settings and sensors', () => {
    test('the first value of a setting stays', async () => {
      const key = unique('interval');
      expect(await tools.store.findSetting(key)).toBeUndefined();
      expect(await tools.store.claimSetting(key, '5000')).toBe('5000');
      expect(await tools.store.claimSetting(key, '1000')).toBe('5000');
      expect(await tools.store.findSetting(key)).toBe('5000');
    });

    test('ids are dense, in order of registration, and stay', async () => {
      const before = await tools.store.countSensors();
      const device = unique('device');
      const ids = await tools.store.registerSensors([
        { device, sensor: 'b' },
        { device, sensor: 'a' },
        { device, sensor: 'b' },
      ]);
      expect(ids).toEqual([before + 1, before + 2, before + 1]);
      expect(
        await tools.store.registerSensors([
          { device, sensor: 'a' },
          { device, sensor: 'c' },
        ]),
      ).toEqual([before + 2, before + 3]);
      expect(await tools.store.countSensors()).toBe(before + 3);
    });

    test('a quota admits so many new sensors of a device and of the fleet; those that are there stay', async () => {
      const before = await tools.store.countSensors();
      const [a, b] = [unique('device'), unique('device')];
      const [first] = await tools.store.registerSensors([{ device: a, sensor: 'old' }]);
      const keys = ['1', '2', '2', '3', 'old'].map((sensor) => ({ device: a, sensor }));
      const roomy = { perDevice: 3, fleet: 1_000_000 };
      const [one, two, again, three, old] = await tools.store.admitSensors(keys, roomy);
      expect([one, two].sort()).toEqual([before + 2, before + 3]);
      expect([again, three, old]).toEqual([two, undefined, first]);
      expect(await tools.store.admitSensors(keys, roomy)).toEqual([one, two, two, undefined, first]);
      const full = { perDevice: 3, fleet: before + 4 };
      const other = ['1', '2'].map((sensor) => ({ device: b, sensor }));
      expect(await tools.store.admitSensors(other, full)).toEqual([before + 4, undefined]);
      expect(await tools.store.admitSensors([...keys, ...other], { perDevice: 0, fleet: 0 })).toEqual([
        one,
        two,
        two,
        undefined,
        first,
        before + 4,
        undefined,
      ]);
      expect(await tools.store.admitSensors([], roomy)).toEqual([]);
      expect(await tools.store.countSensors()).toBe(before + 4);
    });

    test('a unit replaces an empty one only', async () => {
      const device = unique('device');
      const unit = async (): Promise<string | undefined> =>
        (await tools.store.findSensor({ device, sensor: 's' }))?.unit;
      await tools.store.registerSensors([{ device, sensor: 's' }]);
      expect(await unit()).toBe('');
      await tools.store.registerSensors([{ device, sensor: 's', unit: 'kPa' }]);
      expect(await unit()).toBe('kPa');
      await tools.store.registerSensors([
        { device, sensor: 's', unit: 'bar' },
        { device, sensor: 's' },
      ]);
      expect(await unit()).toBe('kPa');
    });

    test('names differ by case, accents and script', async () => {
      const device = unique('device');
      const keys = [
        'pump',
        'Pump',
        'pümp',
        'pu\u0308mp',
        'насос',
        '泵',
        '🛢️',
        "o'hare; DROP TABLE sensors",
        '%_[a]',
      ].map((sensor) => ({ device, sensor }));
      const ids = await tools.store.registerSensors(keys);
      expect(new Set(ids).size).toBe(keys.length);
      for (const [i, key] of keys.entries())
        expect(await tools.store.findSensor(key)).toEqual({ ...key, id: ids[i], unit: '' });
      expect(await tools.store.findSensor({ device, sensor: 'PUMP' })).toBeUndefined();
    });

    test('lists page by id, of a device or of all', async () => {
      const ids = await sensors(5);
      const { device } = (await tools.store.listSensors({ after: ids[0]! - 1, limit: 1 }))[0]!;
      await sensors(2);
      expect((await tools.store.listSensors({ device })).map((s) => s.id)).toEqual(ids);
      expect((await tools.store.listSensors({ device, after: ids[1]!, limit: 2 })).map((s) => s.id)).toEqual(
        ids.slice(2, 4),
      );
      expect((await tools.store.listSensors({ after: ids[3]!, limit: 2 })).map((s) => s.id)).toEqual([
        ids[4],
        ids[4]! + 1,
      ]);
    });
  });
}
