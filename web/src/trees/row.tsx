/** A working tree: a line of the list, and what it holds where it is opened. */
import type { ComponentChildren } from "preact";

import type { Tree, TreeAlone } from "../api/types.ts";
import { Counts } from "../changes/link/sum.tsx";
import { Brand } from "../parts/brand.tsx";
import { Copy } from "../parts/copy.tsx";
import { Loading } from "../parts/loading.tsx";
import { ago } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { now } from "../state/clock.ts";
import { may } from "../state/me.ts";
import { sizeText } from "../system/rules.ts";
import { holderPath, useTree } from "./reading.ts";
import { words } from "./words.ts";

const COMMIT = 10;

/** What stands in the way, or how it is: a shape, a tone, words. */
function stateOf({ state, detail, look }: Tree): [shape: string, tone: string, text: string] {
  if (state === "failed") return ["✕", "fail", detail ?? words.states.failed ?? ""];
  if (state === "planned") return ["○", "queued", words.states.planned ?? ""];
  if (look !== null && look.state !== "whole") {
    return ["◆", "wait", words.looks[look.state] ?? look.state];
  }
  if (look !== null && look.commits > 0) return ["◆", "run", words.commits(look.commits)];
  return look !== null && look.files === 0 ? ["–", "queued", words.unchanged]
    : ["✓", "ok", words.states[state] ?? state];
}

function Facts({ tree }: { tree: TreeAlone }) {
  const { branch, base, begin_at, path, ports, setup, look } = tree;
  const rows: [name: string, value: ComponentChildren][] = [
    [words.folder, <><bdi class="mono">{visible(path)}</bdi> <Copy text={path} label={words.path} />
    </>],
    [words.branch, branch === null ? null : <bdi class="mono">{visible(branch)}</bdi>],
    [words.base, base === null ? null : <span class="mono">{base.slice(0, COMMIT)}</span>],
    [words.begins, begin_at === null ? null : <bdi class="mono">{visible(begin_at)}</bdi>],
    [words.ports, ports], [words.setup, setup === null ? null
      : <bdi class="mono">{visible(setup)}</bdi>],
    [words.size, look === null || look.bytes === 0 ? null : sizeText(look.bytes)],
  ];
  return (
    <dl class="facts">
      {rows.filter(([, value]) => value !== null).map(([name, value]) => (
        <div key={name}><dt class="muted">{name}</dt><dd>{value}</dd></div>
      ))}
    </dl>
  );
}

export function Lost({ tree: { lost } }: { tree: TreeAlone }) {
  const files = lost?.files ?? [], commits = lost?.commits ?? [];
  if (lost === null || lost === undefined) return null;
  if (files.length + commits.length === 0) return <p class="muted">{words.lostNothing}</p>;
  return (
    <div class="tree-lost" tabIndex={0} role="group" aria-label={words.lost}>
      <ul>
        {commits.map(({ commit, subject }) => (
          <li key={commit}>
            <span class="mono muted">{commit.slice(0, COMMIT)}</span>{" "}
            <span dir="auto">{visible(subject)}</span>
          </li>
        ))}
        {files.map((file) => <li key={file}><bdi class="mono">{visible(file)}</bdi></li>)}
      </ul>
      {files.length === 100 || commits.length === 100
        ? <p class="muted small">{words.lostMore}</p> : null}
    </div>
  );
}

function Whole({ id }: { id: string }) {
  const { value, problem, again } = useTree(id);
  if (value === null) {
    return problem === null ? <Loading /> : <Trouble problem={problem} retry={again} />;
  }
  return (
    <div class="whole">
      <Facts tree={value} />
      <h2>{words.lost}</h2>
      <Lost tree={value} />
    </div>
  );
}

/** Nothing is in it that could be applied. */
export const isApplied = ({ state, look }: Tree): boolean =>
  state !== "ready" || (look !== null && look.files === 0);

interface RowProps {
  tree: Tree; selected: boolean; open: boolean; turn(): void; apply(): void; remove(): void;
}

export function Row({ tree, selected, open, turn, apply, remove }: RowProps) {
  const { id, name, holder, kind, branch, look, made_ms } = tree;
  const [shape, tone, text] = stateOf(tree), newest_ms = look?.newest_ms ?? 0;
  const changes = kind === "session" ? `/s/${holder}/changes`
    : kind === "agent" ? `/r/${holder}/changes` : null;
  return (
    <article class={`tree-row${open ? " open" : ""}`} aria-label={visible(name)}>
      <div class={`row tree${selected ? " sel" : ""}`} data-row={id} tabIndex={-1}
        aria-current={selected}>
        <Brand id={holder} />
        <span class="what">
          <button type="button" class="plain clip name" aria-expanded={open} onClick={turn}
            aria-label={words.open(visible(name))}>{visible(name)}</button>
          <span class="muted clip small">
            <a href={holderPath(tree)}>{words.kinds[kind] ?? kind}</a>
            {branch === null ? null : <> · <bdi class="mono">{visible(branch)}</bdi></>}
          </span>
        </span>
        <span class="num">
          {look === null || look.files === 0 ? null : (
            <>
              <span class="muted">{words.changed(look.files)}</span>{" "}
              <Counts added={look.added} removed={look.removed} />
            </>
          )}
        </span>
        <span class="muted num small">
          {newest_ms > 0 ? words.lastWrite(ago(now.value - newest_ms))
            : words.made(ago(now.value - made_ms))}
          {look === null || look.bytes === 0 ? null : ` · ${sizeText(look.bytes)}`}
        </span>
        <span class={`state tone-${tone}`} title={text}>
          <span class="shape" aria-hidden="true">{shape}</span>
          <span class="clip" dir="auto">{visible(text)}</span>
        </span>
        <span class="acts">
          {changes === null ? null : <a class="button quiet" href={changes}>{words.changes}</a>}
          {may("approve") ? (
            <>
              {isApplied(tree) ? null : (
                <button class="quiet" aria-label={words.applyOf(visible(name))} onClick={apply}>
                  {words.apply}</button>
              )}
              <button class="quiet" aria-label={words.removeOf(visible(name))} onClick={remove}>
                {words.remove}</button>
            </>
          ) : null}
        </span>
      </div>
      {open ? <Whole id={id} /> : null}
    </article>
  );
}
