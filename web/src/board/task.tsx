/** One task: beside its board, or as a page of its own. */
import { useEffect, useRef, useState } from "preact/hooks";

import { patch, type Problem } from "../api/api.ts";
import { Sum, useTotals } from "../changes/link/sum.tsx";
import { words as sums } from "../changes/link/words.ts";
import { Markdown } from "../markdown/index.ts";
import { copyText } from "../parts/copy.tsx";
import { Loading } from "../parts/loading.tsx";
import { useSheet } from "../parts/sheet.ts";
import { Sure } from "../parts/sure.tsx";
import { ago, timeTo } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useNamed } from "../router/router.ts";
import type { Params } from "../router/routes.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { now } from "../state/clock.ts";
import { may } from "../state/me.ts";
import { isUnread, moveAll } from "./actions.ts";
import { Bars } from "./card.tsx";
import { factsOf } from "./fields.ts";
import { useTask } from "./follow.ts";
import { TaskForm } from "./form.tsx";
import { MoveForm, WaiveForm } from "./move.tsx";
import {
  Attempts, Events, Judged, Level, MustHaves, Outputs, Part, Reviews,
} from "./records.tsx";
import { isJudged, pathOf, type Status, type WholeTask } from "./rules.ts";
import { Question, Talk } from "./talk.tsx";
import { words } from "./words.ts";

const SHAPES: Record<Status, [shape: string, tone: string]> = {
  pending: ["○", "queued"], claimed: ["◔", "run"], working: ["◔", "run"], review: ["◆", "wait"],
  done: ["✓", "ok"], failed: ["✕", "fail"], blocked: ["◆", "wait"], cancelled: ["⊘", "stopped"],
};
const OVER: readonly Status[] = ["done", "failed", "cancelled"];

type Wish = { kind: "edit" } | { kind: "move"; to?: Status } | { kind: "waive"; needs: string };

const StatusOf = ({ task: { status } }: { task: WholeTask }) => (
  <span class={`state tone-${SHAPES[status][1]}`}>
    <span class="shape" aria-hidden="true">{SHAPES[status][0]}</span>
    <span>{words.statuses[status]}</span>
  </span>
);

/** Why it stands where it stands. */
function Why({ task }: { task: WholeTask }) {
  const { status, waits, because, detail, not_before_ms, rejections } = task;
  const lines = [
    not_before_ms > now.value && status === "pending"
      ? words.notBefore(timeTo(not_before_ms, now.value)) : waits,
    status === "failed" || status === "pending" || (status === "blocked" && !isJudged(task))
      ? [because, detail].filter((one) => one !== null).join(": ") || null : null,
    rejections > 0 ? words.sentBack(rejections) : null,
  ].filter((one) => one !== null);
  return <>{lines.map((line) => <p key={line} class="tone-wait" dir="auto">{visible(line)}</p>)}</>;
}

function Needs({ task, waive }: { task: WholeTask; waive: ((needs: string) => void) | null }) {
  if (task.depends_on.length === 0) return null;
  const waived = new Set(task.events.filter(({ type }) => type === "waived")
    .map(({ detail }) => detail.needs));
  return (
    <Part title={words.waitsFor}>
      <ul class="task-list">
        {task.depends_on.map((name) => (
          <li key={name}>
            <a class="mono" href={`/board/${encodeURIComponent(task.project)}/${name}`}>{name}</a>
            {waived.has(name) ? <span class="muted">{words.waived}</span>
              : waive === null || OVER.includes(task.status) ? null : (
                <button class="quiet" aria-label={words.waiveOf(name)}
                  onClick={() => waive(name)}>{words.waive}</button>
              )}
          </li>
        ))}
      </ul>
    </Part>
  );
}

/** Shortest time between two reads of the sum of changes. */
const CHANGES_MS = 1_000;

/** The branch of its working tree leads to that. */
function TreeOf({ worktree }: { worktree: Record<string, unknown> | null }) {
  if (typeof worktree?.branch !== "string") return null;
  const name = worktree.branch.replace(/^drover\//, "");
  return (
    <div>
      <dt>{words.tree}</dt>
      <dd><a class="mono" href={`/trees?q=${encodeURIComponent(name)}`}>{visible(name)}</a></dd>
    </div>
  );
}

/** What its last attempt has changed. */
function ChangesOf({ task: { session, attempt, status } }: { task: WholeTask }) {
  const changes = useTotals(session === null ? null : `/sessions/${session}`, {
    pause_ms: CHANGES_MS,
    after: ({ type, data }) => type === "changes_changed" &&
      (data as { session?: string }).session === session,
  }, [attempt, status]);
  if (changes === null) return null;
  return (
    <div>
      <dt>{words.changes}</dt>
      <dd><a href={`/s/${session}/changes`} aria-label={sums.about(changes)}>
        <Sum {...changes} /></a></dd>
    </div>
  );
}

function Facts({ task }: { task: WholeTask }) {
  const facts = factsOf(task);
  if (facts.length === 0 && task.worktree === null && task.session === null) return null;
  return (
    <dl class="task-facts">
      {facts.map(([name = "", text = ""]) => (
        <div key={name}>
          <dt>{words.fields[name]?.[0]}</dt>
          <dd dir="auto">{visible(text)}</dd>
        </div>
      ))}
      <TreeOf worktree={task.worktree} />
      <ChangesOf task={task} />
    </dl>
  );
}

interface WholeProps {
  task: WholeTask;
  page: boolean;
  /** The field of a comment gets the focus at first. */
  talk: boolean;
}

function Whole({ task, page, talk }: WholeProps) {
  const [wish, wishSet] = useState<Wish | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null), [said, saidSet] = useState("");
  const field = useRef<HTMLTextAreaElement>(null), person = may("approve");
  const { status, name, project } = task, board = `/board/${encodeURIComponent(project)}`;
  const isOver = OVER.includes(status), Title = page ? "h1" : "h2";
  const toTalk = (): void => {
    field.current?.focus();
    field.current?.scrollIntoView({ block: "nearest" });
  };
  useEffect(() => void (talk && toTalk()), [talk]);
  const move = async (to: Status): Promise<void> => {
    const outcome = await moveAll([task], to), [first] = outcome.refused;
    // What is unread says so itself.
    problemSet(isUnread(outcome) ? null : first?.problem ?? null);
  };
  const archive = async (): Promise<void> => {
    const answer = await patch(pathOf(task), { archived: !(task.archived ?? false) });
    problemSet(answer.ok ? null : answer.problem);
  };
  const accept = (): void => void move("done");
  const reject = (): void => wishSet({ kind: "move", to: "pending" });
  const edit = (): void => wishSet({ kind: "edit" });
  const copyLink = async (): Promise<void> => saidSet(
    await copyText(`${location.origin}/t/${task.id}`) ? words.copied : words.notCopied);
  useKeys([
    { name: "copyLink", run: () => void copyLink() },
    ...(person ? [
      { name: "commentTask" as const, run: toTalk },
      { name: "editTask" as const, run: edit },
      ...(page ? [{ name: "moveTask" as const, run: () => wishSet({ kind: "move" }) }] : []),
      ...(isJudged(task) ? [
        { name: "acceptTask" as const, once: true, run: accept },
        { name: "rejectTask" as const, run: reject },
      ] : []),
    ] : []),
  ]);
  return (
    <Level.Provider value={page ? "h2" : "h3"}>
      <p class="task-top">
        {page ? <span class="mono">{name}</span> : null}
        <StatusOf task={task} />
        <span class="muted" dir="auto">{visible(task.type)}</span>
        <Bars priority={task.priority} />
        {task.agent === null ? null : <bdi class="muted">{visible(task.agent)}</bdi>}
        <span class="muted">{ago(now.value - task.made_ms)}</span>
      </p>
      <Title class="task-title" dir="auto">{visible(task.title)}</Title>
      <Why task={task} />
      <div class="acts task-acts">
        {person && isJudged(task) ? (
          <>
            <button class="main" onClick={accept}>{words.accept}<Hint of="acceptTask" /></button>
            <button onClick={reject}>{words.reject}<Hint of="rejectTask" /></button>
          </>
        ) : null}
        {person && isOver ? (
          <button onClick={() => void move("pending")}>{words.reopen}</button>
        ) : null}
        {person ? (
          <>
            <button class="quiet" onClick={() => wishSet({ kind: "move" })}>
              {words.move}<Hint of="moveTask" />
            </button>
            <button class="quiet" onClick={toTalk}>{words.comment}<Hint of="commentTask" /></button>
            <button class="quiet" onClick={edit}>{words.edit}<Hint of="editTask" /></button>
            {isOver ? (
              <button class="quiet" onClick={() => void archive()}>
                {task.archived ? words.unarchive : words.archive}
              </button>
            ) : (
              <Sure name={words.cancelTask} label={words.cancelOf(name)} sure={words.sureCancel}
                onSure={() => void move("cancelled")} />
            )}
          </>
        ) : null}
        <a class="button quiet" href={page ? `${board}/${name}` : `/t/${task.id}`}>
          {page ? words.toBoard : words.wholePage}
        </a>
      </div>
      <p class="hidden" role="status">{said}</p>
      <Trouble problem={problem} />
      {status !== "blocked" || task.question === null ? null
        : <Question task={task} may={person && !isJudged(task)} />}
      {isJudged(task) ? <Judged task={task} /> : null}
      <Part title={words.description}>
        {task.description === "" ? <p class="muted">{words.noDescription}</p>
          : <Markdown text={task.description} done />}
        <Facts task={task} />
      </Part>
      <MustHaves task={task} />
      <Needs task={task} waive={person ? (needs) => wishSet({ kind: "waive", needs }) : null} />
      <Attempts task={task} />
      <Outputs task={task} />
      <Reviews task={task} />
      <Talk task={task} may={person} field={field} />
      <Events task={task} />
      {wish?.kind === "edit" ? (
        <TaskForm project={project} task={task} close={() => wishSet(null)} done={() => {}} />
      ) : null}
      {wish?.kind === "move" ? (
        <MoveForm tasks={[task]} to={wish.to} close={() => wishSet(null)} done={() => {}} />
      ) : null}
      {wish?.kind === "waive" ? (
        <WaiveForm task={task} needs={wish.needs} close={() => wishSet(null)} done={() => {}} />
      ) : null}
    </Level.Provider>
  );
}

/** Beside the board; on a phone over it. */
export function TaskAside({ project, name, talk, onClose, onBack }: {
  project: string; name: string; talk: boolean; onClose(): void; onBack(): void;
}) {
  const { value: task, problem, again } = useTask(`${encodeURIComponent(project)}/tasks/${
    encodeURIComponent(name)}`);
  const close = useSheet(onBack), named = useNamed();
  return (
    <aside class="board-side task" aria-label={named(words.task)}>
      <p class="task-top">
        <span class="mono">{visible(name)}</span>
        <button ref={close} class="quiet end" onClick={onClose}>{words.close}</button>
      </p>
      <Trouble problem={problem} retry={again} />
      {task === null ? (problem === null ? <Loading /> : null)
        : <Whole key={task.id} task={task} page={false} talk={talk} />}
    </aside>
  );
}

export function TaskView({ id = "" }: Params) {
  const { value: task, problem, again } = useTask(`_/tasks/${encodeURIComponent(id)}`);
  return (
    <div class="page task task-page">
      {task === null && problem !== null ? <h1>{words.noTask}</h1> : null}
      <Trouble problem={problem} retry={again} />
      {task === null ? (problem === null ? <Loading /> : null)
        : <Whole key={task.id} task={task} page talk={false} />}
    </div>
  );
}
