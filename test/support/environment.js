/**
 * Jest's environment for Node, which removes the temporary folders of a test file (temp.ts) after all of its hooks:
 * what a hook stops still has its data, and does not wait for what is gone.
 */
import { rmSync } from 'node:fs';
import { TestEnvironment } from 'jest-environment-node';

export default class extends TestEnvironment {
  async setup() {
    await super.setup();
    this.global.temporaryFolders = this.folders = [];
  }

  async teardown() {
    for (const folder of this.folders ?? []) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    await super.teardown();
  }
}
