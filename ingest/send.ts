/** Door of the sending side: readings or files to an event hub, and waiting until they are in the windows. */
export { sourceName } from './event.ts';
export type { CsvFormat } from './csv/read.ts';
export { readFiles, sendFiles, type BadRow, type FileCounts, type NamedInput } from './send-files.ts';
export { sendReadings, type SendResult } from './send-readings.ts';
export { watchReadings, type ReadingFacts } from './tell-readings.ts';
export { waitIngested } from './wait-ingested.ts';
