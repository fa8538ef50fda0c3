/* read.c: a flow as its file describes it: read, and refused where it cannot be run. See flow.h.
 *
 * First every step is read by itself, then what the steps say of each other, then circles: each
 * sentence names the step, so that its author finds the place.
 */
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "base/text.h"
#include "rules/approval/question.h"
#include "rules/flow/flow.h"

static size_t name_find(const char *const *names, const char *name) {
    size_t at = 0;
    while (names[at] != NULL && strcmp(names[at], name) != 0) {
        at++;
    }
    return names[at] != NULL ? at : FLOW_NONE;
}

/* As the worker describes a function. */
static bool is_function(const json_t *value) {
    return json_is_true(json_object_get(value, "function"));
}

/* --- Ids ------------------------------------------------------------------------------------- */

/* Open addressing: of the step of that id, or the free slot where it would be. Each transaction of
 * a flow reads its description, and each name in that is looked up. */
static size_t slot_find(const struct flow *flow, struct bytes id) {
    size_t slot = bytes_hash(id) % FLOW_SLOTS;
    while (flow->slots[slot] != 0 && !bytes_equal(flow->steps[flow->slots[slot] - 1].id, id)) {
        slot = (slot + 1) % FLOW_SLOTS;
    }
    return slot;
}

size_t flow_find(const struct flow *flow, struct bytes id) {
    const uint16_t number = flow->slots[slot_find(flow, id)];
    return number > 0 ? (size_t)number - 1 : FLOW_NONE;
}

/* --- Each step by itself ---------------------------------------------------------------------- */

static bool id_is_valid(struct bytes id) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-."
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    bool valid = id.len > 0 && id.len <= FLOW_ID_MAX;
    for (size_t i = 0; i < id.len && valid; i++) {
        valid = id.data[i] != '\0' && strchr(letters, id.data[i]) != NULL;
    }
    return valid;
}

/* Refusals name the step. */
static struct err step_refuse(const struct flow_step *step, struct why *why, const char *sentence) {
    return err_why(why, ERR_BAD_FLOW, "step '%.*s': %s", (int)step->id.len, step->id.data,
                   sentence);
}

/* Members of a step: their form, and the kinds of step in which they stand. */
enum member_form { A_FUNCTION, A_TEXT, A_COUNT, A_LIST, AN_OBJECT, A_BOOLEAN, WORDS };
#define KIND(kind) (1U << FLOW_KIND_##kind)
enum { ALL_KINDS = (1U << FLOW_KIND_COUNT) - 1 };
static const struct member {
    const char *name;
    enum member_form form;
    unsigned kinds;
    unsigned has;
} members[] = {
    {"id", A_TEXT, ALL_KINDS, 0},
    {"kind", A_TEXT, ALL_KINDS, 0},
    {"deps", A_LIST, ALL_KINDS, 0},
    {"trigger_rule", A_TEXT, ALL_KINDS, 0},
    {"batch", A_TEXT, ALL_KINDS, 0},
    {"label", A_TEXT, ALL_KINDS, 0},
    {"when", A_FUNCTION, ALL_KINDS, FLOW_HAS_WHEN},
    {"run", A_FUNCTION, ALL_KINDS, FLOW_HAS_RUN},
    {"agent", A_TEXT, KIND(AGENT), 0},
    {"agents", A_LIST, KIND(AGENT), 0},
    {"model", A_TEXT, KIND(AGENT), 0},
    {"schema", AN_OBJECT, KIND(AGENT) | KIND(APPROVAL), 0},
    {"maxRetries", A_COUNT, KIND(AGENT) | KIND(COMMAND) | KIND(WORKFLOW) | KIND(FLOW), 0},
    {"loop", AN_OBJECT, ALL_KINDS & ~(KIND(SWITCH) | KIND(APPROVAL)), 0},
    {"cases", A_LIST, KIND(SWITCH), 0},
    {"defaultBranch", A_LIST, KIND(SWITCH), FLOW_HAS_DEFAULT},
    {"command", A_TEXT, KIND(COMMAND), 0},
    {"workflow", A_TEXT, KIND(WORKFLOW), 0},
    {"flow", A_TEXT, KIND(FLOW), 0},
    {"prompt", A_TEXT, KIND(APPROVAL), 0},
    {"approvers", A_LIST, KIND(APPROVAL), 0},
    {"rewind_to", A_TEXT, KIND(APPROVAL), 0},
    {"timeoutMs", A_COUNT, ALL_KINDS, 0},
    {"on_timeout", A_TEXT, KIND(APPROVAL), 0},
};

static bool member_fits(const json_t *value, enum member_form form) {
    switch (form) {
    case A_FUNCTION:
        return is_function(value);
    case A_TEXT:
        return json_is_string(value) && json_string_length(value) > 0 &&
               strlen(json_string_value(value)) == json_string_length(value);
    case A_COUNT:
        return json_is_integer(value) && json_integer_value(value) >= 0;
    case A_LIST:
        return json_is_array(value);
    case AN_OBJECT:
        return json_is_object(value) && !is_function(value);
    case A_BOOLEAN:
        return json_is_boolean(value);
    case WORDS:
        return json_is_string(value);
    }
    return false;
}

static const char *const form_names[] = {
    [A_FUNCTION] = "a function",
    [A_TEXT] = "a text that is not empty",
    [A_COUNT] = "a whole number, 0 or more",
    [A_LIST] = "a list",
    [AN_OBJECT] = "an object",
    [A_BOOLEAN] = "true or false",
    [WORDS] = "a text",
};

static bool member_is_for(const struct member *member, const struct flow_step *step) {
    return (member->kinds & 1U << step->kind) != 0;
}

static const struct member *member_find(const struct flow_step *step, struct bytes name) {
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (member_is_for(&members[i], step) && bytes_equal(bytes_of(members[i].name), name)) {
            return &members[i];
        }
    }
    return NULL;
}

/* Only for a refusal: each transaction of a flow reads its description. */
static const char *member_near(const struct flow_step *step, struct bytes name) {
    struct suggest suggest;
    suggest_begin(&suggest, name.data);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (member_is_for(&members[i], step)) {
            suggest_offer(&suggest, members[i].name);
        }
    }
    return suggest_best(&suggest);
}

static struct err member_check(struct flow_step *step, const struct json_member *at,
                               struct why *why) {
    const struct member *member = member_find(step, at->key);
    if (member == NULL) {
        const char *near = member_near(step, at->key);
        return err_why(why, ERR_BAD_FLOW,
                       "step '%.*s': a step of the kind %s has no \"%.*s\"%s%s%s",
                       (int)step->id.len, step->id.data, flow_kind_names[step->kind],
                       (int)(at->key.len < FLOW_ID_MAX ? at->key.len : FLOW_ID_MAX), at->key.data,
                       near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                       near != NULL ? "\"?" : "");
    }
    if (!member_fits(at->value, member->form)) {
        return err_why(why, ERR_BAD_FLOW, "step '%.*s': \"%s\" must be %s", (int)step->id.len,
                       step->id.data, member->name, form_names[member->form]);
    }
    step->has |= member->has;
    return ERR_OK;
}

static struct err count_read(const struct flow_step *step, const json_t *object, const char *name,
                             int64_t max, int64_t *ret_count, struct why *why) {
    const int64_t count = json_int(object, name, 0);
    if (count < 0 || count > max) {
        return err_why(why, ERR_BAD_FLOW, "step '%.*s': \"%s\" must be 0 to %lld, not %lld",
                       (int)step->id.len, step->id.data, name, (long long)max, (long long)count);
    }
    *ret_count = count;
    return ERR_OK;
}

static struct err loop_read(struct flow_step *step, struct why *why) {
    const json_t *loop = json_object_get(step->json, "loop");
    if (loop == NULL) {
        return ERR_OK;
    }
    const int64_t max = json_int(loop, "max", 0);
    if (!is_function(json_object_get(loop, "until")) || max < 1 || max > FLOW_LOOP_MAX) {
        return step_refuse(step, why,
                           "\"loop\" needs a function \"until\", and \"max\", a number from 1 to "
                           "100");
    }
    step->has |= FLOW_HAS_UNTIL;
    step->loop_max = max;
    return ERR_OK;
}

/* The form must be one that somebody can fill in, and the question must fit with its words, which
 * are cut: a question that cannot be asked would hold up everything in its commit. */
static struct err form_check(const struct flow_step *step, struct why *why) {
    AUTO(text_done) struct text text = text_up_to(FLOW_FORM_MAX);
    const json_t *parts[] = {json_object_get(step->json, "schema"),
                             json_object_get(step->json, "approvers")};
    enum approval_kind kind = ASKS_CONFIRM;
    struct why inner = {""};
    if (err_failed(question_check(step->json, &kind, &inner))) {
        return step_refuse(step, why, inner.text);
    }
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (parts[i] != NULL && err_failed(json_write(parts[i], &text))) {
            return step_refuse(step, why,
                               "\"schema\" and \"approvers\" have more than 48 kB of JSON");
        }
    }
    return ERR_OK;
}

/* A step of its kind cannot do without these. */
static struct err needs_check(const struct flow_step *step, struct why *why) {
    const bool runs = (step->has & FLOW_HAS_RUN) != 0;
    switch (step->kind) {
    case FLOW_KIND_AGENT:
    case FLOW_KIND_CODE:
        return runs ? ERR_OK : step_refuse(step, why, "it needs a function \"run\"");
    case FLOW_KIND_SWITCH: /* Without cases its default is chosen. */
        return ERR_OK;
    case FLOW_KIND_COMMAND:
        return runs || json_object_get(step->json, "command") != NULL
                   ? ERR_OK
                   : step_refuse(step, why,
                                 "it needs a \"command\", or a function \"run\" that "
                                 "returns one");
    case FLOW_KIND_APPROVAL:
        return runs || json_object_get(step->json, "prompt") != NULL
                   ? form_check(step, why)
                   : step_refuse(step, why,
                                 "it needs a \"prompt\", or a function \"run\" that "
                                 "returns one");
    case FLOW_KIND_WORKFLOW:
    case FLOW_KIND_FLOW:
        return json_object_get(step->json, flow_kind_names[step->kind]) != NULL
                   ? ERR_OK
                   : step_refuse(step, why, "it needs the name of what it starts");
    case FLOW_KIND_COUNT:
        break;
    }
    return ERR_OK;
}

static struct err texts_check(const struct flow_step *step, const char *name, size_t max,
                              struct why *why) {
    const json_t *list = json_object_get(step->json, name);
    bool fits = json_array_size(list) <= max;
    for (size_t i = 0; i < json_array_size(list) && fits; i++) {
        fits = member_fits(json_array_get(list, i), A_TEXT);
    }
    return fits ? ERR_OK
                : err_why(why, ERR_BAD_FLOW, "step '%.*s': \"%s\" must be at most %zu texts",
                          (int)step->id.len, step->id.data, name, max);
}

static struct err rule_read(struct flow_step *step, struct why *why) {
    const char *trigger = json_str(step->json, "trigger_rule", flow_trigger_names[0]);
    const char *late = json_str(step->json, "on_timeout", "fail");
    const size_t found = name_find(flow_trigger_names, trigger);
    if (found == FLOW_NONE) {
        return step_refuse(step, why,
                           "\"trigger_rule\" must be all_success, one_success, all_done or "
                           "none_failed_min_one_success");
    }
    step->trigger = (enum flow_trigger)found;
    if (strcmp(late, "fail") != 0 && strcmp(late, "reject") != 0) {
        return step_refuse(step, why, "\"on_timeout\" must be fail or reject: silence is no yes");
    }
    step->has |= strcmp(late, "reject") == 0 ? FLOW_HAS_REFUSAL : 0;
    return ERR_OK;
}

static struct err step_members_read(struct flow_step *step, struct why *why) {
    static const int64_t day_ms = INT64_C(24) * 3600 * 1000;
    for (struct json_member at = json_first(step->json); at.value != NULL; at = json_next(at)) {
        const struct err err = member_check(step, &at, why);
        if (err_failed(err)) {
            return err;
        }
    }
    struct err err = rule_read(step, why);
    err = err_failed(err) ? err : loop_read(step, why);
    err = err_failed(err) ? err : texts_check(step, "deps", FLOW_DEPS_MAX, why);
    err = err_failed(err) ? err : texts_check(step, "agents", FLOW_RETRIES_MAX, why);
    err = err_failed(err) ? err : texts_check(step, "approvers", FLOW_DEPS_MAX, why);
    err = err_failed(err) ? err
                          : count_read(step, step->json, "maxRetries", FLOW_RETRIES_MAX,
                                       &step->retries_max, why);
    err = err_failed(err)
              ? err
              : count_read(step, step->json, "timeoutMs", 365 * day_ms, &step->timeout_ms, why);
    /* Each of the others is tried once. */
    const int64_t others = (int64_t)json_array_size(json_object_get(step->json, "agents")) - 1;
    step->retries_max = others > step->retries_max ? others : step->retries_max;
    return err_failed(err) ? err : needs_check(step, why);
}

static struct err step_read(struct flow *flow, const json_t *json, struct why *why) {
    struct flow_step *step = &flow->steps[flow->count];
    *step = (struct flow_step){.json = json,
                               .id = json_bytes(json, "id"),
                               .batch = FLOW_NONE,
                               .switched = FLOW_NONE,
                               .rewind_to = FLOW_NONE,
                               .chosen = FLOW_NONE};
    if (!json_is_object(json) || !id_is_valid(step->id)) {
        return err_why(why, ERR_BAD_FLOW,
                       "step %zu: it needs an \"id\" of 1 to %d letters, digits, '_', '-' or '.'",
                       flow->count + 1, FLOW_ID_MAX);
    }
    if (flow_find(flow, step->id) != FLOW_NONE) {
        return step_refuse(step, why, "its \"id\" stands twice");
    }
    const size_t kind = name_find(flow_kind_names, json_str(json, "kind", ""));
    if (kind == FLOW_NONE) {
        return step_refuse(step, why,
                           "\"kind\" must be agent, code, approval, switch, command, workflow or "
                           "flow");
    }
    step->kind = (enum flow_kind)kind;
    flow->slots[slot_find(flow, step->id)] = (uint16_t)++flow->count;
    return step_members_read(step, why);
}

/* --- Steps among each other ------------------------------------------------------------------- */

static size_t batch_find(const struct flow *flow, struct bytes name) {
    size_t at = 0;
    while (at < flow->batch_count && !bytes_equal(flow->batches[at], name)) {
        at++;
    }
    return at < flow->batch_count ? at : FLOW_NONE;
}

static struct err batches_read(struct flow *flow, struct why *why) {
    for (size_t i = 0; i < flow->count; i++) {
        struct flow_step *step = &flow->steps[i];
        const struct bytes name = json_bytes(step->json, "batch");
        if (name.len == 0) {
            continue;
        }
        step->batch = batch_find(flow, name);
        if (step->batch != FLOW_NONE) {
            continue;
        }
        if (flow->batch_count == FLOW_BATCHES_MAX) {
            return step_refuse(step, why, "a flow has at most 50 batches");
        }
        step->batch = flow->batch_count;
        flow->batches[flow->batch_count++] = name;
    }
    return ERR_OK;
}

static struct err dep_read(const struct flow *flow, const struct flow_step *step, struct bytes name,
                           struct flow_dep *ret_dep, struct why *why) {
    const struct bytes group = BYTES("batch:");
    if (name.len > group.len && memcmp(name.data, group.data, group.len) == 0) {
        const struct bytes batch = {name.data + group.len, name.len - group.len};
        *ret_dep = (struct flow_dep){FLOW_DEP_BATCH, batch_find(flow, batch)};
    } else {
        *ret_dep = (struct flow_dep){FLOW_DEP_STEP, flow_find(flow, name)};
    }
    return ret_dep->at != FLOW_NONE
               ? ERR_OK
               : err_why(why, ERR_BAD_FLOW,
                         "step '%.*s': \"deps\" names '%.*s', and there is no such %s",
                         (int)step->id.len, step->id.data,
                         (int)(name.len < FLOW_ID_MAX ? name.len : FLOW_ID_MAX), name.data,
                         ret_dep->kind == FLOW_DEP_BATCH ? "batch" : "step");
}

static struct err deps_read(struct flow *flow, struct flow_step *step, struct why *why) {
    const json_t *list = json_object_get(step->json, "deps");
    struct err err = ERR_OK;
    step->deps = mem_new_array(json_array_size(list) + 1, sizeof *step->deps);
    for (size_t i = 0; i < json_array_size(list) && !err_failed(err); i++) {
        struct flow_dep *dep = &step->deps[step->dep_count];
        err = dep_read(flow, step, json_text(json_array_get(list, i)), dep, why);
        for (size_t d = 0; d < step->dep_count && !err_failed(err); d++) {
            if (step->deps[d].kind == dep->kind && step->deps[d].at == dep->at) {
                err = step_refuse(step, why, "\"deps\" names a step twice");
            }
        }
        step->dep_count++;
    }
    return err;
}

static struct err branch_read(struct flow *flow, size_t by, size_t branch, const json_t *ids,
                              struct why *why) {
    const struct flow_step *step = &flow->steps[by];
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const struct bytes id = json_text(json_array_get(ids, i));
        const size_t at = flow_find(flow, id);
        if (at == FLOW_NONE) {
            return err_why(why, ERR_BAD_FLOW,
                           "step '%.*s': a branch names '%.*s', and there is no such step",
                           (int)step->id.len, step->id.data,
                           (int)(id.len < FLOW_ID_MAX ? id.len : FLOW_ID_MAX), id.data);
        }
        if (flow->steps[at].switched != FLOW_NONE) {
            return step_refuse(&flow->steps[at], why, "it stands in two branches");
        }
        flow->steps[at].switched = by;
        flow->steps[at].branch = branch;
    }
    return ERR_OK;
}

static struct err case_read(struct flow *flow, size_t by, size_t number, struct why *why) {
    const struct flow_step *step = &flow->steps[by];
    const json_t *list = json_object_get(step->json, "cases");
    const json_t *one = json_array_get(list, number);
    const struct bytes label = json_bytes(one, "label");
    if (label.len == 0 || label.len > FLOW_ID_MAX ||
        !is_function(json_object_get(one, "condition")) ||
        !json_is_array(json_object_get(one, "stepIds"))) {
        return step_refuse(step, why,
                           "each of its \"cases\" needs a \"label\", a function \"condition\" and "
                           "a list \"stepIds\"");
    }
    for (size_t i = 0; i < number; i++) {
        if (bytes_equal(json_bytes(json_array_get(list, i), "label"), label)) {
            return err_why(why, ERR_BAD_FLOW, "step '%.*s': two cases have the label '%.*s'",
                           (int)step->id.len, step->id.data, (int)label.len, label.data);
        }
    }
    return branch_read(flow, by, number, json_object_get(one, "stepIds"), why);
}

static struct err switch_read(struct flow *flow, size_t at, struct why *why) {
    struct flow_step *step = &flow->steps[at];
    struct err err = ERR_OK;
    step->case_count = json_array_size(json_object_get(step->json, "cases"));
    if (step->case_count > FLOW_CASES_MAX) {
        return step_refuse(step, why, "it has more than 50 \"cases\"");
    }
    for (size_t i = 0; i < step->case_count && !err_failed(err); i++) {
        err = case_read(flow, at, i, why);
    }
    return err_failed(err) ? err
                           : branch_read(flow, at, step->case_count,
                                         json_object_get(step->json, "defaultBranch"), why);
}

/* --- Circles ---------------------------------------------------------------------------------- */

enum mark { UNSEEN, ON_THE_WAY, SEEN };
struct walk {
    const struct flow *flow;
    enum mark marks[FLOW_STEPS_MAX];
    size_t way[FLOW_STEPS_MAX], next[FLOW_STEPS_MAX], depth;
};

/* The number-th step that a step waits for, in an order of its own; FLOW_NONE: there are no more,
 * `count`: there is none of that number, but of later ones. */
static size_t waited_for(const struct flow *flow, size_t at, size_t number) {
    const struct flow_step *step = &flow->steps[at];
    if (number == 0) {
        return step->switched != FLOW_NONE ? step->switched : flow->count;
    }
    size_t left = number - 1;
    for (size_t d = 0; d < step->dep_count; d++) {
        const size_t wide = step->deps[d].kind == FLOW_DEP_STEP ? 1 : flow->count;
        if (left >= wide) {
            left -= wide;
        } else if (wide == 1) {
            return step->deps[d].at;
        } else {
            return flow->steps[left].batch == step->deps[d].at ? left : flow->count;
        }
    }
    return FLOW_NONE;
}

static struct err circle_refuse(const struct walk *walk, size_t again, struct why *why) {
    AUTO(text_done) struct text path = text_up_to(sizeof why->text / 2);
    size_t from = 0;
    while (walk->way[from] != again) {
        from++;
    }
    for (size_t i = from; i <= walk->depth; i++) {
        const size_t at = i < walk->depth ? walk->way[i] : again;
        text_addf(&path, "%s%.*s", i > from ? " -> " : "", (int)walk->flow->steps[at].id.len,
                  walk->flow->steps[at].id.data);
    }
    return err_why(why, ERR_BAD_FLOW, "steps wait for each other: %s",
                   path.len > 0 ? text_bytes(&path).data : "a circle");
}

static void walk_enter(struct walk *walk, size_t at) {
    walk->marks[at] = ON_THE_WAY;
    walk->way[walk->depth] = at;
    walk->next[walk->depth++] = 0;
}

static struct err circles_refuse(const struct flow *flow, struct why *why) {
    struct walk walk = {.flow = flow};
    for (size_t first = 0; first < flow->count; first++) {
        if (walk.marks[first] == UNSEEN) {
            walk_enter(&walk, first);
        }
        while (walk.depth > 0) {
            const size_t at = walk.way[walk.depth - 1];
            const size_t to = waited_for(flow, at, walk.next[walk.depth - 1]++);
            if (to == FLOW_NONE) {
                walk.marks[at] = SEEN;
                walk.depth--;
            } else if (to < flow->count && walk.marks[to] == ON_THE_WAY) {
                return circle_refuse(&walk, to, why);
            } else if (to < flow->count && walk.marks[to] == UNSEEN) {
                walk_enter(&walk, to);
            }
        }
    }
    return ERR_OK;
}

static struct err rewind_read(struct flow *flow, size_t at, struct why *why) {
    struct flow_step *step = &flow->steps[at];
    const struct bytes id = json_bytes(step->json, "rewind_to");
    if (id.len == 0) {
        return ERR_OK;
    }
    step->rewind_to = flow_find(flow, id);
    return step->rewind_to != FLOW_NONE && flow_comes_after(flow, step->rewind_to, at)
               ? ERR_OK
               : step_refuse(step, why, "\"rewind_to\" must name a step that it comes after");
}

/* --- Members of the whole --------------------------------------------------------------------- */

static const struct flow_member {
    const char *name;
    enum member_form form;
} flow_members[] = {
    {"name", WORDS},          {"description", WORDS}, {"steps", A_LIST},
    {"render", A_FUNCTION},   {"output", A_FUNCTION}, {"batchConfig", AN_OBJECT},
    {"fail_fast", A_BOOLEAN}, {"texts", AN_OBJECT}, /* The worker adds it. */
};

static struct err flow_member_refuse(struct bytes name, struct why *why) {
    struct suggest suggest;
    suggest_begin(&suggest, name.data);
    for (size_t i = 0; i < COUNT_OF(flow_members); i++) {
        suggest_offer(&suggest, flow_members[i].name);
    }
    const char *near = suggest_best(&suggest);
    return err_why(why, ERR_BAD_FLOW, "a flow has no \"%.*s\"%s%s%s",
                   (int)(name.len < FLOW_ID_MAX ? name.len : FLOW_ID_MAX), name.data,
                   near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                   near != NULL ? "\"?" : "");
}

struct err flow_check_members(const json_t *json, struct why *why) {
    for (struct json_member at = json_first(json); at.value != NULL; at = json_next(at)) {
        const struct flow_member *member = flow_members;
        while (member < flow_members + COUNT_OF(flow_members) &&
               !bytes_equal(bytes_of(member->name), at.key)) {
            member++;
        }
        if (member == flow_members + COUNT_OF(flow_members)) {
            return flow_member_refuse(at.key, why);
        }
        if (!member_fits(at.value, member->form)) {
            return err_why(why, ERR_BAD_FLOW, "\"%s\" of the flow must be %s", member->name,
                           form_names[member->form]);
        }
    }
    return ERR_OK;
}

/* --- The whole -------------------------------------------------------------------------------- */

static struct err settings_read(struct flow *flow, const json_t *json, struct why *why) {
    const json_t *batch = json_object_get(json, "batchConfig");
    const json_t *fast = json_object_get(json, "fail_fast");
    const char *join = json_str(batch, "joinRule", flow_trigger_names[0]);
    const size_t rule = name_find(flow_trigger_names, join);
    const int64_t at_once = json_int(batch, "maxConcurrent", 0);
    const int64_t timeout_ms = json_int(batch, "timeoutMs", 0);
    if (batch != NULL &&
        (!json_is_object(batch) || rule == FLOW_NONE || at_once < 1 || at_once > FLOW_STEPS_MAX ||
         timeout_ms < 0 || timeout_ms > INT64_C(365) * 24 * 3600 * 1000)) {
        return err_why(why, ERR_BAD_FLOW,
                       "\"batchConfig\" needs \"maxConcurrent\", a number from 1 to %d; "
                       "\"timeoutMs\" and \"joinRule\" (a trigger rule) may be left out",
                       FLOW_STEPS_MAX);
    }
    if (fast != NULL && !json_is_boolean(fast)) {
        return err_why(why, ERR_BAD_FLOW, "\"fail_fast\" must be true or false");
    }
    flow->batch_at_once = at_once;
    flow->batch_timeout_ms = timeout_ms;
    flow->batch_join = (enum flow_trigger)rule;
    flow->failing = json_is_false(fast) ? FLOW_FAILS_LATE : FLOW_FAILS_FAST;
    return ERR_OK;
}

static struct err steps_read(struct flow *flow, const json_t *list, struct why *why) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < json_array_size(list) && !err_failed(err); i++) {
        err = step_read(flow, json_array_get(list, i), why);
    }
    err = err_failed(err) ? err : batches_read(flow, why);
    for (size_t i = 0; i < flow->count && !err_failed(err); i++) {
        err = deps_read(flow, &flow->steps[i], why);
    }
    for (size_t i = 0; i < flow->count && !err_failed(err); i++) {
        err = flow->steps[i].kind == FLOW_KIND_SWITCH ? switch_read(flow, i, why) : ERR_OK;
    }
    err = err_failed(err) ? err : circles_refuse(flow, why);
    for (size_t i = 0; i < flow->count && !err_failed(err); i++) {
        err = rewind_read(flow, i, why);
    }
    return err;
}

struct err flow_read(const json_t *json, struct flow *ret_flow, struct why *why) {
    const json_t *list = json_object_get(json, "steps");
    AUTO(flow_free)
    struct flow flow = {.at_once = FLOW_AT_ONCE_DEFAULT, .step_timeout_ms = FLOW_STEP_TIMEOUT_MS};
    if (!json_is_array(list) || json_array_size(list) == 0 ||
        json_array_size(list) > FLOW_STEPS_MAX) {
        return err_why(why, ERR_BAD_FLOW, "a flow needs \"steps\": a list of 1 to %d steps",
                       FLOW_STEPS_MAX);
    }
    flow.steps = mem_new_array(json_array_size(list), sizeof *flow.steps);
    flow.batches = mem_new_array(FLOW_BATCHES_MAX, sizeof *flow.batches);
    struct err err = settings_read(&flow, json, why);
    err = err_failed(err) ? err : steps_read(&flow, list, why);
    if (!err_failed(err)) {
        *ret_flow = flow;
        flow = (struct flow){0};
    }
    return err;
}

void flow_free(struct flow *flow) {
    for (size_t i = 0; i < flow->count; i++) {
        mem_free(flow->steps[i].deps);
    }
    mem_free(flow->steps);
    mem_free(flow->batches);
    *flow = (struct flow){0};
}

struct bytes flow_branch_label(const struct flow_step *step, size_t branch) {
    const json_t *cases = json_object_get(step->json, "cases");
    return branch < step->case_count ? json_bytes(json_array_get(cases, branch), "label")
                                     : BYTES("");
}
