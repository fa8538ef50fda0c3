/* card.c: one table, and the two ways into it. */
#include "rules/turn/card.h"

#define X(cause, name, state, mark) name,
const char *const card_cause_names[] = {CARD_CAUSES(X) NULL};
#undef X
#define X(cause, name, state, mark) PART_STATE_##state,
static const enum part_state states[CARD_CAUSE_COUNT] = {CARD_CAUSES(X)};
#undef X
#define X(cause, name, state, mark) CARD_MARK_##mark,
static const enum card_mark marks[CARD_CAUSE_COUNT] = {CARD_CAUSES(X)};
#undef X

const char *card_cause_name(enum card_cause cause) {
    assert(cause < CARD_CAUSE_COUNT);
    return card_cause_names[cause];
}

bool card_cause_find(struct bytes name, enum card_cause *ret_cause) {
    return bytes_find(name, card_cause_names, ret_cause);
}

enum part_state card_cause_state(enum card_cause cause) {
    assert(cause < CARD_CAUSE_COUNT);
    return states[cause];
}

enum card_mark card_cause_mark(enum card_cause cause) {
    assert(cause < CARD_CAUSE_COUNT);
    return marks[cause];
}

/* An error that is not here is one of the machine: an I/O error. */
static const enum card_cause of_errors[ERR_CODES] = {
    [ERR_BAD_JSON] = CARD_BAD_ARGUMENTS,      [ERR_BAD_FIELD] = CARD_BAD_ARGUMENTS,
    [ERR_UNKNOWN_FIELD] = CARD_BAD_ARGUMENTS, [ERR_MISSING_FIELD] = CARD_BAD_ARGUMENTS,
    [ERR_BAD_PATTERN] = CARD_BAD_ARGUMENTS,   [ERR_BAD_SCRIPT] = CARD_BAD_ARGUMENTS,
    [ERR_NOT_FOUND] = CARD_NOT_FOUND,         [ERR_WORKFLOW_NOT_FOUND] = CARD_NOT_FOUND,
    [ERR_FORBIDDEN] = CARD_NOT_PERMITTED,     [ERR_NO_PERMISSION] = CARD_NOT_PERMITTED,
    [ERR_CONFLICT] = CARD_CONFLICT,           [ERR_BODY_TOO_LARGE] = CARD_TOO_LARGE,
    [ERR_TEXT_TOO_LONG] = CARD_TOO_LARGE,     [ERR_TOO_EXPENSIVE] = CARD_TOO_EXPENSIVE,
    [ERR_DISK_FULL] = CARD_DISK_FULL,         [ERR_OUT_OF_MEMORY] = CARD_NO_MEMORY,
    [ERR_TOO_MANY] = CARD_TOO_MANY,           [ERR_OVERLOADED] = CARD_TOO_MANY,
};

enum card_cause card_cause_of_error(enum err_code code) {
    assert(code < ERR_CODES);
    return of_errors[code] == CARD_DONE ? CARD_IO_ERROR : of_errors[code];
}

enum card_cause card_cause_of_run(enum card_run kind, enum run_state state, enum run_cause cause) {
    bool ended = cause == CAUSE_COMPLETED || cause == CAUSE_EXIT_CODE || cause == CAUSE_SIGNAL;
    if (state == RUN_SUCCEEDED || (kind == CARD_RUN_COMMAND && ended)) {
        return CARD_DONE;
    }
    switch (state) {
    case RUN_CANCELLED:
        return CARD_STOPPED;
    case RUN_LOST:
        return CARD_RUN_LOST;
    case RUN_TIMED_OUT:
        return CARD_TIMED_OUT;
    default:
        return cause == CAUSE_DEADLINE      ? CARD_TIMED_OUT
               : cause == CAUSE_NOT_STARTED ? CARD_NOT_STARTED
               : ended                      ? CARD_EXIT_CODE
                                            : CARD_RUN_FAILED;
    }
}
