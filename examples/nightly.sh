#!/bin/sh
# nightly: a job for cron or a timer that is tried again, and whose end is sent to a webhook.
#
# Shows     a command with a limit on its time, two retries with a growing wait, a key that keeps
#           two nights from overlapping, and a webhook that is sent until its receiver takes it.
# Run       examples/nightly.sh https://example.org/hook make backup
#           A receiver on this machine needs: drover serve --webhook-allow 127.0.0.1
#           In a crontab:  0 3 * * *  …/examples/nightly.sh https://example.org/hook make backup
# Expect    the id of the run, at once. `drover job wait ID` ends with its exit code, `drover trace
#           ID` shows each attempt, `drover inbox ls` a webhook that was not accepted yet.
set -eu
[ $# -ge 2 ] || {
    echo "usage: nightly.sh WEBHOOK COMMAND [ARGUMENT...]" >&2
    exit 2
}
webhook=$1
shift
exec drover job run --detach --label nightly --key nightly \
    --timeout 2h --retry 2 --backoff "${NIGHTLY_BACKOFF:-1m}" --notify "$webhook" -- "$@"
