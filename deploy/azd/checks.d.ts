/** What is looked at before a deployment. */
import type { HookContext } from './steps.js';

export function checkValues(context: HookContext): void;
export function checkNames(context: HookContext): Promise<void>;
export function checkCluster(context: HookContext): Promise<void>;
export function hasNoSize(
  sizes: readonly { readonly name?: string; readonly lowPriorityCapable?: boolean }[],
  kind: { readonly vmSize: string; readonly vmPriority: string },
): boolean;
export function hasNoQuota(
  usages: readonly {
    readonly name?: { readonly value?: string; readonly localizedValue?: string };
    readonly type?: string;
    readonly limit?: number;
  }[],
  kind: { readonly vmSize: string; readonly vmPriority: string },
): boolean;
