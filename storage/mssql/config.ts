/**
 * A connection string as the driver's configuration. TLS is on and certificates are checked unless the text
 * says otherwise; without a user and password the identity comes from Microsoft Entra. The text may hold a
 * password, so no message repeats it.
 */
import {
  ClientSecretCredential,
  DefaultAzureCredential,
  ManagedIdentityCredential,
  WorkloadIdentityCredential,
  type TokenCredential,
} from '@azure/identity';
import sql from 'mssql';
import { FleetscoreError } from '../../domain/errors.ts';
import { improveConnection } from './driver.ts';
import { defined } from '../../domain/defined.ts';

/** For the first bytes of an answer; `Connection Timeout` (s) and `Request Timeout` (ms) in the text change them. */
const CONNECT_TIMEOUT_MS = 20_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** Longest silence within an answer that has begun. */
const STALL_MS = 25_000;
/** Longest wait for a free connection of the pool, or a new one. */
const BORROW_TIMEOUT_MS = 45_000;
/**
 * As Microsoft's drivers for .NET and Java ask for; tedious has 4,096. Above 8,060 a server allocates memory in another
 * way (learn.microsoft.com, "Network packet size shouldn't exceed 8,060 bytes"). `Packet Size` in the text changes it.
 */
const PACKET_BYTES = 8000;
const POOL_SIZE = 10;
const POOL_IDLE_MS = 60_000;

/** @throws FleetscoreError `STORE_URL_INVALID` */
export function mssqlConfig(url: string): sql.config {
  const text = /^mssql:\/\//i.test(url) ? fromUrl(url) : url;
  const keys = keywords(text);
  let parsed: ReturnType<typeof sql.ConnectionPool.parseConnectionString>;
  try {
    parsed = sql.ConnectionPool.parseConnectionString(withoutAuthentication(text));
  } catch {
    throw invalid('is not a connection string that can be read');
  }
  if (!parsed.server) throw invalid('names no server');
  if (!parsed.database) throw invalid('names no database');
  const encrypt = keys.get('encrypt')?.toLowerCase();
  const requestTimeout = parsed.requestTimeout ?? REQUEST_TIMEOUT_MS;
  const login = authentication(keys, parsed.user, parsed.password);
  return {
    server: parsed.server,
    database: parsed.database,
    ...defined({ port: parsed.port }),
    ...login,
    connectionTimeout: parsed.connectionTimeout ?? CONNECT_TIMEOUT_MS,
    requestTimeout,
    // Looks at the socket before a connection is lent out; the retries catch what that does not see.
    validateConnection: 'socket',
    pool: {
      min: 0,
      max: POOL_SIZE,
      idleTimeoutMillis: POOL_IDLE_MS,
      acquireTimeoutMillis: BORROW_TIMEOUT_MS,
      createTimeoutMillis: BORROW_TIMEOUT_MS,
      ...parsed.pool,
    },
    beforeConnect: (connection) => improveConnection(connection, Math.min(requestTimeout, STALL_MS)),
    options: {
      packetSize: PACKET_BYTES,
      ...parsed.options,
      // `Strict` is TDS 8.0; the driver takes the word, its types do not say so.
      encrypt: (encrypt === 'strict' ? 'strict' : !isNo(encrypt)) as boolean,
      trustServerCertificate: parsed.options.trustServerCertificate ?? false,
      appName: 'fleetscore',
      useUTC: true,
      enableArithAbort: true,
      // Logins are tried again by `patiently` alone, which knows for how long.
      maxRetriesOnTransientErrors: 0,
    },
  };
}

function isNo(value: string | undefined): boolean {
  return value === 'false' || value === 'no' || value === 'optional';
}

function authentication(
  keys: ReadonlyMap<string, string>,
  user: string | undefined,
  password: string | undefined,
): Pick<sql.config, 'user' | 'password' | 'authentication'> {
  const asked = keys.get('authentication');
  if (asked === undefined || /^sql ?password$/i.test(asked)) {
    if (user && password !== undefined) return { user, password };
    if (asked === undefined && !user) return token(new DefaultAzureCredential());
    throw invalid('has a user without a password. Add Password=..., or Authentication=Active Directory Default');
  }
  const clientId = keys.get('user id') ?? keys.get('uid') ?? keys.get('user');
  switch (asked.toLowerCase().replace(/\s+/g, '')) {
    case 'activedirectorydefault':
    case 'activedirectoryintegrated':
      return token(new DefaultAzureCredential(clientId ? { managedIdentityClientId: clientId } : {}));
    case 'activedirectorymanagedidentity':
    case 'activedirectorymsi':
      return token(clientId ? new ManagedIdentityCredential({ clientId }) : new ManagedIdentityCredential());
    case 'activedirectoryworkloadidentity':
      return token(new WorkloadIdentityCredential(clientId ? { clientId } : {}));
    case 'activedirectoryserviceprincipal':
      return token(servicePrincipal(keys, clientId));
    default:
      throw invalid(
        `asks for Authentication=${asked}. Use Active Directory Default, Active Directory Managed Identity, ` +
          'Active Directory Workload Identity, Active Directory Service Principal or SqlPassword',
      );
  }
}

function servicePrincipal(keys: ReadonlyMap<string, string>, clientId: string | undefined): TokenCredential {
  const tenantId = keys.get('tenant id') ?? process.env.AZURE_TENANT_ID;
  const secret = keys.get('password') ?? keys.get('pwd');
  if (!clientId || !secret || !tenantId)
    throw invalid(
      'asks for a service principal: it needs User Id (client id), Password (its secret) and Tenant Id ' +
        'or AZURE_TENANT_ID',
    );
  return new ClientSecretCredential(tenantId, clientId, secret);
}

function token(credential: TokenCredential): Pick<sql.config, 'authentication'> {
  return { authentication: { type: 'token-credential', options: { credential } } };
}

/** Keywords of a connection string in lower case. Quoted values may hold semicolons. */
function keywords(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, key, quoted, single, plain] of text.matchAll(
    /\s*([^=;]+?)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^;]*))\s*(?:;|$)/g,
  ))
    found.set(key!.toLowerCase(), (quoted ?? single ?? plain ?? '').trim());
  return found;
}

// The driver's parser takes only some of the names that SQL Server's own drivers do; we read it ourselves.
function withoutAuthentication(text: string): string {
  return text
    .replace(/(^|;)\s*(authentication|encrypt|tenant id)\s*=\s*(?:"[^"]*"|'[^']*'|[^;]*)/gi, '$1')
    .replace(/;{2,}/g, ';');
}

/** `mssql://user:password@host:port/database?Encrypt=true` as keywords. */
function fromUrl(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw invalid('starts with mssql:// and is not a URL');
  }
  const quote = (value: string): string => `"${value.replaceAll('"', '""')}"`;
  const parts = [`Server=${decoded(parsed.hostname)}${parsed.port ? `,${parsed.port}` : ''}`];
  const database = decoded(parsed.pathname.slice(1));
  if (database) parts.push(`Database=${quote(database)}`);
  if (parsed.username) parts.push(`User Id=${quote(decoded(parsed.username))}`);
  if (parsed.password) parts.push(`Password=${quote(decoded(parsed.password))}`);
  // These are decoded already.
  for (const [key, value] of parsed.searchParams) parts.push(`${key}=${quote(value)}`);
  return parts.join(';');
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid('starts with mssql:// and has a % that is no code of a character: write it %25');
  }
}

function invalid(problem: string): FleetscoreError {
  return new FleetscoreError(
    'STORE_URL_INVALID',
    `The SQL Server connection string ${problem}. For example: ` +
      'Server=NAME.database.windows.net;Database=fleetscore;Authentication=Active Directory Default',
  );
}
