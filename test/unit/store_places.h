/* store_places.h: folders for the databases of tests. */
#ifndef DROVER_TEST_STORE_PLACES_H
#define DROVER_TEST_STORE_PLACES_H

#include "base/base.h"

struct place {
    char path[128];
};
const char *place_make(
    struct place *place);               /* A new empty folder; it aborts where there is none. */
void place_remove(struct place *place); /* With all that is in it. */
/* path/name, in the caller's buffer. */
const char *place_file(const struct place *place, const char *name, char buffer[256]);

#endif
