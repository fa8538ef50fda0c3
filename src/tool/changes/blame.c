/* blame.c: see blame.h.
 *
 *   steps   0    1    2    3    4    5
 *   paths   old.c ───────  new.c ─────      parts: old.c from 0, new.c from 3 by a rename
 *
 * Backwards: the last step that created the path either is a rename, and the history goes on with
 * the old path before it, or is where the file begins. Forwards: the diffs of each part, one git
 * for all of them, are folded (line_steps.h). */
#include "tool/changes/blame.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "rules/changes/line_steps.h"
#include "rules/changes/listing.h"
#include "rules/changes/names.h"
#include "tool/changes/compare.h"
#include "tool/changes/shadow.h"
#include "tool/changes/steps.h"

enum { NAMES_BYTES_MAX = 1 << 20, CONTENT_MAX = 64 << 20, BINARY_LOOK = 8000 };

struct blame_step {
    const char *tree;    /* Borrowed from the order. */
    const json_t *order; /* Borrowed; NULL: of `from`. */
    int64_t by;
};

/* A part of the history in which the file has one path. */
struct blame_part {
    const char *path;
    const char *old_path; /* The first step is a rename from it; NULL: it is none. */
    size_t from, to;      /* Steps; `from` 0: the file was there, or nothing was. */
};

struct blame {
    struct shadow shadow;
    struct blame_step *steps; /* Owned. */
    size_t count;
    struct arena names;                             /* Owned; paths. */
    struct blame_part parts[BLAME_RENAMES_MAX + 1]; /* The last one first. */
    size_t part_count;
    struct git_result content; /* Owned; of the last tree. */
};

static void blame_done(struct blame *blame) {
    mem_free(blame->steps);
    arena_done(&blame->names);
    git_result_done(&blame->content);
}

/* --- The order -------------------------------------------------------------------------------- */

/* All numbers that a step names for the path; else its own. */
static int64_t step_by(const json_t *step, struct bytes path) {
    const json_t *named = json_object_get(step, "named");
    int64_t by = 0;
    bool found = false;
    for (size_t i = 0; i < json_array_size(named); i++) {
        const json_t *pair = json_array_get(named, i);
        AUTO(text_done) struct text name = text_up_to(LIMIT_PATH_MAX);
        if (change_name_read(json_text(json_array_get(pair, 0)), &name) &&
            bytes_equal(text_bytes(&name), path)) {
            by |= json_integer_value(json_array_get(pair, 1));
            found = true;
        }
    }
    return found ? by : json_int(step, "by", 0);
}

static struct err blame_read(const json_t *order, struct blame *blame, struct why *why) {
    const json_t *steps = json_object_get(order, "steps");
    AUTO(text_done) struct text path = text_up_to(LIMIT_PATH_MAX);
    blame->count = json_array_size(steps) + 1;
    if (blame->count > STEPS_MAX + 1) {
        return err_why(why, ERR_BAD_FIELD, "steps: more than %d", STEPS_MAX);
    }
    if (!change_name_read(json_bytes(order, "path"), &path) ||
        !change_name_is_safe(text_bytes(&path))) {
        return err_why(why, ERR_BAD_FIELD, "path: not the name of a file");
    }
    blame->steps = mem_new_array(blame->count, sizeof *blame->steps);
    for (size_t i = 0; i < blame->count; i++) {
        const json_t *step = i == 0 ? NULL : json_array_get(steps, i - 1);
        blame->steps[i].tree =
            tree_of(json_object_get(i == 0 ? order : step, i == 0 ? "from" : "tree"));
        blame->steps[i].order = step;
        if (blame->steps[i].tree == NULL) {
            return err_why(why, ERR_BAD_FIELD, "from and steps: a tree must be a hash");
        }
    }
    blame->part_count = 1;
    blame->parts[0] = (struct blame_part){
        .path = arena_try_copy(&blame->names, path.data, path.len), .to = blame->count - 1};
    return blame->parts[0].path == NULL ? err_make(ERR_OUT_OF_MEMORY, "changes: blame") : ERR_OK;
}

/* Reads the content at last. */
static struct err content_read(struct blame *blame, struct why *why) {
    static const char *const look[] = {"ls-tree", "-z", "--full-tree"};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words;
    struct bytes mode = {NULL, 0}, type = {NULL, 0}, hash = {NULL, 0};
    shadow_words(&words);
    git_words_add_all(&words, look, COUNT_OF(look));
    git_words_add(&words, blame->steps[blame->count - 1].tree);
    git_words_add(&words, "--");
    git_words_add(&words, blame->parts[0].path);
    const struct shadow_call call = {.words = &words};
    TRY(trees_run(&blame->shadow, &call, &result, why));
    struct bytes line = text_bytes(&result.output);
    if (!bytes_next(&line, ' ', &mode) || !bytes_next(&line, ' ', &type) ||
        !bytes_next(&line, '\t', &hash) || !bytes_is(type, "blob") || hash.len >= TREE_HEX) {
        return err_why(why, ERR_NOT_FOUND, "there is no such file");
    }
    char name[TREE_HEX] = "";
    memcpy(name, hash.data, hash.len);
    shadow_words(&words);
    git_words_add(&words, "cat-file");
    git_words_add(&words, "blob");
    git_words_add(&words, name);
    const struct shadow_call read = {.words = &words, .output_max = CONTENT_MAX};
    TRY(trees_run(&blame->shadow, &read, &blame->content, why));
    return blame->content.cut ? err_why(why, ERR_TOO_EXPENSIVE, "the file is too long") : ERR_OK;
}

/* --- Git -------------------------------------------------------------------------------------- */

struct pairs_feed {
    struct bytes piece;
};

static bool pairs_next(void *ctx, struct bytes *ret_piece) {
    struct pairs_feed *feed = ctx;
    *ret_piece = feed->piece;
    feed->piece = BYTES("");
    return ret_piece->len > 0;
}

/* The next step at or after `at`, up to `to`, that changed anything; to + 1: there is none. */
static size_t step_next(const struct blame *blame, size_t at, size_t to) {
    while (at <= to && strcmp(blame->steps[at - 1].tree, blame->steps[at].tree) == 0) {
        at++;
    }
    return at;
}

/* Compares the trees of all steps in [from, to], from > 0, at one path. */
static struct err diffs_compare(const struct blame *blame, struct git_words *words,
                                const struct blame_part *part, struct git_result *ret_result,
                                struct why *why) {
    AUTO(text_done)
    struct text pairs = text_up_to((size_t)2 * (STEPS_MAX + 1) * TREE_HEX);
    git_words_add(words, "--");
    git_words_add(words, part->path);
    for (size_t i = step_next(blame, part->from, part->to); i <= part->to;
         i = step_next(blame, i + 1, part->to)) {
        text_addf(&pairs, "%s %s\n", blame->steps[i - 1].tree, blame->steps[i].tree);
    }
    if (text_failed(&pairs)) {
        return text_error(&pairs, "changes: steps");
    }
    struct pairs_feed feed = {.piece = text_bytes(&pairs)};
    const struct shadow_call call = {.words = words, .feed = {pairs_next, &feed}};
    TRY(trees_run(&blame->shadow, &call, ret_result, why));
    return ret_result->cut ? err_why(why, ERR_TOO_EXPENSIVE, "the file was changed too much")
                           : ERR_OK;
}

static bool step_is(const struct blame *blame, size_t at, struct bytes from, struct bytes to) {
    return at > 0 && at < blame->count && bytes_is(from, blame->steps[at - 1].tree) &&
           bytes_is(to, blame->steps[at].tree);
}

/* --- Backwards: the paths --------------------------------------------------------------------- */

/* Finds the last step of a part that created its path; 0: none did. */
static struct err creation_find(const struct blame *blame, struct blame_part part, size_t *ret_at,
                                struct why *why) {
    static const char *const compare[] = {"diff-tree",   "--stdin",        "-r",
                                          "-z",          "--raw",          "--no-renames",
                                          "--no-abbrev", "--diff-filter=A"};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words;
    struct change_step line;
    part.from = 1;
    shadow_words(&words);
    git_words_add_all(&words, compare, COUNT_OF(compare));
    TRY(diffs_compare(blame, &words, &part, &result, why));
    struct bytes rest = text_bytes(&result.output);
    size_t at = 0, found = 0, next = step_next(blame, 1, part.to);
    enum change_step_part kind;
    while ((kind = change_step_next(&rest, &line)) != CHANGE_STEP_END) {
        if (kind == CHANGE_STEP_BAD ||
            (kind == CHANGE_STEP_HEADER && !step_is(blame, next, line.from, line.to))) {
            return err_why(why, ERR_GONE, "a tree of the steps is not in the repository");
        }
        if (kind == CHANGE_STEP_HEADER) {
            at = next;
            next = step_next(blame, at + 1, part.to);
        } else if (bytes_is(line.path, part.path)) {
            found = at;
        }
    }
    *ret_at = found;
    return ERR_OK;
}

/* Finds the path from which a step renamed; NULL: it created the file. */
static struct err rename_find(struct blame *blame, size_t step, const char *path,
                              const char **ret_old, struct why *why) {
    static const char *const compare[] = {
        "diff-tree", "-r", "-z", "--raw", "-M", "--no-abbrev", "--diff-filter=R"};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words;
    struct change_step line;
    shadow_words(&words);
    git_words_add_all(&words, compare, COUNT_OF(compare));
    git_words_add(&words, blame->steps[step - 1].tree);
    git_words_add(&words, blame->steps[step].tree);
    const struct shadow_call call = {.words = &words};
    TRY(trees_run(&blame->shadow, &call, &result, why));
    struct bytes rest = text_bytes(&result.output);
    while (change_step_next(&rest, &line) == CHANGE_STEP_FILE) {
        if (bytes_is(line.path, path)) {
            *ret_old = arena_try_copy(&blame->names, line.old_path.data, line.old_path.len);
            return *ret_old == NULL ? err_make(ERR_OUT_OF_MEMORY, "changes: blame") : ERR_OK;
        }
    }
    return ERR_OK;
}

static struct err parts_find(struct blame *blame, struct why *why) {
    for (;;) {
        struct blame_part *part = &blame->parts[blame->part_count - 1];
        TRY(creation_find(blame, *part, &part->from, why));
        if (part->from == 0 || blame->part_count == COUNT_OF(blame->parts)) {
            return ERR_OK;
        }
        TRY(rename_find(blame, part->from, part->path, &part->old_path, why));
        if (part->old_path == NULL) {
            return ERR_OK;
        }
        blame->parts[blame->part_count++] =
            (struct blame_part){.path = part->old_path, .to = part->from - 1};
    }
}

/* Names are those of the time of a step. */
static void parts_name(struct blame *blame) {
    for (size_t i = 0; i < blame->part_count; i++) {
        const struct blame_part *part = &blame->parts[i];
        for (size_t at = part->from; at <= part->to; at++) {
            blame->steps[at].by = step_by(blame->steps[at].order, bytes_of(part->path));
        }
    }
}

/* --- Forwards: the lines ---------------------------------------------------------------------- */

static void diff_words(struct git_words *words) {
    static const char *const compare[] = {
        "diff-tree", "-r", "-p", "-U0", "--no-color", "--no-ext-diff", "--no-textconv"};
    shadow_words(words);
    git_words_add_all(words, compare, COUNT_OF(compare));
}

static struct err lines_unknown(struct why *why) {
    return err_why(why, ERR_INTERNAL, "the diff of git has an unknown form");
}

static struct err rename_fold(const struct blame *blame, const struct blame_part *part,
                              struct line_steps *lines, struct why *why) {
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words;
    diff_words(&words);
    git_words_add(&words, "-M");
    git_words_add(&words, blame->steps[part->from - 1].tree);
    git_words_add(&words, blame->steps[part->from].tree);
    git_words_add(&words, "--");
    git_words_add(&words, part->old_path);
    git_words_add(&words, part->path);
    const struct shadow_call call = {.words = &words};
    TRY(trees_run(&blame->shadow, &call, &result, why));
    struct bytes rest = text_bytes(&result.output);
    return result.cut || !line_steps_read(lines, &rest, part->from) ? lines_unknown(why) : ERR_OK;
}

static struct err part_fold(const struct blame *blame, struct blame_part part,
                            struct line_steps *lines, struct why *why) {
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words;
    struct bytes from = {NULL, 0}, to = {NULL, 0};
    if (part.old_path != NULL) {
        TRY(rename_fold(blame, &part, lines, why));
    }
    part.from += part.from == 0 || part.old_path != NULL; /* Step 0 has no tree before it. */
    diff_words(&words);
    git_words_add(&words, "--stdin");
    git_words_add(&words, "--no-renames");
    TRY(diffs_compare(blame, &words, &part, &result, why));
    struct bytes rest = text_bytes(&result.output);
    for (size_t at = step_next(blame, part.from, part.to); at <= part.to;
         at = step_next(blame, at + 1, part.to)) {
        if (!bytes_next(&rest, ' ', &from) || !bytes_next(&rest, '\n', &to) ||
            !step_is(blame, at, from, to)) {
            return err_why(why, ERR_GONE, "a tree of the steps is not in the repository");
        }
        if (!line_steps_read(lines, &rest, at)) {
            return lines_unknown(why);
        }
    }
    return ERR_OK;
}

static int64_t lines_count(struct bytes content) {
    int64_t count = content.len > 0 && content.data[content.len - 1] != '\n';
    for (size_t i = 0; i < content.len; i++) {
        count += content.data[i] == '\n';
    }
    return count;
}

/* The next line of the content, as UTF-8. */
static void line_text_add(struct bytes *io_content, struct text *answer) {
    struct bytes line = {NULL, 0};
    if (!bytes_next(io_content, '\n', &line)) {
        line = *io_content;
        *io_content = (struct bytes){NULL, 0};
    }
    line.len = line.len > BLAME_LINE_MAX ? utf8_cut(line, BLAME_LINE_MAX) : line.len;
    text_add_str(answer, ",\"text\":\"");
    while (line.len > 0) {
        const size_t valid = utf8_valid_len(line.data, line.len);
        const size_t taken = valid < line.len ? valid + 1 : valid;
        text_add_json_piece(answer, (struct bytes){line.data, valid});
        text_add_str(answer, valid < line.len ? "\xef\xbf\xbd" : "");
        line = (struct bytes){line.data + taken, line.len - taken};
    }
    text_add_char(answer, '"');
}

static struct err lines_write(const struct blame *blame, const struct line_steps *lines,
                              struct text *answer, struct why *why) {
    const struct bytes content = text_bytes(&blame->content.output);
    const size_t look = content.len < BINARY_LOOK ? content.len : BINARY_LOOK;
    const bool binary = look > 0 && memchr(content.data, '\0', look) != NULL;
    int64_t left = binary ? 0 : lines_count(content);
    if (left > BLAME_LINES_MAX) {
        return err_why(why, ERR_TOO_EXPENSIVE, "the file has more than %d lines", BLAME_LINES_MAX);
    }
    struct bytes rest = content;
    bool first = true;
    text_add_str(answer, "{\"lines\":[");
    for (size_t i = 0; i < lines->count; i++) {
        for (int64_t j = 0; j < lines->runs[i].len && left > 0; j++, left--) {
            const size_t step = lines->runs[i].step;
            text_add_str(answer, first ? "{" : ",{");
            text_add_member_int(answer, "by", blame->steps[step].by);
            text_add_member_int(answer, "step", (int64_t)step);
            line_text_add(&rest, answer);
            text_add_char(answer, '}');
            first = false;
        }
    }
    text_add_char(answer, ']');
    text_add_member_bool(answer, "binary", binary);
    text_add_char(answer, '}');
    return left > 0 ? lines_unknown(why) : ERR_OK;
}

struct err blame_lines(const json_t *order, struct text *answer, struct why *why) {
    AUTO(blame_done) struct blame blame = {.count = 0};
    AUTO(line_steps_done) struct line_steps lines = {.runs = NULL};
    arena_init(&blame.names, NAMES_BYTES_MAX);
    line_steps_init(&lines);
    TRY(shadow_open(json_str(order, "git", "/usr/bin/git"), json_str(order, "shadow", ""),
                    &blame.shadow, why));
    TRY(blame_read(order, &blame, why));
    TRY(content_read(&blame, why));
    TRY(parts_find(&blame, why));
    parts_name(&blame);
    for (size_t i = blame.part_count; i-- > 0;) {
        TRY(part_fold(&blame, blame.parts[i], &lines, why));
    }
    return lines_write(&blame, &lines, answer, why);
}
