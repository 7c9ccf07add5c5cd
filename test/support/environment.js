/**
 * Jest's environment for Node, which removes the temporary folders of a test file (temp.ts) after all of its hooks:
 * what a hook stops still has its data, and does not wait for what is gone. It also makes time limits generous: they
 * end what hangs, and say nothing of how fast a test is on a machine with other work.
 */
import { rmSync } from 'node:fs';
import { TestEnvironment } from 'jest-environment-node';

/** No test or hook has a shorter limit, whatever its file says. */
const LEAST_LIMIT_MS = 300_000;

export default class extends TestEnvironment {
  /** Called by jest-circus, which reads the limit after these two. */
  handleTestEvent({ name, test, hook }) {
    const limited = name === 'test_start' ? test : name === 'hook_start' ? hook : undefined;
    if (limited) limited.timeout = Math.max(limited.timeout ?? 0, LEAST_LIMIT_MS);
  }

  async setup() {
    await super.setup();
    this.global.temporaryFolders = this.folders = [];
  }

  async teardown() {
    for (const folder of this.folders ?? []) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    await super.teardown();
  }
}
