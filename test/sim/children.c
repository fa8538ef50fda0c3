/* children.c: see children.h. */
#include "children.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "asks.h"
#include "base/text.h"
#include "workflows.h"

enum { SCRIPT_MAX = 1 << 20, PATH_BYTES = 160 };

enum child_file { CHILD_VALID, CHILD_MISSING, CHILD_BROKEN };

struct child {
    unsigned version; /* Of the last valid text. */
    enum child_file file;
    bool failing; /* Was missing or broken at some time. */
};
struct children {
    struct child list[PROGRAM_CHILDREN];
};

static struct children *children_of(struct sim *sim) {
    static struct children all;
    (void)sim; /* There is one. */
    return &all;
}

static struct program_id id_of(struct sim *sim, unsigned number, unsigned version) {
    return (struct program_id){
        .number = sim_hash(sim_seed(sim), number, "child", 0), .change = version, .child = number};
}

/* --- Files ------------------------------------------------------------------------------------ */

static const char *folder_of(struct sim *sim, unsigned number) {
    return number == PROGRAM_CHILD_HOME ? getenv("HOME") : sim_project_dir(sim);
}

static void file_path(struct sim *sim, unsigned number, char path[PATH_BYTES]) {
    int len = snprintf(path, PATH_BYTES, "%s/.drover/workflows/child-%u.js", folder_of(sim, number),
                       number);
    assert(len < PATH_BYTES);
}

static void file_write(struct sim *sim, unsigned number, struct bytes bytes) {
    char path[PATH_BYTES];
    file_path(sim, number, path);
    FILE *file = fopen(path, "we");
    assert(file != NULL);
    size_t wrote = fwrite(bytes.data, 1, bytes.len, file);
    int rc = fclose(file);
    assert(wrote == bytes.len && rc == 0);
}

static void valid_write(struct sim *sim, unsigned number) {
    struct child *child = &children_of(sim)->list[number - 1];
    const struct program program = program_make(id_of(sim, number, child->version));
    AUTO(text_done) struct text text;
    text_init(&text, SCRIPT_MAX);
    program_print(&program, &text);
    file_write(sim, number, (struct bytes){text.data, text.len});
    child->file = CHILD_VALID;
}

static void folder_make(const char *base) {
    static const char *const parts[] = {"/.drover", "/.drover/workflows"};
    char path[PATH_BYTES];
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        (void)snprintf(path, sizeof path, "%s%s", base, parts[i]); /* As file_path has it. */
        int rc = mkdir(path, 0700);
        assert(rc == 0 || errno == EEXIST);
    }
}

void children_begin(struct sim *sim) {
    folder_make(sim_project_dir(sim));
    folder_make(getenv("HOME"));
    for (unsigned number = 1; number <= PROGRAM_CHILDREN; number++) {
        valid_write(sim, number);
    }
}

/* Broken is for the daemon's own reader: the stand-in of a worker finds every script valid. */
static void file_break(struct sim *sim, unsigned number) {
    static const char text[] = "export const meta = { name: \"child\", description: 4 };\n";
    struct child *child = &children_of(sim)->list[number - 1];
    char path[PATH_BYTES];
    child->failing = true;
    if (sim_chance(sim, "broken", 50)) {
        child->file = CHILD_BROKEN;
        file_write(sim, number, (struct bytes){text, sizeof text - 1});
        return;
    }
    child->file = CHILD_MISSING;
    file_path(sim, number, path);
    (void)unlink(path); /* It may be missing already. */
}

void children_edit(struct sim *sim) {
    unsigned number = 1 + (unsigned)sim_choose(sim, "child", PROGRAM_CHILDREN);
    struct child *child = &children_of(sim)->list[number - 1];
    if (number == PROGRAM_CHILD_FRAGILE && child->file == CHILD_VALID) {
        file_break(sim, number);
    } else {
        child->version++;
        valid_write(sim, number);
    }
    sim_trace(sim, "child %u: version %u, %s", number, child->version,
              child->file == CHILD_VALID     ? "valid"
              : child->file == CHILD_MISSING ? "missing"
                                             : "broken");
}

void children_submitted(struct workflow *workflow) {
    for (size_t i = 0; i < PROGRAM_CHILDREN; i++) {
        workflow->versions[i] = children_of(sim_current())->list[i].version;
    }
}

/* --- What a call of workflow() comes to ------------------------------------------------------- */

struct finding {
    struct workflow *workflow;
    const struct player_call *call;
    int64_t number;
    const json_t *outcome;
    unsigned child;
    bool found;
};

/* Why it may be refused; NULL: it may not. */
static const char *refusal_of(struct sim *sim, const struct finding *finding) {
    const bool by_path = finding->call->name[0] == '.';
    const unsigned child = finding->child;
    if (child > PROGRAM_CHILDREN) {
        return "no file has that name";
    }
    if (by_path ? child == PROGRAM_CHILD_HOME || !finding->workflow->rooted
                : child != PROGRAM_CHILD_HOME && !finding->workflow->rooted) {
        return "it is not looked for there";
    }
    if (!finding->call->has_args) {
        return "its args are missing";
    }
    return children_of(sim)->list[child - 1].failing ? "its file failed at times" : NULL;
}

static struct program_id told_id(struct sim *sim, const struct finding *finding, const char *script,
                                 size_t len) {
    struct program_id id = {.number = 0};
    if (script == NULL || !program_identify((struct bytes){script, len}, &id)) {
        sim_fail(sim, "outcome %lld of %s is a script that nobody wrote",
                 (long long)finding->number, finding->workflow->run);
    }
    return id;
}

static void version_check(struct sim *sim, const struct finding *finding, struct program_id id) {
    const struct workflow *workflow = finding->workflow;
    const unsigned child = finding->child;
    const char *name = finding->call->name;
    if (child > PROGRAM_CHILDREN || id.child != child || id.number != id_of(sim, child, 0).number) {
        sim_fail(sim, "%s asked for %s and got child %u", workflow->run, name, id.child);
    }
    if (child == PROGRAM_CHILD_HOME && !finding->call->has_args) {
        sim_fail(sim, "%s got %s, and gave no args, which it asks for", workflow->run, name);
    }
    if (id.change < workflow->versions[child - 1] ||
        id.change > children_of(sim)->list[child - 1].version) {
        sim_fail(sim, "%s got version %u of %s, which had version %u when it began", workflow->run,
                 id.change, name, workflow->versions[child - 1]);
    }
}

/* In each replay the run has the version that it had at first. */
static void version_keep(struct sim *sim, const struct finding *finding, struct program_id id) {
    struct workflow *workflow = finding->workflow;
    for (size_t i = 0; i < workflow->found_count; i++) {
        const struct child_found *found = &workflow->found[i];
        if (found->number == finding->number) {
            if (found->version != id.change || found->child != id.child) {
                sim_fail(sim, "outcome %lld of %s was version %u of child %u, and is version %u",
                         (long long)finding->number, workflow->run, found->version, found->child,
                         id.change);
            }
            return;
        }
    }
    assert(workflow->found_count < COUNT_OF(workflow->found));
    workflow->found[workflow->found_count++] =
        (struct child_found){.number = finding->number, .child = id.child, .version = id.change};
}

/* Columns: key, occurrence, hash of the script, note, script, output tokens of steps up to it. */
static void finding_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct finding *finding = ctx;
    const json_t *outcome = finding->outcome;
    const char *run = finding->workflow->run;
    const char *told = json_string_value(json_object_get(outcome, "o"));
    const bool is_script = row->text[2].len > 0;
    finding->found = true;
    if (strcmp(row->text[0].data, finding->call->key) != 0 ||
        row->number[1] != finding->call->occurrence) {
        sim_fail(sim, "outcome %lld of %s is of another call than the one that is stored there",
                 (long long)finding->number, run);
    }
    if (told == NULL || strcmp(told, is_script ? "script" : "throw") != 0) {
        sim_fail(sim, "outcome %lld of %s is told as a %s, and stored as a %s",
                 (long long)finding->number, run, told, is_script ? "script" : "refusal");
    }
    const int64_t spent = json_integer_value(json_object_get(outcome, "spent"));
    if (spent != row->number[5] && ask_wanted("spent")) {
        sim_fail(sim, "%s was told with outcome %lld that %lld tokens are spent, and %lld are", run,
                 (long long)finding->number, (long long)spent, (long long)row->number[5]);
    }
    if (!is_script) {
        const char *message = json_string_value(json_object_get(outcome, "message"));
        if (message == NULL || strcmp(message, row->text[3].data) != 0) {
            sim_fail(sim, "outcome %lld of %s is another refusal than the one that is stored",
                     (long long)finding->number, run);
        }
        return;
    }
    const struct program_id id = told_id(sim, finding, row->text[4].data, row->text[4].len);
    const json_t *script = json_object_get(outcome, "script");
    const struct program_id sent =
        told_id(sim, finding, json_string_value(script), json_string_length(script));
    if (sent.number != id.number || sent.change != id.change) {
        sim_fail(sim, "outcome %lld of %s is another script than the one that is stored",
                 (long long)finding->number, run);
    }
    version_check(sim, finding, id);
    version_keep(sim, finding, id);
}

void children_settled(struct sim *sim, struct workflow *workflow, const struct player_call *call,
                      int64_t number, const json_t *outcome) {
    const char *digits = strrchr(call->name, '-');
    const char *told = json_string_value(json_object_get(outcome, "o"));
    const struct ask_number as = ask_number(number);
    assert(digits != NULL);
    struct finding finding = {
        .workflow = workflow,
        .call = call,
        .number = number,
        .outcome = outcome,
        .child = (unsigned)strtoul(digits + 1, NULL /* its end does not matter */, 10)};
    ask_each(sim,
             "SELECT r.step_key, r.occurrence, r.script, r.note, coalesce(s.source, ''),"
             " (SELECT coalesce(sum(b.output_tokens), 0) FROM runs b WHERE b.parent = w.id"
             " AND b.step_key <> '' AND b.done_no BETWEEN 1 AND r.done_no)"
             " FROM workflow_refs r JOIN runs w ON w.id = r.run"
             " LEFT JOIN scripts s ON s.hash = r.script"
             " WHERE w.run = $1 AND r.done_no = CAST($2 AS INTEGER)",
             TEXTS(workflow->run, as.text), finding_take, &finding);
    const bool gone = workflow->deleting || workflow->final; /* Its rows may be removed. */
    if (!finding.found && !gone) {
        sim_fail(sim, "%s is told outcome %lld, which is not stored", workflow->run,
                 (long long)number);
    }
    sim_trace(sim, "workflow %u: outcome %lld of child %u is a %s", workflow->op, (long long)number,
              finding.child, told == NULL ? "" : told);
    if (told != NULL && strcmp(told, "throw") == 0 && refusal_of(sim, &finding) == NULL) {
        sim_fail(sim, "%s is refused %s, which was always there: %s", workflow->run, call->name,
                 json_string_value(json_object_get(outcome, "message")));
    }
}

/* --- Scripts that are kept -------------------------------------------------------------------- */

static void missing_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "the script of outcome %s of %s is stored no more", row->text[0].data,
             row->text[1].data);
}

void children_check(struct sim *sim) {
    ask_each(
        sim,
        "SELECT CAST(r.done_no AS TEXT), w.run FROM workflow_refs r JOIN runs w ON w.id = r.run"
        " WHERE r.script <> '' AND NOT EXISTS"
        " (SELECT 1 FROM scripts s WHERE s.hash = r.script)",
        NULL, missing_take, NULL);
    int64_t unnamed =
        rows_number(sim,
                    "SELECT count(*) FROM scripts s"
                    " WHERE NOT EXISTS (SELECT 1 FROM workflows w WHERE w.script = s.hash)"
                    " AND NOT EXISTS (SELECT 1 FROM workflow_refs r WHERE r.script = s.hash)",
                    NULL, 0);
    if (unnamed > 0) {
        sim_fail(sim, "%lld scripts are stored that no run names", (long long)unnamed);
    }
}
