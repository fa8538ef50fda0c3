/* Where a setting's value comes from. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "cli/base/config.h"

static const struct flag flags[] = {
    {.name = "data",
     .kind = FLAG_TEXT,
     .value = "D",
     .about = "x",
     .env = "T_DATA",
     .in_file = true},
    {.name = "config", .kind = FLAG_TEXT, .value = "F", .about = "x", .env = "T_CONFIG"},
    {.name = "listen",
     .kind = FLAG_TEXT,
     .value = "A",
     .about = "x",
     .env = "T_LISTEN",
     .in_file = true,
     .absent = "built-in"},
    {.name = "max-things",
     .kind = FLAG_INT,
     .value = "N",
     .about = "x",
     .min = 1,
     .max = 10,
     .env = "T_MAX",
     .in_file = true,
     .absent = "3"},
    {.name = "be-loud", .kind = FLAG_SWITCH, .about = "x", .env = "T_LOUD", .in_file = true},
    {.name = NULL},
};
static const struct command serve = {.name = "serve", .summary = "x", .flags = flags};
static const struct command *const commands[] = {&serve, NULL};

struct scene {
    const char *argv[8];
    const char *env[8]; /* Name, value, …, NULL. */
    const char *file;   /* Content of every file that is read; NULL: there is none. */
};

static const char *scene_get(void *ctx, const char *name) {
    const struct scene *scene = ctx;
    for (size_t i = 0; scene->env[i] != NULL; i += 2) {
        if (strcmp(scene->env[i], name) == 0) {
            return scene->env[i + 1];
        }
    }
    return NULL;
}

static struct err scene_read(void *ctx, const char *path, size_t size_max, char **ret_content,
                             size_t *ret_len) {
    const struct scene *scene = ctx;
    if (scene->file == NULL) {
        return err_from_errno(ENOENT, "scene: read");
    }
    assert_true(strlen(scene->file) <= size_max);
    *ret_content = mem_copy(scene->file, strlen(scene->file));
    *ret_len = strlen(scene->file);
    return ERR_OK;
}

static struct err load(struct scene *scene, struct config *config, struct args *args,
                       struct why *why) {
    int argc = 0;
    while (scene->argv[argc] != NULL) {
        argc++;
    }
    struct world world = {.ctx = scene, .file_read = scene_read};
    struct config_env env = {.get = scene_get, .ctx = scene};
    config_init(config);
    why->text[0] = '\0';
    struct err err = args_parse(commands, argc, scene->argv, args, why);
    assert_int_equal(err.code, ERR_NONE);
    return config_load(config, args, &env, &world, why);
}

static void the_nearest_source_wins(void **state) {
    (void)state;
    static const struct {
        struct scene scene;
        const char *listen;
    } cases[] = {
        {{{"drover", "serve", "--data=/d", "--listen=flag", NULL},
          {"T_LISTEN", "env", NULL},
          "{\"listen\":\"file\"}"},
         "flag"},
        {{{"drover", "serve", "--data=/d", NULL},
          {"T_LISTEN", "env", NULL},
          "{\"listen\":\"file\"}"},
         "env"},
        {{{"drover", "serve", "--data=/d", NULL}, {NULL}, "{\"listen\":\"file\"}"}, "file"},
        {{{"drover", "serve", "--data=/d", NULL}, {NULL}, NULL}, "built-in"},
        {{{"drover", "serve", "--data=/d", NULL}, {"T_LISTEN", "", NULL}, NULL}, "built-in"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scene scene = cases[i].scene;
        struct config config;
        struct args args;
        struct why why;
        assert_int_equal(load(&scene, &config, &args, &why).code, ERR_NONE);
        assert_string_equal(args_text(&args, "listen"), cases[i].listen);
        config_done(&config);
    }
}

static void each_kind_is_read_from_the_file(void **state) {
    (void)state;
    struct scene scene = {{"drover", "serve", "--data=/d", NULL},
                          {NULL},
                          "{\"max_things\": 7, \"be_loud\": true, \"listen\": \"here\"}"};
    struct config config;
    struct args args;
    struct why why;
    assert_int_equal(load(&scene, &config, &args, &why).code, ERR_NONE);
    assert_int_equal(args_int(&args, "max-things", 0), 7);
    assert_true(args_on(&args, "be-loud"));
    config_done(&config);
}

static void a_flag_can_turn_off_what_the_file_turns_on(void **state) {
    (void)state;
    struct scene scene = {
        {"drover", "serve", "--data=/d", "--be-loud=false", NULL}, {NULL}, "{\"be_loud\": true}"};
    struct config config;
    struct args args;
    struct why why;
    assert_int_equal(load(&scene, &config, &args, &why).code, ERR_NONE);
    assert_false(args_on(&args, "be-loud"));
    config_done(&config);
}

static void a_fault_in_the_file_is_told_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *file, *says;
    } cases[] = {
        {"{\"listen\": \"x\",\n  \"lisen\": \"y\"}",
         "/d/config.json:2:3: unknown setting \"lisen\"; did you mean \"listen\"?"},
        {"{\"be_loud\": true, \"wholly_different\": 1}",
         "/d/config.json:1:19: unknown setting \"wholly_different\""},
        /* The same word inside a value or deeper does not mislead the search. */
        {"{\"listen\": \"odd \\\" {odd\",\n \"odd\": {\"odd\": 1}}",
         "/d/config.json:2:2: unknown setting \"odd\""},
        {"{\"max_things\": \"7\"}", "/d/config.json:1:2: \"max_things\" must be a whole number"},
        {"{\"max_things\": 11}",
         "/d/config.json:1:2: max_things: '11' is not a whole number from 1 to 10"},
        {"{\"be_loud\": 1}", "/d/config.json:1:2: \"be_loud\" must be true or false"},
        {"{\"config\": \"x\"}", "/d/config.json:1:2: unknown setting \"config\""},
        {"{\"data\": \"/elsewhere\"}",
         "\"data\" cannot be set by the file that lies in it; use --config FILE"},
        {"[1]", "/d/config.json:1:1: the configuration is one JSON object"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scene scene = {{"drover", "serve", "--data=/d", NULL}, {NULL}, cases[i].file};
        struct config config;
        struct args args;
        struct why why;
        assert_int_equal(load(&scene, &config, &args, &why).code, ERR_CONFIG);
        assert_string_equal(why.text, cases[i].says);
        config_done(&config);
    }
}

static void bad_syntax_is_told_with_its_place(void **state) {
    (void)state;
    struct scene scene = {{"drover", "serve", "--data=/d", NULL}, {NULL}, "{\"listen\": \n oops}"};
    struct config config;
    struct args args;
    struct why why;
    assert_int_equal(load(&scene, &config, &args, &why).code, ERR_CONFIG);
    assert_non_null(strstr(why.text, "/d/config.json: "));
    assert_non_null(strstr(why.text, "line 2"));
    config_done(&config);
}

static void a_file_that_is_named_must_exist(void **state) {
    (void)state;
    struct scene scene = {{"drover", "serve", "--data=/d", "--config=/c", NULL}, {NULL}, NULL};
    struct config config;
    struct args args;
    struct why why;
    assert_int_equal(load(&scene, &config, &args, &why).code, ERR_CONFIG);
    assert_non_null(strstr(why.text, "/c: "));
    config_done(&config);
}

static void the_data_directory_has_a_default(void **state) {
    (void)state;
    struct scene xdg = {
        {"drover", "serve", NULL}, {"XDG_STATE_HOME", "/s", "HOME", "/h", NULL}, NULL};
    struct scene home = {{"drover", "serve", NULL}, {"HOME", "/h", NULL}, NULL};
    struct scene none = {{"drover", "serve", NULL}, {NULL}, NULL};
    struct config config;
    struct args args;
    struct why why;
    assert_int_equal(load(&xdg, &config, &args, &why).code, ERR_NONE);
    assert_string_equal(args_text(&args, "data"), "/s/drover");
    config_done(&config);
    assert_int_equal(load(&home, &config, &args, &why).code, ERR_NONE);
    assert_string_equal(args_text(&args, "data"), "/h/.local/state/drover");
    config_done(&config);
    assert_int_equal(load(&none, &config, &args, &why).code, ERR_USAGE);
    config_done(&config);
}

struct unknown {
    char text[200];
};

static void unknown_note(void *ctx, const char *name, const char *nearest) {
    struct unknown *unknown = ctx;
    size_t len = strlen(unknown->text);
    (void)snprintf(unknown->text + len, sizeof unknown->text - len, "%s>%s ", name,
                   nearest != NULL ? nearest : "none");
}

static void variables_that_nobody_reads_are_told_with_the_nearest_name(void **state) {
    (void)state;
    static const struct flag ours[] = {
        {.name = "heartbeat", .kind = FLAG_TEXT, .about = "x", .env = "DROVER_HEARTBEAT"},
        {.name = NULL},
    };
    static const struct command command = {.name = "serve", .summary = "x", .flags = ours};
    static const struct command *const list[] = {&command, NULL};
    static const char *const all[] = {"PATH=/bin",
                                      "DROVER_HEARTBEAT=1",
                                      "DROVER_HARTBEAT=1",
                                      "DROVER_TEST_KIND=x",
                                      "DROVER_TOKEN=x",
                                      "DROVER_ZZZ",
                                      NULL};
    struct config_env env = {.get = scene_get, .all = all};
    struct unknown unknown = {""};
    config_env_unknown(list, &env, unknown_note, &unknown);
    assert_string_equal(unknown.text, "DROVER_HARTBEAT>DROVER_HEARTBEAT DROVER_ZZZ>none ");
    env.all = NULL;
    config_env_unknown(list, &env, unknown_note, &unknown);
}

static void a_path_that_no_system_takes_is_refused_in_one_sentence(void **state) {
    (void)state;
    char data[5000] = "--data=/";
    memset(data + 8, 'd', sizeof data - 9);
    struct scene scene = {{"drover", "serve", data, NULL}, {NULL}, NULL};
    struct config config;
    struct args args;
    struct why why;
    assert_int_equal(load(&scene, &config, &args, &why).code, ERR_USAGE);
    assert_string_equal(why.text,
                        "data: a path of more than 4095 bytes is too long for the system");
    config_done(&config);
}

static void a_bad_value_in_the_environment_is_refused_by_name(void **state) {
    (void)state;
    struct scene scene = {{"drover", "serve", "--data=/d", NULL}, {"T_MAX", "many", NULL}, NULL};
    struct config config;
    struct args args;
    struct why why;
    assert_int_equal(load(&scene, &config, &args, &why).code, ERR_USAGE);
    assert_string_equal(why.text, "T_MAX: 'many' is not a whole number from 1 to 10");
    config_done(&config);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_source_wins),
        cmocka_unit_test(each_kind_is_read_from_the_file),
        cmocka_unit_test(a_flag_can_turn_off_what_the_file_turns_on),
        cmocka_unit_test(a_fault_in_the_file_is_told_with_its_place),
        cmocka_unit_test(bad_syntax_is_told_with_its_place),
        cmocka_unit_test(a_file_that_is_named_must_exist),
        cmocka_unit_test(the_data_directory_has_a_default),
        cmocka_unit_test(variables_that_nobody_reads_are_told_with_the_nearest_name),
        cmocka_unit_test(a_path_that_no_system_takes_is_refused_in_one_sentence),
        cmocka_unit_test(a_bad_value_in_the_environment_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
