/** The last line of CI. usage: node bin/ci-summary.js JEST_JSON NAME=EXIT_CODE... */
import { readFileSync } from 'node:fs';

const [file, ...checks] = process.argv.slice(2);
let passed = 0;
let failed = 0;
let skipped = 0;
try {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  passed = report.numPassedTests;
  skipped = report.numPendingTests + report.numTodoTests;
  const secondsOf = ({ startTime, endTime }) => Math.round((endTime - startTime) / 1000);
  const nameOf = ({ name }) => name.replace(`${process.cwd()}/`, '');
  const slowest = report.testResults.toSorted((a, b) => secondsOf(b) - secondsOf(a)).slice(0, 12);
  process.stdout.write(`Longest: ${slowest.map((one) => `${nameOf(one)} ${secondsOf(one)} s`).join(', ')}\n`);
  // A suite that does not even load has no tests to fail.
  failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
  for (const suite of report.testResults.filter((s) => s.status === 'failed')) {
    process.stdout.write(`FAILED ${nameOf(suite)}\n`);
    for (const test of suite.assertionResults.filter((t) => t.status === 'failed'))
      process.stdout.write(`  ${test.fullName}\n`);
  }
} catch (error) {
  process.stdout.write(`FAILED npm test left no report: ${error.message}\n`);
  failed += 1;
}
for (const check of checks) {
  const [name, code] = check.split('=');
  if (code === '0') passed += 1;
  else {
    failed += 1;
    process.stdout.write(`FAILED check:${name}\n`);
  }
}
process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exitCode = failed === 0 && passed > checks.length ? 0 : 1;
