/* start.c: the queue of starts, and the order of a holder, made from the spec of the run.
 *
 * A start takes some 0.3 ms of the loop (fork and exec), so a turn begins as many as fit into a
 * millisecond, and sockets and timers have theirs in between.
 *
 * The first of a queue waits for one turn more. Notes come before the answers of the same commit:
 * without that, a client would wait for fork and exec to hear that its command is stored.
 *
 * A start that fails (no program, no descriptor, no memory) is not our decision alone: the holder
 * may be there already. So it is decided through the spool like every other doubt, and where that
 * says void, the rules know how often and how soon to try again. A start for which no descriptor
 * was free is known by its errno (settle.c), since the run is not at fault; it begins a pause,
 * in which further starts are given back without a try (loop/shortage.h).
 *
 * The environment of a command is small and known: from the daemon's own only the names in a table
 * (no secret of the daemon's travels on); then what the spec says; then ours, which the spec cannot
 * change. A command runs where its spec says, else in the home of the user who runs the daemon
 * ($HOME), else in /. */
#include <errno.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/process/variables.h"
#include "base/utf8.h"
#include "dispatch/job/secrets.h"
#include "dispatch/job/work.h"
#include "engine/job/spec.h"
#include "rules/token/run_token.h"
#include "rules/tree/tree.h"

enum {
    TURN_NS = 1000 * 1000,
    LARGE = 8 << 10, /* A spec from here on is read in the pool. */
};
enum {
    OWN_VARIABLES_MAX = 1000,
    INHERITED_MAX = 64,
    OURS = 13,
    NONCE_BYTES = 16,
    OWN_MAX = PROTOCOL_NAME_MAX + 32
};

/* A copy, made once: the pool reads it while the loop lives. */
char **start__environment(const char *const *environment, enum variable_use use) {
    const size_t max = use == VARIABLE_USES ? OWN_VARIABLES_MAX : INHERITED_MAX;
    char **copy = mem_new_array(max + 1, sizeof *copy);
    size_t count = 0;
    for (const char *const *at = environment; at != NULL && *at != NULL && count < max; at++) {
        if (use == VARIABLE_USES || variable_is_for(*at, use)) {
            copy[count++] = mem_copy(*at, strlen(*at));
        }
    }
    return copy;
}

/* In a spec that drover wrote with secrets, which are read from the disk. In a text of a client it
 * costs that spec a way through the pool. */
static const struct bytes reads_keys = BYTES_INIT("\"agent\":{");

/* --- Arguments and environment ---------------------------------------------------------------- */

static const char **arguments(const struct job_spec *spec) {
    size_t count = spec->argv == NULL ? 0 : json_array_size(spec->argv);
    const char **argv = mem_try((count + OURS) * sizeof *argv);
    if (argv == NULL) {
        return NULL;
    }
    size_t at = 0;
    if (spec->argv == NULL) {
        argv[at++] = "/bin/sh";
        argv[at++] = "-c";
        argv[at++] = spec->shell;
    }
    for (size_t i = 0; i < count; i++) {
        argv[at++] = json_string_value(json_array_get(spec->argv, i));
    }
    argv[at] = NULL;
    return argv;
}

/* The bytes of the variables that are made here, and where each begins. */
struct variables {
    char *bytes;       /* Owned. */
    const char **list; /* Owned; ends with NULL. */
    size_t count, used;
};

static void variables_done(struct variables *variables) {
    mem_free(variables->bytes);
    mem_free(variables->list);
}

/* There is room: variables_room counted. */
static void put(struct variables *variables, const char *name, const char *value) {
    size_t name_size = strlen(name), value_size = strlen(value);
    char *at = variables->bytes + variables->used;
    memcpy(at, name, name_size);
    at[name_size] = '=';
    memcpy(at + name_size + 1, value, value_size + 1);
    variables->used += name_size + value_size + 2;
    variables->list[variables->count++] = at;
}

/* The folder `tmp` of the attempt (proc/spool/protocol.h). False: the path is too long. */
static bool tmp_path(const struct flight_work *work, char ret_path[LIMIT_PATH_MAX]) {
    const int len = snprintf(ret_path, LIMIT_PATH_MAX, "%s/%s/" PROTOCOL_TMP,
                             spool_path(work->dispatch->options.spool), work->name);
    return len > 0 && len < LIMIT_PATH_MAX;
}

/* A program that is an agent leaves files in its folder for temporary ones, which are to go with
 * it. */
static bool tmp_is_own(const struct flight_work *work, const struct job_spec *spec) {
    return spec->agent && !spec->sandbox && spool_tmp_fits(work->dispatch->options.spool);
}

/* Each names the folder for temporary files, to some program. HOME is for a sandbox alone. */
static const char *const tmp_names[] = {"HOME", "TMPDIR", "TMP", "TEMP", NULL};

/* The names that are moved to the folder `tmp`. */
static const char *const *moved_names(const struct flight_work *work, const struct job_spec *spec) {
    return &tmp_names[spec->sandbox ? 0 : tmp_is_own(work, spec) ? 1 : COUNT_OF(tmp_names) - 1];
}

/* The daemon's own, where nothing of the job replaces them. */
static void inherited_add(struct variables *variables, const struct flight_work *work,
                          const struct job_spec *spec) {
    const struct dispatch *dispatch = work->dispatch;
    char *const *inherited = spec->agent ? dispatch->agent_environment : dispatch->environment;
    for (char *const *at = inherited; *at != NULL; at++) {
        char own[32];
        int len = snprintf(own, sizeof own, "%.*s", (int)strcspn(*at, "="), *at);
        bool whole = len >= 0 && (size_t)len < sizeof own;
        bool terminal = spec->pty && strcmp(own, "TERM") == 0;
        unsigned at_name;
        bool moved = bytes_find(bytes_of(own), moved_names(work, spec), &at_name);
        bool replaced = spec->path != NULL && strcmp(own, "PATH") == 0;
        if (whole && !terminal && !moved && !replaced && json_object_get(spec->env, own) == NULL) {
            variables->list[variables->count++] = *at;
        }
    }
}

static bool variables_make(struct variables *variables, const struct flight_work *work,
                           const struct job_spec *spec) {
    const struct dispatch *dispatch = work->dispatch;
    const char *spool = spool_path(dispatch->options.spool);
    const json_t *env = spec->env;
    const char *name;
    const json_t *value;
    size_t bytes =
        OURS * OWN_MAX + strlen(dispatch->options.data_dir) + COUNT_OF(tmp_names) * strlen(spool);
    const char *path = json_object_get(env, "PATH") == NULL ? spec->path : NULL;
    bytes += path != NULL ? strlen(path) : 0;
    bytes += spec->token_for != NULL ? strlen(work->address) + RUN_TOKEN_SIZE : 0;
    json_object_foreach((json_t *)env, name, value) {
        bytes += strlen(name) + json_string_length(value) + 2;
    }
    variables->bytes = mem_try(bytes);
    variables->list =
        mem_try((INHERITED_MAX + OURS + 2 + json_object_size(env)) * sizeof *variables->list);
    if (variables->bytes == NULL || variables->list == NULL) {
        return false;
    }
    inherited_add(variables, work, spec);
    if (spec->pty && json_object_get(env, "TERM") == NULL) {
        variables->list[variables->count++] = "TERM=xterm-256color"; /* As our clients are. */
    }
    json_object_foreach((json_t *)env, name, value) {
        put(variables, name, json_string_value(value)); /* None of ours: job_spec refuses those. */
    }
    if (path != NULL) {
        put(variables, "PATH", path);
    }
    /* The name is RUN.ATTEMPT: the first is the same in every attempt, the second is not. */
    char run[PROTOCOL_NAME_MAX];
    memcpy(run, work->name, sizeof run);
    char *dot = strrchr(run, '.');
    assert(dot != NULL);
    *dot = '\0';
    put(variables, "DROVER_IDEMPOTENCY_KEY", run);
    put(variables, "DROVER_ATTEMPT", dot + 1);
    put(variables, "DROVER_NO_START", "1"); /* The daemon is there, or comes back. */
    /* In a sandbox the home is hidden half and writable nowhere, so programs get a fresh one: they
     * find neither the user's keys there nor a folder that refuses their caches. */
    char folder[LIMIT_PATH_MAX];
    const bool fits = tmp_path(work, folder);
    for (const char *const *at = moved_names(work, spec); fits && *at != NULL; at++) {
        if (json_object_get(env, *at) == NULL) {
            put(variables, *at, folder);
        }
    }
    if (spec->ports != NULL && strlen(spec->ports) < TREE_PORTS_SIZE) {
        char first[TREE_PORTS_SIZE];
        (void)snprintf(first, sizeof first, "%.*s", (int)strcspn(spec->ports, "-"), spec->ports);
        put(variables, "DROVER_PORT", first);
        put(variables, "DROVER_PORTS", spec->ports);
    }
    if (spec->token_for != NULL) {
        char text[RUN_TOKEN_SIZE];
        struct run_token token = {.run = id_copy(bytes_of(run))};
        (void)snprintf(token.owner, sizeof token.owner, "%s", spec->token_for); /* As checked. */
        run_token_write(dispatch->options.token_key, &token, text);
        put(variables, "DROVER_URL", work->address);
        put(variables, "DROVER_TOKEN", text);
        explicit_bzero(text, sizeof text);
    } else if (!spec->sandbox) {
        put(variables, "DROVER_DATA", dispatch->options.data_dir);
    }
    variables->list[variables->count] = NULL;
    return true;
}

/* --- The repository of a working tree --------------------------------------------------------- */

/* An agent's own working tree (tool/git.h) has its index and HEAD in the repository above it,
 * and its commits go there: a command in it may write those. Not the rest: what is said in `config`
 * and `hooks` is run as the user, later. It follows from the path alone, which we have made; that
 * no part of it is a link is the holder's to see. */
enum { WRITE_MAX = 4 };
struct writable {
    char paths[WRITE_MAX][LIMIT_PATH_MAX];
    const char *list[WRITE_MAX + 1]; /* Ends with NULL. */
};

/* "%.*s/.git/NAME", of what stands before `at`. */
static void add_writable(struct writable *writable, size_t i, const char *cwd, const char *at,
                         const char *name) {
    char *path = writable->paths[i];
    int len = snprintf(path, LIMIT_PATH_MAX, "%.*s/.git/%s", (int)(at - cwd), cwd, name);
    bool fits = len > 0 && len < LIMIT_PATH_MAX;
    writable->list[i] = fits ? path : NULL;
    writable->list[i + 1] = NULL;
}

static void find_writable(const char *cwd, struct writable *ret_writable) {
    static const char inner[] = "/.drover/worktrees";
    static const char *const folders[] = {"objects", "refs", "logs"};
    char own[PROTOCOL_NAME_MAX + sizeof "worktrees/"];
    const char *at = cwd == NULL ? NULL : strstr(cwd, inner);
    const char *name = at == NULL ? "?" : at + sizeof inner - 1;
    ret_writable->list[0] = NULL;
    if (name[0] == '\0') { /* Our git removes one, with what the repository has of it. */
        add_writable(ret_writable, 0, cwd, at, "worktrees");
        return;
    }
    size_t name_len = strcspn(name + 1, "/") + 1; /* The cwd may be a folder in the tree. */
    int len = snprintf(own, sizeof own, "worktrees%.*s", (int)name_len, name);
    const struct bytes last = {name + 1, name_len - 1};
    const bool is_tree = bytes_begin(last, BYTES("run_")) || bytes_begin(last, BYTES("tsk_")) ||
                         tree_name_valid(last);
    if (!is_tree || len >= (int)sizeof own) {
        return;
    }
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        add_writable(ret_writable, i, cwd, at, folders[i]);
    }
    add_writable(ret_writable, COUNT_OF(folders), cwd, at, own);
}

/* --- The order -------------------------------------------------------------------------------- */

static struct err order_fill(struct flight_work *work, const struct job_spec *spec) {
    const struct dispatch *dispatch = work->dispatch;
    AUTO(variables_done) struct variables variables = {0};
    AUTO(mem_release) const char **argv = arguments(spec);
    if (argv == NULL || !variables_make(&variables, work, spec)) {
        return err_make(ERR_OUT_OF_MEMORY, "dispatch: order");
    }
    struct writable writable;
    find_writable(spec->sandbox ? spec->cwd : NULL, &writable);
    const char *home = "/";
    for (char *const *at = dispatch->environment; *at != NULL && home[1] == '\0'; at++) {
        home = strncmp(*at, "HOME=/", 6) == 0 ? *at + 5 : home;
    }
    uint8_t random[NONCE_BYTES];
    char nonce[2 * NONCE_BYTES + 1];
    world_random(loop_world(dispatch->options.loop), random, sizeof random);
    hex_write(random, sizeof random, nonce);
    struct holder_order order = {
        .name = work->name,
        .nonce = nonce,
        .argv = argv,
        .env = variables.list,
        .cwd = spec->cwd != NULL ? spec->cwd : home,
        .cgroup = cgroups_path(dispatch->options.cgroups),
        .write = writable.list,
        .hide = spec->sandbox ? dispatch->options.hide : NULL,
        /* A pipe without input ends at once: most programs that read it would wait for ever. */
        .flags = (spec->pty ? ORDER_PTY : 0U) | (spec->input_open ? ORDER_INPUT_OPEN : 0U) |
                 (spec->once ? ORDER_ONCE : 0U) | (spec->sandbox ? ORDER_SANDBOX : 0U) |
                 (tmp_is_own(work, spec) ? ORDER_TMP : 0U),
        .input = bytes_of(spec->input),
        .timeout_ms = (uint64_t)spec->timeout_ms,
        .grace_ms = JOB_GRACE_MS,
        .log_max = (uint64_t)work->facts.log_max,
        .memory_max = (uint64_t)spec->memory,
        .processes_max = (uint64_t)spec->processes,
        .files = dispatch->options.files,
        .umask = dispatch->options.umask,
        .rows = (unsigned)spec->rows,
        .columns = (unsigned)spec->columns,
    };
    return holder_order_make(&order, spool_path(dispatch->options.spool), &work->order);
}

static void order_make(struct flight_work *work) {
    work__at(work);
    AUTO(json_release) json_t *json = NULL;
    struct job_spec spec = {0};
    struct why why = {.text = ""};
    const char *lack = work->dispatch->options.sandbox_lack;
    work->err = facts__read_spec(work, &json, &spec, &why);
    if (!err_failed(work->err) && spec.sandbox && lack != NULL) {
        /* The sandbox was there when the job was accepted; the daemon, or the kernel, is another
         * one now. */
        why_set(&why, "%s", lack);
        work->err = err_make(ERR_SANDBOX_UNAVAILABLE, "dispatch: sandbox");
    }
    if (!err_failed(work->err) && spec.token_for != NULL &&
        (work->address[0] == '\0' || work->dispatch->options.token_key == NULL)) {
        dispatch__address_lacks(&why);
        work->err = err_make(ERR_CONFIG, "dispatch: address");
    }
    AUTO(json_release) json_t *env = NULL;
    if (!err_failed(work->err) && spec.secrets != NULL) {
        const struct dispatch_options *options = &work->dispatch->options;
        const struct secret_places places = {
            .world = loop_world(options->loop),
            .data_dir = options->data_dir,
            .environment = (const char *const *)work->dispatch->own_environment};
        work->err = secrets_resolve(&places, spec.env, spec.secrets, &env, &why);
        spec.env = env;
    }
    if (!err_failed(work->err)) {
        work->err = order_fill(work, &spec);
    }
    if (why.text[0] != '\0') {
        (void)snprintf(work->note, sizeof work->note, "%.*s", (int)sizeof work->note - 1,
                       why.text); /* Cut at worst. */
    }
}

/* --- The queue -------------------------------------------------------------------------------- */

static void flight_enqueue(struct flight *flight) {
    struct dispatch *dispatch = flight->dispatch;
    flight__enter(flight, FLIGHT_QUEUED);
    dispatch->starts_wait = dispatch->starts_wait || links_empty(&dispatch->starts);
    link_add_last(&dispatch->starts, &flight->link);
    loop_soon(dispatch->options.loop, &dispatch->start_task);
}

void start__queue(struct flight *flight) {
    flight->ours = true;
    flight->dispatch->stats.queued_starts++;
    flight_enqueue(flight);
}

static void order_run(struct pool_job *job) {
    order_make(CONTAINER_OF(job, struct flight_work, job));
}

static void order_done(struct pool_job *job) {
    struct flight_work *work = CONTAINER_OF(job, struct flight_work, job);
    if (work__back(work)) {
        flight_enqueue(work->flight);
    }
}

static void flight_begin(struct flight *flight) {
    struct dispatch *dispatch = flight->dispatch;
    struct flight_work *work = flight->work;
    struct shortage *shortage = dispatch->options.shortage;
    dispatch->stats.queued_starts--;
    flight__learn(flight);
    if (flight__is_stopped(flight)) {
        decide__begin(flight);
        return;
    }
    struct err err = work->err;
    if (!err_failed(err) && shortage_lasts(shortage)) {
        err = err_from_errno(EMFILE, "holder: wait for a descriptor");
    }
    if (!err_failed(err)) {
        err = holder_start(dispatch->options.holders, fd_take(&work->order), flight->dispatch->news,
                           flight, &flight->holder);
    }
    if (!err_failed(err)) {
        dispatch->stats.started++;
        flight->since_ms = world_wall_ms(loop_world(dispatch->options.loop));
        flight__follow(flight, 0);
        return;
    }
    if (work->note[0] == '\0') {
        (void)snprintf(work->note, sizeof work->note, "The holder could not be started: %s%s%s",
                       err.step, err.os != 0 ? ": " : "",
                       err.os != 0 ? strerrordesc_np(err.os) : ""); /* Cut at worst. */
    }
    if (shortage_is(err)) {
        work->exit = (struct spool_exit){.end = EXIT_NOT_STARTED, .os = err.os, .step = "holder"};
        shortage_report(shortage, "start a command", err);
    }
    if (shortage == NULL || !shortage_is(err)) { /* A shortage is reported once for all starts. */
        dispatch__report(dispatch, "a command could not be started", flight__run(flight), err);
    }
    decide__begin(flight);
}

void start__task(struct loop_task *task) {
    struct dispatch *dispatch = CONTAINER_OF(task, struct dispatch, start_task);
    const struct world *world = loop_world(dispatch->options.loop);
    uint64_t until_ns = world_mono_ns(world) + TURN_NS;
    if (dispatch->starts_wait) {
        dispatch->starts_wait = false;
        loop_soon(dispatch->options.loop, task);
        return;
    }
    do {
        struct link *first = links_take(&dispatch->starts);
        if (first == NULL) {
            return;
        }
        struct flight *flight = CONTAINER_OF(first, struct flight, link);
        struct flight_work *work = flight->work;
        bool wanted = work->order < 0 && !err_failed(work->err) && !flight__is_stopped(flight);
        const bool blocks =
            work->spec_len > LARGE ||
            (wanted && memmem(work->spec, work->spec_len, reads_keys.data, reads_keys.len) != NULL);
        memcpy(work->address, dispatch->address, sizeof work->address);
        if (wanted && blocks) {
            flight__enter(flight, FLIGHT_ORDERING);
            work__begin(work, order_run, order_done);
            continue;
        }
        if (wanted) {
            order_make(work);
        }
        flight_begin(flight);
    } while (world_mono_ns(world) < until_ns);
    loop_soon(dispatch->options.loop, task);
}
