/** A format as the options of `fleetscore send` that say it. */
import { isoTime } from '../../domain/time.ts';
import { shellWord } from '../../domain/shell-word.ts';
import type { CsvFormat } from '../csv/read.ts';

const SEPARATORS: Readonly<Record<string, string>> = { '\t': 'tab', ' ': 'space' };

export function commandFor(files: readonly string[], format: CsvFormat): string {
  const { columns = {} } = format;
  const named = Object.entries(columns).filter(([, name]) => name !== undefined);
  const words = [
    'fleetscore',
    'send',
    ...files.map(shellWord),
    ...(format.wide ? ['--wide'] : []),
    ...option('--encoding', format.encoding),
    ...option('--separator', SEPARATORS[format.separator ?? ''] ?? format.separator),
    ...option('--decimal', format.decimal),
    ...option('--header', format.header?.join(',')),
    ...option('--skip-lines', format.skipLines?.toString()),
    ...(format.rowNumbers ? ['--row-numbers'] : []),
    ...option('--columns', named.length > 0 ? named.map(([column, name]) => `${column}=${name}`).join(',') : undefined),
    ...option('--time-format', format.timeFormat),
    ...option('--time-unit', format.timeUnit),
    ...option('--start', format.startMs === undefined ? undefined : isoTime(format.startMs).replace('.000Z', 'Z')),
    ...option('--timezone', format.timezone),
    ...option('--device', format.device),
    ...option('--sensor', format.sensor),
    ...option('--include', listed(format.include)),
    ...option('--exclude', listed(format.exclude)),
    ...option('--missing', format.missing?.join(',')),
    ...option('--good', format.good?.join(',')),
  ];
  return words.join(' ');
}

/** A comma within a name is any character there. */
const listed = (names: readonly string[] | undefined): string | undefined =>
  names?.map((name) => name.replaceAll(',', '?')).join(',');

/** With a sign of equality where the value could be taken for an option. */
function option(name: string, value: string | undefined): string[] {
  if (value === undefined) return [];
  return value.startsWith('-') ? [`${name}=${shellWord(value)}`] : [name, shellWord(value)];
}
