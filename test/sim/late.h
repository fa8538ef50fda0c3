/* late.h: clients that wait before they act: what needs an idle session would find few, since the
 * operations of a seed stand close together.
 *
 * Promise    `run` is called once, when the daemon serves, with the number of the operation that
 *            planned it. The wait is chosen there: some do not wait, and some act when everything
 *            was healed. Crashes of the daemon change nothing of it.
 */
#ifndef DROVER_TEST_SIM_LATE_H
#define DROVER_TEST_SIM_LATE_H

#include "base/id.h"
#include "sim.h"

void late_plan(struct sim *sim, void (*run)(struct sim *sim, unsigned op));
/* An id for what such an operation makes. */
struct id late_id(struct sim *sim, unsigned op, const char *prefix, const char *purpose);

#endif
