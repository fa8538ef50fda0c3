/* call_filter.c: see call_filter.h.
 *
 * Each row becomes a few steps: is it this call, does each condition hold, then the answer. A path
 * through it costs some hundred comparisons at worst, and the kernel remembers which calls are
 * allowed whatever their arguments are.
 */
#include "proc/sandbox/call_filter.h"

#include <stddef.h>
#include <sys/prctl.h>

#if defined(__x86_64__)
enum { FOREIGN_BIT = 0x40000000 }; /* x32: the same processor by other numbers. */
#define PROCESSOR 0xC000003EU
#elif defined(__aarch64__)
enum { FOREIGN_BIT = 0 };
#define PROCESSOR 0xC00000B7U
#else
#error "there is no filter of system calls for this processor"
#endif

enum { LOAD = 0x20, AND = 0x54, IF_EQUAL = 0x15, IF_ANY_BIT = 0x45, RETURN = 0x06 };
enum { AT_NUMBER = 0, AT_PROCESSOR = 4, AT_ARGUMENTS = 16, ARGUMENT_SIZE = 8 };
#define ANSWER_KILL 0x80000000U
#define ANSWER_ERRNO 0x00050000U
#define ANSWER_ALLOW 0x7FFF0000U

static struct filter_step *put(struct filter *filter, int code, uint32_t value) {
    assert(filter->len < FILTER_MAX);
    struct filter_step *step = &filter->steps[filter->len++];
    *step = (struct filter_step){.code = (uint16_t)code, .value = value};
    return step;
}

/* What does not hold goes on behind the row: the distance is known when the row is whole. */
struct exits {
    struct filter_step *steps[FILTER_CONDITIONS_MAX];
    bool on_yes[FILTER_CONDITIONS_MAX];
    size_t count;
};

static void put_condition(struct filter *filter, const struct filter_condition *condition,
                          struct exits *exits) {
    bool of_bits = condition->how == FILTER_ANY_BIT || condition->how == FILTER_NO_BIT;
    put(filter, LOAD, AT_ARGUMENTS + ARGUMENT_SIZE * (uint32_t)condition->argument);
    if (condition->mask != FILTER_WHOLE || of_bits) {
        put(filter, AND, (uint32_t)condition->mask);
    }
    exits->steps[exits->count] = put(filter, IF_EQUAL, of_bits ? 0U : (uint32_t)condition->value);
    exits->on_yes[exits->count++] =
        condition->how == FILTER_NOT_EQUAL || condition->how == FILTER_ANY_BIT;
}

static void put_row(struct filter *filter, const struct filter_row *row) {
    struct filter_step *other_call = put(filter, IF_EQUAL, (uint32_t)row->call);
    uint16_t begin = filter->len;
    struct exits exits = {.count = 0};
    for (size_t i = 0; i < FILTER_CONDITIONS_MAX && row->conditions[i].how != FILTER_UNUSED; i++) {
        put_condition(filter, &row->conditions[i], &exits);
    }
    bool allows = row->answer == FILTER_ALLOW;
    put(filter, RETURN, allows ? ANSWER_ALLOW : ANSWER_ERRNO | (uint32_t)row->answer);
    for (size_t i = 0; i < exits.count; i++) {
        struct filter_step *step = exits.steps[i];
        ptrdiff_t distance = &filter->steps[filter->len] - step - 1;
        *(exits.on_yes[i] ? &step->yes : &step->no) = (uint8_t)distance;
    }
    if (exits.count > 0) {
        put(filter, LOAD, AT_NUMBER);
    }
    other_call->no = (uint8_t)(filter->len - begin);
}

void call_filter_begin(struct filter *filter) {
    filter->len = 0;
    put(filter, LOAD, AT_PROCESSOR);
    put(filter, IF_EQUAL, PROCESSOR)->yes = 1;
    put(filter, RETURN, ANSWER_KILL);
    put(filter, LOAD, AT_NUMBER);
    put(filter, IF_ANY_BIT, FOREIGN_BIT)->no = 1;
    put(filter, RETURN, ANSWER_KILL);
}

void call_filter_add(struct filter *filter, const struct filter_row *rows, size_t count) {
    for (size_t i = 0; i < count && rows[i].call >= 0; i++) {
        put_row(filter, &rows[i]);
    }
}

void call_filter_end(struct filter *filter, enum filter_rest rest) {
    put(filter, RETURN, rest == FILTER_REST_KILLS ? ANSWER_KILL : ANSWER_ALLOW);
}

int call_filter_enter(const struct filter *filter) {
    enum { MODE_FILTER = 2 };
    const struct {
        unsigned short len;
        const struct filter_step *steps;
    } program = {filter->len, filter->steps};
    return prctl(PR_SET_SECCOMP, MODE_FILTER, &program);
}
