/** The table of docs/payloads.md, made by parsing every row. `npm run docs` writes it there; a test compares. */
import { namedMapping, parseMapping } from '../../../ingest/mapping/named.ts';
import {
  createEventParser,
  PARSE_DEFAULTS,
  type ParsedEvent,
  type ParseSettings,
} from '../../../ingest/parse-event.ts';
import type { Shape } from './shape.ts';
import { eventOf, SHAPES } from './shapes.ts';

/** Settings with which a shape is taken, where the defaults do not do. */
export function settingsFor({ mapping, set }: Shape): ParseSettings {
  return {
    ...PARSE_DEFAULTS,
    ...(set?.unit ? { timeUnit: set.unit } : {}),
    ...(set?.defaultDevice ? { defaultDevice: set.defaultDevice } : {}),
    ...(mapping ? { mapping: mapping.startsWith('{') ? parseMapping(mapping, 'own') : namedMapping(mapping)! } : {}),
  };
}

/** `DEVICE/SENSOR VALUE` of each reading, then the reasons. */
export const outcome = ({ readings, problems }: ParsedEvent): string[] => [
  ...readings.map(({ device, sensor, value }) => `${device}/${sensor} ${value}`),
  ...problems.map(({ reason }) => reason),
];

const cell = (text: string): string => text.replaceAll('|', '\\|');

function short(parsed: ParsedEvent): string {
  const { readings, problems } = parsed;
  const reasons = [...new Set(problems.map(({ reason }) => `\`${reason}\``))];
  const taken = readings.length === 0 ? [] : [readings.length === 1 ? '1 reading' : `${readings.length} readings`];
  return [...taken, ...reasons].join(', ') || 'left out';
}

function wayOf({ mapping, set, remedy }: Shape): string {
  if (mapping) return `\`${mapping}\``;
  if (set?.unit) return `\`FLEETSCORE_FIELD_TS_UNIT=${set.unit}\``;
  if (set?.defaultDevice) return `\`FLEETSCORE_DEFAULT_DEVICE=${set.defaultDevice}\``;
  return remedy ?? '';
}

function row(shape: Shape): string {
  const event = eventOf(shape);
  const way = wayOf(shape);
  const mapped = shape.mapped ? short(createEventParser(settingsFor(shape))(event)) : '';
  return `| ${[shape.from, shape.shape, short(createEventParser()(event)), way, mapped].map(cell).join(' | ')} |`;
}

function payloadTable(): string {
  return Object.entries(SHAPES)
    .map(([title, shapes]) =>
      [
        `### ${title}`,
        '',
        '| from | shape | by default | mapping or setting | then |',
        '| --- | --- | --- | --- | --- |',
        ...shapes.map(row),
      ].join('\n'),
    )
    .join('\n\n');
}

export const BEGIN = '<!-- made by npm run docs: shapes -->';
export const END = '<!-- end -->';

/** A page with the table between its marks. */
export function withTable(page: string): string {
  const [before, rest = ''] = page.split(BEGIN);
  const after = rest.slice(rest.indexOf(END));
  return `${before}${BEGIN}\n\n${payloadTable()}\n\n${after}`;
}
