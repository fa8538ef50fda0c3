/* shrink.h: the fewest operations with which a seed still fails.
 *
 * How        Operations are left out, first in halves, then in smaller parts, then one by one. Each
 *            choice hangs on the operation that was begun last, so that what is left behaves as it
 *            did, mostly; a try that does not fail is taken back, and so is one in which another
 *            check fails: the first words of its sentence differ, or it ended by another signal.
 */
#ifndef DROVER_TEST_SIM_SHRINK_H
#define DROVER_TEST_SIM_SHRINK_H

#include "inside.h"

struct seed_result {
    bool failed;
    int signal;
    uint64_t hash, steps, lives, judged;
    char text[8192]; /* What it wrote to stderr. */
};
/* main.c: in a process of its own. */
struct seed_result seed_run(const struct sim_options *options);

/* Whether the same check failed in both. Words with ids and numbers are not compared. */
bool shrink_is_same(const struct seed_result *a, const struct seed_result *b);
/* Leaves operations out of *options; answers how the last of the failing tries ended. */
struct seed_result shrink(struct sim_options *options, const struct seed_result *first);
void shrink_print(const struct sim_options *options); /* "1,4,9" */

#endif
