/**
 * Where an Avro value ends, found before it is decoded. avsc reads on behind the end of a file and counts as far as the
 * file says: a number of entries that is damaged, or made so, would keep its reader busy for hours. Here nothing is
 * longer than the bytes that are there.
 */
import type avro from 'avsc';

/** Types that are nested deeper are nobody's records. */
const DEEPEST = 32;

interface Shape {
  readonly typeName: string;
  readonly fields?: readonly { readonly type: Shape }[];
  readonly itemsType?: Shape;
  readonly valuesType?: Shape;
  readonly types?: readonly Shape[];
  readonly size?: number;
}

/** Offset behind the value of this type at `at`. @throws Error when it is not all there */
export function endOfAvro(type: avro.Type, bytes: Uint8Array, at: number): number {
  return end(type, bytes, at, 0);
}

function end(type: Shape, bytes: Uint8Array, at: number, depth: number): number {
  if (depth > DEEPEST) throw new Error('its types are nested too deep');
  switch (type.typeName) {
    case 'null':
      return at;
    case 'boolean':
      return within(bytes, at, 1);
    case 'float':
      return within(bytes, at, 4);
    case 'double':
      return within(bytes, at, 8);
    case 'fixed':
      return within(bytes, at, type.size ?? 0);
    case 'bytes':
    case 'string': {
      const length = long(bytes, at);
      return within(bytes, length.end, length.value);
    }
    case 'record':
    case 'error':
      return (type.fields ?? []).reduce((position, field) => end(field.type, bytes, position, depth + 1), at);
    case 'union:wrapped':
    case 'union:unwrapped': {
      const branch = long(bytes, at);
      const inner = type.types?.[branch.value];
      if (!inner) throw new Error('it has a value of a type that its schema lacks');
      return end(inner, bytes, branch.end, depth + 1);
    }
    case 'array':
      return entries(bytes, at, (position) => end(type.itemsType!, bytes, position, depth + 1));
    case 'map':
      return entries(bytes, at, (position) => {
        const key = long(bytes, position);
        return end(type.valuesType!, bytes, within(bytes, key.end, key.value), depth + 1);
      });
    default: // int, long, enum, and types of ours in their place
      return long(bytes, at).end;
  }
}

/** Blocks of entries, up to an empty one. An entry of no bytes is refused: there could be any number of them. */
function entries(bytes: Uint8Array, at: number, entry: (at: number) => number): number {
  for (let position = at; ;) {
    const count = long(bytes, position);
    position = count.value < 0 ? long(bytes, count.end).end : count.end;
    if (count.value === 0) return position;
    for (let left = Math.abs(count.value); left > 0; left--) {
      const next = entry(position);
      if (next <= position) throw new Error('its entries are empty');
      position = next;
    }
  }
}

function within(bytes: Uint8Array, at: number, length: number): number {
  if (length < 0 || at + length > bytes.length) throw new Error('it ends too early');
  return at + length;
}

/** A zigzag number. Beyond 2^53 the last bits are lost: no length is so large. */
function long(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let i = 0, weight = 1; i < 10; i++, weight *= 128) {
    const byte = bytes[at + i];
    if (byte === undefined) throw new Error('it ends too early');
    value += (byte & 127) * weight;
    if (byte < 128) return { value: value % 2 === 0 ? value / 2 : -(value + 1) / 2, end: at + i + 1 };
  }
  throw new Error('a number does not end');
}
