/* waiting.c: see waiting.h. */
#include "rules/workflow/waiting.h"

static const char *const names[] = {
#define X(wait, name) [STEP_WAIT_##wait] = (name),
    STEP_WAITS(X)
#undef X
};

enum step_wait step_wait_of(const struct step_facts *facts) {
    const struct run_row *row = facts->row;
    const enum run_gate gate = run_gate_shown(row);
    if (run_state_final(row->state)) {
        return STEP_WAIT_NONE;
    }
    if (gate == GATE_HOLD) {
        return STEP_WAIT_HOLD;
    }
    if (facts->approval.len > 0) {
        return STEP_WAIT_APPROVAL;
    }
    if (gate == GATE_PROVIDER) {
        return STEP_WAIT_PROVIDER;
    }
    if (gate == GATE_BUDGET) {
        return row->day_end_ms > 0 ? STEP_WAIT_MIDNIGHT : STEP_WAIT_BUDGET;
    }
    if (gate == GATE_HOST) {
        return STEP_WAIT_HOST;
    }
    if (row->cause == CAUSE_PAUSED) {
        return STEP_WAIT_PAUSED;
    }
    return facts->limit.len > 0 || gate == GATE_SLOT ? STEP_WAIT_SLOT : STEP_WAIT_NONE;
}

/* Rows do not say since when a running agent waits for a budget, or a slot. */
static int64_t since_of(const struct step_facts *facts, enum step_wait wait) {
    return wait == STEP_WAIT_APPROVAL        ? facts->asked_ms
           : wait == STEP_WAIT_PROVIDER      ? facts->parked_ms
           : facts->row->state == RUN_QUEUED ? facts->row->made_ms
                                             : 0;
}

void step_wait_add(struct text *text, const struct step_facts *facts) {
    const struct run_row *row = facts->row;
    const enum step_wait wait = step_wait_of(facts);
    const int64_t since_ms = since_of(facts, wait);
    if (wait == STEP_WAIT_NONE) {
        text_add_member_or_null(text, "waiting", BYTES(""));
        return;
    }
    text_add_name(text, "waiting");
    text_add_char(text, '{');
    text_add_member(text, "for", bytes_of(names[wait]));
    text_add_member_int_or_null(text, "since_ms", since_ms, since_ms > 0);
    if (wait == STEP_WAIT_APPROVAL) {
        text_add_member(text, "approval", facts->approval);
        text_add_member(text, "tool", facts->tool);
    } else if (wait == STEP_WAIT_PROVIDER || wait == STEP_WAIT_MIDNIGHT) {
        text_add_member_int(text, "resume_at_ms", run_resume_at_ms(row));
    }
    if (wait == STEP_WAIT_PROVIDER && row->cause != CAUSE_NONE) {
        text_add_member(text, "cause", bytes_of(run_cause_name(row->cause)));
    }
    if ((wait == STEP_WAIT_MIDNIGHT || wait == STEP_WAIT_BUDGET) && row->note.len > 0) {
        text_add_member(text, "note", row->note);
    }
    if (wait == STEP_WAIT_SLOT && facts->limit.len > 0) {
        text_add_member(text, "limit", facts->limit);
        text_add_member_or_null(text, "name", facts->name);
    }
    text_add_char(text, '}');
}
