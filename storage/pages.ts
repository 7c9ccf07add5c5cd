/**
 * Long lists of the store, page by page: where the next page begins is written here, once. A list ends with an empty
 * page.
 */
import type { OutcomeStatus } from '../domain/outcome.ts';
import type { BatchFile, OutcomeRow, Store } from './store.ts';

/** Outcomes of a batch by sensor id, ascending. @param limit rows of a page */
export async function* outcomePages(
  store: Pick<Store, 'listOutcomes'>,
  batchId: string,
  limit: number,
  query: { readonly status?: OutcomeStatus } = {},
): AsyncGenerator<readonly OutcomeRow[], undefined> {
  for (let after = -1; ;) {
    const page = await store.listOutcomes(batchId, { ...query, after, limit });
    const last = page.at(-1);
    if (!last) return undefined;
    yield page;
    after = last.sensorId;
  }
}

/** Files of a batch by chunk, ascending. @param limit rows of a page */
export async function* filePages(
  store: Pick<Store, 'listFiles'>,
  batchId: string,
  limit: number,
): AsyncGenerator<readonly BatchFile[], undefined> {
  let page = await store.listFiles(batchId, { limit });
  for (let last = page.at(-1); last; last = page.at(-1)) {
    yield page;
    page = await store.listFiles(batchId, { after: last.chunk, limit });
  }
  return undefined;
}
