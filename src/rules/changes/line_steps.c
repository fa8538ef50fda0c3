/* line_steps.c: see line_steps.h. */
#include "rules/changes/line_steps.h"

#include "base/memory.h"
#include "base/number.h"

enum { FIRST_SIZE = 16, HASH_HEX = 40 };

void line_steps_done(struct line_steps *lines) {
    mem_free(lines->runs);
    *lines = (struct line_steps){.runs = NULL};
}

static void run_add(struct line_steps *lines, struct line_run run) {
    if (run.len == 0) {
        return;
    }
    if (lines->count > 0 && lines->runs[lines->count - 1].step == run.step) {
        struct line_run *last = &lines->runs[lines->count - 1];
        last->len = last->len > LINE_RUN_ENDLESS - run.len ? LINE_RUN_ENDLESS : last->len + run.len;
        return;
    }
    if (lines->count == lines->size) {
        lines->size = lines->size == 0 ? FIRST_SIZE : 2 * lines->size;
        lines->runs = mem_grow(lines->runs, lines->size * sizeof *lines->runs);
    }
    lines->runs[lines->count++] = run;
}

void line_steps_replace(struct line_steps *lines, size_t step) {
    lines->count = 0;
    run_add(lines, (struct line_run){LINE_RUN_ENDLESS, step});
}

void line_steps_init(struct line_steps *lines) {
    *lines = (struct line_steps){.runs = NULL};
    line_steps_replace(lines, 0);
}

/* --- One hunk --------------------------------------------------------------------------------- */

struct hunk {
    int64_t old_at, old_len, new_at, new_len; /* Places count from 0. */
};

/* Reads "7" or "7,2". */
static bool range_read(struct bytes text, int64_t *ret_at, int64_t *ret_len) {
    const struct number_bounds bounds = {0, INT32_MAX};
    struct bytes at = {NULL, 0}, len = {NULL, 0};
    *ret_len = 1;
    if (!bytes_next(&text, ',', &at) || !number_parse(at, bounds, ret_at) ||
        (bytes_next(&text, ',', &len) && !number_parse(len, bounds, ret_len))) {
        return false;
    }
    *ret_at -= *ret_len > 0;
    return *ret_at >= 0;
}

/* Reads "@@ -OLD +NEW @@". */
static bool hunk_read(struct bytes line, struct hunk *ret_hunk) {
    struct bytes part = {NULL, 0}, old = {NULL, 0}, new = {NULL, 0};
    return bytes_next(&line, ' ', &part) && bytes_next(&line, ' ', &old) &&
           bytes_next(&line, ' ', &new) && old.len > 1 && old.data[0] == '-' && new.len > 1 &&
           new.data[0] == '+' &&
           range_read((struct bytes){old.data + 1, old.len - 1}, &ret_hunk->old_at,
                      &ret_hunk->old_len) &&
           range_read((struct bytes){new.data + 1, new.len - 1}, &ret_hunk->new_at,
                      &ret_hunk->new_len);
}

/* Skips the lines of a hunk. */
static bool hunk_skip(struct bytes *rest, const struct hunk *hunk) {
    struct bytes line = {NULL, 0};
    for (int64_t left = hunk->old_len + hunk->new_len; left > 0;) {
        if (!bytes_next(rest, '\n', &line) || line.len == 0) {
            return false;
        }
        left -= line.data[0] == '-' || line.data[0] == '+';
        if (line.data[0] != '-' && line.data[0] != '+' && line.data[0] != '\\') {
            return false;
        }
    }
    return true;
}

/* --- A diff ----------------------------------------------------------------------------------- */

/* Lines before a diff, from which runs are taken one after the other. */
struct line_cursor {
    const struct line_steps *lines;
    size_t run;
    int64_t used; /* Lines of the run that were taken. */
    int64_t at;
};

/* Takes lines, into `into` unless that is NULL. False: there are no such many. */
static bool cursor_take(struct line_cursor *cursor, int64_t len, struct line_steps *into) {
    while (len > 0 && cursor->run < cursor->lines->count) {
        const struct line_run *run = &cursor->lines->runs[cursor->run];
        const int64_t left = run->len - cursor->used;
        const int64_t part = len < left ? len : left;
        if (into != NULL) {
            run_add(into, (struct line_run){part, run->step});
        }
        cursor->used += part;
        cursor->at += part;
        len -= part;
        if (cursor->used == run->len) {
            cursor->run++;
            cursor->used = 0;
        }
    }
    return len == 0;
}

static bool is_pair(struct bytes line) {
    return line.len == (size_t)2 * HASH_HEX + 1 && line.data[HASH_HEX] == ' ';
}

bool line_steps_read(struct line_steps *lines, struct bytes *rest, size_t step) {
    AUTO(line_steps_done) struct line_steps after = {.runs = NULL};
    struct line_cursor cursor = {.lines = lines};
    struct bytes line = {NULL, 0}, next = *rest;
    int64_t new_at = 0;
    size_t files = 0;
    bool replaced = false;
    while (bytes_next(&next, '\n', &line) && !is_pair(line)) {
        struct hunk hunk;
        files += bytes_begin(line, BYTES("diff --git "));
        replaced = replaced || files > 1 || bytes_begin(line, BYTES("Binary files "));
        if (bytes_begin(line, BYTES("@@ "))) {
            if (!hunk_read(line, &hunk) || !hunk_skip(&next, &hunk)) {
                return false;
            }
            const int64_t same = hunk.old_at - cursor.at;
            if (!replaced &&
                (same < 0 || !cursor_take(&cursor, same, &after) || new_at + same != hunk.new_at ||
                 !cursor_take(&cursor, hunk.old_len, NULL /* gone */))) {
                return false;
            }
            run_add(&after, (struct line_run){hunk.new_len, step});
            new_at += same + hunk.new_len;
        }
        *rest = next;
    }
    if (replaced) {
        line_steps_replace(lines, step);
        return true;
    }
    const bool whole = cursor_take(&cursor, LINE_RUN_ENDLESS, &after);
    (void)whole; /* Part of the run without an end is gone; it has none still. */
    const struct line_steps before = *lines;
    *lines = after;
    after = before;
    return true;
}
