/* connections_default.c: which model is asked when nobody names one.
 *
 * A key alone says which provider, not which model: that is known once the provider was asked for
 * its list. So it is asked when nothing else decides, and never otherwise.
 */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "dispatch/provider/connections_inside.h"

/* --- Choosing --------------------------------------------------------------------------------- */

static const struct first_model *first_of(const struct connections *connections,
                                          const char *connection) {
    for (size_t i = 0; i < connections->first_count; i++) {
        if (strcmp(connections->first[i].connection, connection) == 0) {
            return &connections->first[i];
        }
    }
    return NULL;
}

struct choosing {
    const struct connections *connections;
    struct default_model *model;
};

static void consider(void *ctx, const struct model_connection *connection) {
    const struct choosing *choosing = ctx;
    struct default_model *chosen = choosing->model;
    if (chosen->from == MODEL_FROM_CONNECTION || connection->kind == MODEL_KIND_SCRIPTED) {
        return;
    }
    const struct first_model *first = first_of(choosing->connections, connection->name);
    const char *model = connection->model_count > 0 ? connection->models[0]
                        : first != NULL             ? first->model
                                                    : NULL;
    if (model != NULL) {
        chosen->from = MODEL_FROM_CONNECTION;
        (void)snprintf(chosen->name, sizeof chosen->name, "%s/%s", connection->name,
                       model); /* Names are bounded. */
    }
}

static void name_it(struct default_model *model, struct bytes name, enum model_from from) {
    model->from = from;
    (void)snprintf(model->name, sizeof model->name, "%.*s", (int)name.len,
                   name.data); /* Bounded. */
}

void connections_default_model(const struct connections *connections,
                               struct default_model *ret_model) {
    const struct settings *settings = settings_kept_get(connections->settings);
    const char *option = connections->options.model;
    struct choosing choosing = {connections, ret_model};
    if (settings->default_model.len > 0) {
        name_it(ret_model, settings->default_model, MODEL_FROM_SETTING);
        return;
    }
    if (option != NULL) {
        name_it(ret_model, bytes_of(option), MODEL_FROM_OPTION);
        return;
    }
    name_it(ret_model, BYTES(MODEL_OF_LAST_RESORT), MODEL_FROM_NOWHERE);
    if (!connections->stopped) {
        models_connection_each(connections->models, consider, &choosing);
    }
}

/* --- Asking for lists ------------------------------------------------------------------------- */

static void hear(void *ctx, const struct model_listed *listed) {
    struct connections *connections = ctx;
    struct first_model *last =
        connections->first_count > 0 ? &connections->first[connections->first_count - 1] : NULL;
    bool priced = listed->info.facts.price.output >= 0;
    /* Lists come connection by connection. */
    if (last == NULL || strcmp(last->connection, listed->connection) != 0) {
        if (connections->first_count == CONNECTIONS_FIRST_MAX) {
            return;
        }
        last = &connections->first[connections->first_count++];
        *last = (struct first_model){.priced = false};
        (void)snprintf(last->connection, sizeof last->connection, "%s", listed->connection);
    } else if (last->priced || !priced) {
        return;
    }
    last->priced = priced;
    (void)snprintf(last->model, sizeof last->model, "%s", listed->model); /* Names are bounded. */
}

void connections__tell(struct connections *connections) {
    void (*listed)(void *ctx) = connections->listed;
    connections->listed = NULL;
    timer_stop(connections->options.loop, &connections->listing_wait);
    if (listed != NULL) {
        listed(connections->listed_ctx);
    }
}

static void heard(void *ctx) {
    struct connections *connections = ctx;
    connections->listing = false;
    if (connections->stale) {
        connections__look(connections);
    }
    connections__tell(connections);
}

void connections__look(struct connections *connections) {
    struct default_model model;
    connections->stale = connections->listing;
    if (connections->stopped || connections->listing) {
        return;
    }
    connections_default_model(connections, &model);
    if (model.from != MODEL_FROM_NOWHERE) {
        return;
    }
    if (connections->first == NULL) {
        connections->first = mem_new_array(CONNECTIONS_FIRST_MAX, sizeof *connections->first);
    }
    connections->first_count = 0;
    connections->listing = true;
    models_list(connections->models, hear, heard, connections);
}

static void waited(struct timer *timer) {
    connections__tell(CONTAINER_OF(timer, struct connections, listing_wait));
}

void connections__wait(struct connections *connections, void (*listed)(void *ctx), void *ctx) {
    connections->listed = listed;
    connections->listed_ctx = ctx;
    connections__look(connections);
    timer_start(connections->options.loop, &connections->listing_wait,
                connections->listing ? CONNECTIONS_WAIT_MS : 0, waited);
}
