/** Where clients find the parts of a laptop stack: the variables of its workers and of commands. Pure. */
import { resolve } from 'node:path';
import type { Config, Env } from '../config.ts';
import { emulatorConnection } from './blob-server/server.ts';
import type { StackKeys } from './keys.ts';
import type { Ports } from './servers.ts';

export function partVariables(config: Config, ports: Ports, keys: StackKeys, env: Env): Record<string, string> {
  return {
    FLEETSCORE_HOME: config.home,
    FLEETSCORE_SQL_URL: config.sqlUrl,
    FLEETSCORE_PRUNE_BLOBS: env.FLEETSCORE_PRUNE_BLOBS || 'on',
    FLEETSCORE_BLOB_CONNECTION_STRING: emulatorConnection(ports.blob, keys.blob),
    FLEETSCORE_EVENT_HUBS_CONNECTION_STRING: emulatorHubs(ports.eventHubs, keys.eventHubs),
    // Commands ask for the pools that this stack has.
    ...(config.pool.poolsFile === undefined ? {} : { FLEETSCORE_POOLS_FILE: resolve(config.pool.poolsFile) }),
    // And read raw events as its ingest worker does.
    ...mappingVariables(config),
  };
}

/** As Microsoft's emulator has it. */
const emulatorHubs = (port: number, key: string): string =>
  `Endpoint=sb://localhost:${port};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=${key};` +
  'UseDevelopmentEmulator=true;';

function mappingVariables({ ingest: { mapping, defaultDevice } }: Config): Record<string, string> {
  return {
    ...(mapping.text === 'default' ? {} : { FLEETSCORE_MAPPING: mapping.text }),
    ...(defaultDevice === undefined ? {} : { FLEETSCORE_DEFAULT_DEVICE: defaultDevice }),
  };
}
