/**
 * Reads the documents of a LokiJS file one by one. Such a file is one JSON text, and one of more than 512 MiB can
 * no longer be parsed as a whole: that is the size at which azurite itself stops to start.
 */
import { createReadStream } from 'node:fs';

const [QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d];
/** Depths, counted in open brackets: file { collections [ collection { data [ document { */
const IN_COLLECTION = 3;
const IN_DATA = 4;

export interface LokiDocument {
  readonly collection: string;
  readonly document: unknown;
}

/** @throws SyntaxError when the file ends within a document or is no JSON */
export async function* lokiDocuments(file: string): AsyncGenerator<LokiDocument> {
  const found: LokiDocument[] = [];
  const scan = scanner((document) => found.push(document));
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
    scan.push(chunk as Buffer);
    yield* found.splice(0);
  }
  scan.end();
}

interface Scanner {
  push(chunk: Buffer): void;
  end(): void;
}

/** What the next bytes are part of. */
interface State {
  depth: number;
  inString: boolean;
  escaped: boolean;
  /** Strings between the brackets of a collection: names of its fields, and their values. */
  text: number[];
  last: string;
  collection: string;
  inData: boolean;
  /** Where the current document begins in the chunk, and what came of it in chunks before. */
  from: number;
  parts: Buffer[];
}

function scanner(found: (document: LokiDocument) => void): Scanner {
  const state: State = {
    depth: 0,
    inString: false,
    escaped: false,
    text: [],
    last: '',
    collection: '',
    inData: false,
    from: -1,
    parts: [],
  };
  return {
    push(chunk) {
      if (state.from !== -1) state.from = 0;
      for (let at = 0; at < chunk.length; at++) {
        const byte = chunk[at]!;
        if (state.inString) inString(state, byte);
        else if (byte === QUOTE) state.inString = true;
        else if (byte === OPEN || byte === OPEN_LIST) opened(state, byte, at);
        else if (byte === CLOSE || byte === CLOSE_LIST) {
          state.depth -= 1;
          if (state.depth === IN_DATA && state.from !== -1) {
            const text = Buffer.concat([...state.parts, chunk.subarray(state.from, at + 1)]).toString('utf8');
            state.parts = [];
            state.from = -1;
            found({ collection: state.collection, document: JSON.parse(text) as unknown });
          }
        }
      }
      if (state.from !== -1) state.parts.push(chunk.subarray(state.from));
    },
    end() {
      if (state.depth !== 0) throw new SyntaxError('the file ends too early');
    },
  };
}

function inString(state: State, byte: number): void {
  if (state.escaped) state.escaped = false;
  else if (byte === BACKSLASH) state.escaped = true;
  else if (byte === QUOTE) {
    state.inString = false;
    if (state.depth !== IN_COLLECTION) return;
    const text = Buffer.from(state.text).toString('utf8');
    state.text = [];
    if (state.last === 'name') state.collection = text;
    state.last = text;
    return;
  }
  if (state.depth === IN_COLLECTION) state.text.push(byte);
}

function opened(state: State, byte: number, at: number): void {
  if (state.depth === IN_COLLECTION) state.inData = byte === OPEN_LIST && state.last === 'data';
  state.depth += 1;
  if (state.depth === IN_DATA + 1 && state.inData && byte === OPEN) state.from = at;
}
