/* projects.c: the first use of a project makes its row; a project in use is not removed. */
#include "engine/project/projects.h"

#include "rules/session/session.h"

static struct project project_new(const struct resource_key *key, struct bytes root) {
    const struct bytes none = BYTES("");
    return (struct project){.owner = key->owner,
                            .name = key->id,
                            .root = root,
                            .agent = none,
                            .model = none,
                            .settings = none,
                            .board = none,
                            .path = none};
}

void tx_project_use(struct tx *tx, struct bytes owner, struct bytes name,
                    struct project *ret_project) {
    const struct resource_key key = {owner, name};
    const struct bytes none = BYTES("");
    struct project project;
    bool found = true;
    if (!resource_names(&project_resource, name)) {
        found = false;
    } else if (!err_failed(tx_resource_find(tx, &project_resource, &key, &found, &project)) &&
               !found && tx_resource_count(tx, &project_resource, owner) < PROJECT_ROWS_MAX) {
        project = project_new(&key, none);
        tx_fail(tx, tx_resource_insert(tx, &project_resource, &project));
        found = true;
    }
    if (ret_project != NULL) {
        *ret_project =
            found ? project : (struct project){.root = none, .agent = none, .model = none};
    }
}

/* A name that is taken is another project's, also where that has no folder: who made it gave it
 * rules for something else. */
struct bytes tx_project_of(struct tx *tx, struct bytes owner, struct bytes folder) {
    const struct bytes known =
        tx_text(tx,
                "SELECT name FROM projects WHERE owner = $1 AND root = $2 AND name <> $3"
                " ORDER BY id LIMIT 1",
                ARGS(arg_text(owner), arg_text(folder), arg_str(SESSION_PROJECT_DEFAULT)));
    if (known.len > 0 || tx_resource_count(tx, &project_resource, owner) >= PROJECT_ROWS_MAX) {
        return known.len > 0 ? known : BYTES(SESSION_PROJECT_DEFAULT);
    }
    for (unsigned i = 0; i < PROJECT_NAMES_MAX; i++) {
        char name[SESSION_PROJECT_MAX + 1];
        struct project project;
        bool found = true;
        project_name_of(folder, i, name);
        const struct resource_key key = {owner, tx_copy(tx, bytes_of(name))};
        if (!project_takes_rules(key.id)) {
            continue;
        }
        tx_fail(tx, tx_resource_find(tx, &project_resource, &key, &found, &project));
        if (!found && !err_failed(tx_error(tx))) {
            project = project_new(&key, folder);
            tx_fail(tx, tx_resource_insert(tx, &project_resource, &project));
            return key.id;
        }
    }
    return BYTES(SESSION_PROJECT_DEFAULT);
}

struct bytes tx_project_settings(struct tx *tx, struct bytes owner, struct bytes name) {
    const struct resource_key key = {owner, name};
    struct project project;
    bool found = false;
    if (!project_takes_rules(name)) {
        return BYTES(""); /* Also those that an older daemon has let it have. */
    }
    tx_fail(tx, tx_resource_find(tx, &project_resource, &key, &found, &project));
    return found && !err_failed(tx_error(tx)) ? project.settings : BYTES("");
}

struct err projects__removing(struct tx *tx, const struct resource_key *key, struct why *why) {
    /* By the index of what has not ended, however many runs the project has had. */
    AUTO(rows_release)
    struct rows *rows = tx_row(tx,
                               "SELECT run FROM runs WHERE ended_ms IS NULL AND owner || '' = $1"
                               " AND project || '' = $2 ORDER BY id LIMIT 1",
                               ARGS(arg_text(key->owner), arg_text(key->id)));
    if (rows == NULL) {
        return tx_error(tx);
    }
    const struct bytes run = rows_text(rows, 0);
    return err_why(why, ERR_CONFLICT, "%.*s of project '%.*s' has not ended", (int)run.len,
                   run.data, (int)key->id.len, key->id.data);
}
