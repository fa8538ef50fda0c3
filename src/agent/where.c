/* where.c: see where.h. */
#include "agent/where.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/process/spawn.h"

/* --- Paths ------------------------------------------------------------------------------------ */

static bool is_program(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode) && access(path, X_OK) == 0;
}

/* Relative folders of a PATH mean something to the terminal alone. */
static bool path_join(char ret_path[LIMIT_PATH_MAX], struct bytes folder, const char *name) {
    const int len =
        snprintf(ret_path, LIMIT_PATH_MAX, "%.*s/%s", (int)folder.len, folder.data, name);
    return folder.len > 0 && folder.data[0] == '/' && len > 0 && len < LIMIT_PATH_MAX;
}

/* The newest version of Node that has the program, which needs that Node in its PATH. */
static bool nvm_find(const char *home, const char *command, struct agent_where *ret_where) {
    enum { VERSIONS_MAX = 200 };
    char folder[LIMIT_PATH_MAX], newest[256] = "";
    AUTO(entries_close)
    DIR *listing = path_join(folder, bytes_of(home), ".nvm/versions/node") ? opendir(folder) : NULL;
    const char *name;
    for (unsigned i = 0; i < VERSIONS_MAX && (name = entries_next(listing)) != NULL; i++) {
        char path[2 * LIMIT_PATH_MAX];
        const int len = snprintf(path, sizeof path, "%s/%s/bin/%s", folder, name, command);
        if (name[0] == 'v' && len > 0 && len < LIMIT_PATH_MAX &&
            (newest[0] == '\0' || strverscmp(name, newest) > 0) && is_program(path)) {
            (void)snprintf(newest, sizeof newest, "%s", name); /* Names have 255 bytes. */
            memcpy(ret_where->path, path, (size_t)len + 1);
            memcpy(ret_where->extra, path, (size_t)len + 1);
            *strrchr(ret_where->extra, '/') = '\0';
        }
    }
    return newest[0] != '\0';
}

bool agent_where_find(const char *root, const char *home, const char *path, const char *command,
                      struct agent_where *ret_where) {
    struct bytes rest = bytes_of(path), folder;
    ret_where->extra[0] = '\0';
    if (strchr(command, '/') != NULL) {
        const bool whole = command[0] == '/';
        const int len = snprintf(ret_where->path, LIMIT_PATH_MAX, "%s%s%s", whole ? "" : root,
                                 whole ? "" : "/", command);
        return (whole || (root != NULL && root[0] == '/')) && len > 0 && len < LIMIT_PATH_MAX &&
               is_program(ret_where->path);
    }
    while (bytes_next(&rest, ':', &folder)) {
        if (path_join(ret_where->path, folder, command) && is_program(ret_where->path)) {
            return true;
        }
    }
    char local[LIMIT_PATH_MAX];
    if (home == NULL || home[0] != '/') {
        return false;
    }
    return (path_join(local, bytes_of(home), ".local/bin") &&
            path_join(ret_where->path, bytes_of(local), command) && is_program(ret_where->path)) ||
           nvm_find(home, command, ret_where);
}

/* --- Logins ----------------------------------------------------------------------------------- */

/* Where Claude Code and Codex keep a login, and the variables that stand in for one. The other
 * programs take keys of many providers: that none was found says nothing of them. */
static const struct login {
    const char *program;
    const char *folder_variable, *folder, *file; /* The folder is below the home. */
    const char *variables[6];                    /* NULL ends them. */
} logins[] = {
    {"claude",
     "CLAUDE_CONFIG_DIR",
     ".claude",
     ".credentials.json",
     {"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN",
      "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", NULL}},
    {"codex", "CODEX_HOME", ".codex", "auth.json", {"OPENAI_API_KEY", "CODEX_API_KEY", NULL}},
};

static bool variable_is_set(const struct agent_definition *what, const char *name) {
    const char *value = getenv(name);
    return json_object_get(what->env, name) != NULL || (value != NULL && value[0] != '\0');
}

static const struct login *login_of(const struct agent_definition *what) {
    for (size_t i = 0; i < COUNT_OF(logins); i++) {
        if (strcmp(what->program, logins[i].program) == 0) {
            return &logins[i];
        }
    }
    return NULL;
}

bool agent_folder_find(const struct agent_definition *what, const char *home,
                       char ret_folder[LIMIT_PATH_MAX]) {
    const struct login *login = login_of(what);
    const char *moved =
        login == NULL ? NULL
                      : json_str(what->env, login->folder_variable, getenv(login->folder_variable));
    if (moved != NULL && moved[0] != '\0') {
        const int len = snprintf(ret_folder, LIMIT_PATH_MAX, "%s", moved);
        return len > 0 && len < LIMIT_PATH_MAX;
    }
    return login != NULL && home != NULL && path_join(ret_folder, bytes_of(home), login->folder);
}

bool agent_logged_in(const struct agent_definition *what, const char *home) {
    const struct login *login = login_of(what);
    if (login == NULL) {
        return true;
    }
    for (const char *const *at = login->variables; *at != NULL; at++) {
        if (variable_is_set(what, *at)) {
            return true;
        }
    }
    char folder[LIMIT_PATH_MAX], file[LIMIT_PATH_MAX];
    return agent_folder_find(what, home, folder) &&
           path_join(file, bytes_of(folder), login->file) && access(file, F_OK) == 0;
}

/* --- Versions --------------------------------------------------------------------------------- */

struct known_version {
    char path[LIMIT_PATH_MAX];
    struct timespec changed; /* ctime: npm gives files of all versions the same mtime. */
    off_t size;
    struct agent_version version; /* "": it gave no answer. */
};

struct agent_versions {
    pthread_mutex_t lock;
    bool asking;
    size_t count, next; /* The oldest is replaced. */
    struct known_version list[AGENT_VERSIONS_MAX];
};

struct agent_versions *agent_versions_new(void) {
    struct agent_versions *versions = mem_new(sizeof *versions);
    (void)pthread_mutex_init(&versions->lock, NULL); /* Cannot fail on Linux. */
    return versions;
}

void agent_versions_free(struct agent_versions *versions) {
    if (versions != NULL) {
        (void)pthread_mutex_destroy(&versions->lock); /* Nobody holds it. */
    }
    mem_free(versions);
}

/* Under the lock. NULL: not known, or the file has changed since. */
static struct known_version *known_find(struct agent_versions *versions, const char *path,
                                        const struct stat *about) {
    for (size_t i = 0; i < versions->count; i++) {
        struct known_version *known = &versions->list[i];
        if (strcmp(known->path, path) == 0 && known->size == about->st_size &&
            known->changed.tv_sec == about->st_ctim.tv_sec &&
            known->changed.tv_nsec == about->st_ctim.tv_nsec) {
            return known;
        }
    }
    return NULL;
}

/* A program that was asked, and what it has said so far. */
struct asked {
    const char *path;
    struct stat about;
    int pid, fd; /* fd -1: it has answered, or could not be asked. */
    char said[256];
    size_t len;
};

/* Starts a program with the least that it needs: its own Node in PATH, no keys, no terminal. */
static void asked_begin(struct asked *asked) {
    int ends[2];
    char variable[2 * LIMIT_PATH_MAX], home[LIMIT_PATH_MAX + 8];
    const char *path = getenv("PATH"), *own = getenv("HOME");
    (void)snprintf(variable, sizeof variable, "PATH=%.*s:%.4000s",
                   (int)(strrchr(asked->path, '/') - asked->path), asked->path,
                   path != NULL ? path : "/usr/bin:/bin"); /* Cut: a version less is known. */
    (void)snprintf(home, sizeof home, "HOME=%s", own != NULL ? own : "/");
    const char *const argv[] = {asked->path, "--version", NULL};
    const char *const environment[] = {variable, home, NULL};
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return;
    }
    const struct spawn process = {.program = asked->path,
                                  .argv = argv,
                                  .environment = environment,
                                  .folder = "/",
                                  .fds = {SPAWN_NULL, ends[1], SPAWN_NULL},
                                  .fd_count = 3,
                                  .session = SPAWN_SESSION};
    const struct err err = spawn(&process, &asked->pid);
    fd_release(&ends[1]);
    asked->fd = fd_take(&ends[0]);
    if (err_failed(err)) {
        fd_release(&asked->fd);
    }
}

static void asked_hear(struct asked *asked) {
    char more[256];
    const ssize_t got = read(asked->fd, more, sizeof more);
    if (got > 0) {
        const size_t room = sizeof asked->said - asked->len;
        const size_t kept = (size_t)got < room ? (size_t)got : room;
        memcpy(asked->said + asked->len, more, kept);
        asked->len += kept;
    } else if (got == 0 || errno != EINTR) {
        fd_release(&asked->fd);
    }
}

/* Reads until all programs have ended, or AGENT_VERSION_MS have passed. */
static void asked_wait(struct asked *asked, size_t count) {
    const struct itimerspec after = {.it_value = {.tv_sec = AGENT_VERSION_MS / 1000}};
    AUTO(fd_release) int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    bool expired = timer < 0 || timerfd_settime(timer, 0, &after, NULL) < 0;
    while (!expired) {
        struct pollfd fds[AGENT_VERSIONS_MAX + 1];
        size_t open = 0;
        for (size_t i = 0; i < count; i++) {
            fds[i] = (struct pollfd){.fd = asked[i].fd, .events = POLLIN};
            open += asked[i].fd >= 0;
        }
        fds[count] = (struct pollfd){.fd = timer, .events = POLLIN};
        if (open == 0) {
            return;
        }
        if (poll(fds, count + 1, -1 /* the timer ends it */) > 0) {
            for (size_t i = 0; i < count; i++) {
                if (asked[i].fd >= 0 && fds[i].revents != 0) {
                    asked_hear(&asked[i]);
                }
            }
            expired = fds[count].revents != 0;
        }
    }
}

/* Kills a program that still holds its output, and all that it began. The reaper of the daemon may
 * have waited for the program already (proc/reap.h). */
static void asked_end(struct asked *asked) {
    if (asked->pid <= 0) {
        return;
    }
    if (asked->fd >= 0) {
        (void)kill(-asked->pid, SIGKILL); /* Gone meanwhile: fine. */
        fd_release(&asked->fd);
    }
    for (unsigned i = 0; i < 100; i++) { /* The program has closed its output, and ends now. */
        if (waitpid(asked->pid, NULL, WNOHANG) != 0) {
            return;
        }
        (void)poll(NULL, 0, 5);
    }
    (void)kill(-asked->pid, SIGKILL);
    (void)waitpid(asked->pid, NULL, 0);
}

/* "2.1.197 (Claude Code)", "codex-cli 0.169.0", "v1.18.33": the first word with a digit first and a
 * dot within. */
static struct agent_version version_read(struct bytes said) {
    struct agent_version version = {""};
    struct bytes line, word;
    while (bytes_next(&said, '\n', &line)) {
        while (bytes_next(&line, ' ', &word)) {
            word = bytes_trim(word, "\r\tv");
            const bool is = word.len > 0 && word.len <= AGENT_VERSION_MAX && word.data[0] >= '0' &&
                            word.data[0] <= '9' && memchr(word.data, '.', word.len) != NULL;
            bool plain = is;
            for (size_t i = 0; is && i < word.len; i++) {
                plain = plain && word.data[i] > ' ' && word.data[i] < 0x7f;
            }
            if (plain) {
                memcpy(version.text, word.data, word.len);
                return version;
            }
        }
    }
    return version;
}

/* Under the lock. */
static void known_put(struct agent_versions *versions, const struct asked *asked) {
    struct known_version *known = &versions->list[versions->next];
    for (size_t i = 0; i < versions->count; i++) { /* The same file before it changed. */
        known = strcmp(versions->list[i].path, asked->path) == 0 ? &versions->list[i] : known;
    }
    if (known == &versions->list[versions->next]) {
        versions->next = (versions->next + 1) % AGENT_VERSIONS_MAX;
        versions->count += versions->count < AGENT_VERSIONS_MAX;
    }
    *known =
        (struct known_version){.changed = asked->about.st_ctim,
                               .size = asked->about.st_size,
                               .version = version_read((struct bytes){asked->said, asked->len})};
    (void)snprintf(known->path, sizeof known->path, "%s", asked->path); /* Was found: it fits. */
}

void agent_versions_ask(struct agent_versions *versions, const char *const *paths) {
    struct asked *asked = mem_new_array(AGENT_VERSIONS_MAX, sizeof *asked);
    size_t count = 0;
    (void)pthread_mutex_lock(&versions->lock); /* Cannot fail for this kind. */
    for (; *paths != NULL && count < AGENT_VERSIONS_MAX && !versions->asking; paths++) {
        struct asked *next = &asked[count];
        *next = (struct asked){.path = *paths, .fd = -1};
        if (stat(*paths, &next->about) == 0 && known_find(versions, *paths, &next->about) == NULL) {
            count++;
        }
    }
    versions->asking = versions->asking || count > 0;
    (void)pthread_mutex_unlock(&versions->lock);
    for (size_t i = 0; i < count; i++) {
        asked_begin(&asked[i]);
    }
    asked_wait(asked, count);
    for (size_t i = 0; i < count; i++) {
        asked_end(&asked[i]);
    }
    if (count > 0) {
        (void)pthread_mutex_lock(&versions->lock);
        for (size_t i = 0; i < count; i++) {
            known_put(versions, &asked[i]);
        }
        versions->asking = false;
        (void)pthread_mutex_unlock(&versions->lock);
    }
    mem_free(asked);
}

struct agent_version agent_version_of(struct agent_versions *versions, const char *path) {
    struct agent_version version = {""};
    struct stat about;
    if (stat(path, &about) != 0) {
        return version;
    }
    (void)pthread_mutex_lock(&versions->lock);
    const struct known_version *known = known_find(versions, path, &about);
    version = known != NULL ? known->version : version;
    (void)pthread_mutex_unlock(&versions->lock);
    return version;
}
