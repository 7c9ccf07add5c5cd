/**
 * The only way to a terminal, or to the program behind stdout and stderr. Text is masked and made plain: of control
 * characters only line ends, tabs and our colours pass, and colours only where a terminal shows them. JSON keeps its
 * values, with what could steer a terminal written as JSON escapes.
 */
import { once } from 'node:events';
import pc from 'picocolors';
import { plainJson, terminalText } from '../../domain/plain-text.ts';
import { redact, redactData } from '../../domain/redact.ts';

const HOME = '\u001b[H';
const TO_LINE_END = '\u001b[K';
const TO_SCREEN_END = '\u001b[J';
const CLEAR = '\u001b[2J';
const CURSOR = { hide: '\u001b[?25l', show: '\u001b[?25h' } as const;

const plain = (text: string): string => terminalText(redact(text), pc.isColorSupported);
const line = (text: string): string => (text.endsWith('\n') || text === '' ? text : `${text}\n`);

/** On stderr. One that cannot be written, to a file on a full disk, is no reason to end: main.ts leaves it at that. */
const write = (text: string): void => void process.stderr.write(text);

/** A result, on stdout. */
export const say = (text: string): void => void process.stdout.write(line(plain(text)));

/** A file, on stdout, as it is: for the program behind it. Resolves when there is room for more. */
export async function sayBytes(bytes: Uint8Array): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
}

/** A word beside it, on stderr. */
export const tell = (text: string): void => write(line(plain(text)));

/** Output of a program of ours as it comes, on stderr. */
export const passOn = (text: string): void => write(plain(text));

/** Data as one JSON document: on stdout, there on one line of many, or an error on stderr. */
export const sayJson = (data: unknown): void => void process.stdout.write(`${json(data, 2)}\n`);
export const sayJsonLine = (data: unknown): void => void process.stdout.write(`${json(data)}\n`);
export const tellJson = (data: unknown): void => write(`${json(data)}\n`);

const json = (data: unknown, indent?: number): string =>
  plainJson(JSON.stringify(redactData(data), undefined, indent) ?? 'null');

/** A text with secrets that are there to be copied: of the emulator on this machine, and of nothing else. */
export const sayWithKeys = (text: string): void =>
  void process.stdout.write(line(terminalText(text, pc.isColorSupported)));

/** A new picture in place of the last one, from the top of the screen. */
export const draw = (lines: readonly string[]): void =>
  void process.stdout.write(`${HOME}${lines.map((one) => `${plain(one)}${TO_LINE_END}\n`).join('')}${TO_SCREEN_END}`);
export const clearScreen = (): void => void process.stdout.write(`${HOME}${CLEAR}`);
export const setCursor = (state: keyof typeof CURSOR): void => void process.stdout.write(CURSOR[state]);
