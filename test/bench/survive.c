/* survive.c: a daemon that is killed in the middle of workflows, and one that comes after it.
 *
 * What was finished before the kill is what has ended by the clock of the rows; that none of it was
 * asked again is seen from how often the second daemon asked a model. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "base/memory.h"
#include "load.h"
#include "measure.h"
#include "server.h"

enum { STEPS = 10, STEP_MS = 50, RUN_SIZE = 40, POLL_MS = 1, PATIENCE_MS = 60000 };

struct survivor {
    char run[RUN_SIZE];
    int64_t before, succeeded; /* Of its steps. */
};

struct survive {
    int64_t count, begun, looked;
    const char *body; /* Of the request that begins one. */
    int64_t killed_ms;
    struct survivor *runs; /* Owned. */
    size_t *at;            /* Owned: which run a connection asks for. */
};

static void pause_for_ms(long ms) {
    const struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&wait, NULL);
}

static int64_t wall_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* It is there everywhere. */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_for(const struct server *server, const char *metric, int64_t value) {
    uint64_t until_ns = now_ns() + PATIENCE_MS * 1000000ULL;
    while (server_metric(server, metric) < value) {
        if (now_ns() > until_ns) {
            (void)fprintf(stderr, "%s is %lld\n", metric, (long long)server_metric(server, metric));
            die_saying("it took too long");
        }
        pause_for_ms(POLL_MS);
    }
}

/* By the rows: whatever had begun before a kill is among them. */
static void wait_for_all(const struct server *server) {
    static const char none[] = "{\"items\":[]", live[] = "/api/v1/runs?live=1&limit=1";
    uint64_t until_ns = now_ns() + PATIENCE_MS * 1000000ULL;
    char body[4096];
    while (ask_once(&server->target, live, body, sizeof body) != 200 ||
           strncmp(body, none, sizeof none - 1) != 0) {
        if (now_ns() > until_ns) {
            die_saying("it took too long");
        }
        pause_for_ms(POLL_MS);
    }
}

/* --- Begun ------------------------------------------------------------------------------------ */

static bool next_begin(void *ctx, size_t at, struct question *ret_question) {
    (void)at;
    struct survive *survive = ctx;
    if (survive->looked == survive->count) {
        return false;
    }
    survive->looked++;
    ret_question->method = "POST";
    (void)snprintf(ret_question->path, sizeof ret_question->path, "/api/v1/workflows");
    (void)snprintf(ret_question->body, sizeof ret_question->body, "%s", survive->body);
    return true;
}

static void was_begun(void *ctx, size_t at, const struct answer *answer) {
    (void)at;
    struct survive *survive = ctx;
    const char *id = strstr(answer->body, "\"runId\":\"run_");
    if (id == NULL) {
        (void)fprintf(stderr, "%s\n", answer->body);
        die_saying("a workflow was refused");
    }
    (void)snprintf(survive->runs[survive->begun++].run, RUN_SIZE, "%.*s",
                   (int)strcspn(id + 9, "\""), id + 9);
}

static void begin_all(struct survive *survive, const struct server *server) {
    const struct ask ask = {.target = &server->target,
                            .connections = 16,
                            .ctx = survive,
                            .next = next_begin,
                            .answered = was_begun};
    ask_all(&ask);
}

/* --- Looked at -------------------------------------------------------------------------------- */

static bool next_look(void *ctx, size_t at, struct question *ret_question) {
    struct survive *survive = ctx;
    if (survive->looked == survive->count) {
        return false;
    }
    survive->at[at] = (size_t)survive->looked++;
    (void)snprintf(ret_question->path, sizeof ret_question->path, "/api/v1/runs/%s/agents",
                   survive->runs[survive->at[at]].run);
    return true;
}

static void was_looked(void *ctx, size_t at, const struct answer *answer) {
    static const char ended[] = "\"ended_ms\":";
    struct survive *survive = ctx;
    struct survivor *run = &survive->runs[survive->at[at]];
    for (const char *one = answer->body; (one = strstr(one, "\"succeeded\"")) != NULL; one++) {
        run->succeeded++;
    }
    for (const char *one = answer->body; (one = strstr(one, ended)) != NULL; one++) {
        int64_t ended_ms = 0;
        run->before += sscanf(one + sizeof ended - 1, "%" SCNd64, &ended_ms) == 1 &&
                       ended_ms <= survive->killed_ms;
    }
}

static void look_at_all(struct survive *survive, const struct server *server) {
    size_t at[16];
    survive->at = at;
    survive->looked = 0;
    const struct ask ask = {.target = &server->target,
                            .connections = COUNT_OF(at),
                            .ctx = survive,
                            .next = next_look,
                            .answered = was_looked};
    ask_all(&ask);
}

/* --- Killed with many ------------------------------------------------------------------------- */

static void tell_steps(const struct survive *survive, int64_t asked) {
    int64_t before = 0, succeeded = 0, least = STEPS;
    for (int64_t i = 0; i < survive->count; i++) {
        const struct survivor *run = &survive->runs[i];
        before += run->before;
        succeeded += run->succeeded;
        least = run->before < least ? run->before : least;
    }
    int64_t all = survive->count * STEPS;
    tell("done_before", (double)before);
    tell("ideal_ms", (double)((STEPS - least) * STEP_MS));
    tell("lost", (double)(all - succeeded));
    tell("again", (double)(asked - (all - before)));
}

void load_survive(char **command, int64_t count) {
    AUTO(mem_release)
    struct survivor *runs = mem_new_array((size_t)count, sizeof *runs);
    struct survive survive = {.count = count, .runs = runs};
    survive.body = "{\"model\":\"scripted/demo\",\"script\":"
                   "\"export const meta = {name: 'ten', description: 'Ten steps'};\\n"
                   "let said = '';\\nfor (let i = 0; i < 10; i++) "
                   "said = await agent('delay: 50ms\\\\nsay: step ' + i);\\nreturn said;\"}";
    struct server server = server_start(command);
    begin_all(&survive, &server);
    /* Of each, one is under way. */
    wait_for(&server, "drover_workflow_agents_total", count * STEPS * 4 / 10 + count);
    survive.killed_ms = wall_ms();
    uint64_t killed_ns = now_ns();
    server_kill(&server);
    server = server_start(command);
    tell("ready_ms", (double)(now_ns() - killed_ns) / 1e6);
    wait_for_all(&server);
    tell("done_ms", (double)(now_ns() - killed_ns) / 1e6);
    look_at_all(&survive, &server);
    tell_steps(&survive, server_metric(&server, "drover_model_calls_total"));
    server_stop(&server);
}

/* --- Killed behind many steps ----------------------------------------------------------------- */

void load_replay(char **command, int64_t count) {
    char body[512];
    struct survivor run;
    struct survive survive = {.count = 1, .runs = &run, .body = body};
    (void)snprintf(body, sizeof body,
                   "{\"model\":\"scripted/demo\",\"script\":"
                   "\"export const meta = {name: 'many', description: 'Many steps'};\\n"
                   "for (let i = 1; i < %lld; i++) await agent('say: step ' + i);\\n"
                   "return await agent('delay: 3600s');\"}",
                   (long long)count);
    struct server server = server_start(command);
    begin_all(&survive, &server);
    wait_for(&server, "drover_workflow_agents_total", count);
    server_kill(&server);
    server = server_start(command);
    uint64_t ready_ns = now_ns();
    /* The last one is asked again when all others have been told. */
    wait_for(&server, "drover_workflow_agents_total", 1);
    tell("replay_ms", (double)(now_ns() - ready_ns) / 1e6);
    tell("asked", (double)server_metric(&server, "drover_model_calls_total"));
    server_stop(&server);
}
