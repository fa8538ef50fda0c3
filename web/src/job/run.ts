/** One job as the API shows it, read again whenever its row changes. */
import type { Run } from "../api/types.ts";
import { useRead, type Read } from "../state/read.ts";

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

export const useJob = (id: string): Read<Job> =>
  useRead<Job>(`/runs/${encodeURIComponent(id)}`, { after: ({ type, data }) =>
    type === "run_changed" && (data as { id?: string }).id === id });

export function useStarter(parent: string | null): Starter | null {
  const { value, problem } =
    useRead<{ stream: string }>(parent === null ? null : `/runs/${parent}`);
  if (parent === null || (value === null && problem === null)) return null;
  const [, session = null] = /^session:(.*)$/.exec(value?.stream ?? "") ?? [];
  return { run: parent, session };
}
