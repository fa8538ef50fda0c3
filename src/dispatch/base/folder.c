/* folder.c: see the header. */
#include "dispatch/base/folder.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/number.h"

struct folder folder_named(struct bytes run, int64_t attempt) {
    struct folder folder;
    int len =
        snprintf(folder.name, sizeof folder.name, "%.*s.%" PRId64, (int)run.len, run.data, attempt);
    assert(len > 0 && (size_t)len < sizeof folder.name);
    return folder;
}

bool folder_parse(const char *name, struct id *ret_run, int64_t *ret_attempt) {
    const char *dot = strrchr(name, '.');
    size_t len = dot == NULL ? 0 : (size_t)(dot - name);
    struct id run = {.text = ""};
    if (len == 0 || len >= sizeof run.text || !id_valid(name, len, "run") ||
        !number_parse(bytes_of(dot + 1), (struct number_bounds){1, INT64_MAX - 1}, ret_attempt)) {
        return false;
    }
    memcpy(run.text, name, len);
    *ret_run = run;
    return true;
}
