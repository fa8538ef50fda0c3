/* check_agents.c: checks of sessions whose agent is a program.
 *
 *   text      an answer has the text of its processes, each piece once and in order; all of it if
 *             nobody ended them
 *   writer    one process of a session runs at a time
 *   native    a process goes on in the program's session of that session alone, and only while all
 *             that it has heard and said there is shown; where nothing was taken, it does go on
 *   slots     no more processes of a definition run than it allows, by rows and in the world
 *   again     another attempt follows the ends that docs/agents.md names: as often as it says in a
 *             row without progress, after the wait that it says, and in no endless loop; none
 *             follows the end of the turn
 *   schema    an answer that does not fit is asked for again, five times at most, and in the same
 *             session of the program; one that fits is the end
 *   outcome   the turn ends as its last process deserves
 *   time      a process is ended for its time only when that is over: by the clock that nobody
 *             sets, or, since the daemon began again, by the wall clock
 *   answers   a question has one answer, that of the person or the rule
 *   owners    no process goes on in a session that somebody else is seen to use (owners.c)
 *   words     what was said in a session since its program has heard anything is in the input of
 *             its next process, also what turns asked that ended before that
 *   messages  one that joins an answer is in the input of a process once, and a part of the answer
 *             where the turn succeeds
 */
#include <stdio.h>
#include <string.h>

#include "agents.h"
#include "asks.h"
#include "hosts.h"
#include "inside.h"
#include "rules/agent/outcome.h"
#include "rules/agent/watch.h"

enum { TEXT_MAX = 4 << 20, SOON_MS = 1000, DEADLINE_MS = 2 * 3600 * 1000, ROUNDING_MS = 100 };

/* --- Beginnings ------------------------------------------------------------------------------- */

static void check_writer(struct sim *sim, const struct agent_process *process) {
    unsigned beside = 0;
    const enum agent_adapter adapter = process->turn->session->adapter;
    const unsigned most = agents_at_once(sim, adapter);
    for (const struct command *other = processes_of(sim)->commands; other != NULL;
         other = other->next) {
        const struct agent_process *one = other->agent;
        if (one == NULL || one == process || !other->lives ||
            hosts_gave_up(other->run, other->attempt)) {
            continue;
        }
        if (one->turn->session == process->turn->session) {
            sim_fail(sim, "%s begins while %s lives, which is of the same session",
                     process->command->name, other->name);
        }
        beside += one->turn->session->adapter == adapter;
    }
    if (most > 0 && beside + 1 > most) {
        sim_fail(sim, "%s begins beside %u processes of its agent, and %u may run",
                 process->command->name, beside, most);
    }
    char key[48];
    (void)snprintf(key, sizeof key, "drover/agent/%s", agents_name(adapter));
    const int64_t rows = rows_number(
        sim, "SELECT count(*) FROM runs WHERE run_key = $1 AND state = 'running'", TEXTS(key), 0);
    if (most > 0 && rows > (int64_t)most) {
        sim_fail(sim, "%lld runs have the key %s, and %u may", (long long)rows, key, most);
    }
}

/* Whether question and answer of a turn are shown, and no other variant is. */
static bool is_shown(struct sim *sim, const struct agent_turn *turn) {
    return rows_number(sim,
                       "SELECT count(*) FROM messages a JOIN messages q ON q.id = a.reply_to"
                       " WHERE a.message = $1 AND a.active = 1"
                       " AND a.status NOT IN ('removed', 'rolled_back', 'reserved')"
                       " AND q.status NOT IN ('removed', 'rolled_back')",
                       TEXTS(turn->answer), 1) == 1;
}

/* Another process has been in the same session of the program: what that knows cannot be taken from
 * it. */
static void check_shared(struct sim *sim, const struct agent_process *process,
                         const struct agent_process *other, bool resumes) {
    const struct agent_turn *turn = other->turn;
    if (!resumes || turn->session != process->turn->session) {
        sim_fail(sim, "%s begins in %s, which %s has", process->command->name, process->native,
                 other->command->name);
    }
    if (turn != process->turn && !is_shown(sim, turn)) {
        sim_fail(sim, "%s goes on in %s, which knows of %s, and that is not shown any more",
                 process->command->name, process->native, turn->run);
    }
}

/* A turn that was asked to end may be cleared already while its process begins. */
static bool goes_on(struct sim *sim, const struct agent_turn *turn) {
    struct row_state row;
    return row_state_read(sim, turn->run, &row) && row.found && !row.asked;
}

/* Programs that keep sessions. */
static void check_native(struct sim *sim, const struct agent_process *process, bool resumes) {
    const struct agents *agents = agents_of(sim);
    const struct agent_process *last = NULL;
    bool all_shown = true;
    for (size_t i = 0; i < agents->turn_count; i++) {
        const struct agent_turn *turn = &agents->turns[i];
        const bool before = turn->session == process->turn->session && turn->row != 0 &&
                            turn->row < process->turn->row;
        all_shown = all_shown && (!before || is_shown(sim, turn));
        for (size_t j = 0; j < turn->count; j++) {
            const struct agent_process *other = turn->processes[j];
            if (other == process) {
                continue;
            }
            const bool newest = last == NULL || other->command->began_ns > last->command->began_ns;
            last = turn->session == process->turn->session && newest ? other : last;
            if (strcmp(other->native, process->native) == 0) {
                check_shared(sim, process, other, resumes);
            }
        }
    }
    /* Where the rows of that turn were removed, its folder was, too, and nobody knows any more. */
    if (last != NULL && !resumes && all_shown && last->turn->succeeded &&
        agent_process_is_whole(sim, last)) {
        sim_fail(sim, "%s begins a session, and could go on in %s", process->command->name,
                 last->native);
    }
}

/* Whether anything shows that the process has read what it was asked: what it printed after its
 * first line, or an end that follows from that. */
static bool has_heard(const struct agent_process *process) {
    static const char *const ends[] = {"completed",    "fallback_used",  "auth_failed",
                                       "rate_limited", "provider_error", "context_overflow"};
    bool heard = process->written > process->lines[0].end;
    for (size_t i = 0; !heard && i < COUNT_OF(ends); i++) {
        heard = strcmp(process->way->cause, ends[i]) == 0;
    }
    return heard;
}

static bool turn_was_heard(const struct agent_turn *turn, const struct agent_process *but) {
    bool heard = false;
    for (size_t i = 0; i < turn->count; i++) {
        heard = heard || (turn->processes[i] != but && has_heard(turn->processes[i]));
    }
    return heard;
}

static bool question_is_shown(struct sim *sim, const struct agent_turn *turn) {
    return rows_number(sim,
                       "SELECT count(*) FROM messages a JOIN messages q ON q.id = a.reply_to"
                       " WHERE a.message = $1 AND a.active = 1 AND q.active = 1"
                       " AND q.status = 'completed'",
                       TEXTS(turn->answer), 0) == 1;
}

static void check_words(struct sim *sim, const struct agent_process *process) {
    const struct agents *agents = agents_of(sim);
    const struct command *command = process->command;
    int64_t heard = 0; /* The last turn that was. */
    for (size_t i = 0; i < agents->turn_count; i++) {
        const struct agent_turn *turn = &agents->turns[i];
        const bool before = turn->session == process->turn->session && turn->row > heard &&
                            turn->row <= process->turn->row;
        heard = before && turn_was_heard(turn, process) ? turn->row : heard;
    }
    for (size_t i = 0; i < agents->turn_count; i++) {
        const struct agent_turn *turn = &agents->turns[i];
        char marker[24];
        const int len = snprintf(marker, sizeof marker, "op#%u.", turn->marker);
        if (turn->session == process->turn->session && turn->row > heard &&
            turn->row <= process->turn->row && question_is_shown(sim, turn) &&
            memmem(command->input, (size_t)command->input_len, marker, (size_t)len) == NULL) {
            sim_fail(sim, "%s has never heard what %s asks, and is not told: %s",
                     process->command->name, turn->run, marker);
        }
    }
}

/* Attempts in a row, up to the last one, that deserve the same end, none of which has made progress
 * but maybe the first; 0: nobody knows. */
static unsigned count_same(struct sim *sim, const struct agent_turn *turn, size_t count) {
    unsigned same = 0;
    for (size_t i = count; i > 0; i--) {
        const struct agent_process *process = turn->processes[i - 1];
        if (!agent_process_is_whole(sim, process)) {
            break; /* At least as many. */
        }
        if (process->way != turn->processes[count - 1]->way) {
            break;
        }
        same++;
        if (agent_process_progressed(process)) {
            break;
        }
    }
    return same;
}

/* Answers that were there to be read. What was read of one may be lost with its machine later. */
static unsigned count_misfits(const struct agent_turn *turn) {
    unsigned misfits = 0;
    for (size_t i = 0; i < turn->count; i++) {
        const struct agent_process *process = turn->processes[i];
        misfits += process->misfit && process->written == process->out.len;
    }
    return misfits;
}

static bool all_whole(struct sim *sim, const struct agent_turn *turn, size_t count) {
    bool whole = true;
    for (size_t i = 0; i < count; i++) {
        whole = whole && agent_process_is_whole(sim, turn->processes[i]);
    }
    return whole;
}

static void check_after_misfit(struct sim *sim, const struct agent_process *process, bool resumes) {
    const unsigned misfits = count_misfits(process->turn);
    if (misfits >= AGENT_MISFITS_MAX && all_whole(sim, process->turn, process->turn->count - 1)) {
        sim_fail(sim, "%s begins after %u answers that do not fit", process->command->name,
                 misfits);
    }
    if (process->turn->session->adapter == ADAPTER_CLAUDE && !resumes) {
        sim_fail(sim, "%s is to answer again, and does not know what it has said",
                 process->command->name);
    }
}

/* The process has a message in its input that joins an answer. */
static bool has_more(const struct agent_process *process) {
    const struct command *command = process->command;
    return agents_more_marker((struct bytes){command->input, (size_t)command->input_len}) != 0;
}

void agents_check_begin(struct sim *sim, const struct agent_process *process, bool resumes) {
    const struct agent_turn *turn = process->turn;
    check_writer(sim, process);
    if (turn->session->adapter == ADAPTER_CLAUDE && goes_on(sim, turn)) {
        check_native(sim, process, resumes);
        check_words(sim, process);
    }
    const struct agent_process *last = turn->count < 2 ? NULL : turn->processes[turn->count - 2];
    if (last == NULL || !agent_process_is_whole(sim, last)) {
        return;
    }
    const struct agent_way *way = last->way;
    if (last->misfit) {
        check_after_misfit(sim, process, resumes);
        return;
    }
    if (strcmp(way->cause, "completed") == 0 && has_more(process)) {
        return; /* The last one had not read it. */
    }
    if (way->more == 0) {
        sim_fail(sim, "%s begins after the %s of %s, which is final", process->command->name,
                 way->cause, last->command->name);
    }
    if (turn->session->adapter != ADAPTER_CLAUDE) {
        sim_fail(sim, "%s begins from the beginning after %s, which has ended",
                 process->command->name, last->command->name);
    }
    if (way->leaves && strcmp(process->native, last->native) == 0) {
        sim_fail(sim, "%s goes on in %s after its %s", process->command->name, last->native,
                 way->cause);
    }
    const uint64_t waited_ms = (sim_now_ns(sim) - last->over_ns) / 1000000;
    const unsigned same = count_same(sim, turn, turn->count - 1);
    if (same > way->more) {
        sim_fail(sim, "%s begins after %u times %s in a row", process->command->name, same,
                 way->cause);
    }
    if (turn->count > AGENT_ATTEMPTS_MAX) {
        sim_fail(sim, "%s is the %zu. process of its turn", process->command->name, turn->count);
    }
    /* After a restart the wall clock says what is left of a wait, and it may have been set. */
    const bool known = last->over && last->over_offset_ms == sim->wall_offset_ms;
    if (known && way->wait_ms > 0 && same > 0 && waited_ms + SOON_MS < way->wait_ms << (same - 1)) {
        sim_fail(sim, "%s begins %llu ms after the %u. %s", process->command->name,
                 (unsigned long long)waited_ms, same, way->cause);
    }
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void answer_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    char *state = ctx;
    (void)sim;
    (void)snprintf(state, 16, "%s", row->text[0].data);
}

void agents_check_answer(struct sim *sim, const struct agent_process *process, const char *call,
                         bool allowed) {
    char state[16] = "";
    if (process->turn->session->ruled && !allowed) {
        sim_fail(sim, "a rule allows what %s asked, and it was denied", call);
    }
    if (process->turn->session->ruled) {
        return;
    }
    ask_each(sim,
             "SELECT a.state FROM approvals a JOIN parts p ON p.message = a.message"
             " AND p.number = a.part WHERE p.call = $1",
             TEXTS(call), answer_take, state);
    if (state[0] != '\0' && strcmp(state, allowed ? "allowed" : "denied") != 0) {
        sim_fail(sim, "the question %s is %s, and %s heard that it is %s", call, state,
                 process->command->name, allowed ? "allowed" : "denied");
    }
}

/* --- Messages that join ----------------------------------------------------------------------- */

void agents_check_read(struct sim *sim, const struct agent_process *process, struct bytes line) {
    const struct command *command = process->command;
    const unsigned marker = agents_more_marker(line);
    struct bytes rest = {command->input, (size_t)command->input_len}, one;
    unsigned count = 0;
    while (bytes_next(&rest, '\n', &one)) {
        count += marker != 0 && agents_more_marker(one) == marker;
    }
    if (count != 1) {
        sim_fail(sim, "the message more#%u is %u times in the input of %s", marker, count,
                 command->name);
    }
}

struct joining {
    const struct agent_turn *turn;
    const struct run_row *row;
};

/* Status, text, and the number of parts of the answer that have it. */
static void joining_check(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct joining *joining = ctx;
    const struct agent_turn *turn = joining->turn;
    const char *status = row->text[0].data, *text = row->text[1].data;
    const bool joined = strcmp(status, "joined") == 0;
    bool heard = false;
    for (size_t i = 0; i < turn->count; i++) {
        const struct agent_process *process = turn->processes[i];
        heard = heard || memmem(process->command->input, process->read, text, strlen(text));
    }
    if (row->number[2] != joined || (joined && !heard) ||
        (!joined && (joining->row->state == RUN_SUCCEEDED || strcmp(status, "completed") != 0))) {
        sim_fail(sim, "the turn %s is %s, and '%s' is %s, %lld times in its answer%s", turn->run,
                 run_state_name(joining->row->state), text, status, (long long)row->number[2],
                 heard ? "" : ", and no process has read it");
    }
    sim_trace(sim, "'%s' of %s is %s", text, turn->run, status);
}

static void check_joining(struct sim *sim, const struct agent_turn *turn,
                          const struct run_row *row) {
    struct joining joining = {.turn = turn, .row = row};
    ask_each(sim,
             "SELECT m.status, p.text, (SELECT count(*) FROM turns t JOIN parts s ON s.message ="
             " t.answer WHERE t.run = r.id AND s.kind = 'steer' AND s.text = p.text) FROM runs r"
             " JOIN messages m ON m.run = r.id JOIN parts p ON p.message = m.id WHERE r.run = $1"
             " AND m.role = 'user' AND m.status <> 'removed' AND p.text LIKE 'more#%'",
             TEXTS(turn->run), joining_check, &joining);
}

/* --- Ends ------------------------------------------------------------------------------------- */

static void kept_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct text *text = ctx;
    (void)sim;
    text_add(text, row->text[0].data, row->text[0].len);
}

static size_t same_len(struct bytes one, struct bytes other) {
    size_t len = 0;
    while (len < one.len && len < other.len && one.data[len] == other.data[len]) {
        len++;
    }
    return len;
}

static struct bytes said_by(const struct agent_turn *turn, const struct agent_process *process) {
    /* With plain text each byte is one of the answer, and the last line gets its end. */
    return turn->session->adapter == ADAPTER_PLAIN
               ? (struct bytes){process->out.data, process->written}
               : (struct bytes){process->said.data, agent_process_said(process)};
}

/* Whether `kept` is made of beginnings of what the processes from number `i` on have said, and of
 * all that a whole one has. Words that were lost with a host can be like those of the next. */
static bool is_said(struct sim *sim, const struct agent_turn *turn, size_t i, struct bytes kept,
                    bool whole) {
    if (i == turn->count) {
        return kept.len == 0;
    }
    const struct agent_process *process = turn->processes[i];
    const struct bytes said = said_by(turn, process);
    const bool must = whole && agent_process_is_whole(sim, process);
    size_t len = same_len(kept, said);
    if (must && len < said.len) {
        return false;
    }
    const bool ended = turn->session->adapter == ADAPTER_PLAIN && len > 0 && len < kept.len &&
                       said.data[len - 1] != '\n' && kept.data[len] == '\n';
    const size_t took = len + ended;
    return is_said(sim, turn, i + 1, (struct bytes){kept.data + took, kept.len - took}, whole) ||
           (!must && is_said(sim, turn, i + 1, kept, whole));
}

static void check_text(struct sim *sim, const struct agent_turn *turn, struct bytes kept,
                       bool whole) {
    if (is_said(sim, turn, 0, kept, whole)) {
        return;
    }
    for (size_t i = 0; i < turn->count; i++) {
        const struct bytes said = said_by(turn, turn->processes[i]);
        sim_trace(sim, "process %zu of %zu has said: %.*s", i + 1, turn->count, (int)said.len,
                  said.data);
    }
    sim_fail(sim, "the answer of %s is not what its %zu processes have said: %.*s", turn->run,
             turn->count, (int)kept.len, kept.data);
}

static bool others_ended(const struct run_row *row) {
    switch (row->cause) {
    case CAUSE_STOPPED:
    case CAUSE_PARENT_ENDED:
    case CAUSE_INTERRUPTED:
    case CAUSE_ROLLED_BACK:
    case CAUSE_CALLED_OFF:
    case CAUSE_CLEARED:
    case CAUSE_BUDGET:
    case CAUSE_CUT_OFF:
        return true;
    default:
        return row->state == RUN_CANCELLED;
    }
}

/* Whether it is the cause of a turn after `same` times that end in a row, or after more: earlier
 * processes that are not whole may have ended so, too. */
static bool was_stuck(const struct agent_turn *turn) {
    return turn->count > 1 && turn->processes[turn->count - 2]->way->ended_for == CAUSE_STUCK;
}

static bool cause_fits(const struct agent_turn *turn, const struct agent_way *way, unsigned same,
                       enum run_cause cause) {
    const bool spent = strcmp(way->cause, "gateway_timeout") == 0 &&
                       (cause == CAUSE_MAX_RETRY_COUNT || same > way->more);
    const bool last = way->more > 0 && turn->count >= AGENT_ATTEMPTS_MAX;
    if (cause == CAUSE_REVIVE_FAILED) {
        return way->ended_for == CAUSE_STUCK || was_stuck(turn);
    }
    return spent || last ? cause == CAUSE_MAX_RETRY_COUNT
                         : strcmp(run_cause_name(cause), way->cause) == 0;
}

/* The job that was asked to end for its time may have no process yet. */
static bool was_late(struct sim *sim, const struct agent_turn *turn) {
    const struct agents *agents = agents_of(sim);
    bool late = false;
    for (size_t i = 0; i < agents->job_count; i++) {
        const struct agent_job *job = &agents->jobs[i];
        const bool ended = job->ended_for == CAUSE_DEADLINE || job->ended_for == CAUSE_TIMED_OUT;
        late = late || (job->turn == turn && ended);
    }
    return late;
}

static void check_given_up(struct sim *sim, const struct agent_turn *turn,
                           const struct run_row *row) {
    if (row->cause == CAUSE_DEADLINE && !was_late(sim, turn)) {
        sim_fail(sim, "the turn %s ends for its time, and its process had some", turn->run);
    }
    if (row->cause == CAUSE_SCHEMA_MISMATCH && turn->count < AGENT_MISFITS_MAX) {
        sim_fail(sim, "the turn %s is given up after %zu answers", turn->run, turn->count);
    }
}

/* Another attempt may have followed. */
static void check_no_more(struct sim *sim, const struct agent_turn *turn) {
    const struct agent_process *last = turn->processes[turn->count - 1];
    const struct agent_way *way = last->way;
    const unsigned same = count_same(sim, turn, turn->count);
    const bool resumes = last->written >= last->lines[0].end || agent_process_said(last) == 0;
    if (way->more > 0 && same <= way->more && turn->count < AGENT_ATTEMPTS_MAX &&
        turn->session->adapter == ADAPTER_CLAUDE && resumes && all_whole(sim, turn, turn->count)) {
        sim_fail(sim, "the turn %s is over after %u times %s, and may go on", turn->run, same,
                 way->cause);
    }
}

static void check_outcome(struct sim *sim, const struct agent_turn *turn,
                          const struct run_row *row) {
    const struct agent_process *last = turn->count == 0 ? NULL : turn->processes[turn->count - 1];
    const int64_t children =
        rows_number(sim,
                    "SELECT count(*) FROM runs c JOIN runs r ON r.id = c.parent WHERE r.run = $1"
                    " AND c.kind = 'job'",
                    TEXTS(turn->run), 0);
    check_given_up(sim, turn, row);
    if (last == NULL || children != (int64_t)turn->count || !agent_process_is_whole(sim, last)) {
        if (row->state == RUN_SUCCEEDED && last == NULL) {
            sim_fail(sim, "the turn %s has succeeded, and no process was begun", turn->run);
        }
        return; /* A holder that could not begin, or was killed: nobody knows. */
    }
    const struct agent_way *way = last->way;
    const unsigned misfits = count_misfits(turn);
    if (row->cause == CAUSE_DEADLINE) {
        return; /* The process may have been about to end by itself. */
    }
    if (last->misfit) {
        if (row->cause != CAUSE_SCHEMA_MISMATCH || misfits < AGENT_MISFITS_MAX) {
            sim_fail(sim, "the turn %s is %s (%s) after %u answers that do not fit", turn->run,
                     run_state_name(row->state), run_cause_name(row->cause), misfits);
        }
        return;
    }
    const unsigned same = count_same(sim, turn, turn->count);
    if (!cause_fits(turn, way, same, row->cause)) {
        sim_fail(sim, "the turn %s is %s (%s), and its process ended as %s%s", turn->run,
                 run_state_name(row->state), run_cause_name(row->cause), way->cause,
                 last->typed ? ", with a result" : "");
    }
    check_no_more(sim, turn);
}

/* --- Time ------------------------------------------------------------------------------------- */

/* The daemon that begins again takes the time of a process from the wall clock, once for each
 * process that it adopts, and whenever it looks before that. */
void agents_look_at_clock(struct sim *sim) {
    struct agents *agents = agents_of(sim);
    if (agents->life == sim->life.number && agents->offset_ms == sim->wall_offset_ms) {
        return;
    }
    agents->life = sim->life.number;
    agents->offset_ms = sim->wall_offset_ms;
    for (size_t i = 0; i < agents->job_count; i++) {
        struct agent_job *job = &agents->jobs[i];
        const int64_t jump_ms = sim->wall_offset_ms - job->offset_ms;
        if (job->attempt != 0 && job->life < sim->life.number && jump_ms > job->jump_ms) {
            job->jump_ms = jump_ms;
        }
    }
}

/* The time in which a person is asked does not count. Of a wait that a daemon did not see through,
 * nobody here knows how much of it counts. */
static void turn_waits(struct sim *sim, struct agent_turn *turn, const struct run_row *row) {
    const bool waits = row->state == RUN_WAITING && row->not_before_ms == 0;
    if (turn->waits && !waits && turn->waits_life == sim->life.number) {
        turn->waited_ms += (int64_t)((sim_now_ns(sim) - turn->waits_ns) / 1000000);
    }
    if (waits && !turn->waits) {
        turn->waits_ns = sim_now_ns(sim);
        turn->waits_life = sim->life.number;
    }
    turn->waits = waits;
}

static void check_late(struct sim *sim, const struct agent_job *job) {
    const int64_t most_ms = agents_deadline_ms(sim, job->turn->session->adapter);
    const int64_t took_ms = (int64_t)((sim_now_ns(sim) - job->began_ns) / 1000000) + job->jump_ms +
                            job->waited_ms - job->turn->waited_ms;
    if (took_ms + ROUNDING_MS < (most_ms > 0 ? most_ms : DEADLINE_MS)) {
        sim_fail(sim, "%s is ended for its time after %lld ms", job->run, (long long)took_ms);
    }
}

/* The daemon has looked at the last process. */
static void check_hangs(struct sim *sim, const struct agent_job *job, enum run_cause cause) {
    const struct agent_turn *turn = job->turn;
    const struct agent_process *process =
        turn->count == 0 ? NULL : turn->processes[turn->count - 1];
    const int64_t took_ms = (int64_t)((sim_now_ns(sim) - job->began_ns) / 1000000);
    if (process == NULL || process->way->ended_for != cause) {
        sim_fail(sim, "%s is ended as %s, and does not hang", job->run, run_cause_name(cause));
    }
    const int64_t windows = cause == CAUSE_STUCK ? 1 : AGENT_WATCH_WINDOWS;
    if (took_ms + ROUNDING_MS < windows * AGENTS_NO_PROGRESS_MS) {
        sim_fail(sim, "%s is ended as %s after %lld ms", job->run, run_cause_name(cause),
                 (long long)took_ms);
    }
}

static void job_ended_for(struct sim *sim, struct agent_job *job, enum run_cause cause) {
    switch (cause) {
    case CAUSE_DEADLINE:
        check_late(sim, job);
        break;
    case CAUSE_TIMED_OUT:
    case CAUSE_COMPACTION_HANGING:
    case CAUSE_STUCK:
        check_hangs(sim, job, cause);
        break;
    default:
        return;
    }
    job->ended_for = cause;
}

static void job_noted(struct sim *sim, const struct run_row *row) {
    struct agents *agents = agents_of(sim);
    struct agent_turn *turn = NULL;
    for (size_t i = 0; i < agents->turn_count; i++) {
        turn = row->parent != 0 && agents->turns[i].row == row->parent ? &agents->turns[i] : turn;
    }
    if (turn == NULL) {
        return;
    }
    char run[ID_SIZE];
    (void)snprintf(run, sizeof run, "%.*s", (int)row->run.len, row->run.data);
    struct agent_job *job = agents_job(sim, run);
    if (job == NULL) {
        if (turn->ended || agents->job_count == AGENT_JOBS_MAX) {
            sim_fail(sim, "the turn %s has ended, and asks for the process %s", turn->run, run);
        }
        job = &agents->jobs[agents->job_count++];
        *job = (struct agent_job){.turn = turn};
        (void)snprintf(job->run, sizeof job->run, "%s", run);
    }
    if (row->state == RUN_RUNNING && job->attempt != row->attempt) {
        job->attempt = row->attempt;
        job->jump_ms = 0;
        job->life = sim->life.number;
        job->began_ns = sim_now_ns(sim);
        job->offset_ms = sim->wall_offset_ms;
        job->waited_ms = turn->waited_ms;
    }
    if (job->ended_for == CAUSE_NONE) {
        job_ended_for(sim, job, row->stop);
    }
}

/* The host of its last process keeps the output, and does not lead. */
static bool is_away(struct sim *sim, const struct agent_turn *turn, const struct run_row *row) {
    const struct agent_process *last = turn->count == 0 ? NULL : turn->processes[turn->count - 1];
    return last != NULL && last->command->host != sim->leader &&
           row->cause == CAUSE_OUTCOME_UNKNOWN;
}

static void turn_over(struct sim *sim, struct agent_turn *turn, const struct run_row *row) {
    AUTO(text_done) struct text kept = text_up_to(TEXT_MAX);
    turn->ended = true;
    turn->succeeded = row->state == RUN_SUCCEEDED;
    if (!sim_life(sim)->ready) {
        return; /* A daemon that stops shows no rows. */
    }
    ask_each(sim,
             "SELECT p.text FROM runs r JOIN turns t ON t.run = r.id JOIN parts p"
             " ON p.message = t.answer WHERE r.run = $1 AND p.kind = 'text' ORDER BY p.number",
             TEXTS(turn->run), kept_take, &kept);
    const bool known = !others_ended(row) && !is_away(sim, turn, row);
    check_text(sim, turn, text_bytes(&kept), known);
    if (known) {
        check_outcome(sim, turn, row);
    }
    check_joining(sim, turn, row);
    sim_trace(sim, "the turn of op %u is over: %s, %zu processes, %zu bytes", turn->op,
              run_cause_name(row->cause), turn->count, kept.len);
}

void agents_noted(struct sim *sim, const struct run_row *row) {
    struct agents *agents = agents_of(sim);
    if (row->kind == KIND_JOB) {
        job_noted(sim, row);
    }
    for (size_t i = 0; row->kind == KIND_TURN && i < agents->turn_count; i++) {
        struct agent_turn *turn = &agents->turns[i];
        if (!bytes_is(row->run, turn->run)) {
            continue;
        }
        turn->row = row->id;
        turn_waits(sim, turn, row);
        if (run_state_final(row->state) && !turn->ended) {
            turn_over(sim, turn, row);
        }
    }
}
