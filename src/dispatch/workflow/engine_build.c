/* engine_build.c: the build of the engine that each workflow in our hands began with.
 *
 *   LOOKED FOR ──found──> OPEN ──nobody holds it, and no worker of it lives──> gone
 *       └──not there, or damaged──> those that wait for it end (engine_gone)
 *
 * A run pins its build by hash (engine/workflow/spec.h), and each of its workers is of that build:
 * a replay by another engine might go another way. The present one is opened with the daemon
 * (flows_options); one of before is looked for in DIR/libexec when a flow first needs it, has a
 * zygote of its own, and goes soon after the last flow that held it. Where its workers cannot be
 * had any more, the disk is asked again. */
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "dispatch/workflow/flow.h"
#include "script/program.h"

enum {
    LINGER_MS = 500, /* Of one that nobody holds: the next flow may be of it, too. */
    LOOK_AGAIN_MS = 1000,
};

struct build {
    struct table_node node; /* By its hash. */
    struct sha256_hex hash;
    struct flows *flows;     /* Borrowed. */
    struct scripts *scripts; /* Owned; NULL: it is not open. */
    struct flow *seeking;    /* Those that wait until it is. */
    size_t holders;          /* Flows, those that wait included. */
    bool looking;            /* In the pool, or behind the timer. */
    bool doubted;            /* Its workers cannot be had: it is looked for once more. */
    unsigned tries;          /* To find it, in a row. */
    struct effect effect;
    struct timer timer;
    struct pool_job job;
    char *path; /* Owned. */
    struct err err;
};

static struct build *build_of(struct table_node *node) {
    return CONTAINER_OF(node, struct build, node);
}

static void build_free(struct build *build) {
    effect_done(&build->effect);
    scripts_close(build->scripts);
    mem_free(build->path);
    mem_free(build);
}

/* --- Let go ----------------------------------------------------------------------------------- */

static void linger(struct flows *flows);

/* A worker may outlive its flow while the pool reads what it said (messages.c). */
static void close_unheld(void *ctx, struct table_node *node) {
    struct build *build = build_of(node);
    struct flows *flows = ctx;
    struct scripts_stats stats = {0};
    if (build->holders > 0 || build->looking) {
        return;
    }
    if (build->scripts != NULL) {
        scripts_get_stats(build->scripts, &stats);
    }
    if (stats.live > 0) {
        linger(flows);
        return;
    }
    flows->past_scripts.started += stats.started;
    flows->past_scripts.killed += stats.killed;
    flows->past_scripts.zygotes += stats.zygotes;
    table_remove(&flows->builds, node);
    build_free(build);
}

static void on_lingered(struct timer *timer) {
    struct flows *flows = CONTAINER_OF(timer, struct flows, linger);
    flows->lingers = false;
    table_each(&flows->builds, close_unheld, flows);
}

static void linger(struct flows *flows) {
    if (!flows->lingers) {
        flows->lingers = true;
        timer_start(flows->options.loop, &flows->linger, LINGER_MS, on_lingered);
    }
}

static void leave_line(struct flow *flow) {
    struct flow **at = &flow->build->seeking;
    while (*at != NULL && *at != flow) {
        at = &(*at)->next_seeking;
    }
    if (*at != NULL) {
        *at = flow->next_seeking;
    }
}

void flow__doubt_build(struct flow *flow) {
    if (flow->build != NULL) {
        flow->build->doubted = true;
    }
}

void flow__leave_build(struct flow *flow) {
    struct build *build = flow->build;
    if (build == NULL) {
        return;
    }
    leave_line(flow);
    flow->build = NULL;
    assert(build->holders > 0);
    if (--build->holders == 0 && !flow->flows->stopping) {
        linger(flow->flows);
    }
}

/* --- Looked for ------------------------------------------------------------------------------- */

static void look_run(struct pool_job *job) {
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

static void open_scripts(struct build *build) {
    const struct flows_options *options = &build->flows->options;
    const struct scripts_options with = {.loop = options->loop,
                                         .program = build->path,
                                         .failed = options->script_failed,
                                         .shortage = options->shortage,
                                         .ctx = options->ctx};
    build->scripts = scripts_open(&with);
}

/* Each goes on, or ends. */
static void call_seekers(struct build *build, bool found) {
    while (build->seeking != NULL) {
        struct flow *flow = build->seeking;
        build->seeking = flow->next_seeking;
        if (flow->state != FLOW_TAKING || flow->ended) {
            continue; /* Its time was over meanwhile, or somebody stopped it. */
        }
        if (found) {
            flow__take(flow);
        } else {
            flow__end(flow, CAUSE_ENGINE_GONE,
                      "the engine that it began with is missing in libexec of the data directory, "
                      "or damaged; resumed as a new run, it goes on with the present one");
        }
    }
}

static void look(struct build *build);

static void on_look_again(struct timer *timer) {
    struct build *build = CONTAINER_OF(timer, struct build, timer);
    if (!build->flows->stopping) {
        look(build);
    }
}

static void looked(struct pool_job *job) {
    struct build *build = CONTAINER_OF(job, struct build, job);
    struct flows *flows = build->flows;
    build->looking = false;
    if (flows->stopping) {
        flows__maybe_stopped(flows);
        return;
    }
    bool unread = err_failed(build->err) && build->err.code != ERR_NOT_FOUND;
    if (unread && !effect_is_hopeless(build->tries + 1, build->err)) {
        if (build->tries++ == 0) {
            flows__failed(flows, "an engine of before could not be read; it is tried again",
                          BYTES(""), build->err);
        }
        effect_begin(flows->options.effects, &build->effect, "read the engine of a workflow");
        effect_failed(&build->effect, build->err);
        build->looking = true;
        timer_start(flows->options.loop, &build->timer, LOOK_AGAIN_MS, on_look_again);
        return;
    }
    bool found = !err_failed(build->err);
    build->tries = 0;
    effect_done(&build->effect);
    if (found && build->scripts == NULL) {
        open_scripts(build);
    }
    build->doubted = build->doubted && !found;
    call_seekers(build, found);
    linger(flows); /* They may have gone meanwhile. */
}

static void look(struct build *build) {
    build->looking = true;
    mem_free(build->path);
    build->path = NULL;
    build->err = err_make(ERR_CLOSING, "flow: find a build"); /* Where the pool is stopped. */
    build->job = (struct pool_job){.kind = POOL_QUICK, .run = look_run, .done = looked};
    pool_add(&build->flows->pool, &build->job);
}

/* --- Asked for -------------------------------------------------------------------------------- */

static struct build *hold(struct flows *flows, struct bytes hash) {
    struct table_node *node = table_find(&flows->builds, hash);
    struct build *build = NULL;
    if (node != NULL) {
        build = build_of(node);
    } else {
        build = mem_new(sizeof *build);
        size_t len = hash.len < sizeof build->hash.text ? hash.len : sizeof build->hash.text - 1;
        memcpy(build->hash.text, hash.data, len);
        build->node.name = (struct bytes){build->hash.text, len};
        build->flows = flows;
        table_add(&flows->builds, &build->node);
    }
    build->holders++;
    return build;
}

/* Runs that name none are of before there was more than one. */
bool flow__has_build(struct flow *flow) {
    struct flows *flows = flow->flows;
    const json_t *engine = json_object_get(flow->spec, "engine");
    const char *hash = json_string_value(engine);
    if (hash == NULL || strcmp(hash, flows->options.engine.text) == 0) {
        return true;
    }
    if (flow->build == NULL) {
        flow->build = hold(flows, (struct bytes){hash, json_string_length(engine)});
    }
    if (flow->build->scripts != NULL && !flow->build->doubted) {
        return true;
    }
    flow->next_seeking = flow->build->seeking;
    flow->build->seeking = flow;
    if (!flow->build->looking) {
        look(flow->build);
    }
    return false;
}

struct scripts *flow__scripts(const struct flow *flow) {
    return flow->build == NULL ? flow->flows->options.scripts : flow->build->scripts;
}

/* --- All of them ------------------------------------------------------------------------------ */

static void add_stats(void *ctx, struct table_node *node) {
    struct scripts_stats *sum = ctx, stats = {0};
    if (build_of(node)->scripts != NULL) {
        scripts_get_stats(build_of(node)->scripts, &stats);
    }
    sum->started += stats.started;
    sum->killed += stats.killed;
    sum->zygotes += stats.zygotes;
    sum->live += stats.live;
}

void flows_get_script_stats(const struct flows *flows, struct scripts_stats *ret_stats) {
    struct scripts_stats stats = {0};
    if (!flows->told) { /* Who opened the present one may have closed it. */
        scripts_get_stats(flows->options.scripts, &stats);
    }
    stats.started += flows->past_scripts.started;
    stats.killed += flows->past_scripts.killed;
    stats.zygotes += flows->past_scripts.zygotes;
    table_each((struct table *)&flows->builds, add_stats, &stats);
    *ret_stats = stats;
}

static void stop_build(void *ctx, struct table_node *node) {
    struct build *build = build_of(node);
    (void)ctx; /* The build knows its flows. */
    timer_stop(build->flows->options.loop, &build->timer);
    scripts_close(build->scripts);
    build->scripts = NULL;
}

/* No worker is left, and nothing is in the pool. Flows may still hold what is left of a build. */
void flows__stop_builds(struct flows *flows) {
    timer_stop(flows->options.loop, &flows->linger);
    table_each(&flows->builds, stop_build, NULL);
}

static void drop_build(void *ctx, struct table_node *node) {
    assert(build_of(node)->holders == 0);
    table_remove(ctx, node);
    build_free(build_of(node));
}

void flows__drop_builds(struct flows *flows) {
    table_each(&flows->builds, drop_build, &flows->builds);
    table_done(&flows->builds);
}
