/* rewinds.c: see rewinds.h. */
#include "dispatch/changes/rewinds.h"

#include <unistd.h>

#include "base/limits.h"
#include "base/memory.h"
#include "dispatch/changes/places.h"
#include "engine/turn/rewind.h"
#include "tool/changes/ask.h"

enum {
    PAUSE_MS = 200,
    PAUSE_MAX_MS = 10 * 1000,
    ORDER_MAX = 16 << 20,
    ANSWER_MAX = 8 << 20,
    PLAN_MS = 60 * 1000,
    APPLY_MS = 10 * 60 * 1000,
    FILES_MAX = 4 << 20, /* Bytes of a plan that a row takes. */
    NOTE_MAX = 500,
};

enum rewind_step { STEP_PLANNING, STEP_STARTING, STEP_APPLYING, STEP_SETTLING, STEP_DONE };

struct rewind {
    struct link link;
    struct rewinds *rewinds;
    enum rewind_step step;
    struct rewind_order order;                                   /* Texts are owned: see `texts`. */
    char *owner, *session, *actor, *message, *path, *repository; /* Owned. */
    struct changes_span span;                                    /* Owned. */
    struct text files;            /* Owned: JSON array of the plan. */
    json_t *plan, *force, *paths; /* Owned. */
    struct ask ask;
    struct answer answer;
    struct why why;
    struct rewind_settle settle;
    struct err refusal;    /* Why the files stayed as they were. */
    struct loop_task task; /* Begins it. */
    unsigned tries;        /* To apply. */
    int64_t world;
};

struct rewinds {
    struct room room;
    struct room_options options;
    struct points *points; /* Borrowed. */
    struct bytes host;     /* Borrowed. */
    unsigned umask;
    struct link list;
    struct ask ask; /* The recovery. */
    int64_t after;
    bool found;
    struct rewind *next; /* Owned: the one that was read. */
};

static void rewind_tick(struct rewind *rewind);

/* --- Its life --------------------------------------------------------------------------------- */

/* Before the first file is touched, each error is the answer. */
static enum ask_verdict rewind_judge(void *ctx, unsigned tries, struct err err) {
    const struct rewind *rewind = ctx;
    return rewind->step == STEP_STARTING ? ASK_ANSWERED : ask_usual(tries, EFFECT_TRIES_MAX, err);
}

static void on_rewind_refused(void *ctx, struct err err);
static const struct ask_rules rewind_rules = {
    .words = {.effect = "store a rewind",
              .again = "a rewind could not be stored; it is tried again"},
    .judge = rewind_judge,
    .refused = on_rewind_refused};

static void on_begin(struct loop_task *task) {
    rewind_tick(CONTAINER_OF(task, struct rewind, task));
}

static struct rewind *rewind_new(struct rewinds *rewinds) {
    struct rewind *rewind = mem_new(sizeof *rewind);
    rewind->rewinds = rewinds;
    rewind->files = text_up_to(FILES_MAX);
    rewind->task.run = on_begin;
    ask_init(&rewind->ask, &rewinds->room.asker, &rewind_rules, rewind);
    return rewind;
}

static void rewind_free(struct rewind *rewind) {
    link_remove(&rewind->link);
    loop_task_cancel(rewind->rewinds->options.loop, &rewind->task);
    ask_drop(&rewind->ask);
    answer_cancel(&rewind->answer);
    changes_span_done(&rewind->span);
    text_done(&rewind->files);
    json_decref(rewind->plan);
    json_decref(rewind->force);
    json_decref(rewind->paths);
    mem_free(rewind->owner);
    mem_free(rewind->session);
    mem_free(rewind->actor);
    mem_free(rewind->message);
    mem_free(rewind->path);
    mem_free(rewind->repository);
    mem_free(rewind);
}

static void rewind_end(struct rewind *rewind, struct err err) {
    const struct rewind_order *order = &rewind->order;
    rewind->step = STEP_DONE;
    if (order->done != NULL) {
        order->done(order->ctx, err, &rewind->why, rewind->plan);
    }
    rewind_free(rewind);
}

static void rewind_enter(struct rewind *rewind, enum rewind_step step) {
    rewind->step = step;
    rewind_tick(rewind);
}

/* The store refuses it for good. Before the first file nothing has happened; later the row stays,
 * and the next daemon finishes it. */
static void on_rewind_refused(void *ctx, struct err err) {
    rewind_end(ctx, err);
}

/* --- The child -------------------------------------------------------------------------------- */

static void child_order(struct rewind *rewind, struct bytes order, uint64_t deadline_ms,
                        void (*done)(struct answer *answer, struct err err)) {
    struct rewinds *rewinds = rewind->rewinds;
    struct changes_child child;
    struct err err = changes_begin(order, &child);
    if (!err_failed(err)) {
        const struct answer_order heard = {
            .fd = child.fd, .pid = child.pid, .size_max = ANSWER_MAX, .deadline_ms = deadline_ms};
        rewind->answer.done = done;
        err = answer_start(&rewind->answer, rewinds->options.loop, &heard);
    }
    if (err_failed(err)) {
        rewind_end(rewind, err);
        return;
    }
    rewinds->room.held++;
}

/* The line of an answer; NULL: the rewind has ended, or the daemon stops. */
static json_t *child_answer(struct rewind *rewind, struct err err) {
    struct rewinds *rewinds = rewind->rewinds;
    AUTO(json_release) json_t *line = NULL;
    struct bytes body;
    rewinds->room.held--;
    if (rewinds->room.asker.stopping) {
        room_maybe_stopped(&rewinds->room);
        return NULL;
    }
    if (!err_failed(err)) {
        err = changes_answer_read(text_bytes(&rewind->answer.output), &line, &body, &rewind->why);
    }
    if (err_failed(err)) {
        rewind_end(rewind, err);
        return NULL;
    }
    return json_incref(line);
}

/* --- Planning --------------------------------------------------------------------------------- */

static void plan_write(const struct rewind *rewind, struct text *order) {
    text_add_char(order, '{');
    points__order_begin(rewind->rewinds->points, "rewind", rewind->repository, order);
    text_add_member(order, "from", text_bytes(&rewind->span.from));
    text_add_member(order, "to", text_bytes(&rewind->span.to));
    text_add_member_int(order, "mine", rewind->span.mine);
    authors_write(&rewind->span.authors, order);
    text_add_str(order, ",\"force\":");
    if (rewind->force == NULL || err_failed(json_write(rewind->force, order))) {
        text_add_str(order, "[]");
    }
    if (rewind->paths != NULL) {
        json_add_member(order, "paths", rewind->paths);
    }
    text_add_char(order, '}');
}

static void on_planned(struct answer *answer, struct err err) {
    struct rewind *rewind = CONTAINER_OF(answer, struct rewind, answer);
    rewind->plan = child_answer(rewind, err);
    if (rewind->plan == NULL) {
        return;
    }
    const json_t *refused = json_object_get(rewind->plan, "refused");
    const json_t *files = json_object_get(rewind->plan, "files");
    if (rewind->order.preview || json_array_size(refused) > 0) {
        rewind_end(rewind, ERR_OK);
        return;
    }
    if (err_failed(json_write(files, &rewind->files))) {
        why_set(&rewind->why,
                "the rewind would touch too many files at once: name a later message");
        rewind_end(rewind, err_make(ERR_TOO_MANY, "changes: plan"));
        return;
    }
    rewind_enter(rewind, STEP_STARTING);
}

static void rewind_plan(struct rewind *rewind) {
    AUTO(text_done) struct text order = text_up_to(ORDER_MAX);
    if (!rewind->order.files || !rewind->span.found) { /* The conversation alone. */
        rewind->plan = json_pack("{s:[],s:[]}", "files", "refused");
        text_add_str(&rewind->files, "[]");
        if (rewind->order.preview) {
            rewind_end(rewind, ERR_OK);
        } else {
            rewind_enter(rewind, STEP_STARTING);
        }
        return;
    }
    plan_write(rewind, &order);
    if (text_failed(&order)) {
        rewind_end(rewind, text_error(&order, "changes: order"));
        return;
    }
    child_order(rewind, text_bytes(&order), PLAN_MS, on_planned);
}

/* --- Starting --------------------------------------------------------------------------------- */

static struct err start_tx(struct tx *tx, void *ctx) {
    struct rewind *rewind = ctx;
    const struct rewind_new what = {.id = rewind->order.id,
                                    .owner = bytes_of(rewind->owner),
                                    .session = bytes_of(rewind->session),
                                    .world = rewind->world,
                                    .files = text_bytes(&rewind->files),
                                    .message = bytes_of(rewind->message),
                                    .tree = rewind->order.tree};
    return tx_rewind_start(tx, &what, &rewind->why);
}

static void on_started(void *ctx) {
    struct rewind *rewind = ctx;
    if (err_failed(rewind->ask.err)) {
        rewind_end(rewind, rewind->ask.err);
    } else if (rewind->files.len > 2) { /* More than an empty array. */
        rewind_enter(rewind, STEP_APPLYING);
    } else {
        rewind->settle.state = REWIND_APPLIED;
        rewind_enter(rewind, STEP_SETTLING);
    }
}

/* --- Applying --------------------------------------------------------------------------------- */

/* An answer that says why not has left every file as it was. Without any, nobody knows, and the
 * same order is given again: it ends in one of the two. */
static void on_applied(struct answer *answer, struct err err) {
    enum { TRIES_MAX = 3 };
    struct rewind *rewind = CONTAINER_OF(answer, struct rewind, answer);
    struct rewinds *rewinds = rewind->rewinds;
    AUTO(json_release) json_t *line = NULL;
    struct bytes body;
    rewinds->room.held--;
    if (rewinds->room.asker.stopping) {
        room_maybe_stopped(&rewinds->room);
        return;
    }
    const bool heard = !err_failed(err);
    if (heard) {
        err = changes_answer_read(text_bytes(&answer->output), &line, &body, &rewind->why);
    }
    if (!heard || err.code == ERR_INTERNAL) {
        if (++rewind->tries < TRIES_MAX) {
            rewind_tick(rewind);
        } else {
            rewind_end(rewind, err); /* The next daemon goes on with the row. */
        }
        return;
    }
    const bool applied = strcmp(json_str(line, "state", ""), "applied") == 0;
    const json_t *paths = json_object_get(line, "paths"), *kept = json_object_get(line, "kept");
    rewind->settle.state = applied ? REWIND_APPLIED : REWIND_REFUSED;
    rewind->refusal = err_failed(err) ? err : err_make(ERR_CHANGED_SINCE, "changes: apply");
    if (applied && json_array_size(kept) > 0) {
        why_set(&rewind->why, "%.300s has what others wrote meanwhile",
                json_string_value(json_array_get(kept, 0)));
    }
    if (!applied && !err_failed(err)) {
        why_set(&rewind->why, "%.300s changed meanwhile; nothing was taken back: try it again",
                json_array_size(paths) > 0 ? json_string_value(json_array_get(paths, 0))
                                           : "a file");
    }
    rewind_enter(rewind, STEP_SETTLING);
}

/* Folder of the journals, which drover-changes makes: "…/changes/rewinds". */
static void journals_add(const struct rewind *rewind, struct text *path) {
    text_addf(path, "%s/rewinds", points_folder(rewind->rewinds->points));
}

static void rewind_apply(struct rewind *rewind) {
    AUTO(text_done) struct text folder = text_up_to(LIMIT_PATH_MAX);
    AUTO(text_done) struct text order = text_up_to(ORDER_MAX);
    text_add_char(&order, '{');
    points__order_begin(rewind->rewinds->points, "apply", rewind->repository, &order);
    text_add_member_str(&order, "root", rewind->path);
    text_add_member_str(&order, "name", rewind->order.id.text);
    text_add_member_str(&order, "way", "forward");
    journals_add(rewind, &folder);
    text_add_member(&order, "folder", text_bytes(&folder));
    text_add_member_int(&order, "umask", rewind->rewinds->umask);
    text_add_name(&order, "files");
    text_add(&order, rewind->files.data, rewind->files.len);
    text_add_char(&order, '}');
    if (text_failed(&order)) {
        rewind_end(rewind, text_error(&order, "changes: order"));
        return;
    }
    child_order(rewind, text_bytes(&order), APPLY_MS, on_applied);
}

/* --- Settling --------------------------------------------------------------------------------- */

static struct err settle_tx(struct tx *tx, void *ctx) {
    const struct rewind *rewind = ctx;
    return tx_rewind_settle(tx, &rewind->settle);
}

static void on_settled(void *ctx) {
    struct rewind *rewind = ctx;
    if (rewind->files.len > 2) {
        AUTO(text_done) struct text journal = text_up_to(LIMIT_PATH_MAX);
        journals_add(rewind, &journal);
        text_addf(&journal, "/%s", rewind->order.id.text);
        (void)unlink(text_bytes(&journal).data); /* A journal that stays is never read. */
        const struct point_ask point = {.root = rewind->path,
                                        .run = bytes_of(rewind->actor),
                                        .call = rewind->order.id.text,
                                        .phase = POINT_AFTER};
        points_take(rewind->rewinds->points, &point);
    }
    rewind_end(rewind, rewind->settle.state == REWIND_APPLIED ? ERR_OK : rewind->refusal);
}

static void rewind_tick(struct rewind *rewind) {
    switch (rewind->step) {
    case STEP_PLANNING:
        rewind_plan(rewind);
        break;
    case STEP_STARTING:
        ask_write(&rewind->ask, start_tx, on_started);
        break;
    case STEP_APPLYING:
        rewind_apply(rewind);
        break;
    case STEP_SETTLING:
        rewind->settle.id = rewind->order.id;
        rewind->settle.note = bytes_of(rewind->why.text);
        ask_write(&rewind->ask, settle_tx, on_settled);
        break;
    case STEP_DONE:
        break;
    }
}

/* --- Begin ------------------------------------------------------------------------------------ */

static char *copy_of(struct bytes bytes) {
    return mem_copy(bytes.len == 0 ? "" : bytes.data, bytes.len);
}

void rewinds_begin(struct rewinds *rewinds, const struct rewind_order *order) {
    struct rewind *rewind = rewind_new(rewinds);
    rewind->order = *order;
    rewind->force = order->force == NULL ? NULL : json_incref(order->force);
    rewind->paths = order->paths == NULL ? NULL : json_incref(order->paths);
    rewind->owner = copy_of(order->owner);
    rewind->session = copy_of(order->session);
    rewind->actor = copy_of(order->actor);
    rewind->message = copy_of(order->message);
    rewind->span = *order->span;
    *order->span = (struct changes_span){.found = false};
    rewind->path = copy_of(text_bytes(&rewind->span.path));
    rewind->repository = copy_of(text_bytes(&rewind->span.repository));
    rewind->world = rewind->order.files && rewind->span.found ? rewind->span.world : 0;
    link_add_last(&rewinds->list, &rewind->link);
    loop_soon(rewinds->options.loop, &rewind->task);
}

/* --- Recovery --------------------------------------------------------------------------------- */

static struct err next_tx(struct tx *tx, void *ctx) {
    struct rewinds *rewinds = ctx;
    struct rewind *rewind = rewinds->next;
    struct rewind_open open;
    TRY(tx_rewind_next(tx, rewinds->host, rewinds->after, &rewinds->found, &open));
    if (!rewinds->found) {
        return ERR_OK;
    }
    mem_free(rewind->session);
    mem_free(rewind->actor);
    mem_free(rewind->path);
    mem_free(rewind->repository);
    rewind->session = copy_of(open.session);
    rewind->actor = copy_of(open.actor);
    rewind->path = copy_of(open.path);
    rewind->repository = copy_of(open.repository);
    rewind->order.id = open.row.id;
    rewind->world = open.row.number;
    text_clear(&rewind->files);
    text_add(&rewind->files, open.row.files.data, open.row.files.len);
    return ERR_OK;
}

static void on_next(void *ctx) {
    struct rewinds *rewinds = ctx;
    struct rewind *rewind = rewinds->next;
    rewinds->next = NULL;
    if (!rewinds->found) {
        rewind_free(rewind);
        return;
    }
    rewinds->after = rewind->world;
    link_add_last(&rewinds->list, &rewind->link);
    on_started(rewind);
    rewinds_recover(rewinds);
}

void rewinds_recover(struct rewinds *rewinds) {
    if (points_git(rewinds->points) != NULL) {
        rewinds->next = rewind_new(rewinds);
        ask_write(&rewinds->ask, next_tx, on_next);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

static void on_recovery_refused(void *ctx, struct err err) {
    struct rewinds *rewinds = ctx;
    (void)err; /* Reported by the ask. */
    rewind_free(rewinds->next);
    rewinds->next = NULL;
}

struct rewinds *rewinds_open(const struct rewinds_options *options) {
    static const struct ask_rules rules = {
        .words = {.effect = "finish rewinds of an earlier daemon",
                  .again = "rewinds could not be read; it is tried again"},
        .refused = on_recovery_refused};
    struct rewinds *rewinds = mem_new(sizeof *rewinds);
    rewinds->options = options->room;
    rewinds->points = options->points;
    rewinds->host = options->host;
    rewinds->umask = options->umask;
    links_init(&rewinds->list);
    room_init(&rewinds->room, &options->room, (struct room_pauses){PAUSE_MS, PAUSE_MAX_MS});
    ask_init(&rewinds->ask, &rewinds->room.asker, &rules, rewinds);
    return rewinds;
}

void rewinds_stop(void *room, void (*stopped)(void *ctx), void *ctx) {
    struct rewinds *rewinds = room;
    rewinds->room.asker.stopping = true;
    ask_stop(&rewinds->ask);
    for (struct link *at = rewinds->list.next; at != &rewinds->list; at = at->next) {
        struct rewind *rewind = CONTAINER_OF(at, struct rewind, link);
        ask_stop(&rewind->ask);
        loop_task_cancel(rewinds->options.loop, &rewind->task);
        if (rewind->answer.watch != NULL) {
            answer_cancel(&rewind->answer);
            rewinds->room.held--;
        }
        if (rewind->order.done != NULL) {
            rewind->order.done(rewind->order.ctx, err_make(ERR_CLOSING, "changes: stop"), NULL,
                               NULL);
            rewind->order.done = NULL;
        }
    }
    room_stop(&rewinds->room, stopped, ctx);
}

void rewinds_close(struct rewinds *rewinds) {
    if (rewinds == NULL) {
        return;
    }
    while (!links_empty(&rewinds->list)) {
        rewind_free(CONTAINER_OF(rewinds->list.next, struct rewind, link));
    }
    if (rewinds->next != NULL) {
        rewind_free(rewinds->next);
    }
    room_done(&rewinds->room);
    mem_free(rewinds);
}
