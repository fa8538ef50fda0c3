/** What is read of a workflow and of its script: the file, the draft, and the check while somebody
 *  types. */
import { useEffect, useRef, useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import type { Note } from "../api/types.ts";
import { visible } from "../parts/visible.ts";
import { draftKeep, draftOf } from "../state/draft.ts";
import type { Workflow } from "./rules.ts";
import { words } from "./words.ts";

const TYPED_MS = 300;

export const queryOf = (root: string): string =>
  (root === "" ? "" : `?${new URLSearchParams({ root })}`);

/** --- The draft --- */

/** FNV-1a: whether a text is the one that a draft began with. */
export function digestOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return `${text.length}.${(hash >>> 0).toString(16)}`;
}

export interface Draft {
  text: string;
  edited: boolean;
  /** The file is not the one any more that was edited. */
  stale: boolean;
  write(text: string): void;
  /** That text is in the file now; what was typed since goes on from it. */
  saved(text: string): void;
  /** It is as the file again. */
  discard(): void;
}

/** It is kept in the storage until it is as the file, or discarded. */
export function useDraft(flow: Workflow, root: string): Draft {
  const source = flow.source ?? "", id = `workflow.${root}.${flow.name}`;
  const [text, textSet] = useState(() => draftOf(id) || source);
  const latest = useRef(text);
  const stored = useRef(""); // Digest of what was saved, until the file has been read again.
  const keep = (now: string): void => {
    draftKeep(id, now === source ? "" : now, latest.current);
    draftKeep(`${id}.of`, now === source ? "" : draftOf(`${id}.of`) || digestOf(source),
      draftOf(`${id}.of`));
  };
  const write = (now: string): void => {
    keep(now);
    latest.current = now;
    textSet(now);
  };
  const saved = (now: string): void => {
    stored.current = digestOf(now);
    if (latest.current === now) return;
    draftKeep(id, latest.current, "");
    draftKeep(`${id}.of`, stored.current, "");
  };
  useEffect(() => {
    stored.current = "";
    if (latest.current === source) keep(source); // What was begun has arrived in the file.
    // Another tab's writing is taken over where this one has written nothing.
    const heard = ({ key }: StorageEvent): void => {
      const isWriting = document.activeElement instanceof HTMLTextAreaElement;
      if (key !== `drover.draft.${id}` || isWriting) return;
      latest.current = draftOf(id) || source;
      textSet(latest.current);
    };
    addEventListener("storage", heard);
    return () => removeEventListener("storage", heard);
  }, [source]);
  const edited = text !== source;
  return { text, edited, write, saved, discard: () => write(source),
    stale: edited && ![digestOf(source), stored.current, ""].includes(draftOf(`${id}.of`)) };
}

/** --- The check --- */

export interface Verdict {
  valid: boolean; meta: { args?: unknown } | null; problems: Note[]; checked: boolean;
}
export interface Check {
  /** Of the text as it is now; while it is checked, what was said of the text before. */
  verdict: Verdict | null;
  busy: boolean;
  problem: Problem | null;
}

/** What an editor does not show, and a person therefore does not see. */
function hiddenIn(text: string): Note[] {
  if (visible(text) === text.replaceAll("\r\n", "\n")) return [];
  return text.split("\n").flatMap((one, at): Note[] => {
    const bare = one.replace(/\r$/, "");
    return visible(bare) === bare ? [] : [{ line: at + 1, column: 1, code: "hidden",
      severity: "warning", detail: words.hidden }];
  }).slice(0, 20);
}

export function useCheck(text: string, file: string, root: string): Check {
  const [said, saidSet] = useState<{ of: string; verdict: Verdict } | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const first = useRef(true);
  useEffect(() => {
    let here = true;
    const timer = setTimeout(() => {
      const body = { script: text, file, ...(root !== "" && { root }) };
      void post<Verdict>("/scripts/check", body).then((answer) => {
        if (!here) return;
        problemSet(answer.ok ? null : answer.problem);
        if (!answer.ok) return;
        const problems = [...answer.value.problems, ...hiddenIn(text)];
        saidSet({ of: text, verdict: { ...answer.value, problems } });
      });
    }, first.current ? 0 : TYPED_MS);
    first.current = false;
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [text, file, root]);
  return { verdict: said?.verdict ?? null, problem,
    busy: problem === null && said?.of !== text };
}
