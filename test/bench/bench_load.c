/* bench_load: the load that the benchmarks put on a server. test/bench/run drives it.
 *
 *     bench_load ping   --url URL --pid PID --connections 64 --ms 3000 [--pipeline 16] [--spin]
 *     bench_load append --url URL --pid PID --connections 64 --ms 3000 --stream NAME [--spin]
 *     bench_load fanout --url URL --pid PID --readers 100 --writers 32 --rate 0 --ms 3000
 *                       --stream NAME [--spin]
 *     bench_load idle   --url URL --pid PID --readers 10000 --ms 3000 --stream NAME
 *     bench_load submit --url URL --pid PID --connections 64 --ms 3000       commands that wait
 *     bench_load jobs   --url URL --pid PID --connections 16 --ms 3000 | --count 10000
 *                       [--program STAMP --folder FILE]                    commands that run
 *     bench_load fill   --url URL --connections 16 --count 2000            commands that sleep
 *     bench_load stop   --url URL --connections 16 --folder DATA           stops what lives
 *     bench_load turns  --url URL --pid PID --readers 500 --name PROVIDER/MODEL
 *     bench_load model  --url URL --readers 500      the model itself, see bench_provider.c
 *     bench_load turn   --url URL --ms 3000          one after the other
 *     bench_load flows  --url URL --pid PID --connections 64 --ms 3000 [--count 10] [--delay 9]
 *                                                        workflows of ten steps, of a model of 9 ms
 *     bench_load holding --url URL --count 500       begins workflows that wait
 *     bench_load brood  --pid PID                    the processes of their scripts
 *     bench_load first  --url URL --name PROVIDER/MODEL --ms 3000   how soon a model is asked
 *     bench_load lists  --url URL --connections 4 --ms 3000   clients that list everything
 *     bench_load short  --url URL --name PATH --rate 200 --ms 3000     short reads
 *     bench_load board  --url URL --pid PID --name chain|open --count 3000   tasks of a board
 *     bench_load survive 200 COMMAND ARGUMENT...   a daemon killed with workflows, and
 *     bench_load replay 1000 COMMAND ARGUMENT...   with one of so many steps
 *     bench_load await  --url URL --name METRIC --count N --ms 60000
 *     bench_load herd   --folder DATA                holders and commands, and their memory
 *     bench_load gone   --folder DATA --ms 60000     waits until there are none
 *     bench_load end    --folder DATA --ms 10000     ends them without a daemon
 *     bench_load rest   --pid PID --ms 5000          memory and CPU of a server left alone
 *     bench_load get    --url URL --path /metrics
 *     bench_load start  COMMAND ARGUMENT...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "brood.h"
#include "herd.h"
#include "load.h"
#include "measure.h"

static void show_path(const struct load *load, const char *path) {
    enum { BODY_SIZE = 1 << 18 };
    AUTO(mem_release) char *body = mem_new(BODY_SIZE);
    int status = ask_once(&load->target, path, body, BODY_SIZE);
    (void)printf("%s\n", body);
    if (status != 200) {
        die_saying("the server did not answer 200");
    }
}

struct verb {
    const char *name;
    void (*run)(const struct load *load);
};

static const struct verb verbs[] = {
    {"ping", load_ping},   {"append", load_append}, {"fanout", load_fanout},
    {"idle", load_idle},   {"rest", load_rest},     {"submit", load_submit},
    {"jobs", load_jobs},   {"fill", load_fill},     {"stop", load_stop},
    {"await", load_await}, {"herd", load_herd},     {"gone", load_gone},
    {"end", load_end},     {"turns", load_turns},   {"model", load_model},
    {"turn", load_turn},   {"flows", load_flows},   {"holding", load_holding},
    {"brood", load_brood}, {"first", load_first},   {"lists", load_lists},
    {"short", load_short}, {"board", load_board},
};

static void run_verb(const char *name, const struct load *load) {
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            verbs[i].run(load);
            return;
        }
    }
    die_saying("no such verb");
}

int main(int argc, char **argv) {
    if (argc < 2) {
        die_saying("see the first lines of bench_load.c for what it can do");
    }
    const char *verb = argv[1];
    raise_descriptor_limit();
    if (strcmp(verb, "start") == 0) {
        load_start(argv + 2, 20 /* times */);
        return 0;
    }
    if (argc > 3 && strcmp(verb, "survive") == 0) {
        load_survive(argv + 3, strtoll(argv[2], NULL, 10));
        return 0;
    }
    if (argc > 3 && strcmp(verb, "replay") == 0) {
        load_replay(argv + 3, strtoll(argv[2], NULL, 10));
        return 0;
    }
    struct load load = {.stream = "bench",
                        .folder = ".",
                        .name = "",
                        .connections = 1,
                        .pipeline = 1,
                        .readers = 1,
                        .writers = 0,
                        .milliseconds = 2000};
    const char *url = NULL;
    const char *path = "/healthz";
    const struct option_row rows[] = {
        {.name = "url", .text = &url},
        {.name = "path", .text = &path},
        {.name = "stream", .text = &load.stream},
        {.name = "folder", .text = &load.folder},
        {.name = "name", .text = &load.name},
        {.name = "program", .text = &load.program},
        {.name = "count", .number = &load.count},
        {.name = "pid", .number = &load.pid},
        {.name = "connections", .number = &load.connections},
        {.name = "pipeline", .number = &load.pipeline},
        {.name = "readers", .number = &load.readers},
        {.name = "writers", .number = &load.writers},
        {.name = "rate", .number = &load.rate},
        {.name = "delay", .number = &load.delay},
        {.name = "ms", .number = &load.milliseconds},
        {.name = "spin", .flag = &load.spin},
    };
    options_parse(argv + 2, rows, COUNT_OF(rows));
    if (url != NULL) {
        target_parse(url, &load.target);
    }
    if (strcmp(verb, "get") == 0) {
        show_path(&load, path);
    } else {
        run_verb(verb, &load);
    }
    return 0;
}
