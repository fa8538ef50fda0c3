/* events.c: what happens to a run, as events of its stream run:ID. */
#include "engine/run/kinds.h"

#include <string.h>

#include "base/text.h"
#include "journal/journal.h"

enum { DATA_MAX = 8 << 10 };

/* With its end, the run's stream ends, too. */
static struct err append(struct tx *tx, const struct run_row *row, struct bytes type,
                         struct text *data) {
    char name[STREAM_NAME_MAX];
    static const char prefix[] = "run:";
    if (row->kind == KIND_TURN || row->kind == KIND_AGENT) {
        return ERR_OK; /* The stream of its session, or workflow, tells of it in its own words. */
    }
    if (text_failed(data)) {
        return text_error(data, "runs: event");
    }
    assert(row->run.len <= sizeof name - sizeof prefix);
    memcpy(name, prefix, sizeof prefix - 1);
    memcpy(name + sizeof prefix - 1, row->run.data, row->run.len);
    const struct append append = {.owner = row->owner,
                                  .stream = {name, sizeof prefix - 1 + row->run.len},
                                  .type = type,
                                  .data = {data->data, data->len},
                                  .last = run_state_final(row->state)};
    struct appended appended;
    return tx_append(tx, &append, &appended);
}

static void add_name(struct text *text, const char *before, const char *name) {
    text_add_str(text, before);
    text_add_char(text, '"');
    text_add_str(text, name);
    text_add_char(text, '"');
}

static void add_number(struct text *text, const char *before, int64_t number) {
    text_add_str(text, before);
    text_add_int(text, number);
}

struct err runs__event_queued(struct tx *tx, const struct run_row *row) {
    AUTO(text_done) struct text data;
    text_init(&data, DATA_MAX);
    add_name(&data, "{\"gate\":", run_gate_name(row->gate));
    text_add_char(&data, '}');
    return append(tx, row, BYTES("run_queued"), &data);
}

struct err runs__event_started(struct tx *tx, const struct run_row *row) {
    if (run_kinds[row->kind].event_started != NULL) {
        return run_kinds[row->kind].event_started(tx, row);
    }
    AUTO(text_done) struct text data;
    text_init(&data, DATA_MAX);
    add_number(&data, "{\"attempt\":", row->attempt);
    text_add_char(&data, '}');
    return append(tx, row, BYTES("run_started"), &data);
}

struct err runs__event_retrying(struct tx *tx, const struct run_row *row, int64_t wait_ms) {
    AUTO(text_done) struct text data;
    text_init(&data, DATA_MAX);
    add_number(&data, "{\"attempt\":", row->attempt);
    add_name(&data, ",\"cause\":", run_cause_name(row->cause));
    add_number(&data, ",\"wait_ms\":", wait_ms);
    text_add_str(&data, ",\"note\":");
    text_add_json(&data, row->note.data, row->note.len);
    text_add_char(&data, '}');
    return append(tx, row, BYTES("run_retrying"), &data);
}

struct err runs__event_stopping(struct tx *tx, const struct run_row *row) {
    AUTO(text_done) struct text data;
    text_init(&data, DATA_MAX);
    add_name(&data, "{\"cause\":", run_cause_name(row->stop));
    add_number(&data, ",\"grace_ms\":", row->stop_grace_ms);
    text_add_char(&data, '}');
    return append(tx, row, BYTES("run_stopping"), &data);
}

struct err runs__event_finished(struct tx *tx, const struct run_row *row) {
    if (row->kind == KIND_WORKFLOW) {
        return ERR_OK; /* Its last event has more to say. */
    }
    AUTO(text_done) struct text data;
    text_init(&data, DATA_MAX);
    add_name(&data, "{\"state\":", run_state_name(row->state));
    add_name(&data, ",\"cause\":", run_cause_name(row->cause));
    text_add_str(&data, ",\"exit_code\":");
    if (row->exit_code >= 0) {
        text_add_int(&data, row->exit_code);
    } else {
        text_add_str(&data, "null");
    }
    add_number(&data, ",\"attempts\":", run_attempts(row));
    text_add_str(&data, ",\"note\":");
    text_add_json(&data, row->note.data, row->note.len);
    text_add_char(&data, '}');
    return append(tx, row, BYTES("run_finished"), &data);
}
