/** The rehearsal, and what it finds: azd's way of filling in parameters is where a PEM file breaks a deployment. */
import { spawnSync } from 'node:child_process';
import { fillParameters } from '../../deploy/check/parameters.js';
import { costTable, ESTIMATE, monthly } from '../../deploy/cost.js';
import { matches, read, root } from './support.ts';

const PARAMETERS = read('deploy/bicep/main.parameters.json');
const given = { AZURE_ENV_NAME: 'fleet', AZURE_LOCATION: 'westeurope', TEMPORAL_ADDRESS: 'a:7233' };

test('all that can be tried here is right, and one line says what was not run', () => {
  const { status, stdout } = spawnSync(process.execPath, ['deploy/rehearse.js'], { cwd: root, encoding: 'utf8' });
  expect(stdout).not.toContain('WRONG');
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(
    /^rehearsal: \d+ steps ok, 0 wrong, \d+ not run( \(.+\))?; nothing of it is live Azure$/,
  );
  expect(stdout).toContain('ok       base images, ARGs expanded once');
  expect(stdout).toContain('ok       parameters as azd fills them in');
  expect(status).toBe(0);
});

test.each([
  ['deploy/rehearse.js', ['--imgae']],
  ['deploy/smoke.js', ['--sampel']],
  ['deploy/cost.js', ['--prices', 'mine.json']],
])('%s says what it takes, and does nothing where a flag is wrong', (script, wrong) => {
  const run = (...args: readonly string[]) =>
    spawnSync(process.execPath, [script, ...args], { cwd: root, encoding: 'utf8' });
  expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^usage: .+\n$/), stderr: '' });
  const { status, stdout, stderr } = run(...wrong);
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(new RegExp(`^Unknown option '${wrong[0]}'\\nusage: `));
});

test('values reach the template as they are, with defaults where there are none', () => {
  const key = Buffer.from('-----BEGIN KEY-----\n"x"\n').toString('base64');
  const filled = fillParameters(PARAMETERS, {
    ...given,
    DEPLOY_TEMPORAL_KEY_BASE64: key,
    DEPLOY_PROFILE: 'production',
  });
  expect(filled).toMatchObject({
    environmentName: 'fleet',
    profile: 'production',
    temporalClientKeyBase64: key,
    temporalAuth: 'apiKey',
    workersImage: '',
    makeCluster: 'yes',
  });
});

test('a value that is not one line, and a variable without value, are told by the name of the parameter', () => {
  const pem = '-----BEGIN KEY-----\nabc\n';
  expect(() => fillParameters(PARAMETERS, { ...given, DEPLOY_TEMPORAL_KEY_BASE64: pem })).toThrow(
    /temporalClientKeyBase64.*breaks the JSON/,
  );
  expect(() => fillParameters(PARAMETERS, { ...given, TEMPORAL_ADDRESS: '' })).toThrow(
    /temporalAddress: TEMPORAL_ADDRESS/,
  );
});

test('the table of costs is the one that the script makes, of the sizes that the profiles have', () => {
  expect(read('deploy/README.md')).toContain(costTable(ESTIMATE));
  const double = ESTIMATE.map((item) => ({ ...item, retailPrice: item.retailPrice * 2 }));
  for (const profile of ['tryout', 'production'] as const)
    for (const [part, cost] of Object.entries(monthly(ESTIMATE, profile)))
      expect(monthly(double, profile)[part]).toBeCloseTo(2 * cost, 8);
  const without = ESTIMATE.filter(({ serviceName }) => serviceName !== 'Event Hubs');
  expect(() => costTable(without)).toThrow(/no price for Event Hubs, Standard Throughput Unit/);
  // What main.bicep makes where the network is private.
  const main = read('deploy/bicep/main.bicep');
  expect(matches(main, /^ {2}(\{ name: '[\w-]+', groupId: )/gm)).toHaveLength(9);
});
