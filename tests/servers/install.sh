#!/usr/bin/env bash
# Installs the servers and clients that the tests use and pip does not bring: Debian's docker-registry, skopeo, Ceph,
# Chromium and jq, and Azurite from npm, below build/. Says nothing and changes nothing when they are there.
set -euo pipefail

readonly policy=/usr/sbin/policy-rc.d
readonly azurite_version=3.35.0 # later ones need a newer Node.js than Debian 12 has
azurite=$(dirname "$(readlink -f "$0")")/../../build/azurite
readonly azurite
log=

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 1
}

installed() {
  [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

clean_up() {
  [[ -z "$log" ]] || rm -f "$log"
  [[ -z "${own_policy:-}" ]] || rm -f "$policy"
}

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >"$log" 2>&1 ||
    fail "apt-get $1 failed: $(grep -m1 '^E:' "$log" || tail -n 1 "$log")"
}

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
  fail "needs Debian or a system like it: docker-registry, skopeo, Ceph, Chromium and jq come from its packages"

missing=()
for package in docker-registry skopeo radosgw ceph-mon ceph-osd chromium fonts-dejavu-core jq; do
  installed "$package" || missing+=("$package")
done
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)

trap clean_up EXIT
log=$(mktemp)

if [[ ${#missing[@]} -gt 0 ]]; then
  [[ $EUID -eq 0 ]] || fail "run it as root: ${missing[*]} must be installed"
  # Without a policy the package starts a registry on every address, port 5000, while it is being installed.
  if [[ ! -e "$policy" ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    own_policy=yes
    chmod 755 "$policy"
  fi
  apt update
  apt install --yes --no-install-recommends "${missing[@]}"
fi

# A registry that was there before is its owner's affair; the one that just came is for tests alone.
if [[ " ${missing[*]} " == *" docker-registry "* ]]; then
  if [[ -d /run/systemd/system ]]; then
    systemctl --quiet disable --now docker-registry >"$log" 2>&1 || fail "cannot stop the service: $(tail -n 1 "$log")"
  else
    service docker-registry stop >"$log" 2>&1 || true # not started is what is wanted
    update-rc.d docker-registry disable >"$log" 2>&1 || fail "cannot disable the service: $(tail -n 1 "$log")"
  fi
fi

if ! grep -qs "\"version\": \"$azurite_version\"" "$azurite/node_modules/azurite/package.json"; then
  mkdir -p "$azurite"
  timeout 300 npm install --prefix "$azurite" --no-save --no-audit --no-fund --no-update-notifier --ignore-scripts --loglevel=error \
    "azurite@$azurite_version" >"$log" 2>&1 || fail "npm cannot install Azurite: $(head -n 1 "$log")"
fi
