/** The files of fixtures/files, how each is sent, and what pandas reads in them (make.py there). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { registerSend } from '../../cli/commands/send.ts';
import { formatOf, type SendOptions } from '../../cli/ingest/send.ts';
import type { CsvFormat } from '../../ingest/csv/read.ts';
import type { SentReading } from '../../ingest/send-readings.ts';

export const FOLDER = fileURLToPath(new URL('../fixtures/files/', import.meta.url));

interface SentFile {
  /** Options of `fleetscore send`. */
  readonly args: readonly string[];
  /** Epoch milliseconds, device, sensor, value. */
  readonly readings: readonly (readonly [number, string, string, number])[];
}
export const FILES = JSON.parse(readFileSync(`${FOLDER}expected.json`, 'utf8')) as Record<string, SentFile>;

/** Options as the command line reads them. @throws Error for one that it does not know */
export function optionsOf(args: readonly string[]): SendOptions {
  const program = new Command();
  registerSend(program);
  const send = program.commands[0]!;
  const { unknown } = send.parseOptions([...args]);
  if (unknown.length > 0) throw new Error(`send does not take ${unknown.join(' ')}`);
  return send.opts();
}

export const formatFor = (args: readonly string[]): CsvFormat => formatOf(optionsOf(args));

export async function gathered(readings: AsyncIterable<SentReading>): Promise<SentReading[]> {
  const all: SentReading[] = [];
  for await (const reading of readings) all.push(reading);
  return all;
}
