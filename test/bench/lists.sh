# The part of test/bench/run that measures lists. Sourced by it, as jobs.sh is.
# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # Assigned, and used, by test/bench/run.

# Short reads of one run, 200 in a second: p50 and p99 in ms, the longest, and how many.
short_reads() { load short --name "/api/v1/runs/$listed" --rate 200; }

lists() {
    fresh lists
    serve_with="--keep-runs 0 --keep-days 0 --keep-bytes 0"
    serve
    stop
    "$tools/bench_seed" --folder "$data" --count "$listed_runs"
    listed=run_00000000000000000000000777
    serve
    short_reads >/dev/null
    alone=$(short_reads)
    # Longer than the short reads, so that no part of these is without them.
    "$tools/bench_load" lists --url "$url" --connections 4 --ms "$((ms * 3))" >"$dir/listed" &
    listing=$!
    short_reads >/dev/null
    beside=$(short_reads)
    wait "$listing"
    got=$(cat "$dir/listed")
    stop
    serve_with=
    base_p99=$(ms_of p99_us "$alone")
    p99=$(ms_of p99_us "$beside")
    note "a short read beside nobody, $listed_runs runs: p99, ms (p50 $(ms_of p50_us "$alone"))" \
        "$base_p99" "" ""
    what="the same beside 4 clients that list everything: p99, ms (p50 $(ms_of p50_us "$beside"),"
    what="$what longest $(ms_of max_us "$beside"); $(whole "$(field lists "$got")") lists,"
    what="$what a page of theirs p50 $(ms_of p50_us "$got") ms, p99 $(ms_of p99_us "$got") ms)"
    row "$what" "$p99" "$base_p99 ms alone" "$(math "$p99 / $base_p99")" "<= 10" "$p99 <= 10"
    done_with
}
