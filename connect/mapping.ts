/**
 * The payload mapping as configured, or as a command names it: ready made, from a file, or JSON. Undefined stands for
 * the form of docs/readings.md, which needs none.
 */
import { readFileSync } from 'node:fs';
import type { Config } from '../config.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { whyUnreadable } from '../domain/unreadable.ts';
import type { Mapping } from '../ingest/mapping/mapping.ts';
import { DEFAULT_MAPPING, MAPPING_NAMES, namedMapping, parseMapping } from '../ingest/mapping/named.ts';

type MappingSource = Config['ingest']['mapping'];

const VARIABLE = 'FLEETSCORE_MAPPING';

/**
 * @param said the variable or option that names it, for errors
 * @throws FleetscoreError `INVALID_MAPPING`
 */
export function readMapping(source: MappingSource, said = VARIABLE): Mapping | undefined {
  switch (source.kind) {
    case 'name': {
      const mapping = namedMapping(source.text);
      if (mapping !== undefined || source.text === DEFAULT_MAPPING) return mapping;
      throw new FleetscoreError(
        'INVALID_MAPPING',
        `there is no mapping ${JSON.stringify(source.text)} (${said}). It takes ${DEFAULT_MAPPING}, ` +
          `${MAPPING_NAMES.join(', ')}, the path of a JSON file (with a point or slash in it), or JSON.`,
      );
    }
    case 'json':
      return parseMapping(source.text, `in ${said}`);
    default:
      return parseMapping(textOf(source.text, said), source.text);
  }
}

function textOf(path: string, said: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new FleetscoreError(
      'INVALID_MAPPING',
      `the mapping ${path} (${said}) cannot be read: ${whyUnreadable(error)}. ` +
        `Name a JSON file, or one of ${MAPPING_NAMES.join(', ')}.`,
      { cause: error },
    );
  }
}
