/* config.h: where a setting's value comes from.
 *
 * Promise    flag > environment > configuration file > the value that stands in the table. All
 *            settings are rows of the command's own table (args.h). A key of the file that no row
 *            names is refused by name and position.
 * The file   one JSON object; a key is a flag's name with "_" for "-"; text, whole numbers, true
 *            and false. It is --config FILE (then it must exist) or config.json in the data
 *            directory.
 * Ownership  the config owns what it read; values in args point into it until config_done.
 * Threads    one, before the loop starts.
 */
#ifndef DROVER_CLI_BASE_CONFIG_H
#define DROVER_CLI_BASE_CONFIG_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "cli/base/args.h"
#include "cli/terminal/environment.h"
#include "loop/world.h"

struct config {
    json_t *file;                     /* Owned; NULL: no file. */
    char numbers[ARGS_FLAGS_MAX][24]; /* Numbers of the file, as text. */
    char *data;                       /* Owned: the default data directory, where it was needed. */
};

const char *config_env_real(void *ctx, const char *name);

void config_init(struct config *config);
void config_done(struct config *config);

/* Environment, then defaults, into values that no flag gave. What a client needs. */
MUST_CHECK struct err config_env(struct args *args, const struct config_env *env, struct why *why);

/* The same with a file in between. `data` of args is set when it returns. */
MUST_CHECK struct err config_load(struct config *config, struct args *args,
                                  const struct config_env *env, const struct world *world,
                                  struct why *why);

/* Each variable DROVER_… that no flag of any command reads, and the nearest one that is read (NULL:
 * none is near). Not DROVER_TEST_…, which are for tests. */
void config_env_unknown(const struct command *const *commands, const struct config_env *env,
                        void (*each)(void *ctx, const char *name, const char *nearest), void *ctx);

/* The data directory that was given, or $XDG_STATE_HOME/drover, or ~/.local/state/drover. *ret_data
 * is borrowed from the arguments, or from *ret_owned, which is the caller's (mem_free). */
MUST_CHECK struct err config_data(const struct args *args, const struct config_env *env,
                                  char **ret_owned, const char **ret_data, struct why *why);

/* The database that was given, or else the one that DIR/config.json names. NULL: SQLite in `data`,
 * also where that file cannot be read: what is wrong with it is for the daemon to say. The text is
 * borrowed from the arguments, or from *ret_owned, which is the caller's (mem_free). */
const char *config_database(const struct args *args, const struct world *world, const char *data,
                            char **ret_owned);

#endif
