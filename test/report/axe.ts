/** What axe-core finds on a page that a browser shows: WCAG 2.2 AA and its best practices. */
import { readFileSync } from 'node:fs';
import { dependencyFile } from '../../paths.ts';
import type { Browser } from './browser.ts';

const SOURCE = readFileSync(dependencyFile('axe-core', 'axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** A line for each thing that is wrong: rule, element, why. */
export async function findings(browser: Browser): Promise<string[]> {
  await browser.evaluate(`${SOURCE}; undefined`);
  return (await browser.evaluate(`axe
    .run(document, { runOnly: { type: 'tag', values: ${JSON.stringify(TAGS)} }, resultTypes: ['violations'] })
    .then(({ violations }) => violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => id + ' ' + target.join(' ') + ': ' + failureSummary.replace(/\\s+/g, ' '))))`)) as string[];
}
