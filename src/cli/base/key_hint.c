/* key_hint.c: see key_hint.h. */
#include "cli/base/key_hint.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "cli/base/autostart.h"
#include "cli/terminal/plain.h"
#include "model/known.h"
#include "store/datadir.h"

/* A longer file is overwritten, and its hints are repeated then. */
enum { HINTS_MAX = 16 << 10 };

static const char *key_of(const struct talk *talk, const struct known_provider *known) {
    const struct config_env *env = &talk->invocation->env;
    const struct known_variable variable = known_variable(known, "API_KEY");
    const char *key = env->get(env->ctx, variable.name);
    return key != NULL && key[0] != '\0' ? key : NULL;
}

static bool has_keys(const struct talk *talk) {
    const struct known_provider *known;
    for (size_t i = 0; (known = known_provider_at(i)) != NULL; i++) {
        if (key_of(talk, known) != NULL) {
            return true;
        }
    }
    return false;
}

/* Stores that the hint about this key was given; false: an earlier command did. A hint that a full
 * disk cannot store is repeated. */
static bool hint_add(const struct talk *talk, const struct sha256_hex *hash) {
    const struct world *world = talk->world;
    AUTO(mem_release) char *path = datadir_path(talk->options.data, KEY_HINT_FILE);
    AUTO(mem_release) char *content = NULL;
    size_t len = 0;
    struct err err = world->file_read(world->ctx, path, HINTS_MAX, &content, &len);
    if (!err_failed(err) && memmem(content, len, hash->text, sizeof hash->text - 1) != NULL) {
        return false;
    }
    const int how = err_failed(err) ? O_TRUNC : O_APPEND;
    AUTO(fd_release) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | how, 0600);
    if (fd >= 0) {
        (void)dprintf(fd, "%s\n", hash->text); /* See above. */
    }
    return true;
}

static void key_compare(const struct talk *talk, const json_t *answer,
                        const struct known_provider *known) {
    const struct known_variable variable = known_variable(known, "API_KEY");
    const char *key = key_of(talk, known);
    const json_t *entry = talk_find(json_object_get(answer, "keys"), "name", known->name);
    if (key == NULL || (entry != NULL && !json_is_string(json_object_get(entry, "hash")))) {
        return;
    }
    const struct sha256_hex hash = known_key_hash(talk_text(answer, "salt"), key);
    if ((entry == NULL || strcmp(talk_text(entry, "hash"), hash.text) != 0) &&
        hint_add(talk, &hash)) {
        plain_note("drover: %s of this terminal is not used: the daemon has %s, from the %s.\n"
                   "        To use yours: 'drover provider add %s --key-env %s' stores it, or\n"
                   "        'drover restart' restarts the daemon with the environment of now.\n",
                   variable.name, entry != NULL ? "another one" : "none", talk_text(answer, "from"),
                   known->name, variable.name);
    }
}

void key_hint(struct talk *talk) {
    AUTO(json_release) json_t *answer = NULL;
    if (talk->options.url != NULL || talk->options.token != NULL || isatty(STDERR_FILENO) != 1 ||
        !has_keys(talk) || !autostart_is_wanted(talk->options.data)) {
        return;
    }
    struct err (*start)(void *ctx, bool was_there, struct why *why) = talk->options.start;
    talk->options.start = NULL; /* A daemon that this command starts has its keys. */
    /* The command itself finds out what is wrong, and says it. */
    struct err err = talk_get(talk, "/api/v1/environment-keys", &answer, NULL /* no why */);
    talk->options.start = start;
    if (err_failed(err) || !json_is_string(json_object_get(answer, "salt"))) {
        return;
    }
    const struct known_provider *known;
    for (size_t i = 0; (known = known_provider_at(i)) != NULL; i++) {
        key_compare(talk, answer, known);
    }
}
