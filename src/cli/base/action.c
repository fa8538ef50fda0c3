/* action.c: a path, a request, and what is printed of its answer; lists, page by page. */
#include "cli/base/action.h"

#include <stdio.h>
#include <string.h>

#include "cli/base/api_request.h"
#include "cli/base/flags.h"
#include "cli/base/listing.h"
#include "cli/base/project.h"
#include "cli/terminal/plain.h"

/* --- The path --------------------------------------------------------------------------------- */

static void mark_add(struct text *path, const char *param) {
    text_addf(path, "%c%s=", strchr(path->data, '?') == NULL ? '?' : '&', param);
}

/* Adds a flag, where it was given, as a parameter of the query. A time is that long ago. */
static void param_add(struct text *path, const struct invocation *invocation, const char *name,
                      const char *param) {
    const struct args *args = &invocation->args;
    enum flag_kind kind = args->flags.rows[args_at(args, name)].flag->kind;
    if (kind == FLAG_SWITCH ? !args_on(args, name) : !args_given(args, name)) {
        return;
    }
    mark_add(path, param);
    if (kind == FLAG_TEXT) {
        client_add_escaped(path, args_text(args, name));
    } else if (kind == FLAG_LIST) {
        unsigned cursor = 0;
        const char *value = NULL;
        for (const char *comma = ""; (value = args_next(args, name, &cursor)) != NULL;
             comma = ",") {
            text_add_str(path, comma);
            client_add_escaped(path, value);
        }
    } else if (kind == FLAG_DURATION) {
        int64_t since_ms = world_wall_ms(invocation->world) - args_int(args, name, 0);
        text_add_int(path, since_ms > 0 ? since_ms : 0);
    } else {
        text_add_int(path, args_int(args, name, 0)); /* A switch is 1. */
    }
}

void action_params_add(struct text *path, const struct invocation *invocation,
                       const struct action_param *params) {
    for (; params->flag != NULL; params++) {
        param_add(path, invocation, params->flag, params->name);
    }
}

static struct err folder_add(struct text *path, struct invocation *invocation, const char *flag) {
    const char *given = args_text(&invocation->args, flag);
    char folder[PATH_MAX];
    struct why why = {""};
    const struct err err = root_resolve(given, folder, &why);
    if (err_failed(err) && given == NULL) {
        return ERR_OK; /* The current one was removed. */
    }
    if (err_failed(err)) {
        invocation->why = why;
        return err;
    }
    mark_add(path, flag);
    client_add_escaped(path, folder);
    return ERR_OK;
}

static struct err path_add(struct invocation *invocation, const struct action *action,
                           struct text *path) {
    const struct args *args = &invocation->args;
    const char *at = strchr(action->request, ' ') + 1, *hole = NULL, *id = args->operands[0];
    unsigned holes = 0;
    bool fits = true;
    for (; (hole = strstr(at, "{}")) != NULL; at = hole + 2) {
        text_add(path, at, (size_t)(hole - at));
        fits = fits && (memchr(path->data, '?', path->len) != NULL ||
                        talk_name_fits(args->operands[holes]));
        client_add_escaped(path, args->operands[holes++]);
    }
    text_add_str(path, at);
    if (action->search != NULL && args->operand_count > 0) {
        text_addf(path, "?%s=", action->search);
        client_add_escaped(path, id);
    }
    action_params_add(path, invocation, action->params);
    TRY(action->folder == NULL ? ERR_OK : folder_add(path, invocation, action->folder));
    if (!text_failed(path) && fits) {
        return ERR_OK;
    }
    talk_unknown(&invocation->why,
                 action->unknown != NULL ? action->unknown : "there is nothing named '{}'", id);
    return err_make(holes > 0 ? ERR_NOT_FOUND : ERR_USAGE, "action: path");
}

/* Parameter of the API that a filter becomes: that of its field; else of the flags that all lists
 * share. NULL: the flag is no filter, or a folder, which the path has already. */
static const char *filter_param(const struct args *args, unsigned at) {
    static const char *const names[] = {"state",  "kind", "role", "project", "session", "agent",
                                        "parent", "root", "top",  "run",     "since"};
    const struct flag *flag = args->flags.rows[at].flag;
    const struct field *field = args->flags.rows[at].field;
    const struct action *action = args->command->action;
    if (action != NULL && action->folder != NULL && strcmp(flag->name, action->folder) == 0) {
        return NULL;
    }
    if (field != NULL && flag == &field->filter_flag && field->filter != FIELD_SINCE &&
        field->filter != FIELD_SEARCH) {
        return field->name;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(flag->name, names[i]) == 0) {
            return names[i];
        }
    }
    return strcmp(flag->name, "search") == 0 ? "q" : NULL;
}

struct err listing_path(struct invocation *invocation, const char *path, enum listing_filters which,
                        struct text *target) {
    const struct args *args = &invocation->args;
    text_init(target, ACTION_PATH_MAX);
    text_add_str(target, path);
    for (unsigned at = 0; at < args->flags.count; at++) {
        const char *param = filter_param(args, at);
        const bool state =
            which == LISTING_ALL_BUT_STATE && param != NULL && strcmp(param, "state") == 0;
        /* The project of a list of its own is in the path. */
        const bool project =
            param != NULL && strcmp(param, "project") == 0 && strstr(path, "/projects/") != NULL;
        if (param != NULL && !state && !project) {
            param_add(target, invocation, args->flags.rows[at].flag->name, param);
        }
    }
    return text_failed(target) ? err_why(&invocation->why, ERR_USAGE, "the filters are too long")
                               : ERR_OK;
}

bool listing_state_fits(const struct args *args, const char *state) {
    unsigned cursor = 0;
    const char *list = NULL;
    while ((list = args_next(args, "state", &cursor)) != NULL) {
        for (const char *at = list;; at++) {
            size_t len = strcspn(at, ",");
            if (bytes_is((struct bytes){at, len}, state)) {
                return true;
            }
            at += len;
            if (at[0] == '\0') {
                break;
            }
        }
    }
    return !args_given(args, "state");
}

/* --- Lists ------------------------------------------------------------------------------------ */

struct printing {
    const struct listing *listing;
    struct table table; /* Where the listing has columns. */
    const char *empty;
    bool json;
    bool headed; /* The table has its first line, which it gets with the first answer. */
};

/* Row NULL: the end. */
static void row_print(void *ctx, const json_t *row) {
    struct printing *printing = ctx;
    const struct listing *listing = printing->listing;
    bool heads = !printing->json && !printing->headed, prints = !printing->json && row != NULL;
    printing->headed = true;
    if (heads && row == NULL && printing->empty != NULL) {
        plain_note("%s\n", printing->empty);
    } else if (heads && listing->columns != NULL) {
        table_head(&printing->table);
    } else if (heads && listing->head != NULL) {
        listing->head(listing->ctx);
    }
    if (prints && listing->columns != NULL) {
        table_row(&printing->table, row);
    } else if (prints) {
        listing->row(listing->ctx, row);
    } else if (row != NULL) {
        talk_print(row);
    }
}

struct err listing_print(struct talk *talk, struct invocation *invocation,
                         const struct listing *listing) {
    const struct args *args = &invocation->args;
    AUTO(text_done) struct text target = {0};
    struct printing printing = {.listing = listing, .json = invocation->json};
    struct talk_end end = {.shown = 0};
    TRY(listing_path(invocation, listing->path, LISTING_ALL, &target));
    if (listing->columns != NULL) {
        printing.table = table_of(invocation, listing->columns);
    }
    bool filtered = target.len > strlen(listing->path); /* The path may have a query of its own. */
    printing.empty = listing->empty != NULL && filtered ? "No row matches." : listing->empty;
    const struct talk_rows rows = {
        .path = target.data,
        .most = args_given(args, "limit") ? args_int(args, "limit", 0) : listing->most,
        .total = args_on(args, "total"),
        .each = row_print,
        .ctx = &printing,
        .end = &end,
    };
    TRY(talk_rows(talk, &rows, &invocation->why));
    row_print(&printing, NULL);
    struct err err = ERR_OK;
    if (listing->foot != NULL && !invocation->json) {
        err = listing->foot(listing->ctx);
    }
    if (err_failed(err)) {
        return err;
    }
    long long shown = (long long)end.shown, total = (long long)end.total;
    if (rows.total && invocation->json) {
        printf("{\"shown\":%lld,\"total\":%lld,\"more\":%s}\n", shown, total,
               end.total_more ? "true" : "false");
    } else if (rows.total) {
        printf("%lld of %s%lld\n", shown, end.total_more ? "more than " : "", total);
    } else if (end.more && !invocation->json) {
        plain_note("more: %lld row%s shown; --limit N shows others, --total counts them\n", shown,
                   shown == 1 ? " is" : "s are");
    }
    return ERR_OK;
}

static void row_keep(void *ctx, const json_t *row) {
    (void)json_array_append(ctx, (json_t *)(uintptr_t)row); /* Without memory it is left out. */
}

struct err action_rows(struct talk *talk, const char *path, json_t **ret_rows, struct why *why) {
    AUTO(json_release) json_t *rows = json_array();
    TRY(talk_list(talk, path, row_keep, rows, why));
    *ret_rows = json_incref(rows);
    return ERR_OK;
}

/* --- Requests --------------------------------------------------------------------------------- */

static void body_done(struct text *body) {
    if (body->data != NULL) {
        explicit_bzero(body->data, body->len);
    }
    text_done(body);
}

static struct err body_write(struct invocation *invocation, const struct action *action,
                             struct text *body) {
    const bool changes = strncmp(action->request, "PATCH ", 6) == 0;
    const struct flags_body given = {.args = &invocation->args,
                                     .fields = action->gives,
                                     .use = changes ? FIELD_CHANGED : FIELD_GIVEN,
                                     .operand = "name",
                                     .parts = action->parts,
                                     .ctx = invocation};
    text_add_char(body, '{');
    struct err err = action->body != NULL ? action->body(invocation, body) : ERR_OK;
    if (!err_failed(err) && action->gives != NULL) {
        err = flags_members_write(&given, body, &invocation->why);
    }
    text_add_char(body, '}');
    return err;
}

/* A body may read a secret: Ctrl-C is taken over after that. */
struct err action_ask(struct talk *talk, const struct action *action, json_t **ret_answer) {
    struct invocation *invocation = talk->invocation;
    AUTO(text_done) struct text path = text_up_to(ACTION_PATH_MAX);
    AUTO(body_done) struct text body = text_up_to(ACTION_BODY_MAX);
    char method[8];
    (void)snprintf(method, sizeof method, "%.*s", (int)strcspn(action->request, " "),
                   action->request); /* Fits. */
    struct err err = path_add(invocation, action, &path);
    if (!err_failed(err) && (action->body != NULL || action->gives != NULL)) {
        err = body_write(invocation, action, &body);
    }
    const struct api_request request = {.method = method,
                                        .base = path.data,
                                        .body = &body,
                                        .timeout_ms = action->timeout_ms,
                                        .retry = action->keyed ? API_RETRY_CUT : API_RETRY_AWAY};
    if (!err_failed(err) && talk->client == NULL) {
        err = talk_open(talk, invocation);
    }
    return err_failed(err) ? err : api_ask(talk, &request, ret_answer, &invocation->why);
}

struct err action_get(struct invocation *invocation, const struct action *action,
                      json_t **ret_answer) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1, .invocation = invocation};
    return action_ask(&talk, action, ret_answer);
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

struct err action_do(struct invocation *invocation, const struct action *action) {
    AUTO(json_release) json_t *answer = NULL;
    const bool lists = args_has(&invocation->args, "limit");
    const struct column *columns = action->columns, *lines = action->lines;
    int key_width = action->key_width;
    struct table_columns made;
    if (action->fields != NULL) {
        table_columns_of(action->fields, lists ? TABLE_COLUMNS : TABLE_LINES, &made);
        columns = lists && columns == NULL ? made.rows : columns;
        lines = lists ? NULL : made.rows;
        key_width = made.key_width;
    }
    if (columns != NULL && lists) {
        AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
        AUTO(text_done) struct text path = text_up_to(ACTION_PATH_MAX);
        TRY(path_add(invocation, action, &path));
        const struct listing listing = {
            .path = path.data, .columns = columns, .empty = action->empty};
        TRY(talk_open(&talk, invocation));
        return listing_print(&talk, invocation, &listing);
    }
    TRY(action_get(invocation, action, &answer));
    if (columns != NULL) {
        table_print(invocation, columns, json_object_get(answer, "items"), action->empty);
    } else if (invocation->json) {
        talk_print(answer);
    } else if (lines != NULL) {
        table_lines(invocation, lines, key_width, answer);
    } else if (action->print != NULL) {
        action->print(answer);
    } else {
        done_print(action->done, answer);
    }
    return ERR_OK;
}

struct err action_each(struct invocation *invocation, struct talk *talk,
                       struct err (*one)(struct invocation *invocation, struct talk *talk)) {
    const struct args all = invocation->args;
    struct err first = ERR_OK;
    if (all.operand_count < 2) {
        return one(invocation, talk);
    }
    for (unsigned i = 0; i < all.operand_count && first.code != ERR_INTERRUPTED; i++) {
        invocation->args.operands[0] = all.operands[i];
        invocation->args.operand_count = 1;
        struct err err = one(invocation, talk);
        if (err.code == ERR_UNREACHABLE) {
            return err; /* The same for each that follows. */
        }
        if (err_failed(err)) {
            struct why why = invocation->why;
            (void)fflush(stdout); /* A failure shows again at the end. */
            why_set(&invocation->why, "%.100s: %.200s", all.operands[i], err_words(err, &why));
            cli_failure_print(invocation, err);
            first = err_failed(first) ? first : err;
        }
        invocation->why.text[0] = '\0';
    }
    invocation->args = all;
    invocation->told = err_failed(first);
    return first;
}

static struct err action_one(struct invocation *invocation, struct talk *talk) {
    return action_do(invocation, invocation->args.command->action);
}

struct err action_run(struct invocation *invocation) {
    const char *operands = invocation->args.command->operands;
    bool many = operands != NULL && strstr(operands, "…") != NULL;
    return many ? action_each(invocation, NULL, action_one) : action_one(invocation, NULL);
}
