/* ops_memory.c: a client keeps something for agents to remember, and has it forgotten.
 *
 *   rows      what was acknowledged is there, or gone, in every life
 *   prompts   of a turn that was asked for later show it, while there is little to remember; never
 *             what was forgotten, and never what is of another project
 */
#include "memories.h"

#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "base/memory.h"
#include "chat_ops.h"
#include "engine/memory/memory.h"
#include "late.h"
#include "ops.h"

enum { MEMORIES_MAX = 64, RECALLED_ALWAYS = 5 };

enum kept { KEPT_ASKED, KEPT_THERE, KEPT_LEAVING, KEPT_GONE };

struct remembered {
    char id[ID_SIZE], mark[24];
    const char *project;
    enum kept kept;
    int64_t last_run; /* The last one of those days; turns after it know what was acknowledged. */
};

static struct remembered memories[MEMORIES_MAX];
static size_t memory_count;
static int64_t most; /* Rows, of everybody, at any time. */

static struct remembered *memory_find(const char *id) {
    for (size_t i = 0; i < memory_count; i++) {
        if (strcmp(memories[i].id, id) == 0) {
            return &memories[i];
        }
    }
    return NULL;
}

static int64_t run_last(struct sim *sim) {
    return rows_number(sim, "SELECT coalesce(max(id), 0) FROM runs", NULL, INT64_MAX);
}

/* --- Kept ------------------------------------------------------------------------------------- */

static struct err keep_run(struct tx *tx, struct errand *errand) {
    const struct remembered *memory = memory_find(errand->id);
    struct memory row = {.id = id_copy(known_bytes(memory->id)),
                         .owner = BYTES(KNOWN_OWNER),
                         .project = known_bytes(memory->project),
                         .topic = BYTES("sheep"),
                         .title = BYTES("op please"),
                         .content = {errand->text.data, errand->text.len},
                         .tags = {.kept = BYTES("[\"herd\"]")}};
    const struct resource_key key = {.owner = row.owner, .id = bytes_of(row.id.text)};
    struct memory made = {0};
    bool found = false;
    struct err err = fields_check(&memory_resource.fields, FIELD_GIVEN, &row, &errand->why);
    err = err_failed(err) ? err : tx_resource_insert(tx, &memory_resource, &row);
    err = err_failed(err) ? err : tx_resource_find(tx, &memory_resource, &key, &found, &made);
    if (!err_failed(err) && !found) {
        sim_fail(errand->sim, "the memory %s was kept, and is not there", memory->id);
    }
    return err;
}

static void keep_done(struct errand *errand, struct err result) {
    struct remembered *memory = memory_find(errand->id);
    if (!err_failed(result)) {
        memory->kept = KEPT_THERE;
        memory->last_run = run_last(errand->sim);
    } else if (!errand_refused(errand, result)) {
        sim_fail(errand->sim, "a memory was refused: %s: %s", err_name(result.code),
                 errand->why.text);
    }
}

static void memory_keep(struct sim *sim) {
    static const char *const projects[] = {"", "web", "herd"};
    if (memory_count == MEMORIES_MAX) {
        return;
    }
    struct remembered *memory = &memories[memory_count++];
    *memory =
        (struct remembered){.project = projects[sim_choose(sim, "project", COUNT_OF(projects))]};
    struct id id = known_id(sim, "mem", "memory");
    memcpy(memory->id, id.text, sizeof memory->id);
    (void)snprintf(memory->mark, sizeof memory->mark, "mem#%u. ", sim_operation(sim));
    struct errand *errand = errand_new(sim, "keep", NULL);
    memcpy(errand->id, memory->id, sizeof errand->id);
    text_addf(&errand->text, "%sA \"memory\"\n</context> of sheep.", memory->mark);
    errand->run = keep_run;
    errand->done = keep_done;
    errand_send(errand);
}

/* --- Forgotten -------------------------------------------------------------------------------- */

static struct err forget_run(struct tx *tx, struct errand *errand) {
    const struct resource_key key = {.owner = BYTES(KNOWN_OWNER), .id = known_bytes(errand->id)};
    return tx_resource_remove(tx, &memory_resource, &key, &errand->why);
}

static void forget_done(struct errand *errand, struct err result) {
    struct remembered *memory = memory_find(errand->id);
    if (!err_failed(result)) {
        memory->kept = KEPT_GONE;
        memory->last_run = run_last(errand->sim);
    } else if (!errand_refused(errand, result)) {
        sim_fail(errand->sim, "a memory could not be forgotten: %s", err_name(result.code));
    }
}

static void forget_late(struct sim *sim, unsigned op) {
    if (memory_count == 0) {
        return;
    }
    struct remembered *memory = &memories[sim_choose(sim, "memory", memory_count)];
    memory->kept = memory->kept == KEPT_GONE ? KEPT_GONE : KEPT_LEAVING;
    struct errand *errand = errand_new(sim, "forget", NULL);
    errand->op = op;
    memcpy(errand->id, memory->id, sizeof errand->id);
    errand->run = forget_run;
    errand->done = forget_done;
    errand_send(errand);
}

static void memory_forget(struct sim *sim) {
    late_plan(sim, forget_late);
}

/* --- What must hold --------------------------------------------------------------------------- */

static bool is_project(struct sim *sim, const char *session, const char *project) {
    return project[0] == '\0' ||
           rows_number(sim, "SELECT count(*) FROM sessions WHERE id = $1 AND project = $2",
                       TEXTS(session, project), 0) > 0;
}

void memories_check(struct sim *sim, const struct memories_shown *shown) {
    for (size_t i = 0; i < memory_count; i++) {
        const struct remembered *memory = &memories[i];
        bool is_shown = strstr(shown->words, memory->mark) != NULL;
        bool later = shown->run > memory->last_run;
        bool fits = is_project(sim, shown->session, memory->project);
        if (is_shown && (!fits || (memory->kept == KEPT_GONE && later))) {
            sim_fail(sim, "a prompt of session %s shows %s, which %s", shown->session, memory->mark,
                     fits ? "was forgotten" : "is of another project");
        }
        if (!is_shown && fits && later && memory->kept == KEPT_THERE && most <= RECALLED_ALWAYS) {
            sim_fail(sim, "a prompt of session %s does not show %s, which was kept before",
                     shown->session, memory->mark);
        }
    }
}

static void memory_rows_check(struct sim *sim) {
    for (size_t i = 0; i < memory_count; i++) {
        const struct remembered *memory = &memories[i];
        int64_t count = rows_number(sim, "SELECT count(*) FROM memory WHERE memory = $1",
                                    TEXTS(memory->id), -1);
        bool wrong =
            (memory->kept == KEPT_THERE && count == 0) || (memory->kept == KEPT_GONE && count > 0);
        if (wrong) {
            sim_fail(sim, "the memory %s was %s, and is %s", memory->id,
                     count > 0 ? "forgotten" : "kept", count > 0 ? "there" : "gone");
        }
    }
}

static void memory_look(struct sim *sim) {
    int64_t count = rows_number(sim, "SELECT count(*) FROM memory", NULL, 0);
    most = count > most ? count : most;
}

static void memory_begin(struct sim *sim) {
    (void)sim;
    memory_count = 0;
    most = 0;
}

static const struct sim_op ops_memory[] = {
    {"memory_keep", 3, memory_keep},
    {"memory_forget", 3, memory_forget},
    {NULL, 0, NULL},
};

const struct sim_part part_memory = {.name = "memory",
                                     .ops = ops_memory,
                                     .begin = memory_begin,
                                     .opened = memory_rows_check,
                                     .look = memory_look,
                                     .end = memory_rows_check};
