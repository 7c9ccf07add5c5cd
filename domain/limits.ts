/** The longest texts that are kept of what went wrong, and the one way to cut them. */

/** The longest message of an outcome, in UTF-16 code units: what its column in SQL takes. */
export const MAX_MESSAGE = 1_000;

/** At most `max` UTF-16 code units of a text: what is cut ends in three dots, at a whole character. */
export function cutText(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 3).replace(/[\ud800-\udbff]$/, '')}...`;
}

/** A message as it is kept with an outcome. */
export const cutMessage = (message: string): string => cutText(message, MAX_MESSAGE);
