/* scopes.c: see scopes.h. */
#include "cli/token/scopes.h"

#include <string.h>

#include "engine/token/token.h"

/* Scopes are checked here: the daemon would name a position in a list that the user never saw. */
struct err scopes_add(struct invocation *invocation, struct text *body) {
    const struct args *args = &invocation->args;
    text_add_name(body, "scopes");
    text_add_char(body, '[');
    for (const char *at = args_text(args, "scope"), *names = at; at != NULL;) {
        size_t len = strcspn(at, ",");
        char name[16] = "";
        unsigned bit = 0;
        if (len < sizeof name) {
            memcpy(name, at, len);
        }
        if (!token_scope_find(name, &bit)) {
            return err_why(&invocation->why, ERR_USAGE,
                           "--scope: '%.*s' is not one of read, run, approve, admin", (int)len, at);
        }
        text_addf(body, "%s\"%s\"", at == names ? "" : ",", name);
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    text_add_char(body, ']');
    return ERR_OK;
}
