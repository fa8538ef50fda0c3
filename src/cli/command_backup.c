/* command_backup.c: drover backup, drover restore. Both work on the database itself, so a backup
 * needs no daemon, and one that runs goes on running. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "store/store.h"

static const struct flag database_flags[] = {
    {.name = "data",
     .kind = FLAG_TEXT,
     .value = "DIR",
     .about = "Data directory [$XDG_STATE_HOME/drover].",
     .env = "DROVER_DATA"},
    {.name = "database",
     .kind = FLAG_TEXT,
     .value = "URL",
     .about = "postgres://…; without it, SQLite in the data directory.",
     .env = "DROVER_DATABASE"},
    {.name = NULL},
};

/* Where the database is; *owned is to be freed. */
static const char *database_where(struct invocation *invocation, char **owned) {
    const char *database = args_text(&invocation->args, "database");
    const char *data = args_text(&invocation->args, "data");
    if (database != NULL || data != NULL) {
        return database != NULL ? database : data;
    }
    *owned = config_data_default(&invocation->env);
    if (*owned == NULL) {
        why_set(&invocation->why, "no data directory: neither HOME nor XDG_STATE_HOME is set");
    }
    return *owned;
}

static void path_print(const struct invocation *invocation, const char *key, const char *path) {
    AUTO(text_done) struct text line = {0};
    text_init(&line, 64 << 10);
    if (invocation->json) {
        text_addf(&line, "{\"%s\":", key);
        text_add_json(&line, path, strlen(path));
        text_add_str(&line, "}\n");
    } else {
        text_addf(&line, "%s: %s\n", key, path);
    }
    fputs(text_failed(&line) ? "done\n" : line.data, stdout);
}

static struct err backup_run(struct invocation *invocation) {
    AUTO(mem_release) char *owned = NULL;
    const char *where = database_where(invocation, &owned);
    if (where == NULL) {
        return err_make(ERR_USAGE, "backup: data");
    }
    const char *to = invocation->args.operands[0];
    struct err err = store_backup(where, to, &invocation->why);
    if (!err_failed(err)) {
        path_print(invocation, "backup", to);
    }
    return err;
}

const struct command command_backup = {
    .name = "backup",
    .summary = "Copy the live database into a new file.",
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1,
    .flags = database_flags,
    .run = backup_run,
};

static struct err restore_run(struct invocation *invocation) {
    AUTO(mem_release) char *owned = NULL;
    const char *where = database_where(invocation, &owned);
    if (where == NULL) {
        return err_make(ERR_USAGE, "restore: data");
    }
    struct err err = store_restore(invocation->args.operands[0], where, &invocation->why);
    if (!err_failed(err)) {
        path_print(invocation, "restored", where);
    }
    return err;
}

const struct command command_restore = {
    .name = "restore",
    .summary = "Put a backup where no database is yet.",
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1,
    .flags = database_flags,
    .run = restore_run,
};
