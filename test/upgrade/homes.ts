/** The homes of earlier versions: how each was made, and what is in it. `make-home.ts` makes them, once. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

/** One line of homes.json. */
export interface FrozenHome {
  readonly commit: string;
  /** Settings under which it was made, and is read. */
  readonly env: Readonly<Record<string, string>>;
  readonly bytes: number;
  readonly sha256: string;
}

/** What its expected.json says. */
export interface Expected {
  /** Ids of batches: one, the one that replaced it, and one that two sensors of are scored in. */
  readonly superseded: string;
  readonly rescored: string;
  readonly paused: string;
  readonly deadLetters: number;
  /** Rows of readings.csv, and how many of them its store held when it was packed. */
  readonly readings: number;
  readonly ingested: number;
}

export const HOMES = JSON.parse(readFileSync(new URL('homes.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, FrozenHome>
>;

export const homeFile = (name: string): URL => new URL(`homes/${name}.tar.br`, import.meta.url);

/** Unpacks a home into a folder. */
export function unpackHome(name: string, dir: string): Expected {
  mkdirSync(dir, { recursive: true });
  execFileSync('tar', ['-C', dir, '-xf', '-'], { input: brotliDecompressSync(readFileSync(homeFile(name))) });
  return JSON.parse(readFileSync(join(dir, 'expected.json'), 'utf8')) as Expected;
}
