# The part of test/bench/run that measures boards. Sourced by it, as jobs.sh is.
# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # Assigned, and used, by test/bench/run.

boards() {
    fresh boards
    serve
    warm
    short=$(field server_us "$(load board --name chain-short --count 100)")
    chain=$(field server_us "$(load board --name chain --count 3000)")
    got=$(load board --name open --count 10000)
    stop
    row "a task in a chain of 3,000, claimed, worked and accepted: us CPU of the daemon" \
        "$(whole "$chain")" "$(whole "$short") in a chain of 100" "$(math "$chain / $short")" \
        "<= 1.3 x" "$chain <= 1.3 * $short"
    p50=$(ms_of p50_us "$got")
    row "a claim on a board of 10,000 open tasks: p50, ms (p99 $(ms_of p99_us "$got"))" "$p50" \
        "" "" "<= 2" "$p50 <= 2"
    done_with
}
