/**
 * The notes of a release: its section of CHANGELOG.md. Fails when tag, package.json and CHANGELOG.md do not name the
 * same version, so that a release is never half prepared.
 * usage: node bin/release-notes.js vX.Y.Z
 */
import { readFileSync } from 'node:fs';

const read = (name) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
const [tag = ''] = process.argv.slice(2);
const { version } = JSON.parse(read('package.json'));
const end = (problem) => {
  process.stderr.write(`${problem}\n`);
  process.exit(1);
};
if (tag !== `v${version}`) end(`The tag is ${JSON.stringify(tag)}, package.json says ${version}: tag v${version}.`);
const section = read('CHANGELOG.md')
  .split(/^## /m)
  .find((text) => text.startsWith(`[${version}]`));
if (!section) end(`CHANGELOG.md has no section [${version}]: rename Unreleased, with the date.`);
const [heading, ...lines] = section.split('\n');
if (!/ - \d{4}-\d{2}-\d{2}$/.test(heading)) end(`The section ${heading} has no date, as in [${version}] - 2026-11-29.`);
process.stdout.write(`${lines.join('\n').trim()}\n`);
