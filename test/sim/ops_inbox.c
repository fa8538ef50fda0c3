/* ops_inbox.c: a person retries a notice, or drops it.
 *
 *   dropped    stays so, and comes no more, whoever had it under way (a turn, a crash)
 *   retried    is settled in the end, as every other one (check_inbox.c)
 *   any        once it is settled its receiver sees it no more. One request may have been under way
 *              when a person dropped it: only of that life, and one alone.
 */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "chat_ops.h"
#include "engine/inbox/inbox.h"
#include "late.h"
#include "notices.h"
#include "ops.h"

enum { NOTICES_MAX = 512, WATCHERS_MAX = 128 };

struct notice {
    char delivery[ID_SIZE];
    bool dropped;       /* A client was told so, */
    unsigned drop_life; /* in this life. */
    unsigned after;     /* Number of requests since then. */
};

static struct notice notices[NOTICES_MAX];
static size_t notice_count;

static struct notice *notice_find(const char *delivery) {
    for (size_t i = 0; i < notice_count; i++) {
        if (strcmp(notices[i].delivery, delivery) == 0) {
            return &notices[i];
        }
    }
    if (notice_count == NOTICES_MAX) {
        return NULL;
    }
    struct notice *notice = &notices[notice_count++];
    *notice = (struct notice){.dropped = false};
    (void)snprintf(notice->delivery, sizeof notice->delivery, "%s", delivery);
    return notice;
}

/* --- Orders ----------------------------------------------------------------------------------- */

struct pick {
    char delivery[ID_SIZE];
    uint64_t skip;
};

static void pick_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct pick *pick = ctx;
    (void)sim;
    if (pick->skip > 0) {
        pick->skip--;
    } else if (pick->delivery[0] == '\0') {
        (void)snprintf(pick->delivery, sizeof pick->delivery, "%s", row->text[0].data);
    }
}

/* As a person finds it in the list, which has a moment of its own. */
static struct notice *notice_pick(struct sim *sim) {
    struct pick pick = {.skip = sim_choose(sim, "which notice", 3)};
    ask_each(sim, "SELECT delivery FROM inbox WHERE settled_ms IS NULL ORDER BY id DESC", NULL,
             pick_take, &pick);
    if (pick.delivery[0] == '\0') {
        ask_each(sim, "SELECT delivery FROM inbox ORDER BY settled_ms, id", NULL, pick_take, &pick);
    }
    return pick.delivery[0] == '\0' ? NULL : notice_find(pick.delivery);
}

static struct err order(struct tx *tx, struct errand *errand, enum inbox_order what) {
    struct inbox_row row = {0};
    const struct notice *notice = notice_find(errand->id);
    /* Jobs and sessions of the simulator have owners of their own; an admin may act for each. */
    const struct inbox_key key = {.owner = {NULL, 0}, .delivery = known_bytes(notice->delivery)};
    return tx_inbox_order(tx, &key, what, &row);
}

static struct err retry_run(struct tx *tx, struct errand *errand) {
    return order(tx, errand, INBOX_RETRY);
}

static struct err drop_run(struct tx *tx, struct errand *errand) {
    return order(tx, errand, INBOX_DROP);
}

static void retry_done(struct errand *errand, struct err result) {
    const struct notice *notice = notice_find(errand->id);
    if (!err_failed(result) && notice->dropped) {
        sim_fail(errand->sim, "the notice %s was dropped, and is taken for a retry", errand->id);
    }
    if (err_failed(result) && !errand_refused(errand, result)) {
        sim_fail(errand->sim, "a retry was refused: %s", err_name(result.code));
    }
}

static void drop_done(struct errand *errand, struct err result) {
    struct notice *notice = notice_find(errand->id);
    if (!err_failed(result)) {
        notice->dropped = true;
        notice->drop_life = sim_life(errand->sim)->number;
    } else if (!errand_refused(errand, result)) {
        sim_fail(errand->sim, "a drop was refused: %s", err_name(result.code));
    }
}

static void order_send(struct sim *sim, const struct notice *notice, unsigned op,
                       enum inbox_order what) {
    if (notice == NULL) {
        return;
    }
    struct errand *errand = errand_new(sim, what == INBOX_DROP ? "drop" : "retry", NULL);
    errand->op = op;
    memcpy(errand->id, notice->delivery, sizeof errand->id);
    errand->run = what == INBOX_DROP ? drop_run : retry_run;
    errand->done = what == INBOX_DROP ? drop_done : retry_done;
    errand_send(errand);
}

static void retry_late(struct sim *sim, unsigned op) {
    order_send(sim, notice_pick(sim), op, INBOX_RETRY);
}

static void drop_late(struct sim *sim, unsigned op) {
    order_send(sim, notice_pick(sim), op, INBOX_DROP);
}

/* A person who waits for the next notice that is sent: it may be under way, have failed, or be
 * settled when the order comes. */
struct watcher {
    struct sim_event event;
    enum inbox_order what;
    unsigned op;
    struct notice *notice; /* NULL: none was sent yet. */
};

static struct watcher watchers[WATCHERS_MAX];
static size_t watcher_count;

static void watcher_act(struct sim *sim, struct sim_event *event) {
    struct watcher *watcher = CONTAINER_OF(event, struct watcher, event);
    if (!sim_life(sim)->ready) {
        sim_plan(sim, event, /* after_ms */ 500, watcher_act);
        return;
    }
    order_send(sim, watcher->notice, watcher->op, watcher->what);
}

static void watchers_see(struct sim *sim, struct notice *notice) {
    static const uint64_t waits_ms[] = {0, 1, 100, 400, 1500, 60000};
    for (size_t i = 0; i < watcher_count; i++) {
        if (watchers[i].notice == NULL) {
            watchers[i].notice = notice;
            sim_plan(sim, &watchers[i].event,
                     waits_ms[sim_choose(sim, "watcher", COUNT_OF(waits_ms))], watcher_act);
            return;
        }
    }
}

static void notice_order(struct sim *sim, enum inbox_order what) {
    if (sim_chance(sim, "looks now", 25)) {
        late_plan(sim, what == INBOX_DROP ? drop_late : retry_late);
    } else if (watcher_count < WATCHERS_MAX) {
        watchers[watcher_count++] = (struct watcher){.what = what, .op = sim_operation(sim)};
    }
}

static void notice_retry(struct sim *sim) {
    notice_order(sim, INBOX_RETRY);
}

static void notice_drop(struct sim *sim) {
    notice_order(sim, INBOX_DROP);
}

/* --- What receivers see ----------------------------------------------------------------------- */

/* The notice of a question may be on its way while its answer withdraws it. */
static int64_t settled(struct sim *sim, const char *delivery) {
    return rows_number(sim,
                       "SELECT count(*) FROM inbox WHERE delivery = $1 AND (state = 'acknowledged'"
                       " OR (state = 'gone' AND approval = 0))",
                       TEXTS(delivery), 0);
}

static void arrive(struct sim *sim, const char *delivery) {
    struct notice *notice = notice_find(delivery);
    if (settled(sim, delivery) > 0) {
        sim_fail(sim, "the notice %s is sent, and is settled already", delivery);
    }
    if (notice != NULL) {
        watchers_see(sim, notice);
    }
    if (notice == NULL || !notice->dropped) {
        return;
    }
    notice->after++;
    if (notice->after > 1 || sim_life(sim)->number != notice->drop_life) {
        sim_fail(sim, "the notice %s was dropped in life %u, and is sent again", delivery,
                 notice->drop_life);
    }
}

void notices_arrive(struct sim *sim, const struct server_request *request) {
    char delivery[ID_SIZE];
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcmp(request->headers[i].name, "Drover-Delivery") == 0) {
            (void)snprintf(delivery, sizeof delivery, "%s", request->headers[i].value);
            arrive(sim, delivery);
        }
    }
}

/* --- Rows ------------------------------------------------------------------------------------- */

/* Retention may have taken it; else it is what the client was told. */
static void dropped_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct notice *notice = ctx;
    if (strcmp(row->text[0].data, "dropped") != 0) {
        sim_fail(sim, "the notice %s was dropped, and is %s", notice->delivery, row->text[0].data);
    }
}

static void inbox_look(struct sim *sim) {
    for (size_t i = 0; i < notice_count; i++) {
        if (notices[i].dropped) {
            ask_each(sim, "SELECT state FROM inbox WHERE delivery = $1", TEXTS(notices[i].delivery),
                     dropped_take, &notices[i]);
        }
    }
}

static void inbox_begin(struct sim *sim) {
    (void)sim;
    notice_count = watcher_count = 0;
}

static const struct sim_op ops_inbox[] = {
    {"notice_retry", 3, notice_retry},
    {"notice_drop", 4, notice_drop},
    {NULL, 0, NULL},
};

const struct sim_part part_inbox = {.name = "inbox",
                                    .ops = ops_inbox,
                                    .begin = inbox_begin,
                                    .opened = inbox_look,
                                    .look = inbox_look};
