/* command_session.c: drover session ls, search, show: which conversations there are. */
#include <stdio.h>
#include <string.h>

#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/base/resource.h"
#include "cli/session/session.h"
#include "cli/terminal/plain.h"

/* --- List and search -------------------------------------------------------------------------- */

static void head_print(void *ctx) {
    printf("%-30s  %-10s  %-20s  %s\n", "SESSION", "STATE", "CHANGED", "TITLE");
}

static void row_print(void *ctx, const json_t *row) {
    const char *title = talk_text(row, "title");
    printf("%-30s  %-10s  %-20s  %s\n", talk_text(row, "id"), talk_text(row, "state"),
           talk_time(talk_int(row, "changed_ms")).text, title[0] != '\0' ? title : "-");
    const json_t *match = json_object_get(row, "match");
    if (talk_text(match, "message")[0] != '\0') {
        AUTO(text_done) struct text line = {0};
        plain_line(&line, talk_text(match, "text"));
        printf("    %s  %s\n", talk_text(match, "message"), line.data != NULL ? line.data : "");
    }
}

#define LS_FLAGS                                                                                   \
    OPTION_SWITCH("archived", 'a', "Those that are archived instead of those that are not."),      \
        LISTING_STATE("idle|running|waiting|compacting"),                                          \
        LISTING_WORD("project", "NAME", "Only of this project."),                                  \
        LISTING_WORD("parent", "SESSION", "Only subagents of this session."),                      \
        LISTING_SINCE("changed"), LISTING_FLAGS(NULL)

static const struct flag ls_flags[] = {LS_FLAGS, LISTING_SEARCH("title or messages"), OPTION_END};
static const struct flag search_flags[] = {LS_FLAGS, OPTION_END};

static struct err ls_run(struct invocation *invocation) {
    bool archived = args_on(&invocation->args, "archived");
    const struct listing listing = {.invocation = invocation,
                                    .path = archived ? "/api/v1/sessions?archived=1"
                                                     : "/api/v1/sessions",
                                    .head = head_print,
                                    .row = row_print};
    return listing_run(&listing);
}

const struct command command_session_ls = {
    .group = "session",
    .name = "ls",
    .summary = "List sessions, the one changed last first.",
    .flags = ls_flags,
    .talks = true,
    .run = ls_run,
};

static struct err search_run(struct invocation *invocation) {
    AUTO(text_done) struct text path = {0};
    text_init(&path, 4096);
    text_addf(&path, "/api/v1/sessions?archived=%d&q=", args_on(&invocation->args, "archived"));
    client_add_escaped(&path, invocation->args.operands[0]);
    if (text_failed(&path)) {
        why_set(&invocation->why, "the text to look for is too long");
        return err_make(ERR_USAGE, "session: path");
    }
    const struct listing listing = {
        .invocation = invocation, .path = path.data, .head = head_print, .row = row_print};
    return listing_run(&listing);
}

const struct command command_session_search = {
    .group = "session",
    .name = "search",
    .summary = "List the sessions whose title or messages hold a text.",
    .operands = "TEXT",
    .flags = search_flags,
    .talks = true,
    .run = search_run,
};

/* --- Show ------------------------------------------------------------------------------------- */

static void text_line(const char *key, const char *value) {
    if (value[0] != '\0') {
        printf("%-9s %s\n", key, value);
    }
}

static void usage_line(const json_t *usage) {
    if (talk_int(usage, "calls") == 0) {
        return;
    }
    printf("%-9s %lld calls, %lld tokens in, %lld out\n", "used",
           (long long)talk_int(usage, "calls"),
           (long long)(talk_int(usage, "fresh") + talk_int(usage, "cache_read") +
                       talk_int(usage, "cache_write")),
           (long long)talk_int(usage, "output"));
}

static void session_show(const struct invocation *invocation, const json_t *row) {
    if (invocation->json) {
        talk_print(row);
        return;
    }
    text_line("session", talk_text(row, "id"));
    text_line("title", talk_text(row, "title"));
    text_line("state", talk_text(row, "state"));
    text_line("project", talk_text(row, "project"));
    text_line("model", talk_text(row, "model"));
    text_line("agent", talk_text(row, "agent"));
    text_line("root", talk_text(row, "root"));
    text_line("parent", talk_text(row, "parent"));
    text_line("fork of", talk_text(row, "forked_from"));
    if (json_is_true(json_object_get(row, "archived"))) {
        text_line("archived", "yes");
    }
    text_line("made", talk_time(talk_int(row, "made_ms")).text);
    text_line("changed", talk_time(talk_int(row, "changed_ms")).text);
    usage_line(json_object_get(row, "usage"));
}

static void part_print(const json_t *part) {
    const char *kind = talk_text(part, "kind"), *text = talk_text(part, "text");
    if (strcmp(kind, "tool") == 0) {
        const char *cause = talk_text(part, "cause");
        printf("[%s %s%s%s%s]\n", talk_text(part, "name"), talk_text(part, "state"),
               cause[0] != '\0' ? " (" : "", cause, cause[0] != '\0' ? ")" : "");
    } else if (strcmp(kind, "image") == 0) {
        printf("[%s]\n", talk_text(part, "name"));
    } else if (strcmp(kind, "thinking") != 0 && text[0] != '\0') {
        plain_print(bytes_of(text));
        printf("%s\n", json_is_true(json_object_get(part, "cut")) ? " …" : "");
    }
}

static void message_print(void *ctx, const json_t *message) {
    const struct invocation *invocation = ctx;
    if (invocation->json) {
        talk_print(message);
        return;
    }
    const char *status = talk_text(message, "status");
    printf("\n%s  %s%s%s\n", talk_text(message, "id"), talk_text(message, "role"),
           strcmp(status, "completed") == 0 ? "" : ", ",
           strcmp(status, "completed") == 0 ? "" : status);
    const json_t *match = json_object_get(message, "match");
    if (match != NULL) {
        AUTO(text_done) struct text line = {0};
        plain_line(&line, talk_text(match, "text"));
        printf("    %s\n", line.data != NULL ? line.data : "");
        return;
    }
    size_t at = 0;
    const json_t *part = NULL;
    json_array_foreach(json_object_get(message, "parts"), at, part) {
        part_print(part);
    }
}

static const struct flag show_flags[] = {
    OPTION_SWITCH("messages", 'm', "And all its messages."),
    LISTING_WORD("search", "TEXT", "And the messages that hold this text, with the place."),
    OPTION_END,
};

static struct err show_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *row = NULL;
    AUTO(text_done) struct text path = {0};
    const struct resource session = {SESSION_RESOURCE(invocation->args.operands[0])};
    struct err err = resource_open(&talk, invocation, &session, &row);
    if (err_failed(err)) {
        return err;
    }
    session_show(invocation, row);
    const char *text = args_text(&invocation->args, "search");
    if (!args_on(&invocation->args, "messages") && text == NULL) {
        return ERR_OK;
    }
    bool fits = talk_target(&path, "/api/v1/sessions/", invocation->args.operands[0],
                            "/messages?order=oldest");
    assert(fits); /* A longer one was asked for before. */
    if (text != NULL) {
        text_add_str(&path, "&q=");
        client_add_escaped(&path, text);
    }
    if (text_failed(&path)) {
        why_set(&invocation->why, "the text to look for is too long");
        return err_make(ERR_USAGE, "session: search");
    }
    return talk_list(&talk, path.data, message_print, invocation, &invocation->why);
}

const struct command command_session_show = {
    .group = "session",
    .name = "show",
    .summary = "Show a session.",
    .operands = "ID",
    .flags = show_flags,
    .talks = true,
    .run = show_run,
};
