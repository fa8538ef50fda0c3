/* engine_build.c: the build of the engine that each workflow in our hands began with.
 *
 *   SOUGHT ──found──> OPEN ──nobody holds it, and no worker of it lives──> gone
 *     └──not there, or damaged──> workflows that wait for it end (engine_gone)
 *
 * A run pins its build by hash (engine/workflow/spec.h), and each of its workers is of that build:
 * a replay by another engine might go another way. The present one is opened with the daemon
 * (workflows_options); an earlier one is sought in DIR/libexec when a workflow first needs it, has
 * a zygote of its own, and is closed soon after the last workflow that held it. Where its workers
 * cannot be had any more, the disk is read again. */
#include "base/hash.h"
#include "base/memory.h"
#include "dispatch/workflow/workflow.h"
#include "script/program.h"

enum {
    LINGER_MS = 500, /* Delay until an unused build is closed: the next workflow may pin it, too. */
    SEEK_AGAIN_MS = 1000,
};

struct build {
    struct table_node node; /* By its hash. */
    struct sha256_hex hash;
    struct workflows *workflows; /* Borrowed. */
    struct scripts *scripts;     /* Owned; NULL: it is not open. */
    struct link waiting;         /* Workflows that wait until it is open. */
    size_t holders;              /* Workflows, those that wait included. */
    bool looking;                /* The pool seeks it, or the timer runs until it does. */
    bool recheck;                /* Workers of it could not be started: it is sought again. */
    struct retry retry;          /* The search. */
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

static struct build *workflows_next_build(const struct workflows *workflows,
                                          const struct build *after) {
    struct table_node *node = table_next(&workflows->builds, after == NULL ? NULL : &after->node);
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

static void builds_linger(struct workflows *workflows);

/* A worker may outlive its workflow while the pool reads its frame (worker.c). */
static void builds_on_linger(struct timer *timer) {
    struct workflows *workflows = CONTAINER_OF(timer, struct workflows, linger);
    for (struct build *build = workflows_next_build(workflows, NULL), *next; build != NULL;
         build = next) {
        const struct scripts_stats stats = build_stats(build);
        next = workflows_next_build(workflows, build);
        if (build->holders > 0 || build->looking) {
            continue;
        }
        if (stats.live > 0) {
            builds_linger(workflows);
            continue;
        }
        stats_add(&workflows->closed_scripts, &stats);
        table_remove(&workflows->builds, &build->node);
        build_free(build);
    }
}

static void builds_linger(struct workflows *workflows) {
    if (!timer_runs(&workflows->linger)) {
        timer_start(workflows->options.loop, &workflows->linger, LINGER_MS, builds_on_linger);
    }
}

void workflow__recheck_build(struct workflow *workflow) {
    if (workflow->build != NULL) {
        workflow->build->recheck = true;
    }
}

void workflow__release_build(struct workflow *workflow) {
    struct build *build = workflow->build;
    if (build == NULL) {
        return;
    }
    link_remove(&workflow->waiting_link);
    workflow->build = NULL;
    assert(build->holders > 0);
    if (--build->holders == 0 && !workflow->workflows->asker.stopping) {
        builds_linger(workflow->workflows);
    }
}

/* --- Sought ------------------------------------------------------------------------------- */

static void seek_run(struct pool_job *job) {
    struct build *build = CONTAINER_OF(job, struct build, job);
    const struct workflows_options *options = &build->workflows->options;
    const struct bytes text = bytes_of(build->hash.text);
    struct sha256 hash;
    if (!hex_parse(text, hash.bytes, sizeof hash.bytes)) {
        build->err = err_make(ERR_NOT_FOUND, "workflow: a build's name");
        return;
    }
    build->err =
        script_program_find(loop_world(options->loop), options->data_dir, &hash, &build->path);
}

static void build_seek(struct build *build);

static void build_on_retry(struct timer *timer) {
    struct build *build = CONTAINER_OF(timer, struct build, timer);
    if (!build->workflows->asker.stopping) {
        build_seek(build);
    }
}

static void seek_done(struct pool_job *job) {
    struct build *build = CONTAINER_OF(job, struct build, job);
    static const struct retry_words words = {
        .effect = "read the engine of a workflow",
        .again = "an engine of before could not be read; it is tried again"};
    struct workflows *workflows = build->workflows;
    build->looking = false;
    if (workflows->asker.stopping) {
        workflows__maybe_stopped(workflows);
        return;
    }
    bool unread = err_failed(build->err) && build->err.code != ERR_NOT_FOUND;
    if (unread && !effect_is_hopeless(build->retry.tries + 1, build->err)) {
        (void)retry_failed(&build->retry, &workflows->asker, &words, BYTES(""), build->err);
        build->looking = true;
        timer_start(workflows->options.loop, &build->timer, SEEK_AGAIN_MS, build_on_retry);
        return;
    }
    bool found = !err_failed(build->err);
    retry_done(&build->retry);
    if (found && build->scripts == NULL) {
        const struct workflows_options *options = &workflows->options;
        const struct scripts_options with = {.loop = options->loop,
                                             .program = build->path,
                                             .failed = options->script_failed,
                                             .shortage = options->shortage,
                                             .ctx = options->ctx};
        build->scripts = scripts_open(&with);
    }
    build->recheck = build->recheck && !found;
    for (struct link *link; (link = links_take(&build->waiting)) != NULL;) {
        struct workflow *workflow = CONTAINER_OF(link, struct workflow, waiting_link);
        if (workflow->state != WORKFLOW_ADOPTING) {
            continue; /* The run has ended meanwhile, or somebody stopped it. */
        }
        workflow->on_build(workflow, found);
    }
    builds_linger(workflows); /* No workflow may hold it any more. */
}

static void build_seek(struct build *build) {
    build->looking = true;
    mem_free(build->path);
    build->path = NULL;
    build->err = err_make(ERR_CLOSING, "workflow: find a build"); /* Where the pool is stopped. */
    pool_begin(&build->workflows->pool, &build->job, POOL_QUICK, seek_run, seek_done);
}

/* --- Asked for -------------------------------------------------------------------------------- */

/* A run that names none began before there was more than one. */
bool workflow__has_build(struct workflow *workflow,
                         void (*on_build)(struct workflow *workflow, bool found)) {
    struct workflows *workflows = workflow->workflows;
    const struct bytes hash = json_bytes(workflow->spec, "engine");
    if (json_str(workflow->spec, "engine", NULL) == NULL ||
        bytes_is(hash, workflows->options.engine.text)) {
        return true;
    }
    struct table_node *node = table_find(&workflows->builds, hash);
    if (workflow->build == NULL && node == NULL) {
        workflow->build = mem_new(sizeof *workflow->build);
        links_init(&workflow->build->waiting);
        size_t len = hash.len < sizeof workflow->build->hash.text
                         ? hash.len
                         : sizeof workflow->build->hash.text - 1;
        memcpy(workflow->build->hash.text, hash.data, len);
        workflow->build->node.name = (struct bytes){workflow->build->hash.text, len};
        workflow->build->workflows = workflows;
        workflow->build->holders = 1;
        table_add(&workflows->builds, &workflow->build->node);
    } else if (workflow->build == NULL) {
        workflow->build = CONTAINER_OF(node, struct build, node);
        workflow->build->holders++;
    }
    if (workflow->build->scripts != NULL && !workflow->build->recheck) {
        return true;
    }
    workflow->on_build = on_build;
    if (!link_listed(&workflow->waiting_link)) {
        link_add_last(&workflow->build->waiting, &workflow->waiting_link);
    }
    if (!workflow->build->looking) {
        build_seek(workflow->build);
    }
    return false;
}

struct scripts *workflow__scripts(const struct workflow *workflow) {
    return workflow->build == NULL ? workflow->workflows->options.scripts
                                   : workflow->build->scripts;
}

/* --- All of them ------------------------------------------------------------------------------ */

void workflows_get_script_stats(const struct workflows *workflows,
                                struct scripts_stats *ret_stats) {
    struct scripts_stats stats = {0};
    if (!workflows->stop_reported) { /* The owner of the present build may have closed it. */
        scripts_get_stats(workflows->options.scripts, &stats);
    }
    stats_add(&stats, &workflows->closed_scripts);
    for (const struct build *build = NULL;
         (build = workflows_next_build(workflows, build)) != NULL;) {
        const struct scripts_stats more = build_stats(build);
        stats_add(&stats, &more);
    }
    *ret_stats = stats;
}

/* No worker is left, and nothing is in the pool. Workflows may hold what is left of a build. */
void workflows__stop_builds(struct workflows *workflows) {
    timer_stop(workflows->options.loop, &workflows->linger);
    for (struct build *build = NULL; (build = workflows_next_build(workflows, build)) != NULL;) {
        timer_stop(workflows->options.loop, &build->timer);
        scripts_close(build->scripts);
        build->scripts = NULL;
    }
}

void workflows__drop_builds(struct workflows *workflows) {
    for (struct build *build; (build = workflows_next_build(workflows, NULL)) != NULL;) {
        assert(build->holders == 0);
        table_remove(&workflows->builds, &build->node);
        build_free(build);
    }
    table_done(&workflows->builds);
}
