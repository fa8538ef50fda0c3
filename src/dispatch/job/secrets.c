/* secrets.c: see secrets.h. */
#include "dispatch/job/secrets.h"

#include "base/memory.h"
#include "model/connection.h"
#include "rules/agent/definition.h"
#include "store/datadir.h"

static const char *variable_find(const char *const *environment, const char *name) {
    const size_t len = strlen(name);
    for (const char *const *at = environment; at != NULL && *at != NULL; at++) {
        if (strncmp(*at, name, len) == 0 && (*at)[len] == '=') {
            return *at + len + 1;
        }
    }
    return NULL;
}

static struct err secret_read(const struct secret_places *places, const char *variable,
                              const json_t *reference, json_t *env, struct why *why) {
    AUTO(mem_wipe) char *key = NULL;
    enum agent_secret where;
    const char *name, *value;
    if (!agent_env_refers(reference, &where, &name)) { /* Was checked; the row is damaged. */
        return err_make(ERR_STORE_CORRUPT, "secrets: reference");
    }
    if (where == AGENT_SECRET_FILE) {
        AUTO(mem_release) char *folder = datadir_path(places->data_dir, AGENT_KEYS_FOLDER);
        AUTO(mem_release) char *path = datadir_path(folder, name);
        TRY(key_load(places->world, path, &key, why));
    }
    value = where == AGENT_SECRET_FILE ? key : variable_find(places->environment, name);
    if (value == NULL || value[0] == '\0') {
        return err_why(why, ERR_CONFIG,
                       "the daemon has no variable %.100s, from which the agent takes %.100s: set "
                       "it, and use 'drover restart' or start 'drover serve' with it",
                       name, variable);
    }
    return json_object_set_new(env, variable, json_string(value)) == 0
               ? ERR_OK
               : err_why(why, ERR_CONFIG, "the value of %.100s is not text in UTF-8", variable);
}

struct err secrets_resolve(const struct secret_places *places, const json_t *env,
                           const json_t *references, json_t **ret_env, struct why *why) {
    AUTO(json_release) json_t *copy = env == NULL ? json_object() : json_copy((json_t *)env);
    struct err err = ERR_OK;
    for (struct json_member at = json_first(references); at.value != NULL && !err_failed(err);
         at = json_next(at)) {
        err = secret_read(places, at.key.data, at.value, copy, why);
    }
    if (!err_failed(err)) {
        *ret_env = json_incref(copy);
    }
    return err;
}
