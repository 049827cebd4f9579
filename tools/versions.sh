#!/usr/bin/env bash
# Run the tests with the oldest and the newest torch of the range in pyproject.toml, each in a throw-away environment.
# Not part of the gate: it downloads torch twice. Usage: tools/versions.sh [arguments for pytest]
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" MPLBACKEND=Agg

# Print the lower bound that pyproject.toml gives a package.
oldest() { sed -n "s/^ *\"$1>=\([0-9.]*\),.*/\1/p" pyproject.toml; }

run() {
    local name=$1; shift
    python3 -m venv "$scratch/$name"
    "$scratch/$name/bin/pip" install -q "$@" -e ".[test]"
    "$scratch/$name/bin/python" -c 'import torch, torchvision, numpy
print("torch", torch.__version__, "torchvision", torchvision.__version__, "numpy", numpy.__version__)'
    "$scratch/$name/bin/python" -m pytest -q "${arguments[@]}"
    rm -rf "${scratch:?}/$name"
}

arguments=("$@")
torch=$(oldest torch) torchvision=$(oldest torchvision)
[ -n "$torch" ] && [ -n "$torchvision" ] || { echo "pyproject.toml gives no lower bound for torch" >&2; exit 1; }
run oldest "torch==$torch.*" "torchvision==$torchvision.*"
run newest --upgrade --upgrade-strategy eager
