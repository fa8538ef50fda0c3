/* shown.c: members that tools have in common (command, path, old and new text) are looked for by
 * name, so that a tool which comes later is shown well enough. Whatever no shape takes is shown by
 * its name and value: a member that nobody knows hides nothing. */
#include "rules/approval/shown.h"

#include <string.h>

#include "base/json/json.h"
#include "base/utf8.h"
#include "rules/approval/words.h"

enum {
    MARK_ROOM = 120,     /* Bytes for the mark at the end of a part. */
    REST_ROOM = 8 << 10, /* Bytes that a long command or edit leaves for other arguments. */
    TAKEN_MAX = 4,
    VALUE_MAX = 8 << 20,
};

struct showing {
    struct text *out;
    const json_t *arguments, *about;
    size_t limit;                 /* Length that `out` may reach with the present part. */
    size_t hidden, hidden_lines;  /* Bytes and lines of it that did not fit. */
    const char *taken[TAKEN_MAX]; /* Arguments that are shown already. */
    size_t taken_count;
};

/* --- Characters ------------------------------------------------------------------------------- */

/* Control characters, those without width, and those that change the direction of writing.
 * Variation selectors pass: they belong to emoji. */
static const struct {
    uint32_t from, to;
} invisible[] = {
    {0x00, 0x1F},       {0x7F, 0x9F},       {0xAD, 0xAD},     {0x61C, 0x61C},   {0x115F, 0x1160},
    {0x17B4, 0x17B5},   {0x180B, 0x180F},   {0x200B, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x206F},
    {0x3164, 0x3164},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFFB}, {0x1BCA0, 0x1BCA3},
    {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

static bool is_invisible(uint32_t character) {
    size_t at = 0;
    while (at < COUNT_OF(invisible) && character > invisible[at].to) {
        at++;
    }
    return at < COUNT_OF(invisible) && character >= invisible[at].from;
}

/* Length of the character that the text begins with; 0: it is no UTF-8. */
static size_t char_read(struct bytes text, uint32_t *ret_character) {
    const unsigned char *at = (const unsigned char *)text.data;
    const size_t len = at[0] < 0x80 ? 1 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    if (len > text.len || !utf8_valid(text.data, len)) {
        return 0;
    }
    *ret_character = len == 1 ? at[0] : at[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        *ret_character = *ret_character << 6 | (at[i] & 0x3Fu);
    }
    return len;
}

/* Adds all of it or nothing; after the first piece that did not fit nothing is added. */
static void piece_add(struct showing *showing, const char *bytes, size_t len) {
    if (showing->hidden > 0 || showing->out->len + len > showing->limit) {
        showing->hidden += len;
        showing->hidden_lines += len > 0 && bytes[0] == '\n';
    } else {
        text_add(showing->out, bytes, len);
    }
}

static void str_add(struct showing *showing, const char *str) {
    piece_add(showing, str, strlen(str));
}

/* How lines of a text look: what each but the first begins with, and whether tabs stay. */
struct lines {
    const char *begin;
    bool tabs;
};
static const struct lines words = {"\n> ", .tabs = false};

static void rest_hide(struct showing *showing, struct bytes rest) {
    struct bytes line;
    showing->hidden += rest.len;
    for (bool first = true; bytes_next(&rest, '\n', &line); first = false) {
        showing->hidden_lines += !first;
    }
}

static void text_show(struct showing *showing, struct bytes text, const struct lines *lines) {
    while (text.len > 0) {
        uint32_t character = 0;
        AUTO(text_done) struct text escape = text_up_to(16);
        const size_t len = char_read(text, &character);
        if (showing->hidden > 0) {
            rest_hide(showing, text);
            return;
        }
        if (len == 0) {
            text_addf(&escape, "\\x%02x", (unsigned char)text.data[0]);
        } else if (character == '\n') {
            text_add_str(&escape, lines->begin);
        } else if (character == '\r') {
            text_add_str(&escape, "\\r");
        } else if (character == '\t' && !lines->tabs) {
            text_add_str(&escape, "\\t");
        } else if (character != '\t' && is_invisible(character)) {
            text_addf(&escape, character > 0xFFFF ? "\\U%08x" : "\\u%04x", character);
        }
        if (escape.len > 0) {
            piece_add(showing, escape.data, escape.len);
        } else {
            piece_add(showing, text.data, len);
        }
        const size_t step = len > 0 ? len : 1;
        text = (struct bytes){text.data + step, text.len - step};
    }
}

/* --- Parts ------------------------------------------------------------------------------------ */

static void line_begin(struct showing *showing) {
    if (showing->out->len > 0) {
        piece_add(showing, "\n", 1);
    }
}

/* Ends a part by its mark; the next one may take more. */
static void part_end(struct showing *showing, size_t limit) {
    if (showing->hidden > 0 && showing->hidden_lines > 0) {
        text_addf(showing->out, "\n… %zu more line%s (%zu bytes) do not fit here",
                  showing->hidden_lines, showing->hidden_lines == 1 ? "" : "s", showing->hidden);
    } else if (showing->hidden > 0) {
        text_addf(showing->out, "\n… %zu more bytes do not fit here", showing->hidden);
    }
    showing->hidden = showing->hidden_lines = 0;
    showing->limit = limit - MARK_ROOM;
}

static bool is_taken(const struct showing *showing, const char *name) {
    for (size_t i = 0; i < showing->taken_count; i++) {
        if (strcmp(showing->taken[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* The argument is shown by its shape, and not again. */
static void take(struct showing *showing, const char *name) {
    assert(showing->taken_count < TAKEN_MAX);
    showing->taken[showing->taken_count++] = name;
}

/* The first of these members that is a text, which is taken. False: none is. */
static bool take_text(struct showing *showing, const char *const *names, struct bytes *ret_text) {
    for (; *names != NULL; names++) {
        if (json_is_string(json_object_get(showing->arguments, *names))) {
            *ret_text = json_bytes(showing->arguments, *names);
            take(showing, *names);
            return true;
        }
    }
    return false;
}

static void value_show(struct showing *showing, const json_t *value) {
    AUTO(text_done) struct text json = text_up_to(VALUE_MAX);
    if (json_is_string(value)) {
        text_show(showing, (struct bytes){json_string_value(value), json_string_length(value)},
                  &words);
    } else if (err_failed(json_write(value, &json))) {
        str_add(showing, "(too long)");
    } else {
        text_show(showing, text_bytes(&json), &words);
    }
}

/* A path, and where it really leads. */
static void path_show(struct showing *showing, struct bytes path) {
    const json_t *subjects = json_object_get(showing->about, "subjects");
    const json_t *real = json_array_get(subjects, 1);
    text_show(showing, path, &words);
    if (json_is_string(real)) {
        str_add(showing, " (leads to ");
        value_show(showing, real);
        str_add(showing, ")");
    }
}

static void members_show(struct showing *showing, const json_t *object, bool long_ones) {
    enum { SHORT_MAX = 200 };
    for (struct json_member at = json_first(object); at.value != NULL; at = json_next(at)) {
        const bool is_long = json_is_string(at.value)
                                 ? json_string_length(at.value) > SHORT_MAX
                                 : json_array_size(at.value) > 0 || json_object_size(at.value) > 0;
        if (is_long != long_ones ||
            (object == showing->arguments && is_taken(showing, at.key.data))) {
            continue;
        }
        line_begin(showing);
        text_show(showing, at.key, &words);
        str_add(showing, ": ");
        if (json_is_string(at.value) && bytes_is(at.key, "path") && object == showing->arguments) {
            path_show(showing, json_bytes(object, "path"));
        } else {
            value_show(showing, at.value);
        }
    }
}

/* Members that are not shown yet. Short ones stand first, so that a long one does not hide them. */
static void rest_show(struct showing *showing, const json_t *object) {
    members_show(showing, object, false /* long_ones */);
    members_show(showing, object, true /* long_ones */);
}

/* --- Commands --------------------------------------------------------------------------------- */

static void word_show(struct showing *showing, const json_t *word, bool first) {
    if (!json_is_string(word)) {
        value_show(showing, word);
        return;
    }
    struct bytes rest = {json_string_value(word), json_string_length(word)}, part;
    if (words_are_bare(rest, first)) {
        text_show(showing, rest, &words);
        return;
    }
    str_add(showing, "'");
    const bool ends = rest.len > 0 && rest.data[rest.len - 1] == '\'';
    for (bool more = false; bytes_next(&rest, '\'', &part); more = true) {
        str_add(showing, more ? "'\\''" : "");
        text_show(showing, part, &words);
    }
    str_add(showing, ends ? "'\\'''" : "'");
}

static void words_show(struct showing *showing, const json_t *list, bool first) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        str_add(showing, first && i == 0 ? "" : " ");
        word_show(showing, json_array_get(list, i), first && i == 0);
    }
}

/* A program and its arguments, or a text for a shell. */
static bool command_show(struct showing *showing, struct bytes tool) {
    const json_t *command = json_object_get(showing->arguments, "command");
    const json_t *args = json_object_get(showing->arguments, "args");
    const bool program = bytes_is(tool, "run_command") || bytes_is(tool, "run_job");
    if (json_array_size(command) > 0) {
        words_show(showing, command, true /* first */);
    } else if (json_string_length(command) > 0 && (program || json_is_array(args))) {
        word_show(showing, command, true /* first */);
        words_show(showing, args, false /* first */);
        if (json_is_array(args)) {
            take(showing, "args");
        }
    } else if (json_string_length(command) > 0) {
        const struct bytes text = {json_string_value(command), json_string_length(command)};
        text_show(showing, bytes_trim(text, "\n"), &words);
    } else {
        return false;
    }
    take(showing, "command");
    return true;
}

/* --- Edits ------------------------------------------------------------------------------------ */

/* Lines that begin with the sign: " ", "-" or "+". */
static void lines_show(struct showing *showing, const char *begin, struct bytes text) {
    const struct lines lines = {begin, .tabs = true};
    if (text.len > 0) {
        text.len -= text.data[text.len - 1] == '\n';
        line_begin(showing);
        str_add(showing, begin + 1);
        text_show(showing, text, &lines);
    }
}

static bool is_line_begin(struct bytes text, size_t at, size_t head) {
    return at == head || text.data[at - 1] == '\n';
}

/* Lines at both ends that are equal in both texts stay as they are. */
static void change_show(struct showing *showing, struct bytes old, struct bytes new) {
    const size_t shorter = old.len < new.len ? old.len : new.len;
    size_t head = 0, tail = 0;
    for (size_t at = 0; at < shorter && old.data[at] == new.data[at]; at++) {
        head = old.data[at] == '\n' ? at + 1 : head;
    }
    while (tail < shorter - head && old.data[old.len - 1 - tail] == new.data[new.len - 1 - tail]) {
        tail++;
    }
    while (tail > 0 && (!is_line_begin(old, old.len - tail, head) ||
                        !is_line_begin(new, new.len - tail, head))) {
        tail--;
    }
    lines_show(showing, "\n ", (struct bytes){old.data, head});
    lines_show(showing, "\n-", (struct bytes){old.data + head, old.len - head - tail});
    lines_show(showing, "\n+", (struct bytes){new.data + head, new.len - head - tail});
    lines_show(showing, "\n ", (struct bytes){old.data + old.len - tail, tail});
}

/* A unified diff without its header, which repeats the path. */
static void diff_show(struct showing *showing, struct bytes diff) {
    struct bytes rest = diff, old, new;
    const bool header = bytes_next(&rest, '\n', &old) && bytes_next(&rest, '\n', &new) &&
                        bytes_begin(old, BYTES("--- ")) && bytes_begin(new, BYTES("+++ ")) &&
                        bytes_begin(rest, BYTES("@@"));
    const struct lines lines = {"\n", .tabs = true};
    rest = header ? rest : diff;
    rest.len -= rest.data[rest.len - 1] == '\n';
    line_begin(showing);
    text_show(showing, rest, &lines);
}

/* A diff leaves out what is long: the texts of the call are whole. */
static bool diff_is_whole(const struct showing *showing, struct bytes diff) {
    static const char cut[] = " [cut]";
    struct bytes line;
    bool whole = !json_is_true(json_object_get(showing->about, "diff_cut"));
    while (whole && bytes_next(&diff, '\n', &line)) {
        const size_t len = strlen(cut);
        whole = line.len < len || memcmp(line.data + line.len - len, cut, len) != 0;
    }
    return whole;
}

/* Several changes of one file, in one call. */
static bool edits_show(struct showing *showing) {
    const json_t *edits = json_object_get(showing->arguments, "edits"), *edit = NULL;
    size_t at = 0;
    json_array_foreach(edits, at, edit) {
        if (!json_is_string(json_object_get(edit, "old_string")) ||
            !json_is_string(json_object_get(edit, "new_string"))) {
            return false;
        }
    }
    json_array_foreach(edits, at, edit) {
        AUTO(text_done) struct text title = text_up_to(64);
        text_addf(&title, "@@ edit %zu of %zu", at + 1, json_array_size(edits));
        line_begin(showing);
        piece_add(showing, title.data, title.len);
        str_add(showing,
                json_is_true(json_object_get(edit, "replace_all")) ? ", each place @@" : " @@");
        change_show(showing, json_bytes(edit, "old_string"), json_bytes(edit, "new_string"));
    }
    if (json_array_size(edits) > 0) {
        take(showing, "edits");
    }
    return json_array_size(edits) > 0;
}

/* Effect on the file, by its state before; "": a part of the file changes, or it is not known. */
static const char *effect_of(const struct showing *showing, struct bytes diff, bool whole) {
    const json_t *before = json_object_get(showing->about, "before");
    struct bytes old, new;
    if (bytes_next(&diff, '\n', &old) && bytes_next(&diff, '\n', &new)) {
        return bytes_is(old, "--- /dev/null")   ? " (new file)"
               : bytes_is(new, "+++ /dev/null") ? " (is deleted)"
                                                : "";
    }
    if (whole && json_is_string(before)) {
        return json_string_length(before) == 0 ? " (new file)" : " (replaces the whole file)";
    }
    return "";
}

static bool edit_show(struct showing *showing) {
    static const char *const paths[] = {"path", "file_path", "notebook_path", NULL};
    static const char *const olds[] = {"old_text", "old_string", NULL};
    static const char *const news[] = {"new_text", "new_string", NULL};
    static const char *const wholes[] = {"content", "new_source", NULL};
    const struct bytes diff = json_bytes(showing->about, "diff");
    struct bytes path, old = BYTES(""), new = BYTES("");
    if (!take_text(showing, paths, &path)) {
        return false;
    }
    const bool part = take_text(showing, olds, &old);
    const bool whole = take_text(showing, part ? news : wholes, &new);
    const bool list = json_array_size(json_object_get(showing->arguments, "edits")) > 0;
    if (!part && !whole && !list && diff.len == 0) {
        showing->taken_count = 0;
        return false;
    }
    path_show(showing, path);
    str_add(showing, effect_of(showing, diff, whole && !part));
    if (diff.len > 0 && (diff_is_whole(showing, diff) || !(part || whole))) {
        diff_show(showing, diff);
    } else {
        change_show(showing, old, new);
    }
    (void)edits_show(showing); /* A list of another form is shown as a value. */
    return true;
}

/* --- Others ----------------------------------------------------------------------------------- */

/* The subject of an answer to the question. */
static void about_show(struct showing *showing) {
    const struct lines lines = {"\n", .tabs = true};
    const struct bytes about = json_bytes(showing->about, "text");
    if (about.len > 0) {
        str_add(showing, "\n\n");
        text_show(showing, bytes_trim(about, "\n"), &lines);
    }
}

static bool question_show(struct showing *showing, struct bytes tool) {
    static const char *const names[] = {"question", NULL};
    const struct lines lines = {"\n", .tabs = true};
    const json_t *options = json_object_get(showing->arguments, "options"), *option = NULL;
    struct bytes question;
    size_t at = 0;
    if ((tool.len > 0 && !bytes_is(tool, "ask_user")) || !take_text(showing, names, &question)) {
        return false;
    }
    text_show(showing, bytes_trim(question, "\n"), &lines);
    json_array_foreach(options, at, option) {
        AUTO(text_done) struct text number = text_up_to(32);
        text_addf(&number, "\n  %zu) ", at + 1);
        piece_add(showing, number.data, number.len);
        value_show(showing, json_is_object(option) ? json_object_get(option, "label") : option);
    }
    take(showing, "options");
    about_show(showing);
    return true;
}

/* A folder that a yes opens, where it really is. */
static bool grant_show(struct showing *showing) {
    const json_t *grant = json_object_get(showing->about, "grant");
    const struct bytes path = json_bytes(grant, "path");
    if (path.len == 0) {
        return false;
    }
    text_show(showing, json_bytes(grant, "access"), &words);
    str_add(showing, " access to ");
    text_show(showing, path, &words);
    take(showing, "access");
    if (bytes_equal(path, json_bytes(showing->arguments, "path"))) {
        take(showing, "path");
    }
    return true;
}

void shown_write(const struct shown_call *call, struct text *ret_shown) {
    AUTO(json_release) json_t *arguments = NULL, *about = NULL;
    struct showing showing = {.out = ret_shown};
    assert(ret_shown->size_max > SHOWN_MAX);
    text_clear(ret_shown);
    part_end(&showing, SHOWN_MAX - REST_ROOM);
    if (call->about.len > 0 && !err_failed(json_parse_wrapped(call->about, &about, NULL))) {
        showing.about = about;
    }
    if (call->arguments.len > 0 &&
        (err_failed(json_parse_wrapped(call->arguments, &arguments, NULL)) ||
         !json_is_object(arguments))) {
        text_show(&showing, call->arguments, &words);
    } else {
        showing.arguments = arguments;
        (void)(command_show(&showing, call->tool) || question_show(&showing, call->tool) ||
               grant_show(&showing) || edit_show(&showing));
        part_end(&showing, SHOWN_MAX);
        rest_show(&showing, arguments);
    }
    if (ret_shown->len == 0) {
        str_add(&showing, "(no arguments)");
    }
    part_end(&showing, SHOWN_MAX);
}
