/** A file as its text: what begins as gzip does is inflated, everything else goes through as it is. */
import { Buffer } from 'node:buffer';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';

/** @throws FleetscoreError `CSV_FILE` from the stream, when the gzip is cut short or damaged */
export function inflated(input: Readable): Readable {
  return Readable.from(pieces(input));
}

async function* pieces(input: Readable): AsyncGenerator<Buffer> {
  const source = (input as AsyncIterable<Buffer | string>)[Symbol.asyncIterator]();
  const all = async function* (first: Buffer): AsyncGenerator<Buffer> {
    yield first;
    for (let next = await source.next(); next.done !== true; next = await source.next()) yield Buffer.from(next.value);
  };
  let beginning = Buffer.alloc(0);
  while (beginning.length < 2) {
    const next = await source.next();
    if (next.done === true) break;
    beginning = Buffer.concat([beginning, Buffer.from(next.value)]);
  }
  if (beginning[0] !== 0x1f || beginning[1] !== 0x8b) {
    if (beginning.length > 0) yield* all(beginning);
    return;
  }
  const out = new PassThrough();
  const done = pipeline(Readable.from(all(beginning)), createGunzip(), out).catch((error: unknown) => error);
  try {
    yield* out as AsyncIterable<Buffer>;
  } catch (error) {
    throw damaged(error);
  }
  const error = await done;
  if (error instanceof Error) throw damaged(error);
}

function damaged(error: unknown): FleetscoreError {
  return new FleetscoreError('CSV_FILE', `the gzip file is damaged or cut short: ${messageOf(error)}.`, {
    cause: error,
  });
}
