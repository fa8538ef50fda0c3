/* naming.c: names of projects that drover makes. */
#include <stdio.h>
#include <string.h>

#include "rules/project/project.h"
#include "rules/session/session.h"

bool project_takes_rules(struct bytes name) {
    return !bytes_is(name, SESSION_PROJECT_DEFAULT);
}

static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static char to_lower(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool has_alnum(struct bytes text) {
    size_t at = 0;
    while (at < text.len && !is_alnum(to_lower(text.data[at]))) {
        at++;
    }
    return at < text.len;
}

/* The last `parts` parts of the path; *ret_left: how many of them it has not. */
static struct bytes parts_of(struct bytes folder, unsigned parts, unsigned *ret_left) {
    size_t at = folder.len;
    while (at > 0 && parts > 0) {
        parts--;
        while (at > 0 && folder.data[at - 1] != '/') {
            at--;
        }
        at -= at > 0 && parts > 0;
    }
    *ret_left = parts;
    return (struct bytes){folder.data + at, folder.len - at};
}

void project_name_of(struct bytes folder, unsigned nth, char ret_name[SESSION_PROJECT_MAX + 1]) {
    char number[24] = "";
    unsigned left = 0;
    size_t at = SESSION_PROJECT_MAX;
    while (folder.len > 0 && folder.data[0] == '/') {
        folder = (struct bytes){folder.data + 1, folder.len - 1};
    }
    while (folder.len > 0 && folder.data[folder.len - 1] == '/') {
        folder.len--;
    }
    folder = folder.len == 0 ? BYTES("root") : folder;
    struct bytes parts = parts_of(folder, nth + 1, &left);
    parts = has_alnum(parts) ? parts : BYTES("folder");
    if (left > 0) {
        (void)snprintf(number, sizeof number, "-%u", left + 1); /* Fits. */
    }
    /* From the end, so that the folder's own name is what a long one keeps. */
    ret_name[at] = '\0';
    at -= strlen(number);
    memcpy(ret_name + at, number, strlen(number));
    for (size_t i = parts.len; i > 0 && at > 0; i--) {
        const char lower = to_lower(parts.data[i - 1]);
        const bool fits = is_alnum(lower) || lower == '_' || lower == '.';
        if (fits || (ret_name[at] != '-' && ret_name[at] != '\0')) {
            ret_name[--at] = fits ? lower : '-';
        }
    }
    while (ret_name[at] != '\0' && !is_alnum(ret_name[at])) {
        at++;
    }
    memmove(ret_name, ret_name + at, SESSION_PROJECT_MAX + 1 - at);
    if (ret_name[0] == '\0') { /* A long row of dots is all that is left of it. */
        memcpy(ret_name, "folder", sizeof "folder");
    }
}
