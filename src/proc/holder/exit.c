/* exit.c: see exit.h and protocol.h. */
#include "proc/holder/exit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder/clock.h"
#include "proc/holder/files.h"
#include "proc/holder/words.h"

static void add_key(struct words *words, const char *key) {
    words_add(words, words->len == 0 ? "{\"" : ",\"");
    words_add(words, key);
    words_add(words, "\":");
}

static void add_number(struct words *words, const char *key, int64_t number) {
    add_key(words, key);
    words_add_number(words, number);
}

/* All of ours are plain: no escapes. */
static void add_text(struct words *words, const char *key, const char *text) {
    add_key(words, key);
    words_add(words, "\"");
    words_add(words, text);
    words_add(words, "\"");
}

static void add_end(struct words *words, const struct custody *custody) {
    bool started = !err_failed(custody->not_started);
    bool exited = started && WIFEXITED(custody->status);
    add_text(words, "end", !started ? "not_started" : exited ? "exited" : "signaled");
    add_number(words, "code", exited ? WEXITSTATUS(custody->status) : 0);
    add_number(words, "signal", started && !exited ? WTERMSIG(custody->status) : 0);
    add_number(words, "errno", started ? 0 : custody->not_started.os);
    add_text(words, "step", started ? "" : custody->not_started.step);
    static const char *const whys[] = {"itself", "stopped", "timed_out", "processes"};
    add_text(words, "why", whys[custody->why]);
}

static void add_usage(struct words *words) {
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_CHILDREN, &usage); /* Cannot fail. All of them were waited for. */
    int64_t seconds = (int64_t)usage.ru_utime.tv_sec + (int64_t)usage.ru_stime.tv_sec;
    add_number(words, "cpu_us",
               seconds * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    add_number(words, "memory_kb", usage.ru_maxrss);
}

struct bytes exit_make(const struct custody *custody, char *buffer, size_t size) {
    struct words words;
    words_init(&words, buffer, size);
    add_number(&words, "v", 1);
    add_text(&words, "name", custody->order.name);
    add_end(&words, custody);
    for (unsigned i = 0; i < LOGS_STREAMS; i++) {
        add_number(&words, logs_name(i), custody->logs.files[i].size);
    }
    add_number(&words, "in", custody->input.accepted);
    add_usage(&words);
    if (custody->counted || err_failed(custody->not_started)) {
        add_number(&words, "processes", custody->processes_peak);
    }
    add_number(&words, "started_ms", custody->started_wall_ms);
    /* Not by the wall's clock, which may have been set meanwhile: the time between them is true. */
    add_number(&words, "ended_ms", custody->started_wall_ms + (clock_ms() - custody->started_at));
    add_number(&words, "left", custody->left);
    add_number(&words, "unsaved", custody->unsaved);
    add_number(&words, "sandbox", custody->sandbox);
    words_add(&words, "}");
    assert(!words.failed && words.len < size);
    memset(buffer + words.len, ' ', size - words.len - 1);
    buffer[size - 1] = '\n';
    return (struct bytes){buffer, size};
}

/* A folder of that name (the command may have made one) is not replaced by a rename: they change
 * places. */
static bool put_in_place(int folder) {
    enum { EXCHANGE = 1 << 1 };
    if (renameat(folder, "exit.json.tmp", folder, "exit.json") == 0) {
        return true;
    }
    return errno == EISDIR &&
           syscall(SYS_renameat2, folder, "exit.json.tmp", folder, "exit.json", EXCHANGE) == 0;
}

/* The file whose room was made before was removed, or replaced, by the command: another one. */
static bool put_anew(int folder, struct bytes json) {
    (void)unlinkat(folder, "exit.json.tmp", 0); /* openat tells. */
    AUTO(fd_release)
    int fd = openat(folder, "exit.json.tmp", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd >= 0 && !err_failed(files_write_at(fd, json, 0, "result")) && put_in_place(folder);
}

static bool is_named(int file) {
    struct stat about;
    return fstat(file, &about) == 0 && about.st_nlink > 0;
}

bool exit_has_place(const struct custody *custody) {
    return is_named(custody->claim.folder);
}

bool exit_put(const struct custody *custody, struct bytes json) {
    const struct claim *claim = &custody->claim;
    if (!is_named(claim->result)) {
        return put_anew(claim->folder, json);
    }
    if (err_failed(files_write_at(claim->result, json, 0, "result"))) {
        return false;
    }
    bool sync = order_has(&custody->order, ORDER_ONCE);
    if (sync && fdatasync(claim->result) < 0) {
        return false;
    }
    if (!put_in_place(claim->folder)) {
        return false;
    }
    return !sync || fsync(claim->folder) == 0;
}
