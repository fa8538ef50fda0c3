#include "http/router.h"

#include <string.h>

#include "base/memory.h"

void router_init(struct router *router) {
    *router = (struct router){0};
}

void router_done(struct router *router) {
    mem_free(router->rows);
    *router = (struct router){0};
}

static void read_pattern(const char *path, struct router_row *row) {
    assert(path[0] == '/');
    *row = (struct router_row){0};
    unsigned params = 0;
    const char *at = path + 1;
    while (*at != '\0') {
        size_t len = strcspn(at, "/");
        bool is_param = at[0] == '{' && len > 2 && at[len - 1] == '}';
        assert(len > 0);
        assert(row->segment_count < TARGET_SEGMENTS_MAX);
        params += is_param;
        row->segments[row->segment_count++] =
            is_param ? (struct bytes){0} : (struct bytes){at, len};
        at += len + (at[len] == '/');
    }
    assert(params <= PATH_PARAMS_MAX);
}

/* Orders rows so that the first match is the right one: literals before parameters. */
static int compare(const struct router_row *a, const struct router_row *b) {
    if (a->segment_count != b->segment_count) {
        return a->segment_count < b->segment_count ? -1 : 1;
    }
    for (unsigned i = 0; i < a->segment_count; i++) {
        struct bytes x = a->segments[i], y = b->segments[i];
        if ((x.data == NULL) != (y.data == NULL)) {
            return x.data != NULL ? -1 : 1;
        }
        if (x.data != NULL && !bytes_equal(x, y)) {
            size_t len = x.len < y.len ? x.len : y.len;
            int order = memcmp(x.data, y.data, len);
            return order != 0 ? order : (x.len < y.len ? -1 : 1);
        }
    }
    return 0;
}

static struct router_row *row_for(struct router *router, const struct router_row *pattern) {
    size_t at = 0;
    while (at < router->count && compare(&router->rows[at], pattern) < 0) {
        at++;
    }
    if (at < router->count && compare(&router->rows[at], pattern) == 0) {
        return &router->rows[at];
    }
    router->rows = mem_grow(router->rows, (router->count + 1) * sizeof *router->rows);
    memmove(router->rows + at + 1, router->rows + at, (router->count - at) * sizeof *router->rows);
    router->rows[at] = *pattern;
    router->count++;
    return &router->rows[at];
}

void router_add(struct router *router, const struct route *route, void *ctx) {
    struct router_row pattern;
    read_pattern(route->path, &pattern);
    struct router_row *row = row_for(router, &pattern);
    struct bytes method = bytes_of(route->method);
    assert(row->entry_count < ROUTE_METHODS_MAX);
    assert(router_entry_find(row, method) == NULL);
    row->entries[row->entry_count++] = (struct router_entry){.route = route, .ctx = ctx};
}

static bool row_matches(const struct router_row *row, const struct target *target) {
    if (row->segment_count != target->segment_count) {
        return false;
    }
    for (unsigned i = 0; i < row->segment_count; i++) {
        bool fits = row->segments[i].data == NULL
                        ? target->segments[i].len > 0
                        : bytes_equal(row->segments[i], target->segments[i]);
        if (!fits) {
            return false;
        }
    }
    return true;
}

const struct router_row *router_match(const struct router *router, const struct target *target,
                                      struct bytes ret_params[PATH_PARAMS_MAX]) {
    if (target->asterisk) {
        return NULL;
    }
    for (size_t at = 0; at < router->count; at++) {
        const struct router_row *row = &router->rows[at];
        if (!row_matches(row, target)) {
            continue;
        }
        unsigned params = 0;
        for (unsigned i = 0; i < row->segment_count; i++) {
            if (row->segments[i].data == NULL) {
                ret_params[params++] = target->segments[i];
            }
        }
        return row;
    }
    return NULL;
}

const struct router_entry *router_entry_find(const struct router_row *row, struct bytes method) {
    if (bytes_equal(method, BYTES("HEAD"))) {
        method = BYTES("GET");
    }
    for (unsigned i = 0; i < row->entry_count; i++) {
        const char *name = row->entries[i].route->method;
        if (strlen(name) == method.len && memcmp(name, method.data, method.len) == 0) {
            return &row->entries[i];
        }
    }
    return NULL;
}

void router_allow(const struct router_row *row, char ret_allow[ALLOW_SIZE]) {
    size_t len = 0;
    for (unsigned i = 0; i < row->entry_count; i++) {
        const char *method = row->entries[i].route->method;
        const char *also = strcmp(method, "GET") == 0 ? ", HEAD" : "";
        size_t need = strlen(method) + strlen(also) + 2;
        assert(len + need + sizeof "OPTIONS" <= ALLOW_SIZE);
        memcpy(ret_allow + len, method, strlen(method));
        len += strlen(method);
        memcpy(ret_allow + len, also, strlen(also));
        len += strlen(also);
        memcpy(ret_allow + len, ", ", 2);
        len += 2;
    }
    memcpy(ret_allow + len, "OPTIONS", sizeof "OPTIONS");
}
