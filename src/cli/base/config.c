/* config.c: reads settings from four places in order.
 *
 * Positions: the JSON library says where bad syntax is, but not where a key stood, so a key that is
 * refused is looked for again in the bytes (the file parsed, so the search may trust its form).
 */
#include "cli/base/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/suggest.h"

/* The bytes of a file that was read; `name` is shown in refusals. */
struct config_source {
    const char *name;
    struct bytes content;
};

enum { CONFIG_SIZE_MAX = 64 << 10, KEY_MAX = 64, ENV_NAME_MAX = 128 };

const char *config_env_real(void *ctx, const char *name) {
    return getenv(name);
}

void config_init(struct config *config) {
    *config = (struct config){0};
}

void config_done(struct config *config) {
    json_decref(config->file);
    mem_free(config->data);
    *config = (struct config){0};
}

/* --- Environment and defaults ----------------------------------------------------------------- */

/* Gives flags without a value that of the environment; env NULL: their defaults. */
static struct err values_apply(struct args *args, const struct config_env *env, struct why *why) {
    enum value_from from = env != NULL ? FROM_ENV : FROM_ABSENT;
    struct err err = ERR_OK;
    for (unsigned at = 0; at < args->flags.count && !err_failed(err); at++) {
        const struct flag *flag = args->flags.rows[at].flag;
        const char *name = env != NULL ? flag->env : flag->name, *text = flag->absent;
        if (env != NULL) {
            text = name != NULL ? env->get(env->ctx, name) : NULL;
            text = text != NULL && text[0] != '\0' ? text : NULL;
        }
        if (text != NULL && args->values[at].from < from) {
            err = args_set(args, at, text, from, name, why);
        }
    }
    return err;
}

struct err config_env(struct args *args, const struct config_env *env, struct why *why) {
    TRY(values_apply(args, env, why));
    return values_apply(args, /* defaults */ NULL, why);
}

#define OURS "DROVER_"
enum { OURS_LEN = sizeof OURS - 1 };

static bool is_ours(const char *name) {
    return strncmp(name, OURS, OURS_LEN) == 0;
}

/* Whether the variable is read whose end is suggest->typed. Only the ends of names are compared:
 * with the common beginning, everything would be near. */
static bool env_known(const struct command *const *commands, struct suggest *suggest) {
    bool known = strcmp(suggest->typed, "TOKEN") == 0;
    suggest_offer(suggest, "TOKEN"); /* No flag: other users see command lines. */
    for (; *commands != NULL; commands++) {
        struct args_flags flags;
        args_flags(*commands, &flags);
        for (unsigned at = 0; at < flags.count; at++) {
            const char *env = flags.rows[at].flag->env;
            if (env != NULL && is_ours(env)) {
                suggest_offer(suggest, env + OURS_LEN);
                known = known || strcmp(env + OURS_LEN, suggest->typed) == 0;
            }
        }
    }
    return known;
}

void config_env_unknown(const struct command *const *commands, const struct config_env *env,
                        void (*each)(void *ctx, const char *name, const char *nearest), void *ctx) {
    static const char tests[] = OURS "TEST_";
    for (const char *const *at = env->all; at != NULL && *at != NULL; at++) {
        char name[ENV_NAME_MAX], nearest[ENV_NAME_MAX];
        size_t len = strcspn(*at, "=");
        if (!is_ours(*at) || len >= sizeof name || strncmp(*at, tests, sizeof tests - 1) == 0) {
            continue;
        }
        memcpy(name, *at, len);
        name[len] = '\0';
        struct suggest suggest;
        suggest_begin(&suggest, name + OURS_LEN);
        if (!env_known(commands, &suggest)) {
            const char *best = suggest_best(&suggest);
            (void)snprintf(nearest, sizeof nearest, OURS "%s", best != NULL ? best : "");
            each(ctx, name, best != NULL ? nearest : NULL);
        }
    }
}

/* Owned by the caller; NULL: no home. */
static char *data_default(const struct config_env *env) {
    const char *state = env->get(env->ctx, "XDG_STATE_HOME");
    const char *home = env->get(env->ctx, "HOME");
    AUTO(text_done) struct text path = text_up_to(LIMIT_PATH_MAX);
    if (state != NULL && state[0] == '/') {
        text_addf(&path, "%s/drover", state);
    } else if (home != NULL && home[0] == '/') {
        text_addf(&path, "%s/.local/state/drover", home);
    }
    return path.len == 0 || text_failed(&path) ? NULL : text_take(&path, NULL /* terminated */);
}

struct err config_data(const struct args *args, const struct config_env *env, char **ret_owned,
                       const char **ret_data, struct why *why) {
    *ret_data = args_directory(args);
    if (*ret_data == NULL) {
        *ret_data = *ret_owned = data_default(env);
    }
    if (*ret_data == NULL) {
        return err_why(why, ERR_USAGE, "no data directory: neither HOME nor XDG_STATE_HOME is set");
    }
    return ERR_OK;
}

/* --- The file --------------------------------------------------------------------------------- */

/* "FILE:LINE:COLUMN" of a key in the outermost object. Strings are skipped whole, so that a brace
 * or a name inside one deceives nobody. */
static struct why key_place(const struct config_source *source, const char *key) {
    struct bytes content = source->content;
    unsigned line = 1, column = 1, key_line = 1, key_column = 1;
    size_t begin = 0; /* Begin of the string; 0: not in one. */
    int depth = 0;
    bool found = false;
    for (size_t i = 0; i < content.len && !found; i++, column++) {
        char c = content.data[i];
        if (c == '\n') {
            line++;
            column = 0;
        } else if (begin > 0 && c == '\\') {
            i++;
            column++;
        } else if (c == '"' && begin == 0) {
            key_line = line;
            key_column = column;
            begin = i + 1;
        } else if (c == '"') {
            found = depth == 1 && bytes_is((struct bytes){content.data + begin, i - begin}, key);
            begin = 0;
        } else if (begin == 0) {
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        }
    }
    struct why place;
    why_set(&place, "%s:%u:%u", source->name, found ? key_line : 1, found ? key_column : 1);
    return place;
}

static struct err key_apply(struct config *config, struct args *args,
                            const struct config_source *source, const char *key,
                            const json_t *value, struct why *why) {
    static const char *const kinds[] = {
        [FLAG_SWITCH] = "true or false",
        [FLAG_TEXT] = "text",
        [FLAG_INT] = "a whole number",
        [FLAG_DURATION] = "a time as text, like \"30s\"",
        [FLAG_LIST] = "text",
        [FLAG_SIZE] = "a size as text, like \"64M\"",
    };
    struct why place = key_place(source, key), where;
    char names[ARGS_FLAGS_MAX][KEY_MAX];
    struct suggest suggest;
    unsigned at = 0;
    suggest_begin(&suggest, key);
    for (; at < args->flags.count; at++) {
        if (!args->flags.rows[at].flag->in_file) {
            continue;
        }
        const char *name = args->flags.rows[at].flag->name;
        size_t len = strlen(name);
        assert(len < KEY_MAX);
        for (size_t i = 0; i <= len; i++) {
            names[at][i] = name[i] == '-' ? '_' : name[i];
        }
        if (strcmp(names[at], key) == 0) {
            break;
        }
        suggest_offer(&suggest, names[at]);
    }
    if (at == args->flags.count) {
        const char *best = suggest_best(&suggest);
        return err_why(why, ERR_CONFIG, "%s: unknown setting \"%.60s\"%s%s%s", place.text, key,
                       best != NULL ? "; did you mean \"" : "", best != NULL ? best : "",
                       best != NULL ? "\"?" : "");
    }

    /* The value as the text that the command line would have. */
    enum flag_kind kind = args->flags.rows[at].flag->kind;
    const char *text = json_string_value(value);
    if (kind == FLAG_SWITCH) {
        text = json_is_true(value) ? "true" : json_is_false(value) ? "false" : NULL;
    } else if (kind == FLAG_INT) {
        (void)snprintf(config->numbers[at], sizeof config->numbers[at], "%lld",
                       (long long)json_integer_value(value)); /* 64 bits fit. */
        text = json_is_integer(value) ? config->numbers[at] : NULL;
    }
    if (text == NULL) {
        return err_why(why, ERR_CONFIG, "%s: \"%s\" must be %s", place.text, key, kinds[kind]);
    }
    if (args->values[at].from >= FROM_FILE) {
        return ERR_OK;
    }
    why_set(&where, "%s: %s", place.text, key);
    struct err err = args_set(args, at, text, FROM_FILE, where.text, why);
    return err_failed(err) ? err_make(ERR_CONFIG, "configuration: value") : ERR_OK;
}

static struct err file_load(struct config *config, struct args *args, const struct world *world,
                            struct why *why) {
    const char *named = args_text(args, "config");
    AUTO(text_done) struct text path = text_up_to(LIMIT_PATH_MAX);
    if (named != NULL) {
        text_add_str(&path, named);
    } else {
        text_addf(&path, "%s/config.json", args_text(args, "data"));
    }
    if (text_failed(&path)) {
        if (path.no_memory) {
            return err_make(ERR_OUT_OF_MEMORY, "configuration: path");
        }
        return err_why(why, ERR_USAGE,
                       "%s: a path of more than %d bytes is too long for the system",
                       named != NULL ? "config" : "data", LIMIT_PATH_MAX - 1);
    }
    AUTO(mem_release) char *content = NULL;
    size_t len = 0;
    struct err err = world->file_read(world->ctx, path.data, CONFIG_SIZE_MAX, &content, &len);
    if (err_failed(err)) {
        /* Without --config, no file is the usual case. */
        if (named == NULL && (err.os == ENOENT || err.os == ENOTDIR)) {
            return ERR_OK;
        }
        return err_why(why, ERR_CONFIG, "%s: %s", path.data,
                       err.os != 0 ? strerror(err.os) : err_title(err.code));
    }
    struct config_source source = {.name = path.data, .content = {content, len}};
    struct why inner = {.text = ""};
    err = json_parse(content, len, 4 /* levels */, &config->file, &inner);
    if (err_failed(err)) {
        return err_why(why, ERR_CONFIG, "%s: %s", source.name, inner.text);
    }
    if (!json_is_object(config->file)) {
        return err_why(why, ERR_CONFIG, "%s:1:1: the configuration is one JSON object",
                       source.name);
    }
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(config->file, key, value) {
        if (!err_failed(err)) {
            err = key_apply(config, args, &source, key, value, why);
        }
    }
    return err;
}

const char *config_database(const struct args *args, const struct world *world, const char *data,
                            char **ret_owned) {
    AUTO(text_done) struct text path = text_up_to(LIMIT_PATH_MAX);
    AUTO(mem_release) char *content = NULL;
    AUTO(json_release) json_t *file = NULL;
    size_t len = 0;
    const char *given = args_text(args, "database");
    text_addf(&path, "%s/config.json", data);
    if (given != NULL || text_failed(&path) ||
        err_failed(world->file_read(world->ctx, path.data, CONFIG_SIZE_MAX, &content, &len)) ||
        err_failed(json_parse(content, len, 4 /* levels */, &file, NULL /* no why */))) {
        return given;
    }
    const char *named = json_str(file, "database", "");
    *ret_owned = named[0] != '\0' ? mem_copy(named, strlen(named)) : NULL;
    return *ret_owned;
}

/* --- All of it -------------------------------------------------------------------------------- */

static struct err data_settle(struct config *config, struct args *args,
                              const struct config_env *env, struct why *why) {
    unsigned at = args_at(args, "data");
    if (args->values[at].from != FROM_NOWHERE) {
        return ERR_OK;
    }
    config->data = data_default(env);
    if (config->data == NULL) {
        return err_why(
            why, ERR_USAGE,
            "no data directory: give --data DIR (neither HOME nor XDG_STATE_HOME is set)");
    }
    return args_set(args, at, config->data, FROM_ABSENT, "data", why);
}

struct err config_load(struct config *config, struct args *args, const struct config_env *env,
                       const struct world *world, struct why *why) {
    struct err err = values_apply(args, env, why);
    bool named = !err_failed(err) && args_text(args, "config") != NULL;
    /* A file that is named may name the data directory; one inside it cannot. */
    if (!err_failed(err) && !named) {
        err = data_settle(config, args, env, why);
    }
    if (!err_failed(err)) {
        err = file_load(config, args, world, why);
    }
    if (!err_failed(err) && !named && json_object_get(config->file, "data") != NULL) {
        why_set(why, "\"data\" cannot be set by the file that lies in it; use --config FILE");
        err = err_make(ERR_CONFIG, "configuration: data");
    }
    if (!err_failed(err)) {
        err = data_settle(config, args, env, why);
    }
    return err_failed(err) ? err : values_apply(args, /* defaults */ NULL, why);
}
