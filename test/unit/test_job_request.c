/* The flags of `drover job run` as a request body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "cli/job/request.h"

static const struct command job_run = {.group = "job",
                                       .name = "run",
                                       .summary = "x",
                                       .operands = "CMD",
                                       .takes_rest = true,
                                       .flags = job_request_flags,
                                       .talks = true};
static const struct command *const commands[] = {&job_run, NULL};

static const char *env_get(void *ctx, const char *name) {
    (void)ctx;
    if (strcmp(name, "TERM") == 0) {
        return "xterm";
    }
    return strcmp(name, "HERE") == 0 ? "passed on" : NULL;
}

enum { WORDS_MAX = 16 };
struct words {
    const char *argv[WORDS_MAX];
};

struct scene {
    struct args args;
    struct config_env env;
    struct job_request request;
    struct text body; /* Owned. */
    struct why why;
};

/* Reads the words behind "job run", and writes the body. */
static enum err_code write_body(struct scene *scene, const struct words *words) {
    const char *argv[WORDS_MAX + 3] = {"drover", "job", "run"};
    int argc = 3;
    while (argc < WORDS_MAX + 3 && words->argv[argc - 3] != NULL) {
        argv[argc] = words->argv[argc - 3];
        argc++;
    }
    scene->why.text[0] = '\0';
    struct err err = args_parse(commands, argc, argv, &scene->args, &scene->why);
    assert_int_equal(err.code, ERR_NONE);
    scene->env = (struct config_env){.get = env_get};
    scene->request.args = &scene->args;
    scene->request.env = &scene->env;
    scene->request.here = "/here";
    text_done(&scene->body);
    text_init(&scene->body, 1 << 16);
    return job_request_write(&scene->request, &scene->body, &scene->why).code;
}

static void body_is(const struct words *words, const char *json) {
    struct scene scene = {.request = {.on_terminal = false}};
    assert_int_equal(write_body(&scene, words), ERR_NONE);
    assert_string_equal(scene.body.data, json);
    text_done(&scene.body);
}

static void only_what_was_given_is_sent(void **state) {
    (void)state;
    const struct words line = {{"--", "ls", "-l", "--json", NULL}};
    body_is(&line, "{\"argv\":[\"ls\",\"-l\",\"--json\"],\"cwd\":\"/here\","
                   "\"label\":\"ls -l --json\"}");
}

static void the_command_needs_no_dashes_before_it(void **state) {
    (void)state;
    const struct words line = {{"--label", "x", "ls", "--once", NULL}};
    body_is(&line, "{\"argv\":[\"ls\",\"--once\"],\"cwd\":\"/here\",\"label\":\"x\"}");
}

static void a_shell_line_is_one_word(void **state) {
    (void)state;
    const struct words line = {{"--shell", "--", "a | b", NULL}};
    body_is(&line, "{\"shell\":\"a | b\",\"cwd\":\"/here\",\"label\":\"a | b\"}");
    const struct words two = {{"--shell", "a", "b", NULL}};
    struct scene scene = {.request = {.on_terminal = false}};
    assert_int_equal(write_body(&scene, &two), ERR_USAGE);
    assert_string_equal(scene.why.text, "--shell takes one word: put the line in quotes");
    text_done(&scene.body);
}

static void every_flag_has_its_member(void **state) {
    (void)state;
    const struct words first = {{"-l", "L", "--timeout=30s", "--memory=1G", "--output=64M",
                                 "--processes=9", "--key=k", "--key-max=2", "--priority=-5",
                                 "--once", "--sandbox", "true", NULL}};
    body_is(&first,
            "{\"argv\":[\"true\"],\"cwd\":\"/here\",\"timeout_ms\":30000,"
            "\"limits\":{\"memory\":1073741824,\"output\":67108864,\"processes\":9},\"key\":\"k\","
            "\"key_max\":2,\"priority\":-5,\"once\":true,\"sandbox\":\"on\",\"label\":\"L\"}");
    const struct words second = {{"-l", "L", "--retry", "3", "--retry-on", "failed,lost",
                                  "--backoff", "500ms", "--notify", "http://a/",
                                  "--notify=http://b/", "true", NULL}};
    body_is(&second, "{\"argv\":[\"true\"],\"cwd\":\"/here\",\"label\":\"L\","
                     "\"retry\":{\"max\":3,\"on\":[\"failed\",\"lost\"],\"backoff\":500},"
                     "\"notify\":[{\"webhook\":\"http://a/\"},{\"webhook\":\"http://b/\"}]}");
}

static void a_folder_is_made_absolute(void **state) {
    (void)state;
    const struct words below = {{"-l", "L", "--cwd", "sub", "true", NULL}};
    body_is(&below, "{\"argv\":[\"true\"],\"cwd\":\"/here/sub\",\"label\":\"L\"}");
    const struct words absolute = {{"-l", "L", "--cwd", "/tmp", "true", NULL}};
    body_is(&absolute, "{\"argv\":[\"true\"],\"cwd\":\"/tmp\",\"label\":\"L\"}");
}

static void variables_are_set_or_passed_on(void **state) {
    (void)state;
    const struct words line = {
        {"-l", "L", "-e", "A=1=2", "-e", "HERE", "--env=EMPTY=", "true", NULL}};
    body_is(&line, "{\"argv\":[\"true\"],\"cwd\":\"/here\",\"env\":{\"A\":\"1=2\","
                   "\"HERE\":\"passed on\",\"EMPTY\":\"\"},\"label\":\"L\"}");
}

static void a_terminal_has_the_size_of_ours(void **state) {
    (void)state;
    struct scene scene = {.request = {.on_terminal = true, .size = {.rows = 24, .columns = 80}}};
    const struct words line = {{"--pty", "-l", "L", "top", NULL}};
    assert_int_equal(write_body(&scene, &line), ERR_NONE);
    assert_string_equal(scene.body.data,
                        "{\"argv\":[\"top\"],\"cwd\":\"/here\",\"env\":{\"TERM\":\"xterm\"},"
                        "\"pty\":{\"rows\":24,\"columns\":80},\"label\":\"L\"}");
    const struct words named = {{"--pty", "-l", "L", "-e", "TERM=vt100", "top", NULL}};
    assert_int_equal(write_body(&scene, &named), ERR_NONE);
    assert_non_null(strstr(scene.body.data, "\"env\":{\"TERM\":\"vt100\"},"));
    text_done(&scene.body);
    body_is(&line, "{\"argv\":[\"top\"],\"cwd\":\"/here\",\"pty\":true,\"label\":\"L\"}");
}

static void input_is_text(void **state) {
    (void)state;
    const struct words line = {{"-l", "L", "cat", NULL}};
    struct scene scene = {.request = {.input = BYTES("a\nb")}};
    assert_int_equal(write_body(&scene, &line), ERR_NONE);
    assert_non_null(strstr(scene.body.data, "\"stdin\":\"a\\nb\""));
    scene.request.input = BYTES("a\xff");
    assert_int_equal(write_body(&scene, &line), ERR_USAGE);
    scene.request.input = BYTES("a\0b");
    assert_int_equal(write_body(&scene, &line), ERR_USAGE);
    text_done(&scene.body);
}

static void what_is_wrong_is_said_as_it_was_typed(void **state) {
    (void)state;
    static const struct {
        struct words line;
        const char *says;
    } cases[] = {
        {{{"-e", "=x", "true", NULL}}, "--env: '=x' has no name"},
        {{{"-e", "ABSENT", "true", NULL}}, "--env: ABSENT is not set here"},
        {{{"-e", "A=1", "-e", "A=2", "true", NULL}}, "--env: A was given twice"},
        {{{"-e", "A=\xff", "true", NULL}}, "--env is not UTF-8 text"},
        {{{"--key-max", "2", "true", NULL}}, "--key-max needs --key KEY, whose jobs it limits"},
        {{{"--retry-on", "failed", "true", NULL}},
         "--retry-on needs --retry N, the number of retries"},
        {{{"--backoff", "1s", "true", NULL}}, "--backoff needs --retry N, the number of retries"},
        {{{"--retry", "1", "--retry-on", "failed,", "true", NULL}},
         "--retry-on: '' is not one of failed, timed_out, lost"},
        {{{"--retry", "1", "--retry-on", "never", "true", NULL}},
         "--retry-on: 'never' is not one of failed, timed_out, lost"},
        {{{"true", "\xff", NULL}}, "word 2 of the command is not UTF-8 text"},
        {{{"--label", "\xff", "true", NULL}}, "--label is not UTF-8 text"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scene scene = {.request = {.on_terminal = false}};
        assert_int_equal(write_body(&scene, &cases[i].line), ERR_USAGE);
        assert_string_equal(scene.why.text, cases[i].says);
        text_done(&scene.body);
    }
}

static void a_label_made_of_the_command_is_short_and_plain(void **state) {
    (void)state;
    char word[400];
    memset(word, 'w', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    const struct words line = {{"a\033[31m", word, NULL}};
    struct scene scene = {.request = {.on_terminal = false}};
    AUTO(json_release) json_t *json = NULL;
    assert_int_equal(write_body(&scene, &line), ERR_NONE);
    assert_int_equal(json_parse(scene.body.data, scene.body.len, 8, &json, NULL).code, ERR_NONE);
    const json_t *label = json_object_get(json, "label");
    assert_int_equal(json_string_length(label), 200);
    assert_memory_equal(json_string_value(label), "a?[31m www", 10);
    text_done(&scene.body);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_given_is_sent),
        cmocka_unit_test(the_command_needs_no_dashes_before_it),
        cmocka_unit_test(a_shell_line_is_one_word),
        cmocka_unit_test(every_flag_has_its_member),
        cmocka_unit_test(a_folder_is_made_absolute),
        cmocka_unit_test(variables_are_set_or_passed_on),
        cmocka_unit_test(a_terminal_has_the_size_of_ours),
        cmocka_unit_test(input_is_text),
        cmocka_unit_test(what_is_wrong_is_said_as_it_was_typed),
        cmocka_unit_test(a_label_made_of_the_command_is_short_and_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
