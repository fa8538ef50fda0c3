/* list.c: which streams there are, one of them, how long it keeps its events, and their pruning. */
#include "api/base/page.h"
#include "api/stream/streams.h"
#include "journal/journal.h"

enum { KEEP_MS_MAX_YEARS = 100 };
#define KEEP_MS_MAX ((int64_t)KEEP_MS_MAX_YEARS * 366 * 24 * 3600 * 1000)
#define KEEP_EVENTS_MAX (INT64_C(1) << 53)

#define AT(member) .at = offsetof(struct stream_row, member)
static const struct field stream_rows[] = {
    {.name = "stream", .kind = FIELD_TEXT, AT(name)},
    {.name = "head", .kind = FIELD_INT, AT(head)},
    {.name = "floor", .kind = FIELD_INT, AT(floor)},
    {.name = "made_ms", .kind = FIELD_INT, AT(made_ms)},
    {.name = "keep_events", .kind = FIELD_INT, AT(keep_events), .use = FIELD_WHOLE},
    {.name = "keep_ms", .kind = FIELD_INT, AT(keep_ms), .use = FIELD_WHOLE},
};
const struct field_set streams__fields = {FIELD_ROWS(stream_rows), .use = FIELD_LISTED};

/* --- List ------------------------------------------------------------------------------------- */

static_assert((int)STREAM_NAME_MAX <= (int)PAGE_CURSOR_MAX,
              "the cursor of a page of streams is a name");

static struct err stream_list_row(void *ctx, const struct stream_row *row) {
    struct page *page = ctx;
    if (page_row(page, row->name, page_holds(page, row->name) && page_since(page, row->made_ms))) {
        fields_write(&streams__fields, FIELD_LISTED, row, &page->request.op.answer);
    }
    return ERR_OK;
}

static struct err stream_list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct stream_page what = {
        .owner = page->request.key.owner, .after = part->after, .limit = part->limit};
    return tx_stream_each(tx, &what, stream_list_row, page);
}

const struct page_kind streams__list = {.valid = stream_name_valid, .rows = stream_list_rows};

/* --- One stream ------------------------------------------------------------------------------- */

static struct stream_name stream_key_of(const struct request *request) {
    return (struct stream_name){.owner = request->key.owner,
                                .name = exchange_param(request->op.exchange, 0)};
}

static struct err stream_absent(struct request *request) {
    return err_why(&request->op.why, ERR_NOT_FOUND, "there is no stream of that name");
}

static struct err show_row(void *ctx, const struct stream_row *row) {
    struct request *request = ctx;
    fields_write(&streams__fields, FIELD_LISTED | FIELD_WHOLE, row, &request->op.answer);
    return ERR_OK;
}

static struct err stream_show_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct stream_name key = stream_key_of(request);
    bool found = false;
    struct err err = tx_stream_show(tx, &key, &found, show_row, request);
    return err_failed(err) || found ? err : stream_absent(request);
}

const struct request_kind streams__show = {.work = stream_show_work};

/* --- Retention -------------------------------------------------------------------------------- */

struct keep_op {
    struct request request;
    struct stream_keep keep;
};

#define MINIMUM_0 "{\"type\":\"integer\",\"minimum\":0}"
static const struct field keep_rows[] = {
    {.name = "keep_events",
     .kind = FIELD_INT,
     .at = offsetof(struct keep_op, keep.events),
     .max = KEEP_EVENTS_MAX,
     .absent = -1,
     .schema = MINIMUM_0},
    {.name = "keep_ms",
     .kind = FIELD_INT,
     .at = offsetof(struct keep_op, keep.ms),
     .max = KEEP_MS_MAX,
     .absent = -1,
     .schema = MINIMUM_0},
};
const struct field_set streams__keep_fields = {FIELD_ROWS(keep_rows), .use = FIELD_CHANGED};

static struct err keep_work(struct tx *tx, void *ctx) {
    struct keep_op *op = ctx;
    const struct stream_name key = stream_key_of(&op->request);
    bool found = false;
    op->keep.has_events = op->keep.events >= 0;
    op->keep.has_ms = op->keep.ms >= 0;
    struct err err = tx_stream_set_keep(tx, &key, &op->keep, &found);
    return err_failed(err) ? err : stream_show_work(tx, op);
}

const struct request_kind streams__keep = {
    .size = sizeof(struct keep_op),
    .writes = true,
    .fields = &streams__keep_fields,
    .use = FIELD_CHANGED,
    .work = keep_work,
};

/* --- Pruning: a chain of small transactions, each of which leaves a true floor ---------------- */

static struct err prune_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct stream_name key = stream_key_of(request);
    int64_t through = param_number(request->op.exchange, "through");
    struct stream_state state = {0};
    bool found = false;
    struct err err = tx_stream_find(tx, key.owner, key.name, &found, &state);
    if (err_failed(err) || !found) {
        return err_failed(err) ? err : stream_absent(request);
    }
    if (through > state.head) {
        return err_why(&request->op.why, ERR_CURSOR_AHEAD,
                       "through: %lld is ahead of the stream, whose head is %lld",
                       (long long)through, (long long)state.head);
    }
    if (through > state.floor) {
        err = tx_prune(tx, state.stream, through, JOURNAL_PRUNE_MAX, &request->more);
        if (!err_failed(err)) {
            err = tx_stream_find(tx, key.owner, key.name, &found, &state);
        }
    }
    struct text *text = &request->op.answer;
    text_add_char(text, '{');
    text_add_member(text, "stream", key.name);
    text_add_member_int(text, "head", state.head);
    text_add_member_int(text, "floor", state.floor);
    text_add_char(text, '}');
    return err;
}

const struct request_kind streams__prune = {.writes = true, .work = prune_work};
