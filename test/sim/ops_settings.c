/* ops_settings.c: an admin changes the daemon's settings, and its connections to providers, while
 * turns run: their window, limits, models, address and kind; or removes one and sets it again.
 *
 *   rows    hold what was acknowledged last, in every life
 *   turns   go on, or fail and say why: check_sessions.c sees that each ends, and that each session
 *           answers after all was set back (heal)
 */
#include <stdio.h>
#include <string.h>

#include "api/provider/providers.h"
#include "asks.h"
#include "base/memory.h"
#include "chat_ops.h"
#include "main/work.h"
#include "ops.h"
#include "outages.h"
#include "provider.h"

/* --- Connections ------------------------------------------------------------------------------ */

static const struct {
    const char *name, *kind, *url, *headers;
} standard[] = {
    {"openai", "openai", "https://openai.model.test/v1", OUTAGES_HEADER("openai")},
    {"responses", "responses", "https://responses.model.test/v1", OUTAGES_HEADER("responses")},
    {"anthropic", "anthropic", "https://anthropic.model.test", OUTAGES_HEADER("anthropic")},
};

enum { CONNECTIONS = COUNT_OF(standard) };

static const char *const model_lists[] = {"[\"plain\",\"small-window\",\"think\"]", "[\"plain\"]",
                                          "[]"};

/* What clients were told of each: a change, or none. */
struct connection_known {
    unsigned changes; /* Number of changes that have no answer yet. */
    bool certain, removed;
    int64_t window, max_concurrent;
    unsigned as; /* Index of the kind and the address. */
};

static struct connection_known connections[CONNECTIONS];

struct connection_change {
    struct sim *sim;
    struct connections *connections;
    unsigned op;
    size_t which;
    bool remove, removed, add; /* add: there may be none. */
    struct provider row;       /* Its texts are literals. */
    int64_t window, max_concurrent;
    const char *models; /* NULL: as they are. */
    unsigned as;
};

/* A default that names nothing is refused here, as by the API. */
static bool is_of(struct bytes model, struct bytes name) {
    return model.len > name.len && model.data[name.len] == '/' &&
           memcmp(model.data, name.data, name.len) == 0;
}

static struct err remove_run(struct tx *tx, struct connection_change *change, struct bytes name) {
    struct settings settings;
    struct err err = tx_settings_read(tx, &settings);
    if (!err_failed(err) && is_of(settings.default_model, name)) {
        return err_make(ERR_CONFLICT, "sim: default");
    }
    const struct resource_key key = {.id = name};
    err = err_failed(err) ? err : tx_resource_remove(tx, &provider_resource, &key, NULL /* why */);
    change->removed = !err_failed(err);
    return err.code == ERR_NOT_FOUND ? ERR_OK : err;
}

/* As change_work and remove_work in api/provider/change.c. */
static struct err change_run(struct tx *tx, void *ctx) {
    struct connection_change *change = ctx;
    struct bytes name = known_bytes(standard[change->which].name);
    bool found = false;
    struct provider row = {.name = name, .headers = BYTES("{}"), .models = BYTES("[]")};
    if (change->remove) {
        return remove_run(tx, change, name);
    }
    const struct resource_key key = {.id = name};
    struct err err = tx_resource_find(tx, &provider_resource, &key, &found, &row);
    if (err_failed(err) || (!found && !change->add)) {
        return err_failed(err) ? err : err_make(ERR_NOT_FOUND, "sim: connection");
    }
    row.name = name;
    row.kind = known_bytes(standard[change->as].kind);
    row.base_url = known_bytes(standard[change->as].url);
    row.headers = known_bytes(standard[change->which].headers);
    row.key_file = BYTES("");
    row.models = known_bytes(change->models);
    row.numbers.window = change->window;
    row.numbers.max_concurrent = change->max_concurrent;
    err = found ? tx_resource_update(tx, &provider_resource, FIELD_SET, &row)
                : tx_resource_insert(tx, &provider_resource, &row);
    change->row = row;
    return err;
}

static void change_done(struct err result, void *ctx) {
    struct connection_change *change = ctx;
    struct connection_known *known = &connections[change->which];
    sim_trace(change->sim, "%s of the connection %s of op %u: %s",
              change->remove ? "removal" : "change", standard[change->which].name, change->op,
              err_name(result.code));
    known->changes--;
    if (!err_failed(result)) {
        known->certain = known->changes == 0;
        known->removed = change->remove;
        known->window = change->window;
        known->max_concurrent = change->max_concurrent;
        known->as = change->as;
    }
    if (!err_failed(result) && change->remove) {
        connections_remove(change->connections, standard[change->which].name);
    } else if (!err_failed(result)) {
        connections_put(change->connections, &change->row, CONNECTION_KEY_KEEP, NULL /* key */);
        outages_changed(standard[change->which].name);
    }
    mem_free(change);
}

static struct connection_change *change_new(struct sim *sim, size_t which) {
    struct connection_change *change = mem_new(sizeof *change);
    *change = (struct connection_change){.sim = sim,
                                         .connections =
                                             work_providers_api(sim_life(sim)->work)->connections,
                                         .op = sim_operation(sim),
                                         .which = which,
                                         .as = (unsigned)which,
                                         .models = model_lists[0],
                                         .window = PROVIDER_WINDOW};
    connections[which].certain = false;
    connections[which].changes++;
    return change;
}

static void connection_change(struct sim *sim) {
    static const int64_t windows[] = {0, PROVIDER_WINDOW, PROVIDER_WINDOW, 4000, 9000};
    static const int64_t concurrent[] = {0, 0, 1, 2};
    struct connection_change *change = change_new(sim, sim_choose(sim, "which", CONNECTIONS));
    change->window = windows[sim_choose(sim, "window", COUNT_OF(windows))];
    change->max_concurrent = concurrent[sim_choose(sim, "concurrent", COUNT_OF(concurrent))];
    change->models = model_lists[sim_choose(sim, "models", COUNT_OF(model_lists))];
    change->add = sim_chance(sim, "add", 50);
    if (sim_chance(sim, "another kind", 25)) {
        change->as = (unsigned)sim_choose(sim, "kind", CONNECTIONS);
    }
    store_write(sim_life(sim)->store, change_run, change_done, change);
}

static void connection_remove(struct sim *sim) {
    struct connection_change *change = change_new(sim, sim_choose(sim, "which", CONNECTIONS));
    change->remove = true;
    store_write(sim_life(sim)->store, change_run, change_done, change);
}

/* --- Settings --------------------------------------------------------------------------------- */

static struct {
    unsigned changes;
    bool certain;
    int64_t window;
} settings_known;

struct settings_change {
    struct sim *sim;
    struct connections *connections;
    unsigned op;
    struct settings given; /* Its texts are literals. */
    struct settings_kept *kept;
};

static struct err model_check(struct tx *tx, struct bytes model) {
    const char *slash = model.len > 0 ? memchr(model.data, '/', model.len) : NULL;
    struct provider row;
    bool there = slash == NULL;
    struct err err = ERR_OK;
    if (slash != NULL) {
        const struct resource_key key = {.id = {model.data, (size_t)(slash - model.data)}};
        err = tx_resource_find(tx, &provider_resource, &key, &there, &row);
    }
    return err_failed(err) || there ? err : err_make(ERR_BAD_FIELD, "sim: model");
}

/* As change_work in api/system/settings.c, with all of them given. */
static struct err settings_run(struct tx *tx, void *ctx) {
    struct settings_change *change = ctx;
    const struct bytes models[] = {change->given.default_model, change->given.review_model,
                                   change->given.title_model};
    struct settings settings;
    struct err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(models) && !err_failed(err); i++) {
        err = model_check(tx, models[i]);
    }
    err = err_failed(err) ? err : tx_settings_write(tx, &change->given);
    err = err_failed(err) ? err : tx_settings_read(tx, &settings);
    if (!err_failed(err)) {
        settings_kept_put(change->kept, &settings);
    }
    return err;
}

static void settings_done(struct err result, void *ctx) {
    struct settings_change *change = ctx;
    sim_trace(change->sim, "settings of op %u: %s", change->op, err_name(result.code));
    settings_known.changes--;
    if (!err_failed(result)) {
        settings_known.certain = settings_known.changes == 0;
        settings_known.window = change->given.window;
        connections_set(change->connections, settings_kept_get(change->kept));
    }
    settings_kept_free(change->kept);
    mem_free(change);
}

static void settings_send(struct sim *sim, const struct settings *given) {
    struct settings_change *change = mem_new(sizeof *change);
    *change = (struct settings_change){.sim = sim,
                                       .connections =
                                           work_providers_api(sim_life(sim)->work)->connections,
                                       .op = sim_operation(sim),
                                       .given = *given,
                                       .kept = settings_kept_new()};
    settings_known.certain = false;
    settings_known.changes++;
    store_write(sim_life(sim)->store, settings_run, settings_done, change);
}

static void settings_change(struct sim *sim) {
    static const char *const models[] = {"", "openai/plain", "anthropic/think", "responses/plain"};
    static const char *const efforts[] = {"", "low", "high"};
    static const int64_t windows[] = {0, 0, 2000, 6000, 1000000};
    const struct settings given = {
        .default_model = known_bytes(models[sim_choose(sim, "default", COUNT_OF(models))]),
        .review_model = known_bytes(models[sim_choose(sim, "review", COUNT_OF(models))]),
        .title_model = known_bytes(models[sim_choose(sim, "title", COUNT_OF(models))]),
        .instructions =
            sim_chance(sim, "instructions", 30) ? BYTES("Answer as a sheep.") : BYTES(""),
        .effort = known_bytes(efforts[sim_choose(sim, "effort", COUNT_OF(efforts))]),
        .window = windows[sim_choose(sim, "window", COUNT_OF(windows))]};
    settings_send(sim, &given);
}

/* --- What must hold --------------------------------------------------------------------------- */

/* Columns: window, max_concurrent, kind. */
static void row_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct connection_known *known = ctx;
    const char *name = standard[known - connections].name;
    if (known->removed || row->number[0] != known->window ||
        row->number[1] != known->max_concurrent ||
        strcmp(row->text[2].data, standard[known->as].kind) != 0) {
        sim_fail(sim, "the connection %s is not what was acknowledged last", name);
    }
}

static void rows_check(struct sim *sim) {
    static const char orphan[] =
        "SELECT count(*) FROM settings s WHERE s.name = 'default_model' AND NOT EXISTS"
        " (SELECT 1 FROM providers p WHERE substr(s.value, 2, length(p.name) + 1) ="
        " p.name || '/')";
    if (rows_number(sim, orphan, NULL, 0) > 0) {
        sim_fail(sim, "the setting default_model names a connection that is not there");
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct connection_known *known = &connections[i];
        if (known->certain) {
            ask_each(sim,
                     "SELECT context_window, max_concurrent, kind FROM providers WHERE name = $1",
                     TEXTS(standard[i].name), row_take, known);
        }
    }
    int64_t window = rows_number(sim, "SELECT value FROM settings WHERE name = 'window'", NULL, 0);
    if (settings_known.certain && window != settings_known.window) {
        sim_fail(sim, "the setting window is %lld, and %lld was acknowledged", (long long)window,
                 (long long)settings_known.window);
    }
}

/* Whoever starts a daemon sets what is missing (ops_asked.c): nothing is certain from then on. */
static void settings_opened(struct sim *sim) {
    rows_check(sim);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        connections[i].certain = connections[i].certain && !connections[i].removed;
    }
}

static void settings_crashed(struct sim *sim) {
    (void)sim;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        connections[i].changes = 0;
    }
    settings_known.changes = 0;
}

static struct sim_event set_back;

/* Everything as it was: what waits for a model goes on, and probes ask models that are there. */
static void settings_set_back(struct sim *sim, struct sim_event *event) {
    static const struct settings none = {.default_model = {"", 0},
                                         .instructions = {"", 0},
                                         .effort = {"", 0},
                                         .review_model = {"", 0},
                                         .title_model = {"", 0}};
    if (!sim_life(sim)->ready) {
        sim_plan(sim, event, /* after_ms */ 100, settings_set_back);
        return;
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct connection_change *change = change_new(sim, i);
        change->add = true;
        store_write(sim_life(sim)->store, change_run, change_done, change);
    }
    settings_send(sim, &none);
}

static void settings_heal(struct sim *sim) {
    sim_plan(sim, &set_back, /* after_ms */ 0, settings_set_back);
}

static void settings_begin(struct sim *sim) {
    (void)sim;
    memset(connections, 0, sizeof connections);
    memset(&settings_known, 0, sizeof settings_known);
    set_back = (struct sim_event){.planned = false};
}

static const struct sim_op ops_settings[] = {
    {"connection_change", 4, connection_change},
    {"connection_remove", 2, connection_remove},
    {"settings_change", 3, settings_change},
    {NULL, 0, NULL},
};

const struct sim_part part_settings = {.name = "settings",
                                       .ops = ops_settings,
                                       .begin = settings_begin,
                                       .opened = settings_opened,
                                       .crashed = settings_crashed,
                                       .heal = settings_heal,
                                       .end = rows_check};
