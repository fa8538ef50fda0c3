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
#include "dispatch/job/inside.h"
#include "engine/host/reports.h"
#include "engine/job/spec.h"

static void settle_write(struct flight *flight);

/* --- In the store ----------------------------------------------------------------------------- */

/* The leader judges a run: a guest reports how the command ended. */
static struct err report_tx(struct tx *tx, void *ctx) {
    struct errand *errand = ctx;
    return tx_host_report_put(tx, errand->settle.bounds.host, &errand->settle);
}

static struct err settle_tx(struct tx *tx, void *ctx) {
    struct errand *errand = ctx;
    struct run_row row;
    errand__at(errand);
    if (errand->form == SETTLE_ALONE) {
        const struct run_settle *settle = &errand->settle;
        const struct run_give_up what = {
            .run = settle->run,
            .attempt = settle->attempt,
            .sentence = settle->note,
            .exit_code = settle->end.end == ATTEMPT_EXITED ? settle->end.code : -1,
            .bounds = settle->bounds};
        return tx_run_give_up(tx, &what, &errand->late);
    }
    return tx_run_settle(tx, &errand->settle, &errand->late, &row);
}

static void on_timer(struct timer *timer) {
    settle_write(CONTAINER_OF(timer, struct flight, timer));
}

/* True: another try was begun, with less to store. */
static bool settle_less(struct flight *flight, struct err err) {
    static const char *const lost[] = {[SETTLE_WHOLE] = "result and output", [SETTLE_BARE] = "end"};
    struct errand *errand = flight->errand;
    if (errand->form == SETTLE_ALONE) {
        return false;
    }
    text_clear(&errand->result);
    text_clear(&errand->output);
    (void)snprintf(errand->note, sizeof errand->note, "its %s could not be stored: %s",
                   lost[errand->form], err_name(err.code)); /* Short. */
    errand->form = errand->form == SETTLE_WHOLE ? SETTLE_BARE : SETTLE_ALONE;
    flight->tries = 0;
    settle_write(flight);
    return true;
}

/* A constraint that refuses this form of the end refuses it again: the next is tried at once. */
static bool form_is_refused(const struct flight *flight, struct err err) {
    return effect_is_hopeless(flight->tries + 1, err) ||
           (err.code == ERR_CONFLICT && flight->errand->form != SETTLE_ALONE);
}

static void settle_failed(struct flight *flight, struct err err) {
    struct dispatch *dispatch = flight->dispatch;
    if (form_is_refused(flight, err)) {
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
    flight__errand_drop(flight);
    flight->dispatch->stats.settled += flight->reports == 0;
    flight->reported = guest__walk(flight->dispatch);
    flight->reports++;
    flight__enter(flight, FLIGHT_REPORTED);
}

static void settle_done(struct err err, void *ctx) {
    struct errand *errand = ctx;
    struct flight *flight = errand->flight;
    struct dispatch *dispatch = errand->dispatch;
    dispatch__answered(dispatch);
    if (!flight__back(errand)) {
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
    if (err_failed(err) || errand->late) {
        dispatch->stats.late++;
    } else {
        dispatch->stats.settled++;
        retain__grew(dispatch, errand->disk);
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
    struct errand *errand = flight->errand;
    errand->settle = (struct run_settle){
        .run = flight__run(flight),
        .attempt = flight->attempt,
        .end = errand->end,
        .retry = flight->retry,
        .result = {errand->result.data, errand->result.len},
        .note = {errand->note, strlen(errand->note)},
        .output = {errand->output.data, errand->output.len},
        .usage = {.known = errand->ended,
                  .cpu_us = errand->ended ? errand->exit.cpu_us : errand->cpu_us,
                  .memory_kb = errand->exit.memory_kb,
                  .wall_ms = wall_ms(&errand->exit)},
        .disk = errand->disk,
        .random = dispatch__random(dispatch),
        .bounds = dispatch_bounds(dispatch),
    };
    errand->away = true;
    dispatch__write(dispatch, dispatch->options.guest ? report_tx : settle_tx, settle_done, errand);
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
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    errand__at(errand);
    notice__read(errand->dispatch->options.spool, errand, &errand->output);
}

static void read_done(struct pool_job *job) {
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    if (flight__back(errand)) {
        settle(errand->flight);
    }
}

/* --- The end ---------------------------------------------------------------------------------- */

static void add_number(struct text *text, const char *name, int64_t number) {
    text_addf(text, ",\"%s\":%" PRId64, name, number);
}

static void write_result(const struct errand *errand, struct text *text) {
    const struct spool_exit *exit = &errand->exit;
    if (errand->ended && exit->end == EXIT_EXITED) {
        text_addf(text, "{\"exit_code\":%d,\"signal\":null", exit->code);
    } else if (errand->ended && exit->end == EXIT_SIGNALED) {
        text_addf(text, "{\"exit_code\":null,\"signal\":%d", exit->signal);
    } else {
        text_add_str(text, "{\"exit_code\":null,\"signal\":null");
    }
    if (errand->exit.end == EXIT_NOT_STARTED && errand->exit.os != 0) {
        const char *name = strerrorname_np(errand->exit.os);
        text_addf(text, ",\"errno\":\"%s\",\"step\":\"%s\"", name == NULL ? "" : name,
                  errand->exit.step);
    }
    if (errand->ended) {
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
    } else if (errand->cpu_us > 0) {
        add_number(text, "cpu_us", errand->cpu_us);
    }
    text_add_char(text, '}');
}

/* Of an end that nobody saw, the folder was weighed when it was looked at. */
static int64_t disk_of(const struct flight *flight) {
    static const struct spool_exit silent = {.end = EXIT_NOT_STARTED};
    const struct errand *errand = flight->errand;
    if (errand->disk > 0 || errand->foreign) {
        return errand->disk;
    }
    return spool_disk_of(errand->ended ? &errand->exit : &silent,
                         flight->log_max > 0 ? flight->log_max : JOB_LOG_DEFAULT);
}

/* Where nothing ran there is nothing to read. */
static bool has_output(enum attempt_end end) {
    return end == ATTEMPT_EXITED || end == ATTEMPT_SIGNALED || end == ATTEMPT_GONE ||
           end == ATTEMPT_REBOOTED;
}

/* The daemon, its nursery and a holder say so by the errno of the step that failed. Whether the
 * limit of the process or that of the system was reached, a descriptor comes free when another
 * command ends. */
static bool lacks_descriptors(const struct errand *errand, enum attempt_end end) {
    const struct spool_exit *exit = &errand->exit;
    bool unbegun = end == ATTEMPT_VOID || end == ATTEMPT_NOT_STARTED;
    return unbegun && exit->end == EXIT_NOT_STARTED && (exit->os == EMFILE || exit->os == ENFILE);
}

void settle__begin(struct flight *flight, struct attempt end) {
    struct dispatch *dispatch = flight->dispatch;
    struct errand *errand = flight__errand(flight);
    if (lacks_descriptors(errand, end.end)) {
        end = (struct attempt){.end = ATTEMPT_NO_DESCRIPTORS};
        if (errand->exit.os == ENFILE) { /* EMFILE may be the limit of a holder alone. */
            shortage_report(dispatch->options.shortage, "start a command",
                            err_from_errno(ENFILE, "holder: start"));
        }
    }
    errand->end = end;
    errand->disk = disk_of(flight);
    write_result(errand, &errand->result);
    dispatch->stats.void_starts += end.end == ATTEMPT_VOID || end.end == ATTEMPT_NO_DESCRIPTORS;
    if (!flight->notify || !has_output(end.end)) {
        settle(flight);
        return;
    }
    errand->pty = flight->pty;
    flight__enter(flight, FLIGHT_READING);
    errand->away = true;
    errand->job = (struct pool_job){.kind = POOL_QUICK, .run = read_run, .done = read_done};
    pool_add(&dispatch->pool, &errand->job);
}

static struct attempt attempt_of(const struct spool_exit *exit) {
    static const enum attempt_end ends[] = {[EXIT_EXITED] = ATTEMPT_EXITED,
                                            [EXIT_SIGNALED] = ATTEMPT_SIGNALED,
                                            [EXIT_NOT_STARTED] = ATTEMPT_NOT_STARTED};
    static const enum attempt_why whys[] = {[EXIT_ITSELF] = ATTEMPT_ITSELF,
                                            [EXIT_STOPPED] = ATTEMPT_STOPPED,
                                            [EXIT_TIMED_OUT] = ATTEMPT_TIMED_OUT,
                                            [EXIT_PROCESSES] = ATTEMPT_PROCESSES};
    return (struct attempt){.end = ends[exit->end],
                            .why = whys[exit->why],
                            .code = exit->end == EXIT_SIGNALED ? exit->signal : exit->code};
}

static void write_note(const struct spool_exit *exit, char *note, size_t size) {
    note[0] = '\0';
    if (exit->end == EXIT_NOT_STARTED && strcmp(exit->step, "sandbox_cwd") == 0) {
        (void)snprintf(note, size,
                       "The sandbox lets a command write in its folder, and this one holds drover's"
                       " own data or devices, or lies in them: give it another cwd"); /* Short. */
    } else if (exit->end == EXIT_NOT_STARTED) {
        const char *text = strerrordesc_np(exit->os);
        (void)snprintf(note, size, "The command could not be started: %s: %s", exit->step,
                       text == NULL ? "unknown error" : text); /* Short. */
    } else if (exit->left > 0) {
        (void)snprintf(note, size,
                       "%" PRId64 " processes could not be ended: the system keeps them",
                       exit->left); /* Short. */
    }
}

/* Whoever follows the log hears of the last bytes here: they are on the disk. */
static void sizes_final(struct flight *flight, const struct spool_exit *exit) {
    const int64_t sizes[LOG_STREAMS] = {
        [LOG_OUT] = exit->out, [LOG_ERR] = exit->err, [LOG_PTY] = exit->pty};
    for (enum log_stream stream = 0; stream < LOG_STREAMS; stream++) {
        if (sizes[stream] > flight->sizes[stream]) {
            flight->sizes[stream] = sizes[stream];
            watch__grown(flight, stream);
        }
    }
}

void settle__exit(struct flight *flight, const struct spool_exit *exit) {
    struct errand *errand = flight__errand(flight);
    errand->ended = true;
    errand->exit = *exit;
    write_note(exit, errand->note, sizeof errand->note);
    sizes_final(flight, exit);
    settle__begin(flight, attempt_of(exit));
}
