/* judge.c: a list is gone through twice, first by what counts. */
#include "dispatch/workflow/judge.h"

#include <string.h>

#include "base/memory.h"
#include "dispatch/workflow/flow.h"

enum pass { PASS_COUNTS, PASS_SHADOWED, PASSES };

struct flow_judge {
    struct flows *flows;
    struct catalog *catalog;       /* Borrowed; NULL: it is about `script` alone. */
    struct catalog_script *script; /* Borrowed, or `read`. */
    struct catalog_script read;    /* Owned: the entry's file, once more. */
    struct catalog_entry *entry;   /* Borrowed: that is being looked at. */
    enum pass pass;
    unsigned at, asked;
    int64_t until_ms;
    struct loop_task task;
    struct pool_job job;
    struct flow_judge_done done;
};

static void conclude(struct flow_judge *judge) {
    struct flow_judge_done done = judge->done;
    catalog_script_done(&judge->read);
    mem_free(judge);
    done.call(done.ctx);
}

static void apply(struct catalog_entry *entry, const struct flow_verdict *verdict) {
    entry->checked = verdict->judgement != FLOW_UNJUDGED;
    if (verdict->judgement == FLOW_BAD) {
        entry->valid = false;
        entry->fault = verdict->fault;
    }
}

/* --- One of them ------------------------------------------------------------------------------ */

static void next(struct flow_judge *judge);

static void checked(void *ctx, const struct flow_verdict *verdict) {
    struct flow_judge *judge = ctx;
    apply(judge->entry, verdict);
    next(judge);
}

static void ask(struct flow_judge *judge) {
    const struct catalog_script *script = judge->script;
    const struct flow_check_ask what = {.source = {script->source, script->len},
                                        .text = {script->prepared.text, script->prepared.len},
                                        .form = script->prepared.form,
                                        .file = {script->entry.file, strlen(script->entry.file)},
                                        .hash = judge->entry->hash};
    flows_check(judge->flows, &what, checked, judge);
}

/* The list kept no texts: with 500 files they would be many. One that has changed meanwhile, or is
 * another by now, has another hash, and waits for the next list. */
static void read_again(struct pool_job *job) {
    struct flow_judge *judge = CONTAINER_OF(job, struct flow_judge, job);
    const struct catalog_search nowhere = {.root = NULL};
    struct why why = {""};
    struct err err = catalog_open(&nowhere, judge->entry->file, &judge->read, &why);
    (void)err; /* Then there is no source, and it stays unchecked. */
}

static void was_read(struct pool_job *job) {
    struct flow_judge *judge = CONTAINER_OF(job, struct flow_judge, job);
    struct flows *flows = judge->flows; /* Who is told may free the judge. */
    const struct catalog_entry *found = &judge->read.entry;
    if (found->valid && strcmp(found->hash.text, judge->entry->hash.text) == 0) {
        judge->script = &judge->read;
        ask(judge);
    } else {
        next(judge);
    }
    flows__maybe_stopped(flows);
}

/* --- All of them ------------------------------------------------------------------------------ */

static bool may_ask(const struct flow_judge *judge) {
    return judge->asked < FLOW_JUDGE_MAX && !judge->flows->stopping &&
           flows__mono_ms(judge->flows) < judge->until_ms;
}

/* What is known is put down on the way, also behind the last one that may be asked about. */
static struct catalog_entry *find_unknown(struct flow_judge *judge) {
    struct catalog *catalog = judge->catalog;
    for (; judge->pass < PASSES; judge->pass++, judge->at = 0) {
        while (judge->at < catalog->entry_count) {
            struct catalog_entry *entry = &catalog->entries[judge->at++];
            bool now = (entry->shadowed_by != NULL) == (judge->pass == PASS_SHADOWED);
            if (entry->checked || !now) {
                continue;
            }
            const struct flow_verdict verdict = flows_known(judge->flows, &entry->hash);
            apply(entry, &verdict);
            if (!entry->checked && may_ask(judge)) {
                return entry;
            }
        }
    }
    return NULL;
}

static void next(struct flow_judge *judge) {
    catalog_script_done(&judge->read);
    judge->entry = judge->catalog == NULL ? NULL : find_unknown(judge);
    if (judge->entry == NULL) {
        conclude(judge);
        return;
    }
    judge->asked++;
    judge->job = (struct pool_job){.kind = POOL_QUICK, .run = read_again, .done = was_read};
    pool_add(&judge->flows->pool, &judge->job);
}

static void begin(struct loop_task *task) {
    struct flow_judge *judge = CONTAINER_OF(task, struct flow_judge, task);
    struct flows *flows = judge->flows;
    if (judge->script != NULL && judge->script->entry.valid && !flows->stopping) {
        judge->entry = &judge->script->entry;
        ask(judge);
    } else {
        next(judge);
    }
}

static struct flow_judge *judge_new(struct flows *flows, struct flow_judge_done done) {
    struct flow_judge *judge = mem_new(sizeof *judge);
    judge->flows = flows;
    judge->until_ms = flows__mono_ms(flows) + FLOW_JUDGE_MS;
    judge->done = done;
    judge->task.run = begin;
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
