/* command_token.c: drover token create, ls, revoke. */
#include <stdio.h>

#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/terminal/plain.h"
#include "cli/token/scopes.h"
#include "engine/token/token.h"

static const struct flag create_flags[] = {
    OPTION_TEXT("label", 0, "TEXT",
                "Name it in lists; 'token revoke' takes this in place of its id."),
    OPTION_TEXT("owner", 0, "NAME", "Give access to the objects of this owner [yours]."),
    OPTION_TEXT("scope", 0, "NAMES", "Allow these: read, run, approve, admin; commas between.",
                .absent = "read,run"),
    OPTION_END,
};

static struct err create_body(struct invocation *invocation, struct text *body) {
    const struct args *args = &invocation->args;
    struct err err = scopes_add(invocation, body);
    text_add_member(body, "label", bytes_of(args_text(args, "label")));
    api_member(body, "owner", args_text(args, "owner"));
    return err;
}

static void create_print(const json_t *answer) {
    printf("%s\n", talk_text(answer, "token"));
    plain_note("This is %s of owner %s; it is shown this once.\n", talk_text(answer, "id"),
               talk_text(answer, "owner"));
}

const struct command command_token_create = {
    COMMAND("token", "create", NULL, "Create a token for TCP. Its secret is shown once."),
    HELP(DAEMON, "drover token create --label phone --scope read,approve\n"),
    .flags = create_flags,
    ACTION("POST /api/v1/tokens", .body = create_body, .print = create_print),
};

static const struct flag ls_flags[] = {LISTING_OF(&token_resource.fields), OPTION_END};

const struct command command_token_ls = {
    COMMAND("token", "ls", NULL, "List tokens without their secrets."),
    HELP(DAEMON, "drover token ls\n"),
    .flags = ls_flags,
    ACTION("GET /api/v1/tokens", .fields = &token_resource.fields,
           .empty =
               "There is no token. 'drover token create' makes one; the Unix socket needs none."),
};

const struct command command_token_revoke = {
    COMMAND("token", "revoke", "TOKEN…",
            "Revoke a token. Requests with it are refused from now on."),
    HELP(DAEMON, "drover token revoke phone\n"),
    ACTION("DELETE /api/v1/tokens/{}", .done = "{id} is revoked"),
};
