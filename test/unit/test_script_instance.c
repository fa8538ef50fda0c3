/* test_script_instance.c: values that fit schemas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/schema.h"
#include "base/memory.h"
#include "model/scripted/instance.h"

static char *instance(const char *schema, enum instance_size size) {
    json_t *json = NULL;
    struct text text;
    text_init(&text, 1 << 20);
    assert_false(err_failed(json_parse(schema, strlen(schema), JSON_DEPTH_MAX, &json, NULL)));
    script_instance_add_json(&text, json, size);
    json_decref(json);
    assert_false(text_failed(&text));
    return text_take(&text, NULL);
}

static void expect(const char *schema, enum instance_size size, const char *wanted) {
    char *text = instance(schema, size);
    assert_string_equal(text, wanted);
    mem_free(text);
}

#define PEOPLE                                                                                     \
    "{\"type\":\"object\",\"required\":[\"names\"],\"properties\":{\"names\":{\"type\":\"array\"," \
    "\"items\":{\"type\":\"string\"}},\"one\":{\"type\":\"array\",\"maxItems\":1,\"items\":{"      \
    "\"type\":\"integer\",\"minimum\":3}},\"sure\":{\"type\":\"boolean\"}}}"

static void the_least_has_what_is_required_and_the_whole_has_all(void **state) {
    (void)state; /* Nothing is set up. */
    expect(PEOPLE, INSTANCE_LEAST, "{\"names\":[]}");
    expect(PEOPLE, INSTANCE_WHOLE, "{\"names\":[\"text\",\"text\"],\"one\":[3],\"sure\":true}");
    expect("{\"type\":\"array\",\"minItems\":3,\"items\":{\"const\":1}}", INSTANCE_WHOLE,
           "[1,1,1]");
}

static void a_number_is_within_all_its_bounds(void **state) {
    (void)state; /* Nothing is set up. */
    static const struct {
        const char *words, *integer, *number;
    } rows[] = {
        {"\"minimum\":3", "3", "3"},
        {"\"minimum\":2.5", "3", "2.5"},
        {"\"maximum\":7", "0", "0"},
        {"\"maximum\":-2.5", "-3", "-2.5"},
        {"\"exclusiveMinimum\":0", "1", "1"},
        {"\"exclusiveMinimum\":0.5", "1", "1.5"},
        {"\"exclusiveMaximum\":0", "-1", "-1"},
        {"\"exclusiveMaximum\":-0.5", "-1", "-1.5"},
        {"\"exclusiveMinimum\":0,\"exclusiveMaximum\":2", "1", "1"},
        {"\"minimum\":0,\"exclusiveMinimum\":0,\"maximum\":5", "1", "1"},
        {"\"minimum\":4,\"exclusiveMinimum\":0", "4", "4"},
        {"\"multipleOf\":5", "0", "0"},
        {"\"multipleOf\":5,\"minimum\":1", "5", "5"},
        {"\"multipleOf\":5,\"exclusiveMinimum\":5,\"maximum\":10", "10", "10"},
        {"\"multipleOf\":5,\"exclusiveMaximum\":0", "-5", "-5"},
        {"\"multipleOf\":1.5,\"minimum\":1", "3", "1.5"},
        {"\"multipleOf\":0.01,\"exclusiveMinimum\":0,\"maximum\":1", "1", "0.01"},
    };
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        const char *wanted = i % 2 == 0 ? rows[i / 2].integer : rows[i / 2].number;
        AUTO(text_done) struct text schema = text_up_to(1000);
        AUTO(json_release) json_t *json = NULL, *value = NULL;
        AUTO(json_schema_release) struct json_schema *compiled = NULL;
        struct json_faults faults = {.count = 0};
        struct why why = {""};
        text_addf(&schema, "{\"type\":\"%s\",%s}", i % 2 == 0 ? "integer" : "number",
                  rows[i / 2].words);
        AUTO(mem_release) char *text = instance(schema.data, INSTANCE_LEAST);
        assert_string_equal(text, wanted);
        assert_false(err_failed(json_parse(schema.data, schema.len, JSON_DEPTH_MAX, &json, NULL)));
        assert_false(err_failed(json_parse(text, strlen(text), JSON_DEPTH_MAX, &value, NULL)));
        assert_false(err_failed(json_schema_compile(json, &compiled, &why)));
        if (err_failed(json_schema_check(compiled, value, &faults))) {
            fail_msg("%s: %s", schema.data, text);
        }
    }
    expect("{\"type\":\"number\",\"exclusiveMinimum\":0,\"exclusiveMaximum\":1}", INSTANCE_LEAST,
           "0.5");
    expect("{\"type\":\"number\",\"minimum\":1e300}", INSTANCE_LEAST, "1e+300");
}

static void the_first_of_several_is_taken(void **state) {
    (void)state; /* Nothing is set up. */
    expect("{\"oneOf\":[{\"enum\":[\"b\",\"a\"]},{\"type\":\"null\"}]}", INSTANCE_LEAST, "\"b\"");
    expect("{\"anyOf\":[{\"type\":[\"number\",\"null\"]}]}", INSTANCE_LEAST, "0");
}

static void definitions_are_followed_and_others_are_left_out_of_account(void **state) {
    (void)state; /* Nothing is set up. */
    expect("{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"const\":\"x\"}}}", INSTANCE_LEAST, "\"x\"");
    expect("{\"$ref\":\"#/definitions/a\",\"definitions\":{\"a\":{\"type\":\"boolean\"}}}",
           INSTANCE_LEAST, "true");
    expect("{\"$ref\":\"#/$defs/missing\"}", INSTANCE_LEAST, "null");
    expect("{\"$ref\":\"elsewhere.json\",\"type\":\"string\"}", INSTANCE_LEAST, "\"text\"");
}

/* Each of ten names all ten: 10^16 values, if nobody counted. */
static void a_schema_that_grows_without_end_is_cut(void **state) {
    (void)state; /* Nothing is set up. */
    struct text schema;
    text_init(&schema, 1 << 20);
    text_add_str(&schema, "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"type\":\"object\","
                          "\"required\":[\"0\"");
    for (char c = '1'; c <= '9'; c++) {
        text_addf(&schema, ",\"%c\"", c);
    }
    text_add_str(&schema, "],\"properties\":{\"0\":{\"$ref\":\"#/$defs/a\"}");
    for (char c = '1'; c <= '9'; c++) {
        text_addf(&schema, ",\"%c\":{\"$ref\":\"#/$defs/a\"}", c);
    }
    text_add_str(&schema, "}}}}");
    assert_false(text_failed(&schema));
    for (int size = INSTANCE_LEAST; size <= INSTANCE_WHOLE; size++) {
        char *text = instance(schema.data, (enum instance_size)size);
        assert_true(strlen(text) < 200000);
        mem_free(text);
    }
    text_done(&schema);
}

static void what_it_writes_fits(void **state) {
    (void)state; /* Nothing is set up. */
    static const enum instance_size sizes[] = {INSTANCE_LEAST, INSTANCE_WHOLE};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        json_t *schema = NULL, *value = NULL;
        struct json_schema *compiled = NULL;
        struct json_faults faults = {.count = 0};
        struct why why;
        char *text = instance(PEOPLE, sizes[i]);
        assert_false(err_failed(json_parse(PEOPLE, strlen(PEOPLE), JSON_DEPTH_MAX, &schema, NULL)));
        assert_false(err_failed(json_parse(text, strlen(text), JSON_DEPTH_MAX, &value, NULL)));
        assert_false(err_failed(json_schema_compile(schema, &compiled, &why)));
        assert_false(err_failed(json_schema_check(compiled, value, &faults)));
        json_schema_release(&compiled);
        json_decref(schema);
        json_decref(value);
        mem_free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_has_what_is_required_and_the_whole_has_all),
        cmocka_unit_test(a_number_is_within_all_its_bounds),
        cmocka_unit_test(the_first_of_several_is_taken),
        cmocka_unit_test(definitions_are_followed_and_others_are_left_out_of_account),
        cmocka_unit_test(a_schema_that_grows_without_end_is_cut),
        cmocka_unit_test(what_it_writes_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
