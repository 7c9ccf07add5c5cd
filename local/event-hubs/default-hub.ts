/** The hub of the laptop stack, and of an emulator that is told of none. */
export const DEFAULT_HUB = { name: 'readings', partitions: 4, consumerGroups: ['fleetscore'] } as const;
