import fc from 'fast-check';
import { partitionForKey } from '../../../local/event-hubs/partition-hash.ts';
import * as client from '../../../node_modules/@azure/event-hubs/dist/esm/impl/partitionKeyToIdMapper.js';

test('keys fall into the partitions that the official client computes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.integer({ min: 1, max: 32 }), (key, count) => {
      expect(partitionForKey(key, count)).toBe(client.mapPartitionKeyToId(key, count));
    }),
    { numRuns: 2000 },
  );
});
