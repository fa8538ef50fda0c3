/* ignore.c: a line of .gitignore becomes a glob of base/glob.h, which means the same but for the
 * marks at its ends. */
#include "tool/file/ignore.h"

#include <string.h>

#include "base/fd.h"
#include "base/glob.h"

static bool mark_take(struct bytes *line, char mark, size_t at) {
    if (line->len == 0 || line->data[at] != mark) {
        return false;
    }
    line->data += at == 0;
    line->len--;
    return true;
}

static void ignore_line_add(struct ignore *ignore, struct bytes text) {
    while (text.len > 0 && strchr(" \t\r", text.data[text.len - 1]) != NULL) {
        text.len--;
    }
    if (text.len == 0 || text.data[0] == '#' || ignore->count == IGNORE_LINES_MAX) {
        return;
    }
    struct ignore_line *line = &ignore->lines[ignore->count];
    line->takes_back = mark_take(&text, '!', 0);
    line->folders = text.len > 0 && mark_take(&text, '/', text.len - 1);
    const bool tied = mark_take(&text, '/', 0);
    line->top = tied && text.len > 0 && memchr(text.data, '/', text.len) == NULL;
    line->glob = text;
    ignore->count += text.len > 0 && text.len <= GLOB_PATTERN_MAX;
}

void ignore_read(struct ignore *ignore, const struct tool_place *place, int folder_fd) {
    AUTO(fd_release) int fd = -1;
    struct stat about;
    struct why why = {""};
    if (err_failed(place_open_beside(folder_fd, ".gitignore", &fd, &about)) ||
        err_failed(content_read(place, fd, IGNORE_BYTES_MAX, &ignore->content, &why))) {
        return;
    }
    struct bytes rest = {ignore->content.data, ignore->content.len};
    while (rest.len > 0) {
        const char *end = memchr(rest.data, '\n', rest.len);
        const size_t len = end == NULL ? rest.len : (size_t)(end - rest.data);
        ignore_line_add(ignore, (struct bytes){rest.data, len});
        rest.data += len + (end != NULL);
        rest.len -= len + (end != NULL);
    }
}

bool ignore_has(const struct ignore *ignore, const char *path, bool folder) {
    const bool below = strchr(path, '/') != NULL;
    for (size_t i = ignore->count; i-- > 0;) {
        const struct ignore_line *line = &ignore->lines[i];
        if ((!line->folders || folder) && (!line->top || !below) &&
            glob_match(GLOB_PATH, line->glob, bytes_of(path))) {
            return !line->takes_back;
        }
    }
    return false;
}

void ignore_done(struct ignore *ignore) {
    content_done(&ignore->content);
}
