/* streams.c: streams: append (the hot path), list, one of them, how long it keeps its events, their
 * pruning; and the routes. Reading events is in read.c. */
#include "api/stream/streams.h"

#include "base/json/json.h"
#include "http/stream/websocket.h"
#include "journal/journal.h"

/* --- Append: one event from outside, made durable --------------------------------------------- */

struct append_op {
    struct request request;
    json_t *data_given; /* NULL: absent. */
    struct append append;
    struct text data; /* Owned: compact JSON. */
};

#define AT(member) offsetof(struct append_op, member)
static const struct field append_rows[] = {
    {FIELD("type", FIELD_TEXT, AT(append.type)), .required = true,
     .schema = "{\"type\":\"string\",\"pattern\":\"^[a-z][a-z0-9_.-]{0,63}$\"}"},
    {FIELD("data", FIELD_JSON, AT(data_given))},
};
static const struct field_set stream_append_fields = {FIELD_ROWS(append_rows), .use = FIELD_GIVEN};

static struct err append_read(void *ctx) {
    struct append_op *op = ctx;
    struct append *append = &op->append;
    struct why *why = &op->request.op.why;
    append->owner = op->request.key.owner;
    append->stream = exchange_param(op->request.op.exchange, 0);
    if (!event_type_valid(append->type)) {
        return err_why(why, ERR_BAD_FIELD,
                       "type: 1 to %d of a-z, 0-9, '_', '.', '-', beginning with a letter; "
                       "snapshot, done and closing are reserved",
                       EVENT_TYPE_MAX);
    }
    if (op->data_given == NULL) {
        append->data = BYTES("null");
        return ERR_OK;
    }
    request_text(&op->request, &op->data, EVENT_DATA_MAX);
    struct err err = json_write(op->data_given, &op->data);
    append->data = text_bytes(&op->data);
    return err_failed(err) && !op->data.no_memory
               ? err_why(why, ERR_BODY_TOO_LARGE, "data: more than %d bytes as compact JSON",
                         EVENT_DATA_MAX)
               : err;
}

static struct err append_work(struct tx *tx, void *ctx) {
    struct append_op *op = ctx;
    struct text *text = &op->request.op.answer;
    struct appended appended = {0};
    struct err err = tx_append(tx, &op->append, &appended);
    text_add_char(text, '{');
    text_add_member(text, "stream", op->append.stream);
    text_add_member_int(text, "seq", appended.seq);
    text_add_member_int(text, "at_ms", appended.at_ms);
    text_add_char(text, '}');
    return err;
}

static const struct request_kind stream_append = {
    .size = sizeof(struct append_op),
    .writes = true,
    .fields = &stream_append_fields,
    .read = append_read,
    .work = append_work,
};

/* --- List ------------------------------------------------------------------------------------- */

enum { KEEP_MS_MAX_YEARS = 100 };
#define KEEP_MS_MAX ((int64_t)KEEP_MS_MAX_YEARS * 366 * 24 * 3600 * 1000)
#define KEEP_EVENTS_MAX (INT64_C(1) << 53)

#define ROW(member) offsetof(struct stream_row, member)
static const struct field stream_rows[] = {
    {FIELD("stream", FIELD_TEXT, ROW(name))},
    {FIELD("head", FIELD_INT, ROW(head))},
    {FIELD("floor", FIELD_INT, ROW(floor))},
    {FIELD("made_ms", FIELD_INT, ROW(made_ms))},
    {FIELD("keep_events", FIELD_INT, ROW(keep_events)), .use = FIELD_WHOLE},
    {FIELD("keep_ms", FIELD_INT, ROW(keep_ms)), .use = FIELD_WHOLE},
};
static const struct field_set stream_fields = {FIELD_ROWS(stream_rows), .use = FIELD_LISTED};

static_assert((int)STREAM_NAME_MAX <= (int)PAGE_CURSOR_MAX,
              "the cursor of a page of streams is a name");

static struct err stream_list_row(void *ctx, const struct stream_row *row) {
    struct page *page = ctx;
    if (page_row(page, row->name, page_holds(page, row->name) && page_since(page, row->made_ms))) {
        fields_write(&stream_fields, FIELD_LISTED, row, &page->request.op.answer);
    }
    return ERR_OK;
}

static struct err stream_list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct stream_page what = {
        .owner = page->request.key.owner, .after = part->after, .limit = part->limit};
    return tx_stream_each(tx, &what, stream_list_row, page);
}

static const struct page_kind stream_list = {.valid = stream_name_valid, .rows = stream_list_rows};

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
    fields_write(&stream_fields, FIELD_LISTED | FIELD_WHOLE, row, &request->op.answer);
    return ERR_OK;
}

static struct err stream_show_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct stream_name key = stream_key_of(request);
    bool found = false;
    struct err err = tx_stream_show(tx, &key, &found, show_row, request);
    return err_failed(err) || found ? err : stream_absent(request);
}

static const struct request_kind stream_show = {.work = stream_show_work};

/* --- Retention -------------------------------------------------------------------------------- */

struct keep_op {
    struct request request;
    struct stream_keep keep;
};

#define KEEP(member) offsetof(struct keep_op, keep.member)
#define MINIMUM_0 "{\"type\":\"integer\",\"minimum\":0}"
static const struct field keep_rows[] = {
    {FIELD("keep_events", FIELD_INT, KEEP(events)), .max = KEEP_EVENTS_MAX, .absent = -1,
     .schema = MINIMUM_0},
    {FIELD("keep_ms", FIELD_INT, KEEP(ms)), .max = KEEP_MS_MAX, .absent = -1, .schema = MINIMUM_0},
};
static const struct field_set stream_keep_fields = {FIELD_ROWS(keep_rows), .use = FIELD_CHANGED};

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
    .fields = &stream_keep_fields,
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

static const struct request_kind stream_prune = {.writes = true, .work = prune_work};

/* --- Names ------------------------------------------------------------------------------------ */

enum streams_use { USE_READ, USE_WRITE };

/* False: the name of the path was refused. */
static bool name_check(struct exchange *exchange, enum streams_use use) {
    struct bytes name = exchange_param(exchange, 0);
    struct why why;
    struct err err = ERR_OK;
    if (!stream_name_valid(name)) {
        err = err_why(&why, ERR_BAD_FIELD,
                      "stream: a name is 1 to %d of A-Z, a-z, 0-9 and . _ : @ ~ -, neither '.' "
                      "nor '..'",
                      STREAM_NAME_MAX);
    } else if (use == USE_WRITE && stream_name_reserved(name)) {
        err = err_why(&why, ERR_STREAM_RESERVED,
                      "stream: names that begin with session:, run:, project:, owner: or log:, "
                      "system and system:admin are written by drover alone");
    } else if (use == USE_READ) {
        err = stream_check_reader(name, exchange_identity(exchange)->scopes, &why);
    }
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
    }
    return !err_failed(err);
}

static void read_handle(struct exchange *exchange, void *ctx) {
    if (name_check(exchange, USE_READ)) {
        request_handle(exchange, ctx);
    }
}

static void write_handle(struct exchange *exchange, void *ctx) {
    if (name_check(exchange, USE_WRITE)) {
        request_handle(exchange, ctx);
    }
}

static void events_handle(struct exchange *exchange, void *ctx) {
    if (!exchange_accepts(exchange, "text/event-stream")) {
        read_handle(exchange, ctx);
    } else if (name_check(exchange, USE_READ)) {
        streams__follow(exchange, ctx);
    }
}

static void websocket(struct exchange *exchange, void *ctx) {
    struct streams *streams = ctx;
    exchange_upgrade_websocket(exchange, streams->hub, streams->feeds);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param read_query[] = {
    {QUERY("after", QUERY_INT,
           "Cursor: the seq of the last event that is known; -1: only new ones."),
     .min = -1, .max = INT64_MAX},
    {QUERY("limit", QUERY_INT, "Events on a page."), .min = 1, .max = READ_LIMIT_MAX,
     .absent = READ_LIMIT_DEFAULT},
    {QUERY("wait", QUERY_INT, "Seconds to wait for an event when there is none (long-poll)."),
     .min = 0, .max = READ_WAIT_MAX_S},
    {QUERY("snapshot", QUERY_FLAG, "Begin with a snapshot in any case.")},
    OP_OWNER_PARAM("Another owner's stream"),
    {.name = NULL},
};

static const struct query_param list_query[] = {
    PAGE_PARAMS(STREAM_NAME_MAX),
    OP_OWNER_PARAM("Another owner's streams"),
    PAGE_Q_PARAM("name"),
    PAGE_SINCE_PARAM("made"),
    {.name = NULL},
};

static const struct query_param prune_query[] = {
    {QUERY("through", QUERY_INT, "The last event to remove; all before it go too."),
     .required = true, .min = 1, .max = INT64_MAX},
    {.name = NULL},
};

static const char append_answer[] =
    "{\"type\":\"object\",\"required\":[\"stream\",\"seq\",\"at_ms\"],\"properties\":{"
    "\"stream\":" TEXT_SCHEMA ",\"seq\":" INT_SCHEMA ",\"at_ms\":" INT_SCHEMA "}}";

static const char read_answer[] =
    "{\"type\":\"object\",\"required\":[\"events\",\"head\",\"floor\"],\"properties\":{"
    "\"snapshot\":" OBJECT_SCHEMA ",\"snapshot_seq\":" INT_SCHEMA
    ",\"events\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"seq\",\"at_"
    "ms\",\"type\",\"data\"],\"properties\":{\"seq\":" INT_SCHEMA ",\"at_ms\":" INT_SCHEMA
    ",\"type\":" TEXT_SCHEMA ",\"data\":{}}}},\"head\":" INT_SCHEMA ",\"floor\":" INT_SCHEMA "}}";

static const char prune_answer[] =
    "{\"type\":\"object\",\"required\":[\"stream\",\"head\",\"floor\"],\"properties\":{"
    "\"stream\":" TEXT_SCHEMA ",\"head\":" INT_SCHEMA ",\"floor\":" INT_SCHEMA "}}";

const struct route streams_routes[] = {
    {ROUTE("POST", "/api/v1/streams/{id}/events", SCOPE_RUN,
           "Append an event; the answer means that it is on disk"),
     .inside = INSIDE_ALWAYS, .has_body = true, .idempotent_key = true,
     .body = {.fields = &stream_append_fields, .use = FIELD_GIVEN}, .answer_schema = append_answer,
     .answer_status = 201, .handle = write_handle, .request = &stream_append},
    {ROUTE("GET", "/api/v1/streams/{id}/events", SCOPE_READ,
           "Read events; waits with ?wait=, follows with Accept: text/event-stream"),
     .query = read_query, .answer_schema = read_answer, .stream_media = "text/event-stream",
     .handle = events_handle, .request = &streams__read},
    {ROUTE("DELETE", "/api/v1/streams/{id}/events", SCOPE_RUN, "Prune the events up to ?through="),
     .query = prune_query, .answer_schema = prune_answer, .handle = write_handle,
     .request = &stream_prune},
    {ROUTE("GET", "/api/v1/streams", SCOPE_READ, "List the streams"), .query = list_query,
     .answer = {.fields = &stream_fields, .use = FIELD_LISTED, .page = true}, .page = &stream_list},
    {ROUTE("GET", "/api/v1/streams/{id}", SCOPE_READ, "Show a stream"),
     .query = OP_OWNER_QUERY("Another owner's stream"),
     .answer = {.fields = &stream_fields, .use = FIELD_LISTED | FIELD_WHOLE}, .handle = read_handle,
     .request = &stream_show},
    {ROUTE("PATCH", "/api/v1/streams/{id}", SCOPE_RUN,
           "Set how long a stream keeps its events; 0 keeps them for ever"),
     .has_body = true, .body = {.fields = &stream_keep_fields, .use = FIELD_CHANGED},
     .answer = {.fields = &stream_fields, .use = FIELD_LISTED | FIELD_WHOLE},
     .handle = write_handle, .request = &streams__keep},
    {ROUTE("GET", "/api/v1/ws", SCOPE_READ, "Follow many streams over one WebSocket"),
     .answer_status = 101, .signs_in = true, .handle = websocket},
    {.method = NULL},
};
