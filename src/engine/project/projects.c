/* projects.c: the first use of a project makes its row; a project in use is not removed. */
#include "engine/project/projects.h"

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
        project = (struct project){.owner = owner,
                                   .name = name,
                                   .root = none,
                                   .agent = none,
                                   .model = none,
                                   .settings = none,
                                   .board = none,
                                   .path = none};
        tx_fail(tx, tx_resource_insert(tx, &project_resource, &project));
        found = true;
    }
    if (ret_project != NULL) {
        *ret_project =
            found ? project : (struct project){.root = none, .agent = none, .model = none};
    }
}

struct bytes tx_project_settings(struct tx *tx, struct bytes owner, struct bytes name) {
    const struct resource_key key = {owner, name};
    struct project project;
    bool found = false;
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
