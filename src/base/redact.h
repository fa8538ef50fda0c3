/* redact.h: text without secrets, for reports and notifications that leave the machine.
 *
 * Removed are: secrets that the caller knows; words that begin like the keys of common services
 * (sk-…, ghp_…, AKIA…, drv_…, JSON Web Tokens); the value behind a name that says key, token,
 * secret, password, credential or authorization; private keys in PEM; user and password, and the
 * query, of a URL; and any word of 32 characters or more that mixes letters and digits and is not
 * an id of drover.
 *
 * Promise    "[removed]" stands for each of them. Rather too much goes than too little. What is
 *            left over has the order and the bytes of the text.
 * Limits     a secret that looks like an ordinary word, and that nobody named, stays.
 * Ownership  everything is borrowed during the call.
 * Threads    any; pure.
 */
#ifndef DROVER_BASE_REDACT_H
#define DROVER_BASE_REDACT_H

#include "base/base.h"
#include "base/text.h"

/* Shorter values are not looked for: "1" and "on" are values of variables, too. */
enum { REDACT_SECRET_MIN = 6 };

struct redact_secrets {
    const struct bytes *items;
    size_t count;
};
void redact_add(struct text *into, struct bytes text, const struct redact_secrets *secrets);

/* True: a member or a variable of this name holds a secret: api_key, OPENAI_API_KEY, password. */
MUST_CHECK bool redact_name(struct bytes name);

#endif
