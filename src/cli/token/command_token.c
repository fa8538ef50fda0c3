/* command_token.c: drover token create, ls, revoke. */
#include <stdio.h>
#include <string.h>

#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/resource.h"
#include "engine/token/token.h"

/* --- Create ----------------------------------------------------------------------------------- */

static const struct flag create_flags[] = {
    OPTION_TEXT("label", 0, "TEXT", "What it is for, for whoever reads the list."),
    OPTION_TEXT("owner", 0, "NAME", "Whose objects it reaches [yours]."),
    OPTION_TEXT("scope", 0, "NAMES", "Of read, run, approve, admin; commas between.",
                .absent = "read,run"),
    OPTION_END,
};

/* The daemon would name a position in a list that the user never saw. */
static struct err scopes_add(struct text *text, const char *names, struct why *why) {
    for (const char *at = names;; at++) {
        size_t len = strcspn(at, ",");
        char name[16] = "";
        unsigned bit = 0;
        if (len < sizeof name) {
            memcpy(name, at, len);
        }
        if (!token_scope_find(name, &bit)) {
            return err_why(why, ERR_USAGE, "--scope: '%.*s' is none of read, run, approve, admin",
                           (int)len, at);
        }
        text_addf(text, "%s\"%s\"", at == names ? "" : ",", name);
        at += len;
        if (at[0] == '\0') {
            return ERR_OK;
        }
    }
}

static void create_print(const json_t *answer) {
    printf("%s\n", talk_text(answer, "token"));
    fprintf(stderr, "This is %s of owner %s; it is shown this once.\n", talk_text(answer, "id"),
            talk_text(answer, "owner"));
}

static struct err create_run(struct invocation *invocation) {
    const struct args *args = &invocation->args;
    AUTO(text_done) struct text body = {0};
    const struct resource resource = {
        .method = "POST", .base = "/api/v1/tokens", .body = &body, .print = create_print};
    text_init(&body, 16 << 10);
    text_add_str(&body, "{\"scopes\":[");
    struct err err = scopes_add(&body, args_text(args, "scope"), &invocation->why);
    text_add_char(&body, ']');
    text_add_member(&body, "label", bytes_of(args_text(args, "label")));
    resource_member(&body, "owner", args_text(args, "owner"));
    text_add_char(&body, '}');
    return err_failed(err) ? err : resource_run(invocation, &resource);
}

const struct command command_token_create = {
    .group = "token",
    .name = "create",
    .summary = "Make a token for TCP; it is shown once.",
    .flags = create_flags,
    .talks = true,
    .run = create_run,
};

/* --- List ------------------------------------------------------------------------------------- */

enum { SCOPES_WIDTH = 22 }; /* All four. */

static const struct flag ls_flags[] = {LISTING_SEARCH("label or owner"), LISTING_SINCE("made"),
                                       LISTING_FLAGS(NULL), OPTION_END};

static void head_print(void *ctx) {
    printf("%-30s  %-16s  %-20s  %-*s  %s\n", "TOKEN", "OWNER", "MADE", SCOPES_WIDTH, "SCOPE",
           "LABEL");
}

static void token_print(void *ctx, const json_t *item) {
    printf("%-30s  %-16s  %-20s  ", talk_text(item, "id"), talk_text(item, "owner"),
           talk_time(talk_int(item, "made_ms")).text);
    size_t at = 0;
    json_t *scope = NULL;
    int width = 0;
    json_array_foreach(json_object_get(item, "scopes"), at, scope) {
        const char *name = json_string_value(scope);
        width += printf("%s%s", at > 0 ? "," : "", name != NULL ? name : "");
    }
    const char *label = talk_text(item, "label");
    if (label[0] != '\0') {
        printf("%*s  %s", width < SCOPES_WIDTH ? SCOPES_WIDTH - width : 0, "", label);
    }
    putchar('\n');
}

static const struct listing tokens = {
    .path = "/api/v1/tokens", .head = head_print, .row = token_print};

const struct command command_token_ls = {
    .group = "token",
    .name = "ls",
    .summary = "List the live tokens, without their secrets.",
    .flags = ls_flags,
    .talks = true,
    .run = listing_command,
    .listing = &tokens,
};

/* --- Revoke ----------------------------------------------------------------------------------- */

static const struct resource revoked = {
    .method = "DELETE", .base = "/api/v1/tokens/", .member = "id", .done = " is revoked"};

const struct command command_token_revoke = {
    .group = "token",
    .name = "revoke",
    .summary = "Revoke a token; it is refused from the next request on.",
    .operands = "ID",
    .talks = true,
    .run = resource_command,
    .resource = &revoked,
};
