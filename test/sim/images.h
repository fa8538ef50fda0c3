/* images.h: images of messages, as clients sent them (ops_images.c).
 */
#ifndef DROVER_TEST_SIM_IMAGES_H
#define DROVER_TEST_SIM_IMAGES_H

#include "base/json/json.h"
#include "sim.h"

/* A turn of that session whose question begins with `mark` asks its model by this body. */
void images_requested(struct sim *sim, const char *session, const char *mark, const json_t *body);

#endif
