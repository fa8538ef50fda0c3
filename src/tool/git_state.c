/* git_state.c: .git/HEAD, which is
 *
 *   "ref: refs/heads/NAME\n"   on a branch
 *   40 or 64 hex digits        on none
 *
 * A second working tree has a file .git instead, "gitdir: PATH\n", and its HEAD stands there. */
#include "tool/git_state.h"

#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "tool/context_place.h"

enum { HEAD_MAX = 1024, BRANCH_MAX = 250 };

static const char ref[] = "ref: refs/heads/";
static const char gitdir[] = "gitdir: ";

/* Without its end. */
static bool read_line(const char *root, const char *path, char **ret_text, struct bytes *ret_line) {
    size_t len = 0;
    bool cut = false;
    if (context__read(root, path, HEAD_MAX, ret_text, &len, &cut) != CONTEXT_FOUND || cut) {
        return false;
    }
    while (len > 0 && strchr("\r\n", (*ret_text)[len - 1]) != NULL) {
        (*ret_text)[--len] = '\0';
    }
    *ret_line = (struct bytes){*ret_text, len};
    return true;
}

static bool is_branch(struct bytes name) {
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];
        if (c <= ' ' || c == 0x7f || memchr("~^:?*[\\<>", c, 10) != NULL) {
            return false;
        }
    }
    return name.len > 0 && name.len <= BRANCH_MAX;
}

static void write_head(struct bytes head, struct text *text) {
    const struct bytes branch = {head.data + sizeof ref - 1, head.len - (sizeof ref - 1)};
    if (bytes_begin(head, bytes_of(ref)) && is_branch(branch)) {
        text_addf(text, "Git: on the branch %.*s.\n", (int)branch.len, branch.data);
    } else if ((head.len == 40 || head.len == 64) &&
               strspn(head.data, "0123456789abcdef") == head.len) {
        text_addf(text, "Git: at the commit %.12s, on no branch.\n", head.data);
    }
}

void git_state_write(const char *root, struct text *text) {
    AUTO(mem_release) char *link = NULL;
    AUTO(mem_release) char *content = NULL;
    struct bytes line = {"", 0};
    if (read_line(root, ".git/HEAD", &content, &line)) {
        write_head(line, text);
        return;
    }
    if (!read_line(root, ".git", &link, &line) || !bytes_begin(line, bytes_of(gitdir))) {
        return;
    }
    const char *folder = line.data + sizeof gitdir - 1;
    AUTO(mem_release) char *head = NULL;
    if (folder[0] == '/' && strlen(folder) < LIMIT_PATH_MAX &&
        read_line(folder, "HEAD", &head, &line)) {
        write_head(line, text);
    }
}
