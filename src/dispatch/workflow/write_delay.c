/* write_delay.c: what can wait a moment goes to the store with what cannot.
 *
 * The row of a step that has begun, and the lines of a script, are asked for by nobody: they are
 * kept here, in their order, until the flow has something to store that is waited for, which is
 * most often the end of that very step. Then all of it is one function of the store, so that a step
 * costs one savepoint and wakes the writer once. What nothing follows goes by itself after
 * FLOW_HELD_MS.
 *
 * A function that fails takes back the others with it. They are asked again, each by itself, and
 * each hears its own error then. The end of a step may stand in the store before such a second try
 * of its row, and finds no row: it must not be taken for the end of a step that others have ended,
 * so the call is `unwritten` from the failure on. */
#include "dispatch/workflow/flow.h"

#define FLOW_EFFECT "store or read a step of a workflow"

/* --- Together --------------------------------------------------------------------------------- */

static struct err perform(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    struct err err = ERR_OK;
    for (struct flow_errand *at = errand->first; at != NULL && !err_failed(err); at = at->behind) {
        err = at->fn(tx, at);
    }
    return err_failed(err) ? err : errand->fn(tx, errand);
}

/* What an orphan borrows went with its call, so an orphan is not sent again. */
static void send_apart(struct flow_errand *errand, struct err err) {
    if (errand->orphan) {
        flow__answered(errand, err);
        return;
    }
    if (errand->begins) {
        errand->call->unwritten = true; /* Its end, which waits in the store, finds no row. */
    }
    flow__push(errand);
}

/* Those that went with it come first. */
static void answered(struct err err, void *ctx) {
    struct flow_errand *errand = ctx, *first = errand->first;
    struct flows *flows = errand->flow->flows;
    bool apart = err_failed(err) && first != NULL && !flows->stopping;
    assert(flows->busy > 0);
    flows->busy--;
    flows->crowd -= errand->in_crowd;
    errand->first = NULL;
    if (errand->beginning != NULL) {
        errand->beginning->begin.end = NULL;
        errand->beginning->begin.end_tells = false;
        errand->beginning = NULL;
    }
    for (struct flow_errand *next; first != NULL; first = next) {
        next = first->behind;
        first->behind = NULL;
        if (apart) {
            send_apart(first, err);
        } else {
            flow__answered(first, err);
        }
    }
    if (apart) {
        send_apart(errand, err);
    } else {
        flow__answered(errand, err);
    }
}

void flow__push(struct flow_errand *errand) {
    struct flows *flows = errand->flow->flows;
    for (struct flow_errand *at = errand->first; at != NULL; at = at->behind) {
        at->away = true;
        effect_begin(flows->options.effects, &at->effect, FLOW_EFFECT);
    }
    errand->away = true;
    effects_at(flows->options.effects, flow__run(errand->flow));
    effect_begin(flows->options.effects, &errand->effect, FLOW_EFFECT);
    flows->busy++;
    errand->in_crowd = !errand->reads && flows__expects_company(flows);
    flows->crowd += errand->in_crowd;
    if (errand->reads) {
        store_read(flows->options.store, perform, answered, errand);
    } else if (errand->in_crowd) {
        store_write_lazy(flows->options.store, perform, answered, errand);
    } else {
        store_write(flows->options.store, perform, answered, errand);
    }
}

/* --- Held ------------------------------------------------------------------------------------- */

static struct flow_errand *take_all(struct flow *flow) {
    struct flow_errand *first = flow->held;
    flow->held = NULL;
    flow->held_count = flow->held_rows = 0;
    return first;
}

static void add(struct flow_errand **line, struct flow_errand *errand) {
    while (*line != NULL) { /* FLOW_HELD_MAX at most. */
        line = &(*line)->behind;
    }
    errand->behind = NULL;
    *line = errand;
}

/* The last one brings the others. */
static void let_go(struct flow *flow) {
    struct flow_errand *last = NULL, *rest = NULL;
    for (struct flow_errand *errand = take_all(flow), *next; errand != NULL; errand = next) {
        next = errand->behind;
        if (last != NULL) {
            add(&rest, last);
        }
        last = errand;
    }
    if (last != NULL) {
        last->first = rest;
        flow__push(last);
    }
}

static void held_long(struct timer *timer) {
    struct flow *flow = CONTAINER_OF(timer, struct flow, held_timer);
    flow->held_watched = false;
    let_go(flow);
}

/* About so many: a line is one, a step a row and its event. */
static size_t rows_of(const struct flow_errand *errand) {
    return errand->line_count + 2 * (size_t)errand->begins;
}

void flow__hold(struct flow_errand *errand) {
    struct flow *flow = errand->flow;
    if (flow->held_rows + rows_of(errand) > FLOW_HELD_ROWS) {
        let_go(flow);
    }
    add(&flow->held, errand);
    flow->held_rows += rows_of(errand);
    if (++flow->held_count == FLOW_HELD_MAX) {
        let_go(flow);
    } else if (!flow->held_watched) { /* It is left to ring in vain: most are gone by then. */
        flow->held_watched = true;
        timer_start(flow->flows->options.loop, &flow->held_timer, FLOW_HELD_MS, held_long);
    }
}

/* A step that ends within the moment: its row is written once, and so is the head of the stream,
 * unless something else is told between its two events. */
static void join(struct flow_errand *errand) {
    for (struct flow_errand *at = errand->first; at != NULL; at = at->behind) {
        if (errand->ends && at->begins && at->call == errand->call) {
            at->begin.end = &errand->end;
            at->begin.end_tells = at->behind == NULL;
            errand->beginning = at;
        }
    }
}

void flow__bring_held(struct flow_errand *errand) {
    errand->first = take_all(errand->flow);
    join(errand);
}

void flow__drop_held(struct flow *flow) {
    (void)take_all(flow); /* They are the flow's, and go with it. */
    timer_stop(flow->flows->options.loop, &flow->held_timer);
    flow->held_watched = false;
}
