/* children.h: the scripts that workflow() finds, as files that people edit, and what it may find.
 *
 *   file   valid ──edited──> valid            child 4 alone:  valid ──> missing, broken ──> valid
 *
 * Model      each edit is a version, and the printed program names its own. A call of workflow()
 *            gets a version that stood in the file at its time: none older than those that stood
 *            there when its run was submitted. From then on the run has that one, in each replay,
 *            whatever becomes of the file. A call is refused only for a cause that the model knows.
 */
#ifndef DROVER_TEST_SIM_CHILDREN_H
#define DROVER_TEST_SIM_CHILDREN_H

#include "base/json/json.h"
#include "player.h"
#include "program.h"
#include "sim.h"

struct workflow;

void children_begin(struct sim *sim); /* The files of a new seed. */
void children_edit(struct sim *sim);  /* Somebody edits, removes or breaks one of them. */
/* A run is submitted: it finds none of the versions before these. */
void children_submitted(struct workflow *workflow);
/* Its script is told the outcome with that number, of a call of workflow(). */
void children_settled(struct sim *sim, struct workflow *workflow, const struct player_call *call,
                      int64_t number, const json_t *outcome);
/* Each script that a run may have to replay is stored, and none that no run names. */
void children_check(struct sim *sim);

#endif
