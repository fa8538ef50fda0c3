/* script.c: which script, which step, and each line of it as one action. */
#include "model/scripted/script.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "base/utf8.h"
#include "model/model.h"
#include "model/scripted/instance.h"
#include "model/scripted/roles.h"

enum { QUOTED_MAX = 2000 };
#define BLANKS " \t\r"

struct script_file {
    json_t *json;   /* Owned. */
    json_t *models; /* Borrowed from it. */
};

/* --- A line: "word: what follows" ------------------------------------------------------------- */

static bool is_word(struct bytes text, const char *word) {
    return bytes_equal_nocase(text, bytes_of(word));
}

/* The next word, and `rest` after it. */
static struct bytes next_word(struct bytes *rest) {
    *rest = bytes_trim(*rest, BLANKS);
    size_t len = 0;
    while (len < rest->len && rest->data[len] != ' ' && rest->data[len] != '\t') {
        len++;
    }
    struct bytes word = {rest->data, len};
    *rest = bytes_trim((struct bytes){rest->data + len, rest->len - len}, BLANKS);
    return word;
}

/* "50ms", "2s", "50": milliseconds. */
static bool read_time(struct bytes word, int64_t *ret_ms) {
    int64_t unit = 1;
    if (word.len > 2 && memcmp(word.data + word.len - 2, "ms", 2) == 0) {
        word.len -= 2;
    } else if (word.len > 1 && word.data[word.len - 1] == 's') {
        word.len -= 1;
        unit = 1000;
    }
    struct number_bounds bounds = {0, SCRIPT_DELAY_MAX_MS / unit};
    if (!number_parse(word, bounds, ret_ms)) {
        return false;
    }
    *ret_ms *= unit;
    return true;
}

/* Readers of what follows the word of an action. Each returns the sentence that says what is wrong,
 * static or in `why`; NULL: nothing is. */
static const char *read_call(struct bytes rest, struct script_action *action, struct why *why) {
    struct bytes name = next_word(&rest);
    if (name.len == 0) {
        return "call: TOOL {arguments}";
    }
    AUTO(json_release) json_t *json = NULL;
    struct why inner = {""};
    if (rest.len > 0 &&
        (err_failed(json_parse(rest.data, rest.len, JSON_DEPTH_MAX, &json, &inner)) ||
         !json_is_object(json))) {
        why_set(why, "the arguments of \"call: %.*s\" must be a JSON object: %s",
                (int)(name.len < 60 ? name.len : 60), name.data, inner.text);
        return why->text;
    }
    action->name = mem_copy(name.data, name.len);
    action->text = rest.len > 0 ? mem_copy(rest.data, rest.len) : mem_copy("{}", 2);
    return NULL;
}

static const char *read_tokens(struct bytes rest, struct script_action *action, struct why *why) {
    const struct number_bounds bounds = {1, SCRIPT_TOKENS_MAX};
    struct bytes count = next_word(&rest), at = next_word(&rest), rate = next_word(&rest);
    bool fine = number_parse(count, bounds, &action->number);
    if (fine && at.len > 0) {
        fine = is_word(at, "at") && rate.len > 2 && memcmp(rate.data + rate.len - 2, "/s", 2) == 0;
        rate.len -= fine ? 2 : 0;
        fine = fine && number_parse(rate, bounds, &action->rate);
    }
    return fine ? NULL : "tokens: N, or tokens: N at R/s";
}

/* How a provider can fail; with the HTTP status that it would have. */
static const struct {
    const char *name;
    enum model_cause cause;
    int status;
} faults[] = {
    {"auth", MODEL_AUTH_FAILED, 401},          {"quota", MODEL_QUOTA, 429},
    {"overflow", MODEL_CONTEXT_OVERFLOW, 400}, {"refused", MODEL_REFUSED, 0},
    {"empty", MODEL_EMPTY_RESPONSE, 0},        {"cut", MODEL_STREAM_BROKEN, 0},
    {"error", MODEL_PROVIDER_ERROR, 0},        {"json", MODEL_BAD_RESPONSE, 0},
    {"unreachable", MODEL_UNREACHABLE, 0},     {"timeout", MODEL_TIMED_OUT, 0},
    {"unknown", MODEL_MODEL_UNKNOWN, 404},
};

static const char *read_fail(struct bytes rest, struct script_action *action, struct why *why) {
    struct bytes what = next_word(&rest);
    size_t known = 0;
    while (known < COUNT_OF(faults) && !is_word(what, faults[known].name)) {
        known++;
    }
    int64_t number = 0;
    bool fine = true;
    if (known < COUNT_OF(faults)) {
        action->cause = faults[known].cause;
        action->status = faults[known].status;
    } else { /* A status: what that means is asked where it fails. */
        fine = number_parse(what, (struct number_bounds){400, 599}, &number);
        action->status = (int)number;
    }
    while (fine && rest.len > 0) {
        struct bytes word = next_word(&rest);
        if (word.len > 1 && word.data[0] == 'x') {
            word = (struct bytes){word.data + 1, word.len - 1};
            fine = number_parse(word, (struct number_bounds){1, 1000}, &number);
            action->times = fine ? (unsigned)number : 0;
        } else {
            fine = is_word(word, "after") && read_time(next_word(&rest), &number);
            action->after_ms = fine ? (uint64_t)number : 0;
        }
    }
    return fine ? NULL
                : "fail: a status from 400 to 599, auth, quota, overflow, refused, empty, cut, "
                  "error, json, unreachable, timeout or unknown; then xN, after 2s";
}

static const char *read_stop(struct bytes rest, struct script_action *action, struct why *why) {
    bool length = is_word(rest, "length");
    action->number = length ? MODEL_STOP_LENGTH : MODEL_STOP_REFUSED;
    return length || is_word(rest, "refused") ? NULL : "stop: length, or stop: refused";
}

static const char *read_usage(struct bytes rest, struct script_action *action, struct why *why) {
    struct usage *usage = &action->usage;
    const struct {
        const char *name;
        int64_t *into;
    } counts[] = {{"fresh", &usage->fresh},
                  {"cache_read", &usage->cache_read},
                  {"cache_write", &usage->cache_write},
                  {"output", &usage->output},
                  {"reasoning", &usage->reasoning}};
    while (rest.len > 0) {
        struct bytes value = next_word(&rest), name = BYTES("");
        (void)bytes_next(&value, '=', &name); /* Without a sign there is no value. */
        size_t at = 0;
        while (at < COUNT_OF(counts) && !is_word(name, counts[at].name)) {
            at++;
        }
        if (at == COUNT_OF(counts) ||
            !number_parse(value, (struct number_bounds){0, USAGE_TOKENS_MAX}, counts[at].into)) {
            return "usage: fresh=N cache_read=N cache_write=N output=N reasoning=N";
        }
    }
    return NULL;
}

static const char *read_text(struct bytes rest, struct script_action *action, struct why *why) {
    action->text = mem_copy(rest.data, rest.len);
    size_t to = 0;
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.data[i];
        if (c == '\\' && i + 1 < rest.len && strchr("nt\\", rest.data[i + 1]) != NULL) {
            i++;
            c = rest.data[i] == 'n' ? '\n' : (rest.data[i] == 't' ? '\t' : '\\');
        }
        action->text[to++] = c;
    }
    action->text[to] = '\0';
    return NULL;
}

static const char *read_delay(struct bytes rest, struct script_action *action, struct why *why) {
    return read_time(rest, &action->number) ? NULL
                                            : "delay: a time like 50ms or 2s, an hour at most";
}

static const struct {
    const char *word;
    enum script_kind kind;
    const char *(*read)(struct bytes rest, struct script_action *action, struct why *why);
} actions[] = {
    {"say", SCRIPT_SAY, read_text},         {"think", SCRIPT_THINK, read_text},
    {"call", SCRIPT_CALL, read_call},       {"delay", SCRIPT_DELAY, read_delay},
    {"tokens", SCRIPT_TOKENS, read_tokens}, {"fail", SCRIPT_FAIL, read_fail},
    {"stop", SCRIPT_STOP, read_stop},       {"usage", SCRIPT_USAGE, read_usage},
};

static void action_done(struct script_action *action) {
    mem_free(action->text);
    mem_free(action->name);
    *action = (struct script_action){.kind = SCRIPT_SAY};
}

enum line_kind { LINE_NO_ACTION, LINE_ACTION, LINE_NEXT_STEP, LINE_BAD };

/* LINE_ACTION: *ret_action is the caller's (action_done). LINE_BAD: `why`. */
static enum line_kind line_read(struct bytes line, struct script_action *ret_action,
                                struct why *why) {
    line = bytes_trim(line, BLANKS);
    const char *colon = memchr(line.data, ':', line.len < 8 ? line.len : 8);
    if (colon == NULL) {
        return LINE_NO_ACTION;
    }
    struct bytes word = {line.data, (size_t)(colon - line.data)};
    struct bytes rest = bytes_trim((struct bytes){colon + 1, line.len - word.len - 1}, BLANKS);
    if (is_word(word, "step") && rest.len == 0) {
        return LINE_NEXT_STEP;
    }
    size_t at = 0;
    while (at < COUNT_OF(actions) && !is_word(word, actions[at].word)) {
        at++;
    }
    if (at == COUNT_OF(actions)) {
        return LINE_NO_ACTION;
    }
    struct script_action action = {.kind = actions[at].kind};
    const char *fault = actions[at].read(rest, &action, why);
    if (fault != NULL) {
        action_done(&action);
        if (fault != why->text) {
            why_set(why, "%s", fault);
        }
        return LINE_BAD;
    }
    *ret_action = action;
    return LINE_ACTION;
}

/* --- A plan in the making --------------------------------------------------------------------- */

struct making {
    struct script_plan *plan;
    size_t step, wanted; /* The step that is read, and the one that is kept. */
    bool after_call;     /* This step has a call: what comes next may begin another. */
    bool any;            /* A line was an action. */
};

static void making_keep(struct making *making, const struct script_action *action) {
    struct script_plan *plan = making->plan;
    plan->actions = mem_grow(plan->actions, (plan->count + 1) * sizeof *plan->actions);
    plan->actions[plan->count++] = *action;
}

static void making_take_line(struct making *making, struct bytes line) {
    struct script_action action = {.kind = SCRIPT_FAIL, .cause = MODEL_BAD_REQUEST};
    struct why why = {""};
    enum line_kind kind = line_read(line, &action, &why);
    making->any = making->any || kind != LINE_NO_ACTION;
    if (kind == LINE_BAD) {
        /* Whatever step it was for: a script with a fault is not played half. */
        struct text text = text_up_to(sizeof why.text + 200);
        text_addf(&text, "the script's line \"%.*s\" is not valid: %s", (int)utf8_cut(line, 100),
                  line.data, why.text);
        action.text = text_take(&text, NULL);
        making_keep(making, &action);
        return;
    }
    bool stays =
        action.kind == SCRIPT_CALL || action.kind == SCRIPT_USAGE || action.kind == SCRIPT_STOP;
    if (kind == LINE_NEXT_STEP || (kind == LINE_ACTION && making->after_call && !stays)) {
        making->step++;
        making->after_call = false;
    }
    if (kind != LINE_ACTION) {
        return;
    }
    making->after_call = making->after_call || action.kind == SCRIPT_CALL;
    if (making->step == making->wanted && making->plan->count < SCRIPT_ACTIONS_MAX) {
        making_keep(making, &action);
    } else {
        action_done(&action);
    }
}

static void making_take_message(struct making *making, const struct model_message *message) {
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        struct bytes text = part->kind == MODEL_PART_TEXT ? part->text : BYTES(""), line;
        while (bytes_next(&text, '\n', &line)) {
            making_take_line(making, line);
        }
    }
}

/* --- From messages ---------------------------------------------------------------------------- */

static bool has_action(const struct model_message *message) {
    struct script_plan plan = {.actions = NULL};
    struct making making = {.plan = &plan, .wanted = SIZE_MAX};
    making_take_message(&making, message);
    script_plan_done(&plan);
    return making.any;
}

/* The newest message of the user (that holds a script), how many of the assistant's follow or are
 * summarised before it, and the number of the user's messages before it. */
struct place {
    const struct model_message *message;
    size_t answers, before;
};

static struct place find_place(const struct model_request *request, bool with_script) {
    AUTO(mem_release)
    const struct model_message **users = mem_new_array(request->message_count + 1, sizeof *users);
    struct place place = {NULL, 0, 0};
    size_t count = 0;
    for (const struct model_message *at = request->first; at != NULL; at = at->next) {
        if (at->role == MODEL_USER) {
            users[count++] = at;
        }
    }
    /* From the newest on, so that a long conversation is not read whole for each answer. */
    while (count > 0 && with_script && !has_action(users[count - 1])) {
        count--;
    }
    if (count > 0) {
        place = (struct place){users[count - 1], users[count - 1]->answered, count - 1};
    }
    for (const struct model_message *at = place.message; at != NULL; at = at->next) {
        place.answers += at->role == MODEL_ASSISTANT;
    }
    return place;
}

/* --- From a file ------------------------------------------------------------------------------ */

/* The first turn whose words stand in the message; else, of those without words, the one of the
 * same number as the message. NULL: there is none. */
static const json_t *find_turn(const json_t *turns, const struct place *place) {
    const json_t *numbered = NULL;
    size_t number = 0;
    for (size_t i = 0; i < json_array_size(turns); i++) {
        const json_t *turn = json_array_get(turns, i);
        const char *when = json_str(turn, "when", NULL);
        if (when == NULL && number++ == place->before) {
            numbered = turn;
        }
        const struct model_part *part = when != NULL ? place->message->first : NULL;
        for (; part != NULL; part = part->next) {
            if (part->kind == MODEL_PART_TEXT &&
                memmem(part->text.data, part->text.len, when, strlen(when)) != NULL) {
                return turn;
            }
        }
    }
    return numbered;
}

static void plan_of_file(const struct script_file *file, struct bytes model,
                         const struct model_request *request, struct script_plan *plan) {
    struct place place = find_place(request, /* with_script */ false);
    const json_t *its = json_object_getn(file->models, model.data, model.len);
    if (its == NULL || place.message == NULL) {
        return;
    }
    const json_t *turn = find_turn(json_object_get(its, "turns"), &place);
    const json_t *step = json_array_get(json_object_get(turn, "steps"), place.answers);
    struct making making = {.plan = plan, .wanted = 0};
    for (size_t i = 0; i < json_array_size(step); i++) {
        const json_t *line = json_array_get(step, i);
        making.step = making.wanted; /* The file itself says where steps end. */
        making_take_line(&making, json_text(line));
    }
}

/* --- Without a script ------------------------------------------------------------------------- */

/* The last text of the user's newest message; empty: there is none. */
static struct bytes newest_words(const struct model_request *request) {
    struct place place = find_place(request, /* with_script */ false);
    struct bytes words = BYTES("");
    for (const struct model_part *part = place.message != NULL ? place.message->first : NULL;
         part != NULL; part = part->next) {
        words = part->kind == MODEL_PART_TEXT ? part->text : words;
    }
    return words;
}

static void plan_of_nothing(const struct model_request *request, struct script_plan *plan) {
    struct making making = {.plan = plan};
    AUTO(text_done) struct text text = text_up_to(REQUEST_SIZE_MAX);
    const struct script_role_prompt prompt = {newest_words(request), request->schema};
    if (script_role_answer(&prompt, &text)) {
        /* An agent of a built-in workflow. */
    } else if (request->schema.len > 0) {
        script_instance_add(&text, request->schema);
    } else if (request->last != NULL && request->last->role == MODEL_TOOL) {
        text_add_str(&text, "Done: the tools have answered.");
    } else {
        size_t len = utf8_cut(prompt.text, QUOTED_MAX);
        text_add_str(&text,
                     "This is the scripted model: it answers without a provider. You said: ");
        text_add(&text, prompt.text.data, len);
        text_add_str(&text, len < prompt.text.len ? "…" : "");
    }
    struct script_action action = {.kind = SCRIPT_SAY};
    action.text = text_failed(&text) ? mem_copy("", 0) : text_take(&text, NULL);
    making_keep(&making, &action);
}

void script_plan_make(const struct script_file *file, struct bytes model,
                      const struct model_request *request, struct script_plan *ret_plan) {
    *ret_plan = (struct script_plan){.actions = NULL};
    if (file != NULL) {
        plan_of_file(file, model, request, ret_plan);
    }
    if (ret_plan->count == 0) {
        struct place place = find_place(request, /* with_script */ true);
        struct making making = {.plan = ret_plan, .wanted = place.answers};
        if (place.message != NULL) {
            making_take_message(&making, place.message);
        }
    }
    /* A plan that only waits, or counts, is followed by the answer that would have come without. */
    bool answers = false;
    for (size_t i = 0; i < ret_plan->count; i++) {
        enum script_kind kind = ret_plan->actions[i].kind;
        answers = answers || (kind != SCRIPT_DELAY && kind != SCRIPT_USAGE);
    }
    if (!answers) {
        plan_of_nothing(request, ret_plan);
    }
}

void script_plan_done(struct script_plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        action_done(&plan->actions[i]);
    }
    mem_free(plan->actions);
    *plan = (struct script_plan){.actions = NULL};
}

/* --- The file --------------------------------------------------------------------------------- */

/* What is wrong with a line; NULL: nothing. It may stand in `inner`. */
static const char *line_fault(const json_t *line, struct why *inner) {
    struct script_action action;
    if (!json_is_string(line)) {
        return "a step is an array of strings";
    }
    switch (line_read(json_text(line), &action, inner)) {
    case LINE_ACTION:
        action_done(&action);
        return NULL;
    case LINE_BAD:
        return inner->text;
    default:
        return "a line must begin with say:, think:, call:, delay:, tokens:, "
               "fail:, stop: or usage:";
    }
}

static const char *turn_fault(const json_t *turn, struct why *inner) {
    json_t *steps = NULL;
    const char *when = NULL, *fault = NULL;
    const struct json_field fields[] = {
        {"when", JSON_KIND_TEXT, .min = 1, .text = &when},
        {"steps", JSON_KIND_ANY, .required = true, .value = &steps},
    };
    if (err_failed(json_read_fields(turn, fields, COUNT_OF(fields), inner))) {
        return inner->text;
    }
    for (size_t i = 0; i < json_array_size(steps) && fault == NULL; i++) {
        const json_t *step = json_array_get(steps, i);
        for (size_t k = 0; k < json_array_size(step) && fault == NULL; k++) {
            fault = line_fault(json_array_get(step, k), inner);
        }
        if (fault == NULL && (!json_is_array(step) || json_array_size(step) > SCRIPT_ACTIONS_MAX)) {
            fault = "a step is an array of at most 1000 strings";
        }
    }
    return fault != NULL || json_is_array(steps) ? fault : "\"steps\" must be an array";
}

static struct err model_check(const char *name, const json_t *model, struct why *why) {
    json_t *turns = NULL;
    const struct json_field fields[] = {
        {"turns", JSON_KIND_ANY, .required = true, .value = &turns},
    };
    struct why inner = {""};
    struct err err = json_read_fields(model, fields, COUNT_OF(fields), &inner);
    if (err_failed(err)) {
        return err_why(why, err.code, "\"models\".\"%.60s\": %s", name, inner.text);
    }
    for (size_t i = 0; i < json_array_size(turns); i++) {
        const char *fault = turn_fault(json_array_get(turns, i), &inner);
        if (fault != NULL) {
            return err_why(why, ERR_BAD_FIELD, "\"models\".\"%.60s\".\"turns\"[%zu]: %s", name, i,
                           fault);
        }
    }
    return ERR_OK;
}

struct err script_file_open(struct bytes text, struct script_file **ret_file, struct why *why) {
    struct script_file *file = mem_new(sizeof *file);
    const struct json_field fields[] = {
        {"models", JSON_KIND_ANY, .required = true, .value = &file->models},
    };
    struct err err = json_parse(text.data, text.len, JSON_DEPTH_MAX, &file->json, why);
    if (!err_failed(err)) {
        err = json_read_fields(file->json, fields, COUNT_OF(fields), why);
    }
    if (!err_failed(err) && !json_is_object(file->models)) {
        err = err_why(why, ERR_BAD_FIELD, "\"models\" must be an object");
    }
    for (void *at = err_failed(err) ? NULL : json_object_iter(file->models);
         at != NULL && !err_failed(err); at = json_object_iter_next(file->models, at)) {
        err = model_check(json_object_iter_key(at), json_object_iter_value(at), why);
    }
    if (err_failed(err)) {
        script_file_close(file);
        return err;
    }
    *ret_file = file;
    return ERR_OK;
}

void script_file_close(struct script_file *file) {
    if (file != NULL) {
        json_release(&file->json);
        mem_free(file);
    }
}
