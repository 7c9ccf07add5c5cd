/** Runs bench/empty-workflows.ts, with the settings of a control worker; says when it is ready, ends on SIGTERM. */
import { fileURLToPath } from 'node:url';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { connectWorker } from '../connect/temporal.ts';

// Its terminal is that of the benchmark.
Runtime.install({ logger: new DefaultLogger('ERROR') });
const { connection, namespace } = await connectWorker(process.env);
const worker = await Worker.create({
  connection,
  namespace,
  taskQueue: 'bench-empty',
  workflowsPath: fileURLToPath(new URL('./empty-workflows.ts', import.meta.url)),
  activities: { doNothing: async () => {} },
  maxCachedWorkflows: 1_000,
});
process.on('disconnect', () => worker.shutdown());
const running = worker.run();
process.send?.({ ready: true });
await running;
await connection.close();
