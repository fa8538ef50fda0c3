/* call_filter.h: which system calls a process may make, from rows to a program for the kernel.
 *
 * A row judges one call, by its number and its plain arguments: the kernel shows a filter no
 * memory, so neither paths nor addresses. Arguments are compared by their low 32 bits: where the
 * kernel takes 32, the rest is ignored by it too, and a filter that looked at it could be got
 * around.
 * Compiled into small static programs: no allocation, no state.
 *
 * Promise    a call in a foreign numbering (another processor's, x32) ends the process. Of the
 *            others, the first row answers whose call it is and whose conditions all hold; if there
 *            is none, what call_filter_end said. Nothing that descends from the process gets rid of
 *            it.
 * Ownership  plain memory.
 */
#ifndef DROVER_PROC_SANDBOX_CALL_FILTER_H
#define DROVER_PROC_SANDBOX_CALL_FILTER_H

#include "base/base.h"

enum { FILTER_MAX = 512, FILTER_CONDITIONS_MAX = 4 };

/* As the kernel's struct sock_filter, whose header the C library of the holder doesn't bring. */
struct filter_step {
    uint16_t code;
    uint8_t yes, no;
    uint32_t value;
};
struct filter {
    uint16_t len;
    struct filter_step steps[FILTER_MAX];
};

enum { FILTER_WHOLE = -1 };
enum filter_how { FILTER_UNUSED, FILTER_EQUAL, FILTER_NOT_EQUAL, FILTER_ANY_BIT, FILTER_NO_BIT };
struct filter_condition {
    enum filter_how how;
    unsigned char argument; /* From 0. */
    int mask;               /* What of it counts. */
    int value;              /* Of EQUAL and NOT_EQUAL. */
};
enum { FILTER_ALLOW = 0 };
struct filter_row {
    int call;   /* Below 0: the rows end here. */
    int answer; /* FILTER_ALLOW, or the errno with which it fails. */
    struct filter_condition conditions[FILTER_CONDITIONS_MAX]; /* None: always. */
};

void call_filter_begin(struct filter *filter);
void call_filter_add(struct filter *filter, const struct filter_row *rows, size_t count);
enum filter_rest { FILTER_REST_ALLOWED, FILTER_REST_KILLS };
void call_filter_end(struct filter *filter, enum filter_rest rest);

/* For this thread and what it starts, for ever; it must have given up new privileges. -1: errno. */
int call_filter_enter(const struct filter *filter);

#endif
