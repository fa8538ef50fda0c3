/* settle.c: the end of an attempt, on its way into the rows.
 *
 * What came of a command stands in its folder, so a daemon that dies here loses nothing; and a
 * store that cannot take it now (a full disk) is asked again, each second, later every ten, for as
 * long as it takes: there is no other truth to fall back to. Where the store refuses this one end
 * alone, the end is stored without result and output; if that is refused, too, the run fails alone
 * (tx_run_give_up), so that it keeps no key, slot or waiter for ever; and only if the store refuses
 * even that, the run is left to the next start. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "dispatch/job/work.h"
#include "engine/host/reports.h"
#include "engine/job/spec.h"

static void settle_write(struct flight *flight);

/* --- In the store ----------------------------------------------------------------------------- */

/* The leader judges a run: a guest reports how the command ended. */
static struct err report_tx(struct tx *tx, void *ctx) {
    struct flight_work *work = ctx;
    return tx_host_report_put(tx, work->settle.bounds.host, &work->settle);
}

static struct err settle_tx(struct tx *tx, void *ctx) {
    struct flight_work *work = ctx;
    struct run_row row;
    work__at(work);
    if (work->form == SETTLE_ALONE) {
        const struct run_settle *settle = &work->settle;
        const struct run_give_up what = {
            .run = settle->run,
            .attempt = settle->attempt,
            .sentence = settle->note,
            .exit_code = settle->end.end == ATTEMPT_EXITED ? settle->end.code : -1,
            .bounds = settle->bounds};
        return tx_run_give_up(tx, &what, &work->late);
    }
    return tx_run_settle(tx, &work->settle, &work->late, &row);
}

static void on_timer(struct timer *timer) {
    settle_write(CONTAINER_OF(timer, struct flight, timer));
}

/* True: another try was begun, with less to store. */
static bool settle_less(struct flight *flight, struct err err) {
    static const char *const lost[] = {[SETTLE_WHOLE] = "result and output", [SETTLE_BARE] = "end"};
    struct flight_work *work = flight->work;
    if (work->form == SETTLE_ALONE) {
        return false;
    }
    text_clear(&work->result);
    text_clear(&work->output);
    (void)snprintf(work->note, sizeof work->note, "its %s could not be stored: %s",
                   lost[work->form], err_name(err.code)); /* Short. */
    work->form = work->form == SETTLE_WHOLE ? SETTLE_BARE : SETTLE_ALONE;
    flight->tries = 0;
    settle_write(flight);
    return true;
}

static void settle_failed(struct flight *flight, struct err err) {
    struct dispatch *dispatch = flight->dispatch;
    /* A constraint that refuses this form of the end refuses it again: the next is tried at once.
     * */
    if (effect_is_hopeless(flight->tries + 1, err) ||
        (err.code == ERR_CONFLICT && flight->work->form != SETTLE_ALONE)) {
        if (!settle_less(flight, err)) {
            static const char what[] = "store the end of a command";
            dispatch__failed(dispatch,
                             "the end of a command could not be stored: the next start"
                             " tries again",
                             flight__run(flight), err);
            effects_abandon(dispatch->options.effects, &flight->effect, what, err);
            flight__free(flight);
        }
        return;
    }
    effect_failed(&flight->effect, err);
    if (flight->tries == 0) {
        dispatch__failed(dispatch, "the end of a command could not be stored; it is tried again",
                         flight__run(flight), err);
    }
    dispatch->stats.store_retries++;
    flight->tries++;
    timer_start(dispatch->options.loop, &flight->timer, dispatch__wait_ms(flight->tries), on_timer);
}

/* Until its row says that the leader has stored it, it is not to be looked at again. */
static void reported(struct flight *flight) {
    effect_done(&flight->effect);
    timer_stop(flight->dispatch->options.loop, &flight->deadline);
    flight__work_drop(flight);
    flight->dispatch->stats.settled += flight->reports == 0;
    flight->reported = flight->dispatch->guest_walk;
    flight->reports++;
    flight__enter(flight, FLIGHT_REPORTED);
}

static void settle_done(struct err err, void *ctx) {
    struct flight_work *work = ctx;
    struct flight *flight = work->flight;
    struct dispatch *dispatch = work->dispatch;
    dispatch__answered(dispatch);
    if (!work__back(work)) {
        return;
    }
    if (err_failed(err) && err.code != ERR_NOT_FOUND) {
        settle_failed(flight, err);
        return;
    }
    if (dispatch->options.guest) {
        reported(flight);
        return;
    }
    if (err_failed(err) || work->late) {
        dispatch->stats.late++;
    } else {
        dispatch->stats.settled++;
        for (const struct dispatch_part *const *at = dispatch->options.parts; *at != NULL; at++) {
            if ((*at)->attempt_ended != NULL) {
                (*at)->attempt_ended(dispatch, work->disk);
            }
        }
    }
    flight__free(flight);
}

/* Both times are 0 where an older holder has not written them. */
static int64_t wall_ms(const struct spool_exit *exit) {
    bool measured = exit->ended_ms > 0 && exit->ended_ms >= exit->started_ms;
    return measured ? exit->ended_ms - exit->started_ms : -1;
}

static void settle_write(struct flight *flight) {
    struct dispatch *dispatch = flight->dispatch;
    struct flight_work *work = flight->work;
    work->settle = (struct run_settle){
        .run = flight__run(flight),
        .attempt = flight->attempt,
        .end = work->end,
        .retry = flight->facts.retry,
        .result = {work->result.data, work->result.len},
        .note = {work->note, strlen(work->note)},
        .output = {work->output.data, work->output.len},
        .usage = {.known = work->ended,
                  .cpu_us = work->ended ? work->exit.cpu_us : work->cpu_us,
                  .memory_kb = work->exit.memory_kb,
                  .wall_ms = wall_ms(&work->exit)},
        .disk = work->disk,
        .random = dispatch__random(dispatch),
        .bounds = dispatch_bounds(dispatch),
    };
    work->away = true;
    dispatch__write(dispatch, dispatch->options.guest ? report_tx : settle_tx, settle_done, work);
}

static void settle(struct flight *flight) {
    flight__enter(flight, FLIGHT_SETTLING);
    flight->tries = 0;
    effect_done(&flight->effect);
    effect_begin(flight->dispatch->options.effects, &flight->effect, "store the end of a command");
    settle_write(flight);
}

/* --- Output for a notice ---------------------------------------------------------------------- */

static void read_run(struct pool_job *job) {
    struct flight_work *work = CONTAINER_OF(job, struct flight_work, job);
    work__at(work);
    output_excerpt__read(work->dispatch->options.spool, work, &work->output);
}

static void read_done(struct pool_job *job) {
    struct flight_work *work = CONTAINER_OF(job, struct flight_work, job);
    if (work__back(work)) {
        settle(work->flight);
    }
}

/* --- The end ---------------------------------------------------------------------------------- */

static void add_number(struct text *text, const char *name, int64_t number) {
    text_addf(text, ",\"%s\":%" PRId64, name, number);
}

static void write_result(const struct flight_work *work, struct text *text) {
    const struct spool_exit *exit = &work->exit;
    if (work->ended && exit->end == EXIT_EXITED) {
        text_addf(text, "{\"exit_code\":%d,\"signal\":null", exit->code);
    } else if (work->ended && exit->end == EXIT_SIGNALED) {
        text_addf(text, "{\"exit_code\":null,\"signal\":%d", exit->signal);
    } else {
        text_add_str(text, "{\"exit_code\":null,\"signal\":null");
    }
    if (work->exit.end == EXIT_NOT_STARTED && work->exit.os != 0) {
        const char *name = strerrorname_np(work->exit.os);
        text_addf(text, ",\"errno\":\"%s\",\"step\":\"%s\"", name == NULL ? "" : name,
                  work->exit.step);
    }
    if (work->ended) {
        int64_t took_ms = exit->ended_ms - exit->started_ms;
        add_number(text, "started_ms", exit->started_ms);
        add_number(text, "ended_ms", exit->ended_ms);
        add_number(text, "duration_ms", took_ms > 0 ? took_ms : 0);
        add_number(text, "cpu_us", exit->cpu_us);
        add_number(text, "memory_kb", exit->memory_kb);
        if (exit->processes == EXIT_UNCOUNTED) {
            text_add_str(text, ",\"processes\":null");
        } else {
            add_number(text, "processes", exit->processes);
        }
        add_number(text, "processes_left", exit->left);
        add_number(text, "out", exit->out);
        add_number(text, "err", exit->err);
        add_number(text, "pty", exit->pty);
        if (exit->sandbox > 0) {
            add_number(text, "sandbox", exit->sandbox);
        }
    } else if (work->cpu_us > 0) {
        add_number(text, "cpu_us", work->cpu_us);
    }
    text_add_char(text, '}');
}

/* Of an end that nobody saw, the folder was weighed when it was looked at. */
static int64_t disk_of(const struct flight *flight) {
    static const struct spool_exit silent = {.end = EXIT_NOT_STARTED};
    const struct flight_work *work = flight->work;
    if (work->disk > 0 || work->foreign) {
        return work->disk;
    }
    return spool_disk_of(work->ended ? &work->exit : &silent,
                         flight->facts.log_max > 0 ? flight->facts.log_max : JOB_LOG_DEFAULT);
}

void settle__begin(struct flight *flight, struct attempt end) {
    struct dispatch *dispatch = flight->dispatch;
    struct flight_work *work = flight__work(flight);
    /* The daemon, its nursery and a holder say so by the errno of the step that failed. Whether the
     * limit of the process or that of the system was reached, a descriptor comes free when another
     * command ends. */
    const struct spool_exit *exit = &work->exit;
    bool unbegun = end.end == ATTEMPT_VOID || end.end == ATTEMPT_NOT_STARTED;
    if (unbegun && exit->end == EXIT_NOT_STARTED && (exit->os == EMFILE || exit->os == ENFILE)) {
        end = (struct attempt){.end = ATTEMPT_NO_DESCRIPTORS};
        if (work->exit.os == ENFILE) { /* EMFILE may be the limit of a holder alone. */
            shortage_report(dispatch->options.shortage, "start a command",
                            err_from_errno(ENFILE, "holder: start"));
        }
    }
    work->end = end;
    work->disk = disk_of(flight);
    write_result(work, &work->result);
    dispatch->stats.void_starts += end.end == ATTEMPT_VOID || end.end == ATTEMPT_NO_DESCRIPTORS;
    /* Where nothing ran there is nothing to read. */
    if (!flight->facts.notify || !(end.end == ATTEMPT_EXITED || end.end == ATTEMPT_SIGNALED ||
                                   end.end == ATTEMPT_GONE || end.end == ATTEMPT_REBOOTED)) {
        settle(flight);
        return;
    }
    flight__enter(flight, FLIGHT_READING);
    work__begin(work, read_run, read_done);
}

void settle__exit(struct flight *flight, const struct spool_exit *exit) {
    struct flight_work *work = flight__work(flight);
    work->ended = true;
    work->exit = *exit;
    size_t size = sizeof work->note;
    work->note[0] = '\0';
    if (exit->end == EXIT_NOT_STARTED && strcmp(exit->step, "sandbox_cwd") == 0) {
        (void)snprintf(work->note, size,
                       "The sandbox lets a command write in its folder, and this one holds drover's"
                       " own data or devices, or lies in them: give it another cwd"); /* Short. */
    } else if (exit->end == EXIT_NOT_STARTED) {
        const char *text = strerrordesc_np(exit->os);
        (void)snprintf(work->note, size, "The command could not be started: %s: %s", exit->step,
                       text == NULL ? "unknown error" : text); /* Short. */
    } else if (exit->left > 0) {
        (void)snprintf(work->note, size,
                       "%" PRId64 " processes could not be ended: the system keeps them",
                       exit->left); /* Short. */
    }
    /* Whoever follows the log hears of the last bytes here: they are on the disk. */
    const int64_t sizes[LOG_STREAMS] = {
        [LOG_OUT] = exit->out, [LOG_ERR] = exit->err, [LOG_PTY] = exit->pty};
    for (enum log_stream stream = 0; stream < LOG_STREAMS; stream++) {
        if (sizes[stream] > flight->sizes[stream]) {
            flight->sizes[stream] = sizes[stream];
            log_watch__grown(flight, stream);
        }
    }
    static const enum attempt_end ends[] = {[EXIT_EXITED] = ATTEMPT_EXITED,
                                            [EXIT_SIGNALED] = ATTEMPT_SIGNALED,
                                            [EXIT_NOT_STARTED] = ATTEMPT_NOT_STARTED};
    static const enum attempt_why whys[] = {[EXIT_ITSELF] = ATTEMPT_ITSELF,
                                            [EXIT_STOPPED] = ATTEMPT_STOPPED,
                                            [EXIT_TIMED_OUT] = ATTEMPT_TIMED_OUT,
                                            [EXIT_PROCESSES] = ATTEMPT_PROCESSES};
    settle__begin(flight,
                  (struct attempt){.end = ends[exit->end],
                                   .why = whys[exit->why],
                                   .code = exit->end == EXIT_SIGNALED ? exit->signal : exit->code});
}
