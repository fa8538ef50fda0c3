/* command_memory.c: drover memory ls, show, rm: what agents remember. */
#include <stdio.h>
#include <string.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"

static struct err one_ask(struct invocation *invocation, const char *method, json_t **ret_row) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/memory/", invocation->args.operands[0], "")) {
        return err_make(ERR_NOT_FOUND, "memory: id");
    }
    struct err err = talk_open(&talk, invocation);
    struct client_request request = {.method = method, .target = target.data};
    return err_failed(err)
               ? err
               : talk_ask(&talk, &request, NULL /* parsed is enough */, ret_row, &invocation->why);
}

/* --- List ------------------------------------------------------------------------------------- */

static const struct flag ls_flags[] = {
    OPTION_TEXT("project", 'p', "NAME", "Of this project, and those about everything."),
    OPTION_TEXT("topic", 't', "NAME", "Of this topic."),
    LISTING_SINCE("kept or changed"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static void head_print(void *ctx) {
    (void)ctx;
    printf("%-30s  %-10s  %-12s  %-16s  %s\n", "MEMORY", "DAY", "PROJECT", "TOPIC", "TITLE");
}

static void row_print(void *ctx, const json_t *row) {
    (void)ctx;
    const char *project = talk_text(row, "project");
    printf("%-30s  %-10s  %-12s  %-16s  %s\n", talk_text(row, "id"), talk_text(row, "day"),
           project[0] == '\0' ? "-" : project, talk_text(row, "topic"), talk_text(row, "title"));
}

static struct err ls_run(struct invocation *invocation) {
    const struct args *args = &invocation->args;
    AUTO(text_done) struct text path;
    text_init(&path, 8 << 10);
    text_add_str(&path, "/api/v1/memory");
    if (args->operand_count > 0) {
        text_add_str(&path, "?q=");
        client_add_escaped(&path, args->operands[0]);
    }
    if (text_failed(&path)) {
        why_set(&invocation->why, "the words to look for are too long");
        return err_make(ERR_USAGE, "memory: query");
    }
    const struct listing listing = {
        .invocation = invocation, .path = path.data, .head = head_print, .row = row_print};
    return listing_run(&listing);
}

const struct command command_memory_ls = {
    .group = "memory",
    .name = "ls",
    .summary = "List what agents remember, or look for words in it.",
    .operands = "[WORDS]",
    .flags = ls_flags,
    .talks = true,
    .run = ls_run,
};

/* --- Show ------------------------------------------------------------------------------------- */

static void row_show(const json_t *row) {
    const char *project = talk_text(row, "project");
    printf("%-9s %s\n%-9s %s\n%-9s %s\n%-9s %s\n", "memory", talk_text(row, "id"), "about",
           project[0] == '\0' ? "everything" : project, "topic", talk_text(row, "topic"), "day",
           talk_text(row, "day"));
    printf("%-9s ", "tags");
    talk_print(json_object_get(row, "tags"));
    printf("%-9s %s\n\n%s\n", "title", talk_text(row, "title"), talk_text(row, "content"));
}

static struct err show_run(struct invocation *invocation) {
    AUTO(json_release) json_t *row = NULL;
    struct err err = one_ask(invocation, "GET", &row);
    if (!err_failed(err) && invocation->json) {
        talk_print(row);
    } else if (!err_failed(err)) {
        row_show(row);
    }
    return err;
}

const struct command command_memory_show = {
    .group = "memory",
    .name = "show",
    .summary = "Show a memory.",
    .operands = "ID",
    .talks = true,
    .run = show_run,
};

/* --- Forget ----------------------------------------------------------------------------------- */

static struct err rm_run(struct invocation *invocation) {
    AUTO(json_release) json_t *row = NULL;
    struct err err = one_ask(invocation, "DELETE", &row);
    if (!err_failed(err) && invocation->json) {
        talk_print(row);
    } else if (!err_failed(err)) {
        printf("%s is forgotten\n", talk_text(row, "id"));
    }
    return err;
}

const struct command command_memory_rm = {
    .group = "memory",
    .name = "rm",
    .summary = "Forget a memory for good.",
    .operands = "ID",
    .talks = true,
    .run = rm_run,
};
