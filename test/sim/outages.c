/* outages.c: see the header. */
#include "outages.h"

#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "main/work.h"
#include "ops.h"
#include "sim.h"

enum {
    BEGINS_PERCENT = 30,
    LEAST_MS = 20000,
    MORE_MS = 160000,
    HOSTS = 3,
    /* Requests of one outage in one life of the daemon: those that were sent when it began, and
     * the quick tries of all connections that lead to the host; then one for each of them, at most
     * so often. */
    FIRST_REQUESTS = 60,
    PROBE_MS = 2000,
};

/* The last outage of a host. Of the seed that runs. */
static struct host_outage {
    uint64_t host; /* 0: unused. */
    uint64_t until_ms, how;
    uint64_t begun_ms, requests; /* Since the outage, or the life, began. */
} outages[HOSTS];

static uint64_t host_number(struct bytes host) {
    uint64_t number = 1;
    for (size_t i = 0; i < host.len; i++) {
        number = number * 31 + (uint8_t)host.data[i];
    }
    return number;
}

static void outage_count(struct bytes host, struct host_outage *outage, uint64_t now_ms) {
    outage->begun_ms = outage->requests == 0 ? now_ms : outage->begun_ms;
    outage->requests++;
    if (outage->requests > FIRST_REQUESTS + (now_ms - outage->begun_ms) / PROBE_MS) {
        sim_fail(sim_current(), "%.*s was asked %llu times in %llu ms while it was away",
                 (int)host.len, host.data, (unsigned long long)outage->requests,
                 (unsigned long long)(now_ms - outage->begun_ms));
    }
}

bool outages_answer(struct servers *servers, struct bytes host, uint64_t key,
                    struct server_reply *reply) {
    const uint64_t now_ms = sim_now_ns(sim_current()) / 1000000, number = host_number(host);
    const uint64_t pick = servers_choose(servers, key, "outage");
    struct host_outage *at = outages;
    while (at < outages + HOSTS - 1 && at->host != 0 && at->host != number) {
        at++;
    }
    if (now_ms >= at->until_ms && servers_choose(servers, 0, "outages") % 2 == 0 &&
        servers_fault(servers, key, "outage begins", BEGINS_PERCENT)) {
        *at = (struct host_outage){
            .host = number, .until_ms = now_ms + LEAST_MS + pick % MORE_MS, .how = pick >> 40 & 3};
    }
    if (servers->healed || now_ms >= at->until_ms) {
        return false;
    }
    outage_count(host, at, now_ms);
    servers->stats.away++;
    switch (at->how) {
    case 0:
        reply->link = FETCH_CONNECT;
        break;
    case 1:
        reply->link = FETCH_CUT_OFF;
        break;
    case 2:
        reply->status = 429;
        text_add_str(&reply->body, "{\"error\":{\"message\":\"too many requests\"}}");
        break;
    default:
        reply->status = 503;
        text_add_str(&reply->body, "{\"error\":{\"message\":\"the machines rest\"}}");
        break;
    }
    return true;
}

/* --- The brake -------------------------------------------------------------------------------- */

/* No call of a model takes longer. */
#define CALL_NS (UINT64_C(30) * 60 * 1000 * 1000 * 1000)

static const char *const names[] = {"openai", "responses", "anthropic"};
enum { CONNECTIONS = COUNT_OF(names) };

static struct model_load loads[CONNECTIONS]; /* After the step before, of this life. */
static uint64_t changed_ns[CONNECTIONS];     /* Last change, of this seed; 0: none. */

static bool load_find(struct sim *sim, size_t which, struct model_load *ret_load) {
    char name[32];
    (void)snprintf(name, sizeof name, "%s/x", names[which]); /* Short. */
    const struct life *life = sim_life(sim);
    return life != NULL && life->ready && !life->dead &&
           models_get_load(connections_models(work_providers_api(life->work)->connections),
                           bytes_of(name), ret_load);
}

/* A limit that sank ends no call; in the step in which it sinks, one may have begun before. */
static void outages_step(struct sim *sim) {
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct model_load load, before = loads[i];
        if (!load_find(sim, i, &load)) {
            continue;
        }
        const int64_t limit = load.limit > before.limit ? load.limit : before.limit;
        if (load.running > before.running && load.running > limit) {
            sim_fail(sim, "%s makes %lld calls at once: %lld are allowed", names[i],
                     (long long)load.running, (long long)limit);
        }
        loads[i] = load;
    }
}

void outages_changed(const char *connection) {
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (strcmp(connection, names[i]) == 0) {
            changed_ns[i] = sim_now_ns(sim_current());
        }
    }
}

/* A request that is out now may have begun before it. */
static bool was_just_changed(struct sim *sim, size_t which) {
    return changed_ns[which] != 0 && sim_now_ns(sim) < changed_ns[which] + CALL_NS;
}

/* Words of a quota are not about the number of requests. */
void outages_refused(const struct fetch_call *call, struct bytes body) {
    struct sim *sim = sim_current();
    const char *name = "";
    struct model_load load;
    for (size_t i = 0; i < call->header_count; i++) {
        const struct fetch_header *header = &call->headers[i];
        name = strcmp(header->name, OUTAGES_HEADER_NAME) == 0 ? header->value : name;
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (strcmp(name, names[i]) == 0 && memmem(body.data, body.len, "quota", 5) == NULL &&
            !was_just_changed(sim, i) && load_find(sim, i, &load) && load.most > 1 &&
            load.limit >= load.most) {
            sim_fail(sim, "%s answered 429, and its limit is still %lld", name,
                     (long long)load.limit);
        }
    }
}

/* --- What must hold --------------------------------------------------------------------------- */

static void outages_begin(struct sim *sim) {
    (void)sim;
    memset(outages, 0, sizeof outages);
    memset(loads, 0, sizeof loads);
    memset(changed_ns, 0, sizeof changed_ns);
}

/* A daemon that begins knows of no outage. */
static void outages_opened(struct sim *sim) {
    (void)sim;
    for (size_t i = 0; i < HOSTS; i++) {
        outages[i].requests = 0;
    }
    memset(loads, 0, sizeof loads);
}

static void run_complain(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "%s ended as %s: it was to wait for its provider", row->text[0].data,
             row->text[1].data);
}

/* Programs have providers of their own. An answer that broke off eight times ends a call all the
 * same, and so does a provider that wants no other try, so these two causes are not among them. */
static bool outages_rest(struct sim *sim, bool must) {
    (void)must;
    ask_each(sim,
             "SELECT r.run, r.cause FROM runs r LEFT JOIN turns t ON t.run = r.id"
             " LEFT JOIN sessions s ON s.id = t.session WHERE COALESCE(s.program, '') = ''"
             " AND r.state = 'failed' AND r.cause IN ('provider_unreachable', 'provider_error')"
             " AND (r.step_key <> '' OR t.began_by = 'notice')",
             NULL, run_complain, NULL);
    return true;
}

const struct sim_part part_outages = {.name = "outages",
                                      .begin = outages_begin,
                                      .opened = outages_opened,
                                      .step = outages_step,
                                      .rest = outages_rest};
