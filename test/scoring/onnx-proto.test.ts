/** ONNX files are read with the integers that were written, of any size. */
import fc from 'fast-check';
import { decodeModel, encodeModel, toNumber } from '../../scoring/onnx-proto.ts';

/** The integers as an attribute, and as dimensions of a tensor. */
const written = (ints: readonly number[]): Uint8Array =>
  encodeModel({
    graph: { node: [{ opType: 'Any', attribute: [{ name: 'ints', ints }] }], initializer: [{ name: 'w', dims: ints }] },
  });

test('integers are read as they were written, small, large and below zero', () => {
  const edges = [0, 1, 127, 128, 2 ** 31, 2 ** 49 - 1, 2 ** 49, 2 ** 53 - 1, -1, -128, -(2 ** 31), -(2 ** 53) + 1];
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom(...edges), fc.maxSafeInteger())), (ints) => {
      const { node = [], initializer = [] } = decodeModel(written(ints)).graph!;
      expect((node[0]!.attribute![0]!.ints ?? []).map(toNumber)).toEqual(ints);
      expect((initializer[0]!.dims ?? []).map(toNumber)).toEqual(ints);
    }),
  );
});

test('an integer that does not end is damage', () => {
  const bytes = written([5]);
  for (const cut of [Uint8Array.of(0x08, 0x80), Uint8Array.of(0x08, ...Array.from({ length: 11 }, () => 0xff))])
    expect(() => decodeModel(cut)).toThrow(/out of range|invalid varint/);
  expect(() => decodeModel(bytes.subarray(0, -1))).toThrow(/out of range/);
});
