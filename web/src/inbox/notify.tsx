/** Whether this browser notifies, or why it cannot. */
import { notifying, notifySet } from "../state/notify.ts";
import { words } from "./words.ts";

export function Notify() {
  switch (notifying.value) {
    case "off":
      return (
        <p class="notify">
          <button class="quiet" onClick={() => void notifySet(true)}>{words.notify}</button>
        </p>
      );
    case "on":
      return (
        <p class="notify muted small">
          {words.notifyOn}{" "}
          <button class="quiet" onClick={() => void notifySet(false)}>{words.notifyOff}</button>
        </p>
      );
    case "denied":
      return <p class="notify muted small">{words.notifyDenied}</p>;
    case "insecure":
      return <p class="notify muted small">{words.notifyInsecure}</p>;
    case "missing":
      return <p class="notify muted small">{words.notifyMissing}</p>;
  }
}
