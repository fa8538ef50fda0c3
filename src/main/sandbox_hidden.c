/* sandbox_hidden.c: see hidden.h. */
#include "main/sandbox_hidden.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* One that is not there hides itself. */
static void add(struct hidden *hidden, size_t *count, const char *name) {
    char path[PATH_MAX];
    if (name != NULL && realpath(name, path) != NULL) {
        assert(*count < HIDDEN_MAX - 1);
        hidden->paths[(*count)++] = mem_copy(path, strlen(path));
    }
}

void hidden_find(struct hidden *hidden, const struct serve_options *serve, const char *data_dir) {
    size_t count = 0;
    add(hidden, &count, data_dir);
    add(hidden, &count, serve->config);
    add(hidden, &count, serve->webhook_secret);
}

void hidden_done(struct hidden *hidden) {
    for (size_t i = 0; i < HIDDEN_MAX; i++) {
        mem_free(hidden->paths[i]);
    }
}
