/* folders.c: a folder is opened first, and then only that descriptor is read. */
#include "tool/folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "tool/place.h"

static bool part_valid(struct bytes part) {
    return part.len > 0 && !bytes_is(part, ".") && !bytes_is(part, "..");
}

bool folder_path_valid(struct bytes path) {
    if (path.len == 0 || path.len > FOLDER_PATH_MAX || path.data[0] != '/' ||
        memchr(path.data, '\0', path.len) != NULL || utf8_has_control(path)) {
        return false;
    }
    /* "/" alone has no part; a slash at the end closes the last one. */
    const size_t len = path.data[path.len - 1] == '/' ? path.len - 1 : path.len;
    for (size_t at = 1; at <= len && len > 0;) {
        const char *slash = memchr(path.data + at, '/', len - at);
        const size_t end = slash == NULL ? len : (size_t)(slash - path.data);
        if (!part_valid((struct bytes){path.data + at, end - at})) {
            return false;
        }
        at = end + 1;
    }
    return true;
}

static struct err folder_refused(int os, const struct folder_wish *wish, struct why *why) {
    switch (os) {
    case ENOENT:
        return err_why(why, ERR_NOT_FOUND, "path: there is no folder \"%.200s\"", wish->path);
    case ENOTDIR:
        return err_why(why, ERR_BAD_QUERY, "path: \"%.200s\" is not a folder", wish->path);
    case EXDEV:
    case ELOOP:
        return err_why(why, ERR_FORBIDDEN, "path: \"%.200s\" is a link that leads elsewhere",
                       wish->path);
    case EACCES:
    case EPERM:
        return err_why(why, ERR_FORBIDDEN, "path: \"%.200s\" cannot be read by drover", wish->path);
    default:
        return err_from_errno(os, "folders: open");
    }
}

static int folder_find(const struct folder_wish *wish) {
    enum { FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC };
    if (wish->above == NULL) {
        return open(wish->path, FLAGS);
    }
    AUTO(fd_release) int above = open(wish->above, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *rest = place_below(wish->path, wish->above);
    assert(rest != NULL);
    return above < 0 ? -1 : beneath_open(above, rest[0] == '\0' ? "." : rest, FLAGS);
}

/* Not through a link: what it leads to has a name of its own. */
static bool entry_is_folder(int fd, const struct dirent *entry) {
    struct stat about;
    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    return fstatat(fd, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(about.st_mode);
}

static bool entry_shown(const struct folder_wish *wish, const char *name) {
    const struct bytes text = bytes_of(name);
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && (wish->hidden || name[0] != '.') &&
           utf8_valid(text.data, text.len) && !utf8_has_control(text);
}

static int folder_names_compare(const void *a, const void *b) {
    const char *one = *(char *const *)a, *other = *(char *const *)b;
    const int order = strcasecmp(one, other);
    return order != 0 ? order : strcmp(one, other);
}

static void folder_entries_read(DIR *folder, const struct folder_wish *wish,
                                struct folder_names *names) {
    names->names = mem_new_array(FOLDER_ENTRIES_MAX, sizeof names->names[0]);
    for (size_t seen = 0;; seen++) {
        const struct dirent *entry = readdir(folder);
        names->whole = entry == NULL;
        if (entry == NULL || seen == FOLDER_ENTRIES_MAX) {
            return;
        }
        if (entry_shown(wish, entry->d_name) && entry_is_folder(dirfd(folder), entry)) {
            names->names[names->count++] = mem_copy(entry->d_name, strlen(entry->d_name));
        }
    }
}

struct err folder_names_read(const struct folder_wish *wish, struct folder_names *ret_names,
                             struct why *why) {
    assert(wish->limit > 0 && wish->limit <= FOLDER_NAMES_MAX);
    AUTO(fd_release) int fd = folder_find(wish);
    if (fd < 0) {
        return folder_refused(errno, wish, why);
    }
    char real[LIMIT_PATH_MAX];
    if (!place_path_of(fd, real, sizeof real)) {
        return err_make(ERR_IO, "folders: path");
    }
    if (wish->closed[0] != '\0' && place_below(real, wish->closed) != NULL) {
        return err_why(why, ERR_FORBIDDEN, "path: \"%.200s\" belongs to drover itself", wish->path);
    }
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        return err_from_errno(errno, "folders: read");
    }
    fd = -1; /* The stream closes it. */
    struct folder_names names = {.count = 0};
    folder_entries_read(folder, wish, &names);
    (void)closedir(folder); /* Nothing was written. */
    qsort(names.names, names.count, sizeof names.names[0], folder_names_compare);
    while (names.count > wish->limit) {
        mem_free(names.names[--names.count]);
        names.whole = false;
    }
    *ret_names = names;
    return ERR_OK;
}

void folder_names_done(struct folder_names *names) {
    for (size_t i = 0; i < names->count; i++) {
        mem_free(names->names[i]);
    }
    mem_free(names->names);
    *names = (struct folder_names){.count = 0};
}
