/* list.c: list_files: what stands in a folder, in the order of names. */
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "tool/file/walk.h"
#include "tool/work.h"

enum { LIMIT_DEFAULT = 500, TAIL_ROOM = 512, LONGEST_LINE = LIMIT_PATH_MAX + 64 };

struct listing {
    struct tool_work *work;
    struct text lines;
    struct bytes glob; /* Empty: everything. */
    int64_t limit, count;
    const char *folder; /* As shown. */
    char last[LIMIT_PATH_MAX];
    bool more;
};

static enum walk_next on_entry(void *ctx, const struct walk_entry *entry) {
    struct listing *listing = ctx;
    if (!walk_matches(listing->glob, listing->folder, entry->path)) {
        return WALK_ON;
    }
    if (listing->count == listing->limit ||
        listing->lines.len + LONGEST_LINE + TAIL_ROOM > TOOL_CONTENT_MAX) {
        listing->more = true;
        return WALK_STOP;
    }
    listing->count++;
    (void)snprintf(listing->last, sizeof listing->last, "%s", entry->path); /* It fits: a path. */
    work_add_text(&listing->lines, bytes_of(entry->path));
    if (S_ISDIR(entry->about->st_mode)) {
        text_add_str(&listing->lines, "/\n");
    } else if (S_ISLNK(entry->about->st_mode)) {
        text_add_str(&listing->lines, "  (link)\n");
    } else if (S_ISREG(entry->about->st_mode)) {
        text_addf(&listing->lines, "  %lld\n", (long long)entry->about->st_size);
    } else {
        text_add_str(&listing->lines, "  (not a file)\n");
    }
    return WALK_ON;
}

static void listing_tell(struct listing *listing, const struct walk *walk) {
    struct text *content = &listing->work->result->content;
    if (listing->count == 0) {
        text_addf(content, "%s: nothing%s\n", listing->folder,
                  listing->glob.len > 0 ? " that matches" : " in it");
    }
    text_add(content, listing->lines.data, listing->lines.len);
    if (listing->more) {
        text_addf(content, "[more: go on with after = \"%s\"]\n", listing->last);
    }
    if (walk->over) {
        text_addf(content, "[stopped after %zu names: ask for a folder below]\n", walk->seen);
    }
    if (walk->left_out > 0) {
        text_addf(content, "[%zu names are not shown: denied, or not readable]\n", walk->left_out);
    }
}

struct err tool_list_files(struct tool_work *work) {
    const json_t *input = work->call->input;
    const char *asked = json_str(input, "path", "."), *glob = json_str(input, "glob", "");
    struct place_path path;
    struct place_folder folder = {.fd = -1};
    struct err err = place_resolve(work->place, asked, ROOT_READ, &path, &work->why);
    if (!err_failed(err)) {
        err = place_open_folder(work->place, &path, &folder, &work->why);
    }
    AUTO(fd_release) int fd = fd_take(&folder.fd);
    if (!err_failed(err)) {
        err = work_arrive(work, path.shown, folder.real.text);
    }
    if (err_failed(err) || work->step == WORK_LOOK) {
        return err;
    }
    struct listing listing = {.work = work,
                              .glob = bytes_of(glob),
                              .limit = input_int(input, "limit", LIMIT_DEFAULT),
                              .folder = folder.real.text};
    text_init(&listing.lines, TOOL_CONTENT_MAX);
    struct walk walk = {
        .work = work,
        .after = json_str(input, "after", NULL),
        .depth_max = (unsigned)input_int(input, "depth", glob[0] == '\0' ? 1 : WALK_DEPTH_MAX),
        .with_git = strncmp(folder.real.text, ".git", 4) == 0,
        .each = on_entry,
        .ctx = &listing};
    err = walk_run(&walk, fd, folder.real.text);
    if (!err_failed(err)) {
        listing_tell(&listing, &walk);
    }
    const struct text *failed =
        text_failed(&listing.lines) ? &listing.lines : &work->result->content;
    if (!err_failed(err) && text_failed(failed)) {
        err = text_error(failed, "tool: result");
    }
    text_done(&listing.lines);
    return err;
}
