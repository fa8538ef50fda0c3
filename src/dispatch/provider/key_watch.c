/* key_watch.c: see the header. A look compares the stat of each file with that of the last look, so
 * a file is read when it was changed, and no more. */
#include "dispatch/provider/key_watch.h"

#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "model/known.h"

enum { WATCH_MS = 2000, FILES_MAX = 8 };

struct key_file {
    char *path;       /* Owned. */
    const char *name; /* Name of the connection; static. */
    struct stat seen; /* At the last look; zeroed: the file was not there. */
    char *key;        /* Owned, wiped: read by the look that runs; NULL: nothing new. */
    char *last;       /* Owned, wiped: read by an earlier one; NULL: none has. */
    struct why why;   /* The file cannot be read; "": it can. */
};

/* In the pool while `looks`; else the loop's. */
struct key_watch {
    struct key_watch_options options;
    const struct world *world;
    struct key_file files[FILES_MAX];
    size_t count;
    struct loop_work work;
    struct timer timer;
    enum { WATCH_RESTS, WATCH_LOOKS } state;
    enum { WATCH_OPEN, WATCH_STOPPED, WATCH_CLOSED } life;
};

static bool stat_differs(const struct stat *a, const struct stat *b) {
    return a->st_ino != b->st_ino || a->st_size != b->st_size || a->st_mode != b->st_mode ||
           a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

static struct stat stat_of(const char *path) {
    struct stat now;
    if (stat(path, &now) != 0) {
        memset(&now, 0, sizeof now);
    }
    return now;
}

/* --- A look ----------------------------------------------------------------------------------- */

static void look_run(struct loop_work *work) {
    struct key_watch *watch = CONTAINER_OF(work, struct key_watch, work);
    for (size_t i = 0; i < watch->count; i++) {
        struct key_file *file = &watch->files[i];
        const struct stat now = stat_of(file->path);
        file->why.text[0] = '\0';
        if (stat_differs(&now, &file->seen)) {
            file->seen = now;
            struct err err = key_load(watch->world, file->path, &file->key, &file->why);
            (void)err; /* `why` has it. */
        }
    }
}

/* A connection that somebody set since has a key of its own. */
static void key_use(struct key_watch *watch, const struct key_file *file) {
    const struct key_watch_options *options = &watch->options;
    const struct model_connection *found = models_connection_find(options->models, file->name);
    struct why why = {.text = ""};
    if (found == NULL || found->origin == NULL ||
        (found->key != NULL && strcmp(found->key, file->key) == 0)) {
        return;
    }
    struct model_connection changed = *found;
    changed.key = file->key;
    struct model_connection *copy = connection_copy(&changed);
    if (err_failed(models_connection_set(options->models, copy, &why))) {
        options->failed(options->ctx, file->name, &why);
    } else {
        options->changed(options->ctx);
    }
    connection_free(copy);
}

static void watch_free(struct key_watch *watch) {
    for (size_t i = 0; i < watch->count; i++) {
        mem_free(watch->files[i].path);
        mem_wipe(&watch->files[i].key);
        mem_wipe(&watch->files[i].last);
    }
    mem_free(watch);
}

static void look_start(struct timer *timer) {
    struct key_watch *watch = CONTAINER_OF(timer, struct key_watch, timer);
    watch->state = WATCH_LOOKS;
    loop_work(watch->options.loop, &watch->work);
}

static void look_done(struct loop_work *work) {
    struct key_watch *watch = CONTAINER_OF(work, struct key_watch, work);
    watch->state = WATCH_RESTS;
    if (watch->life == WATCH_CLOSED) {
        watch_free(watch);
        return;
    }
    for (size_t i = 0; i < watch->count && watch->life == WATCH_OPEN; i++) {
        struct key_file *file = &watch->files[i];
        if (file->why.text[0] != '\0') {
            watch->options.failed(watch->options.ctx, file->name, &file->why);
        } else if (file->key != NULL) {
            key_use(watch, file);
            mem_wipe(&file->last);
            file->last = file->key;
            file->key = NULL;
        }
    }
    if (watch->life == WATCH_OPEN) {
        timer_start(watch->options.loop, &watch->timer, WATCH_MS, look_start);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

static const char *env_of(const struct discover_from *from, const struct known_provider *known,
                          const char *suffix) {
    const struct known_variable variable = known_variable(known, suffix);
    const char *value = from->env(from->ctx, variable.name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

struct key_watch *key_watch_open(const struct key_watch_options *options) {
    struct key_watch *watch = mem_new(sizeof *watch);
    const struct known_provider *known;
    watch->options = *options;
    watch->world = loop_world(options->loop);
    watch->work = (struct loop_work){.run = look_run, .done = look_done};
    for (size_t i = 0; (known = known_provider_at(i)) != NULL && watch->count < FILES_MAX; i++) {
        const char *path = env_of(&options->from, known, "API_KEY_FILE");
        if (path != NULL && env_of(&options->from, known, "API_KEY") == NULL) {
            watch->files[watch->count++] = (struct key_file){
                .path = mem_copy(path, strlen(path)), .name = known->name, .seen = stat_of(path)};
        }
    }
    if (watch->count == 0) {
        watch_free(watch);
        return NULL;
    }
    timer_start(options->loop, &watch->timer, WATCH_MS, look_start);
    return watch;
}

const char *key_watch_find(const struct key_watch *watch, const char *name) {
    for (size_t i = 0; watch != NULL && i < watch->count; i++) {
        if (strcmp(watch->files[i].name, name) == 0) {
            return watch->files[i].last;
        }
    }
    return NULL;
}

void key_watch_stop(struct key_watch *watch) {
    if (watch != NULL) {
        watch->life = WATCH_STOPPED;
        timer_stop(watch->options.loop, &watch->timer);
    }
}

void key_watch_close(struct key_watch *watch) {
    if (watch == NULL) {
        return;
    }
    watch->life = WATCH_CLOSED;
    if (watch->state == WATCH_RESTS) {
        watch_free(watch);
    }
}
