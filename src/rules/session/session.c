/* rules/session/session.c: names and edges of sessions, messages and parts. */
#include "rules/session/session.h"

#include "base/words.h"
#include "rules/session/given.h"

#define X(word, name) name,
static const char *const session_states[] = {SESSION_STATES(X)};
static const char *const roles[] = {MESSAGE_ROLES(X)};
static const char *const statuses[] = {MESSAGE_STATUSES(X)};
static const char *const part_kinds[] = {PART_KINDS(X)};
static const char *const part_states[] = {PART_STATES(X)};
#undef X
static const char *const titles[] = {"", "user", "auto"};

const char *session_state_name(enum session_state state) {
    assert(state < SESSION_STATE_COUNT);
    return session_states[state];
}

const char *message_role_name(enum message_role role) {
    assert(role < MESSAGE_ROLE_COUNT);
    return roles[role];
}

const char *message_status_name(enum message_status status) {
    assert(status < MESSAGE_STATUS_COUNT);
    return statuses[status];
}

const char *part_kind_name(enum part_kind kind) {
    assert(kind < PART_KIND_COUNT);
    return part_kinds[kind];
}

const char *part_state_name(enum part_state state) {
    assert(state < PART_STATE_COUNT);
    return part_states[state];
}

const char *title_by_name(enum title_by by) {
    assert(by < TITLE_BY_COUNT);
    return titles[by];
}

bool session_state_find(struct bytes name, enum session_state *ret_state) {
    return word_find(session_states, SESSION_STATE_COUNT, name, ret_state);
}

bool message_role_find(struct bytes name, enum message_role *ret_role) {
    return word_find(roles, MESSAGE_ROLE_COUNT, name, ret_role);
}

bool message_status_find(struct bytes name, enum message_status *ret_status) {
    return word_find(statuses, MESSAGE_STATUS_COUNT, name, ret_status);
}

bool part_kind_find(struct bytes name, enum part_kind *ret_kind) {
    return word_find(part_kinds, PART_KIND_COUNT, name, ret_kind);
}

bool part_state_find(struct bytes name, enum part_state *ret_state) {
    return word_find(part_states, PART_STATE_COUNT, name, ret_state);
}

bool title_by_find(struct bytes name, enum title_by *ret_by) {
    return word_find(titles, TITLE_BY_COUNT, name, ret_by);
}

/* The drawing of session.h. What has no row here stays as it is. */
#define TO(status) (1U << MESSAGE_##status)
static const unsigned message_edges[MESSAGE_STATUS_COUNT] = {
    [MESSAGE_QUEUED] =
        TO(RUNNING) | TO(COMPLETED) | TO(INTERRUPTED) | TO(ROLLED_BACK) | TO(REMOVED),
    [MESSAGE_RUNNING] =
        TO(COMPLETED) | TO(INTERRUPTED) | TO(FAILED) | TO(ROLLED_BACK) | TO(REMOVED),
    [MESSAGE_RESERVED] = TO(RUNNING) | TO(REMOVED),
    [MESSAGE_STEERING] = TO(JOINED) | TO(COMPLETED) | TO(REMOVED),
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
