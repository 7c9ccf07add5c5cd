/**
 * The reference data of two devices, where the folder lies beside the repository; tests that need it skip otherwise.
 */
import { test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const REFERENCE = fileURLToPath(new URL('../../../shared/reference/', import.meta.url));
const present = existsSync(join(REFERENCE, 'sensor_data.csv'));

export function referenceTest(name: string, work: () => Promise<void>, timeoutMs?: number): void {
  if (present) test(name, work, timeoutMs);
  else test.skip(`${name} (skipped: no reference data in ../shared/reference)`, work, timeoutMs);
}
