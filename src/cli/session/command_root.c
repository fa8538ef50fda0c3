/* command_root.c: drover root ls, add, rm: the folders beside its root that a session may use. */
#include <stdio.h>
#include <string.h>

#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/session/ask.h"

enum { BODY_MAX = 32 << 10 };

/* --- List ------------------------------------------------------------------------------------- */

static struct err ls_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    const struct session_request request = {.method = "GET", .rest = "/roots"};
    struct err err = session_ask(&talk, invocation, &request, &answer);
    const json_t *items = json_object_get(answer, "items");
    if (!err_failed(err) && !invocation->json) {
        printf("%-6s  %-20s  %-16s  %s\n", "ACCESS", "GRANTED", "BY", "FOLDER");
    }
    for (size_t i = 0; !err_failed(err) && i < json_array_size(items); i++) {
        const json_t *root = json_array_get(items, i);
        if (invocation->json) {
            talk_print(root);
        } else {
            printf("%-6s  %-20s  %-16s  %s\n", talk_text(root, "access"),
                   talk_time(talk_int(root, "granted_ms")).text, talk_text(root, "granted_by"),
                   talk_text(root, "path"));
        }
    }
    return err;
}

const struct command command_root_ls = {
    .group = "root",
    .name = "ls",
    .summary = "List the folders beside its root that a session may use.",
    .operands = "SESSION",
    .talks = true,
    .run = ls_run,
};

/* --- Grant ------------------------------------------------------------------------------------ */

static const struct flag add_flags[] = {
    OPTION_SWITCH("write", 'w', "To change it, not only to read."),
    OPTION_END,
};

static struct err add_run(struct invocation *invocation) {
    const char *path = invocation->args.operands[1];
    AUTO(text_done) struct text body;
    text_init(&body, BODY_MAX);
    text_add_str(&body, "{\"path\":");
    text_add_json(&body, path, strlen(path));
    text_addf(&body, ",\"access\":\"%s\"}",
              args_given(&invocation->args, "write") ? "write" : "read");
    if (text_failed(&body)) {
        return err_make(ERR_BODY_TOO_LARGE, "root: body");
    }
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    const struct session_request request = {.method = "POST", .rest = "/roots", .body = &body};
    struct err err = session_ask(&talk, invocation, &request, &answer);
    if (!err_failed(err) && invocation->json) {
        talk_print(answer);
    } else if (!err_failed(err)) {
        printf("%s is granted (%s)\n", talk_text(answer, "path"), talk_text(answer, "access"));
    }
    return err;
}

const struct command command_root_add = {
    .group = "root",
    .name = "add",
    .summary = "Grant a folder to a session: its files may be used by absolute paths.",
    .operands = "SESSION DIR",
    .flags = add_flags,
    .talks = true,
    .run = add_run,
};

/* --- Take back -------------------------------------------------------------------------------- */

static struct err rm_run(struct invocation *invocation) {
    AUTO(text_done) struct text rest;
    text_init(&rest, BODY_MAX);
    text_add_str(&rest, "/roots?path=");
    client_add_escaped(&rest, invocation->args.operands[1]);
    if (text_failed(&rest)) {
        return err_make(ERR_BODY_TOO_LARGE, "root: path");
    }
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    const struct session_request request = {.method = "DELETE", .rest = rest.data};
    struct err err = session_ask(&talk, invocation, &request, &answer);
    if (!err_failed(err) && invocation->json) {
        talk_print(answer);
    } else if (!err_failed(err)) {
        printf("%s is taken back\n", talk_text(answer, "path"));
    }
    return err;
}

const struct command command_root_rm = {
    .group = "root",
    .name = "rm",
    .summary = "Take a folder back from a session.",
    .operands = "SESSION DIR",
    .talks = true,
    .run = rm_run,
};
