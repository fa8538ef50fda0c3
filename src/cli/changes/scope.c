/* scope.c: see scope.h. */
#include "cli/changes/scope.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "cli/base/names.h"
#include "cli/base/project.h"
#include "cli/run/ask.h"
#include "cli/terminal/plain.h"
#include "rules/changes/names.h"

/* RUNS_LOOKED_MAX: the folder of a run is in its whole form alone, so that each is a request. */
enum { RUNS_LOOKED_MAX = 50, SCOPE_MAX = 512, TARGET_MAX = 64 << 10 };

void changes_scope_done(struct changes_scope *scope) {
    text_done(&scope->path);
}

static struct err scope_fill(struct talk *talk, const char *id, struct changes_scope *scope) {
    const char *base = strncmp(id, "ses_", 4) == 0   ? "/api/v1/sessions/"
                       : strncmp(id, "tsk_", 4) == 0 ? "/api/v1/projects/_/tasks/"
                                                     : "/api/v1/runs/";
    if (!talk_target(&scope->path, base, id, "")) {
        return err_why(&talk->invocation->why, ERR_NOT_FOUND,
                       "there is no session and no run '%.60s'", id);
    }
    return ERR_OK;
}

/* --- The folder ------------------------------------------------------------------------------- */

/* The first row that works in the folder or its project. */
struct scope_search {
    char folder[PATH_MAX], project[PATH_MAX];
    char id[ID_SIZE], title[ID_SIZE];
    bool found;
};

static bool search_fits(const struct scope_search *search, const char *root) {
    return strcmp(root, search->folder) == 0 || strcmp(root, search->project) == 0;
}

static void search_take(struct scope_search *search, const char *id, const char *title) {
    search->found = true;
    (void)snprintf(search->id, sizeof search->id, "%s", id);          /* Ids fit. */
    (void)snprintf(search->title, sizeof search->title, "%s", title); /* Cut is as good. */
}

static void on_session(void *ctx, const json_t *row) {
    struct scope_search *search = ctx;
    if (!search->found && search_fits(search, talk_text(row, "root")) &&
        talk_text(row, "parent")[0] == '\0') {
        search_take(search, talk_text(row, "id"), talk_text(row, "title"));
    }
}

static void on_run(void *ctx, const json_t *row) {
    json_t *runs = ctx;
    (void)json_array_append_new(runs, json_string(talk_text(row, "id"))); /* Memory: left out. */
}

static struct err run_search(struct talk *talk, struct scope_search *search) {
    struct why *why = &talk->invocation->why;
    AUTO(json_release) json_t *runs = json_array();
    const struct talk_rows rows = {
        .path = "/api/v1/runs?top=1", .most = RUNS_LOOKED_MAX, .each = on_run, .ctx = runs};
    TRY(talk_rows(talk, &rows, why));
    for (size_t i = 0; i < json_array_size(runs) && !search->found; i++) {
        AUTO(json_release) json_t *run = NULL;
        const struct err err =
            run_get(talk, json_string_value(json_array_get(runs, i)), 0 /* no retry */, &run, why);
        if (err.code == ERR_NOT_FOUND || err.code == ERR_GONE) {
            why->text[0] = '\0'; /* Removed meanwhile. */
            continue;
        }
        TRY(err);
        const json_t *spec = json_object_get(run, "spec");
        if (search_fits(search, talk_text(spec, "root")) ||
            search_fits(search, talk_text(spec, "cwd"))) {
            search_take(search, talk_text(run, "id"), talk_text(run, "label"));
        }
    }
    return ERR_OK;
}

static struct err folder_find(struct talk *talk, struct changes_scope *scope) {
    struct invocation *invocation = talk->invocation;
    struct scope_search search = {.found = false};
    TRY(root_resolve(NULL, search.folder, &invocation->why));
    TRY(project_find(invocation, search.folder, search.project));
    const struct talk_rows sessions = {
        .path = "/api/v1/sessions", .enough = &search.found, .each = on_session, .ctx = &search};
    TRY(talk_rows(talk, &sessions, &invocation->why));
    if (!search.found) {
        TRY(run_search(talk, &search));
    }
    if (!search.found) {
        return err_why(&invocation->why, ERR_NOT_FOUND,
                       "no session and none of the newest %d runs works in %.200s: name a session "
                       "or a run",
                       RUNS_LOOKED_MAX, search.project);
    }
    if (!invocation->json) {
        AUTO(text_done) struct text line = {0};
        plain_line(&line, search.title);
        plain_note("drover: changes of the %s %s%s%s%s\n",
                   strncmp(search.id, "ses_", 4) == 0 ? "session" : "run",
                   short_name_of(search.id, NULL /* shown beside it */).text,
                   line.len > 0 ? " (" : "", text_bytes(&line).data, line.len > 0 ? ")" : "");
    }
    return scope_fill(talk, search.id, scope);
}

/* --- The word --------------------------------------------------------------------------------- */

struct err changes_scope_find(struct talk *talk, const char *word,
                              struct changes_scope *ret_scope) {
    if (word == NULL) {
        return folder_find(talk, ret_scope);
    }
    return scope_fill(talk, word, ret_scope);
}

/* --- The list --------------------------------------------------------------------------------- */

static void param_add(struct text *target, const char *name, const char *value) {
    if (value != NULL) {
        text_addf(target, "%c%s=", memchr(target->data, '?', target->len) == NULL ? '?' : '&',
                  name);
        client_add_escaped(target, value);
    }
}

static struct err page_get(struct talk *talk, const struct changes_scope *scope,
                           const struct changes_wish *wish, const char *after, json_t **ret_page) {
    const struct args *args = &talk->invocation->args;
    AUTO(text_done) struct text target = text_up_to(TARGET_MAX);
    char limit[24];
    (void)snprintf(limit, sizeof limit, "%lld", (long long)wish->limit); /* Fits. */
    text_add(&target, scope->path.data, scope->path.len);
    text_add_str(&target, "/changes");
    param_add(&target, "base", args_text(args, "base"));
    param_add(&target, "since", args_has(args, "since") ? args_text(args, "since") : NULL);
    param_add(&target, "limit", wish->limit > 0 ? limit : NULL);
    param_add(&target, "after", after);
    if (text_failed(&target)) {
        return err_why(&talk->invocation->why, ERR_USAGE, "the value of a flag is too long");
    }
    return talk_get(talk, text_bytes(&target).data, ret_page, &talk->invocation->why);
}

struct err changes_list(struct talk *talk, const struct changes_scope *scope,
                        const struct changes_wish *wish, json_t **ret_list) {
    AUTO(json_release) json_t *list = NULL;
    TRY(page_get(talk, scope, wish, NULL, &list));
    json_t *files = json_object_get(list, "files");
    while (wish->all && talk_text(list, "next")[0] != '\0') {
        AUTO(json_release) json_t *page = NULL;
        TRY(page_get(talk, scope, wish, talk_text(list, "next"), &page));
        json_t *next = json_object_get(page, "next");
        if (json_array_extend(files, json_object_get(page, "files")) < 0 ||
            json_object_set(list, "next", next) < 0) {
            return err_make(ERR_OUT_OF_MEMORY, "changes: pages");
        }
    }
    *ret_list = json_incref(list);
    return ERR_OK;
}

struct err changes_state_print(struct invocation *invocation, const json_t *list) {
    const json_t *world = json_object_get(list, "world");
    if (json_is_false(json_object_get(list, "recorded"))) {
        return err_why(&invocation->why, ERR_NOT_IMPLEMENTED,
                       "git is not installed where the daemon runs: changes are not recorded");
    }
    if (!json_is_object(world)) {
        plain_note("drover: nothing is recorded: no call that may write was made\n");
        return ERR_OK;
    }
    if (strcmp(talk_text(world, "state"), "ready") != 0) {
        AUTO(text_done) struct text line = {0};
        plain_line(&line, talk_text(world, "path"));
        text_add_str(&line, ": ");
        plain_add(&line, talk_text(world, "detail"));
        plain_note("drover: %s%s\n", text_bytes(&line).data,
                   strcmp(talk_text(world, "state"), "off") == 0
                       ? "; later changes are not recorded"
                       : "");
    }
    return ERR_OK;
}

void changes_path_name(const char *typed, struct text *name) {
    typed += strncmp(typed, "./", 2) == 0 ? 2 : 0;
    if (typed[0] == '"') {
        text_add_str(name, typed);
    } else {
        change_name_write(bytes_of(typed), name);
    }
}
