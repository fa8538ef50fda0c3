/* The loop: order, rounds, pool, watchdog. */
/* runs-with: sqlite, threads */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/memory.h"
#include "loop/loop.h"
#include "loop/loop_uv.h"

static int open_loop(void **state) {
    struct loop *loop = NULL;
    assert_false(err_failed(loop_open(&(struct loop_options){.world = world_real()}, &loop)));
    *state = loop;
    return 0;
}

static int close_loop(void **state) {
    loop_close(*state);
    return 0;
}

/* --- Messages --------------------------------------------------------------------------------- */

enum { THREADS = 4, MESSAGES = 20000 };

struct tally {
    struct loop *loop;
    unsigned next[THREADS], out_of_order, total;
    unsigned total_wanted;
};

struct numbered {
    struct loop_msg msg;
    struct tally *tally;
    unsigned thread, number;
};

struct poster {
    struct tally *tally;
    struct numbered *messages;
    unsigned thread;
};

static void check_number(struct loop_msg *msg) {
    struct numbered *numbered = CONTAINER_OF(msg, struct numbered, msg);
    struct tally *tally = numbered->tally;
    if (numbered->number != tally->next[numbered->thread]) {
        tally->out_of_order++;
    }
    tally->next[numbered->thread] = numbered->number + 1;
    tally->total++;
    if (tally->total == tally->total_wanted) {
        loop_stop(tally->loop);
    }
}

static void *post_many(void *arg) {
    struct poster *poster = arg;
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct numbered *numbered = &poster->messages[i];
        *numbered = (struct numbered){{NULL, check_number}, poster->tally, poster->thread, i};
        loop_post(poster->tally->loop, &numbered->msg);
    }
    return NULL;
}

static void messages_of_each_thread_arrive_in_order(void **state) {
    struct tally tally = {.loop = *state, .total_wanted = THREADS * MESSAGES};
    struct poster posters[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){&tally, mem_new_array(MESSAGES, sizeof(struct numbered)), i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    loop_run(*state);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        mem_free(posters[i].messages);
    }
    assert_int_equal(tally.total, THREADS * MESSAGES);
    assert_int_equal(tally.out_of_order, 0);
}

/* Ping-pong: the loop sleeps before every message, so a wake-up that got lost would hang here. */
struct pong {
    struct loop_msg msg;
    struct loop *loop;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    unsigned seen, rounds;
};

static void on_ping(struct loop_msg *msg) {
    struct pong *pong = CONTAINER_OF(msg, struct pong, msg);
    pthread_mutex_lock(&pong->mutex);
    pong->seen++;
    if (pong->seen == pong->rounds) {
        loop_stop(pong->loop);
    }
    pthread_cond_signal(&pong->cond);
    pthread_mutex_unlock(&pong->mutex);
}

static void *ping_many(void *arg) {
    struct pong *pong = arg;
    for (unsigned i = 0; i < pong->rounds; i++) {
        loop_post(pong->loop, &pong->msg);
        pthread_mutex_lock(&pong->mutex);
        while (pong->seen == i) {
            pthread_cond_wait(&pong->cond, &pong->mutex);
        }
        pthread_mutex_unlock(&pong->mutex);
    }
    return NULL;
}

static void a_sleeping_loop_is_woken_by_every_message(void **state) {
    struct pong pong = {.msg.run = on_ping,
                        .loop = *state,
                        .mutex = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER,
                        .rounds = 20000};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ping_many, &pong), 0);
    loop_run(*state);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pong.seen, 20000);
}

static void messages_posted_before_the_run_and_after_it_are_not_lost(void **state) {
    struct loop *loop = *state;
    struct tally tally = {.loop = loop, .total_wanted = 1};
    struct numbered before = {{NULL, check_number}, &tally, 0, 0};
    loop_post(loop, &before.msg);
    assert_int_equal(tally.total, 0); /* Never inside the call. */
    loop_run(loop);
    assert_int_equal(tally.total, 1);
    struct numbered after = {{NULL, check_number}, &tally, 0, 1};
    loop_post(loop, &after.msg);
    loop_drain(loop);
    assert_int_equal(tally.total, 2);
    assert_int_equal(tally.out_of_order, 0);
}

/* --- Tasks ------------------------------------------------------------------------------------ */

struct noted {
    struct loop_task task;
    struct loop *loop;
    char *at; /* Where to write the letter. */
    char letter;
    unsigned again;
    struct noted *cancels;
};

static char *journal_end(struct noted *noted) {
    return noted->at + strlen(noted->at);
}

static void note(struct loop_task *task) {
    struct noted *noted = CONTAINER_OF(task, struct noted, task);
    *journal_end(noted) = noted->letter;
    if (noted->cancels != NULL) {
        loop_task_cancel(noted->loop, &noted->cancels->task);
    }
    if (noted->again > 0) {
        noted->again--;
        loop_soon(noted->loop, task);
    }
}

static void tasks_run_in_order_and_once_however_often_they_are_queued(void **state) {
    struct loop *loop = *state;
    char journal[16] = "";
    struct noted a = {.task.run = note, .loop = loop, .at = journal, .letter = 'a'};
    struct noted b = {.task.run = note, .loop = loop, .at = journal, .letter = 'b'};
    loop_soon(loop, &a.task);
    loop_soon(loop, &b.task);
    loop_soon(loop, &a.task);
    assert_string_equal(journal, "");
    loop_stop(loop);
    loop_run(loop);
    assert_string_equal(journal, "ab");
    assert_false(a.task.queued);
}

static void a_task_that_queues_itself_goes_behind_the_others(void **state) {
    struct loop *loop = *state;
    char journal[16] = "";
    struct noted a = {.task.run = note, .loop = loop, .at = journal, .letter = 'a', .again = 2};
    struct noted b = {.task.run = note, .loop = loop, .at = journal, .letter = 'b', .again = 1};
    loop_soon(loop, &a.task);
    loop_soon(loop, &b.task);
    loop_stop(loop);
    loop_run(loop);
    assert_string_equal(journal, "ababa");
}

static void a_cancelled_task_does_not_run_even_from_within_its_round(void **state) {
    struct loop *loop = *state;
    char journal[16] = "";
    struct noted c = {.task.run = note, .loop = loop, .at = journal, .letter = 'c'};
    struct noted b = {.task.run = note, .loop = loop, .at = journal, .letter = 'b'};
    struct noted a = {.task.run = note, .loop = loop, .at = journal, .letter = 'a', .cancels = &c};
    loop_soon(loop, &a.task);
    loop_soon(loop, &b.task);
    loop_soon(loop, &c.task);
    loop_task_cancel(loop, &b.task);
    loop_task_cancel(loop, &b.task); /* Not queued is allowed. */
    loop_stop(loop);
    loop_run(loop);
    assert_string_equal(journal, "a");
}

/* A task that spins and goes on for ever must leave sockets and timers their turn. */
struct hog {
    struct loop_task task;
    struct timer timer;
    struct loop *loop;
    uv_prepare_t turn;
    unsigned runs, turns;
    bool done;
};

static void count_turn(uv_prepare_t *turn) {
    CONTAINER_OF(turn, struct hog, turn)->turns++;
}

static void hog_on(struct loop_task *task) {
    struct hog *hog = CONTAINER_OF(task, struct hog, task);
    hog->runs++;
    if (!hog->done) {
        loop_soon(hog->loop, task);
    }
}

static void end_hog(struct timer *timer) {
    struct hog *hog = CONTAINER_OF(timer, struct hog, timer);
    hog->done = true;
    uv_close((uv_handle_t *)&hog->turn, NULL);
    loop_stop(hog->loop);
}

static void a_task_that_never_ends_runs_once_a_turn_and_leaves_timers_theirs(void **state) {
    struct hog hog = {.task.run = hog_on, .loop = *state};
    assert_int_equal(uv_prepare_init(loop_uv(*state), &hog.turn), 0);
    assert_int_equal(uv_prepare_start(&hog.turn, count_turn), 0);
    loop_soon(*state, &hog.task);
    timer_start(*state, &hog.timer, 3, end_hog);
    loop_run(*state);
    assert_true(hog.done);
    assert_in_range(hog.runs, 2, hog.turns + 1);
}

/* --- Pool ------------------------------------------------------------------------------------- */

struct sum {
    struct loop_work work;
    struct loop *loop;
    pthread_t worker;
    unsigned upto, result;
    bool done;
};

static void add_up(struct loop_work *work) {
    struct sum *sum = CONTAINER_OF(work, struct sum, work);
    sum->worker = pthread_self();
    for (unsigned i = 1; i <= sum->upto; i++) {
        sum->result += i;
    }
}

static void note_sum(struct loop_work *work) {
    CONTAINER_OF(work, struct sum, work)->done = true;
}

static void work_runs_in_the_pool_and_holds_a_stopped_loop_until_it_is_done(void **state) {
    struct sum sum = {.work = {.run = add_up, .done = note_sum}, .loop = *state, .upto = 100};
    loop_work(*state, &sum.work);
    loop_stop(*state);
    loop_run(*state);
    assert_true(sum.done);
    assert_int_equal(sum.result, 5050);
    assert_false(pthread_equal(sum.worker, pthread_self()));
}

static void on_hastened(struct timer *timer) {
    timer->order = UINT64_MAX;
}

static void a_timer_is_only_hastened(void **state) {
    struct timer timer = {.slot = 0};
    timer_hasten(*state, &timer, 10);
    assert_false(timer_runs(&timer)); /* Not started before. */
    timer_start(*state, &timer, 60000, on_hastened);
    const uint64_t due_ms = timer.due_ms;
    timer_hasten(*state, &timer, 90000);
    assert_int_equal(timer.due_ms, due_ms);
    timer_hasten(*state, &timer, 50000);
    assert_in_range(timer.due_ms, due_ms - 10000, due_ms - 1);
    timer_hasten(*state, &timer, 0);
    while (timer_runs(&timer)) { /* UV_RUN_ONCE may run it first, and then wait for ever. */
        (void)uv_run(loop_uv(*state), UV_RUN_NOWAIT);
    }
    assert_int_equal(timer.order, UINT64_MAX); /* The function that was given first. */
}

/* --- Watchdog --------------------------------------------------------------------------------- */

struct spin {
    struct loop_task task;
    struct timer timer;
    struct loop *loop;
    uint64_t reported_ns, spin_ns;
    unsigned pieces; /* Beside the first; each spins as long. */
};

static uint64_t cpu_ns(void) {
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void end_spin(struct timer *timer) {
    loop_stop(CONTAINER_OF(timer, struct spin, timer)->loop);
}

static void spin_for(struct loop_task *task) {
    struct spin *spin = CONTAINER_OF(task, struct spin, task);
    for (unsigned i = 0; i <= spin->pieces; i++) {
        uint64_t end_ns = cpu_ns() + spin->spin_ns;
        while (cpu_ns() < end_ns) {
        }
        loop_breathe(spin->loop);
    }
    timer_start(spin->loop, &spin->timer, 5, end_spin); /* Some turns that only wait. */
}

static void on_slow(void *ctx, uint64_t spent_ns) {
    struct spin *spin = ctx;
    spin->reported_ns = spent_ns;
}

static void run_spin(struct spin *spin, uint64_t *ret_slow_turns) {
    struct loop_options options = {.world = world_real(), .slow = on_slow, .slow_ctx = spin};
    assert_false(err_failed(loop_open(&options, &spin->loop)));
    spin->task.run = spin_for;
    loop_soon(spin->loop, &spin->task);
    loop_run(spin->loop);
    *ret_slow_turns = loop_slow_turns(spin->loop);
    loop_close(spin->loop);
}

static void the_watchdog_reports_five_milliseconds_of_spinning(void **state) {
    struct spin spin = {.spin_ns = 5000000};
    uint64_t slow_turns = 0;
    run_spin(&spin, &slow_turns);
    assert_int_equal(slow_turns, 1);
    assert_in_range(spin.reported_ns, 5000000, 50000000);
}

static void the_watchdog_does_not_count_the_time_asleep(void **state) {
    struct spin spin = {.spin_ns = 0};
    uint64_t slow_turns = 0;
    run_spin(&spin, &slow_turns);
    assert_int_equal(slow_turns, 0);
    assert_int_equal(spin.reported_ns, 0);
}

/* A callback of libuv's own, here a signal of its async handle, is watched once it breathes. */
struct rude {
    uv_async_t async;
    struct loop *loop;
};

static void spin_in_callback(uv_async_t *async) {
    struct rude *rude = CONTAINER_OF(async, struct rude, async);
    loop_breathe(rude->loop);
    uint64_t end_ns = cpu_ns() + 5000000;
    while (cpu_ns() < end_ns) {
    }
    uv_close((uv_handle_t *)async, NULL);
    loop_stop(rude->loop);
}

static void the_watchdog_sees_callbacks_that_libuv_calls(void **state) {
    struct rude rude = {.loop = *state};
    assert_int_equal(uv_async_init(loop_uv(*state), &rude.async, spin_in_callback), 0);
    assert_int_equal(uv_async_send(&rude.async), 0);
    loop_run(*state);
    assert_int_equal(loop_slow_turns(*state), 1);
}

static void the_watchdog_does_not_hold_the_sum_of_short_pieces_against_the_last(void **state) {
    struct spin spin = {.spin_ns = 500000, .pieces = 10};
    uint64_t slow_turns = 0;
    run_spin(&spin, &slow_turns);
    assert_int_equal(slow_turns, 0);
}

static void a_loop_that_never_ran_can_be_closed(void **state) {
    struct loop *loop = NULL;
    assert_false(err_failed(loop_open(&(struct loop_options){.world = world_real()}, &loop)));
    assert_ptr_equal(loop_world(loop), world_real());
    loop_close(loop);
    loop_close(NULL);
}

#define LOOP_TEST(test) cmocka_unit_test_setup_teardown(test, open_loop, close_loop)

int main(void) {
    const struct CMUnitTest tests[] = {
        LOOP_TEST(messages_of_each_thread_arrive_in_order),
        LOOP_TEST(a_sleeping_loop_is_woken_by_every_message),
        LOOP_TEST(messages_posted_before_the_run_and_after_it_are_not_lost),
        LOOP_TEST(tasks_run_in_order_and_once_however_often_they_are_queued),
        LOOP_TEST(a_task_that_queues_itself_goes_behind_the_others),
        LOOP_TEST(a_cancelled_task_does_not_run_even_from_within_its_round),
        LOOP_TEST(a_timer_is_only_hastened),
        LOOP_TEST(a_task_that_never_ends_runs_once_a_turn_and_leaves_timers_theirs),
        LOOP_TEST(work_runs_in_the_pool_and_holds_a_stopped_loop_until_it_is_done),
        cmocka_unit_test(the_watchdog_reports_five_milliseconds_of_spinning),
        cmocka_unit_test(the_watchdog_does_not_count_the_time_asleep),
        LOOP_TEST(the_watchdog_sees_callbacks_that_libuv_calls),
        cmocka_unit_test(the_watchdog_does_not_hold_the_sum_of_short_pieces_against_the_last),
        cmocka_unit_test(a_loop_that_never_ran_can_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
