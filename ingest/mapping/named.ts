/** Mappings by name, or from the text of a file. */
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { boundedMap } from '../bounded-map.ts';
import type { Mapping } from './mapping.ts';
import { READY_MADE } from './ready-made.ts';
import { mappingOf } from './schema.ts';

/** The form of docs/readings.md, without a mapping. */
export const DEFAULT_MAPPING = 'default';

export const MAPPING_NAMES: readonly string[] = Object.keys(READY_MADE);

const made = boundedMap<Mapping>(100);

/** A ready-made one; undefined for `default`, and for a name that is none. */
export function namedMapping(name: string): Mapping | undefined {
  const json = Object.hasOwn(READY_MADE, name) ? READY_MADE[name] : undefined;
  if (json === undefined) return undefined;
  const mapping = made.get(name) ?? mappingOf(json, name);
  made.set(name, mapping);
  return mapping;
}

/** @param name what to call it: the file, or the variable. @throws FleetscoreError `INVALID_MAPPING` */
export function parseMapping(text: string, name: string): Mapping {
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new FleetscoreError('INVALID_MAPPING', `the mapping ${name} is not JSON: ${messageOf(error)}.`, {
      cause: error,
    });
  }
  return mappingOf(json, name, READY_MADE);
}
