/* shadow.c: see shadow.h. */
#include "tool/changes/shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/number.h"

enum {
    FOLDER_MODE = 0700,
    FILE_MODE = 0600,
    VERSION_MAJOR_MIN = 2,
    VERSION_MINOR_MIN = 30,
    SWEEP_DEPTH_MAX = 4,
    SENTENCE_MAX = 300,
    STALL_MS = 300000, /* A first look at a large folder takes a minute of silence. */
};

static const char config[] = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n";
static const char head[] = "ref: refs/heads/none\n";
/* Takes away all that .gitattributes of a project may say about the bytes of a file. */
static const char attributes[] = "* -text -filter -ident -working-tree-encoding\n";

static const char *const settings[] = {
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.protectNTFS=false",
    "core.protectHFS=false",
    "core.autocrlf=false",
    "core.symlinks=true",
    "core.fileMode=true",
    "core.ignoreCase=false",
    "core.quotePath=false",
    "core.excludesFile=/dev/null",
    "core.attributesFile=/dev/null",
    "core.sparseCheckout=false",
    "core.compression=1",
    "gc.auto=0",
    "maintenance.auto=false",
    "index.version=2",
    "index.skipHash=false",
    "pack.threads=1",
    "fastimport.unpackLimit=100",
    /* Objects and the index are on the disk before a point is reported. Git before 2.36 knows
     * only the last one of these. */
    "core.fsync=objects,derived-metadata,index",
    "core.fsyncMethod=batch",
    "core.fsyncObjectFiles=true",
};

/* --- Files ------------------------------------------------------------------------------------ */

static bool path_make(struct shadow_path *path, const char *folder, const char *name) {
    const int len = snprintf(path->text, sizeof path->text, "%s/%s", folder, name);
    return len > 0 && (size_t)len < sizeof path->text;
}

struct shadow_path shadow_file(const struct shadow *shadow, const char *name) {
    struct shadow_path path;
    const bool fits = path_make(&path, shadow->world.text, name);
    assert(fits); /* The names are short, and the world left room for them. */
    return path;
}

static bool all_write(int fd, struct bytes bytes) {
    while (bytes.len > 0) {
        const ssize_t put = write(fd, bytes.data, bytes.len);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        const size_t used = put < 0 ? 0 : (size_t)put;
        bytes = (struct bytes){bytes.data + used, bytes.len - used};
    }
    return true;
}

/* A rename is lasting only once its folder is on the disk. */
static bool folder_sync(const char *path) {
    struct shadow_path folder;
    (void)snprintf(folder.text, sizeof folder.text, "%s", path); /* Fits: paths are alike. */
    *strrchr(folder.text, '/') = '\0';
    AUTO(fd_release) int fd = open(folder.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

struct err shadow_write_file(const char *path, struct bytes content) {
    char beside[sizeof(struct shadow_path) + 8];
    (void)snprintf(beside, sizeof beside, "%s.new", path); /* Fits. */
    AUTO(fd_release)
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0 || !all_write(fd, content) || fsync(fd) < 0 || rename(beside, path) < 0 ||
        !folder_sync(path)) {
        return err_from_errno(errno, "changes: write");
    }
    return ERR_OK;
}

static bool folder_make(const char *folder, const char *name, struct shadow_path *ret_path) {
    return path_make(ret_path, folder, name) &&
           (mkdir(ret_path->text, FOLDER_MODE) == 0 || errno == EEXIST);
}

/* --- The repository --------------------------------------------------------------------------- */

static int lock_take(const char *path, int operation) {
    AUTO(fd_release) int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    int rc = -1;
    while (fd >= 0 && (rc = flock(fd, operation)) < 0 && errno == EINTR) {
    }
    return rc < 0 ? -1 : fd_take(&fd);
}

static bool repository_is_made(const struct shadow *shadow) {
    struct shadow_path path;
    return path_make(&path, shadow->folder.text, "HEAD") && access(path.text, F_OK) == 0;
}

/* Two worlds may make their repository at once: the second one waits, and finds it made. HEAD is
 * the last file, and says that all others are there. */
static struct err repository_make(const struct shadow *shadow) {
    static const char *const folders[] = {"objects",    "objects/info", "objects/pack", "refs",
                                          "refs/heads", "info",         "worlds"};
    const struct {
        const char *name;
        struct bytes content;
    } files[] = {
        {"config", BYTES(config)}, {"info/attributes", BYTES(attributes)}, {"HEAD", BYTES(head)}};
    struct shadow_path path;
    if (repository_is_made(shadow)) {
        return ERR_OK;
    }
    char above[sizeof path.text];
    (void)snprintf(above, sizeof above, "%s", shadow->folder.text); /* Fits. */
    *strrchr(above, '/') = '\0';
    if ((mkdir(above, FOLDER_MODE) < 0 && errno != EEXIST) ||
        (mkdir(shadow->folder.text, FOLDER_MODE) < 0 && errno != EEXIST)) {
        return err_from_errno(errno, "changes: make the repository");
    }
    AUTO(fd_release)
    int lock_fd =
        path_make(&path, shadow->folder.text, "lock") ? lock_take(path.text, LOCK_EX) : -1;
    if (lock_fd < 0) {
        return err_from_errno(errno, "changes: lock the repository");
    }
    if (repository_is_made(shadow)) {
        return ERR_OK;
    }
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        if (!folder_make(shadow->folder.text, folders[i], &path)) {
            return err_from_errno(errno, "changes: make the repository");
        }
    }
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (!path_make(&path, shadow->folder.text, files[i].name)) {
            return err_make(ERR_IO, "changes: the path is too long");
        }
        TRY(shadow_write_file(path.text, files[i].content));
    }
    return ERR_OK;
}

struct err shadow_open(const char *git, const char *folder, struct shadow *ret_shadow,
                       struct why *why) {
    struct shadow shadow = {.git = git, .use_fd = -1, .lock_fd = -1};
    struct shadow_path head_path;
    const size_t len = strlen(folder);
    if (folder[0] != '/' || len < 2 || len >= LIMIT_PATH_MAX - 128) {
        return err_why(why, ERR_BAD_FIELD, "the shadow repository needs an absolute path");
    }
    memcpy(shadow.folder.text, folder, len + 1);
    if (!path_make(&head_path, folder, "HEAD") || access(head_path.text, F_OK) < 0) {
        return err_why(why, ERR_GONE, "the repository of the points does not exist");
    }
    *ret_shadow = shadow;
    return ERR_OK;
}

/* --- Remains of a killed pass ----------------------------------------------------------------- */

static bool is_remains(const char *name) {
    static const char *const openings[] = {"tmp_", ".tmp-", "fast_import_crash_"};
    bool begins = false;
    for (size_t i = 0; i < COUNT_OF(openings) && !begins; i++) {
        begins = bytes_begin(bytes_of(name), bytes_of(openings[i]));
    }
    return begins;
}

/* Removes unfinished objects and reports of crashes in and below a folder; within a folder that is
 * unfinished itself, everything. */
static void remains_remove(int folder, const char *name, bool all, unsigned depth) {
    AUTO(entries_close)
    DIR *dir = entries_of(openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    for (const char *entry; (entry = entries_next(dir)) != NULL;) {
        const bool gone = all || is_remains(entry);
        struct stat about;
        if (fstatat(dirfd(dir), entry, &about, AT_SYMLINK_NOFOLLOW) < 0) {
            continue;
        }
        if (S_ISDIR(about.st_mode) && depth < SWEEP_DEPTH_MAX) {
            remains_remove(dirfd(dir), entry, gone, depth + 1);
        }
        if (gone) {
            /* A remainder that stays takes space, and harms nobody. */
            (void)unlinkat(dirfd(dir), entry, S_ISDIR(about.st_mode) ? AT_REMOVEDIR : 0);
        }
    }
}

static void remains_sweep(const struct shadow *shadow) {
    static const char *const names[] = {"index.lock", "index.new", "tree.new", "tracked.new"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)unlink(shadow_file(shadow, names[i]).text); /* Usually there is none. */
    }
    AUTO(fd_release)
    int folder = open(shadow->folder.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* While another world has a pass, unfinished objects may be its own: the next sweep has them.
     */
    if (folder >= 0 && flock(shadow->use_fd, LOCK_EX | LOCK_NB) == 0) {
        remains_remove(folder, ".", false /* only what is unfinished */, 0);
    }
}

/* --- The place of a world --------------------------------------------------------------------- */

static bool is_id(const char *id) {
    const size_t len =
        strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return len > 0 && len <= 64 && id[len] == '\0';
}

/* Marks the pass. The mark's own time is the begin: the clock of the disk that has the index. */
static bool pass_begin(struct shadow *shadow) {
    const struct shadow_path path = shadow_file(shadow, "busy");
    const bool killed =
        access(path.text, F_OK) == 0 || access(shadow_file(shadow, "index.lock").text, F_OK) == 0;
    if (killed) {
        remains_sweep(shadow);
    }
    int rc = 0; /* Back to a shared lock, whether or not the sweep has changed that. */
    while ((rc = flock(shadow->use_fd, LOCK_SH)) < 0 && errno == EINTR) {
    }
    AUTO(fd_release)
    int fd = open(path.text, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    struct stat about;
    if (rc < 0 || fd < 0 || futimens(fd, NULL /* now */) < 0 || fstat(fd, &about) < 0) {
        return false;
    }
    shadow->begun = about.st_mtim;
    return true;
}

struct err shadow_open_world(struct shadow *shadow, const char *id, const char *root,
                             struct why *why) {
    struct shadow_path worlds, path;
    if (!is_id(id) || root[0] != '/' || strlen(root) >= LIMIT_PATH_MAX) {
        return err_why(why, ERR_BAD_FIELD, "the world needs an id and an absolute folder");
    }
    TRY(repository_make(shadow));
    if (!folder_make(shadow->folder.text, "worlds", &worlds) ||
        !folder_make(worlds.text, id, &shadow->world) ||
        !path_make(&path, shadow->folder.text, "lock")) {
        return err_from_errno(errno, "changes: make the place of the world");
    }
    shadow->root = root;
    shadow->lock_fd = lock_take(shadow_file(shadow, "lock").text, LOCK_EX);
    shadow->use_fd = shadow->lock_fd < 0 ? -1 : lock_take(path.text, LOCK_SH);
    if (shadow->use_fd < 0 || !pass_begin(shadow)) {
        const struct err err = err_from_errno(errno, "changes: lock");
        shadow_close(shadow);
        return err;
    }
    return ERR_OK;
}

void shadow_end_pass(const struct shadow *shadow) {
    (void)unlink(shadow_file(shadow, "busy").text); /* Left there, it costs a sweep. */
}

struct err shadow_open_alone(const char *git, const char *folder, struct shadow *ret_shadow,
                             struct why *why) {
    struct shadow_path path;
    struct shadow shadow;
    TRY(shadow_open(git, folder, &shadow, why));
    shadow.use_fd = path_make(&path, folder, "lock") ? lock_take(path.text, LOCK_EX) : -1;
    if (shadow.use_fd < 0) {
        return err_from_errno(errno, "changes: lock");
    }
    *ret_shadow = shadow;
    return ERR_OK;
}

void shadow_close(struct shadow *shadow) {
    fd_release(&shadow->use_fd);
    fd_release(&shadow->lock_fd);
}

/* --- Git -------------------------------------------------------------------------------------- */

void shadow_words(struct git_words *words) {
    *words = (struct git_words){.count = 0};
    git_words_add(words, "git");
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        git_words_add(words, "-c");
        git_words_add(words, settings[i]);
    }
}

struct variable {
    char text[LIMIT_PATH_MAX + 64];
};

static bool variable_set(struct variable *variable, const char *name, const char *value) {
    const int len = snprintf(variable->text, sizeof variable->text, "%s=%s", name, value);
    return len > 0 && (size_t)len < sizeof variable->text;
}

struct err shadow_run(const struct shadow *shadow, const struct shadow_call *call,
                      struct git_result *ret_result, struct why *why) {
    struct variable dir, tree, index;
    const bool world = shadow->root != NULL;
    if (!variable_set(&dir, "GIT_DIR", shadow->folder.text)) {
        return err_why(why, ERR_BAD_FIELD, "the path of the shadow repository is too long");
    }
    if (world) {
        const struct shadow_path own = shadow_file(shadow, "index");
        if (!variable_set(&index, "GIT_INDEX_FILE", call->index == NULL ? own.text : call->index) ||
            !variable_set(&tree, "GIT_WORK_TREE", shadow->root)) {
            return err_why(why, ERR_BAD_FIELD, "a path of the world is too long");
        }
    }
    const char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                       "LC_ALL=C",
                                       "GIT_CONFIG_NOSYSTEM=1",
                                       "GIT_CONFIG_GLOBAL=/dev/null",
                                       "GIT_ATTR_NOSYSTEM=1",
                                       "GIT_OPTIONAL_LOCKS=0",
                                       "GIT_NO_REPLACE_OBJECTS=1",
                                       "GIT_LITERAL_PATHSPECS=1",
                                       "GIT_TERMINAL_PROMPT=0",
                                       dir.text,
                                       world ? tree.text : NULL,
                                       world ? index.text : NULL,
                                       NULL};
    const struct git_call git = {
        .program = shadow->git,
        .words = call->words,
        .environment = environment,
        .folder = world ? shadow->root : shadow->folder.text,
        .feed = call->feed,
        .output_max = call->output_max == 0 ? GIT_OUTPUT_MAX : call->output_max,
        .stall_ms = STALL_MS,
        .keep_fds = {shadow->lock_fd, shadow->use_fd},
    };
    const struct err err = git_run(&git, ret_result);
    if (err.code == ERR_UNREACHABLE) {
        why_set(why, "the program git cannot be started: %.200s", shadow->git);
    }
    if (err.code == ERR_STALLED) {
        why_set(why,
                "git made no progress for %d s: the disk, or a file that cannot be read to "
                "its end, such as a pipe named .gitignore",
                STALL_MS / 1000);
    }
    return err;
}

struct bytes shadow_complaint(const struct git_result *result) {
    struct bytes rest = text_bytes(&result->complaints), line = {NULL, 0}, last = BYTES("");
    while (bytes_next(&rest, '\n', &line)) {
        last = line.len > 0 ? line : last;
    }
    return last.len > SENTENCE_MAX ? (struct bytes){last.data, SENTENCE_MAX} : last;
}

struct err shadow_must(const struct shadow *shadow, const struct shadow_call *call,
                       struct git_result *ret_result, struct why *why) {
    AUTO(git_result_done) struct git_result result = {.code = 0};
    TRY(shadow_run(shadow, call, &result, why));
    if (result.code != 0 || result.cut) {
        const struct bytes words = shadow_complaint(&result);
        if (result.cut) {
            return err_why(why, ERR_TOO_EXPENSIVE, "git wrote more than the limit of its output");
        }
        const char *full = strerror(ENOSPC);
        const bool is_full = memmem(words.data, words.len, full, strlen(full)) != NULL;
        return err_why(why, is_full ? ERR_DISK_FULL : ERR_INTERNAL, "git failed: %.*s",
                       (int)words.len, words.data);
    }
    *ret_result = result;
    result = (struct git_result){.code = 0}; /* Handed over. */
    return ERR_OK;
}

/* A git that needs no repository: with the user's own folder for what it shall look up there. */
static struct err plain_run(const char *git, const struct git_words *words,
                            struct git_result *ret_result) {
    struct variable user, settings_folder;
    const char *user_folder = getenv("HOME"), *named = getenv("XDG_CONFIG_HOME");
    const bool has_user = user_folder != NULL && variable_set(&user, "HOME", user_folder);
    const bool has_named =
        named != NULL && variable_set(&settings_folder, "XDG_CONFIG_HOME", named);
    const char *environment[8] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C",
                                  "GIT_CONFIG_NOSYSTEM=1", "GIT_DIR=/dev/null"};
    size_t count = 4;
    if (has_user) {
        environment[count++] = user.text;
    }
    if (has_named) {
        environment[count++] = settings_folder.text;
    }
    const struct git_call call = {.program = git,
                                  .words = words,
                                  .environment = environment,
                                  .folder = "/",
                                  .output_max = LIMIT_PATH_MAX,
                                  .stall_ms = STALL_MS,
                                  .keep_fds = {-1, -1}};
    return git_run(&call, ret_result);
}

/* "git version 2.39.5": the numbers. */
static bool version_read(struct bytes line, struct bytes *ret_version, int64_t *ret_major,
                         int64_t *ret_minor) {
    static const char opening[] = "git version ";
    const struct number_bounds bounds = {0, 9999};
    struct bytes version = {NULL, 0}, rest = {NULL, 0}, part = {NULL, 0};
    if (!bytes_begin(line, BYTES(opening))) {
        return false;
    }
    line = (struct bytes){line.data + sizeof opening - 1, line.len - (sizeof opening - 1)};
    if (!bytes_next(&line, '\n', &rest) || !bytes_next(&rest, ' ', &version) || version.len > 31) {
        return false;
    }
    *ret_version = rest = version;
    return bytes_next(&rest, '.', &part) && number_parse(part, bounds, ret_major) &&
           bytes_next(&rest, '.', &part) && number_parse(part, bounds, ret_minor);
}

struct err shadow_check_git(const char *git, char ret_version[32], struct why *why) {
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words = {.words = {"git", "--version"}, .count = 2};
    struct bytes version = {NULL, 0};
    int64_t major = 0, minor = 0;
    const struct err err = plain_run(git, &words, &result);
    if (err_failed(err)) {
        why_set(why, "the program git cannot be started: %.200s", git);
        return err;
    }
    if (result.code != 0 || !version_read(text_bytes(&result.output), &version, &major, &minor)) {
        return err_why(why, ERR_UNREACHABLE, "%.200s does not answer as git does", git);
    }
    if (major < VERSION_MAJOR_MIN || (major == VERSION_MAJOR_MIN && minor < VERSION_MINOR_MIN)) {
        return err_why(why, ERR_UPGRADE_REQUIRED, "git %.*s is too old: install git %d.%d or later",
                       (int)version.len, version.data, VERSION_MAJOR_MIN, VERSION_MINOR_MIN);
    }
    memcpy(ret_version, version.data, version.len);
    ret_version[version.len] = '\0';
    return ERR_OK;
}

static bool is_readable_file(const char *path) {
    struct stat about;
    return path[0] == '/' && stat(path, &about) == 0 && S_ISREG(about.st_mode) &&
           access(path, R_OK) == 0;
}

bool shadow_user_ignore(const char *git, struct shadow_path *ret_path) {
    struct shadow_path path, base;
    const char *user = getenv("HOME"), *named = getenv("XDG_CONFIG_HOME");
    const bool has_named = named != NULL && named[0] == '/';
    if (has_named ? !path_make(&base, named, "git")
                  : user == NULL || user[0] != '/' || !path_make(&base, user, ".config/git")) {
        return false;
    }
    const bool configured =
        (path_make(&path, base.text, "config") && access(path.text, F_OK) == 0) ||
        (user != NULL && path_make(&path, user, ".gitconfig") && access(path.text, F_OK) == 0);
    if (configured) {
        AUTO(git_result_done) struct git_result result = {.code = 0};
        struct git_words words = {.count = 0};
        static const char *const question[] = {"git",      "config",           "-z",
                                               "--global", "--includes",       "--type=path",
                                               "--get",    "core.excludesFile"};
        git_words_add_all(&words, question, COUNT_OF(question));
        if (!err_failed(plain_run(git, &words, &result)) && result.code == 0 &&
            result.output.len > 0 && result.output.len < sizeof ret_path->text) {
            memcpy(ret_path->text, result.output.data, result.output.len + 1); /* Ends with NUL. */
            return is_readable_file(ret_path->text);
        }
    }
    return path_make(ret_path, base.text, "ignore") && is_readable_file(ret_path->text);
}
