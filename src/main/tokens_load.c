/* tokens_load.c: one page of rows after the other.
 *
 * Tokens arrive as rows of bytes, since a store function may run twice and touches nothing that is
 * shared: each page is put into the table by the loop. */
#include "main/tokens_load.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"

enum { TOKENS_PAGE = 500 };

struct loading {
    struct store *store; /* Borrowed, as is the table. */
    struct token_table *table;
    void (*done)(void *ctx, struct err err);
    void *ctx;
    struct id after; /* Tokens up to this one are in the table. */
    struct id last;  /* Of the page that was read last, and */
    int64_t count;   /* how many it has. */
    struct text page;
};

/* Members of a token that the table needs, with no pointer into the row it was read from. */
struct token_row {
    struct id id;
    struct sha256 hash;
    unsigned scopes;
    char owner[TOKEN_OWNER_MAX + 1];
};

static struct err token_pack(void *ctx, const struct token *token) {
    struct loading *loading = ctx;
    struct token_row row = {.id = token->id, .hash = token->hash, .scopes = token->scopes};
    if (token->owner.len <= TOKEN_OWNER_MAX) { /* Else it is damaged, and lets nobody in. */
        memcpy(row.owner, token->owner.data, token->owner.len);
        text_add(&loading->page, (const char *)&row, sizeof row);
    }
    loading->last = token->id;
    loading->count++;
    return ERR_OK;
}

static struct err tokens_read(struct tx *tx, void *ctx) {
    struct loading *loading = ctx;
    text_clear(&loading->page);
    loading->count = 0;
    return tx_token_each(tx, bytes_of(loading->after.text), TOKENS_PAGE, token_pack, loading);
}

static void tokens_loaded(struct err result, void *ctx) {
    struct loading *loading = ctx;
    if (!err_failed(result) && text_failed(&loading->page)) {
        result = text_error(&loading->page, "daemon: tokens");
    }
    struct token_row row;
    for (size_t at = 0; !err_failed(result) && at < loading->page.len; at += sizeof row) {
        memcpy(&row, loading->page.data + at, sizeof row);
        struct token token = {
            .id = row.id, .hash = row.hash, .owner = bytes_of(row.owner), .scopes = row.scopes};
        token_table_put(loading->table, &token);
    }
    if (!err_failed(result) && loading->count == TOKENS_PAGE) {
        loading->after = loading->last;
        store_read(loading->store, tokens_read, tokens_loaded, loading);
        return;
    }
    loading->done(loading->ctx, result);
    text_done(&loading->page);
    mem_free(loading);
}

void tokens_load(struct store *store, struct token_table *table,
                 void (*done)(void *ctx, struct err err), void *ctx) {
    struct loading *loading = mem_new(sizeof *loading);
    *loading = (struct loading){.store = store, .table = table, .done = done, .ctx = ctx};
    text_init(&loading->page, (size_t)TOKENS_PAGE * 1024);
    store_read(store, tokens_read, tokens_loaded, loading);
}
