#!/usr/bin/env bash
# Polars takes a Hive partition for a time and then fails, since it cannot read it as one.
#
# Surprising: folders named `from=20260302T100000Z` (ISO 8601, basic form) hold valid Parquet files, and `from` is a text for
# DuckDB and for pyarrow. Polars recognizes the value as a time ("DatetimeYMDZ") when it looks for the type of the column, has
# no format that reads it, and the whole scan ends with "could not parse '20260302T100000Z' with pattern 'DatetimeYMDZ'". A
# guess that does not hold ought to leave the text. A value of other shape beside it makes no difference; with
# `2026-03-02T10-00-00Z`, which it does not take for a time, or with try_parse_hive_dates=False, all is read.
#
# Why it matters to batch scoring: results are laid out by the start of their period, and the basic form is the one that needs
# no colon, which file names may not have everywhere. The layout works in every engine that was tried but for one.
#
# Polars 2.1.0 beside pyarrow 26.0.1 and DuckDB 2.0.1. Exit code 1 when the behaviour has changed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0 pyarrow==26.0.1 duckdb==2.0.1
cd "$dir"
"$dir/venv/bin/python" - <<'PYTHON'
import os
import sys

import duckdb
import polars as pl
import pyarrow.dataset as ds

print('polars', pl.__version__)
changed = False
for value in ('20260302T100000Z', '2026-03-02T10-00-00Z'):
    folder = f'rows/{value}/from={value}'
    os.makedirs(folder)
    pl.DataFrame({'n': [1]}).write_parquet(f'{folder}/part.parquet')
    files = f'rows/{value}/*/*.parquet'
    arrow = ds.dataset(f'rows/{value}', format='parquet', partitioning='hive').to_table()['from'].to_pylist()
    duck = duckdb.sql(f'SELECT "from" FROM read_parquet(\'{files}\', hive_partitioning = true)').fetchall()[0][0]
    try:
        polars = pl.scan_parquet(files, hive_partitioning=True).collect()['from'].to_list()
    except Exception as error:
        polars = f'{type(error).__name__}: {error}'
    told = pl.scan_parquet(files, hive_partitioning=True, try_parse_hive_dates=False).collect()['from'].to_list()
    print(f'{value}\n  pyarrow {arrow}\n  duckdb  {duck}\n  polars  {polars}\n  polars, told not to guess: {told}')
    assert arrow == [value] and duck == value and told == [value]
    fails = isinstance(polars, str)
    changed |= fails != (value == '20260302T100000Z')
sys.exit(1 if changed else 0)
PYTHON
