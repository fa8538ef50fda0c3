/* command_root.c: drover root ls, add, rm: the folders beside its root that a session may use. */
#include <stdio.h>
#include <string.h>

#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/resource.h"
#include "cli/session/session.h"

enum { BODY_MAX = 32 << 10 };

/* --- List ------------------------------------------------------------------------------------- */

static struct err ls_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    const struct resource roots = {SESSION_RESOURCE(invocation->args.operands[0]),
                                   .rest = "/roots"};
    struct err err = resource_open(&talk, invocation, &roots, &answer);
    if (err_failed(err)) {
        return err;
    }
    const json_t *items = json_object_get(answer, "items");
    if (!invocation->json) {
        printf("%-6s  %-20s  %-16s  %s\n", "ACCESS", "GRANTED", "BY", "FOLDER");
    }
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *root = json_array_get(items, i);
        if (invocation->json) {
            talk_print(root);
        } else {
            printf("%-6s  %-20s  %-16s  %s\n", talk_text(root, "access"),
                   talk_time(talk_int(root, "granted_ms")).text, talk_text(root, "granted_by"),
                   talk_text(root, "path"));
        }
    }
    return ERR_OK;
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

static void granted_print(const json_t *root) {
    printf("%s is granted (%s)\n", talk_text(root, "path"), talk_text(root, "access"));
}

static struct err add_run(struct invocation *invocation) {
    AUTO(text_done) struct text body = {0};
    text_init(&body, BODY_MAX);
    text_add_char(&body, '{');
    resource_member(&body, "path", invocation->args.operands[1]);
    resource_member(&body, "access", args_given(&invocation->args, "write") ? "write" : "read");
    text_add_char(&body, '}');
    if (text_failed(&body)) {
        return err_make(ERR_BODY_TOO_LARGE, "root: body");
    }
    const struct resource roots = {.method = "POST",
                                   SESSION_RESOURCE(invocation->args.operands[0]),
                                   .rest = "/roots",
                                   .body = &body,
                                   .print = granted_print};
    return resource_run(invocation, &roots);
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
    AUTO(text_done) struct text rest = {0};
    text_init(&rest, BODY_MAX);
    text_add_str(&rest, "/roots?path=");
    client_add_escaped(&rest, invocation->args.operands[1]);
    if (text_failed(&rest)) {
        return err_make(ERR_BODY_TOO_LARGE, "root: path");
    }
    const struct resource root = {.method = "DELETE",
                                  SESSION_RESOURCE(invocation->args.operands[0]),
                                  .rest = rest.data,
                                  .member = "path",
                                  .done = " is taken back"};
    return resource_run(invocation, &root);
}

const struct command command_root_rm = {
    .group = "root",
    .name = "rm",
    .summary = "Take a folder back from a session.",
    .operands = "SESSION DIR",
    .talks = true,
    .run = rm_run,
};
