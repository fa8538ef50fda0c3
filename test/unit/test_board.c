/* The edges of a task, who may take them, and what the end of an attempt means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "rules/board/board.h"
#include "rules/board/must.h"
#include "rules/board/settings.h"
#include "rules/board/task.h"

/* --- Edges ------------------------------------------------------------------------------------ */

/* As the contract tells it, word by word; everything else is refused. */
static const char *const contract[] = {
    "pending claimed daemon agent person",
    "claimed working holder",
    "working review holder",
    "working failed holder daemon",
    "claimed failed daemon",
    "working blocked holder daemon person",
    "claimed blocked daemon",
    "claimed pending daemon",
    "working pending daemon",
    "pending cancelled person",
    "claimed cancelled person",
    "working cancelled person",
    "review cancelled person",
    "blocked cancelled person",
    "review done reviewer person verdict",
    "review pending reviewer person verdict",
    "failed pending person",
    "cancelled pending person",
    "blocked pending person",
    "done pending person",
};

static const struct {
    enum board_actor actor;
    const char *name;
} actors[] = {{BOARD_DAEMON, "daemon"},
              {BOARD_AGENT, "agent"},
              {BOARD_HOLDER, "holder"},
              {BOARD_REVIEWER, "reviewer"},
              {BOARD_PERSON, "person"}};

static bool contract_has(enum task_status from, enum task_status to, const char *actor,
                         bool verdict) {
    char edge[64], who[24];
    (void)snprintf(edge, sizeof edge, "%s %s ", task_status_names[from], task_status_names[to]);
    (void)snprintf(who, sizeof who, " %s", actor);
    for (size_t i = 0; i < COUNT_OF(contract); i++) {
        const char *at = strstr(contract[i], who);
        if (strncmp(contract[i], edge, strlen(edge)) == 0 && at != NULL &&
            (at[strlen(who)] == ' ' || at[strlen(who)] == '\0') &&
            (strstr(contract[i], " verdict") != NULL) == verdict) {
            return true;
        }
    }
    return false;
}

static void random_edges_by_random_actors_pass_as_the_contract_says(void **state) {
    (void)state;
    uint32_t random = 1;
    unsigned passed = 0;
    for (unsigned i = 0; i < 100000; i++) {
        random = random * 1664525U + 1013904223U;
        const enum task_status from = (enum task_status)((random >> 8) % TASK_STATUS_COUNT);
        const enum task_status to = (enum task_status)((random >> 16) % TASK_STATUS_COUNT);
        const size_t at = (random >> 24) % COUNT_OF(actors);
        const struct board_move move = {from, to, actors[at].actor, (random & 128) != 0};
        enum board_words words;
        struct why why = {""};
        const struct err err = board_move_check(&move, &words, &why);
        assert_int_equal(!err_failed(err), contract_has(from, to, actors[at].name, move.verdict));
        assert_int_equal(err_failed(err) ? err.code : ERR_TASK_EDGE, ERR_TASK_EDGE);
        passed += err_failed(err) ? 0 : 1;
    }
    assert_true(passed > 1000);
}

static void a_refusal_names_states_actor_and_what_is_allowed(void **state) {
    (void)state;
    const struct board_move move = {TASK_PENDING, TASK_DONE, BOARD_PERSON, false};
    enum board_words words;
    struct why why = {""};
    assert_int_equal(board_move_check(&move, &words, &why).code, ERR_TASK_EDGE);
    assert_string_equal(why.text,
                        "a task that is pending is not made done by a person; from there: "
                        "claimed, cancelled");
}

static void assert_may(const struct task *task, const char *wanted) {
    AUTO(text_done) struct text text = text_up_to(1000);
    fields_add_one(&task_resource.fields, "may", task, &text);
    assert_string_equal(text_bytes(&text).data, wanted);
}

static void a_person_may_what_the_edges_say_and_more_with_a_task_of_its_own(void **state) {
    struct task task = {.owner = BYTES("ann"), .agent = BYTES("ann"), .status = TASK_WORKING};
    (void)state;
    assert_may(&task, ",\"may\":{\"blocked\":\"question\",\"cancelled\":null}");
    task.open_attempt = true;
    assert_may(&task, ",\"may\":{\"review\":null,\"failed\":\"detail\",\"blocked\":\"question\","
                      "\"cancelled\":null}");
    task.session = BYTES("ses_1"); /* An agent with the name of a person is none. */
    assert_may(&task, ",\"may\":{\"blocked\":\"question\",\"cancelled\":null}");
    task.status = TASK_BLOCKED;
    assert_may(&task, ",\"may\":{\"pending\":\"answer\",\"cancelled\":null}");
    task.status = TASK_REVIEW;
    assert_may(&task, ",\"may\":{\"pending\":\"reasons\",\"done\":null,\"cancelled\":null}");
}

static void the_description_has_all_kinds_of_must_haves(void **state) {
    AUTO(text_done) struct text text = text_up_to(200);
    (void)state;
    for (size_t kind = 0; kind < MUST_SENTENCE; kind++) {
        text_addf(&text, "%s\"%s\"", kind > 0 ? "," : "", must_names[kind]);
    }
    assert_string_equal(text_bytes(&text).data, MUST_NAMES_SCHEMA);
}

static void a_late_verdict_opens_no_task_again(void **state) {
    (void)state;
    static const enum task_status over[] = {TASK_DONE, TASK_FAILED, TASK_CANCELLED, TASK_BLOCKED};
    for (size_t i = 0; i < COUNT_OF(over); i++) {
        struct board_move move = {over[i], TASK_PENDING, BOARD_PERSON, false};
        assert_true(board_move_fits(&move));
        move.verdict = true;
        assert_false(board_move_fits(&move));
    }
}

static void reasons_without_a_word_are_none(void **state) {
    (void)state;
    static const struct {
        const char *list, *why; /* NULL: they are taken. */
    } table[] = {{"[\"no test\"]", NULL},
                 {"[]", NULL},
                 {"[\"\"]", "\"reasons\"[0] has no words: say what is to be done better"},
                 {"[\"no test\",\" \\n\\t\"]", "\"reasons\"[1] has no words"}};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        AUTO(json_release) json_t *list = NULL;
        AUTO(text_done) struct text text = text_up_to(TASK_LISTS_MAX);
        struct why why = {""};
        assert_false(err_failed(json_parse_wrapped(bytes_of(table[i].list), &list, NULL)));
        const struct err err = task_reasons_write(list, &text, &why);
        assert_int_equal(err.code, table[i].why == NULL ? ERR_NONE : ERR_BAD_FIELD);
        assert_true(bytes_begin(bytes_of(why.text), bytes_of(table[i].why)));
    }
}

/* --- The end of an attempt -------------------------------------------------------------------- */

static struct board_verdict judge(enum task_status status, enum run_cause cause, int64_t retries,
                                  int64_t attempts) {
    const struct board_attempt_end end = {.status = status,
                                          .cause = cause,
                                          .retry_count = retries,
                                          .attempts = attempts,
                                          .attempts_max = BOARD_ATTEMPTS_DEFAULT};
    return board_attempt_judge(&end);
}

static void assert_judged(struct board_verdict verdict, enum task_status to,
                          enum board_reason reason, int64_t retries) {
    assert_int_equal(verdict.to, to);
    assert_string_equal(board_reason_names[verdict.reason], board_reason_names[reason]);
    assert_int_equal(verdict.retry_count, retries);
}

static void an_attempt_that_says_nothing_is_no_success(void **state) {
    (void)state;
    assert_judged(judge(TASK_WORKING, CAUSE_COMPLETED, 0, 1), TASK_PENDING, BOARD_BECAUSE_NO_STATUS,
                  1);
    assert_judged(judge(TASK_CLAIMED, CAUSE_COMPLETED, 2, 3), TASK_FAILED,
                  BOARD_BECAUSE_MAX_RETRIES, 3);
    assert_judged(judge(TASK_WORKING, CAUSE_CRASHED, 0, 1), TASK_PENDING, BOARD_BECAUSE_INTERRUPTED,
                  1);
    assert_judged(judge(TASK_WORKING, CAUSE_STUCK, 2, 3), TASK_FAILED, BOARD_BECAUSE_STUCK, 3);
}

static void a_provider_that_refuses_costs_no_try(void **state) {
    (void)state;
    const enum run_cause causes[] = {CAUSE_RATE_LIMITED, CAUSE_PROVIDER_ERROR,
                                     CAUSE_PROVIDER_UNREACHABLE, CAUSE_SESSION_BUSY, CAUSE_QUOTA};
    struct board_attempt_end end = {.status = TASK_WORKING, .attempts_max = 3};
    for (size_t i = 0; i < COUNT_OF(causes); i++) {
        int64_t counters[BOARD_COUNTER_COUNT] = {[BOARD_COUNT_MONITOR] = 7};
        end.cause = causes[i];
        for (end.attempts = 1; end.attempts < BOARD_REFUSALS_MAX; end.attempts++) {
            end.refusals = board_refusals(counters);
            assert_judged(board_attempt_judge(&end), TASK_PENDING, BOARD_BECAUSE_API_ERROR, 0);
            counters[board_counter_of(end.cause)]++;
        }
        end.refusals = board_refusals(counters);
        const struct board_verdict last = board_attempt_judge(&end);
        assert_judged(last, TASK_BLOCKED, BOARD_BECAUSE_API_ERROR, 0);
        assert_non_null(last.question);
    }
    /* Others are tries, however many were refused between them. */
    end.cause = CAUSE_CRASHED;
    end.refusals = 100;
    end.attempts = 102;
    assert_judged(board_attempt_judge(&end), TASK_PENDING, BOARD_BECAUSE_INTERRUPTED, 1);
    end.attempts = 103;
    assert_judged(board_attempt_judge(&end), TASK_FAILED, BOARD_BECAUSE_MAX_ATTEMPTS, 1);
}

static void what_no_retry_cures_asks_a_person(void **state) {
    (void)state;
    const struct board_verdict verdict = judge(TASK_CLAIMED, CAUSE_AUTH_FAILED, 0, 1);
    assert_judged(verdict, TASK_BLOCKED, BOARD_BECAUSE_AUTH_FAILED, 0);
    assert_non_null(strstr(verdict.question, "login"));
    assert_judged(judge(TASK_WORKING, CAUSE_STOPPED, 0, 1), TASK_BLOCKED, BOARD_BECAUSE_STOPPED, 0);
}

static void a_task_that_has_its_final_status_is_not_tried_again(void **state) {
    (void)state;
    static const enum task_status kept[] = {TASK_PENDING, TASK_REVIEW,  TASK_DONE,
                                            TASK_FAILED,  TASK_BLOCKED, TASK_CANCELLED};
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        assert_judged(judge(kept[i], CAUSE_CRASHED, 1, 2), kept[i], BOARD_BECAUSE_DONE_ALREADY, 1);
    }
    assert_judged(judge(TASK_REVIEW, CAUSE_FALLBACK_USED, 0, 1), TASK_REVIEW,
                  BOARD_BECAUSE_FALLBACK, 0);
    assert_judged(judge(TASK_WORKING, CAUSE_FALLBACK_USED, 0, 1), TASK_FAILED,
                  BOARD_BECAUSE_FALLBACK, 0);
}

static void pauses_double_up_to_their_limit(void **state) {
    (void)state;
    assert_int_equal(judge(TASK_WORKING, CAUSE_CRASHED, 0, 1).pause_ms, BOARD_PAUSE_FIRST_MS);
    assert_int_equal(judge(TASK_WORKING, CAUSE_CRASHED, 0, 3).pause_ms, 4 * BOARD_PAUSE_FIRST_MS);
    assert_int_equal(judge(TASK_WORKING, CAUSE_RATE_LIMITED, 0, 3).pause_ms, BOARD_PAUSE_FIRST_MS);
    const struct board_attempt_end late = {.status = TASK_WORKING,
                                           .cause = CAUSE_RATE_LIMITED,
                                           .attempts = 19,
                                           .attempts_max = 20,
                                           .refusals = 18};
    assert_int_equal(board_attempt_judge(&late).pause_ms, BOARD_PAUSE_MAX_MS);
}

static void failures_of_a_kind_are_counted_and_told(void **state) {
    (void)state;
    AUTO(text_done) struct text text = text_up_to(1 << 10);
    int64_t counters[BOARD_COUNTER_COUNT] = {0};
    static const enum run_cause causes[] = {
        CAUSE_PROVIDER_UNREACHABLE, CAUSE_RATE_LIMITED, CAUSE_PROVIDER_ERROR, CAUSE_QUOTA,
        CAUSE_SESSION_BUSY,         CAUSE_DEADLINE,     CAUSE_STUCK};
    for (size_t i = 0; i < COUNT_OF(causes); i++) {
        counters[board_counter_of(causes[i])]++;
    }
    assert_int_equal(board_counter_of(CAUSE_COMPLETED), BOARD_COUNTER_COUNT);
    assert_int_equal(board_counter_of(CAUSE_CRASHED), BOARD_COUNTER_COUNT);
    const struct task_metadata metadata = {.transport = BYTES("embedded"),
                                           .fallback_reason = BYTES("no \"gateway\""),
                                           .error = BYTES(""),
                                           .duration_ms = 1500,
                                           .status_at_exit = TASK_WORKING,
                                           .counters = counters};
    task_metadata_write(&metadata, &text);
    assert_string_equal(text_bytes(&text).data,
                        "{\"transport\":\"embedded\",\"fallback_reason\":\"no \\\"gateway\\\"\","
                        "\"duration_ms\":1500,\"task_status_at_exit\":\"working\",\"error\":null,"
                        "\"counters\":{\"connect\":1,\"api\":3,\"lock\":1,\"monitor\":2}}");
}

static void assert_facts(enum board_reason reason, const char *wanted) {
    AUTO(text_done) struct text text = text_up_to(1 << 10);
    const struct board_facts facts = {.reason = reason,
                                      .note = BYTES("why"),
                                      .transport = BYTES("embedded"),
                                      .retry_count = 3,
                                      .same = 2,
                                      .duration_ms = 61500};
    board_facts_write(&facts, &text);
    assert_string_equal(text.len > 0 ? text_bytes(&text).data : "", wanted);
}

static void an_event_tells_what_its_reason_is_about(void **state) {
    (void)state;
    assert_facts(BOARD_BECAUSE_MAX_RETRIES, "\"count\":3");
    assert_facts(BOARD_BECAUSE_FALLBACK,
                 "\"transport\":\"embedded\",\"fallback_reason\":\"why\",\"duration_ms\":61500");
    assert_facts(BOARD_BECAUSE_STUCK, "\"stuck_count\":2,\"diagnostics\":\"why\"");
    assert_facts(BOARD_BECAUSE_REVIVAL, "\"stuck_count\":2,\"diagnostics\":\"why\"");
    assert_facts(BOARD_BECAUSE_COMPACTING, "\"compact_wait_count\":2,\"diagnostics\":\"why\"");
    assert_facts(BOARD_BECAUSE_MONITOR,
                 "\"count\":2,\"elapsed_seconds\":61,\"diagnostics\":\"why\"");
    assert_facts(BOARD_BECAUSE_API_ERROR, "");
    assert_string_equal(board_end_event(CAUSE_STUCK), "daemon_tick");
    assert_string_equal(board_end_event(CAUSE_STOPPED), "daemon_tick");
    assert_string_equal(board_end_event(CAUSE_COMPLETED), "agent_completed");
    assert_string_equal(board_end_event(CAUSE_RATE_LIMITED), "agent_completed");
}

/* --- Lists of a task, and of a board ---------------------------------------------------------- */

typedef struct err (*list_fn)(const json_t *list, struct text *text, struct why *why);

static void assert_list(list_fn write, const char *json, const char *written, const char *refusal) {
    AUTO(json_release) json_t *list = NULL;
    AUTO(text_done) struct text text = text_up_to(TASK_LISTS_MAX);
    struct why why = {""};
    assert_false(err_failed(json_parse(json, strlen(json), JSON_DEPTH_MAX, &list, &why)));
    const struct err err = write(list, &text, &why);
    if (refusal == NULL) {
        assert_false(err_failed(err));
        assert_string_equal(text_bytes(&text).data, written);
    } else {
        assert_true(err_failed(err));
        assert_non_null(strstr(why.text, refusal));
    }
}

static void lists_are_checked_item_by_item(void **state) {
    (void)state;
    assert_list(task_must_haves_write, "[\"fast\", {\"output\": \"code\"}]",
                "[\"fast\",{\"output\":\"code\"}]", NULL);
    assert_list(task_must_haves_write, "[{\"output\": \"cake\"}]", NULL, "cake");
    assert_list(task_must_haves_write, "[{\"file\": \"a\", \"text\": \"b\"}]", NULL, "[0]");
    assert_list(task_must_haves_write, "[\"\"]", NULL, "[0]");
    assert_list(task_must_haves_write, "[{\"file\": \"a/../b\"}]", NULL, "..");
    assert_list(task_must_haves_write, "[{\"unchanged\": \"..\"}]", NULL, "..");
    assert_list(task_must_haves_write, "[{\"file\": \"a/..b\"}]", "[{\"file\":\"a/..b\"}]", NULL);
    assert_list(task_must_haves_write, "{}", NULL, "must be a list");
    assert_list(task_needs_write, "[\"t-1\", \"T-20\"]", "[\"T-1\",\"T-20\"]", NULL);
    assert_list(task_needs_write, "[\"T-1\", \"T-1\"]", NULL, "[1]");
    assert_list(task_needs_write, "[\"T-0\"]", NULL, "[0]");
    assert_list(task_links_write, "[{\"kind\":\"related\",\"task\":\"T-2\"}]",
                "[{\"kind\":\"related\",\"task\":\"T-2\"}]", NULL);
    assert_list(task_links_write, "[{\"kind\":\"loves\",\"task\":\"T-2\"}]", NULL, "loves");
    assert_list(board_settings_write, "{\"agents\":[{\"name\":\"pi\",\"slots\":2}]}",
                "{\"agents\":[{\"name\":\"pi\",\"slots\":2}]}", NULL);
    assert_list(board_settings_write, "{\"agents\":[{\"name\":\"pi\",\"slots\":0}]}", NULL,
                "slots");
    assert_list(board_settings_write, "{\"agents\":[{\"slots\":1}]}", NULL, "name");
    assert_list(board_settings_write, "{\"executor\":\"{{nobody}}\"}", NULL, "nobody");
    assert_list(board_settings_write, "{\"cake\":1}", NULL, "cake");
    assert_list(board_settings_write, "{\"check_timeout_s\":1}", "{\"check_timeout_s\":1}", NULL);
    assert_list(board_settings_write, "{\"check_timeout_s\":0}", NULL, "check_timeout_s");
}

static void kinds_of_must_haves_are_found_in_their_list(void **state) {
    (void)state;
    const struct bytes list = BYTES("[\"command\",{\"file\":\"a\"},{\"output\":\"code\"}]");
    assert_true(must_has(list, MUST_OF_DISK));
    assert_true(must_has(list, MUST_OUTSIDE));
    assert_false(must_has(list, MUST_OF_COMMAND)); /* A sentence is no command. */
    assert_false(must_has(list, MUST_OF_UNCHANGED));
    assert_false(must_has(BYTES(""), MUST_OUTSIDE));
}

/* The sentence about a command that ended like this. */
static void assert_unmet(enum run_cause cause, struct bytes tail, const char *wanted) {
    const struct must must = {.kind = MUST_COMMAND, .value = BYTES("make")};
    const struct must_end end = {.state = cause == CAUSE_COMPLETED ? RUN_SUCCEEDED : RUN_FAILED,
                                 .cause = cause,
                                 .exit_code = 2,
                                 .timeout_s = 5,
                                 .tail = tail};
    AUTO(text_done) struct text list = text_up_to(MUST_UNMET_MAX);
    must_command_add(&list, &must, &end);
    assert_string_equal(list.len > 0 ? list.data : "", wanted);
}

static void a_command_is_unmet_with_the_end_of_its_output(void **state) {
    (void)state;
    AUTO(text_done) struct text many = text_up_to(1 << 20);
    AUTO(text_done) struct text list = text_up_to(MUST_UNMET_MAX);
    const struct must must = {.kind = MUST_COMMAND, .value = BYTES("a\"b")};
    struct must_end end = {.state = RUN_FAILED, .cause = CAUSE_EXIT_CODE, .exit_code = 1};
    assert_unmet(CAUSE_COMPLETED, BYTES("all is well"), "");
    assert_unmet(CAUSE_EXIT_CODE, BYTES(""), "\"command \\\"make\\\": the command exited with 2\"");
    assert_unmet(CAUSE_DEADLINE, BYTES(""),
                 "\"command \\\"make\\\": the command had not ended after 5 s, and was stopped\"");
    assert_unmet(
        CAUSE_EXIT_CODE, BYTES("~~~\n\x1b[1m\xff\n"),
        "\"command \\\"make\\\": the command exited with 2; the end of what it wrote, which "
        "is the text of others:\\n~~~~\\n~~~\\n [1m\xef\xbf\xbd\\n~~~~\"");
    for (int i = 0; i < 1000; i++) {
        text_addf(&many, "line %d\n", i);
    }
    end.tail = text_bytes(&many);
    must_command_add(&list, &must, &end);
    assert_non_null(strstr(list.data, "line 999\\n~~~"));
    assert_non_null(strstr(list.data, "~~~\\nline 980\\n"));
    text_clear(&many);
    for (int i = 0; i < 1000; i++) { /* A line that is longer than the room. */
        text_add_str(&many, "\xc3\xa4");
    }
    end.tail = text_bytes(&many);
    text_clear(&list);
    must_command_add(&list, &must, &end);
    assert_true(utf8_valid(list.data, list.len));
    assert_true(list.len > MUST_TAIL_MAX && list.len < MUST_TAIL_MAX + 200);
}

static void an_agent_can_what_its_board_says(void **state) {
    (void)state;
    AUTO(json_release)
    json_t *json = json_loads(
        "{\"agents\":[{\"name\":\"a\",\"capabilities\":[\"web\"]},{\"name\":\"b\",\"slots\":3}]}",
        0, NULL);
    struct board_agent agents[BOARD_AGENTS_MAX];
    assert_int_equal(board_agents(json, BYTES("own"), agents), 2);
    assert_true(board_agent_can(&agents[0], BYTES("web")));
    assert_false(board_agent_can(&agents[1], BYTES("web")));
    assert_true(board_agent_can(&agents[1], BYTES("")));
    assert_int_equal(agents[0].slots, 1);
    assert_int_equal(agents[1].slots, 3);
    assert_int_equal(board_agents(NULL, BYTES("own"), agents), 1);
    assert_int_equal(board_agents(NULL, BYTES(""), agents), 0);
}

static void an_approval_is_for_the_text_that_it_was_given_for(void **state) {
    (void)state;
    const struct task was = {.plan = BYTES("required"),
                             .plan_state = TASK_PLAN_APPROVED,
                             .description = BYTES("a"),
                             .must_haves = BYTES("[]")};
    struct task now = was;
    assert_int_equal(task_plan_after_change(&was, &now), TASK_PLAN_APPROVED);
    now.description = BYTES("b");
    assert_int_equal(task_plan_after_change(&was, &now), TASK_PLAN_MISSING);
    now = was;
    now.must_haves = BYTES("[\"x\"]");
    assert_int_equal(task_plan_after_change(&was, &now), TASK_PLAN_MISSING);
    struct task waits = was;
    waits.plan_state = TASK_PLAN_WAITING;
    assert_int_equal(task_plan_after_change(&waits, &now), TASK_PLAN_WAITING);
    now.plan = BYTES("none");
    assert_int_equal(task_plan_after_change(&was, &now), TASK_PLAN_NONE);
    assert_int_equal(task_plan_after_change(&now, &now), TASK_PLAN_NONE);
    struct task none = was;
    none.plan = BYTES("none");
    none.plan_state = TASK_PLAN_NONE;
    assert_int_equal(task_plan_after_change(&none, &was), TASK_PLAN_MISSING);
}

static void a_person_judges_what_no_agent_may(void **state) {
    const struct board_result fresh = {.agent = BYTES("coder"), .review_run = BYTES("")};
    struct board_result result = fresh;
    (void)state;
    assert_true(board_person_judges(&fresh, BYTES("")));
    assert_false(board_person_judges(&fresh, BYTES("eve")));
    assert_true(board_person_judges(&fresh, BYTES("coder"))); /* Nobody judges its own work. */
    result.review_run = BYTES("run_1");
    assert_false(board_person_judges(&result, BYTES("eve")));
    result.review_run = BYTES("none");
    assert_true(board_person_judges(&result, BYTES("eve")));
    result = fresh;
    result.rejections = BOARD_REJECTIONS_MAX;
    assert_true(board_person_judges(&result, BYTES("eve")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_edges_by_random_actors_pass_as_the_contract_says),
        cmocka_unit_test(a_refusal_names_states_actor_and_what_is_allowed),
        cmocka_unit_test(a_person_may_what_the_edges_say_and_more_with_a_task_of_its_own),
        cmocka_unit_test(the_description_has_all_kinds_of_must_haves),
        cmocka_unit_test(a_late_verdict_opens_no_task_again),
        cmocka_unit_test(a_person_judges_what_no_agent_may),
        cmocka_unit_test(reasons_without_a_word_are_none),
        cmocka_unit_test(an_attempt_that_says_nothing_is_no_success),
        cmocka_unit_test(a_provider_that_refuses_costs_no_try),
        cmocka_unit_test(what_no_retry_cures_asks_a_person),
        cmocka_unit_test(a_task_that_has_its_final_status_is_not_tried_again),
        cmocka_unit_test(pauses_double_up_to_their_limit),
        cmocka_unit_test(failures_of_a_kind_are_counted_and_told),
        cmocka_unit_test(an_event_tells_what_its_reason_is_about),
        cmocka_unit_test(lists_are_checked_item_by_item),
        cmocka_unit_test(kinds_of_must_haves_are_found_in_their_list),
        cmocka_unit_test(a_command_is_unmet_with_the_end_of_its_output),
        cmocka_unit_test(an_approval_is_for_the_text_that_it_was_given_for),
        cmocka_unit_test(an_agent_can_what_its_board_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
