# The part of test/bench/run that measures workflows. Sourced by it, as jobs.sh is.
# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # Assigned, and used, by test/bench/run.

# What bench_load found out about many workflows, in words.
flow_words() {
    echo "p50 $(ms_of p50_us "$1") ms, p99 $(ms_of p99_us "$1") ms for each;\
 $(field server_us "$1") us CPU of the daemon and $(field workers_us "$1") of the scripts'\
 processes for a step"
}

flows() {
    commits
    [ -n "${sync_rate:-}" ] ||
        sync_rate=$(field rate "$("$tools/bench_baseline" sync --folder "$dir" --ms "$ms")")
    fresh flows
    serve
    warm
    flows_alone
    for at_once in 16 64; do
        flows_together "$at_once"
    done
    stop
    flows_shapes
    flows_synced
    written
    flows_first
    flows_killed
    flows_waiting
}

flows_alone() {
    got=$(load flows --connections 1)
    rate=$(field rate "$got")
    p50=$(ms_of p50_us "$got")
    row "workflows of 10 steps, one at a time: steps/s ($(flow_words "$got"))" "$(whole "$rate")" \
        "$(whole "$sync_rate") syncs/s" "$(math "$rate / $sync_rate")" ">= 0.3 x" \
        "$rate >= 0.3 * $sync_rate"
    note "the same, against one-row commits" "$(whole "$rate")" "$(whole "$base") commits/s" \
        "$(math "$rate / $base")"
    row "the same: a workflow from request to the news of its end, p50, ms" "$p50" "" "" "<= 3.5" \
        "$p50 <= 3.5"
}

flows_together() {
    got=$(load flows --connections "$1")
    rate=$(field rate "$got")
    each=$(field server_us "$got")
    what="workflows of 10 steps, $1 at once: steps/s ($(flow_words "$got"))"
    if [ "$1" != 64 ]; then
        note "$what" "$(whole "$rate")" "$(whole "$base") commits/s" "$(math "$rate / $base")"
        return
    fi
    row "$what" "$(whole "$rate")" "$(whole "$base") commits/s" "$(math "$rate / $base")" \
        ">= 20000" "$rate >= 20000"
    row "the same: us CPU of the daemon for a step" "$each" "" "" "<= 30" "$each <= 30"
}

# shape STEPS DELAY: 64 workflows at once of that many steps, with a model that answers after that
# many ms; of two builds in turns, where BENCH_BEFORE is the older one.
shape() {
    newer=$drover
    usual_ms=$ms
    for drover in ${BENCH_BEFORE:-} "$newer"; do
        of=
        [ "$drover" = "$newer" ] || of=" (the build before)"
        fresh shapes
        serve
        warm
        [ "$1" -lt 200 ] && [ "$2" -lt 300 ] || ms=$((ms * 4)) # Until the first of them end.
        got=$(load flows --connections 64 --count "$1" --delay "$2")
        ms=$usual_ms
        stop
        rate=$(field rate "$got")
        what="workflows of $1 steps, 64 at once, a model of $2 ms$of: steps/s"
        what="$what ($(flow_words "$got"))"
        if [ "$2" = 0 ]; then
            note "$what" "$(whole "$rate")" "$(whole "$base") commits/s" "$(math "$rate / $base")"
        else
            most=$(math "64 * 1000 / $2")
            note "$what" "$(whole "$rate")" "$(whole "$most") at most" "$(math "$rate / $most")"
        fi
    done
}

flows_shapes() {
    for steps in 1 10 50 200; do
        shape "$steps" 0
    done
    for delay in 1 9 300; do
        shape 10 "$delay"
    done
    done_with
}

# Every sync of the daemon's whole life, less those of a life without workflows.
flows_synced() {
    if ! command -v strace >/dev/null; then
        note "disk syncs for a step of a workflow" "not counted: no strace" "" ""
        return
    fi
    trace="strace -D -f --seccomp-bpf -e trace=fdatasync,fsync,sync_file_range,msync -o $dir/trace"
    # shellcheck disable=SC2086 # A command and its arguments.
    serve $trace
    stop
    before=$(grep -c 'sync(' "$dir/trace" || :)
    for row in 1:1.1 64:0.1; do
        at_once=${row%:*}
        mark=${row#*:}
        # shellcheck disable=SC2086
        serve $trace
        got=$(load flows --connections "$at_once")
        stop
        after=$(grep -c 'sync(' "$dir/trace" || :)
        each=$(math "($after - $before) / $(field steps_in_all "$got")")
        row "disk syncs for a step, workflows at once: $at_once" "$each" "" "" "<= $mark" \
            "$each <= $mark"
    done
}

# counted NUMBER: of log_writes.c, from 1.
counted() { od -An -v -t u8 -w8 "$dir/counts" | sed -n "$1p" | tr -d ' '; }

# What a step writes to the disk; of two builds in turns, where BENCH_BEFORE is the older one.
written() {
    newer=$drover
    for row in 1:50 64:8; do
        for drover in ${BENCH_BEFORE:-} "$newer"; do
            of=
            [ "$drover" = "$newer" ] || of=" (the build before)"
            written_by "${row%:*}" "${row#*:}" "$of"
        done
    done
}

written_by() {
    fresh written
    rm -f "$dir/counts"
    serve env "LD_PRELOAD=$tools/log_writes.so" "LOG_WRITES=$dir/counts"
    warm
    pages=$(counted 1) commits=$(counted 2) log=$(counted 3) database=$(counted 4)
    got=$(load flows --connections "$1")
    pages=$(($(counted 1) - pages)) commits=$(($(counted 2) - commits))
    log=$(($(counted 3) - log)) database=$(($(counted 4) - database))
    stop
    steps=$(whole "$(field steps_in_all "$got")")
    each=$(math "$log / 1000 / $steps")
    what="kB that a step writes to the log, workflows at once: $1$3"
    what="$what ($(math "$pages / $commits") pages a commit, $(math "$pages / $steps") a step;"
    what="$what $(math "$commits / $steps") commits a step;"
    row "$what and $(math "$database / 1000 / $steps") kB to the database)" "$each" "" "" \
        "<= $2" "$each <= $2"
}

# A model on this machine says when it was asked.
flows_first() {
    rm -f "$dir/model"
    mkfifo "$dir/model"
    "$tools/bench_provider" --count 1 --rate 1000 --at-once >"$dir/model" 2>>"$dir/err" &
    model=$!
    exec 4<"$dir/model"
    IFS= read -r line <&4
    model_url=${line#provider ready at }
    serve
    "$drover" provider add bench --kind openai --base-url "$model_url/v1" --window 32768 \
        --data "$data" >/dev/null 2>>"$dir/err"
    got=$(load first --name bench/model)
    stop
    kill "$model"
    model=
    exec 4<&-
    took=$(ms_of p50_us "$got")
    what="a script from its request to its first agent, as the model hears of it, p50, ms"
    row "$what (p99 $(ms_of p99_us "$got"))" "$took" "" "" "<= 5" "$took <= 5"
}

flows_killed() {
    fresh killed
    got=$("$tools/bench_load" survive 200 "$drover" serve --data "$data" --listen 127.0.0.1:0 \
        --insecure-loopback 2>>"$dir/err")
    ready=$(field ready_ms "$got")
    done=$(field done_ms "$got")
    ideal=$(field ideal_ms "$got")
    what="kill -9 with 200 workflows of 10 steps of 50 ms,"
    what="$what $(whole "$(field done_before "$got")") of 2,000 steps done"
    row "$what: ready again, ms" "$ready" "" "" "<= 30" "$ready <= 30"
    row "the same: all done, ms" "$done" "$ideal ms without a kill" "$(math "$done / $ideal")" \
        "<= ideal + 150" "$done <= $ideal + 150"
    lost=$(whole "$(field lost "$got")")
    again=$(whole "$(field again "$got")")
    row "the same: steps lost; finished steps asked again" "$lost; $again" "" "" "0; 0" \
        "$lost == 0 && $again == 0"
    fresh replay
    got=$("$tools/bench_load" replay 1000 "$drover" serve --data "$data" --listen 127.0.0.1:0 \
        --insecure-loopback 2>>"$dir/err")
    took=$(field replay_ms "$got")
    row "replay of 1,000 steps, from ready to the next one asked, ms" "$took" "" "" "<= 100" \
        "$took <= 100"
}

flows_waiting() {
    fresh waiting
    serve
    idle_mb=$(math "$(field pss_kb "$("$tools/bench_load" rest --pid "$pid" --ms 1)") / 1024")
    "$tools/bench_load" holding --url "$url" --count 500
    wait_for drover_workflow_agents_total 500
    with_500=$(math "$(field pss_kb "$("$tools/bench_load" rest --pid "$pid" --ms 1)") / 1024")
    brood=$("$tools/bench_load" brood --pid "$pid")
    each=$(math "$(field private_kb "$brood") / 1024")
    row "memory of the daemon with 500 workflows, MB (PSS; $idle_mb without)" "$with_500" "" "" \
        "<= 24" "$with_500 <= 24"
    what="private memory of a script's process, MB ($(whole "$(field workers "$brood")") of them,"
    what="$what the largest $(math "$(field private_most_kb "$brood") / 1024"))"
    row "$what" "$each" "" "" "<= 3" "$each <= 3"
    "$tools/bench_load" holding --url "$url" --count 500
    wait_for drover_workflow_agents_total 1000
    rest=$("$tools/bench_load" rest --pid "$pid" --ms 3000)
    brood=$("$tools/bench_load" brood --pid "$pid")
    more=$(math "$(field pss_kb "$rest") - $with_500 * 1024")
    each=$(math "$more / 500")
    what="1,000 of them ($(whole "$(field workers "$brood")") with a process): kB of the daemon"
    row "$what for each behind the 500th" "$each" "" "" "<= 20" "$each <= 20"
    cpu=$(field cpu_percent "$rest")
    note "idle CPU of the daemon with them, %" "$cpu" "" ""
    stop
    done_with
}

# chain COUNT: ms of CPU of the daemon, for a flow of so many steps that do nothing, in a chain.
chain() {
    awk -v count="$1" 'BEGIN { print "export default { name: \"chain\", steps: ["
        for (i = 0; i < count; i++) {
            deps = i > 0 ? sprintf(", deps: [\"s%d\"]", i - 1) : ""
            printf "{ id: \"s%d\", kind: \"code\"%s, run: () => \"\" },\n", i, deps
        }
        print "] };" }' >"$dir/chain.js"
    ticks=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
    "$drover" flow run "$dir/chain.js" --root "$dir" --data "$data" --no-start \
        >/dev/null 2>>"$dir/err"
    awk -v ticks="$ticks" -v hertz="$(getconf CLK_TCK)" \
        '{ print ($14 + $15 - ticks) * 1000 / hertz }' "/proc/$pid/stat"
}

# A step reads as many rows in a long flow as in a short one: twice the steps cost twice.
chains() {
    fresh chains
    serve
    chain 20 >/dev/null
    half=$(chain 250)
    full=$(chain 500)
    stop
    done_with
    ratio=$(math "$full / $half")
    row "a flow of 500 steps in a chain that do nothing: ms CPU of the daemon" "$full" \
        "$half ms for 250 steps" "$ratio" "<= 2.5 x" "$ratio <= 2.5"
}
