/** `fleetscore models list`, of a release with more models than are shown. */
import { list } from '../../cli/models/models.ts';
import type { Context } from '../../cli/frame/context.ts';
import { openStore } from '../../storage/open-store.ts';

test('a list that is cut says how many models the release has', async () => {
  const store = await openStore('sqlite::memory:');
  try {
    await store.migrate();
    const ids = await store.registerSensors(['a', 'b', 'c'].map((sensor) => ({ device: 'pump-1', sensor })));
    const model = 'a'.repeat(64);
    const models = ids.map((sensorId) => ({ sensorId, model }));
    await store.createRelease('first', 0, models, [{ model, bytes: 1, kind: 'onnx', features: ['mean'] }]);
    const context = { store: async () => store, config: { sqlUrl: 'sqlite::memory:' } } as unknown as Context;
    const cut = await list(context, { release: 'first', limit: 2 });
    expect(cut.data).toHaveLength(2);
    expect(cut.text).toMatch(/\n2 of 3 models; --limit shows more\.$/);
    expect((await list(context, { release: 'first', limit: 3 })).text).not.toContain('--limit');
  } finally {
    await store.close();
  }
});
