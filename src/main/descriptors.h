/* descriptors.h: how many file descriptors the daemon may have, and how they are divided.
 *
 * Each command takes a descriptor of the daemon, a second one while it starts; each connection
 * takes one. A daemon that handed out all of them could neither read its spool nor begin a command
 * that it has accepted. So a part is kept back, and where the hard limit is too low for what the
 * settings ask for, both numbers are made smaller: further commands wait for a slot, and further
 * connections are refused with 503. Calls of models get half of what is kept back, and what is left
 * over; further ones wait.
 *
 * Promise    descriptors_fit never gives more than the limit holds, and at least one of each;
 *            calls of models are at least four.
 * Threads    descriptors_share before other threads run.
 * Failure    ERR_CONFIG: the limit is below DESCRIPTORS_MIN; `why` says what to do.
 */
#ifndef DROVER_MAIN_DESCRIPTORS_H
#define DROVER_MAIN_DESCRIPTORS_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/system/serve_options.h"
#include "loop/shortage.h"

enum { DESCRIPTORS_MIN = 48 };

struct descriptor_shares {
    int64_t jobs;
    size_t connections;
    size_t calls; /* Of models, at once. */
};
/* *ret_fitted: smaller than `wanted`, for lack of descriptors. */
MUST_CHECK struct err descriptors_fit(uint64_t limit, const struct descriptor_shares *wanted,
                                      struct descriptor_shares *ret_fitted, struct why *why);

/* Raises the soft limit to the hard one, and fits `asked` to it, with a line of the log where that
 * makes a number smaller. *ret_before: soft limit that the daemon was started with, 0: unknown. It
 * is that of commands, since some close every descriptor up to it. */
MUST_CHECK struct err descriptors_share(const struct serve_options *asked,
                                        struct serve_options *ret_fitted, uint64_t *ret_before,
                                        struct why *why);

/* Member of /readyz: "descriptors":{"used":…,"limit":…,"waiting_since_ms":…}. */
void descriptors_write(const struct shortage *shortage, struct text *text);
void descriptors_metrics(const struct shortage *shortage, struct text *text);

#endif
