/* What a job may be, and how what it may not be is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/job/spec.h"

static json_t *parse(const char *text, size_t len) {
    json_t *json = NULL;
    struct why why;
    struct err err = json_parse(text, len, JSON_DEPTH_MAX, &json, &why);
    if (err_failed(err)) {
        fail_msg("%s", why.text);
    }
    return json;
}

static void a_job_needs_only_a_command(void **state) {
    (void)state;
    static const char text[] = "{\"argv\":[\"true\"]}";
    AUTO(json_release) json_t *json = parse(text, strlen(text));
    struct job_spec spec;
    struct why why;
    assert_int_equal(job_spec_read(json, &spec, &why).code, ERR_NONE);
    assert_int_equal(json_array_size(spec.argv), 1);
    assert_null(spec.shell);
    assert_null(spec.cwd);
    assert_null(spec.env);
    assert_null(spec.notify);
    assert_null(spec.key);
    assert_false(spec.pty || spec.once);
    assert_int_equal(spec.key_max, 0);
    assert_int_equal(spec.timeout_ms, 0);
    assert_int_equal(spec.memory, 0);
    assert_int_equal(spec.output, JOB_LOG_DEFAULT);
    assert_int_equal(spec.retry.max, 0);
}

static void every_field_is_read(void **state) {
    (void)state;
    static const char text[] =
        "{\"shell\":\"make | tee log\",\"cwd\":\"/src\",\"env\":{\"A\":\"1\",\"B\":\"\"},"
        "\"stdin\":\"in\",\"pty\":{\"rows\":50},\"timeout_ms\":1000,\"limits\":{\"memory\":1048576,"
        "\"output\":4096,\"processes\":10},\"key\":\"k\",\"key_max\":3,\"priority\":-1000,"
        "\"label\":\"build\",\"sandbox\":\"off\",\"retry\":{\"max\":2,\"on\":[\"failed\",\"lost\"],"
        "\"backoff\":0},\"notify\":[{\"webhook\":\"https://example.com/hook?a=b\"}]}";
    AUTO(json_release) json_t *json = parse(text, strlen(text));
    struct job_spec spec;
    struct why why;
    assert_int_equal(job_spec_read(json, &spec, &why).code, ERR_NONE);
    assert_null(spec.argv);
    assert_string_equal(spec.shell, "make | tee log");
    assert_string_equal(spec.cwd, "/src");
    assert_int_equal(json_object_size(spec.env), 2);
    assert_string_equal(spec.input, "in");
    assert_true(spec.pty);
    assert_int_equal(spec.rows, 50);
    assert_int_equal(spec.columns, 80);
    assert_int_equal(spec.timeout_ms, 1000);
    assert_int_equal(spec.memory, 1048576);
    assert_int_equal(spec.output, 4096);
    assert_int_equal(spec.processes, 10);
    assert_string_equal(spec.key, "k");
    assert_int_equal(spec.key_max, 3);
    assert_int_equal(spec.priority, -1000);
    assert_string_equal(spec.label, "build");
    assert_int_equal(spec.retry.max, 2);
    assert_int_equal(spec.retry.on, RETRY_FAILED | RETRY_LOST);
    assert_int_equal(spec.retry.backoff_ms, 0);
    assert_int_equal(json_array_size(spec.notify), 1);
    assert_false(spec.sandbox);
}

static void a_sandbox_is_asked_for_by_its_name(void **state) {
    (void)state;
    static const char text[] = "{\"argv\":[\"ls\"],\"cwd\":\"/src\",\"sandbox\":\"on\"}";
    AUTO(json_release) json_t *json = parse(text, strlen(text));
    struct job_spec spec;
    struct why why;
    assert_int_equal(job_spec_read(json, &spec, &why).code, ERR_NONE);
    assert_true(spec.sandbox);
}

static void what_is_left_out_has_a_default(void **state) {
    (void)state;
    static const char text[] =
        "{\"argv\":[\"x\"],\"key\":\"k\",\"pty\":true,\"retry\":{\"max\":1}}";
    AUTO(json_release) json_t *json = parse(text, strlen(text));
    struct job_spec spec;
    struct why why;
    assert_int_equal(job_spec_read(json, &spec, &why).code, ERR_NONE);
    assert_int_equal(spec.key_max, 1);
    assert_int_equal(spec.rows, 24);
    assert_int_equal(spec.columns, 80);
    assert_int_equal(spec.retry.on, RETRY_FAILED);
    assert_int_equal(spec.retry.backoff_ms, RETRY_BACKOFF_MS);
}

/* What is refused, with which code, and a part of the sentence. `rest` follows {"argv":["x"] where
 * it begins with a comma. */
static const struct refusal {
    const char *rest;
    enum err_code code;
    const char *says;
} refusals[] = {
    {"{}", ERR_MISSING_FIELD, "\"argv\" or \"shell\""},
    {"[]", ERR_BAD_FIELD, "an object"},
    {"{\"argv\":[]}", ERR_BAD_FIELD, "\"argv\""},
    {"{\"argv\":[\"\"]}", ERR_BAD_FIELD, "argv[0]"},
    {"{\"argv\":[\"x\",1]}", ERR_BAD_FIELD, "\"argv\"[1]"},
    {"{\"argv\":[\"x\",\"a\\u0000b\"]}", ERR_BAD_FIELD, "\\u0000"},
    {"{\"argv\":\"x\"}", ERR_BAD_FIELD, "\"argv\""},
    {"{\"shell\":\"\"}", ERR_BAD_FIELD, "\"shell\""},
    {",\"shell\":\"x\"", ERR_BAD_FIELD, "exclude"},
    {",\"colour\":1", ERR_UNKNOWN_FIELD, "\"colour\""},
    {",\"cwd\":\"src\"", ERR_BAD_FIELD, "absolute path, not 'src'"},
    {",\"cwd\":\"\"", ERR_BAD_FIELD, "\"cwd\""},
    {",\"env\":[]", ERR_BAD_FIELD, "\"env\""},
    {",\"env\":{\"\":\"1\"}", ERR_BAD_FIELD, "env"},
    {",\"env\":{\"A=B\":\"1\"}", ERR_BAD_FIELD, "'A=B'"},
    {",\"env\":{\"DROVER_RUN\":\"1\"}", ERR_BAD_FIELD, "'DROVER_RUN'"},
    {",\"env\":{\"A\":1}", ERR_BAD_FIELD, "'A'"},
    {",\"env\":{\"A\":\"x\\u0000\"}", ERR_BAD_FIELD, "'A'"},
    {",\"stdin\":1", ERR_BAD_FIELD, "\"stdin\""},
    {",\"stdin_open\":1", ERR_BAD_FIELD, "\"stdin_open\""},
    {",\"pty\":1", ERR_BAD_FIELD, "\"pty\""},
    {",\"pty\":{\"rows\":0}", ERR_BAD_FIELD, "\"pty\": \"rows\""},
    {",\"pty\":{\"cols\":9}", ERR_UNKNOWN_FIELD, "\"pty\": the field \"cols\""},
    {",\"timeout_ms\":0", ERR_BAD_FIELD, "\"timeout_ms\""},
    {",\"timeout_ms\":1.5", ERR_BAD_FIELD, "\"timeout_ms\""},
    {",\"limits\":{\"memory\":1}", ERR_BAD_FIELD, "\"limits\": \"memory\""},
    {",\"limits\":{\"output\":1}", ERR_BAD_FIELD, "\"limits\": \"output\""},
    {",\"limits\":{\"processes\":0}", ERR_BAD_FIELD, "\"limits\": \"processes\""},
    {",\"limits\":7", ERR_BAD_FIELD, "\"limits\""},
    {",\"key\":\"\"", ERR_BAD_FIELD, "\"key\""},
    {",\"key\":\"a\\nb\"", ERR_BAD_FIELD, "\"key\""},
    {",\"key_max\":2", ERR_BAD_FIELD, "\"key_max\""},
    {",\"key\":\"k\",\"key_max\":0", ERR_BAD_FIELD, "\"key_max\""},
    {",\"priority\":1001", ERR_BAD_FIELD, "\"priority\""},
    {",\"priority\":-1001", ERR_BAD_FIELD, "\"priority\""},
    {",\"once\":1", ERR_BAD_FIELD, "\"once\""},
    {",\"label\":\"a\\u001bb\"", ERR_BAD_FIELD, "\"label\""},
    {",\"sandbox\":\"on\"", ERR_MISSING_FIELD, "\"cwd\""},
    {",\"sandbox\":\"maybe\"", ERR_BAD_FIELD, "'maybe'"},
    {",\"retry\":{}", ERR_MISSING_FIELD, "\"retry\": the field \"max\""},
    {",\"retry\":{\"max\":101}", ERR_BAD_FIELD, "\"retry\": \"max\""},
    {",\"retry\":{\"max\":1,\"on\":[]}", ERR_BAD_FIELD, "\"retry\": \"on\""},
    {",\"retry\":{\"max\":1,\"on\":[\"failed\",\"x\"]}", ERR_BAD_FIELD,
     "retry.on[1]: 'x' is not one of failed, timed_out, lost"},
    {",\"retry\":{\"max\":1,\"backoff\":-1}", ERR_BAD_FIELD, "\"retry\": \"backoff\""},
    {",\"once\":true,\"retry\":{\"max\":1}", ERR_BAD_FIELD, "\"once\" forbids"},
    {",\"notify\":{}", ERR_BAD_FIELD, "\"notify\""},
    {",\"notify\":[{}]", ERR_MISSING_FIELD,
     "notify[0]: one of {\"session\": ID} and {\"webhook\": URL}"},
    {",\"notify\":[\"x\"]", ERR_BAD_FIELD, "\"notify[0]\""},
    {",\"notify\":[{\"webhook\":\"ftp://a\"}]", ERR_BAD_FIELD, "notify[0]: \"webhook\""},
    {",\"notify\":[{\"webhook\":\"http://\"}]", ERR_BAD_FIELD, "notify[0]: \"webhook\""},
    {",\"notify\":[{\"webhook\":\"http://a b\"}]", ERR_BAD_FIELD, "notify[0]: \"webhook\""},
    {",\"notify\":[{\"webhook\":\"http://a\"},{\"session\":\"ses_1\"}]", ERR_BAD_FIELD,
     "notify[1]: one of {\"session\": ID} and {\"webhook\": URL}"},
    {",\"notify\":[{\"mail\":\"a\"}]", ERR_UNKNOWN_FIELD, "\"notify[0]\": the field \"mail\""},
};

static void what_is_wrong_is_refused_by_name(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        const struct refusal *refusal = &refusals[i];
        char text[256];
        bool whole = refusal->rest[0] != ',';
        (void)snprintf(text, sizeof text, whole ? "%s" : "{\"argv\":[\"x\"]%s}", refusal->rest);
        AUTO(json_release) json_t *json = parse(text, strlen(text));
        struct job_spec spec = {.priority = 77};
        struct why why = {.text = ""};
        struct err err = job_spec_read(json, &spec, &why);
        if (err.code != refusal->code || strstr(why.text, refusal->says) == NULL) {
            fail_msg("%s: %s, \"%s\"", text, err_name(err.code), why.text);
        }
        assert_int_equal(spec.priority, 77); /* Untouched. */
    }
}

static json_t *with(const char *name, json_t *value) {
    json_t *json = json_object();
    assert_int_equal(json_object_set_new(json, name, value), 0);
    if (strcmp(name, "argv") != 0 && strcmp(name, "shell") != 0) {
        assert_int_equal(json_object_set_new(json, "shell", json_string("x")), 0);
    }
    return json;
}

static enum err_code read_with(const char *name, json_t *value) {
    AUTO(json_release) json_t *json = with(name, value);
    struct job_spec spec;
    struct why why;
    return job_spec_read(json, &spec, &why).code;
}

static json_t *texts(size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(json_array_append_new(array, json_string("x")), 0);
    }
    return array;
}

static json_t *long_text(const char *begin, size_t len) {
    AUTO(text_done) struct text text;
    text_init(&text, len);
    text_add_str(&text, begin);
    while (text.len < len) {
        text_add_char(&text, 'x');
    }
    return json_stringn(text.data, text.len);
}

static json_t *variables(size_t count) {
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "V%zu", i);
        assert_int_equal(json_object_set_new(object, name, json_string("x")), 0);
    }
    return object;
}

static json_t *receivers(size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *entry = json_object();
        assert_int_equal(json_object_set_new(entry, "webhook", json_string("http://a")), 0);
        assert_int_equal(json_array_append_new(array, entry), 0);
    }
    return array;
}

static void bounds_are_kept_to_the_byte(void **state) {
    (void)state;
    enum { WORD_MAX = 131071 };
    assert_int_equal(read_with("argv", texts(JOB_ARGS_MAX)), ERR_NONE);
    assert_int_equal(read_with("argv", texts(JOB_ARGS_MAX + 1)), ERR_BAD_FIELD);
    assert_int_equal(read_with("shell", long_text("", WORD_MAX)), ERR_NONE);
    assert_int_equal(read_with("shell", long_text("", WORD_MAX + 1)), ERR_BAD_FIELD);
    assert_int_equal(read_with("cwd", long_text("/", JOB_CWD_MAX)), ERR_NONE);
    assert_int_equal(read_with("cwd", long_text("/", JOB_CWD_MAX + 1)), ERR_BAD_FIELD);
    assert_int_equal(read_with("key", long_text("", JOB_KEY_MAX)), ERR_NONE);
    assert_int_equal(read_with("key", long_text("", JOB_KEY_MAX + 1)), ERR_BAD_FIELD);
    assert_int_equal(read_with("label", long_text("", JOB_LABEL_MAX)), ERR_NONE);
    assert_int_equal(read_with("label", long_text("", JOB_LABEL_MAX + 1)), ERR_BAD_FIELD);
    assert_int_equal(read_with("env", variables(JOB_ENV_MAX)), ERR_NONE);
    assert_int_equal(read_with("env", variables(JOB_ENV_MAX + 1)), ERR_BAD_FIELD);
    assert_int_equal(read_with("notify", receivers(JOB_NOTIFY_MAX)), ERR_NONE);
    assert_int_equal(read_with("notify", receivers(JOB_NOTIFY_MAX + 1)), ERR_BAD_FIELD);
    json_t *argv = texts(1);
    assert_int_equal(json_array_append_new(argv, long_text("", WORD_MAX + 1)), 0);
    assert_int_equal(read_with("argv", argv), ERR_BAD_FIELD);
    json_t *env = json_object();
    assert_int_equal(json_object_set_new(env, "A", long_text("", WORD_MAX - 1)), 0);
    assert_int_equal(read_with("env", env), ERR_BAD_FIELD);
    json_t *entry = json_object(), *list = json_array();
    assert_int_equal(json_object_set_new(entry, "webhook", long_text("http://", JOB_URL_MAX + 1)),
                     0);
    assert_int_equal(json_array_append_new(list, entry), 0);
    assert_int_equal(read_with("notify", list), ERR_BAD_FIELD);
}

/* Lists show listed fields of a job among the members of a run: two of one name would stand there
 * twice. */
static void no_listed_field_has_the_name_of_a_field_of_runs(void **state) {
    size_t listed = 0;
    for (size_t i = 0; i < job_fields.count; i++) {
        const struct field *field = &job_fields.rows[i];
        listed += field_has(&job_fields, field, FIELD_LISTED) ? 1 : 0;
        for (size_t k = 0; k < run_fields.count && field_has(&job_fields, field, FIELD_LISTED);
             k++) {
            assert_string_not_equal(field->name, run_fields.rows[k].name);
        }
    }
    assert_true(listed > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_listed_field_has_the_name_of_a_field_of_runs),
        cmocka_unit_test(a_job_needs_only_a_command),
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(a_sandbox_is_asked_for_by_its_name),
        cmocka_unit_test(what_is_left_out_has_a_default),
        cmocka_unit_test(what_is_wrong_is_refused_by_name),
        cmocka_unit_test(bounds_are_kept_to_the_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
