/* spool.h: the folders in which runs with a process leave their traces, seen from the daemon.
 *
 * Promise    spool_decide answers from the folder alone, so a daemon that was started a second ago
 *            knows as much as the one that started the command. Whoever linked `claim` first has
 *            decided for ever; see protocol.h.
 * Ownership  a spool is the folder's descriptor; borrowed by all calls.
 * Threads    any; every call blocks on the disk: in the pool, or before the loop runs.
 * Failure    outputs are untouched.
 */
#ifndef DROVER_PROC_SPOOL_SPOOL_H
#define DROVER_PROC_SPOOL_SPOOL_H

#include "base/base.h"
#include "base/err.h"
#include "proc/spool/protocol.h"

struct spool;
/* Makes DIR/spool (0700) if need be. */
MUST_CHECK struct err spool_open(const char *data_dir, struct spool **ret_spool);
void spool_close(struct spool *spool); /* NULL is allowed. */
const char *spool_path(const struct spool *spool);
int spool_fd(const struct spool *spool);
/* Whether the address of a socket has room for the path of an attempt's folder `tmp`
 * (PROTOCOL_TMP): programs make their sockets in the folder for temporary files. */
bool spool_tmp_fits(const struct spool *spool);

/* The folder of one attempt, RUN.ATTEMPT, which is a plain name (small.h) shorter than
 * PROTOCOL_NAME_MAX: never a path, and never a temporary name of ours. *ret_fd is owned. Absent:
 * ERR_OK and -1. ERR_CONFLICT: something else has its name (a file, a link, a folder of somebody
 * else). */
MUST_CHECK struct err spool_folder(const struct spool *spool, const char *name, int *ret_fd);

enum { EXIT_UNCOUNTED = -1 };
/* exit.json */
struct spool_exit {
    enum exit_end end;
    enum exit_why why;
    int code, signal, os; /* os: errno of what could not be started. */
    char step[16];
    int64_t out, err, pty, in; /* Logical sizes. */
    int64_t cpu_us, memory_kb, started_ms, ended_ms, left;
    int64_t processes; /* EXIT_UNCOUNTED: nobody knows. */
    int64_t sandbox;   /* The ABI of landlock that held it; 0: none. */
};
/* False: not whole, or of another name (NULL: any will do). */
MUST_CHECK bool spool_exit_parse(struct bytes json, const char *name, struct spool_exit *ret_exit);

enum spool_found {
    SPOOL_VOID,   /* Nothing ran and nothing will under this name. */
    SPOOL_CLOSED, /* Nothing will begin under this name; whether something ran is not known. */
    SPOOL_ALIVE,  /* The claim says go and the lock is held: follow its socket. */
    SPOOL_ENDED,  /* `exit` is filled. */
    SPOOL_GONE,   /* It ran, nobody holds the lock, and there is no result. End its tree. */
    /* Something else has the folder's name (a file, a link, a folder of somebody else). Nothing is
     * known, and nothing more can begin under that name. */
    SPOOL_STRANGE,
    SPOOL_NONE, /* Only with SPOOL_LOOK: undecided (no claim). */
};
enum spool_wish {
    SPOOL_LOOK,   /* Changes nothing. */
    SPOOL_DECIDE, /* Where nobody has decided, links `void` (making the folder if need be). */
    SPOOL_CLOSE,  /* The same with `closed`: the folder may have been here, and was removed. */
};
struct spool_state {
    enum spool_found found;
    struct spool_exit exit; /* ENDED. */
    /* Of the holder, where the claim says go: for signals and for finding its tree. */
    int pid;
    uint64_t start_time;
    char boot_id[40], nonce[40];
    bool rebooted; /* The claim is of another boot: none of its processes lives. */
};
MUST_CHECK struct err spool_decide(const struct spool *spool, const char *name,
                                   enum spool_wish wish, int64_t epoch,
                                   struct spool_state *ret_state);

/* --- Output by logical offset ----------------------------------------------------------------- */

struct log_read {
    size_t len;        /* Bytes put into the buffer. */
    int64_t offset;    /* Of the first of them: as asked, or after the hole. */
    int64_t hole_from; /* Dropped: [hole_from, offset). Equal: no hole. */
    int64_t size;      /* Logical end as the files show it now. */
};
/* From `offset`, up to `size` bytes into `buffer`. A stream without a byte reads as empty; so does
 * a folder that is gone. An offset after the end: len 0. */
struct log_place {
    const char *name; /* RUN.ATTEMPT */
    enum log_stream stream;
    int64_t offset;
};
MUST_CHECK struct err spool_log_read(const struct spool *spool, const struct log_place *place,
                                     char *buffer, size_t size, struct log_read *ret_read);

/* --- The disk --------------------------------------------------------------------------------- */

/* Bytes that the folder of an attempt takes, as its files are; 0 where there is none. */
int64_t spool_disk(const struct spool *spool, const char *name);
/* The same without a look at the disk, of an attempt that ended like this: to a few blocks. */
int64_t spool_disk_of(const struct spool_exit *exit, int64_t log_max);

/* When the folder of an attempt, or what has its name, was last changed. ERR_NOT_FOUND: there is
 * none. */
MUST_CHECK struct err spool_changed_s(const struct spool *spool, const char *name,
                                      int64_t *ret_changed_s);

/* When the command of an attempt last wrote something, by the wall clock; 0: not yet, or nobody
 * knows. */
int64_t spool_written_ms(const struct spool *spool, const char *name);

/* --- Cleaning --------------------------------------------------------------------------------- */

/* Removes the folder and all in it. Absent is fine. Never of a holder that lives (ERR_BUSY). What
 * was decided goes with it: only for attempts whose end is known. A `void` or `closed` younger than
 * SPOOL_VOID_KEPT_S stays as a folder with nothing else in it, since a holder may still be on its
 * way to it; a later removal takes it. */
enum { SPOOL_VOID_KEPT_S = 24 * 60 * 60 };
MUST_CHECK struct err spool_remove(const struct spool *spool, const char *name);
/* Calls `each` with every folder's name, in no order. An error of `each` ends it. */
MUST_CHECK struct err spool_each(const struct spool *spool,
                                 struct err (*each)(void *ctx, const char *name), void *ctx);

#endif
