/* The suite of every store, on SQLite in a folder of its own. */
/* runs-with: sqlite, threads */
/* links: store, test/unit/store_suite_*.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store_places.h"
#include "store_suite.h"

static const char *make(void *ctx) {
    return place_make(ctx);
}

static void end(void *ctx) {
    place_remove(ctx);
}

int main(void) {
    struct place place = {""};
    return store_suite_run("sqlite", &(struct suite_databases){make, end, &place});
}
