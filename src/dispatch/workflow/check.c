/* check.c: a worker for each script that has no cached verdict; lists of scripts, one at a time. */
#include "dispatch/workflow/check.h"

#include <stdio.h>

#include "base/memory.h"
#include "dispatch/workflow/call.h"
#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/history.h"

/* A cached verdict. They stand in a ring: the oldest is evicted. */
struct flow_checked {
    struct table_node node; /* By its hash. */
    struct sha256_hex hash;
    struct script_fault *fault; /* Owned; NULL: it was good. */
};

struct flow_check {
    struct flows *flows;
    struct flow_link link; /* In flows->checks. */
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

static void check_report(struct loop_task *task) {
    struct flow_check *check = CONTAINER_OF(task, struct flow_check, task);
    struct flows *flows = check->flows;
    flow_list_remove(&flows->checks, &check->link);
    script_close(check->worker);
    check->done(check->ctx, &check->verdict);
    mem_free(check->source);
    mem_free(check);
    flows__maybe_stopped(flows);
}

void flow_fault_tell(const struct script_fault *fault, struct why *why) {
    if (fault->line > 0) {
        why_set(why, "%u:%u: %s", fault->line, fault->column, fault->message);
    } else {
        why_set(why, "%s", fault->message);
    }
}

/* --- Cached verdicts -------------------------------------------------------------------------- */

static struct flow_verdict flows_cached_verdict(const struct flows *flows,
                                                const struct sha256_hex *hash) {
    const struct table_node *node = table_find(&flows->checked, bytes_of(hash->text));
    if (node == NULL) {
        return (struct flow_verdict){.judgement = FLOW_UNJUDGED};
    }
    const struct script_fault *fault = CONTAINER_OF(node, struct flow_checked, node)->fault;
    return fault == NULL ? (struct flow_verdict){.judgement = FLOW_GOOD}
                         : (struct flow_verdict){.judgement = FLOW_BAD, .fault = *fault};
}

static void checked_evict(struct flows *flows, struct flow_checked **slot) {
    if (*slot != NULL) {
        table_remove(&flows->checked, &(*slot)->node);
        mem_free((*slot)->fault);
        mem_free(*slot);
        *slot = NULL;
    }
}

void flows__forget_checked(struct flows *flows) {
    for (size_t i = 0; i < FLOW_CHECKED_MAX; i++) {
        checked_evict(flows, &flows->checked_ring[i]);
    }
}

static void check_finish_judged(struct flow_check *check) {
    struct flows *flows = check->flows;
    if (table_find(&flows->checked, bytes_of(check->hash.text)) == NULL) { /* Two may have asked. */
        struct flow_checked **slot = &flows->checked_ring[flows->checked_next];
        struct flow_checked *checked = mem_new(sizeof *checked);
        flows->checked_next = (flows->checked_next + 1) % FLOW_CHECKED_MAX;
        checked_evict(flows, slot);
        checked->hash = check->hash;
        checked->node.name = bytes_of(checked->hash.text);
        if (check->verdict.judgement == FLOW_BAD) {
            checked->fault = mem_new(sizeof *checked->fault);
            *checked->fault = check->verdict.fault;
        }
        table_add(&flows->checked, &checked->node);
        *slot = checked;
    }
    loop_soon(check->flows->options.loop, &check->task);
}

/* --- The worker ------------------------------------------------------------------------------- */

/* In the pool: a script may have a megabyte of tokens to look through. */
static void check_place_run(struct pool_job *job) {
    struct flow_check *check = CONTAINER_OF(job, struct flow_check, job);
    script_fault_place((struct bytes){check->source, check->len}, &check->verdict.fault);
}

static void check_place_done(struct pool_job *job) {
    struct flow_check *check = CONTAINER_OF(job, struct flow_check, job);
    check->in_pool = false;
    check_finish_judged(check);
}

static void check_on_frame(void *ctx, struct bytes frame) {
    struct flow_check *check = ctx;
    struct script_fault *fault = &check->verdict.fault;
    AUTO(json_release) json_t *messages = NULL;
    if (check->task.queued || check->in_pool || frame.len > FLOW_INLINE ||
        err_failed(json_parse(frame.data, frame.len, JSON_DEPTH_MAX, &messages, NULL))) {
        return;
    }
    const json_t *end = json_array_get(messages, 0);
    const char *message = json_str(end, "message", NULL);
    if (json_is_true(json_object_get(end, "ok"))) {
        check->verdict.judgement = FLOW_GOOD;
        check_finish_judged(check);
    } else if (message == NULL || strcmp(json_str(end, "code", ""), "syntax_error") != 0) {
        loop_soon(check->flows->options.loop,
                  &check->task); /* A run of the script will report the same. */
    } else {
        int64_t line = json_int(end, "line", 0), column = json_int(end, "column", 0);
        check->verdict.judgement = FLOW_BAD;
        *fault = (struct script_fault){.line = line > 0 ? (unsigned)line : 0,
                                       .column = column > 0 ? (unsigned)column : 0,
                                       .code = "syntax_error"};
        (void)snprintf(fault->message, sizeof fault->message, "%.200s", message);
        check->in_pool = true;
        pool_begin(&check->flows->pool, &check->job, POOL_QUICK, check_place_run, check_place_done);
    }
}

static void check_on_worker_end(void *ctx, const struct script_end *end) {
    struct flow_check *check = ctx;
    (void)end; /* A run of the script will report the same. */
    check->worker = NULL;
    if (!check->in_pool) {
        loop_soon(check->flows->options.loop, &check->task);
    }
}

void flows_check(struct flows *flows, const struct catalog_script *script,
                 void (*done)(void *ctx, const struct flow_verdict *verdict), void *ctx) {
    static const struct script_watch watch = {.heard = check_on_frame,
                                              .ended = check_on_worker_end};
    struct flow_check *check = mem_new(sizeof *check);
    AUTO(text_done) struct text order;
    *check = (struct flow_check){.flows = flows,
                                 .task = {.run = check_report},
                                 .hash = script->entry.hash,
                                 .verdict = flows_cached_verdict(flows, &script->entry.hash),
                                 .done = done,
                                 .ctx = ctx};
    flow_list_append(&flows->checks, &check->link);
    text_init(&order, FLOW_ORDER_MAX);
    text_add_str(&order, "[{\"t\":\"check\",");
    flow__add_script(&script->prepared, bytes_of(script->entry.file), &order);
    text_add_str(&order, "}]");
    if (flows->asker.stopping || check->verdict.judgement != FLOW_UNJUDGED || text_failed(&order)) {
        loop_soon(check->flows->options.loop, &check->task);
        return;
    }
    check->source = mem_copy(script->source, script->len);
    check->len = script->len;
    check->worker = flows__start_script(flows, flows->options.scripts, &watch, check, &order);
}

void flows__stop_checks(struct flows *flows) {
    for (struct flow_link *link = flows->checks.first; link != NULL; link = link->next) {
        struct flow_check *check = CONTAINER_OF(link, struct flow_check, link);
        script_close(check->worker);
        check->worker = NULL;
        if (!check->in_pool) {
            loop_soon(check->flows->options.loop, &check->task);
        }
    }
}

/* --- Lists ------------------------------------------------------------------------------------ */

/* A list is gone through twice, first by what counts. */
enum judge_pass { PASS_COUNTS, PASS_SHADOWED, PASSES };

struct flow_judge {
    struct flows *flows;
    struct catalog *catalog;       /* Borrowed; NULL: it is about `script` alone. */
    struct catalog_script *script; /* Borrowed, or `read`. */
    struct catalog_script read;    /* Owned: the entry's file, read again. */
    struct catalog_entry *entry;   /* Borrowed: that is being judged. */
    enum judge_pass pass;
    unsigned at, asked;
    int64_t until_ms;
    struct loop_task task;
    struct pool_job job;
    struct flow_judge_done done;
};

static void judge_next(struct flow_judge *judge);

static void entry_apply(struct catalog_entry *entry, const struct flow_verdict *verdict) {
    entry->checked = verdict->judgement != FLOW_UNJUDGED;
    if (verdict->judgement == FLOW_BAD) {
        entry->valid = false;
        entry->fault = verdict->fault;
    }
}

static void judge_checked(void *ctx, const struct flow_verdict *verdict) {
    struct flow_judge *judge = ctx;
    entry_apply(judge->entry, verdict);
    judge_next(judge);
}

static void judge_ask(struct flow_judge *judge) {
    flows_check(judge->flows, judge->script, judge_checked, judge);
}

/* The list kept no texts: with 500 files they would be many. A file that has changed meanwhile, or
 * is another by now, has another hash, and waits for the next list. */
static void judge_read_run(struct pool_job *job) {
    struct flow_judge *judge = CONTAINER_OF(job, struct flow_judge, job);
    const struct catalog_search nowhere = {.root = NULL};
    struct why why = {""};
    struct err err = catalog_open(&nowhere, judge->entry->file, &judge->read, &why);
    (void)err; /* Then there is no source, and it stays unchecked. */
}

static void judge_read_done(struct pool_job *job) {
    struct flow_judge *judge = CONTAINER_OF(job, struct flow_judge, job);
    struct flows *flows = judge->flows; /* `done` may free the judge. */
    const struct catalog_entry *found = &judge->read.entry;
    if (found->valid && strcmp(found->hash.text, judge->entry->hash.text) == 0) {
        judge->script = &judge->read;
        judge_ask(judge);
    } else {
        judge_next(judge);
    }
    flows__maybe_stopped(flows);
}

/* Cached verdicts are applied on the way, also after the last entry that may be asked about. */
static struct catalog_entry *judge_find_unknown(struct flow_judge *judge) {
    struct catalog *catalog = judge->catalog;
    for (; catalog != NULL && judge->pass < PASSES; judge->pass++, judge->at = 0) {
        while (judge->at < catalog->entry_count) {
            struct catalog_entry *entry = &catalog->entries[judge->at++];
            bool now = (entry->shadowed_by != NULL) == (judge->pass == PASS_SHADOWED);
            if (entry->checked || !now) {
                continue;
            }
            const struct flow_verdict verdict = flows_cached_verdict(judge->flows, &entry->hash);
            entry_apply(entry, &verdict);
            if (!entry->checked && judge->asked < FLOW_JUDGE_MAX && !judge->flows->asker.stopping &&
                flows__mono_ms(judge->flows) < judge->until_ms) {
                return entry;
            }
        }
    }
    return NULL;
}

static void judge_next(struct flow_judge *judge) {
    const struct flow_judge_done done = judge->done;
    catalog_script_done(&judge->read);
    judge->entry = judge_find_unknown(judge);
    if (judge->entry == NULL) {
        mem_free(judge);
        done.call(done.ctx);
        return;
    }
    judge->asked++;
    pool_begin(&judge->flows->pool, &judge->job, POOL_QUICK, judge_read_run, judge_read_done);
}

static enum script_note_verdict model_judge(void *ctx, struct script_note *note) {
    const struct flows *flows = ctx;
    struct model_name room;
    bool known = false;
    if (note->about == NOTE_ABOUT_MODEL) {
        known = flows__known_model(flows, bytes_of(note->name), &room) != NULL;
    } else if (note->about == NOTE_ABOUT_CONNECTION) {
        const struct models *models = connections_models(flows->options.connections);
        known = models_connection_find(models, note->name) != NULL;
    } else {
        return NOTE_LEFT;
    }
    return known ? NOTE_DROPPED : NOTE_CONFIRMED;
}

void flows_resolve_models(struct flows *flows, struct script_prepared *prepared) {
    script_notes_resolve(prepared, model_judge, flows);
}

static void judge_begin(struct loop_task *task) {
    struct flow_judge *judge = CONTAINER_OF(task, struct flow_judge, task);
    if (judge->script != NULL) {
        flows_resolve_models(judge->flows, &judge->script->prepared);
    }
    if (judge->script != NULL && judge->script->entry.valid && !judge->flows->asker.stopping) {
        judge->entry = &judge->script->entry;
        judge_ask(judge);
    } else {
        judge_next(judge);
    }
}

static struct flow_judge *judge_new(struct flows *flows, struct flow_judge_done done) {
    struct flow_judge *judge = mem_new(sizeof *judge);
    judge->flows = flows;
    judge->until_ms = flows__mono_ms(flows) + FLOW_JUDGE_MS;
    judge->done = done;
    judge->task.run = judge_begin;
    loop_soon(flows->options.loop, &judge->task);
    return judge;
}

void flows_judge(struct flows *flows, struct catalog *catalog, struct flow_judge_done done) {
    judge_new(flows, done)->catalog = catalog;
}

void flows_judge_one(struct flows *flows, struct catalog_script *script,
                     struct flow_judge_done done) {
    judge_new(flows, done)->script = script;
}
