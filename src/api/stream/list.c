/* list.c: which streams there are, one of them, and how long it keeps its events. */
#include <string.h>

#include "api/base/page.h"
#include "api/stream/streams.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "journal/catalog.h"
#include "journal/journal.h"

enum { KEEP_MS_MAX_YEARS = 100 };
static const int64_t keep_ms_max = (int64_t)KEEP_MS_MAX_YEARS * 366 * 24 * 3600 * 1000;
static const int64_t keep_events_max = INT64_C(1) << 53;

enum row_form { ROW_LIGHT, ROW_WHOLE };

/* {"stream","head","floor","made_ms"}, and the retention in the whole form. */
static void row_write(const struct stream_row *row, enum row_form form, struct text *text) {
    text_add_str(text, "{\"stream\":");
    text_add_json(text, row->name.data, row->name.len);
    text_add_str(text, ",\"head\":");
    text_add_int(text, row->head);
    text_add_str(text, ",\"floor\":");
    text_add_int(text, row->floor);
    text_add_str(text, ",\"made_ms\":");
    text_add_int(text, row->made_ms);
    if (form == ROW_WHOLE) {
        text_add_str(text, ",\"keep_events\":");
        text_add_int(text, row->keep_events);
        text_add_str(text, ",\"keep_ms\":");
        text_add_int(text, row->keep_ms);
    }
    text_add_char(text, '}');
}

/* --- List ------------------------------------------------------------------------------------- */

struct list_op {
    struct page page;
    struct bytes owner, q; /* Borrowed from the exchange. */
    int64_t since_ms;
};

static_assert((int)STREAM_NAME_MAX <= (int)PAGE_CURSOR_MAX,
              "the cursor of a page of streams is a name");

static struct err list_row(void *ctx, const struct stream_row *row) {
    struct list_op *list = ctx;
    if (!page_holds(row->name, list->q) || row->made_ms < list->since_ms) {
        page_pass(&list->page, row->name);
    } else if (page_add(&list->page, row->name)) {
        row_write(row, ROW_LIGHT, &list->page.op.answer);
    }
    return ERR_OK;
}

static struct err list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    struct list_op *list = CONTAINER_OF(page, struct list_op, page);
    const struct stream_page what = {
        .owner = list->owner, .after = part->after, .limit = part->limit};
    return tx_stream_each(tx, &what, list_row, list);
}

void streams__list(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.valid = stream_name_valid};
    struct streams *streams = ctx;
    struct page_ask ask;
    if (!page_read(exchange, &form, &ask)) {
        return;
    }
    struct list_op *list = mem_new(sizeof *list);
    page_init(&list->page, exchange, ask.limit);
    list->owner = ask.owner;
    list->q = page_word(exchange, LIST_Q);
    list->since_ms = exchange_query_int(exchange, LIST_SINCE);
    page_list(&list->page, streams->store, &ask, list_rows);
}

/* --- One stream ------------------------------------------------------------------------------- */

struct show_op {
    struct op op;
    struct stream_key key; /* Borrowed from the exchange. */
    struct stream_keep keep;
};

static struct err show_row(void *ctx, const struct stream_row *row) {
    struct show_op *show = ctx;
    row_write(row, ROW_WHOLE, &show->op.answer);
    return ERR_OK;
}

static struct err show_run(struct tx *tx, void *ctx) {
    struct show_op *show = ctx;
    op_restart(&show->op);
    bool found = false;
    struct err err = tx_stream_show(tx, &show->key, &found, show_row, show);
    if (!err_failed(err) && !found) {
        why_set(&show->op.why, "there is no stream of that name");
        return err_make(ERR_NOT_FOUND, "streams: show");
    }
    return err;
}

static struct show_op *show_new(struct exchange *exchange, const struct stream_key *key) {
    struct show_op *show = mem_new(sizeof *show);
    op_init(&show->op, exchange, 200);
    show->key = *key;
    return show;
}

void streams__show(struct exchange *exchange, void *ctx) {
    struct streams *streams = ctx;
    struct stream_key key;
    if (!streams__name(exchange, STREAMS_USE_READ, &key.name)) {
        return;
    }
    struct why why = {.text = ""};
    struct err err = op_owner(exchange, SHOW_OWNER, &key.owner, &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return;
    }
    store_read(streams->store, show_run, op_done, show_new(exchange, &key));
}

/* --- Retention -------------------------------------------------------------------------------- */

static struct err keep_run(struct tx *tx, void *ctx) {
    struct show_op *show = ctx;
    op_restart(&show->op);
    bool found = false;
    struct err err = tx_stream_set_keep(tx, &show->key, &show->keep, &found);
    if (!err_failed(err)) {
        err = show_run(tx, ctx);
    }
    return err_failed(err) ? err : op_written(&show->op);
}

static struct err keep_read(const json_t *json, struct stream_keep *ret_keep, struct why *why) {
    struct stream_keep keep = {.events = -1, .ms = -1};
    const struct json_field fields[] = {
        {.name = "keep_events",
         .kind = JSON_KIND_INT,
         .max = keep_events_max,
         .number = &keep.events},
        {.name = "keep_ms", .kind = JSON_KIND_INT, .max = keep_ms_max, .number = &keep.ms},
    };
    struct err err = json_read_fields(json, fields, COUNT_OF(fields), why);
    if (err_failed(err)) {
        return err;
    }
    keep.has_events = keep.events >= 0;
    keep.has_ms = keep.ms >= 0;
    *ret_keep = keep;
    return ERR_OK;
}

void streams__keep(struct exchange *exchange, void *ctx) {
    struct streams *streams = ctx;
    const struct identity *identity = exchange_identity(exchange);
    struct stream_key key = {.owner = {identity->owner, strlen(identity->owner)}};
    if (!streams__name(exchange, STREAMS_USE_WRITE, &key.name)) {
        return;
    }
    struct why why = {.text = ""};
    struct stream_keep keep = {0};
    struct err err = keep_read(exchange_json(exchange), &keep, &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return;
    }
    struct show_op *show = show_new(exchange, &key);
    show->keep = keep;
    store_write(streams->store, keep_run, op_done, show);
}
