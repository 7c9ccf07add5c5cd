/** Registers the search attributes that workflows set: an unregistered one would block every batch. */
import type { Client } from '@temporalio/client';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { ATTRIBUTES } from '../workflows/attributes.ts';
import { clientTrouble, grpcErrorOf } from './temporal-trouble.ts';

const WANTED = Object.values(ATTRIBUTES);

/** Names of those that the namespace lacks. @throws what the client throws */
export async function missingSearchAttributes(client: Client, namespace: string): Promise<string[]> {
  const { customAttributes } = await client.connection.operatorService.listSearchAttributes({ namespace });
  return WANTED.map(({ name }) => name).filter((name) => !(name in (customAttributes ?? {})));
}

/** @throws FleetscoreError `SEARCH_ATTRIBUTES` with the command that adds them by hand, `NAMESPACE_MISSING` */
export async function registerSearchAttributes(client: Client, namespace: string): Promise<void> {
  try {
    const missing = new Set(await missingSearchAttributes(client, namespace));
    if (missing.size === 0) return;
    await client.connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(
        WANTED.filter(({ name }) => missing.has(name)).map((key) => [key.name, INDEXED_TYPE[key.type]]),
      ),
    });
  } catch (error) {
    const trouble = clientTrouble(error);
    if (trouble?.code === 'NAMESPACE_MISSING') throw trouble;
    throw new FleetscoreError(
      'SEARCH_ATTRIBUTES',
      `the search attributes of fleetscore cannot be registered in namespace ${namespace} ` +
        `(${grpcErrorOf(error)?.details ?? messageOf(error)}). ` +
        `Ask an operator of the namespace to run: ${attributesCommand(namespace)}`,
      // The cause is in the message: behind the command, where logs put it, it would be copied with it.
    );
  }
}

/**
 * The command that adds all of them by hand. Temporal Cloud, whose namespaces are NAME.ACCOUNT, manages them with its
 * own `tcld` (Temporal's documentation, "tcld namespace search-attributes add"); not tried against Temporal Cloud.
 */
export function attributesCommand(namespace: string): string {
  if (/^[^.]+\.[a-z0-9]+$/i.test(namespace))
    return (
      `tcld namespace search-attributes add --namespace ${namespace} ` +
      WANTED.map((key) => `--sa "${key.name}=${CLI_TYPE[key.type]}"`).join(' ')
    );
  return (
    `temporal operator search-attribute create --namespace ${namespace} ` +
    WANTED.map((key) => `--name ${key.name} --type ${CLI_TYPE[key.type]}`).join(' ')
  );
}

// temporal.api.enums.v1.IndexedValueType
const INDEXED_TYPE = { KEYWORD: 2, INT: 3, DATETIME: 6 } as const;
const CLI_TYPE = { KEYWORD: 'Keyword', INT: 'Int', DATETIME: 'Datetime' } as const;
