/* action.c: a path, a request, and what is printed of its answer. */
#include "cli/base/action.h"

#include <stdio.h>
#include <string.h>

#include "cli/base/listing.h"
#include "cli/base/resource.h"

/* A flag of the command itself; NULL: there is none by that name. */
static const struct flag *flag_find(const struct command *command, const char *name) {
    const struct flag *flag = command->flags;
    while (flag != NULL && flag->name != NULL && strcmp(flag->name, name) != 0) {
        flag++;
    }
    return flag != NULL && flag->name != NULL ? flag : NULL;
}

static void param_add(struct text *path, const struct args *args,
                      const struct action_param *param) {
    enum flag_kind kind = flag_find(args->command, param->flag)->kind;
    if (kind == FLAG_SWITCH ? !args_on(args, param->flag) : !args_given(args, param->flag)) {
        return;
    }
    text_addf(path, "%c%s=", strchr(path->data, '?') == NULL ? '?' : '&', param->name);
    if (kind == FLAG_TEXT) {
        client_add_escaped(path, args_text(args, param->flag));
    } else {
        text_add_int(path, args_int(args, param->flag, 0)); /* A switch is 1. */
    }
}

static struct err path_add(struct invocation *invocation, const struct action *action,
                           struct text *path) {
    const struct args *args = &invocation->args;
    const char *at = strchr(action->request, ' ') + 1, *hole = NULL, *id = args->operands[0];
    unsigned holes = 0;
    for (; (hole = strstr(at, "{}")) != NULL; at = hole + 2) {
        text_add(path, at, (size_t)(hole - at));
        client_add_escaped(path, args->operands[holes++]);
    }
    text_add_str(path, at);
    if (action->search != NULL && args->operand_count > 0) {
        text_addf(path, "?%s=", action->search);
        client_add_escaped(path, id);
    }
    for (size_t i = 0; i < COUNT_OF(action->params) && action->params[i].flag != NULL; i++) {
        param_add(path, args, &action->params[i]);
    }
    if (!text_failed(path) && (holes == 0 || id[0] != '\0')) {
        return ERR_OK;
    }
    if (action->unknown != NULL) {
        const char *mark = strstr(action->unknown, "{}");
        size_t before = mark != NULL ? (size_t)(mark - action->unknown) : strlen(action->unknown);
        why_set(&invocation->why, "%.*s%.60s%s", (int)before, action->unknown,
                mark != NULL ? id : "", mark != NULL ? mark + 2 : "");
    }
    return err_make(holes > 0 ? ERR_NOT_FOUND : ERR_USAGE, "action: path");
}

/* "{id} is {state}" */
static void done_print(const char *done, const json_t *answer) {
    for (const char *open = NULL; (open = strchr(done, '{')) != NULL;) {
        int len = (int)strcspn(open + 1, "}");
        char member[32];
        (void)snprintf(member, sizeof member, "%.*s", len, open + 1); /* Names are short. */
        printf("%.*s%s", (int)(open - done), done, talk_text(answer, member));
        if (json_is_integer(json_object_get(answer, member))) {
            printf("%lld", (long long)talk_int(answer, member));
        }
        done = open + len + 2;
    }
    puts(done);
}

struct err action_get(struct invocation *invocation, const struct action *action,
                      json_t **ret_answer) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(text_done) struct text path = text_up_to(ACTION_PATH_MAX);
    AUTO(text_done) struct text body = text_up_to(ACTION_BODY_MAX);
    char method[8];
    size_t method_len = strcspn(action->request, " ");
    (void)snprintf(method, sizeof method, "%.*s", (int)method_len, action->request); /* Fits. */
    struct err err = path_add(invocation, action, &path);
    if (!err_failed(err) && action->body != NULL) {
        text_add_char(&body, '{');
        err = action->body(invocation, &body);
        text_add_char(&body, '}');
    }
    const struct resource resource = {.method = method,
                                      .base = path.data,
                                      .body = action->body != NULL ? &body : NULL,
                                      .timeout_ms = action->timeout_ms};
    return err_failed(err) ? err : resource_open(&talk, invocation, &resource, ret_answer);
}

static void head_print(void *ctx) {
    const struct action *const *action = ctx;
    table_head((*action)->columns);
}

static void row_print(void *ctx, const json_t *row) {
    const struct action *const *action = ctx;
    table_row((*action)->columns, row);
}

static struct err pages_print(struct invocation *invocation, const struct action *action) {
    AUTO(text_done) struct text path = text_up_to(ACTION_PATH_MAX);
    struct err err = path_add(invocation, action, &path);
    const struct listing listing = {.invocation = invocation,
                                    .path = path.data,
                                    .head = head_print,
                                    .row = row_print,
                                    .ctx = &action};
    return err_failed(err) ? err : listing_run(&listing);
}

struct err action_do(struct invocation *invocation, const struct action *action) {
    AUTO(json_release) json_t *answer = NULL;
    if (action->columns != NULL && flag_find(invocation->args.command, "limit") != NULL) {
        return pages_print(invocation, action);
    }
    struct err err = action_get(invocation, action, &answer);
    if (err_failed(err)) {
        return err;
    }
    if (action->columns != NULL) {
        table_print(invocation, action->columns, json_object_get(answer, "items"));
    } else if (invocation->json) {
        talk_print(answer);
    } else if (action->lines != NULL) {
        table_lines(action->lines, action->key_width, answer);
    } else if (action->print != NULL) {
        action->print(answer);
    } else {
        done_print(action->done, answer);
    }
    return ERR_OK;
}

struct err action_run(struct invocation *invocation) {
    return action_do(invocation, invocation->args.command->action);
}

static void row_keep(void *ctx, const json_t *row) {
    (void)json_array_append(ctx, (json_t *)(uintptr_t)row); /* Without memory it is left out. */
}

struct err action_rows(struct talk *talk, const char *path, json_t **ret_rows, struct why *why) {
    AUTO(json_release) json_t *rows = json_array();
    struct err err = talk_list(talk, path, row_keep, rows, why);
    if (!err_failed(err)) {
        *ret_rows = json_incref(rows);
    }
    return err;
}
