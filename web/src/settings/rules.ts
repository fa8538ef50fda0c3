/** The rules of a project as a draft that is edited, and back. Pure. */
import type { Project as Row } from "../api/types.ts";

export const PERMISSIONS = ["allow", "review", "ask", "deny"] as const;

export interface Rule { tool?: string; subject?: string; permission: string }
export interface Folder { path: string; access: string }
export type ProjectSettings = {
  permissions?: Rule[]; edits?: string | string[]; folders?: Folder[];
};
export interface Project extends Row { settings: ProjectSettings | null }

/** `id` holds while the draft is edited: rows move. */
export interface Draft {
  rules: { id: number; tool: string; subject: string; permission: string }[];
  edits: string;
  folders: Folder[];
}

export function draftOf(settings: ProjectSettings | null): Draft {
  const { permissions = [], edits = "", folders = [] } = settings ?? {};
  return {
    rules: permissions.map(({ tool = "", subject = "", permission }, id) =>
      ({ id, tool, subject, permission })),
    edits: typeof edits === "string" ? edits : edits.join("\n"),
    folders,
  };
}

/** What is sent: a member that says nothing is absent. */
export function settingsOf({ rules, edits, folders }: Draft): ProjectSettings {
  const globs = edits.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const [only] = globs;
  const isWord = globs.length === 1 && (only === "allow" || only === "ask");
  return {
    ...(rules.length > 0 && { permissions: rules.map(({ tool, subject, permission }) => ({
      ...(tool.trim() !== "" && { tool: tool.trim() }),
      ...(subject.trim() !== "" && { subject: subject.trim() }), permission,
    })) }),
    ...(only !== undefined && { edits: isWord ? only : globs }),
    ...(folders.length > 0 && { folders }),
  };
}

/** Two settings say the same, in whatever order their members stand. */
export const isSame = (one: ProjectSettings | null, other: ProjectSettings | null): boolean =>
  JSON.stringify(settingsOf(draftOf(one))) === JSON.stringify(settingsOf(draftOf(other)));

/** The row at `at`, one place up (-1) or down (1). */
export function moved<T>(rows: readonly T[], at: number, by: number): T[] {
  const all = [...rows], [row] = all.splice(at, 1);
  if (row !== undefined) all.splice(Math.max(0, at + by), 0, row);
  return all;
}

export const added = (draft: Draft): Draft => ({
  ...draft,
  rules: [...draft.rules, { id: 1 + Math.max(-1, ...draft.rules.map(({ id }) => id)), tool: "",
    subject: "", permission: "ask" }],
});

/** Which rule the daemon's words are about: `"permissions": rule 2: …`. null: another member. */
export const ruleAt = (detail: string): number | null => {
  const found = /"permissions": rule (\d+)/.exec(detail);
  return found === null ? null : Number(found[1]) - 1;
};
