/* settings.c: see settings.h. */
#include "rules/board/settings.h"

#include "rules/board/must.h"
#include "rules/board/prompt.h"
#include "rules/board/task.h"

static struct err agent_check(const json_t *agent, size_t at, struct why *why) {
    const struct json_field members[] = {{.name = "name", .kind = JSON_KIND_ANY},
                                         {.name = "slots", .kind = JSON_KIND_ANY},
                                         {.name = "capabilities", .kind = JSON_KIND_ANY}};
    const json_t *slots = json_object_get(agent, "slots");
    const json_t *words = json_object_get(agent, "capabilities");
    const struct bytes name = json_bytes(agent, "name");
    TRY(json_read_fields(agent, members, COUNT_OF(members), why));
    if (!id_name_valid(name, TASK_WORD_MAX)) {
        return err_why(why, ERR_BAD_FIELD, "agents[%zu]: \"name\" must be the name of an agent",
                       at);
    }
    if (slots != NULL && (!json_is_integer(slots) || json_integer_value(slots) < 1 ||
                          json_integer_value(slots) > BOARD_SLOTS_MAX)) {
        return err_why(why, ERR_BAD_FIELD, "agents[%zu]: \"slots\" must be from 1 to %d", at,
                       BOARD_SLOTS_MAX);
    }
    if (words != NULL &&
        (!json_is_array(words) || json_array_size(words) > BOARD_CAPABILITIES_MAX)) {
        return err_why(why, ERR_BAD_FIELD,
                       "agents[%zu]: \"capabilities\" must be a list of at most %d words", at,
                       BOARD_CAPABILITIES_MAX);
    }
    for (size_t i = 0; i < json_array_size(words); i++) {
        const struct bytes word = json_text(json_array_get(words, i));
        if (word.len == 0 || word.len > TASK_WORD_MAX) {
            return err_why(why, ERR_BAD_FIELD,
                           "agents[%zu]: \"capabilities\"[%zu] must be a word of 1 to %d bytes", at,
                           i, TASK_WORD_MAX);
        }
    }
    return ERR_OK;
}

static struct err agents_check(const json_t *agents, struct why *why) {
    struct err err = ERR_OK;
    if (agents != NULL && (!json_is_array(agents) || json_array_size(agents) > BOARD_AGENTS_MAX)) {
        return err_why(why, ERR_BAD_FIELD, "\"agents\" must be a list of at most %d agents",
                       BOARD_AGENTS_MAX);
    }
    for (size_t i = 0; i < json_array_size(agents) && !err_failed(err); i++) {
        err = agent_check(json_array_get(agents, i), i, why);
    }
    return err;
}

static struct err board_check(const json_t *given, struct why *why) {
    const json_t *reviewer = json_object_get(given, "reviewer");
    const json_t *hold = json_object_get(given, "hold");
    const json_t *trees = json_object_get(given, "worktrees");
    const json_t *timeout = json_object_get(given, "check_timeout_s");
    static const char *const templates[] = {"executor", "review"};
    struct err err = agents_check(json_object_get(given, "agents"), why);
    if (!err_failed(err) && reviewer != NULL &&
        !id_name_valid(json_text(reviewer), TASK_WORD_MAX)) {
        return err_why(why, ERR_BAD_FIELD, "\"reviewer\" must be the name of an agent");
    }
    if (!err_failed(err) && hold != NULL && !json_is_boolean(hold)) {
        return err_why(why, ERR_BAD_FIELD, "\"hold\" must be true or false");
    }
    if (!err_failed(err) && trees != NULL && !json_is_boolean(trees)) {
        return err_why(why, ERR_BAD_FIELD, "\"worktrees\" must be true or false");
    }
    if (!err_failed(err) && timeout != NULL &&
        (!json_is_integer(timeout) || json_integer_value(timeout) < 1 ||
         json_integer_value(timeout) > MUST_TIMEOUT_MAX_S)) {
        return err_why(why, ERR_BAD_FIELD, "\"check_timeout_s\" must be from 1 to %d",
                       MUST_TIMEOUT_MAX_S);
    }
    for (size_t i = 0; i < COUNT_OF(templates) && !err_failed(err); i++) {
        const json_t *own = json_object_get(given, templates[i]);
        if (own != NULL && !json_is_string(own)) {
            return err_why(why, ERR_BAD_FIELD, "\"%s\" must be a text", templates[i]);
        }
        err = own == NULL ? ERR_OK : board_template_check(json_text(own), why);
    }
    return err;
}

struct err board_settings_write(const json_t *given, struct text *text, struct why *why) {
    const struct json_field members[] = {{.name = "agents", .kind = JSON_KIND_ANY},
                                         {.name = "reviewer", .kind = JSON_KIND_ANY},
                                         {.name = "hold", .kind = JSON_KIND_ANY},
                                         {.name = "worktrees", .kind = JSON_KIND_ANY},
                                         {.name = "check_timeout_s", .kind = JSON_KIND_ANY},
                                         {.name = "executor", .kind = JSON_KIND_ANY},
                                         {.name = "review", .kind = JSON_KIND_ANY}};
    struct why inner = {""};
    if (json_is_null(given)) {
        return ERR_OK;
    }
    struct err err = json_read_fields(given, members, COUNT_OF(members), &inner);
    err = err_failed(err) ? err : board_check(given, &inner);
    if (err_failed(err)) {
        return err_why(why, err.code, "\"board\": %.280s", inner.text);
    }
    err = json_object_size(given) == 0 ? ERR_OK : json_write(given, text);
    return err_failed(err) && !text->no_memory
               ? err_why(why, ERR_BAD_FIELD, "\"board\": more than %zu bytes as compact JSON",
                         text->size_max)
               : err;
}

size_t board_agents(const json_t *settings, struct bytes own,
                    struct board_agent ret_agents[BOARD_AGENTS_MAX]) {
    const json_t *agents = json_object_get(settings, "agents");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(agents) && count < BOARD_AGENTS_MAX; i++) {
        const json_t *agent = json_array_get(agents, i);
        const json_t *slots = json_object_get(agent, "slots");
        ret_agents[count++] =
            (struct board_agent){.name = json_bytes(agent, "name"),
                                 .slots = slots != NULL ? json_integer_value(slots) : 1,
                                 .capabilities = json_object_get(agent, "capabilities")};
    }
    if (count == 0 && own.len > 0) {
        ret_agents[count++] = (struct board_agent){.name = own, .slots = 1};
    }
    return count;
}

bool board_agent_can(const struct board_agent *agent, struct bytes capability) {
    for (size_t i = 0; i < json_array_size(agent->capabilities); i++) {
        if (bytes_equal(json_text(json_array_get(agent->capabilities, i)), capability)) {
            return true;
        }
    }
    return capability.len == 0;
}
