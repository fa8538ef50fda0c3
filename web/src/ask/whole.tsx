/** All of a question: its whole text, where it comes from, and every way to answer it. */
import { useEffect, useId, useState } from "preact/hooks";

import type { Ask } from "../api/types.ts";
import { Brand } from "../parts/brand.tsx";
import { visible } from "../parts/visible.ts";
import { askRead, isOpen, type Reply } from "../state/asks.ts";
import { may } from "../state/me.ts";
import { Always, mayAlways } from "./always.tsx";
import type { Form } from "./form.tsx";
import { Origin, Subject } from "./head.tsx";
import { Outcome } from "./outcome.tsx";
import { useReply, type Replying } from "./reply.ts";
import { Shown } from "./shown.tsx";
import { bodyOf, choicesOf, diffOf, isCut, isYesNo, optionsOf } from "./text.ts";
import { words as all } from "../words.ts";
import { words } from "./words.ts";

/** Yes, no with its reason, and a yes from now on. */
function YesNo({ ask, answering }: { ask: Ask; answering: Replying }) {
  const { off, reply } = answering;
  const [reason, reasonSet] = useState(""), [always, alwaysSet] = useState(false);
  return (
    <div class="form">
      <div class="acts">
        <button class="main" disabled={off}
          onClick={(event) => reply(event, { decision: "allow" })}>{words.allow}</button>
        <button disabled={off} onClick={(event) => reply(event, no(reason))}>{words.deny}</button>
        {mayAlways(ask) ? (
          <button aria-expanded={always} onClick={() => alwaysSet(!always)}>{words.always}</button>
        ) : null}
      </div>
      {always ? (
        <Always ask={ask} answering={answering} close={() => alwaysSet(false)} />
      ) : null}
      <Reason text={reason} set={reasonSet} />
    </div>
  );
}

function Reason({ text, set }: { text: string; set(text: string): void }) {
  return (
    <label class="field">{words.reason}
      <input type="text" dir="auto" maxLength={2000} value={text}
        onInput={(event) => set(event.currentTarget.value)} />
    </label>
  );
}

const no = (reason: string): Reply => ({ decision: "deny", ...(reason !== "" && { reason }) });

/** A no, where nothing else is to be said; with its reason where somebody reads that. */
function Deny({ off, reply, reasons = false }: Replying & { reasons?: boolean }) {
  const [reason, reasonSet] = useState("");
  return (
    <>
      {reasons ? <Reason text={reason} set={reasonSet} /> : null}
      <button type="button" disabled={off}
        onClick={(event) => reply(event, no(reason))}>{words.deny}</button>
    </>
  );
}

/** Forms are rare: what draws them is loaded with the first one. */
function Fields({ ask, answering }: { ask: Ask; answering: Replying }) {
  const [one, oneSet] = useState<{ Form: typeof Form } | "failed" | null>(null);
  useEffect(() => void import("./form.tsx").then(oneSet, () => oneSet("failed")), []);
  if (one === "failed") return <p role="alert">{all.otherBuild}</p>;
  return one === null ? null : (
    <one.Form schema={ask.arguments?.schema} disabled={answering.off}
      send={(fields) => answering.reply(new Event("submit"), { fields })} />
  );
}

function Choices({ ask, answering }: { ask: Ask; answering: Replying }) {
  return (
    <div class="choices">
      {choicesOf(ask).map(({ text, reply }, at) => (
        <button key={text} type="button" disabled={answering.off}
          onClick={(event) => answering.reply(event, reply)}>
          <kbd>{at + 1}</kbd> <bdi>{text}</bdi>
        </button>
      ))}
    </div>
  );
}

/** A model's question: one of its options, several, or any text. */
function Free({ ask, answering }: { ask: Ask; answering: Replying }) {
  const { off, reply } = answering;
  const [text, textSet] = useState("");
  const [picked, pickedSet] = useState<readonly string[]>([]);
  const options = optionsOf(ask), multi = ask.arguments?.multi === true;
  const send = (event: Event): void => {
    event.preventDefault();
    const chosen = options.filter((one) => picked.includes(one));
    if (chosen.length > 0) reply(event, { answer: text === "" ? chosen : [...chosen, text] });
    else if (text !== "") reply(event, { answer: text });
  };
  return (
    <form class="form" onSubmit={send}>
      {multi && options.length > 0 ? <span class="muted small">{words.several}</span> : null}
      {multi ? options.map((one) => (
        <label key={one} class="check">
          <input type="checkbox" checked={picked.includes(one)} onChange={() =>
            pickedSet((now) =>
              (now.includes(one) ? now.filter((other) => other !== one) : [...now, one]))} />
          <bdi>{visible(one)}</bdi>
        </label>
      )) : <Choices ask={ask} answering={answering} />}
      <label class="field">{words.yours}
        <textarea rows={2} dir="auto" value={text}
          onInput={(event) => textSet(event.currentTarget.value)} />
      </label>
      <div class="acts">
        <button class="main" disabled={off}>{words.send}</button>
        <Deny {...answering} />
      </div>
    </form>
  );
}

function Answers({ ask }: { ask: Ask }) {
  const answering = useReply(ask);
  if (isYesNo(ask)) return <YesNo ask={ask} answering={answering} />;
  if (ask.kind === "answer") return <Free ask={ask} answering={answering} />;
  return (
    <>
      {ask.kind === "choice" ? <Choices ask={ask} answering={answering} />
        : <Fields ask={ask} answering={answering} />}
      <div class="form"><Deny {...answering} reasons={ask.kind === "form"} /></div>
    </>
  );
}

export function Whole({ ask }: { ask: Ask }) {
  const id = useId();
  const short = isCut(ask);
  useEffect(() => {
    if (short) void askRead(ask.id);
  }, [ask.id, short]);
  return (
    <article class="ask-whole" aria-labelledby={id} data-ask={ask.id}>
      <div class="ask-head">
        <Brand id={ask.root_run ?? ask.run} />
        <div class="what">
          <h2 id={id} class="ask-title"><Subject ask={ask} /></h2>
          <Origin ask={ask} />
        </div>
      </div>
      <Shown ask={ask} />
      {diffOf(ask) === "" ? null : (
        <details>
          <summary>{words.asText}</summary>
          <pre dir="auto" class="shown" tabIndex={0}>{bodyOf(ask)}</pre>
        </details>
      )}
      {ask.about?.review ? (
        <p class="muted small">{words.undecided} <bdi>{visible(ask.about.review)}</bdi></p>
      ) : null}
      {ask.about?.old_rule ? (
        <p class="tone-wait small">◆ {words.oldRule} <code>{visible(ask.about.old_rule)}</code></p>
      ) : null}
      <Outcome ask={ask} />
      {isOpen(ask) && may("approve") ? <Answers key={ask.digest} ask={ask} /> : null}
    </article>
  );
}
