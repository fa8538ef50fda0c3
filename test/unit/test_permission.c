/* Who may call what on what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "rules/approval/joined.h"

#define RULE(tools, subjects, answer)                                                              \
    {                                                                                              \
        .tool = BYTES_INIT(tools), .subject = BYTES_INIT(subjects),                                \
        .permission = PERMISSION_##answer                                                          \
    }

static struct permission_verdict ask_of(const struct permission_rule *rules, size_t count,
                                        const char *tool, const char *first, const char *second) {
    const struct bytes subjects[] = {{first, first == NULL ? 0 : strlen(first)},
                                     {second, second == NULL ? 0 : strlen(second)}};
    struct permission_question question = {.tool = {tool, strlen(tool)},
                                           .kind = SUBJECT_PATH,
                                           .subjects = subjects,
                                           .subject_count = (first != NULL ? 1U : 0U) +
                                                            (second != NULL ? 1U : 0U),
                                           .otherwise = PERMISSION_ASK};
    return permission_judge(&(struct permission_rules){.rules = rules, .count = count}, &question);
}

static void assert_verdict(struct permission_verdict verdict, enum permission permission,
                           int rule) {
    assert_int_equal(verdict.permission, permission);
    assert_int_equal(verdict.rule, rule);
}

static void without_a_rule_the_default_holds(void **state) {
    (void)state;
    assert_verdict(ask_of(NULL, 0, "write_file", "a", NULL), PERMISSION_ASK, -1);
    const struct permission_rule rules[] = {RULE("read_*", "", ALLOW), RULE("", "src/**", ALLOW)};
    assert_verdict(ask_of(rules, 2, "write_file", "a", NULL), PERMISSION_ASK, -1);
    assert_verdict(ask_of(rules, 2, "write_file", NULL, NULL), PERMISSION_ASK, -1);
}

static void the_last_rule_that_matches_decides(void **state) {
    (void)state;
    const struct permission_rule rules[] = {RULE("*_file", "", ASK), RULE("", "docs/**", ALLOW),
                                            RULE("write_file", "docs/api.md", REVIEW)};
    assert_verdict(ask_of(rules, 3, "write_file", "a", NULL), PERMISSION_ASK, 0);
    assert_verdict(ask_of(rules, 3, "write_file", "docs/a", NULL), PERMISSION_ALLOW, 1);
    assert_verdict(ask_of(rules, 3, "write_file", "docs/api.md", NULL), PERMISSION_REVIEW, 2);
    assert_verdict(ask_of(rules, 3, "edit_file", "docs/api.md", NULL), PERMISSION_ALLOW, 1);
}

static void a_deny_is_final_wherever_it_stands(void **state) {
    (void)state;
    const struct permission_rule rules[] = {RULE("", ".env", DENY), RULE("", "**", ALLOW),
                                            RULE("read_file", ".env", ALLOW)};
    assert_verdict(ask_of(rules, 3, "read_file", "a/.env", NULL), PERMISSION_DENY, 0);
    assert_verdict(ask_of(rules, 3, "read_file", "a/b", NULL), PERMISSION_ALLOW, 1);
}

static void of_several_subjects_the_strictest_counts(void **state) {
    (void)state;
    const struct permission_rule rules[] = {RULE("", "**", ALLOW), RULE("", "secret/**", ASK),
                                            RULE("", "keys/**", DENY)};
    /* A path as it was written, and where a link leads. */
    assert_verdict(ask_of(rules, 3, "read_file", "link/a", "secret/a"), PERMISSION_ASK, 1);
    assert_verdict(ask_of(rules, 3, "read_file", "secret/a", "a"), PERMISSION_ASK, 1);
    assert_verdict(ask_of(rules, 3, "read_file", "secret/a", "keys/a"), PERMISSION_DENY, 2);
    assert_verdict(ask_of(rules, 3, "read_file", "a", "b"), PERMISSION_ALLOW, 0);
}

static void a_rule_with_a_subject_needs_one(void **state) {
    (void)state;
    const struct permission_rule rules[] = {RULE("", "**", DENY)};
    assert_verdict(ask_of(rules, 1, "ask_user", NULL, NULL), PERMISSION_ASK, -1);
}

/* Rules about commands, by hand and earlier ones: verdict on one call, and whether an old rule is
 * reported. */
struct command_case {
    enum subject_kind kind;
    struct permission_rule rules[2];
    const char *subject;
    enum permission expected;
    bool old;
};
#define BASH(pattern, answer) RULE("Bash", pattern, answer)
#define ONE(pattern, answer)                                                                       \
    { BASH(pattern, answer) }

static void command_is_judged(const struct command_case *of) {
    const size_t count = of->rules[1].tool.len > 0 ? 2 : 1;
    const struct permission_rules rules = {.rules = of->rules, .count = count};
    const struct bytes subject = bytes_of(of->subject);
    const struct permission_question question = {.tool = BYTES("Bash"),
                                                 .kind = of->kind,
                                                 .subjects = &subject,
                                                 .subject_count = 1,
                                                 .otherwise = PERMISSION_ASK};
    const struct permission_verdict verdict = permission_judge(&rules, &question);
    if (verdict.permission != of->expected || (verdict.old >= 0) != of->old) {
        fail_msg("%.*s on %s", (int)of->rules[0].subject.len, of->rules[0].subject.data,
                 of->subject);
    }
}

static void commands_are_judged_by_their_words(void **state) {
    static const struct command_case cases[] = {
        {SUBJECT_SHELL, ONE("npm test *", ALLOW), "npm test", PERMISSION_ALLOW, false},
        {SUBJECT_SHELL, ONE("npm test *", ALLOW), "npm test -- a 'b c'", PERMISSION_ALLOW, false},
        {SUBJECT_SHELL, ONE("npm test *", ALLOW), "npm test $(rm x)", PERMISSION_ASK, true},
        {SUBJECT_SHELL, ONE("npm test *", ALLOW), "npm test && rm x", PERMISSION_ASK, true},
        {SUBJECT_SHELL, ONE("npm test *", ALLOW), "npm test a && npm test b", PERMISSION_ALLOW,
         false},
        {SUBJECT_SHELL, ONE("npm test *", ALLOW), "npm test > log", PERMISSION_ASK, true},
        {SUBJECT_SHELL, ONE("npm test > log", ALLOW), "npm test > log", PERMISSION_ALLOW, false},
        {SUBJECT_SHELL, ONE("npm test > log", ALLOW), "npm test > log2", PERMISSION_ASK, false},
        {SUBJECT_SHELL, ONE("'npm test > log'", ALLOW), "npm test > log", PERMISSION_ALLOW, false},
        {SUBJECT_SHELL, ONE("*", ALLOW), "npm test > log", PERMISSION_ASK, true},
        {SUBJECT_SHELL, ONE("*", ALLOW), "npm test | tee log", PERMISSION_ALLOW, false},
        {SUBJECT_SHELL, ONE("", ALLOW), "npm test > log", PERMISSION_ALLOW, false},
        {SUBJECT_SHELL, ONE("a && b", ALLOW), "a && b", PERMISSION_ALLOW, false},
        {SUBJECT_SHELL, ONE("a && b", ALLOW), "b", PERMISSION_ASK, false},
        /* Each command may pass by a rule of its own; the strictest counts. */
        {SUBJECT_SHELL,
         {BASH("a *", ALLOW), BASH("b *", ALLOW)},
         "a x; b y",
         PERMISSION_ALLOW,
         false},
        {SUBJECT_SHELL, {BASH("*", ALLOW), BASH("b *", REVIEW)}, "a | b", PERMISSION_REVIEW, false},
        {SUBJECT_SHELL, {BASH("*", ALLOW), BASH("b *", DENY)}, "a; b y", PERMISSION_DENY, false},
        {SUBJECT_SHELL, {BASH("b *", DENY), BASH("'a; b'", ALLOW)}, "a; b", PERMISSION_DENY, false},
        {SUBJECT_SHELL, {BASH("b *", ASK), BASH("'a; b'", ALLOW)}, "a; b", PERMISSION_ALLOW, false},
        /* By either reading a rule denies, and asks. */
        {SUBJECT_SHELL, ONE("rm*", DENY), "rm -rf x", PERMISSION_DENY, false},
        {SUBJECT_SHELL, ONE("*secret*", DENY), "cat < secret", PERMISSION_DENY, false},
        {SUBJECT_SHELL, ONE("rm 'a b'", DENY), "rm a\\ b", PERMISSION_DENY, false},
        {SUBJECT_SHELL,
         {BASH("*", ALLOW), BASH("git push*", ASK)},
         "git push --force",
         PERMISSION_ASK,
         false},
        {SUBJECT_SHELL,
         {BASH("*", ALLOW), BASH("git push*", ASK)},
         "a; git push --force",
         PERMISSION_ASK,
         false},
        /* An earlier rule that would have loosened an answer does not. */
        {SUBJECT_SHELL, ONE("make*", ALLOW), "make; rm x", PERMISSION_ASK, true},
        {SUBJECT_SHELL, ONE("make*", REVIEW), "make; rm x", PERMISSION_ASK, false},
        {SUBJECT_SHELL, ONE("ls \\*.c", ALLOW), "ls *.c", PERMISSION_ASK, true},
        {SUBJECT_SHELL, ONE("ls \\*.c", ALLOW), "ls '*.c'", PERMISSION_ASK, true},
        {SUBJECT_SHELL, ONE("make test", ALLOW), "make test", PERMISSION_ALLOW, false},
        {SUBJECT_WORDS, ONE("sh -c echo x; touch y", ALLOW), "sh -c 'echo x; touch y'",
         PERMISSION_ASK, true},
        {SUBJECT_WORDS, ONE("sh -c echo a", ALLOW), "sh -c 'echo a'", PERMISSION_ASK, true},
        {SUBJECT_WORDS, ONE("sh -c echo x; touch y", DENY), "sh -c 'echo x; touch y'",
         PERMISSION_DENY, false},
        {SUBJECT_WORDS, ONE("sh *", DENY), "sh -c 'echo a'", PERMISSION_DENY, false},
        {SUBJECT_WORDS, ONE("rm \\*.o", ALLOW), "rm '*.o'", PERMISSION_ALLOW, false},
        {SUBJECT_WORDS, ONE("sh -c 'echo a'", ALLOW), "sh -c 'echo a'", PERMISSION_ALLOW, false},
        {SUBJECT_WORDS, ONE("sh -c *", ALLOW), "sh -c 'a; b' c", PERMISSION_ALLOW, false},
        {SUBJECT_WORDS, ONE("make -j?", ALLOW), "make -j2", PERMISSION_ALLOW, false},
        {SUBJECT_WORDS, ONE("make && x", ALLOW), "make '&&' x", PERMISSION_ASK, true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        command_is_judged(&cases[i]);
    }
}

static void what_a_subject_does_not_say_is_allowed_by_its_digest_alone(void **state) {
    const struct bytes subject = BYTES("make");
    struct permission_question question = {.tool = BYTES("Bash"),
                                           .kind = SUBJECT_SHELL,
                                           .subjects = &subject,
                                           .subject_count = 1,
                                           .exact = true,
                                           .digest = BYTES("d16e57"),
                                           .otherwise = PERMISSION_ASK};
    struct permission_rule rule = BASH("make", ALLOW);
    const struct permission_rules rules = {.rules = &rule, .count = 1};
    (void)state;
    assert_verdict(permission_judge(&rules, &question), PERMISSION_ASK, -1);
    rule.permission = PERMISSION_DENY;
    assert_verdict(permission_judge(&rules, &question), PERMISSION_DENY, 0);
    rule = (struct permission_rule)BASH("sha256:d16e57", ALLOW);
    assert_verdict(permission_judge(&rules, &question), PERMISSION_ALLOW, 0);
    question.subject_count = 0;
    assert_verdict(permission_judge(&rules, &question), PERMISSION_ALLOW, 0);
    question.digest = BYTES("d16e58");
    assert_verdict(permission_judge(&rules, &question), PERMISSION_ASK, -1);
    question.digest = BYTES("");
    rule = (struct permission_rule)BASH("sha256:", ALLOW);
    assert_verdict(permission_judge(&rules, &question), PERMISSION_ASK, -1);
    rule = (struct permission_rule)BASH("*", ALLOW);
    assert_verdict(permission_judge(&rules, &question), PERMISSION_ASK, -1);
    rule = (struct permission_rule)BASH("", ALLOW);
    assert_verdict(permission_judge(&rules, &question), PERMISSION_ALLOW, 0);
}

static bool plain(const char *first, const char *second) {
    const struct bytes subjects[] = {{first, strlen(first)},
                                     {second, second == NULL ? 0 : strlen(second)}};
    return permission_edit_is_plain(subjects, second == NULL ? 1 : 2);
}

static void an_edit_is_plain_in_the_project_where_it_runs_nothing(void **state) {
    (void)state;
    assert_true(plain("a", NULL));
    assert_true(plain("src/a/b.c", NULL));
    assert_true(plain(".github/a", "x/.gitignore"));
    assert_false(plain("", NULL));
    assert_false(plain("/a", NULL));
    assert_false(plain("../a", NULL));
    assert_false(plain("a/../../b", NULL));
    assert_false(plain(".git", NULL));
    assert_false(plain(".git/hooks/post-commit", NULL));
    assert_false(plain("sub/.git/config", NULL));
    assert_false(plain(".drover/workflows/a.js", NULL));
    assert_false(plain(".drover/worktrees/run_1/a", NULL));
    assert_false(plain("a/.claude/settings.json", NULL));
    assert_false(plain(".boocode/workflows/a.js", NULL));
    assert_false(plain("link/a", ".git/a"));
    assert_false(plain("link/a", "/elsewhere/a"));
    assert_false(permission_edit_is_plain(NULL, 0));
}

static void rules_are_read_strictly(void **state) {
    (void)state;
    struct permission_rule rule = {.permission = PERMISSION_REVIEW};
    struct why why = {.text = ""};
    json_t *json = json_pack("{s:s,s:s}", "tool", "run_*", "permission", "deny");
    assert_int_equal(permission_rule_read(json, &rule, &why).code, ERR_NONE);
    assert_int_equal(rule.permission, PERMISSION_DENY);
    assert_int_equal(rule.tool.len, 5);
    assert_int_equal(rule.subject.len, 0);
    json_release(&json);
    json = json_pack("{s:s}", "permission", "maybe");
    assert_int_equal(permission_rule_read(json, &rule, &why).code, ERR_BAD_FIELD);
    assert_non_null(strstr(why.text, "allow, review, ask, deny"));
    assert_int_equal(rule.permission, PERMISSION_DENY);
    json_release(&json);
    json = json_pack("{s:s,s:s}", "permission", "deny", "path", "a");
    assert_int_equal(permission_rule_read(json, &rule, &why).code, ERR_UNKNOWN_FIELD);
    json_release(&json);
}

/* --- Joined ----------------------------------------------------------------------------------- */

static json_t *json_of(const char *text) {
    json_t *json = NULL;
    assert_false(err_failed(json_parse_wrapped(bytes_of(text), &json, NULL)));
    return json;
}

/* Permission of a call of run_command, and whether these two files may be edited. "": none. */
struct joined_case {
    const char *project, *agent, *session;
    enum permission expected;
    bool a_md, b_c;
};

static bool is_free(const struct permission_joined *joined, const char *path) {
    const struct bytes subject = bytes_of(path);
    return permission_edit_is_free(&joined->rules, &subject, 1);
}

static void joined_holds(const struct joined_case *of) {
    AUTO(json_release) json_t *project = of->project[0] == '\0' ? NULL : json_of(of->project);
    AUTO(json_release) json_t *agent = of->agent[0] == '\0' ? NULL : json_of(of->agent);
    AUTO(json_release) json_t *session = of->session[0] == '\0' ? NULL : json_of(of->session);
    AUTO(permission_joined_done) struct permission_joined joined;
    const struct permission_lists lists = {project, agent, session};
    permission_join(&lists, &joined);
    const struct permission_question question = {.tool = BYTES("run_command"),
                                                 .otherwise = PERMISSION_REVIEW};
    assert_int_equal(permission_judge(&joined.rules, &question).permission, of->expected);
    assert_int_equal(is_free(&joined, "a.md"), of->a_md);
    assert_int_equal(is_free(&joined, "b.c"), of->b_c);
}

static void rules_of_project_agent_and_session_hold_in_this_order(void **state) {
#define RULES(permission) "[{\"permission\":\"" permission "\"}]"
#define SETTINGS(permission) "{\"permissions\":" RULES(permission) "}"
    static const struct joined_case cases[] = {
        {"", "", "", PERMISSION_REVIEW, false, false},
        {SETTINGS("allow"), "", "", PERMISSION_ALLOW, false, false},
        {SETTINGS("allow"), "", SETTINGS("ask"), PERMISSION_ASK, false, false},
        {SETTINGS("ask"), "", SETTINGS("allow"), PERMISSION_ALLOW, false, false},
        {SETTINGS("allow"), RULES("ask"), "", PERMISSION_ASK, false, false},
        {SETTINGS("allow"), RULES("ask"), SETTINGS("allow"), PERMISSION_ALLOW, false, false},
        {SETTINGS("allow"), RULES("deny"), SETTINGS("allow"), PERMISSION_DENY, false, false},
        {SETTINGS("allow"), "", SETTINGS("deny"), PERMISSION_DENY, false, false},
        {SETTINGS("deny"), RULES("allow"), SETTINGS("allow"), PERMISSION_DENY, false, false},
        {SETTINGS("maybe"), "", SETTINGS("allow"), PERMISSION_DENY, false, false},
        {"{\"permissions\":{}}", "", SETTINGS("allow"), PERMISSION_DENY, false, false},
        {"{\"edits\":[\"*.md\"]}", "", "{\"edits\":[\"*.c\"]}", PERMISSION_REVIEW, true, true},
        {"{\"edits\":[\"*.md\"]}", "", "", PERMISSION_REVIEW, true, false},
        {"{\"edits\":\"allow\"}", "", "{}", PERMISSION_REVIEW, true, true},
        {"{\"edits\":\"allow\"}", "", "{\"edits\":\"ask\"}", PERMISSION_REVIEW, false, false},
        {"{\"edits\":\"ask\"}", "", "{\"edits\":\"allow\"}", PERMISSION_REVIEW, true, true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        joined_holds(&cases[i]);
    }
}

static void each_of_three_full_lists_has_room(void **state) {
    AUTO(text_done) struct text list = text_up_to(64 << 10), settings = text_up_to(64 << 10);
    (void)state;
    for (size_t i = 0; i < PERMISSION_RULES_MAX + 1; i++) { /* By one too many. */
        text_addf(&list, "%c{\"tool\":\"%s\",\"permission\":\"ask\"}", i == 0 ? '[' : ',',
                  i == PERMISSION_RULES_MAX - 1 ? "last" : "other");
    }
    text_add_char(&list, ']');
    text_addf(&settings, "{\"permissions\":%s}", text_bytes(&list).data);
    AUTO(json_release) json_t *agent = json_of(text_bytes(&list).data);
    AUTO(json_release) json_t *both = json_of(text_bytes(&settings).data);
    AUTO(permission_joined_done) struct permission_joined joined;
    const struct permission_lists lists = {both, agent, both};
    struct why why = {""};
    permission_join(&lists, &joined);
    assert_int_equal(joined.rules.count, PERMISSION_JUDGED_MAX);
    const struct permission_question question = {.tool = BYTES("last")};
    assert_int_equal(permission_judge(&joined.rules, &question).rule, PERMISSION_JUDGED_MAX - 1);
    assert_int_equal(permission_settings_check(both, &why).code, ERR_BAD_FIELD);
    assert_string_equal(why.text, "\"permissions\" must be a list of at most 256 rules");
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_rule_the_default_holds),
        cmocka_unit_test(the_last_rule_that_matches_decides),
        cmocka_unit_test(a_deny_is_final_wherever_it_stands),
        cmocka_unit_test(of_several_subjects_the_strictest_counts),
        cmocka_unit_test(a_rule_with_a_subject_needs_one),
        cmocka_unit_test(commands_are_judged_by_their_words),
        cmocka_unit_test(what_a_subject_does_not_say_is_allowed_by_its_digest_alone),
        cmocka_unit_test(an_edit_is_plain_in_the_project_where_it_runs_nothing),
        cmocka_unit_test(rules_are_read_strictly),
        cmocka_unit_test(rules_of_project_agent_and_session_hold_in_this_order),
        cmocka_unit_test(each_of_three_full_lists_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
