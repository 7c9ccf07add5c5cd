/** A text as one word of a command that can be copied into a POSIX shell. */
export const shellWord = (text: string): string =>
  /^[\w./:,+@%=-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
