/** The status line: whether the page is live, and up to which event what it shows is whole. */
import { key } from "../api/key.ts";
import { signOut } from "../api/signin.ts";
import { away } from "../state/away.ts";
import { ticks } from "../state/clock.ts";
import { link, streams, wake } from "../state/live.ts";
import { me } from "../state/me.ts";
import { words } from "./words.ts";

function Link() {
  const state = link.value;
  if (state === null) return null;
  if (!away.value) {
    return <span><span class="tone-ok" aria-hidden="true">● </span>{words.live}</span>;
  }
  const seconds = Math.max(0, Math.ceil(((state.retry_at_ms ?? 0) - ticks.value) / 1000));
  return (
    <span class="away tone-degraded">
      <span role="status">○ {words.away} <code>{words.awayCommand}</code> {words.awayStarts}</span>
      {" · "}
      {state.phase === "waiting" ? words.retryIn(seconds) : words.connecting}{" "}
      <button class="quiet" onClick={wake}>{words.tryNow}</button>
    </span>
  );
}

export function Status() {
  const stream = me.value === null ? undefined : streams.value[`owner:${me.value.owner}`];
  const clock = link.value?.clock ?? null;
  return (
    <footer class="status">
      <Link />
      {away.value || stream?.whole == null ? null
        : <span class="whole">{words.wholeTo(stream.whole)}</span>}
      {away.value || stream?.resumed == null ? null : (
        <span class="wide">{words.resumedAt(stream.resumed.seq, stream.resumed.events)}</span>
      )}
      {clock === null ? null : <span class="wide">{words.clockAhead(clock.ahead_ms)}</span>}
      {key.value === null ? null : (
        <button class="quiet end out" onClick={() => void signOut()}>{words.signOut}</button>
      )}
    </footer>
  );
}
