import { closest, didYouMean } from '../../domain/closest.ts';

const names = ['conveyor-1/gearbox-vibration', 'conveyor-1/belt-speed', 'pump-1/flow', 'pump-2/flow'];

test.each([
  ['conveyor-1/gearbox-vibraton', ['conveyor-1/gearbox-vibration']], // a letter left out
  ['conveyro-1/belt-speed', ['conveyor-1/belt-speed']], // two swapped
  ['PUMP-1/flow', ['pump-1/flow', 'pump-2/flow']],
  ['gearbox', ['conveyor-1/gearbox-vibration']], // a part
  ['flow', ['pump-1/flow', 'pump-2/flow']],
  ['boiler-9/level', []],
  ['', []],
])('%j may be meant for %j', (word, expected) => {
  expect(closest(word, names)).toEqual(expected);
});

test('the nearest come first, and no more than asked for', () => {
  expect(closest('pump-2/flow', names, 1)).toEqual(['pump-2/flow']);
  expect(closest('stok', ['stack', 'stock', 'sto'])).toEqual(['sto', 'stock', 'stack'].slice(0, 2));
});

test('what is asked reads as a sentence', () => {
  expect(didYouMean([])).toBe('');
  expect(didYouMean(['a'])).toBe(' Did you mean a?');
  expect(didYouMean(['a', 'b', 'c'])).toBe(' Did you mean a, b or c?');
});
