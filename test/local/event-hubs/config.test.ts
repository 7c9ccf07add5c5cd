import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkHubs, hubsFromConfig, readConfigFile } from '../../../local/event-hubs/config.ts';
import { cleanUp, temporaryFolder } from './support.ts';

afterEach(cleanUp);

const entity = (fields: object): object => ({
  UserConfig: {
    NamespaceConfig: [{ Type: 'EventHub', Name: 'emulatorNs1', Entities: [fields] }],
    LoggingConfig: { Type: 'File' },
  },
});

test('the Config.json of the official emulator is understood', () => {
  const path = join(temporaryFolder(), 'Config.json');
  writeFileSync(path, JSON.stringify(entity({ Name: 'eh1', PartitionCount: '2', ConsumerGroups: [{ Name: 'cg1' }] })));
  expect(readConfigFile(path)).toEqual([{ name: 'eh1', partitions: 2, consumerGroups: ['cg1'] }]);
  expect(hubsFromConfig(entity({ Name: 'eh1', PartitionCount: 32 }))).toEqual([
    { name: 'eh1', partitions: 32, consumerGroups: [] },
  ]);
});

test.each([
  ['no namespace', {}, 'UserConfig: '],
  ['no name', entity({ PartitionCount: 2 }), 'UserConfig.NamespaceConfig.0.Entities.0.Name'],
  ['a count that is no number', entity({ Name: 'eh1', PartitionCount: 'two' }), 'Entities.0.PartitionCount'],
  ['too many partitions', entity({ Name: 'eh1', PartitionCount: 33 }), 'event hub eh1 has 33 partitions; use 1 to 32'],
  ['a name that is no name', entity({ Name: '../eh1', PartitionCount: 1 }), 'event hub "../eh1" is not a valid name'],
  [
    'a consumer group that is none',
    entity({ Name: 'eh1', PartitionCount: 1, ConsumerGroups: [{ Name: 'a/b' }] }),
    'consumer group "a/b"',
  ],
])('%s is refused and named', (_what, json, problem) => {
  expect(() => hubsFromConfig(json)).toThrow(
    expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringContaining(problem) }),
  );
});

test('hubs differ by more than case, and a file that is not there is named', () => {
  expect(() =>
    checkHubs([
      { name: 'a', partitions: 1 },
      { name: 'A', partitions: 1 },
    ]),
  ).toThrow('twice');
  expect(() => checkHubs([])).toThrow('configure 1 to 10');
  expect(() => readConfigFile('/nowhere/Config.json')).toThrow('/nowhere/Config.json cannot be read');
});
