/* command_memory.c: drover memory ls, show, rm: what agents remember. */
#include <stdio.h>
#include <string.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/base/resource.h"

/* --- List ------------------------------------------------------------------------------------- */

static const struct flag ls_flags[] = {
    OPTION_TEXT("project", 'p', "NAME", "Of this project, and those about everything."),
    OPTION_TEXT("topic", 't', "NAME", "Of this topic."),
    LISTING_SINCE("kept or changed"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static void head_print(void *ctx) {
    printf("%-30s  %-10s  %-12s  %-16s  %s\n", "MEMORY", "DAY", "PROJECT", "TOPIC", "TITLE");
}

static void row_print(void *ctx, const json_t *row) {
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

static void memory_print(const json_t *row) {
    const char *project = talk_text(row, "project");
    printf("%-9s %s\n%-9s %s\n%-9s %s\n%-9s %s\n", "memory", talk_text(row, "id"), "about",
           project[0] == '\0' ? "everything" : project, "topic", talk_text(row, "topic"), "day",
           talk_text(row, "day"));
    printf("%-9s ", "tags");
    talk_print(json_object_get(row, "tags"));
    printf("%-9s %s\n\n%s\n", "title", talk_text(row, "title"), talk_text(row, "content"));
}

static struct err show_run(struct invocation *invocation) {
    return resource_run(invocation, &(struct resource){.base = "/api/v1/memory/",
                                                       .id = invocation->args.operands[0],
                                                       .print = memory_print});
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
    return resource_run(invocation, &(struct resource){.method = "DELETE",
                                                       .base = "/api/v1/memory/",
                                                       .id = invocation->args.operands[0],
                                                       .member = "id",
                                                       .done = " is forgotten"});
}

const struct command command_memory_rm = {
    .group = "memory",
    .name = "rm",
    .summary = "Forget a memory for good.",
    .operands = "ID",
    .talks = true,
    .run = rm_run,
};
