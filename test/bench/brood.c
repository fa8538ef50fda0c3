#include "brood.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "measure.h"
#include "process.h"

enum { NS_OF_S = 1000000000 };

struct sum {
    pid_t parent;
    size_t count, size;
    struct process *all; /* Owned. */
};

static void add_child(void *ctx, pid_t pid) {
    struct sum *sum = ctx;
    struct process process;
    if (!process_look(pid, &process) || process.parent != sum->parent) {
        return;
    }
    if (sum->count == sum->size) {
        sum->size = sum->size == 0 ? 64 : 2 * sum->size;
        sum->all = mem_grow(sum->all, sum->size * sizeof *sum->all);
    }
    sum->all[sum->count++] = process;
}

/* Children of `parent`; the caller frees the list. */
static struct sum children_of(pid_t parent) {
    struct sum sum = {.parent = parent};
    process_each(add_child, &sum);
    return sum;
}

/* The holders' nursery is a child of the daemon, too. */
static bool find_zygote(pid_t daemon, struct process *ret_zygote) {
    struct sum sum = children_of(daemon);
    bool found = false;
    for (size_t i = 0; i < sum.count; i++) {
        if (strncmp(sum.all[i].name, "worker", strlen("worker")) == 0) {
            *ret_zygote = sum.all[i];
            found = true;
        }
    }
    mem_free(sum.all);
    return found;
}

uint64_t brood_cpu_ns(pid_t daemon) {
    struct process zygote;
    if (daemon == 0 || !find_zygote(daemon, &zygote)) {
        return 0;
    }
    uint64_t ticks = zygote.own_ticks + zygote.childrens_ticks;
    struct sum sum = children_of(zygote.pid);
    for (size_t i = 0; i < sum.count; i++) {
        ticks += sum.all[i].own_ticks;
    }
    mem_free(sum.all);
    return ticks * (NS_OF_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

static int64_t private_kb(pid_t pid) {
    char path[64], line[256];
    (void)snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    int64_t sum = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        long long kb = 0;
        if (sscanf(line, "Private_%*[A-Za-z]: %lld kB", &kb) == 1) {
            sum += kb;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return sum;
}

void load_brood(const struct load *load) {
    struct process zygote;
    struct sum sum = {.count = 0};
    int64_t all_kb = 0, most_kb = 0;
    if (find_zygote((pid_t)load->pid, &zygote)) {
        sum = children_of(zygote.pid);
    }
    for (size_t i = 0; i < sum.count; i++) {
        int64_t kb = private_kb(sum.all[i].pid);
        all_kb += kb;
        most_kb = kb > most_kb ? kb : most_kb;
    }
    tell("workers", (double)sum.count);
    tell("private_kb", sum.count == 0 ? 0 : (double)all_kb / (double)sum.count);
    tell("private_most_kb", (double)most_kb);
    mem_free(sum.all);
}
