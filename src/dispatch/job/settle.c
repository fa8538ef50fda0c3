/* settle.c: the end of an attempt, on its way into the rows.
 *
 * The end of a command stands in its folder, so a daemon that dies here loses nothing; and a store
 * that cannot take it now (a full disk) is asked again, each second, later every ten, for as long
 * as it takes: there is no other truth to fall back to. Where the store refuses this one end alone,
 * the end is stored without result and output; if that is refused, too, the run fails alone
 * (tx_run_give_up), so that it keeps no key, slot or waiter for ever; and only if the store refuses
 * even that, the run is left to the next start.
 *
 * Output for a notice is the head and the tail of what the command wrote: at most INBOX_OUTPUT_MAX
 * characters of text, whatever that was: bytes that are no UTF-8, and NUL, become U+FFFD. With both
 * streams written, each has half of that. In between stands how much was left out; the log has it
 * all. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/job/work.h"
#include "engine/host/reports.h"
#include "engine/inbox/inbox.h"
#include "engine/job/spec.h"

/* --- In the store ----------------------------------------------------------------------------- */

/* The leader judges a run: a guest reports how the command ended. */
static struct err settle_tx(struct tx *tx, void *ctx) {
    struct flight_work *work = ctx;
    const struct run_settle *settle = &work->settle;
    struct run_row row;
    if (work->dispatch->options.guest) {
        return tx_host_report_put(tx, settle->bounds.host, settle);
    }
    if (work->form != SETTLE_ALONE) {
        return tx_run_settle(tx, settle, &work->late, &row);
    }
    const struct run_give_up what = {.run = settle->run,
                                     .attempt = settle->attempt,
                                     .sentence = settle->note,
                                     .exit_code =
                                         settle->end.end == ATTEMPT_EXITED ? settle->end.code : -1,
                                     .bounds = settle->bounds};
    return tx_run_give_up(tx, &what, &work->late);
}

static void settle_begin(void *ctx) {
    struct flight_work *work = ctx;
    const struct flight *flight = work->flight;
    const struct spool_exit *exit = &work->exit;
    /* Both times are 0 where an older holder has not written them. */
    bool measured = exit->ended_ms > 0 && exit->ended_ms >= exit->started_ms;
    work->settle = (struct run_settle){
        .run = flight__run(flight),
        .attempt = flight->attempt,
        .end = work->end,
        .retry = flight->facts.retry,
        .result = {work->result.data, work->result.len},
        .note = bytes_of(work->note),
        .output = {work->output.data, work->output.len},
        .usage = {.known = work->ended,
                  .cpu_us = work->ended ? exit->cpu_us : work->cpu_us,
                  .memory_kb = exit->memory_kb,
                  .wall_ms = measured ? exit->ended_ms - exit->started_ms : -1},
        .disk = work->disk,
        .random = dispatch__random(work->dispatch),
        .bounds = dispatch_bounds(work->dispatch),
    };
}

/* A constraint that refuses this form of the end refuses it again: the next is tried at once. */
static enum ask_verdict settle_judge(void *ctx, unsigned tries, struct err err) {
    const struct flight_work *work = ctx;
    if (err.code == ERR_NOT_FOUND) {
        return ASK_ANSWERED;
    }
    return err.code == ERR_CONFLICT && work->form != SETTLE_ALONE
               ? ASK_REFUSED
               : ask_usual(tries, EFFECT_TRIES_MAX, err);
}

static void settle_dropped(void *ctx) {
    struct flight_work *work = ctx;
    struct dispatch *dispatch = work->dispatch;
    flight__free(work->flight);
    dispatch__end_stop(dispatch);
}

static void settle_done(void *ctx) {
    struct flight_work *work = ctx;
    struct flight *flight = work->flight;
    struct dispatch *dispatch = work->dispatch;
    if (dispatch->options.guest) {
        /* Until its row says that the leader has stored it, it is not to be looked at again. */
        timer_stop(dispatch->options.loop, &flight->deadline);
        flight__work_drop(flight);
        dispatch->stats.settled += flight->reports == 0;
        flight->reported = dispatch->guest_walk;
        flight->reports++;
        flight__enter(flight, FLIGHT_REPORTED);
        return;
    }
    if (err_failed(work->ask.err) || work->late) {
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

/* The next try has less to store. */
static void settle_refused(void *ctx, struct err err) {
    static const char *const lost[] = {[SETTLE_WHOLE] = "result and output", [SETTLE_BARE] = "end"};
    struct flight_work *work = ctx;
    struct flight *flight = work->flight;
    struct dispatch *dispatch = work->dispatch;
    if (work->form == SETTLE_ALONE) {
        dispatch__report(dispatch,
                         "the end of a command could not be stored: the next start tries again",
                         flight__run(flight), err);
        effects_abandon(dispatch->options.effects, &work->ask.retry.effect);
        flight__free(flight);
        return;
    }
    text_clear(&work->result);
    text_clear(&work->output);
    (void)snprintf(work->note, sizeof work->note, "its %s could not be stored: %s",
                   lost[work->form], err_name(err.code)); /* Short. */
    work->form = work->form == SETTLE_WHOLE ? SETTLE_BARE : SETTLE_ALONE;
    ask_write(&work->ask, settle_tx, settle_done);
}

static void settle(struct flight *flight) {
    static const struct ask_rules rules = {
        .words = {.effect = "store the end of a command",
                  .again = "the end of a command could not be stored; it is tried again"},
        .judge = settle_judge,
        .begin = settle_begin,
        .refused = settle_refused,
        .dropped = settle_dropped};
    struct flight_work *work = flight->work;
    flight__enter(flight, FLIGHT_SETTLING);
    effect_done(&flight->effect);
    ask_init(&work->ask, &flight->dispatch->asker, &rules, work);
    work->ask.run = flight__run(flight);
    ask_write(&work->ask, settle_tx, settle_done);
}

/* --- Output for a notice, in the pool --------------------------------------------------------- */

enum {
    CHARACTER_MAX = 4, /* Bytes. */
    MARK_ROOM = 100,   /* Characters of what stands in between, or before a stream. */
    PIECE = CHARACTER_MAX * INBOX_OUTPUT_MAX,
};

/* Length of a character, or of a byte that belongs to none. */
static size_t utf8_step(struct bytes rest, bool *ret_valid) {
    size_t len = 1;
    while (len < rest.len && len < CHARACTER_MAX && ((uint8_t)rest.data[len] & 0xC0U) == 0x80U) {
        len++;
    }
    *ret_valid = rest.data[0] != '\0' && utf8_valid(rest.data, len);
    return *ret_valid ? len : 1;
}

static size_t characters_count(struct bytes bytes) {
    size_t characters = 0;
    bool valid = false;
    while (bytes.len > 0) {
        size_t len = utf8_step(bytes, &valid);
        bytes = (struct bytes){bytes.data + len, bytes.len - len};
        characters++;
    }
    return characters;
}

/* The bytes without their first `characters`; adds those to `text`, where that is not NULL. */
static struct bytes skip(struct bytes bytes, size_t characters, struct text *text) {
    bool valid = false;
    for (; characters > 0 && bytes.len > 0; characters--) {
        size_t len = utf8_step(bytes, &valid);
        if (text != NULL && valid) {
            text_add(text, bytes.data, len);
        } else if (text != NULL) {
            text_add_str(text, "\xEF\xBF\xBD");
        }
        bytes = (struct bytes){bytes.data + len, bytes.len - len};
    }
    return bytes;
}

/* At most PIECE bytes of a log from the offset of `place`. Less is what there is. */
struct piece {
    char *bytes; /* Owned. */
    struct log_read read;
};

static void piece_done(struct piece *piece) {
    mem_free(piece->bytes);
}

static struct piece piece_read(const struct spool *spool, const struct log_place *place) {
    struct piece piece = {.bytes = mem_new(PIECE)};
    if (err_failed(spool_log_read(spool, place, piece.bytes, PIECE, &piece.read))) {
        piece.read = (struct log_read){0};
    }
    return piece;
}

static void add_log(const struct spool *spool, struct log_place place, size_t characters,
                    struct text *text) {
    AUTO(piece_done) struct piece head = piece_read(spool, &place);
    struct bytes bytes = {head.bytes, head.read.len};
    if ((int64_t)head.read.len == head.read.size && characters_count(bytes) <= characters) {
        (void)skip(bytes, characters, text);
        return;
    }
    size_t half = (characters - MARK_ROOM) / 2;
    struct bytes rest = skip(bytes, half, text);
    int64_t head_end = (int64_t)(bytes.len - rest.len);
    int64_t tail_from = head.read.size - (int64_t)half * CHARACTER_MAX;
    place.offset = tail_from > head_end ? tail_from : head_end;
    text_addf(text, "\n[… of %" PRId64 " bytes, the middle is left out …]\n", head.read.size);
    AUTO(piece_done) struct piece tail = piece_read(spool, &place);
    bytes = (struct bytes){tail.bytes, tail.read.len};
    /* The first character may be cut. */
    while (bytes.len > 0 && ((uint8_t)bytes.data[0] & 0xC0U) == 0x80U) {
        bytes = (struct bytes){bytes.data + 1, bytes.len - 1};
    }
    size_t have = characters_count(bytes);
    bytes = skip(bytes, have > half ? have - half : 0, NULL /* left out */);
    (void)skip(bytes, half, text);
}

static bool log_is_empty(const struct spool *spool, const struct log_place *place) {
    struct log_read read = {0};
    char byte;
    return err_failed(spool_log_read(spool, place, &byte, 1, &read)) || read.size == 0;
}

static void output_run(struct pool_job *job) {
    struct flight_work *work = CONTAINER_OF(job, struct flight_work, job);
    const struct spool *spool = work->dispatch->options.spool;
    struct text *text = &work->output;
    struct log_place out = {.name = work->name, .stream = work->facts.pty ? LOG_PTY : LOG_OUT};
    struct log_place err = {.name = work->name, .stream = LOG_ERR};
    work__at(work);
    if (work->facts.pty || log_is_empty(spool, &err)) {
        add_log(spool, out, INBOX_OUTPUT_MAX, text);
    } else if (log_is_empty(spool, &out)) {
        add_log(spool, err, INBOX_OUTPUT_MAX, text);
    } else {
        size_t each = (INBOX_OUTPUT_MAX - MARK_ROOM) / 2;
        add_log(spool, out, each, text);
        text_add_str(text, "\n[stderr]\n");
        add_log(spool, err, each, text);
    }
}

/* --- The end ---------------------------------------------------------------------------------- */

static void output_done(struct pool_job *job) {
    struct flight_work *work = CONTAINER_OF(job, struct flight_work, job);
    if (work__back(work)) {
        settle(work->flight);
    }
}

static void work_write_result(struct flight_work *work) {
    const struct spool_exit *exit = &work->exit;
    struct text *text = &work->result;
    if (work->ended && exit->end == EXIT_EXITED) {
        text_addf(text, "{\"exit_code\":%d,\"signal\":null", exit->code);
    } else if (work->ended && exit->end == EXIT_SIGNALED) {
        text_addf(text, "{\"exit_code\":null,\"signal\":%d", exit->signal);
    } else {
        text_add_str(text, "{\"exit_code\":null,\"signal\":null");
    }
    if (exit->end == EXIT_NOT_STARTED && exit->os != 0) {
        const char *name = strerrorname_np(exit->os);
        text_addf(text, ",\"errno\":\"%s\",\"step\":\"%s\"", name == NULL ? "" : name, exit->step);
    }
    if (work->ended) {
        int64_t took_ms = exit->ended_ms - exit->started_ms;
        text_add_member_int(text, "started_ms", exit->started_ms);
        text_add_member_int(text, "ended_ms", exit->ended_ms);
        text_add_member_int(text, "duration_ms", took_ms > 0 ? took_ms : 0);
        text_add_member_int(text, "cpu_us", exit->cpu_us);
        text_add_member_int(text, "memory_kb", exit->memory_kb);
        if (exit->processes == EXIT_UNCOUNTED) {
            text_add_str(text, ",\"processes\":null");
        } else {
            text_add_member_int(text, "processes", exit->processes);
        }
        text_add_member_int(text, "processes_left", exit->left);
        text_add_member_int(text, "out", exit->out);
        text_add_member_int(text, "err", exit->err);
        text_add_member_int(text, "pty", exit->pty);
        if (exit->sandbox > 0) {
            text_add_member_int(text, "sandbox", exit->sandbox);
        }
    } else if (work->cpu_us > 0) {
        text_add_member_int(text, "cpu_us", work->cpu_us);
    }
    text_add_char(text, '}');
}

void settle__begin(struct flight *flight, struct attempt end) {
    static const struct spool_exit silent = {.end = EXIT_NOT_STARTED};
    struct dispatch *dispatch = flight->dispatch;
    struct flight_work *work = flight__work(flight);
    const struct spool_exit *exit = &work->exit;
    /* The daemon, its nursery and a holder say so by the errno of the step that failed. Whether the
     * limit of the process or that of the system was reached, a descriptor comes free when another
     * command ends. */
    bool unbegun = end.end == ATTEMPT_VOID || end.end == ATTEMPT_NOT_STARTED;
    if (unbegun && exit->end == EXIT_NOT_STARTED && (exit->os == EMFILE || exit->os == ENFILE)) {
        end = (struct attempt){.end = ATTEMPT_NO_DESCRIPTORS};
        if (exit->os == ENFILE) { /* EMFILE may be the limit of a holder alone. */
            shortage_report(dispatch->options.shortage, "start a command",
                            err_from_errno(ENFILE, "holder: start"));
        }
    }
    work->end = end;
    /* The folder of an end that nobody saw was weighed when it was looked at. */
    if (work->disk <= 0 && !work->of_other_host) {
        work->disk =
            spool_disk_of(work->ended ? exit : &silent,
                          flight->facts.log_max > 0 ? flight->facts.log_max : JOB_LOG_DEFAULT);
    }
    work_write_result(work);
    dispatch->stats.void_starts += end.end == ATTEMPT_VOID || end.end == ATTEMPT_NO_DESCRIPTORS;
    bool ran = end.end == ATTEMPT_EXITED || end.end == ATTEMPT_SIGNALED ||
               end.end == ATTEMPT_GONE || end.end == ATTEMPT_REBOOTED;
    if (flight->facts.notify && ran) {
        flight__enter(flight, FLIGHT_READING);
        work__begin(work, output_run, output_done);
    } else {
        settle(flight);
    }
}

enum { FOLDERS_SHOWN = 3, PATH_SHOWN = 100 };

/* The beginning of PATH is named, since it is that of the daemon, not of the terminal that sent the
 * job. A file that is there, and whose interpreter is not, ends the same way. */
static void note_no_program(const struct flight *flight, char *note, size_t size) {
    const char *program = flight->facts.program, *path = "/usr/local/bin:/usr/bin:/bin";
    for (char *const *at = flight->dispatch->environment; *at != NULL; at++) {
        path = strncmp(*at, "PATH=", 5) == 0 ? *at + 5 : path;
    }
    if (strchr(program, '/') != NULL) {
        (void)snprintf(note, size, "There is no program '%s', or not the interpreter that it names",
                       program); /* Cut to what fits. */
    } else if (flight->facts.path_given) {
        (void)snprintf(note, size, "There is no program '%s' in the PATH of the job", program);
    } else {
        size_t len = strcspn(path, ":");
        for (int shown = 1; shown < FOLDERS_SHOWN && path[len] != '\0'; shown++) {
            len += 1 + strcspn(path + len + 1, ":");
        }
        len = len < PATH_SHOWN ? len : PATH_SHOWN;
        (void)snprintf(note, size, "There is no program '%s' in the daemon's PATH: %.*s%s", program,
                       (int)len, path, path[len] != '\0' ? "…" : "");
    }
    utf8_make_plain(note, strlen(note));
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
    } else if (exit->end == EXIT_NOT_STARTED && exit->os == ENOENT &&
               strcmp(exit->step, "exec") == 0 && flight->facts.program[0] != '\0') {
        note_no_program(flight, work->note, size);
    } else if (exit->end == EXIT_NOT_STARTED) {
        const char *text = strerrordesc_np(exit->os);
        (void)snprintf(work->note, size, "The command could not be started: %s: %s", exit->step,
                       text == NULL ? "unknown error" : text); /* Short. */
    } else if (exit->left > 0) {
        (void)snprintf(work->note, size,
                       "%" PRId64 " processes could not be ended: the system keeps them",
                       exit->left); /* Short. */
    }
    /* Followers of the log hear of the last bytes here: they are on the disk. */
    flight__grown(flight, LOG_OUT, exit->out);
    flight__grown(flight, LOG_ERR, exit->err);
    flight__grown(flight, LOG_PTY, exit->pty);
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
