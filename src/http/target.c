/* target.c: target of a request line, parameters of its query, routes of its path. */
#include "http/target.h"

#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/utf8.h"

/* Decodes into *scratch and moves it on; NULL on success, else what was wrong. */
static const char *decode(struct bytes raw, bool plus_is_blank, char **scratch,
                          struct bytes *ret_plain) {
    if (memchr(raw.data, '%', raw.len) == NULL &&
        (!plus_is_blank || memchr(raw.data, '+', raw.len) == NULL)) {
        *ret_plain = raw;
        return NULL;
    }
    char *out = *scratch;
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.data[i];
        if (c == '%') {
            int high = i + 2 < raw.len ? hex_digit(raw.data[i + 1]) : -1;
            int low = i + 2 < raw.len ? hex_digit(raw.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return "'%' is not followed by two hexadecimal digits";
            }
            c = (char)(high * 16 + low);
            i += 2;
            if (c == '\0') {
                return "an encoded NUL is not accepted";
            }
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        out[len++] = c;
    }
    *scratch = out + len;
    *ret_plain = (struct bytes){out, len};
    return utf8_valid(out, len) ? NULL : "the decoded text is not valid UTF-8";
}

/* --- The path --------------------------------------------------------------------------------- */

static struct err segment_add(struct bytes raw, char **scratch, struct target *target,
                              struct why *why) {
    if (target->segment_count == TARGET_SEGMENTS_MAX) {
        return err_why(why, ERR_NOT_FOUND, "the path has more than %d segments",
                       TARGET_SEGMENTS_MAX);
    }
    struct bytes plain = raw;
    const char *fault = decode(raw, /* plus_is_blank */ false, scratch, &plain);
    if (fault != NULL) {
        return err_why(why, ERR_BAD_REQUEST, "%s", fault);
    }
    /* An encoded slash would be a separator to one reader and a letter to the next. */
    if (memchr(plain.data, '/', plain.len) != NULL || memchr(plain.data, '\\', plain.len) != NULL) {
        return err_why(why, ERR_BAD_REQUEST, "the path has an encoded slash or a backslash");
    }
    if (bytes_is(plain, ".") || bytes_is(plain, "..")) {
        return err_why(why, ERR_BAD_REQUEST, "the path has a '.' or '..' segment");
    }
    target->segments[target->segment_count++] = plain;
    return ERR_OK;
}

static struct err path_parse(char **scratch, struct target *target, struct why *why) {
    struct bytes rest = {target->path.data + 1, target->path.len - 1}, segment;
    struct err err = ERR_OK;
    while (!err_failed(err) && bytes_next(&rest, '/', &segment)) {
        err = segment.len == 0 ? err_why(why, ERR_BAD_REQUEST, "the path has an empty segment")
                               : segment_add(segment, scratch, target, why);
    }
    /* Behind a slash at the end there is one more segment, an empty one. */
    if (!err_failed(err) && target->path.len > 1 && rest.data[-1] == '/') {
        err = segment_add(rest, scratch, target, why);
    }
    return err;
}

/* "http://host:port/path": cuts the authority off *raw. */
static struct err authority_take(struct bytes *raw, struct target *target, struct why *why) {
    static const struct bytes scheme = BYTES_INIT("http://");
    if (!bytes_begin(*raw, scheme) || raw->len == scheme.len) {
        return err_why(why, ERR_BAD_REQUEST, "the target must begin with '/'");
    }
    struct bytes rest = {raw->data + scheme.len, raw->len - scheme.len};
    size_t len = 0;
    while (len < rest.len && rest.data[len] != '/' && rest.data[len] != '?') {
        len++;
    }
    target->authority = (struct bytes){rest.data, len};
    if (len == 0 || memchr(rest.data, '@', len) != NULL) {
        return err_why(why, ERR_BAD_REQUEST, "the target has no host, or has a user name");
    }
    if (len == rest.len || rest.data[len] != '/') {
        return err_why(why, ERR_BAD_REQUEST, "the target has no path");
    }
    *raw = (struct bytes){rest.data + len, rest.len - len};
    return ERR_OK;
}

/* --- The query -------------------------------------------------------------------------------- */

static struct err pair_add(struct bytes raw, char **scratch, struct target *target,
                           struct why *why) {
    if (target->pair_count == TARGET_PAIRS_MAX) {
        return err_why(why, ERR_BAD_QUERY, "there are more than %d query parameters",
                       TARGET_PAIRS_MAX);
    }
    struct target_pair pair = {.value = {raw.data + raw.len, 0}};
    const char *equals = memchr(raw.data, '=', raw.len);
    if (equals != NULL) {
        pair.value = (struct bytes){equals + 1, (size_t)(raw.data + raw.len - equals) - 1};
        raw.len = (size_t)(equals - raw.data);
    }
    const char *fault = decode(raw, /* plus_is_blank */ true, scratch, &pair.name);
    if (fault == NULL) {
        fault = decode(pair.value, /* plus_is_blank */ true, scratch, &pair.value);
    }
    if (fault == NULL && pair.name.len == 0) {
        fault = "a query parameter has no name";
    }
    if (fault != NULL) {
        return err_why(why, ERR_BAD_QUERY, "%s", fault);
    }
    target->pairs[target->pair_count++] = pair;
    return ERR_OK;
}

struct err target_parse(struct bytes raw, char *scratch, struct target *ret_target,
                        struct why *why) {
    struct target *target = ret_target;
    target->authority = (struct bytes){0};
    target->asterisk = bytes_is(raw, "*");
    target->segment_count = target->pair_count = 0;
    size_t plain = 0;
    while (plain < raw.len && raw.data[plain] > 0x20 && raw.data[plain] < 0x7f &&
           raw.data[plain] != '#' && raw.data[plain] != '\\') {
        plain++;
    }
    if (raw.len == 0 || plain < raw.len) {
        return err_why(why, ERR_BAD_REQUEST,
                       "the target must be printable ASCII without '#' and '\\'");
    }
    if (target->asterisk) {
        target->path = raw;
        return ERR_OK;
    }
    TRY(raw.data[0] == '/' ? ERR_OK : authority_take(&raw, target, why));
    struct bytes pair;
    (void)bytes_next(&raw, '?', &target->path); /* True: it begins with a slash. */
    struct err err = path_parse(&scratch, target, why);
    while (!err_failed(err) && bytes_next(&raw, '&', &pair)) {
        err = pair.len == 0 ? ERR_OK : pair_add(pair, &scratch, target, why);
    }
    return err;
}

/* --- By the route's table --------------------------------------------------------------------- */

static struct err query_value_read(const struct query_param *param, struct query_value *value,
                                   struct why *why) {
    bool flag = param->kind == QUERY_FLAG;
    struct number_bounds bounds = {flag ? 0 : param->min, flag ? 1 : param->max};
    if (param->kind == QUERY_TEXT) {
        return param->max <= 0 || value->text.len <= (size_t)param->max
                   ? ERR_OK
                   : err_why(why, ERR_BAD_QUERY,
                             "query parameter '%s' is longer than %" PRId64 " bytes", param->name,
                             param->max);
    }
    const bool yes = flag && bytes_is(value->text, "true"),
               no = flag && bytes_is(value->text, "false");
    if (yes || no) {
        value->number = yes;
        return ERR_OK;
    }
    if (number_parse(value->text, bounds, &value->number)) {
        return ERR_OK;
    }
    return flag ? err_why(why, ERR_BAD_QUERY, "query parameter '%s' must be 0 or 1", param->name)
                : err_why(why, ERR_BAD_QUERY,
                          "query parameter '%s' must be an integer from %" PRId64 " to %" PRId64,
                          param->name, param->min, param->max);
}

const struct query_param query_any[] = {{.name = NULL}};

struct err query_read(const struct query_param *table, const struct target *target,
                      struct query_value ret_values[QUERY_PARAMS_MAX], struct why *why) {
    unsigned count = 0;
    if (table == query_any) {
        return ERR_OK;
    }
    for (; table != NULL && table[count].name != NULL; count++) {
        assert(count < QUERY_PARAMS_MAX);
        ret_values[count] = (struct query_value){.number = table[count].absent, .text = {"", 0}};
    }
    for (unsigned i = 0; i < target->pair_count; i++) {
        struct bytes name = target->pairs[i].name;
        int shown = (int)utf8_cut(name, 64); /* Names are shown back, but not at any length. */
        unsigned at = 0;
        while (at < count && !bytes_is(name, table[at].name)) {
            at++;
        }
        if (at == count) {
            return err_why(why, ERR_BAD_QUERY, "query parameter '%.*s' is unknown here", shown,
                           name.data);
        }
        if (ret_values[at].given) {
            return err_why(why, ERR_BAD_QUERY, "query parameter '%.*s' was given twice", shown,
                           name.data);
        }
        ret_values[at].given = true;
        ret_values[at].text = target->pairs[i].value;
        TRY(query_value_read(&table[at], &ret_values[at], why));
    }
    for (unsigned i = 0; i < count; i++) {
        if (table[i].required && !ret_values[i].given) {
            return err_why(why, ERR_BAD_QUERY, "query parameter '%s' is required: %s",
                           table[i].name, table[i].about);
        }
    }
    return ERR_OK;
}

/* --- The router ------------------------------------------------------------------------------- */

void router_done(struct router *router) {
    mem_free(router->rows);
    *router = (struct router){0};
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
    struct router_row pattern = {0};
    unsigned params = 0;
    assert(entry->route->path[0] == '/');
    for (const char *part = entry->route->path + 1; *part != '\0';) {
        size_t len = strcspn(part, "/");
        bool is_param = part[0] == '{' && len > 2 && part[len - 1] == '}';
        assert(len > 0);
        assert(pattern.segment_count < TARGET_SEGMENTS_MAX);
        params += is_param;
        pattern.segments[pattern.segment_count++] =
            is_param ? (struct bytes){0} : (struct bytes){part, len};
        part += len + (part[len] == '/');
    }
    assert(params <= PATH_PARAMS_MAX);
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

static bool router_falls_back(const struct router *router, const struct target *target) {
    bool ours = router->fallback.entry_count > 0 && !target->asterisk;
    for (size_t at = 0; at < router->count && ours && target->segment_count > 0; at++) {
        const struct router_row *row = &router->rows[at];
        ours = row->segment_count == 0 || row->segments[0].data == NULL ||
               !bytes_equal(row->segments[0], target->segments[0]);
    }
    return ours;
}

const struct router_row *router_match(const struct router *router, const struct target *target,
                                      struct bytes ret_params[PATH_PARAMS_MAX]) {
    for (size_t at = 0; at < router->count && !target->asterisk; at++) {
        const struct router_row *row = &router->rows[at];
        bool matches = row->segment_count == target->segment_count;
        unsigned params = 0;
        /* From the last segment on: all paths begin alike. */
        for (unsigned i = row->segment_count; i > 0 && matches; i--) {
            struct bytes literal = row->segments[i - 1], segment = target->segments[i - 1];
            matches = literal.data != NULL ? bytes_equal(literal, segment) : segment.len > 0;
        }
        for (unsigned i = 0; i < row->segment_count && matches; i++) {
            if (row->segments[i].data == NULL) {
                ret_params[params++] = target->segments[i];
            }
        }
        if (matches) {
            return row;
        }
    }
    return router_falls_back(router, target) ? &router->fallback : NULL;
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
