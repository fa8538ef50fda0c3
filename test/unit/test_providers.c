/* Providers and settings: rows, and the copy of settings for the loop. */
#include "runs_kit.h"

#include "engine/base/settings.h"
#include "engine/provider/providers.h"

static struct provider sample(const char *name) {
    return (struct provider){.name = bytes_of(name),
                             .kind = BYTES("openai"),
                             .base_url = BYTES("https://example.com/v1"),
                             .key_file = BYTES("p.key_1"),
                             .headers = BYTES("{\"a\":\"b\"}"),
                             .models = BYTES("[\"m\"]"),
                             .numbers = {.window = 9000, .max_concurrent = 3}};
}

/* --- Providers -------------------------------------------------------------------------------- */

struct provider_call {
    struct kit_call call;
    struct provider provider; /* To add or change; its name to find or remove. */
    bool found;
    struct provider *row; /* Owned: as it was found. */
    int64_t limit;
    char names[256]; /* Of each. */
};

static struct err add(struct tx *tx, void *ctx) {
    return tx_resource_insert(tx, &provider_resource, &((struct provider_call *)ctx)->provider);
}

static struct err change(struct tx *tx, void *ctx) {
    return tx_resource_update(tx, &provider_resource, FIELD_SET,
                              &((struct provider_call *)ctx)->provider);
}

static struct err find(struct tx *tx, void *ctx) {
    struct provider_call *call = ctx;
    struct provider row;
    provider_free(call->row);
    call->row = NULL;
    const struct resource_key key = {.id = call->provider.name};
    struct err err = tx_resource_find(tx, &provider_resource, &key, &call->found, &row);
    if (!err_failed(err) && call->found) {
        call->row = provider_copy(&row);
    }
    return err;
}

static struct err drop(struct tx *tx, void *ctx) {
    struct provider_call *call = ctx;
    const struct resource_key key = {.id = call->provider.name};
    return tx_resource_remove(tx, &provider_resource, &key, NULL /* why */);
}

static struct err note_name(void *ctx, const void *row) {
    struct provider_call *call = ctx;
    const struct provider *provider = row;
    size_t len = strlen(call->names);
    (void)snprintf(call->names + len, sizeof call->names - len, "%.*s ", (int)provider->name.len,
                   provider->name.data);
    return ERR_OK;
}

static struct err each(struct tx *tx, void *ctx) {
    struct provider_call *call = ctx;
    call->names[0] = '\0';
    const struct resource_page page = {.after = call->provider.name, .limit = call->limit};
    return tx_resource_list(tx, &provider_resource, &page, note_name, call);
}

static enum err_code run(struct runs_kit *runs, store_fn fn, struct provider_call *call) {
    return kit_write(&runs->kit, fn, &call->call).code;
}

static void assert_text(struct bytes text, const char *wanted) {
    assert_int_equal(text.len, strlen(wanted));
    assert_memory_equal(text.data, wanted, text.len);
}

static void a_row_is_read_as_it_was_written(void **state) {
    struct provider_call call = {.provider = sample("p")};
    assert_int_equal(run(*state, add, &call), ERR_NONE);
    assert_int_equal(run(*state, find, &call), ERR_NONE);
    assert_true(call.found);
    assert_text(call.row->name, "p");
    assert_text(call.row->kind, "openai");
    assert_text(call.row->base_url, "https://example.com/v1");
    assert_text(call.row->key_file, "p.key_1");
    assert_text(call.row->headers, "{\"a\":\"b\"}");
    assert_text(call.row->models, "[\"m\"]");
    assert_int_equal(call.row->numbers.window, 9000);
    assert_int_equal(call.row->numbers.max_concurrent, 3);
    assert_true(call.row->made_ms > 0);
    assert_int_equal(call.row->changed_ms, call.row->made_ms);
    provider_free(call.row);
}

/* A number that a body gives reaches the struct, the row and the answer by its rows in
 * rules/provider/resource.c alone: without a member it does not compile, and without a column, or
 * with that of another one, it is lost here. */
static void each_number_of_a_body_is_stored_and_shown(void **state) {
    struct provider_view given = {.row = sample("p")};
    AUTO(text_done) struct text body = text_up_to(4096), shown = text_up_to(4096);
    AUTO(json_release) json_t *json = NULL, *answer = NULL;
    struct why why = {.text = ""};
    size_t count = 0;
    text_add_char(&body, '{');
    for (size_t i = 0; i < provider_fields.count; i++) {
        const struct field *field = &provider_fields.rows[i];
        if (field->kind == FIELD_INT) {
            assert_true(field->flag.name != NULL && field->flag.about != NULL);
            assert_true(field->at >= offsetof(struct provider_view, row.numbers));
            text_add_member_int(&body, field->name, field->min + (int64_t)++count);
        }
    }
    text_add_char(&body, '}');
    assert_int_equal(count * sizeof(int64_t), sizeof(struct provider_numbers));
    assert_int_equal(json_parse(body.data, body.len, JSON_DEPTH_MAX, &json, NULL).code, ERR_NONE);
    assert_int_equal(fields_read(&provider_fields, FIELD_CHANGED, json, &given, &why).code,
                     ERR_NONE);
    struct provider_call call = {.provider = given.row};
    assert_int_equal(run(*state, add, &call), ERR_NONE);
    assert_int_equal(run(*state, change, &call), ERR_NONE);
    assert_int_equal(run(*state, find, &call), ERR_NONE);
    const struct provider_view view = {.row = *call.row, .origin = "set"};
    fields_write(&provider_fields, FIELD_LISTED, &view, &shown);
    assert_int_equal(json_parse(shown.data, shown.len, JSON_DEPTH_MAX, &answer, NULL).code,
                     ERR_NONE);
    for (struct json_member at = json_first(json); at.value != NULL; at = json_next(at)) {
        assert_true(json_same(at.value, json_object_get(answer, at.key.data)));
    }
    provider_free(call.row);
}

static void a_change_leaves_the_name_and_its_birth(void **state) {
    struct provider_call call = {.provider = sample("p")}, other = {.provider = sample("q")};
    assert_int_equal(run(*state, add, &call), ERR_NONE);
    assert_int_equal(run(*state, add, &other), ERR_NONE);
    const int64_t made_ms = call.provider.made_ms;
    call.provider = (struct provider){.name = BYTES("p"),
                                      .kind = BYTES("scripted"),
                                      .headers = BYTES("{}"),
                                      .models = BYTES("[]"),
                                      .made_ms = 99};
    assert_int_equal(run(*state, change, &call), ERR_NONE);
    assert_int_equal(run(*state, find, &call), ERR_NONE);
    assert_text(call.row->kind, "scripted");
    assert_text(call.row->base_url, "");
    assert_text(call.row->key_file, "");
    assert_int_equal(call.row->numbers.window, 0);
    assert_int_equal(call.row->made_ms, made_ms);
    assert_true(call.row->changed_ms >= made_ms);
    assert_int_equal(run(*state, find, &other), ERR_NONE);
    assert_text(other.row->kind, "openai");
    provider_free(call.row);
    provider_free(other.row);
}

static void a_name_is_there_once_until_it_is_removed(void **state) {
    struct provider_call call = {.provider = sample("p")};
    assert_int_equal(run(*state, drop, &call), ERR_NOT_FOUND);
    assert_int_equal(run(*state, add, &call), ERR_NONE);
    assert_int_equal(run(*state, add, &call), ERR_CONFLICT);
    assert_int_equal(run(*state, drop, &call), ERR_NONE);
    assert_int_equal(run(*state, find, &call), ERR_NONE);
    assert_false(call.found);
    assert_int_equal(run(*state, add, &call), ERR_NONE);
}

static void they_are_read_by_name_and_are_not_too_many(void **state) {
    for (int i = 0; i < PROVIDERS_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p%03d", (i * 7) % PROVIDERS_MAX);
        struct provider_call call = {.provider = sample(name)};
        assert_int_equal(run(*state, add, &call), ERR_NONE);
    }
    struct provider_call call = {.provider = sample("more"), .limit = 3};
    assert_int_equal(run(*state, add, &call), ERR_TOO_MANY);
    call.provider.name = BYTES("");
    assert_int_equal(run(*state, each, &call), ERR_NONE);
    assert_string_equal(call.names, "p000 p001 p002 ");
    call.provider.name = BYTES("p197");
    assert_int_equal(run(*state, each, &call), ERR_NONE);
    assert_string_equal(call.names, "p198 p199 ");
}

/* --- Settings --------------------------------------------------------------------------------- */

struct settings_call {
    struct kit_call call;
    struct settings given;
    struct settings_kept *kept; /* Owned: as they were read. */
};

static struct err settings_read(struct tx *tx, void *ctx) {
    struct settings_call *call = ctx;
    struct settings settings;
    struct err err = tx_settings_read(tx, &settings);
    if (!err_failed(err)) {
        settings_kept_put(call->kept, &settings);
    }
    return err;
}

static struct err settings_write(struct tx *tx, void *ctx) {
    return tx_settings_write(tx, &((struct settings_call *)ctx)->given);
}

static struct err value_spoil(struct tx *tx, void *ctx) {
    (void)ctx; /* It asks for nothing. */
    return tx_exec(tx, "INSERT INTO settings (name, value, changed_ms) VALUES ('window', '{', 1)",
                   NULL /* no argument */, 0, NULL);
}

static enum err_code settings_run(struct runs_kit *runs, store_fn fn, struct settings_call *call) {
    return kit_write(&runs->kit, fn, &call->call).code;
}

static void settings_hold_until_they_are_taken_back(void **state) {
    struct settings_call call = {.kept = settings_kept_new()};
    const struct settings *seen = settings_kept_get(call.kept);
    assert_int_equal(settings_run(*state, settings_read, &call), ERR_NONE);
    assert_int_equal(seen->default_model.len + seen->instructions.len + seen->effort.len, 0);
    assert_int_equal(seen->window, 0);
    assert_int_equal(seen->changed_ms, 0);
    call.given = (struct settings){.default_model = BYTES("p/m"),
                                   .instructions = BYTES("a \"b\"\n\x01"),
                                   .effort = BYTES("low"),
                                   .window = 4096};
    assert_int_equal(settings_run(*state, settings_write, &call), ERR_NONE);
    assert_int_equal(settings_run(*state, settings_read, &call), ERR_NONE);
    assert_text(seen->default_model, "p/m");
    assert_text(seen->instructions, "a \"b\"\n\x01");
    assert_text(seen->effort, "low");
    assert_int_equal(seen->window, 4096);
    assert_true(seen->changed_ms > 0);
    call.given = (struct settings){.effort = BYTES("low"), .notify_command = BYTES("[\"a\"]")};
    assert_int_equal(settings_run(*state, settings_write, &call), ERR_NONE);
    assert_int_equal(settings_run(*state, settings_read, &call), ERR_NONE);
    assert_int_equal(seen->default_model.len + seen->instructions.len, 0);
    assert_int_equal(seen->window, 0);
    assert_text(seen->effort, "low");
    assert_text(seen->notify_command, "[\"a\"]");
    settings_kept_free(call.kept);
}

static void a_value_that_cannot_be_is_damage_and_not_a_setting(void **state) {
    struct settings_call call = {.kept = settings_kept_new()};
    call.given = (struct settings){.default_model = BYTES("p/m"), .effort = BYTES("low")};
    assert_int_equal(settings_run(*state, settings_write, &call), ERR_NONE);
    assert_int_equal(settings_run(*state, value_spoil, &call), ERR_NONE);
    assert_int_equal(settings_run(*state, settings_read, &call), ERR_NONE);
    const struct settings *seen = settings_kept_get(call.kept);
    assert_int_equal(seen->window, 0);
    assert_text(seen->default_model, "p/m");
    assert_text(seen->effort, "low");
    settings_kept_free(call.kept);
}

static void the_copy_for_the_loop_borrows_from_nobody(void **state) {
    (void)state;
    struct settings_kept *kept = settings_kept_new();
    char model[] = "p/m";
    settings_kept_put(kept, &(struct settings){.default_model = bytes_of(model)});
    model[0] = 'x';
    assert_text(settings_kept_get(kept)->default_model, "p/m");
    settings_kept_put(kept, settings_kept_get(kept)); /* Also onto itself. */
    assert_text(settings_kept_get(kept)->default_model, "p/m");
    settings_kept_free(kept);
}

static void what_is_not_set_is_null(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 1024);
    settings_write_json(&(struct settings){.effort = BYTES("high"), .window = 0}, &text);
    assert_string_equal(text.data, "{\"default_model\":null,\"instructions\":null,"
                                   "\"effort\":\"high\",\"review_model\":null,\"title_model\":null,"
                                   "\"public_url\":null,\"notify_webhook\":null,"
                                   "\"notify_command\":null,\"notify_on\":null,"
                                   "\"model_aliases\":null,\"window\":null,\"changed_ms\":null");
    assert_true(settings_effort_valid(BYTES("low")));
    assert_false(settings_effort_valid(BYTES("")));
    assert_false(settings_effort_valid(BYTES("lowest")));
}

static void an_alias_is_found_by_its_name_or_its_family(void **state) {
    (void)state;
    static const struct {
        const char *name, *model; /* NULL: none. */
    } rows[] = {
        {"sonnet", "p/s"},
        {"claude-sonnet-4-5", "p/s"},
        {"Claude-3-5-Sonnet-latest", "p/s"},
        {"sonnet[1m]", "p/s"},
        {"opus", NULL},
        {"claude-opus-4", NULL},
        {"house", "q/h"},
        {"house-2", NULL},
        {"my-sonnet", NULL},
        {"p/sonnet", NULL},
        {"claude", NULL},
        {"", NULL},
    };
    const struct bytes aliases = BYTES("{\"sonnet\":\"p/s\",\"house\":\"q/h\"}");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct model_name model = {""};
        bool found = model_alias_find(aliases, bytes_of(rows[i].name), &model);
        assert_int_equal(found, rows[i].model != NULL);
        assert_string_equal(model.text, found ? rows[i].model : "");
    }
    struct model_name ignored;
    assert_false(model_alias_find(BYTES(""), BYTES("sonnet"), &ignored));
    assert_false(model_alias_find(BYTES("{"), BYTES("sonnet"), &ignored));
    assert_true(model_is_of_claude(BYTES("claude-opus-4")) && model_is_of_claude(BYTES("haiku")));
    assert_false(model_is_of_claude(BYTES("gpt-5")) || model_is_of_claude(BYTES("my-sonnet")));
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_is_read_as_it_was_written, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(each_number_of_a_body_is_stored_and_shown, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_change_leaves_the_name_and_its_birth, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_name_is_there_once_until_it_is_removed, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(they_are_read_by_name_and_are_not_too_many, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(settings_hold_until_they_are_taken_back, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_value_that_cannot_be_is_damage_and_not_a_setting,
                                        runs_begin, runs_end),
        cmocka_unit_test(the_copy_for_the_loop_borrows_from_nobody),
        cmocka_unit_test(what_is_not_set_is_null),
        cmocka_unit_test(an_alias_is_found_by_its_name_or_its_family),
    };
    return cmocka_run_group_tests_name("providers", tests, NULL /* no group fixture */, NULL);
}
