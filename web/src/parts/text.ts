/** Numbers and times for people. */
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en", {
  hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});
const day = new Intl.DateTimeFormat("en", { month: "short", day: "numeric" });

export const count = (value: number): string => (value < 10000 ? whole : short).format(value);

export function money(micros: number): string {
  return micros > 0 && micros < 10_000 ? "< $0.01" : `$${(micros / 1e6).toFixed(2)}`;
}

export function ago(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return `${Math.floor(minutes / 1440)} d ago`;
}

/** 0:14, 6:12, 5:02:11 */
export function elapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60) % 60, hours = Math.floor(seconds / 3600);
  const end = two(seconds % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${end}` : `${minutes}:${end}`;
}

/** How long something short took: a clock of minutes begins at one. */
export const tookText = (ms: number): string => (ms < 1_000 ? `${Math.max(0, Math.round(ms))} ms`
  : ms < 60_000 ? `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s` : elapsed(ms));

export function when(at_ms: number, now_ms: number): string {
  return now_ms - at_ms < 20 * 3600_000 ? clock.format(at_ms) : day.format(at_ms);
}

/** 14:02 */
export const clockTime = (at_ms: number): string => clock.format(at_ms);

/** Money, never without its unknown part: `$3.12 + 4 calls of unknown cost`. */
export function spentText(
  micros: number | null, unknown: number, text: (micros: number) => string = money): string {
  if (unknown === 0) return text(micros ?? 0);
  const calls = `${count(unknown)} ${unknown === 1 ? "call" : "calls"} of unknown cost`;
  return micros === null ? calls : `${text(micros)} + ${calls}`;
}

/** 42 s, 5 min, 1 h 5 min, 3 d 2 h */
export function spanText(ms: number): string {
  const seconds = Math.round(ms / 1000), minutes = Math.round(ms / 60_000);
  const pair = (large: number, one: string, small: number, other: string): string =>
    (small === 0 ? `${large} ${one}` : `${large} ${one} ${small} ${other}`);
  if (seconds < 60) return `${seconds} s`;
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return pair(Math.floor(minutes / 60), "h", minutes % 60, "min");
  return pair(Math.floor(minutes / 1440), "d", Math.floor(minutes / 60) % 24, "h");
}

/** A time to come: 14:20, or Nov 30 14:20. */
export const timeTo = (at_ms: number, now_ms: number): string =>
  (at_ms - now_ms < 20 * 3600_000 ? "" : `${day.format(at_ms)} `) + clock.format(at_ms);
