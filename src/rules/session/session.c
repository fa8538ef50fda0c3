/* rules/session/session.c: names and edges of sessions, messages and parts. */
#include "rules/session/session.h"

#include <string.h>

#include "rules/session/given.h"

#define X(word, name) name,
const char *const session_state_names[] = {SESSION_STATES(X) NULL};
const char *const message_role_names[] = {MESSAGE_ROLES(X) NULL};
const char *const message_status_names[] = {MESSAGE_STATUSES(X) NULL};
const char *const part_kind_names[] = {PART_KINDS(X) NULL};
const char *const part_state_names[] = {PART_STATES(X) NULL};
#undef X
const char *const title_by_names[] = {"", "user", "auto", NULL};

const char *message_status_name(enum message_status status) {
    assert(status < MESSAGE_STATUS_COUNT);
    return message_status_names[status];
}

const char *part_kind_name(enum part_kind kind) {
    assert(kind < PART_KIND_COUNT);
    return part_kind_names[kind];
}

const char *part_state_name(enum part_state state) {
    assert(state < PART_STATE_COUNT);
    return part_state_names[state];
}

bool part_state_find(struct bytes name, enum part_state *ret_state) {
    return bytes_find(name, part_state_names, ret_state);
}

/* The drawing of session.h. What has no row here stays as it is. */
#define TO(status) (1U << MESSAGE_##status)
static const unsigned message_edges[MESSAGE_STATUS_COUNT] = {
    [MESSAGE_QUEUED] =
        TO(RUNNING) | TO(COMPLETED) | TO(INTERRUPTED) | TO(ROLLED_BACK) | TO(REMOVED),
    [MESSAGE_RUNNING] =
        TO(COMPLETED) | TO(INTERRUPTED) | TO(FAILED) | TO(ROLLED_BACK) | TO(REMOVED),
    [MESSAGE_RESERVED] = TO(RUNNING) | TO(REMOVED),
    [MESSAGE_STEERING] = TO(DELIVERED) | TO(JOINED) | TO(COMPLETED) | TO(REMOVED),
    [MESSAGE_DELIVERED] = TO(STEERING) | TO(JOINED) | TO(COMPLETED) | TO(REMOVED),
    [MESSAGE_COMPLETED] = TO(ROLLED_BACK) | TO(REMOVED),
    [MESSAGE_INTERRUPTED] = TO(COMPLETED) | TO(ROLLED_BACK) | TO(REMOVED),
    [MESSAGE_FAILED] = TO(ROLLED_BACK) | TO(REMOVED),
    [MESSAGE_JOINED] = TO(ROLLED_BACK) | TO(REMOVED),
    [MESSAGE_ROLLED_BACK] = TO(REMOVED),
};
#undef TO

bool message_edge_legal(enum message_status from, enum message_status to) {
    assert(from < MESSAGE_STATUS_COUNT);
    assert(to < MESSAGE_STATUS_COUNT);
    return (message_edges[from] & (1U << to)) != 0;
}

bool message_shown(enum message_status status) {
    return status != MESSAGE_REMOVED && status != MESSAGE_RESERVED;
}

bool part_state_open(enum part_state state) {
    return state == PART_STATE_READY || state == PART_STATE_ASKING || state == PART_STATE_RUNNING ||
           state == PART_STATE_PENDING || state == PART_STATE_REVIEWING;
}

void session_usage_add(struct session_usage *sum, const struct session_usage *more) {
    int64_t sums[SESSION_USAGE_NUMBERS], numbers[SESSION_USAGE_NUMBERS];
    memcpy(sums, sum, sizeof sums);
    memcpy(numbers, more, sizeof numbers);
    for (size_t i = 0; i < SESSION_USAGE_NUMBERS; i++) {
        if (__builtin_add_overflow(sums[i], numbers[i], &sums[i])) {
            sums[i] = numbers[i] < 0 ? INT64_MIN : INT64_MAX;
        }
    }
    memcpy(sum, sums, sizeof sums);
}

bool session_project_valid(struct bytes project) {
    if (project.len == 0 || project.len > SESSION_PROJECT_MAX) {
        return false;
    }
    for (size_t i = 0; i < project.len; i++) {
        char c = project.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (i == 0 || (c != '_' && c != '.' && c != '-'))) {
            return false;
        }
    }
    return true;
}
