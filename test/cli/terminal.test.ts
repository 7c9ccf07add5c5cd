/** One way to a terminal, and what it lets through. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plainJson, plainLine, terminalText } from '../../domain/plain-text.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Escape and operating system command, C1 control sequence introducer, right-to-left override, a line of its own. */
const HOSTILE = 'a\u001b]0;owned\u0007\u009b31mb\u202ec\u2066d\r\ne';

test('no file of the command writes to stdout or stderr but the terminal itself', () => {
  const files = readdirSync(join(ROOT, 'cli'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && name !== join('frame', 'terminal.ts'))
    .filter((name) => /std(out|err)\.write|console\./.test(readFileSync(join(ROOT, 'cli', name), 'utf8')));
  expect(files).toEqual([]);
});

test('controls and marks of direction are written out, line ends stay', () => {
  const plain = 'a\\u001b]0;owned\\u0007\\u009b31mb\\u202ec\\u2066d\\u000d\ne';
  expect(terminalText(HOSTILE, false)).toBe(plain);
  expect(terminalText(HOSTILE, true)).toBe(plain);
  expect(plainLine(HOSTILE)).toBe(plain.replace('\n', '\\u000a'));
});

test('our colours pass on a terminal that shows them, and nowhere else', () => {
  expect(terminalText('\u001b[31merror:\u001b[39m no', true)).toBe('\u001b[31merror:\u001b[39m no');
  expect(terminalText('\u001b[31merror:\u001b[39m no', false)).toBe('error: no');
  expect(terminalText('\u001b[2J\u001b[1;1H', true)).toBe('\\u001b[2J\\u001b[1;1H');
});

test('JSON keeps its values', () => {
  const json = JSON.stringify({ name: HOSTILE }, null, 2);
  expect(JSON.parse(plainJson(json))).toEqual({ name: HOSTILE });
  expect(plainJson(json)).not.toMatch(/[\u0080-\u009f\u202a-\u202e]/);
});
