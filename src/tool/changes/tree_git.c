/* tree_git.c: see tree_git.h. */
#include "tool/changes/tree_git.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/number.h"

enum { STALL_MS = 60000, FOLDER_MODE = 0700, FILE_MODE = 0600, LINE_MAX_BYTES = LIMIT_PATH_MAX };

static const char *const settings[] = {
    "core.hooksPath=/dev/null", "core.fsmonitor=false",    "core.untrackedCache=false",
    "core.splitIndex=false",    "core.protectNTFS=false",  "core.protectHFS=false",
    "core.quotePath=false",     "submodule.recurse=false", "gc.auto=0",
    "maintenance.auto=false",   "index.version=2",
};

/* --- The repository --------------------------------------------------------------------------- */

static bool path_fill(struct shadow_path *path, const char *folder, const char *name) {
    const int len = name[0] == '/' ? snprintf(path->text, sizeof path->text, "%s", name)
                                   : snprintf(path->text, sizeof path->text, "%s/%s", folder, name);
    return len > 0 && (size_t)len < sizeof path->text;
}

/* The one line of a small file, without its end. */
static bool file_line_read(const char *folder, const char *name,
                           char ret_line[static LINE_MAX_BYTES]) {
    struct shadow_path path;
    struct stat about;
    if (!path_fill(&path, folder, name)) {
        return false;
    }
    AUTO(fd_release) int fd = open(path.text, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) < 0 || !S_ISREG(about.st_mode)) {
        return false;
    }
    const ssize_t got = read(fd, ret_line, LINE_MAX_BYTES - 1);
    ret_line[got > 0 ? got : 0] = '\0';
    ret_line[strcspn(ret_line, "\r\n")] = '\0';
    return ret_line[0] != '\0';
}

static bool real_path(const char *path, struct shadow_path *ret_real) {
    char real[PATH_MAX];
    return realpath(path, real) != NULL && strlen(real) < sizeof ret_real->text &&
           path_fill(ret_real, "", real);
}

/* The folder that a .git names, of a folder of which that is a file. */
static bool named_find(const char *folder, struct shadow_path *ret_named) {
    static const char opening[] = "gitdir: ";
    char line[LINE_MAX_BYTES];
    struct shadow_path path;
    return file_line_read(folder, ".git", line) &&
           strncmp(line, opening, sizeof opening - 1) == 0 &&
           path_fill(&path, folder, line + sizeof opening - 1) && real_path(path.text, ret_named);
}

/* Where TOP/.git is a file, as in a submodule, it names the repository, or a second tree of one. */
static bool repository_find(const char *top, const char *git, struct shadow_path *ret_path) {
    struct shadow_path named, common;
    struct stat about;
    char line[LINE_MAX_BYTES];
    if (git[0] == '/') {
        return real_path(git, ret_path);
    }
    if (!path_fill(&named, top, ".git")) {
        return false;
    }
    if (lstat(named.text, &about) == 0 && S_ISDIR(about.st_mode)) {
        return real_path(named.text, ret_path);
    }
    if (!named_find(top, &named)) {
        return false;
    }
    return file_line_read(named.text, "commondir", line) && path_fill(&common, named.text, line)
               ? real_path(common.text, ret_path)
               : path_fill(ret_path, "", named.text);
}

/* Another folder than one of the repository's own is nothing that git made. */
static bool inner_find(struct tree_git *tree) {
    struct shadow_path folder;
    return named_find(tree->path, &tree->inner) &&
           path_fill(&folder, tree->repository.text, "worktrees/") &&
           bytes_begin(bytes_of(tree->inner.text), bytes_of(folder.text));
}

struct err tree_git_open(const json_t *order, const json_t *tree, struct tree_git *ret_tree,
                         struct why *why) {
    struct tree_git found = {.program = json_str(order, "git", "/usr/bin/git"),
                             .scratch = json_str(order, "scratch", ""),
                             .path = json_str(tree, "path", ""),
                             .base = json_str(tree, "base", ""),
                             .branch = json_str(tree, "branch", "")};
    const char *top = json_str(tree, "top", "");
    if (found.path[0] != '/' || strlen(found.path) >= LIMIT_PATH_MAX || top[0] != '/' ||
        found.base[0] == '-' || found.branch[0] == '-' || found.scratch[0] != '/') {
        return err_why(why, ERR_BAD_FIELD, "a tree needs its path, its top and a scratch folder");
    }
    found.state = worktree_look(found.path).state;
    if (!repository_find(top, json_str(tree, "git", ""), &found.repository)) {
        found.repository.text[0] = '\0';
    }
    if (found.state == WORKTREE_WHOLE &&
        (found.repository.text[0] == '\0' || !inner_find(&found))) {
        found.state = WORKTREE_STRANGE;
    }
    *ret_tree = found;
    return ERR_OK;
}

void tree_git_close(struct tree_git *tree) {
    if (tree->index.text[0] != '\0') {
        (void)unlink(tree->index.text); /* A remainder is swept by a later look. */
    }
    git_result_done(&tree->others);
}

/* --- Calls ------------------------------------------------------------------------------------ */

void tree_git_words(struct git_words *words, const char *const *more, size_t count) {
    *words = (struct git_words){.count = 0};
    git_words_add(words, "git");
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        git_words_add(words, "-c");
        git_words_add(words, settings[i]);
    }
    git_words_add_all(words, more, count);
}

struct variable {
    char text[LIMIT_PATH_MAX + 64];
};

/* NULL: there is no value, or no room for it. */
static const char *variable_of(struct variable *variable, const char *name, const char *value) {
    const int len = value == NULL || value[0] == '\0'
                        ? 0
                        : snprintf(variable->text, sizeof variable->text, "%s=%s", name, value);
    return len > 0 && (size_t)len < sizeof variable->text ? variable->text : NULL;
}

static struct err git_call(const struct tree_git *tree, const struct git_words *words,
                           struct git_feed feed, size_t output_max, struct git_result *ret_result,
                           struct why *why) {
    struct variable made[6];
    const bool has_folder = tree->index.text[0] != '\0';
    const struct {
        const char *name, *value;
    } given[] = {{"GIT_DIR", tree->repository.text},
                 {"GIT_WORK_TREE", has_folder ? tree->path : NULL},
                 {"GIT_INDEX_FILE", tree->index.text},
                 {"HOME", getenv("HOME")},
                 {"XDG_CONFIG_HOME", getenv("XDG_CONFIG_HOME")},
                 {"PATH", getenv("PATH") == NULL ? "/usr/bin:/bin" : getenv("PATH")}};
    const char *environment[COUNT_OF(given) + 8] = {
        "LC_ALL=C",
        "GIT_OPTIONAL_LOCKS=0",
        "GIT_NO_REPLACE_OBJECTS=1",
        "GIT_LITERAL_PATHSPECS=1",
        "GIT_TERMINAL_PROMPT=0",
        "GIT_ALLOW_PROTOCOL=none" /* A part that is missing stays so. */};
    size_t count = 6;
    for (size_t i = 0; i < COUNT_OF(given); i++) {
        const char *variable = variable_of(&made[i], given[i].name, given[i].value);
        if (variable != NULL) {
            environment[count++] = variable;
        }
    }
    const struct git_call call = {.program = tree->program,
                                  .words = words,
                                  .environment = environment,
                                  .folder = has_folder ? tree->path : tree->repository.text,
                                  .feed = feed,
                                  .output_max = output_max == 0 ? GIT_OUTPUT_MAX : output_max,
                                  .stall_ms = STALL_MS,
                                  .keep_fds = {-1, -1}};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    const struct err err = git_run(&call, &result);
    if (err.code == ERR_UNREACHABLE) {
        return err_why(why, err.code, "the program git cannot be started: %.200s", tree->program);
    }
    if (err.code == ERR_STALLED) {
        return err_why(why, err.code, "git made no progress for %d s", STALL_MS / 1000);
    }
    TRY(err);
    if (result.code != 0 && !result.cut) {
        const struct bytes words_of_git = shadow_complaint(&result);
        return err_why(why, ERR_INTERNAL, "git failed: %.*s", (int)words_of_git.len,
                       words_of_git.data);
    }
    *ret_result = result;
    result = (struct git_result){.code = 0}; /* Handed over. */
    return ERR_OK;
}

struct err tree_git_run(const struct tree_git *tree, const struct git_words *words,
                        size_t output_max, struct git_result *ret_result, struct why *why) {
    return git_call(tree, words, (struct git_feed){.next = NULL}, output_max, ret_result, why);
}

/* --- The copy of the index -------------------------------------------------------------------- */

/* Copies of looks that were killed: named after a process that does not exist any more. */
static void scratch_sweep(const char *scratch) {
    AUTO(entries_close) DIR *dir = opendir(scratch);
    for (const char *name; (name = entries_next(dir)) != NULL;) {
        int64_t pid = 0;
        const struct bytes digits = {name, strcspn(name, ".")};
        if (number_parse(digits, (struct number_bounds){1, INT32_MAX}, &pid) &&
            kill((pid_t)pid, 0) < 0 && errno == ESRCH) {
            (void)unlinkat(dirfd(dir), name, 0); /* Else the next look does it. */
        }
    }
}

static struct err index_copy(struct tree_git *tree) {
    char piece[64 << 10], name[32];
    struct shadow_path from;
    struct stat about = {.st_size = 0};
    (void)snprintf(name, sizeof name, "%d.index", (int)getpid()); /* Fits. */
    if (!path_fill(&from, tree->inner.text, "index") ||
        !path_fill(&tree->index, tree->scratch, name)) {
        tree->index.text[0] = '\0';
        return err_make(ERR_IO, "changes: the path of the index is too long");
    }
    if (mkdir(tree->scratch, FOLDER_MODE) < 0 && errno != EEXIST) {
        return err_from_errno(errno, "changes: make the scratch folder");
    }
    AUTO(fd_release) int in = open(from.text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    AUTO(fd_release)
    int out =
        open(tree->index.text, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    ssize_t got = in < 0 || out < 0 || fstat(in, &about) < 0 || !S_ISREG(about.st_mode) ? -1 : 1;
    while (got > 0) {
        got = read(in, piece, sizeof piece);
        got = got > 0 && write(out, piece, (size_t)got) != got ? -1 : got;
    }
    /* Git trusts an entry only where its file is older than the index. */
    const struct timespec times[] = {about.st_mtim, about.st_mtim};
    return got < 0 || futimens(out, times) < 0 ? err_from_errno(errno, "changes: copy the index")
                                               : ERR_OK;
}

bool tree_git_new_next(struct bytes *rest, struct bytes *ret_name) {
    struct bytes line = {NULL, 0};
    while (bytes_next(rest, '\0', &line)) {
        if (bytes_begin(line, BYTES("? "))) {
            *ret_name = (struct bytes){line.data + 2, line.len - 2};
            return true;
        }
    }
    return false;
}

/* Lines for update-index: an entry for each new file, and one in place of those of a file that a
 * merge left in conflict. No content has that hash, so git reads the file in the tree. */
static void entries_write(struct tree_git *tree, struct text *lines) {
    static const char unknown[] =
        "1111111111111111111111111111111111111111111111111111111111111111";
    const int hash_len = strlen(tree->head) == WORKTREE_BASE - 1 ? 64 : 40;
    struct bytes rest = text_bytes(&tree->others.output), line = {NULL, 0};
    while (tree->new_count < TREE_NEW_MAX && bytes_next(&rest, '\0', &line)) {
        const char *tab = line.len == 0 ? NULL : memchr(line.data, '\t', line.len);
        const bool is_new = bytes_begin(line, BYTES("? "));
        const char *name = is_new ? line.data + 2 : tab == NULL ? NULL : tab + 1;
        if (name != NULL && line.data[line.len - 1] != '/') {
            text_addf(lines, "100644 %.*s 0\t", hash_len, unknown);
            text_add(lines, name, (size_t)(line.data + line.len - name));
            text_add_char(lines, '\0');
            tree->new_count += is_new;
        }
    }
}

struct entries_feed {
    struct bytes piece;
};

static bool entries_next_piece(void *ctx, struct bytes *ret_piece) {
    struct entries_feed *feed = ctx;
    *ret_piece = feed->piece;
    feed->piece = BYTES("");
    return ret_piece->len > 0;
}

/* Git knows the repository alone, so HEAD of the tree is read from its file. */
static struct err head_find(struct tree_git *tree, struct why *why) {
    static const char ref[] = "ref: ";
    static const char *const parse[] = {"rev-parse", "--verify", "--quiet"};
    char line[LINE_MAX_BYTES], name[LINE_MAX_BYTES + 16];
    struct why ignored;
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words;
    if (!file_line_read(tree->inner.text, "HEAD", line)) {
        return err_why(why, ERR_IO, "the HEAD of the tree cannot be read");
    }
    const char *value = strncmp(line, ref, sizeof ref - 1) == 0 ? line + sizeof ref - 1 : line;
    if (value[0] == '-') {
        return err_why(why, ERR_BAD_FIELD, "the HEAD of the tree names no branch");
    }
    (void)snprintf(name, sizeof name, "%s^{commit}", value); /* Fits. */
    tree_git_words(&words, parse, COUNT_OF(parse));
    git_words_add(&words, name);
    const struct err err = tree_git_run(tree, &words, LIMIT_PATH_MAX, &result, &ignored);
    const struct bytes commit = bytes_trim(text_bytes(&result.output), "\n");
    if (!err_failed(err) && commit.len > 0 && commit.len < sizeof tree->head) {
        memcpy(tree->head, commit.data, commit.len);
        tree->head[commit.len] = '\0'; /* Else a branch without a commit. */
    }
    return ERR_OK;
}

struct err tree_git_index(struct tree_git *tree, struct why *why) {
    static const char *const list[] = {"ls-files", "-z", "-t", "-u", "-o", "--exclude-standard"};
    static const char *const update[] = {"update-index", "-q", "--replace",   "--unmerged",
                                         "--refresh",    "-z", "--index-info"};
    AUTO(text_done) struct text lines = text_up_to(GIT_OUTPUT_MAX);
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words;
    scratch_sweep(tree->scratch);
    TRY(index_copy(tree));
    TRY(head_find(tree, why));
    tree_git_words(&words, list, COUNT_OF(list));
    TRY(tree_git_run(tree, &words, 0, &tree->others, why));
    entries_write(tree, &lines);
    if (tree->others.cut || text_failed(&lines)) {
        return err_why(why, ERR_TOO_EXPENSIVE, "the tree has too many new files");
    }
    tree_git_words(&words, update, COUNT_OF(update));
    struct entries_feed feed = {.piece = text_bytes(&lines)};
    return git_call(tree, &words, (struct git_feed){entries_next_piece, &feed}, 0, &result, why);
}
