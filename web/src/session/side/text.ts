/** Numbers and pieces of text beside a conversation. All are pure. */

/** `340ms`, `12s`, `2m 5s`, `1h 2m`; `—` where it is not known. */
export function duration(ms: number | null): string {
  if (ms === null || ms < 0) return "—";
  if (ms < 1000) return `${Math.floor(ms)}ms`;
  const seconds = Math.floor(ms / 1000), minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds}s`;
  if (minutes < 60) return `${minutes}m ${seconds % 60}s`;
  return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}

/** Where the text was found, as the daemon searches: the case of a-z is ignored. */
export function pieces(text: string, wanted: string): { text: string; hit: boolean }[] {
  const lower = (one: string) => one.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const [all, part] = [lower(text), lower(wanted)];
  const found: { text: string; hit: boolean }[] = [];
  let from = 0;
  for (let at = -1; part !== "" && (at = all.indexOf(part, from)) >= 0; from = at + part.length) {
    if (at > from) found.push({ text: text.slice(from, at), hit: false });
    found.push({ text: text.slice(at, at + part.length), hit: true });
  }
  if (from < text.length) found.push({ text: text.slice(from), hit: false });
  return found;
}

const LIVE = ["queued", "running", "waiting"];
const GOOD = ["succeeded", "degraded"];
export const isLive = ({ state }: { state: string }): boolean => LIVE.includes(state);
export const isBad = (row: { state: string }): boolean =>
  !isLive(row) && !GOOD.includes(row.state);
