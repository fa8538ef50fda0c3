/* notices.h: notices as their receivers see them (ops_inbox.c).
 */
#ifndef DROVER_TEST_SIM_NOTICES_H
#define DROVER_TEST_SIM_NOTICES_H

#include "servers.h"
#include "sim.h"

/* A webhook is called: whether it may be, by what clients were told of that notice. */
void notices_arrive(struct sim *sim, const struct server_request *request);

#endif
