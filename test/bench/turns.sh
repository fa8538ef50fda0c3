# The part of test/bench/run that measures turns. Sourced by it, as jobs.sh is.
# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # Assigned, and used, by test/bench/run.

groups() {
    "$tools/bench_load" get --url "$url" --path /metrics |
        sed -n 's/^drover_store_groups_total //p' | head -n 1
}

# A model on this machine: 200 tokens, 50 of them in a second, in 500 answers at once.
turns() {
    rm -f "$dir/model"
    mkfifo "$dir/model"
    "$tools/bench_provider" --count 200 --rate 50 >"$dir/model" 2>>"$dir/err" &
    model=$!
    exec 4<"$dir/model"
    IFS= read -r line <&4
    model_url=${line#provider ready at }
    bare=$("$tools/bench_load" model --url "$model_url" --readers 500)
    fresh turns
    serve
    "$drover" provider add bench --kind openai --base-url "$model_url/v1" --window 32768 \
        --max-concurrent 500 --data "$data" >/dev/null 2>>"$dir/err"
    warm
    before=$(groups)
    got=$(load turns --name bench/model --readers 500)
    synced=$(math "($(groups) - $before) / $(field seconds "$got")")
    holds "$(field complete "$got") == 1" || say "some turns did not end: $got"
    p99=$(ms_of p99_us "$got")
    bare_p99=$(ms_of p99_us "$bare")
    what="500 turns at once, 50 tokens/s each, every one durable before it is sent: p99 delay, ms"
    what="$what (p50 $(ms_of p50_us "$got"); in fact $(whole "$(field rate "$got")") tokens/s)"
    row "$what" "$p99" "$bare_p99 ms from the model itself" "$(math "$p99 / $bare_p99")" \
        "<= 25" "$p99 <= 25"
    note "the same: us CPU of the daemon for each token ($(field server_cores "$got") cores)" \
        "$(field server_us "$got")" "" ""
    note "the same: durable commits per second" "$(whole "$synced")" "" ""
    each=$(field kb_each "$got")
    row "the same: memory for each turn, kB (PSS)" "$each" "" "" "<= 200" "$each <= 200"
    got=$(load turn)
    took=$(ms_of p50_us "$got")
    row "a turn alone, its model answers at once, ms (p99 $(ms_of p99_us "$got"))" \
        "$took" "" "" "<= 5" "$took <= 5"
    stop
    kill "$model"
    model=
    exec 4<&-
    done_with
}
