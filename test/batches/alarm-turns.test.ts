/** Batches of one process that decide on alarms at the same time: turns, and files that many sensors share. */
import { inTurn } from '../../batches/alarm-turns.ts';
import { keptBlobs } from '../../batches/kept-blobs.ts';

test('whoever asks first has the first turn, and one that fails ends its turn too', async () => {
  const [store, said]: [object, string[]] = [{}, []];
  const gate = Promise.withResolvers<void>();
  const first = inTurn(store, async () => {
    await gate.promise;
    said.push('first');
    throw new Error('Blob is away');
  });
  const others = ['second', 'third'].map((name) => inTurn(store, async () => said.push(name)));
  await inTurn({}, async () => said.push('of another store'));
  gate.resolve();
  await expect(first).rejects.toThrow('Blob is away');
  await Promise.all(others);
  expect(said).toEqual(['of another store', 'first', 'second', 'third']);
});

test('one that waits for Blob for long does not hold up the others', async () => {
  const store = {};
  const gate = Promise.withResolvers<void>();
  const slow = inTurn(store, () => gate.promise);
  expect(await inTurn(store, async () => 'went on', 1)).toBe('went on');
  gate.resolve();
  await slow;
});

test('a file is read once while there is room for it, and what was used longest ago goes first', async () => {
  const asked: string[] = [];
  const blobs = keptBlobs(
    {
      get: async (_container, name) => {
        asked.push(name);
        return Buffer.alloc(name === 'large' ? 11 : 4, name);
      },
    },
    10,
  );
  const read = async (names: string): Promise<string> => {
    asked.length = 0;
    for (const name of names.split(' '))
      expect(Buffer.from(await blobs.get('predictions', name)).toString()[0]).toBe(name[0]);
    return asked.join(' ');
  };
  expect(await read('a a b a b')).toBe('a b');
  expect(await read('a c b a')).toBe('c b a');
  expect(await read('large large a')).toBe('large large');
});
