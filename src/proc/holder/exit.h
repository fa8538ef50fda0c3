/* exit.h: exit.json: what became of the command.
 *
 * Promise    the file is overwritten where its room was made before the claim, so a full disk does
 *            not matter, and gets its name when it is whole.
 */
#ifndef DROVER_PROC_HOLDER_EXIT_H
#define DROVER_PROC_HOLDER_EXIT_H

#include "base/base.h"
#include "proc/holder/custody.h"

/* Exactly `size` bytes of `buffer`, which must be PROTOCOL_EXIT_SIZE. */
struct bytes exit_make(const struct custody *custody, char *buffer, size_t size);

/* False: the command removed the whole folder. */
MUST_CHECK bool exit_has_place(const struct custody *custody);
/* False: the disk refuses even this. May be tried again. */
MUST_CHECK bool exit_put(const struct custody *custody, struct bytes json);

#endif
