/* test_model_lists.c: what providers list, what is found without configuration, and the call that
 * tests a connection.
 */
#include <sys/stat.h>

#include "model/model.h"
#include "model_kit.h"

static int open_kit(void **state) {
    struct kit *kit = kit_open();
    kit_open_models(kit, (struct models_options){.script = NULL});
    *state = kit;
    return 0;
}

static int close_kit(void **state) {
    kit_close(*state);
    return 0;
}

#define LIST(body) "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"data\":[" body "]}"
#define OK                                                                                         \
    KIT_STREAM "data: {\"choices\":[{\"delta\":{\"content\":\"ok\"},\"finish_reason\":\"stop\"}]}" \
               "\n\ndata: [DONE]\n\n"

/* --- Lists ------------------------------------------------------------------------------------ */

struct roll {
    struct text text;
    bool done;
};

static void on_model(void *ctx, const struct model_listed *model) {
    static const char *const from[] = {"connection", "provider", "prices", "default", "learned"};
    text_addf(&((struct roll *)ctx)->text, "%s/%s %d %s;", model->connection, model->model,
              (int)model->info.facts.window, from[model->info.window_from]);
}

static void on_listed(void *ctx) {
    ((struct roll *)ctx)->done = true;
}

static void list_is(struct kit *kit, const char *wanted) {
    struct roll roll = {.done = false};
    text_init(&roll.text, 10000);
    text_add_str(&roll.text, "");
    models_list(kit->models, on_model, on_listed, &roll);
    assert_false(roll.done);
    while (!roll.done) {
        server_turn(kit->loop);
    }
    assert_string_equal(roll.text.data, wanted);
    text_done(&roll.text);
}

static void a_list_tells_models_with_their_windows(void **state) {
    struct kit *kit = *state;
    list_is(kit, "");
    kit->answer = LIST("{\"id\":\"vllm\",\"max_model_len\":4096},{\"id\":\"gpt-4o\"},"
                       "{\"id\":\"llama\",\"meta\":{\"n_ctx_train\":8192}},{\"id\":\"odd\"},{},3");
    const char *named[] = {"mine"};
    kit_connect(kit, (struct model_connection){
                         .kind = MODEL_KIND_OPENAI, .models = named, .model_count = 1});
    const char *wanted = "test/mine 32768 default;test/gpt-4o 128000 prices;"
                         "test/llama 8192 provider;test/odd 32768 default;test/vllm 4096 provider;";
    list_is(kit, wanted);
    assert_memory_equal(kit->request.data, "GET /v1/models HTTP/1.1\r\n", 25);
    list_is(kit, wanted);
    assert_int_equal(kit->server.requests, 1); /* It is kept for a while. */
    kit->clock_ms += MODEL_LIST_MS;
    kit->answer = LIST("{\"id\":\"new\"}");
    list_is(kit, "test/mine 32768 default;test/new 32768 default;");
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI, .numbers.window = 100});
    list_is(kit, "test/new 100 connection;");
    struct model_info info;
    assert_true(models_info(kit->models, kit_bytes("test/new"), &info));
    assert_int_equal(info.facts.window, 100);
    assert_false(models_info(kit->models, kit_bytes("nowhere/new"), &info));
    assert_false(models_info(kit->models, kit_bytes("new"), &info));
}

static void learn(struct kit *kit, const char *name, int64_t window, int64_t for_ms) {
    const struct model_learned learned = {
        .name = kit_bytes(name), .window = window, .until_ms = kit_wall_ms(kit) + for_ms};
    models_learn(kit->models, &learned);
}

static void a_learned_window_counts_while_it_is_the_smaller_one(void **state) {
    struct kit *kit = *state;
    kit->answer = LIST("{\"id\":\"a\"},{\"id\":\"b\"}");
    learn(kit, "test/a", 10, 1000); /* There is no such connection. */
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI, .numbers.window = 100});
    list_is(kit, "test/a 100 connection;test/b 100 connection;");
    learn(kit, "test/a", 50, 1000);
    learn(kit, "test/a", 40, 1000);
    learn(kit, "test/b", 200, 1000);
    list_is(kit, "test/a 40 learned;test/b 100 connection;");
    kit->clock_ms += 1000;
    list_is(kit, "test/a 100 connection;test/b 100 connection;");
    for (int i = 0; i < MODEL_LEARNED_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "test/%d", i);
        learn(kit, name, 60, 1000);
    }
    struct model_info info;
    assert_true(models_info(kit->models, BYTES("test/0"), &info));
    assert_int_equal(info.facts.window, 60);
    learn(kit, "test/a", 40, 1000); /* The oldest make room. */
    assert_true(models_info(kit->models, BYTES("test/0"), &info));
    assert_int_equal(info.facts.window, 100);
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI, .numbers.window = 100});
    list_is(kit, "test/a 100 connection;test/b 100 connection;");
}

static void a_provider_that_lists_nothing_is_not_asked_all_the_time(void **state) {
    struct kit *kit = *state;
    static const char *const bad[] = {"HTTP/1.1 404 No\r\n\r\n", LIST("") "x",
                                      "HTTP/1.1 200 OK\r\n\r\n{\"data\":3}",
                                      "HTTP/1.1 200 OK\r\n\r\n"};
    for (unsigned i = 0; i < COUNT_OF(bad); i++) {
        kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI});
        kit->answer = bad[i];
        list_is(kit, "");
        list_is(kit, "");
        assert_int_equal(kit->server.requests, i + 1);
    }
    kit->clock_ms += 60000;
    kit->answer = LIST("{\"id\":\"a\"}");
    list_is(kit, "test/a 32768 default;");
}

static void a_list_under_way_ends_when_all_is_closed(void **state) {
    struct kit *kit = *state;
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI});
    struct roll roll = {.done = false};
    text_init(&roll.text, 1000);
    models_list(kit->models, on_model, on_listed, &roll);
    while (kit->server.requests == 0) {
        server_turn(kit->loop);
    }
    kit_close_models(kit);
    assert_true(roll.done);
    text_done(&roll.text);
    kit_open_models(kit, (struct models_options){.script = NULL});
}

/* --- Testing a connection --------------------------------------------------------------------- */

static void test_is(struct kit *kit, const char *name, enum model_cause cause) {
    struct ask ask = {.kit = kit};
    text_init(&ask.told, 1000);
    text_init(&ask.said, 1000);
    ask.asking = models_connection_test(kit->models, name, &ask_watch, &ask);
    ask_finish(&ask);
    ask_cause(&ask, cause);
    ask_end(&ask);
}

static void a_test_asks_a_model_that_can_answer(void **state) {
    struct kit *kit = *state;
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI});
    kit->answers[0] = LIST("{\"id\":\"a-speech-model\"},{\"id\":\"gpt-4o-mini\"}");
    kit->answer = OK;
    test_is(kit, "test", MODEL_NONE);
    assert_non_null(strstr(kit->request.data, "\"model\":\"gpt-4o-mini\""));
    test_is(kit, "test/other", MODEL_NONE);
    assert_non_null(strstr(kit->request.data, "\"model\":\"other\""));
    assert_int_equal(kit->server.requests, 3);
    test_is(kit, "scripted", MODEL_NONE);
    test_is(kit, "nowhere", MODEL_MODEL_UNKNOWN);
    kit_connect(kit, (struct model_connection){.name = "mute", .kind = MODEL_KIND_OPENAI});
    kit->answer = "HTTP/1.1 404 No\r\n\r\n";
    test_is(kit, "mute", MODEL_MODEL_UNKNOWN); /* It lists none, and none was named. */
}

static void a_call_that_waits_for_a_list_can_be_cancelled(void **state) {
    struct kit *kit = *state;
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI});
    struct ask ask = {.kit = kit};
    ask.asking = models_connection_test(kit->models, "test", &ask_watch, &ask);
    while (kit->server.requests == 0) {
        server_turn(kit->loop);
    }
    model_cancel(ask.asking);
    served_say(kit->asked, LIST("{\"id\":\"a\"}"));
    served_close(kit->asked);
    list_is(kit, "test/a 32768 default;");
    assert_int_equal(ask.dones, 0);
}

/* --- Without configuration -------------------------------------------------------------------- */

struct variable {
    const char *name, *value;
};

static const char *env(void *ctx, const char *name) {
    for (const struct variable *at = ctx; at->name != NULL; at++) {
        if (strcmp(at->name, name) == 0) {
            return at->value;
        }
    }
    return NULL;
}

static void discover(struct kit *kit, struct variable *variables) {
    const struct discover_from from = {.env = env, .ctx = variables, .local = DISCOVER_LOCAL};
    struct why why = {""};
    if (err_failed(models_discover(kit->models, &from, &why))) {
        fail_msg("%s", why.text);
    }
}

static void keys_in_the_environment_make_connections(void **state) {
    struct kit *kit = *state;
    discover(kit, (struct variable[]){{"OPENAI_API_KEY", "sk-1"},
                                      {"OPENAI_BASE_URL", "http://10.0.0.1/v1"},
                                      {"ANTHROPIC_BASE_URL", "http://127.0.0.1:1"},
                                      {"DEEPSEEK_API_KEY", ""},
                                      {NULL, NULL}});
    const struct model_connection *found = models_connection_find(kit->models, "openai");
    assert_string_equal(found->base_url, "http://10.0.0.1/v1");
    assert_string_equal(found->key, "sk-1");
    assert_string_equal(found->origin, "OPENAI_API_KEY");
    found = models_connection_find(kit->models, "anthropic");
    assert_int_equal(found->kind, MODEL_KIND_ANTHROPIC);
    assert_null(found->key);
    assert_null(models_connection_find(kit->models, "deepseek"));
    assert_null(models_connection_find(kit->models, "ollama")); /* Nobody looked yet. */
}

static void nothing_in_the_environment_leaves_the_script_alone(void **state) {
    struct kit *kit = *state;
    discover(kit, (struct variable[]){{NULL, NULL}});
    assert_non_null(models_connection_find(kit->models, "scripted"));
}

static void a_local_server_is_found_when_it_is_needed(void **state) {
    struct kit *kit = *state;
    char host[40];
    (void)snprintf(host, sizeof host, "127.0.0.1:%u", kit->server.port);
    discover(kit, (struct variable[]){{"OLLAMA_HOST", host}, {NULL, NULL}});
    assert_int_equal(kit->server.requests, 0);
    kit->answers[0] = LIST("{\"id\":\"qwen3:4b\"}");
    kit->answer = OK;
    ask_expect(kit, "ollama/qwen3:4b", "hi", "t(ok)", MODEL_NONE);
    assert_string_equal(models_connection_find(kit->models, "ollama")->origin, "found here");
}

static void each_local_server_has_a_variable_for_its_host(void **state) {
    struct kit *kit = *state;
    char host[40];
    (void)snprintf(host, sizeof host, "127.0.0.1:%u", kit->server.port);
    discover(kit, (struct variable[]){{"LLAMACPP_HOST", host}, {NULL, NULL}});
    kit->answers[0] = LIST("{\"id\":\"gemma\"}");
    kit->answer = OK;
    ask_expect(kit, "llamacpp/gemma", "hi", "t(ok)", MODEL_NONE);
}

static void a_local_server_that_is_not_there_is_no_connection(void **state) {
    struct kit *kit = *state;
    discover(kit, (struct variable[]){{"OLLAMA_HOST", "http://127.0.0.1:1"}, {NULL, NULL}});
    ask_expect(kit, "ollama/x", "hi", "", MODEL_MODEL_UNKNOWN);
    assert_null(models_connection_find(kit->models, "ollama"));
}

static void a_key_file_that_others_may_read_is_refused(void **state) {
    struct kit *kit = *state;
    char path[] = "/tmp/drover-key-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "sk-2\n", 5), 5);
    assert_int_equal(fchmod(fd, 0644), 0);
    struct variable variables[] = {{"OPENAI_API_KEY_FILE", path}, {NULL, NULL}};
    const struct discover_from from = {.env = env, .ctx = variables, .local = DISCOVER_NO_LOCAL};
    struct why why = {""};
    assert_int_equal(models_discover(kit->models, &from, &why).code, ERR_CONFIG);
    assert_non_null(strstr(why.text, "chmod 600"));
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_false(err_failed(models_discover(kit->models, &from, &why)));
    assert_string_equal(models_connection_find(kit->models, "openai")->key, "sk-2");
    assert_int_equal(unlink(path) + close(fd), 0);
}

static void files_that_are_named_are_read_when_it_opens(void **state) {
    struct kit *kit = *state;
    char path[] = "/tmp/drover-script-XXXXXX";
    int fd = mkstemp(path);
    static const char script[] =
        "{\"models\":{\"x\":{\"turns\":[{\"steps\":[[\"say: from a file\"]]}]}}}";
    assert_int_equal(write(fd, script, sizeof script - 1), (ssize_t)sizeof script - 1);
    kit_close_models(kit);
    kit_open_models(kit, (struct models_options){.script = path});
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, "scripted/x", "hi");
    ask_finish(&ask);
    assert_string_equal(ask.said.data, "from a file");
    ask_end(&ask);
    struct models *other = NULL;
    struct why why = {""};
    const struct models_options bad = {.loop = kit->loop, .price_file = path};
    assert_int_equal(models_open(&bad, &other, &why).code, ERR_CONFIG);
    assert_non_null(strstr(why.text, path));
    const struct models_options none = {.loop = kit->loop, .script = "/nonexistent/script"};
    assert_int_equal(models_open(&none, &other, &why).code, ERR_NOT_FOUND);
    assert_null(other);
    assert_int_equal(unlink(path) + close(fd), 0);
}

#define WITH_KIT(test) cmocka_unit_test_setup_teardown(test, open_kit, close_kit)

static int64_t accepted(struct kit *kit, const char *name) {
    struct model_info info;
    assert_true(models_info(kit->models, kit_bytes(name), &info));
    return info.accepted;
}

static void take_prompt(struct kit *kit, const char *name, int64_t tokens) {
    const struct model_learned length = {
        .name = kit_bytes(name), .window = tokens, .until_ms = kit_wall_ms(kit) + 1000};
    models_accept(kit->models, &length);
}

static void the_longest_prompt_that_a_model_took_is_kept_for_a_time(void **state) {
    struct kit *kit = *state;
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI, .numbers.window = 100});
    assert_int_equal(accepted(kit, "test/a"), 0);
    take_prompt(kit, "test/a", 50);
    take_prompt(kit, "test/a", 40);
    learn(kit, "test/a", 30, 1000);
    assert_int_equal(accepted(kit, "test/a"), 50);
    assert_int_equal(accepted(kit, "test/b"), 0);
    kit->clock_ms += 1000;
    assert_int_equal(accepted(kit, "test/a"), 0);
    take_prompt(kit, "test/a", 40);
    assert_int_equal(accepted(kit, "test/a"), 40);
    take_prompt(kit, "test/a", 0);
    assert_int_equal(accepted(kit, "test/a"), 0);
    learn(kit, "test/a", 30, 1000);
    models_forget(kit->models, BYTES("test"));
    models_forget(kit->models, BYTES("none"));
    struct model_info info;
    assert_true(models_info(kit->models, BYTES("test/a"), &info));
    assert_int_equal(info.facts.window, 100);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        WITH_KIT(a_list_tells_models_with_their_windows),
        WITH_KIT(a_learned_window_counts_while_it_is_the_smaller_one),
        WITH_KIT(the_longest_prompt_that_a_model_took_is_kept_for_a_time),
        WITH_KIT(a_provider_that_lists_nothing_is_not_asked_all_the_time),
        WITH_KIT(a_list_under_way_ends_when_all_is_closed),
        WITH_KIT(a_test_asks_a_model_that_can_answer),
        WITH_KIT(a_call_that_waits_for_a_list_can_be_cancelled),
        WITH_KIT(keys_in_the_environment_make_connections),
        WITH_KIT(nothing_in_the_environment_leaves_the_script_alone),
        WITH_KIT(a_local_server_is_found_when_it_is_needed),
        WITH_KIT(each_local_server_has_a_variable_for_its_host),
        WITH_KIT(a_local_server_that_is_not_there_is_no_connection),
        WITH_KIT(a_key_file_that_others_may_read_is_refused),
        WITH_KIT(files_that_are_named_are_read_when_it_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
