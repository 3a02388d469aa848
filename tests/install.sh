#!/usr/bin/env bash
# Installs through apt what pip and npm cannot bring: the browsers, a session bus, nginx. Where that is not
# possible it names what is missing and which tests are therefore skipped (a skip fails when REQUIRE_ALL=1).
#   tests/install.sh [nginx]      only what is named, or everything
set -euo pipefail

declare -A package=([firefox]="firefox-esr libnotify4" [chromium]="chromium chromium-sandbox" [dbus]="dbus" [nginx]="nginx-light")
declare -A program=([firefox]=firefox-esr [chromium]=chromium [dbus]=dbus-daemon [nginx]=nginx)
declare -A skipped=(
    [firefox]="the end-to-end tests in Firefox"
    [chromium]="the end-to-end tests in Chromium"
    [dbus]="the end-to-end tests (they read notifications from a session bus)"
    [nginx]="the transport tests over HTTP/2, the chaos tests, and make bench"
)

PATH="$PATH:/usr/sbin:/sbin" # nginx and ldconfig live there, which is not on every user's PATH

missing() {
    ! command -v "${program[$1]}" >/dev/null || { [ "$1" = firefox ] && ! has_libnotify; }
}

has_libnotify() { # Firefox loads it at run time, and without it shows notifications that no session bus sees
    [[ "$(ldconfig -p)" == *libnotify.so.4* ]]
}

wanted=("${@:-firefox chromium dbus nginx}")
lacking=()
for name in ${wanted[@]}; do missing "$name" && lacking+=("$name"); done
[ ${#lacking[@]} -eq 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    packages=()
    for name in "${lacking[@]}"; do packages+=(${package[$name]}); done
    echo "installing with apt: ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
        tail -5 "$log"
    fi
    rm -f "$log"
fi

for name in "${lacking[@]}"; do
    if missing "$name"; then
        echo "missing: ${package[$name]} (Debian's names; apt-get install ${package[$name]}) - skipped: ${skipped[$name]}"
    fi
done
