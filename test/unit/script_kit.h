/* script_kit.h: what the tests of workflow workers share: a loop, a zygote of the toy program
 * (script_toy.c), and somebody who hears what its workers say.
 */
#ifndef DROVER_TEST_SCRIPT_KIT_H
#define DROVER_TEST_SCRIPT_KIT_H

#include <sys/types.h>

#include "base/base.h"
#include "loop/loop.h"
#include "proc/reap.h"
#include "script/script.h"

struct pen {
    struct loop *loop;
    struct reap *reap;
    struct shortage *shortage;
    struct scripts *scripts; /* NULL when a test has closed it. */
    struct timer patience;
    unsigned failures; /* Of zygotes, as told. */
    struct err failure;
};
int pen_open(void **state);
int pen_close(void **state);
struct scripts *pen_scripts(struct pen *pen, const char *program);
void pen_turn(struct pen *pen);
void pen_run_until(struct pen *pen, const bool *flag); /* Up to a minute, else the test fails. */

/* One worker, and what was heard of it. */
struct ear {
    struct pen *pen;
    struct script_worker *worker; /* NULL after its end. */
    char *last, *before;          /* The last frame and the one before it, terminated. */
    size_t len, len_before;
    size_t frames, ends, bytes;
    bool heard; /* Since ear_wait. */
    bool ended, busy_when_heard;
    struct script_end end;
    enum { EAR_NOTHING, EAR_CLOSES, EAR_PAUSES, EAR_GIVES_BACK } at_frame;
    bool closes_at_end;
    struct bytes paused; /* What script_pause answered. */
};
void ear_start(struct ear *ear, struct pen *pen);
void ear_start_bound(struct ear *ear, struct pen *pen, const struct script_bounds *bounds);
void ear_tell(struct ear *ear, const char *text);
void ear_tell_bytes(struct ear *ear, struct bytes bytes);
void ear_wait(struct ear *ear);                  /* For one more frame. */
void ear_ask(struct ear *ear, const char *text); /* Tells, and waits. */
void ear_expect(const struct ear *ear, const char *last);
void ear_wait_end(struct ear *ear, enum script_end_kind kind);
void ear_done(struct ear *ear); /* Closes what still lives. */

/* The process of the toy zygote, and how many workers it has. */
pid_t find_zygote(void);
unsigned count_workers(pid_t *ret_any);
void wait_until_gone(pid_t pid);
unsigned count_descriptors(void);

#endif
