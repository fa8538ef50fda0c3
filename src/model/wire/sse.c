/* sse.c: bytes into lines, lines into fields, fields into events. */
#include "model/wire/sse.h"

#include <string.h>

void sse_init(struct sse *sse) {
    *sse = (struct sse){.begun = false};
    text_init(&sse->line, SSE_EVENT_MAX);
    text_init(&sse->name, SSE_NAME_MAX);
    text_init(&sse->data, SSE_EVENT_MAX);
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

static void begin_event(struct sse *sse) {
    text_clear(&sse->name);
    text_clear(&sse->data);
    sse->any = sse->told = false;
}

/* "name: value", "name:value" or "name"; one blank after the colon belongs to the syntax. */
static void take_field(struct sse *sse, struct bytes line) {
    const char *colon = memchr(line.data, ':', line.len);
    size_t name_len = colon != NULL ? (size_t)(colon - line.data) : line.len;
    size_t skip = colon != NULL ? name_len + 1 : name_len;
    skip += skip < line.len && line.data[skip] == ' ' && colon != NULL;
    struct bytes value = {line.data + skip, line.len - skip};
    if (name_len == 4 && memcmp(line.data, "data", 4) == 0) {
        if (sse->any) {
            text_add_char(&sse->data, '\n');
        }
        text_add(&sse->data, value.data, value.len);
        sse->any = true;
    } else if (name_len == 5 && memcmp(line.data, "event", 5) == 0) {
        /* No provider's name is that long; one that is, is no name that we know. */
        text_clear(&sse->name);
        text_add(&sse->name, value.data, value.len < SSE_NAME_MAX ? value.len : 0);
    }
}

static struct bytes taken_line(struct sse *sse) {
    struct bytes line = {sse->line.data != NULL ? sse->line.data : "", sse->line.len};
    if (!sse->begun && line.len >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0) {
        line = (struct bytes){line.data + 3, line.len - 3};
    }
    sse->begun = true;
    return line;
}

static void tell(struct sse *sse, struct sse_event *ret_event) {
    sse->told = true;
    *ret_event =
        (struct sse_event){.name = {sse->name.data != NULL ? sse->name.data : "", sse->name.len},
                           .data = {sse->data.data != NULL ? sse->data.data : "", sse->data.len}};
}

/* true: the line was empty and ends an event that has data. */
static bool end_line(struct sse *sse) {
    struct bytes line = taken_line(sse);
    bool over = line.len == 0;
    if (!over) {
        take_field(sse, line);
    } else if (!sse->any) {
        begin_event(sse); /* A name without data is dropped. */
    }
    text_clear(&sse->line);
    return over && sse->any;
}

static bool too_large(const struct sse *sse) {
    return text_failed(&sse->line) || text_failed(&sse->data);
}

enum sse_found sse_pull(struct sse *sse, struct bytes *rest, struct sse_event *ret_event) {
    if (sse->told) {
        begin_event(sse);
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
        bool event = ended && end_line(sse);
        if (too_large(sse)) {
            return SSE_TOO_LARGE;
        }
        if (event) {
            tell(sse, ret_event);
            return SSE_EVENT;
        }
    }
    return too_large(sse) ? SSE_TOO_LARGE : SSE_NOTHING;
}

enum sse_found sse_end(struct sse *sse, struct sse_event *ret_event) {
    if (sse->told) {
        begin_event(sse);
    }
    if (sse->line.len > 0) {
        (void)end_line(sse); /* Not empty: it ends nothing. */
    }
    if (too_large(sse)) {
        return SSE_TOO_LARGE;
    }
    if (!sse->any) {
        return SSE_NOTHING;
    }
    tell(sse, ret_event);
    return SSE_EVENT;
}
