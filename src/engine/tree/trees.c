/* trees.c: see trees.h. */
#include "engine/tree/trees.h"

#include <stdio.h>
#include <string.h>

static bool tree_read(struct tx *tx, const char *where, const struct arg *args, size_t count,
                      struct tree_row *ret_row) {
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(tx, &tree_resource, where, args, count);
    const bool found = rows_step(rows) && resource_row_read(&tree_resource, rows, ret_row);
    if (found) {
        tx_resource_copy(tx, &tree_resource, ret_row);
    }
    return found && !err_failed(tx_error(tx));
}

bool tx_tree_of(struct tx *tx, struct bytes holder, struct tree_row *ret_row) {
    return tree_read(tx, "holder = $1", ARGS(arg_text(holder)), ret_row);
}

static bool tree_on(struct tx *tx, struct bytes host, struct bytes path, struct tree_row *ret_row) {
    return tree_read(tx, "path = $1 AND host = $2", ARGS(arg_text(path), arg_text(host)), ret_row);
}

bool tx_tree_at(struct tx *tx, struct bytes host, struct bytes folder, struct tree_row *ret_row) {
    const struct bytes path = tree_path_of(folder);
    return path.data != NULL && tree_on(tx, host, path, ret_row);
}

struct bytes tx_tree_ports(struct tx *tx, struct bytes folder) {
    const struct bytes path = tree_path_of(folder);
    return path.data == NULL
               ? BYTES("")
               : tx_text(tx, "SELECT ports FROM trees WHERE path = $1 ORDER BY id LIMIT 1",
                         ARGS(arg_text(path)));
}

bool tx_tree_find(struct tx *tx, const struct resource_key *key, struct tree_row *ret_row) {
    return tree_read(tx, "owner = $1 AND tree = $2", ARGS(arg_text(key->owner), arg_text(key->id)),
                     ret_row);
}

/* The lowest block beside those of all trees of the host that stand, or shall. */
static int64_t ports_find(struct tx *tx, struct bytes host, int64_t count) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT ports_from, ports_count FROM trees WHERE host = $1"
                                " AND ports_from <> 0 AND state <> 'gone' ORDER BY ports_from",
                                ARGS(arg_text(host)));
    int64_t from = TREE_PORT_FIRST;
    while (rows_step(rows)) {
        if (rows_int(rows, 0) - from >= count) {
            break;
        }
        from = rows_int(rows, 0) + rows_int(rows, 1);
    }
    return from + count - 1 <= TREE_PORT_LAST ? from : 0;
}

/* drover/NAME; a tree on no branch has the last part of its path. */
static struct bytes name_of(struct bytes path, struct bytes branch) {
    const struct bytes from = branch.len > 0 ? branch : path;
    const char *slash = memrchr(from.data, '/', from.len);
    const size_t skip = slash == NULL ? 0 : (size_t)(slash + 1 - from.data);
    return (struct bytes){from.data + skip, from.len - skip};
}

static struct err tree_room(struct tx *tx, const struct tree_new *what, struct why *why) {
    const int64_t count =
        tx_number(tx,
                  "SELECT count(*) FROM trees WHERE owner = $1 AND project = $2 AND kind = $3"
                  " AND state <> 'gone'",
                  ARGS(arg_text(what->owner), arg_text(what->project),
                       arg_text(bytes_of(tree_kind_names[what->kind]))));
    return count < what->trees_max
               ? tx_error(tx)
               : err_why(why, ERR_TOO_MANY,
                         "worktree: the project has %lld working trees already; 'drover worktree "
                         "prune' removes those without work",
                         (long long)count);
}

static struct err ports_choose(struct tx *tx, const struct tree_new *what, struct tree_row *io_row,
                               struct why *why) {
    AUTO(text_done) struct text text = text_up_to(32);
    if (what->ports == 0) {
        return ERR_OK;
    }
    io_row->ports_from = ports_find(tx, what->host, what->ports);
    if (io_row->ports_from == 0) {
        return err_why(why, ERR_TOO_MANY,
                       "worktree: no %lld ports in a row are free between %d and %d; 'drover "
                       "worktree prune' frees those of trees without work",
                       (long long)what->ports, TREE_PORT_FIRST, TREE_PORT_LAST);
    }
    text_addf(&text, "%lld-%lld", (long long)io_row->ports_from,
              (long long)(io_row->ports_from + what->ports - 1));
    io_row->texts[TREE_PORTS] = tx_copy_text(tx, &text, "trees: ports");
    return ERR_OK;
}

void tree_texts_borrow(char *const *texts, struct bytes ret_texts[static TREE_TEXTS]) {
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        ret_texts[i] = bytes_of(texts[i]);
    }
}

struct tree_wishes tx_tree_wishes(struct tx *tx, struct bytes owner, struct bytes project) {
    AUTO(json_release) json_t *settings = NULL;
    const struct bytes stored =
        tx_text(tx, "SELECT settings FROM projects WHERE owner = $1 AND name = $2",
                ARGS(arg_text(owner), arg_text(project)));
    if (err_failed(json_parse_wrapped(stored, &settings, NULL))) {
        json_release(&settings); /* There are none. */
    }
    struct tree_wishes wishes = tree_wishes_read(settings);
    wishes.setup = tx_copy(tx, wishes.setup);
    wishes.teardown = tx_copy(tx, wishes.teardown);
    return wishes;
}

struct err tx_tree_plan(struct tx *tx, const struct tree_new *what, struct tree_row *ret_row,
                        struct why *why) {
    const struct bytes path = what->texts[TREE_PATH];
    struct tree_row other;
    *ret_row = (struct tree_row){.owner = what->owner,
                                 .host = what->host,
                                 .kind = what->kind,
                                 .holder = what->holder,
                                 .project = what->project,
                                 .name = name_of(path, what->texts[TREE_BRANCH]),
                                 .state = TREE_ROW_PLANNED,
                                 .ports_count = what->ports};
    (void)snprintf(ret_row->id.text, sizeof ret_row->id.text, "%s%.*s", tree_resource.prefix,
                   (int)what->holder.len - 3, what->holder.data + 3);
    memcpy(ret_row->texts, what->texts, sizeof ret_row->texts);
    ret_row->texts[TREE_PORTS] = BYTES("");
    /* Nobody knows how a tree began in which an agent has worked already. */
    ret_row->first = ret_row->texts[TREE_ATTEMPT].len > 0 ? BYTES(TREE_FIRST_UNKNOWN) : BYTES("");
    if (tree_on(tx, what->host, path, &other)) {
        const bool own = bytes_equal(other.owner, what->owner);
        return err_why(
            why, ERR_CONFLICT,
            "worktree: the name %.*s is that of the working tree of %.*s; choose another",
            (int)ret_row->name.len, ret_row->name.data, own ? (int)other.holder.len : 12,
            own ? other.holder.data : "another user");
    }
    TRY(tree_room(tx, what, why));
    TRY(ports_choose(tx, what, ret_row, why));
    return err_failed(tx_error(tx)) ? tx_error(tx)
                                    : tx_resource_insert(tx, &tree_resource, ret_row);
}

struct err tx_tree_put(struct tx *tx, const struct tree_new *what, struct bytes *ret_ports,
                       struct why *why) {
    struct tree_row row;
    const bool found = tx_tree_of(tx, what->holder, &row);
    TRY(tx_error(tx));
    if (!found) {
        TRY(tx_tree_plan(tx, what, &row, why));
    }
    if (found) {
        TRY(tx_tree_texts(tx, &row, what->texts));
    }
    *ret_ports = row.texts[TREE_PORTS];
    return ERR_OK;
}

struct err tx_tree_write(struct tx *tx, struct tree_row *io_row) {
    return tx_resource_update(tx, &tree_resource, FIELD_SET, io_row);
}

/* A tree that was removed comes back. Its ports may be those of another tree by now. */
static void tree_revive(struct tx *tx, struct tree_row *io_row) {
    const struct tree_new what = {.host = io_row->host, .ports = io_row->ports_count};
    struct why none_free;
    const int64_t taken = tx_number(
        tx,
        "SELECT count(*) FROM trees WHERE host = $1 AND ports_from <> 0 AND state <> 'gone'"
        " AND ports_from < $2 AND ports_from + ports_count > $3",
        ARGS(arg_text(io_row->host), arg_int(io_row->ports_from + io_row->ports_count),
             arg_int(io_row->ports_from)));
    io_row->state = TREE_ROW_PLANNED;
    if (io_row->ports_from != 0 && taken > 0 &&
        err_failed(ports_choose(tx, &what, io_row, &none_free))) {
        io_row->ports_from = 0; /* A tree without ports is better than none. */
        io_row->texts[TREE_PORTS] = BYTES("");
    }
}

struct err tx_tree_texts(struct tx *tx, struct tree_row *io_row,
                         const struct bytes texts[static TREE_TEXTS]) {
    bool same = io_row->state != TREE_ROW_GONE;
    if (!same) {
        tree_revive(tx, io_row);
    }
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        if (i != TREE_PORTS && !bytes_equal(io_row->texts[i], texts[i])) {
            io_row->texts[i] = texts[i];
            same = false;
        }
    }
    return same ? ERR_OK : tx_tree_write(tx, io_row);
}

struct err tx_tree_enter(struct tx *tx, struct tree_row *io_row, enum tree_state state,
                         struct bytes detail) {
    if (io_row->state == state && bytes_equal(io_row->detail, detail)) {
        return ERR_OK;
    }
    io_row->state = state;
    io_row->detail = detail;
    return tx_tree_write(tx, io_row);
}

struct err tx_tree_drop(struct tx *tx, const struct tree_row *row) {
    const struct resource_key key = {row->owner, bytes_of(row->id.text)};
    struct why why = {""};
    return tx_resource_remove(tx, &tree_resource, &key, &why);
}
