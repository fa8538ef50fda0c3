/* ops_jobs.c: what clients ask of jobs, as the handlers of api/ ask the store. */
#include <stdio.h>
#include <string.h>

#include "agents.h"
#include "api/run/runs.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "dispatch/job/dispatch.h"
#include "engine/job/input.h"
#include "engine/job/spec.h"
#include "engine/run/runs.h"
#include "folder.h"
#include "hosts.h"
#include "inside.h"
#include "jobs.h"
#include "known.h"
#include "loop/loop.h"
#include "main/work.h"
#include "store/store.h"
#include "streams.h"

enum { SPEC_MAX = 8 << 10, STDIN_MAX = 3000, INPUT_MAX = 4000 };

#define OWNER BYTES(KNOWN_OWNER)

static struct dispatch *dispatch_of(struct sim *sim) {
    return work_api(sim_life(sim)->work).host.dispatch;
}

static struct job *job_pick(struct sim *sim) {
    struct jobs *jobs = jobs_of(sim);
    return jobs->count == 0 ? NULL : &jobs->list[sim_choose(sim, "job", jobs->count)];
}

/* --- Submit ----------------------------------------------------------------------------------- */

struct submit {
    struct sim *sim;
    struct job *job; /* The model's. */
    struct text spec;
    json_t *json;
    struct job_spec read;
    struct run_new run;
};

static void add_retry(struct sim *sim, struct job *job, struct text *text) {
    static const char *const on[] = {"[\"failed\"]", "[\"failed\",\"timed_out\"]", "[\"lost\"]",
                                     "[\"failed\",\"timed_out\",\"lost\"]"};
    const uint64_t longest = sim_chance(sim, "long backoff", 20) ? 200000 : 3000;
    job->retries = (int64_t)sim_choose(sim, "retries", 4);
    text_addf(text, ",\"retry\":{\"max\":%lld,\"on\":%s,\"backoff\":%llu}", (long long)job->retries,
              on[sim_choose(sim, "retry on", COUNT_OF(on))],
              (unsigned long long)(100 + sim_choose(sim, "backoff", longest)));
}

static void add_notify(struct sim *sim, struct job *job, struct text *text) {
    job->hooks = 1 + (unsigned)sim_choose(sim, "hooks", JOB_HOOKS_MAX);
    text_add_str(text, ",\"notify\":[");
    for (unsigned i = 0; i < job->hooks; i++) {
        text_addf(text, "%s{\"webhook\":\"http://hook.test/%u/%llu\"}", i > 0 ? "," : "", i,
                  (unsigned long long)sim_choose(sim, "address", 3));
    }
    text_add_char(text, ']');
}

static void add_input(struct sim *sim, struct job *job, struct text *text) {
    uint64_t len = sim_choose(sim, "stdin", STDIN_MAX);
    if (len > 0) {
        text_add_str(text, ",\"stdin\":\"");
        for (uint64_t i = 0; i < len; i++) {
            text_add_char(text, (char)('a' + i % 26));
        }
        text_add_char(text, '"');
    }
    job->input = (int64_t)len;
    job->stdin_open = sim_chance(sim, "stdin open", 70);
    text_add_str(text, job->stdin_open ? ",\"stdin_open\":true" : "");
}

/* Some have the name of a key of the engine: that of the processes of an agent. */
static void job_name_key(struct sim *sim, struct job *job, struct text *text) {
    text_addf(text, ",\"key_max\":%lld,\"key\":\"", (long long)job->key_max);
    if (sim_chance(sim, "key of the engine", 20)) {
        job->key[1] = (char)(job->key[1] + 2);
        text_addf(text, "drover/agent/%s\"",
                  agents_name(job->key[1] == '2' ? ADAPTER_CLAUDE : ADAPTER_PLAIN));
    } else {
        text_addf(text, "%s\"", job->key);
    }
}

static void spec_write(struct sim *sim, struct job *job, struct text *text) {
    const char *program = sim_chance(sim, "missing", 4) ? "missing" : "work";
    text_addf(text, "{\"argv\":[\"%s\",\"op-%u\"]", program, sim_operation(sim));
    job->once = sim_chance(sim, "once", 25);
    text_add_str(text, job->once ? ",\"once\":true" : "");
    if (sim_chance(sim, "key", 35)) {
        (void)snprintf(job->key, sizeof job->key, "k%llu",
                       (unsigned long long)sim_choose(sim, "which key", 2));
        job->key_max = job->key[1] == '0' ? 1 : 2;
        job_name_key(sim, job, text);
    }
    if (sim_chance(sim, "timeout", 30)) {
        job->timeout_ms = 100 + (int64_t)sim_choose(sim, "timeout", 15000);
        text_addf(text, ",\"timeout_ms\":%lld", (long long)job->timeout_ms);
    }
    if (!job->once && sim_chance(sim, "retry", 40)) {
        add_retry(sim, job, text);
    }
    if (sim_chance(sim, "notify", 40)) {
        add_notify(sim, job, text);
    }
    if (sim_chance(sim, "pty", 15)) {
        text_add_str(text, ",\"pty\":true");
        job->stdin_open = true;
    } else if (sim_chance(sim, "input", 30)) {
        add_input(sim, job, text);
    }
    if (folder_plays(&sim->options) && sim_chance(sim, "cwd", 40)) {
        text_addf(text, ",\"cwd\":\"%s\"", sim_project_dir(sim));
    }
    text_addf(text, ",\"priority\":%lld}", (long long)sim_choose(sim, "priority", 3) - 1);
}

static struct err submit_tx(struct tx *tx, void *ctx) {
    struct submit *submit = ctx;
    struct run_row row = {0};
    return tx_run_submit(tx, &submit->run, &row);
}

static void submit_done(struct err err, void *ctx) {
    struct submit *submit = ctx;
    struct sim *sim = submit->sim;
    if (!sim_life(sim)->dead) {
        submit->job->told = err_failed(err) ? TOLD_REFUSED : TOLD_ACCEPTED;
        sim_trace(sim, "job %u is %s", submit->job->operation,
                  err_failed(err) ? err_name(err.code) : "accepted");
    }
    json_decref(submit->json);
    text_done(&submit->spec);
    mem_free(submit);
}

/* As submit_start and submit_work in api/job/jobs.c. */
static void run_fill(struct submit *submit) {
    const struct job_spec *spec = &submit->read;
    const struct world *world = loop_world(sim_life(submit->sim)->loop);
    uint8_t random[10];
    world_random(world, random, sizeof random);
    submit->run = (struct run_new){
        .run = id_make("run", world_wall_ms(world), random),
        .owner = OWNER,
        .parent = {"", 0},
        .kind = KIND_JOB,
        .key = bytes_of(spec->key),
        .label = bytes_of(spec->label),
        .command = {"work", 4},
        .priority = spec->priority,
        .key_max = spec->key_max,
        .once = spec->once,
        .project = bytes_of(spec->project),
        .input_open = spec->input_open,
        .input_from = spec->input == NULL ? 0 : (int64_t)strlen(spec->input),
        .bounds = dispatch_bounds(dispatch_of(submit->sim)),
        .spec = {submit->spec.data, submit->spec.len},
    };
}

static void stream_name(const struct job *job, char name[48]) {
    (void)snprintf(name, 48, "run:%s", job->run.text);
}

static void stream_follow(struct sim *sim, const struct job *job) {
    char name[48];
    stream_name(job, name);
    if (sim_chance(sim, "follow", 50)) {
        streams_follow(sim, name);
    }
}

void jobs_submit(struct sim *sim) {
    struct jobs *jobs = jobs_of(sim);
    if (jobs->count == JOBS_MAX) {
        return;
    }
    struct job *job = &jobs->list[jobs->count++];
    *job = (struct job){.operation = sim_operation(sim)};
    struct submit *submit = mem_new(sizeof *submit);
    submit->sim = sim;
    submit->job = job;
    text_init(&submit->spec, SPEC_MAX);
    spec_write(sim, job, &submit->spec);
    struct why why = {.text = ""};
    struct err err =
        json_parse(submit->spec.data, submit->spec.len, JSON_DEPTH_MAX, &submit->json, &why);
    if (!err_failed(err)) {
        err = job_spec_read(submit->json, &submit->read, &why);
    }
    if (err_failed(err)) {
        sim_fail(sim, "the simulator wrote a bad job: %s in %s", why.text, submit->spec.data);
    }
    run_fill(submit);
    job->run = submit->run.run;
    stream_follow(sim, job);
    sim_trace(sim, "job %u is %s: %.*s", job->operation, job->run.text, (int)submit->spec.len,
              submit->spec.data);
    store_write(sim_life(sim)->store, submit_tx, submit_done, submit);
}

/* --- Stop ------------------------------------------------------------------------------------- */

struct stop {
    struct sim *sim;
    struct job *job;
    struct run_stop stop;
    bool begun, more;
};

static struct err stop_tx(struct tx *tx, void *ctx) {
    struct stop *stop = ctx;
    struct run_row row = {0};
    stop->more = false;
    return tx_run_stop(tx, &stop->stop, &stop->more, &row);
}

static void stop_done(struct err err, void *ctx) {
    struct stop *stop = ctx;
    if (!err_failed(err) && stop->more) {
        stop->begun = true;
        stop->stop.bounds = dispatch_bounds(dispatch_of(stop->sim));
        store_write(sim_life(stop->sim)->store, stop_tx, stop_done, stop);
        return;
    }
    if (!sim_life(stop->sim)->dead && !err_failed(err)) {
        stop->job->stopped = true;
        stop->job->stopped_ns = sim_now_ns(stop->sim);
        stop->job->grace_ms = stop->stop.grace_ms;
    }
    sim_trace(stop->sim, "stop of job %u: %s", stop->job->operation, err_name(err.code));
    mem_free(stop);
}

void jobs_stop(struct sim *sim) {
    struct job *job = job_pick(sim);
    if (job == NULL) {
        return;
    }
    struct stop *stop = mem_new(sizeof *stop);
    stop->sim = sim;
    stop->job = job;
    stop->stop = (struct run_stop){.key = {.owner = OWNER, .run = bytes_of(job->run.text)},
                                   .cause = CAUSE_STOPPED,
                                   .grace_ms = (int64_t)sim_choose(sim, "grace", 8000),
                                   .bounds = dispatch_bounds(dispatch_of(sim))};
    store_write(sim_life(sim)->store, stop_tx, stop_done, stop);
}

/* --- Input ------------------------------------------------------------------------------------ */

struct input {
    struct sim *sim;
    struct job *job;
    struct run_input input;
    struct run_input_place place;
    struct why why;
    char letter;
    char bytes[INPUT_MAX];
};

/* As input_check_here in api/job/jobs.c. */
static struct err check_here(struct tx *tx, struct input *input) {
    const struct run_bounds bounds = dispatch_bounds(dispatch_of(input->sim));
    bool found = false;
    struct run_row row = {0};
    struct err err = tx_run_find_shown(tx, &input->input.key, &found, &row);
    bool away = !err_failed(err) && found && run_is_away(&row, &bounds);
    return away ? tx_run_check_here(tx, &row, &bounds, &input->why) : err;
}

static struct err input_tx(struct tx *tx, void *ctx) {
    struct input *input = ctx;
    struct err err = hosts_several(input->sim) ? check_here(tx, input) : ERR_OK;
    return err_failed(err) ? err : tx_run_input(tx, &input->input, &input->place, &input->why);
}

static void input_done(struct err err, void *ctx) {
    struct input *input = ctx;
    struct sim *sim = input->sim;
    struct job *job = input->job;
    if (!err_failed(err)) {
        dispatch_input(dispatch_of(sim), input->input.key.run);
    }
    if (!err_failed(err) && !sim_life(sim)->dead) {
        if (!job->input_unsure && input->place.offset != job->input) {
            sim_fail(sim, "input of %s is put at %lld, after %lld bytes", job->run.text,
                     (long long)input->place.offset, (long long)job->input);
        }
        job->input = input->place.next;
        job->input_ns = sim_now_ns(sim);
        if (job->pieces_count < JOB_INPUT_PIECES) {
            job->pieces[job->pieces_count++] =
                (struct job_piece){input->place.offset, input->place.next, input->letter};
        }
        job->input_ended = job->input_ended || input->input.end == RUN_INPUT_ENDS;
    }
    sim_trace(sim, "input of job %u: %s", job->operation, err_name(err.code));
    mem_free(input);
}

static void op_input(struct sim *sim) {
    struct job *job = job_pick(sim);
    if (job == NULL || !job->stdin_open) {
        return;
    }
    struct input *input = mem_new(sizeof *input);
    size_t len = (size_t)sim_choose(sim, "len", INPUT_MAX);
    input->sim = sim;
    input->job = job;
    input->letter = (char)('A' + sim_operation(sim) % 26);
    memset(input->bytes, input->letter, len);
    input->input = (struct run_input){
        .key = {.owner = OWNER, .run = bytes_of(job->run.text)},
        .bytes = {input->bytes, len},
        .end = len == 0 || sim_chance(sim, "end", 20) ? RUN_INPUT_ENDS : RUN_INPUT_GOES_ON,
        .accepted = dispatch_input_accepted(dispatch_of(sim), bytes_of(job->run.text))};
    store_write(sim_life(sim)->store, input_tx, input_done, input);
}

/* --- Delete ----------------------------------------------------------------------------------- */

struct removal {
    struct sim *sim;
    struct job *job;
    struct run_key key;
    struct loop_work work;
    int64_t attempts;
    bool more;
};

static struct err remove_tx(struct tx *tx, void *ctx) {
    struct removal *removal = ctx;
    struct run_row row = {0};
    removal->attempts = 0;
    removal->more = false;
    struct err err = tx_run_remove(tx, &removal->key, &removal->more, &row);
    removal->attempts = err_failed(err) ? 0 : row.attempt;
    return err;
}

static void folders_remove(struct loop_work *work) {
    struct removal *removal = CONTAINER_OF(work, struct removal, work);
    struct spool *spool = work_api(sim_life(removal->sim)->work).spool;
    for (int64_t attempt = 1; attempt <= removal->attempts; attempt++) {
        char name[PROTOCOL_NAME_MAX];
        (void)snprintf(name, sizeof name, "%s.%lld", removal->job->run.text, (long long)attempt);
        struct err err = spool_remove(spool, name);
        (void)err; /* As in the API: the dispatcher removes the rest. */
    }
}

static void folders_removed(struct loop_work *work) {
    struct removal *removal = CONTAINER_OF(work, struct removal, work);
    mem_free(removal);
}

static void remove_done(struct err err, void *ctx) {
    struct removal *removal = ctx;
    if (!err_failed(err) && removal->more) {
        store_write(sim_life(removal->sim)->store, remove_tx, remove_done, removal);
        return;
    }
    sim_trace(removal->sim, "delete of job %u: %s", removal->job->operation, err_name(err.code));
    if (!err_failed(err) && !sim_life(removal->sim)->dead) {
        removal->job->told = TOLD_DELETED;
    }
    if (!err_failed(err)) {
        removal->work = (struct loop_work){.run = folders_remove, .done = folders_removed};
        loop_work(sim_life(removal->sim)->loop, &removal->work);
        return;
    }
    mem_free(removal);
}

static void op_delete(struct sim *sim) {
    struct job *job = job_pick(sim);
    if (job == NULL) {
        return;
    }
    struct removal *removal = mem_new(sizeof *removal);
    removal->sim = sim;
    removal->job = job;
    removal->key = (struct run_key){.owner = OWNER, .run = bytes_of(job->run.text)};
    job->deleting = true;
    char name[48];
    stream_name(job, name);
    streams_may_go(sim, name);
    store_write(sim_life(sim)->store, remove_tx, remove_done, removal);
}

/* --- Hold ------------------------------------------------------------------------------------- */

bool jobs_held(struct sim *sim) {
    return dispatch_held(dispatch_of(sim)) == RUN_HELD;
}

void jobs_release(struct sim *sim) {
    if (jobs_held(sim)) {
        jobs_of(sim)->held_ns = sim_now_ns(sim);
    }
    dispatch_release(dispatch_of(sim));
}

static void op_release(struct sim *sim) {
    jobs_release(sim);
}

const struct sim_op jobs_ops[] = {
    {"submit a job", 24, jobs_submit}, {"stop a job", 6, jobs_stop},
    {"input for a job", 8, op_input},  {"delete a job", 4, op_delete},
    {"release", 2, op_release},        {.name = NULL},
};
