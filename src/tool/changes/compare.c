/* compare.c: see compare.h. One `git diff-tree` for the two trees, with renames and lines, and the
 * steps of steps.h, which say by whom. */
#include "tool/changes/compare.h"

#include <stdlib.h>

#include "base/memory.h"
#include "rules/changes/names.h"
#include "tool/changes/shadow.h"
#include "tool/changes/steps.h"

enum { LIMIT_USUAL = 500 };

static struct err order_open(const json_t *order, struct shadow *ret_shadow, struct why *why) {
    return shadow_open(json_str(order, "git", "/usr/bin/git"), json_str(order, "shadow", ""),
                       ret_shadow, why);
}

/* --- By whom ---------------------------------------------------------------------------------- */

/* Numbers of the files of all steps together: the step of a mark is 0. */
struct whose {
    const struct steps *steps; /* Borrowed. */
    struct marks marks;        /* Owned. */
};

static void whose_done(struct whose *whose) {
    marks_done(&whose->marks);
}

static void on_file(void *ctx, size_t step, const struct change_step *file) {
    struct whose *whose = ctx;
    const struct steps *steps = whose->steps;
    size_t at = marks_place(&steps->named, step, file->path);
    if (!marks_has(&steps->named, at, step, file->path)) {
        mark_add(&whose->marks, (struct mark){file->path, 0, steps->steps[step].by});
        return;
    }
    for (; marks_has(&steps->named, at, step, file->path); at++) {
        mark_add(&whose->marks, (struct mark){file->path, 0, steps->named.marks[at].by});
    }
}

/* --- The list --------------------------------------------------------------------------------- */

static int number_compare(const void *a, const void *b) {
    const int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

/* The numbers of a file: of its path and of its old one, each number once. */
static void by_write(const struct whose *whose, const struct change_row *row, struct text *answer) {
    int64_t numbers[2 * STEPS_MAX];
    size_t count = 0, written = 0;
    const struct bytes paths[] = {row->path, row->old_path};
    for (size_t i = 0; i < COUNT_OF(paths) && paths[i].len > 0; i++) {
        const struct marks *marks = &whose->marks;
        for (size_t at = marks_place(marks, 0, paths[i]);
             marks_has(marks, at, 0, paths[i]) && count < COUNT_OF(numbers); at++) {
            const int64_t by = marks->marks[at].by;
            if (count == 0 || numbers[count - 1] != by) {
                numbers[count++] = by;
            }
        }
    }
    qsort(numbers, count, sizeof *numbers, number_compare);
    text_add_name(answer, "by");
    text_add_char(answer, '[');
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || numbers[i] != numbers[i - 1]) {
            text_add_str(answer, written++ > 0 ? "," : "");
            text_add_int(answer, numbers[i]);
        }
    }
    text_add_char(answer, ']');
}

static void name_add_member(struct text *answer, const char *member, struct bytes path) {
    AUTO(text_done) struct text name = text_up_to(8 * LIMIT_PATH_MAX);
    change_name_write(path, &name);
    text_add_member(answer, member, text_bytes(&name));
}

static void row_write(const struct whose *whose, const struct change_row *row,
                      struct text *answer) {
    text_add_char(answer, '{');
    name_add_member(answer, "path", row->path);
    if (row->old_path.len > 0) {
        name_add_member(answer, "old_path", row->old_path);
    }
    text_add_member_str(answer, "operation", change_operation_name(row->operation));
    text_add_member_int(answer, "added", row->added);
    text_add_member_int(answer, "removed", row->removed);
    text_add_member_bool(answer, "binary", row->binary);
    text_add_member_or_null(answer, "before", row->before);
    text_add_member_or_null(answer, "after", row->after);
    if (row->mode_before.len > 0) {
        text_add_member(answer, "mode_before", row->mode_before);
    }
    if (row->mode_after.len > 0) {
        text_add_member(answer, "mode_after", row->mode_after);
    }
    by_write(whose, row, answer);
    text_add_char(answer, '}');
}

static struct err page_write(const json_t *order, const struct whose *whose,
                             const struct change_rows *rows, struct text *answer, struct why *why) {
    const int64_t limit = json_int(order, "limit", LIMIT_USUAL);
    const struct bytes name = json_bytes(order, "after");
    AUTO(text_done) struct text after = text_up_to(LIMIT_PATH_MAX);
    if (limit < 1 || limit > COMPARE_LIMIT_MAX) {
        return err_why(why, ERR_BAD_FIELD, "limit: from 1 to %d", COMPARE_LIMIT_MAX);
    }
    if (name.len > 0 && !change_name_read(name, &after)) {
        return err_why(why, ERR_BAD_FIELD, "after: not the name of a file");
    }
    size_t at = 0;
    int64_t added = 0, removed = 0;
    while (at < rows->count && after.len > 0 &&
           bytes_compare(rows->rows[at].path, text_bytes(&after)) <= 0) {
        at++;
    }
    const size_t begin = at;
    text_add_str(answer, "{\"files\":[");
    for (; at < rows->count && at - begin < (size_t)limit; at++) {
        text_add_str(answer, at > begin ? "," : "");
        row_write(whose, &rows->rows[at], answer);
    }
    text_add_char(answer, ']');
    if (at < rows->count) {
        name_add_member(answer, "next", rows->rows[at - 1].path);
    } else {
        text_add_member_str(answer, "next", NULL);
    }
    for (size_t i = 0; i < rows->count; i++) {
        added += rows->rows[i].added;
        removed += rows->rows[i].removed;
    }
    text_add_name(answer, "totals");
    text_add_char(answer, '{');
    text_add_member_int(answer, "files", (int64_t)rows->count);
    text_add_member_int(answer, "added", added);
    text_add_member_int(answer, "removed", removed);
    text_add_str(answer, "}}");
    return text_failed(answer) ? text_error(answer, "changes: answer") : ERR_OK;
}

struct err compare_list(const json_t *order, struct text *answer, struct why *why) {
    static const char *const compare[] = {"diff-tree",    "-r", "-z",          "--raw",
                                          "--numstat",    "-M", "--no-abbrev", "--no-ext-diff",
                                          "--no-textconv"};
    struct shadow shadow;
    struct trees trees = {NULL, NULL};
    AUTO(steps_done) struct steps steps = {.count = 0};
    AUTO(whose_done) struct whose whose = {.steps = &steps};
    TRY(order_open(order, &shadow, why));
    TRY(trees_read(order, &trees, why));
    TRY(steps_read(order, &trees, &steps, why));
    struct git_words words;
    shadow_words(&words);
    git_words_add_all(&words, compare, COUNT_OF(compare));
    git_words_add(&words, trees.from);
    git_words_add(&words, trees.to);
    const struct shadow_call call = {.words = &words};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    TRY(trees_run(&shadow, &call, &result, why));
    if (result.cut) {
        return err_why(why, ERR_TOO_EXPENSIVE, "too many files differ");
    }
    AUTO(change_rows_done) struct change_rows rows = {.rows = NULL};
    if (!change_rows_read(text_bytes(&result.output), &rows)) {
        return err_why(why, ERR_INTERNAL, "the list of git has an unknown form");
    }
    TRY(steps_compare(&shadow, &steps, (struct steps_walk){on_file, &whose}, why));
    marks_sort(&whose.marks);
    return page_write(order, &whose, &rows, answer, why);
}

/* --- The difference as text ------------------------------------------------------------------- */

/* Each file begins with this line, and no line within one does: those of text begin with a blank, a
 * sign or a backslash, and those of binary patches have no blanks. */
static const char file_opening[] = "diff --git ";

/* Length of the whole files within the first `len_max` bytes of a text that goes on after them. */
static size_t files_len(struct bytes text, size_t len_max) {
    const struct bytes opening = BYTES(file_opening);
    for (size_t at = len_max + 1; at-- > 0;) {
        if ((at == 0 || text.data[at - 1] == '\n') &&
            bytes_begin((struct bytes){text.data + at, text.len - at}, opening)) {
            return at;
        }
    }
    return 0;
}

struct err compare_diff_paths(const json_t *order, struct arena *arena, struct git_words *words,
                              struct why *why) {
    const json_t *paths = json_object_get(order, "paths");
    if (json_array_size(paths) > COMPARE_PATHS_MAX) {
        return err_why(why, ERR_BAD_FIELD, "paths: more than %d", COMPARE_PATHS_MAX);
    }
    for (size_t i = 0; i < json_array_size(paths); i++) {
        AUTO(text_done) struct text path = text_up_to(LIMIT_PATH_MAX);
        if (!change_name_read(json_text(json_array_get(paths, i)), &path)) {
            return err_why(why, ERR_BAD_FIELD, "paths: not the name of a file");
        }
        const char *copy = arena_try_copy(arena, path.data, path.len);
        if (copy == NULL) {
            return err_make(ERR_OUT_OF_MEMORY, "changes: paths");
        }
        git_words_add(words, copy);
    }
    return ERR_OK;
}

const char *const compare_diff_words[] = {"-p",
                                          "-M",
                                          "-U3",
                                          "--binary",
                                          "--full-index",
                                          "--no-color",
                                          "--no-ext-diff",
                                          "--no-textconv",
                                          "--src-prefix=a/",
                                          "--dst-prefix=b/"};
const size_t compare_diff_word_count = COUNT_OF(compare_diff_words);

struct err compare_bytes_max(const json_t *order, size_t *ret_bytes_max, struct why *why) {
    const int64_t bytes_max = json_int(order, "bytes_max", COMPARE_DIFF_USUAL);
    if (bytes_max < 0 || bytes_max > COMPARE_DIFF_MAX) {
        return err_why(why, ERR_BAD_FIELD, "bytes_max: at most %d", COMPARE_DIFF_MAX);
    }
    *ret_bytes_max = (size_t)bytes_max;
    return ERR_OK;
}

struct err compare_diff_print(struct bytes printed, size_t bytes_max, struct text *answer,
                              struct text *body) {
    const bool cut = printed.len > bytes_max;
    const size_t len = cut ? files_len(printed, bytes_max) : printed.len;
    text_add(body, printed.data, len);
    text_add_char(answer, '{');
    text_add_member_int(answer, "bytes", (int64_t)len);
    text_add_member_bool(answer, "cut", cut);
    text_add_char(answer, '}');
    return text_failed(body) ? text_error(body, "changes: diff") : ERR_OK;
}

struct err compare_diff(const json_t *order, struct text *answer, struct text *body,
                        struct why *why) {
    struct shadow shadow;
    struct trees trees = {NULL, NULL};
    size_t bytes_max = 0;
    TRY(compare_bytes_max(order, &bytes_max, why));
    TRY(order_open(order, &shadow, why));
    TRY(trees_read(order, &trees, why));
    AUTO(arena_done) struct arena arena;
    arena_init(&arena, COMPARE_NAMES_BYTES_MAX);
    struct git_words words;
    shadow_words(&words);
    git_words_add(&words, "diff-tree");
    git_words_add(&words, "-r");
    git_words_add_all(&words, compare_diff_words, compare_diff_word_count);
    git_words_add(&words, trees.from);
    git_words_add(&words, trees.to);
    git_words_add(&words, "--");
    TRY(compare_diff_paths(order, &arena, &words, why));
    const struct shadow_call call = {.words = &words, .output_max = compare_output_max(bytes_max)};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    TRY(trees_run(&shadow, &call, &result, why));
    return compare_diff_print(text_bytes(&result.output), bytes_max, answer, body);
}
