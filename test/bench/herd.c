#include "herd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/number.h"
#include "measure.h"
#include "process.h"

enum { HERD_MAX = 1 << 16, POLL_MS = 5, ENVIRON_MAX = 1 << 16 };

/* --- Finding ---------------------------------------------------------------------------------- */

/* A file of /proc or a claim, cut to `size`; its length, or 0 when it cannot be read. `path` is
 * below `folder`, or absolute. */
static size_t read_file(int folder, const char *path, char *ret_bytes, size_t size) {
    AUTO(fd_release) int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    while (fd >= 0 && len < size - 1) {
        ssize_t got = read(fd, ret_bytes + len, size - 1 - len);
        if (got <= 0) {
            break;
        }
        len += (size_t)got;
    }
    ret_bytes[len] = '\0';
    return len;
}

/* A zombie has ended: whoever became its parent when its daemon was killed may take its time. */
static bool lives_since(int pid, unsigned long long start_time) {
    struct process process;
    return process_look(pid, &process) && process.state != 'Z' && process.start_time == start_time;
}

static bool holder_of(int spool, const char *name, struct herder *ret_holder) {
    char path[NAME_MAX + 16], claim[512];
    int pid = 0;
    unsigned long long start_time = 0;
    (void)snprintf(path, sizeof path, "%s/claim", name);
    if (read_file(spool, path, claim, sizeof claim) == 0 ||
        sscanf(claim, "go %d %llu", &pid, &start_time) != 2 || !lives_since(pid, start_time)) {
        return false;
    }
    *ret_holder = (struct herder){.pid = pid};
    (void)snprintf(ret_holder->name, sizeof ret_holder->name, "%.*s", HERD_NAME_SIZE - 1, name);
    return true;
}

void herd_find(const char *data_dir, struct herd *ret_herd) {
    char spool[PATH_MAX];
    (void)snprintf(spool, sizeof spool, "%s/spool", data_dir);
    *ret_herd = (struct herd){.holders = mem_new_array(HERD_MAX, sizeof(struct herder))};
    DIR *dir = opendir(spool);
    if (dir == NULL) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL && ret_herd->count < HERD_MAX;) {
        ret_herd->count +=
            strncmp(entry->d_name, "run_", 4) == 0 &&
            holder_of(dirfd(dir), entry->d_name, &ret_herd->holders[ret_herd->count]);
    }
    (void)closedir(dir);
}

/* Processes whose environment has this mark. */
struct marked {
    char mark[PATH_MAX + 16];
    char *environment; /* Owned. */
    void (*found)(pid_t pid);
    size_t count;
};

static void add_marked(void *ctx, pid_t pid) {
    struct marked *marked = ctx;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    size_t len = pid == getpid() ? 0 : read_file(AT_FDCWD, path, marked->environment, ENVIRON_MAX);
    if (len > 0 &&
        memmem(marked->environment, len, marked->mark, strlen(marked->mark) + 1) != NULL) {
        marked->count++;
        if (marked->found != NULL) {
            marked->found(pid);
        }
    }
}

/* Calls `found` for each process whose environment names this data directory. */
static size_t each_command(const char *data_dir, void (*found)(pid_t pid)) {
    char whole[PATH_MAX];
    struct marked marked = {.found = found};
    if (realpath(data_dir, whole) == NULL) {
        return 0;
    }
    (void)snprintf(marked.mark, sizeof marked.mark, "DROVER_DATA=%s", whole);
    marked.environment = mem_new(ENVIRON_MAX);
    process_each(add_marked, &marked);
    mem_free(marked.environment);
    return marked.count;
}

/* --- Looking on ------------------------------------------------------------------------------- */

void load_herd(const struct load *load) {
    struct herd herd;
    herd_find(load->folder, &herd);
    int64_t sum_kb = 0, most_kb = 0;
    for (size_t i = 0; i < herd.count; i++) {
        int64_t kb = process_pss_kb(herd.holders[i].pid);
        sum_kb += kb;
        most_kb = kb > most_kb ? kb : most_kb;
    }
    tell("holders", (double)herd.count);
    tell("holder_pss_kb", herd.count == 0 ? 0 : (double)sum_kb / (double)herd.count);
    tell("holder_pss_most_kb", (double)most_kb);
    tell("commands", (double)each_command(load->folder, NULL));
    mem_free(herd.holders);
}

static void pause_for_ms(long ms) {
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&wait, NULL);
}

static uint64_t deadline(const struct load *load) {
    return now_ns() + (uint64_t)load->milliseconds * 1000000ULL;
}

int64_t metric_of(const char *metrics, const char *name) {
    size_t len = strlen(name);
    for (const char *line = metrics; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        int64_t value = 0;
        if (strncmp(line, name, len) != 0 || line[len] != ' ') {
            continue;
        }
        const char *digits = line + len + 1;
        if (number_parse((struct bytes){digits, strcspn(digits, "\n")},
                         (struct number_bounds){0, INT64_MAX}, &value)) {
            return value;
        }
    }
    return -1;
}

void load_await(const struct load *load) {
    enum { BODY_SIZE = 1 << 18 };
    AUTO(mem_release) char *body = mem_new(BODY_SIZE);
    uint64_t began_ns = now_ns(), until_ns = deadline(load);
    int64_t value = -1;
    while (ask_once(&load->target, "/metrics", body, BODY_SIZE) == 200 &&
           (value = metric_of(body, load->name)) < load->count) {
        if (now_ns() > until_ns) {
            (void)fprintf(stderr, "%s is %lld\n", load->name, (long long)value);
            die_saying("it took too long");
        }
        pause_for_ms(POLL_MS);
    }
    tell("waited_us", (double)(now_ns() - began_ns) / 1e3);
}

/* --- Submitting and stopping ------------------------------------------------------------------ */

struct sleepers {
    int64_t left;
    const struct herd *herd;
};

static bool next_sleeper(void *ctx, size_t at, struct question *ret_question) {
    (void)at;
    struct sleepers *sleepers = ctx;
    if (sleepers->left == 0) {
        return false;
    }
    sleepers->left--;
    ret_question->method = "POST";
    (void)snprintf(ret_question->path, sizeof ret_question->path, "/api/v1/jobs");
    (void)snprintf(ret_question->body, sizeof ret_question->body,
                   "{\"argv\":[\"sleep\",\"1000\"]}");
    return true;
}

static bool next_stop(void *ctx, size_t at, struct question *ret_question) {
    (void)at;
    struct sleepers *sleepers = ctx;
    if (sleepers->left == 0) {
        return false;
    }
    sleepers->left--;
    const char *name = sleepers->herd->holders[sleepers->left].name;
    ret_question->method = "POST";
    (void)snprintf(ret_question->path, sizeof ret_question->path, "/api/v1/runs/%.*s/stop",
                   (int)strcspn(name, "."), name);
    return true;
}

static void take_answer(void *ctx, size_t at, const struct answer *answer) {
    (void)ctx;
    (void)at;
    if (answer->status != 201 && answer->status != 200) {
        (void)fprintf(stderr, "%s\n", answer->body);
        die_saying("the server refused it");
    }
}

static void ask_for_all(const struct load *load, struct sleepers *sleepers,
                        bool (*next)(void *ctx, size_t at, struct question *ret_question)) {
    const struct ask ask = {.target = &load->target,
                            .connections = (size_t)load->connections,
                            .ctx = sleepers,
                            .next = next,
                            .answered = take_answer};
    uint64_t began_ns = now_ns();
    ask_all(&ask);
    tell("asked_us", (double)(now_ns() - began_ns) / 1e3);
}

void load_fill(const struct load *load) {
    struct sleepers sleepers = {.left = load->count};
    ask_for_all(load, &sleepers, next_sleeper);
}

void load_stop(const struct load *load) {
    struct herd herd;
    herd_find(load->folder, &herd);
    struct sleepers sleepers = {.left = (int64_t)herd.count, .herd = &herd};
    ask_for_all(load, &sleepers, next_stop);
    mem_free(herd.holders);
}

/* --- The end ---------------------------------------------------------------------------------- */

static size_t holders_left(const char *data_dir, int signal) {
    struct herd herd;
    herd_find(data_dir, &herd);
    for (size_t i = 0; i < herd.count && signal != 0; i++) {
        (void)kill(herd.holders[i].pid, signal); /* One that has ended meanwhile is fine. */
    }
    mem_free(herd.holders);
    return herd.count;
}

static size_t wait_for_none(const struct load *load) {
    uint64_t until_ns = deadline(load);
    size_t left = 1;
    while (left > 0 && now_ns() < until_ns) {
        pause_for_ms(POLL_MS);
        left = holders_left(load->folder, 0 /* no signal */);
        left = left > 0 ? left : each_command(load->folder, NULL);
    }
    return left;
}

void load_gone(const struct load *load) {
    uint64_t began_ns = now_ns();
    tell("left", (double)wait_for_none(load));
    tell("waited_us", (double)(now_ns() - began_ns) / 1e3);
}

static void kill_one(pid_t pid) {
    (void)kill(pid, SIGKILL); /* One that has ended meanwhile is fine. */
}

/* SIGTERM asks a holder to end its tree; whoever has not in the time given is killed, the holders
 * first, so that none of them sees its command end and writes what nobody reads. */
void load_end(const struct load *load) {
    (void)holders_left(load->folder, SIGTERM);
    size_t left = wait_for_none(load);
    if (left > 0) {
        (void)holders_left(load->folder, SIGKILL);
        (void)each_command(load->folder, kill_one);
        left = wait_for_none(load);
    }
    tell("left", (double)left);
}
