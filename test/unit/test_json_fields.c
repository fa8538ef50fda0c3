/* Objects from outside, read by table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"

struct answer {
    const char *name;
    int64_t count;
    bool flag;
    json_t *data, *tags;
};

static struct err read_answer(const char *input, struct answer *answer, struct why *why) {
    const struct json_field fields[] = {
        {.name = "name",
         .kind = JSON_KIND_TEXT,
         .required = true,
         .min = 1,
         .max = 5,
         .text = &answer->name},
        {.name = "count", .kind = JSON_KIND_INT, .min = 1, .max = 200, .number = &answer->count},
        {.name = "flag", .kind = JSON_KIND_BOOL, .flag = &answer->flag},
        {.name = "data", .kind = JSON_KIND_ANY, .value = &answer->data},
        {.name = "tags", .kind = JSON_KIND_TEXTS, .max = 2, .value = &answer->tags},
    };
    json_t *json = NULL;
    struct err err = json_parse(input, strlen(input), JSON_DEPTH_MAX, &json, why);
    assert_int_equal(err.code, ERR_NONE);
    err = json_read_fields(json, fields, COUNT_OF(fields), why);
    /* The strings are borrowed from the object: what the tests compare must outlive it. */
    static const char kept_name[] = "ann";
    if (!err_failed(err)) {
        assert_string_equal(answer->name, kept_name);
        answer->name = kept_name;
        assert_true(answer->data == NULL || json_is_null(answer->data));
        assert_true(answer->tags == NULL || json_array_size(answer->tags) == 2);
    }
    json_release(&json);
    return err;
}

static void fields_of_the_table_are_read(void **state) {
    (void)state;
    struct answer answer = {0};
    struct why why = {""};
    struct err err = read_answer("{\"name\":\"ann\",\"count\":200,\"flag\":true,\"data\":null,"
                                 "\"tags\":[\"a\",\"b\"]}",
                                 &answer, &why);
    assert_int_equal(err.code, ERR_NONE);
    assert_int_equal(answer.count, 200);
    assert_true(answer.flag);
    assert_non_null(answer.data);
    assert_non_null(answer.tags);
}

static void absent_fields_leave_their_outputs_untouched(void **state) {
    (void)state;
    struct answer answer = {.count = 50, .flag = true};
    assert_int_equal(read_answer("{\"name\":\"ann\"}", &answer, /* why */ NULL).code, ERR_NONE);
    assert_int_equal(answer.count, 50);
    assert_true(answer.flag);
    assert_null(answer.data);
}

struct refused {
    const char *input;
    enum err_code code;
    const char *why;
};

static const struct refused refused_objects[] = {
    {"[]", ERR_BAD_FIELD, "an object is expected, not an array"},
    {"null", ERR_BAD_FIELD, "an object is expected, not null"},
    {"{}", ERR_MISSING_FIELD, "the field \"name\" is missing"},
    {"{\"name\":\"ann\",\"nam\":1}", ERR_UNKNOWN_FIELD,
     "the field \"nam\" is unknown; known fields: \"name\", \"count\", \"flag\", \"data\", "
     "\"tags\""},
    {"{\"name\":\"ann\",\"\\u001b\\n\":1}", ERR_UNKNOWN_FIELD, "the field \"??\" is unknown"},
    {"{\"name\":\"ann\",\"\":1}", ERR_UNKNOWN_FIELD, "the field \"\" is unknown"},
    {"{\"name\":null}", ERR_BAD_FIELD, "\"name\" must be a string, not null"},
    {"{\"name\":1}", ERR_BAD_FIELD, "\"name\" must be a string, not an integer"},
    {"{\"name\":\"\"}", ERR_BAD_FIELD, "\"name\" must have a length in bytes from 1 to 5, not 0"},
    {"{\"name\":\"sixsix\"}", ERR_BAD_FIELD, "not 6"},
    {"{\"name\":\"a\\u0000b\"}", ERR_BAD_FIELD, "must not contain the character \\u0000"},
    {"{\"name\":\"ann\",\"count\":0}", ERR_BAD_FIELD, "\"count\" must be from 1 to 200, not 0"},
    {"{\"name\":\"ann\",\"count\":201}", ERR_BAD_FIELD, "not 201"},
    {"{\"name\":\"ann\",\"count\":1.0}", ERR_BAD_FIELD, "a fraction"},
    {"{\"name\":\"ann\",\"count\":\"1\"}", ERR_BAD_FIELD, "must be an integer, not a string"},
    {"{\"name\":\"ann\",\"flag\":0}", ERR_BAD_FIELD, "\"flag\" must be true or false"},
    {"{\"name\":\"ann\",\"tags\":\"a\"}", ERR_BAD_FIELD, "must be an array of strings"},
    {"{\"name\":\"ann\",\"tags\":[\"a\",2]}", ERR_BAD_FIELD, "\"tags\"[1] must be a string"},
    {"{\"name\":\"ann\",\"tags\":[\"\\u0000\"]}", ERR_BAD_FIELD, "\"tags\"[0] must not contain"},
    {"{\"name\":\"ann\",\"tags\":[\"a\",\"b\",\"c\"]}", ERR_BAD_FIELD, "number of items"},
};

static void refused_objects_are_told_by_field_and_change_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused_objects); i++) {
        const struct refused *refused = &refused_objects[i];
        struct answer answer = {.count = 50};
        struct why why = {""};
        struct err err = read_answer(refused->input, &answer, &why);
        if (err.code != refused->code || strstr(why.text, refused->why) == NULL) {
            fail_msg("%s: %s, \"%s\"", refused->input, err_name(err.code), why.text);
        }
        assert_null(answer.name);
        assert_int_equal(answer.count, 50);
    }
}

static void a_maximum_of_zero_bounds_nothing_above(void **state) {
    (void)state;
    int64_t any = 0, positive = 0;
    const struct json_field fields[] = {
        {.name = "any", .kind = JSON_KIND_INT, .number = &any},
        {.name = "positive", .kind = JSON_KIND_INT, .min = 1, .number = &positive},
    };
    json_t *json = json_pack("{s:I,s:I}", "any", INT64_MIN, "positive", INT64_MAX);
    assert_int_equal(json_read_fields(json, fields, 2, NULL).code, ERR_NONE);
    assert_true(any == INT64_MIN);
    assert_true(positive == INT64_MAX);
    json_release(&json);
    json = json_pack("{s:i}", "positive", 0);
    struct why why = {""};
    assert_int_equal(json_read_fields(json, fields, 2, &why).code, ERR_BAD_FIELD);
    assert_string_equal(why.text, "\"positive\" must be at least 1, not 0");
    json_release(&json);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_the_table_are_read),
        cmocka_unit_test(absent_fields_leave_their_outputs_untouched),
        cmocka_unit_test(refused_objects_are_told_by_field_and_change_nothing),
        cmocka_unit_test(a_maximum_of_zero_bounds_nothing_above),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
