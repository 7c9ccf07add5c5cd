/**
 * Whether an encoded AMQP message can be decoded with bounded time, memory and stack, looked at before it is: the
 * client's decoder (rhea) goes as deep as a value is nested and makes as many items as an array says it has, and what
 * it throws ends the connection, again and again at the same event. Encodings: AMQP 1.0 part 1, section 1.6.
 */

/** Values inside values; properties of events have two levels, bodies a few more. */
const MAX_DEPTH = 64;
/** Values of one message: a body of 1 MiB with a reading for every 40 bytes has half as many. */
const MAX_VALUES = 500_000;

/** What a walk through a message may still do. */
interface Budget {
  values: number;
}

const wrong = (what: string): never => {
  throw new Error(`it is not AMQP that can be read: ${what}`);
};

/** Where the value that begins at `at` ends. @throws Error when it is no value, or one too deep or too large */
export function endOfValue(bytes: Buffer, at: number, budget: Budget = { values: MAX_VALUES }, depth = 0): number {
  const constructor = endOfConstructor(bytes, at, budget, depth);
  return endOfContent(bytes, constructor, bytes[constructor - 1]!, budget, depth);
}

/** Behind the type code, which descriptors may come before. */
function endOfConstructor(bytes: Buffer, at: number, budget: Budget, depth: number): number {
  let position = at;
  let descriptors = 0;
  while (byteAt(bytes, position) === 0x00) {
    if (++descriptors > MAX_DEPTH) wrong('a value has too many descriptors');
    position = endOfValue(bytes, position + 1, budget, depth + 1);
  }
  return position + 1;
}

const byteAt = (bytes: Buffer, at: number): number => bytes[at] ?? wrong('it ends too early');

/** Widths of the sub-categories 0x4 to 0x9, section 1.2. */
const FIXED_WIDTHS: Readonly<Record<number, number>> = { 4: 0, 5: 1, 6: 2, 7: 4, 8: 8, 9: 16 };

function endOfContent(bytes: Buffer, at: number, code: number, budget: Budget, depth: number): number {
  if (depth > MAX_DEPTH) wrong(`values are nested more than ${MAX_DEPTH} deep`);
  if (--budget.values < 0) wrong(`it holds more than ${MAX_VALUES} values`);
  const category = code >> 4;
  const width = FIXED_WIDTHS[category];
  if (width !== undefined) return within(bytes, at + width);
  // Odd ones have lengths of four bytes, even ones of one.
  const wide = (category & 1) === 1;
  const header = wide ? 4 : 1;
  within(bytes, at + header);
  const size = wide ? bytes.readUInt32BE(at) : bytes.readUInt8(at);
  const end = within(bytes, at + header + size);
  if (category === 0xa || category === 0xb) return end;
  if (category < 0xc) wrong(`there is no type 0x${code.toString(16)}`);
  if (size < header) wrong('a list without a count');
  const count = wide ? bytes.readUInt32BE(at + header) : bytes.readUInt8(at + header);
  const first = at + 2 * header;
  const reached =
    category < 0xe ? endOfItems(bytes, first, count, budget, depth) : endOfArray(bytes, first, count, budget, depth);
  return reached === end ? end : wrong('a list is not as long as it says');
}

function endOfItems(bytes: Buffer, first: number, count: number, budget: Budget, depth: number): number {
  let at = first;
  for (let i = 0; i < count; i++) at = endOfValue(bytes, at, budget, depth + 1);
  return at;
}

/**
 * Items without constructors of their own. Those without content take no bytes: their number is bounded by the budget.
 */
function endOfArray(bytes: Buffer, first: number, count: number, budget: Budget, depth: number): number {
  let at = endOfConstructor(bytes, first, budget, depth + 1);
  const code = bytes[at - 1]!;
  for (let i = 0; i < count; i++) at = endOfContent(bytes, at, code, budget, depth + 1);
  return at;
}

function within(bytes: Buffer, end: number): number {
  return end <= bytes.length ? end : wrong('it ends too early');
}

/**
 * Where the value that begins at `at` says that it ends, without a look at what is in it. @throws Error when it is
 * outside
 */
export function skipValue(bytes: Buffer, at: number): number {
  const constructor = endOfConstructor(bytes, at, { values: MAX_VALUES }, 0);
  const category = bytes[constructor - 1]! >> 4;
  const width = FIXED_WIDTHS[category];
  if (width !== undefined) return within(bytes, constructor + width);
  const header = (category & 1) === 1 ? 4 : 1;
  within(bytes, constructor + header);
  return within(
    bytes,
    constructor + header + (header === 4 ? bytes.readUInt32BE(constructor) : bytes.readUInt8(constructor)),
  );
}
