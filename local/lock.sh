#!/usr/bin/env bash
# Renews requirements/dev.txt (everything Python of this repository and of its tools) and the pinned programs' wheels.
# Pinned and hashed, without index addresses, for every Python and processor that is supported.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
CACHE=${BEFFROI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/beffroi}
for part in say python; do
  # shellcheck disable=SC1090
  . "$ROOT/local/install/$part.sh"
done
mkdir -p "$CACHE/logs"
# shellcheck disable=SC2034 # python.sh reads it
PYTHON=$(find_python)
install_uv

compile() {
  "$UV" pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
    --overrides "$ROOT/requirements/overrides.txt" "$@"
}

cd "$ROOT"
unnamed=()
groups=() # what only a distribution's tests need: its dependency group `test`
inputs=(requirements/dev.in)
while read -r folder; do
  inputs+=("$folder/pyproject.toml")
  unnamed+=(--no-emit-package "$(sed -n 's/^name = "\(.*\)"/\1/p' "$folder/pyproject.toml" | head -n 1)")
  if grep -q '^\[dependency-groups\]' "$folder/pyproject.toml"; then groups+=(--group "$folder/pyproject.toml:test"); fi
done < <(distributions)
# Our own distributions are found beside each other, never on an index.
sources=$(mktemp)
trap 'rm -f "$sources"' EXIT
while read -r folder; do echo "$folder"; done < <(distributions) >"$sources"
compile "${inputs[@]}" "$sources" "${groups[@]}" "${unnamed[@]}" --output-file requirements/dev.txt "$@"
say "requirements/dev.txt: $(grep -c '==' requirements/dev.txt) packages"

# needed_libraries FOLDER: the distributions of libs/ that the one in FOLDER depends on, through others too, one a line.
needed_libraries() {
  local name
  while read -r name; do
    echo "$name"
    needed_libraries "libs/$name"
  done < <(sed -n 's/^dependencies = .*"beffroi-\([a-z]*\)".*/\1/p; s/^  "beffroi-\([a-z]*\)".*/\1/p' "$1/pyproject.toml")
}

# What each image installs: the same versions, and no more than its service needs.
mkdir -p requirements/images
for folder in services/*/; do
  name=$(basename "$folder")
  unnamed=()
  : >"$sources"
  while read -r library; do
    echo "$ROOT/libs/$library" >>"$sources"
    unnamed+=(--no-emit-package "beffroi-$library")
  done < <(needed_libraries "$folder" | sort -u)
  compile "$folder/pyproject.toml" "$sources" --constraint requirements/dev.txt "${unnamed[@]}" \
    --output-file "requirements/images/$name.txt"
  say "requirements/images/$name.txt: $(grep -c '==' "requirements/images/$name.txt") packages"
done
echo hatchling | compile - --constraint requirements/dev.txt --output-file requirements/images/build.txt
