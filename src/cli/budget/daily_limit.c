/* daily_limit.c: see daily_limit.h. */
#include "cli/budget/daily_limit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/base/api_request.h"
#include "cli/budget/limits.h"
#include "cli/terminal/plain.h"
#include "cli/terminal/raw_terminal.h"
#include "engine/base/settings.h"

enum { TRIES_MAX = 3 };
#define LIMIT_USUAL "10"

/* A command of a run inherits no terminal as a rule; one that makes itself a terminal is no person
 * either. */
static bool person_is_there(const struct talk *talk) {
    static const char *const unattended[] = {"CI", "DROVER_RUN"};
    const struct config_env *env = &talk->invocation->env;
    for (size_t i = 0; i < COUNT_OF(unattended); i++) {
        const char *value = env->get(env->ctx, unattended[i]);
        if (value != NULL && value[0] != '\0') {
            return false;
        }
    }
    return !talk->invocation->json && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 &&
           isatty(STDERR_FILENO) == 1 && !raw_terminal_background();
}

static void budget_look(void *ctx, const json_t *row) {
    bool *limited = ctx;
    *limited = *limited || strcmp(talk_text(row, "scope"), "global") == 0 ||
               strcmp(talk_text(row, "per"), "day") == 0;
}

/* The name of the model whose price is known. */
struct paid {
    const char *model;
    bool known;
};

static void model_look(void *ctx, const json_t *row) {
    struct paid *paid = ctx;
    const json_t *price = json_object_get(row, "price");
    paid->known = paid->known || (strcmp(talk_text(row, "id"), paid->model) == 0 &&
                                  (talk_int(price, "fresh") > 0 || talk_int(price, "output") > 0));
}

/* True also where the daemon does not say: then nothing is asked, and the command itself reports
 * what is wrong. */
static bool is_limited(struct talk *talk) {
    bool limited = false;
    struct talk_rows budgets = {.path = "/api/v1/budgets", .each = budget_look, .ctx = &limited};
    return err_failed(talk_rows(talk, &budgets, NULL /* no why */)) || limited;
}

/* The model that is asked: the one that was named, else the session's, else the daemon's, and what
 * an alias stands for. NULL: the daemon does not say, or there is none. Owned. */
static char *model_asked(struct talk *talk, const struct daily_limit *limit) {
    AUTO(json_release) json_t *settings = NULL, *session = NULL;
    AUTO(text_done) struct text aliases = text_up_to(SETTINGS_ALIASES_SIZE_MAX);
    const struct api_request row = {.base = "/api/v1/sessions/", .id = limit->session};
    const char *model = limit->model;
    struct model_name alias;
    if (model == NULL && limit->session != NULL) {
        if (err_failed(api_ask(talk, &row, &session, NULL /* no why */))) {
            return NULL;
        }
        model = talk_text(session, "model");
    }
    bool named = model != NULL && model[0] != '\0';
    if (!named || strchr(model, '/') == NULL) {
        if (err_failed(talk_get(talk, "/api/v1/settings", &settings, NULL /* no why */))) {
            return NULL;
        }
        const json_t *object = json_object_get(settings, "model_aliases");
        model = named ? model : talk_text(settings, "model");
        if (object != NULL && !err_failed(json_write(object, &aliases)) &&
            model_alias_find(text_bytes(&aliases), bytes_of(model), &alias)) {
            model = alias.text;
        }
    }
    return model[0] == '\0' ? NULL : mem_copy(model, strlen(model));
}

static bool question_is_due(struct talk *talk, const struct daily_limit *limit) {
    AUTO(text_done) struct text target = text_up_to(4096);
    AUTO(mem_release) char *model = NULL;
    if (is_limited(talk)) {
        return false;
    }
    model = model_asked(talk, limit);
    if (model == NULL || strncmp(model, "scripted/", 9) == 0) {
        return false;
    }
    struct paid paid = {.model = model};
    text_add_str(&target, "/api/v1/models?q=");
    client_add_escaped(&target, paid.model);
    struct talk_rows models = {.path = target.data, .each = model_look, .ctx = &paid};
    return !text_failed(&target) && !err_failed(talk_rows(talk, &models, NULL /* no why */)) &&
           paid.known;
}

/* "" is the usual limit, "none" is none, and the rest dollars, with or without their sign. */
static bool answer_read(struct bytes line, struct text *body) {
    while (line.len > 0 && (line.data[0] == ' ' || line.data[0] == '$')) {
        line = (struct bytes){line.data + 1, line.len - 1};
    }
    while (line.len > 0 && (line.data[line.len - 1] == ' ' || line.data[line.len - 1] == '\r')) {
        line.len--;
    }
    text_clear(body);
    text_add_str(body, "{\"per\":\"day\"");
    const struct bytes cost = line.len == 0 ? BYTES(LIMIT_USUAL) : line;
    if (!bytes_is(line, "none") &&
        err_failed(budget_limit_add(body, BYTES("cost"), cost, NULL /* no why */))) {
        plain_note("Please type an amount of dollars like 2.50, or none.\n");
        return false;
    }
    text_add_char(body, '}');
    return true;
}

static void answer_store(struct talk *talk, const struct text *body) {
    AUTO(json_release) json_t *row = NULL;
    const struct api_request budget = {.method = "PATCH",
                                       .base = "/api/v1/budgets/",
                                       .id = "global",
                                       .rest = "?new=1",
                                       .body = body};
    struct why why = {""};
    /* The question may have been answered at another terminal: by the same budget, which is not
     * replaced, or by another one with days. */
    struct err err = is_limited(talk) ? err_make(ERR_CONFLICT, "limit: set meanwhile")
                                      : api_ask(talk, &budget, &row, &why);
    if (err.code == ERR_CONFLICT) {
        plain_note("A limit was set meanwhile, and stays: 'drover budget ls' shows it.\n\n");
        return;
    }
    const json_t *limit = json_object_get(json_object_get(row, "limits"), "cost_micros");
    if (err_failed(err)) {
        plain_note("drover: the limit could not be stored: %s\n", err_words(err, &why));
    } else if (json_is_integer(limit)) {
        plain_note("Limit: %s a day. 'drover budget set global --cost DOLLARS' changes it.\n\n",
                   amount_show(AMOUNT_COST, json_integer_value(limit)).text);
    } else {
        plain_note("No limit. 'drover budget set global --cost DOLLARS' sets one.\n\n");
    }
}

struct err daily_limit_ask(struct talk *talk, const struct daily_limit *limit,
                           struct lines *lines) {
    AUTO(lines_done) struct lines own = {.fd = -1};
    AUTO(text_done) struct text body = text_up_to(256);
    struct bytes line = {0};
    if (!person_is_there(talk) || !question_is_due(talk, limit)) {
        return ERR_OK;
    }
    if (lines == NULL) {
        lines_init(&own, STDIN_FILENO, talk->interrupt_fd);
        lines = &own;
    }
    for (int i = 0; i < TRIES_MAX; i++) {
        fputs("Spending limit per day for paid models? [$" LIMIT_USUAL " / a number / none] ",
              stderr);
        struct err err = lines_next(lines, &line);
        if (err_failed(err) || line.data == NULL) { /* The end of the input is no answer. */
            return err;
        }
        if (answer_read(line, &body)) {
            answer_store(talk, &body);
            return ERR_OK;
        }
    }
    return ERR_OK;
}
