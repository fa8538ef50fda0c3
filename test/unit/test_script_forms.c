/* test_script_forms.c: the forms of workflows and flows, and the text that a worker is given. */
#include <stdio.h>

#include "meta_kit.h"

static void assert_prepared(const char *script, enum script_form form, const char *wanted) {
    AUTO(tried_done) struct tried tried = prepare_script(script, "dir/review.js");
    assert_int_equal(tried.prepared.form, form);
    assert_string_equal(tried.prepared.text, wanted);
    assert_int_equal(tried.prepared.len, strlen(wanted));
}

static void the_body_keeps_its_lines_and_columns(void **state) {
    (void)state;
    assert_prepared("export const meta={name:'x',description:'d'};const e=1;return e",
                    SCRIPT_FORM_BODY,
                    "                                             const e=1;return e");
    assert_prepared(
        "// why\nexport const meta = {\n  name: '\xc3\xa4',\n  description: `d\nd`\n}\n\n"
        "return 1\n",
        SCRIPT_FORM_BODY,
        "// why\n                     \n            \n                 \n  \n \n\n"
        "return 1\n");
    assert_prepared("#!/bin/x\nexport const meta={name:'x',description:'d'};\nreturn 1",
                    SCRIPT_FORM_BODY,
                    "        \n                                             \nreturn 1");
}

static void each_way_to_export_a_function_is_the_main_form(void **state) {
    (void)state;
    assert_prepared("export default async function main(args) { return 1 }", SCRIPT_FORM_MAIN,
                    "               async function main(args) { return 1 }\n;return main;");
    assert_prepared("export default function run(args) {} // end", SCRIPT_FORM_MAIN,
                    "               function run(args) {} // end\n;return run;");
    assert_prepared("export default async function (args) { return 1 }\n(f)()", SCRIPT_FORM_MAIN,
                    "$main=         async function (args) { return 1 };\n(f)()"
                    "\n;var $main;return $main;");
    assert_prepared("export default async (args) => args", SCRIPT_FORM_MAIN,
                    "$main=         async (args) => args\n;var $main;return $main;");
    assert_prepared("const $main = 1;\nexport default go;", SCRIPT_FORM_MAIN,
                    "const $main = 1;\n$mai0=         go;\n;var $mai0;return $mai0;");
    assert_prepared("async function go() {}\nexport { go as default };", SCRIPT_FORM_MAIN,
                    "async function go() {}\n;                       ;\n;return go;");
    assert_prepared("module.exports = async function () {}", SCRIPT_FORM_MAIN,
                    "module.exports = async function () {}"
                    "\n;function module(){}function exports(){}return module.exports;");
    assert_prepared("module.exports = {meta: {name: 'n'}, default: go}", SCRIPT_FORM_MAIN,
                    "module.exports = {meta: {name: 'n'}, default: go}"
                    "\n;function module(){}function exports(){}return module.exports.default;");
    assert_prepared("module.exports.default = go", SCRIPT_FORM_MAIN,
                    "exports       .default = go"
                    "\n;function module(){}function exports(){}return exports.default;");
}

#define GIVEN_CONTEXT(function)                                                                    \
    "\n;return(args)=>" function                                                                   \
    "({agent,parallel,pipeline,phase,log,workflow,args,budget,console,meta},args);"

static void a_main_function_of_another_host_gets_the_functions(void **state) {
    (void)state;
    static const char *const taken[] = {
        "export default async function m({ agent, args }) { await agent(args) }",
        "export default async function m({ log: say }) { say(1) }",
        "export default async function m({ agent: ask = null, ...rest }, args) { ask(rest) }",
        "export default async function m(ctx, input) { return ctx.agent(input) }",
        "export default async function m(rt) { rt?.phase('a') }",
        "export default async function m(ctx) { const { parallel } = ctx; parallel([]) }",
        "const m = async ({ workflow }) => workflow('a');export { m as default }",
        "const m = ctx => ctx.log(1);export { m as default }",
        "async function m(ctx) { ctx.pipeline([]) }\nexport { m as default }",
    };
    static const char *const alone[] = {
        "export default async function m(args) { await agent(args.agent) }",
        "export default async function m({ agent, phase }) { await parallel([]); f(agent, phase) }",
        "export default async function m(args) { args.log.push(1); o.args.log(1) }",
        "export default async function m(args) { const { agent } = args; f(agent) }",
        "export default async function m() { agent('a') }",
        "export default async function m(args, ctx) { args.budget(1) }",
        "export default async function m({ agent }) { o.agent(1); return { agent(x) { log(x) } } }",
        "export default async function m(args) { return args }\nfunction f(args) { args.agent() }",
    };
    for (size_t i = 0; i < COUNT_OF(taken) + COUNT_OF(alone); i++) {
        bool wanted = i < COUNT_OF(taken);
        const char *script = wanted ? taken[i] : alone[i - COUNT_OF(taken)];
        AUTO(tried_done) struct tried tried = prepare_script(script, "f.js");
        const char *end = wanted ? GIVEN_CONTEXT("m") : "\n;return m;";
        if (strstr(tried.prepared.text, end) == NULL) {
            fail_msg("%s: %s", script, tried.prepared.text);
        }
    }
    assert_prepared(
        "module.exports = { default(ctx) { ctx.agent('a') } }", SCRIPT_FORM_MAIN,
        "module.exports = { default(ctx) { ctx.agent('a') } }"
        "\n;function module(){}function exports(){}return(args)=>module.exports.default"
        "({agent,parallel,pipeline,phase,log,workflow,args,budget,console,meta},args);");
}

static void other_exports_of_a_module_are_plain_declarations(void **state) {
    (void)state;
    assert_prepared("export const a = 1, b = 2; export function f() {} export class C {}\n"
                    "export { a as c };\nexport default f",
                    SCRIPT_FORM_MAIN,
                    "       const a = 1, b = 2;        function f() {}        class C {}\n"
                    ";                ;\n$main=         f\n;var $main;return $main;");
}

static void assert_name(const char *script, const char *name, const char *about) {
    AUTO(tried_done) struct tried tried = prepare_script(script, "dir/review.v2.js");
    assert_string_equal(script_meta_name(&tried.prepared), name);
    assert_string_equal(script_meta_description(&tried.prepared), about);
}

static void meta_of_a_module_stands_anywhere_or_nowhere(void **state) {
    (void)state;
    assert_name("export default () => 1", "review.v2", "");
    assert_name("export default () => 1\nexport const meta = {name: 'n', description: 'd'}", "n",
                "d");
    assert_name("const meta = {name: 'n'}; export { go as default, meta }", "n", "");
    assert_name("const meta = {description: 'd'}\nmodule.exports = {meta, default() {}}",
                "review.v2", "d");
    assert_name("module.exports = {async default(args) {}, meta: {name: 'n'}}", "n", "");
    assert_name("exports.meta = {name: 'n'}\nexports.default = go", "n", "");
    assert_name("module.exports = go\nmodule.exports.meta = {name: 'n'}", "n", "");
    assert_fault("module.exports = {meta: make(), default: go}",
                 "1:25 bad_meta: meta must be a li");
    assert_fault("export default go\nexport const meta = {name: ''}", "2:28 bad_meta: meta.name");
}

static void without_a_main_function_the_exports_are_told(void **state) {
    (void)state;
    assert_fault("export function run() {}\nexport const helper = 1",
                 "1:1 no_main: no main function: write `export default async function main(args)`;"
                 " the exports found are: run, helper");
    assert_fault(META "\nexport const other = 1",
                 "1:1 no_main: no main function: write `export default async function main(args)`;"
                 " the exports found are: meta, other");
    assert_fault("module.exports = {meta, run, helper: 1}",
                 "1:18 no_main: no main function: write `export default async function main(args)`;"
                 " the exports found are: meta, run, helper");
    assert_fault("const a = 1", "1:1 bad_meta: the first statement must be `export const meta = {");
    assert_fault("", "1:1 bad_meta: the first statement must be `export const meta = {");
    assert_fault("const a = 1\n" META, "1:1 bad_meta: the first statement must be");
    assert_fault("export default class {}", "1:16 no_main: the default export must be a function");
    assert_fault("export default 'x'", "1:16 no_main: the default export must be a function");
    assert_fault("export default async function* () {}", "1:16 no_main: the default export must");
    assert_fault("module.exports = class {}", "1:18 no_main: module.exports must be a function");
    assert_fault("export default a\nexport default b", "2:1 syntax_error: there is a default exp");
}

static void meta_ends_its_statement(void **state) {
    (void)state;
    assert_fault("export const meta = {name: 'x', description: 'd'}\nreturn 1", "");
    assert_fault("export const meta = {name: 'x', description: 'd'} // end", "");
    assert_fault("export const meta = {name: 'x', description: 'd'}, b = 1", "1:50 bad_meta: meta");
    assert_fault("export const meta = {name: 'x', description: 'd'}.a", "1:50 bad_meta: meta must");
    assert_fault("export const meta = {name: 'x', description: 'd'}\n(f)()",
                 "2:1 bad_meta: meta m");
    assert_fault("export const meta = {name: 'x', description: 'd'} return 1",
                 "1:51 bad_meta: met");
}

/* --- Flows ------------------------------------------------------------------------------------ */

static struct tried prepare_flow(const char *text) {
    struct tried tried = try_source(SCRIPT_FLOW, text, "dir/ship.v2.js");
    if (err_failed(tried.err)) {
        fail_msg("%s: %s", text, tried.fault.message);
    }
    assert_int_equal(tried.prepared.form, SCRIPT_FORM_FLOW);
    assert_string_equal(script_form_name(tried.prepared.form), "flow");
    return tried;
}

static void assert_flow(const char *script, const char *wanted) {
    AUTO(tried_done) struct tried tried = prepare_flow(script);
    assert_string_equal(tried.prepared.text, wanted);
}

static void each_way_to_export_an_object_is_a_flow(void **state) {
    (void)state;
    assert_flow("export default {name: 'n', steps: [\n]}", "$main=         {name: 'n', steps: [\n]}"
                                                           "\n;var $main;return $main;");
    assert_flow("const flow = {};\nexport default flow;",
                "const flow = {};\n$main=         flow;\n;var $main;return $main;");
    assert_flow("export const flow = {};\nexport { flow as default };",
                "       const flow = {};\n;                         ;\n;return flow;");
    assert_flow("export default make({ steps: [] })",
                "$main=         make({ steps: [] })\n;var $main;return $main;");
    assert_flow("module.exports = {meta: 1, steps: []}",
                "module.exports = {meta: 1, steps: []}"
                "\n;function module(){}function exports(){}return module.exports;");
    assert_flow("module.exports = {default: flow}",
                "module.exports = {default: flow}"
                "\n;function module(){}function exports(){}return module.exports.default;");
    assert_flow("exports.default = {}",
                "exports.default = {}"
                "\n;function module(){}function exports(){}return exports.default;");
}

static void assert_flow_name(const char *script, const char *name, const char *about) {
    AUTO(tried_done) struct tried tried = prepare_flow(script);
    assert_string_equal(script_meta_name(&tried.prepared), name);
    assert_string_equal(script_meta_description(&tried.prepared), about);
    assert_int_equal(json_object_size(tried.prepared.meta), 2);
}

static void a_flow_says_its_name_where_a_text_stands_in_its_object(void **state) {
    (void)state;
    assert_flow_name("export default { name: 'n', description: \"a\" }", "n", "a");
    assert_flow_name("export default { 'name': `n\\u0061`, description: '', }", "na", "");
    assert_flow_name("const f = { name: 'n', steps: [{ name: 'x' }] }\nexport default f", "n", "");
    assert_flow_name("const f = { name: 'n' }, g = 1; module.exports = f;", "n", "");
    assert_flow_name("module.exports = { default: { name: 'n' }, name: 'x' }", "n", "");
    assert_flow_name("let f = { name: 'n' };\nexport { g as h, f as default }", "n", "");
    assert_flow_name("exports.default = { name: 'n', name: 'm' }", "m", "");
    assert_flow_name("export default { ...base, name: 'n', description: 'd' }", "n", "d");
    assert_flow_name("export const meta = { name: 'x', description: 'd' }\nexport default {}",
                     "ship.v2", "");
    static const char *const computed[] = {
        "export default { name: 'n' + 1, description: d }",
        "export default { name, description }",
        "export default { name() {}, get description() {} }",
        "export default { name: `n${1}` }",
        "export default { name: 'n', ...more }",
        "export default { name: 'n', ['name']: 'm' }",
        "export default { name: 'n' }.x",
        "export default { name: 'n' } || f",
        "export default make({ name: 'n' })",
        "export default f\nfunction g() { const f = { name: 'n' } }",
        "export default f, { name: 'n' }",
        "export default f",
        "export { f as default }",
    };
    for (size_t i = 0; i < COUNT_OF(computed); i++) {
        assert_flow_name(computed[i], "ship.v2", "");
    }
}

static void assert_no_flow(const char *script, const char *wanted) {
    AUTO(tried_done) struct tried tried = try_source(SCRIPT_FLOW, script, "f.js");
    char got[400];
    assert_int_equal(tried.err.code, ERR_BAD_SCRIPT);
    (void)snprintf(got, sizeof got, "%u:%u %s: %s", tried.fault.line, tried.fault.column,
                   tried.fault.code, tried.fault.message);
    if (strncmp(got, wanted, strlen(wanted)) != 0) {
        fail_msg("%s: %s", script, got);
    }
}

static void what_is_no_flow_is_refused_where_that_is_sure(void **state) {
    (void)state;
    static const char default_is[] = "1:16 no_flow: the default export must be a flow, an object "
                                     "with name, description, steps and render; it is ";
    static const struct {
        const char *value, *kind;
    } values[] = {
        {"async function main(args) {}", "a function"},
        {"function* () {}", "a function"},
        {"(ctx) => ({})", "a function"},
        {"async ctx => 1", "a function"},
        {"class {}", "a class"},
        {"[1]", "a list"},
        {"'x'", "a value"},
        {"", "nothing"},
    };
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        AUTO(text_done) struct text script = text_up_to(1000), wanted = text_up_to(1000);
        text_addf(&script, "export default %s", values[i].value);
        text_addf(&wanted, "%s%s", default_is, values[i].kind);
        assert_no_flow(text_bytes(&script).data, text_bytes(&wanted).data);
    }
    assert_no_flow("module.exports = () => 1", "1:18 no_flow: module.exports must be a flow, an ");
    assert_no_flow("", "1:1 no_flow: no flow: write `export default {…}`, an object with name, ");
    assert_no_flow(META "\nreturn 1", "1:1 no_flow: no flow: write `export default {…}`, an object "
                                      "with name, description, steps and render; the exports found "
                                      "are: meta");
    assert_no_flow("\nexport function run() {}", "2:1 no_flow: no flow: write");
    assert_no_flow("export default {}\nexport default {}", "2:1 syntax_error: there is a default");
    assert_no_flow("import a from 'b'\nexport default {}", "1:1 import: import");
    assert_no_flow("export default { a: 1 as any }", "1:23 typescript: ");
    assert_no_flow("export default { name: ' ' }", "1:24 bad_flow: the name of a flow must be a ");
    assert_no_flow("export default { name: 'a\\0' }", "1:24 bad_flow: the name of a flow must be");
    AUTO(text_done) struct text script = text_up_to(1000);
    text_addf(&script, "export default { name: '%0201d' }", 1);
    assert_no_flow(text_bytes(&script).data, "1:24 bad_flow: the name of a flow must be a text of "
                                             "1 to 200 bytes");
}

static void a_flow_is_told_what_will_throw(void **state) {
    (void)state;
    static const struct {
        const char *member, *note; /* note: its beginning; NULL: none. */
    } flows[] = {
        {"run: () => agent('x')",
         "agent() throws in a flow: its steps are what runs, and run() of"},
        {"run() { return parallel([]) }", "parallel() throws in a flow"},
        {"run: () => workflow('x')", "workflow() throws in a flow"},
        {"run: () => Date.now()", "Date.now() throws in a workflow"},
        {"run: () => require('fs')", "require: a workflow script is one file"},
        {"run: () => ctxt.input", "\"ctxt\" is not defined"},
        {"run: (ctx) => ctx.dispatch('a', 'b')", NULL},
        {"agent: 'x', run: (ctx) => ctx.agent('a')", NULL},
        {"agent(x) { return log(x) }", NULL},
        {"run: () => { const agent = (x) => x; return agent(1) }", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(flows); i++) {
        AUTO(text_done) struct text script = text_up_to(1000);
        text_addf(&script, "export default { %s }", flows[i].member);
        AUTO(tried_done) struct tried tried = prepare_flow(text_bytes(&script).data);
        const struct script_note *note = &tried.notes.list[0];
        if (tried.notes.count != (flows[i].note != NULL ? 1 : 0)) {
            fail_msg("%s: %u notes: %s", flows[i].member, tried.notes.count, note->fault.message);
        }
        if (flows[i].note != NULL) {
            assert_memory_equal(note->fault.message, flows[i].note, strlen(flows[i].note));
        }
    }
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_body_keeps_its_lines_and_columns),
        cmocka_unit_test(each_way_to_export_a_function_is_the_main_form),
        cmocka_unit_test(a_main_function_of_another_host_gets_the_functions),
        cmocka_unit_test(other_exports_of_a_module_are_plain_declarations),
        cmocka_unit_test(meta_of_a_module_stands_anywhere_or_nowhere),
        cmocka_unit_test(without_a_main_function_the_exports_are_told),
        cmocka_unit_test(meta_ends_its_statement),
        cmocka_unit_test(each_way_to_export_an_object_is_a_flow),
        cmocka_unit_test(a_flow_says_its_name_where_a_text_stands_in_its_object),
        cmocka_unit_test(what_is_no_flow_is_refused_where_that_is_sure),
        cmocka_unit_test(a_flow_is_told_what_will_throw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
