/* listing.h: changed files, read from the output of
 * `git diff-tree -r -z --raw --numstat --no-abbrev`. Pure.
 *
 *   ":100644 100755 BEFORE AFTER M" NUL "path" NUL             one for each file; status M, A, D, T
 *   ":100644 100644 BEFORE AFTER R100" NUL "old" NUL "new" NUL  the same of a rename
 *   "3" TAB "0" TAB "path" NUL                                 then the lines, in the same order
 *   "-" TAB "-" TAB "path" NUL                                 binary
 *   "3" TAB "0" TAB NUL "old" NUL "new" NUL                    of a rename
 *
 * With --stdin a line "FROM TO" LF stands before the files of each pair.
 *
 * Promise    whatever the bytes are, reading ends, and a row is whole or absent. A file of which
 *            git writes no lines has none.
 * Ownership  texts of a row are borrowed from the output. change_rows_done ends the rows.
 * Threads    any.
 * Failure    false: the output has another form, or memory is short. The rows are as good as none.
 */
#ifndef DROVER_RULES_CHANGES_LISTING_H
#define DROVER_RULES_CHANGES_LISTING_H

#include "base/base.h"

enum change_operation { CHANGE_CREATE, CHANGE_EDIT, CHANGE_DELETE, CHANGE_RENAME, CHANGE_MODE };
const char *change_operation_name(enum change_operation operation);

struct change_row {
    enum change_operation operation;
    struct bytes path, old_path;          /* old_path: of a rename; else empty. */
    struct bytes mode_before, mode_after; /* "100644"; empty where there is no file. */
    struct bytes before, after;           /* Hash of the content; empty where there is no file. */
    int64_t added, removed;               /* Lines; 0 of a binary file. */
    bool binary;
};

struct change_rows {
    struct change_row *rows; /* Owned. */
    size_t count, size;
};
void change_rows_done(struct change_rows *rows); /* For AUTO. */
/* `rows` is empty. They are in the order of their paths, byte by byte. */
MUST_CHECK bool change_rows_read(struct bytes output, struct change_rows *rows);

/* Walks over the output of --stdin without --numstat: after a header line, its files one by one. */
enum change_step_part { CHANGE_STEP_END, CHANGE_STEP_HEADER, CHANGE_STEP_FILE, CHANGE_STEP_BAD };
struct change_step {
    struct bytes from, to; /* Trees of a header. */
    /* File: paths; modes and hashes as in a row. */
    struct bytes path, old_path, mode_before, mode_after, before, after;
};
enum change_step_part change_step_next(struct bytes *rest, struct change_step *ret_step);

#endif
