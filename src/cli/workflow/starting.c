/* starting.c: see workflow_starting.h. */
#include "cli/workflow/starting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/workflow/request.h"

enum { SCRIPT_MAX = 1 << 20, BODY_MAX = 3 << 20 }; /* As the daemon takes them. */

void workflow_starting_done(struct workflow_starting *starting) {
    mem_free(starting->script);
    text_done(&starting->body);
    talk_close(&starting->talk);
}

const char *workflow_starting_word(const struct workflow_starting *starting) {
    const struct args *args = &starting->invocation->args;
    return args->operand_count > 0 ? args->operands[0] : NULL;
}

/* --- Where ------------------------------------------------------------------------------------ */

/* `path` has room for the longest of the names. Of the home only the first counts: the others hold
 * there what belongs to all projects. */
static bool has_mark(char *path, size_t len, const char *home) {
    static const char *const marks[] = {"/.git", "/.drover", "/.claude", "/.boocode"};
    bool is_home = strlen(home) == len && memcmp(path, home, len) == 0;
    bool found = false;
    for (size_t i = 0; i < (is_home ? 1 : COUNT_OF(marks)) && !found; i++) {
        memcpy(path + len, marks[i], strlen(marks[i]) + 1);
        found = access(path, F_OK) == 0;
    }
    path[len] = '\0';
    return found;
}

void workflow_project_find(const struct invocation *invocation, const char *here,
                           char root[PATH_MAX]) {
    const char *given = invocation->env.get(invocation->env.ctx, "HOME");
    char path[PATH_MAX + 16], home[PATH_MAX] = "";
    size_t len = strlen(here);
    if (given == NULL || realpath(given, home) == NULL) {
        home[0] = '\0';
    }
    memcpy(root, here, len + 1);
    memcpy(path, here, len + 1);
    while (len > 0) {
        len = strcmp(path, "/") == 0 ? 0 : len;
        if (has_mark(path, len, home)) {
            memcpy(root, len > 0 ? path : "/", (len > 0 ? len : 1) + 1);
            return;
        }
        const char *slash = memrchr(path, '/', len);
        len = slash != NULL ? (size_t)(slash - path) : 0;
        path[len] = '\0';
    }
}

static struct err root_find(struct workflow_starting *starting) {
    struct why *why = &starting->invocation->why;
    const char *wanted = args_text(&starting->invocation->args, "root");
    char here[PATH_MAX];
    if (wanted != NULL && realpath(wanted, starting->root) == NULL) {
        why_set(why, "root: there is no folder %s", wanted);
        return err_make(ERR_USAGE, "run: root");
    }
    if (wanted != NULL) {
        return ERR_OK;
    }
    if (getcwd(here, sizeof here) == NULL) {
        why_set(why, "the current folder: %s; go to another one", strerror(errno));
        return err_make(ERR_USAGE, "run: folder");
    }
    workflow_project_find(starting->invocation, here, starting->root);
    return ERR_OK;
}

/* --- What ------------------------------------------------------------------------------------- */

static bool is_file(const char *word) {
    enum workflow_word kind = workflow_word_kind(word);
    return kind == WORKFLOW_WORD_FILE ||
           (kind == WORKFLOW_WORD_MAYBE_FILE && access(word, F_OK) == 0);
}

static struct err script_read(struct workflow_starting *starting, struct bytes *ret_script) {
    const struct world *world = starting->invocation->world;
    const char *word = workflow_starting_word(starting);
    struct why *why = &starting->invocation->why;
    size_t len = 0;
    struct err err = world->file_read(world->ctx, word, SCRIPT_MAX, &starting->script, &len);
    if (err_failed(err)) {
        const char *words = err.os != 0 ? strerror(err.os) : err_title(err.code);
        why_set(why, "%.200s cannot be read: %s", word,
                err.os == EFBIG ? "a script has at most 1 MB" : words);
        return err.os == ENOENT ? err_make(ERR_NOT_FOUND, "run: file") : err;
    }
    *ret_script = (struct bytes){starting->script, len};
    return ERR_OK;
}

static struct err body_make(struct workflow_starting *starting, enum workflow_name name) {
    struct invocation *invocation = starting->invocation;
    const char *word = workflow_starting_word(starting);
    bool as_before = word == NULL && !args_given(&invocation->args, "root");
    struct workflow_request request = {.args = &invocation->args,
                                       .root = as_before ? NULL : starting->root};
    struct err err = ERR_OK;
    if (word == NULL && !args_given(&invocation->args, "resume")) {
        why_set(&invocation->why, "what is to run? 'drover run FILE' or 'drover run NAME'");
        return err_make(ERR_USAGE, "run: what");
    }
    if (word != NULL && is_file(word)) {
        const char *slash = strrchr(word, '/');
        request.title = slash != NULL ? slash + 1 : word;
        err = script_read(starting, &request.script);
    }
    if (word != NULL && starting->script == NULL && name == WORKFLOW_NAME_INSIDE) {
        request.name = word;
    }
    text_init(&starting->body, BODY_MAX);
    return err_failed(err) ? err
                           : workflow_request_write(&request, &starting->body, &invocation->why);
}

struct err workflow_starting_read(struct workflow_starting *starting, enum workflow_name name) {
    struct err err = root_find(starting);
    return err_failed(err) ? err : body_make(starting, name);
}
