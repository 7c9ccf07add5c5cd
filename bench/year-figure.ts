/** One figure of `npm run bench -- --year`. */
export interface Figure {
  readonly what: string;
  readonly unit: 'ms' | 'bytes' | 'count';
  readonly value: number;
}
