/** A control worker's part in its deployment: makes its version current, takes over batches that nobody would end. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { messageOf } from '../../domain/errors.ts';
import type { Logger } from '../../logging/log.ts';
import { decideDeployment, type DeploymentState } from './policy.ts';
import { describeDeployment, moveWorkflows, promoteVersion } from './server.ts';

/** Between two looks. */
const EVERY_MS = 10_000;
/** Until its first poll has registered it, the server does not know a new version. */
const FIRST_MS = 200;
/** Past it a worker counts as ready without being current; the looks go on. */
const FIRST_LOOKS_MS = 15_000;

export interface DeploymentWatch {
  /** Resolves when the server knows this version and has a current one, or after 15 s; never rejects. */
  readonly settled: Promise<void>;
  stop(): Promise<void>;
}

/** To be started when the worker polls. */
export function watchDeployment(client: Client, self: string, identity: string, log: Logger): DeploymentWatch {
  const ending = new AbortController();
  const goneSince = new Map<string, number>();
  let told = '';

  const look = async (): Promise<DeploymentState | undefined> => {
    const state = await describeDeployment(client, Date.now());
    if (!state) return undefined;
    for (const { buildId, workers } of state.versions) {
      if (workers > 0) goneSince.delete(buildId);
      else if (!goneSince.has(buildId)) goneSince.set(buildId, Date.now());
    }
    const { promote, takeOver } = decideDeployment(
      state,
      self,
      (buildId) => Date.now() - (goneSince.get(buildId) ?? Date.now()),
    );
    if (promote !== undefined) {
      await promoteVersion(client, self, identity);
      log.info({ version: self, before: state.current, reason: promote }, 'this version gets the new batches');
      return { ...state, current: self };
    }
    for (const buildId of takeOver) {
      const moved = await moveWorkflows(client, buildId, self, identity);
      if (moved > 0)
        log.warn(
          { version: self, from: buildId, workflows: moved },
          'took over the running batches of a version that has no worker any more',
        );
    }
    return state;
  };

  const safely = async (): Promise<DeploymentState | undefined> => {
    try {
      const state = await look();
      told = '';
      return state;
    } catch (error) {
      // Once, not every ten seconds; a restart of the server heals by itself.
      if (told !== messageOf(error))
        log.warn({ err: error }, `the deployment of this worker cannot be looked after: ${(told = messageOf(error))}`);
      return undefined;
    }
  };
  const pause = (ms: number): Promise<unknown> =>
    sleep(ms, undefined, { signal: ending.signal }).catch(() => undefined);

  const settled = (async () => {
    for (
      const until = Date.now() + FIRST_LOOKS_MS;
      Date.now() < until && !ending.signal.aborted;
      await pause(FIRST_MS)
    ) {
      const state = await safely();
      if (state?.current !== undefined && state.versions.some(({ buildId }) => buildId === self)) return;
    }
  })();
  const running = (async () => {
    await settled;
    for (;;) {
      await pause(EVERY_MS);
      if (ending.signal.aborted) return;
      await safely();
    }
  })();
  return {
    settled,
    async stop() {
      ending.abort();
      await running;
    },
  };
}
