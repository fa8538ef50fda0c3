/* engine_build.c: the build of the engine that each workflow in our hands began with.
 *
 *   SOUGHT ──found──> OPEN ──nobody holds it, and no worker of it lives──> gone
 *     └──not there, or damaged──> flows that wait for it end (engine_gone)
 *
 * A run pins its build by hash (engine/workflow/spec.h), and each of its workers is of that build:
 * a replay by another engine might go another way. The present one is opened with the daemon
 * (flows_options); an earlier one is sought in DIR/libexec when a flow first needs it, has a zygote
 * of its own, and is closed soon after the last flow that held it. Where its workers cannot be had
 * any more, the disk is read again. */
#include "base/hash.h"
#include "base/memory.h"
#include "dispatch/workflow/history.h"
#include "script/program.h"

enum {
    LINGER_MS = 500, /* Delay until an unused build is closed: the next flow may pin it, too. */
    SEEK_AGAIN_MS = 1000,
};

struct build {
    struct table_node node; /* By its hash. */
    struct sha256_hex hash;
    struct flows *flows;      /* Borrowed. */
    struct scripts *scripts;  /* Owned; NULL: it is not open. */
    struct flow_list waiting; /* Flows that wait until it is open. */
    size_t holders;           /* Flows, those that wait included. */
    bool looking;             /* The pool seeks it, or the timer runs until it does. */
    bool recheck;             /* Workers of it could not be started: it is sought again. */
    struct retry retry;       /* The search. */
    struct timer timer;
    struct pool_job job;
    char *path; /* Owned. */
    struct err err;
};

static void build_free(struct build *build) {
    retry_done(&build->retry);
    scripts_close(build->scripts);
    mem_free(build->path);
    mem_free(build);
}

/* --- Closed ----------------------------------------------------------------------------------- */

static struct build *flows_next_build(const struct flows *flows, const struct build *after) {
    struct table_node *node = table_next(&flows->builds, after == NULL ? NULL : &after->node);
    return node == NULL ? NULL : CONTAINER_OF(node, struct build, node);
}

static struct scripts_stats build_stats(const struct build *build) {
    struct scripts_stats stats = {0};
    if (build->scripts != NULL) {
        scripts_get_stats(build->scripts, &stats);
    }
    return stats;
}

static void stats_add(struct scripts_stats *sum, const struct scripts_stats *stats) {
    sum->started += stats->started;
    sum->killed += stats->killed;
    sum->zygotes += stats->zygotes;
    sum->live += stats->live;
}

static void builds_linger(struct flows *flows);

/* A worker may outlive its flow while the pool reads its frame (worker.c). */
static void builds_on_linger(struct timer *timer) {
    struct flows *flows = CONTAINER_OF(timer, struct flows, linger);
    for (struct build *build = flows_next_build(flows, NULL), *next; build != NULL; build = next) {
        const struct scripts_stats stats = build_stats(build);
        next = flows_next_build(flows, build);
        if (build->holders > 0 || build->looking) {
            continue;
        }
        if (stats.live > 0) {
            builds_linger(flows);
            continue;
        }
        stats_add(&flows->closed_scripts, &stats);
        table_remove(&flows->builds, &build->node);
        build_free(build);
    }
}

static void builds_linger(struct flows *flows) {
    if (!timer_runs(&flows->linger)) {
        timer_start(flows->options.loop, &flows->linger, LINGER_MS, builds_on_linger);
    }
}

void flow__recheck_build(struct flow *flow) {
    if (flow->build != NULL) {
        flow->build->recheck = true;
    }
}

void flow__release_build(struct flow *flow) {
    struct build *build = flow->build;
    if (build == NULL) {
        return;
    }
    flow_list_remove(&build->waiting, &flow->waiting_link);
    flow->build = NULL;
    assert(build->holders > 0);
    if (--build->holders == 0 && !flow->flows->asker.stopping) {
        builds_linger(flow->flows);
    }
}

/* --- Sought ------------------------------------------------------------------------------- */

static void seek_run(struct pool_job *job) {
    struct build *build = CONTAINER_OF(job, struct build, job);
    const struct flows_options *options = &build->flows->options;
    const struct bytes text = bytes_of(build->hash.text);
    struct sha256 hash;
    if (!hex_parse(text, hash.bytes, sizeof hash.bytes)) {
        build->err = err_make(ERR_NOT_FOUND, "flow: a build's name");
        return;
    }
    build->err =
        script_program_find(loop_world(options->loop), options->data_dir, &hash, &build->path);
}

static void build_seek(struct build *build);

static void build_on_retry(struct timer *timer) {
    struct build *build = CONTAINER_OF(timer, struct build, timer);
    if (!build->flows->asker.stopping) {
        build_seek(build);
    }
}

static void seek_done(struct pool_job *job) {
    struct build *build = CONTAINER_OF(job, struct build, job);
    static const struct retry_words words = {
        .effect = "read the engine of a workflow",
        .again = "an engine of before could not be read; it is tried again"};
    struct flows *flows = build->flows;
    build->looking = false;
    if (flows->asker.stopping) {
        flows__maybe_stopped(flows);
        return;
    }
    bool unread = err_failed(build->err) && build->err.code != ERR_NOT_FOUND;
    if (unread && !effect_is_hopeless(build->retry.tries + 1, build->err)) {
        (void)retry_failed(&build->retry, &flows->asker, &words, BYTES(""), build->err);
        build->looking = true;
        timer_start(flows->options.loop, &build->timer, SEEK_AGAIN_MS, build_on_retry);
        return;
    }
    bool found = !err_failed(build->err);
    retry_done(&build->retry);
    if (found && build->scripts == NULL) {
        const struct flows_options *options = &flows->options;
        const struct scripts_options with = {.loop = options->loop,
                                             .program = build->path,
                                             .failed = options->script_failed,
                                             .shortage = options->shortage,
                                             .ctx = options->ctx};
        build->scripts = scripts_open(&with);
    }
    build->recheck = build->recheck && !found;
    while (build->waiting.first != NULL) {
        struct flow *flow = CONTAINER_OF(build->waiting.first, struct flow, waiting_link);
        flow_list_remove(&build->waiting, &flow->waiting_link);
        if (flow->state != FLOW_ADOPTING) {
            continue; /* The run has ended meanwhile, or somebody stopped it. */
        }
        if (found) {
            flow__adopt(flow);
        } else {
            flow__end(flow, CAUSE_ENGINE_GONE,
                      "the engine that it began with is missing in libexec of the data directory, "
                      "or damaged; resumed as a new run, it goes on with the present one");
        }
    }
    builds_linger(flows); /* No flow may hold it any more. */
}

static void build_seek(struct build *build) {
    build->looking = true;
    mem_free(build->path);
    build->path = NULL;
    build->err = err_make(ERR_CLOSING, "flow: find a build"); /* Where the pool is stopped. */
    pool_begin(&build->flows->pool, &build->job, POOL_QUICK, seek_run, seek_done);
}

/* --- Asked for -------------------------------------------------------------------------------- */

/* A run that names none began before there was more than one. */
bool flow__has_build(struct flow *flow) {
    struct flows *flows = flow->flows;
    const struct bytes hash = json_bytes(flow->spec, "engine");
    if (json_str(flow->spec, "engine", NULL) == NULL ||
        bytes_is(hash, flows->options.engine.text)) {
        return true;
    }
    struct table_node *node = table_find(&flows->builds, hash);
    if (flow->build == NULL && node == NULL) {
        flow->build = mem_new(sizeof *flow->build);
        size_t len =
            hash.len < sizeof flow->build->hash.text ? hash.len : sizeof flow->build->hash.text - 1;
        memcpy(flow->build->hash.text, hash.data, len);
        flow->build->node.name = (struct bytes){flow->build->hash.text, len};
        flow->build->flows = flows;
        flow->build->holders = 1;
        table_add(&flows->builds, &flow->build->node);
    } else if (flow->build == NULL) {
        flow->build = CONTAINER_OF(node, struct build, node);
        flow->build->holders++;
    }
    if (flow->build->scripts != NULL && !flow->build->recheck) {
        return true;
    }
    if (!flow->waiting_link.listed) {
        flow_list_append(&flow->build->waiting, &flow->waiting_link);
    }
    if (!flow->build->looking) {
        build_seek(flow->build);
    }
    return false;
}

struct scripts *flow__scripts(const struct flow *flow) {
    return flow->build == NULL ? flow->flows->options.scripts : flow->build->scripts;
}

/* --- All of them ------------------------------------------------------------------------------ */

void flows_get_script_stats(const struct flows *flows, struct scripts_stats *ret_stats) {
    struct scripts_stats stats = {0};
    if (!flows->stop_reported) { /* The owner of the present build may have closed it. */
        scripts_get_stats(flows->options.scripts, &stats);
    }
    stats_add(&stats, &flows->closed_scripts);
    for (const struct build *build = NULL; (build = flows_next_build(flows, build)) != NULL;) {
        const struct scripts_stats more = build_stats(build);
        stats_add(&stats, &more);
    }
    *ret_stats = stats;
}

/* No worker is left, and nothing is in the pool. Flows may still hold what is left of a build. */
void flows__stop_builds(struct flows *flows) {
    timer_stop(flows->options.loop, &flows->linger);
    for (struct build *build = NULL; (build = flows_next_build(flows, build)) != NULL;) {
        timer_stop(flows->options.loop, &build->timer);
        scripts_close(build->scripts);
        build->scripts = NULL;
    }
}

void flows__drop_builds(struct flows *flows) {
    for (struct build *build; (build = flows_next_build(flows, NULL)) != NULL;) {
        assert(build->holders == 0);
        table_remove(&flows->builds, &build->node);
        build_free(build);
    }
    table_done(&flows->builds);
}
