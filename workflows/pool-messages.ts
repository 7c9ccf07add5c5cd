/** What the workflow of a pool answers and obeys. By name they work from the stock `temporal` command too. */
import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { DecisionRecord } from '../pool/ledger.ts';
import type { Measured } from '../pool/measure.ts';
import type { Decision, PoolMode } from '../pool/policy-types.ts';
import type { PoolNode } from '../pool/pool.ts';
import type { PoolLimits, PoolSettings } from '../pool/settings.ts';

export interface PoolState {
  readonly settings: PoolSettings;
  readonly mode: PoolMode;
  /** The last look; absent before the first. */
  readonly seen?: DecisionRecord;
  readonly decision?: Decision;
  readonly nodes: readonly (PoolNode & { readonly busyTasks?: number })[];
  readonly measured: Pick<Measured, 'spinUpMs' | 'spinUps' | 'sensorsPerSecond' | 'speeds' | 'failures'>;
  /** Trouble, and changes made outside; newest last. */
  readonly notes: readonly string[];
}

export const poolQuery = defineQuery<PoolState>('pool');
/** Changes some limits; returns all. */
export const setLimitsUpdate = defineUpdate<PoolLimits, [Partial<PoolLimits>]>('setLimits');
/** Nothing is started or stopped until `resume`. */
export const pausePoolUpdate = defineUpdate<void>('pause');
export const resumePoolUpdate = defineUpdate<void>('resume');
/** All nodes go once their work is done, and none is started until `resume`. */
export const drainPoolUpdate = defineUpdate<void>('drain');
/** Settings of a new configuration: what it changes is taken over; limits set by hand stay otherwise. */
export const configurePoolUpdate = defineUpdate<void, [PoolSettings]>('configure');
