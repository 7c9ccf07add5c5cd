/**
 * Structured logs of the worker processes: one JSON object a line on stdout. Never values of readings, never secrets.
 */
import { pino, type Logger } from 'pino';
import type { Config } from '../config.ts';
import { plainJson } from '../domain/plain-text.ts';
import { redactLine } from '../domain/redact.ts';

export type { Logger };

export function createLog(config: Pick<Config, 'logLevel'>, role: string): Logger {
  const out = pino.destination(1);
  return pino(
    { level: config.logLevel, base: { role, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => void out.write(`${plainJson(redactLine(line.trimEnd()))}\n`) },
  );
}
