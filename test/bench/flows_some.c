/* flows_some.c: workflows that wait, and how soon the first agent of one is asked. */
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "base/memory.h"
#include "load.h"
#include "measure.h"

enum { RUN_SIZE = 40 };

/* --- That wait -------------------------------------------------------------------------------- */

struct holding {
    int64_t left;
};

static bool next_waiting(void *ctx, size_t at, struct question *ret_question) {
    (void)at;
    struct holding *holding = ctx;
    if (holding->left == 0) {
        return false;
    }
    holding->left--;
    ret_question->method = "POST";
    (void)snprintf(ret_question->path, sizeof ret_question->path, "/api/v1/workflows");
    (void)snprintf(ret_question->body, sizeof ret_question->body,
                   "{\"model\":\"scripted/demo\",\"script\":"
                   "\"export const meta = {name: 'waits', description: 'Waits'};\\n"
                   "return await agent('delay: 3600s');\"}");
    return true;
}

static void began_waiting(void *ctx, size_t at, const struct answer *answer) {
    (void)ctx;
    (void)at;
    if (answer->status != 201 || strstr(answer->body, "\"runId\"") == NULL) {
        (void)fprintf(stderr, "%s\n", answer->body);
        die_saying("a workflow was refused");
    }
}

void load_holding(const struct load *load) {
    struct holding holding = {.left = load->count};
    const struct ask ask = {.target = &load->target,
                            .connections = 16,
                            .ctx = &holding,
                            .next = next_waiting,
                            .answered = began_waiting};
    ask_all(&ask);
}

/* --- The first agent -------------------------------------------------------------------------- */

/* The model's answer is the time at which it was asked (bench_provider.c), and the script returns
 * that: so it comes with the end. */
struct first {
    const struct load *load;
    uint64_t until_ns, asked_ns;
    char run[RUN_SIZE];
    bool waits;
    uint64_t events;
    struct histogram took;
};

static bool next_first(void *ctx, size_t at, struct question *ret_question) {
    (void)at;
    struct first *first = ctx;
    if (first->waits) {
        (void)snprintf(ret_question->path, sizeof ret_question->path,
                       "/api/v1/streams/run:%s/events?after=%llu&wait=30", first->run,
                       (unsigned long long)first->events);
        return true;
    }
    ret_question->method = "POST";
    (void)snprintf(ret_question->path, sizeof ret_question->path, "/api/v1/workflows");
    (void)snprintf(ret_question->body, sizeof ret_question->body,
                   "{\"model\":\"%s\",\"script\":"
                   "\"export const meta = {name: 'asks', description: 'Asks'};\\n"
                   "return await agent('When is it?');\"}",
                   first->load->name);
    return now_ns() < first->until_ns;
}

static void take_first(struct first *first, const char *body) {
    const char *stamp = strstr(body, "\"result\":\"@");
    unsigned long long said_ns = 0;
    if (stamp == NULL || sscanf(stamp, "\"result\":\"@%llu", &said_ns) != 1) {
        (void)fprintf(stderr, "%s\n", body);
        die_saying("a workflow did not return the time");
    }
    histogram_add(&first->took, said_ns - first->asked_ns);
    first->waits = false;
}

static void answered_first(void *ctx, size_t at, const struct answer *answer) {
    (void)at;
    struct first *first = ctx;
    const char *id = strstr(answer->body, "\"runId\":\"run_");
    if (first->waits && strstr(answer->body, "\"workflow_finished\"") != NULL) {
        take_first(first, answer->body);
    } else if (first->waits) {
        for (const char *seq = answer->body; (seq = strstr(seq, "\"seq\":")) != NULL; seq++) {
            first->events++;
        }
    } else if (id != NULL) {
        (void)snprintf(first->run, sizeof first->run, "%.*s", (int)strcspn(id + 9, "\""), id + 9);
        first->asked_ns = answer->asked_ns;
        first->events = 0;
        first->waits = true;
    } else {
        (void)fprintf(stderr, "%s\n", answer->body);
        die_saying("a workflow was refused");
    }
}

void load_first(const struct load *load) {
    AUTO(mem_release) struct first *first = mem_new(sizeof *first);
    first->load = load;
    first->until_ns = now_ns() + (uint64_t)load->milliseconds * 1000000ULL;
    const struct ask ask = {.target = &load->target,
                            .connections = 1,
                            .ctx = first,
                            .next = next_first,
                            .answered = answered_first};
    ask_all(&ask);
    tell_latency(&first->took);
}
