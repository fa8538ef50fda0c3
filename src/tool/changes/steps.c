/* steps.c: see steps.h. One `git diff-tree` for all steps, without renames and lines: there, only
 * the paths count. */
#include "tool/changes/steps.h"

#include <stdlib.h>

#include "base/hash.h"
#include "rules/changes/names.h"
#include "tool/changes/batch.h"

enum { NAMES_BYTES_MAX = 64 << 20, FIRST_SIZE = 64 };
static const char empty_tree[] = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/* --- Trees ------------------------------------------------------------------------------------ */

/* The hash of a tree of the order. NULL: it is none. */
const char *tree_of(const json_t *value) {
    const struct bytes text = json_text(value);
    unsigned char hash[(TREE_HEX - 1) / 2];
    if (json_is_string(value) && text.len == 0) {
        return empty_tree;
    }
    return text.len == TREE_HEX - 1 && hex_parse(text, hash, sizeof hash) ? text.data : NULL;
}

struct err trees_read(const json_t *order, struct trees *ret_trees, struct why *why) {
    const struct trees trees = {tree_of(json_object_get(order, "from")),
                                tree_of(json_object_get(order, "to"))};
    if (trees.from == NULL || trees.to == NULL) {
        return err_why(why, ERR_BAD_FIELD, "from and to must be hashes of trees");
    }
    *ret_trees = trees;
    return ERR_OK;
}

/* Whether git misses an object: its words for a tree, a part of one, and a content. */
static bool is_gone(struct bytes complaint) {
    static const char *const words[] = {"bad object",     "unable to read", "Could not read",
                                        "could not read", "bad tree",       "not a tree",
                                        "bad file"};
    bool gone = false;
    for (size_t i = 0; i < COUNT_OF(words) && !gone; i++) {
        gone = memmem(complaint.data, complaint.len, words[i], strlen(words[i])) != NULL;
    }
    return gone;
}

struct err trees_run(const struct shadow *shadow, const struct shadow_call *call,
                     struct git_result *ret_result, struct why *why) {
    TRY(shadow_run(shadow, call, ret_result, why));
    if (ret_result->code == 0 || ret_result->cut) {
        return ERR_OK;
    }
    const struct bytes complaint = shadow_complaint(ret_result);
    if (is_gone(complaint)) {
        return err_why(why, ERR_GONE, "a part of the comparison is not in the repository");
    }
    return err_why(why, ERR_INTERNAL, "git failed: %.*s", (int)complaint.len, complaint.data);
}

/* --- By whom ---------------------------------------------------------------------------------- */

void marks_done(struct marks *marks) {
    mem_free(marks->marks);
}

void mark_add(struct marks *marks, struct mark mark) {
    if (marks->count == marks->size) {
        marks->size = marks->size == 0 ? FIRST_SIZE : 2 * marks->size;
        marks->marks = mem_grow(marks->marks, marks->size * sizeof *marks->marks);
    }
    marks->marks[marks->count++] = mark;
}

static int mark_compare(const void *a, const void *b) {
    const struct mark *one = a, *other = b;
    const int order = (one->step > other->step) - (one->step < other->step);
    if (order != 0) {
        return order;
    }
    const int paths = bytes_compare(one->path, other->path);
    return paths != 0 ? paths : (one->by > other->by) - (one->by < other->by);
}

void marks_sort(struct marks *marks) {
    if (marks->count > 0) {
        qsort(marks->marks, marks->count, sizeof *marks->marks, mark_compare);
    }
}

size_t marks_place(const struct marks *marks, size_t step, struct bytes path) {
    const struct mark wanted = {.path = path, .step = step, .by = INT64_MIN};
    size_t low = 0, high = marks->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (mark_compare(&marks->marks[middle], &wanted) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool marks_has(const struct marks *marks, size_t at, size_t step, struct bytes path) {
    return at < marks->count && marks->marks[at].step == step &&
           bytes_equal(marks->marks[at].path, path);
}

void steps_done(struct steps *steps) {
    mem_free(steps->steps);
    marks_done(&steps->named);
    git_result_done(&steps->result);
    arena_done(&steps->names);
}

/* [[NAME, N], …]. A name that is wrong names nothing. */
static void named_read(struct steps *steps, size_t step, const json_t *named) {
    for (size_t i = 0; i < json_array_size(named); i++) {
        const json_t *pair = json_array_get(named, i), *by = json_array_get(pair, 1);
        AUTO(text_done) struct text path = text_up_to(LIMIT_PATH_MAX);
        if (!json_is_integer(by) || !change_name_read(json_text(json_array_get(pair, 0)), &path)) {
            continue;
        }
        const char *copy = arena_try_copy(&steps->names, path.data, path.len);
        if (copy != NULL) {
            mark_add(&steps->named, (struct mark){{copy, path.len}, step, json_integer_value(by)});
        }
    }
}

struct err steps_read(const json_t *order, const struct trees *trees, struct steps *steps,
                      struct why *why) {
    const json_t *list = json_object_get(order, "steps");
    const size_t count = json_array_size(list);
    const char *before = trees->from;
    if (count > STEPS_MAX) {
        return err_why(why, ERR_BAD_FIELD, "steps: more than %d", STEPS_MAX);
    }
    arena_init(&steps->names, NAMES_BYTES_MAX);
    steps->steps = mem_new_array(count + 1, sizeof *steps->steps);
    for (size_t i = 0; i < count; i++) {
        const json_t *step = json_array_get(list, i);
        const char *tree = tree_of(json_object_get(step, "tree"));
        if (tree == NULL) {
            return err_why(why, ERR_BAD_FIELD, "steps: a tree must be a hash");
        }
        steps->steps[i] = (struct step){before, tree, json_int(step, "by", 0)};
        named_read(steps, i, json_object_get(step, "named"));
        before = tree;
    }
    steps->count = count;
    marks_sort(&steps->named);
    if (count > 0 && strcmp(before, trees->to) != 0) {
        return err_why(why, ERR_BAD_FIELD, "steps: the last tree must be `to`");
    }
    return ERR_OK;
}

/* The next step whose trees differ. */
static size_t steps_next(const struct steps *steps, size_t at) {
    while (at < steps->count && strcmp(steps->steps[at].from, steps->steps[at].to) == 0) {
        at++;
    }
    return at;
}

/* Reads what git wrote about the pairs. A pair without a header has a tree that is not there. */
static bool steps_tell(const struct steps *steps, struct steps_walk walk) {
    struct bytes rest = text_bytes(&steps->result.output);
    struct change_step part = {.path = {NULL, 0}};
    size_t at = 0, next = steps_next(steps, 0);
    for (;;) {
        switch (change_step_next(&rest, &part)) {
        case CHANGE_STEP_END:
            return next == steps->count;
        case CHANGE_STEP_BAD:
            return false;
        case CHANGE_STEP_HEADER:
            at = next;
            if (at == steps->count || !bytes_is(part.from, steps->steps[at].from) ||
                !bytes_is(part.to, steps->steps[at].to)) {
                return false;
            }
            next = steps_next(steps, at + 1);
            break;
        case CHANGE_STEP_FILE:
            walk.on_file(walk.ctx, at, &part);
            break;
        }
    }
}

struct err steps_compare(const struct shadow *shadow, struct steps *steps, struct steps_walk walk,
                         struct why *why) {
    static const char *const compare[] = {"diff-tree", "--stdin",      "-r",         "-z",
                                          "--raw",     "--no-renames", "--no-abbrev"};
    AUTO(text_done)
    struct text pairs = text_up_to((size_t)2 * (STEPS_MAX + 1) * TREE_HEX);
    for (size_t i = steps_next(steps, 0); i < steps->count; i = steps_next(steps, i + 1)) {
        text_addf(&pairs, "%s %s\n", steps->steps[i].from, steps->steps[i].to);
    }
    if (text_failed(&pairs)) {
        return text_error(&pairs, "changes: steps");
    }
    if (pairs.len == 0) {
        return ERR_OK;
    }
    struct git_words words;
    struct batch_input input = {.piece = text_bytes(&pairs)};
    shadow_words(&words);
    git_words_add_all(&words, compare, COUNT_OF(compare));
    const struct shadow_call call = {.words = &words, .feed = {batch_input_next, &input}};
    TRY(trees_run(shadow, &call, &steps->result, why));
    if (steps->result.cut) {
        return err_why(why, ERR_TOO_EXPENSIVE, "the steps changed too many files");
    }
    if (!steps_tell(steps, walk)) {
        return err_why(why, ERR_GONE, "a tree of the steps is not in the repository");
    }
    return ERR_OK;
}
