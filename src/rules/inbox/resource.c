/* resource.c: deliveries, which are the rows of the inbox. Order: that of the answer. */
#include "rules/inbox/inbox.h"

#define AT(member) .at = offsetof(struct inbox_row, member)
#define EACH .group = FIELD_INSERTED | FIELD_SET

const char *const receiver_kind_names[] = {"webhook", "session", NULL};

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
    {.name = "number", .kind = FIELD_INT, AT(id), .use = FIELD_KEPT, .column = "id"},
    {.name = "id",
     .kind = FIELD_TEXT,
     AT(delivery),
     .required = true,
     .column = "delivery",
     .group = FIELD_INSERTED},
    {.name = "owner",
     .kind = FIELD_TEXT,
     AT(owner),
     .use = FIELD_KEPT,
     .column = "owner",
     .group = FIELD_INSERTED},
    {.name = "run",
     .kind = FIELD_TEXT,
     AT(run),
     .required = true,
     .column = "run",
     .group = FIELD_INSERTED,
     .filter = FIELD_EQUAL,
     .filter_about = "Only those of this run."},
    {.name = "receiver",
     .kind = FIELD_NAME,
     AT(kind),
     .required = true,
     .names = receiver_kind_names,
     .column = "receiver",
     .group = FIELD_INSERTED},
    {.name = "address",
     .kind = FIELD_TEXT,
     AT(address),
     .required = true,
     .column = "address",
     .group = FIELD_INSERTED,
     FILTER_SEARCH("address or last failure")},
    {.name = "state",
     .kind = FIELD_NAME,
     AT(state),
     .required = true,
     .names = inbox_state_names,
     .column = "state",
     EACH,
     FILTER_STATE("pending|stalled|bound|held|acknowledged|gone|dropped")},
    {.name = "cause",
     .kind = FIELD_TEXT,
     AT(cause),
     .empty = FIELD_EMPTY_NULL,
     .column = "cause",
     EACH,
     .filter = FIELD_SEARCH},
    {.name = "turn",
     .kind = FIELD_TEXT,
     AT(turn),
     .empty = FIELD_EMPTY_NULL,
     .column = "turn",
     EACH},
    {.name = "failures",
     .kind = FIELD_INT,
     AT(failures),
     .required = true,
     .column = "failures",
     EACH},
    {.name = "made_ms",
     .kind = FIELD_TIME,
     AT(made_ms),
     .required = true,
     .column = "made_ms",
     .group = FIELD_INSERTED,
     FILTER_SINCE("made")},
    {.name = "not_before_ms",
     .kind = FIELD_INT,
     AT(not_before_ms),
     .use = FIELD_KEPT,
     .column = "not_before_ms",
     EACH},
    {.name = "next_ms", .kind = FIELD_TIME, .get = next_get},
    {.name = "settled_ms", .kind = FIELD_TIME, AT(settled_ms), .column = "settled_ms", EACH},
    {.name = "payload",
     .kind = FIELD_STORED,
     AT(payload),
     .use = FIELD_WHOLE,
     .schema = "{\"type\":\"object\"}",
     .column = "payload",
     .group = FIELD_INSERTED},
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
