/** Tests run as ES modules on the pinned Node; SWC only strips the types. */
export default {
  testEnvironment: './test/support/environment.js',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2023' }, module: { type: 'es6' } },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.fleetscore/', '<rootDir>/.tools/'],
  testSequencer: './test/support/sequencer.js',
  // Tests wait for processes of their own half of the time; four files at once keep two cores busy.
  maxWorkers: 4,
  testTimeout: 60_000,
};
