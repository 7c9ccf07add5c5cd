/** Door of the sending side: readings or a CSV file to an event hub, and waiting until they are in the windows. */
export { createProducer, hubNameOf } from './connect.ts';
export { sourceName } from './event.ts';
export { readCsv, sendCsv, type BadRow, type NamedInput, type SendCsvOptions, type SendCsvResult } from './send-csv.ts';
export { sendReadings, type SendOptions, type SendProgress, type SendResult } from './send-readings.ts';
export { waitIngested, type WaitOptions } from './wait-ingested.ts';
