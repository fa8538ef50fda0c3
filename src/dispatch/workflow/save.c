/* save.c: a script that is in no file of its user is put into one, to be edited and run again.
 *
 * It came as text, was built in, or is that of a run that is resumed. It lies in DIR/scripts under
 * the beginning of its hash; who edits it there owns it from then on, and a start of the same text
 * has no file then. script_retention.c removes what nobody has any more. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/start.h"

bool flow_start__has_no_file(const struct flow_start *start) {
    const struct workflow_spec *spec = &start->spec;
    bool named = spec->path == NULL && spec->script == NULL && spec->name != NULL;
    return spec->path == NULL && (!named || start->script.entry.origin == CATALOG_BUILT_IN);
}

static bool holds(const char *path, const struct catalog_script *script) {
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    AUTO(mem_release) char *text = mem_new_array(script->len + 1, 1);
    size_t at = 0;
    ssize_t got = fd < 0 ? -1 : read(fd, text, script->len + 1);
    for (; got > 0 && at + (size_t)got <= script->len;
         got = read(fd, text + at, script->len + 1 - at)) {
        at += (size_t)got;
    }
    return got == 0 && at == script->len && memcmp(text, script->source, at) == 0;
}

/* Somebody may have edited it: then it is his. */
static bool is_there(const struct flow_start *start, const char *path) {
    return holds(path, &start->script) &&
           utimensat(AT_FDCWD, path, NULL /* now: script_retention.c leaves it */, 0) == 0;
}

static bool write_whole(const struct flow_start *start, const char *path) {
    AUTO(fd_release)
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t at = 0;
    while (fd >= 0 && at < start->script.len) {
        ssize_t wrote = write(fd, start->script.source + at, start->script.len - at);
        if (wrote <= 0) {
            return false;
        }
        at += (size_t)wrote;
    }
    return fd >= 0;
}

/* It is another file each time that somebody changes a letter of a text. */
static bool is_full(const char *path) {
    DIR *folder = opendir(path);
    size_t count = 0;
    while (folder != NULL && count < FLOW_SAVED_MAX && readdir(folder) != NULL) {
        count++;
    }
    if (folder != NULL) {
        (void)closedir(folder); /* It was only read. */
    }
    return count == FLOW_SAVED_MAX;
}

/* So that it can be edited and run again by its path. That it could not be written is no reason not
 * to run it, and what runs is what the database has: nothing is synced here. */
void flow_start__save(struct flow_start *start) {
    AUTO(text_done) struct text folder, path, fresh;
    text_init(&folder, WORKFLOW_PATH_MAX);
    text_init(&path, WORKFLOW_PATH_MAX);
    text_init(&fresh, WORKFLOW_PATH_MAX);
    text_addf(&folder, "%s/scripts", start->flows->options.data_dir);
    text_addf(&path, "%s/scripts/%.16s.js", start->flows->options.data_dir, start->hash.text);
    text_addf(&fresh, "%s/scripts/.%.16s.%p", start->flows->options.data_dir, start->hash.text,
              (void *)start);
    if (text_failed(&folder) || text_failed(&path) || text_failed(&fresh)) {
        return;
    }
    (void)mkdir(folder.data, 0700); /* It may be there. */
    if (is_there(start, path.data) ||
        (!is_full(folder.data) && write_whole(start, fresh.data) &&
         link(fresh.data, path.data) == 0) ||
        is_there(start, path.data) /* Another start of this text was first. */) {
        start->saved = text_take(&path, NULL);
    }
    (void)unlink(fresh.data); /* It may not be there. */
}
