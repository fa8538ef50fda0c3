/* follow.c: see follow.h. */
#include "engine/base/follow.h"

#include <string.h>

#include "journal/journal.h"

#define REMOVED_END ",\"removed\":true}"
/* A function appends no more events of removals than that to one stream. */
enum { REMOVALS_MAX = 1000, HEAD_SIZE = 200, HITS_MAX = 500 };

static bool bytes_end(struct bytes text, const char *end) {
    const size_t len = strlen(end);
    return text.len >= len && memcmp(text.data + text.len - len, end, len) == 0;
}

/* --- Earlier events of rows that are gone ----------------------------------------------------- */

/* The first member of an event: {"id":"run_…". Only the member "id" names a row among those of all
 * kinds, whatever the member is called in which other events have that name. */
struct told {
    struct bytes head;
    int64_t seq;
};

/* A name has no quotes in it; one that is longer, in a damaged row, is no key. */
static struct bytes head_of(struct bytes data) {
    const char *end = NULL;
    int quotes = 0;
    for (size_t i = 0; i < data.len && end == NULL; i++) {
        quotes += data.data[i] == '"' ? 1 : 0;
        end = quotes == 4 ? data.data + i + 1 : NULL;
    }
    return (struct bytes){data.data, end == NULL ? 0 : (size_t)(end - data.data)};
}

static bool head_is(struct bytes removed, struct bytes told) {
    static const char id[] = "{\"id\":";
    const size_t member = sizeof id - 1;
    if (removed.len > member && memcmp(removed.data, id, member) == 0) {
        const size_t len = removed.len - member; /* Length of the value, with its quotes. */
        return told.len > len && told.data[told.len - len - 1] == ':' &&
               memcmp(told.data + told.len - len, removed.data + member, len) == 0;
    }
    return bytes_equal(removed, told);
}

/* The removals among the latest events of the stream; their number. */
static size_t removals_read(struct tx *tx, int64_t stream, struct told *removals) {
    size_t count = 0;
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                "SELECT seq, data FROM events WHERE stream = $1 AND seq >"
                " (SELECT head FROM streams WHERE id = $1) - $2 AND length(data) < $3 ORDER BY seq",
                ARGS(arg_int(stream), arg_int(REMOVALS_MAX), arg_int(HEAD_SIZE)));
    while (count < REMOVALS_MAX && rows_step(rows)) {
        const struct bytes data = rows_text(rows, 1), head = head_of(data);
        if (head.len > 0 && bytes_end(data, REMOVED_END)) {
            removals[count++] = (struct told){tx_copy(tx, head), rows_int(rows, 0)};
        }
    }
    return count;
}

/* A page of events after *io_after that say more than that their row is gone; how many. */
static size_t told_find(struct tx *tx, int64_t stream, const struct told *removals, size_t count,
                        int64_t *io_after, struct told hits[HITS_MAX]) {
    size_t found = 0;
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT seq, substr(data, 1, CAST($3 AS INTEGER)) FROM events "
                                "WHERE stream = $1 AND seq > $2"
                                " ORDER BY seq",
                                ARGS(arg_int(stream), arg_int(*io_after), arg_int(HEAD_SIZE)));
    while (found < HITS_MAX && rows_step(rows)) {
        const struct bytes data = rows_text(rows, 1), head = head_of(data);
        const int64_t seq = *io_after = rows_int(rows, 0);
        for (size_t i = 0; i < count && head.len > 0 && !bytes_end(data, REMOVED_END); i++) {
            if (removals[i].seq > seq && head_is(removals[i].head, head)) {
                hits[found++] = (struct told){tx_copy(tx, head), seq};
                break;
            }
        }
    }
    return found;
}

void follow__untell(struct tx *tx, int64_t stream) {
    struct told *removals = tx_memory(tx, REMOVALS_MAX * sizeof *removals);
    struct told *hits = tx_memory(tx, HITS_MAX * sizeof *hits);
    const size_t count = hits == NULL ? 0 : removals_read(tx, stream, removals);
    int64_t after = 0;
    for (size_t found = HITS_MAX; count > 0 && found == HITS_MAX && !err_failed(tx_error(tx));) {
        found = told_find(tx, stream, removals, count, &after, hits);
        for (size_t i = 0; i < found; i++) { /* After the cursor, which survives no write. */
            tx_do(tx,
                  "UPDATE events SET data = $3 || '" REMOVED_END "' WHERE stream = $1 AND seq = $2",
                  ARGS(arg_int(stream), arg_int(hits[i].seq), arg_text(hits[i].head)));
        }
    }
    tx_scrub(tx);
}

/* --- Told ------------------------------------------------------------------------------------- */

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
    if (bytes_end(append->data, REMOVED_END)) {
        tx_row_changed(tx, FOLLOW_REMOVAL, appended.stream);
    }
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
