/* tree_report.c: see tree_report.h. */
#include "tool/changes/tree_report.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/number.h"
#include "rules/changes/listing.h"
#include "rules/changes/names.h"
#include "tool/changes/compare.h"
#include "tool/changes/tree_git.h"

enum { DEPTH_MAX = 128, BLOCK_BYTES = 512, REF_MAX = 512, NAME_BYTES_MAX = 8 * LIMIT_PATH_MAX };

struct tree_sum {
    struct why why;
    int64_t files, added, removed, uncommitted, commits;
    int64_t entries, bytes, newest_ms;
    struct text lost_files, lost_commits; /* Owned: elements of arrays. */
};

static void sum_done(struct tree_sum *sum) {
    text_done(&sum->lost_files);
    text_done(&sum->lost_commits);
}

/* --- The disk --------------------------------------------------------------------------------- */

static void entry_count(const struct stat *about, struct tree_sum *sum) {
    const int64_t at_ms = (int64_t)about->st_mtim.tv_sec * 1000 + about->st_mtim.tv_nsec / 1000000;
    sum->entries++;
    sum->bytes += (int64_t)about->st_blocks * BLOCK_BYTES;
    sum->newest_ms = at_ms > sum->newest_ms ? at_ms : sum->newest_ms;
}

/* No link is followed, and no other file system is entered. */
static void folder_walk(int folder, const char *name, dev_t device, unsigned depth,
                        struct tree_sum *sum) {
    AUTO(entries_close)
    DIR *dir = entries_of(openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    for (const char *entry;
         sum->entries < TREE_ENTRIES_MAX && (entry = entries_next(dir)) != NULL;) {
        struct stat about;
        if (fstatat(dirfd(dir), entry, &about, AT_SYMLINK_NOFOLLOW) < 0 || about.st_dev != device) {
            continue;
        }
        entry_count(&about, sum);
        if (S_ISDIR(about.st_mode) && depth < DEPTH_MAX) {
            folder_walk(dirfd(dir), entry, device, depth + 1, sum);
        }
    }
}

static void disk_look(const struct tree_git *tree, struct tree_sum *sum) {
    struct stat about;
    if (lstat(tree->path, &about) == 0) {
        entry_count(&about, sum);
        folder_walk(AT_FDCWD, tree->path, about.st_dev, 0, sum);
    }
}

/* --- Files ------------------------------------------------------------------------------------ */

/* The base; a tree that has none yet begins at its HEAD. "": neither is known. */
static const char *base_of(const struct tree_git *tree) {
    return tree->base[0] != '\0' ? tree->base : tree->head;
}

static struct err tree_compare(const struct tree_git *tree, const char *const *how, size_t count,
                               const char *with, struct git_result *ret_result, struct why *why) {
    struct git_words words;
    tree_git_words(&words, NULL, 0);
    git_words_add(&words, "diff-index");
    git_words_add(&words, "--ignore-submodules=dirty");
    git_words_add_all(&words, how, count);
    git_words_add(&words, with);
    git_words_add(&words, "--");
    TRY(tree_git_run(tree, &words, 0, ret_result, why));
    return ret_result->cut ? err_why(why, ERR_TOO_EXPENSIVE, "too many files differ") : ERR_OK;
}

/* Git names a file whose entry in the index is another content, too, but finds no line then. */
static bool is_same(const struct change_row *row) {
    return row->operation == CHANGE_EDIT && !row->binary && row->added == 0 && row->removed == 0 &&
           bytes_equal(row->mode_before, row->mode_after);
}

static struct err files_count(const struct tree_git *tree, struct tree_sum *sum) {
    static const char *const how[] = {"-r",        "-z",          "--raw",         "--numstat",
                                      "-M",        "--no-abbrev", "--no-ext-diff", "--no-textconv",
                                      "--no-color"};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    AUTO(change_rows_done) struct change_rows rows = {.rows = NULL};
    TRY(tree_compare(tree, how, COUNT_OF(how), base_of(tree), &result, &sum->why));
    if (!change_rows_read(text_bytes(&result.output), &rows)) {
        return err_why(&sum->why, ERR_INTERNAL, "the list of git has an unknown form");
    }
    struct bytes rest = text_bytes(&tree->others.output), name = {NULL, 0};
    while (tree_git_new_next(&rest, &name)) {
        sum->files++;
    }
    sum->files -= (int64_t)tree->new_count; /* Counted with the rows. */
    for (size_t i = 0; i < rows.count; i++) {
        sum->files += !is_same(&rows.rows[i]);
        sum->added += rows.rows[i].added;
        sum->removed += rows.rows[i].removed;
    }
    return ERR_OK;
}

/* Names, several times each. */
struct names {
    struct bytes *names; /* Owned; borrowed from the outputs of git. */
    size_t count, size;
};

static void names_done(struct names *names) {
    mem_free(names->names);
}

static void names_put(struct names *names, struct bytes name) {
    if (names->count == names->size) {
        names->size = names->size == 0 ? 64 : 2 * names->size;
        names->names = mem_grow(names->names, names->size * sizeof *names->names);
    }
    names->names[names->count++] = name;
}

static int name_compare(const void *a, const void *b) {
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static void lost_file_add(struct bytes name, struct text *files) {
    AUTO(text_done) struct text form = text_up_to(NAME_BYTES_MAX);
    change_name_write(name, &form);
    text_add_str(files, files->len > 0 ? "," : "");
    text_add_json(files, text_bytes(&form).data, form.len);
}

/* In the tree, in its index, or new: each name counts once. */
static struct err uncommitted_count(const struct tree_git *tree, struct tree_sum *sum) {
    static const char *const hows[][4] = {{"-z", "--name-only", "--no-renames", "-r"},
                                          {"-z", "--name-only", "--no-renames", "--cached"}};
    const char *head = tree->head[0] != '\0' ? tree->head : base_of(tree);
    AUTO(git_result_done) struct git_result in_tree = {.code = 0};
    AUTO(git_result_done) struct git_result in_index = {.code = 0};
    AUTO(names_done) struct names names = {.names = NULL};
    TRY(tree_compare(tree, hows[0], COUNT_OF(hows[0]), head, &in_tree, &sum->why));
    TRY(tree_compare(tree, hows[1], COUNT_OF(hows[1]), head, &in_index, &sum->why));
    struct bytes name = {NULL, 0}, rest = text_bytes(&in_tree.output);
    while (bytes_next(&rest, '\0', &name)) {
        names_put(&names, name);
    }
    rest = text_bytes(&in_index.output);
    while (bytes_next(&rest, '\0', &name)) {
        names_put(&names, name);
    }
    rest = text_bytes(&tree->others.output);
    while (tree_git_new_next(&rest, &name)) {
        names_put(&names, name);
    }
    if (names.count > 0) {
        qsort(names.names, names.count, sizeof *names.names, name_compare);
    }
    for (size_t i = 0; i < names.count; i++) {
        if (i == 0 || !bytes_equal(names.names[i - 1], names.names[i])) {
            if (sum->uncommitted++ < TREE_LOST_MAX) {
                lost_file_add(names.names[i], &sum->lost_files);
            }
        }
    }
    return ERR_OK;
}

/* --- Commits ---------------------------------------------------------------------------------- */

struct ref_name {
    char text[REF_MAX];
};

/* Commits that go with the tree and its branch. The base is no loss, wherever it came from. */
static struct err commits_list(const struct tree_git *tree, const char *const *how, size_t count,
                               struct git_result *ret_result, struct why *why) {
    struct ref_name branch, base, except;
    struct git_words words;
    (void)snprintf(branch.text, sizeof branch.text, "refs/heads/%.400s", tree->branch); /* Fits. */
    (void)snprintf(except.text, sizeof except.text, "--exclude=%.400s", tree->branch);
    (void)snprintf(base.text, sizeof base.text, "^%.400s", tree->base);
    tree_git_words(&words, NULL, 0);
    git_words_add(&words, "rev-list");
    git_words_add(&words, "--ignore-missing");
    git_words_add_all(&words, how, count);
    if (tree->head[0] != '\0') {
        git_words_add(&words, tree->head);
    }
    if (tree->branch[0] != '\0') {
        git_words_add(&words, branch.text);
    }
    if (tree->base[0] != '\0') {
        git_words_add(&words, base.text);
    }
    git_words_add(&words, "--not");
    if (tree->branch[0] != '\0') {
        git_words_add(&words, except.text);
    }
    git_words_add(&words, "--branches");
    git_words_add(&words, "--remotes");
    git_words_add(&words, "--tags");
    git_words_add(&words, "--");
    return tree_git_run(tree, &words, 0, ret_result, why);
}

/* Reads "commit HASH", and a line with the subject after each. */
static void lost_commits_read(struct bytes output, struct text *commits) {
    static const char opening[] = "commit ";
    struct bytes line = {NULL, 0}, subject = {NULL, 0};
    while (bytes_next(&output, '\n', &line) && bytes_next(&output, '\n', &subject)) {
        if (bytes_begin(line, BYTES(opening))) {
            text_add_str(commits, commits->len > 0 ? ",{" : "{");
            text_add_member(
                commits, "commit",
                (struct bytes){line.data + sizeof opening - 1, line.len - (sizeof opening - 1)});
            text_add_member(commits, "subject", subject);
            text_add_char(commits, '}');
        }
    }
}

static struct err commits_count(const struct tree_git *tree, bool lost, struct tree_sum *sum) {
    static const char *const count[] = {"--count"};
    char most[32];
    const char *const list[] = {"--format=%s", most};
    AUTO(git_result_done) struct git_result counted = {.code = 0};
    AUTO(git_result_done) struct git_result listed = {.code = 0};
    TRY(commits_list(tree, count, COUNT_OF(count), &counted, &sum->why));
    const struct bytes digits = bytes_trim(text_bytes(&counted.output), "\n");
    if (!number_parse(digits, (struct number_bounds){0, INT64_MAX}, &sum->commits)) {
        return err_why(&sum->why, ERR_INTERNAL, "the number of git has an unknown form");
    }
    if (!lost || sum->commits == 0) {
        return ERR_OK;
    }
    (void)snprintf(most, sizeof most, "--max-count=%d", TREE_LOST_MAX); /* Fits. */
    TRY(commits_list(tree, list, COUNT_OF(list), &listed, &sum->why));
    lost_commits_read(text_bytes(&listed.output), &sum->lost_commits);
    return ERR_OK;
}

/* --- The look --------------------------------------------------------------------------------- */

static struct err whole_look(struct tree_git *tree, bool lost, struct tree_sum *sum) {
    TRY(tree_git_index(tree, &sum->why));
    if (base_of(tree)[0] == '\0') {
        return err_why(&sum->why, ERR_NOT_FOUND, "no commit is known that the tree began at");
    }
    TRY(files_count(tree, sum));
    TRY(uncommitted_count(tree, sum));
    return commits_count(tree, lost, sum);
}

static void sum_write(const json_t *order, const struct tree_git *tree, const struct tree_sum *sum,
                      bool lost, struct text *answer) {
    static const char *const states[] = {[WORKTREE_NONE] = "none",
                                         [WORKTREE_HALF] = "half",
                                         [WORKTREE_WHOLE] = "whole",
                                         [WORKTREE_STRANGE] = "strange"};
    text_add_char(answer, '{');
    text_add_member_str(answer, "tree", json_str(order, "tree", ""));
    text_add_member_str(answer, "state", states[tree->state]);
    text_add_member_bool(answer, "repository", tree->repository.text[0] != '\0');
    text_add_member_or_null(answer, "detail", bytes_of(sum->why.text));
    text_add_member_int(answer, "files", sum->files);
    text_add_member_int(answer, "added", sum->added);
    text_add_member_int(answer, "removed", sum->removed);
    text_add_member_int(answer, "uncommitted", sum->uncommitted);
    text_add_member_int(answer, "commits", sum->commits);
    text_add_member_int(answer, "bytes", sum->bytes);
    text_add_member_int(answer, "newest_ms", sum->newest_ms);
    if (lost) {
        const struct bytes files = text_bytes(&sum->lost_files);
        const struct bytes commits = text_bytes(&sum->lost_commits);
        text_add_str(answer, ",\"lost\":{\"files\":[");
        text_add(answer, files.data, files.len);
        text_add_str(answer, "],\"commits\":[");
        text_add(answer, commits.data, commits.len);
        text_add_str(answer, "]}");
    }
    text_add_char(answer, '}');
}

static struct err one_look(const json_t *order, const json_t *one, struct text *answer,
                           struct why *why) {
    const bool lost = json_is_true(json_object_get(order, "lost"));
    AUTO(tree_git_close) struct tree_git tree = {.path = ""};
    AUTO(sum_done)
    struct tree_sum sum = {.lost_files = text_up_to(TREE_LOST_MAX * NAME_BYTES_MAX),
                           .lost_commits = text_up_to(GIT_OUTPUT_MAX)};
    struct err err = ERR_OK;
    TRY(tree_git_open(order, one, &tree, why));
    disk_look(&tree, &sum);
    if (tree.state == WORKTREE_WHOLE) {
        err = whole_look(&tree, lost, &sum);
    } else if (tree.state == WORKTREE_NONE && tree.repository.text[0] != '\0') {
        err = commits_count(&tree, lost, &sum);
    } else if (tree.repository.text[0] == '\0') {
        why_set(&sum.why, "its repository is not there any more");
    } else if (tree.state == WORKTREE_STRANGE) {
        why_set(&sum.why, "something else stands where the working tree would be");
    }
    if (err_failed(err)) {
        if (sum.why.text[0] == '\0') {
            why_set(&sum.why, "%s", err_title(err.code));
        }
        tree.state = WORKTREE_STRANGE;
    }
    sum_write(one, &tree, &sum, lost, answer);
    return ERR_OK;
}

struct err trees_report(const json_t *order, struct text *answer, struct why *why) {
    const json_t *trees = json_object_get(order, "trees");
    if (!json_is_array(trees) || json_array_size(trees) > TREES_REPORT_MAX) {
        return err_why(why, ERR_BAD_FIELD, "trees: at most %d", TREES_REPORT_MAX);
    }
    text_add_str(answer, "{\"trees\":[");
    for (size_t i = 0; i < json_array_size(trees); i++) {
        text_add_str(answer, i > 0 ? "," : "");
        TRY(one_look(order, json_array_get(trees, i), answer, why));
    }
    text_add_str(answer, "]}");
    return text_failed(answer) ? text_error(answer, "changes: answer") : ERR_OK;
}

/* --- The difference --------------------------------------------------------------------------- */

struct err tree_diff(const json_t *order, struct text *answer, struct text *body, struct why *why) {
    AUTO(tree_git_close) struct tree_git tree = {.path = ""};
    AUTO(arena_done) struct arena arena;
    AUTO(git_result_done) struct git_result result = {.code = 0};
    size_t bytes_max = 0;
    struct git_words words;
    arena_init(&arena, COMPARE_NAMES_BYTES_MAX);
    TRY(compare_bytes_max(order, &bytes_max, why));
    TRY(tree_git_open(order, json_object_get(order, "tree"), &tree, why));
    if (tree.state != WORKTREE_WHOLE) {
        return err_why(why, ERR_GONE, "no working tree stands at %.200s", tree.path);
    }
    TRY(tree_git_index(&tree, why));
    if (base_of(&tree)[0] == '\0') {
        return err_why(why, ERR_GONE, "no commit is known that the tree began at");
    }
    tree_git_words(&words, NULL, 0);
    git_words_add(&words, "diff-index");
    git_words_add(&words, "--ignore-submodules=dirty");
    git_words_add(&words, "--submodule=short");
    git_words_add(&words, "--no-relative");
    git_words_add_all(&words, compare_diff_words, compare_diff_word_count);
    git_words_add(&words, base_of(&tree));
    git_words_add(&words, "--");
    TRY(compare_diff_paths(order, &arena, &words, why));
    TRY(tree_git_run(&tree, &words, compare_output_max(bytes_max), &result, why));
    return compare_diff_print(text_bytes(&result.output), bytes_max, answer, body);
}
