/* test_script_forms.c: the two forms, and the text that a worker is given. */
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
