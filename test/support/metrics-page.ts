/** A page of metrics as Prometheus reads it, and what an expression of Prometheus asks of one. */
import { expect } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { targetsFile } from '../../local/prometheus-targets.ts';

export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export const seriesOf = (page: string): Series[] =>
  page.split('\n').flatMap((line) => {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    return match
      ? [
          {
            name: match[1]!,
            labels: Object.fromEntries(
              [...(match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [m[1]!, m[2]!]),
            ),
            value: Number(match[3]),
          },
        ]
      : [];
  });

export const valueOf = (
  all: readonly Series[],
  name: string,
  labels: Record<string, string> = {},
): number | undefined =>
  all.find(
    (series) =>
      series.name === name && Object.entries(labels).every(([label, value]) => series.labels[label] === value),
  )?.value;

/** Metrics, with the labels that the expression selects by or groups by. */
export function asked(expression: string): { readonly metrics: string[]; readonly labels: string[] } {
  const bare = expression.replaceAll(/"[^"]*"/g, '""');
  const labels = [...bare.matchAll(/\b(?:by|on|group_left)\s*\(([^)]*)\)/g)]
    .flatMap((m) => m[1]!.split(',').map((label) => label.trim()))
    .concat(
      [...bare.matchAll(/\{([^}]*)\}/g)].flatMap((m) =>
        m[1]!.split(',').map((part) => /^\s*(\w+)/.exec(part)?.[1] ?? ''),
      ),
    );
  return {
    metrics: [...bare.matchAll(/\b((?:fleetscore|process|temporal)_\w+)/g)].map((m) => m[1]!),
    labels: labels.filter((label) => !['', 'instance', 'job', 'source'].includes(label)),
  };
}

/** The pages of all workers of a laptop stack, as Prometheus gets them. */
export async function pagesOf(home: string, workers: readonly string[]): Promise<string[]> {
  const found = JSON.parse(readFileSync(targetsFile(home), 'utf8')) as {
    readonly targets: readonly string[];
    readonly labels: { readonly worker: string };
  }[];
  expect(found.map(({ labels }) => labels.worker).sort()).toEqual(workers);
  return Promise.all(found.map(async ({ targets: [address] }) => (await fetch(`http://${address}/metrics`)).text()));
}
