/* load.c: what a script is begun with: its text, and all that it has seen so far.
 *
 * It is read on a reader thread and written there, too, as the first message for the worker; the
 * loop only passes bytes on. A long history is read page by page. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/replay.h"
#include "script/reader/meta.h"

/* An outcome behind what the order holds. */
struct behind {
    char key[WORKFLOW_HASH + 1];
    int64_t occurrence;
    bool nested;
};

struct flow_load {
    struct flow *flow;
    struct text order;     /* Owned. */
    size_t history;        /* Where its history begins. */
    struct behind *behind; /* Owned. */
    size_t behind_count;
    struct workflow_row row;
    bool away, found, begun, whole;
    bool first; /* No outcome stands in the order yet. */
    int64_t after, told, settled, spent, stored, nested;
    json_t *spec;              /* Owned. */
    struct past **open, **old; /* Owned, both. */
    size_t open_count, old_count;
    struct flow_fault fault; /* Why it cannot be begun. */
    int64_t crashes, deadline_ms, epoch;
    bool resumes, budgeted;
};

/* --- What was begun before -------------------------------------------------------------------- */

struct pasts {
    struct past ***list;
    size_t *count;
    const json_t *but; /* Runs that are passed over; NULL: none. */
};

static bool is_among(const json_t *list, struct bytes run) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        if (json_string_length(one) == run.len &&
            memcmp(json_string_value(one), run.data, run.len) == 0) {
            return true;
        }
    }
    return false;
}

static struct err add_past(void *ctx, const struct step_row *row) {
    const struct pasts *pasts = ctx;
    if (is_among(pasts->but, row->run)) {
        return ERR_OK;
    }
    *pasts->list = mem_grow(*pasts->list, (*pasts->count + 1) * sizeof **pasts->list);
    (*pasts->list)[(*pasts->count)++] = past__new(row);
    return ERR_OK;
}

static void drop_pasts(struct past ***list, size_t *count) {
    for (size_t i = 0; i < *count; i++) {
        past__free((*list)[i]);
    }
    mem_free(*list);
    *list = NULL;
    *count = 0;
}

void flow__load_free(struct flow *flow) {
    struct flow_load *load = flow->load;
    if (load == NULL) {
        return;
    }
    assert(!load->away);
    drop_pasts(&load->open, &load->open_count);
    drop_pasts(&load->old, &load->old_count);
    text_done(&load->order);
    mem_free(load->behind);
    json_decref(load->spec);
    mem_free(load);
    flow->load = NULL;
}

/* --- The order -------------------------------------------------------------------------------- */

static struct bytes spec_text(const json_t *spec, const char *name) {
    const json_t *text = json_object_get(spec, name);
    const char *value = json_string_value(text);
    return value == NULL ? BYTES("") : (struct bytes){value, json_string_length(text)};
}

static int64_t spec_number(const json_t *spec, const char *name, int64_t otherwise) {
    const json_t *number = json_object_get(spec, name);
    return json_is_integer(number) ? json_integer_value(number) : otherwise;
}

static struct err begin_order(struct flow_load *load) {
    const struct flows_limits *limits = &load->flow->flows->options.limits;
    struct text *text = &load->order;
    text_add_str(text, "[{\"t\":\"start\",");
    if (!flow__add_script(load->row.script, spec_text(load->spec, "file"), text,
                          &load->fault.why)) {
        load->fault.cause = CAUSE_SYNTAX_ERROR;
        return ERR_OK;
    }
    json_t *args = json_object_get(load->spec, "args");
    if (args != NULL) {
        text_add_str(text, ",\"args\":");
        struct err err = json_write(args, text);
        if (err_failed(err)) {
            return err;
        }
    }
    flow__add_limits(limits, spec_number(load->spec, "total", -1), text);
    load->history = text->len;
    return ERR_OK;
}

/* --- The history ------------------------------------------------------------------------------ */

struct reading {
    struct tx *tx;
    struct flow_load *load;
};

static bool is_full(const struct flow_load *load) {
    return load->order.len - load->history >= FLOW_HISTORY_MAX;
}

/* Of what the order has no room for it is enough to know that it is there (replay_pages.c). */
static void add_behind(struct flow_load *load, const struct step_row *row) {
    load->behind = mem_grow(load->behind, (load->behind_count + 1) * sizeof *load->behind);
    struct behind *behind = &load->behind[load->behind_count++];
    *behind = (struct behind){.occurrence = row->occurrence, .nested = row->is_ref};
    memcpy(behind->key, row->key.data, row->key.len < WORKFLOW_HASH ? row->key.len : WORKFLOW_HASH);
}

static struct err add_past_step(void *ctx, const struct step_row *row) {
    struct reading *reading = ctx;
    struct flow_load *load = reading->load;
    struct text *text = &load->order;
    load->stored += row->output_tokens;
    if (is_full(load)) {
        add_behind(load, row);
        return ERR_OK;
    }
    text_add_str(text, load->first ? "{\"k\":\"" : ",{\"k\":\"");
    load->first = false;
    text_add_json_piece(text, row->key);
    text_addf(text, "\",\"n\":%lld", (long long)row->occurrence);
    struct err err = flow__add_outcome(reading->tx, row, text, &load->fault);
    load->spent += row->output_tokens;
    load->settled++;
    load->nested += row->is_ref;
    load->told = row->done_no;
    text_addf(text, ",\"spent\":%lld}", (long long)load->spent);
    return err;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* A read may run twice: it begins anew where the page began. */
static struct err read_beginning(struct tx *tx, struct flow_load *load) {
    drop_pasts(&load->open, &load->open_count);
    drop_pasts(&load->old, &load->old_count);
    json_decref(load->spec);
    load->spec = NULL;
    text_clear(&load->order);
    load->after = load->told = load->settled = load->spent = load->stored = load->nested = 0;
    load->behind_count = 0;
    load->first = true;
    load->fault.cause = CAUSE_NONE;
    effects_at(load->flow->flows->options.effects, flow__run(load->flow));
    struct err err = tx_workflow_find(tx, flow__run(load->flow), &load->found, &load->row);
    if (err_failed(err) || !load->found) {
        return err;
    }
    const struct run_row *run = &load->row.run;
    load->crashes = load->row.crashes;
    /* It was set when the run was asked for: what that stood in line is no time of its own. */
    int64_t queued_ms = run->started_ms - run->made_ms;
    load->deadline_ms = load->row.deadline_ms > 0 ? load->row.deadline_ms + queued_ms : 0;
    load->epoch = run->epoch;
    load->resumes = load->row.resumed_from != 0;
    err = json_parse_wrapped(run->spec, &load->spec, NULL);
    const struct pasts open = {.list = &load->open, .count = &load->open_count};
    const struct pasts old = {
        .list = &load->old, .count = &load->old_count, .but = json_object_get(load->spec, "rerun")};
    if (!err_failed(err)) {
        err = tx_step_open(tx, run->id, add_past, (void *)&open);
    }
    if (!err_failed(err) && load->resumes) {
        err = tx_step_successes(tx, load->row.resumed_from, add_past, (void *)&old);
    }
    if (!err_failed(err)) {
        err = tx_step_budgeted(tx, &load->row.run, &load->budgeted);
    }
    return err_failed(err) ? err : begin_order(load);
}

struct page_mark {
    size_t len, behind_count;
    int64_t told, settled, spent, stored, nested;
    bool first;
};

static struct page_mark mark_page(const struct flow_load *load) {
    return (struct page_mark){.len = load->order.len,
                              .behind_count = load->behind_count,
                              .told = load->told,
                              .settled = load->settled,
                              .spent = load->spent,
                              .stored = load->stored,
                              .nested = load->nested,
                              .first = load->first};
}

/* It is read again, from here. */
static void go_back(struct flow_load *load, const struct page_mark *mark) {
    load->order.len = mark->len;
    load->behind_count = mark->behind_count;
    load->told = mark->told;
    load->settled = mark->settled;
    load->spent = mark->spent;
    load->stored = mark->stored;
    load->nested = mark->nested;
    load->first = mark->first;
}

static struct err read_page(struct tx *tx, struct flow_load *load) {
    struct reading reading = {.tx = tx, .load = load};
    const struct step_page page = {.workflow = load->flow->id,
                                   .after = load->after,
                                   .limit = FLOW_PAGE_STEPS,
                                   .bytes_max = FLOW_PAGE_BYTES,
                                   .bare = is_full(load)};
    int64_t last = load->after;
    struct err err = tx_step_history(tx, &page, add_past_step, &reading, &last, &load->whole);
    if (!err_failed(err)) {
        load->after = last;
    }
    return err;
}

static struct err load_tx(struct tx *tx, void *ctx) {
    struct flow_load *load = ctx;
    struct err err = load->begun ? ERR_OK : read_beginning(tx, load);
    if (err_failed(err) || !load->found || load->fault.cause != CAUSE_NONE) {
        return err;
    }
    const struct page_mark mark = mark_page(load);
    err = read_page(tx, load);
    if (err_failed(err)) {
        go_back(load, &mark);
    }
    return err;
}

static void load_done(struct err err, void *ctx);

static void read_on(struct flow *flow) {
    flow->load->away = true;
    flow->in_pool++;
    store_read(flow->flows->options.store, load_tx, load_done, flow->load);
}

static void read_again(struct timer *timer) {
    flow__load(CONTAINER_OF(timer, struct flow, rebuild));
}

/* --- Read ------------------------------------------------------------------------------------- */

static void add_all(struct table *table, struct past **list, size_t *count) {
    for (size_t i = 0; i < *count; i++) {
        if (table_find(table, list[i]->node.name) == NULL) {
            table_add(table, &list[i]->node);
        } else {
            past__free(list[i]);
        }
    }
    *count = 0;
}

/* It never changes, and what is with the store or in the pool borrows from it: a worker that is
 * rebuilt leaves it where it is. */
static void keep_spec(struct flow *flow, struct flow_load *load) {
    if (flow->spec == NULL) {
        struct bytes model = spec_text(load->spec, "model"), root = spec_text(load->spec, "root");
        flow->spec = load->spec;
        load->spec = NULL;
        flow->model = mem_copy(model.data, model.len);
        flow->root = mem_copy(root.data, root.len);
    }
}

/* It goes on beside its history. Those that are asked for again are counted then. */
static void count_call(void *ctx, struct table_node *node) {
    struct flow *flow = ctx;
    const struct call *call = CONTAINER_OF(node, struct call, node);
    flow->nested += call->nested;
    flow->agents += !call->nested;
}

static void take_spec(struct flow *flow, struct flow_load *load) {
    keep_spec(flow, load);
    const struct flows_limits *limits = &flow->flows->options.limits;
    int64_t wanted = spec_number(flow->spec, "concurrency", 0);
    flow->at_once = workflow_at_once(limits->processors, wanted > 0 ? wanted : limits->at_once);
    flow->agent_ms = spec_number(flow->spec, "agent_timeout_ms", WORKFLOW_AGENT_MS);
    flow->budgeted = flow->budgeted || load->budgeted;
    flow->resumes = load->resumes;
    for (size_t i = 0; i < load->behind_count; i++) {
        const struct behind *behind = &load->behind[i];
        flow__add_behind(flow, behind->key, behind->occurrence, behind->nested);
    }
    flow->told_no = load->told;
    flow->sent = load->settled;
    flow->spent = load->spent;
    flow->stored = load->stored;
    flow->total = spec_number(flow->spec, "total", -1);
    flow->nested = load->nested;
    flow->agents = load->settled - load->nested;
    table_each(&flow->calls, count_call, flow);
}

static void on_deadline(struct timer *timer) {
    struct flow *flow = CONTAINER_OF(timer, struct flow, deadline);
    flow__end(flow, CAUSE_DEADLINE, "its time was over");
}

static void watch_deadline(struct flow *flow, int64_t deadline_ms) {
    int64_t left_ms = deadline_ms - flows__now_ms(flow->flows);
    if (deadline_ms > 0 &&
        flow->deadline.slot == 0) { /* A worker that is rebuilt moves no clock. */
        timer_start(flow->flows->options.loop, &flow->deadline, left_ms > 0 ? (uint64_t)left_ms : 0,
                    on_deadline);
    }
}

static struct err adopt_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    const struct flow *flow = errand->flow;
    return tx_workflow_adopt(tx, flow__run(flow), flow->crashes, &errand->late);
}

static void begin(struct flow *flow) {
    struct flow_load *load = flow->load;
    text_add_str(&load->order, "]}]");
    assert(!text_failed(&load->order)); /* All that it holds is bounded. */
    struct text order = load->order;
    text_init(&load->order, FLOW_ORDER_MAX);
    flow__load_free(flow);
    flow__start(flow, &order);
    text_done(&order);
}

/* Others may have settled a step while its history was read. */
static void begin_unless_old(struct flow *flow) {
    if (flow->again) {
        flow__load_free(flow);
        flow->state = FLOW_LIVE;
        flow__reread(flow);
    } else {
        begin(flow);
    }
}

static void adopted(struct flow_errand *errand) {
    struct flow *flow = errand->flow;
    bool late = errand->late;
    flow__errand_free(errand);
    if (late) {
        flow->ended = true;
        flow__maybe_free(flow);
    } else if (flow->state == FLOW_TAKING) {
        flow->fresh = true;
        begin_unless_old(flow);
    }
}

void flow__take(struct flow *flow) {
    flow->state = FLOW_TAKING;
    if (!flow__has_build(flow)) {
        return;
    }
    if (flow->fresh || flow->again) {
        begin_unless_old(flow);
        return;
    }
    flow__send(flow__errand(flow, adopt_tx, adopted));
}

static bool waits_for_budget(const struct flow_load *load) {
    bool waits = false;
    for (size_t i = 0; i < load->open_count; i++) {
        waits = waits || load->open[i]->state == RUN_QUEUED;
    }
    return waits;
}

static void loaded(struct flow *flow) {
    struct flow_load *load = flow->load;
    flow->again = flow->again || (flow->admitted && waits_for_budget(load));
    if (!load->found) {
        flow->ended = true;
        flow__maybe_free(flow);
        return;
    }
    if (load->fault.cause != CAUSE_NONE) {
        const struct flow_fault fault = load->fault;
        flow__load_free(flow);
        flow__end(flow, fault.cause, fault.why.text);
        return;
    }
    if (flow->crashes == 0) {
        flow->crashes = load->crashes;
    }
    add_all(&flow->open, load->open, &load->open_count);
    add_all(&flow->old, load->old, &load->old_count);
    take_spec(flow, load);
    watch_deadline(flow, load->deadline_ms);
    flow__take(flow);
}

static void load_failed(struct flow *flow, struct err err) {
    struct flows *flows = flow->flows;
    flow__load_free(flow);
    if (err.code == ERR_BAD_JSON || err.code == ERR_STORE_CORRUPT) { /* No retry cures damage. */
        flow__end(flow, CAUSE_HISTORY_UNREADABLE, "its spec, or what it did, is damaged");
        return;
    }
    if (effect_is_hopeless(flow->load_tries + 1, err)) {
        flow__end(flow, CAUSE_NOT_STORED, "its history could not be read");
        return;
    }
    if (flow->load_tries++ == 0) {
        flows__failed(flows, "a workflow could not be read; it is tried again", flow__run(flow),
                      err);
    }
    effect_begin(flows->options.effects, &flow->loading, "read a workflow");
    effect_failed(&flow->loading, err);
    timer_start(flows->options.loop, &flow->rebuild, FLOW_RETRY_FIRST_MS * 5, read_again);
}

static void load_done(struct err err, void *ctx) {
    struct flow_load *load = ctx;
    struct flow *flow = load->flow;
    load->away = false;
    flow->in_pool--;
    if (!err_failed(err)) {
        flow->load_tries = 0;
        effect_done(&flow->loading);
    }
    if (flow->flows->stopping || flow->ended) {
        flow__maybe_free(flow);
    } else if (flow->state != FLOW_LOADING) {
        flow__load_free(flow); /* Its time was over meanwhile. */
    } else if (flow->stop && (err_failed(err) || load->whole || !load->found ||
                              load->fault.cause != CAUSE_NONE)) {
        add_all(&flow->open, load->open, &load->open_count); /* They may have working trees. */
        flow__load_free(flow);
        flow__end(flow, CAUSE_STOPPED, "");
    } else if (err_failed(err)) {
        load_failed(flow, err);
    } else if (!load->whole && load->found && load->fault.cause == CAUSE_NONE) {
        load->begun = true;
        read_on(flow);
    } else {
        loaded(flow);
    }
}

/* Of what has ended the history tells, also where that was between two tries to read it. */
static void free_done(struct flow *flow) {
    while (flow->done != NULL) {
        call__free(flow->done);
    }
}

void flow__load(struct flow *flow) {
    flow->state = FLOW_LOADING;
    flow->paging = NULL;
    free_done(flow);
    struct flow_load *load = mem_new(sizeof *load);
    load->flow = flow;
    text_init(&load->order, FLOW_ORDER_MAX);
    flow->load = load;
    flow->again = flow->admitted = false;
    flow__forget_open(flow); /* What calls borrow from the other run's stays. */
    read_on(flow);
}
