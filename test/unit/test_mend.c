/* Answers that have to fit a schema, as models give them: the value that was meant, or a miss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "rules/turn/mend.h"

#define SHEEP                                                                                      \
    "{\"type\":\"object\",\"properties\":{\"sheep\":{\"type\":\"integer\",\"minimum\":1},"         \
    "\"note\":{\"type\":\"string\"}},\"required\":[\"sheep\"],\"additionalProperties\":false}"
#define LIST "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1}"
#define WORD "{\"enum\":[\"yes\",\"no\"]}"
#define TEXT "{\"type\":\"string\",\"minLength\":2}"
#define NUMBER "{\"type\":\"integer\"}"
#define NODE                                                                                       \
    "\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"},\"child\":{}},"              \
    "\"required\":[\"n\"]"
#define TREE "{" NODE "}"
#define NAMED "{\"$ref\":\"#/$defs/node\",\"$defs\":{\"node\":{" NODE "}}}"
#define PART(name) "{\"properties\":{\"" name "\":{\"type\":\"object\"}}}"
#define PARTS                                                                                      \
    "{\"type\":\"object\",\"required\":[\"n\"],\"anyOf\":[" PART("left") ",{\"oneOf\":[" PART(     \
        "right") "]}],\"allOf\":[" PART("both") "]}"
/* A schema that holds itself, which no search may follow for ever. */
#define LOOP                                                                                       \
    "{\"type\":\"object\",\"required\":[\"n\"],\"anyOf\":[{\"$ref\":\"#/$defs/"                    \
    "a\"}],\"$defs\":{\"a\":"                                                                      \
    "{\"anyOf\":[{\"type\":\"object\"},{\"$ref\":\"#/$defs/a\"},{\"$ref\":\"#/$defs/a\"}]}}}"
#define FENCE "```"
#define COMMAS "commas before a closing bracket were left out"
#define FENCED "the JSON in a fence was taken"
#define LOOSE "the JSON in the text was taken"
#define THOUGHT "thinking was left out"
#define QUOTED "the JSON in a string was taken"
#define ITEM "the one item of a list was taken"
#define MEMBER "the one member of an object was taken"
#define CALL "the arguments of a call in the text were taken"

/* value NULL: a miss; `told` is then a part of what is said of it. */
static const struct {
    const char *schema, *answer, *value, *told;
} rows[] = {
    /* As it should be. */
    {SHEEP, "{\"sheep\":3}", "{\"sheep\":3}", ""},
    {SHEEP, "\n  { \"sheep\" : 3 }  \n", "{\"sheep\":3}", ""},
    {LIST, "[1,2]", "[1,2]", ""},
    {LIST, "[1]", "[1]", ""},
    {WORD, "\"yes\"", "\"yes\"", ""},
    {NUMBER, "42", "42", ""},
    {SHEEP, "{\"sheep\":3,\"note\":\"a </think> b\"}", "{\"sheep\":3,\"note\":\"a </think> b\"}",
     ""},
    {SHEEP, "{\"sheep\":3,\"note\":\"```json {} ```\"}",
     "{\"sheep\":3,\"note\":\"```json {} ```\"}", ""},
    {"{}", "{\"result\":{\"a\":1}}", "{\"result\":{\"a\":1}}", ""},
    {TEXT, "\"{\\\"a\\\":1}\"", "\"{\\\"a\\\":1}\"", ""},

    /* Fences. */
    {SHEEP, FENCE "json\n{\"sheep\":3}\n" FENCE, "{\"sheep\":3}", FENCED},
    {SHEEP, FENCE "\n{\"sheep\":3}\n" FENCE, "{\"sheep\":3}", FENCED},
    {SHEEP, FENCE "{\"sheep\":3}" FENCE, "{\"sheep\":3}", FENCED},
    {SHEEP, FENCE "JSON\r\n{\"sheep\":3}\r\n" FENCE "\r\n", "{\"sheep\":3}", FENCED},
    {SHEEP, "Here you are:\n\n" FENCE "json\n{\"sheep\":3}\n" FENCE "\n\nAnything else?",
     "{\"sheep\":3}", FENCED},
    {SHEEP, FENCE "json\n{\"sheep\":3}", "{\"sheep\":3}", FENCED},
    {SHEEP, FENCE "json\n{\"sheep\":3,}\n" FENCE, "{\"sheep\":3}", FENCED "; " COMMAS},
    {SHEEP,
     "First:\n" FENCE "python\nprint(1)\n" FENCE "\nThen:\n" FENCE "json\n{\"sheep\":3}\n" FENCE,
     "{\"sheep\":3}", FENCED},
    {SHEEP, FENCE "json\n{\"a\":1}\n" FENCE "\n" FENCE "json\n{\"sheep\":3}\n" FENCE,
     "{\"sheep\":3}", FENCED},
    {LIST, FENCE "json\n[\n  1,\n  2\n]\n" FENCE, "[1,2]", FENCED},
    {NUMBER, FENCE "\n42\n" FENCE, "42", FENCED},
    {WORD, FENCE "json\n\"no\"\n" FENCE, "\"no\"", FENCED},
    {SHEEP, "~~~json\n{\"sheep\":3}\n~~~", "{\"sheep\":3}", LOOSE},
    {SHEEP, FENCE "json\n{\"sheep\":3,\"note\":\"a " FENCE " b\"}\n" FENCE,
     "{\"sheep\":3,\"note\":\"a " FENCE " b\"}", LOOSE},

    /* Words around it. */
    {SHEEP, "Sure! {\"sheep\":3}", "{\"sheep\":3}", LOOSE},
    {SHEEP, "{\"sheep\":3}\n\nI counted them twice.", "{\"sheep\":3}", LOOSE},
    {SHEEP, "The answer is {\"sheep\": 3, \"note\": \"all { of } them\"} as asked.",
     "{\"sheep\":3,\"note\":\"all { of } them\"}", LOOSE},
    {SHEEP, "As [1] and [2] say, {\"sheep\":3}.", "{\"sheep\":3}", LOOSE},
    {SHEEP, "json\n{\"sheep\":3}", "{\"sheep\":3}", LOOSE},
    {SHEEP, "<answer>{\"sheep\":3}</answer>", "{\"sheep\":3}", LOOSE},
    {SHEEP, "{not json} but {\"sheep\":3}", "{\"sheep\":3}", LOOSE},
    {SHEEP, "a { brace, and {\"sheep\":3}", "{\"sheep\":3}", LOOSE},
    {SHEEP, "{\"sheep\":3}{\"sheep\":3}", "{\"sheep\":3}", LOOSE},
    {SHEEP, "{\"sheep\":3}\n{\"sheep\": 3.0}", "{\"sheep\":3}", LOOSE},
    {SHEEP, "\xEF\xBB\xBF{\"sheep\":3}", "{\"sheep\":3}", LOOSE},
    {LIST, "I found these: [4, 5].", "[4,5]", LOOSE},
    {SHEEP, "```text\nnothing\n```\n{\"sheep\":3}", "{\"sheep\":3}", LOOSE},

    /* Commas. */
    {SHEEP, "{\"sheep\":3,}", "{\"sheep\":3}", COMMAS},
    {SHEEP, "{\"sheep\":3 , \n }", "{\"sheep\":3}", COMMAS},
    {LIST, "[1,2,]", "[1,2]", COMMAS},
    {SHEEP, "{\"sheep\":3,\"note\":\"a,}\",}", "{\"sheep\":3,\"note\":\"a,}\"}", COMMAS},
    {SHEEP, "So: {\"sheep\":3,}", "{\"sheep\":3}", LOOSE "; " COMMAS},

    /* Thinking. */
    {SHEEP, "<think>three?</think>{\"sheep\":3}", "{\"sheep\":3}", THOUGHT},
    {SHEEP, "<think>\n{\"sheep\":1} or {\"sheep\":2}?\n</think>\n\n{\"sheep\":3}", "{\"sheep\":3}",
     THOUGHT},
    {SHEEP, "three, I think\n</think>\n{\"sheep\":3}", "{\"sheep\":3}", THOUGHT},
    {SHEEP, "<thinking>hm</thinking>\n" FENCE "json\n{\"sheep\":3}\n" FENCE, "{\"sheep\":3}",
     THOUGHT "; " FENCED},
    {SHEEP, "[THINK]hm[/THINK]Here: {\"sheep\":3,}", "{\"sheep\":3}",
     THOUGHT "; " LOOSE "; " COMMAS},
    {SHEEP, "<think>a</think><think>b</think>{\"sheep\":3}", "{\"sheep\":3}", THOUGHT},
    {WORD, "<think>no?</think>\n\"yes\"", "\"yes\"", THOUGHT},
    {TEXT, "<think>hm</think>so be it", "\"so be it\"", THOUGHT "; the words were taken as a text"},

    /* A value within a value. */
    {SHEEP, "\"{\\\"sheep\\\":3}\"", "{\"sheep\":3}", QUOTED},
    {SHEEP, "\"```json\\n{\\\"sheep\\\":3}\\n```\"", NULL, "of type object, not"},
    {SHEEP, "[{\"sheep\":3}]", "{\"sheep\":3}", ITEM},
    {SHEEP, "[\"{\\\"sheep\\\":3}\"]", "{\"sheep\":3}", ITEM "; " QUOTED},
    {SHEEP, "{\"answer\":{\"sheep\":3}}", "{\"sheep\":3}", ""},
    {LIST, "{\"answer\":[1,2]}", "[1,2]", ""},
    {SHEEP, "{\"result\":{\"sheep\":3}}", "{\"sheep\":3}", MEMBER},
    {LIST, "{\"numbers\":[1,2]}", "[1,2]", MEMBER},
    {SHEEP, "[{\"result\":{\"sheep\":3}}]", "{\"sheep\":3}", ITEM "; " MEMBER},
    {SHEEP, "{\"result\":\"{\\\"sheep\\\":3}\"}", "{\"sheep\":3}", MEMBER "; " QUOTED},
    {NUMBER, "{\"count\":42}", "42", MEMBER},
    {TREE, "{\"tree\":{\"n\":1,\"child\":{\"n\":2}}}", "{\"n\":1,\"child\":{\"n\":2}}", MEMBER},
    {TREE, "{\"other\":1,\"n\":2}", "{\"other\":1,\"n\":2}", ""},
    {SHEEP, "{\"name\":\"final_answer\",\"arguments\":{\"sheep\":3}}", "{\"sheep\":3}", CALL},
    {SHEEP, "{\"name\":\"final_answer\",\"parameters\":\"{\\\"sheep\\\":3}\"}", "{\"sheep\":3}",
     CALL "; " QUOTED},
    {SHEEP, "<tool_call>\n{\"name\":\"final_answer\",\"arguments\":{\"sheep\":3}}\n</tool_call>",
     "{\"sheep\":3}", LOOSE "; " CALL},
    {SHEEP, FENCE "json\n[{\"sheep\":3}]\n" FENCE, "{\"sheep\":3}", FENCED "; " ITEM},

    /* A text without its quotes. */
    {WORD, "yes", "\"yes\"", "the words were taken as a text"},
    {TEXT, "Three sheep.", "\"Three sheep.\"", "the words were taken as a text"},

    /* Misses. */
    {SHEEP, "", NULL, ""},
    /* A member that the schema names: an object that lacks something, and no wrapping. */
    {TREE, "{\"child\":{\"n\":1}}", NULL, "n"},
    {TREE, "So: {\"child\":{\"n\":1}}", NULL, "n"},
    {TREE, "[{\"child\":{\"n\":1}}]", NULL, ""},
    {NAMED, "{\"child\":{\"n\":1}}", NULL, "n"},
    {PARTS, "{\"left\":{\"n\":1}}", NULL, ""},
    {PARTS, "{\"right\":{\"n\":1}}", NULL, ""},
    {PARTS, "{\"both\":{\"n\":1}}", NULL, ""},
    {LOOP, "{\"result\":{\"n\":1}}", NULL, ""},
    {SHEEP, "{\"note\":\"{\\\"sheep\\\":3}\"}", NULL, "sheep"},
    /* Too deep, or an error. */
    {SHEEP, "{\"a\":{\"b\":{\"sheep\":3}}}", NULL, "sheep"},
    {SHEEP, "{\"a\":[{\"sheep\":3}]}", NULL, "sheep"},
    {SHEEP, "{\"error\":{\"sheep\":3}}", NULL, "sheep"},
    {NUMBER, "{\"error\":404}", NULL, "integer"},
    {TEXT, "{\"error\":\"I cannot count.\"}", NULL, "string"},
    {SHEEP, "Three sheep.", NULL, ""},
    {SHEEP, "{\"sheep\":0}", NULL, "/sheep: "},
    {SHEEP, "{\"sheep\":\"3\"}", NULL, "/sheep: "},
    {SHEEP, "{\"cows\":3}", NULL, "sheep"},
    {SHEEP, "[{\"sheep\":3},{\"sheep\":4}]", NULL, "of type object, not"},
    {SHEEP, "{\"sheep\":3} or {\"sheep\":4}", NULL, "several"},
    {SHEEP, FENCE "json\n{\"sheep\":3}\n" FENCE "\n" FENCE "json\n{\"sheep\":4}\n" FENCE, NULL,
     "several"},
    {SHEEP, "{\"sheep\":3", NULL, ""},
    {SHEEP, "{\"sheep\":3,\"note\":\"cut of", NULL, ""},
    {SHEEP, "<think>{\"sheep\":3} it may be", NULL, ""},
    {LIST, "[[1,2],[3,", NULL, ""},
    {LIST, "So: [[1,2],[3,", NULL, ""},
    {SHEEP, "{\"sheep\":1}? No: {\"sheep\":3", NULL, ""},
    {SHEEP, FENCE "json\n{\"sheep\":1}\n" FENCE "\nNo:\n" FENCE "json\n{\"sheep\":3", NULL, ""},
    {SHEEP, "{'sheep': 3}", NULL, ""},
    {SHEEP, "Here: {\"sheep\":0}", NULL, "/sheep: "},
    {SHEEP, "null", NULL, "of type object, not"},
    {SHEEP, "{\"name\":\"read_file\",\"arguments\":{\"sheep\":3}}", NULL, ""},
    {LIST, "none", NULL, ""},
    {WORD, "maybe", NULL, ""},
    {NUMBER, "The answer is 42.", NULL, ""},
    {NUMBER, "4.5", NULL, "integer"},
    {"{}", "no JSON", NULL, ""},
};

static struct json_schema *compiled(const char *schema) {
    AUTO(json_release) json_t *json = NULL;
    struct json_schema *made = NULL;
    struct why why = {""};
    assert_false(err_failed(json_parse(schema, strlen(schema), JSON_DEPTH_MAX, &json, &why)));
    assert_false(err_failed(json_schema_compile(json, &made, &why)));
    return made;
}

static void an_answer_is_mended_where_it_cannot_be_meant_otherwise(void **state) {
    (void)state;
    static_assert(COUNT_OF(rows) >= 60, "as many as models make mistakes");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(json_schema_release) struct json_schema *schema = compiled(rows[i].schema);
        AUTO(text_done)
        struct text told = text_up_to(4096), misfit = text_up_to(4096), value = text_up_to(4096);
        AUTO(json_release) json_t *json = NULL;
        bool changed = false;
        struct err err =
            answer_mend(schema, bytes_of(rows[i].answer), &json, &changed, &told, &misfit);
        text_add_str(&told, "");
        text_add_str(&misfit, "");
        if (err_failed(err)) {
            if (rows[i].value != NULL || misfit.len == 0 || told.len > 0 ||
                strstr(misfit.data, rows[i].told) == NULL) {
                fail_msg("row %zu: %s: missed: %s", i, rows[i].answer, misfit.data);
            }
            continue;
        }
        assert_false(err_failed(json_write(json, &value)));
        assert_true(changed || told.len == 0);
        if (rows[i].value == NULL || misfit.len > 0 || strcmp(told.data, rows[i].told) != 0 ||
            strcmp(value.data, rows[i].value) != 0) {
            fail_msg("row %zu: %s: %s (%s)", i, rows[i].answer, value.data, told.data);
        }
    }
}

/* Brackets that begin nothing, and many that begin something. */
static void a_hostile_answer_costs_little(void **state) {
    (void)state;
    AUTO(json_schema_release) struct json_schema *schema = compiled(SHEEP);
    static const char *const pieces[] = {"{", "[", "{\"a\":", "{} ", "``` ", "<think>", ",}"};
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        AUTO(text_done)
        struct text answer = text_up_to(1 << 20), told = text_up_to(4096),
                    misfit = text_up_to(4096);
        AUTO(json_release) json_t *json = NULL;
        bool changed = false;
        while (answer.len < 300000) {
            text_add_str(&answer, pieces[i]);
        }
        assert_true(
            err_failed(answer_mend(schema, text_bytes(&answer), &json, &changed, &told, &misfit)));
    }
}

/* A draft is no answer where the rest of a long text was not looked at. */
static void a_text_with_too_many_brackets_is_missed(void **state) {
    (void)state;
    AUTO(json_schema_release) struct json_schema *schema = compiled(SHEEP);
    static const char *const pieces[] = {"{ x; } ", "{\"a\":1} ", "```\n{\"a\":1}\n``` "};
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        AUTO(text_done)
        struct text answer = text_up_to(1 << 20), told = text_up_to(4096),
                    misfit = text_up_to(4096);
        AUTO(json_release) json_t *json = NULL;
        bool changed = false;
        text_add_str(&answer, i < 2 ? "{\"sheep\":3} " : "```\n{\"sheep\":3}\n``` ");
        for (int k = 0; k < 300; k++) {
            text_add_str(&answer, pieces[i]);
        }
        text_add_str(&answer, i < 2 ? "{\"sheep\":4}" : "```\n{\"sheep\":4}\n```");
        assert_true(
            err_failed(answer_mend(schema, text_bytes(&answer), &json, &changed, &told, &misfit)));
        text_add_str(&misfit, "");
        assert_non_null(strstr(misfit.data, "too many JSON values (64) or brackets (256)"));
    }
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_mended_where_it_cannot_be_meant_otherwise),
        cmocka_unit_test(a_hostile_answer_costs_little),
        cmocka_unit_test(a_text_with_too_many_brackets_is_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
