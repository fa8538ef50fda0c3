/* catalog_inside.h: between the files of the catalog. */
#ifndef DROVER_SCRIPT_CATALOG_INSIDE_H
#define DROVER_SCRIPT_CATALOG_INSIDE_H

#include "script/catalog.h"

/* Fills in which places there are to look into; opens none of them. */
MUST_CHECK struct err catalog__places(const struct catalog_search *search, struct catalog *catalog,
                                      struct why *why);
/* The folder of a place, to be read; -1 and errno. */
MUST_CHECK int catalog__open_place(const struct catalog_place *place);
/* What stopped it, in words; NULL: it is just not there. Static. */
const char *catalog__trouble(int os);

#endif
