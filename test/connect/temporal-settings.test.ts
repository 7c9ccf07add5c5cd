/** A temporal.toml without a profile is no settings: @temporalio/envconfig 1.24.0 throws a TypeError for one. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openContext } from '../../cli/frame/context.ts';
import { temporalTarget } from '../../connect/temporal.ts';
import { profileFileOf } from '../../connect/temporal-settings.ts';
import { tempDir } from '../support/temp.ts';

const file = join(tempDir('temporal-settings'), 'temporal.toml');
const env = { TEMPORAL_CONFIG_FILE: file, TEMPORAL_ADDRESS: 'temporal.example:7233' };

test.each([
  ['empty', ''],
  ['comments only', '# [profile.default]\n# address = "other.example:7233"\n'],
])('%s: the environment alone counts', (_, text) => {
  writeFileSync(file, text);
  expect(profileFileOf(env)).toBeUndefined();
  expect(temporalTarget(env)).toMatchObject({ address: 'temporal.example:7233' });
});

test.each([
  ['a table', '[profile.default]\nnamespace = "plant"\n'],
  ['a quoted table', '["profile"."default"]\nnamespace = "plant"\n'],
  ['a dotted key', 'profile.default.namespace = "plant"\n'],
])('%s: its profile counts', (_, text) => {
  writeFileSync(file, text);
  expect(profileFileOf(env)).toBe(file);
  expect(temporalTarget(env)).toMatchObject({ namespace: 'plant' });
});

test('links to the Web UI name the namespace, and there are none where its address is not known', () => {
  const named = { ...env, FLEETSCORE_HOME: tempDir('ui-links'), TEMPORAL_NAMESPACE: 'plant' };
  const { uiLink } = openContext({}, { ...named, TEMPORAL_UI_URL: 'https://ui.example' });
  expect(uiLink()).toBe('https://ui.example/namespaces/plant/workflows');
  expect(uiLink('batch/1', 'run')).toBe('https://ui.example/namespaces/plant/workflows/batch%2F1/run/timeline');
  expect(openContext({}, named).uiLink()).toBeUndefined();
});
