#!/usr/bin/env bash
# Make a virtual environment: venv.sh PYTHON DIRECTORY. Debian splits the module that fills it off into a package.
set -euo pipefail
python=$1
venv=$2
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "venv.sh: $python has no ensurepip: install the package python3-venv" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
fi
"$python" -m venv "$venv"
