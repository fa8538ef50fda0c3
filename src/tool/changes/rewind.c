/* rewind.c: see rewind.h.
 *
 *   1. changes_collect    each change of each path, by one `git diff-tree` over all steps
 *   2. paths_judge        per path: nothing, a state of T0, merges, or a refusal
 *   3. outcome_settle     results put into a private index over `to`; its tree against `to` gives
 *                         the rows of the answer, with their lines. Where git took a file out of
 *                         the index because a result stands in its place, that result is refused
 *                         as "kind", and the tree is made again.
 *
 * The private index and the three files of a merge are in a folder below objects/, under a name
 * that the sweep after a killed pass removes (shadow.h). The shared lock keeps that sweep away. */
#include "tool/changes/rewind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "rules/changes/inverse.h"
#include "rules/changes/names.h"
#include "tool/changes/batch.h"
#include "tool/changes/steps.h"

enum {
    FIRST_SIZE = 64,
    TOUCHES_MAX = 2000000,
    FORCED_MAX = 10000,
    BINARY_LOOK = 8000, /* Bytes in which git looks for a NUL. */
    ROUNDS_MAX = 50,
    LINE_MAX_BYTES = LIMIT_PATH_MAX + 64,
};

struct touch {
    struct bytes path;
    size_t step;
    struct inverse_change change;
};

enum refusal { REFUSAL_NONE, REFUSAL_CHANGED, REFUSAL_SHARED, REFUSAL_KIND };

/* A path that something of mine touched. */
struct path_plan {
    struct bytes path;
    size_t first, count; /* Range of changes of this path. */
    struct inverse_state before, after;
    char merged[TREE_HEX]; /* Hash of a merged content, to which `after` points. */
    enum inverse_kind kind;
    enum refusal refusal;
};

/* Paths that the order names. */
struct path_list {
    struct bytes *paths; /* Owned; sorted. */
    size_t count;
};

struct rewind {
    const json_t *order;
    struct shadow shadow;
    struct steps steps;
    struct touch *touches; /* Owned; by path, then by step. */
    size_t touch_count, touch_size;
    struct inverse_change *changes; /* Owned; those of the touches, in their order. */
    struct path_plan *plans;        /* Owned; by path. */
    size_t plan_count;
    struct arena names; /* Owned; texts of the next two. */
    struct path_list forced, only;
    bool has_only;
    int64_t mine;
    size_t merges;
    bool too_many;
    struct shadow_path place; /* The private folder; "": none. */
};

static void rewind_done(struct rewind *rewind) {
    static const char *const names[] = {"index", "index.lock", "now", "base", "other"};
    if (rewind->place.text[0] != '\0') {
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            (void)unlink(shadow_file(&rewind->shadow, names[i]).text); /* Perhaps there is none. */
        }
        (void)rmdir(rewind->place.text); /* Remains are swept later. */
    }
    shadow_close(&rewind->shadow);
    steps_done(&rewind->steps);
    arena_done(&rewind->names);
    mem_free(rewind->touches);
    mem_free(rewind->changes);
    mem_free(rewind->plans);
    mem_free(rewind->forced.paths);
    mem_free(rewind->only.paths);
}

/* --- The changes ------------------------------------------------------------------------------ */

static int64_t change_by(const struct steps *steps, size_t step, struct bytes path) {
    size_t at = marks_place(&steps->named, step, path);
    if (!marks_has(&steps->named, at, step, path)) {
        return steps->steps[step].by;
    }
    int64_t by = 0;
    for (; marks_has(&steps->named, at, step, path); at++) {
        by |= steps->named.marks[at].by;
    }
    return by;
}

static void on_file(void *ctx, size_t step, const struct change_step *file) {
    struct rewind *rewind = ctx;
    if (rewind->touch_count == TOUCHES_MAX) {
        rewind->too_many = true;
        return;
    }
    if (rewind->touch_count == rewind->touch_size) {
        rewind->touch_size = rewind->touch_size == 0 ? FIRST_SIZE : 2 * rewind->touch_size;
        rewind->touches = mem_grow(rewind->touches, rewind->touch_size * sizeof *rewind->touches);
    }
    rewind->touches[rewind->touch_count++] =
        (struct touch){file->path,
                       step,
                       {{file->mode_before, file->before},
                        {file->mode_after, file->after},
                        change_by(&rewind->steps, step, file->path)}};
}

static int touch_compare(const void *a, const void *b) {
    const struct touch *one = a, *other = b;
    const int order = bytes_compare(one->path, other->path);
    return order != 0 ? order : (one->step > other->step) - (one->step < other->step);
}

static int name_compare(const void *a, const void *b) {
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static struct err paths_read(struct rewind *rewind, const char *name, struct path_list *list,
                             struct why *why) {
    const json_t *names = json_object_get(rewind->order, name);
    const size_t count = json_array_size(names);
    if (count > FORCED_MAX) {
        return err_why(why, ERR_BAD_FIELD, "%s: more than %d paths", name, FORCED_MAX);
    }
    list->paths = mem_new_array(count + 1, sizeof *list->paths);
    for (size_t i = 0; i < count; i++) {
        AUTO(text_done) struct text path = text_up_to(LIMIT_PATH_MAX);
        if (!change_name_read(json_text(json_array_get(names, i)), &path)) {
            return err_why(why, ERR_BAD_FIELD, "%s: not the name of a file", name);
        }
        const char *copy = arena_try_copy(&rewind->names, path.data, path.len);
        if (copy == NULL) {
            return err_make(ERR_OUT_OF_MEMORY, "changes: named paths");
        }
        list->paths[list->count++] = (struct bytes){copy, path.len};
    }
    if (count > 0) {
        qsort(list->paths, count, sizeof *list->paths, name_compare);
    }
    return ERR_OK;
}

static bool paths_have(const struct path_list *list, struct bytes path) {
    return list->count > 0 &&
           bsearch(&path, list->paths, list->count, sizeof *list->paths, name_compare) != NULL;
}

static struct err changes_collect(struct rewind *rewind, struct why *why) {
    TRY(steps_compare(&rewind->shadow, &rewind->steps, (struct steps_walk){on_file, rewind}, why));
    if (rewind->too_many) {
        return err_why(why, ERR_TOO_EXPENSIVE, "the steps changed too many files");
    }
    if (rewind->touch_count > 0) {
        qsort(rewind->touches, rewind->touch_count, sizeof *rewind->touches, touch_compare);
    }
    rewind->changes = mem_new_array(rewind->touch_count + 1, sizeof *rewind->changes);
    for (size_t i = 0; i < rewind->touch_count; i++) {
        rewind->changes[i] = rewind->touches[i].change;
    }
    return ERR_OK;
}

/* --- Merges ----------------------------------------------------------------------------------- */

static bool is_binary(struct bytes content) {
    const size_t len = content.len < BINARY_LOOK ? content.len : BINARY_LOOK;
    return len > 0 && memchr(content.data, '\0', len) != NULL;
}

static bool merge_file_write(const char *path, struct bytes content) {
    AUTO(fd_release)
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    while (fd >= 0 && content.len > 0) {
        const ssize_t put = write(fd, content.data, content.len);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        const size_t used = put < 0 ? 0 : (size_t)put;
        content = (struct bytes){content.data + used, content.len - used};
    }
    return fd >= 0;
}

/* Writes the three contents as files. *ret_text: all of them are text. */
static struct err merge_files_write(const struct rewind *rewind, const struct bytes hashes[3],
                                    bool *ret_text, struct why *why) {
    static const char *const names[] = {"now", "base", "other"};
    AUTO(text_done) struct text wanted = text_up_to((size_t)4 * TREE_HEX);
    AUTO(git_result_done) struct git_result result = {.code = 0};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        text_add(&wanted, hashes[i].data, hashes[i].len);
        text_add_char(&wanted, '\n');
    }
    TRY(batch_read(&rewind->shadow, text_bytes(&wanted), &result, why));
    struct bytes rest = text_bytes(&result.output), content = {NULL, 0};
    *ret_text = true;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!batch_next(&rest, &content)) {
            return err_why(why, ERR_GONE, "a content of the points is not in the repository");
        }
        *ret_text = *ret_text && !is_binary(content);
        if (!merge_file_write(shadow_file(&rewind->shadow, names[i]).text, content)) {
            return err_from_errno(errno, "changes: merge");
        }
    }
    return ERR_OK;
}

/* Takes one run back from the text of plan->after. *ret_clean: no line was in conflict. */
static struct err text_merge(struct rewind *rewind, struct path_plan *plan,
                             const struct inverse_run *run, bool *ret_clean, struct why *why) {
    static const char *const merge[] = {"merge-file", "-p", "-q", "now", "base", "other"};
    const struct bytes hashes[] = {plan->after.hash, run->after.hash, run->before.hash};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words;
    if (rewind->merges++ >= REWIND_MERGES_MAX) {
        return err_why(why, ERR_TOO_EXPENSIVE,
                       "the rewind needs more than %d merges: choose a later point",
                       REWIND_MERGES_MAX);
    }
    TRY(merge_files_write(rewind, hashes, ret_clean, why));
    if (!*ret_clean) {
        return ERR_OK;
    }
    shadow_words(&words);
    git_words_add_all(&words, merge, COUNT_OF(merge));
    const struct shadow_call call = {.words = &words};
    TRY(shadow_run(&rewind->shadow, &call, &result, why));
    if (result.code < 0 || result.code > 127 || result.cut) {
        const struct bytes complaint = shadow_complaint(&result);
        return err_why(why, ERR_INTERNAL, "git failed: %.*s", (int)complaint.len, complaint.data);
    }
    *ret_clean = result.code == 0;
    if (*ret_clean) {
        TRY(batch_store(&rewind->shadow, text_bytes(&result.output), plan->merged, why));
        plan->after.hash = bytes_of(plan->merged);
    }
    return ERR_OK;
}

/* --- One path --------------------------------------------------------------------------------- */

static enum refusal refusal_of(const struct rewind *rewind, const struct path_plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        if (inverse_is_shared(rewind->changes[plan->first + i].by, rewind->mine)) {
            return REFUSAL_SHARED;
        }
    }
    return REFUSAL_CHANGED;
}

static struct err runs_take_back(struct rewind *rewind, struct path_plan *plan, struct why *why) {
    const struct inverse_change *changes = &rewind->changes[plan->first];
    struct inverse_run run;
    bool clean = true;
    for (size_t at = plan->count; clean && inverse_run_next(changes, rewind->mine, &at, &run);) {
        struct inverse_state state = plan->after;
        const enum inverse_merge merge = inverse_merge(plan->after, &run, &state);
        clean = merge != INVERSE_CLASH;
        if (merge == INVERSE_TEXT) {
            TRY(text_merge(rewind, plan, &run, &clean, why));
            plan->after.mode = state.mode;
        } else if (clean) {
            plan->after = state;
        }
    }
    if (!clean) {
        plan->refusal = refusal_of(rewind, plan);
    }
    return ERR_OK;
}

static struct err path_judge(struct rewind *rewind, struct path_plan *plan, struct why *why) {
    const struct inverse_change *changes = &rewind->changes[plan->first];
    plan->before = plan->after = changes[plan->count - 1].after;
    if (rewind->has_only && !paths_have(&rewind->only, plan->path)) {
        return ERR_OK; /* INVERSE_NONE. */
    }
    plan->kind =
        inverse_judge(changes, plan->count, rewind->mine,
                      paths_have(&rewind->forced, plan->path) ? INVERSE_FORCED : INVERSE_CAREFUL);
    switch (plan->kind) {
    case INVERSE_NONE:
    case INVERSE_SHARED:
        return ERR_OK;
    case INVERSE_EXACT:
        plan->after = changes[0].before;
        return ERR_OK;
    case INVERSE_RUNS:
        return runs_take_back(rewind, plan, why);
    case INVERSE_REFUSED:
        plan->refusal = refusal_of(rewind, plan);
        return ERR_OK;
    }
    return ERR_OK;
}

static struct err paths_judge(struct rewind *rewind, struct why *why) {
    size_t paths = 0, files = 0;
    for (size_t i = 0; i < rewind->touch_count; i++) {
        paths += i == 0 || !bytes_equal(rewind->touches[i].path, rewind->touches[i - 1].path);
    }
    rewind->plans = mem_new_array(paths + 1, sizeof *rewind->plans);
    for (size_t i = 0; i < rewind->touch_count;) {
        struct path_plan *plan = &rewind->plans[rewind->plan_count++];
        *plan = (struct path_plan){.path = rewind->touches[i].path, .first = i};
        while (i < rewind->touch_count && bytes_equal(rewind->touches[i].path, plan->path)) {
            plan->count++;
            i++;
        }
        TRY(path_judge(rewind, plan, why));
        files += plan->kind != INVERSE_NONE;
        if (files > REWIND_FILES_MAX) {
            return err_why(why, ERR_TOO_EXPENSIVE, "the rewind would change more than %d files",
                           REWIND_FILES_MAX);
        }
    }
    return ERR_OK;
}

static bool plan_changes(const struct path_plan *plan) {
    return plan->refusal == REFUSAL_NONE && (!bytes_equal(plan->before.mode, plan->after.mode) ||
                                             !bytes_equal(plan->before.hash, plan->after.hash));
}

/* --- The tree --------------------------------------------------------------------------------- */

/* Lines of `git update-index --index-info -z`: first what goes, then what comes. */
struct index_feed {
    const struct rewind *rewind;
    size_t at;
    bool coming;
    struct text line; /* Owned. */
};

static void index_feed_done(struct index_feed *feed) {
    text_done(&feed->line);
}

static bool index_next(void *ctx, struct bytes *ret_piece) {
    static const char none[] = "0 0000000000000000000000000000000000000000\t";
    struct index_feed *feed = ctx;
    const struct rewind *rewind = feed->rewind;
    text_clear(&feed->line);
    while (feed->line.len == 0) {
        if (feed->at == rewind->plan_count) {
            if (feed->coming) {
                return false;
            }
            feed->coming = true;
            feed->at = 0;
            continue;
        }
        const struct path_plan *plan = &rewind->plans[feed->at++];
        const bool comes = plan->after.mode.len > 0;
        if (!plan_changes(plan) || comes != feed->coming) {
            continue;
        }
        if (comes) {
            text_add(&feed->line, plan->after.mode.data, plan->after.mode.len);
            text_add_char(&feed->line, ' ');
            text_add(&feed->line, plan->after.hash.data, plan->after.hash.len);
            text_add_char(&feed->line, '\t');
        } else {
            text_add_str(&feed->line, none);
        }
        text_add(&feed->line, plan->path.data, plan->path.len);
        text_add(&feed->line, "", 1); /* A NUL ends the line. */
    }
    *ret_piece = text_bytes(&feed->line);
    return true;
}

static struct err tree_write(const struct rewind *rewind, const char *to, char ret_tree[TREE_HEX],
                             struct why *why) {
    static const char *const put[] = {"update-index", "-z", "--index-info"};
    static const char *const write[] = {"write-tree", "--missing-ok"};
    AUTO(index_feed_done)
    struct index_feed feed = {.rewind = rewind, .line = text_up_to(LINE_MAX_BYTES)};
    AUTO(git_result_done) struct git_result nothing = {.code = 0};
    AUTO(git_result_done) struct git_result none = {.code = 0};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words;
    shadow_words(&words);
    git_words_add(&words, "read-tree");
    git_words_add(&words, to);
    const struct shadow_call call = {.words = &words};
    TRY(shadow_must(&rewind->shadow, &call, &nothing, why));
    shadow_words(&words);
    git_words_add_all(&words, put, COUNT_OF(put));
    const struct shadow_call fed = {.words = &words, .feed = {index_next, &feed}};
    TRY(shadow_must(&rewind->shadow, &fed, &none, why));
    shadow_words(&words);
    git_words_add_all(&words, write, COUNT_OF(write));
    TRY(shadow_must(&rewind->shadow, &call, &result, why));
    const struct bytes line = bytes_trim(text_bytes(&result.output), "\n");
    if (line.len != TREE_HEX - 1) {
        return err_why(why, ERR_INTERNAL, "git wrote a tree without a name");
    }
    memcpy(ret_tree, line.data, line.len);
    ret_tree[line.len] = '\0';
    return ERR_OK;
}

static int plan_compare(const void *a, const void *b) {
    return bytes_compare(((const struct path_plan *)a)->path, ((const struct path_plan *)b)->path);
}

static struct path_plan *plan_find(const struct rewind *rewind, struct bytes path) {
    const struct path_plan wanted = {.path = path};
    return rewind->plan_count == 0 ? NULL
                                   : bsearch(&wanted, rewind->plans, rewind->plan_count,
                                             sizeof *rewind->plans, plan_compare);
}

static bool is_below(struct bytes path, struct bytes folder) {
    return path.len > folder.len && bytes_begin(path, folder) && path.data[folder.len] == '/';
}

/* Refuses the files that pushed `path` out of the index. */
static size_t pushers_refuse(struct rewind *rewind, struct bytes path) {
    size_t count = 0;
    for (size_t i = 0; i < rewind->plan_count; i++) {
        struct path_plan *plan = &rewind->plans[i];
        if (plan_changes(plan) && plan->after.mode.len > 0 &&
            (is_below(path, plan->path) || is_below(plan->path, path))) {
            plan->refusal = REFUSAL_KIND;
            count++;
        }
    }
    return count;
}

/* Rows of the tree against `to`. */
struct outcome {
    char tree[TREE_HEX];
    struct git_result result; /* Owned; the rows point into it. */
    struct change_rows rows;  /* Owned. */
};

static void outcome_done(struct outcome *outcome) {
    git_result_done(&outcome->result);
    change_rows_done(&outcome->rows);
    *outcome = (struct outcome){.tree = ""};
}

static int row_compare(const void *a, const void *b) {
    return bytes_compare(((const struct change_row *)a)->path,
                         ((const struct change_row *)b)->path);
}

static bool has_row(const struct outcome *outcome, struct bytes path) {
    const struct change_row wanted = {.path = path};
    return outcome->rows.count > 0 && bsearch(&wanted, outcome->rows.rows, outcome->rows.count,
                                              sizeof *outcome->rows.rows, row_compare) != NULL;
}

/* Compares the rows with the plans. Number of plans that were refused for the difference. */
static size_t outcome_check(struct rewind *rewind, const struct outcome *outcome) {
    size_t refused = 0;
    for (size_t i = 0; i < outcome->rows.count; i++) {
        const struct change_row *row = &outcome->rows.rows[i];
        const struct path_plan *plan = plan_find(rewind, row->path);
        if (plan == NULL || !plan_changes(plan) || !bytes_equal(plan->after.hash, row->after)) {
            refused += pushers_refuse(rewind, row->path);
        }
    }
    for (size_t i = 0; i < rewind->plan_count; i++) {
        const struct path_plan *plan = &rewind->plans[i];
        if (plan_changes(plan) && !has_row(outcome, plan->path)) {
            refused += pushers_refuse(rewind, plan->path);
        }
    }
    return refused;
}

static struct err outcome_make(struct rewind *rewind, const char *to, struct outcome *outcome,
                               struct why *why) {
    static const char *const compare[] = {
        "diff-tree",     "-r",           "-z", "--raw", "--numstat", "--no-renames", "--no-abbrev",
        "--no-ext-diff", "--no-textconv"};
    TRY(tree_write(rewind, to, outcome->tree, why));
    struct git_words words;
    shadow_words(&words);
    git_words_add_all(&words, compare, COUNT_OF(compare));
    git_words_add(&words, to);
    git_words_add(&words, outcome->tree);
    const struct shadow_call call = {.words = &words};
    TRY(trees_run(&rewind->shadow, &call, &outcome->result, why));
    return change_rows_read(text_bytes(&outcome->result.output), &outcome->rows)
               ? ERR_OK
               : err_why(why, ERR_INTERNAL, "the list of git has an unknown form");
}

/* Each round refuses at least one file more, or is the last one. */
static struct err outcome_settle(struct rewind *rewind, const char *to, struct outcome *outcome,
                                 struct why *why) {
    for (int i = 0; i < ROUNDS_MAX; i++) {
        outcome_done(outcome);
        TRY(outcome_make(rewind, to, outcome, why));
        if (outcome_check(rewind, outcome) == 0) {
            return ERR_OK;
        }
    }
    return err_why(why, ERR_TOO_EXPENSIVE, "too many files stand where folders should be");
}

/* --- The answer ------------------------------------------------------------------------------- */

static void path_add_member(struct text *answer, struct bytes path) {
    AUTO(text_done) struct text name = text_up_to(8 * LIMIT_PATH_MAX);
    change_name_write(path, &name);
    text_add_member(answer, "path", text_bytes(&name));
}

static void files_write(const struct outcome *outcome, struct text *answer) {
    text_add_name(answer, "files");
    text_add_char(answer, '[');
    for (size_t i = 0; i < outcome->rows.count; i++) {
        const struct change_row *row = &outcome->rows.rows[i];
        text_add_str(answer, i > 0 ? ",{" : "{");
        path_add_member(answer, row->path);
        text_add_member_or_null(answer, "before", row->before);
        text_add_member_or_null(answer, "after", row->after);
        text_add_member_or_null(answer, "mode_before", row->mode_before);
        text_add_member_or_null(answer, "mode_after", row->mode_after);
        text_add_member_int(answer, "added", row->added);
        text_add_member_int(answer, "removed", row->removed);
        text_add_member_bool(answer, "binary", row->binary);
        text_add_char(answer, '}');
    }
    text_add_char(answer, ']');
}

/* Sets of the others that changed a path, each once, in the order of their first change. */
static void others_write(const struct rewind *rewind, const struct path_plan *plan,
                         struct text *answer) {
    size_t written = 0;
    text_add_name(answer, "by");
    text_add_char(answer, '[');
    for (size_t i = 0; i < plan->count; i++) {
        const struct inverse_change *changes = &rewind->changes[plan->first];
        bool again = inverse_is_mine(changes[i].by, rewind->mine);
        for (size_t j = 0; j < i && !again; j++) {
            again = changes[j].by == changes[i].by;
        }
        if (!again) {
            text_add_str(answer, written++ > 0 ? "," : "");
            text_add_int(answer, changes[i].by);
        }
    }
    text_add_char(answer, ']');
}

static void refused_write(const struct rewind *rewind, struct text *answer) {
    static const char *const names[] = {
        [REFUSAL_CHANGED] = "changed", [REFUSAL_SHARED] = "shared", [REFUSAL_KIND] = "kind"};
    size_t written = 0;
    text_add_name(answer, "refused");
    text_add_char(answer, '[');
    for (size_t i = 0; i < rewind->plan_count; i++) {
        const struct path_plan *plan = &rewind->plans[i];
        if (plan->refusal != REFUSAL_NONE) {
            text_add_str(answer, written++ > 0 ? ",{" : "{");
            path_add_member(answer, plan->path);
            text_add_member_str(answer, "why", names[plan->refusal]);
            others_write(rewind, plan, answer);
            text_add_char(answer, '}');
        }
    }
    text_add_char(answer, ']');
}

static void shared_write(const struct rewind *rewind, struct text *answer) {
    size_t written = 0;
    text_add_name(answer, "shared");
    text_add_char(answer, '[');
    for (size_t i = 0; i < rewind->plan_count; i++) {
        const struct path_plan *plan = &rewind->plans[i];
        if (plan->kind == INVERSE_SHARED) {
            text_add_str(answer, written++ > 0 ? ",{" : "{");
            path_add_member(answer, plan->path);
            others_write(rewind, plan, answer);
            text_add_char(answer, '}');
        }
    }
    text_add_char(answer, ']');
}

/* --- The order -------------------------------------------------------------------------------- */

static bool path_join(const struct shadow_path *folder, const char *name,
                      struct shadow_path *ret_path) {
    const int len = snprintf(ret_path->text, sizeof ret_path->text, "%s/%s", folder->text, name);
    return len > 0 && (size_t)len < sizeof ret_path->text;
}

/* Makes the private folder, and keeps the sweep of a killed pass away from it. */
static struct err place_open(struct rewind *rewind) {
    struct shadow *shadow = &rewind->shadow;
    struct shadow_path lock, place;
    const bool fit = path_join(&shadow->folder, "lock", &lock) &&
                     path_join(&shadow->folder, "objects/tmp_rewind_XXXXXX", &place);
    assert(fit); /* shadow_open has left room. */
    shadow->use_fd = open(lock.text, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    int rc = -1;
    while (shadow->use_fd >= 0 && (rc = flock(shadow->use_fd, LOCK_SH)) < 0 && errno == EINTR) {
    }
    if (rc < 0 || mkdtemp(place.text) == NULL) {
        return err_from_errno(errno, "changes: folder of a rewind");
    }
    rewind->place = place;
    shadow->world = place;
    shadow->root = rewind->place.text;
    return ERR_OK;
}

static struct err plan_run(struct rewind *rewind, struct text *answer, struct why *why) {
    struct trees trees = {NULL, NULL};
    const json_t *order = rewind->order;
    AUTO(outcome_done) struct outcome outcome = {.tree = ""};
    TRY(shadow_open(json_str(order, "git", "/usr/bin/git"), json_str(order, "shadow", ""),
                    &rewind->shadow, why));
    TRY(trees_read(order, &trees, why));
    TRY(steps_read(order, &trees, &rewind->steps, why));
    TRY(paths_read(rewind, "force", &rewind->forced, why));
    TRY(paths_read(rewind, "paths", &rewind->only, why));
    rewind->has_only = json_is_array(json_object_get(order, "paths"));
    TRY(place_open(rewind));
    TRY(changes_collect(rewind, why));
    TRY(paths_judge(rewind, why));
    TRY(outcome_settle(rewind, trees.to, &outcome, why));
    text_add_char(answer, '{');
    text_add_member_str(answer, "tree", outcome.tree);
    files_write(&outcome, answer);
    refused_write(rewind, answer);
    shared_write(rewind, answer);
    text_add_char(answer, '}');
    return text_failed(answer) ? text_error(answer, "changes: answer") : ERR_OK;
}

struct err rewind_plan(const json_t *order, struct text *answer, struct why *why) {
    AUTO(rewind_done)
    struct rewind rewind = {.order = order,
                            .shadow = {.use_fd = -1, .lock_fd = -1},
                            .mine = json_int(order, "mine", 0)};
    arena_init(&rewind.names, (size_t)2 * FORCED_MAX * LIMIT_PATH_MAX);
    return plan_run(&rewind, answer, why);
}
