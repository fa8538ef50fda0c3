/** A memory: a line of the list, and whole where it is opened. */
import type { Memory } from "../api/types.ts";
import { Bounded } from "../parts/bounded.tsx";
import { Copy } from "../parts/copy.tsx";
import { Sure } from "../parts/sure.tsx";
import { ago } from "../parts/text.ts";
import { beginning, visible } from "../parts/visible.ts";
import { now } from "../state/clock.ts";
import { may } from "../state/me.ts";
import { words } from "./words.ts";

const LINE_MAX = 300;

const projectOf = ({ project }: Memory) =>
  (project === undefined || project === "" ? <span class="muted">{words.ofGeneral}</span>
    : <bdi class="mono">{visible(project)}</bdi>);

interface RowProps {
  memory: Memory; selected: boolean; open: boolean; search: string; remove(): void;
}

function Whole({ memory, remove }: { memory: Memory; remove(): void }) {
  const { id, title, content, tags, made_ms, changed_ms } = memory;
  const about = [words.made(ago(now.value - made_ms)),
    changed_ms > made_ms ? words.changed(ago(now.value - changed_ms)) : null];
  return (
    <div class="whole">
      <p class="content" dir="auto"><Bounded text={content} /></p>
      {tags.length === 0 ? null : (
        <p>
          <span class="muted">{words.tags}</span>{" "}
          {tags.map((tag) => <span key={tag} class="tag mono" dir="auto">{visible(tag)}</span>)}
        </p>
      )}
      <p class="muted small">{about.filter((one) => one !== null).join(" · ")}</p>
      <p class="acts">
        <Copy text={id} label={words.link} />
        {may("run") ? (
          <Sure name={words.remove} label={words.removeOf(visible(title))} sure={words.removeSure}
            onSure={remove} />
        ) : null}
      </p>
    </div>
  );
}

export function Row({ memory, selected, open, search, remove }: RowProps) {
  const { id, topic, title, content, day } = memory, name = visible(title);
  return (
    <article class={`memory-row${open ? " open" : ""}`} aria-label={name}>
      <div class={`row memory${selected ? " sel" : ""}`} data-row={id} tabIndex={-1}
        aria-current={selected}>
        <span class="what">
          <a class="clip name" href={open ? `/memory${search}` : `/memory/${id}${search}`}
            aria-expanded={open} dir="auto">{name}</a>
          {open ? null : (
            <span class="muted clip small" dir="auto">{visible(beginning(content, LINE_MAX))}</span>
          )}
        </span>
        <span class="clip mono" dir="auto">{visible(topic)}</span>
        <span class="clip">{projectOf(memory)}</span>
        <span class="muted num">{day}</span>
      </div>
      {open ? <Whole memory={memory} remove={remove} /> : null}
    </article>
  );
}
