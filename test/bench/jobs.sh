# The parts of test/bench/run that measure commands: jobs, submits, custody and ended. Sourced by it
# (its words row, note, field, math, whole, serve, load, … and its variables are used here).
# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # Assigned, and used, by test/bench/run.

# Each of these has a data directory of its own, and leaves no process behind: what is still queued
# or running must not begin again under the next part's daemon.
fresh() {
    data=$dir/$1
    rm -rf "$data"
}

# Ends whatever lives in the part's data directory, without asking a daemon.
done_with() {
    left=$(field left "$("$tools/bench_load" end --folder "$data" --ms 20000)")
    [ "$left" = 0.000 ] || say "some processes of $data could not be ended"
    # The folder stays until the end of all: for minutes after many files were removed, ext4 passes
    # over their inodes one by one whenever it makes a new one, and that is not what is measured.
    data=$dir/data
}

# The log of a new database grows with each commit until it wraps; see appends.
warm() {
    "$tools/bench_load" append --url "$url" --connections 64 --ms 500 --stream warm >/dev/null
}

commits() {
    [ -n "${base:-}" ] ||
        base=$(field rate "$("$tools/bench_baseline" sqlite --folder "$dir" --ms "$ms")")
}

ms_of() { math "$(field "$1" "$2") / 1000"; }

jobs() {
    fresh jobs
    serve
    warm
    for outstanding in 1 16 64; do
        bare=$("$tools/bench_baseline" spawn --outstanding "$outstanding" --ms "$ms")
        got=$(load jobs --connections "$outstanding")
        bare_rate=$(field rate "$bare")
        rate=$(field rate "$got")
        what="/bin/true with holder and spool, outstanding: $outstanding: jobs/s (request to news"
        what="$what of its end p50 $(ms_of end_p50_us "$got") ms,"
        what="$what p99 $(ms_of end_p99_us "$got") ms;"
        what="$what $(whole "$(field server_us "$got")") us CPU of the daemon each)"
        row "$what" "$(whole "$rate")" "$(whole "$bare_rate") by posix_spawn and waitpid" \
            "$(math "$rate / $bare_rate")" ">= 0.35 x" "$rate >= 0.35 * $bare_rate"
        [ "$outstanding" = 1 ] || continue
        alone=$got
    done
    # What is answered while a command is begun for each: the answer does not wait for that.
    note "a job that begins at once, alone: durable answer p50, ms (p99 \
$(ms_of ack_p99_us "$alone"))" "$(ms_of ack_p50_us "$alone")" "" ""
    for outstanding in 1 16 64; do
        begins "$outstanding"
    done
    stop
    done_with
}

# From the request to the command's own first action, seen by its clock.
begins() {
    stamp="--program $tools/bench_stamp --folder $dir/stamps"
    bare_p50=
    if [ "$1" = 1 ]; then
        # shellcheck disable=SC2086 # Several arguments.
        bare=$("$tools/bench_baseline" spawn $stamp --ms "$ms")
        bare_p50="$(ms_of p50_us "$bare") by posix_spawn"
    fi
    # shellcheck disable=SC2086
    got=$(load jobs --connections "$1" $stamp)
    p50=$(ms_of start_p50_us "$got")
    note "request to the command's first action, outstanding: $1: p50, ms (p99 \
$(ms_of start_p99_us "$got"))" "$p50" "$bare_p50" \
        "$([ -z "$bare_p50" ] || math "$p50 / ${bare_p50%% *}")"
}

# One command has the only slot, so that all others wait: nothing but the answer is measured.
submits() {
    commits
    fresh submits
    serve_with="--max-jobs 1"
    serve
    serve_with=
    "$tools/bench_load" fill --url "$url" --connections 1 --count 1 >/dev/null
    warm
    got=$(load submit --connections 1)
    p50=$(ms_of p50_us "$got")
    p99=$(ms_of p99_us "$got")
    what="a job submitted, alone (the client sleeps): durable answer"
    row "$what p50, ms" "$p50" "$(math "1000 / $base") per commit" "$(math "$p50 * $base / 1000")" \
        "<= 0.5" "$p50 <= 0.5"
    row "$what p99, ms" "$p99" "" "" "<= 2" "$p99 <= 2"
    got=$(load submit --connections 64)
    rate=$(field rate "$got")
    p99=$(ms_of p99_us "$got")
    row "jobs submitted per second, 64 outstanding ($(field server_us "$got") us CPU each)" \
        "$(whole "$rate")" "$(whole "$base") commits/s" "$(math "$rate / $base")" ">= 10000" \
        "$rate >= 10000"
    row "the same: durable answer p99, ms" "$p99" "" "" "<= 10" "$p99 <= 10"
    stop
    done_with
}

# Many commands that sleep; the daemon is killed, and a new one finds them all.
custody() {
    fresh custody
    serve_with="--max-jobs $sleepers"
    serve
    began=$(date +%s%N)
    "$tools/bench_load" fill --url "$url" --connections 16 --count "$sleepers" >/dev/null
    wait_for drover_jobs_started_total "$sleepers"
    began=$(math "($(date +%s%N) - $began) / 1000000000")
    note "$sleepers commands that sleep, begun in s" "$began" "" ""
    # A command is counted when its holder is asked to start it; what has no claim begins again.
    tries=100
    until [ "$(find "$data/spool" -name claim | wc -l)" -ge "$sleepers" ] || [ "$tries" = 0 ]; do
        tries=$((tries - 1))
        sleep 0.1
    done
    began=$(date +%s%N)
    kill -9 "$pid"
    wait "$pid" 2>/dev/null || :
    pid=
    exec 3<&-
    serve
    serve_with=
    ready=$(math "($(date +%s%N) - $began) / 1000000")
    wait_for drover_jobs_adopted_total "$sleepers"
    adopted=$(math "($(date +%s%N) - $began) / 1000000000")
    row "the daemon killed with $sleepers commands: all adopted after s (ready after $ready ms)" \
        "$adopted" "" "" "<= 2" "$adopted <= 2"
    herd=$("$tools/bench_load" herd --folder "$data")
    sleep 2 # What is only done once behind a start is not idleness.
    rest=$("$tools/bench_load" rest --pid "$pid" --ms 5000)
    each=$(math "$(field holder_pss_kb "$herd") / 1024")
    row "memory of a holder, MB (PSS; $(whole "$(field holders "$herd")") of them, the largest \
$(math "$(field holder_pss_most_kb "$herd") / 1024"))" "$each" "" "" "<= 1" "$each <= 1"
    pss=$(math "$(field pss_kb "$rest") / 1024")
    row "memory of the daemon with them, MB (PSS)" "$pss" "" "" "<= 24" "$pss <= 24"
    cpu=$(field cpu_percent "$rest")
    row "idle CPU of the daemon with them, %" "$cpu" "" "" "0.0" "$cpu < 0.05"
    began=$(date +%s%N)
    "$tools/bench_load" stop --url "$url" --connections 16 --folder "$data" >/dev/null
    wait_for drover_jobs_settled_total "$sleepers"
    gone=$("$tools/bench_load" gone --folder "$data" --ms 60000)
    began=$(math "($(date +%s%N) - $began) / 1000000000")
    left=$(whole "$(field left "$gone")")
    row "all of them stopped within s; processes left" "$began; $left" "" "" "0 left" "$left == 0"
    stop
    done_with
}
wait_for() {
    "$tools/bench_load" await --url "$url" --name "$1" --count "$2" --ms 120000 >/dev/null
}

# A daemon that has a past: the rows and the folders of many runs that ended.
ended() {
    fresh ended
    serve
    load jobs --connections 64 --count "$past" >/dev/null
    stop
    row_of_start "exec to first answer with $past ended runs" "$data"
    done_with
}
