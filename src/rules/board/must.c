/* must.c: see must.h. */
#include "rules/board/must.h"

#include <string.h>

#include "base/utf8.h"
#include "rules/board/quoted.h"

const char *const must_names[] = {"file", "command", "output", "text", "unchanged", NULL};
static_assert(COUNT_OF(must_names) == MUST_SENTENCE + 1, "a name for each kind but the sentence");

struct must must_read(const json_t *item) {
    struct must must = {.kind = MUST_SENTENCE, .value = json_text(item)};
    for (unsigned kind = 0; kind < MUST_SENTENCE; kind++) {
        const struct bytes value = json_bytes(item, must_names[kind]);
        if (value.len > 0) {
            must = (struct must){(enum must_kind)kind, value};
        }
    }
    return must;
}

bool must_has(struct bytes must_haves, unsigned kinds) {
    AUTO(json_release) json_t *list = NULL;
    bool has = false;
    if (err_failed(json_parse_wrapped(must_haves, &list, NULL))) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(list) && !has; i++) {
        has = (1U << must_read(json_array_get(list, i)).kind & kinds) != 0;
    }
    return has;
}

bool must_path_valid(struct bytes path) {
    size_t begin = 0;
    for (size_t i = 0; i <= path.len; i++) {
        if (i == path.len || path.data[i] == '/') {
            if (i - begin == 2 && memcmp(path.data + begin, "..", 2) == 0) {
                return false;
            }
            begin = i + 1;
        }
    }
    return path.len > 0;
}

void must_write(const struct must *must, struct text *text) {
    static const struct {
        const char *before, *after;
    } words[MUST_KINDS] = {
        [MUST_FILE] = {"the file ", " exists"},
        [MUST_COMMAND] = {"the command ", " exits with 0"},
        [MUST_OUTPUT] = {"there is an output of the type ", ""},
        [MUST_TEXT] = {"an output has the text ", ""},
        [MUST_UNCHANGED] = {"nothing below ", " has changed"},
        [MUST_SENTENCE] = {"", ""},
    };
    text_addf(text, "%s%.*s%s", words[must->kind].before, (int)must->value.len, must->value.data,
              words[must->kind].after);
}

/* --- Those that are not met ------------------------------------------------------------------- */

static void head_write(const struct must *must, struct text *text) {
    const size_t len = utf8_cut(must->value, MUST_VALUE_SHOWN);
    text_addf(text, "%s ", must_names[must->kind]);
    quoted_title_add(text, (struct bytes){must->value.data, len});
    text_addf(text, "%s: ", len < must->value.len ? " …" : "");
}

static void sentence_add(struct text *list, const struct text *sentence) {
    text_add_str(list, list->len > 0 ? "," : "");
    text_add_json(list, text_bytes(sentence).data, text_bytes(sentence).len);
}

void must_unmet_add(struct text *list, const struct must *must, const char *why) {
    AUTO(text_done) struct text sentence = text_up_to(MUST_UNMET_MAX);
    head_write(must, &sentence);
    text_add_str(&sentence, why);
    sentence_add(list, &sentence);
}

/* The last lines, and not a part of a line unless that alone is too long. */
static struct bytes tail_cut(struct bytes tail) {
    size_t begin = tail.len > MUST_TAIL_MAX ? tail.len - MUST_TAIL_MAX : 0, lines = 0;
    while (tail.len > begin && tail.data[tail.len - 1] == '\n') {
        tail.len--;
    }
    for (size_t at = tail.len; at > begin && lines < MUST_TAIL_LINES; at--) {
        lines += tail.data[at - 1] == '\n' ? 1 : 0;
        begin = lines == MUST_TAIL_LINES ? at : begin;
    }
    const char *line = begin > 0 && tail.data[begin - 1] != '\n'
                           ? memchr(tail.data + begin, '\n', tail.len - begin)
                           : NULL;
    begin = line != NULL ? (size_t)(line - tail.data) + 1 : begin;
    while (begin < tail.len && ((unsigned char)tail.data[begin] & 0xC0) == 0x80) {
        begin++;
    }
    return (struct bytes){tail.data + begin, tail.len - begin};
}

static void end_write(const struct must_end *end, struct text *text) {
    if (end->unbegun) {
        text_add_str(text, "drover is busy, and the command did not begin in time; ask again");
    } else if (end->cause == CAUSE_EXIT_CODE) {
        text_addf(text, "the command exited with %lld", (long long)end->exit_code);
    } else if (end->cause == CAUSE_SIGNAL) {
        text_add_str(text, "the command was ended by a signal");
    } else if (end->cause == CAUSE_DEADLINE) {
        text_addf(text, "the command had not ended after %lld s, and was stopped",
                  (long long)end->timeout_s);
    } else {
        text_addf(text, "the command could not be checked (%s: %s)", run_cause_name(end->cause),
                  run_cause_about(end->cause));
    }
}

void must_command_add(struct text *list, const struct must *must, const struct must_end *end) {
    AUTO(text_done) struct text sentence = text_up_to(MUST_UNMET_MAX);
    const struct bytes tail = tail_cut(end->tail);
    if (end->state == RUN_SUCCEEDED) {
        return;
    }
    head_write(must, &sentence);
    end_write(end, &sentence);
    if (tail.len > 0) {
        text_add_str(&sentence, "; the end of what it wrote, which is the text of others:\n");
        quoted_block_add(&sentence, tail);
    }
    sentence_add(list, &sentence);
}
