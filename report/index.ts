/** The door of the room: collect a batch, then show it as text, as a page or as a site. */
export type { BatchData, InjectedFault, PredictionSeries, ReportBatch, ReportSensor } from './collect/batch-data.ts';
export { collectBatchData, type CollectRequest } from './collect/collect.ts';
export { matchFaults, type FaultMatch, type MatchedFault } from './collect/faults.ts';
export { formatCount, formatMs, formatNumberOf, formatPeriod, formatShare, formatTime } from './format.ts';
export { renderReport } from './page/html.ts';
export { publishSite, type Published, type SiteOptions, type SiteSource } from './site/publish.ts';
export { blobTarget, folderTarget, type SiteTarget } from './site/target.ts';
export { renderTable, terminalOptions, type Column, type TerminalOptions } from './table.ts';
export { renderBatch, type BatchTextOptions } from './terminal.ts';
