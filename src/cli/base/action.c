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

/* `method` gets the first word of the request, and `path` the rest. */
static struct err path_make(struct invocation *invocation, const struct action *action,
                            struct text *method, struct text *path) {
    const struct args *args = &invocation->args;
    const char *at = strchr(action->request, ' ') + 1, *hole = NULL;
    unsigned holes = 0;
    text_init(method, 16);
    text_init(path, ACTION_PATH_MAX);
    text_add(method, action->request, (size_t)(at - 1 - action->request));
    for (; (hole = strstr(at, "{}")) != NULL; at = hole + 2) {
        text_add(path, at, (size_t)(hole - at));
        client_add_escaped(path, args->operands[holes++]);
    }
    text_add_str(path, at);
    if (action->search != NULL && args->operand_count > 0) {
        text_addf(path, "%c%s=", strchr(at, '?') == NULL ? '?' : '&', action->search);
        client_add_escaped(path, args->operands[0]);
    }
    for (size_t i = 0; i < COUNT_OF(action->params) && action->params[i].flag != NULL; i++) {
        param_add(path, args, &action->params[i]);
    }
    if (!text_failed(path) && (holes == 0 || args->operands[0][0] != '\0')) {
        return ERR_OK;
    }
    if (action->unknown != NULL) {
        const char *mark = strstr(action->unknown, "{}");
        size_t before = mark != NULL ? (size_t)(mark - action->unknown) : strlen(action->unknown);
        why_set(&invocation->why, "%.*s%.60s%s", (int)before, action->unknown,
                mark != NULL ? args->operands[0] : "", mark != NULL ? mark + 2 : "");
    }
    return err_make(holes > 0 ? ERR_NOT_FOUND : ERR_USAGE, "action: path");
}

/* "{id} is {state}" */
static void done_print(const char *done, const json_t *answer) {
    while (done[0] != '\0') {
        char member[32];
        size_t plain = strcspn(done, "{"), len = strcspn(done + plain, "}");
        fwrite(done, 1, plain, stdout);
        done += plain;
        if (done[0] == '{' && len < sizeof member) {
            memcpy(member, done + 1, len - 1);
            member[len - 1] = '\0';
            const json_t *value = json_object_get(answer, member);
            if (json_is_integer(value)) {
                printf("%lld", (long long)json_integer_value(value));
            } else {
                fputs(talk_text(answer, member), stdout);
            }
            done += len + 1;
        }
    }
    fputc('\n', stdout);
}

static void answer_print(const struct invocation *invocation, const struct action *action,
                         const json_t *answer) {
    const json_t *items = json_object_get(answer, "items");
    if (action->columns != NULL) {
        if (!invocation->json) {
            table_head(action->columns);
        }
        for (size_t i = 0; i < json_array_size(items); i++) {
            if (invocation->json) {
                talk_print(json_array_get(items, i));
            } else {
                table_row(action->columns, json_array_get(items, i));
            }
        }
    } else if (invocation->json) {
        talk_print(answer);
    } else if (action->lines != NULL) {
        table_lines(action->lines, action->key_width, answer);
    } else if (action->print != NULL) {
        action->print(answer);
    } else {
        done_print(action->done, answer);
    }
}

static void head_print(void *ctx) {
    const struct action *const *action = ctx;
    table_head((*action)->columns);
}

static void row_print(void *ctx, const json_t *row) {
    const struct action *const *action = ctx;
    table_row((*action)->columns, row);
}

struct err action_do(struct invocation *invocation, const struct action *action) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(text_done) struct text method = {0}, path = {0}, body = {0};
    AUTO(json_release) json_t *answer = NULL;
    struct err err = path_make(invocation, action, &method, &path);
    if (err_failed(err)) {
        return err;
    }
    if (action->columns != NULL && flag_find(invocation->args.command, "limit") != NULL) {
        const struct listing listing = {.invocation = invocation,
                                        .path = path.data,
                                        .head = head_print,
                                        .row = row_print,
                                        .ctx = &action};
        return listing_run(&listing);
    }
    if (action->body != NULL) {
        text_init(&body, ACTION_BODY_MAX);
        text_add_char(&body, '{');
        err = action->body(invocation, &body);
        text_add_char(&body, '}');
    }
    const struct resource resource = {.method = method.data,
                                      .base = path.data,
                                      .body = action->body != NULL ? &body : NULL,
                                      .timeout_ms = action->timeout_ms};
    if (!err_failed(err)) {
        err = resource_open(&talk, invocation, &resource, &answer);
    }
    if (!err_failed(err)) {
        answer_print(invocation, action, answer);
    }
    return err;
}

struct err action_run(struct invocation *invocation) {
    return action_do(invocation, invocation->args.command->action);
}

static void row_keep(void *ctx, const json_t *row) {
    (void)json_array_append(ctx, (json_t *)(uintptr_t)row); /* A row for want of memory: missing. */
}

struct err action_rows(struct talk *talk, const char *path, json_t **ret_rows, struct why *why) {
    AUTO(json_release) json_t *rows = json_array();
    struct err err = talk_list(talk, path, row_keep, rows, why);
    if (!err_failed(err)) {
        *ret_rows = json_incref(rows);
    }
    return err;
}
