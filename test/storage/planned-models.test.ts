import { expect, test } from '@jest/globals';
import { plannedKeys, rememberPlanned } from '../../storage/planned-models.ts';

test('models of a chunk that was planned have their keys once, and are then forgotten', () => {
  const store = {};
  rememberPlanned(store, 7, { sensorIds: [3, 5, 9], models: ['a', null, 'b'], keys: [11, null, 12] });
  expect(plannedKeys({}, 7, 3)(3, 'a')).toBeUndefined();
  expect(plannedKeys(store, 7, 5)(5, 'a')).toBeUndefined();
  const keyOf = plannedKeys(store, 7, 3);
  expect([keyOf(3, 'a'), keyOf(5, 'a'), keyOf(9, 'b'), keyOf(10, 'b')]).toEqual([11, undefined, 12, undefined]);
  expect(plannedKeys(store, 7, 3)(3, 'a')).toBeUndefined();
});
