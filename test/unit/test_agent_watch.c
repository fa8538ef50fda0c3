/* Supervision of a program: each window is judged, and each limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/text.h"
#include "rules/agent/watch.h"

enum { WINDOW_MS = 630 * 1000, MB = 1 << 20 };

static const struct agent_definition plain = {.name = "claude"};

/* State of a supervised program, and its next sample. */
struct work {
    struct agent_watch watch;
    struct agent_moment moment;
};

static struct work begun(const struct agent_definition *agent) {
    struct work work = {
        .moment = {.now_ms = 5000, .sample = {.known = true, .processes = 1, .memory = MB}}};
    assert_int_equal(agent_watch_due_ms(&work.watch, agent), 0);
    assert_int_equal(agent_watch_sample(&work.watch, agent, &work.moment), AGENT_WATCH_ON);
    return work;
}

/* The next sample, when it is due. */
static enum agent_watch_verdict next(struct work *work, const struct agent_definition *agent) {
    work->moment.now_ms = agent_watch_due_ms(&work->watch, agent);
    return agent_watch_sample(&work->watch, agent, &work->moment);
}

static void silence_of_three_windows_is_enough(void **state) {
    (void)state;
    struct work work = begun(&plain);
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    assert_int_equal(next(&work, &plain), AGENT_WATCH_SILENT);
    assert_int_equal(work.moment.now_ms - 5000, 1890 * 1000);
}

static void progress_resets_the_count(void **state) {
    (void)state;
    struct work work = begun(&plain);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
        assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
        if (i % 2 == 0) {
            work.moment.sample.output++;
        } else {
            work.moment.sample.cpu_us += INT64_C(32) * 1000 * 1000; /* Five per cent, and more. */
        }
        assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    }
}

static void little_use_of_the_processors_is_silence(void **state) {
    (void)state;
    struct work work = begun(&plain);
    for (unsigned i = 0; i < 2; i++) {
        work.moment.sample.cpu_us += INT64_C(31) * 1000 * 1000;
        assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    }
    work.moment.sample.cpu_us += INT64_C(31) * 1000 * 1000;
    assert_int_equal(next(&work, &plain), AGENT_WATCH_SILENT);
}

static void a_tool_that_has_ended_is_progress(void **state) {
    (void)state;
    struct work work = begun(&plain);
    work.moment.sample.cpu_us = INT64_C(60) * 1000 * 1000;
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    work.moment.sample.cpu_us = 0; /* Nobody waited for it: its time is gone from the sum. */
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    assert_int_equal(next(&work, &plain), AGENT_WATCH_SILENT);
}

static void what_cannot_be_looked_at_is_not_judged(void **state) {
    (void)state;
    struct work work = begun(&plain);
    work.moment.sample = (struct agent_sample){.known = false};
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    }
}

static void processes_that_are_gone_are_looked_for_twice(void **state) {
    (void)state;
    struct work work = begun(&plain);
    work.moment.sample.processes = 0;
    work.moment.sample.cpu_us = 0;
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    const int64_t first_ms = work.moment.now_ms;
    assert_int_equal(next(&work, &plain), AGENT_WATCH_GONE);
    assert_int_equal(work.moment.now_ms - first_ms, AGENT_WATCH_SOON_MS);
    /* The last words arrived meanwhile. */
    work = begun(&plain);
    work.moment.sample.processes = 0;
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    work.moment.sample.output = 9;
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
}

static void a_summary_is_waited_for_three_windows_long(void **state) {
    (void)state;
    struct work work = begun(&plain);
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON); /* Silent, and counted. */
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    work.moment.compacting = true;
    for (unsigned i = 0; i < AGENT_WATCH_PATIENCE; i++) {
        assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    }
    assert_int_equal(next(&work, &plain), AGENT_WATCH_COMPACTING);
    /* A summary that ends in silence: those windows did not count. */
    work = begun(&plain);
    work.moment.compacting = true;
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    work.moment.compacting = false;
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    assert_int_equal(next(&work, &plain), AGENT_WATCH_ON);
    assert_int_equal(next(&work, &plain), AGENT_WATCH_SILENT);
}

/* The header's table, in words of a program of its own. */
static enum agent_watch_verdict expected(const struct agent_watch *watch, bool progress,
                                         const struct agent_moment *moment) {
    if (!moment->sample.known || progress) {
        return AGENT_WATCH_ON;
    }
    if (moment->sample.processes == 0) {
        return watch->gone ? AGENT_WATCH_GONE : AGENT_WATCH_ON;
    }
    if (moment->compacting) {
        return watch->patient == 3 ? AGENT_WATCH_COMPACTING : AGENT_WATCH_ON;
    }
    return watch->silent == 2 ? AGENT_WATCH_SILENT : AGENT_WATCH_ON;
}

/* Bits of a situation: known, output, cpu, processes, compacting, gone; silent and patient. */
static void each_window_is_judged_as_the_table_says(void **state) {
    (void)state;
    unsigned seen[AGENT_WATCH_VERDICTS] = {0};
    for (unsigned bits = 0; bits < 1 << 6; bits++) {
        for (unsigned counts = 0; counts < 3 * 4; counts++) {
            struct work work = begun(&plain);
            struct agent_sample *sample = &work.moment.sample;
            const bool lives = (bits & 8) != 0;
            const bool progress = (bits & 2) != 0 || ((bits & 4) != 0 && lives);
            work.watch.gone = (bits & 32) != 0;
            work.watch.silent = counts % 3;
            work.watch.patient = counts / 3;
            work.moment.now_ms += WINDOW_MS;
            work.moment.compacting = (bits & 16) != 0;
            sample->known = (bits & 1) != 0;
            sample->output += (bits & 2) != 0;
            sample->cpu_us += (bits & 4) != 0 ? INT64_C(600) * 1000 * 1000 : 0;
            sample->processes = lives;
            const struct agent_watch before = work.watch;
            const enum agent_watch_verdict verdict =
                agent_watch_sample(&work.watch, &plain, &work.moment);
            assert_int_equal(verdict, expected(&before, progress, &work.moment));
            seen[verdict]++;
            if (sample->known && progress) {
                assert_int_equal(work.watch.silent + work.watch.patient, 0);
            }
            const bool soon = sample->known && !progress && !lives && !before.gone;
            assert_int_equal(work.watch.gone, soon);
            assert_int_equal(agent_watch_due_ms(&work.watch, &plain) - work.moment.now_ms,
                             soon ? AGENT_WATCH_SOON_MS : WINDOW_MS);
        }
    }
    assert_true(seen[AGENT_WATCH_GONE] > 0 && seen[AGENT_WATCH_SILENT] > 0 &&
                seen[AGENT_WATCH_COMPACTING] > 0);
}

static void memory_is_looked_at_within_a_window(void **state) {
    (void)state;
    const struct agent_definition agent = {.name = "pi", .memory = 64 * MB};
    struct work work = begun(&agent);
    assert_int_equal(agent_watch_due_ms(&work.watch, &agent) - 5000, AGENT_WATCH_MEMORY_MS);
    work.moment.sample.memory = 64 * MB;
    assert_int_equal(next(&work, &agent), AGENT_WATCH_ON);
    work.moment.sample.memory++;
    work.moment.sample.known = false; /* An unknown sample is no verdict. */
    assert_int_equal(next(&work, &agent), AGENT_WATCH_ON);
    work.moment.sample.known = true;
    assert_int_equal(next(&work, &agent), AGENT_WATCH_MEMORY);
    /* The looks between do not make windows longer. */
    work = begun(&agent);
    enum agent_watch_verdict verdict;
    while ((verdict = next(&work, &agent)) == AGENT_WATCH_ON) {
    }
    assert_int_equal(verdict, AGENT_WATCH_SILENT);
    assert_int_equal(work.moment.now_ms - 5000, 3 * WINDOW_MS);
    assert_int_equal(agent_watch_requests(&agent, 2000), AGENT_WATCH_ON);
    assert_int_equal(agent_watch_requests(&agent, 2001), AGENT_WATCH_REQUESTS);
}

static void each_verdict_has_a_cause_and_says_what_to_raise(void **state) {
    (void)state;
    static const char *const words[AGENT_WATCH_VERDICTS] = {
        [AGENT_WATCH_GONE] = "gone",
        [AGENT_WATCH_SILENT] = ": see what it waited for, or raise no_progress_ms",
        [AGENT_WATCH_COMPACTING] = ": begin a new session, or raise no_progress_ms",
        [AGENT_WATCH_MEMORY] = "limit of 64 MB: see what they did, or raise memory",
        [AGENT_WATCH_REQUESTS] = "limit of 340 requests: see whether it repeats itself, or raise r",
        [AGENT_WATCH_PROCESSES] = "limit of 9 processes at once: see what they did, or raise p",
    };
    const struct agent_definition agent = {
        .name = "claude", .memory = 64 * MB, .requests = 340, .processes = 9};
    assert_int_equal(agent_watch_cause(AGENT_WATCH_ON), CAUSE_NONE);
    assert_int_equal(agent_watch_of_cause(CAUSE_NONE), AGENT_WATCH_ON);
    assert_int_equal(agent_watch_of_cause(CAUSE_STOPPED), AGENT_WATCH_ON);
    for (unsigned i = AGENT_WATCH_ON + 1; i < AGENT_WATCH_VERDICTS; i++) {
        for (unsigned known = 0; known < 2; known++) {
            const struct agent_evidence evidence = {
                .sample = {.known = known != 0, .processes = 2 * known, .memory = 99 * MB * known},
                .requests = 341 * known};
            AUTO(text_done) struct text text = text_up_to(500);
            assert_int_equal(agent_watch_of_cause(agent_watch_cause(i)), i);
            agent_watch_tell(i, &agent, &evidence, &text);
            text_add_char(&text, '\0');
            assert_false(text_failed(&text));
            if (strstr(text.data, words[i]) == NULL || strstr(text.data, "claude") == NULL) {
                fail_msg("%s", text.data);
            }
        }
    }
    AUTO(text_done) struct text text = text_up_to(1000);
    const struct agent_evidence evidence = {
        .sample = {.known = true, .processes = 1, .memory = 99 * MB}, .requests = 341};
    agent_watch_tell(AGENT_WATCH_SILENT, &agent, &evidence, &text);
    agent_watch_tell(AGENT_WATCH_COMPACTING, &agent, &evidence, &text);
    agent_watch_tell(AGENT_WATCH_MEMORY, &agent, &evidence, &text);
    agent_watch_tell(AGENT_WATCH_REQUESTS, &agent, &evidence, &text);
    text_add_char(&text, '\0');
    assert_non_null(strstr(text.data, "for 31 min (1 process, 99 MB): see"));
    assert_non_null(strstr(text.data, "in 42 min (1 process, 99 MB): begin"));
    assert_non_null(strstr(text.data, "used 99 MB of memory, more than their limit of 64 MB"));
    assert_non_null(
        strstr(text.data, "made 341 requests to its model, more than its limit of 340"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_of_three_windows_is_enough),
        cmocka_unit_test(progress_resets_the_count),
        cmocka_unit_test(little_use_of_the_processors_is_silence),
        cmocka_unit_test(a_tool_that_has_ended_is_progress),
        cmocka_unit_test(what_cannot_be_looked_at_is_not_judged),
        cmocka_unit_test(processes_that_are_gone_are_looked_for_twice),
        cmocka_unit_test(a_summary_is_waited_for_three_windows_long),
        cmocka_unit_test(each_window_is_judged_as_the_table_says),
        cmocka_unit_test(memory_is_looked_at_within_a_window),
        cmocka_unit_test(each_verdict_has_a_cause_and_says_what_to_raise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
