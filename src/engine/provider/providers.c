/* providers.c: the rows of connections. */
#include "engine/provider/providers.h"

#include "base/memory.h"
#include "engine/inbox/bind.h"
#include "engine/provider/learned_windows.h"

/* The texts of a row, in the order of its columns. */
#define AT(member) offsetof(struct provider, member)
static const size_t texts_at[] = {AT(name),     AT(kind),    AT(base_url),
                                  AT(key_file), AT(headers), AT(models)};

static struct bytes *text_of(struct provider *provider, size_t at) {
    return (struct bytes *)(void *)((char *)provider + texts_at[at]);
}

struct provider *provider_copy(const struct provider *provider) {
    struct provider *copy = mem_new(sizeof *copy);
    *copy = *provider;
    for (size_t i = 0; i < COUNT_OF(texts_at); i++) {
        struct bytes *text = text_of(copy, i);
        text->data = mem_copy(text->len > 0 ? text->data : "", text->len);
    }
    return copy;
}

void provider_free(struct provider *provider) {
    for (size_t i = 0; provider != NULL && i < COUNT_OF(texts_at); i++) {
        mem_free((void *)(uintptr_t)text_of(provider, i)->data); /* Our own copy. */
    }
    mem_free(provider);
}

/* --- Reading ---------------------------------------------------------------------------------- */

#define COLUMNS                                                                                    \
    "name, kind, base_url, key_file, headers, models, context_window, max_concurrent, made_ms, "   \
    "changed_ms"

static struct provider row_read(const struct rows *rows) {
    struct provider provider = {.window = rows_int(rows, 6),
                                .max_concurrent = rows_int(rows, 7),
                                .made_ms = rows_int(rows, 8),
                                .changed_ms = rows_int(rows, 9)};
    for (size_t i = 0; i < COUNT_OF(texts_at); i++) {
        *text_of(&provider, i) = rows_text(rows, (int)i);
    }
    return provider;
}

struct err tx_provider_find(struct tx *tx, struct bytes name, bool *ret_found,
                            struct provider *ret_provider) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT " COLUMNS " FROM providers WHERE name = $1", ARGS(arg_text(name)));
    *ret_found = rows != NULL;
    if (rows != NULL) {
        *ret_provider = row_read(rows);
        for (size_t i = 0; i < COUNT_OF(texts_at); i++) {
            *text_of(ret_provider, i) = rows_copy(rows, (int)i);
        }
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
    while (!err_failed(err) && rows_step(rows)) {
        struct provider provider = row_read(rows);
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
    int64_t changed = tx_change(
        tx,
        "INSERT INTO providers (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        " ON CONFLICT (name) DO NOTHING",
        ARGS(arg_text(provider->name), arg_text(provider->kind), arg_text(provider->base_url),
             arg_text(provider->key_file), arg_text(provider->headers), arg_text(provider->models),
             arg_int(provider->window), arg_int(provider->max_concurrent),
             arg_int(provider->made_ms), arg_int(provider->changed_ms)));
    if (changed == 0) {
        return err_failed(tx_error(tx)) ? tx_error(tx) : err_make(ERR_CONFLICT, "providers: add");
    }
    return tx_inbox_unhold_all(tx, everybody);
}

struct err tx_provider_change(struct tx *tx, const struct provider *provider) {
    tx_do(tx,
          "UPDATE providers SET kind = $2, base_url = $3, key_file = $4, headers = $5, models = $6,"
          " context_window = $7, max_concurrent = $8, changed_ms = $9 WHERE name = $1",
          ARGS(arg_text(provider->name), arg_text(provider->kind), arg_text(provider->base_url),
               arg_text(provider->key_file), arg_text(provider->headers),
               arg_text(provider->models), arg_int(provider->window),
               arg_int(provider->max_concurrent), arg_int(provider->changed_ms)));
    /* Another address may have other windows, and somebody may know one. */
    struct err err = tx_window_forget(tx, provider->name);
    return err_failed(err) ? err : tx_inbox_unhold_all(tx, everybody);
}

struct err tx_provider_remove(struct tx *tx, struct bytes name, bool *ret_found) {
    *ret_found = tx_change(tx, "DELETE FROM providers WHERE name = $1", ARGS(arg_text(name))) > 0;
    return tx_window_forget(tx, name);
}
