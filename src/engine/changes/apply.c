/* apply.c: see apply.h. */
#include "engine/changes/apply.h"

#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "engine/tree/trees.h"

enum { REPOSITORY_SIZE = 128, TREE_SIZE = 128 };

struct err tx_apply_places(struct tx *tx, const struct resource_key *key,
                           struct apply_places *ret_places, struct why *why) {
    if (!tx_tree_find(tx, key, &ret_places->tree)) {
        return err_failed(tx_error(tx)) ? tx_error(tx) : err_make(ERR_NOT_FOUND, "trees: apply");
    }
    const struct tree_row *tree = &ret_places->tree;
    if (tree->first.len <= 1) {
        return err_why(why, ERR_CONFLICT,
                       "nobody has written in the working tree %.*s through drover since it was "
                       "made; merge its branch %.*s by git",
                       (int)tree->name.len, tree->name.data, (int)tree->texts[TREE_BRANCH].len,
                       tree->texts[TREE_BRANCH].data);
    }
    ret_places->session =
        tx_text(tx,
                "SELECT session FROM sessions WHERE owner = $1 AND root = $2 AND hidden = 0"
                " ORDER BY id DESC LIMIT 1",
                ARGS(arg_text(tree->owner), arg_text(tree->texts[TREE_ROOT])));
    return tx_error(tx);
}

/* The content of a world at the point of that name. */
static struct bytes tree_at(struct tx *tx, int64_t world, struct bytes call) {
    return tx_text(
        tx, "SELECT tree FROM points WHERE world = $1 AND call = $2 ORDER BY id DESC LIMIT 1",
        ARGS(arg_int(world), arg_text(call)));
}

static int64_t world_of(struct tx *tx, struct bytes host, struct bytes path) {
    return tx_number(tx, "SELECT id FROM worlds WHERE host = $1 AND path = $2",
                     ARGS(arg_text(host), arg_text(path)));
}

static void step_add(struct authors *authors, struct bytes tree, int64_t by) {
    struct author_step *step = &authors->steps[authors->step_count++];
    *step = (struct author_step){.by = by};
    assert(tree.len < sizeof step->tree);
    memcpy(step->tree, tree.data, tree.len);
}

struct err tx_apply_find(struct tx *tx, const struct tree_row *tree, struct bytes call,
                         struct changes_span *ret_span, struct why *why) {
    const int64_t of_tree = world_of(tx, tree->host, tree->texts[TREE_PATH]);
    const int64_t of_root = world_of(tx, tree->host, tree->texts[TREE_FROM]);
    const struct bytes theirs = tree_at(tx, of_tree, call), now = tree_at(tx, of_root, call);
    changes_span_done(ret_span);
    TRY(tx_error(tx));
    if (theirs.len == 0 || now.len == 0) {
        return err_why(why, ERR_BUSY,
                       "the folders could not be read in time, and are read on: try it again in a "
                       "moment");
    }
    const struct bytes repository =
        tx_text(tx, "SELECT repository FROM worlds WHERE id = $1", ARGS(arg_int(of_root)));
    const struct bytes other =
        tx_text(tx, "SELECT repository FROM worlds WHERE id = $1", ARGS(arg_int(of_tree)));
    if (!bytes_equal(repository, other)) {
        return err_why(why, ERR_CONFLICT, "the working tree is of another repository by now");
    }
    ret_span->found = true;
    ret_span->world = of_root;
    ret_span->mine = APPLY_MINE;
    ret_span->repository = text_up_to(REPOSITORY_SIZE);
    ret_span->path = text_up_to(LIMIT_PATH_MAX);
    ret_span->from = text_up_to(TREE_SIZE);
    ret_span->to = text_up_to(TREE_SIZE);
    text_add(&ret_span->repository, repository.data, repository.len);
    text_add(&ret_span->path, tree->texts[TREE_FROM].data, tree->texts[TREE_FROM].len);
    text_add(&ret_span->from, theirs.data, theirs.len);
    text_add(&ret_span->to, now.data, now.len);
    ret_span->authors.steps = mem_new_array(2, sizeof *ret_span->authors.steps);
    ret_span->authors.step_size = 2;
    step_add(&ret_span->authors, tree->first, APPLY_MINE);
    step_add(&ret_span->authors, now, APPLY_OTHERS);
    return tx_error(tx);
}
