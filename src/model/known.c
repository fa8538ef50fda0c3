/* known.c: see known.h. */
#include "model/known.h"

#include <stdio.h>
#include <string.h>

#define KEY_REMEDY(prefix_, name_)                                                                 \
    "set " prefix_ "_API_KEY and restart the daemon, or 'drover provider add " name_ "'"
static const struct known_provider providers[] = {
    {"openai", "OPENAI", "https://api.openai.com/v1", MODEL_KIND_OPENAI,
     KEY_REMEDY("OPENAI", "openai")},
    {"anthropic", "ANTHROPIC", "https://api.anthropic.com", MODEL_KIND_ANTHROPIC,
     KEY_REMEDY("ANTHROPIC", "anthropic")},
    {"deepseek", "DEEPSEEK", "https://api.deepseek.com/v1", MODEL_KIND_OPENAI,
     KEY_REMEDY("DEEPSEEK", "deepseek")},
};

const struct known_provider *known_provider_at(size_t at) {
    return at < COUNT_OF(providers) ? &providers[at] : NULL;
}

const struct known_provider *known_provider_find(const char *name) {
    for (size_t i = 0; i < COUNT_OF(providers); i++) {
        if (strcmp(providers[i].name, name) == 0) {
            return &providers[i];
        }
    }
    return NULL;
}

struct known_variable known_variable(const struct known_provider *provider, const char *suffix) {
    struct known_variable variable;
    (void)snprintf(variable.name, sizeof variable.name, "%s_%s", provider->prefix,
                   suffix); /* Names of our own: they fit. */
    return variable;
}

struct sha256_hex known_key_hash(const char *salt, const char *key) {
    struct hmac_stream stream;
    hmac_start(&stream, bytes_of(salt));
    hmac_add(&stream, bytes_of(key));
    struct sha256 hash = hmac_finish(&stream);
    explicit_bzero(&stream, sizeof stream);
    return sha256_hex(&hash);
}
