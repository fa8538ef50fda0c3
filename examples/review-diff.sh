#!/bin/sh
# review-diff: agents review what was changed and not committed.
#
# Shows     how a text of any size and content becomes an argument of a workflow: as JSON.
# Run       examples/review-diff.sh              the changes of this working tree
#           git diff main | examples/review-diff.sh -
# Expect    the review on standard output, progress on standard error. Exit code 1 where there is
#           nothing to review, or where the workflow failed.
set -eu
here=$(dirname "$0")
diff=$(if [ "${1:-}" = - ]; then cat; else git diff HEAD; fi)
[ -n "$diff" ] || {
    echo "review-diff: there is no change to review" >&2
    exit 1
}
# Python writes JSON that is right whatever stands in the diff; an argument holds 128 kB.
args=$(printf '%s\n' "$diff" | head -c 100000 | python3 -c '
import json, sys
print(json.dumps({"diff": sys.stdin.buffer.read().decode(errors="replace")}))')
exec drover run "$here/review-diff.js" --args "$args"
