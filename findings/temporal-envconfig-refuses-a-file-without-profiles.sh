#!/usr/bin/env bash
# A temporal.toml that has no profile at all makes Temporal's configuration loader for TypeScript throw a TypeError; one
# that has only other profiles than the one asked for does not, nor does a file that is not there.
#
# Surprising: an empty file, or one whose every line is a comment, says less than a file with somebody else's profile, and
# ought to mean the same: the defaults. `loadClientConnectConfig` reads `undefined` for the table of profiles and takes
# `default` of it. The message names neither the file nor the profile, and the environment variables that would have been
# enough (TEMPORAL_ADDRESS) are never looked at.
#
# Why it matters to batch scoring: the file lies in the user's configuration folder and is shared by every Temporal program
# of that machine. Whoever comments out a profile for an afternoon stops each worker and each command at its start, with an
# error that looks like a fault of the program. Read the file yourself first, or catch the error and name the file.
#
# @temporalio/envconfig 1.24.0. Node 20 or newer. Exit code 1 when the behaviour has changed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @temporalio/envconfig@1.24.0
cat >try.cjs <<'JS'
const { writeFileSync } = require('node:fs');
const { loadClientConnectConfig } = require('@temporalio/envconfig');
const { version } = require('@temporalio/envconfig/package.json');

const files = {
  'empty': '',
  'comments only': '# [profile.default]\n# address = "temporal.example:7233"\n',
  'another profile': '[profile.prod]\naddress = "temporal.example:7233"\n',
  'the default profile': '[profile.default]\naddress = "temporal.example:7233"\n',
};
const expected = ['TypeError', 'TypeError', '{}', '{"address":"temporal.example:7233"}'];
console.log(`@temporalio/envconfig ${version}, Node ${process.version}`);
const seen = Object.entries(files).map(([name, text]) => {
  writeFileSync('temporal.toml', text);
  let result;
  try {
    result = JSON.stringify(loadClientConnectConfig({ configSource: { path: 'temporal.toml' }, overrideEnvVars: {} }).connectionOptions);
  } catch (error) {
    result = error.constructor.name;
    console.log(`  ${error.message}`);
  }
  console.log(`${name}: ${result}`);
  return result;
});
const same = JSON.stringify(seen) === JSON.stringify(expected);
console.log(same ? 'as described' : 'the behaviour has changed');
process.exit(same ? 0 : 1);
JS
node try.cjs
