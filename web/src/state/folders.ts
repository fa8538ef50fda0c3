/** Folders that projects and sessions work in, as a field for a path offers them. */
import { useItems } from "./read.ts";

type Row = { root?: string | null };

export function useFolders(): string[] {
  const projects = useItems<Row>("/projects?limit=200");
  const sessions = useItems<Row>("/sessions?limit=200");
  return [...new Set([...projects, ...sessions].flatMap(({ root }) => root || []))].sort();
}
