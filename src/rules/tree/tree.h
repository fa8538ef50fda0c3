/* tree.h: working trees of agents: their rows, and the jobs of git on them.
 *
 * A tree belongs to its holder: a session, a task of a board, or an agent of a workflow. It stands
 * at TOP/.drover/worktrees/NAME of its repository, on the branch drover/…, and is made again at the
 * same path where somebody has removed it.
 *
 *   PLANNED ──git has made it──> READY ──removed by drover──> GONE
 *      └──git refused──> FAILED     (a tree that is GONE or FAILED is made at the next turn)
 *
 * Ownership  texts are borrowed.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_TREE_TREE_H
#define DROVER_RULES_TREE_TREE_H

#include "base/id.h"
#include "base/json/json.h"
#include "base/resource/resource.h"
#include "base/text.h"

/* Texts that a row has of a tree: where it is, the root of the agent in it, the commit it began at
 * ("": not yet known), the top of the repository, where git is run, what git keeps of the tree
 * ("": as what stands in the trees says), its branch, and the last attempt or turn that began in it
 * ("": none did). Then what the branch begins at ("": HEAD; "now": the folder as it stands), how
 * far the tree was made (TREE_STAGE_…), the project's commands, the job of the first one, and the
 * block of ports: "20010-20019". */
enum tree_text {
    TREE_PATH,
    TREE_ROOT,
    TREE_BASE,
    TREE_TOP,
    TREE_FROM,
    TREE_GIT,
    TREE_BRANCH,
    TREE_ATTEMPT,
    TREE_START,
    TREE_STAGE,
    TREE_SETUP,
    TREE_TEARDOWN,
    TREE_SETUP_RUN,
    TREE_PORTS,
    TREE_TEXTS
};
#define TREE_START_NOW "now"
/* "": an older version made it, and nothing is due. */
#define TREE_STAGE_ADDED "added"
#define TREE_STAGE_FILLED "filled"
#define TREE_STAGE_SET_UP "set_up"

void tree_texts_read(const json_t *worktree, const char *ret_texts[static TREE_TEXTS]);
void tree_texts_write(char *const texts[static TREE_TEXTS], struct text *text);

/* --- Rows ------------------------------------------------------------------------------------- */

enum {
    TREES_MAX = 64, /* Trees of a project, unless its settings say another number. */
    TREE_NAME_MAX = 40,
    TREE_PORTS_MAX = 100, /* In the block of a tree. */
    TREE_PORT_FIRST = 20000,
    TREE_PORT_LAST = 29999,
    TREE_PORTS_SIZE = 16, /* "20010-20019" */
};
#define TREE_FIRST_UNKNOWN "-"
enum tree_kind { TREE_OF_SESSION, TREE_OF_TASK, TREE_OF_AGENT };
enum tree_state { TREE_ROW_PLANNED, TREE_ROW_READY, TREE_ROW_FAILED, TREE_ROW_GONE };
struct tree_row {
    int64_t number;
    struct id id;
    struct bytes owner, host;
    enum tree_kind kind;
    struct bytes holder; /* ses_…, tsk_… or run_… */
    struct bytes project, name;
    enum tree_state state;
    struct bytes detail;             /* Sentence: why it is FAILED; "": nothing. */
    struct bytes texts[TREE_TEXTS];  /* "": none. */
    struct bytes first;              /* Hash of the tree of its first point; "": none was taken. */
    int64_t ports_from, ports_count; /* 0, 0: no block of ports. */
    bool kept;                       /* Looked at since the end of its holder: it stays. */
    int64_t made_ms, changed_ms;
};
extern const char *const tree_kind_names[], *const tree_state_names[];
extern const struct resource tree_resource;

/* --- Names (names.c) -------------------------------------------------------------------------- */

#define TREE_NAMING                                                                                \
    "1 to 40 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit, and not with \"run_\" " \
    "or \"tsk_\""
/* A name that a person may give: last part of the path, and of the branch drover/NAME. */
MUST_CHECK bool tree_name_valid(struct bytes name);

/* "drover/WORDS-ID": of words that anybody wrote, and the end of an id, which makes it unique. */
enum { TREE_BRANCH_SIZE = 64 };
void tree_branch_make(struct bytes words, struct bytes id, char ret_branch[TREE_BRANCH_SIZE]);

/* The tree that a folder lies in, by its path alone: all up to the name after the last
 * "/.drover/worktrees/". No data: it lies in none. */
struct bytes tree_path_of(struct bytes folder);

/* --- What a project wants of its trees (wishes.c) --------------------------------------------- */

/* Member "worktree" of the settings of a project: {"setup", "teardown", "ports", "max"}. */
enum { TREE_COMMAND_MAX = 4096 };
struct tree_wishes {
    struct bytes setup, teardown; /* Lines of sh; "": none. */
    int64_t ports, max;
};
MUST_CHECK struct err tree_wishes_check(const json_t *settings, struct why *why);
/* Settings that were checked; NULL: none. Texts are borrowed. */
struct tree_wishes tree_wishes_read(const json_t *settings);

/* --- Jobs ------------------------------------------------------------------------------------- */

enum tree_job {
    TREE_HEAD, /* Prints the commit that a tree on a branch begins at. */
    TREE_ADD,
    TREE_REMOVE,
    TREE_WIPE,      /* Half a tree. */
    TREE_DIFF,      /* Prints names of new files, all changes since the base, and the new files. */
    TREE_FORGET,    /* The branch, which is kept where anything was committed on it. */
    TREE_FILL,      /* Copies what a commit does not have; prints the names. */
    TREE_SET_UP,    /* The project's command, in a new tree, */
    TREE_TEAR_DOWN, /* and the one before its removal. */
    TREE_NO_JOB,
};
/* Condition under which TREE_REMOVE and TREE_FORGET remove something. */
enum tree_care {
    TREE_UNCHANGED, /* No file was changed, and the branch is at its base. */
    TREE_LOSSLESS,  /* No file was changed; commits are on other branches, remotes or tags. */
    TREE_ANYHOW,
};
struct tree_order {
    char *const *texts; /* By enum tree_text. */
    enum tree_job job;
    enum tree_care care;
    struct bytes user; /* Holder: last word of the label, by which the job is found. */
    bool sandbox;
};

#endif
