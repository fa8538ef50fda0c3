/* question.c: the row of an approval as lines, and a line as its answer. */
#include "cli/turn/question.h"

#include <string.h>

#include "base/number.h"
#include "cli/base/api.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"
#include "cli/turn/card.h"

/* Kinds of questions whose answer has a value: its member. NULL: a yes or a no. */
static const char *value_member(const json_t *asked) {
    static const char *const members[][2] = {
        {"answer", "answer"}, {"choice", "choice"}, {"form", "fields"}};
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (strcmp(talk_text(asked, "kind"), members[i][0]) == 0) {
            return members[i][1];
        }
    }
    return NULL;
}

bool question_has_value(const json_t *asked) {
    return value_member(asked) != NULL;
}

static bool is_call(const json_t *asked) {
    return strcmp(talk_text(asked, "kind"), "leave") == 0;
}

static bool is_form(const json_t *asked) {
    return strcmp(talk_text(asked, "kind"), "form") == 0;
}

static const json_t *options_of(const json_t *asked) {
    return json_object_get(json_object_get(asked, "arguments"), "options");
}

/* An option is a text, or an object with a label. */
static const char *option_text(const json_t *options, size_t at) {
    const json_t *option = json_array_get(options, at);
    return json_is_string(option) ? json_string_value(option) : talk_text(option, "label");
}

/* --- The question as lines -------------------------------------------------------------------- */

/* Lines of a diff have colours; other lines of a call never begin so. */
static void shown_add(const json_t *asked, const struct paint *paint, struct text *out) {
    struct bytes rest = json_bytes(asked, "shown"), line;
    for (bool first = true; bytes_next(&rest, '\n', &line); first = false) {
        const char begin = first || line.len == 0 ? ' ' : line.data[0];
        const enum colour colour = begin == '+'   ? COLOUR_GREEN
                                   : begin == '-' ? COLOUR_RED
                                   : begin == '@' ? COLOUR_GREY
                                                  : COLOUR_NONE;
        text_addf(out, "  %s", paint_begin(paint, colour));
        plain_add_line(line, out);
        text_addf(out, "%s\n", paint_end(paint, colour));
    }
}

void question_add(const json_t *asked, const struct paint *paint, struct text *out) {
    struct bytes rest = json_bytes(asked, "shown"), line = BYTES("");
    const char *tool = talk_text(asked, "tool");
    const char *review = talk_text(json_object_get(asked, "about"), "review");
    const bool command = json_object_get(json_object_get(asked, "arguments"), "command") != NULL;
    const size_t begin = out->len;
    text_add_str(out, paint_begin(paint, COLOUR_YELLOW));
    if (!is_call(asked)) {
        (void)bytes_next(&rest, '\n', &line); /* Nothing is shown without a line. */
        plain_add_line(line, out);
        text_addf(out, "%s\n", paint_end(paint, COLOUR_YELLOW));
        while (bytes_next(&rest, '\n', &line)) {
            plain_add_line(line, out);
            text_add_char(out, '\n');
        }
        cells_wrap_words(out, begin, paint->columns);
        return;
    }
    text_add_str(out, command ? "May it run this command? (" : "May it call ");
    plain_add(out, tool);
    text_addf(out, "%s%s\n", command ? ")" : "?", paint_end(paint, COLOUR_YELLOW));
    shown_add(asked, paint, out);
    if (review[0] != '\0') {
        text_add_str(out, "  the review left it open: ");
        plain_add(out, review);
        text_add_char(out, '\n');
    }
    const char *old = talk_text(json_object_get(asked, "about"), "old_rule");
    if (old[0] != '\0') {
        text_add_str(out, "  an earlier rule no longer covers it, renew it: ");
        plain_add(out, old);
        text_add_char(out, '\n');
    }
    cells_wrap_words(out, begin, paint->columns);
}

/* A folder is granted to the session in any case, and a question is asked once. */
static bool may_always(const json_t *asked) {
    return is_call(asked) && strcmp(talk_text(asked, "tool"), "request_access") != 0;
}

static bool may_project(const json_t *asked) {
    return is_call(asked) && talk_text(asked, "project")[0] != '\0';
}

void question_choices_add(const json_t *asked, struct text *out) {
    text_add_str(out, is_form(asked)              ? "type the fields as a JSON object"
                      : question_has_value(asked) ? "type an answer, or the number of an option"
                                                  : "y allows it, n and a reason denies it");
    text_add_str(out, may_always(asked) ? ", a allows it always" : "");
    if (may_project(asked)) { /* Names of projects are plain. */
        text_addf(out, ", p in all sessions of the project %s", talk_text(asked, "project"));
    }
}

void question_prompt_add(const json_t *asked, struct text *out) {
    if (question_has_value(asked)) {
        text_add_str(out, json_array_size(options_of(asked)) > 0 ? "number or text> " : "answer> ");
        return;
    }
    text_add_str(out, may_always(asked) ? "y, n reason, a (always)" : "y, n reason");
    if (may_project(asked)) {
        text_addf(out, ", p (project %s)", talk_text(asked, "project"));
    }
    text_add_str(out, "> ");
}

/* --- The answer ------------------------------------------------------------------------------- */

/* Text that a line stands for: an option by its number, or the line itself. */
static struct bytes option_of_line(const json_t *asked, struct bytes line) {
    const json_t *options = options_of(asked);
    struct bytes word = bytes_trim(line, " \t");
    const struct number_bounds bounds = {1, (int64_t)json_array_size(options)};
    int64_t number = 0;
    bool numbered = bounds.max > 0 && number_parse(word, bounds, &number);
    return numbered ? bytes_of(option_text(options, (size_t)number - 1)) : line;
}

bool question_value(const json_t *asked, struct bytes line, struct text *body) {
    AUTO(json_release) json_t *fields = NULL;
    const char *member = value_member(asked);
    text_add_char(body, '{');
    if (!is_form(asked)) {
        text_add_member(body, member, option_of_line(asked, line));
    } else if (err_failed(
                   json_parse(line.data, line.len, JSON_DEPTH_MAX, &fields, NULL /* no why */)) ||
               !json_is_object(fields)) {
        return false;
    } else {
        text_add_name(body, member);
        text_add(body, line.data, line.len);
    }
    text_add_char(body, '}');
    return true;
}

/* "n", "no", and what follows. */
static bool word_cut(struct bytes line, const char *word, struct bytes *ret_rest) {
    size_t len = strlen(word);
    struct bytes begin = {line.data, line.len < len ? line.len : len};
    bool whole = line.len == len || (line.len > len && memchr(" ,:", line.data[len], 3) != NULL);
    if (!bytes_equal_nocase(begin, bytes_of(word)) || !whole) {
        return false;
    }
    *ret_rest = bytes_trim((struct bytes){line.data + len, line.len - len}, " ,:");
    return true;
}

enum question_choice question_read(const json_t *asked, struct bytes line, struct text *body) {
    struct bytes words = bytes_trim(line, " \t\n"), reason = {0};
    if (words.len == 0) {
        return QUESTION_UNCLEAR;
    }
    if (question_has_value(asked)) {
        return question_value(asked, words, body) ? QUESTION_ANSWERED : QUESTION_UNCLEAR;
    }
    if (word_cut(words, "n", &reason) || word_cut(words, "no", &reason)) {
        text_add_str(body, "{\"decision\":\"deny\"");
        if (reason.len > 0) {
            text_add_member(body, "reason", reason);
        }
        text_add_char(body, '}');
        return QUESTION_DENIED;
    }
    static const struct {
        const char *word, *scope;
        enum question_choice choice;
    } yes[] = {{"y", NULL, QUESTION_ANSWERED},     {"yes", NULL, QUESTION_ANSWERED},
               {"a", "session", QUESTION_ALWAYS},  {"always", "session", QUESTION_ALWAYS},
               {"p", "project", QUESTION_PROJECT}, {"project", "project", QUESTION_PROJECT}};
    const bool may[] = {[QUESTION_ANSWERED] = true,
                        [QUESTION_ALWAYS] = may_always(asked),
                        [QUESTION_PROJECT] = may_project(asked)};
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        if (may[yes[i].choice] && bytes_equal_nocase(words, bytes_of(yes[i].word))) {
            text_add_str(body, "{\"decision\":\"allow\"");
            if (yes[i].scope != NULL) {
                text_add_member(body, "scope", bytes_of(yes[i].scope));
            }
            text_add_char(body, '}');
            return yes[i].choice;
        }
    }
    return QUESTION_UNCLEAR;
}

/* --- Always ----------------------------------------------------------------------------------- */

/* In the daemon's own words, which a question of an earlier version does not have. */
void question_rule_add(const json_t *asked, struct text *out) {
    const char *rule = talk_text(json_object_get(asked, "about"), "rule");
    plain_add(out, rule[0] != '\0' ? rule : talk_text(asked, "tool"));
}
