/* load.c: what a worker is started with: its script, and all that the script has received so far.
 *
 * It is read on a reader thread and written there, too, as the first message for the worker; the
 * loop only passes bytes on. A long history is read page by page. */
#include "base/memory.h"
#include "dispatch/workflow/replay.h"
#include "dispatch/workflow/settle.h"
#include "script/reader/meta.h"

enum { HISTORY_MAX = 4 << 20 }; /* Bytes of outcomes in a worker's first message, and one more. */

/* An outcome after those in the order. */
struct unloaded {
    char key[WORKFLOW_HASH + 1];
    int64_t occurrence;
    bool nested;
};

/* How far the history is read: a page that failed is read again from here. */
struct load_mark {
    size_t len; /* Of the order. */
    size_t unloaded_count;
    int64_t after;           /* done_no of the last row that was read, */
    int64_t loaded, settled; /* of the last in the order, and their number. */
    int64_t spent, stored;   /* Output tokens of those in the order, and of all. */
    int64_t nested;
    bool any; /* An outcome stands in the order. */
};

struct prior_list {
    struct prior **list; /* Owned, with its elements. */
    size_t count;
};

struct flow_load {
    struct flow *flow;
    struct text order;         /* Owned: `len` of it counts. */
    size_t history;            /* Where its history begins. */
    struct unloaded *unloaded; /* Owned. */
    struct load_mark at;
    struct workflow_row row;
    bool away, begun;
    bool found, whole; /* The row is there; the history is read to its end. */
    json_t *spec;      /* Owned. */
    struct prior_list open, reusable;
    struct flow_fault fault; /* Why it cannot be started. */
    int64_t crashes, deadline_ms;
    bool resumes, budgeted;
};

static void load_free_priors(struct flow_load *load) {
    struct prior_list *const lists[] = {&load->open, &load->reusable};
    for (size_t at = 0; at < COUNT_OF(lists); at++) {
        for (size_t i = 0; i < lists[at]->count; i++) {
            prior__free(lists[at]->list[i]);
        }
        mem_free(lists[at]->list);
        *lists[at] = (struct prior_list){.list = NULL};
    }
}

void flow__load_free(struct flow *flow) {
    struct flow_load *load = flow->load;
    if (load == NULL) {
        return;
    }
    assert(!load->away);
    load_free_priors(load);
    text_done(&load->order);
    mem_free(load->unloaded);
    json_decref(load->spec);
    mem_free(load);
    flow->load = NULL;
}

/* --- Read, in a store function ---------------------------------------------------------------- */

struct load_reading {
    struct tx *tx;
    struct flow_load *load;
    struct prior_list *list;
    const json_t *except; /* Runs that are left out; NULL: none. */
};

static struct err load_add_prior(void *ctx, const struct step_row *row) {
    const struct load_reading *reading = ctx;
    struct prior_list *list = reading->list;
    for (size_t i = 0; i < json_array_size(reading->except); i++) {
        const json_t *one = json_array_get(reading->except, i);
        if (bytes_equal(row->run,
                        (struct bytes){json_string_value(one), json_string_length(one)})) {
            return ERR_OK;
        }
    }
    list->list = mem_grow(list->list, (list->count + 1) * sizeof *list->list);
    list->list[list->count++] = prior__new(row);
    return ERR_OK;
}

static bool load_is_full(const struct flow_load *load) {
    return load->order.len - load->history >= HISTORY_MAX;
}

/* Of what the order has no room for, the key is enough: the result is read later (replay.c). */
static struct err load_add_step(void *ctx, const struct step_row *row) {
    const struct load_reading *reading = ctx;
    struct flow_load *load = reading->load;
    struct load_mark *at = &load->at;
    struct text *text = &load->order;
    at->stored += row->output_tokens;
    if (load_is_full(load)) {
        load->unloaded =
            mem_grow(load->unloaded, (at->unloaded_count + 1) * sizeof *load->unloaded);
        struct unloaded *unloaded = &load->unloaded[at->unloaded_count++];
        *unloaded = (struct unloaded){.occurrence = row->occurrence, .nested = row->is_ref};
        memcpy(unloaded->key, row->key.data,
               row->key.len < WORKFLOW_HASH ? row->key.len : WORKFLOW_HASH);
        return ERR_OK;
    }
    text_add_str(text, at->any ? ",{\"k\":\"" : "{\"k\":\"");
    at->any = true;
    text_add_json_piece(text, row->key);
    text_addf(text, "\",\"n\":%lld", (long long)row->occurrence);
    struct err err = flow__add_outcome(reading->tx, row, text, &load->fault);
    at->spent += row->output_tokens;
    at->settled++;
    at->nested += row->is_ref;
    at->loaded = row->done_no;
    text_addf(text, ",\"spent\":%lld}", (long long)at->spent);
    return err;
}

static struct err load_begin_order(struct flow_load *load) {
    struct text *text = &load->order;
    const json_t *args = json_object_get(load->spec, "args");
    struct err err = ERR_OK;
    text_add_str(text, "[{\"t\":\"start\",");
    if (!flow__add_script(load->row.script, json_bytes(load->spec, "file"), text,
                          &load->fault.why)) {
        load->fault.cause = CAUSE_SYNTAX_ERROR;
        return ERR_OK;
    }
    if (args != NULL) {
        text_add_str(text, ",\"args\":");
        err = json_write(args, text);
    }
    flow__add_limits(&load->flow->flows->options.limits, json_int(load->spec, "total", -1), text);
    load->history = text->len;
    return err;
}

/* A read may run twice: it begins anew. */
static struct err load_begin(struct tx *tx, struct flow_load *load) {
    load_free_priors(load);
    json_decref(load->spec);
    load->spec = NULL;
    text_clear(&load->order);
    load->at = (struct load_mark){.any = false};
    load->fault.cause = CAUSE_NONE;
    effects_at(load->flow->flows->options.effects, flow__run(load->flow));
    struct err err = tx_workflow_find(tx, flow__run(load->flow), &load->found, &load->row);
    if (err_failed(err) || !load->found) {
        return err;
    }
    const struct run_row *run = &load->row.run;
    load->crashes = load->row.crashes;
    /* It was set when the run was requested: the time that the run was queued does not count. */
    int64_t queued_ms = run->started_ms - run->made_ms;
    load->deadline_ms = load->row.deadline_ms > 0 ? load->row.deadline_ms + queued_ms : 0;
    load->resumes = load->row.resumed_from != 0;
    err = json_parse_wrapped(run->spec, &load->spec, NULL);
    struct load_reading open = {.list = &load->open};
    struct load_reading reusable = {.list = &load->reusable,
                                    .except = json_object_get(load->spec, "rerun")};
    if (!err_failed(err)) {
        err = tx_step_open(tx, run->id, load_add_prior, &open);
    }
    if (!err_failed(err) && load->resumes) {
        err = tx_step_successes(tx, load->row.resumed_from, load_add_prior, &reusable);
    }
    if (!err_failed(err)) {
        err = tx_step_budgeted(tx, run, &load->budgeted);
    }
    return err_failed(err) ? err : load_begin_order(load);
}

static struct err load_tx(struct tx *tx, void *ctx) {
    struct flow_load *load = ctx;
    struct err err = load->begun ? ERR_OK : load_begin(tx, load);
    if (err_failed(err) || !load->found || load->fault.cause != CAUSE_NONE) {
        return err;
    }
    struct load_mark mark = load->at;
    mark.len = load->order.len;
    struct load_reading reading = {.tx = tx, .load = load};
    const struct step_page page = {.workflow = load->flow->id,
                                   .after = mark.after,
                                   .limit = FLOW_PAGE_STEPS,
                                   .bytes_max = FLOW_PAGE_BYTES,
                                   .bare = load_is_full(load)};
    int64_t last = mark.after;
    err = tx_step_history(tx, &page, load_add_step, &reading, &last, &load->whole);
    if (err_failed(err)) {
        load->at = mark;
        load->order.len = mark.len;
    } else {
        load->at.after = last;
    }
    return err;
}

/* --- Started ---------------------------------------------------------------------------------- */

static void flow_take_priors(struct table *table, struct prior_list *priors) {
    for (size_t i = 0; i < priors->count; i++) {
        if (table_find(table, priors->list[i]->node.name) == NULL) {
            table_add(table, &priors->list[i]->node);
        } else {
            prior__free(priors->list[i]);
        }
    }
    priors->count = 0;
}

static void flow_count_call(void *ctx, struct table_node *node) {
    struct flow *flow = ctx;
    const struct call *call = CONTAINER_OF(node, struct call, node);
    flow->nested += call->nested;
    flow->agents += !call->nested;
}

static void flow_on_deadline(struct timer *timer) {
    struct flow *flow = CONTAINER_OF(timer, struct flow, deadline);
    flow__end(flow, CAUSE_DEADLINE, "its time was over");
}

static void flow_take_load(struct flow *flow, struct flow_load *load) {
    const struct flows_limits *limits = &flow->flows->options.limits;
    flow->crashes = flow->crashes == 0 ? load->crashes : flow->crashes;
    flow_take_priors(&flow->open, &load->open);
    flow_take_priors(&flow->reusable, &load->reusable);
    /* The spec never changes, and what is with the store or in the pool borrows from it: a worker
     * that is rebuilt leaves it where it is. */
    if (flow->spec == NULL) {
        const struct bytes model = json_bytes(load->spec, "model");
        const struct bytes root = json_bytes(load->spec, "root");
        flow->spec = load->spec;
        load->spec = NULL;
        flow->model = mem_copy(model.data, model.len);
        flow->root = mem_copy(root.data, root.len);
    }
    int64_t wanted = json_int(flow->spec, "concurrency", 0);
    flow->at_once = workflow_at_once(limits->processors, wanted > 0 ? wanted : limits->at_once);
    flow->agent_ms = json_int(flow->spec, "agent_timeout_ms", WORKFLOW_AGENT_MS);
    flow->total = json_int(flow->spec, "total", -1);
    flow->budgeted = flow->budgeted || load->budgeted;
    flow->resumes = load->resumes;
    for (size_t i = 0; i < load->at.unloaded_count; i++) {
        const struct unloaded *unloaded = &load->unloaded[i];
        flow__add_unloaded(flow, bytes_of(unloaded->key), unloaded->occurrence, unloaded->nested);
    }
    flow->loaded_no = load->at.loaded;
    flow->sent = load->at.settled;
    flow->spent = load->at.spent;
    flow->stored = load->at.stored;
    flow->nested = load->at.nested;
    flow->agents = load->at.settled - load->at.nested;
    table_each(&flow->calls, flow_count_call, flow); /* They go on beside the history. */
    int64_t left_ms = load->deadline_ms - flows__now_ms(flow->flows);
    if (load->deadline_ms > 0 && flow->deadline.slot == 0) { /* A new worker moves no deadline. */
        timer_start(flow->flows->options.loop, &flow->deadline, left_ms > 0 ? (uint64_t)left_ms : 0,
                    flow_on_deadline);
    }
}

/* Unless others have settled a step while the history was read. */
static void flow_start(struct flow *flow) {
    struct flow_load *load = flow->load;
    if (flow->stale) {
        flow__load_free(flow);
        flow__enter(flow, FLOW_LIVE);
        flow__reload(flow);
        return;
    }
    text_add_str(&load->order, "]}]");
    assert(!text_failed(&load->order)); /* All that it holds is bounded. */
    struct text order = load->order;
    text_init(&load->order, FLOW_ORDER_MAX);
    flow__load_free(flow);
    flow__start_worker(flow, &order);
    text_done(&order);
}

static struct err adopt_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    return tx_workflow_adopt(tx, flow__run(op->flow), op->flow->crashes, &op->late);
}

static void adopt_done(struct flow_op *op) {
    struct flow *flow = op->flow;
    bool late = op->late;
    flow__op_free(op);
    if (late) {
        flow->ended = true;
        flow__maybe_free(flow);
    } else if (flow->state == FLOW_ADOPTING) {
        flow->fresh = true;
        flow_start(flow);
    }
}

void flow__adopt(struct flow *flow) {
    flow__enter(flow, FLOW_ADOPTING);
    if (!flow__has_build(flow)) {
        return;
    }
    if (flow->fresh || flow->stale) {
        flow_start(flow);
    } else {
        flow__op_send(flow__op(flow, adopt_tx, adopt_done));
    }
}

/* --- Read, on the loop ------------------------------------------------------------------------ */

static void load_done(struct err err, void *ctx);

static void flow_read_page(struct flow *flow) {
    flow->load->away = true;
    flow->in_pool++;
    store_read(flow->flows->options.store, load_tx, load_done, flow->load);
}

static void flow_load_again(struct timer *timer) {
    flow__load(CONTAINER_OF(timer, struct flow, rebuild));
}

static void flow_loaded(struct flow *flow) {
    struct flow_load *load = flow->load;
    for (size_t i = 0; i < load->open.count; i++) {
        bool queued = load->open.list[i]->state == RUN_QUEUED; /* For a budget. */
        flow->stale = flow->stale || (flow->stale_admitted && queued);
    }
    if (!load->found) {
        flow->ended = true;
        flow__maybe_free(flow);
    } else if (load->fault.cause != CAUSE_NONE) {
        const struct flow_fault fault = load->fault;
        flow__load_free(flow);
        flow__end(flow, fault.cause, fault.why.text);
    } else {
        flow_take_load(flow, load);
        flow__adopt(flow);
    }
}

static void flow_load_failed(struct flow *flow, struct err err) {
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
    timer_start(flows->options.loop, &flow->rebuild, FLOW_RETRY_FIRST_MS * 5, flow_load_again);
}

static void load_done(struct err err, void *ctx) {
    struct flow_load *load = ctx;
    struct flow *flow = load->flow;
    const bool failed = err_failed(err);
    const bool complete = load->whole || !load->found || load->fault.cause != CAUSE_NONE;
    load->away = false;
    flow->in_pool--;
    if (!failed) {
        flow->load_tries = 0;
        effect_done(&flow->loading);
    }
    if (flow->flows->stopping || flow->ended) {
        flow__maybe_free(flow);
    } else if (flow->state != FLOW_LOADING) {
        flow__load_free(flow); /* Its time was over meanwhile. */
    } else if (flow->stop && (failed || complete)) {
        flow_take_priors(&flow->open, &load->open); /* They may have working trees. */
        flow__load_free(flow);
        flow__end(flow, CAUSE_STOPPED, "");
    } else if (failed) {
        flow_load_failed(flow, err);
    } else if (!complete) {
        load->begun = true;
        flow_read_page(flow);
    } else {
        flow_loaded(flow);
    }
}

/* The history has what has ended, also where that was between two tries to read it. */
void flow__load(struct flow *flow) {
    flow__enter(flow, FLOW_LOADING);
    flow->page_op = NULL;
    while (flow->done.first != NULL) {
        call__free(flow->done.first);
    }
    flow->load = mem_new(sizeof *flow->load);
    flow->load->flow = flow;
    text_init(&flow->load->order, FLOW_ORDER_MAX);
    flow->stale = flow->stale_admitted = false;
    flow__free_open(flow); /* What calls borrow from the other run's stays. */
    flow_read_page(flow);
}
