/* tree.h: runs as a tree of what belongs together, for a terminal.
 *
 *   RUN               KIND      STATE         TIME  LABEL
 *   run_01m87p3c90kv  workflow  running      1m32s  demo
 *   run_01m87p3c9w5g  agent     waiting      1m32s  ├ asker
 *       ? run_command: sleep 300
 *         drover approve apr_01m87p3ca9rc
 *   run_01m87p3c9wmw  agent     running      1m32s  ├ slow
 *                                                   └ 12 more agents: 9 succeeded, 3 running
 *
 * Promise    a run stands below its parent; where the parent is not among the rows, it stands for
 *            itself. An agent and its turn are one line: id and label are those of the agent, state
 *            and reason are those of the turn. Runs that ask for a person come first and are never
 *            folded away. No line is wider than the terminal; narrow ones lose the kind, then the
 *            time. Ids are short, but each names one run of the tree, and commands take them.
 *            Rows come from outside: a parent counts only where it is the older row, so that no
 *            rows make a circle.
 * Ownership  all borrowed during the call.
 * Threads    any; pure.
 */
#ifndef DROVER_CLI_RUN_TREE_H
#define DROVER_CLI_RUN_TREE_H

#include "base/json/json.h"
#include "base/text.h"
#include "cli/run/view.h"

enum { RUN_TREE_COLUMNS = 80 /* Where the width is not known. */ };

struct run_tree {
    const json_t *runs;      /* Rows of the API, the newest first. */
    const json_t *questions; /* Open approvals; NULL: none are known. */
    struct run_view view;    /* view.columns 0: RUN_TREE_COLUMNS. */
    size_t rows;             /* Lines at most; 0: as many as there are. */
    bool ascii;              /* The terminal knows no other characters. */
};
/* For standard output: its width, and the characters of the locale. */
struct run_tree run_tree_of(const struct invocation *invocation);
void run_tree_draw(const struct run_tree *tree, struct text *text);

#endif
