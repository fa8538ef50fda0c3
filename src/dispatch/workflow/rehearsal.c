/* rehearsal.c: the worker of a rehearsal; what it says is read in the pool. */
#include "dispatch/workflow/rehearsal.h"

#include "base/memory.h"
#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/replay.h"

struct rehearsal {
    struct flows *flows;
    struct rehearsal *next;
    struct script_worker *worker; /* Owned; NULL: it has ended. */
    struct loop_task task;
    struct timer deadline;
    struct pool_job job;
    struct bytes frame; /* Borrowed from the worker, which is paused. */
    bool in_pool, over;
    const char *cut; /* Static. */
    struct stand_in stand_in;
    void (*done)(void *ctx, const struct stand_in *told, const char *cut);
    void *ctx;
};

static void tell(struct loop_task *task) {
    struct rehearsal *rehearsal = CONTAINER_OF(task, struct rehearsal, task);
    struct flows *flows = rehearsal->flows;
    struct rehearsal **at = &flows->rehearsals;
    while (*at != rehearsal) {
        at = &(*at)->next;
    }
    *at = rehearsal->next;
    flows->rehearsal_count--;
    timer_stop(flows->options.loop, &rehearsal->deadline);
    script_close(rehearsal->worker);
    rehearsal->done(rehearsal->ctx, &rehearsal->stand_in, rehearsal->cut);
    stand_in_done(&rehearsal->stand_in);
    mem_free(rehearsal);
    flows__maybe_stopped(flows);
}

/* The pool reads what is the worker's: then it is told behind that. */
static void finish(struct rehearsal *rehearsal, const char *cut) {
    if (!rehearsal->over) {
        rehearsal->over = true;
        rehearsal->cut = cut;
        if (!rehearsal->in_pool) {
            loop_soon(rehearsal->flows->options.loop, &rehearsal->task);
        }
    }
}

/* --- Its worker ------------------------------------------------------------------------------- */

static void say(struct rehearsal *rehearsal, struct text *message) {
    size_t len = 0;
    char *frame = text_take(message, &len);
    script_busy(rehearsal->worker);
    script_send(rehearsal->worker, frame, len);
}

static void read_run(struct pool_job *job) {
    struct rehearsal *rehearsal = CONTAINER_OF(job, struct rehearsal, job);
    stand_in_hear(&rehearsal->stand_in, rehearsal->frame);
}

static void read_done(struct pool_job *job) {
    struct rehearsal *rehearsal = CONTAINER_OF(job, struct rehearsal, job);
    struct stand_in *stand_in = &rehearsal->stand_in;
    rehearsal->in_pool = false;
    if (rehearsal->over) {
        loop_soon(rehearsal->flows->options.loop, &rehearsal->task);
        return;
    }
    script_resume(rehearsal->worker);
    if (stand_in->ended != STAND_IN_GOING) {
        finish(rehearsal, NULL);
    } else if (text_failed(&stand_in->reply)) {
        finish(rehearsal, "a script that it names is too large");
    } else if (stand_in->reply.len > 0) {
        say(rehearsal, &stand_in->reply);
    }
}

static void on_heard(void *ctx, struct bytes frame) {
    struct rehearsal *rehearsal = ctx;
    (void)frame; /* It may move. */
    if (rehearsal->over) {
        return;
    }
    script_rest(rehearsal->worker);
    rehearsal->frame = script_pause(rehearsal->worker);
    rehearsal->in_pool = true;
    rehearsal->job = (struct pool_job){.kind = POOL_QUICK, .run = read_run, .done = read_done};
    pool_add(&rehearsal->flows->pool, &rehearsal->job);
}

/* Nothing is told while it is paused, so nothing is in the pool. */
static void on_ended(void *ctx, const struct script_end *end) {
    struct rehearsal *rehearsal = ctx;
    rehearsal->worker = NULL;
    finish(rehearsal, end->kind == SCRIPT_STUCK
                          ? "the script computed for too long between two answers"
                          : "the script's process ended by itself");
}

static void on_deadline(struct timer *timer) {
    struct rehearsal *rehearsal = CONTAINER_OF(timer, struct rehearsal, deadline);
    finish(rehearsal, "the script went on for too long");
}

static const struct script_watch watch = {.heard = on_heard, .ended = on_ended};

static void begin(struct rehearsal *rehearsal, const struct rehearsal_ask *ask) {
    const struct flows_options *options = &rehearsal->flows->options;
    const struct script_bounds bounds = {.cpu_ms = (uint32_t)options->limits.cpu_ms};
    AUTO(text_done) struct text order;
    text_init(&order, FLOW_ORDER_MAX);
    text_addf(&order, "[{\"t\":\"start\",\"form\":\"%s\",\"script\":", script_form_name(ask->form));
    text_add_json(&order, ask->text.data, ask->text.len);
    text_add_str(&order, ",\"file\":");
    text_add_json(&order, ask->file.data, ask->file.len);
    if (ask->args != NULL) {
        text_add_str(&order, ",\"args\":");
        order.failed = err_failed(json_write(ask->args, &order)) || order.failed;
    }
    flow__add_limits(&options->limits, ask->total, &order);
    text_add_str(&order, "]}]");
    if (text_failed(&order)) {
        finish(rehearsal, "its args are too large");
        return;
    }
    flows__make_room(rehearsal->flows, 1);
    rehearsal->worker = script_start(options->scripts, &bounds, &watch, rehearsal);
    timer_start(options->loop, &rehearsal->deadline, REHEARSE_MS, on_deadline);
    say(rehearsal, &order);
}

void flows_rehearse(struct flows *flows, const struct rehearsal_ask *ask,
                    void (*done)(void *ctx, const struct stand_in *told, const char *cut),
                    void *ctx) {
    struct rehearsal *rehearsal = mem_new(sizeof *rehearsal);
    rehearsal->flows = flows;
    rehearsal->done = done;
    rehearsal->ctx = ctx;
    rehearsal->task.run = tell;
    stand_in_init(&rehearsal->stand_in, &flows->options.search, ask->root);
    rehearsal->next = flows->rehearsals;
    flows->rehearsals = rehearsal;
    if (++flows->rehearsal_count > REHEARSE_MAX) {
        finish(rehearsal, "others are being planned just now; ask again");
    } else if (flows->stopping) {
        finish(rehearsal, "the daemon is stopping");
    } else {
        begin(rehearsal, ask);
    }
}

void flows__stop_rehearsals(struct flows *flows) {
    for (struct rehearsal *one = flows->rehearsals; one != NULL; one = one->next) {
        finish(one, "the daemon is stopping");
    }
}
