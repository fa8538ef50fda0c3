/* price_inside.h: a row of the table; for price.c and price_table.c only. */
#ifndef DROVER_MODEL_PRICE_INSIDE_H
#define DROVER_MODEL_PRICE_INSIDE_H

#include "model/price.h"

struct price_row {
    const char *key;
    struct model_facts facts;
};

size_t price__table(const struct price_row **ret_rows); /* Static. */

#endif
