/**
 * `npm run docs`: writes the pages of docs/ that are made from the program. A test compares them with what is there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { commandReference } from '../cli/reference.ts';
import { configurationReference } from '../config/reference.ts';
import { errorReference } from '../domain/error-codes.ts';
import { mappingSchema } from '../ingest/mapping/schema.ts';
import { withTable } from '../test/ingest/payloads/table.ts';

writeFileSync(new URL('configuration.md', import.meta.url), configurationReference());
writeFileSync(new URL('errors.md', import.meta.url), errorReference());
writeFileSync(new URL('cli.md', import.meta.url), await commandReference());

writeFileSync(new URL('mapping.schema.json', import.meta.url), `${JSON.stringify(mappingSchema(), null, 2)}\n`);
const payloads = new URL('payloads.md', import.meta.url);
writeFileSync(payloads, withTable(readFileSync(payloads, 'utf8')));
