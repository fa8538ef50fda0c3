/* connections.c: what was found and what was set, in one set. */
#include "dispatch/provider/connections.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "dispatch/provider/connections_inside.h"

/* --- Opening ---------------------------------------------------------------------------------- */

static void keep_found(void *ctx, const struct model_connection *connection) {
    struct connections *connections = ctx;
    if (connections->found_count < CONNECTIONS_FOUND_MAX) {
        connections->found[connections->found_count++] = connection_copy(connection);
    }
}

struct err connections_open(const struct connections_options *options,
                            struct connections **ret_connections, struct why *why) {
    struct err err = models_discover(options->models, &options->from, why);
    if (err_failed(err)) {
        return err;
    }
    struct connections *connections = mem_new(sizeof *connections);
    connections->options = *options;
    connections->models = options->models;
    connections->settings = settings_kept_new();
    models_connection_each(options->models, keep_found, connections);
    *ret_connections = connections;
    return ERR_OK;
}

void connections_stop(struct connections *connections) {
    connections->stopped = true;
    connections__tell(connections);
}

void connections_close(struct connections *connections) {
    if (connections == NULL) {
        return;
    }
    for (size_t i = 0; i < connections->found_count; i++) {
        connection_free(connections->found[i]);
    }
    for (size_t i = 0; i < connections->lost_count; i++) {
        mem_free(connections->lost[i]);
    }
    settings_kept_free(connections->settings);
    mem_free(connections->first);
    mem_free(connections);
}

struct models *connections_models(const struct connections *connections) {
    return connections->models;
}

struct key_folder connections_folder(const struct connections *connections) {
    return (struct key_folder){.world = loop_world(connections->options.loop),
                               .data_dir = connections->options.data_dir};
}

/* --- A row as a connection -------------------------------------------------------------------- */

struct err connections_check(const struct model_connection *connection, struct why *why) {
    struct err err = connection_check(connection, why);
    if (err_failed(err) || connection->kind == MODEL_KIND_SCRIPTED) {
        return err;
    }
    struct address_list *allow = NULL;
    struct bytes authority = connection_authority(connection->base_url);
    AUTO(mem_release) char *host = mem_copy(authority.data, authority.len);
    err = address_list_parse(host, &allow, NULL /* ours says which field */);
    address_list_free(allow);
    if (err_failed(err)) {
        why_set(why, "\"base_url\": \"%.100s\" is no host, or no host and port", host);
        return err_make(ERR_BAD_FIELD, "connections: check");
    }
    return ERR_OK;
}

struct parsed {
    json_t *headers, *models; /* Owned. */
    struct connection_header *header_rows;
    const char **model_rows; /* Owned, as the line above; what they point to is not. */
};

static void parsed_done(struct parsed *parsed) {
    json_release(&parsed->headers);
    json_release(&parsed->models);
    mem_free(parsed->header_rows);
    mem_free((void *)(uintptr_t)parsed->model_rows);
}

static struct err parse(const struct provider *provider, struct parsed *parsed, struct why *why) {
    struct err err = json_parse_wrapped(provider->headers, &parsed->headers, why);
    if (!err_failed(err)) {
        err = json_parse_wrapped(provider->models, &parsed->models, why);
    }
    return err;
}

/* Only texts: a value of another kind is left out, and no drover has written one. */
static void take_headers(struct parsed *parsed, struct model_connection *connection) {
    const char *name;
    json_t *value;
    parsed->header_rows =
        mem_new_array(json_object_size(parsed->headers) + 1, sizeof *parsed->header_rows);
    json_object_foreach(parsed->headers, name, value) {
        if (json_is_string(value)) {
            parsed->header_rows[connection->header_count++] =
                (struct connection_header){name, json_string_value(value)};
        }
    }
    connection->headers = parsed->header_rows;
}

static void take_models(struct parsed *parsed, struct model_connection *connection) {
    size_t at;
    json_t *value;
    parsed->model_rows =
        mem_new_array(json_array_size(parsed->models) + 1, sizeof *parsed->model_rows);
    json_array_foreach(parsed->models, at, value) {
        if (json_is_string(value)) {
            parsed->model_rows[connection->model_count++] = json_string_value(value);
        }
    }
    connection->models = parsed->model_rows;
}

struct err connections__build(const struct provider *provider, const char *key,
                              struct model_connection **ret_connection, struct why *why) {
    AUTO(parsed_done) struct parsed parsed = {.headers = NULL};
    AUTO(mem_release) char *name = mem_copy(provider->name.data, provider->name.len);
    AUTO(mem_release) char *base_url = mem_copy(provider->base_url.data, provider->base_url.len);
    struct model_connection connection = {.name = name,
                                          .base_url = provider->base_url.len > 0 ? base_url : NULL,
                                          .key = key,
                                          .window = provider->window,
                                          .max_concurrent = provider->max_concurrent};
    if (!model_kind_find(provider->kind, &connection.kind)) {
        why_set(why, "its kind, %.*s, is not known to this drover",
                (int)(provider->kind.len < 64 ? provider->kind.len : 64), provider->kind.data);
        return err_make(ERR_BAD_FIELD, "connections: kind");
    }
    struct err err = parse(provider, &parsed, why);
    if (!err_failed(err)) {
        take_headers(&parsed, &connection);
        take_models(&parsed, &connection);
        err = connections_check(&connection, why);
    }
    if (!err_failed(err)) {
        *ret_connection = connection_copy(&connection);
    }
    return err;
}

/* --- Changes ---------------------------------------------------------------------------------- */

static void put_failed(const struct connections *connections, struct bytes name,
                       const struct why *why) {
    char text[CONNECTION_NAME_MAX + 1];
    (void)snprintf(text, sizeof text, "%.*s", (int)name.len, name.data); /* Bounded. */
    connections->options.failed(connections->options.ctx, text, why);
}

static void warn_of_key(const struct connections *connections,
                        const struct model_connection *connection) {
    struct why why;
    size_t len = connection->key == NULL ? 0 : strlen(connection->key);
    if (len == 0 || len >= MODEL_KEY_REDACTED_MIN || connections->options.warned == NULL) {
        return;
    }
    why_set(&why, "the key has %zu bytes: it is used, but not hidden where its provider repeats it",
            len);
    connections->options.warned(connections->options.ctx, connection->name, &why);
}

void connections__use(struct connections *connections, const struct model_connection *connection) {
    struct why why = {.text = ""};
    if (err_failed(models_connection_set(connections->models, connection, &why))) {
        struct bytes name = bytes_of(connection->name);
        put_failed(connections, name, &why);
        return;
    }
    warn_of_key(connections, connection);
}

/* Of a row only: one that was found has a key of its own. */
static const char *present_key(const struct connections *connections, struct bytes name) {
    AUTO(mem_release) char *text = mem_copy(name.data, name.len);
    const struct model_connection *present = models_connection_find(connections->models, text);
    return present != NULL && present->origin == NULL ? present->key : NULL;
}

void connections_put(struct connections *connections, const struct provider *provider,
                     enum connection_key how, const char *key) {
    struct why why = {.text = ""};
    struct model_connection *connection = NULL;
    if (connections->stopped) {
        return; /* The next daemon reads the row. */
    }
    key = how == CONNECTION_KEY_SET ? key : present_key(connections, provider->name);
    if (err_failed(connections__build(provider, key, &connection, &why))) {
        put_failed(connections, provider->name, &why);
        return;
    }
    connections__use(connections, connection);
    connection_free(connection);
    connections__look(connections);
}

/* The keys' files are not read again: what they gave is among those that were found. */
static const char *env_of_places(void *ctx, const char *name) {
    const struct connections *connections = ctx;
    return strcmp(name, "OLLAMA_HOST") == 0 || strcmp(name, "LLAMACPP_HOST") == 0
               ? connections->options.from.env(connections->options.from.ctx, name)
               : NULL;
}

void connections_remove(struct connections *connections, const char *name) {
    struct why why = {.text = ""};
    struct bytes bytes = bytes_of(name);
    const struct model_connection *found = connections_found(connections, bytes);
    if (connections->stopped) {
        return;
    }
    if (found != NULL) {
        connections__use(connections, found);
        return;
    }
    if (!models_connection_remove(connections->models, name)) {
        return; /* It could not be used. */
    }
    const struct discover_from places = {
        .env = env_of_places, .ctx = connections, .local = connections->options.from.local};
    if (err_failed(models_discover(connections->models, &places, &why))) {
        put_failed(connections, bytes, &why);
    }
    connections__look(connections);
}

struct drop {
    struct loop_work work;
    const struct world *world; /* Borrowed for the program's life. */
    char *data_dir, *file;     /* Owned: the work may outlive whoever asked for it. */
};

static void drop_run(struct loop_work *work) {
    const struct drop *drop = CONTAINER_OF(work, struct drop, work);
    const struct key_folder folder = {.world = drop->world, .data_dir = drop->data_dir};
    key_file_remove(&folder, drop->file);
}

static void drop_done(struct loop_work *work) {
    struct drop *drop = CONTAINER_OF(work, struct drop, work);
    mem_free(drop->data_dir);
    mem_free(drop->file);
    mem_free(drop);
}

void connections_drop_key(struct connections *connections, struct bytes file) {
    const char *data_dir = connections->options.data_dir;
    if (file.len == 0 || connections->stopped) {
        return; /* The next daemon sweeps. */
    }
    struct drop *drop = mem_new(sizeof *drop);
    *drop = (struct drop){.work = {.run = drop_run, .done = drop_done},
                          .world = loop_world(connections->options.loop),
                          .data_dir = mem_copy(data_dir, strlen(data_dir)),
                          .file = mem_copy(file.data, file.len)};
    loop_work(connections->options.loop, &drop->work);
}

void connections_set(struct connections *connections, const struct settings *settings) {
    settings_kept_put(connections->settings, settings);
    connections__look(connections);
}

/* --- What is there ---------------------------------------------------------------------------- */

const struct model_connection *connections_found(const struct connections *connections,
                                                 struct bytes name) {
    for (size_t i = 0; i < connections->found_count; i++) {
        const char *other = connections->found[i]->name;
        if (strlen(other) == name.len && memcmp(other, name.data, name.len) == 0) {
            return connections->found[i];
        }
    }
    return NULL;
}

bool connections_key_lost(const struct connections *connections, struct bytes file) {
    for (size_t i = 0; i < connections->lost_count; i++) {
        const char *lost = connections->lost[i];
        if (strlen(lost) == file.len && memcmp(lost, file.data, file.len) == 0) {
            return true;
        }
    }
    return false;
}

const struct settings *connections_settings(const struct connections *connections) {
    return settings_kept_get(connections->settings);
}
