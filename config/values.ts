/**
 * The types of the values that variables have. Each parses the text of a variable, or throws an `Error` whose message
 * begins with "takes" and says what the variable takes; config.ts puts the name and the value in front of it.
 */
import { messageOf } from '../domain/errors.ts';
import { MAX_TIMER_MS, parseDuration } from '../domain/time.ts';
import { parsePayloadKeys } from '../payloads/keys.ts';

/** Parses the text of a variable. Throws an `Error` that says what the variable takes. */
export type Parse<T> = (text: string) => T;

export const text: Parse<string> = (value) => value;

/** A duration with a unit, in milliseconds. */
export const duration: Parse<number> = (value) => {
  try {
    return parseDuration(value);
  } catch (cause) {
    throw new Error('takes a duration such as 500ms, 5s, 15m, 2h, 1d', { cause });
  }
};

/** A duration that a timer waits for, in milliseconds. */
export const timer: Parse<number> = (value) => {
  const ms = duration(value);
  if (ms <= MAX_TIMER_MS) return ms;
  throw new Error('takes a duration up to 24d, such as 5s, 15m, 2h');
};

export const whole =
  (min: number, max: number): Parse<number> =>
  (value) => {
    const number = Number(value);
    if (value.trim() !== '' && Number.isInteger(number) && number >= min && number <= max) return number;
    throw new Error(`takes a whole number from ${min} to ${max}`);
  };

export const share: Parse<number> = (value) => {
  const number = Number(value);
  if (value.trim() !== '' && number >= 0 && number <= 1) return number;
  throw new Error('takes a number from 0 to 1');
};

/** A TCP port; `auto` is 0, a free one. */
export const port: Parse<number> = (value) => {
  if (value === 'auto') return 0;
  const number = Number(value);
  if (Number.isInteger(number) && number >= 1 && number <= 65_535) return number;
  throw new Error('takes a port from 1 to 65535, or auto for a free one');
};

export const decimal: Parse<number> = (value) => {
  const number = Number(value);
  if (value.trim() !== '' && Number.isFinite(number)) return number;
  throw new Error('takes a finite number');
};

export const list: Parse<readonly string[]> = (value) => {
  const items = value.split(',').map((item) => item.trim());
  if (items.every((item) => item !== '')) return items;
  throw new Error('takes one or more entries with a comma in between');
};

export const onOff: Parse<boolean> = (value) => {
  if (value === 'on' || value === 'off') return value === 'on';
  throw new Error('takes on or off');
};

export const oneOf =
  <const T extends string>(...words: readonly T[]): Parse<T> =>
  (value) => {
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    throw new Error(`takes ${words.slice(0, -1).join(', ')} or ${words.at(-1)}`);
  };

/** A text of a form. @param takes what it takes, after the word "takes" */
export const matching =
  (pattern: RegExp, takes: string): Parse<string> =>
  (value) => {
    if (pattern.test(value)) return value;
    throw new Error(`takes ${takes}`);
  };

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * A web address has no user and password in it: `fetch` refuses one that has, so that nothing would ever be sent there.
 * Those of others have to be percent-encoded (RFC 3986), since they are decoded where they are used.
 * @param protocols such as `https:`
 */
export const url =
  (protocols: readonly string[], takes: string): Parse<string> =>
  (value) => {
    if (!URL.canParse(value)) throw new Error(`takes ${takes}`);
    const { protocol, username, password } = new URL(value);
    if (!protocols.includes(protocol)) throw new Error(`takes ${takes}`);
    const named = username + password;
    if (named !== '' && /^https?:$/.test(protocol)) throw new Error(`takes ${takes}, without user and password in it`);
    if (!isEncoded(named)) throw new Error(`takes ${takes}, and %25 for a % in user or password`);
    return value;
  };

/** Kept as written; `parsePayloadKeys` of payloads/ reads it where it is used. */
export const payloadKeys: Parse<string> = (value) => {
  try {
    parsePayloadKeys(value);
    return value;
  } catch (cause) {
    throw new Error(messageOf(cause).replace(/^FLEETSCORE_PAYLOAD_KEYS /, ''), { cause });
  }
};

/** A payload mapping: one that is ready made, a file, or the JSON itself. `connect/mapping.ts` reads it. */
export interface MappingSource {
  readonly kind: 'name' | 'file' | 'json';
  readonly text: string;
}

export const mappingSource: Parse<MappingSource> = (value) => {
  const text = value.trim();
  if (text.startsWith('{')) return { kind: 'json', text };
  // Names have neither points nor slashes, and files one of them: plant.json, ./plant.
  if (/^[a-z0-9-]+$/i.test(text)) return { kind: 'name', text };
  if (text.includes('\n') || text === '') throw new Error('takes a name, the path of a JSON file, or JSON');
  return { kind: 'file', text };
};

/** A duration, or `all` for no end: Infinity. */
export const durationOrAll: Parse<number> = (value) => {
  if (value === 'all') return Number.POSITIVE_INFINITY;
  try {
    return duration(value);
  } catch (cause) {
    throw new Error('takes a duration such as 30d, or all', { cause });
  }
};
