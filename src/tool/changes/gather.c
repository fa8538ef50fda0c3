/* gather.c: see gather.h.
 *
 * The user's index may be of any version, may be split and may name folders as a whole, so git
 * reads it: with our repository and settings, and GIT_INDEX_FILE on theirs. That costs a process,
 * and the names change seldom. They are kept in the place of the world:
 *
 *   "INO SIZE SECONDS NANOSECONDS" LF       what the user's index was
 *   "path" NUL                              its paths
 */
#include "tool/changes/gather.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/glob.h"
#include "tool/changes/contents.h"

enum { NAMES_FIRST = 256, LINK_MAX = LIMIT_PATH_MAX, STAMP_MAX = 96, OUTER_LEVELS = 2 };
enum { LISTING_CHANGED, LISTING_TRACKED, LISTING_INCLUDED, LISTING_CAPTURED };

void gathering_done(struct gathering *gathering) {
    for (size_t i = 0; i < GATHER_LISTINGS; i++) {
        git_result_done(&gathering->listings[i]);
    }
    text_done(&gathering->tracked);
    mem_free(gathering->names);
    *gathering = (struct gathering){.names = NULL};
}

void gathering_add(struct gathering *gathering, struct bytes name) {
    if (gathering->count == gathering->size) {
        gathering->size = gathering->size == 0 ? NAMES_FIRST : 2 * gathering->size;
        gathering->names = mem_grow(gathering->names, gathering->size * sizeof *gathering->names);
    }
    gathering->names[gathering->count++] = name;
}

/* --- The user's repository -------------------------------------------------------------------- */

struct user_git {
    struct shadow_path index, exclude;
};

/* The one line of a small file, after `opening`. */
static bool line_read(const char *path, const char *opening, char ret_line[LINK_MAX]) {
    char text[LINK_MAX + 32];
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    const size_t begin = strlen(opening);
    if (got <= (ssize_t)begin || strncmp(text, opening, begin) != 0) {
        return false;
    }
    size_t len = (size_t)got - begin;
    while (len > 0 && (text[begin + len - 1] == '\n' || text[begin + len - 1] == '\r')) {
        len--;
    }
    if (len == 0 || len >= LINK_MAX) {
        return false;
    }
    memcpy(ret_line, text + begin, len);
    ret_line[len] = '\0';
    return true;
}

/* `name` in `folder`, or by itself where it is absolute. */
static bool path_join(const char *folder, const char *name, struct shadow_path *ret_path) {
    const bool absolute = name[0] == '/';
    const int len = snprintf(ret_path->text, sizeof ret_path->text, "%s%s%s",
                             absolute ? "" : folder, absolute ? "" : "/", name);
    return len > 0 && (size_t)len < sizeof ret_path->text;
}

/* `.git` is a folder, or a file that names one; in a linked working tree that names the folder that
 * all working trees share. */
static bool user_git_find(const char *root, struct user_git *ret_git) {
    struct shadow_path git, folder, common;
    char line[LINK_MAX];
    struct stat about;
    if (!path_join(root, ".git", &git) || lstat(git.text, &about) < 0) {
        return false;
    }
    if (S_ISDIR(about.st_mode)) {
        folder = git;
    } else if (!S_ISREG(about.st_mode) || !line_read(git.text, "gitdir: ", line) ||
               !path_join(root, line, &folder)) {
        return false;
    }
    struct shadow_path pointer;
    common = folder;
    if (path_join(folder.text, "commondir", &pointer) && line_read(pointer.text, "", line) &&
        !path_join(folder.text, line, &common)) {
        return false;
    }
    return path_join(folder.text, "index", &ret_git->index) &&
           path_join(common.text, "info/exclude", &ret_git->exclude);
}

/* --- Listings --------------------------------------------------------------------------------- */

static void listing_add_names(struct gathering *gathering, struct bytes listing) {
    struct bytes name = {NULL, 0};
    while (bytes_next(&listing, '\0', &name)) {
        if (name.len > 0) {
            gathering_add(gathering, name);
        }
    }
}

/* A pattern of .gitignore that names exactly one folder. */
struct exclusion {
    char text[2 * LIMIT_PATH_MAX + 32];
};

static void exclusion_make(const char *relative, struct exclusion *ret_exclusion) {
    AUTO(text_done) struct text text = text_up_to(sizeof ret_exclusion->text - 1);
    text_add_str(&text, "--exclude=");
    for (const char *at = relative; *at != '\0'; at++) {
        if (strchr("*?[\\ ", *at) != NULL) {
            text_add_char(&text, '\\');
        }
        text_add_char(&text, *at);
    }
    text_add_char(&text, '/');
    ret_exclusion->text[0] = '\0';
    if (!text_failed(&text)) {
        memcpy(ret_exclusion->text, text.data, text.len + 1);
    }
}

/* The folder that holds the shadow repositories is no part of a world, also where it lies in its
 * root: the folder two levels above, which holds everything else of the daemon. */
static bool own_folder_find(const struct shadow *shadow, struct exclusion *ret_exclusion) {
    struct shadow_path folder = shadow->folder;
    size_t len = strlen(shadow->root);
    while (len > 0 && shadow->root[len - 1] == '/') {
        len--;
    }
    for (int i = 0; i < OUTER_LEVELS; i++) {
        char *slash = strrchr(folder.text, '/');
        if (slash == NULL || strncmp(folder.text, shadow->root, len) != 0 ||
            (size_t)(slash - folder.text) <= len) {
            break;
        }
        *slash = '\0';
    }
    if (strncmp(folder.text, shadow->root, len) != 0 || folder.text[len] != '/') {
        return false;
    }
    exclusion_make(folder.text + len, ret_exclusion);
    return ret_exclusion->text[0] != '\0';
}

/* Whether the file system of the root takes names that differ in case for one. */
static bool folds_case(const char *root) {
    struct shadow_path lower, upper;
    struct stat one, other;
    return path_join(root, ".git", &lower) && path_join(root, ".GIT", &upper) &&
           lstat(lower.text, &one) == 0 && lstat(upper.text, &other) == 0 &&
           one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static struct err changed_list(const struct gather_order *order, const struct user_git *user,
                               struct gathering *gathering, struct why *why) {
    struct git_words words;
    struct shadow_path ignore;
    struct exclusion own;
    struct stat about;
    char from_user[sizeof ignore.text + 32], from_project[sizeof ignore.text + 32];
    static const char *const known[] = {"ls-files", "-z", "-m", "-d"};
    static const char *const others[] = {"-o", "--exclude-per-directory=.gitignore",
                                         "--exclude=/.drover/worktrees/"};
    shadow_words(&words);
    if (folds_case(order->shadow->root)) {
        git_words_add(&words, "-c");
        git_words_add(&words, "core.ignoreCase=true");
    }
    git_words_add_all(&words, known, COUNT_OF(known));
    if (!order->known_only) {
        git_words_add_all(&words, others, COUNT_OF(others));
        if (own_folder_find(order->shadow, &own)) {
            git_words_add(&words, own.text);
        }
        if (shadow_user_ignore(order->shadow->git, &ignore)) {
            (void)snprintf(from_user, sizeof from_user, "--exclude-from=%s", ignore.text);
            git_words_add(&words, from_user);
        }
        /* Opening a pipe would wait for its writer. */
        if (user != NULL && stat(user->exclude.text, &about) == 0 && S_ISREG(about.st_mode) &&
            access(user->exclude.text, R_OK) == 0) {
            (void)snprintf(from_project, sizeof from_project, "--exclude-from=%s",
                           user->exclude.text);
            git_words_add(&words, from_project);
        }
    }
    const struct shadow_call call = {.words = &words};
    struct git_result *result = &gathering->listings[LISTING_CHANGED];
    TRY(shadow_must(order->shadow, &call, result, why));
    listing_add_names(gathering, text_bytes(&result->output));
    return ERR_OK;
}

/* Names that only a look at everything finds. False: git failed, and there are none. */
static bool extra_list(const struct gather_order *order, const char *const *more, size_t count,
                       struct git_result *ret_result) {
    struct git_words words;
    struct why ignored;
    shadow_words(&words);
    git_words_add(&words, "ls-files");
    git_words_add(&words, "-z");
    git_words_add_all(&words, more, count);
    const struct shadow_call call = {.words = &words};
    return !err_failed(shadow_must(order->shadow, &call, ret_result, &ignored));
}

/* --- Paths in the user's index ---------------------------------------------------------------- */

static bool tracked_cache_read(const char *path, const char *stamp, struct text *tracked) {
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char piece[64 << 10];
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && !text_failed(tracked)) {
        got = read(fd, piece, sizeof piece);
        text_add(tracked, piece, got > 0 ? (size_t)got : 0);
    }
    return got == 0 && !text_failed(tracked) && bytes_begin(text_bytes(tracked), bytes_of(stamp));
}

/* Fills `tracked`: the stamp, and the paths. */
static bool tracked_read(const struct gather_order *order, const struct user_git *user,
                         struct gathering *gathering) {
    struct stat about;
    char stamp[STAMP_MAX];
    if (stat(user->index.text, &about) < 0 || !S_ISREG(about.st_mode)) {
        return false;
    }
    (void)snprintf(stamp, sizeof stamp, "%llu %lld %lld %ld\n", (unsigned long long)about.st_ino,
                   (long long)about.st_size, (long long)about.st_mtim.tv_sec,
                   about.st_mtim.tv_nsec); /* Fits. */
    const struct shadow_path cache = shadow_file(order->shadow, "tracked");
    gathering->tracked = text_up_to(GIT_OUTPUT_MAX);
    if (tracked_cache_read(cache.text, stamp, &gathering->tracked)) {
        return true;
    }
    struct git_words words;
    struct why ignored;
    struct git_result *result = &gathering->listings[LISTING_TRACKED];
    shadow_words(&words);
    git_words_add(&words, "ls-files");
    git_words_add(&words, "-z");
    git_words_add(&words, "-c");
    const struct shadow_call call = {.words = &words, .index = user->index.text};
    text_clear(&gathering->tracked);
    text_add_str(&gathering->tracked, stamp);
    if (err_failed(shadow_must(order->shadow, &call, result, &ignored))) {
        return false;
    }
    text_add(&gathering->tracked, result->output.data == NULL ? "" : result->output.data,
             result->output.len);
    if (text_failed(&gathering->tracked)) {
        return false;
    }
    /* An index of the same second as its reading may change again without a new stamp. */
    if (about.st_mtim.tv_sec < order->shadow->begun.tv_sec) {
        const struct err kept = shadow_write_file(cache.text, text_bytes(&gathering->tracked));
        (void)kept; /* Only a cache. */
    }
    return true;
}

/* Only those that our index lacks: a path that is left out is among them each time. */
static void tracked_list(const struct gather_order *order, const struct user_git *user,
                         struct gathering *gathering) {
    struct bytes stamp = {NULL, 0}, rest = {NULL, 0}, name = {NULL, 0};
    if (!tracked_read(order, user, gathering)) {
        return;
    }
    rest = text_bytes(&gathering->tracked);
    if (!bytes_next(&rest, '\n', &stamp)) {
        return;
    }
    while (bytes_next(&rest, '\0', &name)) {
        if (name.len > 0 && git_index_find(order->index, name) == NULL) {
            gathering_add(gathering, name);
        }
    }
}

/* --- Ignored paths that are wanted ------------------------------------------------------------ */

static void included_list(const struct gather_order *order, struct gathering *gathering) {
    struct shadow_path path;
    struct stat about;
    char from[sizeof path.text + 32];
    if (!path_join(order->shadow->root, ".worktreeinclude", &path) ||
        lstat(path.text, &about) < 0 || !S_ISREG(about.st_mode) || access(path.text, R_OK) < 0) {
        return;
    }
    (void)snprintf(from, sizeof from, "--exclude-from=%s", path.text); /* Fits. */
    const char *const words[] = {"-o", "-i", from};
    struct git_result *result = &gathering->listings[LISTING_INCLUDED];
    if (extra_list(order, words, COUNT_OF(words), result)) {
        listing_add_names(gathering, text_bytes(&result->output));
    }
}

static void captured_list(const struct gather_order *order, struct gathering *gathering) {
    static const char *const words[] = {"-o", "--exclude=/.drover/worktrees/"};
    struct git_result *result = &gathering->listings[LISTING_CAPTURED];
    if (order->capture_count == 0 || !extra_list(order, words, COUNT_OF(words), result)) {
        return;
    }
    struct bytes rest = text_bytes(&result->output), name = {NULL, 0};
    while (bytes_next(&rest, '\0', &name)) {
        bool fits = false;
        for (size_t i = 0; i < order->capture_count && !fits; i++) {
            fits = glob_match(GLOB_PATH, order->capture[i], name);
        }
        if (fits) {
            gathering_add(gathering, name);
        }
    }
}

struct err gather_names(const struct gather_order *order, struct gathering *gathering,
                        struct why *why) {
    struct user_git user;
    const bool has_user = order->has_git && user_git_find(order->shadow->root, &user);
    TRY(changed_list(order, has_user ? &user : NULL, gathering, why));
    if (order->known_only) {
        return ERR_OK;
    }
    if (has_user) {
        tracked_list(order, &user, gathering);
    }
    included_list(order, gathering);
    captured_list(order, gathering);
    return ERR_OK;
}
