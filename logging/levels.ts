/** The levels of log lines, from the least on, as numbers of pino. */
export const LEVELS: Readonly<Record<string, number>> = { debug: 20, info: 30, warn: 40, error: 50, fatal: 60 };
