/**
 * Which version of the control worker gets the new batches, and who ends the batches of a version that is gone.
 * A version becomes current by itself once: when it is new. Whoever was current before comes back only by hand,
 * or when nobody else is there; so a rollback is not undone by a restart. Pure.
 */
export interface VersionState {
  readonly buildId: string;
  /** When the server first saw a worker of it, epoch ms. */
  readonly createdAtMs: number;
  /** It is or was current. */
  readonly activated: boolean;
  /** Workers alive now. */
  readonly workers: number;
}

export interface DeploymentState {
  /** Version that new batches start on; absent before the first one was promoted. */
  readonly current?: string;
  readonly versions: readonly VersionState[];
}

export interface DeploymentDecision {
  /** Why this version is to become current; absent when it is not. */
  readonly promote?: string;
  /** Versions without workers whose running batches this one takes over. */
  readonly takeOver: readonly string[];
}

/** A version without workers for this long is taken for gone: restarts of its workers take less. */
export const GONE_AFTER_MS = 30_000;

/**
 * @param self build id of the worker that asks
 * @param goneMs how long a version has had no worker, as far as this worker saw
 */
export function decideDeployment(
  state: DeploymentState,
  self: string,
  goneMs: (buildId: string) => number,
): DeploymentDecision {
  const me = state.versions.find((version) => version.buildId === self);
  if (!me) return { takeOver: [] };
  const gone = (version: VersionState): boolean =>
    version.buildId !== self && version.workers === 0 && goneMs(version.buildId) >= GONE_AFTER_MS;
  if (state.current !== self) {
    const promote = whyPromote(state, me, gone);
    return promote === undefined ? { takeOver: [] } : { promote, takeOver: [] };
  }
  // Only from older ones: what a newer version recorded, this one may not be able to replay.
  return {
    takeOver: state.versions
      .filter((version) => gone(version) && version.createdAtMs < me.createdAtMs)
      .map(({ buildId }) => buildId),
  };
}

function whyPromote(
  { current, versions }: DeploymentState,
  me: VersionState,
  gone: (version: VersionState) => boolean,
): string | undefined {
  if (current === undefined) return 'no version was current';
  const now = versions.find((version) => version.buildId === current);
  if (!now) return `version ${current} is not known any more`;
  if (!me.activated && me.createdAtMs > now.createdAtMs) return `it is newer than ${current}`;
  const newest = versions
    .filter((version) => version.workers > 0)
    .reduce((a, b) => (b.createdAtMs > a.createdAtMs ? b : a), me);
  return gone(now) && newest.buildId === me.buildId ? `version ${current} has no worker any more` : undefined;
}
