#!/bin/sh
# Stores the databases of this build's schema version, of both kinds: make.sh DROVER
set -eu

here=$(dirname "$0")
DROVER_BIN=$(realpath "${1:-build/drover}")
export DROVER_BIN
node "$here/make.mjs"
# shellcheck disable=SC2016 # The variable is the server's.
"$here/../postgres/with-server" sh -c \
    'DROVER_DATABASE=$DROVER_TEST_POSTGRES exec node "$0"' "$here/make.mjs"
