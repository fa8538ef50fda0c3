/* events.c: what happens to a run, as events of its stream run:ID. */
#include "engine/run/kinds.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "journal/journal.h"

enum { DATA_MAX = 8 << 10 };

struct bytes runs__stream(struct tx *tx, struct bytes run) {
    static const char prefix[] = "run:";
    char name[STREAM_NAME_MAX];
    const size_t len = sizeof prefix - 1 + run.len;
    assert(len <= sizeof name);
    memcpy(name, prefix, sizeof prefix - 1);
    memcpy(name + sizeof prefix - 1, run.data, run.len);
    return tx_copy(tx, (struct bytes){name, len});
}

struct append runs__event_of(struct tx *tx, const struct run_key *run, const char *type,
                             const struct text *data) {
    if (text_failed(data)) {
        tx_fail(tx, text_error(data, "runs: event"));
    }
    return (struct append){.owner = run->owner,
                           .stream = runs__stream(tx, run->run),
                           .type = bytes_of(type),
                           .data = text_bytes(data)};
}

/* Closes the object. With the run's end its stream ends, too. Of a turn or an agent the stream of
 * its session or workflow tells, in words of its own. */
static struct err event_append(struct tx *tx, const struct run_row *row, const char *type,
                               struct text *data) {
    const struct run_key key = {.owner = row->owner, .run = row->run};
    struct appended appended;
    if (row->kind == KIND_TURN || row->kind == KIND_AGENT) {
        return ERR_OK;
    }
    text_add_char(data, '}');
    struct append append = runs__event_of(tx, &key, type, data);
    append.last = run_state_final(row->state);
    return tx_append(tx, &append, &appended);
}

static void event_begin(struct text *data) {
    text_init(data, DATA_MAX);
    text_add_char(data, '{');
}

struct err runs__event_queued(struct tx *tx, const struct run_row *row) {
    AUTO(text_done) struct text data;
    event_begin(&data);
    text_add_member(&data, "gate", bytes_of(run_gate_name(row->gate)));
    return event_append(tx, row, "run_queued", &data);
}

struct err runs__event_started(struct tx *tx, const struct run_row *row) {
    AUTO(text_done) struct text data;
    event_begin(&data);
    if (run_kinds[row->kind].event_started != NULL) {
        return run_kinds[row->kind].event_started(tx, row);
    }
    text_add_member_int(&data, "attempt", row->attempt);
    return event_append(tx, row, "run_started", &data);
}

struct err runs__event_retrying(struct tx *tx, const struct run_row *row, int64_t wait_ms) {
    AUTO(text_done) struct text data;
    event_begin(&data);
    text_add_member_int(&data, "attempt", row->attempt);
    text_add_member(&data, "cause", bytes_of(run_cause_name(row->cause)));
    text_add_member_int(&data, "wait_ms", wait_ms);
    text_add_member(&data, "note", row->note);
    return event_append(tx, row, "run_retrying", &data);
}

struct err runs__event_stopping(struct tx *tx, const struct run_row *row) {
    AUTO(text_done) struct text data;
    event_begin(&data);
    text_add_member(&data, "cause", bytes_of(run_cause_name(row->stop)));
    text_add_member_int(&data, "grace_ms", row->stop_grace_ms);
    return event_append(tx, row, "run_stopping", &data);
}

/* The last event of a workflow has more to say, and is written with its result. */
struct err runs__event_finished(struct tx *tx, const struct run_row *row) {
    AUTO(text_done) struct text data;
    event_begin(&data);
    if (row->kind == KIND_WORKFLOW) {
        return ERR_OK;
    }
    text_add_member(&data, "state", bytes_of(run_state_name(row->state)));
    text_add_member(&data, "cause", bytes_of(run_cause_name(row->cause)));
    text_add_member_int_or_null(&data, "exit_code", row->exit_code, row->exit_code >= 0);
    text_add_member_int(&data, "attempts", run_attempts(row));
    text_add_member(&data, "note", row->note);
    return event_append(tx, row, "run_finished", &data);
}
