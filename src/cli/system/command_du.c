/* command_du.c: drover du: what the data directory holds. The directory is read here, so that a
 * daemon is needed only for the labels and states of runs, and for the size limit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/quantity.h"
#include "store/disk_usage.h"

enum { ASK_MS = 5000, LOOK_MS = 120 * 1000 };

static const struct flag du_flags[] = {
    OPTION_INT("limit", 'n', "N", 0, 1000, "Show the N runs with the most output.", .absent = "10"),
    OPTION_END,
};

/* --- Runs ------------------------------------------------------------------------------------- */

struct du_run {
    const char *name; /* Borrowed from the object that counts. */
    int64_t bytes;
};

/* Attempts of a run are folders of their own: RUN.ATTEMPT. */
static void folder_add(void *ctx, const char *name, int64_t bytes) {
    json_t *runs = ctx;
    const char *dot = strrchr(name, '.');
    if (dot == NULL) {
        return;
    }
    AUTO(mem_release) char *run = mem_copy(name, (size_t)(dot - name));
    (void)json_object_set_new(runs, run, json_integer(talk_int(runs, run) + bytes));
}

static int larger_first(const void *left, const void *right) {
    const struct du_run *a = left, *b = right;
    return a->bytes == b->bytes ? strcmp(a->name, b->name) : a->bytes < b->bytes ? 1 : -1;
}

static void run_describe(struct talk *talk, json_t *item) {
    AUTO(json_release) json_t *answer = NULL;
    const struct api_request run = {.base = "/api/v1/runs/", .id = talk_text(item, "run")};
    struct err err = api_ask(talk, &run, &answer, NULL /* no why */);
    static const char *const members[] = {"state", "label"};
    for (size_t i = 0; i < COUNT_OF(members) && !err_failed(err); i++) {
        (void)json_object_set(item, members[i], json_object_get(answer, members[i]));
    }
}

static json_t *runs_largest(struct talk *talk, json_t *counted, size_t limit) {
    size_t count = 0;
    const char *name = NULL;
    json_t *value = NULL, *items = json_array();
    AUTO(mem_release)
    struct du_run *runs = mem_new_array(json_object_size(counted) + 1, sizeof *runs);
    json_object_foreach(counted, name, value) {
        runs[count++] = (struct du_run){name, json_integer_value(value)};
    }
    qsort(runs, count, sizeof *runs, larger_first);
    for (size_t i = 0; i < count && i < limit; i++) {
        json_t *item = json_object();
        (void)json_object_set_new(item, "run", json_string(runs[i].name));
        (void)json_object_set_new(item, "bytes", json_integer(runs[i].bytes));
        if (talk != NULL) {
            run_describe(talk, item);
        }
        (void)json_array_append_new(items, item);
    }
    return items;
}

/* --- Working trees ---------------------------------------------------------------------------- */

/* Trees stand beside the data directory: only a daemon knows them. NULL: none was asked. */
static json_t *trees_ask(struct talk *talk) {
    int64_t count = 0, bytes = 0;
    for (int64_t after = 0, more = 1; more != 0;) {
        AUTO(json_release) json_t *page = NULL;
        AUTO(text_done) struct text target = text_up_to(128);
        const json_t *row = NULL;
        size_t at = 0;
        text_add_str(&target, "/api/v1/worktrees?look=1&limit=100");
        if (after > 0) {
            text_addf(&target, "&after=%lld", (long long)after);
        }
        if (err_failed(talk_look(talk, target.data, LOOK_MS, &page, NULL /* no why */))) {
            return NULL;
        }
        json_array_foreach(json_object_get(page, "items"), at, row) {
            count++;
            bytes += talk_int(json_object_get(row, "look"), "bytes");
        }
        more = number_parse(bytes_of(talk_text(page, "next")), (struct number_bounds){1, INT64_MAX},
                            &after);
    }
    return json_pack("{s:I,s:I,s:s}", "count", (json_int_t)count, "bytes", (json_int_t)bytes,
                     "freed_by", "drover worktree prune");
}

static void trees_print(const json_t *trees) {
    const int64_t count = talk_int(trees, "count");
    if (count > 0) {
        printf("%-16s  %8s  %s (%lld beside the data directory)\n", "working trees",
               quantity_about(talk_int(trees, "bytes")).text, talk_text(trees, "freed_by"),
               (long long)count);
    }
}

/* --- The answer ------------------------------------------------------------------------------- */

static json_t *kinds_json(const struct disk_usage *usage) {
    json_t *kinds = json_array();
    for (unsigned i = 0; i < DISK_KINDS; i++) {
        json_t *kind =
            json_pack("{s:s,s:I,s:I,s:s,s:s}", "kind", disk_kind_texts[i].name, "bytes",
                      (json_int_t)usage->bytes[i], "files", (json_int_t)usage->files[i], "holds",
                      disk_kind_texts[i].kept, "freed_by", disk_kind_texts[i].freed);
        (void)json_array_append_new(kinds, kind);
    }
    return kinds;
}

static void runs_print(const json_t *runs) {
    if (json_array_size(runs) > 0) {
        printf("\n%-34s  %8s  %-10s  %s\n", "RUNS WITH THE MOST OUTPUT", "SIZE", "STATE", "LABEL");
    }
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        printf("%-34s  %8s  %-10s  %s\n", talk_text(run, "run"),
               quantity_about(talk_int(run, "bytes")).text, json_str(run, "state", "-"),
               json_str(run, "label", "-"));
    }
}

static void du_print(const json_t *answer) {
    const json_t *kinds = json_object_get(answer, "kinds");
    printf("%s\n\n%-16s  %8s  %s\n", talk_text(answer, "directory"), "HOLDS", "SIZE", "FREED BY");
    for (size_t i = 0; i < json_array_size(kinds); i++) {
        const json_t *kind = json_array_get(kinds, i);
        if (talk_int(kind, "files") > 0) {
            printf("%-16s  %8s  %s\n", talk_text(kind, "kind"),
                   quantity_about(talk_int(kind, "bytes")).text, talk_text(kind, "freed_by"));
        }
    }
    printf("%-16s  %8s", "total", quantity_about(talk_int(answer, "bytes")).text);
    if (talk_int(answer, "limit") > 0) {
        printf("  of %s (--max-bytes)", quantity_about(talk_int(answer, "limit")).text);
    }
    printf("  %s free on this disk\n", quantity_about(talk_int(answer, "free_bytes")).text);
    trees_print(json_object_get(answer, "worktrees"));
    runs_print(json_object_get(answer, "runs"));
}

/* The limit is a setting of the daemon: 0 where none runs, or is not limited. */
static int64_t limit_ask(struct talk *talk) {
    AUTO(json_release) json_t *ready = NULL;
    struct err err = talk_look(talk, "/readyz", ASK_MS, &ready, NULL /* no why */);
    return err_failed(err) ? 0 : talk_int(json_object_get(ready, "disk"), "limit");
}

static struct err du_run(struct invocation *invocation) {
    AUTO(mem_release) char *owned = NULL;
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *counted = json_object();
    AUTO(json_release) json_t *answer = json_object();
    const char *data = NULL;
    struct disk_usage usage;
    const struct disk_folders folders = {.each = folder_add, .ctx = counted};
    struct err err =
        config_data(&invocation->args, &invocation->env, &owned, &data, &invocation->why);
    err = err_failed(err) ? err : disk_usage_read(data, &folders, &usage);
    if (err_failed(err)) {
        return invocation->why.text[0] != '\0'
                   ? err
                   : err_why(&invocation->why, err.code == ERR_INTERNAL ? ERR_NOT_FOUND : err.code,
                             "%.300s: there is no data directory that can be read", data);
    }
    bool runs = !err_failed(talk_open(&talk, invocation));
    const int64_t limit = runs ? limit_ask(&talk) : 0;
    (void)json_object_set_new(answer, "directory", json_string(data));
    (void)json_object_set_new(answer, "bytes", json_integer(usage.total));
    (void)json_object_set_new(answer, "limit", limit > 0 ? json_integer(limit) : json_null());
    (void)json_object_set_new(answer, "free_bytes", json_integer(usage.free_bytes));
    (void)json_object_set_new(answer, "kinds", kinds_json(&usage));
    (void)json_object_set_new(answer, "runs",
                              runs_largest(runs ? &talk : NULL, counted,
                                           (size_t)args_int(&invocation->args, "limit", 10)));
    json_t *trees = runs ? trees_ask(&talk) : NULL;
    (void)json_object_set_new(answer, "worktrees", trees == NULL ? json_null() : trees);
    if (invocation->json) {
        talk_print(answer);
    } else {
        du_print(answer);
    }
    return ERR_OK;
}

const struct command command_du = {
    COMMAND(NULL, "du", NULL, "Show what the data directory holds, and what frees it."),
    HELP(DAEMON, "drover du\n"),
    .flags = du_flags,
    .talks = true,
    .starts_none = true,
    .about = "Reads the data directory on this machine. Labels and states of runs come from\n"
             "the daemon, if one is running, and so do working trees of agents, which stand in\n"
             ".drover/worktrees of their repository: the total is without them.\n",
    .run = du_run,
};
