/* follow.c: see follow.h. */
#include "engine/base/follow.h"

#include "journal/journal.h"

static void stream_tell(struct tx *tx, struct bytes owner, struct bytes stream,
                        const struct follow_event *event) {
    struct appended appended = {.seq = 0};
    bool found = false;
    if (!stream_name_valid(stream) || owner.len == 0 || owner.len > STREAM_OWNER_MAX) {
        return;
    }
    const struct append append = {
        .owner = owner, .stream = stream, .type = event->type, .data = event->data};
    tx_fail(tx, tx_append(tx, &append, &appended));
    if (appended.seq == 1) {
        const struct retention keep = {.events = FOLLOW_EVENTS_KEPT};
        tx_fail(tx, tx_stream_keep(tx, owner, stream, keep, &found));
    }
}

static void named_tell(struct tx *tx, struct bytes owner, const char *prefix, struct bytes name,
                       const struct follow_event *event) {
    AUTO(text_done) struct text stream = text_up_to(STREAM_NAME_MAX);
    text_add_str(&stream, prefix);
    text_add(&stream, name.data, name.len);
    if (!text_failed(&stream)) {
        stream_tell(tx, owner, text_bytes(&stream), event);
    }
}

void follow_tell_owner(struct tx *tx, struct bytes owner, const struct follow_event *event) {
    named_tell(tx, owner, "owner:", owner, event);
}

void follow_tell(struct tx *tx, const struct follow_place *place,
                 const struct follow_event *event) {
    follow_tell_owner(tx, place->owner, event);
    if (place->project.len > 0) {
        named_tell(tx, place->owner, "project:", place->project, event);
    }
}

void follow_tell_system(struct tx *tx, const struct follow_event *event) {
    stream_tell(tx, BYTES("local"), BYTES("system"), event);
}

static void flag_tell(struct tx *tx, const struct follow_place *place, struct bytes type,
                      struct bytes id, const char *flag) {
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    text_add_char(&data, '{');
    text_add_member(&data, "id", id);
    text_add_member_bool(&data, flag, true);
    text_add_char(&data, '}');
    if (!text_failed(&data)) { /* Else the id is damaged. */
        follow_tell(tx, place, &(struct follow_event){type, text_bytes(&data)});
    } else if (data.no_memory) {
        tx_fail(tx, text_error(&data, "follow: event"));
    }
}

void follow_tell_row(struct tx *tx, const struct follow_place *place, struct bytes type,
                     struct bytes id, const struct text *data) {
    if (!text_failed(data)) {
        follow_tell(tx, place, &(struct follow_event){type, text_bytes(data)});
    } else if (data->no_memory) {
        tx_fail(tx, text_error(data, "follow: row"));
    } else {
        flag_tell(tx, place, type, id, "left_out");
    }
}

void follow_tell_removed(struct tx *tx, const struct follow_place *place, struct bytes type,
                         struct bytes id) {
    flag_tell(tx, place, type, id, "removed");
}
