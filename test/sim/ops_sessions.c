/* ops_sessions.c: sessions are made, changed, forked, cleared and deleted, at any time: also while
 * a turn of theirs streams. */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "chat_ops.h"
#include "dispatch/session/blobs.h"
#include "folder.h"
#include "inside.h"
enum { LONG_FILE_LINES = 100, LONG_FILE_LINE = 480 };

/* --- Made ------------------------------------------------------------------------------------- */

static const char *const models[] = {
    "openai/plain",          "openai/small-window", "openai/think",    "responses/plain",
    "responses/think-small", "responses/think",     "anthropic/plain", "anthropic/small-window",
    "anthropic/think",       "no-such-provider/x",
};

/* Whatever else matches: a deny is final (check of ops_approvals.c). */
#define SETTINGS_OF_RULES                                                                          \
    "{\"permissions\":[{\"tool\":\"write_file\",\"subject\":\"file1.txt\",\"permission\":"         \
    "\"deny\"},"                                                                                   \
    "{\"permission\":\"allow\"},{\"tool\":\"edit_file\",\"permission\":\"ask\"}]}"

static const char *const settings[] = {
    "{\"permissions\":[{\"permission\":\"allow\"}]}",
    "{\"permissions\":[{\"permission\":\"allow\"}]}",
    "{\"permissions\":[{\"permission\":\"allow\"}],\"calls_max\":4}",
    "{}",
    "{\"edits\":\"allow\"}",
    "{\"permissions\":[{\"tool\":\"write_file\",\"permission\":\"deny\"}]}",
    "{\"permissions\":[{\"tool\":\"*\",\"permission\":\"review\"}]}",
    SETTINGS_OF_RULES,
    "{\"permissions\":[{\"permission\":\"allow\"}],\"check\":[\"work\",\"check\"]}",
};

static struct err create_run(struct tx *tx, struct errand *errand) {
    struct session_row row;
    return tx_session_create(tx, &errand->what.make, &row);
}

static void create_done(struct errand *errand, struct err result) {
    if (!err_failed(result)) {
        known_session_is(errand->sim, errand->session, SESSION_THERE);
    } else if (!errand_refused(errand, result)) {
        sim_fail(errand->sim, "a session could not be made: %s", err_name(result.code));
    }
}

/* The agent of a session is a free word, where there is mail one of those that sign it. */
static struct bytes agent_name(struct sim *sim) {
    static const char *const names[] = {"", "", "shepherd", "dog", KNOWN_OWNER, "drover"};
    return !mails_play(&sim->options) ? BYTES("")
                                      : bytes_of(names[sim_choose(sim, "agent", COUNT_OF(names))]);
}

struct session_kind {
    const char *root, *settings;
};

static struct known_session *session_make(struct sim *sim, const struct session_kind *kind) {
    struct id id = known_id(sim, "ses", "session");
    struct known_session *session = known_add_session(sim, &id);
    if (session == NULL) {
        return NULL;
    }
    struct errand *errand = errand_new(sim, "create", session);
    const char *model = models[sim_choose(sim, "model", COUNT_OF(models))];
    session->ruled = strcmp(kind->settings, SETTINGS_OF_RULES) == 0;
    errand->what.make = (struct session_new){
        .session = id,
        .owner = BYTES(KNOWN_OWNER),
        .parent = BYTES(""),
        .project = sim_chance(sim, "project", 50) ? BYTES("web") : BYTES("herd"),
        .model = known_bytes(model),
        .root = known_bytes(kind->root),
        .agent = agent_name(sim),
        .title = sim_chance(sim, "titled", 30) ? BYTES("A title") : (struct bytes){NULL, 0},
        .settings = known_bytes(kind->settings)};
    errand->run = create_run;
    errand->done = create_done;
    errand_send(errand);
    return session;
}

struct known_session *sessions_add_writer(struct sim *sim) {
    return session_make(sim, &(struct session_kind){sim_project_dir(sim), settings[0]});
}

static void session_create(struct sim *sim) {
    (void)session_make(
        sim, &(struct session_kind){sim_chance(sim, "rooted", 75) ? sim_project_dir(sim) : "",
                                    settings[sim_choose(sim, "settings", COUNT_OF(settings))]});
}

/* --- Changed ---------------------------------------------------------------------------------- */

static struct err change_run(struct tx *tx, struct errand *errand) {
    struct session_row row;
    errand->what.change.key = errand_key(errand);
    return tx_session_change(tx, &errand->what.change, &row);
}

static void session_change(struct sim *sim) {
    struct known_session *session = known_pick(sim, "session");
    if (session == NULL) {
        return;
    }
    struct errand *errand = errand_new(sim, "change", session);
    struct session_change *change = &errand->what.change;
    switch (sim_choose(sim, "what", 5)) {
    case 0:
        change->model = known_bytes(models[sim_choose(sim, "model", COUNT_OF(models))]);
        break;
    case 1:
        session->ruled = false;
        change->settings = known_bytes(settings[sim_choose(sim, "settings", COUNT_OF(settings))]);
        break;
    case 2:
        change->title = BYTES("Another \"title\"\n");
        break;
    case 3:
        session->archives = true;
        change->remove = sim_chance(sim, "remove", 50) ? CHANGE_YES : CHANGE_NO;
        break;
    default:
        session->archives = true;
        change->archive = sim_chance(sim, "archive", 50) ? CHANGE_YES : CHANGE_NO;
        break;
    }
    errand->run = change_run;
    errand_send(errand);
}

static void deleted_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct known *known = known_of(sim);
    bool *any = ctx;
    for (size_t i = 0; i < known->session_count; i++) {
        struct known_session *session = &known->sessions[i];
        if (strcmp(session->id, row->text[0].data) == 0 && session->state == SESSION_THERE) {
            struct errand *errand = errand_new(sim, "restore", session);
            errand->what.change.remove = CHANGE_NO;
            errand->run = change_run;
            errand_send(errand);
            *any = true;
        }
    }
}

bool sessions_restore_all(struct sim *sim) {
    bool any = false;
    ask_each(sim, "SELECT session FROM sessions WHERE deleted_ms IS NOT NULL AND hidden = 0", NULL,
             deleted_take, &any);
    return any;
}

/* --- Deleted ---------------------------------------------------------------------------------- */

static struct err purge_run(struct tx *tx, struct errand *errand) {
    struct session_purge purge = {.after = 0};
    struct err err = tx_session_purge(tx, &purge);
    errand->more = purge.more && !purge.waits;
    return err;
}

static void purge_done(struct errand *errand, struct err result) {
    if (!err_failed(result)) {
        blobs_sweep(sim_life(errand->sim)->blobs);
    }
}

static void purge(struct sim *sim) {
    struct errand *errand = errand_new(sim, "purge", NULL);
    errand->run = purge_run;
    errand->done = purge_done;
    errand_send(errand);
}

static struct err delete_run(struct tx *tx, struct errand *errand) {
    errand->what.remove.key = errand_key(errand);
    return tx_session_delete(tx, &errand->what.remove, &errand->more);
}

static void delete_done(struct errand *errand, struct err result) {
    if (!err_failed(result)) {
        known_session_is(errand->sim, errand->session, SESSION_GONE);
        purge(errand->sim);
    }
}

static void running_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct known_session **found = ctx;
    struct known *known = known_of(sim);
    for (size_t i = 0; i < known->session_count; i++) {
        struct known_session *session = &known->sessions[i];
        bool fits = strcmp(session->id, row->text[0].data) == 0;
        *found = fits && session->state <= SESSION_THERE ? session : *found;
    }
}

/* Mostly one that has just something to say. */
static struct known_session *running_pick(struct sim *sim) {
    struct known_session *found = NULL;
    if (sim_chance(sim, "running", 70)) {
        ask_each(sim, "SELECT session FROM sessions WHERE state = 'running' AND hidden = 0", NULL,
                 running_take, &found);
    }
    return found != NULL ? found : known_pick(sim, "session");
}

static void session_delete(struct sim *sim) {
    struct known_session *session = running_pick(sim);
    if (session == NULL) {
        return;
    }
    struct errand *errand = errand_new(sim, "delete", session);
    session->state = SESSION_LEAVING;
    errand->what.remove = (struct session_delete){.jobs = sim_chance(sim, "jobs", 50),
                                                  .bounds = errand_bounds(errand)};
    errand->run = delete_run;
    errand->done = delete_done;
    errand_send(errand);
}

/* --- Cleared ---------------------------------------------------------------------------------- */

static struct err clear_purge_run(struct tx *tx, struct errand *errand) {
    return tx_message_purge(tx, errand->next.cleared.session, &errand->more);
}

static struct err clear_run(struct tx *tx, struct errand *errand) {
    errand->what.clear.session = errand_key(errand);
    errand->next.cleared = (struct turn_cleared){0};
    struct err err = tx_turn_clear(tx, &errand->what.clear, &errand->next.cleared);
    errand->more = !err_failed(err) && errand->next.cleared.more;
    return err;
}

static void clear_advance(struct errand *errand) {
    errand->what.clear.emptied = true;
}

static void clear_done(struct errand *errand, struct err result) {
    known_removed(errand->sim, errand->op, !err_failed(result));
    if (!err_failed(result)) {
        struct errand *after = errand_new(errand->sim, "purge messages", errand->session);
        after->next.cleared = errand->next.cleared;
        after->run = clear_purge_run;
        errand_send(after);
    }
}

void sessions_clear(struct sim *sim, struct known_session *session) {
    known_loosen(sim, session);
    for (size_t i = 0; i < known_of(sim)->message_count; i++) {
        struct known_message *message = &known_of(sim)->messages[i];
        if (message->session == session) {
            known_remove(message, sim_operation(sim));
        }
    }
    struct errand *errand = errand_new(sim, "clear", session);
    errand_change(errand);
    errand->what.clear.bounds = errand_bounds(errand);
    errand->run = clear_run;
    errand->advance = clear_advance;
    errand->done = clear_done;
    errand_send(errand);
}

static void session_clear(struct sim *sim) {
    struct known_session *session = known_pick(sim, "session");
    if (session != NULL) {
        sessions_clear(sim, session);
    }
}

/* --- Forked ----------------------------------------------------------------------------------- */

static struct err fork_run(struct tx *tx, struct errand *errand) {
    struct session_row row;
    return tx_session_fork(tx, &errand->what.fork, &errand->next.fork, &errand->more, &row);
}

static void fork_advance(struct errand *errand) {
    errand->what.fork = errand->next.fork;
}

static struct err abandon_run(struct tx *tx, struct errand *errand) {
    return tx_session_fork_abandon(tx, &errand->what.fork);
}

static void fork_done(struct errand *errand, struct err result) {
    if (!err_failed(result)) {
        known_session_is(errand->sim, errand->session, SESSION_THERE);
    } else {
        struct errand *after = errand_new(errand->sim, "abandon fork", errand->session);
        known_session_is(errand->sim, errand->session, SESSION_GONE);
        after->what.fork = errand->what.fork;
        after->run = abandon_run;
        errand_send(after);
    }
}

void sessions_fork(struct sim *sim, const struct known_session *from, struct known_session *to) {
    struct errand *errand = errand_new(sim, "fork", to);
    errand->what.fork = (struct session_fork){
        .key = {.owner = BYTES(KNOWN_OWNER), .session = known_bytes(from->id)},
        .message = BYTES(""),
        .session = id_copy(known_bytes(to->id))};
    for (size_t i = 0; i < sizeof errand->what.fork.seed; i++) {
        errand->what.fork.seed[i] = (uint8_t)sim_choose(sim, "fork's ids", 256);
    }
    errand->run = fork_run;
    errand->advance = fork_advance;
    errand->done = fork_done;
    errand_send(errand);
}

static void session_fork(struct sim *sim) {
    struct known_session *from = known_pick(sim, "session");
    struct id id = known_id(sim, "ses", "fork");
    struct known_session *to = from == NULL ? NULL : known_add_session(sim, &id);
    if (to != NULL) {
        sessions_fork(sim, from, to);
    }
}

const struct sim_op ops_sessions[] = {
    {"session_create", 10, session_create}, {"session_change", 3, session_change},
    {"session_delete", 3, session_delete},  {"session_clear", 2, session_clear},
    {"session_fork", 3, session_fork},      {NULL, 0, NULL},
};

/* A file that fills a short window when a call of a tool reads it or finds its lines. */
static void sessions_begin(struct sim *sim) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/file4.txt", sim_project_dir(sim)); /* It fits. */
    FILE *file = fopen(path, "we");
    assert(file != NULL);
    for (unsigned i = 0; i < LONG_FILE_LINES; i++) {
        (void)fprintf(file, "line %u %0*u\n", i, LONG_FILE_LINE, i);
    }
    int rc = fclose(file);
    assert(rc == 0);
}

const struct sim_part part_sessions = {
    .name = "sessions", .ops = ops_sessions, .begin = sessions_begin};
