/* append.c: one event from outside, made durable. The hot path. */
#include "api/stream/streams.h"
#include "base/json/json.h"
#include "journal/journal.h"

struct append_op {
    struct request request;
    json_t *data_given; /* NULL: absent. */
    struct append append;
    struct text data; /* Owned: compact JSON. */
};

#define AT(member) .at = offsetof(struct append_op, member)
static const struct field append_rows[] = {
    {.name = "type",
     .kind = FIELD_TEXT,
     AT(append.type),
     .required = true,
     .schema = "{\"type\":\"string\",\"pattern\":\"^[a-z][a-z0-9_.-]{0,63}$\"}"},
    {.name = "data", .kind = FIELD_JSON, AT(data_given)},
};
const struct field_set streams__append_fields = {FIELD_ROWS(append_rows), .use = FIELD_GIVEN};

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
    text_init(&op->data, EVENT_DATA_MAX);
    struct err err = json_write(op->data_given, &op->data);
    append->data = text_bytes(&op->data);
    if (err_failed(err) && !op->data.no_memory) {
        return err_why(why, ERR_BODY_TOO_LARGE, "data: more than %d bytes as compact JSON",
                       EVENT_DATA_MAX);
    }
    return err;
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

static void append_end(void *ctx, struct err result) {
    struct append_op *op = ctx;
    text_done(&op->data);
}

const struct request_kind streams__append = {
    .size = sizeof(struct append_op),
    .writes = true,
    .fields = &streams__append_fields,
    .read = append_read,
    .work = append_work,
    .end = append_end,
};
