/* page_keys.c: see page_keys.h. */
#include "engine/token/page_keys.h"

#include <string.h>

#include "engine/base/resource.h"

static int64_t page_now_ms(const struct page_keys *keys) {
    return world_wall_ms(loop_world(keys->on.loop));
}

/* --- Uses ------------------------------------------------------------------------------------- */

static struct err use_write(struct tx *tx, void *ctx) {
    const struct page_keys *keys = ctx;
    const struct resource_key key = {.id = bytes_of(keys->id.text)};
    struct token token = {.scopes = 0};
    bool found = false;
    struct err err = tx_resource_find(tx, &token_resource, &key, &found, &token);
    token.used_ms = tx_now_ms(tx);
    return err_failed(err) || !found ? err
                                     : tx_resource_update(tx, &token_resource, FIELD_SET, &token);
}

static void use_written(struct err result, void *ctx) {
    struct page_keys *keys = ctx;
    keys->writes = false; /* A failure: the use was noted in memory, and is stored an hour later. */
}

void page_keys_use(struct page_keys *keys, const char *id) {
    if (keys->writes || keys->on.store == NULL) {
        return;
    }
    keys->writes = true;
    keys->id = id_copy(bytes_of(id));
    token_table_used(keys->on.table, id, page_now_ms(keys));
    store_write(keys->on.store, use_write, use_written, keys);
}

/* --- Ends ------------------------------------------------------------------------------------- */

static void round_begin(struct timer *timer);

static struct err end_write(struct tx *tx, void *ctx) {
    const struct page_keys *keys = ctx;
    const struct resource_key key = {.id = bytes_of(keys->id.text)};
    struct err err = tx_resource_remove(tx, &token_resource, &key, NULL /* no hook refuses */);
    return err.code == ERR_NOT_FOUND ? ERR_OK : err;
}

static void round_later(struct page_keys *keys) {
    if (keys->on.revoked != NULL) {
        timer_start(keys->on.loop, &keys->timer, TOKEN_USE_STEP_MS, round_begin);
    }
}

static void end_written(struct err result, void *ctx) {
    struct page_keys *keys = ctx;
    const struct id id = keys->id;
    keys->writes = false;
    if (err_failed(result) || keys->on.revoked == NULL) {
        round_later(keys);
        return;
    }
    token_table_remove(keys->on.table, id.text);
    keys->on.revoked(keys->on.ctx, id.text);
    round_begin(&keys->timer);
}

static void round_begin(struct timer *timer) {
    struct page_keys *keys = CONTAINER_OF(timer, struct page_keys, timer);
    const char *id = token_table_expired(keys->on.table, page_now_ms(keys));
    if (id == NULL || keys->writes) {
        round_later(keys);
        return;
    }
    keys->writes = true;
    keys->id = id_copy(bytes_of(id));
    store_write(keys->on.store, end_write, end_written, keys);
}

void page_keys_start(struct page_keys *keys, const struct page_keys_options *options) {
    *keys = (struct page_keys){.on = *options};
    round_begin(&keys->timer);
}

void page_keys_stop(struct page_keys *keys) {
    if (keys->on.store != NULL) {
        timer_stop(keys->on.loop, &keys->timer);
        keys->on.store = NULL;
        keys->on.revoked = NULL;
    }
}
