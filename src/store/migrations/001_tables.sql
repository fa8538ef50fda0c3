-- All tables, in one dialect for both databases, but for the three words that driver.h explains.

-- One row. Versions count from 1 within a series (migrate.c): a database of another series is
-- refused, whatever its version is.
CREATE TABLE schema (
    series @int@ NOT NULL,
    version @int@ NOT NULL
) @strict@;
INSERT INTO schema (series, version) VALUES (0, 0);

-- One row. `epoch` rises with each start; `batch` counts the groups of a writer that is fenced by
-- it.
CREATE TABLE nodes (
    id @int@ NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch @int@ NOT NULL,
    batch @int@ NOT NULL,
    -- Where the last daemon that was let free had this database (home.h); '' before the first.
    home TEXT NOT NULL DEFAULT '',
    -- Bytes that the folders of ended runs take: the sum of `disk` over their spans.
    disk @int@ NOT NULL DEFAULT 0,
    -- Clock by which ages of ended runs were judged last (rules/run/retention.h); 0: by none yet.
    judged_ms @int@ NOT NULL DEFAULT 0,
    -- Epoch of the daemon that was released with a database that had been restored or copied: what
    -- an earlier one began may have ended in a history that this database does not know.
    home_epoch @int@ NOT NULL DEFAULT 0,
    -- Epoch of the newest daemon that was asked to stop; 0: none was. stopped_since: first epoch of
    -- the orderly stops in a row that end with it.
    stopped_epoch @int@ NOT NULL DEFAULT 0,
    stopped_since @int@ NOT NULL DEFAULT 0,
    -- Of the newest daemon: its loopback address as a URL, '' where it has none; and the duration
    -- from which on the end of a run is a notice to its owner.
    origin TEXT NOT NULL DEFAULT '',
    notify_after_ms @int@ NOT NULL DEFAULT 30000
) @strict@;
INSERT INTO nodes (id, epoch, batch) VALUES (1, 0, 0);

-- The highest id that rows of a table had when some of them were deleted: no id is given twice.
CREATE TABLE ids (
    name TEXT NOT NULL PRIMARY KEY,
    last @int@ NOT NULL
) @strict@;
INSERT INTO ids (name, last) VALUES ('runs', 0), ('messages', 0), ('sessions', 0), ('budgets', 0),
    ('attachments', 0);

-- Events with floor < seq <= head exist. keep_events and keep_ms are the retention, where one is
-- set.
CREATE TABLE streams (
    id @id@,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    head @int@ NOT NULL DEFAULT 0,
    floor @int@ NOT NULL DEFAULT 0,
    keep_events @int@,
    keep_ms @int@,
    made_ms @int@ NOT NULL,
    -- 1: its last event has been written. Of the streams of runs.
    ended @int@ NOT NULL DEFAULT 0,
    -- Events after hold_after are kept, whatever the retention says: a turn that runs reads them
    -- again.
    hold_after @int@,
    UNIQUE (owner, name)
) @strict@;
-- The few streams that a round of pruning must look at.
CREATE INDEX streams_kept ON streams (id) WHERE keep_events IS NOT NULL OR keep_ms IS NOT NULL;

-- Rows are appended by position; the index is the only order.
CREATE TABLE events (
    stream @int@ NOT NULL,
    seq @int@ NOT NULL,
    at_ms @int@ NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL
) @strict@;
CREATE UNIQUE INDEX events_stream_seq ON events (stream, seq);

-- `token` is the id that users see; of the secret only the hash is kept.
CREATE TABLE tokens (
    id @id@,
    token TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    label TEXT NOT NULL,
    scopes @int@ NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    -- The key of a web page has the only origin that may use it, and its last use, to an hour.
    origin TEXT NOT NULL DEFAULT '',
    used_ms @int@,
    made_ms @int@ NOT NULL,
    revoked_ms @int@
) @strict@;
-- Revoked tokens are kept for a day.
CREATE INDEX tokens_revoked ON tokens (revoked_ms) WHERE revoked_ms IS NOT NULL;

-- Answers to requests with an Idempotency-Key, which are sent again.
CREATE TABLE idempotency (
    id @id@,
    owner TEXT NOT NULL,
    route TEXT NOT NULL,
    idem_key TEXT NOT NULL,
    digest TEXT NOT NULL,
    status @int@ NOT NULL,
    answer TEXT NOT NULL,
    made_ms @int@ NOT NULL,
    -- Id of the session or the run that the answer shows; '': of none. An answer is emptied when
    -- that is deleted, and its key stays used.
    about TEXT NOT NULL DEFAULT '',
    UNIQUE (owner, route, idem_key)
) @strict@;
CREATE INDEX idempotency_made ON idempotency (made_ms);
CREATE INDEX idempotency_about ON idempotency (about) WHERE about <> '';

-- `id` is given by the writer (the highest and one): RETURNING costs SQLite a temporary table.
-- A run has ended when ended_ms is set; gate '' of one that has not ended: it runs.
-- Defaults are the values of a new run. parent 0: none. exit_code -1: none. command: what runs, cut
-- short, for lists; '' beside a label.
CREATE TABLE runs (
    id @int@ NOT NULL PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    parent @int@ NOT NULL,
    state TEXT NOT NULL,
    gate TEXT NOT NULL DEFAULT '',
    cause TEXT NOT NULL DEFAULT '',
    stop TEXT NOT NULL DEFAULT '',
    stop_grace_ms @int@ NOT NULL DEFAULT 0,
    attempt @int@ NOT NULL DEFAULT 0,
    voids @int@ NOT NULL DEFAULT 0,
    failures @int@ NOT NULL DEFAULT 0,
    reboots @int@ NOT NULL DEFAULT 0,
    epoch @int@ NOT NULL DEFAULT 0,
    priority @int@ NOT NULL DEFAULT 0,
    key_max @int@ NOT NULL DEFAULT 0,
    exit_code @int@ NOT NULL DEFAULT -1,
    once @int@ NOT NULL DEFAULT 0,
    made_ms @int@ NOT NULL,
    not_before_ms @int@ NOT NULL DEFAULT 0,
    started_ms @int@ NOT NULL DEFAULT 0,
    ended_ms @int@,
    run_key TEXT NOT NULL DEFAULT '',
    label TEXT NOT NULL DEFAULT '',
    command TEXT NOT NULL DEFAULT '',
    -- Object of the fields of the spec that lists show, since they do not read specs; '': none.
    shown TEXT NOT NULL DEFAULT '',
    host TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    result TEXT NOT NULL DEFAULT '',
    spec TEXT NOT NULL,
    -- Where a run stands in the tree: the path of the deepest node that can be above it or its own.
    budget TEXT NOT NULL DEFAULT '',
    -- The limit that it waits for: eight times the budget's id, and the amount; 0: none.
    lane @int@ NOT NULL DEFAULT 0,
    -- 1: budgets have admitted its attempt, and will be charged. What it reserves until then:
    charged @int@ NOT NULL DEFAULT 0,
    output_tokens_held @int@ NOT NULL DEFAULT 0,
    tokens_held @int@ NOT NULL DEFAULT 0,
    cost_micros_held @int@ NOT NULL DEFAULT 0,
    agents_held @int@ NOT NULL DEFAULT 0,
    wall_ms_held @int@ NOT NULL DEFAULT 0,
    -- When the attempt began, by a clock that nobody sets (tx_steady_ms).
    steady_ms @int@ NOT NULL DEFAULT 0,
    -- A run of kind `agent` is a step of its parent. step_key: hash of what was asked; occurrence:
    -- number of that call among those with the same key; done_no: number of its settling within the
    -- workflow, 0: it was not settled. cached 1: another run's result was taken over. What it took:
    -- tokens that are not known are 0.
    step_key TEXT NOT NULL DEFAULT '',
    occurrence @int@ NOT NULL DEFAULT 0,
    done_no @int@ NOT NULL DEFAULT 0,
    cached @int@ NOT NULL DEFAULT 0,
    -- Id (run_…) of the step whose result that is; '': of none.
    cached_from TEXT NOT NULL DEFAULT '',
    -- Hash of the call, of where it was made and of its model: a run that reuses results takes that
    -- of the newest success with the same one. '': nobody may take it.
    reuse_key TEXT NOT NULL DEFAULT '',
    output_tokens @int@ NOT NULL DEFAULT 0,
    tokens @int@ NOT NULL DEFAULT 0,
    cost_micros @int@ NOT NULL DEFAULT 0,
    -- Parts of `tokens`: of an agent that is one call of a model, its span is read from this row.
    cache_read @int@ NOT NULL DEFAULT 0,
    cache_write @int@ NOT NULL DEFAULT 0,
    reasoning @int@ NOT NULL DEFAULT 0,
    -- Number of its calls whose cost nobody knows.
    cost_unknown @int@ NOT NULL DEFAULT 0,
    -- Of a step: the phase that its script named; '': none. agent: of a step the type of its agent;
    -- of a turn the agent of its session, as of the submit, and the same of its process; '': none.
    phase TEXT NOT NULL DEFAULT '',
    agent TEXT NOT NULL DEFAULT '',
    -- Lists of runs. project, session: of the turn or the job at the top; '': none. root: id of the
    -- run at the top of the tree; 0: the run is the top. All three are those of the submit.
    project TEXT NOT NULL DEFAULT '',
    session TEXT NOT NULL DEFAULT '',
    root @int@ NOT NULL DEFAULT 0,
    -- Number of attempts of a run that ended before their command began.
    unbegun @int@ NOT NULL DEFAULT 0,
    -- Of a step: time that the attempt was parked until its provider, or the quota of that, had
    -- named; by the wall clock. While it is parked, less the time at which that began.
    parked_ms @int@ NOT NULL DEFAULT 0,
    -- Of a step that is one call of a model: what its agent had used when its latest wait for the
    -- provider began, by the calls and tries before. The next performer of the step goes on from
    -- there; the end counts all of it, so these columns are in no sum.
    waited_fresh @int@ NOT NULL DEFAULT 0,
    waited_cache_read @int@ NOT NULL DEFAULT 0,
    waited_cache_write @int@ NOT NULL DEFAULT 0,
    waited_output @int@ NOT NULL DEFAULT 0,
    waited_reasoning @int@ NOT NULL DEFAULT 0,
    waited_cost_micros @int@ NOT NULL DEFAULT 0,
    waited_cost_unknown @int@ NOT NULL DEFAULT 0,
    waited_calls @int@ NOT NULL DEFAULT 0,
    -- Id of the run inside of which the program was that began this one (engine/run/inside.h); 0:
    -- of none.
    began_in @int@ NOT NULL DEFAULT 0,
    -- Id (run_…) of the run that was tried again with this one; '': of none.
    retry_of TEXT NOT NULL DEFAULT '',
    -- Of an ended run inside no other and no session: number of the event of its stream up to which
    -- somebody has seen it; 0: nobody has.
    seen_seq @int@ NOT NULL DEFAULT 0
) @strict@;
-- Lists. Agents are many and stand in a list of their own, so that one that is written changes one
-- index of its owner; a list of all runs merges both (engine/run/list.c).
CREATE INDEX runs_owner ON runs (owner, id) WHERE kind <> 'agent';
CREATE INDEX runs_agents ON runs (owner, id) WHERE kind = 'agent';
-- Ended runs that nobody has seen. Runs of a session are seen with it.
CREATE INDEX runs_unseen ON runs (owner, seen_seq, id)
    WHERE seen_seq = 0 AND ended_ms IS NOT NULL AND parent = 0 AND session = '';
-- Recovery. host: while another daemon leads, that of a host looks for its attempts each second.
CREATE INDEX runs_live ON runs (id, host) WHERE ended_ms IS NULL;
-- Runs that run (gate ''), and those that wait for a slot, in the order of admission. ended_ms is
-- in it, so that those that run are counted without a look at their rows.
CREATE INDEX runs_gate ON runs (kind, gate, priority DESC, id, ended_ms) WHERE ended_ms IS NULL;
-- The same for one key.
CREATE INDEX runs_key ON runs (owner, run_key, gate, priority DESC, id)
    WHERE ended_ms IS NULL AND run_key <> '';
-- The sum of what is reserved, without a look at the rows.
CREATE INDEX runs_held ON runs (owner, budget, output_tokens_held, tokens_held, cost_micros_held,
    agents_held, wall_ms_held, charged, ended_ms) WHERE charged = 1 AND ended_ms IS NULL;
-- Runs that wait for a limit, in the order of admission.
CREATE INDEX runs_lane ON runs (lane, priority DESC, id) WHERE lane <> 0 AND ended_ms IS NULL;
-- Children of a run that were not asked to end, those that run before those that wait; and those
-- that were asked, by the time that they were given.
CREATE INDEX runs_below ON runs (parent, gate, id)
    WHERE ended_ms IS NULL AND parent <> 0 AND stop = '';
CREATE INDEX runs_below_asked ON runs (parent, stop_grace_ms)
    WHERE ended_ms IS NULL AND parent <> 0 AND stop <> '';
-- Steps of a workflow in the order in which they were settled. They are in no other index by parent
-- or root: a list in the order of ids sorts them, a thousand at most (rules/workflow/workflow.h).
CREATE INDEX runs_step ON runs (parent, done_no, id) WHERE step_key <> '';
CREATE INDEX runs_reuse ON runs (reuse_key, ended_ms)
    WHERE reuse_key <> '' AND state = 'succeeded';
-- Retention: steps go with their workflow.
CREATE INDEX runs_ended ON runs (ended_ms, id) WHERE ended_ms IS NOT NULL AND step_key = '';
-- Each filter has an index whose last order is that of the list. Filters beside the first one are
-- compared row by row, in slices (engine/run/list.c); the trailing columns save looks at rows.
CREATE INDEX runs_kind ON runs (owner, kind, id) WHERE kind <> 'agent';
-- Most runs succeed, so that a list of those is compared row by row.
CREATE INDEX runs_final ON runs (owner, state, id, kind)
    WHERE ended_ms IS NOT NULL AND state <> 'succeeded';
CREATE INDEX runs_project ON runs (owner, project, id, kind) WHERE project <> '';
CREATE INDEX runs_session ON runs (owner, session, id, kind) WHERE session <> '';
CREATE INDEX runs_children ON runs (parent, id, kind) WHERE parent <> 0 AND step_key = '';
CREATE INDEX runs_root ON runs (root, id, kind)
    WHERE root <> 0 AND (step_key = '' OR root <> parent);
-- Runs of an agent; and those that have not ended, which are counted by the index alone.
CREATE INDEX runs_agent ON runs (owner, agent, id, kind) WHERE agent <> '';
CREATE INDEX runs_agent_live ON runs (owner, agent, id, gate, step_key, ended_ms)
    WHERE ended_ms IS NULL AND agent <> '';
-- Runs by their whole label, those at the top (root 0) without a look at others
-- (engine/system/names.c).
-- A damaged row may hold a longer text than PostgreSQL can index.
CREATE INDEX runs_label ON runs (owner, label, root, id) WHERE label <> '' AND length(label) <= 500;

-- Input that came while a run lives, by offset from the first byte of all of its input: a row
-- begins where the one before it ends, the first after the spec's stdin. A run that takes input
-- has at least one, from its submit to its end. ends 1: nothing follows. bytes: base64.
CREATE TABLE run_input (
    run @int@ NOT NULL,
    from_offset @int@ NOT NULL,
    len @int@ NOT NULL,
    ends @int@ NOT NULL,
    bytes TEXT NOT NULL,
    PRIMARY KEY (run, from_offset)
) @strict@;

-- What a receiver is owed. A row is settled when settled_ms is set.
CREATE TABLE inbox (
    id @id@,
    delivery TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    run TEXT NOT NULL,
    receiver TEXT NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    cause TEXT NOT NULL,
    failures @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    not_before_ms @int@ NOT NULL,
    settled_ms @int@,
    payload TEXT NOT NULL,
    -- The turn that a session's row is bound to; ''.
    turn TEXT NOT NULL DEFAULT '',
    event TEXT NOT NULL DEFAULT 'ended',
    -- id of the question that it is about; 0: none.
    approval @int@ NOT NULL DEFAULT 0
) @strict@;
CREATE INDEX inbox_owner ON inbox (owner, id);
CREATE INDEX inbox_open ON inbox (owner, id) WHERE settled_ms IS NULL;
CREATE INDEX inbox_settled ON inbox (settled_ms) WHERE settled_ms IS NOT NULL;
-- What is due, by receiver; and the receivers.
CREATE INDEX inbox_due ON inbox (owner, receiver, address, state, not_before_ms, id)
    WHERE settled_ms IS NULL;
CREATE INDEX inbox_approval ON inbox (approval, id) WHERE approval <> 0;
CREATE INDEX inbox_turn ON inbox (turn, id) WHERE settled_ms IS NULL AND turn <> '';
-- Notices of a run are removed with it.
CREATE INDEX inbox_run ON inbox (run);
-- Deliveries that a change of a connection resumes.
CREATE INDEX inbox_held ON inbox (id) WHERE state = 'held' AND settled_ms IS NULL;
-- Notices by the session that they were for.
CREATE INDEX inbox_session ON inbox (owner, address, id) WHERE receiver = 'session';

-- A node of the tree: its path is the chain of scopes down to it, each closed by '/':
-- 'project:web/run:run_…/'; '' with the owner '' is `global`, which stands above all owners.
-- A limit of 2^53 is none. run 0: it is not the budget of one run. day_end_ms: end of the day that
-- the amounts that were spent count; 0: they count in all.
CREATE TABLE budgets (
    id @int@ NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    scope TEXT NOT NULL,
    path TEXT NOT NULL,
    run @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    output_tokens_max @int@ NOT NULL DEFAULT 9007199254740992,
    tokens_max @int@ NOT NULL DEFAULT 9007199254740992,
    cost_micros_max @int@ NOT NULL DEFAULT 9007199254740992,
    agents_max @int@ NOT NULL DEFAULT 9007199254740992,
    wall_ms_max @int@ NOT NULL DEFAULT 9007199254740992,
    output_tokens_spent @int@ NOT NULL DEFAULT 0,
    tokens_spent @int@ NOT NULL DEFAULT 0,
    cost_micros_spent @int@ NOT NULL DEFAULT 0,
    agents_spent @int@ NOT NULL DEFAULT 0,
    wall_ms_spent @int@ NOT NULL DEFAULT 0,
    cost_unknown @int@ NOT NULL DEFAULT 0,
    day_end_ms @int@ NOT NULL DEFAULT 0,
    UNIQUE (owner, path),
    UNIQUE (owner, scope)
) @strict@;
CREATE INDEX budgets_run ON budgets (run) WHERE run <> 0;
CREATE INDEX budgets_owner ON budgets (owner, id);
CREATE INDEX budgets_day ON budgets (id) WHERE day_end_ms <> 0;

-- What attempts of one kind took of late under a budget: what the next one reserves.
CREATE TABLE budget_means (
    budget @int@ NOT NULL,
    what TEXT NOT NULL,
    count @int@ NOT NULL,
    output_tokens @int@ NOT NULL,
    tokens @int@ NOT NULL,
    cost_micros @int@ NOT NULL,
    agents @int@ NOT NULL,
    wall_ms @int@ NOT NULL,
    PRIMARY KEY (budget, what)
) @strict@;

-- One row per step of an attempt, written when it starts and again when it ends. Step 0 is the
-- attempt's own process. Numbers that nobody knows are NULL, never 0: what a call cost is not
-- nothing because nobody said. `reserve_…`: what was set aside for it (budgets), to be charged if
-- its end is never seen; `estimated` 1 says that this was done. disk: bytes that the folder of an
-- ended process takes.
CREATE TABLE spans (
    run @int@ NOT NULL,
    attempt @int@ NOT NULL,
    step @int@ NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    cause TEXT NOT NULL DEFAULT '',
    -- Rule by which the end of a program was classified (rules/agent/classify.h); '': none.
    rule TEXT NOT NULL DEFAULT '',
    started_ms @int@ NOT NULL,
    ended_ms @int@,
    fresh @int@,
    cache_read @int@,
    cache_write @int@,
    output_tokens @int@,
    reasoning @int@,
    cost @int@,
    reserve_tokens @int@,
    reserve_cost @int@,
    estimated @int@ NOT NULL DEFAULT 0,
    tries @int@ NOT NULL DEFAULT 1,
    exit_code @int@,
    cpu_us @int@,
    memory_kb @int@,
    disk @int@ NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    input TEXT NOT NULL,
    output TEXT NOT NULL DEFAULT '',
    -- Bytes of a prompt's parts, as they were measured; NULL: they were not.
    tools_bytes @int@,
    instructions_bytes @int@,
    history_bytes @int@,
    -- Place of the host on which the process of an attempt ran (step 0), where hosts share the
    -- database; '': it is that of the run's row, or nobody knows.
    host TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (run, attempt, step)
) @strict@;

-- `id` is given by the writer. hidden 0: it is there for its owner. -1: deleted, its rows are being
-- removed. Else the epoch of the daemon that is making it (a fork): one that a crash left behind is
-- removed like a deleted one. parent: the session whose subagent this is; 0: none.
-- title_by: '' (nobody gave it one), user, auto. settings, metadata: JSON objects.
-- forked_from: the message at which it was forked; '': none. cost_unknown: calls whose cost nobody
-- knows.
CREATE TABLE sessions (
    id @int@ NOT NULL PRIMARY KEY,
    session TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    project TEXT NOT NULL,
    parent @int@ NOT NULL,
    depth @int@ NOT NULL,
    hidden @int@ NOT NULL,
    version @int@ NOT NULL,
    state TEXT NOT NULL,
    archived_ms @int@,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL,
    calls @int@ NOT NULL DEFAULT 0,
    fresh @int@ NOT NULL DEFAULT 0,
    cache_read @int@ NOT NULL DEFAULT 0,
    cache_write @int@ NOT NULL DEFAULT 0,
    output @int@ NOT NULL DEFAULT 0,
    reasoning @int@ NOT NULL DEFAULT 0,
    cost_micros @int@ NOT NULL DEFAULT 0,
    cost_unknown @int@ NOT NULL DEFAULT 0,
    context_used @int@ NOT NULL DEFAULT 0,
    title TEXT NOT NULL,
    title_by TEXT NOT NULL,
    model TEXT NOT NULL,
    agent TEXT NOT NULL,
    root TEXT NOT NULL,
    forked_from TEXT NOT NULL,
    metadata TEXT NOT NULL,
    settings TEXT NOT NULL,
    instructions TEXT NOT NULL,
    -- Number of tokens that the last model takes, as it was known then; 0: none was asked.
    context_window @int@ NOT NULL DEFAULT 0,
    -- Highest number of a turn of the session that was deleted, so that it is not given again; 0:
    -- none.
    turn_last @int@ NOT NULL DEFAULT 0,
    -- Number of the last event that the removal of the session has looked at, in the stream of its
    -- project and in that of its owner.
    purged_seq @int@ NOT NULL DEFAULT 0,
    purged_own_seq @int@ NOT NULL DEFAULT 0,
    -- Number of the event of its stream up to which somebody has seen it; 0: none.
    seen_seq @int@ NOT NULL DEFAULT 0,
    -- The definition of its agent, where that is a program: JSON; empty: models are asked.
    program TEXT NOT NULL DEFAULT '',
    -- PATH of the terminal that the last message came from; empty: that of the daemon.
    path TEXT NOT NULL DEFAULT '',
    -- 1: a notice said that its project has a check that the rules do not allow.
    check_told @int@ NOT NULL DEFAULT 0,
    -- CLAUDE_CONFIG_DIR of that terminal; empty: that of the daemon.
    config_dir TEXT NOT NULL DEFAULT '',
    -- 1: the one session of its agent and folder that runs share which ask for no session of their
    -- own.
    main @int@ NOT NULL DEFAULT 0,
    -- As of runs.
    began_in @int@ NOT NULL DEFAULT 0,
    -- Where that run is charged: what is spent in the session is charged there, too.
    budget TEXT NOT NULL DEFAULT '',
    -- What the session needs of its program, which outlives the runs of its turns. answer: id of
    -- the newest message whose turn has a state of the reader, 0: none; heard: of the newest one
    -- whose question the program has read, 0: none; reader: that state (agent/program.h), by which
    -- the program's own session goes on, '': the next turn begins a new one.
    program_answer @int@ NOT NULL DEFAULT 0,
    program_heard @int@ NOT NULL DEFAULT 0,
    program_reader TEXT NOT NULL DEFAULT '',
    -- id of the session whose fork this is; 0: it is none.
    fork_of @int@ NOT NULL DEFAULT 0
) @strict@;
-- Lists: of the owner's own (parent 0), or of one's subagents; the last one changed first.
CREATE INDEX sessions_open ON sessions (owner, parent, changed_ms, id)
    WHERE archived_ms IS NULL AND hidden = 0;
CREATE INDEX sessions_archived ON sessions (owner, parent, changed_ms, id)
    WHERE archived_ms IS NOT NULL AND hidden = 0;
CREATE INDEX sessions_parent ON sessions (parent) WHERE parent <> 0;
-- Lists of the forks of one.
CREATE INDEX sessions_forks ON sessions (fork_of, changed_ms, id) WHERE fork_of <> 0;
CREATE INDEX sessions_hidden ON sessions (id) WHERE hidden <> 0;
CREATE INDEX sessions_main ON sessions (owner, agent) WHERE main <> 0;
-- Lists of sessions of a project.
CREATE INDEX sessions_project ON sessions (owner, project, parent, changed_ms, id)
    WHERE archived_ms IS NULL;
CREATE INDEX sessions_put_away ON sessions (owner, project, parent, changed_ms, id)
    WHERE archived_ms IS NOT NULL;
-- Lists of sessions of an agent.
CREATE INDEX sessions_agent ON sessions (owner, agent, parent, changed_ms, id)
    WHERE archived_ms IS NULL AND agent <> '';
CREATE INDEX sessions_agent_archived ON sessions (owner, agent, parent, changed_ms, id)
    WHERE archived_ms IS NOT NULL AND agent <> '';
-- Sessions by their whole title.
CREATE INDEX sessions_title ON sessions (owner, title, id)
    WHERE title <> '' AND hidden = 0 AND length(title) <= 500;

-- `id` is given by the writer, and is the order. run: the turn; 0: none. reply_to: id of the
-- message that it answers; 0: none. active 0: another variant of the answer goes into prompts.
-- client_id: the client's own id of what it sent; '': none. digest: of what it sent under it.
CREATE TABLE messages (
    id @int@ NOT NULL PRIMARY KEY,
    message TEXT NOT NULL UNIQUE,
    session @int@ NOT NULL,
    role TEXT NOT NULL,
    status TEXT NOT NULL,
    run @int@ NOT NULL,
    reply_to @int@ NOT NULL,
    variant @int@ NOT NULL,
    active @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL,
    client_id TEXT NOT NULL,
    client_digest TEXT NOT NULL,
    cause TEXT NOT NULL,
    error TEXT NOT NULL,
    metadata TEXT NOT NULL,
    -- JSON Schema of the answers to the message; '': none.
    answer_schema TEXT NOT NULL DEFAULT '',
    -- Of an answer whose turn is removed, or is another session's.
    model TEXT NOT NULL DEFAULT ''
) @strict@;
CREATE INDEX messages_session ON messages (session, id);
CREATE INDEX messages_live ON messages (session, id) WHERE status IN ('queued', 'running');
CREATE INDEX messages_run ON messages (run, id) WHERE run <> 0;
CREATE UNIQUE INDEX messages_client ON messages (session, client_id) WHERE client_id <> '';
-- What waits to join a turn is found without a walk through the session's messages: each step of a
-- turn asks for it.
CREATE INDEX messages_steering ON messages (session, run) WHERE status = 'steering';

-- What a message is made of, in the order of numbers from 1. step: of the turn; 0: a user's.
-- call: the model's id of a tool call. run: id of the run that the part started; 0: none.
-- bytes, data_bytes: of `text` and `data`, so that nobody has to read one to know how long it is;
-- the long columns come last for the same reason.
CREATE TABLE parts (
    id @id@,
    message @int@ NOT NULL,
    number @int@ NOT NULL,
    step @int@ NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    cause TEXT NOT NULL,
    name TEXT NOT NULL,
    call TEXT NOT NULL,
    run @int@ NOT NULL,
    bytes @int@ NOT NULL,
    data_bytes @int@ NOT NULL,
    data TEXT NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (message, number)
) @strict@;
-- The card whose child a run is.
CREATE INDEX parts_run ON parts (run) WHERE run <> 0;
-- Cards of tools that are not closed; few.
CREATE INDEX parts_open ON parts (message, number)
    WHERE state IN ('ready', 'asking', 'reviewing', 'running', 'pending');

-- Files that were given to sessions, each stored once for an owner, under the SHA-256 of its bytes.
-- One that no session uses any more is removed.
CREATE TABLE attachments (
    id @int@ NOT NULL PRIMARY KEY,
    attachment TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    hash TEXT NOT NULL,
    media TEXT NOT NULL,
    bytes @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    UNIQUE (owner, hash)
) @strict@;
CREATE INDEX attachments_hash ON attachments (hash);

CREATE TABLE attachment_uses (
    attachment @int@ NOT NULL,
    session @int@ NOT NULL,
    PRIMARY KEY (attachment, session)
) @strict@;
CREATE INDEX attachment_uses_session ON attachment_uses (session);

-- What agents remember. project '': it is about everything. tags: a JSON list. words: those of all
-- its texts, cut and lowered by us (engine/memory/words.h), each behind a blank. day: days since
-- 1970.
CREATE TABLE memory (
    id @id@,
    memory TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    project TEXT NOT NULL,
    topic TEXT NOT NULL,
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    tags TEXT NOT NULL,
    words TEXT NOT NULL,
    day @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL
) @strict@;
CREATE INDEX memory_owner ON memory (owner, id);

-- Names that sessions, runs and budgets share, what new ones begin with, and rules for calls of all
-- sessions of it (settings: JSON). '': nothing.
CREATE TABLE projects (
    id @id@,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    root TEXT NOT NULL,
    agent TEXT NOT NULL,
    model TEXT NOT NULL,
    settings TEXT NOT NULL DEFAULT '',
    board TEXT NOT NULL DEFAULT '',
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL,
    UNIQUE (owner, name)
) @strict@;
CREATE INDEX memory_day ON memory (owner, day);

-- Terminals: run is the job of the last start; env, path, rows and columns are those of each start.
-- '': the default of a job; command '': the user's shell.
CREATE TABLE terminals (
    id @id@,
    terminal TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    command TEXT NOT NULL,
    cwd TEXT NOT NULL,
    columns @int@ NOT NULL,
    rows @int@ NOT NULL,
    run TEXT NOT NULL,
    env TEXT NOT NULL,
    path TEXT NOT NULL,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL
) @strict@;
CREATE INDEX terminals_owner ON terminals (owner, id);

-- question 0: no message of a user began it. answer: the message that it writes. call: the step of
-- the model's call that is out, 0: none; from_seq: where the events of that call begin in
-- the stream.
CREATE TABLE turns (
    run @int@ NOT NULL PRIMARY KEY,
    session @int@ NOT NULL,
    began_by TEXT NOT NULL,
    question @int@ NOT NULL,
    answer @int@ NOT NULL,
    begun @int@ NOT NULL,
    calls @int@ NOT NULL,
    calls_max @int@ NOT NULL,
    step @int@ NOT NULL,
    call @int@ NOT NULL,
    from_seq @int@ NOT NULL,
    mistakes @int@ NOT NULL,
    repeats @int@ NOT NULL,
    answered @int@ NOT NULL,
    last_call @int@ NOT NULL,
    truncated @int@ NOT NULL,
    output_max @int@ NOT NULL,
    model TEXT NOT NULL,
    last TEXT NOT NULL,
    -- wrote: a step wrote files, and no check has run since. check_run: id of the run that checks,
    -- or whose result nobody has fetched yet; 0: none. failed_checks: number of those
    -- that the model has seen.
    wrote @int@ NOT NULL DEFAULT 0,
    check_run @int@ NOT NULL DEFAULT 0,
    failed_checks @int@ NOT NULL DEFAULT 0,
    -- Number of `mistakes` when the model was warned of them; 0: it was not.
    mistakes_told @int@ NOT NULL DEFAULT 0,
    -- What the call of the model that is out may spend, as it was granted.
    granted_output @int@ NOT NULL DEFAULT 0,
    granted_tokens @int@ NOT NULL DEFAULT 0,
    granted_cost @int@ NOT NULL DEFAULT 0,
    -- Number of answers that did not fit their schema.
    misfits @int@ NOT NULL DEFAULT 0,
    -- Of the session, from 1: spans are asked for by it.
    number @int@ NOT NULL DEFAULT 0,
    -- Sum of the turn's waits for a person, which are no time of its own. While it waits, the
    -- moment at which that began is taken off; it is added when it goes on. By tx_steady_ms.
    waited_ms @int@ NOT NULL DEFAULT 0,
    -- A turn of an agent that is a program. child: id of the run that is its process; 0: none.
    -- read_to: bytes of its output that stand in this turn; the state of its reader there is the
    -- session's. asked: array of {"part","question"}. tries: number of attempts in a row that ended
    -- as `outcome` says. begun: number of its processes, whose rows retention may have removed.
    program_child @int@ NOT NULL DEFAULT 0,
    program_read_to @int@ NOT NULL DEFAULT 0,
    program_asked TEXT NOT NULL DEFAULT '',
    program_tries @int@ NOT NULL DEFAULT 0,
    program_begun @int@ NOT NULL DEFAULT 0,
    program_outcome TEXT NOT NULL DEFAULT '',
    -- Another agent may do its work: it ends where its provider makes it wait for over a minute.
    yields @int@ NOT NULL DEFAULT 0
) @strict@;
CREATE INDEX turns_session ON turns (session, run);
CREATE UNIQUE INDEX turns_number ON turns (session, number);

-- Questions of runs to a person (rules/approval/question.h). step: of the run, by its name; of a
-- turn the tool, whose card is `part` of `message`. session, message 0: none. digest: of the exact
-- call or question. Open while answered_ms is NULL.
CREATE TABLE approvals (
    id @id@,
    approval TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    session @int@ NOT NULL,
    run @int@ NOT NULL,
    message @int@ NOT NULL,
    part @int@ NOT NULL,
    step TEXT NOT NULL,
    kind TEXT NOT NULL,
    digest TEXT NOT NULL,
    arguments TEXT NOT NULL,
    about TEXT NOT NULL,
    shown TEXT NOT NULL,
    state TEXT NOT NULL,
    answer TEXT NOT NULL,
    answered_by TEXT NOT NULL,
    asked_ms @int@ NOT NULL,
    answered_ms @int@
) @strict@;
CREATE INDEX approvals_owner ON approvals (owner, id);
CREATE INDEX approvals_open ON approvals (owner, id) WHERE answered_ms IS NULL;
CREATE INDEX approvals_run ON approvals (run, step);

-- Other owners who may answer an open question.
CREATE TABLE approvers (
    approval @int@ NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (approval, owner)
) @strict@;
CREATE INDEX approvers_owner ON approvers (owner, approval);

-- Connections to providers of models; like the settings they belong to the daemon, to no owner.
-- key_file: the name of the file of its key in the data directory (dispatch/provider/key_files.h);
-- '': it has no key. A key itself is never in the database. key_header '': the usual one. headers,
-- models: JSON.
-- context_window, max_concurrent 0: not set.
CREATE TABLE providers (
    name TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    base_url TEXT NOT NULL,
    key_file TEXT NOT NULL,
    key_header TEXT NOT NULL DEFAULT '',
    headers TEXT NOT NULL,
    models TEXT NOT NULL,
    context_window @int@ NOT NULL,
    max_concurrent @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL
) @strict@;

-- Definitions of agents that were stored (rules/agent/fields.c); like connections they belong to
-- the daemon, to no owner. definition: JSON, without secrets.
CREATE TABLE agents (
    name TEXT NOT NULL PRIMARY KEY,
    definition TEXT NOT NULL,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL
) @strict@;

-- Agents whose provider refused or failed, by name; like definitions they belong to the daemon.
-- until_ms: end of the cool-down, by the wall clock. outcome: a name of rules/agent/outcome.h.
CREATE TABLE agent_cools (
    agent TEXT NOT NULL PRIMARY KEY,
    until_ms @int@ NOT NULL,
    outcome TEXT NOT NULL,
    changed_ms @int@ NOT NULL
) @strict@;
CREATE INDEX agent_cools_until ON agent_cools (until_ms, agent);

-- A setting that nobody made has no row.
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    changed_ms @int@ NOT NULL
) @strict@;

-- How many tokens a provider was seen to take, where that is less than anybody said. model:
-- CONNECTION/MODEL.
CREATE TABLE learned_windows (
    model TEXT NOT NULL PRIMARY KEY,
    tokens @int@ NOT NULL,
    until_ms @int@ NOT NULL
) @strict@;

-- Parameters that a provider has refused: calls of that model are made without them for a time.
-- model: CONNECTION/MODEL. parameters: names of rules/provider/parameters.h, with blanks between.
CREATE TABLE refused_parameters (
    model TEXT NOT NULL PRIMARY KEY,
    parameters TEXT NOT NULL,
    until_ms @int@ NOT NULL
) @strict@;

-- Folders beside the project's root that the tools of a session may use.
-- path: where the folder really is, without links. access: read | write. granted_by: the owner who
-- said yes.
CREATE TABLE session_roots (
    session @int@ NOT NULL,
    path TEXT NOT NULL,
    access TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    granted_ms @int@ NOT NULL,
    PRIMARY KEY (session, path)
) @strict@;

-- Checkpoints: what a model is shown in place of the beginning of a long session.
-- message: id of the last message that the summary covers; step: of that message it covers the
-- parts up to this step, 0: all. question: id of a message before it that is shown nevertheless,
-- because its turn was running; 0: none. made_by: auto, manual. method: how the summary came about:
-- summary (a model wrote it), excerpt. void 1: a message that it covers was changed or removed.
CREATE TABLE checkpoints (
    id @id@,
    session @int@ NOT NULL,
    message @int@ NOT NULL,
    step @int@ NOT NULL,
    question @int@ NOT NULL,
    void @int@ NOT NULL,
    tokens_before @int@ NOT NULL,
    tokens_after @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    made_by TEXT NOT NULL,
    method TEXT NOT NULL,
    summary TEXT NOT NULL
) @strict@;
CREATE INDEX checkpoints_session ON checkpoints (session, id);
CREATE INDEX checkpoints_active ON checkpoints (session, message) WHERE void = 0;

-- What a workflow needs to go on after a crash. script: hash of its text; resumed_from: the run
-- whose results it may take, 0: none; lines: the highest number of a phase or a log line that was
-- stored; crashes: of its worker, in all; deadline_ms 0: none.
CREATE TABLE workflows (
    run @int@ NOT NULL PRIMARY KEY,
    script TEXT NOT NULL,
    resumed_from @int@ NOT NULL,
    lines @int@ NOT NULL,
    crashes @int@ NOT NULL,
    deadline_ms @int@ NOT NULL
) @strict@;
CREATE INDEX workflows_script ON workflows (script);

-- Texts of scripts, by their SHA-256: a run goes on with the one that it began with.
CREATE TABLE scripts (
    hash TEXT NOT NULL PRIMARY KEY,
    source TEXT NOT NULL
) @strict@;

-- What workflow() found, in a run: a script, or a sentence why there was none (script '').
CREATE TABLE workflow_refs (
    run @int@ NOT NULL,
    step_key TEXT NOT NULL,
    occurrence @int@ NOT NULL,
    done_no @int@ NOT NULL,
    script TEXT NOT NULL,
    file TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (run, done_no)
) @strict@;
CREATE INDEX workflow_refs_script ON workflow_refs (script);

-- Timers of a run's script, numbered as they were made. done_no 0: pending, or the run ended first
-- (cancelled). cached: taken over from the run that this one resumes.
CREATE TABLE workflow_timers (
    run @int@ NOT NULL,
    number @int@ NOT NULL,
    step_key TEXT NOT NULL,
    occurrence @int@ NOT NULL,
    done_no @int@ NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    cached @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    due_ms @int@ NOT NULL,
    ended_ms @int@,
    line @int@ NOT NULL,
    place_column @int@ NOT NULL,
    file TEXT NOT NULL,
    PRIMARY KEY (run, number)
) @strict@;
CREATE INDEX workflow_timers_done ON workflow_timers (run, done_no);

-- Usage of models by day (since 1970, UTC) and hour of that day, session (ses_…, or ''), model,
-- category (turn, follow_up, subagent, review, …), project, agent, workflow and phase: agents of
-- workflows that are one call are of no session, so that without the others two projects of an
-- owner would share a row. A row with a tool counts calls of that tool, not of a model: their time
-- in ms, and those that failed. *_tokens: parts of the input of calls whose prompt was measured.
CREATE TABLE usage_totals (
    id @id@,
    owner TEXT NOT NULL,
    day @int@ NOT NULL,
    session TEXT NOT NULL,
    model TEXT NOT NULL,
    category TEXT NOT NULL,
    project TEXT NOT NULL,
    agent TEXT NOT NULL,
    hour @int@ NOT NULL DEFAULT 0,
    -- id of the workflow's run; 0: none. Its words go with it: workflow, phase, agent.
    run @int@ NOT NULL DEFAULT 0,
    workflow TEXT NOT NULL DEFAULT '',
    phase TEXT NOT NULL DEFAULT '',
    tool TEXT NOT NULL DEFAULT '',
    ms @int@ NOT NULL DEFAULT 0,
    errors @int@ NOT NULL DEFAULT 0,
    tools_tokens @int@ NOT NULL DEFAULT 0,
    instructions_tokens @int@ NOT NULL DEFAULT 0,
    history_tokens @int@ NOT NULL DEFAULT 0,
    calls @int@ NOT NULL,
    fresh @int@ NOT NULL,
    cache_read @int@ NOT NULL,
    cache_write @int@ NOT NULL,
    output @int@ NOT NULL,
    reasoning @int@ NOT NULL,
    cost_micros @int@ NOT NULL,
    cost_unknown @int@ NOT NULL,
    UNIQUE (owner, day, hour, session, model, category, project, agent, run, workflow,
        phase, tool)
) @strict@;
CREATE INDEX usage_run ON usage_totals (run, id) WHERE run <> 0;
CREATE INDEX usage_day ON usage_totals (owner, day, id);
CREATE INDEX usage_session ON usage_totals (owner, session, id);

-- Hosts: a data directory on a machine, whose daemon looks after the processes of its own spool,
-- also while another one leads. `place` is that of engine/base/home.h, `name` is for people, `role`
-- is `leader` or `standby`, `seen_ms` the last sign of life.
CREATE TABLE hosts (
    id @id@,
    place TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    version TEXT NOT NULL,
    made_ms @int@ NOT NULL,
    seen_ms @int@ NOT NULL
) @strict@;

-- Ends of attempts that a standby has seen and the leader has not stored yet. `report` is JSON
-- (engine/host/reports.h).
CREATE TABLE host_reports (
    id @id@,
    place TEXT NOT NULL,
    run TEXT NOT NULL,
    attempt @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    report TEXT NOT NULL,
    UNIQUE (run, attempt, place)
) @strict@;

-- Spool folders of removed runs: those of attempts 1 to `attempts`. place: the host that looks for
-- them; '': the one that leads.
CREATE TABLE folder_removals (
    run TEXT NOT NULL,
    place TEXT NOT NULL,
    attempts @int@ NOT NULL,
    PRIMARY KEY (place, run)
) @strict@;

-- Scripts of runs that somebody deleted: the copies in files go, too, where nobody has touched them
-- since.
CREATE TABLE script_removals (
    hash TEXT NOT NULL PRIMARY KEY,
    made_ms @int@ NOT NULL
) @strict@;
