/**
 * Values that others sent, in messages. What is nested is named and never walked into: text made of it could be of
 * any length, and making it can exhaust the stack. So a description is short whatever it describes.
 */

/** Characters of a text that are shown. */
const SHOWN = 60;

/** `"pump-1"`, `17`, `an array of 3`, `an object`: at most some 100 characters, never throws. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value.length > SHOWN ? `${JSON.stringify(value.slice(0, SHOWN))}...` : JSON.stringify(value);
    case 'number':
    case 'boolean':
    case 'bigint':
      return String(value).slice(0, SHOWN);
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return `an array of ${value.length}`;
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid date' : value.toISOString();
      return value instanceof Uint8Array ? `${value.length} bytes` : 'an object';
    default:
      return value === undefined ? 'nothing' : `a ${typeof value}`;
  }
}
