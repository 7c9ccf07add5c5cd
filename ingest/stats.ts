/** What an ingest worker has done since its start. */
export interface IngestStats {
  /** Partitions it reads now. */
  readonly partitions: readonly string[];
  /** Events received that were not in the windows yet. */
  readonly events: number;
  /** Events received that were in the windows already: redelivery after a restart or a move. */
  readonly redelivered: number;
  /** Readings put into windows. */
  readonly readings: number;
  readonly late: number;
  /** Late readings beyond the limit: in raw capture only. */
  readonly tooLate: number;
  /** Readings that the filter dropped. */
  readonly filtered: number;
  /** Readings and whole events that could not be taken. */
  readonly dead: number;
  /** Dead letters that Blob refused in any form. */
  readonly lettersLost: number;
  /** Places where events are missing: they expired before they were read. */
  readonly gaps: number;
  readonly commits: number;
  readonly conflicts: number;
  readonly retries: number;
  readonly capturedEvents: number;
  readonly captureFiles: number;
  /** Events received and not yet in a raw capture file. */
  readonly captureWaiting: number;
  /** Enqueued time of the newest event put into windows; epoch ms, -1 before the first. */
  readonly lastEnqueuedMs: number;
}

export type Totals = { -readonly [K in keyof Omit<IngestStats, 'partitions' | 'captureWaiting'>]: number };

export const newTotals = (): Totals => ({
  events: 0,
  redelivered: 0,
  readings: 0,
  late: 0,
  tooLate: 0,
  filtered: 0,
  dead: 0,
  lettersLost: 0,
  gaps: 0,
  commits: 0,
  conflicts: 0,
  retries: 0,
  capturedEvents: 0,
  captureFiles: 0,
  lastEnqueuedMs: -1,
});
