/* test_script_meta.c: what a file says of itself, as a literal. */
#include "meta_kit.h"

/* The meta of a body, as JSON. */
static void assert_meta(const char *literal, const char *wanted) {
    AUTO(text_done) struct text script;
    text_init(&script, 1 << 20);
    text_addf(&script, "export const meta = {name: 'x', description: 'd', v: %s}\nreturn 1",
              literal);
    AUTO(tried_done) struct tried tried = prepare_script(script.data, "f.js");
    AUTO(text_done) struct text json;
    text_init(&json, 1 << 20);
    assert_int_equal(json_write(json_object_get(tried.prepared.meta, "v"), &json).code, ERR_NONE);
    assert_string_equal(json.data, wanted);
}

static void literals_become_json(void **state) {
    (void)state;
    assert_meta("{a: 1, 'b': [true, false, null,], \"c-d\": {}, 5: [], default: 1,}",
                "{\"a\":1,\"b\":[true,false,null],\"c-d\":{},\"5\":[],\"default\":1}");
    assert_meta("[1, -1, +1, 1.5, -2.5e3, .5, 1_000, 0xff, 0b101, 0o17, 1e3, 0]",
                "[1,-1,1,1.5,-2500,0.5,1000,255,5,15,1000,0]");
    assert_meta("[/* a */ 1, // b\n 2]", "[1,2]");
    assert_meta("`two\r\nlines`", "\"two\\nlines\"");
    assert_meta("'it\\'s \\\"\\`\\n\\t\\x41\\u0042\\u{1F600}\\\n!'",
                "\"it's \\\"`\\n\\tAB\xf0\x9f\x98\x80!\"");
    assert_meta("'\\ud83d\\ude00 \\ud83d \\ude00 \\0'",
                "\"\xf0\x9f\x98\x80 \xef\xbf\xbd \xef\xbf\xbd \\u0000\"");
    assert_meta("'\xc3\xa4\\\xc3\xa4 \xe2\x82\xac'", "\"\xc3\xa4\xc3\xa4 \xe2\x82\xac\"");
}

static void what_is_no_literal_is_refused_where_it_stands(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"name", "a variable"},
        {"undefined", "a variable"},
        {"f()", "a call"},
        {"new Map()", "a call"},
        {"[...list]", "a spread"},
        {"{...other}", "a spread"},
        {"{[key]: 1}", "a computed key"},
        {"{key}", "a variable"},
        {"{get key() { return 1 }}", "a method"},
        {"{key() {}}", "a method"},
        {"{async *key() {}}", "a method"},
        {"`a${b}`", "a template with inner code"},
        {"/x/", "a pattern"},
        {"() => 1", "an expression"},
        {"function () {}", "a function or class"},
        {"async () => 1", "a function or class"},
        {"{\"__proto__\": 1}", "this key"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(text_done) struct text script;
        AUTO(text_done) struct text wanted;
        text_init(&script, 1000);
        text_init(&wanted, 1000);
        text_addf(&script, "// first\nexport const meta = {name: 'x', description: 'd', v: %s};",
                  cases[i][0]);
        AUTO(tried_done) struct tried tried = try_script(script.data, "f.js");
        text_addf(&wanted, "meta must be a literal: %s cannot stand in it", cases[i][1]);
        assert_int_equal(tried.err.code, ERR_BAD_SCRIPT);
        assert_string_equal(tried.fault.code, "bad_meta");
        assert_string_equal(tried.fault.message, wanted.data);
        assert_int_equal(tried.fault.line, 2);
        assert_in_range(tried.fault.column, 53, 56);
    }
}

static void values_that_json_cannot_hold_are_refused(void **state) {
    (void)state;
    assert_fault("export const meta = {a: 1e999}", "1:25 bad_meta: this is no number");
    assert_fault("export const meta = {a: 0888}", "1:25 bad_meta: this is no number");
    assert_fault("export const meta = {a: 12n}",
                 "1:25 bad_meta: meta must be a literal that JSON can hold: a big integer");
    assert_fault("export const meta = {a: [1,,2]}", "1:28 bad_meta: a list in meta has no holes");
    assert_fault("export const meta = {a: 1, b: 2, a: 3}",
                 "1:34 bad_meta: \"a\" stands here twice");
    assert_fault("export const meta = {a: '\\u{110000}'}",
                 "1:26 bad_meta: there is no such escape");
    assert_fault("export const meta = {a: '\\1'}", "1:26 bad_meta: there is no such escape");
    assert_fault("export const meta = {a: 1 + 1}", "1:27 bad_meta: meta must be a literal: an op");
    assert_fault("export const meta = {a: x.y}", "1:25 bad_meta: meta must be a literal: a var");
    assert_fault("export const meta = [1]", "1:21 bad_meta: meta must be an object");
    assert_fault("export const meta = make()", "1:21 bad_meta: meta must be a literal: a call");
}

static void meta_must_say_who_it_is(void **state) {
    (void)state;
    static const char no_name[] = "bad_meta: meta.name must be a non-empty string";
    static const char no_about[] = "bad_meta: meta.description must be a non-empty string";
    AUTO(text_done) struct text wanted;
    text_init(&wanted, 1000);
    text_addf(&wanted, "1:21 %s", no_name);
    assert_fault("export const meta = {}", wanted.data);
    assert_fault("export const meta = {description: 'd'}", wanted.data);
    text_clear(&wanted);
    text_addf(&wanted, "2:7 %s", no_name);
    assert_fault("export const meta = {\nname: '', description: 'd'}", wanted.data);
    assert_fault("export const meta = {\nname: 17, description: 'd'}", wanted.data);
    assert_fault("export const meta = {\nname: ' ', description: 'd'}", wanted.data);
    text_clear(&wanted);
    text_addf(&wanted, "1:21 %s", no_about);
    assert_fault("export const meta = {name: 'x'}", wanted.data);
    assert_fault("export const meta = {name: 'x', description: ['d']}", "1:46 bad_meta: meta.desc");
}

static void the_rest_of_meta_is_checked_and_kept(void **state) {
    (void)state;
#define BEGIN "export const meta = {name: 'x', description: 'd', "
    assert_fault(BEGIN "whenToUse: 1}", "1:62 bad_meta: meta.whenToUse must be a string");
    assert_fault(BEGIN "phases: 'a'}", "1:59 bad_meta: meta.phases must be a list");
    assert_fault(BEGIN "phases: [{detail: 'a'}]}", "1:59 bad_meta: each of meta.phases must be");
    assert_fault(BEGIN "phases: [{title: 'a', detail: 1}]}", "1:59 bad_meta: the detail of one");
    assert_fault(BEGIN "phases: [{title: 'a', model: 1}]}", "1:59 bad_meta: the model of one");
    assert_fault(BEGIN "args: {type: 'objekt'}}", "1:57 bad_meta: meta.args must be a JSON Schema");
    assert_fault(BEGIN "args: {type: 'object'}, phases: [{title: 'a', detail: 'b'}]}", "");
    AUTO(tried_done)
    struct tried tried = try_script(BEGIN "args: {type: 'object'}, tags: ['a']}", "f.js");
    assert_non_null(script_meta_args(&tried.prepared));
    assert_int_equal(json_array_size(json_object_get(tried.prepared.meta, "tags")), 1);
    assert_string_equal(script_meta_name(&tried.prepared), "x");
    assert_string_equal(script_meta_description(&tried.prepared), "d");
}

static void meta_is_bounded(void **state) {
    (void)state;
    AUTO(text_done) struct text deep;
    text_init(&deep, 1 << 20);
    text_add_str(&deep, "export const meta = {a: ");
    for (int i = 0; i < SCRIPT_META_DEPTH_MAX; i++) {
        text_add_char(&deep, '[');
    }
    for (int i = 0; i < SCRIPT_META_DEPTH_MAX; i++) {
        text_add_char(&deep, ']');
    }
    text_add_char(&deep, '}');
    assert_fault(deep.data, "1:88 bad_meta: meta is nested too deeply");
    text_clear(&deep);
    text_add_str(&deep, "export const meta = {a: '");
    for (int i = 0; i < SCRIPT_META_MAX; i++) {
        text_add_char(&deep, 'x');
    }
    text_add_str(&deep, "'}");
    assert_fault(deep.data, "1:21 bad_meta: meta is too large");
}

static bool has_timers(const char *file, const char *meta) {
    char script[200];
    (void)snprintf(script, sizeof script,
                   "export const meta = {name: 'x', description: 'd'%s}\nreturn 1", meta);
    AUTO(tried_done) struct tried tried = prepare_script(script, file);
    return tried.prepared.timers;
}

/* Scripts of Claude Code test for setTimeout, and must find none. */
static void timers_are_for_boocode_and_for_who_asks(void **state) {
    (void)state;
    assert_false(has_timers("f.js", ""));
    assert_false(has_timers("/p/.claude/workflows/f.js", ""));
    assert_false(has_timers("/p/.boocode/flows/f.js", ""));
    assert_false(has_timers("/p/my.boocode/workflows/f.js", ""));
    assert_true(has_timers("/p/.boocode/workflows/f.js", ""));
    assert_true(has_timers(".boocode/workflows/deep/f.js", ""));
    assert_true(has_timers("f.js", ", timers: true"));
    assert_false(has_timers("f.js", ", timers: 'yes'"));
    assert_false(has_timers("/p/.boocode/workflows/f.js", ", timers: false"));
}

/* Names of timers are known then, and `setInterval` is no more than it is elsewhere. */
static void notes_know_the_names_of_timers(void **state) {
    (void)state;
    static const char script[] = "export const meta = {name: 'x', description: 'd', timers: true};"
                                 "\nclearTimeout(setTimeout(log, 1)); await sleep(1);";
    AUTO(tried_done) struct tried tried = prepare_script(script, "f.js");
    assert_int_equal(tried.notes.count, 0);
    AUTO(tried_done)
    struct tried other = prepare_script(
        "export const meta = {name: 'x', description: 'd', timers: true};\nsetInterval(log, 1);",
        "f.js");
    assert_int_equal(other.notes.count, 1);
    assert_non_null(strstr(other.notes.list[0].fault.message, "use sleep() in a loop"));
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_become_json),
        cmocka_unit_test(what_is_no_literal_is_refused_where_it_stands),
        cmocka_unit_test(values_that_json_cannot_hold_are_refused),
        cmocka_unit_test(meta_must_say_who_it_is),
        cmocka_unit_test(the_rest_of_meta_is_checked_and_kept),
        cmocka_unit_test(meta_is_bounded),
        cmocka_unit_test(timers_are_for_boocode_and_for_who_asks),
        cmocka_unit_test(notes_know_the_names_of_timers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
