/* Schemas that models and workflows write, and values that they are held against. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/schema.h"

static json_t *parse(const char *text) {
    json_t *json = NULL;
    struct why why = {.text = ""};
    if (err_failed(json_parse(text, strlen(text), JSON_DEPTH_MAX, &json, &why))) {
        fail_msg("%s: %s", text, why.text);
    }
    return json;
}

static struct json_schema *compile(const char *text) {
    AUTO(json_release) json_t *json = parse(text);
    struct json_schema *schema = NULL;
    struct why why = {.text = ""};
    if (err_failed(json_schema_compile(json, &schema, &why))) {
        fail_msg("%s: %s", text, why.text);
    }
    return schema;
}

static enum err_code check(const struct json_schema *schema, const char *value,
                           struct json_faults *faults) {
    AUTO(json_release) json_t *json = parse(value);
    struct err err = json_schema_check(schema, json, faults);
    assert_int_equal(err_failed(err), faults->count > 0);
    return err.code;
}

/* fits: values that fit, with blanks between; not: others. '~' stands for the double quote. */
struct row {
    const char *schema;
    const char *fits[8];
    const char * not [8];
};

static const struct row rows[] = {
    {"true", {"1", "null", "{}"}, {NULL}},
    {"false", {NULL}, {"1", "null"}},
    {"{}", {"1", "[]"}, {NULL}},
    {"{~type~:~integer~}", {"1", "-3", "1.0", "1e3"}, {"1.5", "~1~", "null", "true", "1e300"}},
    {"{~type~:~number~}", {"1", "1.5"}, {"~1~", "null"}},
    {"{~type~:~string~}", {"~~", "~x~"}, {"1", "null", "[]", "{}"}},
    {"{~type~:~boolean~}", {"true", "false"}, {"0", "~true~", "null"}},
    {"{~type~:~null~}", {"null"}, {"0", "~~", "false"}},
    {"{~type~:[~string~,~null~]}", {"~a~", "null"}, {"1", "[]"}},
    {"{~enum~:[1,~a~,null,{~a~:[1]}]}",
     {"1", "1.0", "~a~", "null", "{~a~:[1]}"},
     {"2", "~b~", "{~a~:[2]}", "{~a~:[1],~b~:1}"}},
    {"{~const~:{~a~:1,~b~:2}}", {"{~b~:2,~a~:1}", "{~a~:1.0,~b~:2}"}, {"{~a~:1}", "1"}},
    {"{~minimum~:1,~maximum~:3}", {"1", "3", "2.5", "~x~"}, {"0", "0.99", "4", "3.0001"}},
    {"{~exclusiveMinimum~:1,~exclusiveMaximum~:3}", {"2", "1.1"}, {"1", "3", "1.0"}},
    {"{~maximum~:9223372036854775806}", {"9223372036854775806"}, {"9223372036854775807"}},
    {"{~multipleOf~:3}", {"0", "9", "-3", "~x~"}, {"1", "10", "1.5"}},
    {"{~multipleOf~:0.1}", {"0.3", "1", "0.7"}, {"0.35"}},
    {"{~minLength~:2,~maxLength~:3}", {"~ab~", "~äöü~", "1"}, {"~a~", "~abcd~"}},
    {"{~pattern~:~^[a-z]+$~}", {"~abc~", "5"}, {"~~", "~aB~"}},
    {"{~format~:~email~}", {"~no mail~"}, {NULL}},
    {"{~minItems~:1,~maxItems~:2}", {"[1]", "[1,2]", "{}"}, {"[]", "[1,2,3]"}},
    {"{~items~:{~type~:~integer~}}", {"[]", "[1,2]", "~x~"}, {"[1,~2~]"}},
    {"{~prefixItems~:[{~type~:~integer~},{~type~:~string~}],~items~:false}",
     {"[]", "[1]", "[1,~a~]"},
     {"[~a~]", "[1,2]", "[1,~a~,1]"}},
    {"{~uniqueItems~:true}", {"[1,2]", "[[1],[2]]", "[]"}, {"[1,1.0]", "[{~a~:1},{~a~:1}]"}},
    {"{~required~:[~a~]}", {"{~a~:null}", "[]", "1"}, {"{}", "{~b~:1}"}},
    {"{~properties~:{~a~:{~type~:~integer~}}}", {"{}", "{~a~:1,~b~:~x~}"}, {"{~a~:~1~}"}},
    {"{~properties~:{~a~:{}},~additionalProperties~:false}", {"{}", "{~a~:1}"}, {"{~b~:1}"}},
    {"{~properties~:{~a~:{}},~additionalProperties~:{~type~:~integer~}}",
     {"{~a~:~x~,~b~:1}"},
     {"{~b~:~x~}"}},
    {"{~patternProperties~:{~^x_~:{~type~:~integer~}},~additionalProperties~:false}",
     {"{~x_a~:1}", "{}"},
     {"{~x_a~:~1~}", "{~y~:1}"}},
    {"{~propertyNames~:{~pattern~:~^[a-z]+$~}}", {"{~ab~:1}"}, {"{~aB~:1}"}},
    {"{~dependentRequired~:{~a~:[~b~]}}", {"{}", "{~a~:1,~b~:1}", "{~b~:1}"}, {"{~a~:1}"}},
    {"{~minProperties~:1,~maxProperties~:2}", {"{~a~:1}"}, {"{}", "{~a~:1,~b~:1,~c~:1}"}},
    {"{~anyOf~:[{~type~:~string~},{~type~:~null~}]}", {"~a~", "null"}, {"1"}},
    {"{~oneOf~:[{~type~:~number~},{~type~:~integer~}]}", {"1.5"}, {"1", "~a~"}},
    {"{~allOf~:[{~minimum~:1},{~maximum~:3}]}", {"2"}, {"0", "4"}},
    {"{~not~:{~type~:~string~}}", {"1"}, {"~a~"}},
    {"{~if~:{~required~:[~a~]},~then~:{~required~:[~b~]},~else~:{~required~:[~c~]}}",
     {"{~a~:1,~b~:1}", "{~c~:1}"},
     {"{~a~:1}", "{}"}},
    {"{~$ref~:~#/$defs/n~,~$defs~:{~n~:{~type~:~integer~}}}", {"1"}, {"~1~"}},
    {"{~$ref~:~#/definitions/a~1b~,~definitions~:{~a/b~:{~type~:~integer~}}}", {"1"}, {"~1~"}},
    {"{~type~:~object~,~properties~:{~next~:{~$ref~:~#~},~v~:{~type~:~integer~}},"
     "~required~:[~v~]}",
     {"{~v~:1,~next~:{~v~:2}}"},
     {"{~v~:1,~next~:{~v~:~2~}}", "{~v~:1,~next~:{}}"}},
    {"{~type~:~object~,~x-own~:1,~title~:~t~,~default~:5}", {"{}"}, {"1"}},
    /* Words that judge nothing. */
    {"{~$anchor~:~a~,~id~:~b~,~$id~:~c~,~$dynamicRef~:~#d~,~$dynamicAnchor~:1,~$vocabulary~:{},"
     "~format~:~uri~,~unevaluatedItems~:false,~discriminator~:{},~type~:~array~}",
     {"[1]"},
     {"1"}},
    {"{~type~:~integer~,~nullable~:true,~minimum~:1}", {"null", "1"}, {"0", "~a~"}},
    {"{~enum~:[~a~],~nullable~:true}", {"null", "~a~"}, {"~b~"}},
    {"{~type~:~integer~,~nullable~:false}", {"1"}, {"null"}},
    {"{~contains~:{~type~:~integer~}}", {"[1]", "[~a~,1]", "~x~"}, {"[]", "[~a~]"}},
    {"{~contains~:{~type~:~integer~},~minContains~:2,~maxContains~:3}",
     {"[1,2]", "[1,2,3,~a~]"},
     {"[1,~a~]", "[1,2,3,4]"}},
    {"{~contains~:{~type~:~integer~},~minContains~:0}", {"[]", "[~a~]"}, {NULL}},
    {"{~dependentSchemas~:{~a~:{~required~:[~b~]}}}", {"{}", "{~a~:1,~b~:1}", "1"}, {"{~a~:1}"}},
    {"{~dependencies~:{~a~:[~b~],~c~:{~maxProperties~:1}}}",
     {"{~a~:1,~b~:1}", "{~c~:1}"},
     {"{~a~:1}", "{~c~:1,~d~:1}"}},
    {"{~items~:[{~type~:~integer~},{~type~:~string~}],~additionalItems~:false}",
     {"[]", "[1]", "[1,~a~]"},
     {"[~a~]", "[1,~a~,2]"}},
    {"{~items~:[{}],~additionalItems~:{~type~:~null~}}", {"[1,null]"}, {"[1,2]"}},
    {"{~items~:{},~additionalItems~:false}", {"[1,2]"}, {NULL}},
    {"{~properties~:{~a~:{}},~unevaluatedProperties~:false}", {"{}", "{~a~:1}"}, {"{~b~:1}"}},
    {"{~allOf~:[{~properties~:{~a~:{}}},{~$ref~:~#/$defs/b~}],~properties~:{~c~:{}},"
     "~patternProperties~:{~^x~:{}},~unevaluatedProperties~:false,"
     "~$defs~:{~b~:{~properties~:{~b~:{}}}}}",
     {"{~a~:1,~b~:1,~c~:1,~xy~:1}"},
     {"{~d~:1}"}},
    {"{~anyOf~:[{~properties~:{~a~:{~type~:~integer~}},~required~:[~a~]},"
     "{~properties~:{~b~:{}},~required~:[~b~]}],~unevaluatedProperties~:false}",
     {"{~a~:1}", "{~b~:1}", "{~a~:1,~b~:1}"},
     {"{~a~:~x~,~b~:1}", "{~a~:1,~c~:1}"}},
    {"{~if~:{~properties~:{~k~:{~const~:1}},~required~:[~k~]},~then~:{~properties~:{~a~:{}}},"
     "~else~:{~properties~:{~b~:{}}},~unevaluatedProperties~:false}",
     {"{~k~:1,~a~:1}", "{~b~:1}"},
     {"{~k~:1,~b~:1}", "{~a~:1}"}},
    {"{~dependentSchemas~:{~a~:{~properties~:{~b~:{},~a~:{}}}},~unevaluatedProperties~:"
     "{~type~:~null~}}",
     {"{~a~:1,~b~:1}", "{~b~:null}"},
     {"{~b~:1}"}},
    {"{~$ref~:~#/$defs/open~,~unevaluatedProperties~:false,"
     "~$defs~:{~open~:{~additionalProperties~:true}}}",
     {"{~z~:1}"},
     {NULL}},
};

/* '~' to '"', but "~1" of a pointer, which has a digit before another letter. */
static char *spell(const char *text, bool pointer) {
    char *copy = strdup(text);
    for (char *at = copy; *at != '\0'; at++) {
        if (*at == '~' && !(pointer && at[1] == '1' && at[2] == 'b')) {
            *at = '"';
        }
    }
    return copy;
}

static void values_fit_or_do_not(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *source = spell(rows[i].schema, true);
        AUTO(json_schema_release) struct json_schema *schema = compile(source);
        struct json_faults faults;
        for (size_t j = 0; j < COUNT_OF(rows[i].fits) && rows[i].fits[j] != NULL; j++) {
            char *value = spell(rows[i].fits[j], false);
            if (check(schema, value, &faults) != ERR_NONE) {
                fail_msg("%s: %s: %s", source, value, faults.items[0].text);
            }
            free(value);
        }
        for (size_t j = 0; j < COUNT_OF(rows[i].not ) && rows[i].not [j] != NULL; j++) {
            char *value = spell(rows[i].not [j], false);
            if (check(schema, value, &faults) != ERR_BAD_FIELD) {
                fail_msg("%s: %s fits", source, value);
            }
            assert_true(strlen(faults.items[0].text) > 5);
            free(value);
        }
        free(source);
    }
}

/* --- Sentences -------------------------------------------------------------------------------- */

struct told {
    const char *schema, *value, *line;
};
static const struct told told[] = {
    {"{~items~:{~properties~:{~n~:{~type~:~integer~}}}}", "[{},{~n~:~x~}]",
     "/1/n: must be of type integer, not a string\n"},
    {"{~properties~:{~path~:{},~limit~:{}},~additionalProperties~:false}", "{~pth~:1}",
     "the field \"pth\" is unknown; did you mean \"path\"?\n"},
    {"{~properties~:{~path~:{},~limit~:{}},~additionalProperties~:false}", "{~zzzzz~:1}",
     "the field \"zzzzz\" is unknown; known fields: \"path\", \"limit\"\n"},
    {"{~required~:[~a~,~b~]}", "{}", "the field \"a\" is missing\nthe field \"b\" is missing\n"},
    {"{~enum~:[~one~,~two~]}", "~three~", "must be one of \"one\", \"two\", not \"three\"\n"},
    {"{~type~:[~string~,~null~]}", "5", "must be of type string or null, not an integer\n"},
    {"{~anyOf~:[{~type~:~null~},{~properties~:{~a~:{~minimum~:3}},~type~:~object~}]}", "{~a~:1}",
     "fits none of the 2 alternatives; nearest: /a must be at least 3, not 1\n"},
    {"{~maximum~:3}", "4", "must be at most 3, not 4\n"},
    {"{~pattern~:~^a~}", "~b~", "must match the pattern \"^a\"\n"},
    {"{~items~:{~type~:~null~}}", "[1,1,1,1,1,1,1]",
     "/0: must be of type null, not an integer\n/1: must be of type null, not an integer\n"
     "/2: must be of type null, not an integer\n/3: must be of type null, not an integer\n"
     "/4: must be of type null, not an integer\n/5: must be of type null, not an integer\n"
     "and more\n"},
};

/* The same lines, with "; " between them. */
static void assert_joined(const char *joined, const char *lines) {
    for (; *lines != '\0'; lines++) {
        if (*lines != '\n') {
            assert_int_equal(*joined++, *lines);
        } else if (lines[1] != '\0') {
            assert_memory_equal(joined, "; ", 2);
            joined += 2;
        }
    }
    assert_string_equal(joined, "");
}

static void faults_say_where_and_what_would_be_right(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        char *source = spell(told[i].schema, false), *value = spell(told[i].value, false);
        AUTO(json_schema_release) struct json_schema *schema = compile(source);
        struct json_faults faults;
        assert_int_equal(check(schema, value, &faults), ERR_BAD_FIELD);
        AUTO(text_done) struct text text;
        text_init(&text, 4096);
        json_faults_write(&faults, &text);
        assert_string_equal(text.data, told[i].line);
        AUTO(text_done) struct text joined;
        text_init(&joined, 4096);
        json_faults_join(&faults, &joined);
        assert_joined(joined.data, told[i].line);
        free(source);
        free(value);
    }
}

static const struct told refused[] = {
    {"5", NULL, "#: a schema (an object, true or false) is expected, not an integer"},
    {"{~type~:~strin~}", NULL, "#/type: \"strin\" is no type"},
    {"{~properties~:{~a~:{~type~:7}}}", NULL, "#/properties/a/type: a type, or a list"},
    {"{~items~:[5]}", NULL, "#/items/0: a schema (an object, true or false) is expected"},
    {"{~anyOf~:[{},{~contains~:5}]}", NULL, "#/anyOf/1/contains: a schema (an object, true or"},
    {"{~minContains~:-1}", NULL, "#/minContains: a count from 0"},
    {"{~dependencies~:{~a~:[1]}}", NULL, "#/dependencies/a: item 0 of the list is no name"},
    {"{~requird~:[~a~]}", NULL, "#/requird: this word is unknown; did you mean \"required\"?"},
    {"{~$ref~:~#/$defs/none~}", NULL, "#/$ref: \"#/$defs/none\" leads to nothing"},
    {"{~$ref~:~other.json~}", NULL, "leads to nothing in this schema"},
    {"{~pattern~:~(~}", NULL, "#/pattern: pattern: "},
    {"{~minLength~:-1}", NULL, "#/minLength: a count from 0"},
    {"{~multipleOf~:0}", NULL, "#/multipleOf: a number above 0"},
    {"{~exclusiveMinimum~:true}", NULL, "#/exclusiveMinimum: a number is expected"},
    {"{~required~:true}", NULL, "#/required: a list of names is expected"},
    {"{~enum~:[]}", NULL, "#/enum: a list of at least one"},
    {"{~$ref~:~#/$defs/a~,~$defs~:{~a~:{~$ref~:~#/x~}},~x~:{~type~:~t~}}", NULL, "no type"},
};

static void schemas_that_cannot_be_kept_are_refused_by_place(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        char *source = spell(refused[i].schema, false);
        AUTO(json_release) json_t *json = parse(source);
        struct json_schema *schema = NULL;
        struct why why = {.text = ""};
        assert_int_equal(json_schema_compile(json, &schema, &why).code, ERR_BAD_FIELD);
        assert_null(schema);
        if (strstr(why.text, refused[i].line) == NULL) {
            fail_msg("%s: \"%s\" instead of \"%s\"", source, why.text, refused[i].line);
        }
        free(source);
    }
}

/* --- Limits ----------------------------------------------------------------------------------- */

static void a_schema_that_never_ends_does(void **state) {
    (void)state;
    static const char *const endless[] = {
        "{\"$ref\":\"#\"}",
        "{\"allOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}",
        "{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}",
        "{\"not\":{\"$ref\":\"#\"}}",
        "{\"properties\":{\"a\":{\"$ref\":\"#\"}},\"allOf\":[{\"$ref\":\"#/properties/a\"}]}",
    };
    for (size_t i = 0; i < COUNT_OF(endless); i++) {
        AUTO(json_schema_release) struct json_schema *schema = compile(endless[i]);
        struct json_faults faults;
        assert_int_equal(check(schema, "{\"a\":1}", &faults), ERR_TOO_EXPENSIVE);
        assert_non_null(strstr(faults.items[0].text, "too expensive"));
    }
}

static void a_pattern_over_its_limit_is_never_no_match(void **state) {
    (void)state;
    AUTO(json_schema_release)
    struct json_schema *schema = compile("{\"items\":{\"not\":{\"pattern\":\"^(a+)+$\"}}}");
    char value[80] = "[\"";
    memset(value + 2, 'a', 40);
    memcpy(value + 42, "!\"]", 4);
    struct json_faults faults;
    assert_int_equal(check(schema, value, &faults), ERR_TOO_EXPENSIVE);
}

static void many_items_cost_bounded_work(void **state) {
    (void)state;
    AUTO(json_release) json_t *list = json_array();
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(json_array_append_new(list, json_integer(i)), 0);
    }
    AUTO(json_schema_release) struct json_schema *unique = compile("{\"uniqueItems\":true}");
    AUTO(json_schema_release)
    struct json_schema *items = compile("{\"items\":{\"type\":\"integer\",\"minimum\":0}}");
    struct json_faults faults;
    assert_int_equal(json_schema_check(items, list, &faults).code, ERR_NONE);
    /* More comparisons than are made: not "they are unique". */
    struct err err = json_schema_check(unique, list, &faults);
    assert_int_equal(err.code, ERR_TOO_EXPENSIVE);
}

/* `place`: where the contradiction is told; NULL: there is none, or none that is sure. */
static const struct {
    const char *schema, *place;
} contradictions[] = {
    {"{}", NULL},
    {"true", NULL},
    {"false", "#: "},
    {"{'minimum':2,'maximum':1}", NULL}, /* A text fits. */
    {"{'type':'integer','minimum':2,'maximum':1}", "#: "},
    {"{'type':'integer','minimum':2,'maximum':2}", NULL},
    {"{'type':'number','exclusiveMinimum':2,'maximum':2}", "#: "},
    {"{'type':'number','minimum':0.5,'exclusiveMaximum':0.5}", "#: "},
    {"{'type':['number','string'],'minimum':2,'maximum':1}", NULL},
    {"{'type':['number','string'],'minimum':2,'maximum':1,'minLength':2,'maxLength':1}", "#: "},
    {"{'type':'string','minLength':2,'maxLength':1}", "#: "},
    {"{'type':'array','minItems':2,'maxItems':1}", "#: "},
    {"{'type':'array','items':false}", NULL},
    {"{'type':'array','items':false,'minItems':1}", "#/items: "},
    {"{'type':'object','minProperties':2,'maxProperties':1}", "#: "},
    {"{'type':'object','properties':{'a':false}}", NULL},
    {"{'type':'object','properties':{'a':false},'required':['a']}", "#/properties/a: "},
    {"{'type':'object','required':['a'],'additionalProperties':false}", "#: "},
    {"{'type':'object','required':['a'],'additionalProperties':false,"
     "'patternProperties':{'^a':{}}}",
     NULL},
    {"{'enum':[1,'a'],'type':'boolean'}", "#: "},
    {"{'enum':[1,'a'],'type':'string'}", NULL},
    {"{'const':1,'maximum':0}", "#: "},
    {"{'allOf':[{},{'type':'string','minLength':2,'maxLength':1}]}", "#/allOf: "},
    {"{'anyOf':[false,{'type':'null'}]}", NULL},
    {"{'oneOf':[false,{'type':'array','minItems':1,'items':false}]}", "#/oneOf/items: "},
    {"{'$ref':'#/$defs/a','$defs':{'a':{'enum':[1],'type':'null'}}}", "#/$ref: "},
    {"{'type':'object','required':['a'],'properties':{'a':{'$ref':'#'}}}", NULL},
    {"{'anyOf':[{'$ref':'#'},{'$ref':'#'}]}", NULL},
    /* Schemas that hold together. */
    {"{'allOf':[{'type':'string'},{'type':'integer'}]}", "#: "},
    {"{'allOf':[{'type':'number'},{'type':'integer'}]}", NULL},
    {"{'type':'object','allOf':[{'type':'array'}]}", "#: "},
    {"{'allOf':[{'type':'integer','minimum':3},{'maximum':2}]}", "#: "},
    {"{'allOf':[{'type':'integer','minimum':3},{'maximum':3}]}", NULL},
    {"{'allOf':[{'minimum':3},{'maximum':2}]}", NULL}, /* A text fits. */
    {"{'type':'string','minLength':3,'$ref':'#/$defs/a','$defs':{'a':{'maxLength':2}}}", "#: "},
    {"{'type':'object','allOf':[{'required':['a']},{'properties':{'b':{}},"
     "'additionalProperties':false}]}",
     "#: "},
    {"{'type':'object','allOf':[{'required':['a'],'properties':{'a':{'type':'string'}}},"
     "{'properties':{'a':{'type':'null'}}}]}",
     "#/properties/a: "},
    {"{'type':'object','allOf':[{'properties':{'a':{'type':'string'}}},"
     "{'properties':{'a':{'type':'null'}}}]}",
     NULL},
    {"{'allOf':[{'enum':[1,2]},{'enum':[3]}]}", "#: "},
    {"{'allOf':[{'enum':[1,2]},{'enum':[2,3]}]}", NULL},
    {"{'allOf':[{'const':'a'},{'type':'integer'}]}", "#: "},
    {"{'type':'string','anyOf':[{'type':'integer'},{'type':'null'}]}", "#/anyOf: "},
    {"{'type':'string','anyOf':[{'type':'integer'},{'minLength':1}]}", NULL},
    {"{'type':'array','minItems':1,'allOf':[{'items':{'type':'string'}},"
     "{'items':{'type':'integer'}}]}",
     "#/items: "},
    {"{'allOf':[{'allOf':[{'type':'string'}]},{'allOf':[{'type':'null'}]}]}", "#: "},
    {"{'type':'string','nullable':true,'enum':[1]}", NULL},
    {"{'type':'integer','minimum':2,'maximum':1,'nullable':true}", NULL},
    {"{'allOf':[{'$ref':'#'},{'type':'string'}]}", NULL},
    {"{'nullable':true,'allOf':[{'type':'string'},{'type':'object'}]}", NULL},
    {"{'nullable':true,'anyOf':[false]}", NULL},
    {"{'type':'string','allOf':[{'nullable':true,'type':'object'}]}", "#: "},
};

static void a_schema_that_contradicts_itself_is_told_by_place(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(contradictions); i++) {
        char text[400];
        (void)snprintf(text, sizeof text, "%s", contradictions[i].schema);
        for (char *quote = text; (quote = strchr(quote, '\'')) != NULL;) {
            *quote = '"';
        }
        AUTO(json_schema_release) struct json_schema *schema = compile(text);
        const char *place = contradictions[i].place;
        struct why why = {.text = ""};
        if (json_schema_is_void(schema, &why) != (place != NULL)) {
            fail_msg("%s: %s", text, why.text);
        }
        if (place != NULL && strncmp(why.text, place, strlen(place)) != 0) {
            fail_msg("%s: %s, not %s", text, why.text, place);
        }
    }
}

/* Each value costs nearly as much as one check may. */
static void listed_values_of_a_schema_cost_bounded_work(void **state) {
    (void)state;
    AUTO(text_done) struct text text = text_up_to(1 << 20);
    text_add_str(&text, "{\"$defs\":{\"d0\":{\"type\":\"boolean\"}");
    for (int i = 1; i < 20; i++) {
        text_addf(&text,
                  ",\"d%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]}", i,
                  i - 1, i - 1);
    }
    text_add_str(&text, "},\"$ref\":\"#/$defs/d19\",\"enum\":[0");
    for (int i = 1; i < 10000; i++) {
        text_addf(&text, ",%d", i);
    }
    text_add_str(&text, "]}");
    AUTO(json_schema_release) struct json_schema *schema = compile(text.data);
    struct why why = {.text = ""};
    assert_false(json_schema_is_void(schema, &why)); /* Nobody knows. */
}

static void equal_values_have_equal_bytes(void **state) {
    (void)state;
    AUTO(json_release) json_t *json = parse("{\"b\":[{\"z\":1,\"a\":2}],\"a\":null,\"aa\":\"\"}");
    AUTO(text_done) struct text text;
    text_init(&text, 1000);
    assert_int_equal(json_write_canonical(json, &text).code, ERR_NONE);
    assert_string_equal(text.data, "{\"a\":null,\"aa\":\"\",\"b\":[{\"a\":2,\"z\":1}]}");
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_fit_or_do_not),
        cmocka_unit_test(faults_say_where_and_what_would_be_right),
        cmocka_unit_test(schemas_that_cannot_be_kept_are_refused_by_place),
        cmocka_unit_test(a_schema_that_never_ends_does),
        cmocka_unit_test(a_pattern_over_its_limit_is_never_no_match),
        cmocka_unit_test(many_items_cost_bounded_work),
        cmocka_unit_test(a_schema_that_contradicts_itself_is_told_by_place),
        cmocka_unit_test(listed_values_of_a_schema_cost_bounded_work),
        cmocka_unit_test(equal_values_have_equal_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
