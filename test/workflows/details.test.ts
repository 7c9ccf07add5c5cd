import { appPage } from '../../domain/app-page.ts';
import { NO_OUTCOMES } from '../../domain/outcome.ts';
import { batchDetails } from '../../workflows/details.ts';

test('the page of a batch in Temporal leads back to its page in the web application, where that has an address', () => {
  const progress = {
    batchId: 'b/1',
    fromMs: 0,
    toMs: 900_000,
    phase: 'scoring' as const,
    planned: 1,
    children: 1,
    childrenDone: 0,
    counts: NO_OUTCOMES,
    failures: [],
  };
  const page = appPage('https://plant.example/', 'batches', progress.batchId);
  expect(page).toBe('https://plant.example/batches/b%2F1');
  expect(batchDetails({ ...progress, page })).toMatch(
    /\n\[Its page in fleetscore\]\(https:\/\/plant\.example\/batches\/b%2F1\)\n$/,
  );
  expect(batchDetails(progress)).not.toContain('fleetscore]');
});
