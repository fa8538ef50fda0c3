/** What the Inbox shows, and how much of it waits: of mail, what a person is to answer. */
import { useSeat } from "../router/router.ts";
import { openAsks } from "../state/asks.ts";
import { heldCount, inboxDue } from "../state/home.ts";
import { mailDue } from "../state/mail.ts";
import { KINDS, ofKind, type Kind } from "./groups.ts";
import { words } from "./words.ts";

export function Kinds({ kind }: { kind: Kind | "mail" }) {
  const { go, setQuery } = useSeat();
  const counts = {
    all: inboxDue.value, deliveries: heldCount.value, mail: mailDue.value.length,
    leave: ofKind(openAsks.value, "leave").length,
    questions: ofKind(openAsks.value, "questions").length,
  };
  const show = (one: Kind | "mail"): void => {
    const value = one === "all" ? null : one;
    if (one === "mail") go("/inbox/mail");
    else if (kind === "mail") go(value === null ? "/inbox" : `/inbox?kind=${value}`);
    else setQuery("kind", value);
  };
  return (
    <div class="inbox-kinds" role="group" aria-label={words.filters}>
      {[...KINDS, "mail" as const].map((one) => (
        <button key={one} class="quiet" aria-pressed={kind === one} onClick={() => show(one)}>
          {words.kinds[one]} <b>{counts[one]}</b>
        </button>
      ))}
    </div>
  );
}
