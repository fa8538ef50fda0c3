/* command_backup.c: drover backup, drover restore. Both work on the database itself, so a backup
 * needs no daemon, and one that runs goes on running. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/base/action.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "store/store.h"

#define FLAG_DATA                                                                                  \
    OPTION_TEXT("data", 0, "DIR", "Data directory [$XDG_STATE_HOME/drover].", .env = "DROVER_DATA")

static const struct flag database_flags[] = {FLAG_DATA, OPTION_DATABASE, OPTION_END};

static const struct flag restore_flags[] = {
    FLAG_DATA,
    OPTION_DATABASE,
    OPTION_SWITCH("rewrite-sums", 0, "Rewrite the checksums of the existing database."),
    OPTION_END,
};

/* *ret_where: the database. *owned is to be freed. */
static struct err database_find(struct invocation *invocation, char **owned,
                                const char **ret_where) {
    AUTO(mem_release) char *data_owned = NULL;
    const char *data = NULL;
    *ret_where = args_text(&invocation->args, "database");
    if (*ret_where != NULL) {
        return ERR_OK;
    }
    TRY(config_data(&invocation->args, &invocation->env, &data_owned, &data, &invocation->why));
    *ret_where = config_database(&invocation->args, invocation->world, data, owned);
    if (*ret_where == NULL) { /* SQLite is named by its folder. */
        *ret_where = *owned = mem_copy(data, strlen(data));
    }
    return ERR_OK;
}

static void path_print(const struct invocation *invocation, const char *key, const char *path) {
    AUTO(text_done) struct text line = text_up_to(64 << 10);
    if (invocation->json) {
        text_add_char(&line, '{');
        text_add_member(&line, key, bytes_of(path));
        text_add_str(&line, "}\n");
    } else {
        text_addf(&line, "%s: %s\n", key, path);
    }
    fputs(text_failed(&line) ? "done\n" : line.data, stdout);
}

static struct err backup_run(struct invocation *invocation) {
    AUTO(mem_release) char *owned = NULL;
    const char *to = invocation->args.operands[0], *where = NULL;
    TRY(database_find(invocation, &owned, &where));
    TRY(store_backup(where, to, &invocation->why));
    path_print(invocation, "backup", to);
    return ERR_OK;
}

const struct command command_backup = {
    COMMAND(NULL, "backup", "FILE", "Copy the live database into a new file."),
    HELP(DAEMON, "drover backup drover-backup.db\n"),
    .flags = database_flags,
    .run = backup_run,
};

static struct err sums_rewrite(struct invocation *invocation, const char *where) {
    struct store_pages pages;
    TRY(store_rewrite_sums(where, &pages, &invocation->why));
    long long rewritten = (long long)pages.damaged, all = (long long)pages.pages;
    if (invocation->json) {
        printf("{\"rewritten\":%lld,\"pages\":%lld}\n", rewritten, all);
    } else {
        printf("%s: SQLite found no fault; %lld of %lld pages had other checksums, and have new"
               " ones\n",
               where, rewritten, all);
    }
    return ERR_OK;
}

static struct err restore_run(struct invocation *invocation) {
    AUTO(mem_release) char *owned = NULL;
    const char *where = NULL;
    bool rewrites = args_on(&invocation->args, "rewrite-sums");
    TRY(database_find(invocation, &owned, &where));
    if (rewrites == (invocation->args.operand_count > 0)) {
        return err_why(&invocation->why, ERR_USAGE,
                       "either the FILE of a backup, or --rewrite-sums");
    }
    if (rewrites) {
        return sums_rewrite(invocation, where);
    }
    TRY(store_restore(invocation->args.operands[0], where, &invocation->why));
    path_print(invocation, "restored", where);
    return ERR_OK;
}

const struct command command_restore = {
    COMMAND(NULL, "restore", "[FILE]", "Restore a backup into an empty data directory."),
    HELP(DAEMON, "drover restore drover-backup.db --data ~/.drover-new\n"),
    .flags = restore_flags,
    .run = restore_run,
    .about = "With --rewrite-sums and no FILE: pages that another program (sqlite3) wrote by a\n"
             "checkpoint or VACUUM of drover.db lack drover's checksums. Stop the daemon\n"
             "first. SQLite checks the database; if it finds no fault, each page gets the\n"
             "checksum of its present content. A byte that was already damaged inside a text\n"
             "is not detected.\n",
};
