/* protocol.h: what daemon, zygote and workers say to each other, byte by byte.
 *
 * Append-only: a run pins the worker's program that it began with
 * (dispatch/workflow/engine_build.c), so a daemon speaks with every worker that was ever released:
 * an old worker under a new daemon is what an upgrade leaves, a new one under an old daemon what
 * going back leaves. No version is sent: the build that a run pins is the version. So these stay
 * as they are, for ever:
 *   - what each message below means, its members, the order of frames, and who speaks when;
 *   - that members that one side does not know are skipped, and by the daemon messages, too. A
 *     worker ends at a message that it does not know. So what is added must be such that an old
 *     worker does right without it: a new daemon sends nothing new unasked, waits for no answer
 *     that an old worker does not give, and needs nothing that only a new one says;
 *   - the zygote's argument and descriptor, the first bytes of struct script_birth and of struct
 *     script_note, and that both are single packets; who adds to them adds at the end, reads at
 *     least what stands here, and takes what is missing for 0;
 *   - KEY and OCC: they find results in the journals of other builds (--resume);
 *   - the codes of an end; unknown ones count as script_error.
 * A bound on what a worker takes may not be raised: an old one would take more for nonsense.
 *
 * THE ZYGOTE, the worker's program with one argument, the pid of the daemon that started it
 *   It boots the engine once and forks a worker for each birth. Its one descriptor, SCRIPT_FD, is
 *   its end of a pair of SOCK_SEQPACKET sockets; it ends when that does, and by PDEATHSIG with the
 *   thread that started it.
 *   daemon → zygote   struct script_birth, with the worker's socket (SCM_RIGHTS)
 *   zygote → daemon   struct script_notice: BORN with a pidfd (SCM_RIGHTS) or UNBORN, one for each
 *                     birth in their order; ENDED when a worker was collected
 *
 *
 * ALONE, with SCRIPT_ALONE as a second argument, it is no zygote: SCRIPT_FD is the socket of a
 *   worker, which it becomes, with the starter in the zygote's place. Only a program of its own
 *   build is started so (judge/checker.h).
 *
 * A WORKER has one descriptor, SCRIPT_FD: a SOCK_STREAM socket. It ends when that does, and by
 *   PDEATHSIG with its zygote. Both ways go frames: u32 length, little-endian, then as many bytes:
 *   a JSON array of messages, objects of which the member "t" says what they are.
 *   A worker that breaks this is killed.
 *
 * daemon → worker
 *   {"t":"start", …}          the first frame, alone in it
 *      "script":s             prepared: positions are those of the user's file
 *      "form":"body"          a function's body, with await and return, or
 *             "main"          such a body that returns the main function, to be called with args
 *      "file":s               the name in error texts
 *      "meta":{…}             what the file says of itself; absent: `meta` is undefined
 *      "results":"object"?    agent() and workflow() of this script resolve to {ok, output, …},
 *                             and do not reject; absent: as the outcome says
 *      "args":any             absent: undefined
 *      "total":N|null         budget.total
 *      "spent":N              budget.spent() before anything was settled
 *      "limits":{"agents","items","lines","line_bytes","cpu_ms","unanswered","memory_mb",…}
 *      "timers":true          the script has setTimeout(), clearTimeout(), sleep(), and a
 *                             setInterval() that throws; absent: none of them. A worker of an
 *                             earlier build has none anyway.
 *      "history":[{"k":KEY,"n":OCC,OUTCOME,"spent":N}…]   what was settled, in that order
 *      "again":true?          when it has ended well, the process may take another script of the
 *                             same owner: it says so at the end, and forgets all. A worker of an
 *                             earlier build exits.
 *   {"t":"check","script","form","file","meta"}
 *                             instead of "start": it is read, nothing runs, and an "end" says how
 *   {"t":"settle","id":CALL,OUTCOME,"spent":N}
 *                             settled one by one; the script's jobs run until quiet between two
 *   {"t":"stop"}              the worker exits
 *   OUTCOME is one of
 *      "o":"value","v":any,"cut":true?
 *                             the promise fulfils with it; cut: an answer that was cut off at its
 *                             longest length, which is worth a line of the log
 *      "o":"null","why":s     the promise fulfils with null; why: in place of it, for results that
 *                             are objects
 *      "o":"throw","name":s,"message":s
 *      "o":"script","script","form","file","meta","results"?,"timers"?
 *                             its args and path are those of the call of a workflow() alone: the
 *                             child, run inline; how it ends, settles it
 *      and of an agent "used":{"prompt":N,"completion":N}?, its tokens, and "cached":true?, for
 *      results that are objects
 *
 * worker → daemon
 *   {"t":"call","id":N,"k":KEY,"n":OCC,"prompt":s,"opts":{…},"label":s?,"phase":s?,"line":N?,
 *    "column":N?,"file":s?}
 *      id: 1, 2, 3, … in the order made, together with "workflow" and "timer".
 *      opts: canonical (keys sorted,
 *      label and phase left out). A call that the history answers is not sent.
 *      line, column: of the call in the user's file; file: of a script within workflow(). A worker
 *      of an earlier build sends none of the three.
 *   {"t":"workflow","id":N,"k":KEY,"n":OCC,"name":s or "path":s,"args":any?}
 *   {"t":"timer","id":N,"k":KEY,"n":OCC,"ms":N,"kind":"sleep" or "timeout","line":N?,"column":N?,
 *    "file":s?}               only where "timers" was given. Settled with any value, which counts
 *                             for nothing, when it is over or was cleared.
 *   {"t":"clear","k":KEY,"n":OCC}   of a timer that may be over by now. It is settled all the same.
 *   {"t":"phase","no":N,"title":s}
 *   {"t":"log","no":N,"text":s,"error":true?}   no: 1, 2, 3, … over both. error: the line is about
 *                                               an error that made items null
 *   {"t":"threw","items":N,"calls":N}           up to now: items of parallel() and pipeline() that
 *                                               errors made null, without those of agents' answers;
 *                                               and calls that lost all of their items
 *   {"t":"quiet","settled":N}                   last of its frame: the script waits for the daemon,
 *                                               N outcomes were settled, the history's included
 *   {"t":"end","ok":true,"result":any,"again":true?}   without "result": undefined, which counts as
 *                                               null. again: the next "start" is awaited, and what
 *                                               was on its way to this script counts for nothing
 *   {"t":"end","ok":false,"code":CODE,"name":s,"message":s,"line":N?,"column":N?,"file":s?,
 *    "stack":s?}             file: of a script within workflow(); absent: the run's own
 *   Messages travel together: a frame is written when the script is quiet, at the end, or when more
 *   than 64 kB have come together.
 *   CODE: script_error, syntax_error, args_invalid, script_stuck, memory_exceeded, too_many_calls,
 *   too_many_lines, output_too_large, result_not_json, replay_diverged, never_settles.
 *
 * A FLOW, in workers of the builds that know it: no other one begins a run of a flow. The daemon
 *   schedules its steps; the worker evaluates the functions of its file, and does nothing else. Any
 *   number of evaluations may be under way at once.
 *
 * daemon → worker
 *   {"t":"flow", …}           instead of "start", alone in its frame. The file is run once, and the
 *                             answer is "flow", or an "end" that says how it failed.
 *      "script":s, "file":s   as of "start"
 *      "form":"flow"          a function's body that returns the object of the flow
 *      "input":any            ctx.input; absent: undefined
 *      "model":s?             ctx.model
 *      "limits":{…}           as of "start"; lines of the log are counted over the worker's life
 *   {"t":"know","results":{ID:s or null, …}?,"rejected":s or null?}
 *                             what ctx.results holds from here on, in addition to what it holds;
 *                             null: not any more. rejected: ctx.rejected from here on; null: none;
 *                             absent: as before. Evaluations under way go on with what they have.
 *   {"t":"eval","id":N,"what":WHAT,"step":ID?,"no":N?}
 *                             WHAT: "when", "case", "run", "until" of a step; "render", "output".
 *                             id: of none that is under way. no: of "case", from 0.
 *   {"t":"answer","id":N,"call":M,"o":"value","v":s}
 *   {"t":"answer","id":N,"call":M,"o":"throw","name":s,"message":s}
 *                             to a "dispatch". When the evaluation is over, it counts for nothing.
 *   {"t":"drop","id":N}       nobody waits for this evaluation: it says nothing more. One that is
 *                             over may be dropped.
 *   {"t":"stop"}              as above
 *
 * worker → daemon
 *   {"t":"flow","flow":{…}}   the object as JSON: its own enumerable members, and theirs, without
 *                             those that are undefined; {"function":true,"digest":s} in place of a
 *                             function. digest: 32 hexadecimal digits, of the text of it.
 *                             At most SCRIPT_FLOW_MAX bytes, with SCRIPT_FLOW_STEPS_MAX steps.
 *                             Functions are called as they were then, with what they were a member
 *                             of as `this`. Of two steps with one id the first counts.
 *   {"t":"value","id":N,"v":any,"read":true?}
 *                             the evaluation is over. when, case, until: v is true or false; run,
 *                             render, output: what was returned, null for undefined.
 *                             At most SCRIPT_RESULT_MAX bytes. read: ctx.results was looked at.
 *   {"t":"failed","id":N,"name":s,"message":s,"line":N?,"column":N?}
 *                             it is over, too: the function is not there, it threw, its value is no
 *                             JSON or too large, or its promise cannot settle. The last is said
 *                             when no "dispatch" of any evaluation is without an answer.
 *   {"t":"dispatch","id":N,"call":M,"agent":s,"task":s}
 *                             ctx.dispatch(agent, task), in run() of a step of kind "code" alone.
 *                             M: 1, 2, 3, … within the evaluation, in the order made, up to
 *                             SCRIPT_DISPATCHES_MAX. Those without an answer when the evaluation
 *                             ends will have none.
 *   "log", "quiet" and "end" as above, with these words to them:
 *      the numbers of lines begin at 1 in each worker, since no worker has a history;
 *      "settled" of "quiet" is the number of messages of the daemon that were taken after "flow":
 *      know, eval, answer and drop;
 *      "end" comes when the file is no flow, and when the worker cannot go on: script_stuck,
 *      memory_exceeded, too_many_lines.
 *
 * KEY  SHA-256 in lower hexadecimal over
 *        agent LF path LF canonical JSON of opts LF prompt
 *        workflow LF path LF canonical JSON of {"args", "name" or "path"}
 *        timer LF path LF canonical JSON of {"ms"}
 *      path: empty at the top, the child's path within workflow().
 * OCC  1, 2, 3, … for each KEY of the run.
 */
#ifndef DROVER_SCRIPT_PROTOCOL_H
#define DROVER_SCRIPT_PROTOCOL_H

#include <stdint.h>

#define SCRIPT_ALONE "alone"

enum {
    SCRIPT_FD = 0, /* So that RLIMIT_NOFILE can be 1: there is no number for another one. */
    SCRIPT_HEADER_SIZE = 4,
    SCRIPT_FRAME_MAX = 16 << 20,    /* Worker → daemon, without its header. */
    SCRIPT_ORDER_MAX = 128 << 20,   /* Daemon → worker. */
    SCRIPT_RESULT_MAX = 1 << 20,    /* Compact JSON. */
    SCRIPT_PROMPT_MAX = 1 << 20,    /* Bytes. */
    SCRIPT_OPTIONS_MAX = 256 << 10, /* Canonical JSON. */
    SCRIPT_TOGETHER_MAX = 64 << 10, /* Collected messages that are written at once. */
    SCRIPT_FLOW_MAX = 256 << 10,    /* Compact JSON. */
    SCRIPT_FLOW_STEPS_MAX = 500,
    SCRIPT_DISPATCHES_MAX = 100, /* In one evaluation. */
    SCRIPT_CPU_TOTAL_S = 3600,   /* RLIMIT_CPU: what a worker may use in its whole life. */
};

/* Others come from signals: the jail's, a limit's, the daemon's. */
enum script_exit {
    SCRIPT_EXIT_OK = 0,        /* The run has ended, or the daemon is gone or said stop. */
    SCRIPT_EXIT_NONSENSE = 2,  /* The daemon sent something outside of this protocol. */
    SCRIPT_EXIT_BROKEN = 3,    /* The engine broke. */
    SCRIPT_EXIT_UNJAILED = 42, /* It could not be confined, so it has not begun. */
};

struct script_birth {
    uint64_t id;         /* The daemon's; comes back in each notice. */
    uint64_t memory_max; /* RLIMIT_AS; 0: no such limit. */
};

enum script_notice_kind {
    SCRIPT_NOTICE_BORN = 1,
    SCRIPT_NOTICE_UNBORN = 2,
    SCRIPT_NOTICE_ENDED = 3
};
struct script_notice {
    uint64_t id;
    int32_t kind;   /* Of enum script_notice_kind. */
    int32_t number; /* BORN: the pid; UNBORN: errno; ENDED: the status, as waitpid(2) tells it. */
};

#endif
