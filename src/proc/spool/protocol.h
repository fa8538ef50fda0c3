/* protocol.h: what daemon and holder leave for each other, byte by byte.
 *
 * Append-only: a daemon speaks with every holder that was ever released, and a holder outlives the
 * daemon that started it. Records and words that one side does not know are skipped; the words
 * `status`, `stop` and `input` never change.
 *
 * THE FOLDER spool/RUN.ATTEMPT/ (0700), made by whoever comes first
 *   lock           flock(LOCK_EX) by the holder, close-on-exec, all its life. Liveness is this
 *                  lock and never a pid. A holder waits for it; a daemon only tries.
 *   exit.json.tmp  made and filled with PROTOCOL_EXIT_SIZE blanks before the claim, so that a full
 *                  disk cannot keep the result out: it is overwritten and renamed to
 *   exit.json      the result, one JSON object padded with blanks and ended by a line feed. One
 *                  that does not parse whole counts as missing. Synced for ORDER_ONCE only:
 *                  else a power cut just before the daemon's commit costs one more attempt.
 *   sock           the holder's socket, listening before the claim (reached through
 *                  /proc/self/fd/N/sock, since a socket's path has at most 107 bytes).
 *   claim          made by link(2) of a finished file, so it is never empty, and whoever linked it
 *                  has decided for ever. (The holder links its `lock` file: a second name of it.)
 *                  One line:
 *                      go PID STARTTIME BOOT_ID NONCE    the holder: the command may run now
 *                      void EPOCH                        a daemon: it never will
 *                      closed EPOCH                      a daemon: it will not any more, and
 *                                                        nobody knows whether it did
 *                  PID and STARTTIME (field 22 of /proc/PID/stat) are the holder's, for signals.
 *                  A holder that ends without a claim of its own ends with exit code 0 (it found
 *                  one, `void` or `closed`), or with the errno of what kept it from claiming.
 *   out.head err.head pty.head, then out.OFFSET …   the output by logical offset, the first bytes
 *                  in `head`, the rest in segments named by their first offset (20 digits).
 *                  Made at the first byte. The oldest segments go; what is missing between head and
 *                  the first segment was dropped.
 *   tmp            a folder for the command alone, with ORDER_SANDBOX or ORDER_TMP. The holder
 *                  removes it after exit.json is in place and the lock is free; what a killed one
 *                  left goes with the whole folder.
 *
 * THE ORDER, a sealed memfd on descriptor PROTOCOL_ORDER_FD, complete before the holder starts
 *   8 bytes "DRVORD1\n", then records: u32 tag, u32 length (both little-endian), bytes.
 *   Numbers are u64, little-endian.
 *   With "DRVORD2\n" instead, a record or a flag that the holder doesn't know refuses the order
 *   (ENOTSUP): so is what must not be left out. A holder that knows only the first refuses the
 *   second as a whole. ORDER_SANDBOX, ORDER_HIDE and ORDER_WRITE stand in such an
 *   order only.
 *
 * THE NURSERY, a holder's program of which the first argument is PROTOCOL_NURSERY. It has no order,
 *   and its link is not a holder's: each byte that comes there is a line feed that carries two
 *   descriptors (SCM_RIGHTS), an order and a link. A fork of it, made before it
 *   comes, becomes their holder, as if it had been started with them. Both end when the link does.
 *
 * THE SOCKET, and the same on descriptor PROTOCOL_LINK_FD (the starting daemon's end of a pair)
 *   Lines of words separated by one blank, at most PROTOCOL_LINE_MAX with the line feed.
 *   daemon → holder
 *     status                    asks for a `status` line
 *     stop GRACE_MS             SIGTERM to the tree (SIGCONT too), SIGKILL to it after the grace;
 *                               a second stop may only shorten the grace
 *     input OFFSET LENGTH\n…    LENGTH raw bytes (at most PROTOCOL_INPUT_MAX) follow the line.
 *                               OFFSET counts from the first byte of the command's input. What the
 *                               holder has already is skipped; a gap is refused: `input_gap HAVE`.
 *                               Bytes up to `accepted` + PROTOCOL_INPUT_MAX always have room
 *     input_end OFFSET          no more input after OFFSET
 *     resize ROWS COLUMNS       PTY only
 *     keep                      the holder waits for `bye` after its exit.json is in place (so the
 *                               result travels over the socket); without a daemon it does not wait
 *     bye                       the daemon has read all it wants
 *   holder → daemon
 *     claimed                   it may run: the claim is ours (only to the starting daemon)
 *     void                      somebody else decided: nothing ran; the holder ends
 *     failed ERRNO              it came to no claim, and ends (only to the starting daemon)
 *     status KEY=NUMBER …       out err pty (logical sizes), in (accepted input), alive (the main
 *                               process: 0 or 1), disk_full (0 or 1), processes (in the tree)
 *     grown STREAM SIZE         STREAM is out, err or pty. Coalesced: a size may be skipped, the
 *                               last one never is
 *     accepted SIZE             input up to there was written, or can never be (the reader is gone)
 *     input_gap SIZE            from SIZE on, input was missing or had no room: send it again from
 *                               there. Comes when there is room
 *     disk_full 0|1             a log cannot grow: reading stopped, deadlines run on
 *     exited LENGTH\n…          LENGTH bytes: exit.json as it stands on the disk, or would if the
 *                               folder had not been removed. The last word.
 */
#ifndef DROVER_PROC_SPOOL_PROTOCOL_H
#define DROVER_PROC_SPOOL_PROTOCOL_H

#include "base/base.h"

enum {
    PROTOCOL_ORDER_FD = 3,
    PROTOCOL_LINK_FD = 4,
    PROTOCOL_EXIT_SIZE = 4096,
    PROTOCOL_LINE_MAX = 512,
    PROTOCOL_INPUT_MAX = 64 << 10,
    PROTOCOL_SEGMENT_DIGITS = 20,
    PROTOCOL_NAME_MAX = 64, /* "run_….ATTEMPT" */
};

#define PROTOCOL_NURSERY "nursery"
#define PROTOCOL_ORDER_MAGIC "DRVORD1\n"
#define PROTOCOL_ORDER_STRICT "DRVORD2\n" /* As long as the other. */
#define PROTOCOL_TMP "tmp"

/* Tags of the order. */
enum order_tag {
    ORDER_SPOOL = 1, /* Path of the spool folder, absolute. */
    ORDER_NAME = 2,  /* RUN.ATTEMPT */
    ORDER_NONCE = 3, /* 32 hex digits: with the name, the mark DROVER_RUN of the tree. */
    ORDER_ARG = 4,   /* One for each argument; the first is the program (looked up in PATH). */
    ORDER_ENV = 5,   /* One for each variable, NAME=VALUE; nothing else is in the environment. */
    ORDER_CWD = 6,   /* Absolute. */
    ORDER_FLAGS = 7, /* Of enum order_flag. */
    ORDER_STDIN = 8, /* The first bytes of the input (from offset 0). */
    ORDER_TIMEOUT_MS = 9,  /* Of this attempt, from the claim; the holder itself enforces it. */
    ORDER_GRACE_MS = 10,   /* Between SIGTERM and SIGKILL when the timeout stops it. 0: 5 s. */
    ORDER_LOG_MAX = 11,    /* Bytes kept of each output stream. 0: 64 MB; less than 4 kB: 4 kB. */
    ORDER_MEMORY_MAX = 12, /* RLIMIT_AS of each process. */
    ORDER_PROCESSES_MAX = 13, /* In the tree. */
    ORDER_ROWS = 14,
    ORDER_COLUMNS = 15,
    ORDER_FILES = 16, /* Soft RLIMIT_NOFILE: the daemon raised its own, the command gets the old. */
    ORDER_HIDE = 17, /* One for each file or folder out of sight of a sandbox; absolute, no link. */
    ORDER_WRITE = 18,  /* One for each folder that a sandboxed command may write in, beside its own;
                       * absolute. What is none, or lies behind a link, or holds something hidden,
                       * is left out. */
    ORDER_UMASK = 20,  /* UMASK_KNOWN and the umask of the command (base/process/umask.h). */
    ORDER_CGROUP = 19, /* A cgroup, by its folder: the command is born in one below it, NAME, which
                        * goes when it is empty. What can't be made is done without. */
};

enum order_flag {
    ORDER_PTY = 1,        /* One terminal instead of pipes; output goes to `pty`. */
    ORDER_ONCE = 2,       /* Claim, folder and spool are synced before the command may run. */
    ORDER_INPUT_OPEN = 4, /* Input may follow ORDER_STDIN; without it, input ends there. */
    ORDER_SANDBOX = 8,    /* See docs/sandbox.md; needs an ORDER_HIDE, else ENOTSUP. */
    ORDER_TMP = 16,       /* The folder `tmp` is made for the command, also without a sandbox. */
};

/* exit.json:
 *   {"v":1, "name":"run_….1", "end":END, "code":N, "signal":N, "errno":N, "step":"…", "why":WHY,
 *    "out":N, "err":N, "pty":N, "in":N, "cpu_us":N, "memory_kb":N, "processes":N,
 *    "started_ms":N, "ended_ms":N, "left":N}
 * END  exited (code), signaled (signal), not_started (errno and step: chdir, exec, pty, fork, pipe)
 * WHY  itself, stopped, timed_out, processes (the limit on them was passed): what made it end
 * cpu_us, memory_kb: of the whole tree, by wait4 (memory: the peak of the largest process).
 * processes: the most that were seen at once; absent where nobody counted (it ended within a tenth
 * of a second and left nothing; an older holder wrote 1 then). left: processes that could not be
 * ended (0). From started_ms to ended_ms is the time that passed by the monotonic clock, whatever
 * became of the wall's in between.
 * not_started in a sandbox has two more steps: sandbox, and sandbox_cwd (the command's folder holds
 * what is to be hidden, or lies in it).
 * Also "sandbox":N, the ABI of landlock under which it ran (0: without), and "unsaved":N, bytes of
 * output that the disk, full to the last, did not take (0). */

enum exit_end { EXIT_EXITED, EXIT_SIGNALED, EXIT_NOT_STARTED };
enum exit_why { EXIT_ITSELF, EXIT_STOPPED, EXIT_TIMED_OUT, EXIT_PROCESSES };
enum log_stream { LOG_OUT, LOG_ERR, LOG_PTY, LOG_STREAMS };

/* Words by value; NULL ends them. */
static inline const char *const *exit_end_words(void) {
    static const char *const words[] = {"exited", "signaled", "not_started", NULL};
    return words;
}
static inline const char *const *exit_why_words(void) {
    static const char *const words[] = {"itself", "stopped", "timed_out", "processes", NULL};
    return words;
}
static inline const char *const *log_stream_words(void) {
    static const char *const words[] = {"out", "err", "pty", NULL};
    return words;
}
static inline const char *log_stream_name(enum log_stream stream) {
    return log_stream_words()[stream];
}

#endif
