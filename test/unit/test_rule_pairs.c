/* A yes to a call, and another call: what its rule lets through, for each tool that has a subject,
 * and for those that have none. */
#include "tool_kit.h"

#include "rules/approval/always.h"
#include "rules/approval/asked.h"
#include "rules/approval/joined.h"

/* A call as its tool takes it: JSON, or of Bash and run_command what stands for it below. */
struct pair {
    const char *tool, *first, *second;
    const char *other; /* Tool of the second call; NULL: the same. */
};

/* --- From a call to its verdict --------------------------------------------------------------- */

/* Arguments: JSON; else shell text for Bash. */
static struct bytes arguments_of(const char *tool, const char *given, struct text *json) {
    text_clear(json);
    if (given[0] == '{' && (given[1] == '"' || strcmp(tool, "Bash") != 0)) {
        return bytes_of(given);
    }
    text_add_str(json, "{\"command\":");
    text_add_json(json, given, strlen(given));
    text_add_char(json, '}');
    return text_bytes(json);
}

/* The verdict of the rules of `settings`; into `about` and `digest` what a yes needs. */
static enum permission call_judge(struct tools *tools, const char *tool, const char *given,
                                  const json_t *settings, struct text *about,
                                  struct sha256_hex *digest) {
    AUTO(permission_joined_done) struct permission_joined joined = {.list = NULL};
    AUTO(text_done) struct text json = text_up_to(8192);
    const struct permission_lists lists = {.session = settings};
    const struct bytes arguments = arguments_of(tool, given, &json);
    enum tool_id id;
    text_clear(about);
    permission_join(&lists, &joined);
    if (!tool_find(bytes_of(tool), &id)) {
        AUTO(json_release) json_t *object = NULL;
        assert_false(err_failed(json_parse_wrapped(arguments, &object, NULL)));
        const struct asked_call asked = asked_call_read(bytes_of(tool), object);
        const struct sha256 hash = sha256_of(arguments.data, arguments.len);
        *digest = sha256_hex(&hash);
        struct permission_question question;
        const struct permission_verdict verdict =
            asked_call_judge(&asked, bytes_of(digest->text), &joined.rules, &question);
        permission_add_about(&question, NULL, about);
        text_add_char(about, '}');
        return verdict.permission;
    }
    AUTO(tool_call_done) struct tool_call call = {0};
    AUTO(tool_look_done) struct tool_look look;
    tool_look_init(&look);
    if (err_failed(tool_call_read(tools->toolbox, TOOL_SET_ALL, bytes_of(tool), arguments, &call,
                                  &tools->problem))) {
        fail_msg("%s %s: %s", tool, given, text_bytes(&tools->problem).data);
    }
    assert_false(err_failed(tool_look(&call, &tools->place, &look)));
    if (look.refusal.len > 0) {
        fail_msg("%s %s: %s", tool, given, look.refusal.data);
    }
    *digest = call.digest;
    struct bytes subjects[TOOL_SUBJECTS_MAX];
    for (size_t i = 0; i < look.subject_count; i++) {
        subjects[i] = text_bytes(&look.subjects[i]);
    }
    const struct permission_question question = {.tool = bytes_of(tool),
                                                 .kind = tool_get(id)->subject,
                                                 .subjects = subjects,
                                                 .subject_count = look.subject_count,
                                                 .digest = bytes_of(call.digest.text),
                                                 .otherwise = PERMISSION_ASK};
    permission_add_about(&question, NULL, about);
    text_add_char(about, '}');
    const enum permission judged = permission_judge(&joined.rules, &question).permission;
    /* As the tool judges it itself, which also knows a default. */
    assert_true(judged != PERMISSION_ALLOW ||
                tool_judge(&call, &look, &joined.rules).permission == PERMISSION_ALLOW);
    return judged;
}

static void pair_holds(struct tools *tools, const struct pair *pair, bool passes) {
    AUTO(json_release) json_t *settings = json_object();
    AUTO(text_done) struct text about = text_up_to(32 << 10);
    struct sha256_hex digest;
    struct why why = {""};
    const char *other = pair->other == NULL ? pair->tool : pair->other;
    assert_int_equal(call_judge(tools, pair->tool, pair->first, settings, &about, &digest),
                     PERMISSION_ASK);
    const struct always_call yes = {
        .tool = bytes_of(pair->tool), .about = text_bytes(&about), .digest = bytes_of(digest.text)};
    if (err_failed(always_add(&yes, settings, &why))) {
        fail_msg("%s %s: %s", pair->tool, pair->first, why.text);
    }
    /* The call itself passes from now on. */
    if (call_judge(tools, pair->tool, pair->first, settings, &about, &digest) != PERMISSION_ALLOW) {
        fail_msg("%s: a yes to %s does not hold for itself", pair->tool, pair->first);
    }
    const bool passed =
        call_judge(tools, other, pair->second, settings, &about, &digest) == PERMISSION_ALLOW;
    if (passed != passes) {
        fail_msg("%s: a yes to %s %s %s %s", pair->tool, pair->first,
                 passed ? "passes" : "does not pass", other, pair->second);
    }
}

/* --- The pairs ------------------------------------------------------------------------------ */

#define X100                                                                                       \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"                                 \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LONG_X X100 X100 X100 X100 X100 X100
#define Y100                                                                                       \
    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"                                 \
    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
#define LONG_Y Y100 Y100 Y100 Y100 Y100 Y100

/* A yes to the first does not let the second through. */
static const struct pair refused[] = {
    {"run_command", "{\"command\":\"sh\",\"args\":[\"-c\",\"echo\",\"x; touch PWN\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"echo x; touch PWN\"]}", NULL},
    {"run_command", "{\"command\":\"sh\",\"args\":[\"-c\",\"echo x; touch PWN\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"echo\",\"x; touch PWN\"]}", NULL},
    {"run_command", "{\"command\":\"sh\",\"args\":[\"-c\",\"echo a\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"echo\",\"a\"]}", NULL},
    {"run_command", "{\"command\":\"sh\",\"args\":[\"-c\",\"echo\",\"a\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"echo a\"]}", NULL},
    {"run_command", "{\"command\":\"sh -c\",\"args\":[\"x\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"x\"]}", NULL},
    {"run_command", "{\"command\":\"make test\"}", "{\"command\":\"make\",\"args\":[\"test\"]}",
     NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"test\"]}", "{\"command\":\"make test\"}",
     NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"a b\"]}",
     "{\"command\":\"make\",\"args\":[\"a\",\"b\"]}", NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"a\",\"b\"]}",
     "{\"command\":\"make\",\"args\":[\"a b\"]}", NULL},
    {"run_command", "{\"command\":\"make\"}", "{\"command\":\"make\",\"args\":[\"install\"]}",
     NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"install\"]}", "{\"command\":\"make\"}",
     NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"test\"]}",
     "{\"command\":\"make\",\"args\":[\"test\",\"install\"]}", NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"test\"]}",
     "{\"command\":\"make\",\"args\":[\"tests\"]}", NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"test\"]}",
     "{\"command\":\"gmake\",\"args\":[\"test\"]}", NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"\"]}", "{\"command\":\"make\"}", NULL},
    {"run_command", "{\"command\":\"make\"}", "{\"command\":\"make\",\"args\":[\"\"]}", NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"\",\"\"]}",
     "{\"command\":\"make\",\"args\":[\"\"]}", NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"a\",\"\"]}",
     "{\"command\":\"make\",\"args\":[\"\",\"a\"]}", NULL},
    {"run_command", "{\"command\":\"rm\",\"args\":[\"*.o\"]}",
     "{\"command\":\"rm\",\"args\":[\"a.o\"]}", NULL},
    {"run_command", "{\"command\":\"rm\",\"args\":[\"*\"]}",
     "{\"command\":\"rm\",\"args\":[\"-rf\",\"/\"]}", NULL},
    {"run_command", "{\"command\":\"rm\",\"args\":[\"?\"]}",
     "{\"command\":\"rm\",\"args\":[\"a\"]}", NULL},
    {"run_command", "{\"command\":\"rm\",\"args\":[\"[ab]\"]}",
     "{\"command\":\"rm\",\"args\":[\"a\"]}", NULL},
    {"run_command", "{\"command\":\"rm\",\"args\":[\"[!a]\"]}",
     "{\"command\":\"rm\",\"args\":[\"b\"]}", NULL},
    {"run_command", "{\"command\":\"*\"}", "{\"command\":\"rm\"}", NULL},
    {"run_command", "{\"command\":\"*\",\"args\":[\"*\"]}", "{\"command\":\"rm\",\"args\":[\"x\"]}",
     NULL},
    {"run_command", "{\"command\":\"ls\",\"args\":[\"**\"]}",
     "{\"command\":\"ls\",\"args\":[\"x\",\"y\"]}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"\\\\*\"]}",
     "{\"command\":\"echo\",\"args\":[\"*\"]}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"\\\\*\"]}",
     "{\"command\":\"echo\",\"args\":[\"\\\\x\"]}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"\\\\\"]}",
     "{\"command\":\"echo\",\"args\":[\"\"]}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"it's\"]}",
     "{\"command\":\"echo\",\"args\":[\"its\"]}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"\\\"a b\\\"\"]}",
     "{\"command\":\"echo\",\"args\":[\"a b\"]}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"\\\"a\",\"b\\\"\"]}",
     "{\"command\":\"echo\",\"args\":[\"a b\"]}", NULL},
    {"run_command", "{\"command\":\"sh\",\"args\":[\"-c\",\"'touch PWN'\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"touch PWN\"]}", NULL},
    {"run_command", "{\"command\":\"sh\",\"args\":[\"-c\",\"'touch\",\"PWN'\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"touch PWN\"]}", NULL},
    {"run_command", "{\"command\":\"sh\",\"args\":[\"-c\",\"touch\\\\ PWN\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"touch PWN\"]}", NULL},
    {"run_command", "{\"command\":\"python3\",\"args\":[\"-c\",\"\\\"import os\\\"\"]}",
     "{\"command\":\"python3\",\"args\":[\"-c\",\"import os\"]}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"$HOME\"]}",
     "{\"command\":\"echo\",\"args\":[\"/root\"]}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"$(rm x)\"]}", "{\"command\":\"echo\"}",
     NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"a\\nb\"]}",
     "{\"command\":\"echo\",\"args\":[\"a\",\"b\"]}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"a\\nb\"]}",
     "{\"command\":\"echo\",\"args\":[\"a b\"]}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"a\\tb\"]}",
     "{\"command\":\"echo\",\"args\":[\"a\",\"b\"]}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"a;b\"]}",
     "{\"command\":\"echo\",\"args\":[\"a\"]}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"&&\",\"rm\"]}", "{\"command\":\"echo\"}",
     NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"&&\",\"rm\"]}", "{\"command\":\"rm\"}",
     NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"|\",\"sh\"]}", "{\"command\":\"echo\"}",
     NULL},
    {"run_command", "{\"command\":\"git\",\"args\":[\"push\"]}",
     "{\"command\":\"git\",\"args\":[\"push\",\"--force\"]}", NULL},
    {"run_command", "{\"command\":\"git\",\"args\":[\"push\",\"--force\"]}",
     "{\"command\":\"git\",\"args\":[\"push\",\"--force\",\"origin\"]}", NULL},
    {"run_command", "{\"command\":\"git\",\"args\":[\"-c\",\"a=b\",\"log\"]}",
     "{\"command\":\"git\",\"args\":[\"-c\",\"a=c\",\"log\"]}", NULL},
    {"run_command", "{\"command\":\"git\",\"args\":[\"commit\",\"-m\",\"x\"]}",
     "{\"command\":\"git\",\"args\":[\"commit\",\"-m\",\"y\"]}", NULL},
    {"run_command", "{\"command\":\"git\",\"args\":[\"commit\",\"-m\",\"a -n\"]}",
     "{\"command\":\"git\",\"args\":[\"commit\",\"-m\",\"a\",\"-n\"]}", NULL},
    {"run_command", "{\"command\":\"FOO=1\",\"args\":[\"x\"]}",
     "{\"command\":\"FOO=2\",\"args\":[\"x\"]}", NULL},
    {"run_command", "{\"command\":\"env\",\"args\":[\"A=1\",\"make\"]}",
     "{\"command\":\"env\",\"args\":[\"A=1 make\"]}", NULL},
    {"run_command", "{\"command\":\"sudo\",\"args\":[\"-n\",\"true\"]}",
     "{\"command\":\"sudo\",\"args\":[\"-n true\"]}", NULL},
    {"run_command", "{\"command\":\"sh\",\"args\":[\"-c\",\"a\",\"b c\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"a b\",\"c\"]}", NULL},
    {"run_command", "{\"command\":\"bash\",\"args\":[\"-c\",\"true\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"true\"]}", NULL},
    {"run_command", "{\"command\":\"bash\",\"args\":[\"-c\",\"true\"]}",
     "{\"command\":\"bash\",\"args\":[\"-lc\",\"true\"]}", NULL},
    {"run_command", "{\"command\":\"bash\",\"args\":[\"-c\",\"true #\"]}",
     "{\"command\":\"bash\",\"args\":[\"-c\",\"true\"]}", NULL},
    {"run_command",
     "{\"command\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"}",
     "{\"command\":\"rm\"}", NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"test\"]}",
     "{\"command\":\"make\",\"args\":[\"TEST\"]}", NULL},
    {"run_command", "{\"command\":\"./a\"}", "{\"command\":\"a\"}", NULL},
    {"run_command", "{\"command\":\"a\"}", "{\"command\":\"./a\"}", NULL},
    {"run_command", "{\"command\":\"/bin/ls\"}", "{\"command\":\"/bin/ls2\"}", NULL},
    {"run_command", "{\"command\":\"ls\",\"args\":[\"-l\",\"a\"]}",
     "{\"command\":\"ls\",\"args\":[\"-l a\"]}", NULL},
    {"run_command", "{\"command\":\"ls\",\"args\":[\"~\"]}",
     "{\"command\":\"ls\",\"args\":[\"~root\"]}", NULL},
    {"run_command", "{\"command\":\"ls\",\"args\":[\" \"]}", "{\"command\":\"ls\"}", NULL},
    {"run_command", "{\"command\":\"ls\",\"args\":[\" a\"]}",
     "{\"command\":\"ls\",\"args\":[\"a\"]}", NULL},
    {"run_command", "{\"command\":\"ls\",\"args\":[\"a \"]}",
     "{\"command\":\"ls\",\"args\":[\"a\"]}", NULL},
    {"run_command", "{\"command\":\"a\",\"args\":[\"" LONG_X "\"]}",
     "{\"command\":\"a\",\"args\":[\"" LONG_X "x\"]}", NULL},
    {"run_command", "{\"command\":\"sh\",\"args\":[\"-c\",\"" LONG_X "\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"" LONG_Y "\"]}", NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"test\"]}",
     "{\"command\":\"make\",\"args\":[\"test\"]}", "run_job"},
    {"run_job", "{\"command\":\"make\",\"args\":[\"test\"]}",
     "{\"command\":\"make\",\"args\":[\"test\"]}", "run_command"},
    {"run_job", "{\"command\":\"sh\",\"args\":[\"-c\",\"sleep\",\"1; rm x\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"sleep 1; rm x\"]}", NULL},
    {"run_job", "{\"command\":\"npm\",\"args\":[\"run\",\"dev\"]}",
     "{\"command\":\"npm\",\"args\":[\"run\",\"dev\",\"--\",\"x\"]}", NULL},
    {"run_job", "{\"command\":\"npm\",\"args\":[\"run dev\"]}",
     "{\"command\":\"npm\",\"args\":[\"run\",\"dev\"]}", NULL},
    {"run_command", "{\"command\":\"make\"}", "make", "Bash"},
    {"Bash", "make", "make test", NULL},
    {"Bash", "make test", "make", NULL},
    {"Bash", "npm test", "npm test $(rm x)", NULL},
    {"Bash", "npm test", "npm test `rm x`", NULL},
    {"Bash", "npm test", "npm test; rm x", NULL},
    {"Bash", "npm test", "npm test && rm x", NULL},
    {"Bash", "npm test", "npm test || rm x", NULL},
    {"Bash", "npm test", "npm test | sh", NULL},
    {"Bash", "npm test", "npm test & rm x", NULL},
    {"Bash", "npm test", "npm test\nrm x", NULL},
    {"Bash", "npm test", "npm test > x", NULL},
    {"Bash", "npm test", "npm test >x 2>&1", NULL},
    {"Bash", "npm test", "npm test < x", NULL},
    {"Bash", "npm test", "(npm test)", NULL},
    {"Bash", "npm test", "{ npm test; }", NULL},
    {"Bash", "npm test", "A=b npm test", NULL},
    {"Bash", "npm test", "PATH=. npm test", NULL},
    {"Bash", "npm test", "! npm test", NULL},
    {"Bash", "npm test", "time npm test", NULL},
    {"Bash", "npm test", "npm test &", NULL},
    {"Bash", "npm test", "npm test # x", NULL},
    {"Bash", "npm test", "npm test *", NULL},
    {"Bash", "npm test", "npm test ~", NULL},
    {"Bash", "npm test", "npm test {a,b}", NULL},
    {"Bash", "npm test", "npm test \"$x\"", NULL},
    {"Bash", "npm test", "npm \"test x\"", NULL},
    {"Bash", "npm test", "\"npm test\"", NULL},
    {"Bash", "npm test", "rm x; npm test", NULL},
    {"Bash", "npm test", "if npm test; then rm x; fi", NULL},
    {"Bash", "npm test", "npm test <(rm x)", NULL},
    {"Bash", "npm test", "npm test \\\nrm", NULL},
    {"Bash", "npm test", "npm test |& sh", NULL},
    {"Bash", "npm test", "npm test;; rm", NULL},
    {"Bash", "npm test && npm run lint", "npm test", NULL},
    {"Bash", "npm test && npm run lint", "npm run lint", NULL},
    {"Bash", "npm test && npm run lint", "npm run lint && npm test", NULL},
    {"Bash", "npm test && npm run lint", "npm test; npm run lint", NULL},
    {"Bash", "npm test && npm run lint", "npm test && npm run lint && rm x", NULL},
    {"Bash", "cd /tmp/x && rm -rf build", "rm -rf build", NULL},
    {"Bash", "cd /tmp/x && rm -rf build", "cd /tmp/x; rm -rf build", NULL},
    {"Bash", "curl https://a | head", "curl https://a", NULL},
    {"Bash", "curl https://a | head", "curl https://a | sh", NULL},
    {"Bash", "echo rm x | cat", "echo rm x | sh", NULL},
    {"Bash", "ls *.c", "ls a.c", NULL},
    {"Bash", "ls *.c", "ls '*.c'", NULL},
    {"Bash", "ls *.c", "ls *.h", NULL},
    {"Bash", "ls *", "ls x y", NULL},
    {"Bash", "ls *", "ls \\*", NULL},
    {"Bash", "ls '*'", "ls *", NULL},
    {"Bash", "ls '*'", "ls a", NULL},
    {"Bash", "echo '$x'", "echo $x", NULL},
    {"Bash", "echo '$(rm x)'", "echo $(rm x)", NULL},
    {"Bash", "echo '$(rm x)'", "echo \"$(rm x)\"", NULL},
    {"Bash", "echo $(date)", "echo $(rm x)", NULL},
    {"Bash", "echo $(date)", "echo x", NULL},
    {"Bash", "'npm test $(rm x)'", "npm test $(rm x)", NULL},
    {"Bash", "npm test $(rm x)", "'npm test $(rm x)'", NULL},
    {"Bash", "'ls *'", "ls *", NULL},
    {"Bash", "'a && b'", "a && b", NULL},
    {"Bash", "a && b", "'a && b'", NULL},
    {"Bash", "echo \"a b\"", "echo a b", NULL},
    {"Bash", "echo a b", "echo \"a b\"", NULL},
    {"Bash", "sh -c 'echo a'", "sh -c echo a", NULL},
    {"Bash", "sh -c echo 'x; touch PWN'", "sh -c 'echo x; touch PWN'", NULL},
    {"Bash", "rm a\\ b", "rm a b", NULL},
    {"Bash", "rm a b", "rm a\\ b", NULL},
    {"Bash", "cat <<E\nx\nE", "cat <<E\ny\nE", NULL},
    {"Bash", "make > log", "make > log2", NULL},
    {"Bash", "make > log", "make", NULL},
    {"Bash", "make", "{\"command\":\"make\",\"dangerouslyDisableSandbox\":true}", NULL},
    {"Bash", "make", "{\"command\":\"make\",\"cwd\":\"/\"}", NULL},
    {"Bash", "make", "{\"command\":\"make\",\"env\":{\"A\":\"b\"}}", NULL},
    {"Bash", "make", "{\"command\":[\"make\"]}", NULL},
    {"Bash", "make", "{\"cmd\":\"make\"}", NULL},
    {"Bash", "{\"command\":\"make\",\"dangerouslyDisableSandbox\":true}", "make", NULL},
    {"Bash", "{\"command\":\"make\",\"dangerouslyDisableSandbox\":true}",
     "{\"command\":\"rm x\",\"dangerouslyDisableSandbox\":true}", NULL},
    {"Bash", "{\"command\":[\"make\"]}", "make", NULL},
    {"Bash", "{\"command\":[\"make\"]}", "{\"command\":[\"rm\",\"x\"]}", NULL},
    {"Bash", "{\"cmd\":\"make\"}", "{\"cmd\":\"rm x\"}", NULL},
    {"Bash", "{\"cmd\":\"make\"}", "rm x", NULL},
    {"Bash", "{\"command\":null}", "rm x", NULL},
    {"Bash", "{\"command\":null}", "{\"command\":[\"rm\"]}", NULL},
    {"Bash", "{\"command\":\"\"}", "rm x", NULL},
    {"Bash", "{\"command\":1}", "{\"command\":2}", NULL},
    {"Bash", "{\"command\":{\"a\":1}}", "{\"command\":{\"a\":2}}", NULL},
    {"Bash", LONG_X, LONG_Y, NULL},
    {"Bash", "make", "make", "mcp__x__Bash"},
    {"Skill", "{\"skill\":\"a\"}", "{\"skill\":\"b\"}", NULL},
    {"Skill", "{\"skill\":\"a\"}", "{\"skill\":\"a\",\"args\":\"x\"}", NULL},
    {"Skill", "{\"skill\":\"a\",\"args\":\"x\"}", "{\"skill\":\"a\"}", NULL},
    {"Skill", "{\"command\":\"a\"}", "{\"command\":\"a\",\"args\":\"rm\"}", NULL},
    {"mcp__x__y", "{\"a\":\"*\"}", "{\"a\":\"b\"}", NULL},
    {"mcp__x__y", "{\"a\":\"*\"}", "{\"a\":\"*\",\"b\":1}", NULL},
    {"mcp__x__y", "{\"a\":\"*\"}", "{}", NULL},
    {"mcp__x__y", "{}", "{\"a\":1}", NULL},
    {"mcp__x__y", "{\"a\":\"b\"}", "{\"a\":\"b\"}", "mcp__x__z"},
    {"mcp__x__y", "{\"path\":\"a\"}", "{\"path\":\"b\"}", NULL},
    {"mcp__x__y", "{\"path\":\"a\"}", "{\"path\":\"a\",\"to\":\"/etc/x\"}", NULL},
    {"mcp__x__y", "{\"command\":\"make\"}", "{\"command\":\"make\",\"cwd\":\"/\"}", NULL},
    {"mcp__x__y", "{\"command\":\"make\"}", "{\"command\":\"make x\"}", NULL},
    {"mcp__x__y", "{\"url\":\"http://a\"}", "{\"url\":\"http://a\",\"body\":\"x\"}", NULL},
    {"mcp__*", "{\"a\":1}", "{\"a\":1}", "mcp__x__y"},
    {"Task", "{\"prompt\":\"a\",\"subagent_type\":\"b\"}",
     "{\"prompt\":\"c\",\"subagent_type\":\"b\"}", NULL},
    {"WebSearch", "{\"query\":\"a\"}", "{\"query\":\"b\"}", NULL},
    {"ExitPlanMode", "{\"plan\":\"a\"}", "{\"plan\":\"b\"}", NULL},
    {"Read", "{\"file_path\":\"/p/a\"}", "{\"file_path\":\"/p/b\"}", NULL},
    {"Read", "{\"file_path\":\"/p/a\"}", "{\"file_path\":\"/p/a/b\"}", NULL},
    {"Read", "{\"file_path\":\"a\"}", "{\"file_path\":\"b/a\"}", NULL},
    {"Read", "{\"file_path\":\"a\"}", "{\"file_path\":\"/etc/a\"}", NULL},
    {"Read", "{\"file_path\":\"./a\"}", "{\"file_path\":\"b/a\"}", NULL},
    {"Read", "{\"file_path\":\"*\"}", "{\"file_path\":\"a\"}", NULL},
    {"Read", "{\"file_path\":\"/p/../a\"}", "{\"file_path\":\"/p/../b\"}", NULL},
    {"Read", "{\"file_path\":\"/p/a\"}", "{\"file_path\":\"/p/a\",\"other\":1}", NULL},
    {"Read", "{\"file_path\":\"/p/a\"}", "{\"file_path\":\"/p/a\",\"content\":\"x\"}", "Write"},
    {"Write", "{\"file_path\":\"/p/a\",\"content\":\"x\"}",
     "{\"file_path\":\"/p/b\",\"content\":\"x\"}", NULL},
    {"Write", "{\"file_path\":\"/p/[a]\",\"content\":\"x\"}",
     "{\"file_path\":\"/p/a\",\"content\":\"x\"}", NULL},
    {"Write", "{\"file_path\":\"/p/**\",\"content\":\"x\"}",
     "{\"file_path\":\"/p/x/y\",\"content\":\"x\"}", NULL},
    {"Write", "{\"file_path\":\"/p/a\",\"content\":\"x\"}",
     "{\"file_path\":\"/p/a\",\"content\":\"x\",\"mode\":\"0777\"}", NULL},
    {"Edit", "{\"file_path\":\"/p/a\",\"old_string\":\"x\",\"new_string\":\"y\"}",
     "{\"file_path\":\"/p/b\",\"old_string\":\"x\",\"new_string\":\"y\"}", NULL},
    {"MultiEdit", "{\"file_path\":\"/p/a\",\"edits\":[]}", "{\"file_path\":\"/p/ab\",\"edits\":[]}",
     NULL},
    {"NotebookEdit", "{\"notebook_path\":\"/p/a\",\"new_source\":\"x\"}",
     "{\"notebook_path\":\"/p/b\",\"new_source\":\"x\"}", NULL},
    {"LS", "{\"path\":\"/p\"}", "{\"path\":\"/\"}", NULL},
    {"WebFetch", "{\"url\":\"http://a/?b\",\"prompt\":\"x\"}",
     "{\"url\":\"http://a/cb\",\"prompt\":\"x\"}", NULL},
    {"WebFetch", "{\"url\":\"http://a/*\",\"prompt\":\"x\"}",
     "{\"url\":\"http://a/b\",\"prompt\":\"x\"}", NULL},
    {"WebFetch", "{\"url\":\"http://a\",\"prompt\":\"x\"}",
     "{\"url\":\"http://a.evil\",\"prompt\":\"x\"}", NULL},
    {"WebFetch", "{\"url\":\"http://a\",\"prompt\":\"x\"}",
     "{\"url\":\"http://a\",\"method\":\"POST\"}", NULL},
    {"delete_file", "{\"path\":\"a\"}", "{\"path\":\"b\"}", NULL},
    {"delete_file", "{\"path\":\"a\"}", "{\"path\":\"sub/a\"}", NULL},
    {"delete_file", "{\"path\":\"[a]\"}", "{\"path\":\"a\"}", NULL},
    {"delete_file", "{\"path\":\"*\"}", "{\"path\":\"a\"}", NULL},
    {"delete_file", "{\"path\":\"sub/*\"}", "{\"path\":\"sub/a\"}", NULL},
    {"delete_file", "{\"path\":\"a\"}", "{\"path\":\"a\"}", "read_file"},
    {"read_file", "{\"path\":\"a\"}", "{\"path\":\"sub/a\"}", NULL},
    {"read_file", "{\"path\":\"a\"}", "{\"path\":\"b\"}", NULL},
    {"list_files", "{\"path\":\"sub\"}", "{}", NULL},
    {"list_files", "{\"path\":\"sub\"}", "{\"path\":\"sub2\"}", NULL},
    {"search_files", "{\"pattern\":\"x\",\"path\":\"sub\"}", "{\"pattern\":\"x\"}", NULL},
    {"write_file", "{\"path\":\".git/hooks/a\",\"content\":\"x\"}",
     "{\"path\":\".git/hooks/b\",\"content\":\"x\"}", NULL},
    {"write_file", "{\"path\":\".git/a\",\"content\":\"x\"}",
     "{\"path\":\"sub/.git/a\",\"content\":\"x\"}", NULL},
    {"edit_file", "{\"path\":\".git/a\",\"old_text\":\"x\",\"new_text\":\"y\"}",
     "{\"path\":\".git/b\",\"old_text\":\"x\",\"new_text\":\"y\"}", NULL},
    {"web_fetch", "{\"url\":\"https://a/?x\"}", "{\"url\":\"https://a/yx\"}", NULL},
    {"web_fetch", "{\"url\":\"https://a/*\"}", "{\"url\":\"https://a/b\"}", NULL},
    {"web_fetch", "{\"url\":\"https://a\"}", "{\"url\":\"https://a.evil\"}", NULL},
    {"web_fetch", "{\"url\":\"https://a/" LONG_X "\"}", "{\"url\":\"https://a/" LONG_Y "\"}", NULL},
    {"web_search", "{\"query\":\"a\"}", "{\"query\":\"a b\"}", NULL},
    {"web_search", "{\"query\":\"*\"}", "{\"query\":\"a\"}", NULL},
    {"load_skill", "{\"name\":\"a\"}", "{\"name\":\"b\"}", NULL},
    {"read_session", "{\"session\":\"ses_a\"}", "{\"session\":\"ses_b\"}", NULL},
    {"recall", "{\"query\":\"a\"}", "{\"query\":\"b\"}", NULL},
    {"remember", "{\"action\":\"create\",\"topic\":\"a\",\"title\":\"b\",\"content\":\"c\"}",
     "{\"action\":\"create\",\"topic\":\"a\",\"title\":\"b\",\"content\":\"d\"}", NULL},
    {"remember", "{\"action\":\"create\",\"topic\":\"a\",\"title\":\"b\",\"content\":\"c\"}",
     "{\"action\":\"forget\",\"id\":\"mem_1\"}", NULL},
    {"run_workflow", "{\"name\":\"a\"}", "{\"name\":\"b\"}", NULL},
    {"run_workflow", "{\"scriptPath\":\"w/a.js\"}", "{\"scriptPath\":\"w/b.js\"}", NULL},
    {"run_workflow", "{\"script\":\"a\"}", "{\"script\":\"b\"}", NULL},
    {"run_workflow", "{\"script\":\"a\"}", "{\"name\":\"b\"}", NULL},
    {"run_workflow", "{\"name\":\"a\"}", "{\"name\":\"a\",\"script\":\"b\"}", NULL},
    {"run_workflow", "{\"resumeFromRunId\":\"run_a\"}", "{\"resumeFromRunId\":\"run_b\"}", NULL},
    {"spawn_subagent", "{\"agent\":\"codex\",\"input\":\"a\"}",
     "{\"agent\":\"claude\",\"input\":\"a\"}", NULL},
    {"spawn_subagent", "{\"agent\":\"codex\",\"input\":\"a\"}", "{\"input\":\"a\"}", NULL},
    {"spawn_subagent", "{\"input\":\"a\"}", "{\"input\":\"b\"}", NULL},
    {"spawn_subagent", "{\"input\":\"a\"}", "{\"agent\":\"codex\",\"input\":\"a\"}", NULL},
    {"subagent_cancel", "{\"id\":\"a\"}", "{\"id\":\"b\"}", NULL},
    {"subagent_result", "{\"id\":\"a\"}", "{\"id\":\"b\"}", NULL},
    {"subagent_status", "{\"id\":\"a\"}", "{\"id\":\"b\"}", NULL},
    {"task_add", "{\"title\":\"a\"}", "{\"title\":\"b\"}", NULL},
    {"task_comment", "{\"body\":\"a\"}", "{\"body\":\"b\"}", NULL},
    {"task_output", "{\"type\":\"data\",\"title\":\"a\",\"content\":\"b\"}",
     "{\"type\":\"data\",\"title\":\"a\",\"content\":\"c\"}", NULL},
    {"task_status", "{\"status\":\"working\"}", "{\"status\":\"review\"}", NULL},
    {"task_show", "{}", "{\"command\":\"x\"}", "run_command"},
};

/* A yes to the first lets the second through. */
static const struct pair passing[] = {
    {"run_command", "{\"command\":\"make\"}", "{\"command\":\"make\",\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"test\"]}",
     "{\"command\":\"make\",\"args\":[\"test\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"a b\"]}",
     "{\"command\":\"make\",\"args\":[\"a b\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"sh\",\"args\":[\"-c\",\"echo x; touch y\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"echo x; touch y\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"sh\",\"args\":[\"-c\",\"echo\",\"x; touch y\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"echo\",\"x; touch y\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"rm\",\"args\":[\"*.o\"]}",
     "{\"command\":\"rm\",\"args\":[\"*.o\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"it's\"]}",
     "{\"command\":\"echo\",\"args\":[\"it's\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"\\\"a\\\"\"]}",
     "{\"command\":\"echo\",\"args\":[\"\\\"a\\\"\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"\\\\\"]}",
     "{\"command\":\"echo\",\"args\":[\"\\\\\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"\"]}",
     "{\"command\":\"echo\",\"args\":[\"\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"a\\nb\"]}",
     "{\"command\":\"echo\",\"args\":[\"a\\nb\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"$x\"]}",
     "{\"command\":\"echo\",\"args\":[\"$x\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"FOO=1\",\"args\":[\"x\"]}",
     "{\"command\":\"FOO=1\",\"args\":[\"x\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"make test\"}", "{\"command\":\"make test\",\"timeout_ms\":5}",
     NULL},
    {"run_command", "{\"command\":\"git\",\"args\":[\"commit\",\"-m\",\"a -n\"]}",
     "{\"command\":\"git\",\"args\":[\"commit\",\"-m\",\"a -n\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"a\",\"args\":[\"" LONG_X "\"]}",
     "{\"command\":\"a\",\"args\":[\"" LONG_X "\"]}", NULL},
    {"run_command",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"''''''''''''''''''''''''''''''''''''''''''''''''''''''"
     "''''''''''''''''''''''''''''''''''''''''''''''\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"''''''''''''''''''''''''''''''''''''''''''''''''''''''"
     "''''''''''''''''''''''''''''''''''''''''''''''\"],\"timeout_ms\":5}",
     NULL},
    {"run_command", "{\"command\":\"ls\",\"args\":[\"[a]\",\"?\"]}",
     "{\"command\":\"ls\",\"args\":[\"[a]\",\"?\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"ü\"]}",
     "{\"command\":\"echo\",\"args\":[\"ü\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"echo\",\"args\":[\"#\"]}",
     "{\"command\":\"echo\",\"args\":[\"#\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"a\",\"args\":[\"b\",\"\",\"c\"]}",
     "{\"command\":\"a\",\"args\":[\"b\",\"\",\"c\"],\"timeout_ms\":5}", NULL},
    {"run_command", "{\"command\":\"python3\",\"args\":[\"-c\",\"print(\\\"x\\\")\\nprint(1)\"]}",
     "{\"command\":\"python3\",\"args\":[\"-c\",\"print(\\\"x\\\")\\nprint(1)\"],\"timeout_ms\":5}",
     NULL},
    {"run_command", "{\"command\":\"make\",\"args\":[\"test\"]}",
     "{\"command\":\"make\",\"args\":[\"test\"],\"description\":\"again\"}", NULL},
    {"run_command", "{\"command\":\"make\",\"description\":\"a\"}",
     "{\"command\":\"make\",\"description\":\"b\",\"timeout_ms\":7}", NULL},
    {"run_command", "{\"command\":\"make\"}", "{\"args\":[],\"command\":\"make\"}", NULL},
    {"run_command", "{\"args\":[\"a\"],\"command\":\"make\"}",
     "{\"command\":\"make\",\"args\":[\"a\"]}", NULL},
    {"run_job", "{\"command\":\"npm\",\"args\":[\"run\",\"dev\"]}",
     "{\"command\":\"npm\",\"args\":[\"run\",\"dev\"],\"timeout_ms\":1000}", NULL},
    {"run_job", "{\"command\":\"sh\",\"args\":[\"-c\",\"a; b\"]}",
     "{\"command\":\"sh\",\"args\":[\"-c\",\"a; b\"]}", NULL},
    {"Bash", "make", "make", NULL},
    {"Bash", "make", " make ", NULL},
    {"Bash", "make test", "make  test", NULL},
    {"Bash", "make\ttest", "make test", NULL},
    {"Bash", "make test", "\"make\" test", NULL},
    {"Bash", "echo 'a b'", "echo \"a b\"", NULL},
    {"Bash", "echo \"a b\"", "echo a\\ b", NULL},
    {"Bash", "echo a\\ b", "echo 'a b'", NULL},
    {"Bash", "echo 'a'", "echo a", NULL},
    {"Bash", "git commit -m \"x y\"", "git commit -m \"x y\"", NULL},
    {"Bash", "git commit -m 'x y'", "git commit -m \"x y\"", NULL},
    {"Bash", "npm test && npm run lint", "npm test && npm run lint", NULL},
    {"Bash", "a | b", "a | b", NULL},
    {"Bash", "npm test $(rm x)", "npm test $(rm x)", NULL},
    {"Bash", "ls *.c", "ls *.c", NULL},
    {"Bash", "ls *", "ls *", NULL},
    {"Bash", "ls '*'", "ls \"*\"", NULL},
    {"Bash", "ls '*'", "ls \\*", NULL},
    {"Bash", "make > log", "make > log", NULL},
    {"Bash", "cat <<E\nx\nE", "cat <<E\nx\nE", NULL},
    {"Bash", "A=b make", "A=b make", NULL},
    {"Bash", "'npm test $(rm x)'", "'npm test $(rm x)'", NULL},
    {"Bash", "echo 'it'\\''s'", "echo \"it's\"", NULL},
    {"Bash", "echo \"a;b\"", "echo 'a;b'", NULL},
    {"Bash", "date +%s", "date \"+%s\"", NULL},
    {"Bash", "git diff HEAD~1", "git diff 'HEAD~1'", NULL},
    {"Bash", "(a)", "(a)", NULL},
    {"Bash", LONG_X, LONG_X, NULL},
    {"Bash", "echo '$x'", "echo \\$x", NULL},
    {"Bash", "make; make", "make; make", NULL},
    {"Bash", "make", "\"make\"", NULL},
    {"Bash", "make -j2", "make \"-j2\"", NULL},
    {"Bash", "make", "make; make", NULL},
    {"Bash", "make", "make && make || make | make", NULL},
    {"Bash", "make test", "make test && \"make\" test", NULL},
    {"Bash", "make", "{\"command\":\"make\",\"description\":\"x\"}", NULL},
    {"Bash", "make", "{\"command\":\"make\",\"timeout\":5,\"run_in_background\":true}", NULL},
    {"Bash", "{\"command\":\"make\",\"description\":\"x\"}", "make", NULL},
    {"Bash", "{\"command\":\"make\",\"dangerouslyDisableSandbox\":true}",
     "{\"command\":\"make\",\"dangerouslyDisableSandbox\":true}", NULL},
    {"Bash", "{\"command\":[\"make\"]}", "{\"command\":[\"make\"]}", NULL},
    {"Bash", "{\"cmd\":\"make\"}", "{\"cmd\":\"make\"}", NULL},
    {"Bash", "{\"command\":null}", "{\"command\":null}", NULL},
    {"Skill", "{\"skill\":\"a\"}", "{\"skill\":\"a\"}", NULL},
    {"mcp__x__y", "{\"a\":\"*\"}", "{\"a\":\"*\"}", NULL},
    {"mcp__x__y", "{}", "{}", NULL},
    {"mcp__x__y", "{\"path\":\"a\"}", "{\"path\":\"a\"}", NULL},
    {"mcp__*", "{\"a\":1}", "{\"a\":1}", NULL},
    {"Task", "{\"prompt\":\"a\"}", "{\"prompt\":\"a\"}", NULL},
    {"WebSearch", "{\"query\":\"a\"}", "{\"query\":\"a\"}", NULL},
    {"Read", "{\"file_path\":\"/p/../a\"}", "{\"file_path\":\"/p/../a\"}", NULL},
    {"Read", "{\"file_path\":\"/p/a\"}", "{\"file_path\":\"/p/a\",\"offset\":5,\"limit\":7}", NULL},
    {"Read", "{\"file_path\":\"a\"}", "{\"file_path\":\"a\"}", NULL},
    {"Read", "{\"file_path\":\"./a\"}", "{\"file_path\":\"./a\",\"limit\":1}", NULL},
    {"Write", "{\"file_path\":\"/p/a\",\"content\":\"x\"}",
     "{\"file_path\":\"/p/a\",\"content\":\"y\"}", NULL},
    {"Write", "{\"file_path\":\"/p/[a]\",\"content\":\"x\"}",
     "{\"file_path\":\"/p/[a]\",\"content\":\"y\"}", NULL},
    {"Edit", "{\"file_path\":\"/p/a\",\"old_string\":\"x\",\"new_string\":\"y\"}",
     "{\"file_path\":\"/p/a\",\"old_string\":\"y\",\"new_string\":\"z\",\"replace_all\":true}",
     NULL},
    {"MultiEdit", "{\"file_path\":\"/p/a\",\"edits\":[]}", "{\"file_path\":\"/p/a\",\"edits\":[1]}",
     NULL},
    {"NotebookEdit", "{\"notebook_path\":\"/p/a\",\"new_source\":\"x\"}",
     "{\"notebook_path\":\"/p/a\",\"new_source\":\"y\",\"cell_id\":\"1\"}", NULL},
    {"LS", "{\"path\":\"/p\"}", "{\"path\":\"/p\",\"ignore\":[]}", NULL},
    {"WebFetch", "{\"url\":\"http://a/?b\",\"prompt\":\"x\"}",
     "{\"url\":\"http://a/?b\",\"prompt\":\"y\"}", NULL},
    {"delete_file", "{\"path\":\"a\"}", "{\"path\":\"a\"}", NULL},
    {"delete_file", "{\"path\":\"a\"}", "{\"path\":\"./a\"}", NULL},
    {"delete_file", "{\"path\":\"[a]\"}", "{\"path\":\"[a]\"}", NULL},
    {"delete_file", "{\"path\":\"sub/a\"}", "{\"path\":\"sub/a\"}", NULL},
    {"read_file", "{\"path\":\"a\"}", "{\"path\":\"a\",\"line\":5}", NULL},
    {"list_files", "{\"path\":\"sub\"}", "{\"path\":\"sub\",\"limit\":5}", NULL},
    {"search_files", "{\"pattern\":\"x\",\"path\":\"sub\"}", "{\"pattern\":\"y\",\"path\":\"sub\"}",
     NULL},
    {"write_file", "{\"path\":\".git/a\",\"content\":\"x\"}",
     "{\"path\":\".git/a\",\"content\":\"y\"}", NULL},
    {"edit_file", "{\"path\":\".git/a\",\"old_text\":\"x\",\"new_text\":\"y\"}",
     "{\"path\":\".git/a\",\"old_text\":\"z\",\"new_text\":\"y\"}", NULL},
    {"web_fetch", "{\"url\":\"https://a/?x\"}", "{\"url\":\"https://a/?x\",\"offset\":5}", NULL},
    {"web_search", "{\"query\":\"a\"}", "{\"query\":\"a\",\"limit\":3}", NULL},
    {"load_skill", "{\"name\":\"a\"}", "{\"name\":\"a\"}", NULL},
    {"read_session", "{\"session\":\"ses_a\"}", "{\"session\":\"ses_a\",\"last\":3}", NULL},
    {"recall", "{\"query\":\"a\"}", "{ \"query\": \"a\" }", NULL},
    {"remember", "{\"action\":\"forget\",\"id\":\"mem_1\"}",
     "{\"id\":\"mem_1\",\"action\":\"forget\"}", NULL},
    {"run_workflow", "{\"name\":\"a\"}", "{\"name\":\"a\",\"args\":1}", NULL},
    {"run_workflow", "{\"scriptPath\":\"w/a.js\"}", "{\"scriptPath\":\"w/a.js\",\"name\":\"b\"}",
     NULL},
    {"run_workflow", "{\"script\":\"a\"}", "{\"script\":\"a\"}", NULL},
    {"spawn_subagent", "{\"agent\":\"codex\",\"input\":\"a\"}",
     "{\"agent\":\"codex\",\"input\":\"b\"}", NULL},
    {"spawn_subagent", "{\"input\":\"a\"}", "{\"input\":\"a\"}", NULL},
    {"subagent_result", "{\"id\":\"a\"}", "{\"id\":\"a\"}", NULL},
    {"task_comment", "{\"body\":\"a\"}", "{\"body\":\"a\"}", NULL},
    {"task_status", "{\"status\":\"working\"}", "{\"status\":\"working\"}", NULL},
    {"task_show", "{}", "{}", NULL},
};

/* Files that the calls are about: what cannot be looked at is refused, and nobody is asked. */
static int pairs_begin(void **state) {
    static const char *const folders[] = {"sub", "sub2", ".git", ".git/hooks", "sub/.git"};
    static const char *const files[] = {"a", "b", "[a]", "*", "sub/a", "sub/*", ".git/a", ".git/b"};
    char path[64];
    assert_int_equal(tools_begin(state), 0);
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        (void)snprintf(path, sizeof path, "project/%s", folders[i]);
        tools_folder(*state, path);
    }
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        (void)snprintf(path, sizeof path, "project/%s", files[i]);
        tools_file(*state, path, "x z");
    }
    return 0;
}

static void a_yes_lets_no_other_call_through(void **state) {
    static_assert(COUNT_OF(refused) >= 200, "as many as were promised");
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        pair_holds(*state, &refused[i], false);
    }
}

static void a_yes_lets_the_same_call_through(void **state) {
    static_assert(COUNT_OF(passing) >= 100, "as many as were promised");
    for (size_t i = 0; i < COUNT_OF(passing); i++) {
        pair_holds(*state, &passing[i], true);
    }
}

/* Names of members say nothing of which one matters. */
static void each_member_that_a_rule_can_name_is_judged(void **state) {
    static const char *const denied[] = {
        "{\"path\":\"/etc/x\"}",
        "{\"command\":\"cp\",\"path\":\"/etc/x\"}",
        "{\"file_path\":\"a\",\"path\":\"/etc/x\"}",
        "{\"url\":\"https://a\",\"notebook_path\":\"/etc/x\"}",
        "{\"command\":\"rm x\",\"url\":\"https://a\"}",
    };
    AUTO(json_release) json_t *settings = NULL;
    AUTO(text_done) struct text about = text_up_to(32 << 10);
    struct sha256_hex digest;
    assert_false(err_failed(
        json_parse_wrapped(BYTES("{\"permissions\":[{\"tool\":\"mcp__*\",\"permission\":\"allow\"},"
                                 "{\"subject\":\"/etc/**\",\"permission\":\"deny\"},"
                                 "{\"subject\":\"rm *\",\"permission\":\"deny\"}]}"),
                           &settings, NULL)));
    for (size_t i = 0; i < COUNT_OF(denied); i++) {
        if (call_judge(*state, "mcp__x__y", denied[i], settings, &about, &digest) !=
            PERMISSION_DENY) {
            fail_msg("%s passes", denied[i]);
        }
    }
    assert_int_equal(call_judge(*state, "mcp__x__y", "{\"command\":\"cp\",\"path\":\"/x\"}",
                                settings, &about, &digest),
                     PERMISSION_ALLOW);
}

static void every_tool_that_acts_is_in_the_table(void **state) {
    (void)state;
    for (unsigned id = 0; id < TOOL_COUNT; id++) {
        const char *name = tool_get((enum tool_id)id)->name;
        /* A question is answered, a folder granted: no rule is left. */
        bool found = id == TOOL_ASK_USER || id == TOOL_REQUEST_ACCESS;
        for (size_t i = 0; i < COUNT_OF(refused) && !found; i++) {
            found = strcmp(refused[i].tool, name) == 0;
        }
        if (!found) {
            fail_msg("%s", name);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_yes_lets_no_other_call_through, pairs_begin, tools_end),
        cmocka_unit_test_setup_teardown(a_yes_lets_the_same_call_through, pairs_begin, tools_end),
        cmocka_unit_test_setup_teardown(each_member_that_a_rule_can_name_is_judged, pairs_begin,
                                        tools_end),
        cmocka_unit_test(every_tool_that_acts_is_in_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
