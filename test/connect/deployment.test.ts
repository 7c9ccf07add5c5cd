/** Which version of the control worker becomes current, and whose batches it takes over. */
import { expect, test } from '@jest/globals';
import { decideDeployment, GONE_AFTER_MS, type VersionState } from '../../connect/deployment/policy.ts';

const version = (buildId: string, createdAtMs: number, workers = 1, activated = true): VersionState => ({
  buildId,
  createdAtMs,
  workers,
  activated,
});
const long = (): number => GONE_AFTER_MS;
const short = (): number => GONE_AFTER_MS - 1;
const NOTHING = { takeOver: [] };

test('the first version becomes current, and stays so', () => {
  expect(decideDeployment({ versions: [] }, 'a', long)).toEqual(NOTHING);
  expect(decideDeployment({ versions: [version('a', 1, 1, false)] }, 'a', long).promote).toMatch(
    /no version was current/,
  );
  expect(decideDeployment({ current: 'a', versions: [version('a', 1)] }, 'a', long)).toEqual(NOTHING);
});

test('a new version becomes current by itself once; after a rollback it waits', () => {
  const old = version('a', 1);
  expect(decideDeployment({ current: 'a', versions: [old, version('b', 2, 1, false)] }, 'b', short).promote).toMatch(
    /newer than a/,
  );
  expect(decideDeployment({ current: 'a', versions: [old, version('b', 2)] }, 'b', long)).toEqual(NOTHING);
  expect(decideDeployment({ current: 'b', versions: [old, version('b', 2)] }, 'a', long)).toEqual(NOTHING);
});

test('when the current version is gone for long, the newest that runs becomes current', () => {
  const versions = [version('a', 1), version('b', 2), version('c', 3, 0)];
  expect(decideDeployment({ current: 'c', versions }, 'b', short)).toEqual(NOTHING);
  expect(decideDeployment({ current: 'c', versions }, 'b', long).promote).toMatch(/c has no worker any more/);
  expect(decideDeployment({ current: 'c', versions }, 'a', long)).toEqual(NOTHING);
});

test(
  'the current version takes over from older ones that are gone, never from newer ones or from ' +
    'those with a worker',
  () => {
    const versions = [version('a', 1, 0), version('b', 2, 1), version('c', 3), version('d', 4, 0)];
    expect(decideDeployment({ current: 'c', versions }, 'c', long)).toEqual({ takeOver: ['a'] });
    expect(decideDeployment({ current: 'c', versions }, 'c', short)).toEqual(NOTHING);
    expect(decideDeployment({ current: 'c', versions }, 'b', long)).toEqual(NOTHING);
  },
);
