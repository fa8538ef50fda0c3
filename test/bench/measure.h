/* measure.h: clocks, other processes, and what a run amounted to.
 *
 * Promise    cheap enough for every request: a histogram takes a few nanoseconds and no memory.
 * Threads    one.
 * Failure    a benchmark that cannot measure says why and exits with 1.
 */
#ifndef DROVER_BENCH_MEASURE_H
#define DROVER_BENCH_MEASURE_H

#include <sys/types.h>

#include "base/base.h"

_Noreturn void die(const char *what);            /* With the text of errno. */
_Noreturn void die_saying(const char *sentence); /* Without. */

uint64_t now_ns(void);
uint64_t process_cpu_ns(pid_t pid); /* User and system time of all its threads; pid 0: 0. */
int64_t process_pss_kb(pid_t pid);
void raise_descriptor_limit(void);

/* Buckets of 1/32 of a power of two: an error of at most 3 %. */
enum { HISTOGRAM_BUCKETS = 64 * 32 };
struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total, max_ns;
};
void histogram_add(struct histogram *histogram, uint64_t ns);
double histogram_us(const struct histogram *histogram, double share); /* 0.5: the median. */

/* Everything that a tool found out is one line "name=value" on stdout. */
void tell(const char *name, double value);
void tell_latency(const struct histogram *histogram);

/* `--name value` pairs; a flag has neither `number` nor `text`. What is not here is refused. */
struct option_row {
    const char *name;
    int64_t *number;
    const char **text;
    bool *flag;
};
void options_parse(char **args, const struct option_row *rows, size_t count);

#endif
