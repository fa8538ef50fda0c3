/* scale.h: time limits of tests, multiplied by how slow this machine is.
 *
 * scripts/test measures the machine when it begins, and says in DROVER_TEST_SCALE how many times
 * slower it is than the one that the limits were written for: 1 (also where nothing is said) to 20.
 * A limit exists to end a test that hangs; it must never end one that is only slow.
 */
#ifndef DROVER_TEST_UNIT_SCALE_H
#define DROVER_TEST_UNIT_SCALE_H

#include <stdlib.h>

static inline int scaled_ms(int ms) {
    const char *text = getenv("DROVER_TEST_SCALE");
    double scale = text != NULL ? strtod(text, NULL) : 1;
    return scale > 1 && scale <= 20 ? (int)(ms * scale) : ms;
}

#endif
