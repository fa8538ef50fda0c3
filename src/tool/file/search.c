/* search.c: search_files: lines that match a regular expression, with their neighbours.
 *
 * Files are read one after the other, in the order of their names, each as a whole; what is no text
 * or too large is counted and left out. The pattern's clock is the call's deadline: one that takes
 * too long ends the search, and the answer says where.
 */
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/pattern.h"
#include "base/utf8.h"
#include "tool/file/content.h"
#include "tool/file/walk.h"
#include "tool/work.h"

enum {
    LIMIT_DEFAULT = 100,
    LINE_SHOWN_MAX = 500,
    LINE_MATCHED_MAX = 64 << 10,
    CONTEXT_MAX = 10,
    TAIL_ROOM = 6 << 10,
    /* What one match may take: itself and its neighbours, each byte as three, with their path. */
    LINE_ROOM = 3 * LINE_SHOWN_MAX + 32,
};

struct search {
    struct tool_work *work;
    struct pattern *pattern; /* Owned. */
    struct pattern_matcher *matcher;
    struct bytes glob;
    const char *folder; /* As shown. */
    int64_t limit, context;
    int64_t matches, files, skipped;
    char at[LIMIT_PATH_MAX]; /* The last file that was looked through to its end. */
    bool full;
    struct err err;
    struct text lines;
};

static void search_done(struct search *search) {
    pattern_matcher_free(search->matcher);
    pattern_free(search->pattern);
    text_done(&search->lines);
}

static enum err_code over(void *ctx) {
    const struct search *search = ctx;
    return place_is_over(search->work->place) ? ERR_TOO_EXPENSIVE : ERR_NONE;
}

/* --- One file --------------------------------------------------------------------------------- */

/* A file's lines, walked once; neighbours before a match are found by going back. */
struct lines {
    struct bytes text;
    const char *path;
    size_t shown_to; /* The offset behind the last line that was shown. */
};

static size_t line_end(struct bytes text, size_t at) {
    const char *newline = memchr(text.data + at, '\n', text.len - at);
    return newline == NULL ? text.len : (size_t)(newline - text.data);
}

static size_t line_before(struct bytes text, size_t start) {
    const char *newline = start < 2 ? NULL : memrchr(text.data, '\n', start - 1);
    return newline == NULL ? 0 : (size_t)(newline - text.data) + 1;
}

/* A line and its number. */
struct line {
    size_t start, end;
    int64_t number;
};

static void show(struct search *search, struct lines *lines, const struct line *line, char mark) {
    struct bytes text = {lines->text.data + line->start, line->end - line->start};
    size_t len = utf8_cut(text, LINE_SHOWN_MAX);
    text_addf(&search->lines, "%s%c%lld%c", lines->path, mark, (long long)line->number, mark);
    work_add_text(&search->lines, (struct bytes){text.data, len});
    text_add_str(&search->lines, len < text.len ? " [cut]\n" : "\n");
    lines->shown_to = line->end + 1;
}

static void show_before(struct search *search, struct lines *lines, const struct line *match) {
    size_t starts[CONTEXT_MAX];
    int64_t count = 0;
    size_t start = match->start;
    while (count < search->context && start > 0 && start > lines->shown_to) {
        start = line_before(lines->text, start);
        starts[count++] = start;
    }
    if (lines->shown_to > 0 && search->context > 0 &&
        (count > 0 ? starts[count - 1] : match->start) > lines->shown_to) {
        text_add_str(&search->lines, "--\n");
    }
    for (; count > 0; count--) {
        struct line line = {starts[count - 1], line_end(lines->text, starts[count - 1]),
                            match->number - count};
        show(search, lines, &line, '-');
    }
}

/* True: there is room for no further match. */
static bool is_full(const struct search *search) {
    size_t each = (size_t)(2 * search->context + 1) * (LINE_ROOM + LIMIT_PATH_MAX);
    size_t most = each < TOOL_CONTENT_MAX / 2 ? each : TOOL_CONTENT_MAX / 2;
    return search->matches == search->limit ||
           search->lines.len + most + TAIL_ROOM > TOOL_CONTENT_MAX;
}

static struct err search_lines(struct search *search, struct lines *lines) {
    int64_t after_until = 0;
    struct line line = {.number = 1};
    for (; line.start < lines->text.len; line.start = line.end + 1, line.number++) {
        line.end = line_end(lines->text, line.start);
        struct bytes subject = {lines->text.data + line.start, line.end - line.start};
        subject.len = utf8_cut(subject, LINE_MATCHED_MAX);
        bool matches = false;
        struct err err = pattern_matches(search->matcher, subject, &matches);
        if (err_failed(err)) {
            return err;
        }
        if (matches && is_full(search)) {
            search->full = true;
            return ERR_OK;
        }
        if (matches) {
            search->matches++;
            show_before(search, lines, &line);
            show(search, lines, &line, ':');
            after_until = line.number + search->context;
        } else if (line.number <= after_until) {
            show(search, lines, &line, '-');
        }
    }
    return ERR_OK;
}

static enum walk_next search_file(struct search *search, int fd, const char *path) {
    AUTO(content_done) struct content content = {0};
    struct why why = {.text = ""};
    struct err err = content_read(search->work->place, fd, CONTENT_EDIT_MAX, &content, &why);
    if (err.code == ERR_TOO_EXPENSIVE || err.code == ERR_OUT_OF_MEMORY) {
        search->err = err;
        return WALK_STOP;
    }
    struct bytes text = {content.data, content.len};
    if (err_failed(err) || content_is_binary(text)) {
        search->skipped++;
        return WALK_ON;
    }
    search->files++;
    struct lines lines = {.text = text, .path = path};
    search->err = search_lines(search, &lines);
    if (err_failed(search->err) || search->full) {
        return WALK_STOP;
    }
    (void)snprintf(search->at, sizeof search->at, "%s", path); /* It fits: a path. */
    return WALK_ON;
}

static enum walk_next on_entry(void *ctx, const struct walk_entry *entry) {
    struct search *search = ctx;
    if (!S_ISREG(entry->about->st_mode) ||
        !walk_matches(search->glob, search->folder, entry->path)) {
        return WALK_ON;
    }
    AUTO(fd_release) int fd = -1;
    struct stat about;
    if (err_failed(place_open_beside(entry->folder_fd, entry->name, &fd, &about))) {
        search->skipped++;
        return WALK_ON;
    }
    return search_file(search, fd, entry->path);
}

/* --- The answer ------------------------------------------------------------------------------- */

static void search_tell(struct search *search, const struct walk *walk) {
    struct text *content = &search->work->result->content;
    bool expensive = search->err.code == ERR_TOO_EXPENSIVE || walk->over;
    text_addf(content, "%lld matches in %lld files%s\n", (long long)search->matches,
              (long long)search->files, search->full || expensive ? " so far" : "");
    text_add(content, search->lines.data, search->lines.len);
    if (search->full) {
        text_addf(content, "[more matches: narrow path or glob, or go on with after = \"%s\"]\n",
                  search->at);
    }
    if (expensive) {
        text_addf(content,
                  "[too expensive: stopped by the time after \"%s\"; what is behind it is not "
                  "known]\n",
                  search->at);
    }
    if (search->skipped > 0) {
        text_addf(content, "[%lld files are no text, too large or not readable]\n",
                  (long long)search->skipped);
    }
    if (walk->left_out > 0) {
        text_addf(content, "[%zu names are left out: denied, or not readable]\n", walk->left_out);
    }
}

/* A path that names a file is searched alone. */
static struct err search_one(struct search *search, const struct place_path *path) {
    struct tool_work *work = search->work;
    struct place_file file = {.fd = -1};
    struct err err = place_open_file(work->place, path, &file, &work->why);
    AUTO(fd_release) int fd = fd_take(&file.fd);
    if (!err_failed(err)) {
        err = work_arrive(work, path->shown, file.real.text);
    }
    if (err_failed(err) || work->step == WORK_LOOK) {
        return err;
    }
    struct walk none = {.work = work};
    (void)search_file(search, fd, file.real.text); /* The answer tells how it ended. */
    if (search->err.code == ERR_OUT_OF_MEMORY) {
        return search->err;
    }
    search_tell(search, &none);
    return ERR_OK;
}

static struct err search_place(struct search *search, const char *asked, const char *after) {
    struct tool_work *work = search->work;
    struct place_path path;
    struct err err = place_resolve(work->place, asked, ROOT_READ, &path, &work->why);
    if (err_failed(err)) {
        return err;
    }
    struct place_folder folder = {.fd = -1};
    err = place_open_folder(work->place, &path, &folder, &work->why);
    if (err.code == ERR_CONFLICT) {
        work->why.text[0] = '\0';
        return search_one(search, &path);
    }
    AUTO(fd_release) int fd = fd_take(&folder.fd);
    if (!err_failed(err)) {
        err = work_arrive(work, path.shown, folder.real.text);
    }
    if (err_failed(err) || work->step == WORK_LOOK) {
        return err;
    }
    search->folder = folder.real.text;
    struct walk walk = {
        .work = work, .after = after, .depth_max = WALK_DEPTH_MAX, .each = on_entry, .ctx = search};
    err = walk_run(&walk, fd, search->folder);
    if (!err_failed(err) && search->err.code != ERR_NONE && search->err.code != ERR_TOO_EXPENSIVE) {
        err = search->err;
    }
    if (!err_failed(err)) {
        search_tell(search, &walk);
    }
    return err;
}

struct err tool_search_files(struct tool_work *work) {
    const json_t *input = work->call->input;
    AUTO(search_done)
    struct search search = {.work = work,
                            .glob = bytes_of(json_str(input, "glob", "")),
                            .limit = input_int(input, "limit", LIMIT_DEFAULT),
                            .context = input_int(input, "context", 0)};
    text_init(&search.lines, TOOL_CONTENT_MAX);
    AUTO(text_done) struct text source = text_up_to(8192);
    text_addf(&source, "%s%s", json_is_true(json_object_get(input, "ignore_case")) ? "(?i)" : "",
              json_str(input, "pattern", ""));
    struct pattern_watch watch = {.over = over, .ctx = &search};
    struct err err = text_failed(&source)
                         ? text_error(&source, "tool: pattern")
                         : pattern_compile(text_bytes(&source), &search.pattern, &work->why);
    if (!err_failed(err)) {
        err = pattern_matcher_new(search.pattern, &watch, &search.matcher);
    }
    if (!err_failed(err)) {
        err = search_place(&search, json_str(input, "path", "."), json_str(input, "after", NULL));
    }
    if (!err_failed(err) && work->step == WORK_DO &&
        (text_failed(&search.lines) || text_failed(&work->result->content))) {
        err = text_error(text_failed(&search.lines) ? &search.lines : &work->result->content,
                         "tool: result");
    }
    return err;
}
