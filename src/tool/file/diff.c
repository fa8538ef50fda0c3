/* diff.c: Myers' shortest edit script over lines, between the ends that are equal.
 *
 * The greedy walk keeps the frontier of each round, so that the way back is known: rounds squared
 * in memory, some 4 MB at the bound.
 */
#include "tool/file/diff.h"

#include <string.h>

#include "base/memory.h"
#include "tool/work.h"

enum { TAIL_ROOM = 96, HEAD_ROOM = 96, LINE_SHOWN_MAX = 1000 };

struct side {
    struct bytes *lines; /* Owned; without their ends. */
    size_t count;
};

/* One line of the script: ' ' both, '-' old, '+' new. */
struct edit {
    char kind;
    size_t old_at, new_at;
};

struct diff {
    struct side old, new;
    struct edit *edits; /* Owned. */
    size_t count;
};

static void diff_done(struct diff *diff) {
    mem_free(diff->old.lines);
    mem_free(diff->new.lines);
    mem_free(diff->edits);
}

static void cut_lines(struct bytes text, struct side *side) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += text.data[i] == '\n' ? 1 : 0;
    }
    count += text.len > 0 && text.data[text.len - 1] != '\n' ? 1 : 0;
    side->lines = mem_new_array(count + 1, sizeof *side->lines);
    while (bytes_next(&text, '\n', &side->lines[side->count])) {
        side->count++;
    }
}

static bool equal(const struct diff *diff, size_t old_at, size_t new_at) {
    return bytes_equal(diff->old.lines[old_at], diff->new.lines[new_at]);
}

static void add(struct diff *diff, char kind, size_t old_at, size_t new_at) {
    diff->edits[diff->count++] = (struct edit){kind, old_at, new_at};
}

/* What is left between the equal ends. */
struct middle {
    size_t old_at, old_len, new_at, new_len;
};

/* The frontier of round d holds d + 1 places, for the diagonals -d, -d+2, … d: where it starts. */
static size_t round_at(size_t d) {
    return d * (d + 1) / 2;
}

static size_t reach(const uint32_t *rounds, int64_t d, int64_t k) {
    return rounds[round_at((size_t)d) + (size_t)((k + d) / 2)];
}

/* Whether diagonal k of round d is reached from above: by a line of the new text. */
static bool is_down(const uint32_t *rounds, int64_t d, int64_t k) {
    return k == -d || (k != d && reach(rounds, d - 1, k - 1) < reach(rounds, d - 1, k + 1));
}

/* Where diagonal k of round d begins, from the round before it. */
static size_t step_from(const uint32_t *rounds, int64_t d, int64_t k) {
    return d == 0                  ? 0
           : is_down(rounds, d, k) ? reach(rounds, d - 1, k + 1)
                                   : reach(rounds, d - 1, k - 1) + 1;
}

/* The number of edits, or -1: too many. */
static int64_t walk(const struct diff *diff, const struct middle *middle, uint32_t *rounds) {
    int64_t old_len = (int64_t)middle->old_len, new_len = (int64_t)middle->new_len;
    for (int64_t d = 0; d <= DIFF_EDITS_MAX; d++) {
        for (int64_t k = -d; k <= d; k += 2) {
            int64_t x = (int64_t)step_from(rounds, d, k), y = x - k;
            while (x < old_len && y >= 0 && y < new_len &&
                   equal(diff, middle->old_at + (size_t)x, middle->new_at + (size_t)y)) {
                x++;
                y++;
            }
            rounds[round_at((size_t)d) + (size_t)((k + d) / 2)] = (uint32_t)x;
            if (x >= old_len && y >= new_len) {
                return d;
            }
        }
    }
    return -1;
}

/* From the end to the start, then turned round. */
static void trace(struct diff *diff, const struct middle *middle, const uint32_t *rounds,
                  int64_t d) {
    size_t first = diff->count;
    int64_t x = (int64_t)middle->old_len, y = (int64_t)middle->new_len;
    for (; d >= 0; d--) {
        int64_t k = x - y;
        int64_t start = (int64_t)step_from(rounds, d, k);
        while (x > start) {
            x--;
            y--;
            add(diff, ' ', middle->old_at + (size_t)x, middle->new_at + (size_t)y);
        }
        if (d == 0) {
            break;
        }
        bool down = is_down(rounds, d, k);
        x -= down ? 0 : 1;
        y -= down ? 1 : 0;
        add(diff, down ? '+' : '-', middle->old_at + (size_t)x, middle->new_at + (size_t)y);
    }
    for (size_t i = first, j = diff->count; i + 1 < j; i++) {
        struct edit swapped = diff->edits[i];
        diff->edits[i] = diff->edits[--j];
        diff->edits[j] = swapped;
    }
}

static void compare(struct diff *diff) {
    size_t olds = diff->old.count, news = diff->new.count, head = 0, tail = 0;
    diff->edits = mem_new_array(olds + news + 1, sizeof *diff->edits);
    while (head < olds && head < news && equal(diff, head, head)) {
        add(diff, ' ', head, head);
        head++;
    }
    while (tail < olds - head && tail < news - head &&
           equal(diff, olds - 1 - tail, news - 1 - tail)) {
        tail++;
    }
    const struct middle middle = {head, olds - head - tail, head, news - head - tail};
    if (middle.old_len + middle.new_len > 0) {
        AUTO(mem_release)
        uint32_t *rounds = mem_new(round_at(DIFF_EDITS_MAX + 1) * sizeof *rounds);
        int64_t d = walk(diff, &middle, rounds);
        if (d >= 0) {
            trace(diff, &middle, rounds, d);
        }
        for (size_t i = 0; d < 0 && i < middle.old_len; i++) {
            add(diff, '-', head + i, head);
        }
        for (size_t i = 0; d < 0 && i < middle.new_len; i++) {
            add(diff, '+', head + middle.old_len, head + i);
        }
    }
    for (size_t i = tail; i > 0; i--) {
        add(diff, ' ', olds - i, news - i);
    }
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* The next hunk from `at`: its edits [*ret_from, *ret_to); false: there is none. */
static bool next_hunk(const struct diff *diff, size_t at, size_t *ret_from, size_t *ret_to) {
    size_t first = at;
    while (first < diff->count && diff->edits[first].kind == ' ') {
        first++;
    }
    if (first == diff->count) {
        return false;
    }
    size_t last = first;
    for (size_t i = first; i < diff->count && i - last <= (size_t)2 * DIFF_CONTEXT; i++) {
        last = diff->edits[i].kind != ' ' ? i : last;
    }
    *ret_from = first - at > DIFF_CONTEXT ? first - DIFF_CONTEXT : at;
    *ret_to = last + 1 + DIFF_CONTEXT < diff->count ? last + 1 + DIFF_CONTEXT : diff->count;
    return true;
}

/* False: not all of its lines fit; those before are written. */
static bool write_hunk(const struct diff *diff, size_t from, size_t to, struct text *text) {
    size_t olds = 0, news = 0;
    for (size_t i = from; i < to; i++) {
        olds += diff->edits[i].kind != '+' ? 1 : 0;
        news += diff->edits[i].kind != '-' ? 1 : 0;
    }
    const struct edit *first = &diff->edits[from];
    if (text->len + HEAD_ROOM + TAIL_ROOM > text->size_max) {
        return false;
    }
    text_addf(text, "@@ -%zu,%zu +%zu,%zu @@\n", first->old_at + (olds > 0 ? 1 : 0), olds,
              first->new_at + (news > 0 ? 1 : 0), news);
    for (size_t i = from; i < to; i++) {
        const struct edit *edit = &diff->edits[i];
        struct bytes line =
            edit->kind == '+' ? diff->new.lines[edit->new_at] : diff->old.lines[edit->old_at];
        size_t len = line.len < LINE_SHOWN_MAX ? line.len : LINE_SHOWN_MAX;
        AUTO(text_done) struct text shown = text_up_to((size_t)8 * LINE_SHOWN_MAX);
        text_add_char(&shown, edit->kind);
        work_add_text(&shown, (struct bytes){line.data, len});
        text_add_str(&shown, len < line.len ? " [cut]\n" : "\n");
        if (text->len + shown.len + TAIL_ROOM > text->size_max) {
            return false;
        }
        text_add(text, shown.data, shown.len);
        text->failed = text->failed || shown.failed;
    }
    return true;
}

struct diff_counts diff_write(const struct diff_sides *sides, struct text *text) {
    AUTO(diff_done) struct diff diff = {0};
    cut_lines(sides->old, &diff.old);
    cut_lines(sides->new, &diff.new);
    compare(&diff);
    struct diff_counts counts = {0};
    for (size_t i = 0; i < diff.count; i++) {
        counts.added += diff.edits[i].kind == '+' ? 1 : 0;
        counts.removed += diff.edits[i].kind == '-' ? 1 : 0;
    }
    text_addf(text, "--- %s\n+++ %s\n", sides->old.data == NULL ? "/dev/null" : sides->path,
              sides->new.data == NULL ? "/dev/null" : sides->path);
    size_t at = 0, from = 0, to = 0;
    while (next_hunk(&diff, at, &from, &to)) {
        if (!write_hunk(&diff, from, to, text)) {
            counts.cut = true;
            text_addf(text, "[the rest is not shown: +%zu -%zu lines in all]\n", counts.added,
                      counts.removed);
            break;
        }
        at = to;
    }
    return counts;
}
