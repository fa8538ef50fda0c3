/* sleeps.c: the machine is suspended, and wakes.
 *
 *   suspend ──> the monotonic clock stands still, the wall clock goes on; connections die (fetch.c)
 *      └── wake ──at most SLEEP_LOOK_MS──> the daemon notices ──> what was due has begun
 *
 * What must hold soon after a wake of a daemon that lives on, if the clock is not set back:
 *   runs       none waits for a time that is over
 *   providers  each that was due is asked again, as long as a run waits for it
 *   webhooks   each receiver of a notice that was due was asked, or is being asked
 *   budgets    no day that is over goes on
 * That nothing is lost, or done twice, and that no deadline ran out, the other parts find out.
 */
#include "sleeps.h"

#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "hosts.h"
#include "loop/sleep_watch.h"
#include "main/work.h"
#include "ops.h"
#include "servers.h"

enum {
    URLS_MAX = 16,
    URL_SIZE = 64,
    /* Time to begin after the wake is noticed: commits, and the pause after one that failed. */
    BEGUN_MS = 4000,
    /* A receiver that was asked so shortly before the suspend may be waited for. */
    ANSWER_MS = 35000,
    DISK_MS = 60000, /* A disk that was full delays commits for as long. */
    /* A wait of LONG_MS or more is met by a suspend that stands ready, within LID_MS. */
    LONG_MS = 25000,
    LIDS = 3,
    LONG_ASKED = 6, /* Requests to a receiver before its waits are as long. */
    LID_MS = 3000,
};

static struct hook {
    char url[URL_SIZE];
    char delivery[ID_SIZE]; /* Delivery of the last request, */
    int64_t attempt;        /* and number of the attempt. */
    uint64_t asked_ns;
} hooks[URLS_MAX];

/* Few things wait for long when an operation comes. So some suspends wait for such a run, for a
 * receiver that has failed often, or for a provider that is away; in half of all seeds there are
 * some. */
static struct {
    struct sim_event event;
    unsigned run, hook, provider; /* Number of suspends that wait for one. */
} lid;

/* The last suspend. */
static struct {
    struct sim_event event;
    uint64_t woke_ns;
    int64_t woke_ms; /* The same by the wall clock. */
    unsigned life;   /* Life of the daemon that slept; 0: nothing is promised. */
} last;

void sleeps_clock_set(int64_t step_ms) {
    last.life = step_ms < 0 ? 0 : last.life;
}

static void lid_close(struct sim *sim);

static struct hook *hook_find(struct bytes url) {
    for (size_t i = 0; i < URLS_MAX; i++) {
        const bool same = strlen(hooks[i].url) == url.len && url.len > 0 &&
                          memcmp(hooks[i].url, url.data, url.len) == 0;
        if (same || hooks[i].url[0] == '\0') {
            return &hooks[i];
        }
    }
    return NULL;
}

void sleeps_hook_asked(struct bytes url, const char *delivery, int64_t attempt) {
    struct hook *hook = hook_find(url);
    if (hook != NULL && url.len < URL_SIZE) {
        memcpy(hook->url, url.data, url.len);
        (void)snprintf(hook->delivery, sizeof hook->delivery, "%s", delivery);
        hook->attempt = attempt;
        hook->asked_ns = sim_now_ns(sim_current());
    }
    if (attempt >= LONG_ASKED && lid.hook > 0) {
        lid.hook--;
        lid_close(sim_current());
    }
}

/* A daemon that is held begins nothing. */
static bool daemon_acts(const struct life *life) {
    return life->ready && !life->dead &&
           dispatch_held(work_api(life->work).host.dispatch) == RUN_FREE;
}

/* --- What must hold --------------------------------------------------------------------------- */

static void run_late(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "%s was due %lld ms before the machine woke, and still waits", row->text[0].data,
             (long long)(last.woke_ms - row->number[1]));
}

static void notice_late(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct hook *hook = hook_find(row->text[1]);
    (void)ctx;
    if (hook == NULL || hook->asked_ns > last.woke_ns) {
        return;
    }
    const bool answered =
        strcmp(hook->delivery, row->text[0].data) == 0 && row->number[3] >= hook->attempt;
    if (answered || hook->asked_ns + UINT64_C(1000000) * ANSWER_MS < last.woke_ns) {
        sim_fail(sim, "the notice %s was due %lld ms before the machine woke, and is not sent",
                 row->text[0].data, (long long)(last.woke_ms - row->number[2]));
    }
}

/* A call that waited longer would have another time: each failure of a probe stores one. */
static void provider_late(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct model_load load;
    if (models_get_load(ctx, row->text[2], &load) && load.running == 0) {
        sim_fail(sim, "%s was to ask %s %lld ms before the machine woke, and still waits",
                 row->text[0].data, row->text[2].data, (long long)(last.woke_ms - row->number[1]));
    }
}

static void day_late(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "the day of the budget %s ended %lld ms before the machine woke, and goes on",
             row->text[0].data, (long long)(last.woke_ms - row->number[1]));
}

static void sleep_check(struct sim *sim, struct sim_event *event) {
    const struct life *life = sim_life(sim);
    const uint64_t full_ns = disk_full_ns(), slack_ns = UINT64_C(1000000) * DISK_MS;
    (void)event;
    if (life->number != last.life || !daemon_acts(life) ||
        (full_ns != 0 && full_ns + slack_ns > last.woke_ns)) {
        return;
    }
    const struct ask_number woke = ask_number(last.woke_ms);
    sim_trace(sim, "what was due in the suspend has begun");
    ask_each(sim,
             "SELECT run, not_before_ms FROM runs WHERE state = 'queued' AND not_before_ms <> 0"
             " AND not_before_ms <= CAST($1 AS INTEGER)",
             TEXTS(woke.text), run_late, NULL);
    ask_each(sim,
             "SELECT r.run, r.not_before_ms, COALESCE(t.model, json_extract(r.spec, '$.model'))"
             " FROM runs r LEFT JOIN turns t ON t.run = r.id"
             " WHERE r.state = 'waiting' AND r.not_before_ms <> 0"
             " AND r.not_before_ms <= CAST($1 AS INTEGER)",
             TEXTS(woke.text), provider_late,
             connections_models(work_providers_api(life->work)->connections));
    ask_each(
        sim,
        "SELECT delivery, address, not_before_ms, failures FROM inbox"
        " WHERE receiver = 'webhook' AND settled_ms IS NULL AND state IN ('pending', 'stalled')"
        " AND not_before_ms <= CAST($1 AS INTEGER)",
        TEXTS(woke.text), notice_late, NULL);
    ask_each(sim,
             "SELECT scope, day_end_ms FROM budgets WHERE day_end_ms <> 0"
             " AND day_end_ms <= CAST($1 AS INTEGER)",
             TEXTS(woke.text), day_late, NULL);
}

/* --- The suspend ------------------------------------------------------------------------------ */

static void machine_sleep(struct sim *sim, struct sim_event *event) {
    (void)event;
    static const uint64_t most_ms[] = {60000, 600000, 36000000};
    const uint64_t most = most_ms[sim_choose(sim, "scale", COUNT_OF(most_ms))];
    const uint64_t slept_ms = SLEEP_LEAST_MS + 1 + sim_choose(sim, "sleep", most);
    sim->slept_ns += slept_ms * 1000000;
    sim->wall_offset_ms += (int64_t)slept_ms;
    servers_in_use()->sleeps++;
    servers_in_use()->woke_ns = sim->now_ns;
    last.woke_ns = sim->now_ns;
    last.woke_ms = sim_wall_ms(sim);
    last.life = daemon_acts(sim_life(sim)) ? sim_life(sim)->number : 0;
    sim_trace(sim, "the machine slept for %llu ms", (unsigned long long)slept_ms);
    sim_plan(sim, &last.event, SLEEP_LOOK_MS + BEGUN_MS, sleep_check);
}

static void lid_close(struct sim *sim) {
    sim_plan(sim, &lid.event, sim_choose(sim, "lid", LID_MS), machine_sleep);
}

static void sleeps_noted(struct sim *sim, const struct run_row *row) {
    const bool queued = row->state == RUN_QUEUED;
    unsigned *count = queued ? &lid.run : &lid.provider;
    if (*count > 0 && (queued || run_waits_for_provider(row)) &&
        row->not_before_ms > sim_wall_ms(sim) + LONG_MS) {
        --*count;
        lid_close(sim);
    }
}

static void op_sleep(struct sim *sim) {
    const uint64_t when = sim_choose(sim, "when", 3);
    if (hosts_several(sim)) {
        return; /* Several hosts share a clock here, and are no laptops. */
    }
    lid.run += when == 1;
    lid.hook += when == 2;
    if (when == 0) {
        machine_sleep(sim, NULL);
    }
}

static void sleeps_heal(struct sim *sim) {
    lid.run = lid.hook = lid.provider = 0;
    sim_plan_stop(sim, &lid.event);
}

static void sleeps_begin(struct sim *sim) {
    memset(hooks, 0, sizeof hooks);
    memset(&last, 0, sizeof last);
    memset(&lid, 0, sizeof lid);
    if (!hosts_several(sim) && sim_hash(sim_seed(sim), 0, "laptop", 0) % 2 == 0) {
        lid.run = lid.hook = lid.provider = LIDS;
    }
}

static const struct sim_op ops[] = {
    {"sleep", 4, op_sleep},
    {.name = NULL},
};

const struct sim_part part_sleeps = {.name = "sleeps",
                                     .ops = ops,
                                     .begin = sleeps_begin,
                                     .noted = sleeps_noted,
                                     .heal = sleeps_heal};
