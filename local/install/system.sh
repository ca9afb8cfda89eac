# Sourced by install.sh: what must come from the operating system. Each need is tested by what it can do, so that a
# machine that has it from elsewhere is fine; on Debian and Ubuntu what is missing is installed with apt-get.
# shellcheck shell=bash

# Kafka 4 runs on Java 17 or newer.
MINIMUM_JAVA=17

java_version() { "$1" -version 2>&1 | sed -n '/ version "/{s/.* version "\([0-9]*\).*/\1/p;q}'; }

has_java() {
  local java
  for java in ${JAVA_HOME:+"$JAVA_HOME/bin/java"} "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
    if [ -x "$java" ] && [ "$(java_version "$java")" -ge "$MINIMUM_JAVA" ] 2>/dev/null; then return 0; fi
  done
  return 1
}

has_maven() { [ -e "$KAFKA_HOME/.complete" ] || command -v mvn >/dev/null; }
has_rtsp_server() { /usr/bin/python3 "$ROOT/local/beffroi_local/rtsp_server.py" --check >/dev/null 2>&1; }
has_venv() { "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null; }
has_flock() { command -v flock >/dev/null; }
has_certificates() { [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -n "${SSL_CERT_FILE:-}" ] || [ -e /etc/pki ]; }
has_clip() { [ -n "${BEFFROI_CLIP:-}" ] || [ -e "$ROOT/../shared/media/vtest.avi" ] || [ -e "$VTEST_DEBIAN" ]; }
has_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null
has_atomic() { "$PYTHON" -c 'import ctypes; ctypes.CDLL("libatomic.so.1")' 2>/dev/null; }
has_fonts() { [ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || [ -n "$(fc-list 2>/dev/null)" ]; }
has_postgresql() { command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
has_git() { command -v git >/dev/null; }

VTEST_DEBIAN=/usr/share/doc/opencv-doc/examples/data/vtest.avi

# need|Debian packages|what it is for
SYSTEM_NEEDS='flock|util-linux|keeps two installations apart
certificates|ca-certificates|trust for downloads
git|git|the version of this checkout
venv|python3-venv|the environment the services run in
java|JAVA|runs Kafka (17 or newer)
maven|maven|fetches Kafka with your Maven settings
rtsp_server|python3-gi gir1.2-gst-rtsp-server-1.0 gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad|the RTSP test camera
clip|opencv-doc|vtest.avi, the clip that the test camera plays'
TEST_NEEDS='chromium|chromium|plays the console in the tests
fonts|fonts-dejavu-core|text in that Chromium
atomic|libatomic1|runs what drives that Chromium (Playwright)
postgresql|postgresql|the production database, in the tests'

# Java's package is named after its version: the newest long-term one that this release has.
java_package() {
  local name
  for name in openjdk-21-jre-headless openjdk-17-jre-headless openjdk-25-jre-headless; do
    # Not `grep -q`: it would end apt-cache by a broken pipe, which counts as a failure here.
    if apt-cache policy "$name" | grep 'Candidate: [^(]' >/dev/null; then echo "$name" && return; fi
  done
  echo default-jre-headless
}

missing_needs() {
  local need packages purpose
  while IFS='|' read -r need packages purpose; do
    "has_$need" || printf '%s|%s|%s\n' "$need" "$packages" "$purpose"
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

may_become_root() {
  [ "$(id -u)" = 0 ] && return 0
  command -v sudo >/dev/null || return 1
  # With a terminal sudo may ask for a password; without one it must not wait for an answer that cannot come.
  [ -t 0 ] || sudo -n true 2>/dev/null
}

# A server package starts its own database at once; the tests make one of their own, so none is made here.
no_database_of_its_own() {
  local folder=/etc/postgresql-common/createcluster.d
  if [ ! -e /etc/postgresql-common ]; then
    as_root mkdir -p "$folder"
    echo 'create_main_cluster = false' | as_root tee "$folder/beffroi.conf" >/dev/null
  fi
}

explain_missing() {
  say "This machine lacks:"
  while IFS='|' read -r need packages purpose; do
    say "  - $need: $purpose (on Debian or Ubuntu: $packages)"
  done
}

install_system() {
  local needs=$SYSTEM_NEEDS missing packages
  [ "$TARGET" = test ] && needs+=$'\n'$TEST_NEEDS
  missing=$(missing_needs <<<"$needs")
  [ -z "$missing" ] && return 0
  explain_missing <<<"${missing//JAVA/a Java runtime such as openjdk-17-jre-headless}"
  if ! command -v apt-get >/dev/null; then
    die "Install the above with this system's own packages, then run the same command again (only Debian and Ubuntu are served by themselves)."
  fi
  if ! may_become_root; then
    die "Installing them takes root: ask an administrator to run
  apt-get install --no-install-recommends $(cut -d'|' -f2 <<<"$missing" | sed 's/JAVA/openjdk-17-jre-headless/' | tr '\n' ' ')
and then run the same command again."
  fi
  run_step apt-update "Reading the lists of Debian packages" as_root apt-get update -q
  packages=$(cut -d'|' -f2 <<<"$missing" | sed "s/JAVA/$(java_package)/" | tr '\n' ' ')
  if grep -q '^postgresql|' <<<"$missing"; then no_database_of_its_own; fi
  # shellcheck disable=SC2086 # a list of packages
  run_step apt-install "Installing $packages" \
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages
  missing=$(missing_needs <<<"$needs")
  # Some systems leave documentation out, and vtest.avi with it: the demo then says so and plays a pattern instead.
  if grep -q '^clip|' <<<"$missing"; then
    say "opencv-doc brought no vtest.avi on this machine: name another file with BEFFROI_CLIP, else the camera plays a generated clip."
    missing=$(grep -v '^clip|' <<<"$missing" || true)
  fi
  [ -z "$missing" ] || { explain_missing <<<"$missing"; die "apt-get installed its packages, but the above is still missing."; }
}
