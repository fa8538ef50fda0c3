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
        cmocka_unit_test(the_first_of_several_is_taken),
        cmocka_unit_test(definitions_are_followed_and_others_are_left_out_of_account),
        cmocka_unit_test(a_schema_that_grows_without_end_is_cut),
        cmocka_unit_test(what_it_writes_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
