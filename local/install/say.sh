# Sourced by install.sh: says what is going on, runs long commands with their time shown, and keeps stamps.
# shellcheck shell=bash

# How often a long step says that it is still at work: often enough that nobody thinks it hangs.
PROGRESS_PERIOD_S=15
# How much of a failed command's output is shown; all of it is in the log file named beside it.
FAILURE_TAIL_LINES=40

say() { printf '[install] %s\n' "$*"; }

die() {
  printf '[install] FAILED: %s\n' "$*" >&2
  exit 1
}

# run_step NAME DESCRIPTION COMMAND...: the command's output goes to a log; on failure its end is shown.
run_step() {
  local name=$1 description=$2 log started=$SECONDS pid status=0
  shift 2
  log=$CACHE/logs/$name.log
  say "$description"
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    # `wait` on a short sleep keeps Ctrl-C answered at once.
    sleep 0.2
    if (((SECONDS - started) >= PROGRESS_PERIOD_S && (SECONDS - started) % PROGRESS_PERIOD_S == 0)); then
      say "$name: still at work, $((SECONDS - started)) s: $(tail -n 1 "$log" | tr -d '\r' | cut -c1-100)"
      sleep 1
    fi
  done
  wait "$pid" || status=$?
  if ((status != 0)); then
    printf '\n' >&2
    tail -n "$FAILURE_TAIL_LINES" "$log" >&2
    printf '[install] FAILED: %s (exit status %s). The end of its output is above; all of it: %s\n' \
      "$name" "$status" "$log" >&2
    return "$status"
  fi
  say "$name: done in $((SECONDS - started)) s"
}

# digest_of FILE...: one digest of the contents and names of files (their order does not matter).
digest_of() { LC_ALL=C sha256sum -- "$@" | LC_ALL=C sort | sha256sum | cut -c1-12; }

# content_digest FILE: names a cache entry after the lock file that it was made from (paths.py does the same).
content_digest() { sha256sum <"$1" | cut -c1-12; }

is_stamped() { [ -e "$1" ] && [ "$(cat "$1")" = "$2" ]; }

stamp() { mkdir -p "$(dirname "$1")" && printf '%s\n' "$2" >"$1"; }
