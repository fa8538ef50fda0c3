/** What the Inbox shows, and how much of it waits: of mail, what a person is to answer. */
import { useSeat } from "../router/router.ts";
import { due, dueOf } from "../state/home.ts";
import { KINDS, type Kind } from "./groups.ts";
import { words } from "./words.ts";

type Counts = Partial<Record<Kind | "mail", number>>;

/** `counts`: of the rows that the view has. */
export function Kinds({ kind, counts = {} }: { kind: Kind | "mail"; counts?: Counts }) {
  const { go, setQuery } = useSeat();
  const known: Counts = { ...counts, all: due.value, mail: dueOf.value.mail ?? 0 };
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
          {words.kinds[one]}{known[one] === undefined ? null : <> <b>{known[one]}</b></>}
        </button>
      ))}
    </div>
  );
}
