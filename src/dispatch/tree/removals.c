/* removals.c: see removals.h. */
#include "dispatch/tree/removals.h"

#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/base/work_tree.h"
#include "dispatch/changes/points.h"
#include "engine/board/trees.h"
#include "engine/job/spec.h"
#include "engine/tree/holders.h"
#include "proc/answer.h"
#include "tool/changes/ask.h"

enum {
    PAUSE_MS = 200,
    PAUSE_MAX_MS = 10 * 1000,
    FIRST_MS = 2000,
    EVERY_MS = 60 * 60 * 1000,
    LOOK_MS = 60 * 1000,
    ORDER_MAX = 64 << 10,
    ANSWER_MAX = 1 << 20,
};

enum removal_step { STEP_READING, STEP_LOOKING, STEP_WORKING, STEP_SETTLING, STEP_DONE };

struct removal {
    struct link link;
    struct removals *removals;
    enum removal_step step;
    char *owner;  /* Owned. */
    struct id id; /* Id of the tree. */
    char *name;   /* Owned; NULL: its row was not read yet. */
    char *holder; /* Owned, as is the next. */
    char *look_order;
    bool overdue;               /* Nobody asked for it: its holder ended a while ago. */
    bool too_many;              /* Too many are under way. */
    bool repository_gone;       /* And the folder. */
    struct removal_order order; /* Without texts. */
    struct work_tree tree;
    struct ask ask;
    struct answer answer;
    struct pool_job job;
    bool looked;
    struct run_new new_job;
    struct text bytes; /* Owned: texts of the job. */
    struct step_job begun;
    struct why why;
};

struct removals {
    struct removals_options options;
    struct room room;
    struct link list;
    size_t count;
    /* Rounds. */
    struct timer timer;
    struct ask ask;
    struct trees_over over;
    char *owner; /* Owned: of the row that was found. */
    struct id found;
};

static void removal_look(struct removal *removal);
static void removal_settle(struct removal *removal);
static void removal_work(struct removal *removal);
static void round_next(struct removals *removals);

/* --- Its life --------------------------------------------------------------------------------- */

static void removal_free(struct removal *removal) {
    link_remove(&removal->link);
    removal->removals->count--;
    ask_drop(&removal->ask);
    answer_cancel(&removal->answer);
    work_tree_done(&removal->tree);
    text_done(&removal->bytes);
    mem_free(removal->owner);
    mem_free(removal->name);
    mem_free(removal->holder);
    mem_free(removal->look_order);
    mem_free(removal);
}

static void removal_end(struct removal *removal, struct err err) {
    struct removals *removals = removal->removals;
    const bool overdue = removal->overdue;
    removal->step = STEP_DONE;
    work_tree_stop(&removal->tree);
    if (removal->order.done != NULL) {
        removal->order.done(removal->order.ctx, err, &removal->why);
    }
    removal_free(removal);
    if (overdue && !removals->room.asker.stopping) {
        round_next(removals);
    }
}

/* Each error is the answer: the client may ask again. */
static void on_ask_refused(void *ctx, struct err err) {
    removal_end(ctx, err);
}

static enum ask_verdict removal_judge(void *ctx, unsigned tries, struct err err) {
    const struct removal *removal = ctx;
    return removal->step == STEP_SETTLING ? ask_usual(tries, EFFECT_TRIES_MAX, err) : ASK_REFUSED;
}

static const struct ask_rules removal_rules = {
    .words = {.effect = "remove a working tree",
              .again = "the removal of a working tree could not be stored; it is tried again"},
    .judge = removal_judge,
    .refused = on_ask_refused};

static void on_tree_look(struct work_tree *tree);
static void on_tree_begin(struct work_tree *tree);
static void on_tree_done(struct work_tree *tree);

static struct removal *removal_new(struct removals *removals, struct bytes owner,
                                   struct bytes tree) {
    static const struct work_tree_owner tree_owner = {
        .look = on_tree_look, .begin = on_tree_begin, .done = on_tree_done};
    struct removal *removal = mem_new(sizeof *removal);
    removal->removals = removals;
    removal->owner = mem_copy(owner.data, owner.len);
    removal->id = id_copy(tree);
    text_init(&removal->bytes, TREE_JOB_BYTES);
    work_tree_init(&removal->tree, &tree_owner, removals->options.waits);
    ask_init(&removal->ask, &removals->room.asker, &removal_rules, removal);
    link_add_last(&removals->list, &removal->link);
    removals->count++;
    return removal;
}

/* --- Its row ---------------------------------------------------------------------------------- */

static struct err removal_row_find(struct tx *tx, struct removal *removal,
                                   struct tree_row *ret_row) {
    const struct resource_key key = {bytes_of(removal->owner), bytes_of(removal->id.text)};
    if (!tx_tree_find(tx, &key, ret_row) || ret_row->state == TREE_ROW_GONE) {
        TRY(tx_error(tx));
        return err_why(&removal->why, ERR_NOT_FOUND, "there is no working tree '%s'",
                       removal->id.text);
    }
    if (!bytes_equal(ret_row->host, removal->removals->options.host)) {
        return err_why(&removal->why, ERR_HOST_AWAY,
                       "the working tree %.*s stands on another host: remove it by a daemon there",
                       (int)ret_row->name.len, ret_row->name.data);
    }
    return ERR_OK;
}

static struct err removal_row_read(struct tx *tx, void *ctx) {
    struct removal *removal = ctx;
    struct tree_row row;
    AUTO(text_done) struct text order = text_up_to(ORDER_MAX);
    removal->why.text[0] = '\0';
    if (removal->too_many) {
        return err_why(&removal->why, ERR_TOO_MANY,
                       "%d working trees are being removed: try again later", REMOVALS_MAX);
    }
    TRY(removal_row_find(tx, removal, &row));
    TRY(tx_tree_idle(tx, &row, &removal->why));
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        AUTO(text_done) struct text copy = text_up_to(LIMIT_PATH_MAX * 2);
        text_add(&copy, row.texts[i].data, row.texts[i].len);
        work_tree_set_text(&removal->tree, (enum tree_text)i, text_bytes(&copy).data);
    }
    mem_free(removal->name);
    mem_free(removal->holder);
    mem_free(removal->look_order);
    removal->name = mem_copy(row.name.data, row.name.len);
    removal->holder = mem_copy(row.holder.data, row.holder.len);
    removals_order_begin(removal->removals->options.points, "trees", &order);
    text_add_str(&order, ",\"trees\":[");
    removals_tree_add(&row, &order);
    text_add_str(&order, "]}");
    removal->look_order = text_take(&order, NULL /* no length */);
    return ERR_OK;
}

static void on_row(void *ctx) {
    struct removal *removal = ctx;
    if (removal->order.force) {
        removal_work(removal);
    } else {
        removal_look(removal);
    }
}

/* --- The look --------------------------------------------------------------------------------- */

void removals_order_begin(const struct points *points, const char *what, struct text *order) {
    text_add_char(order, '{');
    text_add_member_str(order, "do", what);
    text_add_member_str(order, "git", points_git(points) == NULL ? "git" : points_git(points));
    text_add_str(order, ",\"scratch\":\"");
    text_add_json_piece(order, bytes_of(points_folder(points)));
    text_add_str(order, "/looks\"");
}

void removals_tree_add(const struct tree_row *row, struct text *order) {
    static const struct {
        const char *name;
        enum tree_text text;
    } members[] = {{"path", TREE_PATH},
                   {"top", TREE_TOP},
                   {"git", TREE_GIT},
                   {"base", TREE_BASE},
                   {"branch", TREE_BRANCH}};
    text_add_char(order, '{');
    text_add_member_str(order, "tree", row->id.text);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        text_add_member(order, members[i].name, row->texts[members[i].text]);
    }
    text_add_char(order, '}');
}

/* "2 files with uncommitted changes and 1 commit that is on no other branch" */
static void work_say(const json_t *look, struct text *words) {
    const long long files = (long long)json_int(look, "uncommitted", 0);
    const long long commits = (long long)json_int(look, "commits", 0);
    if (files > 0) {
        text_addf(words, "%lld file%s with uncommitted changes", files, files == 1 ? "" : "s");
    }
    if (commits > 0) {
        text_addf(words, "%s%lld commit%s on no other branch", files > 0 ? " and " : "", commits,
                  commits == 1 ? " that is" : "s that are");
    }
}

struct err removals_judge(struct bytes name, const json_t *look, struct why *why) {
    const char *state = json_str(look, "state", ""), *detail = json_str(look, "detail", "");
    AUTO(text_done) struct text work = text_up_to(256);
    work_say(look, &work);
    if (work.len > 0) {
        return err_why(why, ERR_WORKTREE_HAS_WORK,
                       "%.*s holds %s: 'drover worktree show' lists them, --force removes them",
                       (int)name.len, name.data, work.data);
    }
    if (strcmp(state, "whole") != 0 && strcmp(state, "none") != 0) {
        return err_why(why, ERR_WORKTREE_HAS_WORK,
                       "nobody knows what %.*s holds (%s): look at it, then remove it by force",
                       (int)name.len, name.data,
                       detail[0] != '\0' ? detail : "git is at it, or was interrupted");
    }
    return ERR_OK;
}

static void on_looked(struct answer *answer, struct err err) {
    struct removal *removal = CONTAINER_OF(answer, struct removal, answer);
    struct removals *removals = removal->removals;
    AUTO(json_release) json_t *line = NULL;
    struct bytes body;
    removals->room.held--;
    if (!err_failed(err)) {
        err = changes_answer_read(text_bytes(&answer->output), &line, &body, &removal->why);
    }
    const json_t *look = json_array_get(json_object_get(line, "trees"), 0);
    if (!err_failed(err)) {
        removal->repository_gone = json_is_false(json_object_get(look, "repository")) &&
                                   strcmp(json_str(look, "state", ""), "none") == 0;
        err = removals_judge(bytes_of(removal->name), look, &removal->why);
    }
    const bool changed = err.code == ERR_WORKTREE_HAS_WORK || json_int(look, "files", 0) > 0;
    if (removal->overdue && changed) {
        removal->tree.end = TREE_READY; /* Before its teardown runs. */
        removal_settle(removal);
    } else if (err_failed(err)) {
        removal_end(removal, err);
    } else {
        removal_work(removal);
    }
}

static void removal_look(struct removal *removal) {
    struct removals *removals = removal->removals;
    struct changes_child child;
    removal->step = STEP_LOOKING;
    struct err err = points_git(removals->options.points) == NULL
                         ? err_why(&removal->why, ERR_NOT_IMPLEMENTED,
                                   "git is not installed where the daemon runs")
                         : changes_begin(bytes_of(removal->look_order), &child);
    if (!err_failed(err)) {
        const struct answer_order heard = {
            .fd = child.fd, .pid = child.pid, .size_max = ANSWER_MAX, .deadline_ms = LOOK_MS};
        removal->answer.done = on_looked;
        err = answer_start(&removal->answer, removals->options.room.loop, &heard);
    }
    if (err_failed(err)) {
        removal_end(removal, err);
        return;
    }
    removals->room.held++;
}

/* --- The jobs --------------------------------------------------------------------------------- */

static void removal_work(struct removal *removal) {
    const enum work_tree_use use = removal->overdue       ? TREE_LEAVE
                                   : removal->order.force ? TREE_DESTROY
                                                          : TREE_DROP;
    removal->step = STEP_WORKING;
    if (removal->repository_gone) { /* With the folder and all branches. */
        removal->tree.end = TREE_ABSENT;
        removal_settle(removal);
        return;
    }
    work_tree_search(&removal->tree, use); /* A job of an earlier daemon is first. */
}

static struct err job_begin_tx(struct tx *tx, void *ctx) {
    struct removal *removal = ctx;
    struct tree_row row;
    removal->why.text[0] = '\0';
    TRY(removal_row_find(tx, removal, &row));
    TRY(tx_tree_idle(tx, &row, &removal->why));
    return tx_step_job(tx, &removal->new_job, &removal->begun);
}

static void on_job_begun(void *ctx) {
    struct removal *removal = ctx;
    work_tree_begun(&removal->tree, &removal->begun);
}

static void on_tree_begin(struct work_tree *tree) {
    struct removal *removal = CONTAINER_OF(tree, struct removal, tree);
    struct removals *removals = removal->removals;
    struct dispatch *dispatch = removals->options.dispatch;
    const struct tree_order order = {.texts = tree->texts,
                                     .job = tree->job,
                                     .care = work_tree_care(tree),
                                     .user = bytes_of(removal->holder),
                                     .sandbox = dispatch_options(dispatch)->sandbox_lack == NULL};
    const struct id run = world_new_id(loop_world(removals->options.room.loop), "run");
    text_clear(&removal->bytes);
    removal->new_job = job_run_new(&run, BYTES(""));
    removal->new_job.owner = bytes_of(removal->owner);
    removal->new_job.parent = BYTES("");
    removal->new_job.bounds = dispatch_bounds(dispatch);
    tree_job_fill(&order, &removal->bytes, &removal->new_job);
    ask_write(&removal->ask, job_begin_tx, on_job_begun);
}

static void tree_look_run(struct pool_job *job) {
    struct removal *removal = CONTAINER_OF(job, struct removal, job);
    removal->looked = true;
    work_tree_look(&removal->tree, dispatch_options(removal->removals->options.dispatch)->spool);
}

static void on_tree_looked(struct pool_job *job) {
    struct removal *removal = CONTAINER_OF(job, struct removal, job);
    struct removals *removals = removal->removals;
    if (removals->room.asker.stopping) {
        room_maybe_stopped(&removals->room);
    } else if (removal->looked) {
        work_tree_looked(&removal->tree);
    } else {
        on_tree_look(&removal->tree);
    }
}

static void on_tree_look(struct work_tree *tree) {
    struct removal *removal = CONTAINER_OF(tree, struct removal, tree);
    removal->looked = false;
    pool_begin(&removal->removals->room.pool, &removal->job, POOL_QUICK, tree_look_run,
               on_tree_looked);
}

static void on_tree_done(struct work_tree *tree) {
    struct removal *removal = CONTAINER_OF(tree, struct removal, tree);
    if (tree->end == TREE_ABSENT || removal->overdue) {
        removal_settle(removal);
        return;
    }
    const struct err err = err_why(&removal->why, ERR_WORKTREE_HAS_WORK,
                                   "%s was not removed: %.600s", removal->name, tree->why.text);
    removal_end(removal, err);
}

/* --- The end ---------------------------------------------------------------------------------- */

static struct err settle_tx(struct tx *tx, void *ctx) {
    struct removal *removal = ctx;
    struct tree_row row;
    const struct err err = removal_row_find(tx, removal, &row);
    if (err_failed(err)) {
        return err.code == ERR_NOT_FOUND ? ERR_OK : err; /* The row has gone with its holder. */
    }
    if (removal->tree.end == TREE_ABSENT) {
        if (row.kind == TREE_OF_TASK) {
            TRY(tx_tree_left(tx, row.holder, false /* kept */));
        }
        return tx_tree_of(tx, row.holder, &row) ? tx_tree_enter(tx, &row, TREE_ROW_GONE, BYTES(""))
                                                : tx_error(tx);
    }
    row.kept = true;
    return tx_tree_write(tx, &row);
}

static void on_settled(void *ctx) {
    removal_end(ctx, ERR_OK);
}

static void removal_settle(struct removal *removal) {
    removal->step = STEP_SETTLING;
    ask_write(&removal->ask, settle_tx, on_settled);
}

/* --- Orders ----------------------------------------------------------------------------------- */

void removals_begin(struct removals *removals, const struct removal_order *order) {
    struct removal *removal = removal_new(removals, order->owner, order->tree);
    removal->order =
        (struct removal_order){.force = order->force, .done = order->done, .ctx = order->ctx};
    removal->too_many = removals->count > REMOVALS_MAX;
    ask_read(&removal->ask, removal_row_read, on_row);
}

/* --- Rounds ----------------------------------------------------------------------------------- */

static void on_round(struct timer *timer);

static void round_end(struct removals *removals) {
    removals->over.after = 0;
    timer_start(removals->options.room.loop, &removals->timer, EVERY_MS, on_round);
}

static struct err round_tx(struct tx *tx, void *ctx) {
    struct removals *removals = ctx;
    struct tree_row row;
    struct why why = {""};
    struct trees_over over = removals->over;
    over.before_ms = tx_now_ms(tx) - removals->options.keep_ms;
    removals->found.text[0] = '\0';
    while (tx_tree_over_next(tx, &over, &row)) {
        over.after = row.number;
        const struct err busy = tx_tree_idle(tx, &row, &why);
        if (!err_failed(busy)) {
            mem_free(removals->owner);
            removals->owner = mem_copy(row.owner.data, row.owner.len);
            removals->found = row.id;
            break;
        }
        if (busy.code != ERR_IN_USE) {
            return busy;
        }
    }
    removals->over.after = over.after;
    return tx_error(tx);
}

static void on_round_read(void *ctx) {
    struct removals *removals = ctx;
    if (removals->found.text[0] == '\0' || removals->count >= REMOVALS_MAX) {
        round_end(removals);
        return;
    }
    struct removal *removal =
        removal_new(removals, bytes_of(removals->owner), bytes_of(removals->found.text));
    removal->overdue = true;
    ask_read(&removal->ask, removal_row_read, on_row);
}

static void round_next(struct removals *removals) {
    ask_read(&removals->ask, round_tx, on_round_read);
}

static void on_round(struct timer *timer) {
    struct removals *removals = CONTAINER_OF(timer, struct removals, timer);
    if (dispatch_held(removals->options.dispatch) == RUN_HELD) {
        round_end(removals); /* A person wants to look first. */
    } else {
        round_next(removals);
    }
}

static void on_round_refused(void *ctx, struct err err) {
    (void)err; /* The ask has reported it. */
    round_end(ctx);
}

void removals_recover(struct removals *removals) {
    if (removals->options.keep_ms > 0) {
        timer_start(removals->options.room.loop, &removals->timer, FIRST_MS, on_round);
    }
}

/* --- The room --------------------------------------------------------------------------------- */

struct removals *removals_open(const struct removals_options *options) {
    static const struct ask_rules rules = {
        .words = {.effect = "look for working trees of the past",
                  .again = "working trees could not be looked for; it is tried again"},
        .refused = on_round_refused};
    struct removals *removals = mem_new(sizeof *removals);
    removals->options = *options;
    removals->over = (struct trees_over){
        .host = options->host, .owner = BYTES(""), .project = BYTES(""), .unkept = true};
    links_init(&removals->list);
    room_init(&removals->room, &options->room, (struct room_pauses){PAUSE_MS, PAUSE_MAX_MS});
    ask_init(&removals->ask, &removals->room.asker, &rules, removals);
    return removals;
}

void removals_stop(void *room, void (*stopped)(void *ctx), void *ctx) {
    struct removals *removals = room;
    removals->room.asker.stopping = true;
    timer_stop(removals->options.room.loop, &removals->timer);
    ask_stop(&removals->ask);
    for (struct link *at = removals->list.next; at != &removals->list; at = at->next) {
        struct removal *removal = CONTAINER_OF(at, struct removal, link);
        work_tree_stop(&removal->tree);
        ask_stop(&removal->ask);
        if (removal->answer.watch != NULL) {
            answer_cancel(&removal->answer);
            removals->room.held--;
        }
        if (removal->order.done != NULL) {
            removal->order.done(removal->order.ctx, err_make(ERR_CLOSING, "trees: stop"),
                                &removal->why);
            removal->order.done = NULL;
        }
    }
    room_stop(&removals->room, stopped, ctx);
}

void removals_close(struct removals *removals) {
    if (removals == NULL) {
        return;
    }
    while (!links_empty(&removals->list)) {
        removal_free(CONTAINER_OF(removals->list.next, struct removal, link));
    }
    ask_drop(&removals->ask);
    room_done(&removals->room);
    mem_free(removals->owner);
    mem_free(removals);
}
