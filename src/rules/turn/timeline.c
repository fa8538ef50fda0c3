/* timeline.c: the fields of a turn in a timeline, and what they are made of. */
#include "rules/turn/timeline.h"

#include "base/number.h"
#include "rules/session/given.h"

/* --- Files ------------------------------------------------------------------------------------ */

/* "[the rest is not shown: +12 -3 lines in all]", as tool/file/diff.c ends a diff that it cuts. */
static bool totals_read(struct bytes line, struct timeline_file *file) {
    static const char head[] = "[the rest is not shown: +";
    const struct number_bounds bounds = {0, INT64_MAX};
    struct timeline_file read = *file;
    struct bytes added = BYTES(""), removed = BYTES("");
    if (!bytes_begin(line, BYTES(head))) {
        return false;
    }
    struct bytes rest = {line.data + sizeof head - 1, line.len - (sizeof head - 1)};
    if (!bytes_next(&rest, ' ', &added) || !bytes_next(&rest, ' ', &removed) || removed.len < 2) {
        return false;
    }
    removed = (struct bytes){removed.data + 1, removed.len - 1}; /* The minus. */
    if (!number_parse(added, bounds, &read.added) ||
        !number_parse(removed, bounds, &read.removed)) {
        return false;
    }
    *file = read;
    return true;
}

bool timeline_file_read(struct bytes diff, struct timeline_file *ret_file) {
    struct bytes rest = diff, old, new, line;
    if (!bytes_next(&rest, '\n', &old) || !bytes_next(&rest, '\n', &new) ||
        !bytes_begin(old, BYTES("--- ")) || !bytes_begin(new, BYTES("+++ "))) {
        return false;
    }
    const struct bytes shown = bytes_is(new, "+++ /dev/null") ? old : new;
    struct timeline_file file = {.path = {shown.data + 4, shown.len - 4}};
    while (bytes_next(&rest, '\n', &line) && !totals_read(line, &file)) {
        file.added += line.len > 0 && line.data[0] == '+';
        file.removed += line.len > 0 && line.data[0] == '-';
    }
    *ret_file = file;
    return true;
}

/* --- Cache ------------------------------------------------------------------------------------ */

const char *timeline_cache_broke(const struct timeline_call *before,
                                 const struct timeline_call *first) {
    const int64_t had = usage_input(&before->usage), reads = usage_input(&first->usage);
    const int64_t could = had < reads ? had : reads;
    if (first->usage.cache_read >= could / 2) {
        return "";
    }
    if (!bytes_equal(before->model, first->model)) {
        return "model";
    }
    if (before->prompt[0] < 0 || first->prompt[0] < 0) {
        return "";
    }
    return before->prompt[USAGE_TOOLS] != first->prompt[USAGE_TOOLS] ? "tools"
           : before->prompt[USAGE_INSTRUCTIONS] != first->prompt[USAGE_INSTRUCTIONS]
               ? "instructions"
           : before->prompt[USAGE_HISTORY] > first->prompt[USAGE_HISTORY] ? "history"
                                                                          : "";
}

/* --- Fields ----------------------------------------------------------------------------------- */

#define AT(member) offsetof(struct timeline_turn, member)

static struct field_value gate(const void *row) {
    const struct timeline_turn *turn = row;
    const char *name = run_gate_name(run_gate_shown(&turn->run));
    return (struct field_value){.null = name[0] == '\0', .text = bytes_of(name)};
}

static struct field_value broke(const void *row) {
    const struct timeline_turn *turn = row;
    return (struct field_value){.null = turn->cache_broke[0] == '\0',
                                .text = bytes_of(turn->cache_broke)};
}

static const struct field rows[] = {
    {FIELD("number", FIELD_INT, AT(number)), .required = true},
    {FIELD("run", FIELD_TEXT, AT(run.run)), .required = true},
    {FIELD("began_by", FIELD_TEXT, AT(began_by)), .required = true,
     .schema = "{\"enum\":[\"message\",\"notice\",\"again\",\"compact\"]}"},
    {FIELD("question", FIELD_TEXT, AT(question)), .empty = FIELD_EMPTY_NULL},
    {FIELD("answer", FIELD_TEXT, AT(answer)), .empty = FIELD_EMPTY_NULL},
    {FIELD("state", FIELD_NAME, AT(run.state)), .names = run_state_names, .required = true},
    {FIELD("gate", FIELD_TEXT, 0), .get = gate, .empty = FIELD_EMPTY_NULL},
    {FIELD("cause", FIELD_NAME, AT(run.cause)), .names = run_cause_names, .empty = FIELD_EMPTY_NULL,
     .schema = "{\"type\":[\"string\",\"null\"]}"},
    {FIELD("note", FIELD_TEXT, AT(run.note)), .empty = FIELD_EMPTY_NULL},
    {FIELD("model", FIELD_TEXT, AT(model)), .empty = FIELD_EMPTY_NULL},
    {FIELD("agent", FIELD_TEXT, AT(agent)), .empty = FIELD_EMPTY_NULL},
    {FIELD("queued_ms", FIELD_INT, AT(run.made_ms)), .required = true},
    {FIELD("began_ms", FIELD_TIME, AT(run.started_ms))},
    {FIELD("ended_ms", FIELD_TIME, AT(run.ended_ms))},
    {FIELD("tools", FIELD_INT, AT(tools)), .required = true},
    {FIELD("errors", FIELD_INT, AT(errors)), .required = true},
    {FIELD("usage", FIELD_OBJECT, AT(usage)), .fields = &session_usage_fields},
    {FIELD("cache_hit_rate", FIELD_STORED, AT(cache_rate)), .empty = FIELD_EMPTY_NULL,
     .schema = "{\"type\":[\"number\",\"null\"]}"},
    {FIELD("cache_broke", FIELD_TEXT, 0), .get = broke, .empty = FIELD_EMPTY_NULL,
     .schema = "{\"enum\":[null,\"model\",\"tools\",\"instructions\",\"history\"]}"},
    {FIELD("files", FIELD_STORED, AT(files)), .required = true,
     .schema = "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"path\","
               "\"added\",\"removed\"],\"properties\":{\"path\":{\"type\":\"string\"},"
               "\"added\":{\"type\":\"integer\"},\"removed\":{\"type\":\"integer\"}}}}"},
    {FIELD("files_more", FIELD_BOOL, AT(files_more)), .empty = FIELD_EMPTY_LEFT_OUT},
};
const struct field_set timeline_fields = {FIELD_ROWS(rows), .use = FIELD_LISTED};
