#!/bin/sh
# The main job on the seed's CSV: plan, import, the user, and the second run that has nothing to do.
set -eu
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export ROLLCALL_HOME="$home" PREFECT_HOME="$home/prefect"
say() { printf '\n$ %s\n' "$*"; "$@"; }

say cat profiles/samples/users.csv
say rollcall simulate users-from-csv profiles/samples/users.csv
say rollcall import users-from-csv profiles/samples/users.csv
say rollcall users
say rollcall import users-from-csv profiles/samples/users.csv
say rollcall runs
