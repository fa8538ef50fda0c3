#include "http/router.h"

#include <string.h>

#include "base/memory.h"

void router_done(struct router *router) {
    mem_free(router->rows);
    *router = (struct router){0};
}

static struct router_row pattern_read(const char *path) {
    struct router_row row = {0};
    unsigned params = 0;
    assert(path[0] == '/');
    for (const char *at = path + 1; *at != '\0';) {
        size_t len = strcspn(at, "/");
        bool is_param = at[0] == '{' && len > 2 && at[len - 1] == '}';
        assert(len > 0);
        assert(row.segment_count < TARGET_SEGMENTS_MAX);
        params += is_param;
        row.segments[row.segment_count++] = is_param ? (struct bytes){0} : (struct bytes){at, len};
        at += len + (at[len] == '/');
    }
    assert(params <= PATH_PARAMS_MAX);
    return row;
}

/* Orders rows so that the first match is the right one: literals before parameters. */
static int row_compare(const struct router_row *a, const struct router_row *b) {
    if (a->segment_count != b->segment_count) {
        return a->segment_count < b->segment_count ? -1 : 1;
    }
    for (unsigned i = 0; i < a->segment_count; i++) {
        struct bytes x = a->segments[i], y = b->segments[i];
        if ((x.data == NULL) != (y.data == NULL)) {
            return x.data != NULL ? -1 : 1;
        }
        if (x.data != NULL && !bytes_equal(x, y)) {
            int order = memcmp(x.data, y.data, x.len < y.len ? x.len : y.len);
            return order != 0 ? order : (x.len < y.len ? -1 : 1);
        }
    }
    return 0;
}

void router_add(struct router *router, const struct router_entry *entry) {
    struct router_row pattern = pattern_read(entry->route->path);
    size_t at = 0;
    while (at < router->count && row_compare(&router->rows[at], &pattern) < 0) {
        at++;
    }
    if (at == router->count || row_compare(&router->rows[at], &pattern) != 0) {
        router->rows = mem_grow(router->rows, (router->count + 1) * sizeof *router->rows);
        memmove(router->rows + at + 1, router->rows + at,
                (router->count - at) * sizeof *router->rows);
        router->rows[at] = pattern;
        router->count++;
    }
    struct router_row *row = &router->rows[at];
    assert(row->entry_count < ROUTE_METHODS_MAX);
    assert(router_entry_find(row, bytes_of(entry->route->method)) == NULL);
    row->entries[row->entry_count++] = *entry;
}

static bool row_matches(const struct router_row *row, const struct target *target) {
    if (row->segment_count != target->segment_count) {
        return false;
    }
    for (unsigned i = 0; i < row->segment_count; i++) {
        struct bytes literal = row->segments[i], segment = target->segments[i];
        if (literal.data == NULL ? segment.len == 0 : !bytes_equal(literal, segment)) {
            return false;
        }
    }
    return true;
}

const struct router_row *router_match(const struct router *router, const struct target *target,
                                      struct bytes ret_params[PATH_PARAMS_MAX]) {
    for (size_t at = 0; at < router->count && !target->asterisk; at++) {
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
    if (bytes_is(method, "HEAD")) {
        method = BYTES("GET");
    }
    for (unsigned i = 0; i < row->entry_count; i++) {
        if (bytes_is(method, row->entries[i].route->method)) {
            return &row->entries[i];
        }
    }
    return NULL;
}

void router_allow(const struct router_row *row, char ret_allow[ALLOW_SIZE]) {
    size_t len = 0;
    for (unsigned i = 0; i < row->entry_count; i++) {
        const char *method = row->entries[i].route->method;
        struct bytes parts[] = {bytes_of(method),
                                bytes_of(strcmp(method, "GET") == 0 ? ", HEAD, " : ", ")};
        for (size_t p = 0; p < COUNT_OF(parts); p++) {
            assert(len + parts[p].len + sizeof "OPTIONS" <= ALLOW_SIZE);
            memcpy(ret_allow + len, parts[p].data, parts[p].len);
            len += parts[p].len;
        }
    }
    memcpy(ret_allow + len, "OPTIONS", sizeof "OPTIONS");
}
