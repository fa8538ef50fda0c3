/* flags.h: the flags of fields (base/fields/fields.h) as the body of a request.
 *
 * Promise    only what was given is sent: whatever has a default has it in the daemon. Members come
 *            in the order of the table. Errors name a value by its flag.
 * Ownership  all borrowed during the call.
 * Threads    any; pure.
 * Failure    ERR_USAGE with *why; `body` may hold a part.
 */
#ifndef DROVER_CLI_BASE_FLAGS_H
#define DROVER_CLI_BASE_FLAGS_H

#include "base/base.h"
#include "base/err.h"
#include "base/fields/fields.h"
#include "base/text.h"
#include "cli/base/args.h"

/* A field whose value is more than that of its flag: `add` adds the whole member, or nothing. */
struct flags_part {
    const char *name; /* Name of the field. */
    struct err (*add)(const void *ctx, struct text *body, struct why *why);
};
struct flags_body {
    const struct args *args;
    const struct field_set *fields;
    unsigned use;                   /* FIELD_GIVEN, FIELD_CHANGED */
    const char *operand;            /* Field that the first operand is; NULL: none. */
    const struct flags_part *parts; /* Ends with .name NULL; NULL: none. */
    const void *ctx;                /* Argument of the parts. */
};
/* Adds the members of an object that was begun. */
MUST_CHECK struct err flags_members_write(const struct flags_body *body, struct text *text,
                                          struct why *why);
/* Adds the object. */
MUST_CHECK struct err flags_body_write(const struct flags_body *body, struct text *text,
                                       struct why *why);

/* JSON carries text only. `what` is how the user knows it. */
MUST_CHECK struct err flags_text_check(const char *text, const char *what, struct why *why);
/* Adds the text as JSON, and checks it. */
MUST_CHECK struct err flags_text_add(struct text *body, const char *value, const char *what,
                                     struct why *why);

#endif
