/* known.h: the providers that are known by name: what a key alone is enough for.
 *
 *   OPENAI_API_KEY (and OPENAI_BASE_URL)        openai
 *   ANTHROPIC_API_KEY (and ANTHROPIC_BASE_URL)  anthropic
 *   DEEPSEEK_API_KEY (and DEEPSEEK_BASE_URL)    deepseek
 *
 * Ownership  the table is static.
 * Threads    any; pure.
 */
#ifndef DROVER_MODEL_KNOWN_H
#define DROVER_MODEL_KNOWN_H

#include "base/base.h"
#include "base/hash.h"
#include "model/request.h"

struct known_provider {
    const char *name, *prefix, *base_url;
    enum model_kind kind;
    const char *remedy; /* Advice where no key is set. */
};
/* NULL after the last one. */
const struct known_provider *known_provider_at(size_t at);
/* NULL: the name is not known. */
const struct known_provider *known_provider_find(const char *name);

struct known_variable {
    char name[64];
};
/* "OPENAI_API_KEY", of the suffix "API_KEY". */
struct known_variable known_variable(const struct known_provider *provider, const char *suffix);

/* Hash of a key, by which a client and the daemon find out whether theirs is the same. */
struct sha256_hex known_key_hash(const char *salt, const char *key);

#endif
