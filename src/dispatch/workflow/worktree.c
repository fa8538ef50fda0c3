/* worktree.c: an agent's own working tree: made before its turn, looked at behind its end.
 *
 *   PLANNED ──a job──> MAKING ──it is whole──> MADE ──its end, unchanged: a job──> GONE
 *                        └─ none ──> GONE        └─ changed: kept, and told
 *
 * What there is stands on the disk, and is looked at before each step; what is being done is a job
 * that a key names. So a daemon that comes back waits for the job that the one before began, looks,
 * and goes on. A tree is half made only where git was killed: that is wiped away, and made again.
 *
 * While the pool looks, the call is CHECKING before its turn, and CLEARING behind it: an agent that
 * is skipped then is so when the pool has answered, or has come to its end already. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/worktree_job.h"
#include "tool/worktree.h"

enum place_stage { PLANNED, MAKING, MADE, GONE };
enum {
    LEAVE_MS = 15000, /* So long an outcome waits at most for what becomes of the tree. */
    WIPES_MAX = 2,
    JOB_BYTES = 4 * 6 * LIMIT_PATH_MAX + 4096,
    FAULT_BYTES = 1024,
    KEY_LEN = sizeof "worktrees " - 1 + 32,
    ADDS_MAX = 2, /* Somebody else's git may be at the same repository. */
};

struct place {
    char *top, *from, *path, *root, *git; /* Owned. */
    char base[WORKTREE_BASE];             /* The commit that it began at; "": not yet known. */
    enum place_stage stage;
    bool left;  /* Its agent has ended, and that was looked at, or is. */
    bool asked; /* Git was asked to remove it. */
    bool slow;  /* That took too long. */
    bool away;  /* The pool looks. */
    unsigned adds, wipes;
    struct id job;                   /* That is waited for. */
    char log[PROTOCOL_NAME_MAX + 1]; /* Of the last one that failed; "": none has. */
    struct text fault;
    struct worktree_look look;
};

static const char none[] = "";

static struct place *place_new(void) {
    struct place *place = mem_new(sizeof *place);
    text_init(&place->fault, FAULT_BYTES);
    return place;
}

void call__forget_place(struct call *call) {
    struct place *place = call->place;
    call->place = NULL;
    if (place == NULL) {
        return;
    }
    mem_free(place->top);
    mem_free(place->from);
    mem_free(place->path);
    mem_free(place->root);
    mem_free(place->git);
    text_done(&place->fault);
    mem_free(place);
}

const char *call__root(const struct call *call) {
    return call->place == NULL ? call->flow->root : call->place->root;
}

/* --- Found, and written down ------------------------------------------------------------------ */

bool call__wants_place(const struct call *call) {
    const json_t *opts = json_object_get(call->message, "opts");
    return json_object_get(opts, "isolation") != NULL && call__has_tools(call);
}

static char *copy(const char *text) {
    return mem_copy(text, strlen(text));
}

bool call__find_place(struct call *call) {
    const struct flow *flow = call->flow;
    struct worktree at;
    struct why why = {""};
    struct err err = worktree_find(flow->root, call->run.text, flow->flows->options.data_dir,
                                   flow->flows->options.sandbox, &at, &why);
    if (err_failed(err)) {
        text_clear(&call->misfit);
        text_add_str(&call->misfit, why.text);
        return false;
    }
    if (call->place == NULL) { /* Else its row has said so. */
        struct place *place = place_new();
        place->top = copy(at.top);
        place->from = copy(at.from);
        place->path = copy(at.path);
        place->root = copy(at.root);
        place->git = copy(at.git);
        call->place = place;
    }
    return true;
}

static char *member(const json_t *json, const char *name) {
    const char *text = json_string_value(json_object_get(json, name));
    return copy(text == NULL ? none : text);
}

void call__take_place(struct call *call, const json_t *worktree) {
    if (!json_is_object(worktree) || call->place != NULL) {
        return;
    }
    struct place *place = place_new();
    const char *base = json_string_value(json_object_get(worktree, "base"));
    place->top = member(worktree, "top");
    place->from = member(worktree, "from");
    place->path = member(worktree, "path");
    place->root = member(worktree, "root");
    place->git = member(worktree, "git");
    place->stage = call->turn.text[0] == '\0' ? MAKING : MADE; /* It may have been begun. */
    (void)snprintf(place->base, sizeof place->base, "%s", base == NULL ? none : base); /* Ours. */
    call->place = place;
}

static void add_member(struct text *text, const char *before, const char *value) {
    text_add_str(text, before);
    text_add_json(text, value, strlen(value));
}

void call__write_place(const struct call *call, struct text *spec) {
    const struct place *place = call->place;
    if (place == NULL || place->stage == GONE) {
        return;
    }
    add_member(spec, ",\"worktree\":{\"path\":", place->path);
    add_member(spec, ",\"root\":", place->root);
    add_member(spec, ",\"base\":", place->base);
    add_member(spec, ",\"top\":", place->top);
    add_member(spec, ",\"from\":", place->from);
    add_member(spec, ",\"git\":", place->git);
    text_add_char(spec, '}');
}

struct bytes call__kept_place(const struct call *call) {
    const struct place *place = call->place;
    return place == NULL || place->stage != MADE ? (struct bytes){NULL, 0} : bytes_of(place->path);
}

/* --- Jobs ------------------------------------------------------------------------------------- */

static struct err find_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    return tx_step_job(tx, &errand->new_job, &errand->job);
}

static struct err sweep_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    struct run_row row;
    return tx_run_submit(tx, &errand->new_job, &row);
}

/* Git fails now and then where two of it make trees of one repository: one looks at what the other
 * has half written. So a repository is a key, and they come one after the other. */
static void add_head(const struct call *call, struct flow_errand *errand, const char *what) {
    const char *top = call->place->top;
    const struct sha256 digest = sha256_of(top, strlen(top));
    const struct sha256_hex hex = sha256_hex(&digest);
    text_init(&errand->bytes, JOB_BYTES);
    text_addf(&errand->bytes, "worktrees %.32s%s %s", hex.text, what, call->run.text);
}

/* Key, label and what it is, one behind the other. */
static void fill_job(const struct call *call, struct flow_errand *errand, size_t head_len) {
    const struct flow *flow = call->flow;
    const struct text *bytes = &errand->bytes;
    const size_t key_len = KEY_LEN;
    errand->new_job = (struct run_new){.run = flows__new_id(flow->flows),
                                       .owner = {flow->owner, strlen(flow->owner)},
                                       .parent = {none, 0},
                                       .key = {bytes->data, key_len},
                                       .key_max = 1,
                                       .label = {bytes->data + key_len, head_len - key_len},
                                       .spec = {bytes->data + head_len, bytes->len - head_len},
                                       .kind = KIND_JOB,
                                       .bounds = flow__bounds(flow)};
}

/* Its paths are bounded, so it fits; without memory it is none. */
static void write_job(const struct call *call, struct flow_errand *errand, enum place_job job) {
    const struct place *place = call->place;
    const struct place_git git = {.top = place->top,
                                  .from = place->from,
                                  .path = place->path,
                                  .repository = place->git,
                                  .sandbox = call->flow->flows->options.sandbox};
    add_head(call, errand, place__label(job));
    size_t head_len = errand->bytes.len;
    if (!place__write_job(&git, job, &errand->bytes)) {
        errand->bytes.len = head_len;
    }
    fill_job(call, errand, head_len);
}

/* A job by its key stands in the table of turns, in the place of one. */
static void await(struct call *call, const struct id *job) {
    struct place *place = call->place;
    call__leave_talk(call);
    place->job = *job;
    call->turn_node.name = bytes_of(place->job.text);
    call->talks = true;
    table_add(&call->flow->flows->turns, &call->turn_node);
}

static void look(struct call *call);

static struct flow_errand *find_errand(struct call *call,
                                       void (*done)(struct flow_errand *errand)) {
    struct flow_errand *errand = flow__errand(call->flow, find_tx, done);
    errand->call = call;
    add_head(call, errand, none);
    fill_job(call, errand, errand->bytes.len);
    return errand;
}

static bool waits_for_job(const struct call *call) {
    bool waits = call->state == CALL_PLACING || call->state == CALL_CLEARING;
    return waits && call->flow->state != FLOW_ENDING; /* Else it has ended otherwise. */
}

static void job_found_again(struct flow_errand *errand) {
    struct call *call = errand->call;
    const struct step_job job = errand->job;
    flow__errand_free(errand);
    if (waits_for_job(call) && call->talks && strcmp(job.run.text, call->place->job.text) != 0) {
        call__leave_talk(call);
        look(call);
    }
}

static void job_begun(struct flow_errand *errand) {
    struct call *call = errand->call;
    const struct step_job job = errand->job;
    flow__errand_free(errand);
    if (!waits_for_job(call)) {
        return;
    }
    if (job.run.text[0] == '\0' || job.ended) {
        look(call);
        return;
    }
    await(call, &job.run);
    if (job.found) { /* Its end may have been told before its name was: that is looked up once. */
        flow__send(find_errand(call, job_found_again));
    }
}

static void begin_job(struct call *call, enum place_job job) {
    struct flow_errand *errand = flow__errand(call->flow, find_tx, job_begun);
    errand->call = call;
    write_job(call, errand, job);
    flow__send(errand);
}

/* Of an earlier life of the daemon, or of what the agent did before it was restarted. */
static void find_job(struct call *call) {
    flow__send(find_errand(call, job_begun));
}

void flows__job_note(struct flows *flows, const struct run_row *row) {
    struct table_node *node = table_find(&flows->turns, row->run);
    struct call *call = node == NULL ? NULL : CONTAINER_OF(node, struct call, turn_node);
    if (call == NULL || call->flow->freed || call->place == NULL) {
        return;
    }
    struct place *place = call->place;
    bool waits = call->state == CALL_PLACING || call->state == CALL_CLEARING;
    call__leave_talk(call);
    place->log[0] = '\0';
    text_clear(&place->fault);
    if (row->state != RUN_SUCCEEDED) {
        (void)snprintf(place->log, sizeof place->log, "%.*s.%lld", (int)row->run.len, row->run.data,
                       (long long)row->attempt);
        text_addf(&place->fault, "git: %s",
                  row->cause == CAUSE_NOT_STARTED ? "it cannot be started; is it installed?"
                                                  : run_cause_about(row->cause));
    }
    if (waits && call->flow->state != FLOW_ENDING) {
        look(call);
    }
}

/* --- Made ------------------------------------------------------------------------------------- */

/* It was whole once, so its agent may have been in it: it is wiped away no more. */
static bool is_used(const struct place *place) {
    return place->base[0] != '\0';
}

static void give_up(struct call *call) {
    struct place *place = call->place;
    const char *words = place->fault.len > 0 ? place->fault.data
                        : place->look.state == WORKTREE_STRANGE
                            ? "something else stands where its working tree would be"
                        : is_used(place) ? "git no longer takes its working tree for whole"
                                         : "git made no working tree";
    place->stage = place->look.state == WORKTREE_HALF ? MADE : GONE; /* So it is told of. */
    place->left = true;
    call__fail(call, CAUSE_NO_WORKTREE, words);
}

static void talk(struct call *call) {
    struct place *place = call->place;
    if (!is_used(place)) {
        memcpy(place->base, place->look.head, sizeof place->base);
    }
    place->stage = MADE;
    call__talk_anew(call);
}

static void go_on(struct call *call) {
    struct place *place = call->place;
    bool adds = place->look.state == WORKTREE_NONE && place->adds < ADDS_MAX;
    bool half = place->look.state == WORKTREE_HALF && !is_used(place);
    bool wipes = half && place->wipes < WIPES_MAX;
    if (place->look.state == WORKTREE_WHOLE) {
        talk(call);
    } else if (adds || wipes) {
        place->adds = wipes ? 0 : place->adds + 1; /* Behind a wipe it is begun anew. */
        place->wipes += wipes;
        place->stage = MAKING;
        begin_job(call, adds ? PLACE_ADD : PLACE_WIPE);
    } else {
        give_up(call);
    }
}

void call__make_place(struct call *call) {
    struct place *place = call->place;
    place->left = place->asked = place->slow = false;
    place->adds = place->wipes = 0;
    place->stage = place->stage == GONE ? PLANNED : place->stage;
    call->state = CALL_PLACING;
    call->cause = CAUSE_NONE;
    if (call->stop) {
        call__fail(call, CAUSE_STOPPED, "somebody skipped it");
        return;
    }
    call__watch_deadline(call);
    find_job(call);
}

/* --- Left ------------------------------------------------------------------------------------- */

static void conclude(struct call *call, enum place_stage stage) {
    struct place *place = call->place;
    timer_stop(call->flow->flows->options.loop, &call->timer);
    call__leave_talk(call);
    place->stage = stage;
    if (call->again) { /* It was restarted meanwhile. */
        call__ask_anew(call);
    } else {
        call__ended(call);
    }
}

static void on_slow(struct timer *timer) {
    struct call *call = CONTAINER_OF(timer, struct call, timer);
    call->place->slow = true;
    if (!call->place->away) {
        conclude(call, MADE);
    }
}

/* Git looks for changes itself where the commit is the one that it began at. */
static void part(struct call *call) {
    struct place *place = call->place;
    bool same = place->look.state == WORKTREE_WHOLE && place->look.head[0] != '\0' &&
                strcmp(place->look.head, place->base) == 0;
    if (place->look.state == WORKTREE_NONE) {
        conclude(call, GONE);
    } else if (!same || place->asked || place->slow) {
        conclude(call, MADE);
    } else {
        place->asked = true;
        begin_job(call, PLACE_REMOVE);
    }
}

static void sweep(struct call *call) {
    const struct place *place = call->place;
    if (place->stage == MAKING || place->stage == MADE) {
        struct flow_errand *errand = flow__errand(call->flow, sweep_tx, flow__errand_free);
        write_job(call, errand, PLACE_REMOVE);
        flow__send(errand);
    }
}

bool call__leave_place(struct call *call) {
    struct place *place = call->place;
    struct flow *flow = call->flow;
    if (place == NULL || place->left || place->stage == GONE || flow->state == FLOW_ENDING) {
        return false;
    }
    place->left = true;
    call__leave_talk(call);
    if (place->stage != MADE) {
        sweep(call);
        place->stage = GONE;
        return false;
    }
    call__cancel(call);
    call->state = CALL_CLEARING;
    timer_start(flow->flows->options.loop, &call->timer, LEAVE_MS, on_slow);
    look(call);
    return true;
}

void call__sweep_place(struct call *call) {
    const struct place *place = call->place;
    bool looked_at = place != NULL && place->left && call->state != CALL_CLEARING;
    if (place != NULL && !looked_at) {
        sweep(call);
    }
}

void past__sweep_place(struct flow *flow, const struct past *past) {
    struct call call = {.flow = flow, .run = past->run, .turn = past->turn};
    call__take_place(&call, past->worktree);
    call__sweep_place(&call);
    call__forget_place(&call);
}

/* --- Looked at -------------------------------------------------------------------------------- */

static void look_run(struct pool_job *job) {
    struct call *call = CONTAINER_OF(job, struct call, job);
    struct place *place = call->place;
    place->look = worktree_look(place->path);
    if (place->log[0] != '\0') {
        place__read_fault(call->flow->flows->options.spool, place->log, &place->fault);
    }
}

static void looked(struct pool_job *job) {
    struct call *call = CONTAINER_OF(job, struct call, job);
    struct flow *flow = call->flow;
    struct flows *flows = flow->flows;
    flow->in_pool--;
    call->place->away = false;
    if (flow->ended || flows->stopping || flow->state == FLOW_ENDING) {
        call->state = CALL_ASKING;
        flow__maybe_free(flow);
        flows__maybe_stopped(flows);
        return;
    }
    if (call->state == CALL_CLEARING) {
        part(call);
        return;
    }
    call->state = CALL_PLACING;
    if (call->cause != CAUSE_NONE) { /* It was skipped, or its time was over. */
        call__ended(call);
        return;
    }
    if (call->again) {
        call->again = false;
        call__watch_deadline(call);
    }
    go_on(call);
}

static void look(struct call *call) {
    call->state = call->state == CALL_CLEARING ? CALL_CLEARING : CALL_CHECKING;
    call->place->away = true;
    call->job = (struct pool_job){.kind = POOL_QUICK, .run = look_run, .done = looked};
    call->flow->in_pool++;
    pool_add(&call->flow->flows->pool, &call->job);
}
