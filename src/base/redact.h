/* redact.h: text without secrets, for reports and notifications that leave the machine.
 *
 * These are replaced by "[removed]":
 *   - secrets that the caller names;
 *   - words with the beginning of a key of a common service (sk-…, ghp_…, AKIA…, drv_…, drr_…,
 *     JSON Web Tokens);
 *   - the value after a name with key, token, secret, password, credential or authorization in it;
 *   - private keys in PEM;
 *   - user, password and query of a URL;
 *   - each word of 32 or more characters that mixes letters and digits, and is no id of drover.
 *
 * Promise    in doubt a text is removed. All other bytes stay as they are, in their order.
 * Limits     a secret that looks like an ordinary word, and that the caller did not name, stays.
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
