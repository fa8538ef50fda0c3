/** A question, wherever it is shown: a row with its buttons (`compact`), or all of it. */
import { useState } from "preact/hooks";

import type { Ask } from "../api/types.ts";
import { Brand } from "../parts/brand.tsx";
import { Reading } from "../parts/reading.tsx";
import { visible } from "../parts/visible.ts";
import { Hint } from "../shell/kbd.tsx";
import type { Name } from "../shell/shortcuts.ts";
import { isOpen } from "../state/asks.ts";
import { may } from "../state/me.ts";
import { Always, mayAlways } from "./always.tsx";
import { Headline, Origin } from "./head.tsx";
import { Outcome } from "./outcome.tsx";
import { useReply } from "./reply.ts";
import { choicesOf, fitsRow, headline, isYesNo, optionsOf, textOf } from "./text.ts";
import { Whole } from "./whole.tsx";
import { words } from "./words.ts";

const CHOICES_IN_ROW = 4;

interface ButtonsProps {
  ask: Ask; selected: boolean; hidden: boolean; isWhole: boolean; always: boolean;
  alwaysSet(open: boolean): void;
}

function Buttons({ ask, selected, hidden, isWhole, always, alwaysSet }: ButtonsProps) {
  const { off, reply } = useReply(ask);
  const what = `${visible(ask.step)} ${headline(ask)}`;
  const choices = choicesOf(ask);
  const key = (name: Name) => (selected ? <Hint of={name} /> : null);
  const mayAnswer = may("approve") && isOpen(ask);
  const link = !mayAnswer ? words.open : !isWhole ? words.review
    : isYesNo(ask) || choices.length > 0 ? words.open : words.answer;
  return (
    <div class="acts">
      {mayAnswer && isYesNo(ask) ? (
        <>
          {isWhole ? (
            <button class="main" disabled={off} aria-label={words.allowOf(what)}
              onClick={(event) => reply(event, { decision: "allow" })}>
              {words.allow}{key("allow")}
            </button>
          ) : null}
          <button disabled={off} aria-label={words.denyOf(what)}
            onClick={(event) => reply(event, { decision: "deny" })}>
            {words.deny}{key("deny")}
          </button>
          {isWhole && mayAlways(ask) ? (
            <button aria-expanded={always} aria-label={words.alwaysOf(what)}
              onClick={() => alwaysSet(!always)}>{words.always}</button>
          ) : null}
        </>
      ) : null}
      {mayAnswer && isWhole && choices.length <= CHOICES_IN_ROW ? choices.map((one, at) => (
        <button key={one.text} disabled={off} aria-label={words.option(at + 1, one.text)}
          title={one.text} onClick={(event) => reply(event, one.reply)}>{at + 1}</button>
      )) : null}
      {hidden ? null : (
        <a class="button quiet" href={`/inbox/${ask.id}`} aria-label={`${link}: ${what}`}>
          {link}{key("open")}
        </a>
      )}
    </div>
  );
}

interface AskProps {
  ask: Ask;
  compact?: boolean;
  selected?: boolean;
  /** It is open already: no link to it. */
  here?: boolean;
  /** All of its text stands below the row. */
  below?: boolean;
}

/** Each whole, with the number of its button. */
function Options({ ask }: { ask: Ask }) {
  const options = optionsOf(ask);
  if (options.length === 0 || !isOpen(ask)) return null;
  return (
    <ol class="options">
      {options.map((one, at) => <li key={at}><bdi>{visible(one)}</bdi></li>)}
    </ol>
  );
}

export function AskCard(props: AskProps) {
  const { ask, compact = false, selected = false, here = false, below = false } = props;
  const [always, alwaysSet] = useState(false), answering = useReply(ask);
  if (!compact) return <Whole ask={ask} />;
  const isWhole = !below && fitsRow(ask);
  return (
    <article class={`row ask${selected ? " sel" : ""}`} data-row={ask.id} tabIndex={-1}
      aria-label={`${visible(ask.step)}: ${headline(ask)}`} aria-current={selected}>
      <Brand id={ask.root_run ?? ask.run} />
      <div class="what">
        {isWhole ? (
          <Reading of={textOf(ask)}>
            <Headline ask={ask} whole />
            <Options ask={ask} />
          </Reading>
        ) : <Headline ask={ask} more={!below} />}
        <Origin ask={ask} />
        <Outcome ask={ask} />
      </div>
      <Buttons ask={ask} selected={selected} hidden={here} isWhole={isWhole || below}
        always={always} alwaysSet={alwaysSet} />
      {always && isOpen(ask) ? (
        <Always ask={ask} answering={answering} close={() => alwaysSet(false)} />
      ) : null}
    </article>
  );
}
