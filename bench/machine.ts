/** What the figures were taken on. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { execFileSync } from 'node:child_process';
import { packageFile } from '../paths.ts';
import { VERSION } from '../version.ts';

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGiB: number;
  readonly system: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** @param temporal path of the `temporal` program */
export function describeMachine(temporal: string): Machine {
  const { dependencies } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const own = ['@temporalio/worker', 'onnxruntime-node', '@azure/storage-blob'].map(
    (name) => [name, dependencies[name] ?? '?'] as const,
  );
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    versions: {
      fleetscore: VERSION,
      node: process.version,
      sqlite: process.versions.sqlite ?? '?',
      ...Object.fromEntries(own),
      temporal: execFileSync(temporal, ['--version'], { encoding: 'utf8' })
        .trim()
        .replace(/^temporal version /, ''),
    },
  };
}

/** Load average of the last minute. */
export const load = (): number => Number(loadavg()[0]!.toFixed(2));
