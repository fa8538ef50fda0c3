/* test_script_refuse.c: tokens, what is refused, what is noted. */
#include "meta_kit.h"
#include "script/catalog.h"

/* The body stands below META, which takes the first line. */
static void assert_refused(const char *body, const char *wanted) {
    AUTO(text_done) struct text script;
    text_init(&script, 1 << 20);
    text_addf(&script, META "\n%s", body);
    assert_fault(script.data, wanted);
}

static void assert_taken(const char *body) {
    assert_refused(body, "");
}

static void slashes_divide_or_begin_a_pattern(void **state) {
    (void)state;
    /* Each of these would lose a quote or a bracket, were it read the other way. */
    assert_taken("const a = b / c; const d = '/'; const e = /[/'\"]/g.test(x)");
    assert_taken("if (a) /'/.test(b); while (a) /\"/.test(b)");
    assert_taken("f(a) / 2; g('/')");
    assert_taken("x = a[0] / 2 / b['/']");
    assert_taken("x = a++ / 2; y = '/'");
    assert_taken("{ }\n/'/.test(x)");
    assert_taken("x = {} / 2; y = '/'");
    assert_taken("x = function () {} / 2; y = '/'");
    assert_taken("function f() {}\n/'/.test(x)");
    assert_taken("return /'/");
    assert_taken("const f = (a) => /'/.test(a); const g = async () => { }\n");
    assert_taken("x = a.return / 2; y = '/'");
    assert_taken("`${/'/.test(x)}` + `${{a: '}'}.a}` + `a${`b${c}`}`");
    assert_taken("for (const x of /'/g[Symbol.match]('a')) {}");
    assert_taken("x = await /'/.exec(y)");
    assert_taken("x = typeof /'/; y = a ? /'/ : /\"/");
    assert_taken("x = /[\\]/'\"]/; y = /\\//");
    assert_taken("class A { #p = 1; static { this.q = /'/ } m() { return this.#p / 2 } }");
    assert_taken("label: { x = 1 }\n/'/.test(y)");
}

static void what_is_never_closed_is_told_where_it_began(void **state) {
    (void)state;
    assert_refused("let a = 'x", "2:9 syntax_error: this string has no end");
    assert_refused("let a = `x${1", "2:9 syntax_error: this is opened and never closed");
    assert_refused("let a = `x${1}", "2:14 syntax_error: this template is opened");
    assert_refused("let \xc3\xa4 = /x", "2:9 syntax_error: this pattern has no end");
    assert_refused("/* a", "2:1 syntax_error: this comment is opened");
    assert_refused("f((1)", "2:2 syntax_error: this is opened and never closed");
    assert_refused("f(1]", "2:4 syntax_error: \"]\" where \")\" must come first");
    assert_refused("f(1))", "2:5 syntax_error: nothing is open that this closes");
    assert_refused("let a = \x01", "2:9 syntax_error: this character has no meaning here");
    assert_fault("\xff", "1:1 syntax_error: this is not UTF-8");
    assert_fault("// a\r\n//\r'\xc3\xa4' \xe2\x80\xa8 \xc3", "3:7 syntax_error: this is not UTF-8");
}

static void a_script_imports_nothing(void **state) {
    (void)state;
    assert_refused("import fs from 'fs'", "2:1 import: import: a workflow script is one file");
    assert_refused("import 'fs'", "2:1 import: import: a");
    assert_refused("const a = await import('fs')", "2:17 import: import(…)");
    assert_refused("log(import.meta.url)", "2:5 import: import.meta");
    assert_fault("export * from 'a'\nexport default f",
                 "1:1 import: a workflow script is one file");
    assert_fault("export { a } from 'a'", "1:1 import: a workflow script is one file");
    assert_taken("// import x from 'y'\nlog('import(1) require(2)', `require(3)`, /require(4)/)");
    assert_taken("const o = {import: 1, require(x) { return x }, async import() {}}; o.import");
}

static void typescript_is_told_from_javascript(void **state) {
    (void)state;
    assert_refused("function f(a: string) {}", "2:12 typescript: the type of a variable or param");
    assert_refused("const f = (a, b?: number) => a", "2:15 typescript: an optional parameter");
    assert_refused("const a: number = 1", "2:7 typescript: the type of a variable");
    assert_refused("function f(): void {}", "2:12 typescript: the type that a function returns");
    assert_refused("interface A { b: string }", "2:1 typescript: an interface");
    assert_refused("type A = string", "2:1 typescript: a declaration of a type");
    assert_refused("enum A { B }", "2:1 typescript: an enum");
    assert_refused("const a = b as string", "2:13 typescript: a cast");
    assert_refused("const a = {} as const", "2:14 typescript: a cast");
    assert_refused("const a = b!.c", "2:12 typescript: an assertion with `!`");
    assert_refused("class A { private b = 1 }", "2:11 typescript: a member that says who");
    assert_fault("export const meta: M = {}", "1:14 typescript: ");
    /* It is the reason, though the tokens end in a fault behind it. */
    assert_refused("const a: number = 1\nlet b = 'x", "2:7 typescript: ");
    assert_taken("const type = 1, as = 2; type\nas\nlet x = type ? as : type; of = {as: type}");
    assert_taken("const a = {b: c ? d : e}; switch (a) { case (b): break }; x: for (;;) {}");
    assert_taken("if (!a) !b; const c = !d && !e; f(!g, !h)");
    assert_taken("const f = ({a, b: c}, [d]) => a ? (b) : c");
    assert_taken("export_ = 1; const interface_ = 2; for (const type of types) {}");
}

/* Drops what bodies without await, and names that only a daemon knows, would bring into each test;
 * unless that is what it is about. */
static enum script_note_verdict doubt_drop(void *ctx, struct script_note *note) {
    (void)ctx;
    return note->doubt ? NOTE_DROPPED : NOTE_LEFT;
}

static void notes_tidy(struct script_notes *notes) {
    unsigned kept = 0;
    script_notes_resolve(notes, doubt_drop, NULL /* nothing */);
    for (unsigned i = 0; i < notes->count; i++) {
        if (strcmp(notes->list[i].fault.code, "not_awaited") != 0) {
            notes->list[kept++] = notes->list[i];
        }
    }
    notes->count = kept;
}

static void assert_note(const char *body, const char *wanted, bool grave) {
    AUTO(text_done) struct text told;
    text_init(&told, 1000);
    AUTO(tried_done) struct tried tried = prepare_body(body);
    if (wanted == NULL || strstr(wanted, "not_awaited") == NULL) {
        notes_tidy(&tried.notes);
    }
    if (wanted == NULL) {
        assert_int_equal(tried.notes.count, 0);
        return;
    }
    const struct script_note *note = &tried.notes.list[0];
    assert_int_equal(tried.notes.count, 1);
    text_addf(&told, "%u:%u %s: %s", note->fault.line, note->fault.column, note->fault.code,
              note->fault.message);
    assert_string_equal(told.data, wanted);
    assert_int_equal(note->grave, grave);
}

#define PHASE ": it calls no function and waits for no agents, so do so after it"
#define FOREIGN                                                                                    \
    " is no CONNECTION/MODEL: the setting model_aliases says which model is asked, else it is "    \
    "that of the run"

static void what_is_grave_is_told_where_much_is_noted(void **state) {
    (void)state;
    AUTO(text_done) struct text script;
    text_init(&script, 1 << 20);
    text_add_str(&script, META "\n");
    text_add_str(&script, "await parallel([agent('a')]);");
    for (int i = 0; i < 2 * SCRIPT_NOTES_MAX; i++) {
        text_addf(&script, "await agent('a', {model: 'm%d'});", i);
    }
    text_add_str(&script, "await parallel([agent('b')]);");
    AUTO(tried_done) struct tried tried = prepare_script(script.data, "f.js");
    const struct script_note *notes = tried.notes.list;
    assert_int_equal(tried.notes.count, SCRIPT_NOTES_MAX);
    assert_true(notes[0].grave);
    assert_true(notes[SCRIPT_NOTES_MAX - 1].grave);
    assert_string_equal(notes[SCRIPT_NOTES_MAX - 2].fault.message, "\"m17\"" FOREIGN);
}

static void risks_are_noted_and_not_refused(void **state) {
    (void)state;
    assert_note("log(Date.now())",
                "2:5 not_deterministic: Date.now() throws in a workflow: pass the time in args",
                false);
    assert_note(
        "log(new Date())",
        "2:5 not_deterministic: new Date() without a time throws in a workflow: pass the time in"
        " args",
        false);
    assert_note("Math.random()",
                "2:1 not_deterministic: Math.random() throws in a workflow: vary by index instead",
                false);
    assert_note(
        "agent('a', {lable: 'x', schema: {lable: 1}})",
        "2:13 unknown_option: agent() has no option \"lable\", and ignores it; did you mean "
        "\"label\"?",
        false);
    assert_note("agent('a', {_predispatch: 1}); agent('b', {_predispatch: 2})",
                "2:13 unknown_option: agent() has no option \"_predispatch\", and ignores it",
                false);
    assert_note("agent(`a${{b: 1}}`, {timeout: 5})",
                "2:22 unknown_option: agent() has no option \"timeout\", and ignores it", false);
    assert_note("agent('a', {model: 'opus'})", "2:20 foreign_model: \"opus\"" FOREIGN, false);
    assert_note("agent('a', {model: 'opus'}); agent('b', {model: 'opus'})",
                "2:20 foreign_model: \"opus\"" FOREIGN, false);
    assert_note("agent('a', {model: 'o\\u001bp\\nus'})", "2:20 foreign_model: \"o?p?us\"" FOREIGN,
                false);
    assert_note("agent('a', {model: 'a/b'}); agent('b', {model: 'inherit'}); f({model: 'opus'});"
                "agent('c', {model: m}); agent('d', {model: 'op' + us}); var f, m, us",
                NULL, false);
    assert_note("agent('a', {effort: 'max'}); agent('b', {effort: e}); var e", NULL, false);
    assert_note("agent('a', {effort: 'minimal'}); agent('b', {effort: 'minimal'})",
                "2:21 effort: there is no effort \"minimal\": the model is asked with \"low\"",
                false);
    assert_note("agent('a', {effort: \"none\"})",
                "2:21 effort: there is no effort \"none\": agent() throws on all but low, medium, "
                "high, xhigh and max",
                false);
    assert_note(
        "parallel(items, (item) => agent(item)); var items",
        "2:1 not_a_function: parallel() takes a list of functions alone: pipeline(items, f) "
        "calls a function for each item",
        true);
    assert_note("log((1).toLocaleString('en-US'))",
                "2:9 locale: toLocaleString() ignores locales and options: this engine has none",
                false);
    assert_note("a.sort((b, c) => b.localeCompare(c, 'de', { numeric: true })); var a",
                "2:20 locale: localeCompare() ignores locales and options: this engine has none",
                false);
    assert_note("a.toLocaleDateString(); b.localeCompare(a); toLocaleString(1);"
                "var a, b, toLocaleString",
                NULL, false);
    assert_note("await phase('a', [agent('b')])", "2:7 phase: phase() opens a heading alone" PHASE,
                true);
    assert_note("phase('a', async () => 1)", "2:1 phase: phase() opens a heading alone" PHASE,
                true);
    assert_note("phase('a', {detail: 1}); parallel([() => 1], {limit: 2})", NULL, false);
    assert_note("parallel([agent('a')])",
                "2:11 not_a_function: parallel() takes functions: write `() => agent(…)`", true);
    assert_note("new Date(5); Date.UTC(1); Date.parse('x'); o.Date.now(); 'Date.now()'; var o",
                NULL, false);
    assert_note("agent('a', {label: 'x', ...rest, [key]: 1}); agent('b', opts); o.agent(1, {z: 1});"
                "var rest, key, opts, o",
                NULL, false);
    assert_note("const Date = {now: () => 1}; Date.now()", NULL, false);
    assert_note("parallel([() => agent('a')])", NULL, false);
}

#define GIVES                                                                                      \
    ": there are agent, parallel, pipeline, phase, log, workflow, args, budget, console and meta"

static void what_a_main_function_will_not_get_is_noted(void **state) {
    (void)state;
    static const struct {
        const char *script, *wanted;
        bool grave;
    } rows[] = {
        {"(args, input) { return input }",
         "2:38 main_parameter: the main function gets the args alone: this parameter is undefined",
         false},
        {"(args, input = 1) { return input }", NULL, false},
        {"(args, ...rest) { return rest }", NULL, false},
        {"({ agent, step }) { await agent('a'); await step('b') }",
         "2:41 main_member: the main function gets no \"step\"" GIVES, true},
        {"({ agent, signal, x = 1 }) { await agent('a'); return [signal, x] }",
         "2:41 main_member: the main function gets no \"signal\"" GIVES, false},
        {"({ agent, parallel, pipeline, phase, log, workflow, args, budget, console, meta }) {"
         " log(await agent('a'), parallel, pipeline, phase, workflow, args, budget, console, meta) "
         "}",
         NULL, false},
        {"(ctx, input) { await ctx.agent('a'); ctx.retry(1); ctx.retry(input) }",
         "2:72 main_member: the main function gets no \"retry\"" GIVES, true},
        {"(ctx) { await ctx.agent('a'); return ctx.input }",
         "2:72 main_member: the main function gets no \"input\"" GIVES, false},
        {"(ctx) { await ctx.agent('a'); if (ctx.signal?.aborted) return ctx.args }", NULL, false},
        {"(ctx) { await ctx.agent('a', {lable: 1}) }",
         "2:61 unknown_option: agent() has no option \"lable\", and ignores it; did you mean "
         "\"label\"?",
         false},
        {"({ agent }) { await agent('a', {lable: 1}) }",
         "2:63 unknown_option: agent() has no option \"lable\", and ignores it; did you mean "
         "\"label\"?",
         false},
        {"(ctx) { await ctx.phase('a', [() => 1]) }",
         "2:49 phase: phase() opens a heading alone" PHASE, true},
        {"(ctx) { const { agent, retry } = ctx; await agent(retry) }",
         "2:54 main_member: the main function gets no \"retry\"" GIVES, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(text_done) struct text body;
        text_init(&body, 1 << 20);
        text_addf(&body, "export default async function %s", rows[i].script);
        assert_note(body.data, rows[i].wanted, rows[i].grave);
    }
}

/* Only what `ctx` names. */
static enum script_note_verdict is_named_so(void *ctx, struct script_note *note) {
    return strcmp(ctx, note->name) == 0 ? NOTE_DROPPED : NOTE_LEFT;
}

static void notes_of_models_that_are_known_are_dropped(void **state) {
    (void)state;
    AUTO(tried_done)
    struct tried tried =
        try_script(META "Math.random(); await agent('a', {model: 'opus', timeout: 1});"
                        "await agent('b', {model: 'haiku'})",
                   "f.js");
    struct script_notes *notes = &tried.notes;
    assert_int_equal(notes->count, 4);
    char opus[] = "opus", other[] = "sonnet";
    script_notes_resolve(notes, is_named_so, other);
    assert_int_equal(notes->count, 4);
    script_notes_resolve(notes, is_named_so, opus);
    assert_int_equal(notes->count, 3);
    assert_string_equal(notes->list[0].fault.code, "not_deterministic");
    assert_string_equal(notes->list[1].fault.code, "unknown_option");
    assert_string_equal(notes->list[2].name, "haiku");
}

static bool names_no_model(const char *body) {
    AUTO(tried_done) struct tried tried = prepare_body(body);
    return tried.notes.names_no_model;
}

static void a_script_whose_agents_all_take_the_default_model_is_told(void **state) {
    static const char *const all[] = {
        "await agent('a')",
        "await agent('a', {label: 'x', 'schema': {model: 'p/m'}}); log({model: 'p/m'})",
        "agent('a', {model: 'opus'}); agent('b', {model: 'inherit'})",
        "agent(`model: p/m`, )",
    };
    static const char *const not_all[] = {
        "return 1",
        "workflow('other')",
        "agent('a'); agent('b', {model: 'p/m'})",
        "agent('a', {model: m}); var m",
        "agent('a', {model})",
        "agent('a', {agentType: 'x'})",
        "agent('a', {...rest})",
        "agent('a', {[key]: 1})",
        "agent('a', opts); var opts",
        "agent(...both); var both",
        "const ask = agent; agent('a')",
        "function agent() {} agent('a')",
        "o.agent('a')",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        assert_true(names_no_model(all[i]));
    }
    for (size_t i = 0; i < COUNT_OF(not_all); i++) {
        assert_false(names_no_model(not_all[i]));
    }
}

/* Severity of the only note about an absent name; NULL: no note. */
static const char *absent_severity(const char *body) {
    static const char *const codes[] = {"timer", "import", "host"};
    AUTO(tried_done) struct tried tried = prepare_body(body);
    const char *severity = NULL;
    for (unsigned i = 0; i < tried.notes.count; i++) {
        const struct script_note *note = &tried.notes.list[i];
        for (size_t at = 0; at < COUNT_OF(codes); at++) {
            if (strcmp(note->fault.code, codes[at]) == 0) {
                assert_null(severity);
                severity = note->grave ? "error" : "warning";
            }
        }
    }
    return severity;
}

static void what_a_test_by_typeof_guards_is_a_warning(void **state) {
    (void)state;
    static const char *const scripts[] = {
        "const sleep = ms => typeof setTimeout === \"function\" ? new Promise(r => setTimeout(r, "
        "ms)) : Promise.resolve(); await sleep(5);",
        "if (typeof setTimeout === \"function\") { await new Promise((r) => setTimeout(r, 5)); }",
        "if (typeof setTimeout === \"function\")\n  await new Promise((r) => setTimeout(r, 5))",
        "if (typeof setTimeout === \"undefined\") { log(1); } else { setTimeout(log); }",
        "if (typeof setTimeout === \"undefined\") log(1);\nelse setTimeout(log);",
        "function nap(ms) { if (typeof setTimeout !== \"function\") return; return new Promise((r) "
        "=> setTimeout(r, ms)); }\nawait nap(1);",
        "async function nap(ms){const t=\"function\"==typeof setTimeout;if(t)await new "
        "Promise(e=>setTimeout(e,ms))}await nap(1);",
        "const e=\"function\"==typeof setTimeout,t=e=>new Promise(t=>setTimeout(t,e));e&&await "
        "t(5);return 1",
        "const e=\"function\"==typeof setTimeout;const n=async n=>{e&&await new "
        "Promise(e=>setTimeout(e,n))};await n(1)",
        "\"function\"==typeof setTimeout&&await new Promise(e=>setTimeout(e,1)),await agent(\"x\")",
        "const fs = typeof require !== \"undefined\" ? require(\"fs\") : null; log(fs)",
        "let fs; try { fs = require(\"fs\"); } catch { fs = null; } log(fs)",
        "if (typeof setTimeout === \"undefined\") return \"no\";\nsetTimeout(log, 1);",
        "if (typeof setTimeout !== \"function\") {\n  throw new Error(\"x\");\n}\nconst x = "
        "1\nsetTimeout(log, 1);",
        "if(typeof setTimeout==\"undefined\"){return 1}setTimeout(log,1)",
        "const env = typeof process !== \"undefined\" && process.env ? process.env : {}; log(env)",
        "const home = (typeof process === \"object\" && process?.env?.HOME) || \"~\"; log(home)",
        "function has() { return typeof fetch === \"function\" }\nif (has()) { await fetch(\"x\") "
        "}",
        "switch (typeof setTimeout) { case \"function\": setTimeout(log, 1) }",
        "const o = { nap(ms) { return typeof setTimeout === \"function\" ? new Promise((r) => "
        "setTimeout(r, ms)) : 0 } }; o.nap(1)",
        "class A { nap(ms) { if (!(typeof(setTimeout) === \"function\")) return; setTimeout(log, "
        "ms) } } new A().nap(1)",
        "const wait = typeof setTimeout === \"function\"\n  ? (ms) => new Promise((r) => "
        "setTimeout(r, ms))\n  : async () => {};\nawait wait(1)",
        "for (const t of [1]) { if (typeof setTimeout === \"undefined\") continue; setTimeout(log, "
        "t) }",
        "const s = `a ${typeof setTimeout === \"function\" ? setTimeout(log, 1) : 0} b ${1} c`; "
        "log(s)",
        "(() => { if (typeof setImmediate !== \"undefined\") setImmediate(() => {}); })();",
        "const canWait = typeof setTimeout === \"function\";\nasync function backoff(n) {\n  if "
        "(!canWait) return;\n  await new Promise((r) => setTimeout(r, n));\n}\nawait backoff(1)",
        "const isNode = typeof process !== \"undefined\" && typeof process.versions !== "
        "\"undefined\"; if (isNode) log(process.version)",
    };
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        const char *severity = absent_severity(scripts[i]);
        if (severity == NULL || strcmp(severity, "warning") != 0) {
            fail_msg("%s: %s", severity == NULL ? "nothing" : severity, scripts[i]);
        }
    }
}

static void what_no_test_guards_is_an_error_with_its_place(void **state) {
    (void)state;
    static const char *const scripts[] = {
        "await new Promise((r) => setTimeout(r, 5))",
        "log(typeof setTimeout); setTimeout(log, 1)",
        "log(typeof setTimeout)\nsetTimeout(log, 1)",
        "if (typeof setTimeout === \"function\") { setTimeout(log, 1); }\nsetTimeout(log, 2);",
        "if(typeof setTimeout==\"function\"){setTimeout(log,1)}setTimeout(log,2)",
        "const fs = require(\"fs\"); log(fs)",
        "const a = typeof setTimeout; log(a)\nsetTimeout(log)",
        "return fetch(\"x\")",
        "log(process.env.HOME)",
        "log(typeof process.env)",
        "function f() { log(typeof setTimeout) }\nfunction g() { setTimeout(log) } f(); g()",
        "if (typeof setTimeout === \"undefined\") log(\"none\")\nsetTimeout(log, 1)",
        "if (typeof setInterval === \"undefined\") return;\nsetTimeout(log, 1)",
        "try { setTimeout(log, 1) } finally { log(2) }",
        "const later = globalThis.setTimeout == null; setTimeout(log, 1)",
        "const later = globalThis['setTimeout'] == null; setTimeout(log, 1)",
        "Object.assign(globalThis, { setInterval(f) { f() } }); setTimeout(log, 1)",
        "Object.defineProperty(globalThis, 'fetch', { value: log }); log(process.env)",
        "const o = {}; Object.assign(o, { setTimeout(f) { f() } }); setTimeout(log, 1)",
        "log(globalThis); setTimeout(log, 1)",
        "const o = {}; o.setTimeout = log; setTimeout(log, 1)",
        "const later = setTimeout; later(log)",
        "if (args) { log(typeof setTimeout) }\nawait agent(\"x\")\nsetTimeout(log, 1)",
    };
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        const char *severity = absent_severity(scripts[i]);
        if (severity == NULL || strcmp(severity, "error") != 0) {
            fail_msg("%s: %s", severity == NULL ? "nothing" : severity, scripts[i]);
        }
    }
    assert_note("\n await new Promise((r) => setTimeout(r, 5))",
                "3:27 timer: setTimeout: this script has no timers; `timers: true` in its meta "
                "gives it setTimeout, clearTimeout and sleep; without a test by typeof this throws "
                "a ReferenceError",
                true);
    assert_note("if (typeof require === 'function')\n  require('fs')",
                "3:3 import: require: a workflow script is one file, and what needs a module is "
                "work for an agent; typeof says \"undefined\", so what this test guards does not "
                "run",
                false);
}

static void names_that_a_file_has_itself_are_not_absent(void **state) {
    (void)state;
    static const char *const scripts[] = {
        "const require = (x) => x; require(1)",
        "function f(require) { return require(1) }",
        "const {a: {require}} = b; require(1)",
        "o.require('x'); o?.require(1); var o",
        "class A { setTimeout(f) { return f } }; a.setTimeout(1); log('setTimeout(1)')",
        "const setTimeout = (f) => f(); setTimeout(log)",
        "log(typeof setTimeout, typeof require, typeof process)",
        "const o = { process: 1, fetch(x) { return x }, require: 2 }; log(o.process, o.fetch(1))",
        "function run(process) { return process(1) } run(log)",
        "globalThis.setTimeout?.(log, 1)",
        "globalThis.setTimeout = (f) => f(); setTimeout(log, 1)",
        "globalThis.fetch ?\?= async () => null; await fetch(\"x\")",
        "globalThis['setTimeout'] = (f) => f(); setTimeout(log, 1)",
        "globalThis[`fetch`] ||= async () => null; await fetch('x')",
        "Object.assign(globalThis, { setTimeout(f) { f() } }); setTimeout(log, 1)",
        "Object.assign(globalThis, { a: 1 }, { 'setTimeout': (f) => f() }); setTimeout(log, 1)",
        "const shim = { async fetch() {} }; Object.assign(globalThis, shim); await fetch('x')",
        "Object.defineProperty(globalThis, \"setTimeout\", { value: (f) => f() }); setTimeout(log)",
        "Object.defineProperties(globalThis, { process: { value: {} } }); log(process.env)",
        "Reflect.set(globalThis, 'setInterval', (f) => f()); setInterval(log)",
        "for (const n of ['setTimeout', 'fetch']) globalThis[n] = log; setTimeout(log); fetch()",
        "const root = globalThis; root.setTimeout = (f) => f(); setTimeout(log, 1)",
        "(function (root) { root.process ?\?= { env: {} } })(globalThis); log(process.env)",
        "class A { fetch(x) { return x } async process(y) { return y } } log(new A())",
        "items.map(({ process }) => process); var items",
    };
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        if (absent_severity(scripts[i]) != NULL) {
            fail_msg("%s", scripts[i]);
        }
    }
}

#define NAME(name, rest) "undefined_name: \"" name "\" is not defined" rest

static void a_name_that_nobody_defines_is_noted_with_the_nearest(void **state) {
    (void)state;
    assert_note("await paralell([() => 1])",
                "2:7 " NAME("paralell", "; did you mean \"parallel\"?"), false);
    assert_note("const items = [1];\nreturn pipeline(itens, (x) => x);",
                "3:17 " NAME("itens", "; did you mean \"items\"?"), false);
    assert_note("using(args)", "2:1 " NAME("using", ": neither this script nor its engine has it"),
                false);
    assert_note("return structuredClone('x')",
                "2:8 " NAME("structuredClone", ": neither this script nor its engine has it"),
                false);
    assert_note("log(`a ${ { b: agnet } }`)", "2:16 " NAME("agnet", "; did you mean \"agent\"?"),
                false);
    assert_note("log({ bugdet })", "2:7 " NAME("bugdet", "; did you mean \"budget\"?"), false);
    assert_note("const f = (a = agrs) => a; f()", "2:16 " NAME("agrs", "; did you mean \"args\"?"),
                false);
    assert_note("class A { m() { return phaze('x') } }; new A()",
                "2:24 " NAME("phaze", "; did you mean \"phase\"?"), false);
    assert_note("if (worklow) { log(1) }", "2:5 " NAME("worklow", "; did you mean \"workflow\"?"),
                false);
    assert_note("const x = args ? lgo : 1; log(x)", "2:18 " NAME("lgo", "; did you mean \"log\"?"),
                false);
    assert_note("paralel([]); paralel([])", "2:1 " NAME("paralel", "; did you mean \"parallel\"?"),
                false);
    assert_note("switch (args) { case foo: log(1) }",
                "2:22 " NAME("foo", ": neither this script nor its engine has it"), false);
}

/* Each of these declares what it uses, or uses no variable. */
static void names_that_are_defined_are_not_noted(void **state) {
    (void)state;
    static const char *const scripts[] = {
        "const a = 1, b = 2, { c, d: e = a, ...f } = args, [, g, , h = b] = [c]; log(e, f, g, h)",
        "let a\nlet b, c\nvar d = 1, i\nfor (const k of [a, b, c, d]) log(k, i)",
        "for (let i = 0, n = 3; i < n; i++) log(i); for (const k in args) log(k)",
        "for await (const x of args) { log(x) }",
        "function f(a, { b, c: [d] }, ...e) { return [a, b, d, e, arguments] } f()",
        "function* g(a) { yield a } async function h(b) { await b } log(g, h)",
        "const f = a => a, g = async b => b, h = (c, { d }) => [c, d], i = async ([e]) => e; f(g, "
        "h, i)",
        "const f = (a, b = (c) => c) => a ? b : (d) => d; f()",
        "try { log(1) } catch (e) { log(e) } try { log(1) } catch ({ message }) { log(message) } "
        "try { log(2) } catch { log(3) }",
        "class A extends Map { x; static y = 1; #z = 2; get w() { return this.#z } set w(v) { "
        "log(v) } "
        "static m(a) { return a } async *n() {} static { log(1) } constructor() { super() } } new "
        "A()",
        "const B = class C { ['k']() { return C } }; log(B)",
        "outer: for (;;) { inner: for (;;) { continue outer } break outer }",
        "const o = { a: 1, b() {}, get c() { return 1 }, async d() {}, *e() {}, async *f() {}, "
        "'g': 2, "
        "[args]: 3, get: 1, set: 2, async: 3, static: 4, of: 5, await: 6 }; "
        "log(o.anything?.at.all)",
        "if (typeof structuredClone === 'function') structuredClone('x')",
        "const get = 1, of = 2, async = 3, from = 4; log(get, of, async, from)",
        "let a = 1, b = 2; [a, b] = [b, a]; ({ a, b } = { a, b }); log(new Map(), Symbol.iterator)",
        "log([undefined, NaN, Infinity, isNaN, parseInt, JSON, structured?.x]); var structured",
        "const t = (s, ...v) => [s, v]; log(t`a${args}b${t`c${1}`}d`, /[a-z]+x/gi.test('y'))",
        "log([1].toSorted?.(([a], [b]) => a - b), args?.map?.(({ c }) => c))",
        "use(1); function use(x) { return later(x) } const later = (x) => x",
        "const f = function inner(n) { return n ? inner(n - 1) : new.target }; f(1)",
        "const \xc3\xa4\xc3\xb6 = 1; log(\xc3\xa4\xc3\xb6, \\u0061rgs)",
        "globalThis.helper = 1; helper + whatever",
        "using a = args, b = a; await using c = b; for (using d of [c]) log(d); for (await using e "
        "of [b]) log(e)",
        "switch (args) { case 1: { const q = 1; log(q) } default: log(2) }",
        "const e = args, i = e ? 1 : 2, r = (() => { let t = 0; return t })(); return { e, i, r }",
        "{ let block = 1; { log(block) } } do { log(1) } while (budget.total)",
    };
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        assert_note(scripts[i], NULL, false);
    }
}

static void too_many_items_are_noted(void **state) {
    (void)state;
    AUTO(text_done) struct text body;
    text_init(&body, 1 << 20);
    text_add_str(&body, "pipeline([");
    for (int i = 0; i < 4097; i++) {
        text_add_str(&body, "[1,2],");
    }
    text_add_str(&body, "], log)");
    assert_note(body.data, "2:1 too_many_items: 4097 items: at most 4096 are taken by one call",
                true);
}

static void assert_hint(const char *source, unsigned line, bool hinted) {
    struct script_fault fault = {.line = line, .column = 1, .message = "unexpected token"};
    script_fault_place(bytes_of(source), &fault);
    assert_int_equal(strstr(fault.message, "TypeScript") != NULL, hinted);
}

static void a_syntax_error_may_have_a_hint(void **state) {
    (void)state;
    assert_hint("a\nb\nconst x = f<string>(1)\nd", 3, true);
    assert_hint("a\nb\nclass A { m(): Promise<void> {} }\nd", 4, true);
    assert_hint("const a: string = 1\nb\nc\nd", 4, false);
    assert_hint("a\nb = = c\nd", 2, false);
    assert_hint("", 7, false);
}

static void sizes_are_bounded(void **state) {
    (void)state;
    AUTO(text_done) struct text script;
    text_init(&script, 2 << 20);
    text_add_str(&script, META "\n");
    for (int i = 0; i <= SCRIPT_NEST_MAX; i++) {
        text_add_char(&script, '{');
    }
    assert_fault(script.data, "2:1025 syntax_error: this is nested too deeply");
    while (script.len <= SCRIPT_SOURCE_MAX) {
        text_add_char(&script, ' ');
    }
    assert_fault(script.data, "0:0 too_large: the script has 1048577 bytes");

    /* Each variable is searched for in the whole file, and not each of 30,000. */
    text_clear(&script);
    for (int i = 0; i < 30000; i++) {
        text_addf(&script, "const a%d = await agent('a');\n", i);
    }
    AUTO(tried_done) struct tried tried = prepare_body(script.data);
    assert_int_equal(tried.notes.count, 0);
}

#define DROPPED(name) "not_awaited: nothing awaits this " name "(): write \"await " name "(…)\""
#define READ(name, call)                                                                           \
    "not_awaited: \"" name "\" is a promise, and is read as its result: "                          \
    "write \"await " call "(…)\""

#define LISTED "not_awaited: nothing awaits this list of promises: write \"await Promise.all(…)\""

static void a_promise_that_nothing_awaits_is_noted(void **state) {
    static const char *const kept[] = {
        "await agent('a')",
        "return agent('a')",
        "const all = [agent('a'), agent('b')]; await Promise.all(all)",
        "const a = agent('a'); const b = await a; log(b.length)",
        "agent('a').then((text) => log(text))",
        "const f = () => agent('a'); await f()",
        "const f = () =>\n  agent('a'); await f()",
        "await parallel([1, 2].map((n) =>\n  () => agent(`${n}`)))",
        "const a = agent('a'); a.then(log)",
        "const p = { a: agent('a'),\n b: agent('b') }; await p.a; await p.b",
        "log(true\n ? agent('a')\n : agent('b'))",
        "const a = agent('a'); for (const a of [1]) log(a.b)",
        "const a = agent('a'); [1].map((a) => a.b)",
        "const agent = (x) => x; agent('a')",
        "o.agent('a'); var o",
        "void agent('a')",
        "const x = await\n agent('a')",
        "class A { agent(x) { return x } }",
        "const all = [1].map((n) => agent('a')); await Promise.all(all)",
        "const all = [1].map((n) => agent('a')); for (const a of all) await a",
        "const all = [agent('a')]; log(all.length); return await all[0]",
        "const fs = [1].map((n) => () => agent('a')); await parallel(fs)",
        "await Promise.all([1].map(async (n) => agent('a')))",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        AUTO(tried_done) struct tried tried = prepare_body(kept[i]);
        assert_int_equal(tried.notes.count, 0);
    }
    assert_note("agent('a')", "2:1 " DROPPED("agent"), false);
    assert_note("const a = 1\nparallel([() => 1])\nreturn a", "3:1 " DROPPED("parallel"), false);
    assert_note("if (args) workflow('x'); else log(1)", "2:11 " DROPPED("workflow"), false);
    assert_note("await parallel([async () => { agent('a') }])", "2:31 " DROPPED("agent"), false);
    assert_note("const a = agent('a'); return a.length", "2:11 " READ("a", "agent"), false);
    assert_note("const a = pipeline([1], (n) => n)\nlog(`all: ${a}`)",
                "2:11 " READ("a", "pipeline"), false);
    assert_note("[agent('a'), agent('b')]", "2:2 " LISTED, false);
    assert_note("[1, 2].map((n) => agent('a'))", "2:19 " LISTED, false);
    assert_note("const all = [1].map(async (n) => agent('a'))\nlog(all.length)", "2:34 " LISTED,
                false);
    assert_note("const all = [agent('a')]\nreturn 1", "2:14 " LISTED, false);
}

static void results_of_another_host_are_noted(void **state) {
    static const char *const kept[] = {
        "const r = await agent('a', { schema: S }); log(r.ok); var S",
        "const r = await agent('a', o); log(r.ok); var o",
        "const r = await agent('a', { ...o }); log(r.ok); var o",
        "const r = await agent('a'); [{}].map((r) => r.output)",
        "const r = await agent('a'); for (const r of [{}]) log(r.output)",
        "const r = await agent('a'); log(r.output())",
        "const r = await workflow('a'); log(r.output)",
        "const { output } = await workflow('a'); log(output)",
        "const { output } = await agent('a', { schema: S }); log(output); var S",
        "const { length } = await agent('a'); log(length)",
        "const r = await agent('a'); log(r, 'r.ok'); // r.output",
        "const r = await agent('a'); log(`${r} r.ok`, /r.ok/)",
        "const r = await agent('a'); log(typeof r === 'string' ? r : r.output)",
        "const r = await agent('a'); log(r.output ?? r)",
        "const rs = await parallel([() => agent('a', { schema: S })]); log(rs[0].ok); var S",
        "const rs = await parallel([() => agent('a'), () => agent('b', o)]); log(rs[1].ok); var o",
        "const rs = await parallel([() => f('a')]); log(rs[0].ok); var f",
        "const rs = await parallel(fs); log(rs[0].ok); var fs",
        "const rs = await parallel([1].map((n) => () => agent('a').then((t) => ({ ok: t }))));"
        "log(rs[0].ok)",
        "const rs = await parallel([1].map((n) => async () => ({ ok: await agent('a') })));"
        "log(rs[0].ok)",
        "const rs = await pipeline([1], () => agent('a'), (text) => ({ ok: text })); log(rs[0].ok)",
        "const rs = await pipeline([1], () => agent('a'), ...more); log(rs[0].ok); var more",
        "const rs = await parallel([() => agent('a')]); rs[0] = { ok: true }; log(rs[0].ok)",
        "const rs = await parallel([() => agent('a')]); rs.push({ ok: true }); log(rs[1].ok)",
        "const rs = await parallel([() => agent('a')]); f(rs); log(rs[0].ok); var f",
        "const rs = await parallel([() => agent('a')]); log(rs.map((t) => ({ ok: t }))[0].ok)",
        "const rs = await parallel([() => agent('a')]); log([{}].map((r) => r.ok), rs.length)",
        "const rs = await parallel([() => agent('a')]); rs.map((r) => [{}].map((r) => r.ok))",
        "const rs = await parallel([() => agent('a')]); for (const r of rs) { log(r) } log(r.ok);"
        "var r",
        "const rs = await parallel([() => agent('a')]); f((rs) => rs[0].ok); var f",
        "const [a] = await parallel([() => agent('a')]); [{}].map((a) => a.ok)",
        "const agent = (p) => ({ ok: p }); const rs = await parallel([() => agent('a')]);"
        "log(rs[0].ok)",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        AUTO(tried_done) struct tried tried = prepare_body(kept[i]);
        notes_tidy(&tried.notes);
        assert_int_equal(tried.notes.count, 0);
    }
#define MEMBER(name)                                                                               \
    "result_member: agent() resolves to the answer itself, a text, or null: it has no member "     \
    "\"" name "\", and this is undefined; meta.results: \"object\" gives {ok, output, error}"
    assert_note("const r = await agent('a', {label: 'x'})\nif (r.ok) log(r.output)",
                "3:7 " MEMBER("ok"), false);
    assert_note("const r = await agent('a'); return r?.output", "2:39 " MEMBER("output"), false);
    assert_note("return (await agent('a')).output", "2:27 " MEMBER("output"), false);
#define LIST "const rs = await parallel([() => agent('a'), async () => await agent('b')])\n"
    assert_note("const r = await agent('a'); if (r.error) throw 1", "2:35 " MEMBER("error"), false);
    assert_note("const r = await agent('a'); log(r.cached)", "2:35 " MEMBER("cached"), false);
    assert_note("const { ok, output } = await agent('a'); log(ok, output)", "2:9 " MEMBER("ok"),
                false);
    assert_note("const { length, output: text = '' } = await agent('a'); log(text, length)",
                "2:17 " MEMBER("output"), false);
    assert_note("const r = await workflow('a'); if (r.ok) log(r.output)",
                "2:38 result_member: workflow() resolves to what the other script returns, which "
                "has a member \"ok\" only if that script gives it one; meta.results: \"object\" "
                "gives {ok, output, error}",
                false);
    assert_note(LIST "log(rs[0].ok)", "3:11 " MEMBER("ok"), false);
    assert_note(LIST "for (const { output } of rs) log(output)", "3:14 " MEMBER("output"), false);
    assert_note(LIST "log(rs.map(({ output }) => output))", "3:15 " MEMBER("output"), false);
    assert_note(LIST "log(rs.map((r) => r.output))", "3:21 " MEMBER("output"), false);
    assert_note(LIST "log(rs.filter(Boolean).map(r => `${r?.output}`))", "3:39 " MEMBER("output"),
                false);
    assert_note(LIST "for (const r of rs) { if (r.ok) log(1) }", "3:29 " MEMBER("ok"), false);
    assert_note(LIST "for (const r of rs) if (r.ok) log(1)", "3:27 " MEMBER("ok"), false);
    assert_note(LIST "log(rs.find((r) => r).output, JSON.stringify(rs))", "3:23 " MEMBER("output"),
                false);
    assert_note("const [a, b] = await parallel([() => agent('a'), () => agent('b')])\nlog(a, b.ok)",
                "3:10 " MEMBER("ok"), false);
    assert_note("return (await parallel([() => agent('a')])).map((r) => r.output)",
                "2:58 " MEMBER("output"), false);
    assert_note("const rs = await parallel(args.files.map((f) =>\n  () => agent(`${f}`, { phase: f "
                "}),\n));\nreturn rs.every((r, i) => r.ok)",
                "5:29 " MEMBER("ok"), false);
    assert_note("const rs = await pipeline(args, (n) => ({ n }), ({ n }) => agent(`${n}`))\n"
                "return rs[0].output",
                "3:14 " MEMBER("output"), false);
}

static void results_that_are_objects_are_read_as_such(void **state) {
    (void)state;
    static const char body[] = "const r = await agent('a'); log(r.ok)";
    static const struct {
        const char *meta, *file;
        bool objects;
    } places[] = {
        {"", "f.js", false},
        {"", "/p/.boocode/workflows/f.js", true},
        {"", ".boocode/workflows/mine/f.js", true},
        {"", "/p/.boocode/flows/f.js", false},
        {"", "/p/a.boocode/workflows/f.js", false},
        {", results: 'object'", "f.js", true},
        {", results: 'value'", "/p/.boocode/workflows/f.js", false},
    };
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        AUTO(text_done) struct text script = text_up_to(1000);
        text_addf(&script, "export const meta = {name: 'x', description: 'd'%s};\n%s",
                  places[i].meta, body);
        AUTO(tried_done) struct tried tried = prepare_script(script.data, places[i].file);
        assert_int_equal(tried.prepared.objects, places[i].objects);
        assert_int_equal(tried.notes.count, places[i].objects ? 0 : 1);
    }
}

static void options_that_a_run_would_refuse_are_noted(void **state) {
    (void)state;
    assert_note("await agent('a', {isolation: 'remote'})",
                "2:30 isolation: there is no isolation \"remote\", since agents work on this "
                "machine: agent() throws on all but \"worktree\"",
                true);
    assert_note("await agent('a', {schema: {type: 'object',\n properties: {n: {typ: 'string'}}}})",
                "3:19 bad_schema: agent() throws on this schema: #/properties/n/typ: this word is "
                "unknown; did you mean \"type\"?",
                true);
    assert_note("const S = {type: 'object', requried: ['a']}; await agent('a', {schema: S})",
                "2:28 bad_schema: agent() throws on this schema: #/requried: this word is unknown; "
                "did you mean \"required\"?",
                true);
    assert_note("await agent('a', {schema: {type: 'object', anyOf: [{}, {type: 'strng'}]}})",
                "2:57 bad_schema: agent() throws on this schema: #/anyOf/1/type: \"strng\" is no "
                "type; types are object, array, string, integer, number, boolean, null",
                true);
    assert_note("await agent('a', {schema: {type: 'object', properties: f()}}); var f", NULL,
                false);
    assert_note("let S = {typ: 1}; S = {}; await agent('a', {schema: S})", NULL, false);

    /* Names that only a daemon knows are doubts. */
    AUTO(tried_done)
    struct tried tried =
        prepare_body("await agent('a', {agentType: 'x', model: 'opus'});"
                     "await agent('b', {model: 'nix/y'}); await agent('c', {agentType: 'x'})");
    assert_int_equal(tried.notes.count, 3);
    assert_int_equal(tried.notes.list[0].about, NOTE_ABOUT_AGENT_TYPE);
    assert_string_equal(tried.notes.list[0].name, "x");
    assert_true(tried.notes.list[0].doubt);
    assert_int_equal(tried.notes.list[1].about, NOTE_ABOUT_MODEL);
    assert_int_equal(tried.notes.list[2].about, NOTE_ABOUT_CONNECTION);
    assert_string_equal(tried.notes.list[2].name, "nix");
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slashes_divide_or_begin_a_pattern),
        cmocka_unit_test(what_is_never_closed_is_told_where_it_began),
        cmocka_unit_test(a_script_imports_nothing),
        cmocka_unit_test(what_a_test_by_typeof_guards_is_a_warning),
        cmocka_unit_test(what_no_test_guards_is_an_error_with_its_place),
        cmocka_unit_test(names_that_a_file_has_itself_are_not_absent),
        cmocka_unit_test(typescript_is_told_from_javascript),
        cmocka_unit_test(what_is_grave_is_told_where_much_is_noted),
        cmocka_unit_test(risks_are_noted_and_not_refused),
        cmocka_unit_test(a_promise_that_nothing_awaits_is_noted),
        cmocka_unit_test(results_of_another_host_are_noted),
        cmocka_unit_test(results_that_are_objects_are_read_as_such),
        cmocka_unit_test(options_that_a_run_would_refuse_are_noted),
        cmocka_unit_test(what_a_main_function_will_not_get_is_noted),
        cmocka_unit_test(notes_of_models_that_are_known_are_dropped),
        cmocka_unit_test(a_name_that_nobody_defines_is_noted_with_the_nearest),
        cmocka_unit_test(names_that_are_defined_are_not_noted),
        cmocka_unit_test(too_many_items_are_noted),
        cmocka_unit_test(a_script_whose_agents_all_take_the_default_model_is_told),
        cmocka_unit_test(a_syntax_error_may_have_a_hint),
        cmocka_unit_test(sizes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
