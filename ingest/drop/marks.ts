/**
 * How events that were made of a file are told from those of a hub, in raw capture as in the dead letters: by
 * properties. Their readings are in the form that `send` gives them, and say so (`FORM` in mapping/facts.ts).
 */
import type { HubName } from '../event.ts';

/** Property: name of the file in the container `drop`. */
export const FILE_PROPERTY = 'fleetscore-file';
/** Property: what the body holds are rows that could not be read, for {@link BadRows}. */
export const BAD_ROWS_PROPERTY = 'fleetscore-bad-rows';

/** Rows of a file that are no readings. */
export interface BadRows {
  readonly rows: readonly { readonly line: number; readonly reason: string }[];
  /** How many there are besides. */
  readonly more: number;
}

/** As if they came from a hub; no namespace of Event Hubs may have such a name, so that no folder is shared. */
export const DROP_HUB: HubName = { namespace: 'file_drop', hub: 'drop' };
/** `source` of their progress. */
export const DROP_SOURCE = 'file_drop/drop/files';
export const DROP_PARTITION = '0';
