/**
 * Text from outside as plain text: nothing in it may move a cursor, hide a line, turn the direction of what follows or
 * become a command of a terminal. C0 and C1 controls, the marks that change direction, and the separators of lines and
 * paragraphs are written as `\u001b` and so on; only line ends and tabs pass.
 */

/** Controls of a terminal or a display: C0, DEL and C1, direction marks, line and paragraph separators, BOM. */
const HOSTILE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const RUNS = new RegExp(`${HOSTILE.source}+`, 'g');

/** What no name of a device or sensor may hold. */
export const UNPRINTABLE = new RegExp(HOSTILE.source, 'u');

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
const escapedButLines = (char: string): string => (char === '\n' || char === '\t' ? char : escaped(char));

/** One line without any of it, for places that show no escapes; white space becomes one space. */
export const withoutControls = (text: string): string => text.replace(/\s+/g, ' ').replace(RUNS, '');

/** One line: whatever else it holds is written out. */
export const plainLine = (text: string): string => text.replace(HOSTILE, escaped);

/** Several lines of text from outside. */
export const plainText = (text: string): string => text.replace(HOSTILE, escapedButLines);

/** Colours of ours: they set how text looks, and nothing else. */
// oxlint-disable-next-line no-control-regex
const COLOUR = /(\u001b\[[0-9;]{0,16}m)/;

/** Text of ours with names from outside in it. @param colours keep colours, on a terminal that shows them */
export function terminalText(text: string, colours: boolean): string {
  return text
    .split(COLOUR)
    .map((part, i) => {
      const ours = i % 2 === 1;
      if (!ours) return plainText(part);
      return colours ? part : '';
    })
    .join('');
}

/** JSON as text: what JSON itself leaves as it is, is escaped as JSON allows it. Line ends between values stay. */
export const plainJson = (json: string): string => json.replace(HOSTILE, escapedButLines);
