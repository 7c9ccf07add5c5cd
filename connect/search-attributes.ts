/** Registers the search attributes that workflows set: an unregistered one would block every batch. */
import type { Client } from '@temporalio/client';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { ATTRIBUTES } from '../workflows/attributes.ts';

/** @throws FleetscoreError `SEARCH_ATTRIBUTES` with the command that adds them by hand */
export async function registerSearchAttributes(client: Client, namespace: string): Promise<void> {
  const wanted = Object.values(ATTRIBUTES);
  const operator = client.connection.operatorService;
  try {
    const { customAttributes } = await operator.listSearchAttributes({ namespace });
    const missing = wanted.filter((key) => !(key.name in (customAttributes ?? {})));
    if (missing.length === 0) return;
    await operator.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((key) => [key.name, INDEXED_TYPE[key.type]])),
    });
  } catch (error) {
    const flags = wanted.map((key) => `--name ${key.name} --type ${CLI_TYPE[key.type]}`).join(' ');
    throw new FleetscoreError(
      'SEARCH_ATTRIBUTES',
      `the search attributes of fleetscore cannot be registered in namespace ${namespace} (${messageOf(error)}). ` +
        `Ask an operator of the namespace to run: temporal operator search-attribute create --namespace ${namespace} ${flags}`,
      { cause: error },
    );
  }
}

// temporal.api.enums.v1.IndexedValueType
const INDEXED_TYPE = { KEYWORD: 2, INT: 3, DATETIME: 6 } as const;
const CLI_TYPE = { KEYWORD: 'Keyword', INT: 'Int', DATETIME: 'Datetime' } as const;
