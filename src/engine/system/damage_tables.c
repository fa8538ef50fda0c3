/* damage_tables.c: one row for each table, in the order of their names. */
#include "engine/system/damage_tables.h"

#include <string.h>

#include "base/hash.h"
#include "base/id.h"
#include "engine/approval/approvals.h"
#include "engine/base/ids.h"
#include "engine/budget/budget.h"
#include "engine/inbox/rows.h"
#include "engine/trace/spans.h"
#include "engine/turn/rows.h"
#include "engine/workflow/rows.h"
#include "journal/journal.h"
#include "rules/inbox/inbox.h"
#include "rules/run/run.h"
#include "rules/session/session.h"
#include "rules/turn/card.h"

/* --- Words ------------------------------------------------------------------------------------ */

static bool is(struct bytes word, const char *name) {
    return word.len == strlen(name) && memcmp(word.data, name, word.len) == 0;
}

static bool receiver_known(struct bytes word) {
    enum receiver_kind found;
    return receiver_kind_find(word, &found);
}

static bool inbox_state_known(struct bytes word) {
    enum inbox_state found;
    return inbox_state_find(word, &found);
}

static bool role_known(struct bytes word) {
    enum message_role found;
    return message_role_find(word, &found);
}

static bool status_known(struct bytes word) {
    enum message_status found;
    return message_status_find(word, &found);
}

static bool part_kind_known(struct bytes word) {
    enum part_kind found;
    return part_kind_find(word, &found);
}

static bool part_state_known(struct bytes word) {
    enum part_state found;
    return part_state_find(word, &found);
}

static bool card_cause_known(struct bytes word) {
    enum card_cause found;
    return card_cause_find(word, &found);
}

static bool run_kind_known(struct bytes word) {
    enum run_kind found;
    return run_kind_find(word, &found);
}

static bool run_state_known(struct bytes word) {
    enum run_state found;
    return run_state_find(word, &found);
}

static bool run_gate_known(struct bytes word) {
    enum run_gate found;
    return run_gate_find(word, &found);
}

static bool run_cause_known(struct bytes word) {
    enum run_cause found;
    return run_cause_find(word, &found);
}

static bool session_state_known(struct bytes word) {
    enum session_state found;
    return session_state_find(word, &found);
}

static bool title_by_known(struct bytes word) {
    enum title_by found;
    return title_by_find(word, &found);
}

static bool approval_kind_known(struct bytes word) {
    return is(word, "leave") || is(word, "answer");
}

static bool maker_known(struct bytes word) {
    return is(word, "auto") || is(word, "manual");
}

static bool access_known(struct bytes word) {
    return is(word, "read") || is(word, "write");
}

static bool approval_state_known(struct bytes word) {
    unsigned state = 0;
    while (state < APPROVAL_STATE_COUNT && !is(word, approval_state_name(state))) {
        state++;
    }
    return state < APPROVAL_STATE_COUNT;
}

static bool span_kind_known(struct bytes word) {
    unsigned kind = 0;
    while (kind < SPAN_KIND_COUNT && !is(word, span_kind_name(kind))) {
        kind++;
    }
    return kind < SPAN_KIND_COUNT;
}

/* A call of a tool ends in a state of cards, any other step in one of runs. */
static bool span_state_known(struct bytes word) {
    return run_state_known(word) || part_state_known(word);
}

/* The hash of what a workflow asked; the mark of an agent's turn; "" for all other runs. */
static bool step_key_known(struct bytes word) {
    struct sha256 hash;
    return word.len == 0 || is(word, STEP_TURN_KEY) ||
           hex_parse(word, hash.bytes, sizeof hash.bytes);
}

/* A message, or the session as a whole. */
static bool fork_known(struct bytes word) {
    return word.len == 0 || id_valid(word.data, word.len, "msg") ||
           id_valid(word.data, word.len, "ses");
}

/* --- Tables ----------------------------------------------------------------------------------- */

static const struct damage_table tables[] = {
    {
        .name = "approvals",
        .page = "SELECT id, approval, owner, kind, tool, digest, arguments, about, state, "
                "answer, answered_by FROM approvals WHERE (id) > ($1) ORDER BY id LIMIT $2",
        .last = "SELECT COALESCE(max(id), 0) FROM approvals",
        .newest = 20000,
        .keys = {"id"},
        .columns = {{.name = "approval", .kind = DAMAGE_ID, .prefix = "apr"},
                    {.name = "owner", .kind = DAMAGE_TEXT},
                    {.name = "kind", .kind = DAMAGE_WORD, .known = approval_kind_known},
                    {.name = "tool", .kind = DAMAGE_TEXT},
                    {.name = "digest", .kind = DAMAGE_HASH, .may_be_empty = true},
                    {.name = "arguments", .kind = DAMAGE_JSON},
                    {.name = "about", .kind = DAMAGE_JSON, .may_be_empty = true},
                    {.name = "state", .kind = DAMAGE_WORD, .known = approval_state_known},
                    {.name = "answer", .kind = DAMAGE_TEXT},
                    {.name = "answered_by", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "attachments",
        .page = "SELECT id, attachment, owner, hash, media FROM attachments WHERE (id) > ($1) "
                "ORDER BY id LIMIT $2",
        .last = "SELECT COALESCE(max(id), 0) FROM attachments",
        .newest = 20000,
        .keys = {"id"},
        .keep = IDS_KEEP("attachments"),
        .columns = {{.name = "attachment", .kind = DAMAGE_ID, .prefix = "att"},
                    {.name = "owner", .kind = DAMAGE_TEXT},
                    {.name = "hash", .kind = DAMAGE_HASH},
                    {.name = "media", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "budget_means",
        .page = "SELECT budget, what FROM budget_means WHERE (budget, what) >= ($1, $2) ORDER "
                "BY budget, what LIMIT $3",
        .keys = {"budget", "what"},
        .text_key = true,
    },
    {
        .name = "budgets",
        .page = "SELECT id, owner, scope, path FROM budgets WHERE (id) > ($1) ORDER BY id LIMIT "
                "$2",
        .last = "SELECT COALESCE(max(id), 0) FROM budgets",
        .newest = 20000,
        .keys = {"id"},
        .keep = IDS_KEEP("budgets"),
        .columns = {{.name = "owner", .kind = DAMAGE_TEXT},
                    {.name = "scope", .kind = DAMAGE_WORD, .known = budget_scope_valid},
                    {.name = "path", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "checkpoints",
        .page = "SELECT id, made_by, method, summary FROM checkpoints WHERE (id) > ($1) ORDER "
                "BY id LIMIT $2",
        .last = "SELECT COALESCE(max(id), 0) FROM checkpoints",
        .newest = 20000,
        .keys = {"id"},
        .columns = {{.name = "made_by", .kind = DAMAGE_WORD, .known = maker_known},
                    {.name = "method", .kind = DAMAGE_WORD},
                    {.name = "summary", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "events",
        .page = "SELECT stream, seq, type, data FROM events WHERE (stream, seq) > ($1, $2) "
                "ORDER BY stream, seq LIMIT $3",
        .last = "SELECT COALESCE(max(stream), 0) FROM events",
        .newest = 50,
        .keys = {"stream", "seq"},
        .columns = {{.name = "type", .kind = DAMAGE_TEXT}, {.name = "data", .kind = DAMAGE_JSON}},
    },
    {
        .name = "idempotency",
        .page = "SELECT id, owner, route, idem_key, digest, answer FROM idempotency WHERE (id) "
                "> ($1) ORDER BY id LIMIT $2",
        .last = "SELECT COALESCE(max(id), 0) FROM idempotency",
        .newest = 20000,
        .keys = {"id"},
        .columns = {{.name = "owner", .kind = DAMAGE_TEXT},
                    {.name = "route", .kind = DAMAGE_TEXT},
                    {.name = "idem_key", .kind = DAMAGE_TEXT},
                    {.name = "digest", .kind = DAMAGE_HASH},
                    {.name = "answer", .kind = DAMAGE_JSON, .may_be_empty = true}},
    },
    {
        .name = "inbox",
        .page = "SELECT id, delivery, owner, run, receiver, address, state, cause, turn, "
                "payload FROM inbox WHERE (id) > ($1) ORDER BY id LIMIT $2",
        .last = "SELECT COALESCE(max(id), 0) FROM inbox",
        .newest = 20000,
        .keys = {"id"},
        .columns = {{.name = "delivery", .kind = DAMAGE_ID, .prefix = "dlv"},
                    {.name = "owner", .kind = DAMAGE_TEXT},
                    {.name = "run", .kind = DAMAGE_ID, .prefix = "run"},
                    {.name = "receiver", .kind = DAMAGE_WORD, .known = receiver_known},
                    {.name = "address", .kind = DAMAGE_TEXT},
                    {.name = "state", .kind = DAMAGE_WORD, .known = inbox_state_known},
                    {.name = "cause", .kind = DAMAGE_TEXT},
                    {.name = "turn", .kind = DAMAGE_ID, .may_be_empty = true, .prefix = "run"},
                    {.name = "payload", .kind = DAMAGE_JSON}},
    },
    {
        .name = "learned_windows",
        .page = "SELECT model FROM learned_windows WHERE (model) >= ($1) ORDER BY model LIMIT "
                "$2",
        .keys = {"model"},
        .text_key = true,
    },
    {
        .name = "memory",
        .page = "SELECT id, memory, owner, project, topic, title, content, tags, words FROM "
                "memory WHERE (id) > ($1) ORDER BY id LIMIT $2",
        .last = "SELECT COALESCE(max(id), 0) FROM memory",
        .newest = 20000,
        .keys = {"id"},
        .columns = {{.name = "memory", .kind = DAMAGE_ID, .prefix = "mem"},
                    {.name = "owner", .kind = DAMAGE_TEXT},
                    {.name = "project", .kind = DAMAGE_TEXT},
                    {.name = "topic", .kind = DAMAGE_TEXT},
                    {.name = "title", .kind = DAMAGE_TEXT},
                    {.name = "content", .kind = DAMAGE_TEXT},
                    {.name = "tags", .kind = DAMAGE_JSON},
                    {.name = "words", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "messages",
        .page =
            "SELECT id, message, role, status, client_id, client_digest, cause, error, "
            "metadata, answer_schema, model FROM messages WHERE (id) > ($1) ORDER BY id LIMIT $2",
        .last = "SELECT COALESCE(max(id), 0) FROM messages",
        .newest = 20000,
        .keys = {"id"},
        .keep = IDS_KEEP("messages"),
        .columns = {{.name = "message", .kind = DAMAGE_ID, .prefix = "msg"},
                    {.name = "role", .kind = DAMAGE_WORD, .known = role_known},
                    {.name = "status", .kind = DAMAGE_WORD, .known = status_known},
                    {.name = "client_id", .kind = DAMAGE_TEXT},
                    {.name = "client_digest", .kind = DAMAGE_HASH, .may_be_empty = true},
                    {.name = "cause", .kind = DAMAGE_TEXT},
                    {.name = "error", .kind = DAMAGE_TEXT},
                    {.name = "metadata", .kind = DAMAGE_JSON},
                    {.name = "answer_schema", .kind = DAMAGE_JSON, .may_be_empty = true},
                    {.name = "model", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "parts",
        .page = "SELECT id, kind, state, cause, name, call, data, text FROM parts WHERE (id) > "
                "($1) ORDER BY id LIMIT $2",
        .last = "SELECT COALESCE(max(id), 0) FROM parts",
        .newest = 20000,
        .keys = {"id"},
        .columns = {{.name = "kind", .kind = DAMAGE_WORD, .known = part_kind_known},
                    {.name = "state", .kind = DAMAGE_WORD, .known = part_state_known},
                    {.name = "cause", .kind = DAMAGE_WORD, .known = card_cause_known},
                    {.name = "name", .kind = DAMAGE_TEXT},
                    {.name = "call", .kind = DAMAGE_TEXT},
                    {.name = "data", .kind = DAMAGE_JSON},
                    {.name = "text", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "providers",
        .page = "SELECT name, kind, base_url, key_file, headers, models FROM providers WHERE "
                "(name) >= ($1) ORDER BY name LIMIT $2",
        .keys = {"name"},
        .text_key = true,
        .columns = {{.name = "kind", .kind = DAMAGE_WORD},
                    {.name = "base_url", .kind = DAMAGE_TEXT},
                    {.name = "key_file", .kind = DAMAGE_TEXT},
                    {.name = "headers", .kind = DAMAGE_JSON},
                    {.name = "models", .kind = DAMAGE_JSON}},
    },
    {
        .name = "run_input",
        .page = "SELECT run, from_offset, bytes FROM run_input WHERE (run, from_offset) > ($1, "
                "$2) ORDER BY run, from_offset LIMIT $3",
        .last = "SELECT COALESCE(max(run), 0) FROM run_input",
        .newest = 200,
        .keys = {"run", "from_offset"},
        .columns = {{.name = "bytes", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "runs",
        .page = "SELECT id, run, owner, kind, state, gate, cause, stop, run_key, label, "
                "command, shown, host, note, step_key, result, spec FROM runs WHERE (id) > ($1) "
                "ORDER BY id LIMIT $2",
        .last = "SELECT COALESCE(max(id), 0) FROM runs",
        .newest = 20000,
        .keys = {"id"},
        .keep = IDS_KEEP("runs"),
        .columns = {{.name = "run", .kind = DAMAGE_ID, .prefix = "run"},
                    {.name = "owner", .kind = DAMAGE_TEXT},
                    {.name = "kind", .kind = DAMAGE_WORD, .known = run_kind_known},
                    {.name = "state", .kind = DAMAGE_WORD, .known = run_state_known},
                    {.name = "gate", .kind = DAMAGE_WORD, .known = run_gate_known},
                    {.name = "cause", .kind = DAMAGE_WORD, .known = run_cause_known},
                    {.name = "stop", .kind = DAMAGE_WORD, .known = run_cause_known},
                    {.name = "run_key", .kind = DAMAGE_TEXT},
                    {.name = "label", .kind = DAMAGE_TEXT},
                    {.name = "command", .kind = DAMAGE_TEXT},
                    {.name = "shown", .kind = DAMAGE_JSON, .may_be_empty = true},
                    {.name = "host", .kind = DAMAGE_TEXT},
                    {.name = "note", .kind = DAMAGE_TEXT},
                    {.name = "step_key", .kind = DAMAGE_WORD, .known = step_key_known},
                    {.name = "result", .kind = DAMAGE_JSON, .may_be_empty = true},
                    {.name = "spec", .kind = DAMAGE_JSON, .may_be_empty = true}},
    },
    {
        .name = "scripts",
        .page = "SELECT hash, source FROM scripts WHERE (hash) >= ($1) ORDER BY hash LIMIT $2",
        .keys = {"hash"},
        .text_key = true,
        .columns = {{.name = "source", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "session_roots",
        .page = "SELECT session, path, access, granted_by FROM session_roots WHERE (session, "
                "path) >= ($1, $2) ORDER BY session, path LIMIT $3",
        .keys = {"session", "path"},
        .text_key = true,
        .columns = {{.name = "access", .kind = DAMAGE_WORD, .known = access_known},
                    {.name = "granted_by", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "sessions",
        .page = "SELECT id, session, owner, project, state, title, title_by, model, agent, "
                "root, forked_from, metadata, settings, instructions FROM sessions WHERE (id) > "
                "($1) ORDER BY id LIMIT $2",
        .last = "SELECT COALESCE(max(id), 0) FROM sessions",
        .newest = 20000,
        .keys = {"id"},
        .keep = IDS_KEEP("sessions"),
        .columns = {{.name = "session", .kind = DAMAGE_ID, .prefix = "ses"},
                    {.name = "owner", .kind = DAMAGE_TEXT},
                    {.name = "project", .kind = DAMAGE_TEXT},
                    {.name = "state", .kind = DAMAGE_WORD, .known = session_state_known},
                    {.name = "title", .kind = DAMAGE_TEXT},
                    {.name = "title_by", .kind = DAMAGE_WORD, .known = title_by_known},
                    {.name = "model", .kind = DAMAGE_TEXT},
                    {.name = "agent", .kind = DAMAGE_TEXT},
                    {.name = "root", .kind = DAMAGE_TEXT},
                    {.name = "forked_from", .kind = DAMAGE_WORD, .known = fork_known},
                    {.name = "metadata", .kind = DAMAGE_JSON},
                    {.name = "settings", .kind = DAMAGE_JSON, .may_be_empty = true},
                    {.name = "instructions", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "settings",
        .page = "SELECT name, value FROM settings WHERE (name) >= ($1) ORDER BY name LIMIT $2",
        .keys = {"name"},
        .text_key = true,
        .columns = {{.name = "value", .kind = DAMAGE_JSON}},
    },
    {
        .name = "spans",
        .page = "SELECT run, attempt, step, kind, name, state, cause, error, input, output FROM "
                "spans WHERE (run, attempt, step) > ($1, $2, $3) ORDER BY run, attempt, step "
                "LIMIT $4",
        .last = "SELECT COALESCE(max(run), 0) FROM spans",
        .newest = 200,
        .keys = {"run", "attempt", "step"},
        .columns = {{.name = "kind", .kind = DAMAGE_WORD, .known = span_kind_known},
                    {.name = "name", .kind = DAMAGE_TEXT},
                    {.name = "state", .kind = DAMAGE_WORD, .known = span_state_known},
                    {.name = "cause", .kind = DAMAGE_WORD},
                    {.name = "error", .kind = DAMAGE_TEXT},
                    {.name = "input", .kind = DAMAGE_JSON, .may_be_empty = true},
                    {.name = "output", .kind = DAMAGE_JSON, .may_be_empty = true}},
    },
    {
        .name = "streams",
        .keep = "UPDATE nodes SET batch = batch + 8", /* store/commit_mark.h */
        .page = "SELECT id, owner, name FROM streams WHERE (id) > ($1) ORDER BY id LIMIT $2",
        .last = "SELECT COALESCE(max(id), 0) FROM streams",
        .newest = 20000,
        .keys = {"id"},
        .part_table = "events",
        .part_column = "stream",
        .columns = {{.name = "owner", .kind = DAMAGE_TEXT},
                    {.name = "name", .kind = DAMAGE_WORD, .known = stream_name_valid}},
    },
    {
        .name = "tokens",
        .page = "SELECT id, token, owner, label, hash FROM tokens WHERE (id) > ($1) ORDER BY id "
                "LIMIT $2",
        .last = "SELECT COALESCE(max(id), 0) FROM tokens",
        .newest = 20000,
        .keys = {"id"},
        .columns = {{.name = "token", .kind = DAMAGE_ID, .prefix = "tok"},
                    {.name = "owner", .kind = DAMAGE_TEXT},
                    {.name = "label", .kind = DAMAGE_TEXT},
                    {.name = "hash", .kind = DAMAGE_HASH}},
    },
    {
        .name = "turns",
        .page = "SELECT run, began_by, model, last FROM turns WHERE (run) > ($1) "
                "ORDER BY run LIMIT $2",
        .last = "SELECT COALESCE(max(run), 0) FROM turns",
        .newest = 20000,
        .keys = {"run"},
        .keep = IDS_KEEP_TURN("1 = 1"),
        .columns = {{.name = "began_by", .kind = DAMAGE_WORD, .known = turns__trigger_known},
                    {.name = "model", .kind = DAMAGE_TEXT},
                    {.name = "last", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "usage_totals",
        .page = "SELECT id, owner, session, model, category, project, agent FROM usage_totals "
                "WHERE (id) > ($1) ORDER BY id LIMIT $2",
        .last = "SELECT COALESCE(max(id), 0) FROM usage_totals",
        .newest = 20000,
        .keys = {"id"},
        .columns = {{.name = "owner", .kind = DAMAGE_TEXT},
                    {.name = "session", .kind = DAMAGE_ID, .may_be_empty = true, .prefix = "ses"},
                    {.name = "model", .kind = DAMAGE_TEXT},
                    {.name = "category", .kind = DAMAGE_WORD},
                    {.name = "project", .kind = DAMAGE_TEXT},
                    {.name = "agent", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "workflow_refs",
        .page = "SELECT run, done_no, step_key, script, file, note FROM workflow_refs WHERE "
                "(run, done_no) > ($1, $2) ORDER BY run, done_no LIMIT $3",
        .last = "SELECT COALESCE(max(run), 0) FROM workflow_refs",
        .newest = 200,
        .keys = {"run", "done_no"},
        .columns = {{.name = "step_key", .kind = DAMAGE_HASH},
                    {.name = "script", .kind = DAMAGE_HASH, .may_be_empty = true},
                    {.name = "file", .kind = DAMAGE_TEXT},
                    {.name = "note", .kind = DAMAGE_TEXT}},
    },
    {
        .name = "workflows",
        .page = "SELECT run, script FROM workflows WHERE (run) > ($1) ORDER BY run LIMIT $2",
        .last = "SELECT COALESCE(max(run), 0) FROM workflows",
        .newest = 20000,
        .keys = {"run"},
        .columns = {{.name = "script", .kind = DAMAGE_HASH}},
    },
};

const struct damage_table *damage__tables(size_t *ret_count) {
    *ret_count = COUNT_OF(tables);
    return tables;
}
