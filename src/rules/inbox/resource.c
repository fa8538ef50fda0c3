/* resource.c: deliveries, which are the rows of the inbox. Order: that of the answer. */
#include "rules/inbox/inbox.h"

#define AT(member) offsetof(struct inbox_row, member)

const char *const receiver_kind_names[] = {"webhook", "session", NULL};

const char *const notice_event_names[] = {"asked", "stalled", "failed", "ended", NULL};

static struct field_value next_get(const void *row) {
    const struct inbox_row *delivery = row;
    return (struct field_value){.number = delivery->not_before_ms,
                                .null = delivery->settled_ms != 0 || delivery->not_before_ms == 0};
}

static void row_correct(void *row, bool known) {
    struct inbox_row *delivery = row;
    if (!known) {
        delivery->state = delivery->settled_ms == 0 ? INBOX_HELD : INBOX_GONE;
        delivery->cause = BYTES(INBOX_DAMAGED);
    }
    if (delivery->payload.len > INBOX_PAYLOAD_MAX) {
        delivery->payload.len = 0;
    }
}

static const struct field rows[] = {
    {ROW_NUMBER(AT(id))},
    {ROW_ID(FIELD_TEXT, AT(delivery), "delivery", "DELIVERY")},
    {ROW_OWNER(AT(owner))},
    {ROW_ONCE("run", FIELD_TEXT, AT(run)), .required = true,
     FILTER_TEXT(FIELD_EQUAL, "run", 0, "RUN", "those of this run."),
     FIELD_HEAD("RUN", -FIELD_ID_WIDTH)},
    {ROW_ONCE("event", FIELD_NAME, AT(event)), .required = true, .names = notice_event_names},
    {ROW_ONCE("approval", FIELD_INT, AT(approval)), .use = FIELD_KEPT},
    {ROW_ONCE("receiver", FIELD_NAME, AT(kind)), .required = true, .names = receiver_kind_names},
    {ROW_ONCE("address", FIELD_TEXT, AT(address)), .required = true,
     FILTER_SEARCH("address or last failure"), FIELD_HEAD("TO", FIELD_REST)},
    {ROW_EACH("state", FIELD_NAME, AT(state)), .required = true, .names = inbox_state_names,
     FILTER_STATE("pending|stalled|bound|held|acknowledged|gone|dropped"),
     FIELD_HEAD("STATE", -12)},
    {ROW_EACH("cause", FIELD_TEXT, AT(cause)), .empty = FIELD_EMPTY_NULL, .filter = FIELD_SEARCH,
     .head = "BECAUSE"},
    {ROW_EACH("turn", FIELD_TEXT, AT(turn)), .empty = FIELD_EMPTY_NULL},
    {ROW_EACH("failures", FIELD_INT, AT(failures)), .required = true, FIELD_HEAD("FAILURES", 8)},
    {ROW_MADE(AT(made_ms)), FILTER_SINCE("created")},
    {ROW_EACH("not_before_ms", FIELD_INT, AT(not_before_ms)), .use = FIELD_KEPT},
    {.name = "next_ms", .kind = FIELD_TIME, .get = next_get, FIELD_HEAD("NEXT", -FIELD_TIME_WIDTH)},
    {ROW_EACH("settled_ms", FIELD_TIME, AT(settled_ms)), .head = "SETTLED"},
    {ROW_ONCE("payload", FIELD_STORED, AT(payload)), .use = FIELD_WHOLE,
     .schema = "{\"type\":\"object\"}", .head = "NOTICE"},
};

const struct resource delivery_resource = {
    .name = "delivery",
    .plural = "deliveries",
    .path = "/api/v1/inbox",
    .table = "inbox",
    .key = "id",
    .prefix = "dlv",
    .fields = {FIELD_ROWS(rows), .use = FIELD_SHOWN},
    .size = sizeof(struct inbox_row),
    .settled = "settled_ms",
    .correct = row_correct,
    .routes = {[RESOURCE_LIST] = {.scope = SCOPE_READ,
                                  .summary =
                                      "List the deliveries that are not settled, newest first"},
               [RESOURCE_SHOW] = {.scope = SCOPE_READ,
                                  .summary = "Show a delivery, with what it delivers"}},
};
