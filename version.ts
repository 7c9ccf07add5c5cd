/** Version of this code, from its package.json: recorded with every batch. */
import { readFileSync } from 'node:fs';
import { packageFile } from './paths.ts';

export const VERSION: string = (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string })
  .version;
