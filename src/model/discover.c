/* discover.c: the environment into connections. */
#include "model/discover.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/key.h"
#include "model/models_inside.h"

static const struct known {
    const char *name, *prefix, *base_url;
    enum model_kind kind;
} knowns[] = {
    {"openai", "OPENAI", "https://api.openai.com/v1", MODEL_KIND_OPENAI},
    {"anthropic", "ANTHROPIC", "https://api.anthropic.com", MODEL_KIND_ANTHROPIC},
    {"deepseek", "DEEPSEEK", "https://api.deepseek.com/v1", MODEL_KIND_OPENAI},
};

static const char *env(const struct discover_from *from, const char *prefix, const char *suffix) {
    char name[64];
    (void)snprintf(name, sizeof name, "%s_%s", prefix, suffix); /* Ours: they fit. */
    const char *value = from->env(from->ctx, name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static struct err discover_known(struct models *models, const struct discover_from *from,
                                 const struct known *known, struct why *why) {
    AUTO(key_free) char *key = NULL;
    const char *base_url = env(from, known->prefix, "BASE_URL");
    const char *set = env(from, known->prefix, "API_KEY");
    const char *file = env(from, known->prefix, "API_KEY_FILE");
    if (models_connection_find(models, known->name) != NULL) {
        return ERR_OK;
    }
    struct err err = ERR_OK;
    if (set != NULL) {
        key = mem_copy(set, strlen(set));
    } else if (file != NULL) {
        err = key_load(models->world, file, &key, why);
    }
    if (err_failed(err) || (key == NULL && base_url == NULL)) {
        return err;
    }
    char origin[64];
    (void)snprintf(origin, sizeof origin, "%s_%s", known->prefix,
                   key != NULL ? "API_KEY" : "BASE_URL"); /* Ours: it fits. */
    const struct model_connection connection = {
        .name = known->name,
        .kind = known->kind,
        .base_url = base_url != NULL ? base_url : known->base_url,
        .key = key,
        .origin = origin,
    };
    return models_connection_set(models, &connection, why);
}

static const struct local {
    const char *name, *prefix, *host;
} locals[] = {
    {"ollama", "OLLAMA", "127.0.0.1:11434"},
    {"llamacpp", "LLAMACPP", "127.0.0.1:8080"},
};

/* Until the server has listed models once, the connection is not there for anybody. */
static struct err discover_local(struct models *models, const struct discover_from *from,
                                 const struct local *local, struct why *why) {
    if (models_connection_find(models, local->name) != NULL) {
        return ERR_OK;
    }
    const char *host = env(from, local->prefix, "HOST");
    host = host != NULL ? host : local->host;
    const char *scheme = strstr(host, "://") != NULL ? "" : "http://";
    char url[CONNECTION_URL_MAX + 16];
    int len = snprintf(url, sizeof url, "%s%.*s/v1", scheme, CONNECTION_URL_MAX, host);
    assert(len > 0 && (size_t)len < sizeof url);
    const struct model_connection connection = {
        .name = local->name, .kind = MODEL_KIND_OPENAI, .base_url = url, .origin = "found here"};
    struct err err = models_connection_set(models, &connection, why);
    if (!err_failed(err)) {
        models__channel(models, bytes_of(local->name))->doubtful = true;
    }
    return err;
}

struct err models_discover(struct models *models, const struct discover_from *from,
                           struct why *why) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(knowns) && !err_failed(err); i++) {
        err = discover_known(models, from, &knowns[i], why);
    }
    size_t count = from->local == DISCOVER_NO_LOCAL ? 0 : COUNT_OF(locals);
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        err = discover_local(models, from, &locals[i], why);
    }
    return err;
}
