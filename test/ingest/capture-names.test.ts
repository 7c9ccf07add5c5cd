/** Names of capture files by the format that Azure is set to. */
import { captureNamesOf } from '../../ingest/capture-names.ts';

test.each([
  ['{Namespace}/{EventHub}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{PartitionId}', '{Second} is missing'],
  ['{Namespace}/{Hub}/{PartitionId}', '{Hub} is none of its tokens'],
])('the format %s is refused: %s', (format, why) => {
  expect(() => captureNamesOf(format, { namespace: 'n', hub: 'h' })).toThrow(why);
});

test('names are taken apart by their format, and those of other hubs left out', () => {
  const hub = { namespace: 'plant.servicebus.windows.net', hub: 'a+b' };
  const flat = captureNamesOf(
    'c/{Namespace}.{EventHub}.{PartitionId}_{Year}_{Month}_{Day}_{Hour}_{Minute}_{Second}.avro',
    hub,
  );
  expect(flat.prefix).toBe('c/');
  expect(flat.parse('c/plant.a+b.12_2026_10_01_23_59_58.avro')).toEqual({
    name: 'c/plant.a+b.12_2026_10_01_23_59_58.avro',
    folder: 'c',
    partition: '12',
    timeMs: Date.UTC(2026, 9, 1, 23, 59, 58),
    order: -1,
  });
  for (const other of ['c/plant.aab.1_2026_10_01_23_59_58.avro', 'c/plant.a+b.1_2026_13_01_23_59_58.avro'])
    expect(flat.parse(other)).toBeUndefined();
});
