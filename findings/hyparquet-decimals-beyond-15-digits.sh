#!/usr/bin/env bash
# hyparquet gives a quarter of the values of a DECIMAL(18, 6) column one unit off in their last bit.
#
# Surprising: a decimal of Parquet is a whole number and a scale, and hyparquet gives it as a double. Its 1.31.5 multiplied by
# 10^-scale, which is inexact; 1.33.0 divides by 10^scale, and values such as 0.3 are right. But the whole number becomes a
# double first, so beyond 2^53 (16 digits, which DECIMAL(18, 6) is made for) it is rounded twice, and the result is not the
# double nearest to the decimal: 12345682894.211979 becomes 12345682894.21198. Python and JavaScript, which read the text of
# the decimal, agree with each other and not with it.
#
# Why it matters to batch scoring: the same readings from a CSV and from a Parquet file are then not equal, a window's mean
# differs, and a score next to its threshold falls on the other side.
#
# hyparquet 1.33.0, a file of pyarrow 26.0.1. Exit code 1 when the behaviour has changed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
venv/bin/python - <<'PYTHON'
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

values = [Decimal(12345678901234567 + 998244353 * i) / 10**6 for i in range(10_000)]
pq.write_table(pa.table({'value': pa.array(values, pa.decimal128(18, 6))}), 'decimals.parquet')
# What the decimals are, as text, and the doubles that Python takes for the nearest.
with open('decimals.txt', 'w') as out:
    out.writelines(f'{value} {float(value)!r}\n' for value in values)
PYTHON

npm init --yes >/dev/null
npm install --silent --no-audit --no-fund hyparquet@1.33.0
cat >check.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';

const rows = await parquetReadObjects({ file: await asyncBufferFromFile('decimals.parquet') });
const texts = readFileSync('decimals.txt', 'utf8').trim().split('\n').map((line) => line.split(' '));
const agree = texts.every(([text, python]) => Number(text) === Number(python));
const off = texts.filter(([text], i) => rows[i].value !== Number(text));
const [first] = off;
console.log(`JavaScript's Number(text) and Python's float(text) agree: ${agree}`);
console.log(`hyparquet gives another double for ${off.length} of ${texts.length} decimals`);
if (first) console.log(`for example ${first[0]}: ${rows[texts.indexOf(first)].value}, the nearest is ${Number(first[0])}`);
process.exitCode = agree && off.length > 1_000 ? 0 : 1;
JS
echo "hyparquet $(node -p "JSON.parse(require('fs').readFileSync('node_modules/hyparquet/package.json')).version")"
node check.mjs
