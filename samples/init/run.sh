#!/bin/sh
# From readings and a training script to scored sensors on a schedule. Each step is a line you can also type yourself.
# Run it again after a change: models become a new release, readings that were sent count once.
set -eu
cd "$(dirname "$0")"
export FLEETSCORE_HOME="$PWD/.fleetscore"

fleetscore() { @FLEETSCORE@ "$@"; }

# 1. Train: one model for each sensor.
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -c 'import sklearn' 2>/dev/null || .venv/bin/pip install --quiet 'scikit-learn>=1.5'
.venv/bin/python train.py

# 2. Start the laptop stack; one that runs already is left as it is. `fleetscore down` stops it; data stay.
fleetscore up --detach --ports auto

# 3. Pickles become ONNX, and all together the current release.
fleetscore models convert models onnx
fleetscore models publish onnx --replace

# 4. Readings go through Event Hubs into windows of five seconds.
fleetscore send readings.csv --wait

# 5. Score the hour, and look at what was found.
fleetscore batch run --from @FROM@ --to @TO@ --wait
fleetscore predictions press-7/oil-temp --anomalies --limit 5
fleetscore report --site site

# 6. From now on: a batch every 15 minutes.
fleetscore schedule describe plant >/dev/null 2>&1 || fleetscore schedule create plant --every 15m

echo
echo "Pages: $PWD/site/index.html"
echo "Look on: cd $PWD; then fleetscore status --watch"
echo "Stop: fleetscore down"
