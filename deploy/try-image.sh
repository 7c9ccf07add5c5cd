#!/usr/bin/env bash
# Runs a scoring worker from the built image against a laptop stack that has none: publishes the sample models,
# sends a quarter of an hour of sample readings, scores them, asks for the worker's health, ends it with SIGTERM.
# usage: deploy/try-image.sh [TAG]   (after deploy/build-image.sh; ENGINE as there)
set -euo pipefail
cd "$(dirname "$0")/.."
tag=${1:-fleetscore:dev}
node=node_modules/node/bin/node
[ -x "$node" ] || node=node
engine=${ENGINE:-}
if [ -z "$engine" ]; then
  for name in docker podman; do
    if command -v "$name" >/dev/null && "$name" info >/dev/null 2>&1; then engine=$name; break; fi
  done
fi
engine=${engine:-buildah}
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}

home=$(mktemp -d)
tools=${FLEETSCORE_TOOLS_DIR:-$PWD/.tools/cli}
container=
runner=
fleetscore() { FLEETSCORE_TOOLS_DIR=$tools "$node" bin/fleetscore.js --home "$home" "$@"; }
worker_pid() { sed -nE '/"msg":"ready"/s/.*"pid":([0-9]+).*/\1/p' "$home/worker.log" | head -1; }
clean_up() {
  # In chroot isolation the worker is a process of this machine.
  if [ "$engine" = buildah ] && [ -n "$runner" ] && [ -n "$(worker_pid)" ]; then kill "$(worker_pid)" 2>/dev/null || true; fi
  [ -n "$runner" ] && kill "$runner" 2>/dev/null || true
  fleetscore down >/dev/null 2>&1 || true
  if [ -n "$container" ]; then
    if [ "$engine" = buildah ]; then buildah rm "$container" >/dev/null 2>&1 || true; else "$engine" rm -f "$container" >/dev/null 2>&1 || true; fi
  fi
  rm -rf "$home"
}
trap clean_up EXIT
fail() { echo "FAILED: $*" >&2; [ -f "$home/worker.log" ] && tail -5 "$home/worker.log" >&2; exit 1; }

fleetscore up --ports auto --scoring-workers 0 --detach >/dev/null
fleetscore models publish samples/models >/dev/null
"$node" --disable-warning=ExperimentalWarning --input-type=module -e '
  import { writeFileSync } from "node:fs";
  const { sampleFeed } = await import(process.cwd() + "/samples/readings.ts");
  const quarter = 900_000, to = Math.floor(Date.now() / quarter) * quarter;
  const rows = sampleFeed(to - quarter, to).map((r) => `${new Date(r.tsMs).toISOString()},${r.device},${r.sensor},${r.value}`);
  writeFileSync(process.argv[1] + "/readings.csv", ["TS,Device,Sensor,Value", ...rows].join("\n") + "\n");
  writeFileSync(process.argv[1] + "/period", `${new Date(to - quarter).toISOString()} ${new Date(to).toISOString()}\n`);
' "$home"
fleetscore send --wait "$home/readings.csv" >/dev/null

# The image's user writes into the store's folder.
chmod -R a+rwX "$home/data"
chmod a+x "$home"
env=()
while IFS= read -r pair; do env+=(--env "$pair"); done < <("$node" -p '
  const { env } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
  const keep = { ...env, FLEETSCORE_SQL_URL: "sqlite:/data/fleet.db" };
  delete keep.FLEETSCORE_HOME;
  Object.entries(keep).map(([name, value]) => `${name}=${value}`).join("\n")' "$home/stack.json")
if [ "$engine" = buildah ]; then
  container=$(buildah from "$tag")
  # buildah run takes a command, not the image's entrypoint.
  entrypoint=(node --disable-warning=ExperimentalWarning /app/deploy/container/start.js scoring)
  buildah run -v "$home/data:/data" "${env[@]}" "$container" -- "${entrypoint[@]}" >"$home/worker.log" 2>&1 &
  runner=$!
else
  container=$("$engine" run --detach --network host --read-only --tmpfs /tmp -v "$home/data:/data" -v "$home/cache:/var/lib/fleetscore" "${env[@]}" "$tag" scoring)
  "$engine" logs --follow "$container" >"$home/worker.log" 2>&1 &
  runner=$!
fi
for _ in $(seq 1 60); do
  grep -q '"msg":"ready"' "$home/worker.log" && break
  kill -0 "$runner" 2>/dev/null || fail "the worker ended before it was ready"
  sleep 1
done
grep -q '"msg":"ready"' "$home/worker.log" || fail "the worker was not ready within 60 s"
echo "the worker of $tag is ready"

read -r from to <"$home/period"
fleetscore --json batch run --wait --from "$from" --to "$to" >"$home/batch.json" || fail "the batch did not complete: $(cat "$home/batch.json")"
"$node" -e '
  const text = require("fs").readFileSync(process.argv[1], "utf8");
  const counts = (function find(o) { return o && typeof o === "object" ? ("scored" in o && "failed" in o ? o : Object.values(o).map(find).find(Boolean)) : undefined; })(JSON.parse(text));
  if (!counts || counts.scored === 0 || counts.failed !== 0) { console.error(text); process.exit(1); }
  console.log(`batch: ${counts.scored} sensors scored, ${counts.failed} failed`);
' "$home/batch.json" || fail "the batch scored nothing"

pid=$(worker_pid)
if [ "$engine" = buildah ]; then
  buildah run "$container" -- node /app/deploy/container/healthcheck.js "$pid" || fail "the worker is not healthy"
  kill -TERM "$pid"
else
  "$engine" exec "$container" node /app/deploy/container/healthcheck.js || fail "the worker is not healthy"
  "$engine" stop --time 60 "$container" >/dev/null
fi
wait "$runner" || true
runner=
grep -q '"msg":"draining"' "$home/worker.log" || fail "SIGTERM did not reach the worker"
grep -q '"msg":"ended"' "$home/worker.log" || fail "the worker did not end by itself"
echo "SIGTERM: drained and ended"
