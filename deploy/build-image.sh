#!/usr/bin/env bash
# Builds the worker image: with docker or podman where they work, else with buildah in chroot isolation, which
# needs no container engine. Says the image's size.
# usage: deploy/build-image.sh [TAG]                         (default fleetscore:dev)
#   ENGINE=docker|podman|buildah   choose instead of finding out
#   BASE_IMAGE=...                 another base image than the Dockerfile's
#   STAND_IN_BASE=1                buildah only: make a base image from Debian's packages and the Node that runs here,
#                                  for machines that reach no registry of images (needs root, debootstrap)
#   BUILD_ARGS="..."               further arguments of the engine's build command
set -euo pipefail
cd "$(dirname "$0")/.."
tag=${1:-fleetscore:dev}
stand_in=localhost/fleetscore-stand-in-base

engine=${ENGINE:-}
if [ -z "$engine" ]; then
  for name in docker podman; do
    if command -v "$name" >/dev/null && "$name" info >/dev/null 2>&1; then engine=$name; break; fi
  done
fi
if [ -z "$engine" ] && command -v buildah >/dev/null; then engine=buildah; fi
if [ -z "$engine" ]; then
  echo "No docker, podman or buildah works here. On Debian: apt-get install buildah debootstrap, then run again with STAND_IN_BASE=1." >&2
  exit 1
fi

# Debian's minimal system, with the certificates of this machine and the Node that the project is pinned to.
make_stand_in() {
  local root node
  node=node_modules/node/bin/node
  [ -x "$node" ] || node=$(command -v node)
  root=$(mktemp -d)
  trap 'rm -rf "$root"' RETURN
  echo "making $stand_in: Debian bookworm and Node $("$node" --version)"
  local log
  if ! log=$(debootstrap --variant=minbase --include=ca-certificates,libstdc++6 bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" 2>&1); then
    printf 'debootstrap failed; DEBIAN_MIRROR=URL names another mirror:\n%s\n' "$(tail -n 5 <<<"$log")" >&2
    return 1
  fi
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  cp -L "$node" "$root/usr/local/bin/node"
  cp -r "$(dirname "$(readlink -f "$(command -v npm)")")/.." "$root/usr/local/lib/npm"
  ln -s ../lib/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  [ -f /etc/ssl/certs/ca-certificates.crt ] && cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  local container
  container=$(buildah from scratch)
  buildah add -q "$container" "$root" / >/dev/null
  buildah config --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "$container"
  buildah commit -q --rm "$container" "$stand_in" >/dev/null
}

args=(-f deploy/Dockerfile -t "$tag")
if [ "$engine" = buildah ]; then
  export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}
  if [ -n "${STAND_IN_BASE:-}" ]; then
    buildah images "$stand_in" >/dev/null 2>&1 || make_stand_in
    BASE_IMAGE=$stand_in
  fi
  args+=(--format docker --layers)
fi
[ -n "${BASE_IMAGE:-}" ] && args+=(--build-arg "BASE_IMAGE=$BASE_IMAGE")
# shellcheck disable=SC2206 # words are meant to be split
args+=(${BUILD_ARGS:-})
"$engine" build "${args[@]}" .

if [ "$engine" = buildah ]; then
  buildah images --format 'built {{.Name}}:{{.Tag}} with buildah: {{.Size}}' "$tag"
else
  echo "built $tag with $engine: $("$engine" image inspect --format '{{.Size}}' "$tag" | awk '{ printf "%d MB", $1 / 1000000 }')"
fi
