/* trees.c: see trees.h. */
#include "dispatch/tree/trees.h"

#include "base/memory.h"
#include "dispatch/base/table.h"
#include "dispatch/base/work_tree.h"
#include "engine/job/spec.h"
#include "engine/tree/trees.h"

enum { RETRY_MS = 1000, RETRY_MAX_MS = 60 * 1000, OWNER_MAX = 256 };

enum stand_state { STAND_READING, STAND_SEEING, STAND_WRITING };

/* A tree that turns wait for. */
struct tree_stand {
    struct table_node node; /* By its path. */
    struct trees *trees;
    char *path; /* Owned. */
    enum stand_state state;
    struct link waits;
    struct id run, holder; /* run: of the first turn that waits. */
    struct text owner;     /* Owned. */
    bool known;            /* There is a row. */
    bool ready;            /* The row says that the tree was made. */
    bool looked;           /* The pool has looked. */
    struct ask ask;
    struct pool_job job;
    struct work_tree tree;
    struct run_new new_job;
    struct text bytes; /* Owned: texts of the job. */
    struct step_job begun;
    struct why why; /* "": it stands. */
};

struct trees {
    struct trees_options options;
    struct room room;
    struct table stands;
};

static void stand_free(struct tree_stand *stand) {
    table_remove(&stand->trees->stands, &stand->node);
    ask_drop(&stand->ask);
    work_tree_done(&stand->tree);
    text_done(&stand->bytes);
    text_done(&stand->owner);
    mem_free(stand->path);
    mem_free(stand);
}

/* The turns go on, or fail. */
static void stand_end(struct tree_stand *stand) {
    const struct why why = stand->why;
    struct link waits, *first;
    links_init(&waits);
    links_move(&waits, &stand->waits);
    stand_free(stand);
    while ((first = links_take(&waits)) != NULL) {
        struct tree_wait *wait = CONTAINER_OF(first, struct tree_wait, link);
        wait->stand = NULL;
        wait->done(wait, &why);
    }
}

/* --- The row ---------------------------------------------------------------------------------- */

static struct err stand_write_tx(struct tx *tx, void *ctx) {
    struct tree_stand *stand = ctx;
    const bool stands = stand->why.text[0] == '\0';
    struct tree_row row;
    if (!tx_tree_of(tx, bytes_of(stand->holder.text), &row)) {
        return tx_error(tx); /* Removed meanwhile. */
    }
    struct bytes texts[TREE_TEXTS];
    tree_texts_borrow(stand->tree.texts, texts);
    TRY(tx_tree_texts(tx, &row, texts));
    return tx_tree_enter(tx, &row, stands ? TREE_ROW_READY : TREE_ROW_FAILED,
                         bytes_of(stand->why.text));
}

static void stand_write_done(void *ctx) {
    stand_end(ctx);
}

static void stand_write(struct tree_stand *stand) {
    stand->state = STAND_WRITING;
    ask_write(&stand->ask, stand_write_tx, stand_write_done);
}

/* --- The machine ------------------------------------------------------------------------------ */

static void stand_look_run(struct pool_job *job) {
    struct tree_stand *stand = CONTAINER_OF(job, struct tree_stand, job);
    stand->looked = true;
    work_tree_look(&stand->tree, dispatch_options(stand->trees->options.dispatch)->spool);
}

static void on_look(struct work_tree *tree);

static void stand_look_done(struct pool_job *job) {
    struct tree_stand *stand = CONTAINER_OF(job, struct tree_stand, job);
    if (stand->trees->room.asker.stopping) {
        room_maybe_stopped(&stand->trees->room);
    } else if (stand->looked) {
        work_tree_looked(&stand->tree);
    } else {
        on_look(&stand->tree);
    }
}

static void on_look(struct work_tree *tree) {
    struct tree_stand *stand = CONTAINER_OF(tree, struct tree_stand, tree);
    stand->looked = false;
    pool_begin(&stand->trees->room.pool, &stand->job, POOL_QUICK, stand_look_run, stand_look_done);
}

static struct err job_tx(struct tx *tx, void *ctx) {
    struct tree_stand *stand = ctx;
    struct tree_row row;
    if (!tx_tree_of(tx, bytes_of(stand->holder.text), &row)) {
        return err_failed(tx_error(tx)) ? tx_error(tx)
                                        : err_make(ERR_CONFLICT, "trees: its row is gone");
    }
    struct bytes texts[TREE_TEXTS];
    tree_texts_borrow(stand->tree.texts, texts);
    TRY(tx_tree_texts(tx, &row, texts));
    return tx_step_job(tx, &stand->new_job, &stand->begun);
}

static void job_done(void *ctx) {
    struct tree_stand *stand = ctx;
    work_tree_begun(&stand->tree, &stand->begun);
}

static void on_begin(struct work_tree *tree) {
    struct tree_stand *stand = CONTAINER_OF(tree, struct tree_stand, tree);
    const struct trees_options *options = &stand->trees->options;
    const bool sandbox = dispatch_options(options->dispatch)->sandbox_lack == NULL;
    const struct tree_order order = {.texts = tree->texts,
                                     .job = tree->job,
                                     .user = bytes_of(stand->holder.text),
                                     .sandbox = sandbox};
    const struct id run = world_new_id(loop_world(options->room.loop), "run");
    work_tree_name_job(tree, &run);
    text_clear(&stand->bytes);
    stand->new_job = job_run_new(&run, BYTES(""));
    stand->new_job.owner = text_bytes(&stand->owner);
    stand->new_job.parent = BYTES("");
    stand->new_job.bounds = dispatch_bounds(options->dispatch);
    tree_job_fill(&order, &stand->bytes, &stand->new_job);
    ask_write(&stand->ask, job_tx, job_done);
}

static void stand_on_tree(struct work_tree *tree) {
    struct tree_stand *stand = CONTAINER_OF(tree, struct tree_stand, tree);
    const bool stands = tree->end == TREE_READY;
    stand->why = stands ? (struct why){""} : tree->why;
    if (stands && tree->texts[TREE_ATTEMPT][0] == '\0') {
        work_tree_set_text(tree, TREE_ATTEMPT, stand->run.text);
        stand->ready = false; /* The row is to say so. */
    }
    if (!stand->known || (stands && stand->ready)) {
        stand_end(stand);
    } else {
        stand_write(stand);
    }
}

/* --- Reading ---------------------------------------------------------------------------------- */

static struct err stand_read_tx(struct tx *tx, void *ctx) {
    struct tree_stand *stand = ctx;
    const struct run_bounds bounds = dispatch_bounds(stand->trees->options.dispatch);
    struct tree_row row;
    stand->known = tx_tree_at(tx, bounds.host, bytes_of(stand->path), &row);
    if (!stand->known) {
        return tx_error(tx);
    }
    stand->holder = id_copy(row.holder);
    stand->ready = row.state == TREE_ROW_READY;
    text_clear(&stand->owner);
    text_add(&stand->owner, row.owner.data, row.owner.len);
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        char *text = mem_copy(row.texts[i].data, row.texts[i].len);
        work_tree_set_text(&stand->tree, (enum tree_text)i, text);
        mem_free(text);
    }
    return tx_error(tx);
}

static void stand_read_done(void *ctx) {
    struct tree_stand *stand = ctx;
    stand->state = STAND_SEEING;
    if (!stand->known) {
        work_tree_set_text(&stand->tree, TREE_PATH, stand->path);
        work_tree_begin(&stand->tree, TREE_FIND);
    } else if (stand->ready) {
        work_tree_begin(&stand->tree, TREE_MAKE);
    } else {
        work_tree_search(&stand->tree, TREE_MAKE); /* A job of an earlier daemon is first. */
    }
}

/* --- Waits ------------------------------------------------------------------------------------ */

static enum ask_verdict stand_judge(void *ctx, unsigned tries, struct err err) {
    (void)ctx;
    return err.code == ERR_CONFLICT ? ASK_REFUSED : ask_usual(tries, EFFECT_TRIES_MAX, err);
}

static void stand_refused(void *ctx, struct err err) {
    struct tree_stand *stand = ctx;
    if (stand->state != STAND_WRITING) {
        why_set(&stand->why, "its working tree %.200s could not be looked at (%s)", stand->path,
                err_name(err.code));
    }
    work_tree_stop(&stand->tree);
    stand_end(stand);
}

static struct tree_stand *stand_new(struct trees *trees, struct bytes path, struct bytes run) {
    static const struct work_tree_owner owner = {
        .look = on_look, .begin = on_begin, .done = stand_on_tree};
    static const struct ask_rules rules = {
        .words = {.effect = "see to a working tree",
                  .again = "the row of a working tree could not be read; it is tried again"},
        .judge = stand_judge,
        .refused = stand_refused};
    struct tree_stand *stand = mem_new(sizeof *stand);
    stand->trees = trees;
    stand->path = mem_copy(path.data, path.len);
    stand->node.name = (struct bytes){stand->path, path.len};
    stand->run = id_copy(run);
    links_init(&stand->waits);
    text_init(&stand->owner, OWNER_MAX);
    text_init(&stand->bytes, TREE_JOB_BYTES);
    work_tree_init(&stand->tree, &owner, trees->options.waits);
    ask_init(&stand->ask, &trees->room.asker, &rules, stand);
    table_add(&trees->stands, &stand->node);
    return stand;
}

bool trees_wait(struct trees *trees, struct bytes folder, struct bytes run,
                struct tree_wait *wait) {
    const struct bytes path = tree_path_of(folder);
    if (path.data == NULL) {
        return false;
    }
    struct table_node *node = table_find(&trees->stands, path);
    struct tree_stand *stand =
        node != NULL ? CONTAINER_OF(node, struct tree_stand, node) : stand_new(trees, path, run);
    wait->stand = stand;
    link_add_last(&stand->waits, &wait->link);
    if (node == NULL) {
        ask_read(&stand->ask, stand_read_tx, stand_read_done);
    }
    return true;
}

void tree_wait_cancel(struct tree_wait *wait) {
    if (wait->stand != NULL) {
        link_remove(&wait->link);
        wait->stand = NULL;
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

struct trees *trees_open(const struct trees_options *options) {
    struct trees *trees = mem_new(sizeof *trees);
    trees->options = *options;
    room_init(&trees->room, &options->room,
              (struct room_pauses){.first_ms = RETRY_MS, .max_ms = RETRY_MAX_MS});
    table_init(&trees->stands);
    return trees;
}

void trees_stop(void *room, void (*stopped)(void *ctx), void *ctx) {
    struct trees *trees = room;
    trees->room.asker.stopping = true;
    for (struct table_node *node = NULL; (node = table_next(&trees->stands, node)) != NULL;) {
        struct tree_stand *stand = CONTAINER_OF(node, struct tree_stand, node);
        ask_stop(&stand->ask);
        work_tree_stop(&stand->tree);
        while (!links_empty(&stand->waits)) {
            tree_wait_cancel(CONTAINER_OF(stand->waits.next, struct tree_wait, link));
        }
    }
    room_stop(&trees->room, stopped, ctx);
}

void trees_close(struct trees *trees) {
    if (trees != NULL) {
        for (struct table_node *node; (node = table_next(&trees->stands, NULL)) != NULL;) {
            stand_free(CONTAINER_OF(node, struct tree_stand, node));
        }
        table_done(&trees->stands);
        room_done(&trees->room);
        mem_free(trees);
    }
}
