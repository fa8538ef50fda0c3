/* A field that is declared once is read, shown and described alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fields/fields.h"
#include "base/id.h"

enum colour { COLOUR_NONE, COLOUR_RED, COLOUR_BLUE };

struct toy {
    struct id id;
    struct bytes owner;
    const char *label, *mode;
    int64_t size, made_ms;
    bool loud;
    enum colour colour;
    unsigned on;
    struct bytes extra;
    json_t *words;
};

static const char *const modes[] = {"fast", "slow", NULL};
static const char *const colours[] = {"", "red", "blue", NULL};
static const char *const days[] = {"monday", "friday", "sunday", NULL};

static struct field_value double_size(const void *row) {
    const struct toy *toy = row;
    return (struct field_value){
        .left_out = toy->size == 0, .prefix = "2*", .text = bytes_of(toy->label)};
}

#define AT(member) .at = offsetof(struct toy, member)
static const struct field when_rows[] = {
    {.name = "on", .kind = FIELD_NAMES, AT(on), .names = days, .min = 1, .max = 3, .absent = 2},
};
static const struct field_set when = {FIELD_ROWS(when_rows), .use = FIELD_GIVEN};

static const struct field rows[] = {
    {.name = "id", .kind = FIELD_ID, AT(id), .use = FIELD_LISTED, .required = true},
    {.name = "owner",
     .kind = FIELD_TEXT,
     AT(owner),
     .use = FIELD_LISTED,
     .empty = FIELD_EMPTY_NULL},
    {.name = "label", .kind = FIELD_CHARS, AT(label), .required = true, .plain = true, .max = 8},
    {.name = "mode", .kind = FIELD_CHARS, AT(mode), .use = FIELD_GIVEN, .names = modes},
    {.name = "size", .kind = FIELD_INT, AT(size), .min = 1, .max = 9, .absent = 5},
    {.name = "loud", .kind = FIELD_BOOL, AT(loud), .empty = FIELD_EMPTY_LEFT_OUT},
    {.name = "when", .kind = FIELD_OBJECT, .use = FIELD_GIVEN, .fields = &when},
    {.name = "words", .kind = FIELD_TEXTS, AT(words), .use = FIELD_GIVEN},
    {.name = "colour",
     .kind = FIELD_NAME,
     AT(colour),
     .use = FIELD_LISTED,
     .names = colours,
     .empty = FIELD_EMPTY_NULL},
    {.name = "made_ms", .kind = FIELD_TIME, AT(made_ms), .use = FIELD_LISTED},
    {.name = "twice",
     .kind = FIELD_TEXT,
     .use = FIELD_LISTED,
     .get = double_size,
     .empty = FIELD_EMPTY_LEFT_OUT},
    {.name = "days", .kind = FIELD_NAMES, AT(on), .use = FIELD_WHOLE, .names = days},
    {.name = "extra",
     .kind = FIELD_STORED,
     AT(extra),
     .use = FIELD_WHOLE,
     .empty = FIELD_EMPTY_NULL},
};
static const struct field_set toys = {FIELD_ROWS(rows),
                                      .use = FIELD_GIVEN | FIELD_CHANGED | FIELD_LISTED};

static struct err toy_read(const char *text, enum field_use use, struct toy *toy, json_t **json,
                           struct why *why) {
    assert_int_equal(json_parse(text, strlen(text), JSON_DEPTH_MAX, json, NULL).code, ERR_NONE);
    return fields_read(&toys, use, *json, toy, why);
}

static void a_body_fills_the_struct(void **state) {
    (void)state;
    AUTO(json_release) json_t *json = NULL;
    struct toy toy = {.size = 0};
    struct why why;
    struct err err = toy_read("{\"label\":\"bell\",\"mode\":\"slow\",\"loud\":true,"
                              "\"when\":{\"on\":[\"monday\",\"sunday\"]},\"words\":[\"a\"]}",
                              FIELD_GIVEN, &toy, &json, &why);
    assert_int_equal(err.code, ERR_NONE);
    assert_string_equal(toy.label, "bell");
    assert_string_equal(toy.mode, "slow");
    assert_true(toy.loud);
    assert_int_equal(toy.on, 1 | 4);
    assert_int_equal(json_array_size(toy.words), 1);
    assert_int_equal(toy.size, 5); /* The default. */
}

static void what_is_not_given_has_its_default(void **state) {
    (void)state;
    struct toy toy = {.size = 0};
    assert_int_equal(fields_read(&toys, FIELD_GIVEN, NULL, &toy, NULL).code, ERR_NONE);
    assert_int_equal(toy.size, 5);
    assert_int_equal(toy.on, 2);
    assert_null(toy.label);
}

static void what_is_wrong_is_refused_in_words(void **state) {
    (void)state;
    static const struct {
        const char *body;
        enum field_use use;
        enum err_code code;
        const char *says;
    } cases[] = {
        {"{}", FIELD_GIVEN, ERR_MISSING_FIELD, "the field \"label\" is missing"},
        {"{\"label\":\"x\",\"id\":\"y\"}", FIELD_GIVEN, ERR_UNKNOWN_FIELD,
         "the field \"id\" is unknown; known fields: \"label\", \"mode\", \"size\", \"loud\", "
         "\"when\", \"words\""},
        {"{\"label\":\"x\",\"mode\":\"fast\"}", FIELD_CHANGED, ERR_UNKNOWN_FIELD,
         "the field \"mode\" is unknown; known fields: \"label\", \"size\", \"loud\""},
        {"{\"label\":\"x\",\"size\":10}", FIELD_GIVEN, ERR_BAD_FIELD,
         "\"size\" must be from 1 to 9, not 10"},
        {"{\"label\":\"a\\u0001\"}", FIELD_GIVEN, ERR_BAD_FIELD,
         "\"label\" must not contain control characters"},
        {"{\"label\":\"a\\u009bm\"}", FIELD_GIVEN, ERR_BAD_FIELD,
         "\"label\" must not contain control characters"},
        {"{\"label\":\"x\",\"mode\":\"odd\"}", FIELD_GIVEN, ERR_BAD_FIELD,
         "\"mode\": 'odd' is not one of \"fast\", \"slow\""},
        {"{\"label\":\"x\",\"when\":{\"on\":[\"monday\",\"x\"]}}", FIELD_GIVEN, ERR_BAD_FIELD,
         "when.on[1]: 'x' is not one of monday, friday, sunday"},
        {"{\"label\":\"x\",\"when\":{\"at\":1}}", FIELD_GIVEN, ERR_UNKNOWN_FIELD,
         "\"when\": the field \"at\" is unknown; known fields: \"on\""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(json_release) json_t *json = NULL;
        struct toy toy = {.size = 0};
        struct why why = {.text = ""};
        assert_int_equal(toy_read(cases[i].body, cases[i].use, &toy, &json, &why).code,
                         cases[i].code);
        assert_string_equal(why.text, cases[i].says);
    }
}

static void an_answer_has_its_members_in_order(void **state) {
    (void)state;
    AUTO(text_done) struct text text = {0};
    text_init(&text, 1 << 16);
    const struct toy empty = {.id = {"toy_1"}, .label = "L"};
    fields_write(&toys, FIELD_LISTED, &empty, &text);
    assert_string_equal(text.data, "{\"id\":\"toy_1\",\"owner\":null,\"label\":\"L\",\"size\":0,"
                                   "\"colour\":null,\"made_ms\":null}");
    const struct toy full = {.id = {"toy_2"},
                             .owner = BYTES("me"),
                             .label = "\"",
                             .size = 3,
                             .loud = true,
                             .colour = COLOUR_BLUE,
                             .made_ms = 7,
                             .on = 5,
                             .extra = BYTES("{\"a\":1}")};
    text_clear(&text);
    fields_write(&toys, FIELD_LISTED | FIELD_WHOLE, &full, &text);
    assert_string_equal(text.data,
                        "{\"id\":\"toy_2\",\"owner\":\"me\",\"label\":\"\\\"\",\"size\":3,"
                        "\"loud\":true,\"colour\":\"blue\",\"made_ms\":7,\"twice\":\"2*\\\"\","
                        "\"days\":[\"monday\",\"sunday\"],\"extra\":{\"a\":1}}");
    text_clear(&text);
    fields_add_one(&toys, "size", &full, &text);
    assert_string_equal(text.data, ",\"size\":3");
}

static void a_schema_says_what_is_taken_and_shown(void **state) {
    (void)state;
    AUTO(text_done) struct text text = {0};
    text_init(&text, 1 << 16);
    const struct field_shape changed = {.fields = &toys, .use = FIELD_CHANGED};
    fields_schema(&changed, &text);
    assert_string_equal(text.data,
                        "{\"type\":\"object\",\"additionalProperties\":false,"
                        "\"properties\":{\"label\":{\"type\":\"string\",\"maxLength\":8},"
                        "\"size\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":9,\"default\":5},"
                        "\"loud\":{\"type\":\"boolean\"}}}");
    const struct field_shape page = {.fields = &toys, .use = FIELD_LISTED, .page = true};
    AUTO(json_release) json_t *json = NULL;
    text_clear(&text);
    fields_schema(&page, &text);
    assert_int_equal(json_parse(text.data, text.len, JSON_DEPTH_MAX, &json, NULL).code, ERR_NONE);
    assert_non_null(strstr(text.data,
                           "\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
                           "\"required\":[\"id\",\"owner\",\"label\",\"size\",\"colour\","
                           "\"made_ms\"],"));
    assert_non_null(strstr(text.data, "\"colour\":{\"enum\":[\"red\",\"blue\",null]}"));
    assert_non_null(strstr(text.data, "\"made_ms\":{\"type\":[\"integer\",\"null\"]}"));
}

/* Lists show a part of a stored body: a table writes it once, and another one shows its members. */
static void stored_members_stand_among_those_of_the_answer(void **state) {
    (void)state;
    static const struct field parts[] = {
        {.name = "label", .kind = FIELD_CHARS, AT(label)},
        {.name = "extra", .kind = FIELD_MEMBERS, AT(extra)},
        {.name = "loud", .kind = FIELD_BOOL, AT(loud)},
    };
    static const struct field_set outer = {FIELD_ROWS(parts), .use = FIELD_LISTED};
    static const struct {
        struct bytes stored;
        const char *shown;
    } cases[] = {
        {BYTES_INIT("{\"a\":1,\"b\":{}}"), "{\"label\":\"L\",\"a\":1,\"b\":{},\"loud\":false}"},
        {BYTES_INIT(""), "{\"label\":\"L\",\"loud\":false}"},
        {BYTES_INIT("{}"), "{\"label\":\"L\",\"loud\":false}"},
        {BYTES_INIT("[1,2]"), "{\"label\":\"L\",\"loud\":false}"},
        {BYTES_INIT("{\"a\":1"), "{\"label\":\"L\",\"loud\":false}"}, /* A damaged row. */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(text_done) struct text text = text_up_to(1 << 10);
        const struct toy toy = {.label = "L", .extra = cases[i].stored};
        fields_write(&outer, FIELD_LISTED, &toy, &text);
        assert_string_equal(text.data, cases[i].shown);
    }
    AUTO(text_done) struct text schema = text_up_to(1 << 12);
    const struct field_shape shape = {.fields = &outer, .use = FIELD_LISTED, .more = &toys};
    fields_schema(&shape, &schema);
    assert_non_null(strstr(schema.data,
                           "\"properties\":{\"label\":{\"type\":\"string\"},"
                           "\"loud\":{\"type\":\"boolean\"},\"id\":{\"type\":\"string\"},"));
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_fills_the_struct),
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(what_is_wrong_is_refused_in_words),
        cmocka_unit_test(an_answer_has_its_members_in_order),
        cmocka_unit_test(a_schema_says_what_is_taken_and_shown),
        cmocka_unit_test(stored_members_stand_among_those_of_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
