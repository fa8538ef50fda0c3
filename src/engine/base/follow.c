/* follow.c: see follow.h. */
#include "engine/base/follow.h"

#include "journal/journal.h"

/* The stream PREFIX NAME gets the event. */
static void stream_tell(struct tx *tx, struct append *append, const char *prefix,
                        struct bytes name) {
    struct appended appended = {.seq = 0};
    bool found = false;
    append->stream = tx_stream_name(tx, prefix, name);
    if (!stream_name_valid(append->stream) || append->owner.len == 0 ||
        append->owner.len > STREAM_OWNER_MAX) {
        return;
    }
    tx_fail(tx, tx_append(tx, append, &appended));
    if (appended.seq == 1) {
        const struct retention keep = {.events = FOLLOW_EVENTS_KEPT};
        tx_fail(tx, tx_stream_keep(tx, append->owner, append->stream, keep, &found));
    }
}

static void flag_write(const struct follow *change, const char *flag, struct text *text) {
    text_clear(text);
    text_add_char(text, '{');
    text_add_member(text, change->key != NULL ? change->key : "id", change->id);
    text_add_member_bool(text, flag, true);
    text_add_char(text, '}');
}

void follow_tell(struct tx *tx, const struct follow *change, const struct text *data) {
    AUTO(text_done) struct text type = text_up_to(EVENT_TYPE_MAX);
    AUTO(text_done) struct text flag = text_up_to(EVENT_DATA_MAX);
    const bool cut = data != NULL && text_failed(data) && !data->no_memory;
    text_addf(&type, change->happened ? "%s" : "%s_changed", change->name);
    if (data == NULL || cut) {
        flag_write(change, cut ? "left_out" : "removed", &flag);
        data = &flag;
    }
    if (text_failed(&type) || data->no_memory) {
        tx_fail(tx, text_error(data->no_memory ? data : &type, "follow: event"));
    }
    if (text_failed(data) || err_failed(tx_error(tx))) { /* Else the id is damaged. */
        return;
    }
    struct append append = {
        .owner = change->owner, .type = text_bytes(&type), .data = text_bytes(data)};
    if (change->stream != NULL) {
        append.owner = BYTES("local");
        stream_tell(tx, &append, change->stream, BYTES(""));
        return;
    }
    stream_tell(tx, &append, "owner:", change->owner);
    if (change->project.len > 0) {
        stream_tell(tx, &append, "project:", change->project);
    }
}
