/* failed_starts.c: see the header.
 *
 *   WATCHED ──60 s, or told to end──> GOOD
 *      ^                               ^
 *      └──────released────── HELD ─────┘ told to end
 */
#include "dispatch/base/failed_starts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"

#define STARTS_FILE "drover.starts"

enum { RUN_SIZE = 48, RUNS_OFFSET = 16 };

enum life { LIFE_WATCHED, LIFE_HELD, LIFE_GOOD };

static const char magic[8] = {'d', 'r', 'v', 's', 't', 'r', 't', '1'};

struct starts_record {
    char magic[sizeof magic];
    uint32_t lives, zero;
    char runs[FAILED_STARTS_RUNS][RUN_SIZE];
};
static_assert(offsetof(struct starts_record, runs) == RUNS_OFFSET, "no padding");

struct failed_starts {
    int fd; /* Owned. */
    _Atomic(enum life) life;
    uint32_t deaths;                         /* Before this life. */
    char runs[FAILED_STARTS_RUNS][RUN_SIZE]; /* At hand at these deaths; "": none. */
};

/* A record of that number of lives, with the runs at hand at the deaths before. A record that was
 * not written whole counts as none. */
static void record_write(const struct failed_starts *starts, uint32_t lives) {
    struct starts_record record = {.lives = lives};
    memcpy(record.magic, magic, sizeof magic);
    memcpy(record.runs[1], starts->runs, sizeof record.runs - sizeof record.runs[0]);
    if (pwrite(starts->fd, &record, sizeof record, 0) != sizeof record) {
        (void)ftruncate(starts->fd, 0); /* Refused as well: an old record stays. */
    }
}

static void record_read(struct failed_starts *starts) {
    struct starts_record record;
    ssize_t got = pread(starts->fd, &record, sizeof record, 0);
    if (got != sizeof record || memcmp(record.magic, magic, sizeof magic) != 0) {
        return;
    }
    starts->deaths = record.lives < UINT32_MAX ? record.lives : UINT32_MAX - 1;
    memcpy(starts->runs, record.runs, sizeof starts->runs);
    for (size_t i = 0; i < FAILED_STARTS_RUNS; i++) {
        starts->runs[i][RUN_SIZE - 1] = '\0';
    }
}

struct err failed_starts_open(const char *data_dir, uint32_t limit,
                              struct failed_starts **ret_starts) {
    AUTO(fd_release) int folder = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return err_from_errno(errno, "starts: data directory");
    }
    AUTO(fd_release)
    int fd = openat(folder, STARTS_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_from_errno(errno, "starts: open");
    }
    struct failed_starts *starts = mem_new(sizeof *starts);
    starts->fd = fd_take(&fd);
    record_read(starts);
    if (limit > 0 && starts->deaths >= limit) {
        atomic_store(&starts->life, LIFE_HELD);
    } else {
        record_write(starts, starts->deaths + 1);
    }
    *ret_starts = starts;
    return ERR_OK;
}

void failed_starts_close(struct failed_starts *starts) {
    if (starts != NULL) {
        fd_release(&starts->fd);
        mem_free(starts);
    }
}

bool failed_starts_hold(const struct failed_starts *starts) {
    return starts != NULL && atomic_load(&starts->life) == LIFE_HELD;
}

uint32_t failed_starts_count(const struct failed_starts *starts) {
    return starts == NULL ? 0 : starts->deaths;
}

/* Each run once, with commas between. */
static void runs_write(const struct failed_starts *starts, struct text *text,
                       void (*add)(struct text *text, const char *run, size_t len)) {
    const char *comma = "";
    for (size_t at = 0; starts != NULL && at < FAILED_STARTS_RUNS; at++) {
        const char *run = starts->runs[at];
        bool known = run[0] == '\0';
        for (size_t i = 0; i < at && !known; i++) {
            known = strcmp(starts->runs[i], run) == 0;
        }
        if (!known) {
            text_add_str(text, comma);
            add(text, run, strlen(run));
            comma = ",";
        }
    }
}

void failed_starts_write(const struct failed_starts *starts, struct text *text) {
    text_addf(text, "\"failed_starts\":%u,\"last_runs\":[", failed_starts_count(starts));
    runs_write(starts, text, text_add_json);
    text_add_char(text, ']');
}

void failed_starts_name(const struct failed_starts *starts, struct text *text) {
    runs_write(starts, text, text_add);
}

void failed_starts_at(struct failed_starts *starts, struct bytes run) {
    if (starts == NULL ||
        atomic_load_explicit(&starts->life, memory_order_relaxed) != LIFE_WATCHED) {
        return;
    }
    char name[RUN_SIZE] = {0};
    if (run.len > 0 && run.len < sizeof name) {
        memcpy(name, run.data, run.len);
        ssize_t put = pwrite(starts->fd, name, sizeof name, RUNS_OFFSET);
        (void)put; /* A hint. */
    }
}

static void deaths_forget(struct failed_starts *starts, uint32_t lives) {
    starts->deaths = 0;
    memset(starts->runs, 0, sizeof starts->runs);
    record_write(starts, lives);
}

void failed_starts_good(struct failed_starts *starts, enum life_end end) {
    if (starts != NULL && (end != LIFE_LASTED || !failed_starts_hold(starts))) {
        atomic_store(&starts->life, LIFE_GOOD);
        deaths_forget(starts, 0);
    }
}

void failed_starts_accept(struct failed_starts *starts) {
    if (failed_starts_hold(starts)) {
        deaths_forget(starts, 1);
        atomic_store(&starts->life, LIFE_WATCHED);
    }
}
