/* brake.c: see brake.h. */
#include "proc/holder/brake.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder/files.h"
#include "proc/holder/tree.h"
#include "proc/holder/words.h"

enum {
    THREADS_EACH = 8,
    TASKS_SPARE = 256,

    PATH_SIZE = 300,
    STAT_SIZE = 1024
};

/* Field 20 of /proc/PID/stat: threads. */
static int64_t count_threads(const char *name) {
    char path[PATH_SIZE], stat[STAT_SIZE];
    struct words words;
    words_init(&words, path, sizeof path);
    words_add(&words, "/proc/");
    words_add(&words, name);
    words_add(&words, "/stat");
    return files_read(path, stat, sizeof stat) ? tree_stat_number(stat, 20) : 0;
}

static int64_t count_entry(int proc, const char *name, uid_t user) {
    struct stat about;
    bool ours = name[0] >= '1' && name[0] <= '9' && fstatat(proc, name, &about, 0) == 0 &&
                about.st_uid == user;
    return ours ? count_threads(name) : 0;
}

static int64_t count_tasks(uid_t user) {
    AUTO(fd_release) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct files_chunk chunk;
    int64_t count = 0;
    ssize_t got;
    while (proc >= 0 && (got = files_list(proc, &chunk)) > 0) {
        const char *name;
        for (size_t at = 0; (name = files_next(&chunk, (size_t)got, &at)) != NULL;) {
            count += count_entry(proc, name, user);
        }
    }
    return count;
}

int64_t brake_tasks(int64_t processes_max) {
    uid_t user = getuid();
    if (user == 0 || processes_max > TREE_MAX) {
        return 0;
    }
    return count_tasks(user) + processes_max * THREADS_EACH + TASKS_SPARE;
}

void brake_hurry(void) {
    const struct sched_param first = {.sched_priority = 1};
    (void)sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &first); /* Needs a privilege. */
}
