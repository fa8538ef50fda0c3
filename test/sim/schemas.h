/* schemas.h: answers by schema, as clients asked for them (ops_schemas.c).
 */
#ifndef DROVER_TEST_SIM_SCHEMAS_H
#define DROVER_TEST_SIM_SCHEMAS_H

#include "sim.h"

/* A turn of that session whose question begins with `mark` asks its model; `told`: by a schema. */
void schemas_requested(struct sim *sim, const char *session, const char *mark, bool told);

#endif
