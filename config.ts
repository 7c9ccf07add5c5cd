/**
 * Configuration: environment variables (config/table.ts), checked once at start. The connection to Temporal is not
 * here: it comes from the standard TEMPORAL_* variables and temporal.toml profiles. Below the environment lie the
 * addresses of a running laptop stack, so commands find it without any setting.
 */
import { join, resolve } from 'node:path';
import { FOREIGN } from './config/foreign.ts';
import { TABLE } from './config/table.ts';
import { valuesOf, variablesOf, type Values, type Variable } from './config/variable.ts';
import { defined } from './domain/defined.ts';
import { FleetscoreError } from './domain/errors.ts';
import { keepSecrets, secretPartsOf } from './domain/redact.ts';
import { hopProblem } from './domain/windowing.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** All variables, in the order of the reference. */
export const VARIABLES: readonly Variable[] = variablesOf(TABLE);

export type Config = ReturnType<typeof arrange>;

/** @throws FleetscoreError `INVALID_CONFIG` that lists every wrong variable, what it got and what it takes */
export function loadConfig(env: Env = process.env): Config {
  keepSecrets(secretsOf(env));
  const known = new Set(VARIABLES.map((variable) => variable.name));
  const problems = Object.keys(env)
    .filter((name) => name.startsWith('FLEETSCORE_') && !known.has(name) && !OTHER.has(name))
    .map((name) => `${name} is not a variable of fleetscore`);
  const wrong = (variable: Variable, takes: string): void => {
    problems.push(describe(variable, env[variable.name], takes));
  };
  const values = valuesOf(TABLE, env, wrong);
  if (problems.length === 0) crossCheck(values, wrong);
  if (problems.length > 0)
    throw new FleetscoreError('INVALID_CONFIG', `wrong configuration:\n${problems.map((p) => `  ${p}`).join('\n')}`);
  return arrange(values);
}

/** What one variable alone cannot know. */
function crossCheck(
  { ingest, eventHubs, mail }: Values<typeof TABLE>,
  wrong: (variable: Variable, takes: string) => void,
): void {
  const entity = entityPathOf(eventHubs.connectionString);
  if (entity !== undefined && eventHubs.hub !== undefined && entity !== eventHubs.hub)
    wrong(
      TABLE.eventHubs.hub,
      `takes ${JSON.stringify(entity)}, the EntityPath of FLEETSCORE_EVENT_HUBS_CONNECTION_STRING. ` +
        'Leave it out, or take the connection string of the namespace',
    );
  const { minValue, maxValue } = ingest.filter;
  if (minValue !== undefined && maxValue !== undefined && minValue > maxValue)
    wrong(TABLE.ingest.filter.minValue, `takes at most FLEETSCORE_FILTER_MAX_VALUE, which is ${maxValue}`);
  if (mail.url !== undefined && mail.from === undefined)
    wrong(TABLE.mail.from, 'takes the address that mails about alarms come from: FLEETSCORE_SMTP_URL is set');
  const { fields, mapping } = ingest;
  if (mapping.text !== 'default')
    for (const key of ['ts', 'device', 'sensor', 'value', 'quality'] as const) {
      const variable = TABLE.ingest.fields[key];
      if (fields[key].join(',') !== variable.preset)
        wrong(variable, 'takes nothing beside FLEETSCORE_MAPPING: the mapping says where the fields are');
    }
  const hop = hopProblem({ windowMs: ingest.windowMs, hopMs: ingest.hopMs ?? ingest.windowMs });
  if (hop) wrong(TABLE.ingest.hopMs, hop);
}

/** The configuration as the code uses it: paths are absolute, and what belongs together is one value or none. */
function arrange(values: Values<typeof TABLE>) {
  const home = resolve(values.home);
  const { ingest, scoring, pool, worker, alerts, mail, metricsPort, payloadKeys, codecToken, keep } = values;
  const { workspaceId } = pool.aml;
  return {
    ...values,
    /** Absolute. */
    home,
    toolsDir: resolve(values.toolsDir ?? join(home, 'tools')),
    sqlUrl: values.sqlUrl ?? `sqlite:${join(home, 'data', 'fleet.db')}`,
    blob: blobOf(values.blob),
    eventHubs: {
      connection: eventHubsOf(values.eventHubs),
      hub: values.eventHubs.hub ?? entityPathOf(values.eventHubs.connectionString) ?? DEFAULT_HUB,
      consumerGroup: values.eventHubs.consumerGroup,
      onNewHub: values.eventHubs.onNewHub,
    },
    ingest: {
      ...ingest,
      hopMs: ingest.hopMs ?? ingest.windowMs,
      filter: defined(ingest.filter),
      mapping: ingest.mapping.kind === 'file' ? { kind: 'file', text: resolve(ingest.mapping.text) } : ingest.mapping,
    },
    scoring: { ...scoring, cacheDir: scoring.cacheDir ?? join(home, 'cache', 'models') },
    pool: { ...pool, aml: workspaceId === undefined ? undefined : { ...pool.aml, workspaceId } },
    worker,
    keep: defined(keep),
    alerts:
      alerts.url === undefined
        ? undefined
        : {
            url: alerts.url,
            ...defined({ secret: alerts.secret, anomalyRate: alerts.anomalyRate, skippedRate: alerts.skippedRate }),
          },
    mail: mail.url === undefined || mail.from === undefined ? undefined : { url: mail.url, from: mail.from },
    metricsPort,
    payloadKeys,
    codecToken,
  };
}

function blobOf({
  connectionString,
  accountUrl,
}: Values<typeof TABLE>['blob']): { readonly connectionString: string } | { readonly accountUrl: string } | undefined {
  if (connectionString !== undefined) return { connectionString };
  return accountUrl === undefined ? undefined : { accountUrl };
}

const DEFAULT_HUB = 'readings';

/** The hub that a connection string copied from a hub's own policy names. */
const entityPathOf = (connectionString: string | undefined): string | undefined =>
  /(?:^|;)\s*EntityPath\s*=\s*([^;]+)/i.exec(connectionString ?? '')?.[1]?.trim();

function eventHubsOf({
  connectionString,
  namespace,
}: Values<typeof TABLE>['eventHubs']):
  | { readonly connectionString: string }
  | { readonly namespace: string }
  | undefined {
  if (connectionString !== undefined) return { connectionString };
  return namespace === undefined ? undefined : { namespace };
}

/** Read elsewhere: by tests. */
const OTHER: ReadonlySet<string> = new Set(['FLEETSCORE_TEST_SQL_URL']);

/** Names of all variables whose values are secrets: ours, and those of others that we know. */
export const SECRET_VARIABLES: ReadonlySet<string> = new Set(
  [...VARIABLES, ...FOREIGN].filter((variable) => variable.secret).map((variable) => variable.name),
);

const KNOWN: ReadonlySet<string> = new Set([...VARIABLES, ...FOREIGN].map((variable) => variable.name));

/**
 * Names of the variables that nodes of a pool on other machines get. None is a secret: definitions of jobs can be read.
 */
export const HANDED_ON: readonly string[] = [...FOREIGN, ...VARIABLES]
  .filter((variable) => variable.handOn)
  .map((variable) => variable.name);

/** Names that others give to variables with secrets: AZURE_PASSWORD, GITHUB_TOKEN, TEMPORAL_GRPC_META_AUTHORIZATION. */
const SECRET_NAME =
  /CONNECTION_?STRING|PASSWORD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|AUTHORIZATION|CREDENTIAL|KEY_DATA|_HEADERS|_KEYS?$/i;

/** Whether a variable's value is a secret: by the table, or by its name where it is not ours. */
export const isSecret = (name: string): boolean =>
  SECRET_VARIABLES.has(name) || (SECRET_NAME.test(name) && !KNOWN.has(name));

/** What nobody may see of the variables: whole values, or the passwords and keys in them. */
export const secretsOf = (env: Env): string[] =>
  Object.entries(env).flatMap(([name, value]) => (value && isSecret(name) ? secretPartsOf(value) : []));

function describe(variable: Variable, value: string | undefined, message: string): string {
  const shown = variable.secret ? 'set' : JSON.stringify(value);
  return `${variable.name} is ${shown}: it ${message.startsWith('takes') ? message : `is wrong (${message})`}`;
}

/** @throws FleetscoreError `NOT_CONFIGURED` that names the variables and the command that start a local one */
export function need<T>(value: T | undefined, what: string, names: string): T {
  if (value !== undefined) return value;
  throw new FleetscoreError(
    'NOT_CONFIGURED',
    `${what} is not configured and no laptop stack runs here. Start one with \`fleetscore up\`, or set ${names}.`,
  );
}

/** @throws FleetscoreError `NOT_CONFIGURED` */
export const blobConfig = (config: Pick<Config, 'blob'>): NonNullable<Config['blob']> =>
  need(config.blob, 'Blob storage', 'FLEETSCORE_BLOB_URL or FLEETSCORE_BLOB_CONNECTION_STRING');

/** @throws FleetscoreError `NOT_CONFIGURED` */
export const eventHubsConnection = (
  config: Pick<Config, 'eventHubs'>,
): NonNullable<Config['eventHubs']['connection']> =>
  need(
    config.eventHubs.connection,
    'Event Hubs',
    'FLEETSCORE_EVENT_HUBS_NAMESPACE or FLEETSCORE_EVENT_HUBS_CONNECTION_STRING',
  );
