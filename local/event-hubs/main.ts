/**
 * The Event Hubs emulator as a process. One JSON line on stdout says that it is ready and where; everything else
 * goes to stderr. SIGTERM and SIGINT end it cleanly; a problem at the start ends it with exit code 1.
 */
import { createServer, type Server } from 'node:http';
import { parseArgs } from 'node:util';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { isLoopbackHost } from '../../domain/loopback.ts';
import { outliveLog } from '../full-log.ts';
import { EVENT_HUBS_KEY } from '../keys.ts';
import { readConfigFile, type HubConfig } from './config.ts';
import { DEFAULT_HUB } from './default-hub.ts';
import { startEventHubsEmulator } from './emulator.ts';
import { HOUR_MS } from '../../domain/time.ts';
import { defined } from '../../domain/defined.ts';

const FLAGS = {
  port: { type: 'string', default: '5672' },
  data: { type: 'string' },
  config: { type: 'string' },
  hub: { type: 'string' },
  partitions: { type: 'string' },
  // A second hub, of one partition.
  alarms: { type: 'string' },
  'retention-hours': { type: 'string' },
  'health-port': { type: 'string' },
} as const;

const log = (line: string): void => void process.stderr.write(`event-hubs: ${line}\n`);

async function main(): Promise<void> {
  const { values } = parseArgs({ options: FLAGS });
  const hubs = hubsFrom(values);
  const retentionHours = numberFlag('retention-hours', values['retention-hours']);
  const key = process.env[EVENT_HUBS_KEY] || undefined;
  const emulator = await startEventHubsEmulator({
    hubs,
    log,
    // The stack has a key of its own; alone it is the one of the official emulator.
    ...(key === undefined ? {} : { keys: { RootManageSharedAccessKey: key } }),
    port: numberFlag('port', values.port) ?? 0,
    ...defined({ dataDir: values.data }),
    ...(retentionHours === undefined ? {} : { retentionMs: retentionHours * HOUR_MS }),
  });
  let health: Server | undefined;
  const stop = async (): Promise<void> => {
    health?.close();
    health?.closeAllConnections();
    await emulator.stop();
    process.exit(0);
  };
  process.once('SIGTERM', () => void stop());
  process.once('SIGINT', () => void stop());
  // Under a supervisor: told when ready, and never outlives it.
  process.once('disconnect', () => void stop());
  try {
    const healthPort = numberFlag('health-port', values['health-port']);
    if (healthPort !== undefined) health = await serveHealth(healthPort);
  } catch (error) {
    await emulator.stop();
    throw error;
  }
  const hub = hubs.length === 1 ? hubs[0]?.name : undefined;
  process.stdout.write(
    `${JSON.stringify({ ready: true, port: emulator.port, connectionString: emulator.connectionString(hub) })}\n`,
  );
  process.send?.({ ready: true });
}

function hubsFrom(flags: {
  config?: string;
  hub?: string;
  partitions?: string;
  alarms?: string;
}): readonly HubConfig[] {
  if (flags.config !== undefined) {
    if (flags.hub === undefined && flags.partitions === undefined) return readConfigFile(flags.config);
    throw new FleetscoreError('INVALID_FLAG', 'Use either --config or --hub and --partitions, not both.');
  }
  return [
    {
      ...DEFAULT_HUB,
      name: flags.hub ?? DEFAULT_HUB.name,
      partitions: numberFlag('partitions', flags.partitions) ?? DEFAULT_HUB.partitions,
    },
    ...(flags.alarms === undefined || flags.alarms === flags.hub
      ? []
      : [{ ...DEFAULT_HUB, name: flags.alarms, partitions: 1 }]),
  ];
}

function numberFlag(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new FleetscoreError('INVALID_FLAG', `--${name} ${JSON.stringify(text)} is not a whole number from 0 to 65535.`);
}

/** The health endpoint of the official emulator. */
function serveHealth(port: number): Promise<Server> {
  const server = createServer((request, response) => {
    const known = request.url === '/health' && isLoopbackHost(request.headers.host);
    response.setHeader('content-type', 'application/json');
    response.statusCode = known ? 200 : 404;
    response.end(known ? '{"status":"healthy","message":"Service is healthy."}' : '{}');
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new FleetscoreError(
          'PORT_IN_USE',
          `The health port ${port} cannot be used: ${error.message}. Choose another.`,
          { cause: error },
        ),
      );
    });
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

outliveLog();
try {
  await main();
} catch (error) {
  log(messageOf(error));
  process.exitCode = 1;
}
