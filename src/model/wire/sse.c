/* sse.c: bytes into lines, lines into fields, fields into events. */
#include "model/wire/sse.h"

#include <string.h>

void sse_init(struct sse *sse) {
    *sse = (struct sse){.line = text_up_to(SSE_EVENT_MAX),
                        .name = text_up_to(SSE_NAME_MAX),
                        .data = text_up_to(SSE_EVENT_MAX)};
}

void sse_done(struct sse *sse) {
    text_done(&sse->line);
    text_done(&sse->name);
    text_done(&sse->data);
}

void sse_clear(struct sse *sse) {
    sse_done(sse);
    sse_init(sse);
}

static void event_begin(struct sse *sse) {
    text_clear(&sse->name);
    text_clear(&sse->data);
    sse->before = 0;
    sse->any = sse->told = false;
}

/* The first line is mostly all of an event, and may be large: it is kept as it is, with the name of
 * the field before the data. */
static void data_begin(struct sse *sse, struct bytes value) {
    const struct text spare = sse->data;
    sse->before = (size_t)(value.data - sse->line.data);
    sse->data = sse->line;
    sse->line = spare;
}

/* "name: value", "name:value" or "name"; one blank after the colon belongs to the syntax. */
static void field_take(struct sse *sse, struct bytes line) {
    const char *colon = memchr(line.data, ':', line.len);
    size_t skip = colon != NULL ? (size_t)(colon - line.data) + 1 : line.len;
    struct bytes name = {line.data, colon != NULL ? skip - 1 : skip};
    skip += colon != NULL && skip < line.len && line.data[skip] == ' ';
    struct bytes value = {line.data + skip, line.len - skip};
    if (bytes_is(name, "data")) {
        if (!sse->any) {
            data_begin(sse, value);
        } else {
            text_add_char(&sse->data, '\n');
            text_add(&sse->data, value.data, value.len);
        }
        sse->any = true;
    } else if (bytes_is(name, "event")) {
        /* No provider's name is that long; one that is, is no name that we know. */
        text_clear(&sse->name);
        text_add(&sse->name, value.data, value.len < SSE_NAME_MAX ? value.len : 0);
    }
}

/* Ends the line. True: it was empty and ends an event that has data. */
static bool line_end(struct sse *sse) {
    static const struct bytes mark = BYTES_INIT("\xef\xbb\xbf");
    struct bytes line = text_bytes(&sse->line);
    if (!sse->begun && bytes_begin(line, mark)) {
        line = (struct bytes){line.data + mark.len, line.len - mark.len};
    }
    sse->begun = true;
    bool over = line.len == 0;
    if (!over) {
        field_take(sse, line);
    } else if (!sse->any) {
        event_begin(sse); /* A name without data is dropped. */
    }
    text_clear(&sse->line);
    return over && sse->any;
}

static struct bytes data_of(const struct sse *sse) {
    const struct bytes all = text_bytes(&sse->data);
    return (struct bytes){all.data + sse->before, all.len - sse->before};
}

static enum sse_found event_found(struct sse *sse, bool whole, struct sse_event *ret_event) {
    if (text_failed(&sse->line) || text_failed(&sse->data)) {
        return SSE_TOO_LARGE;
    }
    if (!whole) {
        return SSE_NOTHING;
    }
    sse->told = true;
    *ret_event = (struct sse_event){.name = text_bytes(&sse->name), .data = data_of(sse)};
    return SSE_EVENT;
}

enum sse_found sse_pull(struct sse *sse, struct bytes *rest, struct sse_event *ret_event) {
    if (sse->told) {
        event_begin(sse);
    }
    while (rest->len > 0) {
        if (sse->after_cr && rest->data[0] == '\n') {
            rest->data++;
            rest->len--;
        }
        sse->after_cr = false;
        size_t len = 0;
        while (len < rest->len && rest->data[len] != '\n' && rest->data[len] != '\r') {
            len++;
        }
        text_add(&sse->line, rest->data, len);
        bool ended = len < rest->len;
        sse->after_cr = ended && rest->data[len] == '\r';
        rest->data += len + ended;
        rest->len -= len + ended;
        const bool whole = ended && !text_failed(&sse->line) && line_end(sse);
        enum sse_found found = event_found(sse, whole, ret_event);
        if (found != SSE_NOTHING) {
            return found;
        }
    }
    return event_found(sse, /* whole */ false, ret_event);
}

enum sse_found sse_end(struct sse *sse, struct sse_event *ret_event) {
    if (sse->told) {
        event_begin(sse);
    }
    if (sse->line.len > 0) {
        (void)line_end(sse); /* Not empty: it ends nothing. */
    }
    return event_found(sse, sse->any, ret_event);
}

char *sse_take(struct sse *sse, struct bytes *ret_data) {
    *ret_data = data_of(sse);
    return text_take(&sse->data, NULL /* ret_data has the length */);
}
