/* dispatch_kit.c: see dispatch_kit.h. */
#include "dispatch_kit.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/memory.h"
#include "base/text.h"
#include "engine/inbox/inbox.h"
#include "loop/loop_uv.h"
#include "main/parts.h"
#include "scale.h"

enum { PATIENCE_MS = 30000, TICK_MS = 100, FILE_LOOK_MS = 5 }; /* A run of the test has a minute. */

static void check(struct err err) {
    if (err_failed(err)) {
        fail_msg("%s at %s (%s)", err_name(err.code), err.step, strerror(err.os));
    }
}

static void on_lost(void *ctx, struct err err) {
    (void)ctx;
    fail_msg("the store was lost: %s", err.step);
}

static void on_note(void *ctx, struct bytes note) {
    struct kit *kit = ctx;
    struct run_row row;
    kit->notes++;
    if (!kit->deaf && kit->dispatch != NULL) {
        assert_true(run_note_read(note, &row));
        dispatch_run_note(kit->dispatch, &row);
    }
}

static void on_other(void *ctx, struct bytes note) {
    (void)ctx; /* Of streams and receivers: nobody is there. */
    (void)note;
}

static void on_failed(void *ctx, const char *what, struct bytes run, struct err err) {
    struct kit *kit = ctx;
    kit->failures++;
    (void)what;
    (void)run;
    (void)err;
}

static void on_recovered(void *ctx) {
    struct kit *kit = ctx;
    kit->recovered = true;
}

static void on_stopped(void *ctx) {
    struct kit *kit = ctx;
    kit->stopped = true;
}

static bool is_recovered(struct kit *kit, void *ctx) {
    (void)ctx;
    return kit->recovered;
}

static bool is_stopped(struct kit *kit, void *ctx) {
    (void)ctx;
    return kit->stopped;
}

static void open_store(struct kit *kit) {
    struct store_options options = {.where = kit->place.dir,
                                    .executor = STORE_THREAD,
                                    .loop = kit->loop,
                                    .world = world_real(),
                                    .lost = on_lost,
                                    .ctx = kit};
    for (unsigned kind = 0; kind < 3; kind++) {
        options.notes[kind] =
            (struct store_note_kind){.deliver = kind == RUN_NOTE ? on_note : on_other, .ctx = kit};
    }
    struct why why;
    struct err err = store_open(&options, &kit->store, &why);
    if (err_failed(err)) {
        fail_msg("%s: %s", err_name(err.code), why.text);
    }
}

static int64_t kit_wall_ms(void *ctx) {
    return world_wall_ms(world_real()) + ((struct kit *)ctx)->ahead_ms;
}

void kit_open(struct kit *kit) {
    kit->world = *world_real();
    kit->world.ctx = kit; /* The real file functions look at no context. */
    kit->world.wall_ms = kit_wall_ms;
    check(loop_open(&(struct loop_options){.world = &kit->world}, &kit->loop));
    open_store(kit);
    struct holders_options of_holders = {
        .loop = kit->loop, .spool = kit->place.spool, .data_dir = kit->place.dir};
    check(holders_open(&of_holders, &kit->holders));
    struct dispatch_options options = {
        .loop = kit->loop,
        .store = kit->store,
        .spool = kit->place.spool,
        .holders = kit->holders,
        .data_dir = kit->place.dir,
        .bounds = {.slots = kit->slots, .host = kit->host, .hosts = kit->hosts},
        .guest = kit->guest,
        .host_name = "kit",
        .version = "0",
        .host_timeout_ms = kit->host_timeout_ms,
        .environment = (const char *const *)environ,
        .hold = kit->hold,
        .keep = kit->keep,
        .parts = kit->guest ? guest_parts : leader_parts,
        .ctx = kit,
        .failed = on_failed};
    kit->dispatch = dispatch_open(&options);
}

void kit_recover(struct kit *kit) {
    kit->recovered = false;
    dispatch_recover(kit->dispatch, on_recovered, kit);
    kit_until(kit, is_recovered, NULL);
}

void kit_up(struct kit *kit) {
    kit_open(kit);
    kit_recover(kit);
}

void kit_down(struct kit *kit) {
    kit->stopped = false;
    dispatch_stop(kit->dispatch, on_stopped, kit);
    kit_until(kit, is_stopped, NULL);
    holders_close(kit->holders);
    store_close(kit->store);
    dispatch_close(kit->dispatch);
    kit->dispatch = NULL;
    loop_stop(kit->loop);
    loop_run(kit->loop);
    loop_close(kit->loop);
}

struct kit *kit_new(void) {
    struct kit *kit = mem_new(sizeof *kit);
    kit->slots = 100;
    kit->host = BYTES("here");
    place_init(&kit->place);
    kit_up(kit);
    return kit;
}

void kit_free(struct kit *kit) {
    kit_down(kit);
    place_done(&kit->place);
    mem_free(kit);
}

int kit_setup(void **state) {
    *state = kit_new();
    return 0;
}

int kit_teardown(void **state) {
    kit_free(*state);
    return 0;
}

void kit_assert_ended(const struct run_row *row, enum run_state state, enum run_cause cause) {
    assert_string_equal(run_state_name(row->state), run_state_name(state));
    assert_string_equal(run_cause_name(row->cause), run_cause_name(cause));
}

static void on_late(uv_timer_t *timer) {
    *(int *)timer->data -= 1;
}

/* Whether it was so within the patience. A look may have taken the last event, and what makes a
 * file may be a process that says nothing to us: so the loop is woken now and then. */
static bool comes_to_be(struct kit *kit, bool (*is_so)(struct kit *kit, void *ctx), void *ctx,
                        unsigned look_ms) {
    int left = scaled_ms(PATIENCE_MS) / (int)look_ms;
    uv_timer_t patience;
    assert_int_equal(uv_timer_init(loop_uv(kit->loop), &patience), 0);
    patience.data = &left;
    uv_update_time(loop_uv(kit->loop));
    assert_int_equal(uv_timer_start(&patience, on_late, look_ms, look_ms), 0);
    while (!is_so(kit, ctx) && left > 0) {
        (void)uv_run(loop_uv(kit->loop), UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&patience, NULL);
    (void)uv_run(loop_uv(kit->loop), UV_RUN_NOWAIT);
    return left > 0;
}

void kit__until(struct kit *kit, bool (*is_so)(struct kit *kit, void *ctx), void *ctx,
                const char *words) {
    if (!comes_to_be(kit, is_so, ctx, TICK_MS)) {
        fail_msg("%s was not so within %d ms", words, scaled_ms(PATIENCE_MS));
    }
}

/* --- Transactions ----------------------------------------------------------------------------- */

struct call {
    store_fn fn;
    bool done;
    struct err err;
    struct id run;
    struct run_new what;
    struct run_stop stop;
    const char *const *sql;
    int64_t number;
};

static struct err run_call(struct tx *tx, void *ctx) {
    const struct call *call = ctx;
    return call->fn(tx, ctx);
}

static void call_done(struct err err, void *ctx) {
    struct call *call = ctx;
    call->done = true;
    call->err = err;
}

static bool is_done(struct kit *kit, void *ctx) {
    const struct call *call = ctx;
    return call->done;
}

static void write_now(struct kit *kit, struct call *call) {
    store_write(kit->store, run_call, call_done, call);
    kit_until(kit, is_done, call);
    check(call->err);
}

static struct err submit_tx(struct tx *tx, void *ctx) {
    struct call *call = ctx;
    struct run_row row;
    return tx_run_submit(tx, &call->what, &row);
}

struct id kit_submit(struct kit *kit, const struct kit_job *job) {
    uint8_t random[10];
    world_random(world_real(), random, sizeof random);
    struct bytes none = {"", 0};
    struct call call = {.fn = submit_tx,
                        .what = {.run = id_make("run", world_wall_ms(world_real()), random),
                                 .owner = BYTES("ann"),
                                 .parent = none,
                                 .label = none,
                                 .key = none,
                                 .spec = {job->spec, strlen(job->spec)},
                                 .kind = KIND_JOB,
                                 .once = job->once,
                                 .input_open = job->input_open,
                                 .input_from = job->input_from,
                                 .bounds = dispatch_bounds(kit->dispatch)}};
    if (job->key != NULL) {
        call.what.key = (struct bytes){job->key, strlen(job->key)};
        call.what.key_max = 1;
    }
    write_now(kit, &call);
    return call.what.run;
}

struct id kit_shell(struct kit *kit, const char *command) {
    AUTO(text_done) struct text spec;
    text_init(&spec, 4096);
    text_add_str(&spec, "{\"shell\":");
    text_add_json(&spec, command, strlen(command));
    text_add_char(&spec, '}');
    assert_false(text_failed(&spec));
    return kit_submit(kit, &(struct kit_job){.spec = spec.data});
}

static struct err stop_tx(struct tx *tx, void *ctx) {
    struct call *call = ctx;
    struct run_row row;
    bool more = false;
    return tx_run_stop(tx, &call->stop, &more, &row);
}

void kit_stop(struct kit *kit, const struct id *run) {
    struct call call = {
        .fn = stop_tx,
        .stop = {.key = {.owner = BYTES("ann"), .run = {run->text, strlen(run->text)}},
                 .cause = CAUSE_STOPPED,
                 .grace_ms = 1000,
                 .bounds = dispatch_bounds(kit->dispatch)}};
    write_now(kit, &call);
}

static struct err number_tx(struct tx *tx, void *ctx) {
    struct call *call = ctx;
    struct err err = ERR_OK;
    for (const char *const *sql = call->sql; *sql != NULL && !err_failed(err); sql++) {
        AUTO(rows_release) struct rows *rows = NULL;
        err = tx_first(tx, *sql, NULL, 0, &rows);
        call->number = !err_failed(err) && rows != NULL ? rows_int(rows, 0) : -1;
    }
    return err;
}

void kit_change(struct kit *kit, const char *const *sql) {
    struct call call = {.fn = number_tx, .sql = sql};
    write_now(kit, &call);
}

int64_t kit_number(struct kit *kit, const char *sql) {
    const char *const one[] = {sql, NULL};
    struct call call = {.fn = number_tx, .sql = one};
    write_now(kit, &call);
    return call.number;
}

/* --- Rows ------------------------------------------------------------------------------------- */

struct look {
    bool done, found;
    struct err err;
    struct id run;
    struct run_row row;
    char note[512], result[2048];
};

static struct bytes keep(char *buffer, size_t size, struct bytes text) {
    assert(text.len < size);
    memcpy(buffer, text.data, text.len);
    buffer[text.len] = '\0';
    return (struct bytes){buffer, text.len};
}

static struct err look_tx(struct tx *tx, void *ctx) {
    struct look *look = ctx;
    struct run_key key = {.run = {look->run.text, strlen(look->run.text)}};
    struct err err = tx_run_find(tx, &key, &look->found, &look->row);
    if (!err_failed(err) && look->found) {
        look->row.note = keep(look->note, sizeof look->note, look->row.note);
        look->row.result = keep(look->result, sizeof look->result, look->row.result);
    }
    return err;
}

static void look_done(struct err err, void *ctx) {
    struct look *look = ctx;
    look->done = true;
    look->err = err;
}

static bool is_looked(struct kit *kit, void *ctx) {
    const struct look *look = ctx;
    return look->done;
}

const struct run_row *kit_row(struct kit *kit, const struct id *run) {
    static struct look look;
    look = (struct look){.run = *run};
    store_read(kit->store, look_tx, look_done, &look);
    kit_until(kit, is_looked, &look);
    check(look.err);
    assert_true(look.found);
    return &look.row;
}

struct wanted {
    const struct id *run;
    enum run_state state;
    bool any_end;
    unsigned looked; /* How many notes there were then, and one more. */
};

/* A row that changed leaves a note: only then is it worth a look. One that comes while we look is
 * looked at at once: nothing else may come to wake the loop. */
static bool is_in_state(struct kit *kit, void *ctx) {
    struct wanted *wanted = ctx;
    while (wanted->looked != kit->notes + 1) {
        wanted->looked = kit->notes + 1;
        enum run_state state = kit_row(kit, wanted->run)->state;
        if (wanted->any_end ? run_state_final(state) : state == wanted->state) {
            return true;
        }
    }
    return false;
}

void kit_until_state(struct kit *kit, const struct id *run, enum run_state state) {
    struct wanted wanted = {.run = run, .state = state};
    kit_until(kit, is_in_state, &wanted);
}

const struct run_row *kit_end(struct kit *kit, const struct id *run) {
    struct wanted wanted = {.run = run, .any_end = true};
    kit_until(kit, is_in_state, &wanted);
    return kit_row(kit, run);
}

const char *kit_name(const struct id *run, int64_t attempt) {
    static char name[PROTOCOL_NAME_MAX];
    (void)snprintf(name, sizeof name, "%s.%lld", run->text, (long long)attempt);
    return name;
}

const char *kit_path(const struct kit *kit, const char *file) {
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", kit->place.dir, file);
    return path;
}

static bool is_there(struct kit *kit, void *ctx) {
    return file_exists(ctx);
}

void kit_until_file(struct kit *kit, const char *path) {
    AUTO(mem_release) char *copy = mem_copy(path, strlen(path));
    if (!comes_to_be(kit, is_there, copy, FILE_LOOK_MS)) {
        fail_msg("%s was not there within %d ms", copy, scaled_ms(PATIENCE_MS));
    }
}

struct kit_begun kit_begin_gated(struct kit *kit) {
    char line[512], began[256];
    (void)snprintf(
        line, sizeof line,
        "cd '%s'; sh -c 'echo $$ > began.new; mv began.new began; while [ ! -e gate ]; do "
        "sleep 0.01; done; exit 3' & wait $!",
        kit->place.dir);
    struct kit_begun begun = {.run = kit_shell(kit, line)};
    (void)snprintf(began, sizeof began, "%s", kit_path(kit, "began"));
    bool there = comes_to_be(kit, is_there, began, FILE_LOOK_MS);
    const struct run_row *row = kit_row(kit, &begun.run);
    if (!there) {
        fail_msg("the command did not begin within %d ms: its run is %s, cause %s, attempt %lld",
                 scaled_ms(PATIENCE_MS), run_state_name(row->state), run_cause_name(row->cause),
                 (long long)row->attempt);
    }
    begun.attempt = row->attempt;
    begun.pid = read_pid(began);
    return begun;
}

void kit_open_gate(struct kit *kit) {
    FILE *gate = fopen(kit_path(kit, "gate"), "w");
    assert_non_null(gate);
    assert_int_equal(fclose(gate), 0);
}

static enum spool_found found_of(struct kit *kit, const struct kit_begun *begun, int *ret_pid) {
    struct spool_state state;
    check(spool_decide(kit->place.spool, kit_name(&begun->run, begun->attempt), SPOOL_LOOK, 0,
                       &state));
    *ret_pid = state.pid;
    return state.found;
}

void kit_kill_holder(struct kit *kit, const struct kit_begun *begun) {
    int pid = 0;
    assert_int_equal(found_of(kit, begun, &pid), SPOOL_ALIVE);
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (found_of(kit, begun, &pid) == SPOOL_ALIVE)
        ; /* The lock goes with the holder. */
}

bool kit_process_gone(struct kit *kit, void *ctx) {
    (void)kit;
    return !process_lives(*(const pid_t *)ctx);
}

bool kit_no_removals(struct kit *kit, void *ctx) {
    (void)ctx;
    return kit_number(kit, "SELECT count(*) FROM folder_removals") == 0;
}

struct dispatch_stats kit_stats(const struct kit *kit) {
    struct dispatch_stats stats;
    dispatch_get_stats(kit->dispatch, &stats);
    return stats;
}
