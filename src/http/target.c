#include "http/target.h"

#include <string.h>

#include "base/utf8.h"

static struct err refuse(enum err_code code, struct why *why, const char *detail) {
    why_set(why, "%s", detail);
    return err_make(code, "http: target");
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

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

/* An encoded slash would be a separator to one reader and a letter to the next. */
static bool hides_separator(struct bytes plain) {
    return memchr(plain.data, '/', plain.len) != NULL ||
           memchr(plain.data, '\\', plain.len) != NULL;
}

static bool is_dots(struct bytes plain) {
    return (plain.len == 1 && plain.data[0] == '.') ||
           (plain.len == 2 && plain.data[0] == '.' && plain.data[1] == '.');
}

static struct err add_segment(struct bytes raw, bool last, char **scratch, struct target *target,
                              struct why *why) {
    if (raw.len == 0 && !last) {
        return refuse(ERR_BAD_REQUEST, why, "the path has an empty segment");
    }
    if (target->segment_count == TARGET_SEGMENTS_MAX) {
        why_set(why, "the path has more than %d segments", TARGET_SEGMENTS_MAX);
        return err_make(ERR_NOT_FOUND, "http: target");
    }
    struct bytes plain = raw;
    const char *fault =
        raw.len == 0 ? NULL : decode(raw, /* plus_is_blank */ false, scratch, &plain);
    if (fault != NULL) {
        return refuse(ERR_BAD_REQUEST, why, fault);
    }
    if (plain.len > 0 && hides_separator(plain)) {
        return refuse(ERR_BAD_REQUEST, why, "the path has an encoded slash or a backslash");
    }
    if (is_dots(plain)) {
        return refuse(ERR_BAD_REQUEST, why, "the path has a '.' or '..' segment");
    }
    target->segments[target->segment_count++] = plain;
    return ERR_OK;
}

static struct err parse_path(char **scratch, struct target *target, struct why *why) {
    const char *at = target->path.data + 1;
    const char *end = target->path.data + target->path.len;
    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *stop = slash == NULL ? end : slash;
        struct err err = add_segment((struct bytes){at, (size_t)(stop - at)}, /* last */ false,
                                     scratch, target, why);
        if (err_failed(err)) {
            return err;
        }
        at = stop + 1;
        if (slash != NULL && at == end) {
            return add_segment((struct bytes){end, 0}, /* last */ true, scratch, target, why);
        }
    }
    return ERR_OK;
}

static struct err add_pair(struct bytes raw, char **scratch, struct target *target,
                           struct why *why) {
    if (target->pair_count == TARGET_PAIRS_MAX) {
        why_set(why, "there are more than %d query parameters", TARGET_PAIRS_MAX);
        return err_make(ERR_BAD_QUERY, "http: query");
    }
    const char *equals = memchr(raw.data, '=', raw.len);
    struct bytes name = {raw.data, equals == NULL ? raw.len : (size_t)(equals - raw.data)};
    struct bytes value = {raw.data + raw.len, 0};
    if (equals != NULL) {
        value = (struct bytes){equals + 1, raw.len - name.len - 1};
    }
    struct target_pair pair = {0};
    const char *fault = decode(name, /* plus_is_blank */ true, scratch, &pair.name);
    if (fault == NULL) {
        fault = decode(value, /* plus_is_blank */ true, scratch, &pair.value);
    }
    if (fault == NULL && pair.name.len == 0) {
        fault = "a query parameter has no name";
    }
    if (fault != NULL) {
        return refuse(ERR_BAD_QUERY, why, fault);
    }
    target->pairs[target->pair_count++] = pair;
    return ERR_OK;
}

static struct err parse_query(struct bytes raw, char **scratch, struct target *target,
                              struct why *why) {
    const char *at = raw.data;
    const char *end = raw.data + raw.len;
    while (at < end) {
        const char *amp = memchr(at, '&', (size_t)(end - at));
        const char *stop = amp == NULL ? end : amp;
        if (stop > at) {
            struct err err =
                add_pair((struct bytes){at, (size_t)(stop - at)}, scratch, target, why);
            if (err_failed(err)) {
                return err;
            }
        }
        at = stop + 1;
    }
    return ERR_OK;
}

/* "http://host:port/path": cuts the authority off *raw. */
static struct err take_authority(struct bytes *raw, struct target *target, struct why *why) {
    static const char scheme[] = "http://";
    size_t skip = sizeof scheme - 1;
    if (raw->len <= skip || memcmp(raw->data, scheme, skip) != 0) {
        return refuse(ERR_BAD_REQUEST, why, "the target must begin with '/'");
    }
    const char *begin = raw->data + skip;
    size_t left = raw->len - skip;
    size_t len = 0;
    while (len < left && begin[len] != '/' && begin[len] != '?') {
        len++;
    }
    target->authority = (struct bytes){begin, len};
    if (len == 0 || memchr(begin, '@', len) != NULL) {
        return refuse(ERR_BAD_REQUEST, why, "the target names no host, or a user");
    }
    if (len == left || begin[len] != '/') {
        return refuse(ERR_BAD_REQUEST, why, "the target has no path");
    }
    *raw = (struct bytes){begin + len, left - len};
    return ERR_OK;
}

static bool printable(struct bytes raw) {
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.data[i];
        if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\') {
            return false;
        }
    }
    return raw.len > 0;
}

struct err target_parse(struct bytes raw, char *scratch, struct target *ret_target,
                        struct why *why) {
    struct target *target = ret_target;
    target->authority = (struct bytes){0};
    target->asterisk = false;
    target->segment_count = target->pair_count = 0;
    if (!printable(raw)) {
        return refuse(ERR_BAD_REQUEST, why,
                      "the target must be printable ASCII without '#' and '\\'");
    }
    if (raw.len == 1 && raw.data[0] == '*') {
        target->asterisk = true;
        target->path = raw;
        return ERR_OK;
    }
    if (raw.data[0] != '/') {
        struct err err = take_authority(&raw, target, why);
        if (err_failed(err)) {
            return err;
        }
    }
    const char *mark = memchr(raw.data, '?', raw.len);
    target->path = (struct bytes){raw.data, mark == NULL ? raw.len : (size_t)(mark - raw.data)};
    struct err err = parse_path(&scratch, target, why);
    if (err_failed(err) || mark == NULL) {
        return err;
    }
    struct bytes query = {mark + 1, raw.len - target->path.len - 1};
    return parse_query(query, &scratch, target, why);
}
