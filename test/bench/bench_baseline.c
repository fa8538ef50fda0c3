/* bench_baseline: what this machine can do without us. Each figure of drover is held against one of
 * these, measured in the same run.
 *
 *     bench_baseline sync   --folder DIR --ms 2000     overwrite 4 kB of a preallocated file, sync
 *     bench_baseline sqlite --folder DIR --ms 2000     one row per commit, WAL, synchronous=FULL
 *     bench_baseline writes --readers 100 --ms 2000    write() of one event to each of N sockets
 *                    [--rate 50]                       so many rounds per second, not all it can
 *     bench_baseline spawn  --outstanding 16 --ms 2000  posix_spawn and waitpid of /bin/true, or of
 *                    [--program STAMP --folder FILE]    bench_stamp, to see how soon it begins
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "measure.h"
#include "spawns.h"
#include "wire.h"

struct baseline {
    const char *folder, *program;
    int64_t readers, milliseconds, rate, outstanding;
};

static void tell_run(const struct histogram *histogram, uint64_t began_ns) {
    tell("rate", (double)histogram->total / ((double)(now_ns() - began_ns) / 1e9));
    tell_latency(histogram);
}

static void measure_sync(const struct baseline *baseline) {
    enum { BLOCK = 4096, BLOCKS = 4096 };
    char path[512];
    (void)snprintf(path, sizeof path, "%s/preallocated", baseline->folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        die(path);
    }
    char block[BLOCK];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < BLOCKS; i++) { /* Written, so that no extent changes its state later. */
        if (pwrite(fd, block, BLOCK, (off_t)i * BLOCK) != BLOCK) {
            die("pwrite");
        }
    }
    if (fsync(fd) < 0) {
        die("fsync");
    }
    struct histogram latency = {0};
    uint64_t began_ns = now_ns();
    uint64_t until_ns = began_ns + (uint64_t)baseline->milliseconds * 1000000ULL;
    for (uint64_t at_ns = began_ns; at_ns < until_ns;) {
        off_t offset = (off_t)(latency.total % BLOCKS) * BLOCK;
        if (pwrite(fd, block, BLOCK, offset) != BLOCK || fdatasync(fd) < 0) {
            die("pwrite and fdatasync");
        }
        uint64_t end_ns = now_ns();
        histogram_add(&latency, end_ns - at_ns);
        at_ns = end_ns;
    }
    tell_run(&latency, began_ns);
    (void)close(fd);
    (void)unlink(path);
}

static void run_sql(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL /* callback */, NULL, NULL /* message */) != SQLITE_OK) {
        die_saying(sqlite3_errmsg(db));
    }
}

static void insert_one(sqlite3 *db, sqlite3_stmt *insert, int64_t seq) {
    static const char row[] = "{\"type\":\"token\",\"data\":{\"text\":\"a word or two of it\"}}";
    run_sql(db, "BEGIN IMMEDIATE");
    (void)sqlite3_bind_int64(insert, 1, seq);
    (void)sqlite3_bind_text(insert, 2, row, sizeof row - 1, SQLITE_STATIC);
    if (sqlite3_step(insert) != SQLITE_DONE) {
        die_saying(sqlite3_errmsg(db));
    }
    (void)sqlite3_reset(insert);
    run_sql(db, "COMMIT");
}

static void measure_sqlite(const struct baseline *baseline) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/baseline.db", baseline->folder);
    (void)unlink(path); /* Of a run that was cut. */
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK) {
        die_saying("the baseline's database cannot be opened");
    }
    run_sql(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                "CREATE TABLE events (stream INTEGER, seq INTEGER, body TEXT,"
                " PRIMARY KEY (stream, seq)) WITHOUT ROWID;");
    sqlite3_stmt *insert = NULL;
    if (sqlite3_prepare_v2(db, "INSERT INTO events VALUES (1, ?1, ?2)", -1, &insert, NULL) !=
        SQLITE_OK) {
        die_saying(sqlite3_errmsg(db));
    }
    for (int64_t i = 0; i < 2000; i++) { /* Until the log wraps and is only overwritten. */
        insert_one(db, insert, -i);
    }
    struct histogram latency = {0};
    uint64_t began_ns = now_ns();
    uint64_t until_ns = began_ns + (uint64_t)baseline->milliseconds * 1000000ULL;
    for (uint64_t at_ns = began_ns; at_ns < until_ns;) {
        insert_one(db, insert, (int64_t)latency.total + 1);
        uint64_t end_ns = now_ns();
        histogram_add(&latency, end_ns - at_ns);
        at_ns = end_ns;
    }
    tell_run(&latency, began_ns);
    (void)sqlite3_finalize(insert);
    (void)sqlite3_close(db);
    (void)unlink(path);
}

/* --- Writes to N sockets ---------------------------------------------------------------------- */

struct drain {
    int epoll_fd;
    int stop_fd; /* Readable when it is over. */
};

/* Reads and forgets, on the other processor. */
static void *drain_sockets(void *arg) {
    struct drain *drain = arg;
    struct epoll_event events[512];
    AUTO(mem_release) char *in = mem_new(1 << 18);
    for (;;) {
        int count = epoll_wait(drain->epoll_fd, events, COUNT_OF(events), -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == drain->stop_fd) {
                return NULL;
            }
            (void)recv(events[i].data.fd, in, 1 << 18, 0);
        }
    }
}

static int listen_somewhere(struct target *ret_target) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        die("listen");
    }
    *ret_target = (struct target){.address_len = len};
    memcpy(&ret_target->address, &address, len);
    return fd;
}

static uint64_t thread_cpu_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* It exists on every Linux. */
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Rounds with a pause between them find every socket's memory cold, as a stream's events do. */
static void pause_until(uint64_t at_ns) {
    struct timespec at = {(time_t)(at_ns / 1000000000U), (long)(at_ns % 1000000000U)};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL); /* Early is no harm. */
}

static void write_rounds(const struct baseline *baseline, const int *fds) {
    static const char event[] = "id: 1234567\nevent: token\ndata: {\"seq\":1234567,\"at_ms\":"
                                "1700000000000,\"data\":{\"text\":\"a word\"}}\n\n";
    uint64_t writes = 0;
    uint64_t full = 0;
    uint64_t began_ns = now_ns();
    uint64_t began_cpu_ns = thread_cpu_ns();
    uint64_t until_ns = began_ns + (uint64_t)baseline->milliseconds * 1000000ULL;
    uint64_t step_ns = baseline->rate == 0 ? 0 : 1000000000U / (uint64_t)baseline->rate;
    for (uint64_t next_ns = began_ns; now_ns() < until_ns; next_ns += step_ns) {
        if (step_ns > 0) {
            pause_until(next_ns);
        }
        for (int64_t i = 0; i < baseline->readers; i++) {
            ssize_t put = send(fds[i], event, sizeof event - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (put < 0 && errno != EAGAIN) {
                die("send");
            }
            writes += put > 0;
            full += put < 0;
        }
    }
    double cpu_ns = (double)(thread_cpu_ns() - began_cpu_ns);
    tell("rate", (double)writes / ((double)(now_ns() - began_ns) / 1e9));
    tell("server_us", cpu_ns / 1000.0 / (double)writes);
    tell("full", (double)full);
}

static void measure_writes(const struct baseline *baseline) {
    struct target target;
    int listener = listen_somewhere(&target);
    AUTO(mem_release) int *fds = mem_new_array((size_t)baseline->readers, sizeof *fds);
    int stop[2];
    if (pipe(stop) < 0) {
        die("pipe");
    }
    struct drain drain = {epoll_create1(EPOLL_CLOEXEC), stop[0]};
    struct epoll_event event = {.events = EPOLLIN, .data.fd = stop[0]};
    (void)epoll_ctl(drain.epoll_fd, EPOLL_CTL_ADD, stop[0], &event); /* A pipe can be watched. */
    for (int64_t i = 0; i < baseline->readers; i++) {
        event.data.fd = target_connect(&target);
        fds[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fds[i] < 0 || epoll_ctl(drain.epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event) < 0) {
            die("accept");
        }
    }
    pthread_t thread;
    if (pthread_create(&thread, NULL, drain_sockets, &drain) != 0) {
        die_saying("no thread for the reader");
    }
    write_rounds(baseline, fds);
    (void)!write(stop[1], "x", 1);
    (void)pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        die_saying("see the first lines of bench_baseline.c for what it can do");
    }
    raise_descriptor_limit();
    struct baseline baseline = {
        .folder = ".", .readers = 100, .milliseconds = 2000, .outstanding = 1};
    const struct option_row rows[] = {
        {.name = "folder", .text = &baseline.folder},
        {.name = "readers", .number = &baseline.readers},
        {.name = "ms", .number = &baseline.milliseconds},
        {.name = "rate", .number = &baseline.rate},
        {.name = "outstanding", .number = &baseline.outstanding},
        {.name = "program", .text = &baseline.program},
    };
    options_parse(argv + 2, rows, COUNT_OF(rows));
    if (strcmp(argv[1], "sync") == 0) {
        measure_sync(&baseline);
    } else if (strcmp(argv[1], "sqlite") == 0) {
        measure_sqlite(&baseline);
    } else if (strcmp(argv[1], "writes") == 0) {
        measure_writes(&baseline);
    } else if (strcmp(argv[1], "spawn") == 0) {
        measure_spawns(&(struct spawns){.outstanding = baseline.outstanding,
                                        .milliseconds = baseline.milliseconds,
                                        .program = baseline.program,
                                        .folder = baseline.folder});
    } else {
        die_saying("no such baseline");
    }
    return 0;
}
