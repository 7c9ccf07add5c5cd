/** What ingest remembers of names that devices send: bounded, and what is used stays. */
import { expect, test } from '@jest/globals';
import { boundedMap } from '../../ingest/bounded-map.ts';
import { createSensorIds } from '../../ingest/sensor-ids.ts';

test('of ever new names the last half is known, what is used stays, and what is old goes', () => {
  const map = boundedMap<number>(10);
  for (let i = 0; i < 1_000; i++) {
    map.set(`name ${i}`, i);
    map.set(`name ${i}`, i); // known already: takes no room
    expect(map.get('name 0')).toBe(0);
    // `name 0` is moved on with each turn, and takes a place of its own.
    for (let back = 0; back < Math.min(i, 4); back++) expect(map.get(`name ${i - back}`)).toBe(i - back);
  }
  expect(map.get('name 900')).toBeUndefined();
});

test('ids of sensors are asked once while they are remembered, and again after', async () => {
  const asked: string[] = [];
  const admitSensors = async (keys: readonly { readonly sensor: string }[]): Promise<number[]> =>
    keys.map(({ sensor }) => asked.push(sensor));
  const ids = createSensorIds({ admitSensors }, { perDevice: 100, fleet: 100 }, 8);
  const key = (sensor: number) => ({ device: 'd', sensor: `s${sensor}` });
  for (let i = 0; i < 20; i++) {
    await ids.register([key(0), key(i), key(i)]);
    expect(ids.find('d', 's0')).toBe(1);
    expect(ids.find('d', `s${i}`)).toBe(i + 1);
  }
  expect(asked).toEqual(Array.from({ length: 20 }, (_, i) => `s${i}`));
  expect(ids.find('d', 's1')).toBeUndefined();
  await ids.register([key(1)]);
  expect(ids.find('d', 's1')).toBe(21);
});
