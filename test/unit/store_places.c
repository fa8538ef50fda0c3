/* store_places.c: see store_places.h. */
#include "store_places.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *place_make(struct place *place) {
    const char *base = getenv("TMPDIR");
    int len = snprintf(place->path, sizeof place->path, "%s/drover-test-XXXXXX",
                       base == NULL ? "/tmp" : base);
    assert(len > 0 && (size_t)len < sizeof place->path);
    const char *made = mkdtemp(place->path);
    assert(made != NULL);
    return made;
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *at) {
    (void)found;
    (void)kind;
    (void)at;
    return remove(path);
}

void place_remove(struct place *place) {
    enum { OPEN_MAX_AT_ONCE = 8 };
    if (place->path[0] != '\0') {
        (void)nftw(place->path, remove_one, OPEN_MAX_AT_ONCE, FTW_DEPTH | FTW_PHYS);
        place->path[0] = '\0';
    }
}

const char *place_file(const struct place *place, const char *name, char buffer[256]) {
    int len = snprintf(buffer, 256, "%s/%s", place->path, name);
    assert(len > 0 && len < 256);
    return buffer;
}
