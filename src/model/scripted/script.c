/* script.c: which script, which step, which actions. */
#include "model/scripted/script.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/utf8.h"
#include "model/scripted/instance.h"
#include "model/scripted/lines.h"

enum { QUOTED_MAX = 2000 };

struct script_file {
    json_t *json;   /* Owned. */
    json_t *models; /* Borrowed from it. */
};

/* --- A plan in the making --------------------------------------------------------------------- */

struct making {
    struct script_plan *plan;
    size_t step, wanted; /* The step that is read, and the one that is kept. */
    bool after_call;     /* This step has a call: what comes next may begin another. */
    bool any;            /* A line was an action. */
};

static void keep(struct making *making, const struct script_action *action) {
    struct script_plan *plan = making->plan;
    plan->actions = mem_grow(plan->actions, (plan->count + 1) * sizeof *plan->actions);
    plan->actions[plan->count++] = *action;
}

static bool stays_in_step(enum script_kind kind) {
    return kind == SCRIPT_CALL || kind == SCRIPT_USAGE || kind == SCRIPT_STOP;
}

static void keep_fault(struct making *making, struct bytes line, const struct why *why) {
    struct text text;
    text_init(&text, sizeof why->text + 200);
    text_addf(&text, "the script's line \"%.*s\" is not valid: %s", (int)utf8_cut(line, 100),
              line.data, why->text);
    struct script_action action = {.kind = SCRIPT_FAIL, .cause = MODEL_BAD_REQUEST};
    action.text = text_take(&text, NULL);
    keep(making, &action);
}

static void next_step(struct making *making) {
    making->step++;
    making->after_call = false;
}

static void take_line(struct making *making, struct bytes line) {
    struct script_action action;
    struct why why = {""};
    enum script_line what = script_line_read(line, &action, &why);
    making->any = making->any || what != SCRIPT_NO_ACTION;
    if (what == SCRIPT_NEXT_STEP) {
        next_step(making);
    } else if (what == SCRIPT_BAD_LINE) {
        /* Whatever step it was for: a script with a fault is not played half. */
        keep_fault(making, line, &why);
    } else if (what == SCRIPT_ACTION) {
        if (making->after_call && !stays_in_step(action.kind)) {
            next_step(making);
        }
        making->after_call = making->after_call || action.kind == SCRIPT_CALL;
        if (making->step == making->wanted && making->plan->count < SCRIPT_ACTIONS_MAX) {
            keep(making, &action);
        } else {
            script_action_done(&action);
        }
    }
}

static void take_text(struct making *making, struct bytes text) {
    while (text.len > 0) {
        const char *end = memchr(text.data, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
        take_line(making, (struct bytes){text.data, len});
        size_t skip = len + (end != NULL);
        text = (struct bytes){text.data + skip, text.len - skip};
    }
}

/* --- From messages ---------------------------------------------------------------------------- */

static bool has_action(const struct model_message *message) {
    struct script_plan plan = {.actions = NULL};
    struct making making = {.plan = &plan, .wanted = SIZE_MAX};
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        if (part->kind == MODEL_PART_TEXT) {
            take_text(&making, part->text);
        }
    }
    script_plan_done(&plan);
    return making.any;
}

/* The newest message of the user (that holds a script), how many of the assistant's follow or are
 * summarised before it, and the number of the user's messages before it. */
struct place {
    const struct model_message *message;
    size_t answers, before;
};

/* From the newest on, so that a long conversation is not read whole for each answer. */
static const struct model_message *newest(const struct model_request *request, bool with_script) {
    AUTO(mem_release)
    const struct model_message **users = mem_new_array(request->message_count + 1, sizeof *users);
    size_t count = 0;
    for (const struct model_message *at = request->first; at != NULL; at = at->next) {
        if (at->role == MODEL_USER) {
            users[count++] = at;
        }
    }
    while (count > 0 && with_script && !has_action(users[count - 1])) {
        count--;
    }
    return count > 0 ? users[count - 1] : NULL;
}

static struct place find_place(const struct model_request *request, bool with_script) {
    struct place place = {newest(request, with_script), 0, 0};
    bool behind = false;
    place.answers = place.message != NULL ? place.message->answered : 0;
    for (const struct model_message *at = request->first; at != NULL; at = at->next) {
        behind = behind || at == place.message;
        place.before += !behind && at->role == MODEL_USER;
        place.answers += behind && at->role == MODEL_ASSISTANT;
    }
    return place;
}

static bool plan_of_message(const struct model_request *request, struct script_plan *plan) {
    struct place place = find_place(request, /* with_script */ true);
    if (place.message == NULL) {
        return false;
    }
    struct making making = {.plan = plan, .wanted = place.answers};
    for (const struct model_part *part = place.message->first; part != NULL; part = part->next) {
        if (part->kind == MODEL_PART_TEXT) {
            take_text(&making, part->text);
        }
    }
    return plan->count > 0;
}

/* --- From a file ------------------------------------------------------------------------------ */

static bool says(const struct model_message *message, const char *words) {
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        if (part->kind == MODEL_PART_TEXT &&
            memmem(part->text.data, part->text.len, words, strlen(words)) != NULL) {
            return true;
        }
    }
    return false;
}

static const json_t *find_turn(const json_t *turns, const struct place *place) {
    const json_t *numbered = NULL;
    size_t number = 0;
    for (size_t i = 0; i < json_array_size(turns); i++) {
        const json_t *turn = json_array_get(turns, i);
        const char *when = json_string_value(json_object_get(turn, "when"));
        if (when != NULL && says(place->message, when)) {
            return turn;
        }
        if (when == NULL && number++ == place->before) {
            numbered = turn;
        }
    }
    return numbered;
}

static bool plan_of_file(const struct script_file *file, struct bytes model,
                         const struct model_request *request, struct script_plan *plan) {
    struct place place = find_place(request, /* with_script */ false);
    const json_t *its = json_object_getn(file->models, model.data, model.len);
    if (its == NULL || place.message == NULL) {
        return false;
    }
    const json_t *turn = find_turn(json_object_get(its, "turns"), &place);
    const json_t *step = json_array_get(json_object_get(turn, "steps"), place.answers);
    struct making making = {.plan = plan, .wanted = 0};
    for (size_t i = 0; i < json_array_size(step); i++) {
        const json_t *line = json_array_get(step, i);
        making.step = making.wanted; /* The file itself says where steps end. */
        take_line(&making, (struct bytes){json_string_value(line), json_string_length(line)});
    }
    return plan->count > 0;
}

/* --- Without a script ------------------------------------------------------------------------- */

static struct bytes last_words(const struct model_request *request) {
    struct place place = find_place(request, /* with_script */ false);
    struct bytes words = {"", 0};
    for (const struct model_part *part = place.message != NULL ? place.message->first : NULL;
         part != NULL; part = part->next) {
        words = part->kind == MODEL_PART_TEXT ? part->text : words;
    }
    return words;
}

static void plan_of_nothing(const struct model_request *request, struct script_plan *plan) {
    struct making making = {.plan = plan};
    struct text text;
    text_init(&text, REQUEST_SIZE_MAX);
    if (request->schema.len > 0) {
        script_instance_add(&text, request->schema);
    } else if (request->last != NULL && request->last->role == MODEL_TOOL) {
        text_add_str(&text, "Done: the tools have answered.");
    } else {
        struct bytes words = last_words(request);
        size_t len = utf8_cut(words, QUOTED_MAX);
        text_add_str(&text,
                     "This is the scripted model: it answers without a provider. You said: ");
        text_add(&text, words.data, len);
        text_add_str(&text, len < words.len ? "…" : "");
    }
    struct script_action action = {.kind = SCRIPT_SAY};
    action.text = text_failed(&text) ? mem_copy("", 0) : text_take(&text, NULL);
    text_done(&text);
    keep(&making, &action);
}

/* What only waits, or counts, is followed by the answer that would have come without it. */
static bool only_waits(const struct script_plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->actions[i].kind != SCRIPT_DELAY && plan->actions[i].kind != SCRIPT_USAGE) {
            return false;
        }
    }
    return true;
}

void script_plan_make(const struct script_file *file, struct bytes model,
                      const struct model_request *request, struct script_plan *ret_plan) {
    *ret_plan = (struct script_plan){.actions = NULL};
    bool planned = (file != NULL && plan_of_file(file, model, request, ret_plan)) ||
                   plan_of_message(request, ret_plan);
    if (!planned || only_waits(ret_plan)) {
        plan_of_nothing(request, ret_plan);
    }
}

void script_plan_done(struct script_plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        script_action_done(&plan->actions[i]);
    }
    mem_free(plan->actions);
    *plan = (struct script_plan){.actions = NULL};
}

/* --- The file --------------------------------------------------------------------------------- */

static struct err bad(struct why *why, const char *model, size_t turn, const char *text) {
    why_set(why, "\"models\".\"%.60s\".\"turns\"[%zu]: %s", model, turn, text);
    return err_make(ERR_BAD_FIELD, "script: open");
}

static struct err check_line(const json_t *line, const char *model, size_t turn, struct why *why) {
    struct script_action action;
    struct why inner = {""};
    if (!json_is_string(line)) {
        return bad(why, model, turn, "a step is an array of strings");
    }
    struct bytes text = {json_string_value(line), json_string_length(line)};
    switch (script_line_read(text, &action, &inner)) {
    case SCRIPT_ACTION:
        script_action_done(&action);
        return ERR_OK;
    case SCRIPT_BAD_LINE:
        return bad(why, model, turn, inner.text);
    default:
        return bad(why, model, turn,
                   "a line must begin with say:, think:, call:, delay:, tokens:, "
                   "fail:, stop: or usage:");
    }
}

static struct err check_turn(const json_t *turn, const char *model, size_t number,
                             struct why *why) {
    json_t *steps = NULL;
    const char *when = NULL;
    const struct json_field fields[] = {
        {.name = "when", .kind = JSON_KIND_TEXT, .min = 1, .text = &when},
        {.name = "steps", .kind = JSON_KIND_ANY, .required = true, .value = &steps},
    };
    struct why inner = {""};
    if (err_failed(json_read_fields(turn, fields, COUNT_OF(fields), &inner))) {
        return bad(why, model, number, inner.text);
    }
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        for (size_t k = 0; k < json_array_size(step); k++) {
            struct err err = check_line(json_array_get(step, k), model, number, why);
            if (err_failed(err)) {
                return err;
            }
        }
        if (!json_is_array(step) || json_array_size(step) > SCRIPT_ACTIONS_MAX) {
            return bad(why, model, number, "a step is an array of at most 1000 strings");
        }
    }
    return json_is_array(steps) ? ERR_OK : bad(why, model, number, "\"steps\" must be an array");
}

static struct err check_model(const char *name, const json_t *model, struct why *why) {
    json_t *turns = NULL;
    const struct json_field fields[] = {
        {.name = "turns", .kind = JSON_KIND_ANY, .required = true, .value = &turns},
    };
    struct why inner = {""};
    struct err err = json_read_fields(model, fields, COUNT_OF(fields), &inner);
    if (err_failed(err)) {
        why_set(why, "\"models\".\"%.60s\": %s", name, inner.text);
        return err;
    }
    for (size_t i = 0; i < json_array_size(turns) && !err_failed(err); i++) {
        err = check_turn(json_array_get(turns, i), name, i, why);
    }
    return err;
}

static struct err check_file(struct script_file *file, struct why *why) {
    const struct json_field fields[] = {
        {.name = "models", .kind = JSON_KIND_ANY, .required = true, .value = &file->models},
    };
    struct err err = json_read_fields(file->json, fields, COUNT_OF(fields), why);
    if (!err_failed(err) && !json_is_object(file->models)) {
        why_set(why, "\"models\" must be an object");
        return err_make(ERR_BAD_FIELD, "script: open");
    }
    for (void *at = err_failed(err) ? NULL : json_object_iter(file->models);
         at != NULL && !err_failed(err); at = json_object_iter_next(file->models, at)) {
        err = check_model(json_object_iter_key(at), json_object_iter_value(at), why);
    }
    return err;
}

struct err script_file_open(struct bytes text, struct script_file **ret_file, struct why *why) {
    struct script_file *file = mem_new(sizeof *file);
    struct err err = json_parse(text.data, text.len, JSON_DEPTH_MAX, &file->json, why);
    err = err_failed(err) ? err : check_file(file, why);
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
