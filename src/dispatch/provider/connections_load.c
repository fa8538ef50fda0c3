/* connections_load.c: the rows and their keys, before anybody is served.
 *
 *   store: rows, settings ──> pool: keys, connections, sweep ──> loop: one after the other ──> wait
 */
#include <string.h>

#include "base/memory.h"
#include "dispatch/provider/connections_inside.h"
#include "engine/provider/learned_windows.h"

struct loaded {
    struct provider *row;                /* Owned. */
    struct model_connection *connection; /* Owned; NULL: `why`. */
    bool lost;                           /* It has a key, and it is not here. */
    struct why why;
};

struct loaded_window {
    char *model; /* Owned. */
    int64_t window, until_ms;
};

struct loading {
    struct connections *connections;
    void (*done)(void *ctx, struct err err);
    void *ctx;
    struct loop_work work;
    struct loop_task task;
    struct settings_kept *settings; /* Owned. */
    struct loaded_window windows[LEARNED_WINDOWS_MAX];
    size_t window_count;
    struct loaded rows[PROVIDERS_MAX];
    size_t count, at;
};

static void rows_clear(struct loading *loading) {
    for (size_t i = 0; i < loading->count; i++) {
        provider_free(loading->rows[i].row);
        connection_free(loading->rows[i].connection);
        loading->rows[i] = (struct loaded){.row = NULL};
    }
    loading->count = 0;
    for (size_t i = 0; i < loading->window_count; i++) {
        mem_free(loading->windows[i].model);
    }
    loading->window_count = 0;
}

static void end(struct loading *loading, struct err err) {
    loading->done(loading->ctx, err);
    rows_clear(loading);
    settings_kept_free(loading->settings);
    mem_free(loading);
}

/* --- One at a time into models, which copies much of each ------------------------------------- */

static void looked(void *ctx) {
    end(ctx, ERR_OK);
}

static void all_put(struct loading *loading) {
    struct connections *connections = loading->connections;
    for (size_t i = loading->window_count; i > 0; i--) { /* The newest last. */
        const struct loaded_window *window = &loading->windows[i - 1];
        const struct model_learned learned = {.name = {window->model, strlen(window->model)},
                                              .window = window->window,
                                              .until_ms = window->until_ms};
        models_learn(connections->models, &learned);
    }
    settings_kept_put(connections->settings, settings_kept_get(loading->settings));
    connections__wait(connections, looked, loading);
}

static void tell(struct connections *connections, const struct loaded *row) {
    AUTO(mem_release) char *name = mem_copy(row->row->name.data, row->row->name.len);
    connections->options.failed(connections->options.ctx, name, &row->why);
}

static void put_next(struct loop_task *task) {
    struct loading *loading = CONTAINER_OF(task, struct loading, task);
    struct connections *connections = loading->connections;
    if (connections->stopped) {
        end(loading, ERR_OK);
        return;
    }
    if (loading->at == loading->count) {
        all_put(loading);
        return;
    }
    struct loaded *row = &loading->rows[loading->at++];
    if (row->lost) {
        connections->lost[connections->lost_count++] =
            mem_copy(row->row->key_file.data, row->row->key_file.len);
    }
    if (row->why.text[0] != '\0') {
        tell(connections, row);
    }
    if (row->connection != NULL) {
        connections__use(connections, row->connection);
    }
    loop_soon(connections->options.loop, task);
}

/* --- In the pool ------------------------------------------------------------------------------ */

static void build(const struct key_folder *folder, struct loaded *row) {
    AUTO(key_free) char *key = NULL;
    AUTO(mem_release)
    char *file = mem_copy(row->row->key_file.data, row->row->key_file.len);
    struct why why = {.text = ""};
    if (file[0] != '\0' && err_failed(key_file_read(folder, file, &key, &row->why))) {
        row->lost = true;
    }
    /* Why the whole of it cannot be used says more than why its key cannot. */
    if (err_failed(connections__build(row->row, key, &row->connection, &why))) {
        row->why = why;
    }
}

static bool is_named(void *ctx, const char *file) {
    const struct loading *loading = ctx;
    for (size_t i = 0; i < loading->count; i++) {
        struct bytes named = loading->rows[i].row->key_file;
        if (strlen(file) == named.len && memcmp(file, named.data, named.len) == 0) {
            return true;
        }
    }
    return false;
}

static void build_all(struct loop_work *work) {
    struct loading *loading = CONTAINER_OF(work, struct loading, work);
    struct key_folder folder = connections_folder(loading->connections);
    for (size_t i = 0; i < loading->count; i++) {
        build(&folder, &loading->rows[i]);
    }
    key_files_sweep(&folder, is_named, loading);
}

static void built(struct loop_work *work) {
    struct loading *loading = CONTAINER_OF(work, struct loading, work);
    loading->task.run = put_next;
    loop_soon(loading->connections->options.loop, &loading->task);
}

/* --- From the store --------------------------------------------------------------------------- */

static struct err take_row(void *ctx, const struct provider *provider) {
    struct loading *loading = ctx;
    loading->rows[loading->count++].row = provider_copy(provider);
    return ERR_OK;
}

static struct err take_window(void *ctx, const struct learned_window *window) {
    struct loading *loading = ctx;
    loading->windows[loading->window_count++] =
        (struct loaded_window){.model = mem_copy(window->model.data, window->model.len),
                               .window = window->window,
                               .until_ms = window->until_ms};
    return ERR_OK;
}

static struct err read_rows(struct tx *tx, void *ctx) {
    struct loading *loading = ctx;
    struct settings settings;
    rows_clear(loading);
    struct err err = tx_provider_each(tx, BYTES(""), PROVIDERS_MAX, take_row, loading);
    if (!err_failed(err)) {
        err = tx_window_each(tx, take_window, loading);
    }
    if (!err_failed(err)) {
        err = tx_settings_read(tx, &settings);
    }
    if (!err_failed(err)) {
        settings_kept_put(loading->settings, &settings);
    }
    return err;
}

static void rows_read(struct err result, void *ctx) {
    struct loading *loading = ctx;
    /* The store answers what it was asked even when the loop has ended: nothing may begin then. */
    if (err_failed(result) || loading->connections->stopped) {
        end(loading, result);
        return;
    }
    loading->work.run = build_all;
    loading->work.done = built;
    loop_work(loading->connections->options.loop, &loading->work);
}

void connections_load(struct connections *connections, void (*done)(void *ctx, struct err err),
                      void *ctx) {
    struct loading *loading = mem_new(sizeof *loading);
    loading->connections = connections;
    loading->done = done;
    loading->ctx = ctx;
    loading->settings = settings_kept_new();
    store_read(connections->options.store, read_rows, rows_read, loading);
}
