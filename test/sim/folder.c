/* folder.c: see folder.h. Names with underscores are those that the linker wants. */
#include "folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/changes/points.h"
#include "dispatch/turn/work.h"
#include "hosts.h"
#include "inside.h"
#include "ops.h"
#include "proc/answer.h"
#include "tool/changes/ask.h"
#include "tool/git.h"
#include "tool/tool.h"

enum {
    ENDED_MAX = 4096,
    PATH_BYTES = 160,
    FD_FIRST = 1 << 24,
    ORDER_BYTES = 1 << 20,
};

#define LARGE_BYTES (INT64_C(2) << 30) /* Size of a repository that is to be smaller. */

static struct sim_folder seen;
struct sim_folder *folder_seen(void) {
    return &seen;
}

bool folder_plays(const struct sim_options *options) {
    return options->mix == SIM_CHANGES || sim_hash(options->seed, 0, "git", 0) % 2 == 0;
}

/* Whether children fail in this seed, too. */
static bool children_fail(const struct sim *sim) {
    return !sim_healed(sim) && sim_hash(sim_seed(sim), 0, "children fail", 0) % 4 == 0;
}

struct folder_tree folder_tree_write(size_t tree) {
    struct folder_tree text;
    (void)snprintf(text.text, sizeof text.text, "%040zx", tree);
    return text;
}

size_t folder_tree_read(const char *text) {
    return strtoul(text, NULL, 16);
}

/* --- Runs that have ended --------------------------------------------------------------------- */

static struct {
    struct run_end {
        char run[ID_SIZE];
        uint64_t ended_ns;
    } list[ENDED_MAX];
    size_t count;
} ends;

static struct run_end *end_find(const char *run, size_t len) {
    for (size_t i = ends.count; i > 0; i--) {
        if (strncmp(ends.list[i - 1].run, run, len) == 0) {
            return &ends.list[i - 1];
        }
    }
    return NULL;
}

uint64_t folder_run_ended_ns(const char *run) {
    const struct run_end *end = end_find(run, ID_SIZE);
    return end == NULL ? 0 : end->ended_ns;
}

/* A power cut may take an end back. */
static void folder_noted(struct sim *sim, const struct run_row *row) {
    struct run_end *end = end_find(row->run.data, row->run.len);
    const bool final = run_state_final(row->state);
    if (end == NULL && final && ends.count < ENDED_MAX) {
        end = &ends.list[ends.count++];
        (void)snprintf(end->run, sizeof end->run, "%.*s", (int)row->run.len, row->run.data);
    }
    if (end != NULL) {
        end->ended_ns = !final ? 0 : end->ended_ns == 0 ? sim_now_ns(sim) : end->ended_ns;
    }
}

/* --- Changes ---------------------------------------------------------------------------------- */

void folder_change(struct sim *sim, const char *path, const struct folder_author *author) {
    if (seen.change_count == FOLDER_CHANGES_MAX) {
        return;
    }
    struct folder_change *change = &seen.changes[seen.change_count++];
    *change = (struct folder_change){.at_ns = sim_now_ns(sim),
                                     .orphan = author->run[0] != '\0' &&
                                               folder_run_ended_ns(author->run) != 0};
    (void)snprintf(change->path, sizeof change->path, "%s", path);
    (void)snprintf(change->run, sizeof change->run, "%s", author->run);
    (void)snprintf(change->call, sizeof change->call, "%s", author->call);
    sim_trace(sim, "change %zu of the folder: %.40s, by %s %s", seen.change_count, change->path,
              change->run[0] == '\0' ? "a person" : change->run, change->call);
}

/* --- Calls that wait for their point ---------------------------------------------------------- */

struct folder_call *folder_call_find(const char *run, const char *call, uint64_t at_ns) {
    for (size_t i = seen.call_count; i > 0; i--) {
        struct folder_call *found = &seen.calls[i - 1];
        if (found->asked_ns <= at_ns && strcmp(found->run, run) == 0 &&
            strcmp(found->call, call) == 0) {
            return found;
        }
    }
    return NULL;
}

static struct folder_call *waiter_find(const void *waiter) {
    for (size_t i = seen.call_count; i > 0; i--) {
        struct folder_call *call = &seen.calls[i - 1];
        if (call->waiter == waiter && call->life == sim_life(sim_current())->number) {
            return call;
        }
    }
    return NULL;
}

bool __real_points_wait(struct points *points, const struct point_ask *ask,
                        struct point_wait *wait);
bool __wrap_points_wait(struct points *points, const struct point_ask *ask,
                        struct point_wait *wait);
void __real_points_take(struct points *points, const struct point_ask *ask);
void __wrap_points_take(struct points *points, const struct point_ask *ask);
void __real_point_wait_cancel(struct point_wait *wait);
void __wrap_point_wait_cancel(struct point_wait *wait);

/* The callback of the owner, while this file has its own in its place. */
struct wait_owner {
    struct wait_owner *next;
    struct point_wait *wait;
    void (*done)(struct point_wait *wait);
};
static struct wait_owner *owners; /* The life frees them. */

static void (*owner_take(const struct point_wait *wait))(struct point_wait *wait) {
    struct wait_owner **at = &owners;
    while ((*at)->wait != wait) {
        at = &(*at)->next;
    }
    struct wait_owner *owner = *at;
    void (*done)(struct point_wait *) = owner->done;
    *at = owner->next;
    mem_free(owner);
    return done;
}

static void on_wait_over(struct point_wait *wait) {
    struct sim *sim = sim_current();
    struct folder_call *call = waiter_find(wait);
    seen.waiting--;
    call->began_ns = sim_now_ns(sim);
    call->wait = CALL_BEGAN;
    points_check_begin(sim, call);
    wait->done = owner_take(wait);
    wait->done(wait);
}

bool __wrap_points_wait(struct points *points, const struct point_ask *ask,
                        struct point_wait *wait) {
    struct sim *sim = sim_current();
    if (!__real_points_wait(points, ask, wait)) {
        return false;
    }
    if (seen.call_count == FOLDER_CALLS_MAX) {
        return true;
    }
    struct folder_call *call = &seen.calls[seen.call_count++];
    *call = (struct folder_call){
        .waiter = wait, .life = sim_life(sim)->number, .asked_ns = sim_now_ns(sim)};
    (void)snprintf(call->run, sizeof call->run, "%.*s", (int)ask->run.len, ask->run.data);
    (void)snprintf(call->call, sizeof call->call, "%s", ask->call);
    struct wait_owner *owner = mem_new(sizeof *owner);
    *owner = (struct wait_owner){.next = owners, .wait = wait, .done = wait->done};
    owners = owner;
    wait->done = on_wait_over;
    seen.waiting++;
    return true;
}

void __wrap_points_take(struct points *points, const struct point_ask *ask) {
    char run[ID_SIZE];
    (void)snprintf(run, sizeof run, "%.*s", (int)ask->run.len, ask->run.data);
    struct folder_call *call = folder_call_find(run, ask->call, UINT64_MAX);
    if (call != NULL && ask->phase == POINT_AFTER) {
        call->ended_ns = sim_now_ns(sim_current());
    }
    __real_points_take(points, ask);
}

void __wrap_point_wait_cancel(struct point_wait *wait) {
    struct folder_call *call = wait->entry == NULL ? NULL : waiter_find(wait);
    if (call != NULL) {
        seen.waiting--;
        call->wait = CALL_CANCELLED;
        wait->done = owner_take(wait);
    }
    __real_point_wait_cancel(wait);
}

/* --- Tools that are performed here ------------------------------------------------------------ */

struct err __real_tool_perform(const struct tool_call *call, const struct tool_place *place,
                               const struct tool_look *look, struct tool_result *result);
struct err __wrap_tool_perform(const struct tool_call *call, const struct tool_place *place,
                               const struct tool_look *look, struct tool_result *result);

/* The report of a flow is written by this way, too, without any point. */
struct err __wrap_tool_perform(const struct tool_call *call, const struct tool_place *place,
                               const struct tool_look *look, struct tool_result *result) {
    struct sim *sim = sim_current();
    struct err err = __real_tool_perform(call, place, look, result);
    if (!folder_plays(&sim->options) || err_failed(err) || result->cause != CARD_DONE ||
        (tool_get(call->id)->needs & TOOL_NEEDS_WRITE) == 0) {
        return err;
    }
    const struct talk_work *work = CONTAINER_OF(call, struct talk_work, call);
    const struct folder_call *asked = waiter_find(&work->point);
    if (asked != NULL && asked->wait == CALL_WAITS) {
        sim_fail(sim, "%s of %s writes while it waits for the point before it", asked->call,
                 asked->run);
    }
    if (asked != NULL && asked->ended_ns != 0) {
        sim_fail(sim, "%s of %s writes after the point after it was asked for", asked->call,
                 asked->run);
    }
    const struct folder_author author = {asked == NULL ? "" : asked->run,
                                         asked == NULL ? "" : asked->call};
    folder_change(sim, json_str(call->input, "path", ""), &author);
    return err;
}

/* --- The child that reads the folder ---------------------------------------------------------- */

struct err __wrap_changes_begin(struct bytes order, struct changes_child *ret_child);

/* How it ends. */
enum child_fate { CHILD_GIVES_TREE, CHILD_GIVES_ERROR, CHILD_GIVES_NOTHING, CHILD_HANGS, FATES };

struct answer_watch {
    enum child_fate fate;
    uint64_t rest_ms; /* From its look at the folder to its answer. */
    uint64_t deadline_ms;
};

/* Objects of trees that points hold must stay. */
static void prune_check(struct sim *sim, const json_t *order) {
    const char *shadow = json_str(order, "shadow", "/");
    AUTO(text_done) struct text keep = text_up_to(ORDER_BYTES);
    char host[64];
    hosts_place(sim, host, sizeof host);
    if (err_failed(json_write(json_object_get(order, "keep"), &keep))) {
        sim_fail(sim, "an order to delete objects names no trees");
    }
    points_check_kept(sim, strrchr(shadow, '/') + 1, host, keep.data);
}

struct err __wrap_changes_begin(struct bytes order, struct changes_child *ret_child) {
    struct sim *sim = sim_current();
    AUTO(json_release) json_t *json = NULL;
    const bool read = !err_failed(json_parse_wrapped(order, &json, NULL));
    const char *what = json_str(json, "do", "");
    if (!read || (strcmp(what, "prune") != 0 &&
                  (strcmp(what, "point") != 0 ||
                   strcmp(json_str(json, "root", ""), sim_project_dir(sim)) != 0))) {
        sim_fail(sim, "an order about a folder is none: %.*s", (int)order.len, order.data);
    }
    if (seen.reads) {
        sim_fail(sim, "two children work in one repository at a time");
    }
    if (children_fail(sim) && sim_chance(sim, "no child", 1)) {
        seen.trouble_ns = sim_now_ns(sim);
        return err_from_errno(EMFILE, "changes: pipe");
    }
    points_look(sim); /* The commit of the last pass may have been in this very step. */
    seen.reads = true;
    seen.prunes = strcmp(what, "prune") == 0;
    if (seen.prunes) {
        prune_check(sim, json);
    } else {
        seen.pass = (struct folder_pass){.began_ns = sim_now_ns(sim)};
    }
    *ret_child = (struct changes_child){.pid = FD_FIRST, .fd = FD_FIRST};
    return ERR_OK;
}

static void answer_end(struct answer *answer, struct err err) {
    mem_free(answer->watch);
    answer->watch = NULL;
    seen.reads = false;
    answer->done(answer, err);
}

static void on_answer_due(struct timer *timer) {
    struct answer *answer = CONTAINER_OF(timer, struct answer, deadline);
    struct sim *sim = sim_current();
    const enum child_fate fate = answer->watch->fate;
    sim_trace(sim, "the folder was %s: %zu changes, %s", seen.prunes ? "pruned" : "read",
              seen.pass.tree, fate == CHILD_GIVES_TREE ? "well" : "with an error");
    if (fate != CHILD_GIVES_TREE) {
        seen.trouble_ns = sim_now_ns(sim);
    }
    if (fate == CHILD_GIVES_TREE && seen.prunes) {
        text_addf(&answer->output, "{\"bytes\":%lld}\n",
                  (long long)(sim_chance(sim, "large", 10) ? LARGE_BYTES : 1));
    } else if (fate == CHILD_GIVES_TREE) {
        text_addf(
            &answer->output,
            "{\"tree\":\"%s\",\"state\":\"ready\",\"files\":%zu,\"bytes\":7,\"left_out\":[]}\n",
            folder_tree_write(seen.pass.tree).text, seen.pass.tree);
    } else if (fate == CHILD_GIVES_ERROR) {
        text_add_str(&answer->output, "{\"error\":{\"detail\":\"the disk is broken\"}}\n");
    }
    answer_end(answer, fate == CHILD_HANGS ? err_make(ERR_STALLED, "answer: deadline") : ERR_OK);
}

static void on_folder_read(struct timer *timer) {
    struct answer *answer = CONTAINER_OF(timer, struct answer, deadline);
    const struct answer_watch *watch = answer->watch;
    if (!seen.prunes) {
        seen.pass.tree = seen.change_count;
        seen.pass.read_ns = sim_now_ns(sim_current());
    }
    timer_start(answer->loop, timer,
                watch->fate == CHILD_HANGS ? watch->deadline_ms : watch->rest_ms, on_answer_due);
}

static uint64_t pause_draw(struct sim *sim, const char *purpose) {
    static const uint64_t most_ms[] = {1, 20, 20, 100, 100, 1500, 4000, 9000};
    const size_t kinds = sim_healed(sim) ? 4 : COUNT_OF(most_ms);
    return sim_choose(sim, purpose, most_ms[sim_choose(sim, purpose, kinds)]);
}

struct err answer_start(struct answer *answer, struct loop *loop,
                        const struct answer_order *order) {
    struct sim *sim = sim_current();
    assert(answer->watch == NULL && order->fd == FD_FIRST);
    struct answer_watch *watch = mem_new(sizeof *watch);
    const bool fails = children_fail(sim) && sim_chance(sim, "child fails", 3);
    watch->fate =
        fails ? (enum child_fate)(1 + sim_choose(sim, "fate", FATES - 1)) : CHILD_GIVES_TREE;
    watch->rest_ms = pause_draw(sim, "rest of a pass");
    watch->deadline_ms = order->deadline_ms;
    answer->watch = watch;
    answer->loop = loop;
    text_done(&answer->output);
    answer->output = text_up_to(order->size_max);
    timer_start(loop, &answer->deadline, pause_draw(sim, "pass"), on_folder_read);
    return ERR_OK;
}

void answer_cancel(struct answer *answer) {
    if (answer->watch != NULL) {
        timer_stop(answer->loop, &answer->deadline);
        mem_free(answer->watch);
        answer->watch = NULL;
        seen.reads = false;
    }
    text_done(&answer->output);
}

/* --- The world of the project ----------------------------------------------------------------- */

bool __real_git_place_find(const char *root, struct git_place *ret_place);
bool __wrap_git_place_find(const char *root, struct git_place *ret_place);

bool __wrap_git_place_find(const char *root, struct git_place *ret_place) {
    const char *project = sim_project_dir(sim_current());
    if (!__real_git_place_find(root, ret_place)) {
        return false;
    }
    const size_t len = strlen(project);
    if (strncmp(ret_place->root, project, len) == 0) {
        memcpy(ret_place->top, project, len + 1);
        memcpy(ret_place->first, project, len + 1);
        ret_place->is_git = true;
    }
    return true;
}

/* --- Lives ------------------------------------------------------------------------------------ */

/* A program by the name of git, which nobody begins. */
static void git_make(const struct sim *sim) {
    char folder[PATH_BYTES], path[PATH_BYTES + 8];
    (void)snprintf(folder, sizeof folder, "%s/bin", sim->options.folder);
    (void)snprintf(path, sizeof path, "%s/git", folder);
    int rc = mkdir(folder, 0700);
    assert(rc == 0);
    FILE *file = fopen(path, "we");
    assert(file != NULL);
    rc = fclose(file);
    assert(rc == 0);
    rc = chmod(path, 0700);
    assert(rc == 0);
    rc = setenv("PATH", folder, 1);
    assert(rc == 0);
}

static void folder_begin(struct sim *sim) {
    memset(&seen, 0, sizeof seen);
    writers_begin();
    ends.count = 0;
    owners = NULL;
    if (folder_plays(&sim->options)) {
        git_make(sim);
    }
}

static void folder_crashed(struct sim *sim) {
    (void)sim;
    owners = NULL;
    seen.reads = false;
    seen.waiting = 0;
    seen.failed = 0;
}

const struct sim_part part_folder = {.name = "folder",
                                     .ops = writers_ops,
                                     .begin = folder_begin,
                                     .crashed = folder_crashed,
                                     .noted = folder_noted};
