/* catalog_places.c: where workflows may stand, in the order in which they count. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/memory.h"
#include "script/catalog_inside.h"

static const char *const folders[] = {".drover/workflows", ".claude/workflows",
                                      ".boocode/workflows"};
enum { ABOVE_MAX = 16 /* Folders above the root. */ };

static bool is_known(const struct catalog *catalog, const char *path) {
    for (unsigned i = 0; i < catalog->place_count; i++) {
        if (strcmp(catalog->places[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

static void add(struct catalog *catalog, enum catalog_origin origin, const char *base,
                const char *folder) {
    char path[2 * LIMIT_PATH_MAX];
    size_t base_len = strlen(base);
    int wrote = snprintf(path, sizeof path, "%s%s%s", base,
                         base_len > 0 && base[base_len - 1] == '/' ? "" : "/", folder);
    /* The home may be the top of the project, too: then it is a project's. One place is left for
     * those built in. */
    if (wrote >= (int)sizeof path || is_known(catalog, path) ||
        catalog->place_count == CATALOG_PLACES_MAX - 1) {
        return;
    }
    catalog->places[catalog->place_count++] =
        (struct catalog_place){.path = mem_copy(path, (size_t)wrote),
                               .base_len = origin == CATALOG_PROJECT ? base_len : 0,
                               .origin = origin};
}

static void add_all(struct catalog *catalog, enum catalog_origin origin, const char *base) {
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        add(catalog, origin, base, folders[i]);
    }
}

static bool has_git(const char *folder) {
    char path[PATH_MAX + 8];
    (void)snprintf(path, sizeof path, "%s/.git", folder); /* It fits: a path and six bytes. */
    return access(path, F_OK) == 0;
}

/* Cuts the last component; false: there is none above. */
static bool go_up(char *folder) {
    char *slash = strrchr(folder, '/');
    if (slash == NULL || folder[1] == '\0') {
        return false;
    }
    slash[slash == folder ? 1 : 0] = '\0';
    return true;
}

/* How many folders above `folder` belong to its repository; 0 where there is none. */
static unsigned levels_above(const char *folder) {
    char at[PATH_MAX];
    (void)snprintf(at, sizeof at, "%s", folder); /* Both have PATH_MAX bytes. */
    for (unsigned level = 0; level <= ABOVE_MAX; level++) {
        if (has_git(at)) {
            return level;
        }
        if (!go_up(at)) {
            break;
        }
    }
    return 0;
}

static struct err add_project(struct catalog *catalog, const char *root, struct why *why) {
    char folder[PATH_MAX];
    AUTO(fd_release) int fd = -1;
    if (root[0] == '/' && realpath(root, folder) != NULL) {
        fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0) {
        return err_why(why, ERR_BAD_FIELD, "root: \"%.200s\" is not the absolute path of a folder",
                       root);
    }
    for (unsigned left = levels_above(folder);; left--) {
        add_all(catalog, CATALOG_PROJECT, folder);
        if (left == 0 || !go_up(folder)) {
            return ERR_OK;
        }
    }
}

static bool is_given(const char *path) {
    return path != NULL && path[0] == '/';
}

struct err catalog__places(const struct catalog_search *search, struct catalog *catalog,
                           struct why *why) {
    if (search->root != NULL && search->root[0] != '\0') {
        struct err err = add_project(catalog, search->root, why);
        if (err_failed(err)) {
            return err;
        }
    }
    if (is_given(search->home)) {
        add_all(catalog, CATALOG_HOME, search->home);
    }
    if (is_given(search->config_dir)) {
        add(catalog, CATALOG_HOME, search->config_dir, "workflows");
    }
    catalog->places[catalog->place_count++] = (struct catalog_place){
        .path = mem_copy("built-in", 8), .origin = CATALOG_BUILT_IN, .found = true};
    return ERR_OK;
}

int catalog__open_place(const struct catalog_place *place) {
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    if (place->base_len == 0) {
        return open(place->path, flags);
    }
    char base[PATH_MAX];
    memcpy(base, place->path, place->base_len);
    base[place->base_len] = '\0';
    AUTO(fd_release) int base_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *rest = place->path + place->base_len;
    return base_fd < 0 ? -1 : beneath_open(base_fd, rest + strspn(rest, "/"), (uint64_t)flags);
}

const char *catalog__trouble(int os) {
    switch (os) {
    case ENOENT:
        return NULL;
    case ENOTDIR:
        return "it is not a folder";
    case EINVAL:
        return "it is not a plain file";
    case EXDEV:
    case ELOOP:
        return "it is a link that leads out of the place where it stands";
    case EACCES:
    case EPERM:
        return "the system does not permit to read it";
    default:
        return "the system could not read it";
    }
}
