/* connections.h: the connections to providers as this daemon uses them: what was found without
 * being set (model/model.h), and the rows that somebody set (engine/provider/providers.h),
 * which win.
 *
 *   opened ──connections_load──> loaded ──connections_stop──> stopped ──> closed
 *
 * Promise    after the `done` of connections_load every row is in struct models, with its key. A
 *            change is put there by the `done` of its commit, so it holds from the next call on. A
 *            row that goes uncovers what was found under its name.
 *            Which model is asked when nobody names one: the setting, else the daemon's option,
 *            else the first known model of the first connection that is no script, else none
 *            (ERR_NO_MODEL, rules/provider/no_model.h). Where nothing names one, providers are
 *            asked for their lists at the start and by each use (connections_look), which wait for
 *            that CONNECTIONS_WAIT_MS at most: a server of this machine that was started after the
 *            daemon is found.
 * Ownership  the caller's; options are borrowed for life. models outlives connections_stop and goes
 *            before connections_close.
 * Threads    the loop, unless said otherwise. connections_open blocks on the files of keys.
 * Failure    a row that cannot be used (its key is not here, or a newer drover wrote it) is told to
 *            `failed`, and the daemon starts without it.
 */
#ifndef DROVER_DISPATCH_PROVIDER_CONNECTIONS_H
#define DROVER_DISPATCH_PROVIDER_CONNECTIONS_H

#include "base/base.h"
#include "base/err.h"
#include "dispatch/provider/key_files.h"
#include "engine/base/settings.h"
#include "engine/provider/providers.h"
#include "model/model.h"
#include "store/store.h"

enum { CONNECTIONS_WAIT_MS = 1000 };

struct connections;
struct connections_options {
    struct loop *loop;
    struct store *store;
    struct models *models;
    const char *data_dir;
    const char *model; /* The daemon's option; NULL: none. */
    struct discover_from from;
    const char *environment; /* Name of that environment: "environment of the daemon". */
    const char *salt;        /* Salt of hashes of keys that clients compare; NULL: none are. */
    void *ctx;
    void (*failed)(void *ctx, const char *name, const struct why *why);
    /* The connection is used, and something of it is not as it should be. May be NULL. */
    void (*warned)(void *ctx, const char *name, const struct why *why);
};
MUST_CHECK struct err connections_open(const struct connections_options *options,
                                       struct connections **ret_connections, struct why *why);
/* `done` once, never inside the call; a stop brings it about. */
void connections_load(struct connections *connections, void (*done)(void *ctx, struct err err),
                      void *ctx);
/* Touches models no more; before models_close. */
void connections_stop(struct connections *connections);
void connections_close(struct connections *connections); /* NULL is allowed. */

struct models *connections_models(const struct connections *connections);
struct key_folder connections_folder(const struct connections *connections);

/* --- Changes, after their commit -------------------------------------------------------------- */

enum connection_key { CONNECTION_KEY_KEEP, CONNECTION_KEY_SET };
/* SET: `key` is the key, or there is none when it is NULL. */
void connections_put(struct connections *connections, const struct provider *provider,
                     enum connection_key how, const char *key);
void connections_remove(struct connections *connections, const char *name);
/* Removes the file of a key that no row names any more, in the pool. Empty: none. */
void connections_drop_key(struct connections *connections, struct bytes file);
void connections_set(struct connections *connections, const struct settings *settings);

/* --- What is there ---------------------------------------------------------------------------- */

/* Found without being set, by name: the same from open to close, so any thread may ask. NULL: there
 * is none. */
const struct model_connection *connections_found(const struct connections *connections,
                                                 struct bytes name);
const struct connections_options *connections_options(
    const struct connections *connections); /* Any thread. */
/* Whether the file is not here though a row named it at the start. Any thread, after the load. */
MUST_CHECK bool connections_key_lost(const struct connections *connections, struct bytes file);

const struct settings *connections_settings(const struct connections *connections);
/* Whose word the default model is. */
enum model_from {
    MODEL_FROM_SETTING,
    MODEL_FROM_OPTION,
    MODEL_FROM_CONNECTION,
    MODEL_FROM_NOWHERE
};
struct default_model {
    char name[SETTINGS_MODEL_MAX + 1]; /* "": none is set up (MODEL_FROM_NOWHERE). */
    enum model_from from;
};
void connections_default_model(const struct connections *connections,
                               struct default_model *ret_model);
/* Before a use of the default model: where there is none, and nobody looked in the last seconds,
 * looks for one. true: `done` comes once that is known, CONNECTIONS_WAIT_MS later
 * at most, never inside the call; a stop brings it about. false: it is known already, and `done`
 * never comes. */
MUST_CHECK bool connections_look(struct connections *connections, void (*done)(void *ctx),
                                 void *ctx);
/* After the load. ERR_USAGE: no connection has the name in the daemon's option; *ret_may_come:
 * whether it is one that a key or a server of this machine brings. */
MUST_CHECK struct err connections_check_option(const struct connections *connections,
                                               bool *ret_may_come, struct why *why);

/* --- Checks, any thread ----------------------------------------------------------------------- */

/* connection_check, and whether its URL names something that can be connected to. */
MUST_CHECK struct err connections_check(const struct model_connection *connection, struct why *why);

#endif
