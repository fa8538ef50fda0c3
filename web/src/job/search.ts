/** Search in the whole log, by the daemon: line by line, without escapes. */
import { useEffect, useRef, useState } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import type { LogMatches } from "../api/types.ts";
import type { Place } from "./reading.ts";

export interface Hits {
  text: string;
  lines: number[];
  total: number;
  /** Index in `lines` of the one that is shown. */
  at: number;
}
export interface Search {
  hits: Hits | null;
  problem: Problem | null;
  find(text: string): void;
  move(by: 1 | -1): void;
}

/** The text as it is, in capitals or not: people look for words, not for patterns. */
export const patternOf = (text: string): string =>
  `(?i)${text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}`;

export function useSearch({ run, attempt, stream }: Place, show: (line: number) => void): Search {
  const [hits, hitsSet] = useState<Hits | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const asked = useRef(0);
  useEffect(() => {
    asked.current++;
    hitsSet(null);
    problemSet(null);
  }, [run, attempt, stream]);
  const showAt = (found: Hits, at: number): void => {
    hitsSet({ ...found, at });
    const line = found.lines[at];
    if (line !== undefined) show(line);
  };
  return {
    hits, problem,
    find(text) {
      const mine = ++asked.current;
      problemSet(null);
      if (text === "") return hitsSet(null);
      const words = new URLSearchParams({
        pattern: patternOf(text), limit: "500", attempt: String(attempt), stream,
      });
      void get<LogMatches>(`/jobs/${run}/logs/search?${words}`).then((answer) => {
        if (mine !== asked.current) return;
        if (!answer.ok) return problemSet(answer.problem);
        const { matches, total } = answer.value;
        showAt({ text, lines: matches.map(({ line }) => line), total, at: 0 }, 0);
      });
    },
    move(by) {
      if (hits === null || hits.lines.length === 0) return;
      showAt(hits, (hits.at + by + hits.lines.length) % hits.lines.length);
    },
  };
}
