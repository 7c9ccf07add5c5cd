/** The door of the room: collect a batch, then show it as text, as a page or as a site. */
export type { BatchData, InjectedFault } from './collect/batch-data.ts';
export { collectBatchData } from './collect/collect.ts';
export { formatCount, formatMs, formatNumberOf, formatPeriod } from './format.ts';
export { renderReport } from './page/html.ts';
export { publishSite, type Published } from './site/publish.ts';
export { blobTarget, folderTarget } from './site/target.ts';
export { terminalOptions } from './table.ts';
export { renderBatch } from './terminal.ts';
