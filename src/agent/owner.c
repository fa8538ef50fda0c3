/* owner.c: see owner.h. */
#include "agent/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "agent/where.h"
#include "base/beneath.h"
#include "base/fd.h"
#include "base/number.h"
#include "proc/small/small.h"
#include "proc/tree.h"

enum {
    TAIL_MAX = 256 << 10,
    ENTRY_MAX = 16 << 10,   /* Bytes of a file of Claude Code about a process. */
    ENTRIES_MAX = 1000,     /* Such files, */
    DESCRIPTORS_MAX = 4096, /* and descriptors of a process that are looked at. */
    LOCKS_MAX = 256 << 10,  /* Bytes of /proc/locks. */
    PATH_SIZE = LIMIT_PATH_MAX + 100,
};

/* Bytes of a plain file from `at` on. False: it cannot be read. */
static bool bytes_read(int fd, off_t at, char *bytes, size_t size, size_t *ret_len) {
    size_t len = 0;
    while (len < size) {
        const ssize_t got = pread(fd, bytes + len, size - len, at + (off_t)len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            *ret_len = len;
            return got == 0;
        }
        len += (size_t)got;
    }
    *ret_len = len;
    return true;
}

static bool number_of(struct bytes text, int64_t *ret_number) {
    return number_parse(text, (struct number_bounds){1, INT64_MAX}, ret_number);
}

/* --- Claude Code ------------------------------------------------------------------------------ */

static bool process_lives(const char *proc, int64_t pid, int64_t start_time) {
    char path[PATH_SIZE], text[1024];
    struct process_stat stat;
    (void)snprintf(path, sizeof path, "%s/%lld/stat", proc, (long long)pid); /* Fits, or fails. */
    return files_read(path, text, sizeof text) && process_stat_parse(bytes_of(text), &stat) &&
           stat.alive && stat.start_time == (uint64_t)start_time;
}

/* Pid of the process that the file is about, where it lives and has that session open; else 0. */
static int64_t entry_owner(int folder, const char *name, const struct native_wish *wish,
                           const char *proc) {
    char text[ENTRY_MAX];
    struct stat about;
    size_t len = 0;
    AUTO(json_release) json_t *entry = NULL;
    AUTO(fd_release) int fd = beneath_open_file(folder, name, &about);
    if (fd < 0 || !bytes_read(fd, 0, text, sizeof text, &len) ||
        err_failed(json_parse(text, len, JSON_DEPTH_MAX, &entry, NULL))) {
        return 0;
    }
    int64_t start_time = 0;
    const int64_t pid = json_int(entry, "pid", 0);
    const bool ours = bytes_equal(json_bytes(entry, "sessionId"), wish->id);
    return ours && pid > 0 && number_of(json_bytes(entry, "procStart"), &start_time) &&
                   process_lives(proc, pid, start_time)
               ? pid
               : 0;
}

static int64_t claude_owner(const struct native_wish *wish, const char *base, const char *proc) {
    char path[PATH_SIZE];
    int64_t owner = 0;
    (void)snprintf(path, sizeof path, "%s/sessions", base); /* Fits: base is a path. */
    AUTO(entries_close) DIR *listing = opendir(path);
    const char *name;
    for (unsigned i = 0; owner == 0 && i < ENTRIES_MAX && (name = entries_next(listing)) != NULL;
         i++) {
        if (name[0] != '.') {
            owner = entry_owner(dirfd(listing), name, wish, proc);
        }
    }
    return owner;
}

/* --- Codex ------------------------------------------------------------------------------------ */

/* Numbers of devices in /proc/locks are not those of stat() on every file system, so only the inode
 * is compared there. */
static bool process_has_open(const char *proc, int64_t pid, const struct stat *file) {
    char path[PATH_SIZE];
    bool has = false;
    (void)snprintf(path, sizeof path, "%s/%lld/fd", proc, (long long)pid); /* Fits, or fails. */
    AUTO(entries_close) DIR *listing = opendir(path);
    const char *name;
    for (unsigned i = 0; !has && i < DESCRIPTORS_MAX && (name = entries_next(listing)) != NULL;
         i++) {
        struct stat about;
        has = fstatat(dirfd(listing), name, &about, 0 /* flags */) == 0 &&
              about.st_ino == file->st_ino && about.st_dev == file->st_dev;
    }
    return has;
}

/* "1: FLOCK  ADVISORY  WRITE 14357 fe:00:10986204 0 EOF": pid, or 0. */
static int64_t lock_owner(struct bytes line, const struct stat *file) {
    enum { FIELD_KIND = 1, FIELD_PID = 4, FIELD_FILE = 5, FIELDS };
    struct bytes fields[FIELDS], field;
    size_t count = 0;
    while (count < FIELDS && bytes_next(&line, ' ', &field)) {
        if (field.len > 0) {
            fields[count++] = field;
        }
    }
    if (count < FIELDS || !bytes_is(fields[FIELD_KIND], "FLOCK")) {
        return 0;
    }
    int64_t pid = 0, inode = 0;
    struct bytes place = fields[FIELD_FILE];
    const char *colon = memrchr(place.data, ':', place.len);
    if (colon == NULL) {
        return 0;
    }
    place.len -= (size_t)(colon + 1 - place.data);
    place.data = colon + 1;
    return number_of(place, &inode) && (uint64_t)inode == (uint64_t)file->st_ino &&
                   number_of(fields[FIELD_PID], &pid)
               ? pid
               : 0;
}

/* *ret_known: nobody writes to the thread without that lock. */
static int64_t codex_owner(const struct native_wish *wish, const char *base, const char *proc,
                           bool *ret_known) {
    char path[PATH_SIZE];
    struct stat file;
    (void)snprintf(path, sizeof path, "%s/thread-writer-locks/%.*s.lock", base, (int)wish->id.len,
                   wish->id.data); /* Fits: base is a path, and the id is valid. */
    if (stat(path, &file) < 0) {
        return 0;
    }
    (void)snprintf(path, sizeof path, "%s/locks", proc);
    AUTO(mem_release) char *text = mem_new(LOCKS_MAX);
    if (!files_read(path, text, LOCKS_MAX)) {
        return 0;
    }
    *ret_known = true;
    struct bytes rest = bytes_of(text), line;
    while (bytes_next(&rest, '\n', &line)) {
        const int64_t pid = lock_owner(line, &file);
        if (pid > 0 && process_has_open(proc, pid, &file)) {
            return pid;
        }
    }
    return 0;
}

/* --- Lines ------------------------------------------------------------------------------------ */

/* "2026-11-25T16:24:16.523Z", to the second; 0: none. */
static int64_t time_of(const json_t *line) {
    struct tm parts = {.tm_year = 0};
    const char *text = json_str(line, "timestamp", "");
    return strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) == NULL ? 0 : (int64_t)timegm(&parts) * 1000;
}

/* Words of a message; "": its first part is none, like the result of a tool. */
static struct bytes words_of(const json_t *content) {
    return json_is_string(content) ? json_text(content)
                                   : json_bytes(json_array_get(content, 0), "text");
}

static void claude_user_look(const json_t *line, struct bytes words, struct agent_found *found) {
    const bool stops = bytes_begin(words, BYTES("[Request interrupted by user"));
    if (!native_is_of_program(words)) {
        found->worked_ms = stops ? 0 : time_of(line);
    }
}

static void claude_look(const json_t *line, struct agent_found *found) {
    const struct bytes type = json_bytes(line, "type");
    const json_t *message = json_object_get(line, "message");
    if (bytes_is(type, "system") && bytes_is(json_bytes(line, "subtype"), "compact_boundary")) {
        found->compacted_ms = time_of(line);
    } else if (bytes_is(type, "last-prompt")) { /* Written when the program ends. */
        found->worked_ms = 0;
    } else if (json_is_true(json_object_get(line, "isSidechain")) ||
               json_is_true(json_object_get(line, "isMeta")) ||
               json_is_true(json_object_get(line, "isCompactSummary"))) {
        return;
    } else if (bytes_is(type, "user")) {
        claude_user_look(line, words_of(json_object_get(message, "content")), found);
    } else if (bytes_is(type, "assistant")) {
        const struct bytes stop = json_bytes(message, "stop_reason");
        const bool goes_on = stop.len == 0 || bytes_is(stop, "tool_use");
        found->worked_ms = goes_on ? time_of(line) : 0;
    }
}

static void codex_look(const json_t *line, struct agent_found *found) {
    const struct bytes type = json_bytes(line, "type");
    const struct bytes event = bytes_is(type, "event_msg")
                                   ? json_bytes(json_object_get(line, "payload"), "type")
                                   : BYTES("");
    if (bytes_is(type, "compacted") || bytes_is(event, "context_compacted")) {
        found->compacted_ms = time_of(line);
    }
    if (bytes_is(event, "task_complete") || bytes_is(event, "turn_complete") ||
        bytes_is(event, "turn_aborted")) {
        found->worked_ms = 0;
    } else if (bytes_is(event, "task_started") || bytes_is(event, "turn_started") ||
               found->worked_ms != 0) {
        found->worked_ms = time_of(line);
    }
}

/* A first line that is a part, or one that is not whole yet, is no JSON. */
static void tail_look(const struct native_wish *wish, bool codex, struct agent_found *found) {
    struct stat about;
    size_t len = 0;
    AUTO(fd_release) int fd = native_open(wish);
    if (fd < 0 || fstat(fd, &about) < 0) {
        return;
    }
    AUTO(mem_release) char *tail = mem_new(TAIL_MAX);
    const off_t at = about.st_size > TAIL_MAX ? about.st_size - TAIL_MAX : 0;
    if (!bytes_read(fd, at, tail, TAIL_MAX, &len)) {
        return;
    }
    struct bytes rest = {tail, len}, text;
    while (bytes_next(&rest, '\n', &text)) {
        AUTO(json_release) json_t *line = NULL;
        if (text.len > 0 &&
            !err_failed(json_parse(text.data, text.len, JSON_DEPTH_MAX, &line, NULL))) {
            (codex ? codex_look : claude_look)(line, found);
        }
    }
}

void agent_owner_find(const struct native_wish *wish, const char *proc,
                      struct agent_found *ret_found) {
    const bool codex = strcmp(wish->what->program, "codex") == 0;
    char base[LIMIT_PATH_MAX];
    *ret_found = (struct agent_found){.owner = 0};
    if (!native_id_valid(wish->id) || !agent_folder_find(wish->what, wish->home, base)) {
        return; /* Another program: nobody knows how its sessions are used. */
    }
    bool known = false;
    ret_found->owner =
        codex ? codex_owner(wish, base, proc, &known) : claude_owner(wish, base, proc);
    tail_look(wish, codex, ret_found);
    ret_found->worked_ms = known ? 0 : ret_found->worked_ms;
}
