/* worktree_job.c: what git is asked for, as a job like any other.
 *
 * Words and paths are arguments, never shell text. No hook of the repository is run and no daemon
 * of git's is left behind; but a repository names programs that git runs where it writes files
 * (filters), and an agent may have written that. So git is kept inside where commands of agents
 * are: in the sandbox, where it writes in the repository and nowhere else. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/worktree_job.h"

enum { SAID_MAX = 16 << 10, FAULT_MAX = 400 };

static const char *const git_words[] = {"git",
                                        "-c",
                                        "core.hooksPath=/dev/null",
                                        "-c",
                                        "core.fsmonitor=false",
                                        "-c",
                                        "gc.auto=0",
                                        "-c",
                                        "maintenance.auto=false",
                                        "-c",
                                        "submodule.recurse=false",
                                        "-c",
                                        "status.showUntrackedFiles=normal",
                                        "-C",
                                        NULL};
/* Twice, so that what the repository still has of one that is gone is in nobody's way. */
static const char *const add_tree_words[] = {"worktree", "add",      "--force",
                                             "--force",  "--detach", NULL};
/* Not by force: it looks for changes itself, and leaves what has any. */
static const char *const remove_words[] = {"worktree", "remove", NULL};
static const char *const wipe_words[] = {"rm", "-rf", "--", NULL};

static void add_word(struct text *text, const char *word) {
    text_add_str(text, text->data[text->len - 1] == '[' ? "" : ",");
    text_add_json(text, word, strlen(word));
}

static void add_words(struct text *text, const char *const *words) {
    for (; *words != NULL; words++) {
        add_word(text, *words);
    }
}

static void add_argv(const struct place_git *git, enum place_job job, struct text *text) {
    text_add_str(text, "{\"argv\":[");
    if (job == PLACE_WIPE) {
        add_words(text, wipe_words);
        add_word(text, git->path);
        return;
    }
    add_words(text, git_words);
    add_word(text, job == PLACE_ADD ? git->from : git->top);
    add_words(text, job == PLACE_ADD ? add_tree_words : remove_words);
    add_word(text, git->path);
    if (job == PLACE_ADD) {
        add_word(text, "HEAD");
    }
}

/* A tree's .git and what git keeps of it are the agent's to write, and say where settings are read
 * from: those are always the repository's own. */
static void add_env(const struct place_git *git, struct text *text) {
    text_add_str(text, ",\"env\":{\"GIT_TERMINAL_PROMPT\":\"0\",\"LC_ALL\":\"C\"");
    if (git->repository[0] != '\0') {
        text_add_str(text, ",\"GIT_COMMON_DIR\":");
        text_add_json(text, git->repository, strlen(git->repository));
    }
    text_add_char(text, '}');
}

/* One is made in the repository, and removed from where they stand: nothing that has to do with an
 * agent's files is run where it could write the repository's settings (dispatch/job/order.c). */
static void add_cwd(const struct place_git *git, enum place_job job, struct text *text) {
    const char *name = strrchr(git->path, '/');
    const bool above = job != PLACE_ADD && name != NULL;
    text_add_str(text, "],\"cwd\":");
    text_add_json(text, above ? git->path : git->top,
                  above ? (size_t)(name - git->path) : strlen(git->top));
}

bool place__write_job(const struct place_git *git, enum place_job job, struct text *text) {
    static const int times_ms[] = {
        [PLACE_ADD] = 600000, [PLACE_REMOVE] = 120000, [PLACE_WIPE] = 300000};
    add_argv(git, job, text);
    add_cwd(git, job, text);
    add_env(git, text);
    text_addf(text, ",\"timeout_ms\":%d,\"limits\":{\"output\":65536}", times_ms[job]);
    text_add_str(text, git->sandbox ? ",\"sandbox\":\"on\"}" : "}");
    return !text_failed(text);
}

const char *place__label(enum place_job job) {
    static const char *const labels[] = {[PLACE_ADD] = "git worktree add",
                                         [PLACE_REMOVE] = "git worktree remove",
                                         [PLACE_WIPE] = "rm of half a working tree"};
    return labels[job];
}

/* --- What went wrong -------------------------------------------------------------------------- */

static bool begins(const char *line, const char *word) {
    return strncmp(line, word, strlen(word)) == 0;
}

/* The first that git calls fatal or an error, else the first. */
static struct bytes find_line(const char *said) {
    struct bytes first = {said, strcspn(said, "\r\n")};
    while (*said != '\0') {
        size_t len = strcspn(said, "\r\n");
        if (begins(said, "fatal: ") || begins(said, "error: ")) {
            return (struct bytes){said, len};
        }
        said += len + strspn(said + len, "\r\n");
    }
    return first;
}

void place__read_fault(const struct spool *spool, const char *name, struct text *text) {
    const struct log_place place = {.name = name, .stream = LOG_ERR};
    AUTO(mem_release) char *said = mem_new(SAID_MAX + 1);
    struct log_read read = {0};
    if (err_failed(spool_log_read(spool, &place, said, SAID_MAX, &read))) {
        return;
    }
    said[read.len] = '\0';
    const struct bytes line = find_line(said);
    if (line.len > 0 && utf8_valid(line.data, line.len)) {
        text_clear(text);
        text_add(text, line.data, utf8_cut(line, FAULT_MAX));
    }
}
