/** `fleetscore sensors list`, on a store whose sensors of a device lie apart. */
import { list } from '../../cli/ingest/sensors.ts';
import type { Context } from '../../cli/frame/context.ts';
import { openStore } from '../../storage/open-store.ts';

test('every sensor of a device has its model and its retirement, however many others lie between', async () => {
  const store = await openStore('sqlite::memory:');
  try {
    await store.migrate();
    const names = [
      ['pump-1', 'flow'],
      ['press-1', 'a'],
      ['press-2', 'b'],
      ['pump-1', 'power'],
    ] as const;
    const ids = await store.registerSensors(names.map(([device, sensor]) => ({ device, sensor })));
    const model = 'a'.repeat(64);
    const models = ids.map((sensorId) => ({ sensorId, model }));
    await store.createRelease('first', 0, models, [{ model, bytes: 1, kind: 'onnx', features: ['mean'] }]);
    await store.setCurrentRelease('first');
    await store.retireSensors(ids.slice(1), { atMs: 0, by: 'ann', comment: '' });
    const context = { store: async () => store, config: { sqlUrl: 'sqlite::memory:' } } as unknown as Context;
    expect((await list(context, { device: 'pump-1', limit: 2 })).data).toMatchObject([
      { sensor: 'flow', model, retired: null },
      { sensor: 'power', model, retired: { by: 'ann' } },
    ]);
  } finally {
    await store.close();
  }
});
