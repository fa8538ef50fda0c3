/* printed.c: one walk over the answer; at each mark, is there a call?
 *
 * What looks like a call and is none stays as it is, mark and all.
 */
#include "tool/printed.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "tool/repair.h"

enum {
    ARGUMENTS_MAX = 4 << 20,
    TRIES_MAX = 64, /* Marks after which no call was found: then the rest is text. */
};

/* How it begins and ends. `ends` NULL: with the object. */
struct mark {
    struct bytes begins, ends;
    bool named; /* <function=NAME>: the object has the arguments alone. */
    bool lines; /* Begins and ends at the start of a line. */
};
static const struct mark marks[] = {
    {BYTES_INIT("<tool_call>"), BYTES_INIT("</tool_call>"), false, false},
    {BYTES_INIT("<function="), BYTES_INIT("</function>"), true, false},
    {BYTES_INIT("<|python_tag|>"), {NULL, 0}, false, false},
    {BYTES_INIT("```"), BYTES_INIT("```"), false, true},
};

struct reader {
    struct bytes answer;
    const struct printed_names *names;
    struct printed *printed;
    size_t kept; /* The answer up to here is in the text, or was cut out of it. */
    size_t next_end[COUNT_OF(marks)]; /* Where the next end of each kind is: each is looked for
                                         once. */
    unsigned tries;
    struct err err;
};

void printed_done(struct printed *printed) {
    for (size_t i = 0; i < printed->count; i++) {
        mem_free(printed->calls[i].name);
        mem_free(printed->calls[i].arguments);
    }
    text_done(&printed->text);
    *printed = (struct printed){0};
}

static bool add_call(struct reader *reader, struct bytes name, const json_t *arguments) {
    struct printed *printed = reader->printed;
    if (name.len == 0 || !reader->names->known(reader->names->ctx, name)) {
        return false;
    }
    AUTO(text_done) struct text text = text_up_to(ARGUMENTS_MAX);
    if (json_is_string(arguments)) {
        text_add(&text, json_string_value(arguments), json_string_length(arguments));
        if (memchr(json_string_value(arguments), '\0', json_string_length(arguments)) != NULL) {
            return false;
        }
    } else if (err_failed(json_write(arguments, &text))) {
        reader->err = err_make(ERR_OUT_OF_MEMORY, "printed: call");
        return false;
    }
    if (text_failed(&text) || text.data == NULL) {
        return false;
    }
    struct printed_call *call = &printed->calls[printed->count++];
    call->name = mem_copy(name.data, name.len);
    call->arguments = text_take(&text, NULL);
    return true;
}

/* The object, or the name and its arguments, that stand between the marks. */
static bool add_content(struct reader *reader, const struct mark *mark, struct bytes content) {
    static const char *const spellings[] = {"arguments", "parameters", "input"};
    struct bytes name = {NULL, 0};
    if (mark->named && !bytes_next(&content, '>', &name)) {
        return false;
    }
    if (content.len == 0 || memchr(content.data, '{', content.len) == NULL) {
        return false;
    }
    AUTO(json_release) json_t *json = NULL;
    AUTO(text_done) struct text told = text_up_to(1024);
    if (err_failed(repair_parse(content, &json, &told, NULL)) || !json_is_object(json)) {
        return false;
    }
    if (mark->named) {
        return add_call(reader, name, json);
    }
    const json_t *function = json_object_get(json, "function"), *arguments = NULL;
    const json_t *object = json_is_object(function) ? function : json;
    for (size_t i = 0; arguments == NULL && i < COUNT_OF(spellings); i++) {
        arguments = json_object_get(object, spellings[i]);
    }
    return (json_is_object(arguments) || json_is_string(arguments)) &&
           add_call(reader, json_bytes(object, "name"), arguments);
}

/* The word after the fence says whether the block may be a call: "json", "tool_call", none. */
static bool fence_content(struct bytes *content) {
    struct bytes info = {NULL, 0};
    if (memchr(content->data, '\n', content->len) == NULL || !bytes_next(content, '\n', &info)) {
        return false;
    }
    while (info.len > 0 && (info.data[info.len - 1] == '\r' || info.data[info.len - 1] == ' ')) {
        info.len--;
    }
    return info.len == 0 || bytes_is(info, "json") || bytes_is(info, "tool_call") ||
           bytes_is(info, "tool_code");
}

static size_t find_end(struct reader *reader, size_t which, size_t from) {
    const struct mark *mark = &marks[which];
    size_t *known = &reader->next_end[which];
    if (mark->ends.data == NULL) {
        return reader->answer.len;
    }
    if (*known < from) {
        const char *found = memmem(reader->answer.data + from, reader->answer.len - from,
                                   mark->ends.data, mark->ends.len);
        *known = found == NULL ? SIZE_MAX : (size_t)(found - reader->answer.data);
    }
    return *known;
}

/* A mark stands at `at`: cuts the call out and answers where it ends, or 0. */
static size_t try_mark(struct reader *reader, size_t which, size_t at) {
    const struct mark *mark = &marks[which];
    size_t from = at + mark->begins.len, end = find_end(reader, which, from);
    bool open = end == SIZE_MAX;
    if (open && mark->lines) {
        return 0;
    }
    size_t stop = open ? reader->answer.len : end;
    struct bytes content = {reader->answer.data + from, stop - from};
    if ((mark->lines && !fence_content(&content)) || !add_content(reader, mark, content)) {
        return 0;
    }
    text_add(&reader->printed->text, reader->answer.data + reader->kept, at - reader->kept);
    reader->kept = open || mark->ends.data == NULL ? stop : stop + mark->ends.len;
    return reader->kept;
}

/* Behind a call or a mark at `at`; at + 1: there is none. */
static size_t try_at(struct reader *reader, size_t at) {
    struct bytes rest = {reader->answer.data + at, reader->answer.len - at};
    for (size_t which = 0; which < COUNT_OF(marks); which++) {
        const struct mark *mark = &marks[which];
        if (!bytes_begin(rest, mark->begins) || (mark->lines && at > 0 && rest.data[-1] != '\n')) {
            continue;
        }
        size_t next = try_mark(reader, which, at);
        if (next == 0) {
            reader->tries++;
        }
        if (next == 0 && mark->lines) { /* The end of a fence must not be taken for a beginning. */
            size_t end = find_end(reader, which, at + mark->begins.len);
            next = end == SIZE_MAX ? reader->answer.len : end + mark->ends.len;
        }
        return next > at ? next : at + 1;
    }
    return at + 1;
}

bool printed_may(struct bytes answer) {
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        if (memmem(answer.data, answer.len, marks[i].begins.data, marks[i].begins.len) != NULL) {
            return true;
        }
    }
    return false;
}

struct err printed_read(struct bytes answer, const struct printed_names *names,
                        struct printed *ret_printed) {
    *ret_printed = (struct printed){0};
    text_init(&ret_printed->text, answer.len + 1);
    struct reader reader = {.answer = answer, .names = names, .printed = ret_printed};
    for (size_t at = 0; at < answer.len && ret_printed->count < PRINTED_CALLS_MAX &&
                        reader.tries < TRIES_MAX && !err_failed(reader.err);) {
        char c = answer.data[at];
        at = c == '<' || c == '`' ? try_at(&reader, at) : at + 1;
    }
    text_add(&ret_printed->text, answer.data + reader.kept, answer.len - reader.kept);
    if (!err_failed(reader.err) && text_failed(&ret_printed->text)) {
        reader.err = text_error(&ret_printed->text, "printed: text");
    }
    if (err_failed(reader.err)) {
        printed_done(ret_printed);
    }
    return reader.err;
}
