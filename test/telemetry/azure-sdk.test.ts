/** What spans of the Azure SDK say about an address: the host and the container, never a blob. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { addressed } from '../../telemetry/azure-sdk.ts';

test.each([
  [
    'https://st.blob.core.windows.net/logs/errors/day/plant-1.s2.json?timeout=REDACTED',
    'https://st.blob.core.windows.net/logs',
    'st.blob.core.windows.net',
  ],
  [
    'https://management.azure.com/subscriptions/s/resourceGroups/rg',
    'https://management.azure.com/subscriptions',
    'management.azure.com',
  ],
  ['http://127.0.0.1:10000/account/models/a.onnx', 'http://127.0.0.1:10000/account', '127.0.0.1:10000'],
  ['https://kv.vault.azure.net', 'https://kv.vault.azure.net', 'kv.vault.azure.net'],
])('%s is told as %s', (url, address, host) => {
  expect(addressed({ 'http.url': url, 'http.method': 'GET' })).toEqual({
    'http.url': address,
    'http.method': 'GET',
    'peer.service': host,
  });
});

test('other attributes stay as they are', () => {
  expect(addressed({ 'az.namespace': 'Microsoft.Storage' })).toEqual({ 'az.namespace': 'Microsoft.Storage' });
});

test('the workbook asks for what arrives: a gauge has a sum and a count, no maximum', () => {
  const workbook = readFileSync(
    fileURLToPath(new URL('../../deploy/monitoring/azure-workbook.json', import.meta.url)),
    'utf8',
  );
  expect(workbook).not.toMatch(/value(Max|Min)\b/);
  expect(workbook).toContain('max(valueSum / valueCount)');
});
