/** The rows of a conversation. */
import {
  Copy, Ellipsis, GitFork, Link as LinkIcon, Pencil, Pin, PinOff, RotateCcw, RotateCw,
} from "lucide-preact";
import { memo } from "preact/compat";

import { post } from "../api/api.ts";
import { Images } from "../images/index.ts";
import { Markdown } from "../markdown/index.ts";
import { Bounded } from "../parts/bounded.tsx";
import { causeText } from "../parts/cause.ts";
import { copyText } from "../parts/copy.tsx";
import { when } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { now } from "../state/clock.ts";
import type { Message, Part } from "../state/message.ts";
import { words as shared } from "../words.ts";
import { Notice } from "./notice.tsx";
import type { Row } from "./rows.ts";
import { pinned, pinsChange } from "./side/pins.ts";
import { useOpen, useTalk } from "./talk.ts";
import { plain, price, tokensOf, whoOf } from "./text.ts";
import { Tools } from "./tools.tsx";
import { words } from "./words.ts";

function Actions({ message, who }: { message: Message; who: string }) {
  const { session, edit, rewind, say, mayWrite, mayRewind } = useTalk(), seat = useSeat();
  const copy = async (text: string, said: string): Promise<void> =>
    say(await copyText(text) ? said : words.notCopied);
  const fork = async (): Promise<void> => {
    const answer = await post<{ id: string }>(`/sessions/${session}/fork`, { message: message.id });
    if (answer.ok) seat.go(`/s/${answer.value.id}`);
    else say(shared.problem(answer.problem));
  };
  const again = async (): Promise<void> => {
    const answer = await post(`/messages/${message.id}/regenerate`, {});
    if (!answer.ok) say(shared.problem(answer.problem));
  };
  const [open, openSet] = useOpen(`${message.id}/actions`, false);
  const isPinned = pinned(seat, session).includes(message.id);
  const pin = async (): Promise<void> => {
    const problem = await pinsChange(seat, session, (pins) => (isPinned
      ? pins.filter((one) => one !== message.id) : [...pins, message.id]));
    if (problem !== null) say(shared.problem(problem));
  };
  const button = (name: string, icon: typeof Copy, run: () => void) => {
    const Icon = icon;
    return (
      <button class="quiet icon" aria-label={words.of(name, who)} title={name} onClick={run}>
        <Icon size={14} aria-hidden="true" />
      </button>
    );
  };
  const isSaid = message.role === "user" && message.status !== "rolled_back";
  const link = `${location.origin}/s/${session}#${message.id}`;
  return (
    <span class={open ? "actions open" : "actions"}>
      <button class="quiet icon more" aria-expanded={open}
        aria-label={words.of(words.actions, who)} onClick={() => openSet(!open)}>
        <Ellipsis size={14} aria-hidden="true" />
      </button>
      {button(words.copy, Copy, () => void copy(plain(message), words.done.copy))}
      {mayWrite && message.role === "user" ? button(words.edit, Pencil, () => edit(message)) : null}
      {mayWrite && message.role === "assistant"
        ? button(words.answerAgain, RotateCw, () => void again()) : null}
      {mayWrite ? button(words.fork, GitFork, () => void fork()) : null}
      {mayRewind && isSaid ? button(words.rewind, RotateCcw, () => rewind(message)) : null}
      {button(isPinned ? words.unpin : words.pin, isPinned ? PinOff : Pin, () => void pin())}
      {button(words.link, LinkIcon, () => void copy(link, words.done.link))}
    </span>
  );
}

/** Another answer to the same question takes the place of this one. */
function Versions({ id, all }: { id: string; all: readonly string[] }) {
  const { say, mayWrite } = useTalk(), at = all.indexOf(id);
  const choose = async (other: string): Promise<void> => {
    const answer = await post(`/messages/${other}/choose`, {});
    if (!answer.ok) say(shared.problem(answer.problem));
  };
  const button = (label: string, sign: string, other: string | undefined) => (
    <button class="quiet icon" aria-label={label} title={label}
      disabled={!mayWrite || other === undefined} onClick={() => other && void choose(other)}>
      {sign}
    </button>
  );
  return (
    <span class="versions num" role="group" aria-label={words.versions}>
      {button(words.versionBefore, "‹", all[at - 1])}
      {at + 1} / {all.length}
      {button(words.versionAfter, "›", all[at + 1])}
    </span>
  );
}

interface WhoProps { message: Message; versions?: readonly string[] | undefined; children?: string }

function Who({ message, versions, children }: WhoProps) {
  const who = whoOf(message, useTalk());
  return (
    <div class="who">
      <h2 dir="auto">{who}</h2>
      <span class="muted">
        {when(message.made_ms, now.value)}{children ? ` · ${children}` : ""}
        {message.status === "rolled_back" ? ` · ${words.takenBack}` : ""}
      </span>
      {versions === undefined ? null : <Versions id={message.id} all={versions} />}
      <Actions message={message} who={who} />
    </div>
  );
}

const imagesOf = (parts: Part[]) => parts.filter(({ kind }) => kind === "image")
  .map(({ name = "", data }) => ({ path: `/attachments/${String(data?.id)}`, alt: name }));

function User({ message }: { message: Message }) {
  const images = imagesOf(message.parts);
  return (
    <article class={message.status === "rolled_back" ? "user undone" : "user"}>
      <Who message={message} />
      <div class="prose said" dir="auto"><Bounded text={plain(message)} /></div>
      {images.length === 0 ? null : <Images images={images} />}
    </article>
  );
}

function Head({ message, versions }: Row) {
  const { usage } = message;
  const facts = usage === undefined ? [] : [tokensOf(usage), usage.cost_micros ? price(usage) : ""];
  return (
    <Who message={message} versions={versions}>
      {facts.filter((fact) => fact !== "").join(" · ")}
    </Who>
  );
}

/** What is no part of the answer: thoughts, and what drover said to the model. */
function Aside({ row, part, title }: { row: Row; part: Part; title: string }) {
  const [open, openSet] = useOpen(row.key, false);
  return (
    <div class="thought">
      <button class="bare sum" aria-expanded={open} onClick={() => openSet(!open)}>
        <span aria-hidden="true">{open ? "▾" : "▸"}</span>
        {title}
      </button>
      {open ? <div class="said" dir="auto"><Bounded text={part.text} /></div> : null}
    </div>
  );
}

function Failure({ cause, text }: { cause: string; text: string }) {
  return (
    <div class="failure">
      <p class="tone-fail">
        <span aria-hidden="true">✕ </span>{words.failed}
        {text !== "" || cause === "" ? "" : `: ${causeText(cause)}`}
      </p>
      {text === "" ? null : <p class="said mono" dir="auto"><Bounded text={text} /></p>}
    </div>
  );
}

function End({ message }: { message: Message }) {
  const cause = message.cause ?? "";
  if (message.status === "failed") return <Failure cause={cause} text={message.error ?? ""} />;
  return (
    <p class="muted"><span aria-hidden="true">⊘ </span>{words.stops[cause] ?? words.stopped}</p>
  );
}

function Mark({ message }: { message: Message }) {
  return (
    <p class="summary"><span>{words.compacted} · <span dir="auto">
      {visible(plain(message))}</span></span></p>
  );
}

function Live({ message }: { message: Message }) {
  return (
    <p class="live">
      <span class="caret" role="img" aria-label={words.working} />
      {message.asked ? <span class="tone-wait"> ↻ {words.asked(message.asked)}</span> : null}
    </p>
  );
}

function Content({ row }: { row: Row }) {
  const { message } = row;
  switch (row.kind) {
    case "user": return <User message={message} />;
    case "head": return <Head {...row} />;
    case "mark": return <Mark message={message} />;
    case "notice": return <Notice message={message} />;
    case "live": return <Live message={message} />;
    case "end": return <End message={message} />;
    case "text": return <Markdown text={row.part.text} done={row.done} />;
    case "thought": {
      const title = row.done ? words.thought : words.thinking;
      return <Aside row={row} part={row.part} title={title} />;
    }
    case "note": return <Aside row={row} part={row.part} title={words.toModel} />;
    case "error":
      return <Failure cause={String(row.part.data?.cause ?? "")} text={row.part.text} />;
    case "steer":
      return (
        <blockquote class="steer">
          <h2>{words.joined}</h2>
          <div class="said" dir="auto"><Bounded text={row.part.text} /></div>
        </blockquote>
      );
    case "tools": return <Tools row={row} parts={row.parts} />;
    case "images": return <Images images={imagesOf(row.parts)} />;
  }
}

/** `marked`: a link led here. */
export const RowOf = memo(({ row, marked }: { row: Row; marked: boolean }) => (
  <div class={`talk is-${row.kind}${marked ? " marked" : ""}`} data-message={row.message.id}>
    <Content row={row} />
  </div>
));
