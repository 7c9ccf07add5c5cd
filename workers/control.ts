/** The control worker: workflows, and the activities that plan and close batches. */
import { createControlActivities } from '../activities/control.ts';
import { CONTROL_QUEUE } from '../domain/queues.ts';
import { codeFile, workflowBundle } from '../paths.ts';
import { openStore } from '../storage/open-store.ts';
import { VERSION } from '../version.ts';
import { openBlobs } from './blob-storage.ts';
import { live } from './lifecycle.ts';
import { installRuntime, runTemporalWorker } from './run-temporal-worker.ts';
import { registerSearchAttributes } from './search-attributes.ts';
import { connectClient, connectWorker } from './temporal.ts';

await live('control', async (life) => {
  const { config, log } = life;
  await installRuntime(life);
  const client = await connectClient(process.env);
  await registerSearchAttributes(client, client.options.namespace);
  await client.connection.close();

  const store = await openStore(config.sqlUrl);
  await store.migrate();
  const blobs = openBlobs(config);
  await blobs.prepare();
  const { connection, namespace } = await connectWorker(process.env);
  try {
    const bundle = workflowBundle();
    await runTemporalWorker(life, 'control', connection, namespace, {
      taskQueue: CONTROL_QUEUE,
      ...(bundle === undefined ? { workflowsPath: codeFile('workflows/index') } : { workflowBundle: { codePath: bundle } }),
      activities: {
        ...createControlActivities({
          store, blobs, codeVersion: VERSION, now: Date.now, warn: (message) => log.warn(message), ...(config.alerts ? { alerts: config.alerts } : {}),
        }),
      },
      // Children of a large batch come and go: more would only hold memory.
      maxCachedWorkflows: 1_000,
    });
  } finally {
    await connection.close();
    await store.close();
  }
});
