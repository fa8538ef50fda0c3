/* test_suite.c: what every store must do, on PostgreSQL. Each test gets a schema of its own. */
/* runs-with: postgres, threads */
/* links: store, test/unit/store_suite_*.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "../unit/store_suite.h"
#include "kit.h"

struct schemas {
    unsigned count;
    char url[KIT_URL_SIZE];
};

static const char *make(void *ctx) {
    struct schemas *schemas = ctx;
    char name[32];
    (void)snprintf(name, sizeof name, "suite_%u", schemas->count); /* Fits. */
    schemas->count++;
    kit_url(kit_server_dir(), name, schemas->url);
    return schemas->url;
}

static void end(void *ctx) {
    (void)ctx; /* The whole server goes. */
}

int main(void) {
    struct schemas schemas = {.count = 0};
    return store_suite_run("postgres", &(struct suite_databases){make, end, &schemas});
}
