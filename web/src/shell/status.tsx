/** What this page knows of itself. The stream client will say here to which number it is whole. */
import { signOut } from "../api/signin.ts";
import { key } from "../api/key.ts";
import { now } from "../state/clock.ts";
import { home, homeRead } from "../state/home.ts";
import { words } from "../words.ts";

export function Status() {
  const { read_ms, problem } = home.value;
  const age = Math.max(0, Math.floor((now.value - read_ms) / 1000));
  return (
    <footer class="status">
      {problem !== null ? (
        <span role="status" class="tone-fail">
          {words.problem(problem)}
        </span>
      ) : read_ms > 0 ? <span>{words.readAt(age)}</span> : null}
      {problem === null ? null : (
        <button class="quiet" onClick={() => void homeRead()}>{words.retry}</button>
      )}
      {key.value === null ? null : (
        <button class="quiet end" onClick={() => void signOut()}>{words.signOut}</button>
      )}
    </footer>
  );
}
