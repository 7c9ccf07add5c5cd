/** A page of metrics as Prometheus reads it, and what an expression of Prometheus asks of one. */
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
