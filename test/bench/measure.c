#include "measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/number.h"

_Noreturn void die(const char *what) {
    (void)fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

_Noreturn void die_saying(const char *sentence) {
    (void)fprintf(stderr, "bench: %s\n", sentence);
    exit(1);
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) < 0) {
        die("clock_gettime");
    }
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t now_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t process_cpu_ns(pid_t pid) {
    if (pid == 0) {
        return 0;
    }
    /* The clock of a process counts nanoseconds, where /proc counts ticks of ten milliseconds. */
    clockid_t clock;
    int rc = clock_getcpuclockid(pid, &clock);
    if (rc != 0) {
        errno = rc;
        die("the process to watch");
    }
    return clock_ns(clock);
}

int64_t process_pss_kb(pid_t pid) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        die(path);
    }
    char line[256];
    long long pss = -1;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "Pss: %lld kB", &pss) == 1) {
            break;
        }
    }
    (void)fclose(file);
    return pss;
}

void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        die("getrlimit");
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        die("setrlimit");
    }
}

/* Below 32 ns each has its own bucket; above, five bits behind the leading one choose. */
static size_t bucket_of(uint64_t ns) {
    if (ns < 32) {
        return (size_t)ns;
    }
    unsigned shift = 63U - (unsigned)__builtin_clzll(ns) - 5U;
    return 32U * (shift + 1U) + ((size_t)(ns >> shift) & 31U);
}

static uint64_t bucket_start(size_t bucket) {
    if (bucket < 32) {
        return bucket;
    }
    return (32U + (bucket & 31U)) << (bucket / 32U - 1U);
}

void histogram_add(struct histogram *histogram, uint64_t ns) {
    histogram->counts[bucket_of(ns)]++;
    histogram->total++;
    if (ns > histogram->max_ns) {
        histogram->max_ns = ns;
    }
}

double histogram_us(const struct histogram *histogram, double share) {
    uint64_t wanted = (uint64_t)((double)histogram->total * share);
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen > wanted) {
            return (double)bucket_start(i) / 1000.0;
        }
    }
    return (double)histogram->max_ns / 1000.0;
}

void tell(const char *name, double value) {
    (void)printf("%s=%.3f\n", name, value);
    (void)fflush(stdout);
}

void tell_latency(const struct histogram *histogram) {
    tell("p50_us", histogram_us(histogram, 0.5));
    tell("p99_us", histogram_us(histogram, 0.99));
    tell("max_us", (double)histogram->max_ns / 1000.0);
}

static const struct option_row *find_option(const char *arg, const struct option_row *rows,
                                            size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strncmp(arg, "--", 2) == 0 && strcmp(arg + 2, rows[i].name) == 0) {
            return &rows[i];
        }
    }
    (void)fprintf(stderr, "bench: unknown option %s\n", arg);
    exit(2);
}

void options_parse(char **args, const struct option_row *rows, size_t count) {
    for (; *args != NULL; args++) {
        const struct option_row *row = find_option(*args, rows, count);
        if (row->flag != NULL) {
            *row->flag = true;
            continue;
        }
        args++;
        if (*args == NULL) {
            die_saying("the last option has no value");
        }
        if (row->text != NULL) {
            *row->text = *args;
        } else if (!number_parse((struct bytes){*args, strlen(*args)},
                                 (struct number_bounds){0, INT64_MAX}, row->number)) {
            die_saying("an option's value is not a number");
        }
    }
}
