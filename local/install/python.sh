# Sourced by install.sh: the environment .venv with every Python distribution of this repository in it.
# shellcheck shell=bash

find_python() {
  local candidate
  for candidate in ${BEFFROI_PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if command -v "$candidate" >/dev/null \
      && "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
      command -v "$candidate"
      return
    fi
  done
  die "Python 3.11, 3.12 or 3.13 is needed: install one (Debian 12: apt-get install python3 python3-venv), or name it with BEFFROI_PYTHON."
}

# uv takes indexes and certificates from variables of its own: hand it those that pip was given.
pass_pip_settings_to_uv() {
  local index
  index=${PIP_INDEX_URL:-$("$UV_HOME/bin/pip" config get global.index-url 2>/dev/null || true)}
  if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then export UV_DEFAULT_INDEX=$index; fi
  if [ -n "${PIP_CERT:-}" ] && [ -z "${SSL_CERT_FILE:-}" ]; then export SSL_CERT_FILE=$PIP_CERT; fi
}

make_uv() {
  rm -rf "$UV_HOME"
  "$PYTHON" -m venv "$UV_HOME"
  "$UV_HOME/bin/pip" install --quiet --require-hashes --requirement "$ROOT/local/uv.txt"
  touch "$UV_HOME/.complete"
}

install_uv() {
  # A virtual environment cannot be moved, so this one is made in place and its last file says that it is whole.
  UV_HOME=$CACHE/uv-$(content_digest "$ROOT/local/uv.txt")
  if [ ! -e "$UV_HOME/.complete" ] || ! "$UV_HOME/bin/uv" --version >/dev/null 2>&1; then
    run_step uv "Installing uv, the installer of everything Python" make_uv
  fi
  pass_pip_settings_to_uv
  UV=$UV_HOME/bin/uv
}

# wheel_tool FOLDER REQUIREMENTS: a program that a Python wheel carries (Go, Node), in a folder of its own in the cache.
wheel_tool() {
  [ -e "$1/.complete" ] && return 0
  rm -rf "$1.making"
  "$UV" pip install --quiet --python "$PYTHON" --require-hashes --requirement "$2" --target "$1.making"
  touch "$1.making/.complete"
  rm -rf "$1" && mv "$1.making" "$1"
}

distributions() {
  local folder
  for folder in "$ROOT"/libs/* "$ROOT"/services/* "$ROOT"/tools/* "$ROOT"/local; do
    if [ -e "$folder/pyproject.toml" ]; then echo "$folder"; fi
  done
}

sync_python() {
  local folder editables=()
  [ -x "$ROOT/.venv/bin/python" ] || "$UV" venv --python "$PYTHON" "$ROOT/.venv"
  export VIRTUAL_ENV=$ROOT/.venv
  # Not `sync`: what a developer has added by hand stays.
  # `--no-deps`: the lock is complete, and leaves out on purpose what requirements/overrides.txt names.
  "$UV" pip install --no-deps --require-hashes --requirement "$ROOT/requirements/dev.txt"
  while read -r folder; do editables+=(--editable "$folder"); done < <(distributions)
  # The build back end is in the lock, so nothing unpinned is fetched to build with.
  "$UV" pip install --no-deps --no-build-isolation "${editables[@]}"
}

# Where the preparation of the model and people look for it.
link_uv() { ln -sf "$UV" "$ROOT/.venv/bin/uv"; }

install_python() {
  local digest stamp_file=$ROOT/.venv/.beffroi-installed inputs=("$ROOT/requirements/dev.txt" "$ROOT/local/uv.txt")
  local folder
  while read -r folder; do inputs+=("$folder/pyproject.toml"); done < <(distributions)
  digest="$(digest_of "${inputs[@]}") $("$PYTHON" -V)"
  if ! is_stamped "$stamp_file" "$digest" || [ ! -x "$ROOT/.venv/bin/python" ]; then
    run_step python "Installing the Python packages into .venv" sync_python
    stamp "$stamp_file" "$digest"
  fi
  link_uv
}
