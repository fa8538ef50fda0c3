/* edit.c: edit_file: one passage of a file, replaced.
 *
 * A passage that was found but for blanks is replaced by lines that are indented as the file's are:
 * what the first line had more or less than the model wrote, the others get too. A file whose lines
 * end with CRLF keeps that.
 */
#include <string.h>

#include "base/memory.h"
#include "tool/file/change.h"
#include "tool/file/diff.h"
#include "tool/file/edit_match.h"
#include "tool/work.h"

enum { MODEL_DIFF_MAX = 4 << 10 };

struct edit {
    struct tool_work *work;
    struct change change;
    struct bytes text, passage, replacement;
    bool all;
    struct edit_places *places; /* Owned. */
    struct text made;
};

static void edit_done(struct edit *edit) {
    change_done(&edit->change);
    mem_free(edit->places);
    text_done(&edit->made);
}

/* --- Refusals --------------------------------------------------------------------------------- */

/* "12, 40, 77 and more". */
static void add_lines(struct text *text, const struct edit_places *places) {
    for (size_t i = 0; i < places->count && i < EDIT_PLACES_SHOWN; i++) {
        text_addf(text, "%s%zu", i == 0 ? "" : ", ", places->places[i].line);
    }
    text_add_str(text, places->count > EDIT_PLACES_SHOWN ? " and more" : "");
}

static struct err not_found(struct edit *edit) {
    AUTO(text_done) struct text lines = text_up_to(200);
    edit_near(edit->text, edit->passage, edit->places);
    add_lines(&lines, edit->places);
    if (edit->places->count > 0 && !text_failed(&lines)) {
        why_set(&edit->work->why,
                "old_text does not stand in \"%.80s\" like that; its first line stands at line %s: "
                "read these lines and copy them exactly",
                edit->change.path.shown, lines.data);
    } else {
        why_set(&edit->work->why, "old_text does not stand in \"%.160s\"; read the file again",
                edit->change.path.shown);
    }
    edit->work->cause = CARD_NO_MATCH;
    return err_make(ERR_CONFLICT, "tool: edit");
}

static struct err ambiguous(struct edit *edit) {
    AUTO(text_done) struct text lines = text_up_to(200);
    add_lines(&lines, edit->places);
    why_set(&edit->work->why,
            "old_text stands in \"%.80s\" at %zu places (lines %s); give more of its surroundings, "
            "or set replace_all",
            edit->change.path.shown, edit->places->count,
            text_failed(&lines) || lines.data == NULL ? "" : lines.data);
    edit->work->cause = CARD_AMBIGUOUS_MATCH;
    return err_make(ERR_CONFLICT, "tool: edit");
}

static struct err find(struct edit *edit) {
    struct why *why = &edit->work->why;
    if (edit->passage.len == 0) {
        return err_why(why, ERR_BAD_FIELD, "old_text is empty; write_file writes a whole file");
    }
    if (bytes_equal(edit->passage, edit->replacement)) {
        return err_why(why, ERR_BAD_FIELD, "old_text and new_text are the same: nothing to do");
    }
    edit_match(edit->text, edit->passage, edit->places);
    if (edit->places->count == 0) {
        return not_found(edit);
    }
    if (edit->places->count == EDIT_PLACES_MAX) {
        why_set(why, "old_text stands at %d places or more: too many for one edit",
                EDIT_PLACES_MAX);
        edit->work->cause = CARD_AMBIGUOUS_MATCH;
        return err_make(ERR_CONFLICT, "tool: edit");
    }
    return edit->places->count > 1 && !edit->all ? ambiguous(edit) : ERR_OK;
}

/* --- Replacing -------------------------------------------------------------------------------- */

static struct bytes indent_of(struct bytes text) {
    size_t len = 0;
    while (len < text.len && (text.data[len] == ' ' || text.data[len] == '\t')) {
        len++;
    }
    return (struct bytes){text.data, len};
}

/* The first line that is not blank. */
static struct bytes first_words(struct bytes text) {
    size_t start = 0;
    for (size_t i = 0; i < text.len && (text.data[i] == ' ' || text.data[i] == '\t' ||
                                        text.data[i] == '\r' || text.data[i] == '\n');
         i++) {
        start = text.data[i] == '\n' ? i + 1 : start;
    }
    return (struct bytes){text.data + start, text.len - start};
}

struct indents {
    struct bytes from, to; /* As the model wrote it, as the file has it. */
};

/* The replacement, line by line, with the file's indents and line ends. */
static void add_replacement(struct edit *edit, const struct indents *indents, bool crlf) {
    struct bytes rest = edit->replacement;
    while (rest.len > 0) {
        const char *newline = memchr(rest.data, '\n', rest.len);
        size_t len = newline == NULL ? rest.len : (size_t)(newline - rest.data);
        struct bytes line = {rest.data, len};
        if (len > 0 && len >= indents->from.len &&
            memcmp(line.data, indents->from.data, indents->from.len) == 0) {
            text_add(&edit->made, indents->to.data, indents->to.len);
            line.data += indents->from.len;
            line.len -= indents->from.len;
        }
        text_add(&edit->made, line.data, line.len);
        if (newline == NULL) {
            return;
        }
        bool has_return = len > 0 && rest.data[len - 1] == '\r';
        text_add_str(&edit->made, crlf && !has_return ? "\r\n" : "\n");
        rest.data += len + 1;
        rest.len -= len + 1;
    }
}

static void replace_one(struct edit *edit, const struct edit_place *place) {
    struct indents indents = {BYTES(""), BYTES("")};
    bool lines = edit->places->way == EDIT_BUT_BLANKS;
    if (lines) {
        indents.from = indent_of(first_words(edit->passage));
        indents.to =
            indent_of((struct bytes){edit->text.data + place->from, place->to - place->from});
        /* Whole lines were found, without the end of the last one. */
        while (edit->replacement.len > 0 &&
               edit->replacement.data[edit->replacement.len - 1] == '\n') {
            edit->replacement.len--;
        }
    }
    const char *newline = memchr(edit->text.data, '\n', edit->text.len);
    bool crlf = newline != NULL && newline > edit->text.data && newline[-1] == '\r';
    add_replacement(edit, &indents, crlf);
    bool ended = place->to > place->from && edit->text.data[place->to - 1] == '\r';
    text_add_str(&edit->made, lines && ended ? "\r" : "");
}

static struct err replace_all(struct edit *edit) {
    size_t at = 0;
    for (size_t i = 0; i < edit->places->count; i++) {
        const struct edit_place *place = &edit->places->places[i];
        if (place->from < at) {
            continue; /* Lines that were found but for blanks may overlap. */
        }
        text_add(&edit->made, edit->text.data + at, place->from - at);
        replace_one(edit, place);
        at = place->to;
    }
    text_add(&edit->made, edit->text.data + at, edit->text.len - at);
    if (text_failed(&edit->made)) {
        return err_why(&edit->work->why, edit->made.no_memory ? ERR_OUT_OF_MEMORY : ERR_CONFLICT,
                       "the file would be larger than %d bytes", CONTENT_EDIT_MAX);
    }
    return ERR_OK;
}

/* --- The call --------------------------------------------------------------------------------- */

static struct err edit_check_file(struct edit *edit) {
    const struct change *change = &edit->change;
    struct why *why = &edit->work->why;
    if (!change->exists) {
        return err_why(why, ERR_NOT_FOUND, "there is no \"%.200s\"", change->path.shown);
    }
    if (!change->whole) {
        why_set(why, "\"%.160s\" is larger than %d bytes, which is too much to edit",
                change->path.shown, CONTENT_EDIT_MAX);
    } else if (content_is_binary((struct bytes){change->old.data, change->old.len})) {
        why_set(why, "\"%.200s\" is no text", change->path.shown);
    } else {
        return ERR_OK;
    }
    return err_make(ERR_CONFLICT, "tool: edit");
}

static void tell(struct edit *edit, const struct diff_counts *counts) {
    struct text *told = &edit->work->result->content;
    text_addf(told, "edited %s: %zu %s, +%zu -%zu lines%s\n", edit->change.path.shown,
              edit->places->count, edit->places->count == 1 ? "place" : "places", counts->added,
              counts->removed,
              edit->places->way == EDIT_EXACT ? ""
                                              : " (old_text was found but for blanks; look at the "
                                                "result)");
    const struct text *diff = &edit->work->result->diff;
    if (diff->len <= MODEL_DIFF_MAX) {
        text_add(told, diff->data, diff->len);
    }
}

struct err tool_edit_file(struct tool_work *work) {
    const json_t *input = work->call->input;
    AUTO(edit_done)
    struct edit edit = {.work = work,
                        .change = {.work = work, .parent = {.fd = -1}},
                        .passage = json_bytes(input, "old_text"),
                        .replacement = json_bytes(input, "new_text"),
                        .all = json_is_true(json_object_get(input, "replace_all")),
                        .places = mem_new(sizeof *edit.places)};
    text_init(&edit.made, CONTENT_EDIT_MAX);
    struct err err =
        change_open(&edit.change, json_str(input, "path", ""), LAST_FOLLOW, MISSING_REFUSE);
    if (!err_failed(err)) {
        err = edit_check_file(&edit);
    }
    if (err_failed(err)) {
        return err;
    }
    edit.text = (struct bytes){edit.change.old.data, edit.change.old.len};
    err = find(&edit);
    if (!err_failed(err)) {
        err = replace_all(&edit);
    }
    if (err_failed(err)) {
        return err;
    }
    struct bytes new = text_bytes(&edit.made);
    struct diff_counts counts = diff_write(
        &(struct diff_sides){.path = edit.change.path.shown, .old = edit.text, .new = new},
        work_diff(work));
    if (work->step == WORK_DO) {
        err = change_replace(&edit.change, new);
        tell(&edit, &counts);
    }
    return err;
}
