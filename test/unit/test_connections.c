/* Connections: keys in files, and what a start makes of rows that are not as they should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/provider/connections.h"
#include "model/connection.h"

/* --- Keys in files ---------------------------------------------------------------------------- */

struct place {
    char path[64];
    struct key_folder folder;
};

static int place_make(void **state) {
    struct place *place = mem_new(sizeof *place);
    (void)snprintf(place->path, sizeof place->path, "/tmp/drover-connections-XXXXXX");
    assert_non_null(mkdtemp(place->path));
    place->folder = (struct key_folder){.world = world_real(), .data_dir = place->path};
    *state = place;
    return 0;
}

static int place_remove(void **state) {
    struct place *place = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", place->path);
    assert_int_equal(system(command), 0);
    mem_free(place);
    return 0;
}

static char *key_of(const struct place *place, const char *file) {
    struct why why;
    char *key = NULL;
    return err_failed(key_file_read(&place->folder, file, &key, &why)) ? NULL : key;
}

static mode_t mode_of(const struct place *place, const char *name) {
    char path[256];
    struct stat about;
    (void)snprintf(path, sizeof path, "%s/provider-keys%s%s", place->path, name[0] ? "/" : "",
                   name);
    return stat(path, &about) == 0 ? about.st_mode & 0777 : 0;
}

static void a_key_is_its_owners_alone(void **state) {
    const struct place *place = *state;
    struct key_file_name name = key_file_name_make(place->folder.world, BYTES("p"));
    struct key_file_name other = key_file_name_make(place->folder.world, BYTES("p"));
    assert_memory_equal(name.text, "p.key_", 6);
    assert_string_not_equal(name.text, other.text);
    mode_t before = umask(0);
    assert_int_equal(key_file_write(&place->folder, name.text, "sk-1").code, ERR_NONE);
    (void)umask(before);
    assert_int_equal(mode_of(place, ""), 0700);
    assert_int_equal(mode_of(place, name.text), 0600);
    AUTO(mem_wipe) char *key = key_of(place, name.text);
    assert_string_equal(key, "sk-1");
    key_file_remove(&place->folder, name.text);
    key_file_remove(&place->folder, name.text); /* Absent is fine. */
    assert_null(key_of(place, name.text));
}

static void a_row_cannot_name_a_file_elsewhere(void **state) {
    const struct place *place = *state;
    static const char *const names[] = {"../outside", "a/b", "..", "", ".hidden"};
    char outside[128];
    (void)snprintf(outside, sizeof outside, "%s/outside", place->path);
    assert_int_equal(key_file_write(&place->folder, "x", "sk").code, ERR_NONE);
    const struct world *world = place->folder.world;
    assert_int_equal(world->file_replace(world->ctx, outside, BYTES("sk-2"), 0600).code, ERR_NONE);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_null(key_of(place, names[i]));
        key_file_remove(&place->folder, names[i]);
    }
    assert_int_equal(access(outside, F_OK), 0);
}

static bool is_kept(void *ctx, const char *file) {
    return strcmp(file, ctx) == 0;
}

static void a_sweep_leaves_what_is_wanted(void **state) {
    const struct place *place = *state;
    char kept[] = "b";
    key_files_sweep(&place->folder, is_kept, kept); /* There is no folder yet. */
    static const char *const names[] = {"a", "b", ".b.0123"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(key_file_write(&place->folder, names[i], "sk").code, ERR_NONE);
    }
    key_files_sweep(&place->folder, is_kept, kept);
    assert_int_equal(mode_of(place, "a"), 0);
    assert_int_equal(mode_of(place, ".b.0123"), 0);
    assert_int_equal(mode_of(place, "b"), 0600);
}

/* --- A start ---------------------------------------------------------------------------------- */

struct daemon {
    struct place *place;
    struct loop *loop;
    struct store *store;
    struct fetch *client;
    struct models *models;
    struct connections *connections;
    struct text told; /* What failed, by name. */
    struct provider rows[8];
    size_t count;
};

static const char *no_env(void *ctx, const char *name) {
    return NULL;
}

static void lost(void *ctx, struct err err) {
    fail_msg("the store was lost: %s", err_name(err.code));
}

static void tell(void *ctx, const char *name, const struct why *why) {
    struct daemon *daemon = ctx;
    text_addf(&daemon->told, "%s: %s\n", name, why->text);
}

static void rooms_open(struct daemon *daemon) {
    struct why why;
    const struct loop_options of_loop = {.world = world_real()};
    assert_int_equal(loop_open(&of_loop, &daemon->loop).code, ERR_NONE);
    const struct store_options of_store = {.where = daemon->place->path,
                                           .executor = STORE_THREAD,
                                           .loop = daemon->loop,
                                           .world = world_real(),
                                           .lost = lost};
    assert_int_equal(store_open(&of_store, &daemon->store, &why).code, ERR_NONE);
    const struct fetch_options of_client = {.loop = daemon->loop};
    fetch_open(&of_client, &daemon->client);
    const struct models_options of_models = {.loop = daemon->loop, .client = daemon->client};
    assert_int_equal(models_open(&of_models, &daemon->models, &why).code, ERR_NONE);
    const struct connections_options with = {
        .loop = daemon->loop,
        .store = daemon->store,
        .models = daemon->models,
        .data_dir = daemon->place->path,
        .model = "p/m",
        .from = {.env = no_env, .local = DISCOVER_NO_LOCAL},
        .ctx = daemon,
        .failed = tell,
    };
    assert_int_equal(connections_open(&with, &daemon->connections, &why).code, ERR_NONE);
    text_init(&daemon->told, 4096);
}

static void client_gone(void *ctx) {
    loop_stop(((struct daemon *)ctx)->loop);
}

static void models_gone(void *ctx) {
    struct daemon *daemon = ctx;
    fetch_close(daemon->client, client_gone, daemon);
}

static void rooms_close(struct daemon *daemon) {
    connections_stop(daemon->connections);
    models_close(daemon->models, models_gone, daemon);
    loop_run(daemon->loop);
    store_close(daemon->store);
    connections_close(daemon->connections);
    loop_close(daemon->loop);
    text_done(&daemon->told);
}

static struct err rows_add(struct tx *tx, void *ctx) {
    struct daemon *daemon = ctx;
    struct err err = ERR_OK;
    for (size_t i = 0; i < daemon->count && !err_failed(err); i++) {
        err = tx_resource_insert(tx, &provider_resource, &daemon->rows[i]);
    }
    return err;
}

static void loaded(void *ctx, struct err err) {
    assert_int_equal(err.code, ERR_NONE);
    loop_stop(((struct daemon *)ctx)->loop);
}

static void rows_added(struct err err, void *ctx) {
    struct daemon *daemon = ctx;
    assert_int_equal(err.code, ERR_NONE);
    connections_load(daemon->connections, loaded, daemon);
}

static void a_row_that_cannot_be_used_is_told_and_the_others_are_there(void **state) {
    struct daemon daemon = {.place = *state, .count = 5};
    const struct provider good = {.kind = BYTES("openai"),
                                  .base_url = BYTES("http://127.0.0.1:9/v1"),
                                  .headers = BYTES("{\"a\":\"b\"}"),
                                  .models = BYTES("[\"m\"]")};
    for (size_t i = 0; i < daemon.count; i++) {
        daemon.rows[i] = good;
    }
    daemon.rows[0].name = BYTES("good");
    daemon.rows[0].key_file = BYTES("good.key");
    daemon.rows[1].name = BYTES("later");
    daemon.rows[1].kind = BYTES("telepathy");
    daemon.rows[2].name = BYTES("spoiled");
    daemon.rows[2].headers = BYTES("nonsense");
    daemon.rows[3].name = BYTES("nowhere");
    daemon.rows[3].base_url = BYTES("http://[::1/v1");
    daemon.rows[4].name = BYTES("keyless");
    daemon.rows[4].key_file = BYTES("gone.key");
    assert_int_equal(key_file_write(&daemon.place->folder, "good.key", "sk-good").code, ERR_NONE);
    rooms_open(&daemon);
    store_write(daemon.store, rows_add, rows_added, &daemon);
    loop_run(daemon.loop);
    const struct model_connection *found = models_connection_find(daemon.models, "good");
    assert_non_null(found);
    assert_string_equal(found->key, "sk-good");
    assert_string_equal(found->headers[0].value, "b");
    assert_string_equal(found->models[0], "m");
    found = models_connection_find(daemon.models, "keyless");
    assert_non_null(found);
    assert_null(found->key);
    assert_true(connections_key_lost(daemon.connections, BYTES("gone.key")));
    assert_false(connections_key_lost(daemon.connections, BYTES("good.key")));
    static const char *const bad[] = {"later", "spoiled", "nowhere"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_null(models_connection_find(daemon.models, bad[i]));
        assert_non_null(strstr(daemon.told.data, bad[i]));
    }
    assert_non_null(strstr(daemon.told.data, "keyless: "));
    assert_null(strstr(daemon.told.data, "good: "));
    rooms_close(&daemon);
}

static void a_stop_in_the_middle_of_a_load_harms_nothing(void **state) {
    struct daemon daemon = {.place = *state, .count = 0};
    rooms_open(&daemon);
    connections_load(daemon.connections, loaded, &daemon);
    rooms_close(&daemon);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_its_owners_alone, place_make, place_remove),
        cmocka_unit_test_setup_teardown(a_row_cannot_name_a_file_elsewhere, place_make,
                                        place_remove),
        cmocka_unit_test_setup_teardown(a_sweep_leaves_what_is_wanted, place_make, place_remove),
        cmocka_unit_test_setup_teardown(a_row_that_cannot_be_used_is_told_and_the_others_are_there,
                                        place_make, place_remove),
        cmocka_unit_test_setup_teardown(a_stop_in_the_middle_of_a_load_harms_nothing, place_make,
                                        place_remove),
    };
    return cmocka_run_group_tests_name("connections", tests, NULL /* no group fixture */, NULL);
}
