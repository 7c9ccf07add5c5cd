/**
 * Names of capture files in the format that an event hub has for them. Azure lets it be chosen, of nine tokens that
 * must all be there, in any order and with any text between them:
 * https://learn.microsoft.com/azure/event-hubs/event-hubs-capture-overview (read in November 2026).
 */
import { FleetscoreError } from '../domain/errors.ts';
import type { CaptureName } from './capture.ts';
import type { HubName } from './event.ts';

const DIGITS: Readonly<Record<string, string>> = {
  PartitionId: '\\d+',
  Year: '\\d{4}',
  Month: '\\d{2}',
  Day: '\\d{2}',
  Hour: '\\d{2}',
  Minute: '\\d{2}',
  Second: '\\d{2}',
};
const TOKENS = ['Namespace', 'EventHub', ...Object.keys(DIGITS)];

export interface CaptureNames {
  /** What every name begins with; names below it that are not of this hub are left out by `parse`. */
  readonly prefix: string;
  readonly parse: (name: string) => CaptureName | undefined;
  /** What the names begin with up to the first token whose value is not given. */
  readonly prefixOf: (known: Readonly<Record<string, string>>) => string;
}

/**
 * @param format as the hub has it: `{Namespace}/{EventHub}/{PartitionId}_{Year}_{Month}_{Day}_{Hour}_{Minute}_{Second}`
 * @throws FleetscoreError `INVALID_ARGUMENT` that names the token that is missing, or unknown
 */
export function captureNamesOf(format: string, hub: HubName): CaptureNames {
  const path = format.replace(/\.avro$/i, '').replace(/^\/+/, '');
  const parts = path.split(/\{([^{}]*)\}/);
  const used = parts.filter((_, i) => i % 2 === 1);
  const unknown = used.find((token) => !TOKENS.includes(token));
  if (unknown !== undefined) throw wrong(format, `{${unknown}} is none of its tokens`);
  // The two names may be left out: then all files below the prefix are taken for this hub's.
  const missing = Object.keys(DIGITS).find((token) => !used.includes(token));
  if (missing !== undefined) throw wrong(format, `{${missing}} is missing`);
  const ofHub: Readonly<Record<string, string>> = {
    Namespace: hub.namespace.replace(/\.servicebus\..*$/i, ''),
    EventHub: hub.hub,
  };
  const seen = new Set<string>();
  const expression = parts.map((part, i) => {
    if (i % 2 === 0) return escaped(part);
    if (Object.hasOwn(ofHub, part)) return escaped(ofHub[part]!);
    if (seen.has(part)) return `\\k<${part}>`;
    seen.add(part);
    return `(?<${part}>${DIGITS[part]!})`;
  });
  const pattern = new RegExp(`^${expression.join('')}\\.avro$`, 'i');
  const prefixOf = (known: Readonly<Record<string, string>>): string => {
    const values = { ...ofHub, ...known };
    const end = parts.findIndex((part, i) => i % 2 === 1 && values[part] === undefined);
    return parts
      .slice(0, end < 0 ? parts.length : end)
      .map((part, i) => (i % 2 === 1 ? values[part]! : part))
      .join('');
  };
  return { prefix: parts[0]!, parse: (name) => named(name, pattern.exec(name)?.groups), prefixOf };
}

function named(name: string, groups: Readonly<Record<string, string>> | undefined): CaptureName | undefined {
  if (!groups) return undefined;
  const { PartitionId: partition, Year, Month, Day, Hour, Minute, Second } = groups;
  const timeMs = Date.parse(`${Year}-${Month}-${Day}T${Hour}:${Minute}:${Second}Z`);
  if (Number.isNaN(timeMs)) return undefined;
  return { name, folder: name.slice(0, name.lastIndexOf('/')), partition: partition!, timeMs, order: -1 };
}

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

function wrong(format: string, what: string): FleetscoreError {
  return new FleetscoreError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(format)} is no format of names of Event Hubs Capture: ${what}. It has ` +
      `${TOKENS.map((token) => `{${token}}`).join(', ')}, in any order.`,
  );
}
