/* listing.c: see listing.h. */
#include "rules/changes/listing.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/number.h"

enum { ROWS_FIRST = 64 };

static const char *const operation_names[] = {
    [CHANGE_CREATE] = "create", [CHANGE_EDIT] = "edit", [CHANGE_DELETE] = "delete",
    [CHANGE_RENAME] = "rename", [CHANGE_MODE] = "mode",
};

const char *change_operation_name(enum change_operation operation) {
    return operation_names[operation];
}

void change_rows_done(struct change_rows *rows) {
    mem_free(rows->rows);
    *rows = (struct change_rows){.rows = NULL};
}

/* The part before the next `mark`, which must be there. */
static bool part_cut(struct bytes *rest, char mark, struct bytes *ret_part) {
    return rest->len > 0 && memchr(rest->data, mark, rest->len) != NULL &&
           bytes_next(rest, mark, ret_part);
}

static struct change_row *row_add(struct change_rows *rows) {
    if (rows->count == rows->size) {
        const size_t size = rows->size == 0 ? ROWS_FIRST : 2 * rows->size;
        struct change_row *grown = mem_try_grow(rows->rows, size * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        rows->rows = grown;
        rows->size = size;
    }
    rows->rows[rows->count] = (struct change_row){.operation = CHANGE_EDIT};
    return &rows->rows[rows->count++];
}

/* A hash or a mode of zeros stands for a file that is absent. */
static struct bytes zeros_drop(struct bytes text) {
    size_t zeros = 0;
    while (zeros < text.len && text.data[zeros] == '0') {
        zeros++;
    }
    return zeros == text.len ? BYTES("") : text;
}

/* The status after the hashes: the operation that it stands for. */
static bool operation_read(struct bytes status, struct change_row *row) {
    switch (status.len > 0 ? status.data[0] : '\0') {
    case 'A':
        row->operation = CHANGE_CREATE;
        return true;
    case 'D':
        row->operation = CHANGE_DELETE;
        return true;
    case 'R':
        row->operation = CHANGE_RENAME;
        return true;
    case 'M':
        row->operation = bytes_equal(row->before, row->after) ? CHANGE_MODE : CHANGE_EDIT;
        return true;
    case 'T':
        row->operation = CHANGE_EDIT;
        return true;
    default:
        return false;
    }
}

/* Reads one file of --raw, after its colon. */
static bool raw_read(struct bytes *rest, struct change_row *row) {
    struct bytes status = {NULL, 0};
    if (!part_cut(rest, ' ', &row->mode_before) || !part_cut(rest, ' ', &row->mode_after) ||
        !part_cut(rest, ' ', &row->before) || !part_cut(rest, ' ', &row->after) ||
        !part_cut(rest, '\0', &status) || !part_cut(rest, '\0', &row->path)) {
        return false;
    }
    row->mode_before = zeros_drop(row->mode_before);
    row->mode_after = zeros_drop(row->mode_after);
    row->before = zeros_drop(row->before);
    row->after = zeros_drop(row->after);
    if (!operation_read(status, row)) {
        return false;
    }
    if (row->operation == CHANGE_RENAME) {
        row->old_path = row->path;
        return part_cut(rest, '\0', &row->path) && row->path.len > 0;
    }
    return row->path.len > 0;
}

static bool lines_read(struct bytes text, int64_t *ret_lines) {
    const struct number_bounds bounds = {0, INT64_MAX};
    return number_parse(text, bounds, ret_lines);
}

/* Reads one file of --numstat. Files come in the order of the rows, some without lines: *io_at is
 * the row to begin at. */
static bool numbers_read(struct bytes *rest, struct change_rows *rows, size_t *io_at) {
    struct bytes added = {NULL, 0}, removed = {NULL, 0}, path = {NULL, 0};
    if (!part_cut(rest, '\t', &added) || !part_cut(rest, '\t', &removed) ||
        !part_cut(rest, '\0', &path)) {
        return false;
    }
    if (path.len == 0 && (!part_cut(rest, '\0', &path) || !part_cut(rest, '\0', &path))) {
        return false;
    }
    size_t at = *io_at;
    while (at < rows->count && !bytes_equal(rows->rows[at].path, path)) {
        at++;
    }
    if (at == rows->count) {
        return false;
    }
    struct change_row *row = &rows->rows[at];
    *io_at = at + 1;
    row->binary = bytes_is(added, "-");
    return row->binary || (lines_read(added, &row->added) && lines_read(removed, &row->removed));
}

static int row_compare(const void *a, const void *b) {
    const struct change_row *one = a, *other = b;
    return bytes_compare(one->path, other->path);
}

bool change_rows_read(struct bytes output, struct change_rows *rows) {
    struct bytes rest = output;
    size_t at = 0;
    bool good = true;
    while (good && rest.len > 0 && rest.data[0] == ':') {
        rest = (struct bytes){rest.data + 1, rest.len - 1};
        struct change_row *row = row_add(rows);
        good = row != NULL && raw_read(&rest, row);
    }
    while (good && rest.len > 0) {
        good = numbers_read(&rest, rows, &at);
    }
    if (!good) {
        change_rows_done(rows);
        return false;
    }
    if (rows->count > 0) {
        qsort(rows->rows, rows->count, sizeof *rows->rows, row_compare);
    }
    return true;
}

enum change_step_part change_step_next(struct bytes *rest, struct change_step *ret_step) {
    struct change_row row = {.operation = CHANGE_EDIT};
    if (rest->len == 0) {
        return CHANGE_STEP_END;
    }
    if (rest->data[0] != ':') {
        return part_cut(rest, ' ', &ret_step->from) && part_cut(rest, '\n', &ret_step->to)
                   ? CHANGE_STEP_HEADER
                   : CHANGE_STEP_BAD;
    }
    *rest = (struct bytes){rest->data + 1, rest->len - 1};
    if (!raw_read(rest, &row)) {
        return CHANGE_STEP_BAD;
    }
    ret_step->path = row.path;
    ret_step->old_path = row.old_path;
    ret_step->mode_before = row.mode_before;
    ret_step->mode_after = row.mode_after;
    ret_step->before = row.before;
    ret_step->after = row.after;
    return CHANGE_STEP_FILE;
}
