/* check.c: a worker for each script that was not read lately. */
#include "dispatch/workflow/check.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "dispatch/workflow/flow.h"

/* What was found of one script. They stand in a ring: the oldest gives way. */
struct flow_checked {
    struct table_node node; /* By its hash. */
    struct sha256_hex hash;
    struct script_fault *fault; /* Owned; NULL: it was good. */
};

struct flow_check {
    struct flows *flows;
    struct flow_check *next;
    struct script_worker *worker;
    struct loop_task task;
    struct pool_job job;
    bool in_pool;
    struct sha256_hex hash;
    char *source; /* Owned: to find a place in. */
    size_t len;
    struct flow_verdict verdict;
    void (*done)(void *ctx, const struct flow_verdict *verdict);
    void *ctx;
};

static void tell(struct loop_task *task) {
    struct flow_check *check = CONTAINER_OF(task, struct flow_check, task);
    struct flow_check **at = &check->flows->checks;
    while (*at != check) {
        at = &(*at)->next;
    }
    *at = check->next;
    script_close(check->worker);
    check->done(check->ctx, &check->verdict);
    struct flows *flows = check->flows;
    mem_free(check->source);
    mem_free(check);
    flows__maybe_stopped(flows);
}

static void finish(struct flow_check *check) {
    loop_soon(check->flows->options.loop, &check->task);
}

void flow_fault_tell(const struct script_fault *fault, struct why *why) {
    if (fault->line > 0) {
        why_set(why, "%u:%u: %s", fault->line, fault->column, fault->message);
    } else {
        why_set(why, "%s", fault->message);
    }
}

/* --- What is known ---------------------------------------------------------------------------- */

static struct bytes name_of(const struct sha256_hex *hash) {
    return bytes_of(hash->text);
}

struct flow_verdict flows_known(const struct flows *flows, const struct sha256_hex *hash) {
    struct flow_verdict verdict = {.judgement = FLOW_UNJUDGED};
    const struct table_node *node = table_find(&flows->checked, name_of(hash));
    if (node == NULL) {
        return verdict;
    }
    const struct flow_checked *known = CONTAINER_OF(node, struct flow_checked, node);
    verdict.judgement = known->fault == NULL ? FLOW_GOOD : FLOW_BAD;
    if (known->fault != NULL) {
        verdict.fault = *known->fault;
    }
    return verdict;
}

static void forget(struct flows *flows, struct flow_checked **slot) {
    if (*slot != NULL) {
        table_remove(&flows->checked, &(*slot)->node);
        mem_free((*slot)->fault);
        mem_free(*slot);
        *slot = NULL;
    }
}

static void remember(struct flow_check *check) {
    struct flows *flows = check->flows;
    if (check->verdict.judgement == FLOW_UNJUDGED ||
        table_find(&flows->checked, name_of(&check->hash)) != NULL) {
        return; /* Two may have asked at once. */
    }
    struct flow_checked **slot = &flows->checked_ring[flows->checked_next];
    flows->checked_next = (flows->checked_next + 1) % FLOW_CHECKED_MAX;
    forget(flows, slot);
    struct flow_checked *known = mem_new(sizeof *known);
    known->hash = check->hash;
    known->node.name = name_of(&known->hash);
    if (check->verdict.judgement == FLOW_BAD) {
        known->fault = mem_new(sizeof *known->fault);
        *known->fault = check->verdict.fault;
    }
    table_add(&flows->checked, &known->node);
    *slot = known;
}

void flows__forget_checked(struct flows *flows) {
    for (size_t i = 0; i < FLOW_CHECKED_MAX; i++) {
        forget(flows, &flows->checked_ring[i]);
    }
}

/* --- The worker ------------------------------------------------------------------------------- */

/* It takes tokens, and a script may have a megabyte of them. */
static void place(struct pool_job *job) {
    struct flow_check *check = CONTAINER_OF(job, struct flow_check, job);
    script_fault_place((struct bytes){check->source, check->len}, &check->verdict.fault);
}

static void placed(struct pool_job *job) {
    struct flow_check *check = CONTAINER_OF(job, struct flow_check, job);
    check->in_pool = false;
    remember(check);
    finish(check);
}

static void take_fault(struct flow_check *check, const json_t *end) {
    struct script_fault *fault = &check->verdict.fault;
    const char *message = json_string_value(json_object_get(end, "message"));
    const char *code = json_string_value(json_object_get(end, "code"));
    int64_t line = json_integer_value(json_object_get(end, "line"));
    int64_t column = json_integer_value(json_object_get(end, "column"));
    if (message == NULL || code == NULL || strcmp(code, "syntax_error") != 0) {
        finish(check); /* Its run will say the same. */
        return;
    }
    check->verdict.judgement = FLOW_BAD;
    *fault = (struct script_fault){.line = line > 0 ? (unsigned)line : 0,
                                   .column = column > 0 ? (unsigned)column : 0,
                                   .code = "syntax_error"};
    (void)snprintf(fault->message, sizeof fault->message, "%.200s", message);
    check->in_pool = true;
    check->job = (struct pool_job){.kind = POOL_QUICK, .run = place, .done = placed};
    pool_add(&check->flows->pool, &check->job);
}

static void on_heard(void *ctx, struct bytes frame) {
    struct flow_check *check = ctx;
    AUTO(json_release) json_t *messages = NULL;
    if (check->task.queued || check->in_pool || frame.len > FLOW_INLINE ||
        err_failed(json_parse(frame.data, frame.len, JSON_DEPTH_MAX, &messages, NULL))) {
        return;
    }
    const json_t *end = json_array_get(messages, 0);
    if (json_is_true(json_object_get(end, "ok"))) {
        check->verdict.judgement = FLOW_GOOD;
        remember(check);
        finish(check);
    } else {
        take_fault(check, end);
    }
}

static void on_ended(void *ctx, const struct script_end *end) {
    struct flow_check *check = ctx;
    (void)end; /* Its run will say the same. */
    check->worker = NULL;
    if (!check->in_pool) {
        finish(check);
    }
}

static const struct script_watch watch = {.heard = on_heard, .ended = on_ended};

static void ask_worker(struct flow_check *check, const struct flow_check_ask *ask) {
    const struct flows_options *options = &check->flows->options;
    const struct script_bounds bounds = {.cpu_ms = (uint32_t)options->limits.cpu_ms};
    AUTO(text_done) struct text order;
    size_t len = 0;
    text_init(&order, FLOW_ORDER_MAX);
    text_addf(&order, "[{\"t\":\"check\",\"form\":\"%s\",\"script\":", script_form_name(ask->form));
    text_add_json(&order, ask->text.data, ask->text.len);
    text_add_str(&order, ",\"file\":");
    text_add_json(&order, ask->file.data, ask->file.len);
    text_add_str(&order, "}]");
    if (text_failed(&order)) {
        finish(check);
        return;
    }
    check->source = mem_copy(ask->source.data, ask->source.len);
    check->len = ask->source.len;
    check->worker = script_start(options->scripts, &bounds, &watch, check);
    script_busy(check->worker);
    char *frame = text_take(&order, &len);
    script_send(check->worker, frame, len);
}

void flows_check(struct flows *flows, const struct flow_check_ask *ask,
                 void (*done)(void *ctx, const struct flow_verdict *verdict), void *ctx) {
    struct flow_check *check = mem_new(sizeof *check);
    check->flows = flows;
    check->hash = ask->hash;
    check->done = done;
    check->ctx = ctx;
    check->task.run = tell;
    check->next = flows->checks;
    check->verdict = flows_known(flows, &ask->hash);
    flows->checks = check;
    if (flows->stopping || check->verdict.judgement != FLOW_UNJUDGED) {
        finish(check);
    } else {
        ask_worker(check, ask);
    }
}

void flows__stop_checks(struct flows *flows) {
    for (struct flow_check *check = flows->checks; check != NULL; check = check->next) {
        script_close(check->worker);
        check->worker = NULL;
        if (!check->in_pool) {
            finish(check);
        }
    }
}
