/**
 * The Blob server as a process of the laptop stack. Blobs that an azurite kept in `--azurite` are taken over once,
 * at the first start. SIGTERM ends it cleanly, and it never outlives its supervisor.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../domain/errors.ts';
import { importAzurite } from './azurite-import.ts';
import { outliveLog } from '../full-log.ts';
import { BLOB_KEY } from '../keys.ts';
import { EMULATOR_ACCOUNT, startBlobServer } from './server.ts';

const log = (line: string): void => void process.stderr.write(`blob: ${line}\n`);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { port: { type: 'string' }, data: { type: 'string' }, azurite: { type: 'string' } },
  });
  const dir = values.data ?? join(process.cwd(), 'blobs');
  if (values.azurite !== undefined) await importAzurite(values.azurite, dir, log);
  const key = process.env[BLOB_KEY];
  const server = await startBlobServer({
    dir,
    port: Number(values.port ?? 0),
    log,
    ...(key ? { account: { ...EMULATOR_ACCOUNT, key } } : {}),
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    process.exit(0);
  };
  process.once('SIGTERM', () => void stop());
  process.once('SIGINT', () => void stop());
  process.once('disconnect', () => void stop());
  process.stdout.write(`${JSON.stringify({ ready: true, port: server.port })}\n`);
  process.send?.({ ready: true });
}

outliveLog();
try {
  await main();
} catch (error) {
  log(messageOf(error));
  process.send?.({ error: messageOf(error) });
  process.exitCode = 1;
  process.disconnect?.();
}
