/* context_files.c: AGENTS.md and CLAUDE.md, the nearest first.
 *
 * Each is opened beneath its root, so that a link in it may lead elsewhere in the project, and
 * never out of it. The usual pair, of which one is a link to the other or a copy, counts once.
 */
#include "tool/context_files.h"

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "tool/context_place.h"

enum { WARNINGS_MAX = 4 << 10 };

void context_files_done(struct context_files *files) {
    for (size_t i = 0; i < files->count; i++) {
        mem_free(files->files[i].path);
        mem_free(files->files[i].text);
    }
    text_done(&files->warnings);
    *files = (struct context_files){0};
}

static void add_file(struct context_files *files, const struct context_place *place,
                     const char *path, size_t *left) {
    AUTO(mem_release) char *text = NULL;
    size_t len = 0;
    bool cut = false;
    enum context_found found =
        context__read(place->root, path, CONTEXT_FILE_MAX, &text, &len, &cut);
    if (found == CONTEXT_ABSENT) {
        return;
    }
    if (found == CONTEXT_UNFIT) {
        text_addf(&files->warnings, "%.200s is left out: not a plain text file of the project\n",
                  path);
        return;
    }
    bool known = len == 0;
    for (size_t i = 0; i < files->count; i++) {
        known = known || bytes_is((struct bytes){files->files[i].text, files->files[i].len}, text);
    }
    if (known) {
        return;
    }
    if (files->count == CONTEXT_FILES_MAX || *left == 0) {
        text_addf(&files->warnings, "%.200s is left out: there are too many\n", path);
        return;
    }
    if (len > *left) {
        len = utf8_cut((struct bytes){text, len}, *left);
        text[len] = '\0';
        cut = true;
    }
    if (cut) {
        text_addf(&files->warnings, "%.200s is cut after %zu bytes\n", path, len);
    }
    *left -= len;
    files->files[files->count++] = (struct context_file){
        .path = mem_copy(path, strlen(path)), .text = text, .len = len, .cut = cut};
    text = NULL; /* Handed over. */
}

struct err context_files_read(const struct context_place *place, struct context_files *ret_files) {
    static const char *const names[] = {"AGENTS.md", "CLAUDE.md"};
    *ret_files = (struct context_files){0};
    text_init(&ret_files->warnings, WARNINGS_MAX);
    size_t left = CONTEXT_TOTAL_MAX;
    char folder[LIMIT_PATH_MAX], path[LIMIT_PATH_MAX + 16];
    (void)snprintf(folder, sizeof folder, "%s", place->cwd);
    for (;;) {
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            (void)snprintf(path, sizeof path, "%s%s%s", folder, folder[0] == '\0' ? "" : "/",
                           names[i]);
            add_file(ret_files, place, path, &left);
        }
        if (folder[0] == '\0') {
            return ERR_OK;
        }
        char *slash = strrchr(folder, '/');
        *(slash == NULL ? folder : slash) = '\0';
    }
}
