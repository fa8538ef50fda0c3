/* check.c: a worker for each script that has no cached verdict; lists of scripts, one at a time. */
#include "dispatch/workflow/check.h"

#include <stdio.h>

#include "base/memory.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"

/* A cached verdict. They stand in a ring: the oldest is evicted. */
struct workflow_checked {
    struct table_node node; /* By its hash. */
    struct sha256_hex hash;
    struct script_fault *fault; /* Owned; NULL: it was good. */
};

struct workflow_check {
    struct workflows *workflows;
    struct link link; /* In workflows->checks. */
    struct script_worker *worker;
    struct loop_task task;
    struct pool_job job;
    bool in_pool;
    const struct catalog_script *script; /* Borrowed. */
    struct text order;                   /* Owned. */
    struct check_verdict verdict;
    void (*done)(void *ctx, const struct check_verdict *verdict);
    void *ctx;
};

static void check_report(struct loop_task *task) {
    struct workflow_check *check = CONTAINER_OF(task, struct workflow_check, task);
    struct workflows *workflows = check->workflows;
    link_remove(&check->link);
    script_close(check->worker);
    check->done(check->ctx, &check->verdict);
    text_done(&check->order);
    mem_free(check);
    workflows__maybe_stopped(workflows);
}

void workflow_fault_tell(const struct script_fault *fault, struct why *why) {
    if (fault->line > 0) {
        why_set(why, "%u:%u: %s", fault->line, fault->column, fault->message);
    } else {
        why_set(why, "%s", fault->message);
    }
}

/* --- Cached verdicts -------------------------------------------------------------------------- */

static struct check_verdict workflows_cached_verdict(const struct workflows *workflows,
                                                     const struct sha256_hex *hash) {
    const struct table_node *node = table_find(&workflows->checked, bytes_of(hash->text));
    if (node == NULL) {
        return (struct check_verdict){.judgement = WORKFLOW_UNJUDGED};
    }
    const struct script_fault *fault = CONTAINER_OF(node, struct workflow_checked, node)->fault;
    return fault == NULL ? (struct check_verdict){.judgement = WORKFLOW_GOOD}
                         : (struct check_verdict){.judgement = WORKFLOW_BAD, .fault = *fault};
}

static void checked_evict(struct workflows *workflows, struct workflow_checked **slot) {
    if (*slot != NULL) {
        table_remove(&workflows->checked, &(*slot)->node);
        mem_free((*slot)->fault);
        mem_free(*slot);
        *slot = NULL;
    }
}

void workflows__forget_checked(struct workflows *workflows) {
    for (size_t i = 0; i < WORKFLOW_CHECKED_MAX; i++) {
        checked_evict(workflows, &workflows->checked_ring[i]);
    }
}

static void check_finish_judged(struct workflow_check *check) {
    struct workflows *workflows = check->workflows;
    const struct sha256_hex *hash = &check->script->entry.hash;
    if (table_find(&workflows->checked, bytes_of(hash->text)) == NULL) { /* Two may have asked. */
        struct workflow_checked **slot = &workflows->checked_ring[workflows->checked_next];
        struct workflow_checked *checked = mem_new(sizeof *checked);
        workflows->checked_next = (workflows->checked_next + 1) % WORKFLOW_CHECKED_MAX;
        checked_evict(workflows, slot);
        checked->hash = *hash;
        checked->node.name = bytes_of(checked->hash.text);
        if (check->verdict.judgement == WORKFLOW_BAD) {
            checked->fault = mem_new(sizeof *checked->fault);
            *checked->fault = check->verdict.fault;
        }
        table_add(&workflows->checked, &checked->node);
        *slot = checked;
    }
    loop_soon(check->workflows->options.loop, &check->task);
}

/* --- The worker ------------------------------------------------------------------------------- */

/* In the pool: a script may have a megabyte of tokens to look through. */
static void check_place_run(struct pool_job *job) {
    struct workflow_check *check = CONTAINER_OF(job, struct workflow_check, job);
    const struct catalog_script *script = check->script;
    script_fault_place((struct bytes){script->source, script->len}, &check->verdict.fault);
}

static void check_place_done(struct pool_job *job) {
    struct workflow_check *check = CONTAINER_OF(job, struct workflow_check, job);
    check->in_pool = false;
    check_finish_judged(check);
}

static void check_on_frame(void *ctx, struct bytes frame) {
    struct workflow_check *check = ctx;
    struct script_fault *fault = &check->verdict.fault;
    AUTO(json_release) json_t *messages = NULL;
    if (check->task.queued || check->in_pool || frame.len > WORKFLOW_INLINE ||
        err_failed(json_parse(frame.data, frame.len, JSON_DEPTH_MAX, &messages, NULL))) {
        return;
    }
    const json_t *end = json_array_get(messages, 0);
    const char *message = json_str(end, "message", NULL);
    if (json_is_true(json_object_get(end, "ok"))) {
        check->verdict.judgement = WORKFLOW_GOOD;
        check_finish_judged(check);
    } else if (message == NULL || strcmp(json_str(end, "code", ""), "syntax_error") != 0) {
        loop_soon(check->workflows->options.loop,
                  &check->task); /* A run of the script will report the same. */
    } else {
        int64_t line = json_int(end, "line", 0), column = json_int(end, "column", 0);
        check->verdict.judgement = WORKFLOW_BAD;
        *fault = (struct script_fault){.line = line > 0 ? (unsigned)line : 0,
                                       .column = column > 0 ? (unsigned)column : 0,
                                       .code = "syntax_error"};
        (void)snprintf(fault->message, sizeof fault->message, "%.200s", message);
        check->in_pool = true;
        pool_begin(&check->workflows->pool, &check->job, POOL_QUICK, check_place_run,
                   check_place_done);
    }
}

static void check_on_worker_end(void *ctx, const struct script_end *end) {
    struct workflow_check *check = ctx;
    (void)end; /* A run of the script will report the same. */
    check->worker = NULL;
    if (!check->in_pool) {
        loop_soon(check->workflows->options.loop, &check->task);
    }
}

/* In the pool, too. */
static void check_write_run(struct pool_job *job) {
    struct workflow_check *check = CONTAINER_OF(job, struct workflow_check, job);
    const struct catalog_script *script = check->script;
    text_add_str(&check->order, "[{\"t\":\"check\",");
    workflow__add_script(&script->prepared, bytes_of(script->entry.file), &check->order);
    text_add_str(&check->order, "}]");
}

static void check_write_done(struct pool_job *job) {
    static const struct script_watch watch = {.heard = check_on_frame,
                                              .ended = check_on_worker_end};
    struct workflow_check *check = CONTAINER_OF(job, struct workflow_check, job);
    struct workflows *workflows = check->workflows;
    check->in_pool = false;
    if (workflows->asker.stopping || check->order.len == 0 || text_failed(&check->order)) {
        loop_soon(workflows->options.loop, &check->task);
        return;
    }
    check->worker = workflows__start_script(workflows, workflows->options.scripts, BYTES(""),
                                            &watch, check, &check->order);
}

void workflows_check(struct workflows *workflows, const struct catalog_script *script,
                     void (*done)(void *ctx, const struct check_verdict *verdict), void *ctx) {
    struct workflow_check *check = mem_new(sizeof *check);
    *check =
        (struct workflow_check){.workflows = workflows,
                                .task = {.run = check_report},
                                .script = script,
                                .order = text_up_to(WORKFLOW_ORDER_MAX),
                                .verdict = workflows_cached_verdict(workflows, &script->entry.hash),
                                .done = done,
                                .ctx = ctx};
    link_add_last(&workflows->checks, &check->link);
    check->in_pool = !workflows->asker.stopping && check->verdict.judgement == WORKFLOW_UNJUDGED;
    if (check->in_pool) {
        pool_begin(&workflows->pool, &check->job, POOL_QUICK, check_write_run, check_write_done);
    } else {
        loop_soon(workflows->options.loop, &check->task);
    }
}

void workflows__stop_checks(struct workflows *workflows) {
    for (struct link *link = workflows->checks.next; link != &workflows->checks;
         link = link->next) {
        struct workflow_check *check = CONTAINER_OF(link, struct workflow_check, link);
        script_close(check->worker);
        check->worker = NULL;
        if (!check->in_pool) {
            loop_soon(check->workflows->options.loop, &check->task);
        }
    }
}

/* --- Lists ------------------------------------------------------------------------------------ */

/* A list is gone through twice, first by what counts. */
enum judge_pass { PASS_COUNTS, PASS_SHADOWED, PASSES };

struct script_judge {
    struct workflows *workflows;
    struct catalog *catalog;             /* Borrowed; NULL: it is about `script` alone. */
    struct catalog_script *script;       /* Borrowed, or `read`. */
    const struct catalog_search *places; /* Borrowed, of its names; NULL: nobody knows them. */
    struct catalog_script read;          /* Owned: the entry's file, read again. */
    struct catalog_entry *entry;         /* Borrowed: that is being judged. */
    enum judge_pass pass;
    unsigned at, asked;
    int64_t until_ms;
    struct loop_task task;
    struct pool_job job;
    struct script_judge_done done;
};

static void judge_next(struct script_judge *judge);

static void entry_apply(struct catalog_entry *entry, const struct check_verdict *verdict) {
    entry->checked = verdict->judgement != WORKFLOW_UNJUDGED;
    if (verdict->judgement == WORKFLOW_BAD) {
        entry->valid = false;
        entry->fault = verdict->fault;
    }
}

static void judge_checked(void *ctx, const struct check_verdict *verdict) {
    struct script_judge *judge = ctx;
    entry_apply(judge->entry, verdict);
    judge_next(judge);
}

static void judge_ask(struct script_judge *judge) {
    workflows_check(judge->workflows, judge->script, judge_checked, judge);
}

/* The list kept no texts: with 500 files they would be many. A file that has changed meanwhile, or
 * is another by now, has another hash, and waits for the next list. */
static void judge_read_run(struct pool_job *job) {
    struct script_judge *judge = CONTAINER_OF(job, struct script_judge, job);
    const struct catalog_search nowhere = {.kind = judge->entry->kind};
    struct why why = {""};
    struct err err = catalog_open(&nowhere, judge->entry->file, &judge->read, &why);
    (void)err; /* Then there is no source, and it stays unchecked. */
}

static void judge_read_done(struct pool_job *job) {
    struct script_judge *judge = CONTAINER_OF(job, struct script_judge, job);
    struct workflows *workflows = judge->workflows; /* `done` may free the judge. */
    const struct catalog_entry *found = &judge->read.entry;
    if (found->valid && strcmp(found->hash.text, judge->entry->hash.text) == 0) {
        judge->script = &judge->read;
        judge_ask(judge);
    } else {
        judge_next(judge);
    }
    workflows__maybe_stopped(workflows);
}

/* Cached verdicts are applied on the way, also after the last entry that may be asked about. */
static struct catalog_entry *judge_find_unknown(struct script_judge *judge) {
    struct catalog *catalog = judge->catalog;
    for (; catalog != NULL && judge->pass < PASSES; judge->pass++, judge->at = 0) {
        while (judge->at < catalog->entry_count) {
            struct catalog_entry *entry = &catalog->entries[judge->at++];
            bool now = (entry->shadowed_by != NULL) == (judge->pass == PASS_SHADOWED);
            if (entry->checked || !now) {
                continue;
            }
            const struct check_verdict verdict =
                workflows_cached_verdict(judge->workflows, &entry->hash);
            entry_apply(entry, &verdict);
            if (!entry->checked && judge->asked < WORKFLOW_JUDGE_MAX &&
                !judge->workflows->asker.stopping &&
                workflows__mono_ms(judge->workflows) < judge->until_ms) {
                return entry;
            }
        }
    }
    return NULL;
}

static void judge_next(struct script_judge *judge) {
    const struct script_judge_done done = judge->done;
    catalog_script_done(&judge->read);
    judge->entry = judge_find_unknown(judge);
    if (judge->entry == NULL) {
        mem_free(judge);
        done.call(done.ctx);
        return;
    }
    judge->asked++;
    pool_begin(&judge->workflows->pool, &judge->job, POOL_QUICK, judge_read_run, judge_read_done);
}

static enum script_note_verdict model_judge(void *ctx, struct script_note *note) {
    const struct workflows *workflows = ctx;
    struct model_name room;
    bool known = false;
    if (note->about == NOTE_ABOUT_MODEL) {
        known = workflows__known_model(workflows, bytes_of(note->name), &room) != NULL;
    } else if (note->about == NOTE_ABOUT_CONNECTION) {
        const struct models *models = connections_models(workflows->options.connections);
        known = models_connection_find(models, note->name) != NULL;
    } else {
        return NOTE_LEFT;
    }
    return known ? NOTE_DROPPED : NOTE_CONFIRMED;
}

void workflows_resolve_models(struct workflows *workflows, struct script_notes *notes) {
    script_notes_resolve(notes, model_judge, workflows);
}

/* In the pool: a checker may take seconds, or hang. */
static void judge_notes_run(struct pool_job *job) {
    struct script_judge *judge = CONTAINER_OF(job, struct script_judge, job);
    struct err err = catalog_judge(judge->script);
    if (!err_failed(err) && judge->places != NULL) { /* Else without notes. */
        workflows_resolve_names(judge->workflows, judge->places, &judge->script->notes);
    }
}

static void judge_on_notes(struct pool_job *job) {
    struct script_judge *judge = CONTAINER_OF(job, struct script_judge, job);
    struct workflows *workflows = judge->workflows; /* `done` may free the judge. */
    workflows_resolve_models(workflows, &judge->script->notes);
    judge_ask(judge);
    workflows__maybe_stopped(workflows);
}

static void judge_begin(struct loop_task *task) {
    struct script_judge *judge = CONTAINER_OF(task, struct script_judge, task);
    if (judge->script != NULL && judge->script->entry.valid && !judge->workflows->asker.stopping) {
        judge->entry = &judge->script->entry;
        pool_begin(&judge->workflows->pool, &judge->job, POOL_SLOW, judge_notes_run,
                   judge_on_notes);
    } else {
        judge_next(judge);
    }
}

static struct script_judge *judge_new(struct workflows *workflows, struct script_judge_done done) {
    struct script_judge *judge = mem_new(sizeof *judge);
    judge->workflows = workflows;
    judge->until_ms = workflows__mono_ms(workflows) + WORKFLOW_JUDGE_MS;
    judge->done = done;
    judge->task.run = judge_begin;
    loop_soon(workflows->options.loop, &judge->task);
    return judge;
}

void workflows_judge(struct workflows *workflows, struct catalog *catalog,
                     struct script_judge_done done) {
    judge_new(workflows, done)->catalog = catalog;
}

void workflows_judge_one(struct workflows *workflows, struct catalog_script *script,
                         const struct catalog_search *places, struct script_judge_done done) {
    struct script_judge *judge = judge_new(workflows, done);
    judge->script = script;
    judge->places = places;
}
