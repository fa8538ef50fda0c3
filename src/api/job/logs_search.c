/* logs_search.c: reading, matching, and keeping the lines to send.
 *
 * Lines that were matched, and their neighbours, are kept once each, in order; a match names its
 * neighbours by their numbers. Those before a match must have been kept before anybody knew: the
 * last few lines go round in a ring. What a match's telling costs is known when all is read, since
 * what is after it comes later.
 */
#include "api/job/logs_search.h"

#include <string.h>

#include "base/memory.h"
#include "base/pattern.h"

enum { READ_SIZE = 256 << 10, KEPT_FIRST = 64 };

struct kept {
    int64_t number; /* From 1. */
    size_t at, len; /* In `bytes`. */
    bool match;
};

struct recent {
    char *data; /* Owned. */
    size_t len, size;
    int64_t number;
};

struct search {
    const struct search_options *options;
    uint64_t deadline_ns;
    struct pattern *pattern; /* Owned, as all below. */
    struct pattern_matcher *matcher;
    struct recent *ring; /* `context` of them; NULL: none. */
    struct kept *kept;
    size_t kept_count, kept_size;
    struct text bytes;
    int64_t number, total, matches, after_until;
    bool full; /* No further match is kept. */
    bool late; /* The time was over: that need not be the pattern's fault. */
    bool hole;
    int64_t hole_from, hole_to; /* All holes lie in there. */
};

static void search_done(struct search *search) {
    pattern_matcher_free(search->matcher);
    pattern_free(search->pattern);
    for (int64_t i = 0; search->ring != NULL && i < search->options->context; i++) {
        mem_free(search->ring[i].data);
    }
    mem_free(search->ring);
    mem_free(search->kept);
    text_done(&search->bytes);
}

/* --- Keeping ---------------------------------------------------------------------------------- */

/* False: there is no more room for it. */
static bool keep(struct search *search, int64_t number, struct bytes line) {
    size_t at = search->bytes.len;
    text_add(&search->bytes, line.data, line.len);
    if (text_failed(&search->bytes)) {
        return false;
    }
    if (search->kept_count == search->kept_size) {
        size_t size = search->kept_size == 0 ? KEPT_FIRST : 2 * search->kept_size;
        search->kept = mem_grow(search->kept, size * sizeof *search->kept);
        search->kept_size = size;
    }
    search->kept[search->kept_count++] = (struct kept){.number = number, .at = at, .len = line.len};
    return true;
}

static int64_t last_kept(const struct search *search) {
    return search->kept_count == 0 ? 0 : search->kept[search->kept_count - 1].number;
}

static struct err remember(struct search *search, struct bytes line) {
    int64_t context = search->options->context;
    if (context == 0) {
        return ERR_OK;
    }
    struct recent *recent = &search->ring[search->number % context];
    if (recent->size < line.len) {
        char *data = mem_try_grow(recent->data, line.len);
        if (data == NULL) {
            return err_make(ERR_OUT_OF_MEMORY, "search: context");
        }
        recent->data = data;
        recent->size = line.len;
    }
    if (line.len > 0) {
        memcpy(recent->data, line.data, line.len);
    }
    recent->len = line.len;
    recent->number = search->number;
    return ERR_OK;
}

/* The lines before this one that nobody has kept yet. */
static bool keep_before(struct search *search) {
    int64_t context = search->options->context;
    int64_t from = search->number - context > last_kept(search) ? search->number - context
                                                                : last_kept(search) + 1;
    bool room = true;
    for (int64_t number = from > 1 ? from : 1; room && number < search->number; number++) {
        const struct recent *recent = &search->ring[number % context];
        struct bytes line = {recent->data == NULL ? "" : recent->data, recent->len};
        room = keep(search, number, line);
    }
    return room;
}

static void keep_match(struct search *search, struct bytes line) {
    bool kept = keep_before(search) && keep(search, search->number, line);
    search->full = !kept || ++search->matches == search->options->limit;
    if (kept) {
        search->kept[search->kept_count - 1].match = true;
        search->after_until = search->number + search->options->context;
    }
}

static struct err on_line(void *ctx, struct bytes line) {
    struct search *search = ctx;
    search->number++;
    bool matches = false;
    TRY(pattern_matches(search->matcher, line, &matches));
    search->total += matches ? 1 : 0;
    if (matches && !search->full) {
        keep_match(search, line);
    } else if (search->number <= search->after_until) {
        (void)keep(search, search->number, line); /* Without room, fewer lines after it are sent. */
    }
    return search->full ? ERR_OK : remember(search, line);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void note_hole(struct search *search, int64_t from, int64_t to) {
    search->hole_from = search->hole ? search->hole_from : from;
    search->hole_to = to;
    search->hole = true;
}

/* What was written since the first read is left out: a log that grows faster than it is searched
 * would have no end. */
static void cut(struct log_read *read, int64_t end) {
    read->offset = read->offset < end ? read->offset : end;
    int64_t left = end - read->offset;
    read->len = (int64_t)read->len < left ? read->len : (size_t)left;
}

static struct err walk(struct search *search, struct log_lines *lines, char *buffer) {
    const struct search_options *options = search->options;
    int64_t offset = 0, end = -1;
    while (end < 0 || offset < end) {
        struct log_read read = {0};
        struct err err = options->read(options->ctx, offset, buffer, READ_SIZE, &read);
        if (err_failed(err)) {
            return err;
        }
        end = end < 0 ? read.size : end;
        cut(&read, end);
        if (read.hole_from < read.offset) {
            note_hole(search, read.hole_from, read.offset);
            err = log_lines_break(lines);
        }
        if (!err_failed(err) && read.len > 0) {
            err = log_lines_add(lines, (struct bytes){buffer, read.len});
        }
        if (err_failed(err)) {
            return err;
        }
        if (read.len == 0) {
            break;
        }
        offset = read.offset + (int64_t)read.len;
    }
    return log_lines_break(lines);
}

/* --- Telling ---------------------------------------------------------------------------------- */

/* Bytes that are no UTF-8 become U+FFFD, one for each. */
static void add_kept(const struct search *search, size_t at, struct text *text) {
    const struct kept *kept = &search->kept[at];
    text_add_json(text, search->bytes.data + kept->at, kept->len);
}

/* Kept lines [from, to) as a list. */
struct stretch {
    size_t from, to;
};
static void add_stretch(const struct search *search, struct stretch stretch, struct text *text) {
    text_add_char(text, '[');
    for (size_t i = stretch.from; i < stretch.to; i++) {
        if (i > stretch.from) {
            text_add_char(text, ',');
        }
        add_kept(search, i, text);
    }
    text_add_char(text, ']');
}

/* Neighbours have numbers in a row: there may be a gap between kept lines. */
static struct stretch neighbours(const struct search *search, size_t at) {
    int64_t context = search->options->context, number = search->kept[at].number;
    struct stretch around = {at, at + 1};
    while (around.from > 0 && search->kept[around.from - 1].number >= number - context) {
        around.from--;
    }
    while (around.to < search->kept_count && search->kept[around.to].number <= number + context) {
        around.to++;
    }
    return around;
}

static void add_match(const struct search *search, size_t at, struct text *text) {
    struct stretch around = neighbours(search, at);
    text_add_str(text, "{\"line\":");
    text_add_int(text, search->kept[at].number);
    text_add_str(text, ",\"text\":");
    add_kept(search, at, text);
    text_add_str(text, ",\"before\":");
    add_stretch(search, (struct stretch){around.from, at}, text);
    text_add_str(text, ",\"after\":");
    add_stretch(search, (struct stretch){at + 1, around.to}, text);
    text_add_char(text, '}');
}

static void write_answer(const struct search *search, struct text *answer) {
    int64_t told = 0;
    text_add_str(answer, "{\"matches\":[");
    for (size_t i = 0; i < search->kept_count; i++) {
        if (!search->kept[i].match) {
            continue;
        }
        AUTO(text_done) struct text one = text_up_to(SEARCH_ANSWER_MAX);
        add_match(search, i, &one);
        if (text_failed(&one) || answer->len + one.len > SEARCH_ANSWER_MAX) {
            break;
        }
        text_add_str(answer, told++ > 0 ? "," : "");
        text_add(answer, one.data, one.len);
    }
    text_addf(answer, "],\"total\":%lld,\"truncated\":%s", (long long)search->total,
              told < search->total ? "true" : "false");
    if (search->hole) {
        text_addf(answer, ",\"dropped\":{\"from\":%lld,\"to\":%lld}", (long long)search->hole_from,
                  (long long)search->hole_to);
    }
    text_add_char(answer, '}');
}

/* --- All of it -------------------------------------------------------------------------------- */

static enum err_code over(void *ctx) {
    struct search *search = ctx;
    const struct search_options *options = search->options;
    if (options->cancelled != NULL && atomic_load(options->cancelled)) {
        return ERR_INTERRUPTED;
    }
    search->late = world_mono_ns(options->world) >= search->deadline_ns;
    return search->late ? ERR_TOO_EXPENSIVE : ERR_NONE;
}

static struct err run(struct search *search, struct text *answer) {
    AUTO(mem_release) char *buffer = mem_new(READ_SIZE);
    AUTO(log_lines_done) struct log_lines lines;
    log_lines_init(&lines, search->options->kind, on_line, search);
    struct err err = walk(search, &lines, buffer);
    if (!err_failed(err)) {
        write_answer(search, answer);
    }
    return err;
}

struct err log_search(const struct search_options *options, struct text *answer, struct why *why) {
    struct search search = {.options = options};
    text_init(&search.bytes, SEARCH_KEPT_MAX);
    if (options->context > 0) {
        search.ring = mem_new_array((size_t)options->context, sizeof *search.ring);
    }
    search.deadline_ns = world_mono_ns(options->world) + options->time_ms * 1000000U;
    const struct pattern_watch watch = {.over = over, .ctx = &search};
    struct err err = pattern_compile(options->pattern, &search.pattern, why);
    if (!err_failed(err)) {
        err = pattern_matcher_new(search.pattern, &watch, &search.matcher);
    }
    if (!err_failed(err)) {
        err = run(&search, answer);
    }
    if (err.code == ERR_TOO_EXPENSIVE && search.late) {
        why_set(why,
                "the search took over %llu s and stopped after line %lld; later lines "
                "were not searched",
                (unsigned long long)options->time_ms / 1000, (long long)search.number);
    } else if (err.code == ERR_TOO_EXPENSIVE) {
        why_set(why,
                "pattern: too expensive; the search stopped after line %lld, later lines "
                "were not searched",
                (long long)search.number);
    }
    search_done(&search);
    return err;
}
