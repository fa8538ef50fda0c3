-- Tasks of a project (rules/board/task.h). name: 'T-31', of `place`, by which they are numbered.
-- depth: of the task in whose attempt it was added, and one more.
-- attempt, session, run: of the last attempt; open_attempt: it has not ended. Lists are JSON.
-- plan: none or required; plan_state: '' (no plan is required), missing, waiting, approved.
-- *_failures: attempts since it was opened that ended so (rules/board/board.h).
-- prints: JSON of the fingerprints that were taken with the task, of what it must leave unchanged.
-- worktree: JSON of the working tree in which its attempts work; '': the folder of the project.
CREATE TABLE tasks (
    id @id@,
    task TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    place @int@ NOT NULL,
    title TEXT NOT NULL,
    type TEXT NOT NULL,
    priority @int@ NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    agent TEXT NOT NULL,
    assignee TEXT NOT NULL,
    capability TEXT NOT NULL,
    lane TEXT NOT NULL,
    epic TEXT NOT NULL,
    source TEXT NOT NULL,
    depends_on TEXT NOT NULL,
    must_haves TEXT NOT NULL,
    links TEXT NOT NULL,
    prints TEXT NOT NULL,
    plan TEXT NOT NULL,
    plan_state TEXT NOT NULL,
    worktree TEXT NOT NULL DEFAULT '',
    retry_count @int@ NOT NULL,
    attempt_count @int@ NOT NULL,
    connect_failures @int@ NOT NULL,
    api_failures @int@ NOT NULL,
    lock_failures @int@ NOT NULL,
    monitor_failures @int@ NOT NULL,
    max_attempts @int@ NOT NULL,
    rejections @int@ NOT NULL,
    depth @int@ NOT NULL,
    attempt TEXT NOT NULL,
    open_attempt @int@ NOT NULL,
    session TEXT NOT NULL,
    run TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    review_run TEXT NOT NULL,
    not_before_ms @int@ NOT NULL,
    archived @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL,
    completed_ms @int@,
    description TEXT NOT NULL,
    UNIQUE (owner, project, place)
) @strict@;
CREATE UNIQUE INDEX tasks_source ON tasks (owner, project, source) WHERE source <> '';
CREATE INDEX tasks_owner ON tasks (owner, id);
-- Those that an agent may take, in the order in which they go; and those that one has.
CREATE INDEX tasks_pending ON tasks (owner, project, priority DESC, id)
    WHERE status = 'pending' AND archived = 0;
CREATE INDEX tasks_open ON tasks (owner, project)
    WHERE status IN ('pending', 'claimed', 'working', 'review');
-- Results that wait for a verdict, and tasks that wait for their time.
CREATE INDEX tasks_judged ON tasks (owner, project, priority DESC, id)
    WHERE status = 'review' AND archived = 0;
CREATE INDEX tasks_later ON tasks (owner, project, not_before_ms)
    WHERE status IN ('pending', 'review') AND archived = 0;
-- Trees of tasks that are over, which may be removed.
CREATE INDEX tasks_trees ON tasks (owner, project)
    WHERE worktree <> '' AND status IN ('done', 'failed', 'cancelled');
CREATE INDEX tasks_held ON tasks (owner, project, agent) WHERE status IN ('claimed', 'working');
CREATE INDEX tasks_run ON tasks (run) WHERE run <> '';
CREATE INDEX tasks_review ON tasks (review_run) WHERE review_run <> '';
CREATE INDEX tasks_session ON tasks (session) WHERE session <> '';

-- What a task waits for, by ids. waived_by: the person who said that it need not; '': nobody did.
CREATE TABLE task_needs (
    task @int@ NOT NULL,
    needs @int@ NOT NULL,
    waived_by TEXT NOT NULL DEFAULT '',
    waived_because TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (task, needs)
) @strict@;
CREATE INDEX task_needs_needs ON task_needs (needs);

-- What is written down about a task (tsk_…).
CREATE TABLE task_outputs (
    id @id@,
    output TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    project TEXT NOT NULL,
    task TEXT NOT NULL,
    attempt TEXT NOT NULL,
    agent TEXT NOT NULL,
    type TEXT NOT NULL,
    title TEXT NOT NULL,
    summary TEXT NOT NULL,
    bytes @int@ NOT NULL,
    hash TEXT NOT NULL,
    plan @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    content TEXT NOT NULL
) @strict@;
CREATE INDEX task_outputs_task ON task_outputs (task, id);
CREATE INDEX task_outputs_attempt ON task_outputs (attempt, id);

CREATE TABLE task_comments (
    id @id@,
    comment TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    project TEXT NOT NULL,
    task TEXT NOT NULL,
    author TEXT NOT NULL,
    made_ms @int@ NOT NULL,
    body TEXT NOT NULL
) @strict@;
CREATE INDEX task_comments_task ON task_comments (task, id);

-- began: a turn of its session was made for it. run '': an agent that is no run of ours.
-- metadata: JSON object, written at its end; '': it goes on.
CREATE TABLE task_attempts (
    id @id@,
    attempt TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    project TEXT NOT NULL,
    task TEXT NOT NULL,
    attempt_number @int@ NOT NULL,
    agent TEXT NOT NULL,
    session TEXT NOT NULL,
    run TEXT NOT NULL,
    began @int@ NOT NULL,
    outcome TEXT NOT NULL,
    exit_code @int@ NOT NULL,
    task_status_at_exit TEXT NOT NULL,
    metadata TEXT NOT NULL,
    note TEXT NOT NULL,
    made_ms @int@ NOT NULL,
    ended_ms @int@
) @strict@;
CREATE INDEX task_attempts_task ON task_attempts (task, id);
CREATE INDEX task_attempts_run ON task_attempts (run) WHERE run <> '';
CREATE INDEX task_attempts_open ON task_attempts (id) WHERE ended_ms IS NULL;

CREATE TABLE task_reviews (
    id @id@,
    review TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    project TEXT NOT NULL,
    task TEXT NOT NULL,
    attempt TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    accept @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    reasons TEXT NOT NULL
) @strict@;
CREATE INDEX task_reviews_task ON task_reviews (task, id);

CREATE TABLE task_events (
    id @id@,
    task TEXT NOT NULL,
    agent TEXT NOT NULL,
    type TEXT NOT NULL,
    made_ms @int@ NOT NULL,
    detail TEXT NOT NULL
) @strict@;
CREATE INDEX task_events_task ON task_events (task, id);

-- Mail (rules/mail/mail.h). session: where it goes; '': a person reads it. delivery: its row of the
-- inbox; turn: the run that reads it, or has read it; message: that by which it joined a turn.
CREATE TABLE mail (
    id @id@,
    mail TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    project TEXT NOT NULL,
    sender TEXT NOT NULL,
    receiver TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    cause TEXT NOT NULL,
    in_reply_to TEXT NOT NULL,
    about TEXT NOT NULL,
    urgent @int@ NOT NULL,
    depth @int@ NOT NULL,
    session TEXT NOT NULL,
    from_session TEXT NOT NULL,
    from_project TEXT NOT NULL,
    turn TEXT NOT NULL,
    message TEXT NOT NULL,
    delivery TEXT NOT NULL,
    attempts @int@ NOT NULL,
    made_ms @int@ NOT NULL,
    changed_ms @int@ NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL
) @strict@;
CREATE INDEX mail_owner ON mail (owner, id);
CREATE INDEX mail_project ON mail (owner, project, id);
CREATE INDEX mail_turn ON mail (turn) WHERE turn <> '';
CREATE INDEX mail_reply ON mail (owner, in_reply_to, id);
-- Each turn that was given mail, and how deep that is: what is sent from inside of it, also by a
-- job that goes on after it failed, is deeper.
CREATE TABLE mail_attempts (
    turn TEXT NOT NULL,
    mail TEXT NOT NULL,
    depth @int@ NOT NULL,
    PRIMARY KEY (turn, mail)
) @strict@;
CREATE INDEX mail_attempts_mail ON mail_attempts (mail);
CREATE INDEX mail_over ON mail (changed_ms, id) WHERE status IN ('done', 'failed', 'retracted');
