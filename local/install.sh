#!/usr/bin/env bash
# Installs what Beffroi needs on one machine: system packages, Python environment, Kafka, MinIO, console, model.
#   local/install.sh [demo|test]      `test` adds what only the tests need (Chromium, PostgreSQL, kustomize)
# Nothing is done twice: what is there and matches its lock is left alone. Set BEFFROI_CACHE to keep downloads elsewhere.
set -euo pipefail
# shellcheck disable=SC2034 # the parts below read these

TARGET=${1:-demo}
ROOT=$(cd "$(dirname "$0")/.." && pwd)
CACHE=${BEFFROI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/beffroi}
CONSOLE=$ROOT/services/api/console
CONSOLE_BUILT=$ROOT/services/api/beffroi_api/static/index.html
for part in say system python parts product; do
  # shellcheck disable=SC1090
  . "$ROOT/local/install/$part.sh"
done
KAFKA_HOME=$CACHE/kafka-$(content_digest "$ROOT/local/kafka/jars.sha256")
MINIO_HOME=$CACHE/minio-$(content_digest "$ROOT/local/minio/go.sum")
KUSTOMIZE_HOME=$CACHE/kustomize-$(content_digest "$ROOT/local/kustomize/go.sum")

case $TARGET in demo | test) ;; *) die "Unknown target '$TARGET': say demo or test." ;; esac
mkdir -p "$CACHE/logs" || die "The cache $CACHE cannot be written: name another folder with BEFFROI_CACHE."

PYTHON=$(find_python)
install_system
# Two installations with one cache would build over each other: the second waits for the first.
exec 9>"$CACHE/install.lock"
flock --nonblock 9 || { say "Another installation is running: waiting for it."; flock 9; }
install_uv

# Long jobs run in parallel, each in a process group of its own, so that a failure stops all of a job's programs.
jobs_running=()
stop_jobs() {
  local job
  for job in "${jobs_running[@]}"; do kill -- "-$job" 2>/dev/null || true; done
}
trap stop_jobs EXIT
start_job() {
  set -m
  "$@" &
  jobs_running+=("$!")
  set +m
}
build_go_programs() {
  install_minio
  if [ "$TARGET" = test ]; then install_kustomize; fi
}

start_job build_go_programs
install_kafka
install_python
install_node
start_job install_model
install_console
while [ "${#jobs_running[@]}" -gt 0 ]; do
  wait "${jobs_running[0]}" || exit 1 # it has said why
  jobs_running=("${jobs_running[@]:1}")
done
link_programs
say "Everything is installed."
