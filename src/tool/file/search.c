/* search.c: list_files and search_files: what a walk finds, as the model reads it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/glob.h"
#include "base/pattern.h"
#include "base/utf8.h"
#include "tool/file/content.h"
#include "tool/file/walk.h"

/* --- list_files ------------------------------------------------------------------------------- */

enum { NAMES_DEFAULT = 500, NAMES_TAIL_ROOM = 512, LONGEST_LINE = LIMIT_PATH_MAX + 64 };

struct listing {
    struct text lines;
    int64_t limit, count;
    char last[LIMIT_PATH_MAX];
    bool more;
};

static void listing_done(struct listing *listing) {
    text_done(&listing->lines);
}

static enum walk_next listing_add(void *ctx, const struct walk_entry *entry) {
    struct listing *listing = ctx;
    if (listing->count == listing->limit ||
        listing->lines.len + LONGEST_LINE + NAMES_TAIL_ROOM > TOOL_CONTENT_MAX) {
        listing->more = true;
        return WALK_STOP;
    }
    listing->count++;
    (void)snprintf(listing->last, sizeof listing->last, "%s", entry->path); /* A path fits. */
    work_add_text(&listing->lines, bytes_of(entry->path));
    mode_t mode = entry->about->st_mode;
    if (S_ISREG(mode)) {
        text_addf(&listing->lines, "  %lld\n", (long long)entry->about->st_size);
    } else {
        text_add_str(&listing->lines, S_ISDIR(mode)   ? "/\n"
                                      : S_ISLNK(mode) ? "  (link)\n"
                                                      : "  (not a file)\n");
    }
    return WALK_ON;
}

struct err tool_list_files(struct tool_work *work) {
    const json_t *input = work->call->input;
    AUTO(place_close) struct place_opened folder = {.fd = -1};
    struct err err = work_open_place(work, json_str(input, "path", "."), PLACE_FOLDER, &folder);
    if (err_failed(err) || work->step == WORK_LOOK) {
        return err;
    }
    AUTO(listing_done)
    struct listing listing = {.lines = text_up_to(TOOL_CONTENT_MAX),
                              .limit = input_int(input, "limit", NAMES_DEFAULT)};
    struct bytes glob = json_bytes(input, "glob");
    struct walk walk = {.work = work,
                        .folder = folder.real.text,
                        .glob = glob,
                        .after = json_str(input, "after", NULL),
                        .depth_max =
                            (unsigned)input_int(input, "depth", glob.len == 0 ? 1 : WALK_DEPTH_MAX),
                        .with_git = strncmp(folder.real.text, ".git", 4) == 0,
                        .each = listing_add,
                        .ctx = &listing};
    TRY(walk_run(&walk, folder.fd));
    struct text *content = &work->result->content;
    if (listing.count == 0) {
        text_addf(content, "%s: nothing%s\n", walk.folder,
                  glob.len > 0 ? " that matches" : " in it");
    }
    text_add(content, listing.lines.data, listing.lines.len);
    if (listing.more) {
        text_addf(content, "[more: go on with after = \"%s\"]\n", listing.last);
    }
    if (walk.over) {
        text_addf(content, "[stopped after %zu names: ask for a folder below]\n", walk.seen);
    }
    if (walk.left_out > 0) {
        text_addf(content, "[%zu names are not shown: denied, or not readable]\n", walk.left_out);
    }
    return work_texts_fit(work, &listing.lines);
}

/* --- search_files: lines that match a regular expression, with their neighbours ---------------
 *
 * Files are read one after the other, in the order of their names, each as a whole; what is no text
 * or too large is counted and left out. The pattern's clock is the call's deadline: one that takes
 * too long ends the search, and the answer says where. */

enum {
    MATCHES_DEFAULT = 100,
    LINE_SHOWN_MAX = 500,
    LINE_MATCHED_MAX = 64 << 10,
    CONTEXT_MAX = 10,
    MATCHES_TAIL_ROOM = 6 << 10,
    /* Bytes of a match and its neighbours, each byte as three, with their path. */
    LINE_ROOM = 3 * LINE_SHOWN_MAX + 32,
};

struct search {
    struct tool_work *work;
    struct pattern *pattern; /* Owned, as is the matcher. */
    struct pattern_matcher *matcher;
    int64_t limit, context;
    int64_t matches, files, skipped;
    char at[LIMIT_PATH_MAX]; /* The last file that was looked through to its end. */
    bool full;
    struct err err;
    struct text lines; /* Owned. */
    /* The file that is searched. */
    struct bytes text;
    const char *path;
    size_t shown_to; /* The offset after the last line that was shown. */
};

static void search_done(struct search *search) {
    pattern_matcher_free(search->matcher);
    pattern_free(search->pattern);
    text_done(&search->lines);
}

static enum err_code search_over(void *ctx) {
    const struct search *search = ctx;
    return place_is_over(search->work->place) ? ERR_TOO_EXPENSIVE : ERR_NONE;
}

/* A line and its number. */
struct line {
    size_t start, end;
    int64_t number;
};

static size_t line_end(struct bytes text, size_t at) {
    const char *newline = memchr(text.data + at, '\n', text.len - at);
    return newline == NULL ? text.len : (size_t)(newline - text.data);
}

static void line_show(struct search *search, struct line line, char mark) {
    struct bytes text = {search->text.data + line.start, line.end - line.start};
    size_t len = utf8_cut(text, LINE_SHOWN_MAX);
    text_addf(&search->lines, "%s%c%lld%c", search->path, mark, (long long)line.number, mark);
    work_add_text(&search->lines, (struct bytes){text.data, len});
    text_add_str(&search->lines, len < text.len ? " [cut]\n" : "\n");
    search->shown_to = line.end + 1;
}

/* The neighbours before a match are found by going back. */
static void match_show(struct search *search, struct line match) {
    size_t starts[CONTEXT_MAX], start = match.start;
    int64_t count = 0;
    while (count < search->context && start > 0 && start > search->shown_to) {
        const char *newline = start < 2 ? NULL : memrchr(search->text.data, '\n', start - 1);
        start = newline == NULL ? 0 : (size_t)(newline - search->text.data) + 1;
        starts[count++] = start;
    }
    if (search->shown_to > 0 && search->context > 0 && start > search->shown_to) {
        text_add_str(&search->lines, "--\n");
    }
    for (; count > 0; count--) {
        size_t at = starts[count - 1];
        line_show(search, (struct line){at, line_end(search->text, at), match.number - count}, '-');
    }
    line_show(search, match, ':');
}

/* True: there is room for no further match. */
static bool is_full(const struct search *search) {
    size_t each = (size_t)(2 * search->context + 1) * (LINE_ROOM + LIMIT_PATH_MAX);
    size_t most = each < TOOL_CONTENT_MAX / 2 ? each : TOOL_CONTENT_MAX / 2;
    return search->matches == search->limit ||
           search->lines.len + most + MATCHES_TAIL_ROOM > TOOL_CONTENT_MAX;
}

static struct err search_lines(struct search *search) {
    int64_t after_until = 0;
    struct line line = {.number = 1};
    for (; line.start < search->text.len; line.start = line.end + 1, line.number++) {
        line.end = line_end(search->text, line.start);
        struct bytes subject = {search->text.data + line.start, line.end - line.start};
        subject.len = utf8_cut(subject, LINE_MATCHED_MAX);
        bool matches = false;
        TRY(pattern_matches(search->matcher, subject, &matches));
        if (matches && is_full(search)) {
            search->full = true;
            return ERR_OK;
        }
        if (matches) {
            search->matches++;
            match_show(search, line);
            after_until = line.number + search->context;
        } else if (line.number <= after_until) {
            line_show(search, line, '-');
        }
    }
    return ERR_OK;
}

static enum walk_next search_file(struct search *search, int fd, const char *path) {
    AUTO(content_done) struct content content = {0};
    struct err err = content_read(search->work->place, fd, CONTENT_EDIT_MAX, &content, NULL);
    if (err.code == ERR_TOO_EXPENSIVE || err.code == ERR_OUT_OF_MEMORY) {
        search->err = err;
        return WALK_STOP;
    }
    search->text = (struct bytes){content.data, content.len};
    if (err_failed(err) || content_is_binary(search->text)) {
        search->skipped++;
        return WALK_ON;
    }
    search->files++;
    search->path = path;
    search->shown_to = 0;
    search->err = search_lines(search);
    if (err_failed(search->err) || search->full) {
        return WALK_STOP;
    }
    (void)snprintf(search->at, sizeof search->at, "%s", path); /* A path fits. */
    return WALK_ON;
}

static enum walk_next search_entry(void *ctx, const struct walk_entry *entry) {
    struct search *search = ctx;
    if (!S_ISREG(entry->about->st_mode)) {
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
                  "[too expensive: stopped by the time after \"%s\"; what follows it is not "
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

struct err tool_search_files(struct tool_work *work) {
    const json_t *input = work->call->input;
    AUTO(search_done)
    struct search search = {.work = work,
                            .limit = input_int(input, "limit", MATCHES_DEFAULT),
                            .context = input_int(input, "context", 0),
                            .lines = text_up_to(TOOL_CONTENT_MAX)};
    AUTO(text_done) struct text source = text_up_to(8192);
    text_addf(&source, "%s%s", json_is_true(json_object_get(input, "ignore_case")) ? "(?i)" : "",
              json_str(input, "pattern", ""));
    struct pattern_watch watch = {.over = search_over, .ctx = &search};
    struct err err = text_failed(&source)
                         ? text_error(&source, "tool: pattern")
                         : pattern_compile(text_bytes(&source), &search.pattern, &work->why);
    if (!err_failed(err)) {
        err = pattern_matcher_new(search.pattern, &watch, &search.matcher);
    }
    if (err_failed(err)) {
        return err;
    }
    const char *asked = json_str(input, "path", ".");
    enum place_kind kind = PLACE_FOLDER;
    AUTO(place_close) struct place_opened opened = {.fd = -1};
    err = place_open(work->place, asked, kind, &opened, &work->why);
    if (err.code == ERR_CONFLICT) { /* A path that names a file is searched alone. */
        work->why.text[0] = '\0';
        kind = PLACE_FILE;
        err = place_open(work->place, asked, kind, &opened, &work->why);
    }
    if (!err_failed(err)) {
        err = work_arrive(work, opened.path.shown, opened.real.text);
    }
    if (err_failed(err) || work->step == WORK_LOOK) {
        return err;
    }
    struct walk walk = {.work = work,
                        .folder = opened.real.text,
                        .glob = json_bytes(input, "glob"),
                        .after = json_str(input, "after", NULL),
                        .depth_max = WALK_DEPTH_MAX,
                        .each = search_entry,
                        .ctx = &search};
    if (kind == PLACE_FILE) {
        (void)search_file(&search, opened.fd, walk.folder); /* The answer tells how it ended. */
    } else {
        err = walk_run(&walk, opened.fd);
    }
    bool fails = search.err.code != ERR_TOO_EXPENSIVE &&
                 (kind == PLACE_FOLDER || search.err.code == ERR_OUT_OF_MEMORY);
    err = !err_failed(err) && fails ? search.err : err;
    if (!err_failed(err)) {
        search_tell(&search, &walk);
    }
    return err_failed(err) ? err : work_texts_fit(work, &search.lines);
}
