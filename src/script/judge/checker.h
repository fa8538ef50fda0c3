/* checker.h: the process in which the judge runs, one for this process, started when it is first
 * asked.
 *
 * It is a worker of scripts (protocol.h) with a script of ours, so it is confined as one; but it is
 * started by itself, without a zygote, from a file in memory, so a data directory is not needed.
 * Its end of the socket waits a minute for the next question: then it ends, as it does when ours is
 * closed, or when the thread that started it ends. The reaper of the process collects it.
 *
 * Promise    an answer takes at most CHECKER_CPU_MS of computing; a checker that says nothing for
 *            some seconds is killed. One that has ended is started again.
 * Ownership  *ret_answer is owned (mem_free).
 * Threads    any: questions wait for each other.
 * Failure    there is no answer: it could not start, or it ended.
 */
#ifndef DROVER_SCRIPT_JUDGE_CHECKER_H
#define DROVER_SCRIPT_JUDGE_CHECKER_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"

enum { CHECKER_CPU_MS = 2000 };

/* `question` is JSON, and so is the answer. */
MUST_CHECK struct err checker_ask(struct bytes question, struct bytes *ret_answer);
/* Changes with the judge. */
struct sha256 checker_version(void);

#endif
