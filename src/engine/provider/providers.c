/* providers.c: the rows of connections. */
#include "engine/provider/providers.h"

#include "base/memory.h"
#include "engine/inbox/bind.h"
#include "engine/provider/learned.h"
#include "store/mapper.h"

enum { EACH = MAP_INSERT | MAP_SET };
#define TEXT(member)                                                                               \
    { #member, MAP_TEXT, EACH, offsetof(struct provider, member) }
#define NUMBER(member, field, column, ...)                                                         \
    {column, MAP_INT, EACH, offsetof(struct provider, numbers.member)},
#define NUMBER_NAME(member, field, column, ...) ", " column

static const struct map_column columns[] = {
    TEXT(kind),
    TEXT(base_url),
    TEXT(key_file),
    TEXT(key_header),
    TEXT(headers),
    TEXT(models),
    PROVIDER_NUMBERS(NUMBER) /* A column each. */
    {"made_ms", MAP_INT, MAP_INSERT, offsetof(struct provider, made_ms)},
    {"changed_ms", MAP_INT, EACH, offsetof(struct provider, changed_ms)},
};
static const struct map provider_map = {.table = "providers",
                                        .key = "name",
                                        .key_kind = MAP_TEXT,
                                        .key_offset = offsetof(struct provider, name),
                                        .columns = columns,
                                        .count = COUNT_OF(columns)};
#define COLUMNS                                                                                    \
    "name, kind, base_url, key_file, key_header, headers, models" PROVIDER_NUMBERS(                \
        NUMBER_NAME) ", made_ms, "                                                                 \
                     "changed_ms"

static void text_own(struct bytes *text) {
    text->data = mem_copy(text->len > 0 ? text->data : "", text->len);
}

struct provider *provider_copy(const struct provider *provider) {
    struct provider *copy = mem_new(sizeof *copy);
    *copy = *provider;
    text_own(&copy->name);
    text_own(&copy->kind);
    text_own(&copy->base_url);
    text_own(&copy->key_file);
    text_own(&copy->key_header);
    text_own(&copy->headers);
    text_own(&copy->models);
    return copy;
}

void provider_free(struct provider *provider) {
    if (provider != NULL) {
        const struct bytes texts[] = {provider->name,     provider->kind,       provider->base_url,
                                      provider->key_file, provider->key_header, provider->headers,
                                      provider->models};
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
            mem_free((void *)(uintptr_t)texts[i].data); /* Our own copy. */
        }
    }
    mem_free(provider);
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct err tx_provider_find(struct tx *tx, struct bytes name, bool *ret_found,
                            struct provider *ret_provider) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT " COLUMNS " FROM providers WHERE name = $1", ARGS(arg_text(name)));
    *ret_found = rows != NULL && map_read(&provider_map, rows, ret_provider);
    if (*ret_found) {
        tx_fail(tx, map_copy(tx, &provider_map, ret_provider));
    }
    return tx_error(tx);
}

struct err tx_provider_each(struct tx *tx, struct bytes after, int64_t limit,
                            struct err (*each)(void *ctx, const struct provider *provider),
                            void *ctx) {
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, "SELECT " COLUMNS " FROM providers WHERE name > $1 ORDER BY name LIMIT $2",
                ARGS(arg_text(after), arg_int(limit)));
    struct err err = ERR_OK;
    struct provider provider;
    while (!err_failed(err) && rows_step(rows) && map_read(&provider_map, rows, &provider)) {
        err = each(ctx, &provider);
    }
    return err_failed(err) ? err : tx_error(tx);
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* Notices that were held by a key or a model are tried again. */
static const struct bytes everybody = {NULL, 0};

struct err tx_provider_add(struct tx *tx, const struct provider *provider) {
    if (tx_number(tx, "SELECT count(*) FROM providers", NO_ARGS, 0) >= PROVIDERS_MAX) {
        return err_make(ERR_TOO_MANY, "providers: count");
    }
    if (tx_number(tx, "SELECT count(*) FROM providers WHERE name = $1",
                  ARGS(arg_text(provider->name)), 0) > 0) {
        return err_make(ERR_CONFLICT, "providers: add");
    }
    map_insert(tx, &provider_map, provider);
    return tx_inbox_unhold_all(tx, everybody, CAUSE_NONE);
}

struct err tx_provider_change(struct tx *tx, const struct provider *provider) {
    map_update(tx, &provider_map, MAP_SET, provider);
    /* Another address may have other windows, and somebody may know one. */
    struct err err = tx_learned_forget(tx, provider->name);
    return err_failed(err) ? err : tx_inbox_unhold_all(tx, everybody, CAUSE_NONE);
}

struct err tx_provider_cured(struct tx *tx) {
    return tx_inbox_unhold_all(tx, everybody, CAUSE_NONE);
}

struct err tx_provider_listed(struct tx *tx) {
    return tx_inbox_unhold_all(tx, everybody, CAUSE_MODEL_UNKNOWN);
}

struct err tx_provider_remove(struct tx *tx, struct bytes name, bool *ret_found) {
    *ret_found = tx_change(tx, "DELETE FROM providers WHERE name = $1", ARGS(arg_text(name))) > 0;
    return tx_learned_forget(tx, name);
}
