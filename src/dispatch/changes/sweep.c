/* sweep.c: see sweep.h. */
#include "dispatch/changes/sweep.h"

#include "base/json/json.h"
#include "dispatch/changes/places.h"
#include "tool/changes/ask.h"

enum {
    HOUR_MS = 60 * 60 * 1000,
    SOON_MS = 1000,
    PRUNE_MS = 10 * 60 * 1000,
    TREES_MAX = 32 << 20,
    ORDER_MAX = 33 << 20,
    ANSWER_MAX = 64 << 10,
    SHRINKS_MAX = 9, /* Tenths of a round. */
};

static void sweep_tick(struct sweep *sweep);

static void sweep_rest(struct sweep *sweep, uint64_t after_ms);

static void on_hour(struct timer *timer) {
    struct sweep *sweep = CONTAINER_OF(timer, struct sweep, timer);
    sweep->repository = (struct id){""};
    sweep->whole = sweep->again;
    sweep->again = false;
    sweep->state = SWEEP_EXPIRING;
    sweep->removed = -1; /* No repository is at hand. */
    sweep_tick(sweep);
}

static void sweep_rest(struct sweep *sweep, uint64_t after_ms) {
    sweep->state = SWEEP_RESTING;
    timer_start(sweep->points->options.room.loop, &sweep->timer, after_ms, on_hour);
}

/* --- Rows ------------------------------------------------------------------------------------- */

static struct err next_tx(struct tx *tx, void *ctx) {
    struct sweep *sweep = ctx;
    sweep->expire.before_ms = tx_now_ms(tx) - POINTS_KEPT_MS;
    return tx_repository_next(tx, sweep->points->options.host, bytes_of(sweep->repository.text),
                              &sweep->next);
}

static void on_next(void *ctx) {
    struct sweep *sweep = ctx;
    sweep->repository = sweep->next;
    sweep->removed = 0;
    sweep->shrunk = 0;
    if (sweep->repository.text[0] == '\0') {
        sweep_rest(sweep, sweep->again ? SOON_MS : HOUR_MS);
        return;
    }
    sweep->expire.host = sweep->points->options.host;
    sweep->expire.repository = bytes_of(sweep->repository.text);
    sweep_tick(sweep);
}

static struct err expire_tx(struct tx *tx, void *ctx) {
    struct sweep *sweep = ctx;
    return tx_points_expire(tx, &sweep->expire, &sweep->count);
}

static void on_expired(void *ctx) {
    struct sweep *sweep = ctx;
    sweep->removed += sweep->count;
    if (sweep->count < POINTS_EXPIRE_PAGE) {
        sweep->state = SWEEP_HOLDING;
    }
    sweep_tick(sweep);
}

static struct err shrink_tx(struct tx *tx, void *ctx) {
    struct sweep *sweep = ctx;
    return tx_points_age(tx, &sweep->expire, 10, &sweep->expire.before_ms);
}

static void on_shrunk(void *ctx) {
    struct sweep *sweep = ctx;
    sweep->removed = 0;
    sweep->state = SWEEP_EXPIRING;
    sweep_tick(sweep);
}

/* --- Objects ---------------------------------------------------------------------------------- */

static struct err trees_tx(struct tx *tx, void *ctx) {
    struct sweep *sweep = ctx;
    sweep->trees.size_max = TREES_MAX;
    TRY(tx_worlds_expire(tx, &sweep->expire));
    return tx_points_trees(tx, &sweep->expire, &sweep->trees);
}

static void on_trees(void *ctx) {
    struct sweep *sweep = ctx;
    sweep->state = SWEEP_PRUNING;
    sweep_tick(sweep);
}

/* The next repository. */
static void sweep_go_on(struct sweep *sweep) {
    points__release(sweep->points);
    text_done(&sweep->trees);
    sweep->removed = -1;
    sweep->state = SWEEP_EXPIRING;
    sweep_tick(sweep);
}

static void on_pruned(struct answer *answer, struct err err) {
    struct sweep *sweep = CONTAINER_OF(answer, struct sweep, answer);
    AUTO(json_release) json_t *line = NULL;
    struct bytes body;
    struct why why = {.text = ""};
    sweep->points->room.held--;
    if (sweep->points->room.asker.stopping) {
        room_maybe_stopped(&sweep->points->room);
        return;
    }
    if (!err_failed(err)) {
        err = changes_answer_read(text_bytes(&answer->output), &line, &body, &why);
    }
    if (err_failed(err)) {
        asker_report(&sweep->points->room.asker,
                     "objects of old points could not be deleted; the next round tries again",
                     BYTES(""), err);
    }
    sweep->bytes = json_integer_value(json_object_get(line, "bytes"));
    if (!err_failed(err) && sweep->bytes > REPOSITORY_BYTES_MAX && sweep->shrunk < SHRINKS_MAX) {
        sweep->shrunk++;
        sweep->state = SWEEP_SHRINKING;
        points__release(sweep->points);
        sweep_tick(sweep);
        return;
    }
    sweep_go_on(sweep);
}

static void sweep_prune(struct sweep *sweep) {
    struct points *points = sweep->points;
    AUTO(text_done) struct text order = text_up_to(ORDER_MAX);
    struct changes_child child;
    text_add_char(&order, '{');
    points__order_begin(points, "prune", sweep->repository.text, &order);
    text_add_char(&order, ',');
    text_add(&order, sweep->trees.data, sweep->trees.len);
    text_add_char(&order, '}');
    struct err err = text_failed(&order) ? text_error(&order, "changes: order")
                                         : changes_begin(text_bytes(&order), &child);
    if (!err_failed(err)) {
        const struct answer_order heard = {
            .fd = child.fd, .pid = child.pid, .size_max = ANSWER_MAX, .deadline_ms = PRUNE_MS};
        sweep->answer.done = on_pruned;
        err = answer_start(&sweep->answer, points->options.room.loop, &heard);
    }
    if (err_failed(err)) {
        asker_report(&points->room.asker,
                     "objects of old points could not be deleted; the next round tries again",
                     BYTES(""), err);
        sweep_go_on(sweep);
        return;
    }
    points->room.held++;
}

/* --- The machine ------------------------------------------------------------------------------ */

void sweep_quiet(struct sweep *sweep) {
    if (sweep->state == SWEEP_HOLDING) {
        sweep->state = SWEEP_LISTING;
        sweep_tick(sweep);
    }
}

static void sweep_tick(struct sweep *sweep) {
    switch (sweep->state) {
    case SWEEP_RESTING:
        break;
    case SWEEP_EXPIRING:
        ask_write(&sweep->ask, sweep->removed < 0 ? next_tx : expire_tx,
                  sweep->removed < 0 ? on_next : on_expired);
        break;
    case SWEEP_HOLDING:
        if (sweep->removed == 0 && !sweep->whole && sweep->shrunk == 0) {
            sweep_go_on(sweep); /* Nothing of the repository can be gone. */
        } else if (points__hold(sweep->points, sweep->repository.text)) {
            sweep_quiet(sweep);
        }
        break;
    case SWEEP_LISTING:
        ask_write(&sweep->ask, trees_tx, on_trees);
        break;
    case SWEEP_PRUNING:
        sweep_prune(sweep);
        break;
    case SWEEP_SHRINKING:
        ask_read(&sweep->ask, shrink_tx, on_shrunk);
        break;
    }
}

static void on_sweep_refused(void *ctx, struct err err) {
    struct sweep *sweep = ctx;
    (void)err; /* Reported by the ask. */
    points__release(sweep->points);
    sweep_rest(sweep, HOUR_MS);
}

void sweep_start(struct sweep *sweep, struct points *points) {
    static const struct ask_rules rules = {
        .words = {.effect = "delete old points of folders",
                  .again = "old points of folders could not be deleted; it is tried again"},
        .refused = on_sweep_refused};
    sweep->points = points;
    sweep->trees = text_up_to(TREES_MAX);
    ask_init(&sweep->ask, &points->room.asker, &rules, sweep);
    sweep_rest(sweep, HOUR_MS);
}

void sweep_soon(struct sweep *sweep) {
    sweep->again = true;
    if (sweep->state == SWEEP_RESTING && sweep->points != NULL) {
        timer_start(sweep->points->options.room.loop, &sweep->timer, SOON_MS, on_hour);
    }
}

void sweep_stop(struct sweep *sweep) {
    if (sweep->points == NULL) {
        return;
    }
    timer_stop(sweep->points->options.room.loop, &sweep->timer);
    ask_stop(&sweep->ask);
    if (sweep->answer.watch != NULL) {
        answer_cancel(&sweep->answer);
        sweep->points->room.held--;
    }
}

void sweep_done(struct sweep *sweep) {
    answer_cancel(&sweep->answer);
    text_done(&sweep->trees);
}
