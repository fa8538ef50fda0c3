/* ops_asked.c: a person sets budgets; and the connections to the simulated providers, which
 * somebody set in the first life. */
#include <stdio.h>
#include <string.h>

#include "api/provider/providers.h"
#include "asks.h"
#include "base/memory.h"
#include "chat_ops.h"
#include "main/work.h"
#include "outages.h"
#include "provider.h"

/* --- Budgets ---------------------------------------------------------------------------------- */

static struct err budget_run(struct tx *tx, struct errand *errand) {
    struct budget_row row;
    errand->what.budget.key = (struct budget_key){.owner = BYTES(KNOWN_OWNER),
                                                  .scope = {errand->text.data, errand->text.len}};
    return tx_budget_set(tx, &errand->what.budget, &row);
}

static struct err budget_remove_run(struct tx *tx, struct errand *errand) {
    struct budget_row row;
    const struct budget_key key = {.owner = BYTES(KNOWN_OWNER),
                                   .scope = {errand->text.data, errand->text.len}};
    return tx_budget_remove(tx, &key, &errand->what.budget.bounds, &row);
}

static void scope_write(struct sim *sim, struct text *text) {
    static const char *const scopes[] = {"global", "project:web", "project:herd"};
    struct known_session *session = known_pick(sim, "session");
    uint64_t pick = sim_choose(sim, "scope", 6);
    if (pick >= COUNT_OF(scopes) && session != NULL) {
        text_addf(text, "session:%s", session->id);
    } else {
        text_add_str(text, scopes[pick % COUNT_OF(scopes)]);
    }
}

static void budget_set(struct sim *sim) {
    static const enum amount amounts[] = {AMOUNT_OUTPUT_TOKENS, AMOUNT_TOKENS, AMOUNT_AGENTS,
                                          AMOUNT_WALL};
    static const int64_t limits[] = {0, 1, 500, 5000, 50000, 1000000};
    struct errand *errand = errand_new(sim, "budget", NULL);
    scope_write(sim, &errand->text);
    enum amount amount = amounts[sim_choose(sim, "amount", COUNT_OF(amounts))];
    errand->what.budget.limits.named[amount] = true;
    errand->what.budget.limits.limits.of[amount] =
        limits[sim_choose(sim, "limit", COUNT_OF(limits))];
    static const enum budget_per pers[] = {BUDGET_PER_UNNAMED, BUDGET_PER_DAY, BUDGET_PER_DAY,
                                           BUDGET_PER_NONE};
    errand->what.budget.limits.per = pers[sim_choose(sim, "per", COUNT_OF(pers))];
    errand->what.budget.bounds = errand_bounds(errand);
    errand->run = budget_run;
    errand_send(errand);
}

static void budget_remove(struct sim *sim) {
    struct errand *errand = errand_new(sim, "budget rm", NULL);
    scope_write(sim, &errand->text);
    errand->what.budget.bounds = errand_bounds(errand);
    errand->run = budget_remove_run;
    errand_send(errand);
}

static void scope_free(struct sim *sim, const struct ask_row *row, void *ctx) {
    bool *any = ctx;
    struct errand *errand = errand_new(sim, "budget rm", NULL);
    text_add(&errand->text, row->text[0].data, row->text[0].len);
    errand->what.budget.bounds = errand_bounds(errand);
    errand->run = budget_remove_run;
    errand_send(errand);
    *any = true;
}

bool budgets_remove_all(struct sim *sim) {
    bool any = false;
    ask_each(sim, "SELECT scope FROM budgets WHERE run = 0", NULL, scope_free, &any);
    return any;
}

/* --- Connections ------------------------------------------------------------------------------ */

struct connecting {
    struct sim *sim;
    struct connections *connections;
    struct provider provider;
    bool added;
};

static const struct {
    const char *name, *kind, *url, *headers;
} connections[] = {
    {"openai", "openai", "https://openai.model.test/v1", OUTAGES_HEADER("openai")},
    {"responses", "responses", "https://responses.model.test/v1", OUTAGES_HEADER("responses")},
    {"anthropic", "anthropic", "https://anthropic.model.test", OUTAGES_HEADER("anthropic")},
};

static struct err connect_run(struct tx *tx, void *ctx) {
    struct connecting *connecting = ctx;
    bool found = false;
    struct provider row;
    const struct resource_key key = {.id = connecting->provider.name};
    struct err err = tx_resource_find(tx, &provider_resource, &key, &found, &row);
    connecting->added = !found;
    if (!err_failed(err) && !found) {
        err = tx_resource_insert(tx, &provider_resource, &connecting->provider);
    }
    return err;
}

static void connect_done(struct err result, void *ctx) {
    struct connecting *connecting = ctx;
    if (!err_failed(result) && connecting->added) {
        connections_put(connecting->connections, &connecting->provider, CONNECTION_KEY_SET, NULL);
    }
    mem_free(connecting);
}

static void connections_opened(struct sim *sim) {
    struct life *life = sim_life(sim);
    struct providers_api *api = work_providers_api(life->work);
    for (size_t i = 0; i < COUNT_OF(connections); i++) {
        struct connecting *connecting = mem_new(sizeof *connecting);
        *connecting = (struct connecting){
            .sim = sim,
            .connections = api->connections,
            .provider = {.name = known_bytes(connections[i].name),
                         .kind = known_bytes(connections[i].kind),
                         .base_url = known_bytes(connections[i].url),
                         .headers = known_bytes(connections[i].headers),
                         .models = BYTES("[\"plain\",\"small-window\",\"think\"]"),
                         .numbers.window = provider_window(connections[i].name)}};
        store_write(life->store, connect_run, connect_done, connecting);
    }
}

static const struct sim_op ops_asked[] = {
    {"budget_set", 3, budget_set},
    {"budget_remove", 2, budget_remove},
    {NULL, 0, NULL},
};

const struct sim_part part_asked = {
    .name = "asked", .ops = ops_asked, .opened = connections_opened};
