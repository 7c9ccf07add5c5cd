/** RESULTS.md: every benchmark has a section of its own, so that one run never erases what another measured. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** Takes the section `name` out, if it is there. */
export function dropSection(file: string, name: string): void {
  const text = readFileSync(file, 'utf8');
  const [start, end] = [text.indexOf(`<!-- ${name} -->`), text.indexOf(`<!-- /${name} -->`)];
  if (start < 0 || end < start) return;
  const rest = text.slice(end + `<!-- /${name} -->`.length).trimStart();
  writeFileSync(file, `${text.slice(0, start).trimEnd()}\n${rest === '' ? '' : `\n${rest}`}`);
}

/** Puts `text` in place of the section `name`, or at the end. */
export function writeSection(file: string, name: string, text: string): void {
  const [from, to] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const section = `${from}\n${text.trim()}\n${to}`;
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '# Results\n';
  const start = before.indexOf(from);
  const end = before.indexOf(to);
  const whole =
    start >= 0 && end > start
      ? `${before.slice(0, start)}${section}${before.slice(end + to.length)}`
      : `${before.trimEnd()}\n\n${section}\n`;
  writeFileSync(file, whole);
}
