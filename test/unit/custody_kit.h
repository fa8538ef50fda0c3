/* custody_kit.h: a loop with holders, and one command that is followed: what the tests of custody
 * share.
 */
#ifndef DROVER_TEST_CUSTODY_KIT_H
#define DROVER_TEST_CUSTODY_KIT_H

#include "proc/holder.h"
#include "proc_kit.h"

#define NAME "run_a.1"

struct yard {
    struct place place;
    struct loop *loop;
    struct holders *holders;
    struct timer patience; /* Fails the test after a minute. */
};
int yard_open(void **state);
int yard_close(void **state);
void yard_reopen(struct yard *yard); /* As if the daemon had died: live links are closed. */
void yard_run_until(struct yard *yard, const bool *flag);
void yard_run_until_reaped(struct yard *yard, pid_t pid); /* A process that has ended. */
void yard_turn(struct yard *yard); /* One turn of the loop; waits for an event. */

/* What was heard of one command. */
struct heard {
    struct yard *yard;
    struct holder *holder;
    bool claimed, grown, accepted, full, ended, close_at_growth;
    unsigned ends;
    int64_t sizes[LOG_STREAMS], accepted_size;
    enum holder_end end;
    bool has_exit;
    struct spool_exit exit;
    /* Input that is sent as it is accepted. */
    struct bytes input;
    int64_t input_from; /* The offset of its first byte. */
};
extern const struct holder_news heard_news;

/* NAME in the place's folder. */
struct holder_order shell_order(const struct yard *yard, const char *const *argv);
void start_order(struct yard *yard, const struct holder_order *order, struct heard *heard);
void start_shell(struct yard *yard, const char *script, struct heard *heard);
void start_shell_with(struct yard *yard, const char *script, unsigned flags, struct heard *heard);
void adopt(struct yard *yard, struct heard *heard);

struct spool_state look(const struct yard *yard);
struct spool_state look_until_gone(struct yard *yard); /* Until the holder's process is gone. */
size_t read_log(const struct yard *yard, enum log_stream stream, char *buffer, size_t size);
const char *yard_file(const struct yard *yard, const char *name); /* Lives until the next call. */
void put_yard_file(const struct yard *yard, const char *name);

#endif
