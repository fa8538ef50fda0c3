/* url.c: where a redirect leads: scheme, authority, path and query, and no more. */
#include <stdio.h>
#include <string.h>

#include "tool/web/web.h"

bool url_is_https(const struct url *url) {
    return strncasecmp(url->text, "https:", 6) == 0;
}

/* "http://host:port" of it: how long that is; 0: it is none of ours. */
static size_t origin_len(struct bytes url) {
    size_t scheme = url.len > 7 && strncasecmp(url.data, "http://", 7) == 0    ? 7
                    : url.len > 8 && strncasecmp(url.data, "https://", 8) == 0 ? 8
                                                                               : 0;
    if (scheme == 0) {
        return 0;
    }
    size_t len = scheme;
    while (len < url.len && strchr("/?#", url.data[len]) == NULL) {
        if (url.data[len] == '@' || url.data[len] == '\\') {
            return 0; /* A name and a password; or what others read as a path. */
        }
        len++;
    }
    return len > scheme ? len : 0;
}

static bool has_scheme(struct bytes reference) {
    for (size_t i = 0; i < reference.len && strchr("/?#", reference.data[i]) == NULL; i++) {
        if (reference.data[i] == ':') {
            return true;
        }
    }
    return false;
}

/* Takes "." and ".." out of a path; what climbs above its start stays at the start. */
static void remove_dots(char *path) {
    size_t len = 0, end = strcspn(path, "?");
    for (size_t at = 0; at < end;) {
        size_t part = 1; /* With its slash. */
        while (at + part < end && path[at + part] != '/') {
            part++;
        }
        bool last = at + part == end;
        bool here = part == 2 && path[at + 1] == '.';
        bool up = part == 3 && path[at + 1] == '.' && path[at + 2] == '.';
        while (up && len > 0 && path[--len] != '/') {
        }
        if (!here && !up) {
            memmove(path + len, path + at, part);
            len += part;
        } else if (last) {
            path[len++] = '/';
        }
        at += part;
    }
    memmove(path + len, path + end, strlen(path + end) + 1);
}

/* Against the folder of the base's path. */
static bool join_path(const struct url *base, size_t origin, struct bytes reference,
                      struct url *ret_url) {
    size_t path_end = origin + strcspn(base->text + origin, "?#");
    size_t keep = path_end;
    if (reference.len > 0 && reference.data[0] == '/') {
        keep = origin;
    } else if (reference.len > 0 && reference.data[0] != '?') {
        while (keep > origin && base->text[keep - 1] != '/') {
            keep--;
        }
    }
    bool slash = keep == origin && (reference.len == 0 || reference.data[0] != '/');
    int len = snprintf(ret_url->text, URL_SIZE, "%.*s%s%.*s", (int)keep, base->text,
                       slash ? "/" : "", (int)reference.len, reference.data);
    return len > 0 && len < URL_SIZE;
}

bool url_join(const struct url *base, struct bytes reference, struct url *ret_url) {
    const char *fragment = memchr(reference.data, '#', reference.len);
    reference.len = fragment == NULL ? reference.len : (size_t)(fragment - reference.data);
    for (size_t i = 0; i < reference.len; i++) {
        unsigned char c = (unsigned char)reference.data[i];
        if (c <= 0x20 || c == 0x7F) {
            return false;
        }
    }
    if (reference.len >= URL_SIZE) {
        return false;
    }
    struct url url;
    if (has_scheme(reference)) {
        (void)snprintf(url.text, URL_SIZE, "%.*s", (int)reference.len, reference.data);
    } else if (base == NULL) {
        return false;
    } else if (reference.len > 1 && memcmp(reference.data, "//", 2) == 0) {
        int len = snprintf(url.text, URL_SIZE, "%s:%.*s", url_is_https(base) ? "https" : "http",
                           (int)reference.len, reference.data);
        if (len < 0 || len >= URL_SIZE) {
            return false;
        }
    } else {
        size_t origin = origin_len(bytes_of(base->text));
        if (origin == 0 || !join_path(base, origin, reference, &url)) {
            return false;
        }
    }
    size_t origin = origin_len(bytes_of(url.text));
    if (origin == 0) {
        return false;
    }
    if (url.text[origin] == '/') {
        remove_dots(url.text + origin);
    }
    *ret_url = url;
    return true;
}
