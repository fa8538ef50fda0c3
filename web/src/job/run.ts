/** One job as the API shows it, read again whenever its row changes. */
import { useEffect, useState } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import type { Run } from "../api/types.ts";
import { followOwner } from "../state/owner.ts";

export interface Spec {
  shell?: string; argv?: string[]; cwd?: string; label?: string; sandbox?: string;
  pty?: boolean | { rows: number; columns: number };
  notify?: { webhook?: string; session?: string }[];
}
export interface Job extends Run {
  spec: Spec;
  result: { memory_kb?: number | null; duration_ms?: number | null } | null;
}

/** Who started it: a session, by the stream of the turn above it, or another run. */
export interface Starter { run: string; session: string | null }

export const commandOf = ({ shell, argv }: Spec): string =>
  shell ?? (argv ?? []).map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word
    : `'${word.replace(/'/g, "'\\''")}'`)).join(" ");

export const hasTerminal = (job: Job): boolean =>
  job.spec.pty !== undefined && job.spec.pty !== false;

export function useJob(id: string): { job: Job | null; problem: Problem | null; again(): void } {
  const [job, jobSet] = useState<Job | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const [count, countSet] = useState(0);
  useEffect(() => {
    let reads = 0;
    const read = async (): Promise<void> => {
      const mine = ++reads;
      const answer = await get<Job>(`/runs/${encodeURIComponent(id)}`);
      if (mine !== reads) return;
      if (answer.ok) jobSet(answer.value);
      problemSet(answer.ok ? null : answer.problem);
    };
    jobSet(null);
    void read();
    const end = followOwner({
      onReset: () => void read(),
      onEvents: (events) => {
        const isOurs = ({ type, data }: { type: string; data: unknown }) =>
          type === "run_changed" && (data as { id?: string }).id === id;
        if (events.some(isOurs)) void read();
      },
    });
    return () => {
      reads = Infinity;
      end();
    };
  }, [id, count]);
  return { job: job?.id === id ? job : null, problem, again: () => countSet((one) => one + 1) };
}

export function useStarter(parent: string | null): Starter | null {
  const [starter, starterSet] = useState<Starter | null>(null);
  useEffect(() => {
    starterSet(null);
    if (parent === null) return;
    let here = true;
    void get<{ stream: string }>(`/runs/${parent}`).then((answer) => {
      if (!here) return;
      const name = answer.ok ? answer.value.stream : "";
      const session = name.startsWith("session:") ? name.slice("session:".length) : null;
      starterSet({ run: parent, session });
    });
    return () => void (here = false);
  }, [parent]);
  return starter;
}
