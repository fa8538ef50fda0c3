/** A block of code: its language, a button that copies it, colours where there are some. */
import { Copy } from "../parts/copy.tsx";
import { DRAWN_FIRST, ShowRest, useGrowth } from "../parts/bounded.tsx";
import { beginning, visible } from "../parts/visible.ts";
import { words } from "../words.ts";
import type { Run } from "./tree.ts";

interface CodeProps {
  language: string;
  text: string;
  runs: Run[] | null;
}

function Runs({ runs }: { runs: Run[] }) {
  return runs.map(([kind, text]) => (
    kind === "" ? visible(text) : <span class={`code-${kind}`}>{visible(text)}</span>));
}

export function Code({ language, text, runs }: CodeProps) {
  const [factor, grow] = useGrowth();
  const shown = beginning(text, DRAWN_FIRST * factor);
  const hidden = text.length - shown.length;
  return (
    <figure class="code">
      <figcaption>
        <span>{language}</span>
        <Copy text={text} />
      </figcaption>
      {/* It scrolls, so that the keyboard has to get there. */}
      <pre dir="ltr" tabIndex={0} role="group" aria-label={words.codeIn(language)}>
        <code>{runs === null ? visible(shown) : <Runs runs={runs} />}</code>
      </pre>
      {hidden === 0 ? null : <ShowRest hidden={hidden} onMore={grow} />}
    </figure>
  );
}
