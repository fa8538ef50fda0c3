/* context_place.c: a place of one root, and what stands in it. */
#include "tool/context_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "tool/place.h"

enum { SEEN_MAX = 20000 /* Names of one folder, whatever they are. */ };

static struct tool_place place_of(const struct tool_root *root) {
    return (struct tool_place){.roots = root, .root_count = 1, .home = "", .closed = ""};
}

static enum context_found read_text(int fd, size_t size_max, char **ret_text, size_t *ret_len,
                                    bool *ret_cut) {
    AUTO(mem_release) char *text = mem_new(size_max + 2);
    size_t len = 0;
    ssize_t got = 1;
    while (len <= size_max && got != 0) { /* Whether there is more shows in one more byte. */
        got = read(fd, text + len, size_max + 1 - len);
        if (got < 0 && errno != EINTR) {
            return CONTEXT_UNFIT;
        }
        len += got > 0 ? (size_t)got : 0;
    }
    *ret_cut = len > size_max;
    len = *ret_cut ? utf8_cut((struct bytes){text, len}, size_max) : len;
    text[len] = '\0';
    if (!utf8_valid(text, len) || strlen(text) != len) {
        return CONTEXT_UNFIT;
    }
    *ret_text = text;
    *ret_len = len;
    text = NULL; /* Handed over. */
    return CONTEXT_FOUND;
}

enum context_found context__read(const char *root, const char *path, size_t size_max,
                                 char **ret_text, size_t *ret_len, bool *ret_cut) {
    struct tool_root only = {.path = root, .access = ROOT_READ};
    struct tool_place place = place_of(&only);
    struct place_path resolved;
    struct place_file file = {.fd = -1};
    struct err err = place_resolve(&place, path, ROOT_READ, &resolved, NULL);
    if (!err_failed(err)) {
        err = place_open_file(&place, &resolved, &file, NULL);
    }
    AUTO(fd_release) int fd = fd_take(&file.fd);
    if (err_failed(err)) {
        return err.code == ERR_NOT_FOUND ? CONTEXT_ABSENT : CONTEXT_UNFIT;
    }
    return read_text(fd, size_max, ret_text, ret_len, ret_cut);
}

enum context_found context__read_in(const struct context_names *names, const char *name,
                                    size_t size_max, char **ret_text, size_t *ret_len,
                                    bool *ret_cut) {
    struct stat about;
    AUTO(fd_release) int fd = beneath_open_file(names->fd, name, &about);
    if (fd < 0) {
        bool absent = errno == ENOENT || errno == EXDEV || errno == ELOOP || errno == EINVAL;
        return absent ? CONTEXT_ABSENT : CONTEXT_UNFIT;
    }
    return read_text(fd, size_max, ret_text, ret_len, ret_cut);
}

/* --- Names ------------------------------------------------------------------------------------ */

void context__names_done(struct context_names *names) {
    for (size_t i = 0; i < names->count; i++) {
        mem_free(names->list[i]);
    }
    mem_free(names->list);
    fd_release(&names->fd);
    *names = (struct context_names){.fd = -1};
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static DIR *open_names(const struct context_folder *folder, int *ret_fd) {
    struct tool_root only = {.path = folder->root, .access = ROOT_READ};
    struct tool_place place = place_of(&only);
    struct place_path resolved;
    struct place_folder opened = {.fd = -1};
    if (err_failed(place_resolve(&place, folder->path, ROOT_READ, &resolved, NULL)) ||
        err_failed(place_open_folder(&place, &resolved, &opened, NULL))) {
        return NULL;
    }
    AUTO(fd_release) int fd = fd_take(&opened.fd);
    AUTO(fd_release) int walked = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = walked < 0 ? NULL : fdopendir(walked); /* closedir ends that descriptor. */
    if (names != NULL) {
        walked = -1;
        *ret_fd = fd_take(&fd);
    }
    return names;
}

void context__names(const struct context_folder *folder, struct context_names *ret_names) {
    *ret_names = (struct context_names){.fd = -1};
    DIR *names = open_names(folder, &ret_names->fd);
    const struct dirent *entry = NULL;
    if (names == NULL) {
        return;
    }
    ret_names->list = mem_new_array(folder->count_max, sizeof *ret_names->list);
    for (size_t seen = 0; !ret_names->more && (entry = readdir(names)) != NULL; seen++) {
        const char *name = entry->d_name;
        size_t len = strlen(name), ending = strlen(folder->ending);
        bool meant =
            name[0] != '.' && len > ending && strcmp(name + len - ending, folder->ending) == 0;
        ret_names->more = seen == SEEN_MAX || (meant && ret_names->count == folder->count_max);
        if (meant && !ret_names->more) {
            ret_names->list[ret_names->count++] = mem_copy(name, len);
        }
    }
    (void)closedir(names); /* Read only. */
    qsort(ret_names->list, ret_names->count, sizeof *ret_names->list, by_bytes);
}
