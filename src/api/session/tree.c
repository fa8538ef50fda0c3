/* tree.c: see tree.h. */
#include "api/session/tree.h"

#include <stdio.h>
#include <string.h>

#include "base/fields/fields.h"
#include "engine/session/sessions.h"
#include "engine/tree/trees.h"

enum { NAME_ID = 6, BASE_MAX = 250 };

#define AT(member) offsetof(struct session_tree, member)
static const struct field tree_rows[] = {
    {FIELD("name", FIELD_TEXT, AT(name)), .min = 1, .max = TREE_NAME_MAX, .plain = true},
    {FIELD("base", FIELD_TEXT, AT(base)), .min = 1, .max = BASE_MAX, .plain = true},
};
#undef AT
static const struct field_set tree_fields = {FIELD_ROWS(tree_rows), .use = FIELD_GIVEN};

struct err session_tree_read(json_t *given, struct session_tree *ret_tree, struct why *why) {
    struct session_tree tree = {.wanted = json_is_true(given) || json_is_object(given)};
    if (given != NULL && !json_is_object(given) && !json_is_boolean(given)) {
        return err_why(why, ERR_BAD_FIELD,
                       "worktree: must be true, false, or an object with name and base");
    }
    if (json_is_object(given)) {
        TRY(fields_read(&tree_fields, FIELD_GIVEN, given, &tree, why));
    }
    if (tree.name.data != NULL && !tree_name_valid(tree.name)) {
        return err_why(why, ERR_BAD_FIELD, "worktree: name: must be " TREE_NAMING);
    }
    if (tree.base.data != NULL && tree.base.data[0] == '-') {
        return err_why(why, ERR_BAD_FIELD,
                       "worktree: base: must be a branch or a commit, or \"now\"");
    }
    *ret_tree = tree;
    return ERR_OK;
}

/* A session that names no tree gets one of the last characters of its id. */
static void name_make(struct bytes session, char ret_name[static TREE_NAME_MAX + 1]) {
    const size_t skip = session.len > NAME_ID ? session.len - NAME_ID : 0;
    (void)snprintf(ret_name, TREE_NAME_MAX + 1, "s-%.*s", (int)(session.len - skip),
                   session.data + skip);
    for (char *at = ret_name; *at != '\0'; at++) {
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    }
}

struct err session_tree_find(struct session_tree *tree, const char *root, struct bytes session,
                             const struct dispatch *dispatch, struct why *why) {
    const struct dispatch_options *options = dispatch_options(dispatch);
    char name[TREE_NAME_MAX + 1];
    if (root[0] == '\0') {
        return err_why(why, ERR_BAD_FIELD,
                       "worktree: needs \"root\", a folder in a git repository");
    }
    if (tree->name.data != NULL) {
        (void)snprintf(name, sizeof name, "%.*s", (int)tree->name.len, tree->name.data);
    } else {
        name_make(session, name);
    }
    const struct worktree_place place = {.root = root,
                                         .run = name,
                                         .closed = options->data_dir,
                                         .held = options->sandbox_lack == NULL,
                                         .umask = options->umask};
    TRY(worktree_find(&place, &tree->at, why));
    (void)snprintf(tree->branch, sizeof tree->branch, "drover/%s", name);
    return ERR_OK;
}

struct err session_tree_plan(struct tx *tx, const struct session_tree *tree,
                             const struct run_bounds *bounds, struct session_row *io_session,
                             struct why *why) {
    const struct worktree *at = &tree->at;
    const struct tree_wishes wishes = tx_tree_wishes(tx, io_session->owner, io_session->project);
    const struct tree_new what = {
        .owner = io_session->owner,
        .host = bounds->host,
        .kind = TREE_OF_SESSION,
        .holder = io_session->session,
        .project = io_session->project,
        .texts = {[TREE_PATH] = bytes_of(at->path),
                  [TREE_ROOT] = bytes_of(at->root),
                  [TREE_BASE] = BYTES(""),
                  [TREE_TOP] = bytes_of(at->top),
                  [TREE_FROM] = bytes_of(at->from),
                  [TREE_GIT] = bytes_of(at->git),
                  [TREE_BRANCH] = bytes_of(tree->branch),
                  [TREE_ATTEMPT] = BYTES(""),
                  [TREE_START] = tree->base.data == NULL ? BYTES("") : tree->base,
                  [TREE_STAGE] = BYTES(""),
                  [TREE_SETUP] = wishes.setup,
                  [TREE_TEARDOWN] = wishes.teardown,
                  [TREE_SETUP_RUN] = BYTES(""),
                  [TREE_PORTS] = BYTES("")},
        .ports = wishes.ports,
        .trees_max = wishes.max};
    struct tree_row row;
    TRY(tx_tree_plan(tx, &what, &row, why));
    io_session->worktree = tx_text(tx, SESSION_TREE_SQL("$1"), ARGS(arg_text(io_session->session)));
    return tx_error(tx);
}
